//! From a row to the texts of a question: its words, its choices, its answer, and the examples in front of it. Source: lm-eval 0.4.13,
//! `ConfigurableTask.doc_to_text` and its relatives, `fewshot_context` and `build_qa_turn`. Kept out: which examples (`fewshot`).

use serde_json::{Map, Value};

use super::file::Entry;
use super::python;
use super::regex::is_space;
use super::spec::Wording;
use super::template::Templates;
use super::turns::Turn;
use crate::eval::request::Role;

/// What is needed to word a row.
pub(super) struct Words<'a> {
    pub(super) templates: &'a Templates,
    /// The columns of the questions' split: a text that is one of them names it.
    pub(super) columns: &'a [String],
    /// Whether the task has `doc_to_choice`: a text of digits is an index then.
    pub(super) has_choices: bool,
}

type Row = Map<String, Value>;

impl Words<'_> {
    /// A template, the name of a column, or a value that stands for itself.
    fn of(&self, entry: &Entry, row: &Row, what: &str) -> Result<Value, String> {
        match &entry.value {
            Value::String(text) if self.columns.contains(text) => {
                row.get(text).cloned().ok_or_else(|| format!("{what}: the row has no column `{text}`"))
            }
            Value::String(text) => {
                let text = self.templates.render(text, row).map_err(|why| format!("{what}: {why}"))?;
                Ok(if self.has_choices && is_digits(&text) { index(&text, what)? } else { Value::String(text) })
            }
            other => Ok(other.clone()),
        }
    }

    /// `doc_to_text`.
    pub(super) fn text(&self, wording: &Wording, row: &Row) -> Result<String, String> {
        let entry = wording.text.as_ref().ok_or("there is no `doc_to_text`")?;
        match self.of(entry, row, "doc_to_text")? {
            Value::String(text) => Ok(text),
            Value::Number(_) if self.has_choices => Err(
                "`doc_to_text` gives an index: contexts that differ by choice are not asked here; run lm_eval itself with \
                 `harness: lm_eval` in the policy"
                    .to_owned(),
            ),
            other => Err(format!("`doc_to_text` gives {} and no text", python::repr(&other))),
        }
    }

    /// `doc_to_target`: a text, an index, a list of either, or another value of the row.
    pub(super) fn target(&self, wording: &Wording, row: &Row) -> Result<Value, String> {
        let entry = wording.target.as_ref().ok_or("there is no `doc_to_target`")?;
        let value = self.of(entry, row, "doc_to_target")?;
        let is_template = entry.value.as_str().is_some_and(|text| !self.columns.iter().any(|column| column == text));
        Ok(match &value {
            Value::String(text) if is_template && text.len() >= 2 && text.starts_with('[') && text.ends_with(']') => {
                python::literal(text).unwrap_or(value)
            }
            _ => value,
        })
    }

    /// `doc_to_choice`.
    pub(super) fn choices(&self, wording: &Wording, row: &Row) -> Result<Option<Vec<String>>, String> {
        let Some(entry) = &wording.choice else { return Ok(None) };
        let value = match &entry.value {
            Value::String(text) if self.columns.contains(text) => {
                row.get(text).cloned().ok_or_else(|| format!("doc_to_choice: the row has no column `{text}`"))?
            }
            Value::String(text) => {
                let text = self.templates.render(text, row).map_err(|why| format!("doc_to_choice: {why}"))?;
                python::literal(&text).ok_or("`doc_to_choice` gives no list")?
            }
            Value::Object(entries) => Value::Array(entries.values().cloned().collect()),
            other => other.clone(),
        };
        let Value::Array(items) = value else { return Err("`doc_to_choice` gives no list".to_owned()) };
        // A choice is put behind the delimiter as Python prints it.
        Ok(Some(items.iter().map(python::text).collect()))
    }

    /// The name of a field of the row, or a template: `description`, `gen_prefix`.
    pub(super) fn field(&self, entry: Option<&Entry>, row: &Row, what: &str) -> Result<Option<String>, String> {
        let Some(entry) = entry else { return Ok(None) };
        let Value::String(text) = &entry.value else { return Err(format!("`{what}` is a text")) };
        if text.is_empty() {
            return Ok(None);
        }
        match row.get(text) {
            Some(value) => Ok(Some(python::text(value))),
            None => self.templates.render(text, row).map(Some).map_err(|why| format!("{what}: {why}")),
        }
    }

    /// One example with its answer, and what stands behind it.
    pub(super) fn example(&self, wording: &Wording, row: &Row) -> Result<Vec<Turn>, String> {
        let question = self.text(wording, row)?;
        let choices = self.choices(wording, row)?;
        let target = self.target(wording, row)?;
        let prefix = self.field(wording.prefix.as_ref(), row, "gen_prefix")?.filter(|prefix| !prefix.is_empty());
        if target.is_null() || target.as_str() == Some("") {
            return Ok(open(question, prefix, &wording.target_delimiter));
        }
        let answer = answer(&target, choices.as_deref())?;
        let delimiter = match &prefix {
            Some(prefix) if !is_apart(&question, prefix) => "",
            Some(_) | None => &wording.target_delimiter,
        };
        let answer = delimited(prefix.as_deref().unwrap_or_default(), &answer, " ");
        let answer = Turn::new(Role::Assistant, answer, wording.fewshot_delimiter.as_str());
        Ok(vec![Turn::new(Role::User, question, delimiter), answer])
    }

    /// The question itself, without its answer.
    pub(super) fn question(&self, wording: &Wording, row: &Row) -> Result<Vec<Turn>, String> {
        let question = self.text(wording, row)?;
        let prefix = self.field(wording.prefix.as_ref(), row, "gen_prefix")?;
        Ok(open(question, prefix, &wording.target_delimiter))
    }
}

/// A question, and the beginning of its answer where there is one.
fn open(question: String, prefix: Option<String>, delimiter: &str) -> Vec<Turn> {
    match prefix.filter(|prefix| !prefix.is_empty()) {
        Some(prefix) => {
            let delimiter = if is_apart(&question, &prefix) { delimiter } else { "" };
            vec![Turn::new(Role::User, question, delimiter), Turn::new(Role::Assistant, prefix, "")]
        }
        None => vec![Turn::new(Role::User, question, "")],
    }
}

/// The answer of an example.
fn answer(target: &Value, choices: Option<&[String]>) -> Result<String, String> {
    let choices = choices.filter(|choices| !choices.is_empty());
    let number = target.as_i64().or_else(|| target.as_bool().map(i64::from));
    if let (Some(choices), Some(number)) = (choices, number) {
        return at(choices, number).cloned().ok_or_else(|| format!("an example's answer {number} is no choice"));
    }
    let one = match target {
        Value::Array(items) => items.first().ok_or("an example's list of answers is empty")?,
        other => other,
    };
    match one {
        Value::String(text) => Ok(text.clone()),
        other => Err(format!("an example's answer is {} and no text", python::repr(other))),
    }
}

/// An item by Python's index: a negative one counts from the end.
pub(super) fn at<T>(items: &[T], index: i64) -> Option<&T> {
    let length = i64::try_from(items.len()).ok()?;
    items.get(usize::try_from(if index < 0 { index + length } else { index }).ok()?)
}

/// Two texts with a delimiter, unless one has white space where they meet.
pub(super) fn delimited(before: &str, after: &str, delimiter: &str) -> String {
    if before.is_empty() || after.is_empty() || !is_apart(before, after) {
        format!("{before}{after}")
    } else {
        format!("{before}{delimiter}{after}")
    }
}

/// Whether neither text has white space where they meet.
fn is_apart(before: &str, after: &str) -> bool {
    !before.is_empty() && !before.ends_with(is_space) && !after.starts_with(is_space)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn index(text: &str, what: &str) -> Result<Value, String> {
    python::literal(text).ok_or_else(|| format!("{what}: `{text}` is no index"))
}
