//! The tests of nunjucks 3.2.4: what stands behind `is`. What throws there is an error here.

use std::cmp::Ordering;

use serde_json::Value;

use super::TemplateError;
use super::value::{Js, order, strictly_equal};

/// A test behind `is`.
pub(super) fn is(name: &str, input: &Js<'_>, argument: &Js<'_>) -> Result<bool, TemplateError> {
    let ordered = |holds: fn(Ordering) -> bool| order(input, argument).is_some_and(holds);
    Ok(match name {
        "defined" => !matches!(input, Js::Undefined),
        "undefined" => matches!(input, Js::Undefined),
        "null" | "none" => input.as_value().is_some_and(Value::is_null),
        "callable" => matches!(input, Js::Function(_)),
        "escaped" => false,
        "eq" | "equalto" | "sameas" => strictly_equal(input, argument),
        "ne" => !strictly_equal(input, argument),
        "truthy" => input.is_true(),
        "falsy" => !input.is_true(),
        "number" => matches!(input, Js::Strange(_)) || input.as_value().is_some_and(Value::is_number),
        "string" => input.as_str().is_some(),
        "even" => input.to_number() % 2.0 == 0.0,
        "odd" => input.to_number() % 2.0 == 1.0,
        "divisibleby" => input.to_number() % argument.to_number() == 0.0,
        "ge" => ordered(Ordering::is_ge),
        "gt" | "greaterthan" => ordered(Ordering::is_gt),
        "le" => ordered(Ordering::is_le),
        "lt" | "lessthan" => ordered(Ordering::is_lt),
        "lower" | "upper" => match input.as_str() {
            Some(text) => text == if name == "lower" { text.to_lowercase() } else { text.to_uppercase() },
            None => return Err(TemplateError::new(format!("`is {name}` of what is no text"))),
        },
        "iterable" if input.is_nullish() => return Err(TemplateError::new("`is iterable` of nothing")),
        "iterable" => input.as_value().is_some_and(|value| value.is_array() || value.is_string()),
        "mapping" => input.as_value().is_some_and(Value::is_object),
        _ => return Err(TemplateError::new(format!("the test `{name}` is not there"))),
    })
}
