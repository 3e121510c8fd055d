//! `python` and `ruby`: scripts of the user's in interpreters of this machine. What a script returns becomes a verdict by the rules of
//! promptfoo 0.121.20. Kept out: how a program is run and ended (`eval::process`).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::super::assert::{self, Frame, Given, Graded, Thrown, rendered_text};
use super::super::test::{Code, CodeSource, Language};
use super::said;
use crate::eval::process::{self, ProcessError, Program};
use crate::trust::Untrusted;

/// How long a script may run, its imports included.
pub(in crate::eval::promptfoo) const TIME_LIMIT: Duration = Duration::from_secs(120);
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
    let inline = match &code.source {
        CodeSource::Inline(text) => Some(rendered_text(text, frame).map_err(Trouble::Run)?),
        CodeSource::File { .. } => None,
    };
    let call = Call {
        code,
        inline,
        function,
        arguments: vec![output.clone(), context.clone()],
        surroundings: &frame.test.surroundings,
        folder: &frame.test.folder,
        limit: TIME_LIMIT,
        cancel: frame.subject.cancel,
    };
    called(call).await
}

/// A function of a script, and what it is given.
pub(in crate::eval::promptfoo) struct Call<'a> {
    pub(in crate::eval::promptfoo) code: &'a Code,
    /// The text of a script of the config, its templates rendered.
    pub(in crate::eval::promptfoo) inline: Option<String>,
    /// The function of a file that names none.
    pub(in crate::eval::promptfoo) function: &'a str,
    pub(in crate::eval::promptfoo) arguments: Vec<Value>,
    /// The whole environment of the interpreter, besides a PATH: nothing is taken out of it, so it must hold no secret.
    pub(in crate::eval::promptfoo) surroundings: &'a BTreeMap<String, String>,
    pub(in crate::eval::promptfoo) folder: &'a Path,
    /// How long it may run, its imports included.
    pub(in crate::eval::promptfoo) limit: Duration,
    pub(in crate::eval::promptfoo) cancel: &'a CancellationToken,
}

impl Call<'_> {
    fn interpreter(&self, environment: &BTreeMap<String, String>) -> Result<String, Thrown> {
        let (variable, usual) = match self.code.language {
            Language::Python => ("PROMPTFOO_PYTHON", "python3"),
            Language::Ruby => ("PROMPTFOO_RUBY", "ruby"),
            Language::JavaScript => return Err(Thrown::new("no interpreter runs JavaScript")),
        };
        Ok(environment.get(variable).cloned().unwrap_or_else(|| usual.to_owned()))
    }

    async fn run(&self, command: &[String], input: Vec<u8>) -> Result<process::Written, Thrown> {
        let environment = environment(self.surroundings);
        let folder = if self.folder.as_os_str().is_empty() { Path::new(".") } else { self.folder };
        let deadline = Instant::now() + self.limit;
        let program = Program { command, folder, environment: &environment, input, deadline, cancel: self.cancel };
        let program = process::run(program).await;
        program.map_err(|error| self.trouble(command.first().map_or("", String::as_str), &error))
    }

    fn trouble(&self, program: &str, error: &ProcessError) -> Thrown {
        let name = name(self.code.language);
        let text = match error {
            ProcessError::Start(why) => {
                let variable = if self.code.language == Language::Ruby { "PROMPTFOO_RUBY" } else { "PROMPTFOO_PYTHON" };
                format!(
                    "the suite has scripts of {name}, and {program} cannot be started ({why}): install it, or say where it is in {variable}"
                )
            }
            ProcessError::Late => {
                format!("the {name} script was not done within {} seconds", self.limit.as_secs_f64())
            }
            ProcessError::Failed { status, errors } => format!("{program} ended with {status}: {}", errors.raw()),
            ProcessError::Cancelled | ProcessError::Pipe(_) | ProcessError::TooMuch => {
                format!("the {name} script: {error}")
            }
        };
        Thrown::new(text)
    }
}

/// Calls a script's function: what it gives, or the text of what it raised. The error is that of a script that came to no end.
pub(in crate::eval::promptfoo) async fn outcome_of(call: Call<'_>) -> Result<Result<Value, String>, Thrown> {
    match called(call).await {
        Ok(value) => Ok(Ok(value)),
        Err(Trouble::Raised(why)) => Ok(Err(why)),
        Err(Trouble::Run(thrown)) => Err(thrown),
    }
}

/// Calls a script's function; the error of a script that raised is its own.
pub(in crate::eval::promptfoo) async fn result_of(call: Call<'_>) -> Result<Value, Thrown> {
    called(call).await.map_err(|trouble| match trouble {
        Trouble::Raised(why) => Thrown::new(why),
        Trouble::Run(thrown) => thrown,
    })
}

/// Runs a whole file of Python with one argument, as JSON: what it prints is its result.
pub(in crate::eval::promptfoo) async fn printed_by(call: Call<'_>, path: &Path) -> Result<String, Thrown> {
    let argument = call.arguments.first().cloned().unwrap_or_default().to_string();
    let environment = environment(call.surroundings);
    let command = [call.interpreter(&environment)?, path.display().to_string(), argument];
    let written = call.run(&command, Vec::new()).await?;
    let text = String::from_utf8(written.output).map_err(|_| Thrown::new("what the script printed is no UTF-8"))?;
    let text = text.replace("\r\n", "\n");
    Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
}

async fn called(call: Call<'_>) -> Result<Value, Trouble> {
    let language = call.code.language;
    let environment = environment(call.surroundings);
    let (option, driver) = match language {
        Language::Ruby => ("-e", RUBY_DRIVER),
        Language::Python | Language::JavaScript => ("-c", PYTHON_DRIVER),
    };
    let interpreter = call.interpreter(&environment).map_err(Trouble::Run)?;
    let command = [interpreter, option.to_owned(), driver.to_owned()];
    let (text, path, function) = match &call.code.source {
        CodeSource::Inline(text) => (wrapped(language, call.inline.as_deref().unwrap_or(text)), None, "main"),
        CodeSource::File { path, text, function } => {
            (text.clone(), Some(path.display().to_string()), function.as_deref().unwrap_or(call.function))
        }
    };
    let line_before = if path.is_some() { 0 } else { u32::try_from(HEADER_LINES).unwrap_or(0) };
    let asked = json!({"text": text, "path": path, "function": function, "arguments": call.arguments});
    let written = call.run(&command, asked.to_string().into_bytes()).await.map_err(Trouble::Run)?;
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

/// What a script finds in its environment, with the usual places of programs where the job has no PATH.
fn environment(of: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut found = of.clone();
    found.entry("PATH".to_owned()).or_insert_with(|| USUAL_PATH.to_owned());
    found
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
