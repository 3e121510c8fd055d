//! Label and field selectors.

use serde_json::Value;

use super::kinds::Kind;

/// Whether labels match a selector: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`.
pub fn labels(selector: &str, labels: &Value) -> bool {
    terms(selector).iter().all(|term| {
        let of = |name: &str| labels[name.trim()].as_str();
        if let Some((name, values)) = term.split_once(" notin ") {
            !listed(values, of(name))
        } else if let Some((name, values)) = term.split_once(" in ") {
            listed(values, of(name))
        } else if let Some((name, value)) = term.split_once("!=") {
            of(name) != Some(value.trim())
        } else if let Some((name, value)) = term.split_once('=') {
            of(name) == Some(value.trim_start_matches('=').trim())
        } else if let Some(name) = term.strip_prefix('!') {
            of(name).is_none()
        } else {
            of(term).is_some()
        }
    })
}

fn listed(values: &str, value: Option<&str>) -> bool {
    let values = values.trim().trim_start_matches('(').trim_end_matches(')');
    value.is_some_and(|value| values.split(',').any(|one| one.trim() == value))
}

/// Commas inside of brackets separate values, not terms.
fn terms(selector: &str) -> Vec<String> {
    let (mut terms, mut depth) = (vec![String::new()], 0_usize);
    for letter in selector.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if letter == ',' && depth == 0 {
            terms.push(String::new());
        } else if let Some(last) = terms.last_mut() {
            last.push(letter);
        }
    }
    terms.into_iter().map(|term| term.trim().to_owned()).filter(|term| !term.is_empty()).collect()
}

/// Whether an object matches `metadata.name=x,involvedObject.kind!=y`.
pub fn fields(selector: &str, object: &Value) -> bool {
    selector.split(',').filter(|term| !term.is_empty()).all(|term| {
        let (path, value, equal) = match term.split_once("!=") {
            Some((path, value)) => (path, value, false),
            None => term
                .split_once('=')
                .map_or((term, "", true), |(path, value)| (path, value.trim_start_matches('='), true)),
        };
        let found = path.split('.').fold(object, |place, part| &place[part]);
        (found.as_str().unwrap_or_default() == value) == equal
    })
}

/// A field by which this kind cannot be selected.
pub fn unsupported<'a>(selector: &'a str, kind: &Kind) -> Option<&'a str> {
    selector.split(',').filter(|term| !term.is_empty()).find_map(|term| {
        let path = term.split(['=', '!']).next().unwrap_or_default();
        let known = matches!(path, "metadata.name" | "metadata.namespace")
            || kind.kind == "Event"
                && (path.starts_with("involvedObject.") || matches!(path, "type" | "reason" | "source"))
            || kind.kind == "Pod" && matches!(path, "status.phase" | "spec.nodeName");
        (!known).then_some(path)
    })
}
