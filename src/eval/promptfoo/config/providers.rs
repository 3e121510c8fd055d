//! From `providers:` (or `targets:`), and from a judge's `provider:`, to models that can be asked here. Kept out: addresses of known
//! services (`endpoints`), how a model is asked (`eval::model`).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::environment::{Environment, names};
use super::files::Files;
use super::keys::{self, Of};
use super::place::At;
use super::spec::{self, Settings};
use crate::document::{Problem, Problems, pointer_part};
use crate::eval::model::ModelSpec;

/// A provider as the config writes it.
#[derive(Clone, Debug)]
pub(super) struct Provider {
    pub(super) id: String,
    pub(super) label: Option<String>,
    pub(super) config: Map<String, Value>,
    /// The prompts that it is asked with; all, where it names none.
    pub(super) prompts: Option<Vec<String>>,
    pub(super) transform: Option<(Value, At)>,
    pub(super) at: At,
}

/// A provider that can be asked.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    pub(super) spec: ModelSpec,
    pub(super) settings: Settings,
}

impl Provider {
    /// What it is called: its label, else its id.
    pub(super) fn name(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.id)
    }

    /// How it is asked, or why it is not.
    pub(super) fn reach(&self, environment: &Environment<'_>, files: &Files) -> Result<Reached, Problem> {
        spec::reach(self, environment, files)
    }

    /// Whether a reference of a test names it: its label or id, a beginning with `*`, or all before a `:`. Follows promptfoo 0.121.20.
    pub(super) fn is_named(&self, reference: &str) -> bool {
        let names = [self.label.as_deref(), Some(self.id.as_str())];
        names.into_iter().flatten().any(|name| named(name, reference))
    }
}

/// Whether a reference names something of this name.
pub(super) fn named(name: &str, reference: &str) -> bool {
    name == reference
        || reference.strip_suffix('*').is_some_and(|begin| name.starts_with(begin))
        || name.strip_prefix(reference).is_some_and(|rest| rest.starts_with(':'))
}

/// Reads all providers.
pub(super) fn read(
    value: &Value,
    at: &At,
    files: &Files,
    environment: &Environment<'_>,
    problems: &mut Problems,
) -> Vec<Provider> {
    let mut found = Vec::new();
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                one(item, &at.part(&format!("/{index}")), files, environment, problems, &mut found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            one(value, at, files, environment, problems, &mut found);
        }
    }
    found
}

/// Reads one entry, which may name a file with several.
pub(super) fn one(
    value: &Value,
    at: &At,
    files: &Files,
    environment: &Environment<'_>,
    problems: &mut Problems,
    found: &mut Vec<Provider>,
) {
    match value {
        Value::String(id) => {
            let id = environment.shown_in(id);
            if let Some(path) = id.strip_prefix("file://").filter(|path| is_config(path)) {
                return from_file(path, at, files, environment, problems, found);
            }
            found.push(Provider {
                id,
                label: None,
                config: Map::new(),
                prompts: None,
                transform: None,
                at: at.clone(),
            });
        }
        Value::Object(fields) if fields.contains_key("id") => {
            if let Some(path) = fields.get("id").and_then(Value::as_str).and_then(|id| id.strip_prefix("file://")) {
                if is_config(path) {
                    return from_file(path, at, files, environment, problems, found);
                }
            }
            found.extend(object(None, fields, at, environment, problems));
        }
        Value::Object(fields) => {
            let mut entries = fields.iter();
            match (entries.next(), entries.next()) {
                (Some((id, Value::Object(inner))), None) => {
                    let at = at.part(&format!("/{}", pointer_part(id)));
                    found.extend(object(Some(id), inner, &at, environment, problems));
                }
                _ => problems.push(at.problem("a provider has an `id`")),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            problems.push(at.problem("a provider is a text such as `openai:gpt-4o`, or has an `id`"));
        }
    }
}

fn is_config(path: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|ending| path.ends_with(ending))
}

fn from_file(
    path: &str,
    at: &At,
    files: &Files,
    environment: &Environment<'_>,
    problems: &mut Problems,
    found: &mut Vec<Provider>,
) {
    match files.document(path) {
        Err(why) => problems.push(at.problem(why)),
        Ok(Err(others)) => problems.extend(others),
        Ok(Ok(document)) => {
            let inner = At::root(&document);
            let value = document.value().clone();
            let is_reference = |value: &Value| value.as_str().is_some_and(|text| text.starts_with("file://"));
            let items: Vec<&Value> = value.as_array().map_or(vec![&value], |items| items.iter().collect());
            if items.iter().any(|item| is_reference(item)) {
                problems.push(inner.problem("a file of providers names no further file"));
            } else {
                found.extend(read(&value, &inner, files, environment, problems));
            }
        }
    }
}

fn object(
    key: Option<&str>,
    fields: &Map<String, Value>,
    at: &At,
    environment: &Environment<'_>,
    problems: &mut Problems,
) -> Option<Provider> {
    keys::check(Of::Provider, fields, at, problems);
    let text = |key: &str| fields.get(key).and_then(Value::as_str).map(|text| environment.shown_in(text));
    let Some(id) = text("id").or_else(|| key.map(|key| environment.shown_in(key))) else {
        problems.push(at.part("/id").problem("the `id` of a provider is a text"));
        return None;
    };
    let config = match fields.get("config") {
        Some(Value::Object(config)) => config.clone(),
        None | Some(Value::Null) => Map::new(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            problems.push(at.part("/config").problem("`config` is a mapping"));
            Map::new()
        }
    };
    let prompts = match fields.get("prompts") {
        None | Some(Value::Null) => None,
        Some(value) => match strings(value) {
            Some(list) => Some(list),
            None => {
                problems.push(at.part("/prompts").problem("`prompts` is a list of labels"));
                None
            }
        },
    };
    let transform = fields.get("transform").filter(|value| !value.is_null());
    let transform = transform.map(|value| (value.clone(), at.part("/transform")));
    Some(Provider { id, label: text("label"), config, prompts, transform, at: at.clone() })
}

/// A text or a list of texts.
pub(super) fn strings(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// The variable that a key is taken from: `{{env.NAME}}` and nothing beside it.
pub(super) fn key_variable(text: &str) -> Option<String> {
    let text = text.trim();
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let mut found = names(inner);
    let name = found.next()?.to_owned();
    let plain =
        inner == format!("env.{name}") || inner == format!("env['{name}']") || inner == format!("env[\"{name}\"]");
    (plain && found.next().is_none()).then_some(name)
}

/// Models that a suite names, each under one key: its label, else its id.
#[derive(Default)]
pub(super) struct Keyed(BTreeMap<String, (ModelSpec, At)>);

impl Keyed {
    /// The key of a model; the same model has the same key.
    pub(super) fn key(&mut self, provider: &Provider, spec: &ModelSpec) -> String {
        let mut number = 1;
        loop {
            let key = if number == 1 { provider.name().to_owned() } else { format!("{} #{number}", provider.name()) };
            match self.0.get(&key) {
                Some((known, _)) if known == spec => return key,
                Some(_) => number += 1,
                None => {
                    self.0.insert(key.clone(), (spec.clone(), provider.at.clone()));
                    return key;
                }
            }
        }
    }

    /// All of them.
    pub(super) fn into_iter(self) -> impl Iterator<Item = (String, ModelSpec, At)> {
        self.0.into_iter().map(|(key, (spec, at))| (key, spec, at))
    }
}
