//! Members of values, and those methods of JavaScript's texts, lists and numbers that templates call. Lengths and places count
//! UTF-16 units, as there.

use std::borrow::Cow;

use serde_json::Value;

use super::TemplateError;
use super::value::{Function, Js, fits, strictly_equal};
use crate::eval::promptfoo::assert::{is_space, trimmed};

const OF_TEXT: &[&str] = &[
    "toUpperCase",
    "toLowerCase",
    "trim",
    "trimStart",
    "trimEnd",
    "split",
    "includes",
    "startsWith",
    "endsWith",
    "indexOf",
    "lastIndexOf",
    "slice",
    "substring",
    "substr",
    "charAt",
    "replace",
    "replaceAll",
    "repeat",
    "padStart",
    "padEnd",
    "concat",
    "toString",
];
const OF_LIST: &[&str] = &["join", "includes", "indexOf", "slice", "concat", "reverse", "toString", "at"];
const OF_NUMBER: &[&str] = &["toFixed", "toString"];

/// The items of a list, the letters of a text; nothing of anything else.
pub(super) fn items<'v>(value: &Cow<'v, Value>) -> Vec<Js<'v>> {
    match value {
        Cow::Borrowed(Value::Array(items)) => items.iter().map(|item| Js::Plain(Cow::Borrowed(item))).collect(),
        Cow::Owned(Value::Array(items)) => items.iter().map(|item| Js::owned(item.clone())).collect(),
        Cow::Borrowed(Value::String(text)) => letters(text),
        Cow::Owned(Value::String(text)) => letters(text),
        Cow::Borrowed(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_))
        | Cow::Owned(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => Vec::new(),
    }
}

fn letters<'v>(text: &str) -> Vec<Js<'v>> {
    text.chars().map(|letter| Js::text(letter.to_string())).collect()
}

/// `object[key]`; undefined where there is nothing, also of what is undefined itself.
pub(super) fn member<'v>(object: Js<'v>, key: &Js<'v>) -> Js<'v> {
    let name = key.string();
    let Js::Plain(value) = &object else {
        return Js::Undefined;
    };
    let found = match value {
        Cow::Borrowed(value) => child(value, &name).map(|child| Js::Plain(Cow::Borrowed(child))),
        Cow::Owned(value) => child(value, &name).map(|child| Js::owned(child.clone())),
    };
    if let Some(found) = found {
        return found;
    }
    let methods = match value.as_ref() {
        Value::String(text) => {
            if name == "length" {
                return Js::number(text.encode_utf16().count() as f64);
            }
            if let Ok(index) = name.parse::<usize>() {
                let unit = text.encode_utf16().nth(index);
                return unit.map_or(Js::Undefined, |unit| Js::text(String::from_utf16_lossy(&[unit])));
            }
            OF_TEXT
        }
        Value::Array(items) => {
            if name == "length" {
                return Js::number(items.len() as f64);
            }
            OF_LIST
        }
        Value::Number(_) => OF_NUMBER,
        Value::Object(_) => &["hasOwnProperty", "toString"],
        Value::Bool(_) => &["toString"],
        Value::Null => &[],
    };
    if methods.contains(&name.as_str()) {
        return Js::Function(Function::Method(Box::new(object), name));
    }
    Js::Undefined
}

fn child<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields.get(name),
        Value::Array(items) => name.parse::<usize>().ok().and_then(|index| items.get(index)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Calls a method of a value.
pub(super) fn call<'v>(object: &Js<'v>, method: &str, listed: &[Js<'v>]) -> Result<Js<'v>, TemplateError> {
    let Some(value) = object.as_value() else {
        return Err(TemplateError::new(format!("`{method}` of nothing")));
    };
    let first = listed.first().cloned().unwrap_or(Js::Undefined);
    match (value, method) {
        (_, "toString") => Ok(Js::text(object.string())),
        (Value::String(text), _) => of_text(text, method, listed),
        (Value::Array(items), _) => of_list(items, method, listed),
        (Value::Object(fields), "hasOwnProperty") => Ok(Js::flag(fields.contains_key(&first.string()))),
        (Value::Number(number), "toFixed") => {
            let digits = whole(&first, 0.0).clamp(0.0, 100.0) as usize;
            Ok(Js::text(format!("{:.digits$}", number.as_f64().unwrap_or_default())))
        }
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_), _) => Err(unknown(method)),
    }
}

fn unknown(method: &str) -> TemplateError {
    TemplateError::new(format!("the method `{method}` is not there"))
}

/// An argument as a whole number; `otherwise` where it is not given.
fn whole(argument: &Js<'_>, otherwise: f64) -> f64 {
    match argument {
        Js::Undefined => otherwise,
        Js::Strange(number) if number.is_infinite() => *number,
        Js::Strange(_) => 0.0,
        Js::Plain(_) | Js::Function(_) => {
            let number = argument.to_number().trunc();
            if number.is_nan() { 0.0 } else { number }
        }
    }
}

fn of_text<'v>(text: &str, method: &str, listed: &[Js<'v>]) -> Result<Js<'v>, TemplateError> {
    let argument = |index: usize| listed.get(index).cloned().unwrap_or(Js::Undefined);
    let (first, second) = (argument(0), argument(1));
    let units: Vec<u16> = text.encode_utf16().collect();
    let count = units.len() as f64;
    let part = |from: f64, to: f64| {
        let from = from.clamp(0.0, count) as usize;
        let to = to.clamp(0.0, count) as usize;
        Js::text(units.get(from..to.max(from)).map(String::from_utf16_lossy).unwrap_or_default())
    };
    let from_end = |place: f64| if place < 0.0 { place + count } else { place };
    let place = |found: Option<usize>| {
        let before = found.and_then(|at| text.get(..at)).map(|before| before.encode_utf16().count() as f64);
        Js::number(before.unwrap_or(-1.0))
    };
    let needle = first.string();
    Ok(match method {
        "toUpperCase" => Js::text(text.to_uppercase()),
        "toLowerCase" => Js::text(text.to_lowercase()),
        "trim" => Js::text(trimmed(text)),
        "trimStart" => Js::text(text.trim_start_matches(is_space)),
        "trimEnd" => Js::text(text.trim_end_matches(is_space)),
        "split" => {
            let parts: Vec<Value> = match &first {
                Js::Undefined => vec![Value::from(text)],
                _ if needle.is_empty() => text.chars().map(|letter| Value::from(letter.to_string())).collect(),
                _ => text.split(needle.as_str()).map(Value::from).collect(),
            };
            let most = whole(&second, f64::INFINITY);
            Js::owned(Value::Array(parts.into_iter().take(most.clamp(0.0, 1e9) as usize).collect()))
        }
        "includes" => Js::flag(text.contains(&needle)),
        "startsWith" => Js::flag(text.starts_with(&needle)),
        "endsWith" => Js::flag(text.ends_with(&needle)),
        "indexOf" => place(text.find(&needle)),
        "lastIndexOf" => place(text.rfind(&needle)),
        "slice" => part(from_end(whole(&first, 0.0)), from_end(whole(&second, count))),
        "substring" => {
            let (from, to) = (whole(&first, 0.0).clamp(0.0, count), whole(&second, count).clamp(0.0, count));
            part(from.min(to), from.max(to))
        }
        "substr" => {
            let from = from_end(whole(&first, 0.0)).clamp(0.0, count);
            part(from, from + whole(&second, count))
        }
        "charAt" => {
            let at = whole(&first, 0.0);
            if at < 0.0 { Js::text("") } else { part(at, at + 1.0) }
        }
        "replace" => Js::text(text.replacen(&needle, &second.string(), 1)),
        "replaceAll" => {
            let new = second.string();
            fits(text.len().saturating_add(text.matches(&needle).count().saturating_mul(new.len())))?;
            Js::text(text.replace(&needle, &new))
        }
        "repeat" => {
            let times = whole(&first, 0.0);
            if times < 0.0 || times * count > 1e6 {
                return Err(TemplateError::new("`repeat` makes too long a text"));
            }
            Js::text(text.repeat(times as usize))
        }
        "padStart" | "padEnd" => {
            let missing = whole(&first, 0.0) - count;
            let filler = if matches!(second, Js::Undefined) { " ".to_owned() } else { second.string() };
            if missing > 1e6 {
                return Err(TemplateError::new("a text is padded to too great a length"));
            }
            let filling: String = filler.chars().cycle().take(missing.max(0.0) as usize).collect();
            Js::text(if method == "padStart" { filling + text } else { text.to_owned() + &filling })
        }
        "concat" => Js::text(listed.iter().fold(text.to_owned(), |text, more| text + &more.string())),
        _ => return Err(unknown(method)),
    })
}

fn of_list<'v>(items: &[Value], method: &str, listed: &[Js<'v>]) -> Result<Js<'v>, TemplateError> {
    let argument = |index: usize| listed.get(index).cloned().unwrap_or(Js::Undefined);
    let (first, second) = (argument(0), argument(1));
    let count = items.len() as f64;
    let from_end = |place: f64| if place < 0.0 { place + count } else { place };
    let position = || items.iter().position(|item| strictly_equal(&first, &Js::Plain(Cow::Borrowed(item))));
    Ok(match method {
        "join" => {
            let between = if matches!(first, Js::Undefined) { ",".to_owned() } else { first.string() };
            Js::text(joined(items, &between)?)
        }
        "includes" => Js::flag(position().is_some()),
        "indexOf" => Js::number(position().map_or(-1.0, |at| at as f64)),
        "slice" => {
            let from = from_end(whole(&first, 0.0)).clamp(0.0, count) as usize;
            let to = from_end(whole(&second, count)).clamp(0.0, count) as usize;
            Js::owned(Value::Array(items.get(from..to.max(from)).unwrap_or_default().to_vec()))
        }
        "concat" => {
            let mut all = items.to_vec();
            for more in listed {
                match more.as_value() {
                    Some(Value::Array(more)) => all.extend(more.iter().cloned()),
                    Some(_) | None => all.push(more.clone().into_value()),
                }
            }
            Js::owned(Value::Array(all))
        }
        "reverse" => Js::owned(Value::Array(items.iter().rev().cloned().collect())),
        "at" => {
            let at = from_end(whole(&first, 0.0));
            let item = if at < 0.0 { None } else { items.get(at as usize) };
            item.map_or(Js::Undefined, |item| Js::owned(item.clone()))
        }
        _ => return Err(unknown(method)),
    })
}

/// `list.join(between)`: null is nothing.
pub(super) fn joined(items: &[Value], between: &str) -> Result<String, TemplateError> {
    fits(items.len().saturating_mul(between.len()))?;
    let text = |item: &Value| if item.is_null() { String::new() } else { Js::Plain(Cow::Borrowed(item)).string() };
    Ok(items.iter().map(text).collect::<Vec<_>>().join(between))
}
