//! From `tests:` and `scenarios:` to mappings, each with its place: inline, or in files of YAML, JSON, JSON lines or a table. Kept out:
//! what a mapping means (`part`).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::files::{Files, ending};
use super::place::At;
use super::programs::{Asks, Programs, program};
use super::refs;
use super::shorthand;
use crate::document::{Problems, parse_json_line};
use crate::eval::promptfoo::test::{Code, Language};

/// A test as it is written.
pub(super) struct Raw {
    pub(super) value: Value,
    pub(super) at: At,
}

/// What tests are read with.
#[derive(Clone, Copy)]
pub(super) struct With<'a> {
    pub(super) files: &'a Files,
    pub(super) programs: &'a Programs,
    /// What a program that makes tests is given.
    pub(super) config: Option<&'a Value>,
}

/// Reads all tests.
pub(super) fn read(value: Option<&Value>, at: &At, with: With<'_>, problems: &mut Problems) -> Vec<Raw> {
    let mut found = Vec::new();
    match value {
        None | Some(Value::Null) => {}
        Some(Value::String(path)) => named(path, Described::Always, at, with, problems, &mut found),
        Some(Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                let at = at.part(&format!("/{index}"));
                match item {
                    Value::String(path) => named(path, Described::Tables, &at, with, problems, &mut found),
                    Value::Object(fields) if fields.contains_key("path") => {
                        generator(fields, &at, with, problems, &mut found)
                    }
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                        found.push(Raw { value: item.clone(), at });
                    }
                }
            }
        }
        Some(Value::Object(fields)) if fields.contains_key("path") => generator(fields, at, with, problems, &mut found),
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            problems.push(at.problem("`tests` is a list, or the name of a file"));
        }
    }
    found
}

/// Whether tests of a file without a description are called by their row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Described {
    Always,
    Tables,
}

fn generator(fields: &Map<String, Value>, at: &At, with: With<'_>, problems: &mut Problems, found: &mut Vec<Raw>) {
    match fields.get("path").and_then(Value::as_str) {
        Some(path) => {
            let with = With { config: fields.get("config"), ..with };
            named(path, Described::Tables, &at.part("/path"), with, problems, found);
        }
        None => problems.push(at.part("/path").problem("`path` is the name of a file")),
    }
}

/// The tests of a file, or of all files that a pattern finds.
fn named(path: &str, described: Described, at: &At, with: With<'_>, problems: &mut Problems, found: &mut Vec<Raw>) {
    let files = with.files;
    for (mark, what) in [
        ("huggingface://", "data sets of Hugging Face"),
        ("https://", "tables on the network"),
        ("http://", "tables on the network"),
        ("az://", "tables at Azure"),
    ] {
        if path.starts_with(mark) {
            let problem = at.problem(format!("`{path}`: {what} are not fetched"));
            problems
                .push(problem.help("a gate needs the same tests at every run: keep them in a file beside the config"));
            return;
        }
    }
    let path = path.strip_prefix("file://").unwrap_or(path);
    match program(path, files) {
        Ok(Some(code)) if code.language != Language::Ruby => {
            match made(&code, path, at, with) {
                Ok(tests) => found.extend(tests),
                Err(why) => problems.push(at.problem(why)),
            }
            return;
        }
        Ok(_) => {}
        Err(why) => return problems.push(at.problem(why)),
    }
    let paths = match files.find(path) {
        Ok(paths) => paths,
        Err(why) => return problems.push(at.problem(why)),
    };
    if paths.is_empty() {
        return problems.push(at.problem(format!("no file of tests is found by `{path}`")));
    }
    for path in paths {
        let read = match ending(path.rsplit_once(':').map_or(&*path, |(before, _)| before)).as_str() {
            "yaml" | "yml" | "json" => structured(&path, described, files, problems),
            "jsonl" => lines(&path, described, files, problems),
            "csv" => table(&path, files),
            "xlsx" | "xls" => Err(format!("`{path}`: save the table as CSV")),
            other => Err(format!("`{path}`: tests are not read from files that end in `.{other}`")),
        };
        match read {
            Ok(tests) => found.extend(tests),
            Err(why) => problems.push(at.problem(why)),
        }
    }
}

/// The tests that a program makes, given its `config`. Each stands where the program is named.
fn made(code: &Code, path: &str, at: &At, with: With<'_>) -> Result<Vec<Raw>, String> {
    let config = match with.config {
        Some(config) => vec![("config", loaded(config.clone(), false, with.files)?)],
        None => Vec::new(),
    };
    let said = with.programs.ask(code, Asks::Export("generate_tests"), &config)?;
    let Value::Array(tests) = said else {
        return Err(format!("`{path}` gives no list of tests"));
    };
    let at = At::Line(at.path().into(), at.spot().line);
    Ok(tests.into_iter().map(|value| Raw { value, at: at.clone() }).collect())
}

fn structured(path: &str, described: Described, files: &Files, problems: &mut Problems) -> Result<Vec<Raw>, String> {
    let document = match files.document(path)? {
        Ok(document) => document,
        Err(others) => {
            problems.extend(others);
            return Ok(Vec::new());
        }
    };
    let at = At::root(&document);
    let value = refs::resolved(document.value(), &at, problems);
    let value = loaded(value, false, files)?;
    let described = if ending(path) == "json" { described } else { Described::Tables };
    Ok(match value {
        Value::Array(items) => {
            let item = |(index, value): (usize, Value)| Raw {
                value: named_row(value, index, described),
                at: at.part(&format!("/{index}")),
            };
            items.into_iter().enumerate().map(item).collect()
        }
        value => vec![Raw { value: named_row(value, 0, described), at }],
    })
}

fn named_row(mut value: Value, index: usize, described: Described) -> Value {
    if let (Value::Object(fields), Described::Always) = (&mut value, described)
        && fields.get("description").is_none_or(|text| text.is_null() || text == "")
    {
        fields.insert("description".to_owned(), Value::from(format!("Row #{}", index + 1)));
    }
    value
}

/// References to files within a file of tests are read with it, but for vars and scripts. Follows promptfoo 0.121.20.
fn loaded(value: Value, keeps_scripts: bool, files: &Files) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) if text.starts_with("file://") => {
            let path = text.strip_prefix("file://").unwrap_or(&text);
            let base = path.rsplit_once(':').map_or(path, |(before, _)| before);
            let is_script = matches!(ending(base).as_str(), "js" | "cjs" | "mjs" | "ts" | "cts" | "mts" | "py" | "rb");
            if is_script && (keeps_scripts || base != path || ending(base) == "rb") {
                Value::String(text)
            } else {
                match ending(path).as_str() {
                    "json" | "yaml" | "yml" => files.value(path)?,
                    _ if is_script => Value::String(text),
                    _ => Value::from(&*files.text(path)?),
                }
            }
        }
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| loaded(item, keeps_scripts, files)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let script = fields.get("type").is_some_and(|kind| kind == "python" || kind == "javascript");
            let field = |(key, value): (String, Value)| {
                let value = if key == "vars" {
                    value
                } else {
                    loaded(value, keeps_scripts || (script && key == "value"), files)?
                };
                Ok((key, value))
            };
            Value::Object(fields.into_iter().map(field).collect::<Result<_, String>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    })
}

fn lines(path: &str, described: Described, files: &Files, problems: &mut Problems) -> Result<Vec<Raw>, String> {
    let text = files.text(path)?;
    let shown: Arc<str> = files.shown(path).into();
    let mut found = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        match parse_json_line(&shown, number, line) {
            Ok(document) => {
                // Unlike in other files of tests, what a line names is read when it is judged.
                let value = named_row(document.value().clone(), found.len(), described);
                found.push(Raw { value, at: At::Line(Arc::clone(&shown), number) });
            }
            Err(problem) => problems.push(problem),
        }
    }
    Ok(found)
}

fn table(path: &str, files: &Files) -> Result<Vec<Raw>, String> {
    let text = files.text(path)?;
    let shown: Arc<str> = files.shown(path).into();
    let mut reader = csv::ReaderBuilder::new().from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let broken = |error: csv::Error| format!("`{path}` is no table: {error}");
    let head: Vec<String> = reader.headers().map_err(broken)?.iter().map(|name| name.trim().to_owned()).collect();
    let mut found = Vec::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = record.position().map_or(1, csv::Position::line);
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        let cells = head.iter().map(String::as_str).zip(record.iter());
        let mut value = row(cells).map_err(|why| format!("`{path}`, line {line}: {why}"))?;
        if !value.contains_key("description") {
            value.insert("description".to_owned(), Value::from(format!("Row #{}", found.len() + 1)));
        }
        found.push(Raw { value: Value::Object(value), at: At::Line(Arc::clone(&shown), line) });
    }
    Ok(found)
}

/// A test of a table: columns that begin with `__` have a meaning, all others are vars. Follows promptfoo 0.121.20.
fn row<'a>(cells: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Map<String, Value>, String> {
    let (mut vars, mut options, mut metadata, mut test) = (Map::new(), Map::new(), Map::new(), Map::new());
    let mut assertions: Vec<Map<String, Value>> = Vec::new();
    let mut thresholds: Vec<(usize, f64)> = Vec::new();
    let mut metric = None;
    for (key, cell) in cells {
        let text = || Value::from(cell);
        if key.starts_with("__expected") {
            if !cell.trim().is_empty() {
                assertions.push(shorthand::assertion(cell.trim())?);
            }
        } else if let Some(key) = key.strip_prefix("__metadata:") {
            if cell.trim().is_empty() {
                continue;
            }
            match key.strip_suffix("[]") {
                Some(key) => metadata.insert(key.to_owned(), Value::from(parts(cell))),
                None => metadata.insert(key.to_owned(), text()),
            };
        } else if let Some(of) = key.strip_prefix("__config:") {
            let (expected, what) = of.split_once(':').ok_or_else(|| format!("the column `{key}` names no setting"))?;
            let number = match expected.strip_prefix("__expected") {
                Some("") => Some(1),
                Some(number) => number.parse::<usize>().ok().filter(|number| *number > 0),
                None => None,
            };
            let (Some(number), "threshold") = (number, what) else {
                return Err(format!("the column `{key}` is none that is read: write `__config:__expected1:threshold`"));
            };
            let value =
                shorthand::number(cell).ok_or_else(|| format!("`{cell}` in the column `{key}` is no number"))?;
            thresholds.push((number - 1, value));
        } else {
            match key {
                "__prefix" => _ = options.insert("prefix".to_owned(), text()),
                "__suffix" => _ = options.insert("suffix".to_owned(), text()),
                "__description" if !cell.is_empty() => _ = test.insert("description".to_owned(), text()),
                "__providerOutput" if !cell.is_empty() => _ = test.insert("providerOutput".to_owned(), text()),
                "__description" | "__providerOutput" => {}
                "__metric" => metric = Some(cell).filter(|cell| !cell.is_empty()),
                "__threshold" => {
                    if let Some(number) = shorthand::number(cell) {
                        test.insert("threshold".to_owned(), Value::from(number));
                    } else if !cell.trim().is_empty() {
                        return Err(format!("`{cell}` in the column `__threshold` is no number"));
                    }
                }
                _ if key.starts_with("__") => return Err(format!("the column `{key}` is none that promptfoo knows")),
                _ if is_slip(key) => return Err(format!("the column `{key}`: did you mean `_{key}`?")),
                _ => _ = vars.insert(key.to_owned(), text()),
            }
        }
    }
    for (index, assertion) in assertions.iter_mut().enumerate() {
        if let Some(metric) = metric {
            assertion.insert("metric".to_owned(), Value::from(metric));
        }
        for (_, value) in thresholds.iter().filter(|(of, _)| *of == index) {
            assertion.insert("threshold".to_owned(), Value::from(*value));
            metadata.insert("threshold".to_owned(), Value::from(*value));
        }
    }
    for (key, fields) in [("vars", vars), ("options", options), ("metadata", metadata)] {
        test.insert(key.to_owned(), Value::Object(fields));
    }
    test.insert("assert".to_owned(), Value::Array(assertions.into_iter().map(Value::Object).collect()));
    Ok(test)
}

/// One `_` where promptfoo warns that two were meant.
fn is_slip(key: &str) -> bool {
    [
        "_expected",
        "_prefix",
        "_suffix",
        "_description",
        "_providerOutput",
        "_metric",
        "_threshold",
        "_metadata",
        "_config",
    ]
    .iter()
    .any(|word| key.starts_with(word))
}

/// Parts between commas; `\,` is a comma of a part.
fn parts(cell: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = ' ';
    for letter in cell.chars() {
        if letter == ',' && before != '\\' {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
        before = letter;
    }
    parts.iter().map(|part| part.trim().replace("\\,", ",")).collect()
}
