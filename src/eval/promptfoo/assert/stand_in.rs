//! Templates of single variables, until `promptfoo::nunjucks` is there.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Renders `{{ name.part }}`.
pub(super) fn render(text: &str, vars: &Map<String, Value>, _env: &BTreeMap<String, String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or("a template is not closed")?;
        out.push_str(before);
        let mut parts = name.trim().split('.');
        let first = parts.next().unwrap_or_default();
        let value = parts.fold(vars.get(first), |value, part| value.and_then(|value| value.get(part)));
        if let Some(value) = value {
            out.push_str(&super::given::string_of(value));
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
