//! Which version a workload runs, the edit that makes it run another, and a digest of everything else in its template.

use serde_json::{Map, Value, json};

use super::super::Trouble;
use super::super::plan::{Plan, WorkloadKind};
use super::super::state::Version;
use super::{misfit, text};
use crate::cluster::Edit;
use crate::trust::Digest;

/// Where Deployments count their own revisions.
const REVISION: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";
const CONTAINERS: &str = "/spec/template/spec/containers";

/// The container that changes, with its place in the template: the named one, or the only one.
pub fn container<'a>(workload: &'a Value, plan: &Plan) -> Result<(usize, &'a Value), Trouble> {
    let containers = workload.pointer(CONTAINERS).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names = || containers.iter().filter_map(|one| text(one, "/name")).collect::<Vec<_>>().join(", ");
    match (&plan.workload.container, containers) {
        (None, [only]) => Ok((0, only)),
        (None, []) => Err(misfit(format!("`{}` has no containers", plan.workload.name))),
        (None, _) => Err(misfit(format!(
            "`{}` has several containers ({}): set `workload.container` to the one that changes",
            plan.workload.name,
            names()
        ))),
        (Some(name), _) => {
            let found = containers.iter().enumerate().find(|(_, one)| text(one, "/name") == Some(name));
            found.ok_or_else(|| {
                let there = names();
                misfit(format!("`{}` has no container `{name}`; it has: {there}", plan.workload.name))
            })
        }
    }
}

/// The version that a Deployment (or another object with a pod template) runs.
pub fn version(workload: &Value, plan: &Plan) -> Result<Version, Trouble> {
    let (_, container) = container(workload, plan)?;
    let image = text(container, "/image").map(str::to_owned);
    let model = match variable(container, plan) {
        None => None,
        Some((_, entry)) if entry.get("valueFrom").is_some() => {
            return Err(misfit(format!(
                "the variable `{}` of `{}` takes its value from elsewhere (`valueFrom`): a rollout changes only a value \
                 that is written in the workload",
                text(entry, "/name").unwrap_or_default(),
                plan.workload.name
            )));
        }
        Some((_, entry)) => Some(text(entry, "/value").unwrap_or_default().to_owned()),
    };
    Ok(Version { image, model, revision: text(workload, REVISION).map(str::to_owned) })
}

/// The version that a plan brings out over the old one.
pub fn new_version(plan: &Plan, old: &Version) -> Version {
    Version {
        image: plan.change.image.clone().or_else(|| old.image.clone()),
        model: plan.change.model.as_ref().map(|model| model.value.clone()).or_else(|| old.model.clone()),
        revision: None,
    }
}

/// The edits that make a workload run a version: one patch, under its resourceVersion and the values that were read. Empty
/// where it runs it already.
pub fn edits(workload: &Value, plan: &Plan, to: &Version) -> Result<Vec<Edit>, Trouble> {
    let now = version(workload, plan)?;
    let (index, container) = container(workload, plan)?;
    let at = format!("{CONTAINERS}/{index}");
    let mut edits = Vec::new();
    if now.image != to.image
        && let (Some(from), Some(image)) = (&now.image, &to.image)
    {
        edits.push(Edit::Test(format!("{at}/image"), json!(from)));
        edits.push(Edit::Replace(format!("{at}/image"), json!(image)));
    }
    if let Some(model) = &plan.change.model
        && plan.workload.kind != WorkloadKind::InferenceService
        && now.model != to.model
    {
        match (variable(container, plan), &to.model) {
            (Some((place, entry)), wanted) => {
                let entry_at = format!("{at}/env/{place}");
                edits.push(Edit::Test(entry_at.clone(), entry.clone()));
                edits.push(match wanted {
                    Some(value) => Edit::Replace(entry_at, json!({"name": model.env, "value": value})),
                    None => Edit::Remove(entry_at),
                });
            }
            (None, Some(value)) => {
                let entry = json!({"name": model.env, "value": value});
                edits.push(if container.get("env").is_some() {
                    Edit::Add(format!("{at}/env/-"), entry)
                } else {
                    Edit::Add(format!("{at}/env"), json!([entry]))
                });
            }
            (None, None) => {}
        }
    }
    if edits.is_empty() {
        return Ok(edits);
    }
    let seen = workload.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
    edits.insert(0, Edit::Test("/metadata/resourceVersion".to_owned(), seen));
    Ok(edits)
}

/// A template with another version in it.
pub(super) fn with_version(template: &Value, plan: &Plan, to: &Version) -> Result<Value, Trouble> {
    let mut holder = json!({"spec": {"template": template}});
    let (index, _) = container(&holder, plan)?;
    if let Some(container) = holder.pointer_mut(&format!("{CONTAINERS}/{index}")).and_then(Value::as_object_mut) {
        if let Some(image) = &to.image {
            container.insert("image".to_owned(), json!(image));
        }
        if let (Some(model), Some(value)) = (&plan.change.model, &to.model) {
            let entry = json!({"name": model.env, "value": value});
            match container.get_mut("env").and_then(Value::as_array_mut) {
                None => {
                    container.insert("env".to_owned(), json!([entry]));
                }
                Some(list) => match list.iter_mut().find(|one| text(one, "/name") == Some(&model.env)) {
                    Some(old) => *old = entry,
                    None => list.push(entry),
                },
            }
        }
    }
    Ok(holder.pointer("/spec/template").cloned().unwrap_or_default())
}

/// A digest of the pod template without what the rollout itself changes, so that it stays the same from the beginning to the
/// end, and differs as soon as somebody else edits the workload.
pub fn digest(workload: &Value, plan: &Plan) -> Result<String, Trouble> {
    let (index, _) = container(workload, plan)?;
    let mut workload = workload.clone();
    if let Some(container) = workload.pointer_mut(&format!("{CONTAINERS}/{index}")).and_then(Value::as_object_mut) {
        container.remove("image");
        if let (Some(model), Some(list)) = (&plan.change.model, container.get_mut("env").and_then(Value::as_array_mut))
        {
            list.retain(|one| text(one, "/name") != Some(&model.env));
        }
        if container.get("env").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            container.remove("env");
        }
    }
    let template = workload.pointer("/spec/template").cloned().unwrap_or_default();
    Ok(Digest::of(sorted(&template).to_string().as_bytes()).short().to_owned())
}

/// The entry of the model's variable, with its place in the list.
fn variable<'a>(container: &'a Value, plan: &Plan) -> Option<(usize, &'a Value)> {
    let name = &plan.change.model.as_ref()?.env;
    let list = container.get("env").and_then(Value::as_array)?;
    list.iter().enumerate().find(|(_, one)| text(one, "/name") == Some(name))
}

/// The same value with the keys of every object in order, so that a digest does not depend on how a server writes them.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<(&String, &Value)> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            Value::Object(pairs.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(list) => Value::Array(list.iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(change: Value) -> Plan {
        serde_json::from_value(json!({"version": 1, "workload": {"name": "llm"}, "change": change})).unwrap()
    }

    fn workload(container: Value) -> Value {
        json!({"metadata": {"resourceVersion": "7", "annotations": {"deployment.kubernetes.io/revision": "3"}},
            "spec": {"template": {"spec": {
                "initContainers": [{"name": "fetch", "image": "i:1"}], "containers": [container]}}}})
    }

    #[test]
    fn a_version_is_image_model_and_revision() {
        let plan = plan(json!({"image": "r:2", "model": {"value": "b"}}));
        let old = workload(json!({"name": "s", "image": "r:1", "env": [{"name": "MODEL_VERSION", "value": "a"}]}));
        let read = version(&old, &plan).unwrap();
        let parts = [&read.image, &read.model, &read.revision].map(|part| part.as_deref());
        assert_eq!(parts, [Some("r:1"), Some("a"), Some("3")]);
    }

    #[test]
    fn an_edit_tests_what_was_read_and_there_and_back_are_the_same_workload() {
        let plan = plan(json!({"image": "r:2", "model": {"value": "b"}}));
        for env in [json!(null), json!([]), json!([{"name": "X", "value": "1"}]), json!([{"name": "MODEL_VERSION"}])] {
            let mut container = json!({"name": "s", "image": "r:1"});
            if !env.is_null() {
                container["env"] = env.clone();
            }
            let old = workload(container);
            let there = version(&old, &plan).unwrap();
            let new = new_version(&plan, &there);
            let patch = edits(&old, &plan, &new).unwrap();
            assert_eq!(patch[0], Edit::Test("/metadata/resourceVersion".into(), json!("7")));
            assert!(patch.contains(&Edit::Test("/spec/template/spec/containers/0/image".into(), json!("r:1"))));
            let changed = json!({"spec": {"template":
                with_version(old.pointer("/spec/template").unwrap(), &plan, &new).unwrap()},
                "metadata": {"resourceVersion": "8"}});
            assert_eq!(version(&changed, &plan).unwrap().model.as_deref(), Some("b"));
            assert!(edits(&changed, &plan, &new).unwrap().is_empty());
            assert_eq!(digest(&old, &plan).unwrap(), digest(&changed, &plan).unwrap(), "{env}");
            assert!(!edits(&changed, &plan, &there).unwrap().is_empty());
            assert_eq!(changed["spec"]["template"]["spec"]["initContainers"][0]["image"], "i:1");
        }
    }

    #[test]
    fn a_digest_sees_every_other_edit_and_no_order_of_keys() {
        let plan = plan(json!({"image": "r:2"}));
        let base = workload(json!({"name": "s", "image": "r:1", "args": ["a"]}));
        let turned = workload(json!({"args": ["a"], "image": "r:1", "name": "s"}));
        assert_eq!(digest(&base, &plan).unwrap(), digest(&turned, &plan).unwrap());
        let mut edited = base.clone();
        edited["spec"]["template"]["metadata"] = json!({"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}});
        assert_ne!(digest(&base, &plan).unwrap(), digest(&edited, &plan).unwrap());
    }

    #[test]
    fn a_container_that_is_not_told_or_not_there_is_named() {
        let mut two = workload(json!({"name": "s", "image": "r:1"}));
        two["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "proxy"}));
        let mut plan = plan(json!({"image": "r:2"}));
        let said = |plan: &Plan| match container(&two, plan) {
            Err(Trouble::Plan(text)) => text.into_raw(),
            other => panic!("{other:?}"),
        };
        assert!(said(&plan).contains("s, proxy"));
        plan.workload.container = Some("x".into());
        assert!(said(&plan).contains("no container `x`"));
        plan.workload.container = Some("proxy".into());
        assert_eq!(container(&two, &plan).unwrap().0, 1);
    }

    #[test]
    fn a_variable_from_elsewhere_is_refused() {
        let plan = plan(json!({"model": {"value": "b"}}));
        let env = json!([{"name": "MODEL_VERSION", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]);
        let refused = version(&workload(json!({"name": "s", "image": "r:1", "env": env})), &plan);
        assert!(matches!(refused, Err(Trouble::Plan(_))));
    }
}
