//! Templates over a case's vars: Jinja within limits. What is put in is put in once and never rendered again.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use serde_json::Value;

/// Steps that one template may take: a loop over a few thousand items, not an endless one.
const FUEL: u64 = 200_000;
/// The longest text that a template may make, in bytes.
const LONGEST: usize = 1024 * 1024;

/// Renders templates of one case.
pub(super) struct Templates<'a> {
    environment: OnceCell<Environment<'static>>,
    scope: Scope<'a>,
}

#[derive(Serialize)]
struct Scope<'a> {
    #[serde(flatten)]
    vars: &'a BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a Value>,
}

impl<'a> Templates<'a> {
    /// Templates that know the vars, and `expected` unless a var has that name.
    pub(super) fn new(vars: &'a BTreeMap<String, Value>, expected: Option<&'a Value>) -> Self {
        // Most cases hold no template: the environment is made by the first that does.
        let environment = OnceCell::new();
        let expected = if vars.contains_key("expected") { None } else { expected };
        Self { environment, scope: Scope { vars, expected } }
    }

    /// The text with every expression replaced. Text without any is taken as it is.
    pub(super) fn render(&self, text: &str) -> Result<String, String> {
        if !is_template(text) {
            return Ok(text.to_owned());
        }
        let rendered = self
            .environment
            .get_or_init(limited)
            .render_named_str("template", text, Serde(&self.scope))
            .map_err(|error| explain(&error))?;
        if rendered.len() > LONGEST {
            return Err(format!("the template makes {} bytes; at most {LONGEST} are taken", rendered.len()));
        }
        Ok(rendered)
    }

    /// The same for every text inside a value.
    pub(super) fn render_value(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => Value::String(self.render(text)?),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.render_value(item)).collect::<Result<_, _>>()?)
            }
            Value::Object(entries) => {
                let rendered = entries.iter().map(|(key, value)| Ok((key.clone(), self.render_value(value)?)));
                Value::Object(rendered.collect::<Result<_, String>>()?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }
}

fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// No loader, no escapes for HTML, and an end to everything.
fn limited() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_fuel(Some(FUEL));
    environment
}

fn explain(error: &minijinja::Error) -> String {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let line = error.line().map(|line| format!(" (line {line} of the template)")).unwrap_or_default();
    match error.kind() {
        minijinja::ErrorKind::UndefinedError => {
            format!("the template uses a variable that is not in vars{detail}{line}")
        }
        minijinja::ErrorKind::OutOfFuel => format!("the template does not end within {FUEL} steps"),
        kind => format!("the template cannot be rendered: {kind}{detail}{line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn vars() -> BTreeMap<String, Value> {
        BTreeMap::from([("country".to_owned(), json!("France")), ("evil".to_owned(), json!("{{ country }}"))])
    }

    #[test]
    fn a_var_is_put_in_once_and_never_rendered_again() {
        let vars = vars();
        let templates = Templates::new(&vars, Some(&Value::Null));
        assert_eq!(templates.render("{{ evil }}").unwrap(), "{{ country }}");
        assert_eq!(templates.render("a <b> & {{ country }}\n").unwrap(), "a <b> & France\n");
    }

    #[test]
    fn a_variable_that_is_not_there_is_an_error() {
        let vars = vars();
        let error = Templates::new(&vars, None).render("Hello {{ nobody }}").unwrap_err();
        assert!(error.contains("not in vars"), "{error}");
    }

    #[test]
    fn an_endless_template_ends() {
        let vars = vars();
        let error = Templates::new(&vars, None)
            .render("{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}");
        assert!(error.unwrap_err().contains("steps"));
    }
}
