//! Programs that make a part of a config while it is read: prompts, vars, tests, filters of templates. JavaScript runs in the embedded
//! engine, Python in its interpreter, both as an assertion's script does. What a program has said of the same question is kept: a row is the
//! same whenever it is made. Kept out: what becomes of what they say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::files::{Files, ending};
use super::place::At;
use crate::document::{Problems, pointer_part};
use crate::eval::promptfoo::graded::{Call, TIME_LIMIT, printed_by, result_of};
use crate::eval::promptfoo::test::{Code, CodeSource, Language};
use crate::eval::script::{Form, Returned, Script};
use crate::trust::{Digest, Hasher};

/// What all programs of one config may say together, in bytes.
const MOST_SAID: usize = 256 * 1024 * 1024;
/// How long all programs of one config may run, their times added up.
const ALL_TIME: Duration = Duration::from_secs(600);

/// Runs programs for one config.
pub(super) struct Programs {
    folder: PathBuf,
    surroundings: Arc<BTreeMap<String, String>>,
    all_time: Duration,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    said: BTreeMap<Digest, Value>,
    bytes: usize,
    spent: Duration,
}

/// What a file of a program is called for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asks<'a> {
    /// Its function; where the reference names none, the default export of JavaScript, and this one of Python.
    Function(&'a str),
    /// Likewise, but what JavaScript exports may also be the value itself.
    Export(&'a str),
    /// What the whole file of Python prints, given one argument.
    Printed,
}

impl Programs {
    /// For a config in a folder; `surroundings` is what an interpreter finds in its environment.
    pub(super) fn new(folder: &Path, surroundings: Arc<BTreeMap<String, String>>) -> Self {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Self { folder, surroundings, all_time: ALL_TIME, known: Mutex::default() }
    }

    /// What a program finds in its environment.
    pub(super) fn surroundings(&self) -> &Arc<BTreeMap<String, String>> {
        &self.surroundings
    }

    /// What a program says of named arguments; `null` for nothing. The error names the program.
    pub(super) fn ask(&self, code: &Code, asks: Asks<'_>, arguments: &[(&str, Value)]) -> Result<Value, String> {
        let key = key(code, asks, arguments);
        if let Some(value) = self.known().said.get(&key) {
            return Ok(value.clone());
        }
        let named = |why: String| match &code.source {
            CodeSource::File { path, .. } => {
                format!("`{}`: {why}", path.file_name().unwrap_or_default().to_string_lossy())
            }
            CodeSource::Inline(_) => why,
        };
        let left = self.all_time.saturating_sub(self.known().spent);
        let over = || {
            let most = self.all_time.as_secs_f64();
            named(format!("the programs of this config may run for {most} seconds together, and these are over"))
        };
        if left.is_zero() {
            return Err(over());
        }
        let began = Instant::now();
        let said = match code.language {
            Language::JavaScript => javascript(code, asks, arguments),
            Language::Python | Language::Ruby => self.interpreted(code, asks, arguments, left.min(TIME_LIMIT)),
        };
        let took = began.elapsed();
        let mut known = self.known();
        known.spent = known.spent.saturating_add(took);
        let value = said.map_err(|why| if took >= left && left < TIME_LIMIT { over() } else { named(why) })?;
        known.bytes += value.to_string().len();
        if known.bytes > MOST_SAID {
            return Err(format!("the programs of this config say more than {MOST_SAID} bytes"));
        }
        known.said.insert(key, value.clone());
        Ok(value)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reading a config waits for nobody as a rule. A thread of its own waits here, whether or not the one who reads is a task itself.
    fn interpreted(
        &self,
        code: &Code,
        asks: Asks<'_>,
        arguments: &[(&str, Value)],
        limit: Duration,
    ) -> Result<Value, String> {
        let function = match asks {
            Asks::Function(function) | Asks::Export(function) => function,
            Asks::Printed => "",
        };
        let cancel = CancellationToken::new();
        let call = Call {
            code,
            inline: None,
            function,
            arguments: arguments.iter().map(|(_, value)| value.clone()).collect(),
            surroundings: &self.surroundings,
            folder: &self.folder,
            limit,
            cancel: &cancel,
        };
        let waited = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| format!("no program can be waited for: {error}"))?;
            let said = match (asks, &code.source) {
                (Asks::Printed, CodeSource::File { path, .. }) => {
                    runtime.block_on(printed_by(call, path)).map(Value::from)
                }
                (Asks::Printed | Asks::Function(_) | Asks::Export(_), _) => runtime.block_on(result_of(call)),
            };
            said.map_err(|thrown| thrown.0.into_raw())
        };
        std::thread::scope(|scope| scope.spawn(waited).join())
            .unwrap_or_else(|_| Err("the thread that waits for the program has ended".to_owned()))
    }
}

fn javascript(code: &Code, asks: Asks<'_>, arguments: &[(&str, Value)]) -> Result<Value, String> {
    let script = match (&code.source, asks) {
        (CodeSource::Inline(text), _) if text.contains('\n') => Script::new(text.as_str(), Form::Body),
        (CodeSource::Inline(text), _) => Script::new(format!("return {text}"), Form::Body),
        (CodeSource::File { text, function, .. }, Asks::Export(_)) => {
            Script::new(text.as_str(), Form::Export(function.clone()))
        }
        (CodeSource::File { text, function, .. }, Asks::Function(_) | Asks::Printed) => {
            Script::new(text.as_str(), Form::Function(function.clone()))
        }
    };
    match script.run(arguments).map_err(|error| error.text().into_raw())? {
        Returned::Value(value) => Ok(value),
        Returned::Undefined => Ok(Value::Null),
        other @ (Returned::NotFinite(_) | Returned::Function | Returned::BigInt(_) | Returned::Symbol) => {
            Err(format!("it gives a {}, which is no value", other.type_of()))
        }
    }
}

fn key(code: &Code, asks: Asks<'_>, arguments: &[(&str, Value)]) -> Digest {
    let mut hasher = Hasher::new();
    match &code.source {
        CodeSource::Inline(text) => hasher.part(b"inline").part(text.as_bytes()),
        CodeSource::File { path, text, function } => hasher
            .part(path.as_os_str().as_encoded_bytes())
            .part(text.as_bytes())
            .part(function.as_deref().unwrap_or_default().as_bytes()),
    };
    let arguments: Vec<&Value> = arguments.iter().map(|(_, value)| value).collect();
    hasher.part(format!("{asks:?}").as_bytes()).part(json!(arguments).to_string().as_bytes());
    hasher.finish()
}

/// The program that a reference without `file://` names, with the function behind its last `:`; none where it names no program.
pub(super) fn program(reference: &str, files: &Files) -> Result<Option<Code>, String> {
    let (path, function) = split(reference);
    if is_typescript(path) {
        return Err(format!("`{path}`: TypeScript is not run here"));
    }
    let Some(language) = language_of(path) else { return Ok(None) };
    let text = files.text(path)?;
    let file = files.path(path)?;
    let file: PathBuf = file.canonicalize().unwrap_or(file);
    let source = CodeSource::File { path: file, text: text.to_string(), function: function.map(str::to_owned) };
    Ok(Some(Code { language, source }))
}

/// The path and the function of a reference; of what is no program, the whole is the path.
pub(super) fn split(reference: &str) -> (&str, Option<&str>) {
    match reference.rsplit_once(':') {
        Some((path, function)) if language_of(path).is_some() || is_typescript(path) => (path, Some(function)),
        Some(_) | None => (reference, None),
    }
}

/// The language of a file.
pub(super) fn language_of(path: &str) -> Option<Language> {
    match ending(path).as_str() {
        "js" | "cjs" | "mjs" => Some(Language::JavaScript),
        "py" => Some(Language::Python),
        "rb" => Some(Language::Ruby),
        _ => None,
    }
}

/// Whether a file is TypeScript, which nothing here runs.
pub(super) fn is_typescript(path: &str) -> bool {
    matches!(ending(path).as_str(), "ts" | "cts" | "mts" | "tsx")
}

/// `nunjucksFilters`: a file of JavaScript for each name.
pub(super) fn filters(
    value: Option<&Value>,
    at: &At,
    files: &Files,
    problems: &mut Problems,
) -> BTreeMap<String, Code> {
    let mut filters = BTreeMap::new();
    let fields = match value {
        None | Some(Value::Null) => return filters,
        Some(Value::Object(fields)) => fields,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            problems.push(at.problem("`nunjucksFilters` is a mapping of names to files"));
            return filters;
        }
    };
    for (name, path) in fields {
        let at = at.part(&format!("/{}", pointer_part(name)));
        let path = path.as_str().unwrap_or_default();
        match program(path, files) {
            Ok(Some(code)) if code.language == Language::JavaScript => _ = filters.insert(name.clone(), code),
            Ok(_) => problems.push(at.problem(format!("the filter `{name}` is a file of JavaScript"))),
            Err(why) => problems.push(at.problem(why)),
        }
    }
    filters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(all_time: Duration) -> Programs {
        let path = |name: &str| Some((name.to_owned(), std::env::var(name).ok()?));
        let surroundings = Arc::new(path("PATH").into_iter().collect());
        Programs { all_time, ..Programs::new(Path::new("."), surroundings) }
    }

    fn code(language: Language, text: &str) -> Code {
        Code { language, source: CodeSource::Inline(text.to_owned()) }
    }

    #[test]
    fn the_times_of_all_programs_are_added_up_and_what_lies_between_them_is_not() {
        let script = |number: u32| {
            let busy = "const end = Date.now() + 30; while (Date.now() < end) {}";
            code(Language::JavaScript, &format!("{busy}\nreturn {number}"))
        };
        let few = programs(Duration::from_millis(50));
        let said: Vec<_> = (0..3).map(|number| few.ask(&script(number), Asks::Export("f"), &[])).collect();
        assert_eq!(said.first(), Some(&Ok(json!(0))));
        let why = said.last().and_then(|last| last.as_ref().err()).unwrap();
        assert!(why.contains("0.05 seconds together"), "{why}");
        // What is known costs nothing.
        assert_eq!(few.ask(&script(0), Asks::Export("f"), &[]), Ok(json!(0)));
        // The limit that ended it is the one that is named.
        let given = [("output", json!("x")), ("context", json!({}))];
        let endless = code(Language::Python, "while True:\n    pass\nreturn 1");
        let why = programs(Duration::from_millis(300)).ask(&endless, Asks::Export("f"), &given).unwrap_err();
        assert!(why.contains("0.3 seconds together"), "{why}");
        let unspent = programs(Duration::from_secs(60));
        unspent.known().spent = Duration::from_secs(30);
        assert_eq!(unspent.ask(&script(1), Asks::Export("f"), &[]), Ok(json!(1)));
        assert!(unspent.known().spent < Duration::from_secs(31));
    }
}
