//! From `prompts:` to templates, each with its label, as promptfoo 0.121.20 reads them. Kept out: how they are rendered (`render`).

use serde_json::{Map, Value};

use super::environment::{Environment, replace_texts};
use super::files::{Files, ending, has_pattern};
use super::keys::{self, Of};
use super::place::At;
use super::programs::{is_typescript, language_of, program, split};
use crate::document::{Problem, Problems, pointer_part};
use crate::eval::promptfoo::assert::{json_of, trimmed};
use crate::eval::promptfoo::test::{Code, Language};

/// A prompt.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) id: Option<String>,
    pub(super) label: String,
    pub(super) raw: String,
    pub(super) config: Map<String, Value>,
    /// What makes it; `raw` is its text then.
    pub(super) program: Option<Code>,
    pub(super) at: At,
}

/// Endings after which a text without line breaks is taken for a path.
const ENDINGS: &[&str] = &[
    ".cjs", ".cts", ".j2", ".js", ".json", ".jsonl", ".md", ".mjs", ".mts", ".py", ".ts", ".txt", ".yml", ".yaml",
    ".csv", ".sh", ".rb", ".go", ".exe", ".bat",
];

/// One entry of `prompts:`.
struct Entry {
    raw: String,
    id: Option<String>,
    label: Option<String>,
    config: Map<String, Value>,
    at: At,
}

/// Reads all prompts; each problem has its place.
pub(super) fn read(
    value: Option<&Value>,
    at: &At,
    files: &Files,
    environment: &Environment<'_>,
    problems: &mut Problems,
) -> Vec<Written> {
    let mut prompts = Vec::new();
    let mut seen = Vec::new();
    for entry in entries(value, at, environment, problems) {
        // Texts that are there twice count once.
        if entry.label.is_none() && entry.id.is_none() {
            if seen.contains(&entry.raw) {
                continue;
            }
            seen.push(entry.raw.clone());
        }
        match one(&entry, files) {
            Ok(found) if found.is_empty() => {
                problems.push(entry.at.problem(format!("there is no prompt in `{}`", entry.raw)));
            }
            Ok(found) => prompts.extend(found),
            Err(problem) => problems.push(problem),
        }
    }
    for prompt in &prompts {
        if prompt.program.is_some() {
            // promptfoo 0.121.20 gives `_conversation` to a template that shows it, and to no program.
            if prompt.raw.contains("_conversation") {
                let problem =
                    prompt.at.problem("a program of a prompt is not given `_conversation`, in promptfoo neither");
                problems
                    .note(problem.help("each case of a gate is asked by itself; give it the earlier turns as a var"));
            }
        } else if prompt.raw.contains("_conversation") {
            problems.push(
                prompt
                    .at
                    .problem("a prompt that quotes earlier answers (`_conversation`) is not asked here")
                    .help("each case of a gate is asked by itself; write the earlier turns into the prompt"),
            );
        }
    }
    prompts
}

fn entries(value: Option<&Value>, at: &At, environment: &Environment<'_>, problems: &mut Problems) -> Vec<Entry> {
    let shown = |text: &str| environment.shown_in(text);
    let plain = |raw: String, at: At| Entry { raw, id: None, label: None, config: Map::new(), at };
    match value {
        None | Some(Value::Null) => {
            problems.push(at.problem("the config has no `prompts`"));
            Vec::new()
        }
        Some(Value::String(text)) => vec![plain(shown(text), at.clone())],
        Some(Value::Array(items)) => {
            let mut entries = Vec::new();
            for (index, item) in items.iter().enumerate() {
                let at = at.part(&format!("/{index}"));
                match item {
                    Value::String(text) => entries.push(plain(shown(text), at)),
                    Value::Object(fields) => entries.extend(object(fields, &at, environment, problems)),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                        problems.push(at.problem("a prompt is a text, or has `raw`, `id` and `label`"));
                    }
                }
            }
            entries
        }
        Some(Value::Object(fields)) => fields
            .iter()
            .map(|(raw, label)| {
                let at = at.part(&format!("/{}", pointer_part(raw)));
                let label = label.as_str().map(str::to_owned);
                Entry { raw: shown(raw), id: None, label, config: Map::new(), at }
            })
            .collect(),
        Some(Value::Bool(_) | Value::Number(_)) => {
            problems.push(at.problem("`prompts` is a text or a list"));
            Vec::new()
        }
    }
}

fn object(
    fields: &Map<String, Value>,
    at: &At,
    environment: &Environment<'_>,
    problems: &mut Problems,
) -> Option<Entry> {
    keys::check(Of::Prompt, fields, at, problems);
    let text = |key: &str| fields.get(key).and_then(Value::as_str).map(|text| environment.shown_in(text));
    let Some(raw) = text("raw").filter(|raw| !raw.is_empty()).or_else(|| text("id")) else {
        problems.push(at.problem("a prompt has a `raw` text, or an `id` that names a file"));
        return None;
    };
    let config = match fields.get("config") {
        Some(Value::Object(config)) => {
            match replace_texts(&Value::Object(config.clone()), &|text| environment.shown_in(text)) {
                Value::Object(config) => config,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
            }
        }
        None | Some(Value::Null) => Map::new(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            problems.push(at.part("/config").problem("`config` is a mapping"));
            Map::new()
        }
    };
    let at = if fields.contains_key("raw") { at.part("/raw") } else { at.clone() };
    Some(Entry { raw, id: text("id"), label: text("label"), config, at })
}

/// Whether promptfoo takes a text for the name of a file.
fn may_be_path(text: &str) -> bool {
    if text.contains('\n') || ["portkey://", "langfuse://", "helicone://"].iter().any(|mark| text.contains(mark)) {
        return false;
    }
    let tokens: Vec<&str> = text.rsplit(':').take(2).collect();
    let units: Vec<u16> = text.encode_utf16().collect();
    let dot_from_end =
        |places: usize| units.len().checked_sub(places).and_then(|at| units.get(at)) == Some(&u16::from(b'.'));
    text.starts_with("file://")
        || ENDINGS.iter().take(14).any(|ending| tokens.iter().any(|token| token.ends_with(ending)))
        || dot_from_end(3)
        || dot_from_end(4)
        || text.contains(['*', '/', '\\'])
}

fn one(entry: &Entry, files: &Files) -> Result<Vec<Written>, Problem> {
    let raw = entry.raw.as_str();
    for (mark, whose) in [("portkey://", "Portkey"), ("langfuse://", "Langfuse"), ("helicone://", "Helicone")] {
        if raw.starts_with(mark) {
            let problem = entry.at.problem(format!("prompts kept at {whose} are not fetched here"));
            return Err(problem.help("write the prompt into a file beside the config"));
        }
    }
    if raw.starts_with("exec:") {
        return Err(entry.at.problem("a prompt that a command prints is not made here").help("write the prompt out"));
    }
    if !may_be_path(raw) {
        return Ok(vec![written(entry, raw.to_owned(), raw.to_owned(), None)]);
    }
    let path = raw.strip_prefix("file://").unwrap_or(raw);
    let named = raw.starts_with("file://");
    let is_plain_text = !named && !files.is_file(path) && !files.is_folder(path) && !ends_as_file(path);
    if has_pattern(path) || files.is_folder(path) {
        let pattern = if files.is_folder(path) { format!("{}/*", path.trim_end_matches('/')) } else { path.to_owned() };
        let found = if named || !path.contains(' ') || !pattern.contains("{{") {
            match files.find(&pattern) {
                Err(why) if named => return Err(entry.at.problem(why)),
                found => found.unwrap_or_default(),
            }
        } else {
            Vec::new()
        };
        if found.is_empty() {
            return match named {
                true => Err(entry.at.problem(format!("no file is found by `{path}`"))),
                false => Ok(vec![written(entry, raw.to_owned(), raw.to_owned(), None)]),
            };
        }
        let mut prompts = Vec::new();
        for path in found {
            let single = Entry { raw: path.clone(), id: None, label: None, config: Map::new(), at: entry.at.clone() };
            prompts.extend(from_file(&single, &path, files)?);
        }
        return Ok(prompts);
    }
    if is_plain_text {
        // promptfoo would say that there is no prompt in it. A text with a slash or a point near its end is no path as a rule.
        let message = format!("promptfoo takes `{}` for the name of a file, and there is none", short(raw));
        return Err(entry
            .at
            .problem(message)
            .help("if it is the prompt itself, end it with a line break: `prompts: [\"…\\n\"]`"));
    }
    from_file(entry, path, files)
}

fn ends_as_file(path: &str) -> bool {
    let path = path.rsplit_once(':').map_or(path, |(before, _)| if before.len() > 1 { before } else { path });
    !path.contains(' ') && ENDINGS.iter().any(|ending| path.ends_with(ending))
}

fn written(entry: &Entry, raw: String, label: String, at: Option<At>) -> Written {
    let label = entry.label.clone().unwrap_or(label);
    Written {
        id: entry.id.clone(),
        label,
        raw,
        config: entry.config.clone(),
        program: None,
        at: at.unwrap_or_else(|| entry.at.clone()),
    }
}

fn from_file(entry: &Entry, path: &str, files: &Files) -> Result<Vec<Written>, Problem> {
    let unreadable = |why: String| entry.at.problem(why);
    let line = |number: usize| At::Line(files.shown(path).into(), u32::try_from(number).unwrap_or(u32::MAX));
    let (file, function) = split(path);
    if language_of(file).is_some_and(|language| language != Language::Ruby) || is_typescript(file) {
        let program = program(path, files).map_err(unreadable)?;
        let raw = files.text(file).map_err(unreadable)?.to_string();
        let label = match (&program, function) {
            (Some(Code { language: Language::Python, .. }), None) => format!("{path}: {}...", first(&raw, 50)),
            (_, _) => path.to_owned(),
        };
        return Ok(vec![Written { id: None, program, ..written(entry, raw, label, None) }]);
    }
    match ending(path.rsplit_once(':').map_or(path, |(before, _)| before)).as_str() {
        "rb" | "go" | "sh" | "bash" | "exe" | "bat" | "cmd" | "ps1" | "pl" => {
            let problem = entry.at.problem(format!("`{path}`: a prompt that a command prints is not made here"));
            return Err(
                problem.help("write the prompt as a template into a text file, or make it with JavaScript or Python")
            );
        }
        _ => {}
    }
    let text = files.text(path).map_err(unreadable)?;
    match ending(path).as_str() {
        "txt" => Ok(texts(entry, path, &text, &line)),
        "md" | "j2" => {
            let label = format!("{path}: {}...", first(&text, 50));
            Ok(vec![written(entry, text.to_string(), label, Some(line(1)))])
        }
        "json" => {
            let raw = serde_json::from_str::<Value>(&text).map_or_else(|_| text.to_string(), |value| json_of(&value));
            let label = format!("{path}: {raw}");
            Ok(vec![written(entry, raw, label, Some(line(1)))])
        }
        "yaml" | "yml" => {
            let raw = files.value(path).map_or_else(|_| text.to_string(), |value| json_of(&value));
            let label = format!("{path}: {}", first(&raw, 80));
            Ok(vec![written(entry, raw, label, Some(line(1)))])
        }
        "jsonl" => {
            let lines: Vec<(usize, &str)> = numbered(&text).filter(|(_, line)| !line.is_empty()).collect();
            let several = lines.len() > 1;
            let one = |(number, json): (usize, &str)| {
                let before = entry.label.as_deref().unwrap_or(path);
                let label = if several { format!("{before}: {json}") } else { before.to_owned() };
                Written { label, ..written(entry, json.to_owned(), String::new(), Some(line(number))) }
            };
            Ok(lines.into_iter().map(one).collect())
        }
        "csv" => table(entry, &text, &line),
        other => Err(entry.at.problem(format!("prompts are not read from files that end in `.{other}`"))),
    }
}

/// Prompts between lines of `---`.
fn texts(entry: &Entry, path: &str, text: &str, line: &dyn Fn(usize) -> At) -> Vec<Written> {
    let mut prompts = Vec::new();
    let mut block: Vec<&str> = Vec::new();
    let mut begins = 1;
    let lines = numbered(text).map(|(number, line)| (number, Some(line))).chain([(0, None)]);
    for (number, content) in lines {
        match content {
            Some(content) if trimmed(content) != "---" => block.push(content),
            Some(_) | None => {
                let whole = block.join("\n");
                let raw = trimmed(&whole);
                if !raw.is_empty() {
                    let label = format!("{path}: {raw}");
                    let label = entry.label.as_ref().map_or(label.clone(), |before| format!("{before}: {label}"));
                    let prompt = written(entry, raw.to_owned(), String::new(), Some(line(begins)));
                    // Of a text file promptfoo keeps the label alone.
                    prompts.push(Written { label, id: None, config: Map::new(), ..prompt });
                }
                block.clear();
                begins = number + 1;
            }
        }
    }
    prompts
}

fn table(entry: &Entry, text: &str, line: &dyn Fn(usize) -> At) -> Result<Vec<Written>, Problem> {
    let prompt = |index: usize, raw: &str, label: Option<&str>, number: usize| {
        let otherwise = format!("Prompt {index} - {raw}");
        let own = label.filter(|label| !label.is_empty()).map(str::to_owned);
        let label = own.or_else(|| entry.label.clone()).unwrap_or(otherwise);
        Written { label, ..written(entry, raw.to_owned(), String::new(), Some(line(number))) }
    };
    if !text.contains(',') {
        let lines: Vec<(usize, &str)> = numbered(text).filter(|(_, line)| !trimmed(line).is_empty()).collect();
        let head = lines.first().is_some_and(|(_, line)| trimmed(line).eq_ignore_ascii_case("prompt"));
        let rows = lines.into_iter().skip(usize::from(head)).enumerate();
        return Ok(rows.map(|(index, (number, raw))| prompt(index + 1, raw, None, number)).collect());
    }
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let broken = |error: csv::Error| entry.at.problem(format!("not a table: {error}"));
    let head = reader.headers().map_err(broken)?.clone();
    let column = |name: &str| head.iter().position(|known| known == name);
    let (Some(raw), label) = (column("prompt"), column("label")) else {
        return Err(entry.at.problem("the table has no column `prompt`"));
    };
    let mut prompts = Vec::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let number = record.position().map_or(1, |position| position.line() as usize);
        if let Some(raw) = record.get(raw).filter(|raw| !raw.is_empty()) {
            prompts.push(prompt(prompts.len() + 1, raw, label.and_then(|label| record.get(label)), number));
        }
    }
    Ok(prompts)
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

fn first(text: &str, units: usize) -> String {
    let units: Vec<u16> = text.encode_utf16().take(units).collect();
    String::from_utf16_lossy(&units)
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}
