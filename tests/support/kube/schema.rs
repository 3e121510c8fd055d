//! Custom resources against the published schemas (openAPIV3Schema of the served version), which lie beside the project in
//! `../shared/schemas` where they are at all: unknown fields, defaults' place is `shape`, values that are refused.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::kinds::Kind;
use super::reply::{Reply, invalid};

const FILES: &[(&str, &str, &str)] = &[
    ("VirtualService", "v1", "istio-virtualservices.crd.yaml"),
    ("DestinationRule", "v1", "istio-destinationrules.crd.yaml"),
    ("HTTPRoute", "v1", "gateway-api-httproutes.crd.yaml"),
    ("Rollout", "v1alpha1", "argo-rollouts.crd.yaml"),
];

/// The schema of a kind; none for a built-in one, or where the file is absent.
fn schema(kind: &Kind) -> Option<&'static (Value, Validator)> {
    // Each is big: read when it is asked for, and once.
    static READ: [OnceLock<Option<(Value, Validator)>>; 4] = [const { OnceLock::new() }; 4];
    let at = FILES.iter().position(|(name, ..)| *name == kind.kind)?;
    READ[at].get_or_init(|| read(FILES[at])).as_ref()
}

fn read((_, version, file): (&str, &str, &str)) -> Option<(Value, Validator)> {
    let path = crate::support::root().join("../shared/schemas").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("there is no published {file} beside the project: its objects are not validated");
        return None;
    };
    let definition = llmci::document::parse_yaml(file, &text).ok()?;
    let versions = definition.value()["spec"]["versions"].as_array()?.clone();
    let found = versions.into_iter().find(|one| one["name"] == version && one["served"] == true)?;
    let mut schema = found["schema"]["openAPIV3Schema"].clone();
    schema["properties"]["metadata"] = json!({});
    let validator = jsonschema::validator_for(&schema).unwrap();
    Some((schema, validator))
}

/// Takes fields out that the schema does not have, and gives their paths.
pub fn drop_unknown(kind: &Kind, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    if let (Some((schema, _)), Some(spec)) = (schema(kind), object.get_mut("spec")) {
        prune(spec, &schema["properties"]["spec"], "spec", &mut unknown);
    }
    unknown
}

fn prune(value: &mut Value, schema: &Value, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(fields) = schema["properties"].as_object() {
                let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
                map.retain(|name, _| {
                    let kept = open || fields.contains_key(name);
                    if !kept {
                        unknown.push(format!("{path}.{name}"));
                    }
                    kept
                });
                for (name, value) in map.iter_mut() {
                    if let Some(schema) = fields.get(name) {
                        prune(value, schema, &format!("{path}.{name}"), unknown);
                    }
                }
            } else if schema["additionalProperties"].is_object() {
                for (name, value) in map.iter_mut() {
                    prune(value, &schema["additionalProperties"], &format!("{path}.{name}"), unknown);
                }
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter_mut().enumerate() {
                prune(item, &schema["items"], &format!("{path}[{number}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Refuses what the schema refuses.
pub fn check(kind: &Kind, object: &Value) -> Result<(), Reply> {
    let Some((_, validator)) = schema(kind) else { return Ok(()) };
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    // The first by its path, so that the reply is the same each time.
    let faults: BTreeMap<String, String> =
        validator.iter_errors(object).map(|error| (error.instance_path().to_string(), error.to_string())).collect();
    match faults.first_key_value() {
        None => Ok(()),
        Some((path, fault)) => {
            let field = path.trim_start_matches('/').replace('/', ".");
            Err(invalid(kind, name, &field, &format!("Invalid value: {fault}")))
        }
    }
}
