//! The gold answer of a document. Source: lm-eval 0.4.13, `ConfigurableTask.process_results`.

use serde_json::Value;

use super::doc::{Expected, OutputType};
use super::python;
use super::wording::at;
use crate::stats::float;

/// Whether a task has several gold answers a document: lm-eval asks its first document.
pub(super) fn is_several(first: &Value) -> bool {
    first.as_array().is_some_and(|items| !items.is_empty())
}

/// From `doc_to_target` and the choices. A gold answer that is no choice is [`Expected::None`], as lm-eval's -100: no answer is right.
pub(super) fn of(
    output_type: OutputType,
    target: Value,
    choices: Option<&[String]>,
    is_several: bool,
) -> Result<Expected, String> {
    match output_type {
        OutputType::MultipleChoice => Ok(gold(&target, choices.unwrap_or_default())),
        OutputType::LogLikelihood | OutputType::LogLikelihoodRolling => Ok(Expected::Text(python::text(&target))),
        OutputType::GenerateUntil => {
            let target = match (choices, target) {
                (Some(choices), target) => {
                    let number = target.as_i64().or_else(|| target.as_bool().map(i64::from));
                    let chosen = number.and_then(|number| at(choices, number));
                    let wrong = || format!("the target {} is no index of a choice", python::repr(&target));
                    Value::String(chosen.ok_or_else(wrong)?.clone())
                }
                (None, target) => target,
            };
            Ok(match target {
                Value::Array(items) if is_several => Expected::Texts(items.iter().map(python::text).collect()),
                one => Expected::Text(python::text(&one)),
            })
        }
    }
}

fn gold(target: &Value, choices: &[String]) -> Expected {
    let index = |value: &Value| match value {
        // A column of a table may have whole numbers as floats.
        Value::Number(number) => (0..choices.len()).find(|index| number.as_f64() == Some(float(*index as u64))),
        Value::Bool(truth) => Some(usize::from(*truth)),
        Value::String(text) => choices.iter().position(|choice| choice == text),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    match target {
        Value::Array(items) => {
            // lm-eval takes indices only in a list; a text in it would be an error there.
            let right: Vec<usize> = items.iter().filter_map(index).filter(|index| *index < choices.len()).collect();
            if right.is_empty() { Expected::None } else { Expected::Choices(right) }
        }
        one => index(one).filter(|index| *index < choices.len()).map_or(Expected::None, Expected::Choice),
    }
}

/// The gold answer as it is written into samples.
pub(super) fn json(expected: &Expected) -> Option<Value> {
    match expected {
        Expected::Choice(index) => Some(Value::from(*index)),
        Expected::Choices(all) => Some(Value::from(all.clone())),
        Expected::Text(text) => Some(Value::from(text.as_str())),
        Expected::Texts(texts) => Some(Value::from(texts.clone())),
        Expected::None => None,
    }
}
