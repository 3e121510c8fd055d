//! The version that a Rollout or an InferenceService runs: its image and its model, set and put back by a patch that tests what
//! was there.
//! Kept out: Deployments, whose canary is a workload of its own (`workload`).

use serde_json::{Value, json};

use super::super::Trouble;
use super::super::plan::{Change, Plan, Workload, WorkloadKind};
use super::super::state::Version;
use super::build::RouterNames;
use super::kserve::KServe;
use super::object::{foreign, list, misfit, text, unchanged};
use super::ours::swap;
use crate::cluster::{Cluster, DEPLOYMENT, Edit, INFERENCE_SERVICE, Place, ROLLOUT};

/// A field that carries a part of the version.
#[derive(Clone, PartialEq, Debug)]
struct Spot {
    pointer: String,
    /// What is there.
    now: Option<String>,
    /// What puts it there where nothing is; a variable is a whole entry of a list.
    add: Edit,
    /// What takes it away again.
    remove: String,
}

/// Where the object is.
pub(super) fn place_of(workload: &Workload, namespace: &str) -> Place {
    match workload.kind {
        WorkloadKind::Deployment => DEPLOYMENT.at(namespace, &workload.name),
        WorkloadKind::Rollout => ROLLOUT.at(namespace, &workload.name),
        WorkloadKind::InferenceService => INFERENCE_SERVICE.at(namespace, &workload.name),
    }
}

/// Sets the new image and model; what was there before. An InferenceService gets `canaryTrafficPercent: 0` in the same patch:
/// without it the new revision would have all traffic at once.
pub async fn set_version(cluster: &Cluster, plan: &Plan, names: &RouterNames) -> Result<Version, Trouble> {
    let place = place_of(&plan.workload, &names.namespace);
    let old = std::sync::Mutex::new(Version::default());
    swap(cluster, &place, |object| {
        let (mut edits, version) = setting(object, &plan.workload, &plan.change)?;
        *old.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = version;
        if plan.workload.kind == WorkloadKind::InferenceService && !edits.is_empty() {
            edits.extend(KServe::new(plan, names).holding(object)?);
        }
        Ok(edits)
    })
    .await?;
    Ok(old.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Puts the old image and model back. [`Trouble::Foreign`] where neither the new nor the old one is there any more.
pub async fn restore(cluster: &Cluster, plan: &Plan, names: &RouterNames, old: &Version) -> Result<(), Trouble> {
    let place = place_of(&plan.workload, &names.namespace);
    swap(cluster, &place, |object| restoring(object, &plan.workload, &plan.change, old)).await.map(drop)
}

/// The version that the object asks for: what of it the plan changes.
pub fn version_of(object: &Value, plan: &Plan) -> Result<Version, Trouble> {
    setting(object, &plan.workload, &plan.change).map(|(_, version)| version)
}

/// Whether the object asks for the new version.
pub(super) fn is_new(object: &Value, workload: &Workload, change: &Change) -> Result<bool, Trouble> {
    let wanted = wanted(change);
    let spots = spots(object, workload, change)?;
    Ok(!spots.is_empty() && spots.iter().zip(wanted).all(|(spot, wanted)| spot.now.as_deref() == Some(wanted)))
}

/// The edits that set the new version, and the one that is there.
pub(super) fn setting(object: &Value, workload: &Workload, change: &Change) -> Result<(Vec<Edit>, Version), Trouble> {
    let spots = spots(object, workload, change)?;
    let mut now = spots.iter().map(|spot| spot.now.clone());
    let image = change.image.as_ref().and_then(|_| now.next()).flatten();
    let model = change.model.as_ref().and_then(|_| now.next()).flatten();
    let mut edits = Vec::new();
    for (spot, wanted) in spots.into_iter().zip(wanted(change)) {
        match spot.now {
            Some(now) if now == wanted => {}
            Some(now) => {
                edits.extend([Edit::Test(spot.pointer.clone(), now.into()), Edit::Replace(spot.pointer, wanted.into())])
            }
            None => edits.push(spot.add),
        }
    }
    if !edits.is_empty() {
        edits.insert(0, unchanged(object)?);
    }
    Ok((edits, Version { image, model, revision: None }))
}

/// The edits that put the old version back.
fn restoring(object: &Value, workload: &Workload, change: &Change, old: &Version) -> Result<Vec<Edit>, Trouble> {
    let spots = spots(object, workload, change)?;
    let mut before = Vec::new();
    before.extend(change.image.as_ref().map(|_| old.image.clone()));
    before.extend(change.model.as_ref().map(|_| old.model.clone()));
    let mut edits = Vec::new();
    for ((spot, wanted), before) in spots.into_iter().zip(wanted(change)).zip(before) {
        if spot.now == before {
            continue;
        }
        match (spot.now, before) {
            (Some(now), Some(before)) if now == wanted => {
                edits
                    .extend([Edit::Test(spot.pointer.clone(), now.into()), Edit::Replace(spot.pointer, before.into())]);
            }
            (Some(now), None) if now == wanted => {
                edits.extend([Edit::Test(spot.pointer, now.into()), Edit::Remove(spot.remove)]);
            }
            (now, _) => {
                let now = now.as_deref().unwrap_or("nothing").to_owned();
                let words = format!("`{now}` is neither the new version nor the old one");
                return Err(foreign(format!("{} {}: {words}", kind_word(workload), workload.name)));
            }
        }
    }
    if !edits.is_empty() {
        edits.insert(0, unchanged(object)?);
    }
    Ok(edits)
}

/// What each spot shall hold, in the order of [`spots`].
fn wanted(change: &Change) -> Vec<&str> {
    change.image.as_deref().into_iter().chain(change.model.as_ref().map(|model| model.value.as_str())).collect()
}

fn kind_word(workload: &Workload) -> &'static str {
    match workload.kind {
        WorkloadKind::Deployment => "Deployment",
        WorkloadKind::Rollout => "Rollout",
        WorkloadKind::InferenceService => "InferenceService",
    }
}

/// The fields that carry what changes: the image, then the model.
fn spots(object: &Value, workload: &Workload, change: &Change) -> Result<Vec<Spot>, Trouble> {
    let mut spots = Vec::new();
    let served = workload.kind == WorkloadKind::InferenceService;
    if let Some(image) = &change.image {
        spots.push(if served {
            predictor_image(object, workload, image)?
        } else {
            let container = container(object, workload, "/spec/template/spec/containers")?;
            field(object, &container, "image", image)
        });
    }
    if let Some(model) = &change.model {
        spots.push(if served {
            let holder = predictor_model(object, workload)?;
            field(object, &holder, "storageUri", &model.value)
        } else {
            let container = container(object, workload, "/spec/template/spec/containers")?;
            variable(object, workload, &container, &model.env, &model.value)?
        });
    }
    Ok(spots)
}

fn field(object: &Value, holder: &str, name: &str, wanted: &str) -> Spot {
    let pointer = format!("{holder}/{name}");
    Spot {
        now: text(object, &pointer).map(str::to_owned),
        add: Edit::Add(pointer.clone(), wanted.into()),
        remove: pointer.clone(),
        pointer,
    }
}

/// The container that the plan names, or the only one.
fn container(object: &Value, workload: &Workload, at: &str) -> Result<String, Trouble> {
    let what = format!("{} {}", kind_word(workload), workload.name);
    if object.pointer("/spec/workloadRef").is_some() {
        return Err(misfit(format!(
            "{what} takes its pods from another workload (`workloadRef`): its image is not here"
        )));
    }
    let containers = list(object, at);
    let names: Vec<&str> = containers.iter().filter_map(|container| text(container, "/name")).collect();
    let found = match &workload.container {
        Some(name) => names.iter().position(|found| found == name),
        None if containers.len() == 1 => Some(0),
        None => None,
    };
    match found {
        Some(index) => Ok(format!("{at}/{index}")),
        None => Err(misfit(format!("{what}: say in `workload.container` which one: {}", names.join(", ")))),
    }
}

fn variable(object: &Value, workload: &Workload, container: &str, name: &str, wanted: &str) -> Result<Spot, Trouble> {
    let variables = list(object, &format!("{container}/env"));
    let entry = json!({"name": name, "value": wanted});
    match variables.iter().position(|variable| text(variable, "/name") == Some(name)) {
        Some(index) => {
            let holder = format!("{container}/env/{index}");
            if object.pointer(&format!("{holder}/valueFrom")).is_some() {
                let what = format!("{} {}", kind_word(workload), workload.name);
                return Err(misfit(format!("{what}: the variable {name} comes from elsewhere (`valueFrom`)")));
            }
            // A variable that we added is taken away whole.
            Ok(Spot { remove: holder.clone(), ..field(object, &holder, "value", wanted) })
        }
        None => {
            let all = format!("{container}/env");
            let add = if object.pointer(&all).is_some() {
                Edit::Add(format!("{all}/-"), entry)
            } else {
                Edit::Add(all.clone(), json!([entry]))
            };
            Ok(Spot { pointer: all.clone(), now: None, add, remove: all })
        }
    }
}

/// `spec.predictor.model`, or a framework's own key as in older definitions (`PredictorSpec` of kserve/kserve, v1beta1).
fn predictor_model(object: &Value, workload: &Workload) -> Result<String, Trouble> {
    let predictor = object.pointer("/spec/predictor").and_then(Value::as_object);
    if predictor.is_some_and(|predictor| predictor.contains_key("model")) {
        return Ok("/spec/predictor/model".to_owned());
    }
    let holders: Vec<&String> = predictor
        .into_iter()
        .flatten()
        .filter(|(_, value)| value.get("storageUri").is_some())
        .map(|(key, _)| key)
        .collect();
    match holders.as_slice() {
        [key] => Ok(format!("/spec/predictor/{key}")),
        [] | [..] => Err(misfit(format!("InferenceService {}: its predictor has no `model` to change", workload.name))),
    }
}

fn predictor_image(object: &Value, workload: &Workload, image: &str) -> Result<Spot, Trouble> {
    if !list(object, "/spec/predictor/containers").is_empty() {
        let container = container(object, workload, "/spec/predictor/containers")?;
        return Ok(field(object, &container, "image", image));
    }
    let holder = predictor_model(object, workload)?;
    Ok(field(object, &holder, "image", image))
}

#[cfg(test)]
mod tests {
    use super::super::super::plan::ModelVersion;
    use super::super::testing::{applied, words};
    use super::*;

    fn rollout(containers: Value) -> Value {
        json!({"metadata": {"resourceVersion": "7"}, "spec": {"template": {"spec": {"containers": containers}}}})
    }

    fn workload(kind: WorkloadKind, container: Option<&str>) -> Workload {
        Workload { kind, name: "llm".into(), container: container.map(Into::into), ..Workload::default() }
    }

    fn change(image: Option<&str>, model: Option<&str>) -> Change {
        let model = model.map(|value| ModelVersion { env: "MODEL_VERSION".into(), value: value.into() });
        Change { image: image.map(Into::into), model }
    }

    #[test]
    fn a_version_is_set_and_put_back_byte_for_byte() {
        let model = |uri: &str| json!({"metadata": {"resourceVersion": "7"}, "spec": {"predictor": {"model": {"storageUri": uri}}}});
        let old =
            json!({"metadata": {"resourceVersion": "7"}, "spec": {"predictor": {"sklearn": {"storageUri": "gs://a"}}}});
        let own = json!({"metadata": {"resourceVersion": "7"}, "spec": {"predictor": {"containers": [{"name": "c", "image": "a:1"}]}}});
        let (serve, roll) = (WorkloadKind::InferenceService, WorkloadKind::Rollout);
        let env = json!([{"name": "main", "image": "a:1", "env": [{"name": "X", "value": "y"}]}, {"name": "side", "image": "s:1"}]);
        let table = [
            (rollout(json!([{"name": "main", "image": "a:1"}])), roll, None, change(Some("a:2"), None)),
            (rollout(json!([{"name": "main", "image": "a:1"}])), roll, None, change(Some("a:2"), Some("v2"))),
            (rollout(env.clone()), roll, Some("main"), change(None, Some("v2"))),
            (
                rollout(json!([{"name": "m", "image": "a:1", "env": [{"name": "MODEL_VERSION", "value": "v1"}]}])),
                roll,
                None,
                change(None, Some("v2")),
            ),
            (model("gs://a"), serve, None, change(None, Some("gs://b"))),
            (old, serve, None, change(None, Some("gs://b"))),
            (own, serve, None, change(Some("a:2"), None)),
        ];
        for (object, kind, container, change) in table {
            let workload = workload(kind, container);
            assert!(!is_new(&object, &workload, &change).unwrap());
            let (edits, old) = setting(&object, &workload, &change).unwrap();
            let there = applied(&object, &edits);
            assert!(is_new(&there, &workload, &change).unwrap(), "{there}");
            assert!(setting(&there, &workload, &change).unwrap().0.is_empty(), "a version is set once");
            let back = applied(&there, &restoring(&there, &workload, &change, &old).unwrap());
            assert!(restoring(&back, &workload, &change, &old).unwrap().is_empty());
            let mut expected = object.clone();
            // An empty list of variables is what is left of one that we made.
            if let (Some(list), None) = (
                back.pointer("/spec/template/spec/containers/0/env"),
                object.pointer("/spec/template/spec/containers/0/env"),
            ) {
                expected["spec"]["template"]["spec"]["containers"][0]["env"] = list.clone();
                assert_eq!(list, &json!([]));
            }
            assert_eq!(back.to_string(), expected.to_string());
        }
    }

    #[test]
    fn a_version_of_somebody_else_is_not_overwritten_on_the_way_back() {
        let object = rollout(json!([{"name": "main", "image": "hotfix:3"}]));
        let old = Version { image: Some("a:1".into()), ..Version::default() };
        let found = words(restoring(&object, &workload(WorkloadKind::Rollout, None), &change(Some("a:2"), None), &old));
        assert_eq!(found, "foreign: Rollout llm: `hotfix:3` is neither the new version nor the old one");
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        let two = rollout(json!([{"name": "main", "image": "a"}, {"name": "side", "image": "s"}]));
        let from = rollout(json!([{"name": "m", "env": [{"name": "MODEL_VERSION", "valueFrom": {}}]}]));
        let referring = json!({"metadata": {"resourceVersion": "7"}, "spec": {"workloadRef": {"name": "x"}}});
        let bare = json!({"metadata": {"resourceVersion": "7"}, "spec": {"predictor": {}}});
        let table = [
            (two.clone(), workload(WorkloadKind::Rollout, None), change(Some("b"), None), "which one: main, side"),
            (two, workload(WorkloadKind::Rollout, Some("x")), change(Some("b"), None), "which one: main, side"),
            (from, workload(WorkloadKind::Rollout, None), change(None, Some("v")), "valueFrom"),
            (referring, workload(WorkloadKind::Rollout, None), change(Some("b"), None), "workloadRef"),
            (bare, workload(WorkloadKind::InferenceService, None), change(None, Some("v")), "no `model`"),
        ];
        for (object, workload, change, expected) in table {
            let found = words(setting(&object, &workload, &change));
            assert!(found.starts_with("plan: ") && found.contains(expected), "{found}");
        }
    }
}
