//! Lists and watches, with selectors.

use serde_json::{Value, json};

use super::api::{Target, shown};
use super::http::Request;
use super::kinds::Kind;
use super::reply::Reply;
use super::store::{Key, World, text};

/// A list; a watch only checks here whether it may begin.
pub fn answer(world: &World, request: &Request, target: &Target) -> Reply {
    let wanted = match Wanted::of(request) {
        Ok(wanted) => wanted,
        Err(reply) => return reply,
    };
    let items: Vec<Value> = world
        .objects
        .iter()
        .filter(|(key, object)| place(key, target) && wanted.takes(object))
        .map(|(_, object)| {
            let mut item = shown(object, target);
            let map = item.as_object_mut().unwrap();
            map.shift_remove("kind");
            map.shift_remove("apiVersion");
            item
        })
        .collect();
    Reply::json(
        200,
        json!({"kind": format!("{}List", target.kind.kind), "apiVersion": target.kind.api_version(&target.version),
            "metadata": {"resourceVersion": world.version.to_string()}, "items": items}),
    )
}

fn place(key: &Key, target: &Target) -> bool {
    key.group == target.key.group
        && key.plural == target.key.plural
        && (target.key.namespace.is_empty() || key.namespace == target.key.namespace)
}

/// What a watch has not told yet, one JSON a line. From version 0 (or none) everything is told as added first.
pub fn news(world: &World, request: &Request, seen: &mut u64, first: bool) -> Vec<Value> {
    let Some(target) = target(request) else { return Vec::new() };
    let Ok(wanted) = Wanted::of(request) else { return Vec::new() };
    let mut lines = Vec::new();
    if first && *seen == 0 {
        for (_, object) in world.objects.iter().filter(|(key, object)| place(key, &target) && wanted.takes(object)) {
            lines.push(json!({"type": "ADDED", "object": shown(object, &target)}));
        }
        *seen = world.version;
        return lines;
    }
    for change in world.changes.iter().filter(|change| change.version > *seen) {
        if place(&change.key, &target) && wanted.takes(&change.object) {
            lines.push(json!({"type": change.what, "object": shown(&change.object, &target)}));
        }
    }
    *seen = world.version;
    lines
}

fn target(request: &Request) -> Option<Target> {
    let parts: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    let (namespace, plural) = match rest {
        ["namespaces", namespace, plural] => (*namespace, *plural),
        [plural] => ("", *plural),
        _ => return None,
    };
    let key = Key { group: group.into(), plural: plural.into(), namespace: namespace.into(), name: String::new() };
    Some(Target { kind: Kind::of(group, plural)?, version: version.into(), key, subresource: String::new() })
}

enum Term {
    Is(String, Vec<String>),
    Not(String, Vec<String>),
    Has(String),
    Lacks(String),
}

struct Wanted {
    labels: Vec<Term>,
    fields: Vec<(String, String, bool)>,
}

impl Wanted {
    fn of(request: &Request) -> Result<Self, Reply> {
        let labels = terms(request.parameter("labelSelector").unwrap_or_default())?;
        let mut fields = Vec::new();
        for term in request.parameter("fieldSelector").unwrap_or_default().split(',').filter(|term| !term.is_empty()) {
            let (field, value) = term.split_once('=').ok_or_else(|| Reply::bad("invalid field selector"))?;
            let equal = !field.ends_with('!');
            let field = field.trim_end_matches('!');
            let known = ["metadata.name", "metadata.namespace", "reason", "type", "status.phase", "spec.nodeName"];
            if !known.contains(&field) && !field.starts_with("involvedObject.") {
                return Err(Reply::bad(&format!("field label not supported: {field}")));
            }
            fields.push((field.to_owned(), value.trim_start_matches('=').to_owned(), equal));
        }
        Ok(Self { labels, fields })
    }

    fn takes(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let label = |key: &String| labels.get(key).and_then(Value::as_str);
        let by_label = self.labels.iter().all(|term| match term {
            Term::Is(key, values) => label(key).is_some_and(|value| values.iter().any(|one| one == value)),
            Term::Not(key, values) => label(key).is_none_or(|value| values.iter().all(|one| one != value)),
            Term::Has(key) => label(key).is_some(),
            Term::Lacks(key) => label(key).is_none(),
        });
        by_label
            && self.fields.iter().all(|(field, value, equal)| {
                let there = object.pointer(&format!("/{}", field.replace('.', "/"))).unwrap_or(&Value::Null);
                (text(there) == value) == *equal
            })
    }
}

fn terms(selector: &str) -> Result<Vec<Term>, Reply> {
    let mut terms = Vec::new();
    let (mut depth, mut part, mut parts) = (0, String::new(), Vec::new());
    for letter in selector.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if letter == ',' && depth == 0 {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(letter);
        }
    }
    parts.push(part);
    for part in parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()) {
        let set = |values: &str| -> Vec<String> {
            values.trim_matches(['(', ')']).split(',').map(|value| value.trim().to_owned()).collect()
        };
        let term = if let Some((key, values)) = part.split_once(" notin ") {
            Term::Not(key.trim().into(), set(values.trim()))
        } else if let Some((key, values)) = part.split_once(" in ") {
            Term::Is(key.trim().into(), set(values.trim()))
        } else if part.contains("===") {
            return Err(Reply::bad("unable to parse requirement: found '=', expected: identifier"));
        } else if let Some((key, value)) = part.split_once("!=") {
            Term::Not(key.into(), vec![value.into()])
        } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            Term::Is(key.into(), vec![value.into()])
        } else if let Some(key) = part.strip_prefix('!') {
            Term::Lacks(key.into())
        } else {
            Term::Has(part.into())
        };
        terms.push(term);
    }
    Ok(terms)
}
