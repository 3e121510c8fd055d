//! `javascript`, values that a script gives, and transforms. The rules are those of promptfoo 0.121.20. Kept out: the engine
//! (`eval::script`), Python and Ruby (`graded`).

use serde_json::{Map, Value};

use super::context::{self, Raw};
use super::given::{is_space, number_text, rendered_text, trimmed};
use super::{Frame, Given, Graded, Output, Thrown};
use crate::eval::promptfoo::graded;
use crate::eval::promptfoo::test::{Assertion, Code, CodeSource, Language};
use crate::eval::script::{Form, Returned, Script, ScriptError};

/// `javascript`: an expression, several lines with `return`, or a file. Inline code that throws, or says nothing that is a
/// judgement, is a failure, also under `not-`; a file that throws is an error.
pub(super) fn javascript(given: &Given<'_>) -> Result<Graded, Thrown> {
    let context = context::context(given.frame, given.assertion);
    let output = given.output.value.clone();
    let inline = match (given.code, &given.value) {
        (Some(Code { source: CodeSource::File { text, function, .. }, .. }), _) => {
            let script = Script::new(text.as_str(), Form::Function(function.clone()));
            let returned =
                script.run(&[("output", output), ("context", context)]).map_err(|error| threw(given.code, &error))?;
            return Ok(judged(given, returned));
        }
        (Some(Code { source: CodeSource::Inline(text), .. }), _) => rendered_text(text, given.frame)?,
        (None, Some(Value::String(text))) => text.clone(),
        (None, Some(_) | None) => return Ok(Graded::failed("javascript assertion must have a string value")),
    };
    let source = inline.trim_end_matches(is_space);
    let source = if source.contains('\n') { source.to_owned() } else { body(source) };
    match Script::new(source, Form::Body).run(&[("output", output), ("context", context)]) {
        Ok(returned) => Ok(judged(given, returned)),
        Err(error) => Ok(Graded::failed(format!("Custom function threw error: {}", error.text().raw()))),
    }
}

/// The value that a script gives for an assertion of another type; none for `undefined`.
pub(super) async fn value_of(
    code: &Code,
    output: &Output,
    frame: &Frame<'_>,
    assertion: &Assertion,
) -> Result<Option<Value>, Thrown> {
    let context = context::context(frame, assertion);
    match code.language {
        Language::JavaScript => called(code, "output", output.value.clone(), context),
        Language::Python | Language::Ruby => {
            graded::value_of(code, "get_assert", &output.value, &context, frame).await.map(Some)
        }
    }
}

/// The output after an assertion's transform.
pub(in crate::eval::promptfoo) async fn transformed(
    code: &Code,
    output: &Output,
    frame: &Frame<'_>,
) -> Result<Output, Thrown> {
    transform(code, output, frame, Raw::Hidden).await
}

/// The output after a transform of the test or of the provider.
pub(in crate::eval::promptfoo) async fn transformed_for_test(
    code: &Code,
    output: &Output,
    frame: &Frame<'_>,
) -> Result<Output, Thrown> {
    transform(code, output, frame, Raw::Shown).await
}

async fn transform(code: &Code, output: &Output, frame: &Frame<'_>, raw: Raw) -> Result<Output, Thrown> {
    let context = context::of_transform(frame, raw);
    let failed = |Thrown(why): Thrown| Thrown::new(format!("Transform failed: {}", why.raw()));
    let value = match code.language {
        Language::JavaScript => called(code, "output", output.value.clone(), context).map_err(failed)?,
        Language::Python | Language::Ruby => {
            Some(graded::value_of(code, "get_transform", &output.value, &context, frame).await.map_err(failed)?)
        }
    };
    match value {
        None | Some(Value::Null) => Err(Thrown::new("Transform function did not return a value")),
        Some(value) => Ok(Output::new(value)),
    }
}

/// Calls a script: inline, as expression or as lines with `return`; of a file, its function. None for `undefined`.
fn called(code: &Code, name: &str, input: Value, context: Value) -> Result<Option<Value>, Thrown> {
    let script = match &code.source {
        CodeSource::Inline(text) if text.contains('\n') => Script::new(text.as_str(), Form::Body),
        CodeSource::Inline(text) => Script::new(format!("return {text}"), Form::Body),
        CodeSource::File { text, function, .. } => Script::new(text.as_str(), Form::Function(function.clone())),
    };
    let returned = script.run(&[(name, input), ("context", context)]).map_err(|error| threw(Some(code), &error))?;
    match returned {
        Returned::Value(value) => Ok(Some(value)),
        Returned::Undefined => Ok(None),
        Returned::NotFinite(number) => {
            Err(Thrown::new(format!("the script gives {}, which is no value", number_text(number))))
        }
        Returned::Function | Returned::BigInt(_) | Returned::Symbol => {
            Err(Thrown::new(format!("the script gives a {}, which is no value", returned.type_of())))
        }
    }
}

/// An error of a script, with its file where it has one.
fn threw(code: Option<&Code>, error: &ScriptError) -> Thrown {
    match code.map(|code| &code.source) {
        Some(CodeSource::File { path, .. }) => {
            let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            Thrown::new(format!("{name}: {}", error.text().raw()))
        }
        Some(CodeSource::Inline(_)) | None => Thrown(error.text()),
    }
}

/// A script's result as a judgement.
fn judged(given: &Given<'_>, returned: Returned) -> Graded {
    let said = |raw: bool| format!("Custom function returned {raw}");
    match returned {
        Returned::Value(Value::Bool(raw)) => given.decided(raw, said(raw)),
        Returned::Value(Value::Number(number)) => {
            let score = number.as_f64().unwrap_or(0.0);
            let raw = match given.assertion.threshold {
                Some(threshold) => score >= threshold,
                None => score > 0.0,
            };
            Graded::scored(raw != given.not(), score, said(raw))
        }
        Returned::Value(value) => match judgement(&value) {
            Some(graded) => turned(graded, given.not()),
            None => Graded::failed(no_judgement(&value_type(&value), &super::given::json_of(&value))),
        },
        Returned::NotFinite(number) => Graded::failed(no_judgement("number", &number_text(number))),
        Returned::Undefined | Returned::Function | Returned::BigInt(_) | Returned::Symbol => {
            Graded::failed(no_judgement(returned.type_of(), ""))
        }
    }
}

fn value_type(value: &Value) -> String {
    Returned::Value(value.clone()).type_of().to_owned()
}

fn no_judgement(kind: &str, value: &str) -> String {
    format!(
        "Custom function must return a boolean, a finite number or a GradingResult object. Got type {kind}: {value}"
    )
}

/// A judgement of a script under `not-`: the score stays, as promptfoo has it.
pub(in crate::eval::promptfoo) fn turned(graded: Graded, not: bool) -> Graded {
    if !not {
        return graded;
    }
    let raw = graded.pass;
    Graded { named: graded.named, ..Graded::scored(!raw, graded.score, format!("Custom function returned {raw}")) }
}

/// promptfoo's GradingResult: `pass`, `score` and `reason`, and what else has the right form; none for anything else.
pub(in crate::eval::promptfoo) fn judgement(value: &Value) -> Option<Graded> {
    let fields = value.as_object()?;
    let pass = fields.get("pass")?.as_bool()?;
    let score = fields.get("score")?.as_f64()?;
    let reason = fields.get("reason")?.as_str()?;
    let is_object =
        |name: &str| fields.get(name).is_none_or(|part| part.is_object() || part.is_array() || part.is_null());
    let well_formed = is_object("namedScores")
        && is_object("namedScoreWeights")
        && is_object("tokensUsed")
        && is_object("assertion")
        && fields.get("componentResults").is_none_or(Value::is_array)
        && fields.get("comment").is_none_or(Value::is_string);
    if !well_formed {
        return None;
    }
    Some(Graded { pass, score, reason: reason.into(), named: named(fields) })
}

/// The named scores of a judgement, each with its weight. A score that is no number makes none.
fn named(fields: &Map<String, Value>) -> Vec<(String, f64, f64)> {
    let Some(scores) = fields.get("namedScores").and_then(Value::as_object) else { return Vec::new() };
    let weight = |name: &str| {
        fields.get("namedScoreWeights").and_then(|weights| weights.get(name)).and_then(Value::as_f64).unwrap_or(1.0)
    };
    scores.iter().filter_map(|(name, score)| Some((name.clone(), score.as_f64()?, weight(name)))).collect()
}

/// One line as a function's body: `return` stands before it, or, after declarations, before its last statement.
fn body(line: &str) -> String {
    let line = trimmed(line).trim_end_matches(';').trim_end_matches(is_space);
    let declares = ["const", "let", "var"]
        .iter()
        .any(|word| line.strip_prefix(word).is_some_and(|rest| rest.starts_with(is_space)));
    if !declares {
        return format!("return {line}");
    }
    match last_semicolon(line) {
        Some(at) => {
            let (statements, last) = line.split_at(at + 1);
            let last = trimmed(last);
            if last.is_empty() { line.to_owned() } else { format!("{statements} return {last}") }
        }
        None => line.to_owned(),
    }
}

/// The last semicolon that stands in no text; escaped quotes do not count.
fn last_semicolon(line: &str) -> Option<usize> {
    let (mut quote, mut escapes, mut found) = (None, 0_u32, None);
    for (at, letter) in line.char_indices() {
        let escaped = escapes % 2 == 1;
        match (letter, quote) {
            ('\'' | '"' | '`', None) if !escaped => quote = Some(letter),
            ('\'' | '"' | '`', Some(open)) if !escaped && open == letter => quote = None,
            (';', None) => found = Some(at),
            _ => {}
        }
        escapes = if letter == '\\' { escapes + 1 } else { 0 };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_gets_its_return_where_promptfoo_puts_it() {
        let table = [
            ("output === 'a;b';", "return output === 'a;b'"),
            ("const s = output; s === 'a;b'", "const s = output; return s === 'a;b'"),
            ("let a = 'it\\'s;'; a.length > 1 ; ", "let a = 'it\\'s;'; return a.length > 1"),
            ("var x = 1", "var x = 1"),
            ("constant > 1", "return constant > 1"),
            ("const x = `;`; x", "const x = `;`; return x"),
        ];
        for (line, expected) in table {
            assert_eq!(body(line), expected, "{line}");
        }
    }
}
