//! Sorting as JavaScript does it: stable, and by an order that need not be one (a number and a word are neither before nor behind one
//! another), which the sorting of Rust's library answers with a panic.

use std::cmp::Ordering;

use serde_json::Value;

use super::TemplateError;
use super::filters::{Filtered, path, values};
use super::value::{Js, order, strictly_equal};

/// A stable merge sort that takes any answers.
fn merged<T>(mut list: Vec<T>, compare: &mut dyn FnMut(&T, &T) -> Ordering) -> Vec<T> {
    if list.len() < 2 {
        return list;
    }
    let behind = list.split_off(list.len() / 2);
    let mut left = merged(list, compare).into_iter().peekable();
    let mut right = merged(behind, compare).into_iter().peekable();
    let mut sorted = Vec::with_capacity(left.len() + right.len());
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        // The later one is asked about, as there.
        let next = if compare(other, one).is_lt() { right.next() } else { left.next() };
        sorted.extend(next);
    }
    sorted.extend(left);
    sorted.extend(right);
    sorted
}

fn folded<'v>(value: Js<'v>, exact: bool) -> Js<'v> {
    match value.as_str() {
        Some(text) if !exact => Js::text(text.to_lowercase()),
        Some(_) | None => value,
    }
}

/// `sort`.
pub(super) fn sort<'v>(mut list: Vec<Js<'v>>, reverse: bool, exact: bool, attribute: &Js<'v>) -> Js<'v> {
    let key = |item: &Js<'v>| {
        let item = if attribute.is_true() { path(item.clone(), &attribute.string()) } else { item.clone() };
        folded(item, exact)
    };
    list = merged(list, &mut |left, right| {
        let by = order(&key(left), &key(right)).unwrap_or(Ordering::Equal);
        if reverse { by.reverse() } else { by }
    });
    values(list.into_iter())
}

/// `dictsort`: the pairs of an object.
pub(super) fn dictsort<'v>(input: &Js<'v>, exact: bool, by: &Js<'v>) -> Filtered<'v> {
    let Some(Value::Object(fields)) = input.as_value() else {
        return Err(TemplateError::new("`dictsort` of what is no object"));
    };
    let by_value = match by.as_str() {
        None | Some("key") => false,
        Some("value") => true,
        Some(_) => return Err(TemplateError::new("`dictsort` sorts by `key` or `value`")),
    };
    let mut pairs: Vec<(&String, &Value)> = fields.iter().collect();
    pairs = merged(pairs, &mut |left, right| {
        let key = |pair: &(&String, &Value)| {
            folded(if by_value { Js::owned(pair.1.clone()) } else { Js::text(pair.0.as_str()) }, exact)
        };
        let (left, right) = (key(left), key(right));
        // Of two that cannot be compared the later one comes first there.
        match order(&left, &right) {
            Some(Ordering::Greater) => Ordering::Greater,
            Some(Ordering::Equal) if strictly_equal(&left, &right) => Ordering::Equal,
            Some(_) | None => Ordering::Less,
        }
    });
    let row = |(key, value): (&String, &Value)| Value::Array(vec![Value::from(key.as_str()), value.clone()]);
    Ok(Js::owned(Value::Array(pairs.into_iter().map(row).collect())))
}
