//! The result of a script as data. Kept out: the engine.

use rquickjs::{Ctx, Type};
use serde_json::Value;

use super::{Fault, ScriptError};

/// What a script returned.
#[derive(Clone, PartialEq, Debug)]
pub enum Returned {
    /// `undefined`, or nothing.
    Undefined,
    /// Null, a boolean, a finite number, a text, a list or an object, as `JSON.stringify` writes it: within it, what is
    /// undefined is gone, and numbers that are not finite are null.
    Value(Value),
    /// NaN or an infinity.
    NotFinite(f64),
    /// A function.
    Function,
    /// A bigint, in digits.
    BigInt(String),
    /// A symbol.
    Symbol,
}

impl Returned {
    /// JavaScript's `typeof`.
    pub fn type_of(&self) -> &'static str {
        match self {
            Returned::Undefined => "undefined",
            Returned::Value(Value::Bool(_)) => "boolean",
            Returned::Value(Value::Number(_)) | Returned::NotFinite(_) => "number",
            Returned::Value(Value::String(_)) => "string",
            Returned::Value(Value::Null | Value::Array(_) | Value::Object(_)) => "object",
            Returned::Function => "function",
            Returned::BigInt(_) => "bigint",
            Returned::Symbol => "symbol",
        }
    }

    /// The data; of `undefined` and of what is no data, nothing.
    pub fn into_value(self) -> Option<Value> {
        match self {
            Returned::Value(value) => Some(value),
            Returned::Undefined
            | Returned::NotFinite(_)
            | Returned::Function
            | Returned::BigInt(_)
            | Returned::Symbol => None,
        }
    }

    /// Reads a value of the engine; getters and `toJSON` of it run now.
    pub(super) fn read<'js>(ctx: &Ctx<'js>, value: &rquickjs::Value<'js>) -> Result<Self, rquickjs::Error> {
        Ok(match value.type_of() {
            Type::Undefined | Type::Uninitialized => Returned::Undefined,
            Type::Symbol => Returned::Symbol,
            Type::BigInt => Returned::BigInt(value.get::<rquickjs::Coerced<String>>()?.0),
            Type::Function | Type::Constructor => Returned::Function,
            Type::Float if value.as_float().is_some_and(|number| !number.is_finite()) => {
                Returned::NotFinite(value.as_float().unwrap_or(f64::NAN))
            }
            _ => match ctx.json_stringify(value.clone())? {
                Some(text) => Returned::Value(parse(&text.to_string()?).map_err(|_| rquickjs::Error::Unknown)?),
                None => Returned::Undefined,
            },
        })
    }
}

/// Of JavaScript's texts, the lone halves of surrogate pairs cannot be written in UTF-8: each becomes U+FFFD.
fn parse(json: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(json).or_else(|_| serde_json::from_str(&without_lone_surrogates(json)))
}

fn without_lone_surrogates(json: &str) -> String {
    let bytes = json.as_bytes();
    let mut out = String::with_capacity(json.len());
    let mut at = 0;
    let unit = |at: usize| -> Option<u16> {
        let escape = json.get(at..at + 6)?;
        let digits = escape.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    while let Some(byte) = bytes.get(at) {
        if *byte != b'\\' {
            let rest = json.get(at..).unwrap_or_default();
            let end = rest.find('\\').unwrap_or(rest.len());
            out.push_str(rest.get(..end).unwrap_or_default());
            at += end;
            continue;
        }
        let long = match unit(at) {
            Some(high) if (0xd800..0xdc00).contains(&high) => {
                if unit(at + 6).is_some_and(|low| (0xdc00..0xe000).contains(&low)) { Some(12) } else { None }
            }
            Some(low) if (0xdc00..0xe000).contains(&low) => None,
            Some(_) => Some(6),
            None => Some(2),
        };
        match long {
            Some(long) => out.push_str(json.get(at..at + long).unwrap_or_default()),
            None => out.push_str("\\ufffd"),
        }
        at += long.unwrap_or(6);
    }
    out
}

impl From<serde_json::Error> for ScriptError {
    fn from(error: serde_json::Error) -> Self {
        ScriptError::new(Fault::Result, format!("a value cannot be written as JSON: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_become_replacement_characters_and_pairs_stay() {
        let table = [
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""a\ude00b""#, "a\u{fffd}b"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\\ud83d\ud83d""#, "\\ud83d\u{fffd}"),
        ];
        for (json, expected) in table {
            assert_eq!(parse(json).unwrap(), Value::String(expected.to_owned()), "{json}");
        }
    }
}
