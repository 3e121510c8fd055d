//! One type a column, as Arrow has it: a field that one row lacks is nothing there, and whole numbers beside others are floats.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Row;

/// Columns of one table, and fields of one column.
const MOST_FIELDS: usize = 10_000;

/// What a column's values are made of.
#[derive(Default)]
struct Shape {
    float: bool,
    text: bool,
    truth: bool,
    number: bool,
    fields: Vec<String>,
    inner: BTreeMap<String, Shape>,
    items: Option<Box<Shape>>,
}

/// Gives all rows the same columns, and each column one type; the columns in the order in which they are seen first. At most so many
/// fields may be lacking in rows that others have: all of them are then there, as nothing.
pub(super) fn unify(rows: &mut [Row], most: usize) -> Result<Vec<String>, String> {
    let mut shape = Shape::default();
    for row in rows.iter() {
        shape.see_fields(row)?;
    }
    let mut left = most;
    for row in rows {
        shape.fit_fields(row, &mut left)?;
    }
    Ok(shape.fields)
}

impl Shape {
    fn see_fields(&mut self, entries: &Map<String, Value>) -> Result<(), String> {
        for (key, value) in entries {
            if !self.inner.contains_key(key) {
                self.fields.push(key.clone());
            }
            if self.fields.len() > MOST_FIELDS {
                return Err(format!("more than {MOST_FIELDS} different fields"));
            }
            self.inner.entry(key.clone()).or_default().see(value).map_err(|why| format!("`{key}`: {why}"))?;
        }
        Ok(())
    }

    fn see(&mut self, value: &Value) -> Result<(), String> {
        match value {
            Value::Null => {}
            Value::Bool(_) => self.truth = true,
            Value::Number(number) => {
                self.number = true;
                self.float |= number.is_f64();
            }
            Value::String(_) => self.text = true,
            Value::Array(items) => {
                let shape = self.items.get_or_insert_default();
                items.iter().try_for_each(|item| shape.see(item))?;
            }
            Value::Object(entries) => self.see_fields(entries)?,
        }
        let kinds = [self.text, self.truth, self.number, self.items.is_some(), !self.fields.is_empty()];
        if kinds.into_iter().filter(|kind| *kind).count() > 1 {
            return Err("texts, numbers, lists and mappings are mixed in one column".to_owned());
        }
        Ok(())
    }

    fn fit_fields(&self, entries: &mut Map<String, Value>, left: &mut usize) -> Result<(), String> {
        let same = entries.len() == self.fields.len() && entries.keys().zip(&self.fields).all(|(a, b)| a == b);
        if !same {
            let lacks = self.fields.len().saturating_sub(entries.len());
            *left = left.checked_sub(lacks).ok_or_else(|| "too many rows lack fields that others have".to_owned())?;
            let mut old = std::mem::take(entries);
            for field in &self.fields {
                entries.insert(field.clone(), old.remove(field).unwrap_or_default());
            }
        }
        for (key, value) in entries {
            if let Some(shape) = self.inner.get(key) {
                shape.fit(value, left)?;
            }
        }
        Ok(())
    }

    fn fit(&self, value: &mut Value, left: &mut usize) -> Result<(), String> {
        match value {
            Value::Number(number) if self.float && !number.is_f64() => {
                if let Some(float) = number.as_f64().and_then(serde_json::Number::from_f64) {
                    *number = float;
                }
            }
            Value::Array(items) => {
                if let Some(shape) = &self.items {
                    items.iter_mut().try_for_each(|item| shape.fit(item, left))?;
                }
            }
            Value::Object(entries) => self.fit_fields(entries, left)?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(())
    }
}
