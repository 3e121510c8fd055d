//! `python` and `ruby`: scripts of the user's in interpreters of this machine. What a script returns becomes a verdict by the rules of
//! promptfoo 0.121.20. Kept out: how a program is run and ended (`eval::process`).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::assert::{self, Frame, Given, Graded, Thrown, rendered_text};
use super::super::test::{Code, CodeSource, Language};
use super::said;
use crate::eval::process::{self, ProcessError, Program};
use crate::trust::Untrusted;

/// How long a script may run, its imports included.
const TIME_LIMIT: Duration = Duration::from_secs(120);
/// What runs a script's function, and carries its result.
const PYTHON_DRIVER: &str = include_str!("driver.py");
const RUBY_DRIVER: &str = include_str!("driver.rb");
/// Where programs are looked for where the job has no PATH.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Why a script has no result.
enum Trouble {
    /// It raised, or its result is no JSON.
    Raised(String),
    /// It could not be run to its end.
    Run(Thrown),
}

/// `python` and `ruby`: an expression, several lines with `return`, or a file's function. A script that raises does not hold, also
/// under `not-`; an interpreter that is not there, or a script that does not end, makes an error.
pub(super) async fn judged(given: &Given<'_>) -> Result<Graded, Thrown> {
    let language = if given.assertion.kind == "ruby" { Language::Ruby } else { Language::Python };
    let context = assert::context(given.frame, given.assertion);
    let inline;
    let code = match (given.code, &given.value) {
        (Some(code), _) => code,
        (None, Some(Value::String(text))) => {
            inline = Code { language, source: CodeSource::Inline(text.clone()) };
            &inline
        }
        (None, Some(_) | None) => {
            return Ok(Graded::failed(format!("{} assertion must have a string value", name(language))));
        }
    };
    if code.language == Language::JavaScript {
        return Err(Thrown::new(format!("a `{}` assertion with a script of JavaScript", given.assertion.kind)));
    }
    match call(code, "get_assert", &given.output.value, &context, given.frame).await {
        Ok(value) => Ok(verdict(given, language, value)),
        Err(Trouble::Raised(why)) => Ok(Graded::failed(format!("{} code execution failed: {why}", name(language)))),
        Err(Trouble::Run(thrown)) => Err(thrown),
    }
}

/// Runs a script of Python or Ruby that gives a value or transforms one: the function that it names, else `function`, is given
/// the output and the context.
pub(in crate::eval::promptfoo) async fn value_of(
    code: &Code,
    function: &str,
    output: &Value,
    context: &Value,
    frame: &Frame<'_>,
) -> Result<Value, Thrown> {
    call(code, function, output, context, frame).await.map_err(|trouble| match trouble {
        Trouble::Raised(why) => Thrown::new(why),
        Trouble::Run(thrown) => thrown,
    })
}

fn name(language: Language) -> &'static str {
    match language {
        Language::JavaScript => "JavaScript",
        Language::Python => "Python",
        Language::Ruby => "Ruby",
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    #[serde(default, deserialize_with = "given")]
    value: Option<Value>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    line: Option<u32>,
}

/// A `null` that is there is a value.
fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

async fn call(
    code: &Code,
    function: &str,
    output: &Value,
    context: &Value,
    frame: &Frame<'_>,
) -> Result<Value, Trouble> {
    let language = code.language;
    let mut environment = frame.test.script_environment.as_ref().clone();
    environment.entry("PATH".to_owned()).or_insert_with(|| USUAL_PATH.to_owned());
    let chosen = |variable: &str, usual: &str| environment.get(variable).cloned().unwrap_or_else(|| usual.to_owned());
    let command = match language {
        Language::Python => vec![chosen("PROMPTFOO_PYTHON", "python3"), "-c".to_owned(), PYTHON_DRIVER.to_owned()],
        Language::Ruby => vec![chosen("PROMPTFOO_RUBY", "ruby"), "-e".to_owned(), RUBY_DRIVER.to_owned()],
        Language::JavaScript => return Err(Trouble::Run(Thrown::new("no interpreter runs JavaScript"))),
    };
    let (text, path, function) = match &code.source {
        CodeSource::Inline(text) => {
            let text = rendered_text(text, frame).map_err(Trouble::Run)?;
            (wrapped(language, &text), None, "main")
        }
        CodeSource::File { path, text, function: own } => {
            (text.clone(), Some(path.display().to_string()), own.as_deref().unwrap_or(function))
        }
    };
    let line_before = if path.is_some() { 0 } else { u32::try_from(HEADER_LINES).unwrap_or(0) };
    let asked = json!({"text": text, "path": path, "function": function, "arguments": [output, context]});
    let folder: &Path = &frame.test.folder;
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() };
    let written = process::run(Program {
        command: &command,
        folder: &folder,
        environment: &environment,
        input: asked.to_string().into_bytes(),
        deadline: Instant::now() + TIME_LIMIT,
        cancel: frame.subject.cancel,
    })
    .await
    .map_err(|error| trouble(language, command.first().map_or("", String::as_str), &error))?;
    let reply: Reply = serde_json::from_slice(&written.output).map_err(|_| {
        Trouble::Run(Thrown::new(format!(
            "the {} script ended without a result: {}",
            name(language),
            written.errors.raw()
        )))
    })?;
    match (reply.value, reply.error) {
        (Some(value), None) => Ok(value),
        (_, Some(error)) => {
            let line = reply.line.map(|line| format!("line {}: ", line.saturating_sub(line_before).max(1)));
            Err(Trouble::Raised(format!("{}{error}", line.unwrap_or_default())))
        }
        (None, None) => Err(Trouble::Run(Thrown::new(format!("the {} script has no result", name(language))))),
    }
}

fn trouble(language: Language, program: &str, error: &ProcessError) -> Trouble {
    let thrown = |text: String| Trouble::Run(Thrown(Untrusted::new(text)));
    let name = name(language);
    match error {
        ProcessError::Start(why) => {
            let variable = if language == Language::Ruby { "PROMPTFOO_RUBY" } else { "PROMPTFOO_PYTHON" };
            thrown(format!(
                "the suite has scripts of {name}, and {program} cannot be started ({why}): install it, or say where it is in {variable}"
            ))
        }
        ProcessError::Late => thrown(format!("the {name} script was not done within {} seconds", TIME_LIMIT.as_secs())),
        ProcessError::Failed { status, errors } => thrown(format!("{program} ended with {status}: {}", errors.raw())),
        ProcessError::Cancelled | ProcessError::Pipe(_) | ProcessError::TooMuch => {
            thrown(format!("the {name} script: {error}"))
        }
    }
}

/// Lines before the first one of an inline script.
const HEADER_LINES: usize = 3;

/// A script of the config as the function `main`: one line is an expression, several are the function's body. Source: promptfoo 0.121.20,
/// assertions/python and assertions/ruby.
fn wrapped(language: Language, text: &str) -> String {
    let (header, usual, end) = match language {
        Language::Ruby => ("require 'json'\n\ndef main(output, context)", "  ", "end\n"),
        Language::Python | Language::JavaScript => ("import json\n\ndef main(output, context):", "    ", ""),
    };
    if !text.contains('\n') {
        return format!("{header}\n{usual}return {text}\n{end}");
    }
    let indented = text.lines().find(|line| !line.trim().is_empty() && line.starts_with([' ', '\t']));
    let indent = indented.map_or(usual, |line| line.get(..line.len() - line.trim_start().len()).unwrap_or(usual));
    let body: Vec<String> = text.split('\n').map(|line| format!("{indent}{line}")).collect();
    format!("{header}\n{}\n{end}", body.join("\n"))
}

/// What a script returned as a verdict: a truth value, a number, or an object with `pass`, `score` and `reason`; each also as text.
fn verdict(given: &Given<'_>, language: Language, value: Value) -> Graded {
    let decided = |raw: bool| given.decided(raw, format!("{} code returned {raw}", name(language)));
    let number = |score: f64| {
        let raw = given.assertion.threshold.map_or(score > 0.0, |threshold| score >= threshold);
        Graded { score, ..decided(raw) }
    };
    let wrong = |value: &Value| {
        Graded::failed(format!(
            "{} assertion must return a boolean, number, or {{pass, score, reason}} object. Instead got: {value}",
            name(language)
        ))
    };
    match &value {
        Value::Bool(raw) => decided(*raw),
        Value::Number(score) => score.as_f64().map_or_else(|| wrong(&value), number),
        Value::Object(fields) => object(given, language, fields).unwrap_or_else(|| wrong(&value)),
        Value::String(text) if text.eq_ignore_ascii_case("true") => decided(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => decided(false),
        Value::String(text) if text.starts_with('{') => match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => object(given, language, &fields).unwrap_or_else(|| wrong(&value)),
            Ok(_) | Err(_) => wrong(&value),
        },
        Value::String(text) => leading_number(text).map_or_else(|| wrong(&value), number),
        Value::Null | Value::Array(_) => wrong(&value),
    }
}

/// An object, whose names may be written as Python and Ruby write them.
fn object(given: &Given<'_>, language: Language, fields: &Map<String, Value>) -> Option<Graded> {
    let renamed = fields.iter().map(|(name, value)| {
        let name = match name.as_str() {
            "pass_" => "pass",
            "named_scores" => "namedScores",
            "component_results" => "componentResults",
            "tokens_used" => "tokensUsed",
            other => other,
        };
        (name.to_owned(), value.clone())
    });
    let mut graded = assert::judgement(&Value::Object(renamed.collect()))?;
    if let Some(threshold) = given.assertion.threshold.filter(|threshold| graded.score < *threshold) {
        let score = graded.score;
        let why = format!("{} score {score} is less than threshold {threshold}", name(language));
        let said = graded.reason.raw();
        let reason = if said.is_empty() { why } else { format!("{why}: {said}") };
        graded = Graded { pass: false, reason: Untrusted::new(reason), ..graded };
    }
    if given.not() {
        let raw = graded.pass;
        let reason = if raw { "the script returned true".to_owned() } else { "Assertion passed".to_owned() };
        let named = graded.named;
        graded = Graded { named, ..said(!raw, graded.score, reason) };
    }
    Some(graded)
}

/// The number that a text begins with, as JavaScript's `parseFloat` reads it.
fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let ends = text.char_indices().map(|(at, letter)| at + letter.len_utf8());
    let numbers = ends.take_while(|end| *end <= 40).filter_map(|end| {
        let part = text.get(..end)?;
        let plain = part.ends_with(|letter: char| letter.is_ascii_digit() || letter == '.');
        part.parse::<f64>().ok().filter(|number| plain && number.is_finite())
    });
    numbers.last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_wrapped_with_its_own_indentation() {
        let one = wrapped(Language::Python, "len(output) > 3");
        assert_eq!(one, "import json\n\ndef main(output, context):\n    return len(output) > 3\n");
        let tabs = wrapped(Language::Python, "if output:\n\treturn True\n\nreturn False");
        assert!(tabs.contains("\n\tif output:\n\t\treturn True\n\t\n\treturn False\n"), "{tabs}");
        let ruby = wrapped(Language::Ruby, "x = output\nx.size > 3");
        assert!(ruby.ends_with("def main(output, context)\n  x = output\n  x.size > 3\nend\n"), "{ruby}");
        for language in [Language::Python, Language::Ruby] {
            assert_eq!(
                wrapped(language, "SCRIPT").lines().position(|line| line.contains("SCRIPT")),
                Some(HEADER_LINES)
            );
        }
    }

    #[test]
    fn numbers_are_read_from_the_beginning_of_a_text() {
        let table = [
            ("0.5", Some(0.5)),
            (" 1", Some(1.0)),
            ("1.5 points", Some(1.5)),
            ("-2x", Some(-2.0)),
            ("x1", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(leading_number(text), expected, "{text}");
        }
    }
}
