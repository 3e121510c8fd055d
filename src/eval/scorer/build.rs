//! From an assertion as written to the code behind it. Whatever is wrong is said here, before anything is asked.

use serde_json::Value;

use super::reference::TYPES;
use super::text::{Case as LetterCase, Quantifier};
use super::{
    Assertion, AssertionProblem, AssertionSpec, Scorer, Sense, choice, counts, detect, guard, json, judge, number,
    strongreject, telemetry, text,
};
use crate::document::nearest;
use crate::gate::{MetricName, Score};

/// The continuations of a multiple-choice case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChoiceSpec {
    /// The answers to choose from.
    pub choices: Vec<String>,
    /// What stands between prompt and choice.
    pub delimiter: String,
}

type Built = Result<Box<dyn Scorer>, AssertionProblem>;

pub(super) fn problem(field: &'static str, message: impl Into<String>) -> AssertionProblem {
    AssertionProblem { field, message: message.into(), help: None }
}

/// Builds an assertion, or says which field is at fault.
pub fn build(spec: &AssertionSpec) -> Result<Assertion, AssertionProblem> {
    let Some(reference) = TYPES.iter().find(|reference| reference.name == spec.kind) else {
        let names: Vec<&str> = TYPES.iter().map(|reference| reference.name).collect();
        let near = nearest(&spec.kind, names.iter().copied()).map(|near| format!("did you mean `{near}`? "));
        let help = format!("{}types: {}", near.unwrap_or_default(), names.join(", "));
        let message = format!("unknown assertion type `{}`", spec.kind.chars().take(100).collect::<String>());
        return Err(AssertionProblem { field: "type", message, help: Some(help) });
    };
    for field in given_fields(spec) {
        if !reference.fields.contains(&field) {
            let mut found = problem(field, format!("`{}` has no field `{field}`", reference.name));
            found.help = Some(format!("its fields: {}, weight, not, metric", reference.fields.join(", ")));
            return Err(found);
        }
    }
    if !(spec.weight.is_finite() && spec.weight >= 0.0) {
        return Err(problem("weight", "a weight is 0 or more"));
    }
    let metric =
        spec.metric.as_deref().map(MetricName::new).transpose().map_err(|why| problem("metric", why.to_string()))?;
    let graded = spec.kind == "llm-judge";
    let pass_at = match (graded, spec.threshold) {
        (false, _) => Score::ONE,
        (true, threshold) => {
            Score::new(threshold.unwrap_or(judge::THRESHOLD)).map_err(|why| problem("threshold", why.to_string()))?
        }
    };
    Ok(Assertion {
        kind: reference.name,
        scorer: scorer(spec)?,
        weight: spec.weight,
        sense: if spec.not { Sense::Inverted } else { Sense::Plain },
        pass_at,
        metric,
    })
}

fn given_fields(spec: &AssertionSpec) -> Vec<&'static str> {
    let AssertionSpec {
        kind: _,
        value,
        threshold,
        weight: _,
        not: _,
        metric: _,
        tolerance,
        relative_tolerance,
        choices,
        answer,
        delimiter,
        normalize,
        judge,
        canaries,
    } = spec;
    [
        ("value", value.is_some()),
        ("threshold", threshold.is_some()),
        ("tolerance", tolerance.is_some()),
        ("relative_tolerance", relative_tolerance.is_some()),
        ("choices", choices.is_some()),
        ("answer", answer.is_some()),
        ("delimiter", delimiter.is_some()),
        ("normalize", normalize.is_some()),
        ("judge", judge.is_some()),
        ("canaries", canaries.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, given)| given.then_some(name))
    .collect()
}

fn scorer(spec: &AssertionSpec) -> Built {
    use LetterCase::{Folded, Kept};
    use Quantifier::{All, Any};
    match spec.kind.as_str() {
        "equals" => json::equals(needed(spec)?),
        "contains" => text::contains(&[scalar(spec)?], Any, Kept),
        "icontains" => text::contains(&[scalar(spec)?], Any, Folded),
        "contains-any" => text::contains(&list(spec)?, Any, Kept),
        "contains-all" => text::contains(&list(spec)?, All, Kept),
        "icontains-any" => text::contains(&list(spec)?, Any, Folded),
        "icontains-all" => text::contains(&list(spec)?, All, Folded),
        "starts-with" => text::starts_with(&scalar(spec)?),
        "regex" => text::regex(&scalar(spec)?),
        "levenshtein" => text::levenshtein(scalar(spec)?, spec.threshold),
        "word-count" => counts::words(needed(spec)?),
        "line-count" => counts::lines(needed(spec)?),
        "is-json" => json::is_json(spec.value.as_ref()),
        "contains-json" => json::contains_json(spec.value.as_ref()),
        "latency" => telemetry::latency(spec.threshold),
        "cost" => telemetry::cost(spec.threshold),
        "numeric" => number::numeric(needed(spec)?, spec.tolerance, spec.relative_tolerance),
        "choice" => choice::choice(spec),
        "llm-judge" => judge::judge(scalar(spec)?, spec),
        "guard" => guard::guard(needed(spec)?),
        "strongreject" => strongreject::strongreject(needed(spec)?, spec.threshold, spec.canaries),
        _ => detect::build(spec).unwrap_or_else(|| Err(problem("type", "an assertion type without code"))),
    }
}

fn needed(spec: &AssertionSpec) -> Result<&Value, AssertionProblem> {
    spec.value.as_ref().ok_or_else(|| problem("value", format!("`{}` needs a `value`", spec.kind)))
}

/// A text; a number or a truth value is taken as it is written.
fn scalar(spec: &AssertionSpec) -> Result<String, AssertionProblem> {
    let text =
        as_text(needed(spec)?).ok_or_else(|| problem("value", format!("`{}` compares with a text", spec.kind)))?;
    if text.is_empty() {
        return Err(problem("value", "an empty text is in every answer: nothing would be checked"));
    }
    Ok(text)
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn list(spec: &AssertionSpec) -> Result<Vec<String>, AssertionProblem> {
    let items = match needed(spec)? {
        Value::Array(items) => items.iter().map(as_text).collect::<Option<Vec<String>>>(),
        Value::String(text) => Some(comma_separated(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    };
    match items {
        Some(items) if !items.is_empty() && items.iter().all(|item| !item.is_empty()) => Ok(items),
        Some(_) => Err(problem("value", "the list has no text, or an empty one: nothing would be checked")),
        None => Err(problem("value", format!("`{}` compares with a list of texts", spec.kind))),
    }
}

/// `a, "b, c"`: texts between commas, quotes around those that hold one.
fn comma_separated(text: &str) -> Vec<String> {
    let (mut items, mut item, mut quoted) = (Vec::new(), String::new(), false);
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => items.push(std::mem::take(&mut item).trim().to_owned()),
            other => item.push(other),
        }
    }
    items.push(item.trim().to_owned());
    items
}

/// The choices of a `choice` assertion, or none for another type.
pub fn choices(spec: &AssertionSpec) -> Result<Option<ChoiceSpec>, AssertionProblem> {
    if spec.kind != "choice" {
        return Ok(None);
    }
    let choices = spec.choices.clone().unwrap_or_default();
    Ok(Some(ChoiceSpec { choices, delimiter: spec.delimiter.clone().unwrap_or_else(|| " ".to_owned()) }))
}

/// Whether an assertion type judges text, which the answer to a `choice` case has not.
pub fn needs_text(kind: &str) -> bool {
    !matches!(kind, "choice" | "latency" | "cost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(value: Value) -> AssertionSpec {
        serde_json::from_value(value).unwrap()
    }

    fn refusal(value: Value) -> AssertionProblem {
        match build(&spec(value.clone())) {
            Ok(_) => panic!("{value} was built"),
            Err(problem) => problem,
        }
    }

    #[test]
    fn an_unknown_type_names_the_nearest() {
        let problem = refusal(json!({"type": "icontain", "value": "x"}));
        assert_eq!(problem.field, "type");
        assert!(problem.help.unwrap().starts_with("did you mean `icontains`?"));
    }

    #[test]
    fn what_would_check_nothing_is_refused() {
        let table = [
            (json!({"type": "contains", "value": ""}), "value"),
            (json!({"type": "contains"}), "value"),
            (json!({"type": "contains-any", "value": []}), "value"),
            (json!({"type": "contains-all", "value": ["a", ""]}), "value"),
            (json!({"type": "contains", "value": "a", "tolerance": 1}), "tolerance"),
            (json!({"type": "regex", "value": "(a"}), "value"),
            (json!({"type": "regex", "value": "(?=a)"}), "value"),
            (json!({"type": "regex", "value": "(a{1000}){1000}"}), "value"),
            (json!({"type": "contains", "value": "a", "weight": -1}), "weight"),
            (json!({"type": "contains", "value": "a", "metric": "a b"}), "metric"),
            (json!({"type": "is-json", "value": {"type": "objekt"}}), "value"),
            (json!({"type": "is-json", "value": {"$ref": "https://example.com/schema"}}), "value"),
            (json!({"type": "latency"}), "threshold"),
            (json!({"type": "numeric", "value": "many"}), "value"),
            (json!({"type": "numeric", "value": 1, "tolerance": -1}), "tolerance"),
            (json!({"type": "word-count", "value": {"min": 3, "max": 2}}), "value"),
            (json!({"type": "word-count", "value": -1}), "value"),
            (json!({"type": "choice", "choices": ["a"], "answer": 0}), "choices"),
            (json!({"type": "choice", "choices": ["a", "b"], "answer": 2}), "answer"),
            (json!({"type": "choice", "choices": ["a", "b"], "answer": "c"}), "answer"),
            (json!({"type": "llm-judge", "value": "polite"}), "judge"),
            (json!({"type": "llm-judge", "value": "polite", "judge": "j", "threshold": 2}), "threshold"),
            (json!({"type": "levenshtein", "value": "a", "threshold": -1}), "threshold"),
            (json!({"type": "guard"}), "value"),
            (json!({"type": "guard", "value": {"guards": []}}), "value"),
            (json!({"type": "strongreject", "value": "j"}), "value"),
            (json!({"type": "strongreject", "value": {"judge": "j"}, "threshold": 0}), "threshold"),
            (json!({"type": "strongreject", "value": {"judge": "j"}, "judge": "j"}), "judge"),
        ];
        for (value, field) in table {
            assert_eq!(refusal(value.clone()).field, field, "{value}");
        }
    }

    #[test]
    fn every_type_of_the_table_has_code() {
        for reference in TYPES {
            let value = json!({"type": reference.name});
            if let Err(problem) = build(&spec(value)) {
                assert_ne!(problem.field, "type", "{}", reference.name);
            }
        }
    }

    #[test]
    fn a_list_may_be_one_text_with_commas() {
        assert_eq!(comma_separated(r#"red, "green, or so" ,blue"#), ["red", "green, or so", "blue"]);
    }
}
