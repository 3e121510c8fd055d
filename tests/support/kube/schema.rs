//! Custom resources are held to their published definitions, which lie beside the project where they can be read.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use jsonschema::Validator;
use llmci::document::parse_yaml;
use serde_json::{Value, json};

use super::kinds::Kind;

const FILES: &[(&str, &str)] = &[
    ("VirtualService", "istio-virtualservices.crd.yaml"),
    ("DestinationRule", "istio-destinationrules.crd.yaml"),
    ("HTTPRoute", "gateway-api-httproutes.crd.yaml"),
    ("Rollout", "argo-rollouts.crd.yaml"),
];

struct Definition {
    schema: Value,
    validator: Validator,
}

type Loaded = BTreeMap<(String, String), Option<&'static Definition>>;

/// Each file is read once a process: they are large.
static LOADED: Mutex<Loaded> = Mutex::new(BTreeMap::new());

fn definition(kind: &Kind, version: &str) -> Option<&'static Definition> {
    let (_, file) = FILES.iter().find(|(known, _)| *known == kind.kind)?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (kind.kind.to_owned(), version.to_owned());
    *loaded.entry(key).or_insert_with(|| {
        // A worktree lies one folder deeper than the project.
        let read = |up: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(up).join(file)).ok();
        let Some(text) = read("../shared/schemas").or_else(|| read("../../shared/schemas")) else {
            println!("there is no published {file} beside the project: {} objects are not checked", kind.kind);
            return None;
        };
        let document = parse_yaml(file, &text).unwrap_or_else(|_| panic!("{file} cannot be read"));
        let document = document.value();
        let versions = document["spec"]["versions"].as_array().unwrap();
        let found = versions.iter().find(|one| one["name"] == version)?;
        let schema = found["schema"]["openAPIV3Schema"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        Some(Box::leak(Box::new(Definition { schema, validator })))
    })
}

/// Fields that the definition does not have, as paths.
pub fn unknown(kind: &Kind, version: &str, object: &Value) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(definition) = definition(kind, version) {
        walk(&definition.schema, object, "", &mut out);
    }
    // Every object has these, whether or not its definition says so.
    out.retain(|path| !["apiVersion", "kind", "metadata"].contains(&path.as_str()));
    out
}

fn walk(schema: &Value, value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) if path != "metadata" => {
            if schema["x-kubernetes-preserve-unknown-fields"] == true {
                return;
            }
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                if let Some(inner) = schema["properties"].get(key) {
                    walk(inner, value, &path, out);
                } else if schema["additionalProperties"].is_object() {
                    walk(&schema["additionalProperties"], value, &path, out);
                } else if schema["properties"].is_object() {
                    out.push(path);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(&schema["items"], item, &format!("{path}[{index}]"), out);
            }
        }
        _ => {}
    }
}

/// What the definition says against an object: field and reason.
pub fn faults(kind: &Kind, version: &str, object: &Value) -> Vec<(String, String)> {
    let Some(definition) = definition(kind, version) else { return Vec::new() };
    let mut object = object.clone();
    object["metadata"] = json!({});
    let errors = definition.validator.iter_errors(&object);
    errors
        .map(|error| {
            let (mut field, mut why) = (dotted(&error.instance_path().to_string()), error.to_string());
            if let Some(property) = why.strip_suffix(" is a required property") {
                field = format!("{field}.{}", property.trim_matches('"'));
                why = "Required value".into();
                return (field, why);
            }
            (field, format!("Invalid value: {why}"))
        })
        .collect()
}

/// `/spec/http/0/route` as `spec.http[0].route`.
fn dotted(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            path.push_str(if path.is_empty() { "" } else { "." });
            path.push_str(part);
        }
    }
    path
}

/// Whether the published definitions are there.
pub fn published() -> bool {
    definition(Kind::named("VirtualService"), "v1").is_some()
}
