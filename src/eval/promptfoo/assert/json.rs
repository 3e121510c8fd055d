//! JSON as JavaScript reads it. Kept out: schemas.

use serde_json::Value;

use super::given::trimmed;
use crate::eval::script::{Form, Script};

/// `JSON.parse`. What our reader refuses and JavaScript may take (halves of surrogate pairs, numbers beyond every double, deep nesting) is
/// given to the engine.
pub(super) fn parse(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let may_be_json = trimmed(text).starts_with(['{', '[', '"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    if !may_be_json {
        return None;
    }
    Script::new("return [JSON.parse(text)]", Form::Body)
        .run(&[("text", Value::from(text))])
        .ok()
        .and_then(crate::eval::script::Returned::into_value)
        .and_then(|list| list.get(0).cloned())
}
