//! The gold answer of a document. Source: lm-eval 0.4.13, `ConfigurableTask.process_results`.

use serde_json::Value;

use super::doc::{Expected, OutputType};
use super::python;
use super::wording::at;

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
        OutputType::MultipleChoice => gold(&target, choices.unwrap_or_default(), is_several),
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
            match target {
                Value::Array(items) if is_several => Ok(Expected::Texts(items.iter().map(python::text).collect())),
                // lm-eval takes the letters of a text for the answers, and ends its run at anything else.
                _ if is_several => Err("the target is no list, and that of the first document is one".to_owned()),
                one => Ok(Expected::Text(python::text(&one))),
            }
        }
    }
}

/// lm-eval ends a run at what is neither an index nor the text of a choice, and at a list among single answers.
fn gold(target: &Value, choices: &[String], is_several: bool) -> Result<Expected, String> {
    let wrong = |value: &Value| format!("the target {} is no index of a choice", python::repr(value));
    let index = |value: &Value| {
        let number = value.as_i64().or_else(|| value.as_bool().map(i64::from)).ok_or_else(|| wrong(value))?;
        Ok(usize::try_from(number).ok().filter(|index| *index < choices.len()))
    };
    match target {
        Value::Array(items) if is_several => {
            let found = items.iter().map(index).collect::<Result<Vec<_>, String>>()?;
            let right: Vec<usize> = found.into_iter().flatten().collect();
            Ok(if right.is_empty() { Expected::None } else { Expected::Choices(right) })
        }
        Value::Array(_) => Err("the target is a list, and that of the first document is none".to_owned()),
        _ if is_several => Err("the target is no list of indices, and that of the first document is one".to_owned()),
        Value::String(text) => {
            Ok(choices.iter().position(|choice| choice == text).map_or(Expected::None, Expected::Choice))
        }
        one => Ok(index(one)?.map_or(Expected::None, Expected::Choice)),
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
