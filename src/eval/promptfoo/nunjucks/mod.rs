//! Templates as nunjucks 3.2.4 renders them where promptfoo asks it to: nothing is escaped, what is missing prints nothing, values
//! are JavaScript's. An interpreter of our own, since a Jinja engine differs in what is true, what is equal, what `+` does, what a
//! loop over an object gives and what `set` in a loop reaches. Kept out: files (`include`, `extends`, `import`), regular
//! expressions, chance (`random`); a template that uses one is refused when it is read.

mod evaluate;
mod expression;
mod filters;
mod is;
mod lex;
mod members;
mod parse;
mod sorting;
#[cfg(test)]
mod tests;
mod tree;
mod value;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub(super) use value::json_indented;

/// The longest template, in bytes.
const LONGEST_TEMPLATE: usize = 4 * 1024 * 1024;

/// Why a template cannot be read or rendered. It may quote the template.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct TemplateError(String);

impl TemplateError {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// A template that has been read.
#[derive(Debug)]
pub(super) struct Template {
    nodes: Vec<parse::Node>,
}

impl Template {
    /// Reads a template.
    pub(super) fn read(text: &str) -> Result<Self, TemplateError> {
        if text.len() > LONGEST_TEMPLATE {
            return Err(TemplateError::new(format!("a template has at most {LONGEST_TEMPLATE} bytes")));
        }
        Ok(Self { nodes: parse::parse(text)? })
    }

    /// Renders it over vars, within limits of work and length; `environment` is what `env` shows.
    pub(super) fn render(
        &self,
        vars: &Map<String, Value>,
        environment: &BTreeMap<String, String>,
    ) -> Result<String, TemplateError> {
        evaluate::render(&self.nodes, vars, environment, &|_, _| None)
    }
}

/// Filters of a config's own: what one of a name gives for its input and arguments, which are made for it; none where there is no filter of that name.
pub(super) type Filters<'a> = &'a dyn Fn(&str, &dyn Fn() -> Vec<Value>) -> Option<Result<Value, String>>;

/// Whether a text has any mark of a template; one that has none renders as it is.
pub(super) fn has_marks(text: &str) -> bool {
    ["{{", "{%", "{#", "#}"].iter().any(|mark| text.contains(mark))
}

/// Reads and renders a text.
pub(super) fn render(
    text: &str,
    vars: &Map<String, Value>,
    environment: &BTreeMap<String, String>,
) -> Result<String, TemplateError> {
    if has_marks(text) { Template::read(text)?.render(vars, environment) } else { Ok(text.to_owned()) }
}

/// Likewise, with filters of the config's own, which come before those of the language.
pub(super) fn render_with(
    text: &str,
    vars: &Map<String, Value>,
    environment: &BTreeMap<String, String>,
    filters: Filters<'_>,
) -> Result<String, TemplateError> {
    if has_marks(text) {
        evaluate::render(&Template::read(text)?.nodes, vars, environment, filters)
    } else {
        Ok(text.to_owned())
    }
}

/// Renders every text in a value, at any depth; keys stay.
pub(super) fn render_value(
    value: &Value,
    vars: &Map<String, Value>,
    environment: &BTreeMap<String, String>,
) -> Result<Value, TemplateError> {
    Ok(match value {
        Value::String(text) => Value::String(render(text, vars, environment)?),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| render_value(item, vars, environment)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| Ok((key.clone(), render_value(value, vars, environment)?));
            Value::Object(fields.iter().map(field).collect::<Result<_, TemplateError>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}
