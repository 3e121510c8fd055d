//! Values as JavaScript has them, and what its operators make of them. Lists and objects are JSON; what is undefined in a list is
//! null there, which prints the same.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use serde_json::{Map, Number, Value};

use super::TemplateError;
use super::evaluate::Frame;
use super::parse::{Definition, Operator};
use crate::eval::promptfoo::assert::{json_of, number_of, number_text, string_of};

/// The longest text, and the largest value, that a template may make, in bytes.
pub(super) const LONGEST: usize = 8 * 1024 * 1024;

/// Refuses what would be too large, before it is made.
pub(super) fn fits(bytes: usize) -> Result<(), TemplateError> {
    if bytes > LONGEST {
        return Err(TemplateError::new(format!("the template makes more than {LONGEST} bytes")));
    }
    Ok(())
}

/// What a value takes in memory, in bytes, about.
pub(super) fn bytes_of(value: &Value) -> usize {
    const ITEM: usize = 32;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => ITEM,
        Value::String(text) => ITEM + text.len(),
        Value::Array(items) => items.iter().fold(ITEM, |sum, item| sum.saturating_add(bytes_of(item))),
        Value::Object(fields) => fields.iter().fold(ITEM, |sum, (key, item)| {
            sum.saturating_add(key.len()).saturating_add(ITEM).saturating_add(bytes_of(item))
        }),
    }
}

/// A value while a template is rendered.
#[derive(Clone)]
pub(super) enum Js<'v> {
    Undefined,
    /// NaN and the infinities, which JSON does not have.
    Strange(f64),
    Plain(Cow<'v, Value>),
    Function(Function<'v>),
}

/// What can be called.
#[derive(Clone)]
pub(super) enum Function<'v> {
    /// A method of a value.
    Method(Box<Js<'v>>, String),
    /// A macro of the template.
    Macro(&'v Definition),
    /// The body of a `call` block, with what is around it.
    Caller(&'v Definition, Rc<Frame<'v>>),
    /// `range`.
    Range,
}

impl<'v> Js<'v> {
    pub(super) fn owned(value: Value) -> Self {
        Js::Plain(Cow::Owned(value))
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Js::owned(Value::String(text.into()))
    }

    pub(super) fn flag(flag: bool) -> Self {
        Js::owned(Value::Bool(flag))
    }

    pub(super) fn number(number: f64) -> Self {
        Number::from_f64(number).map_or(Js::Strange(number), |number| Js::owned(Value::Number(number)))
    }

    /// The JSON value; null for what is none.
    pub(super) fn into_value(self) -> Value {
        match self {
            Js::Plain(value) => value.into_owned(),
            Js::Undefined | Js::Strange(_) | Js::Function(_) => Value::Null,
        }
    }

    /// The bytes of a value that was made here; what belongs to the vars costs nothing.
    pub(super) fn owned_bytes(&self) -> usize {
        match self {
            Js::Plain(Cow::Owned(value)) => bytes_of(value),
            Js::Plain(Cow::Borrowed(_)) | Js::Undefined | Js::Strange(_) | Js::Function(_) => 0,
        }
    }

    pub(super) fn as_value(&self) -> Option<&Value> {
        match self {
            Js::Plain(value) => Some(value),
            Js::Undefined | Js::Strange(_) | Js::Function(_) => None,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        self.as_value().and_then(Value::as_str)
    }

    pub(super) fn is_nullish(&self) -> bool {
        match self {
            Js::Undefined => true,
            Js::Plain(value) => value.is_null(),
            Js::Strange(_) | Js::Function(_) => false,
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Js::Undefined => false,
            Js::Strange(number) => !number.is_nan(),
            Js::Function(_) => true,
            Js::Plain(value) => match value.as_ref() {
                Value::Null => false,
                Value::Bool(flag) => *flag,
                Value::Number(number) => number.as_f64() != Some(0.0),
                Value::String(text) => !text.is_empty(),
                Value::Array(_) | Value::Object(_) => true,
            },
        }
    }

    /// `String(value)`.
    pub(super) fn string(&self) -> String {
        match self {
            Js::Undefined => "undefined".to_owned(),
            Js::Strange(number) => number_text(*number),
            Js::Plain(value) => string_of(value),
            Js::Function(_) => "function".to_owned(),
        }
    }

    /// What a tag prints of it.
    pub(super) fn printed(&self) -> Result<Cow<'_, str>, TemplateError> {
        match self {
            Js::Undefined => Ok(Cow::Borrowed("")),
            Js::Function(_) => Err(TemplateError::new("a function is printed, and not called")),
            Js::Strange(_) => Ok(Cow::Owned(self.string())),
            Js::Plain(value) => Ok(match value.as_ref() {
                Value::Null => Cow::Borrowed(""),
                Value::String(text) => Cow::Borrowed(text),
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Cow::Owned(string_of(value)),
            }),
        }
    }

    /// `Number(value)`.
    pub(super) fn to_number(&self) -> f64 {
        match self {
            Js::Undefined | Js::Function(_) => f64::NAN,
            Js::Strange(number) => *number,
            Js::Plain(value) => number_of(value),
        }
    }

    /// Its JSON; undefined has none.
    pub(super) fn json(&self, indent: &str) -> Option<String> {
        match self {
            Js::Undefined | Js::Function(_) => None,
            Js::Strange(_) => Some("null".to_owned()),
            Js::Plain(value) => Some(json_indented(value, indent)),
        }
    }
}

/// `JSON.stringify(value, null, indent)`; without an indent on one line.
pub(in crate::eval::promptfoo) fn json_indented(value: &Value, indent: &str) -> String {
    if indent.is_empty() {
        return json_of(value);
    }
    let mut out = String::new();
    write_json(value, indent, 0, &mut out);
    out
}

fn write_json(value: &Value, indent: &str, depth: usize, out: &mut String) {
    let line = |depth: usize, out: &mut String| {
        out.push('\n');
        (0..depth).for_each(|_| out.push_str(indent));
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(depth + 1, out);
                write_json(item, indent, depth + 1, out);
            }
            line(depth, out);
            out.push(']');
        }
        Value::Object(fields) if !fields.is_empty() => {
            out.push('{');
            for (index, (key, item)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(depth + 1, out);
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push_str(": ");
                write_json(item, indent, depth + 1, out);
            }
            line(depth, out);
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            out.push_str(&json_of(value));
        }
    }
}

fn is_structure(value: &Js<'_>) -> bool {
    matches!(value, Js::Function(_)) || value.as_value().is_some_and(|value| value.is_array() || value.is_object())
}

fn is_text(value: &Js<'_>) -> bool {
    value.as_str().is_some()
}

/// `a === b`. Lists and objects are equal to nothing but themselves: the same place of the vars.
pub(super) fn strictly_equal(left: &Js<'_>, right: &Js<'_>) -> bool {
    match (left, right) {
        (Js::Undefined, Js::Undefined) => true,
        (Js::Strange(left), Js::Strange(right)) => left == right,
        (Js::Plain(left), Js::Plain(right)) => match (left.as_ref(), right.as_ref()) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(left), Value::Bool(right)) => left == right,
            (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
            (Value::String(left), Value::String(right)) => left == right,
            (one @ (Value::Array(_) | Value::Object(_)), other) => std::ptr::eq(one, other),
            (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _) => false,
        },
        (Js::Undefined | Js::Strange(_) | Js::Plain(_) | Js::Function(_), _) => false,
    }
}

/// `a == b`.
fn loosely_equal(left: &Js<'_>, right: &Js<'_>) -> bool {
    if left.is_nullish() || right.is_nullish() {
        return left.is_nullish() && right.is_nullish();
    }
    match (is_structure(left), is_structure(right)) {
        (true, true) => strictly_equal(left, right),
        (true, false) => loosely_equal(&Js::text(left.string()), right),
        (false, true) => loosely_equal(left, &Js::text(right.string())),
        (false, false) if is_text(left) && is_text(right) => left.as_str() == right.as_str(),
        (false, false) => left.to_number() == right.to_number(),
    }
}

/// How JavaScript orders two values; none where it does not.
pub(super) fn order(left: &Js<'_>, right: &Js<'_>) -> Option<Ordering> {
    let primitive = |value: &Js<'_>| if is_structure(value) { Some(value.string()) } else { None };
    let (left_text, right_text) = (primitive(left), primitive(right));
    let left_text = left_text.as_deref().or(left.as_str());
    let right_text = right_text.as_deref().or(right.as_str());
    match (left_text, right_text) {
        (Some(left), Some(right)) => Some(left.encode_utf16().cmp(right.encode_utf16())),
        (None, None) => left.to_number().partial_cmp(&right.to_number()),
        (Some(left), None) => Js::text(left).to_number().partial_cmp(&right.to_number()),
        (None, Some(right)) => left.to_number().partial_cmp(&Js::text(right).to_number()),
    }
}

/// `a + b`.
pub(super) fn add<'v>(left: &Js<'v>, right: &Js<'v>) -> Js<'v> {
    let joins = |value: &Js<'_>| is_text(value) || is_structure(value);
    if joins(left) || joins(right) {
        return Js::text(left.string() + &right.string());
    }
    Js::number(left.to_number() + right.to_number())
}

/// JavaScript's `**`: where Rust's gives 1 for 1 to the power of what is no number, or of infinity, it gives no number.
fn power(base: f64, exponent: f64) -> f64 {
    if exponent.is_nan() || (base.abs() == 1.0 && exponent.is_infinite()) { f64::NAN } else { base.powf(exponent) }
}

/// An operator over two values that are both known.
pub(super) fn apply<'v>(operator: Operator, left: &Js<'v>, right: &Js<'v>) -> Result<Js<'v>, TemplateError> {
    let numbers = |made: fn(f64, f64) -> f64| Js::number(made(left.to_number(), right.to_number()));
    let ordered = |holds: fn(Ordering) -> bool| Js::flag(order(left, right).is_some_and(holds));
    Ok(match operator {
        Operator::Or => if left.is_true() { left } else { right }.clone(),
        Operator::And => if left.is_true() { right } else { left }.clone(),
        Operator::In => Js::flag(is_within(left, right)?),
        Operator::Concat => Js::text(left.string() + &right.string()),
        Operator::Add => add(left, right),
        Operator::Subtract => numbers(|left, right| left - right),
        Operator::Multiply => numbers(|left, right| left * right),
        Operator::Divide => numbers(|left, right| left / right),
        Operator::FloorDivide => numbers(|left, right| (left / right).floor()),
        Operator::Remainder => numbers(|left, right| left % right),
        Operator::Power => numbers(power),
        Operator::Equal => Js::flag(loosely_equal(left, right)),
        Operator::NotEqual => Js::flag(!loosely_equal(left, right)),
        Operator::StrictlyEqual => Js::flag(strictly_equal(left, right)),
        Operator::StrictlyNotEqual => Js::flag(!strictly_equal(left, right)),
        Operator::Less => ordered(Ordering::is_lt),
        Operator::Greater => ordered(Ordering::is_gt),
        Operator::LessOrEqual => ordered(Ordering::is_le),
        Operator::GreaterOrEqual => ordered(Ordering::is_ge),
    })
}

fn is_within(key: &Js<'_>, container: &Js<'_>) -> Result<bool, TemplateError> {
    match container.as_value() {
        Some(Value::Array(items)) => Ok(items.iter().any(|item| strictly_equal(key, &Js::Plain(Cow::Borrowed(item))))),
        Some(Value::String(text)) => Ok(text.contains(&key.string())),
        Some(Value::Object(fields)) => Ok(fields.contains_key(&key.string())),
        Some(Value::Null | Value::Bool(_) | Value::Number(_)) | None => {
            Err(TemplateError::new(format!("`in` looks for {:?} in what is no list, text or object", key.string())))
        }
    }
}

/// A key of an object as its own value.
pub(super) fn pair<'v>(key: &str, value: Value) -> Js<'v> {
    Js::owned(Value::Object(Map::from_iter([("key".to_owned(), Value::from(key)), ("value".to_owned(), value)])))
}
