//! Every object that routers send, held to the published definitions: those lie beside the project where they can be read.

use serde_json::{Value, json};

use super::super::Split;
use super::super::plan::{GatewaySpec, IstioSpec, Plan};
use super::build::RouterNames;
use super::gateway::Gateway;
use super::istio::Istio;
use super::ours::Entry;
use super::testing::{applied, canary, mirrored, shifted};
use super::version::setting;
use crate::document::parse_yaml;

/// The schema of a served version, as JSON; none where the file is not there.
fn schema(file: &str, version: &str) -> Option<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/schemas").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: there is no published {file} beside the project");
        return None;
    };
    let definition = parse_yaml(file, &text).unwrap_or_else(|_| panic!("{file} cannot be read"));
    let definition = definition.value();
    let versions = definition["spec"]["versions"].as_array().expect("versions").clone();
    let found =
        versions.into_iter().find(|one| one["name"] == version && one["served"] == true).expect("a served version");
    let mut schema = found["schema"]["openAPIV3Schema"].clone();
    close(&mut schema);
    // These three are declared for every kind by Kubernetes itself.
    for field in ["apiVersion", "kind", "metadata"] {
        schema["properties"][field] = json!({});
    }
    Some(schema)
}

/// With strict validation a field that is not declared is refused: JSON Schema has to be told so.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let open =
                map.contains_key("x-kubernetes-preserve-unknown-fields") || map.contains_key("additionalProperties");
            if map.get("properties").is_some_and(Value::is_object) && map.get("type") == Some(&json!("object")) && !open
            {
                map.insert("additionalProperties".into(), false.into());
            }
            map.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What the schema says against the object. Its metadata is Kubernetes' own.
fn faults(schema: &Value, object: &Value) -> Vec<String> {
    let mut object = object.clone();
    object["metadata"] = json!({});
    let validator = jsonschema::validator_for(schema).expect("a schema");
    validator.iter_errors(&object).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn walk(schema: &Value, kind: &dyn Entry, object: &Value, splits: &[Split]) {
    assert_eq!(faults(schema, object), Vec::<String>::new(), "the user's own object");
    let mut now = object.clone();
    for split in splits {
        now = shifted(kind, &now, *split);
        assert_eq!(faults(schema, &now), Vec::<String>::new(), "{split:?}");
    }
}

#[test]
fn virtual_services_are_as_published() {
    for version in ["v1", "v1beta1"] {
        let Some(schema) = schema("istio-virtualservices.crd.yaml", version) else { return };
        let kind = Istio::new(&IstioSpec { virtual_service: "vs".into(), route: None }, &RouterNames::for_test());
        let object = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": "vs", "resourceVersion": "7"},
            "spec": {"hosts": ["llm"], "http": [{"route": [{"destination": {"host": "llm", "port": {"number": 80}, "subset": "a"},
                "headers": {"request": {"add": {"a": "b"}}}}], "mirrors": [{"destination": {"host": "audit"}}]}]}});
        walk(&schema, &kind, &object, &[canary(10), mirrored(10), canary(100), Split::STABLE]);
        let mut bare = object;
        bare["spec"]["http"][0].as_object_mut().unwrap().shift_remove("mirrors");
        walk(&schema, &kind, &bare, &[mirrored(10), canary(50)]);
        // The test can fail.
        bare["spec"]["http"][0]["route"][0]["weigth"] = json!(1);
        assert_eq!(faults(&schema, &bare).len(), 1);
    }
}

#[test]
fn http_routes_are_as_published() {
    let Some(schema) = schema("gateway-api-httproutes.crd.yaml", "v1") else { return };
    let kind = Gateway::new(&GatewaySpec { http_route: "web".into(), rule: None }, &RouterNames::for_test());
    let object = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "prod", "resourceVersion": "7"},
        "spec": {"parentRefs": [{"name": "gateway"}], "rules": [{"backendRefs": [{"name": "llm", "port": 80}]}]}});
    walk(&schema, &kind, &object, &[canary(10), mirrored(10), mirrored(100), canary(100), Split::STABLE]);
    let mut broken = object;
    broken["spec"]["rules"][0]["backendRefs"][0]["weight"] = json!(-5);
    assert_eq!(faults(&schema, &broken).len(), 1);
}

#[test]
fn rollouts_are_as_published_after_each_patch() {
    let Some(schema) = schema("argo-rollouts.crd.yaml", "v1alpha1") else { return };
    let plan = "version: 1\nworkload: {kind: Rollout, name: llm}\nchange: {image: 'a:2', model: {value: v2}}\n";
    let plan: Plan =
        crate::document::decode(&parse_yaml("rollout.yaml", plan).unwrap_or_else(|_| panic!("no document")))
            .unwrap_or_else(|_| panic!("no plan"));
    let object = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "llm", "resourceVersion": "7"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "llm"}},
            "strategy": {"canary": {"steps": [{"setWeight": 10}, {"pause": {}}]}},
            "template": {"metadata": {"labels": {"app": "llm"}}, "spec": {"containers": [{"name": "main", "image": "a:1"}]}}}});
    assert_eq!(faults(&schema, &object), Vec::<String>::new());
    let after = applied(&object, &setting(&object, &plan.workload, &plan.change).expect("a version").0);
    assert_eq!(faults(&schema, &after), Vec::<String>::new());
    for status in [json!({"abort": true}), json!({"pauseConditions": []})] {
        let mut told = after.clone();
        told["status"] = status;
        assert_eq!(faults(&schema, &told), Vec::<String>::new());
    }
}
