//! KServe: its controller splits the traffic between the last revision that had everything and the newest one, by
//! `spec.predictor.canaryTrafficPercent`.
//! Kept out: image and model (`version`); reading, racing and marking (`ours`).

use serde_json::{Value, json};

use super::super::plan::{Change, Plan, Workload};
use super::super::{Percent, Split, Trouble};
use super::build::RouterNames;
use super::istio::cautious;
use super::object::{annotate, annotation, changes, list, misfit, text};
use super::ours::{Clearing, Entry, SPLIT_ANNOTATION, look, mark};
use super::version::{is_new, place_of};
use crate::cluster::{Edit, Place};

/// Without the field the newest revision has everything as soon as it is ready: `createKnativeService` of kserve/kserve
/// 00196962f, pkg/controller/v1beta1/inferenceservice/reconcilers/knative/ksvc_reconciler.go.
const FIELD: &str = "canaryTrafficPercent";
const FIELDS: [&str; 1] = [FIELD];
/// The predictor's status: pkg/apis/serving/v1beta1/inference_service_status.go of kserve/kserve 0217bdaba.
const STATUS: &str = "/status/components/predictor";
/// Ways to run a model in which nothing is split (docs of 0.16: canaries are for serverless deployments only; the words
/// changed between versions).
const UNSPLIT: [&str; 3] = ["RawDeployment", "Standard", "ModelMesh"];

/// The predictor of an InferenceService.
pub(super) struct KServe {
    place: Place,
    workload: Workload,
    change: Change,
}

impl KServe {
    pub(super) fn new(plan: &Plan, names: &RouterNames) -> Self {
        Self {
            place: place_of(&plan.workload, &names.namespace),
            workload: plan.workload.clone(),
            change: plan.change.clone(),
        }
    }

    /// What holds the traffic where it is while the version changes: goes into the same patch.
    pub(super) fn holding(&self, object: &Value) -> Result<Vec<Edit>, Trouble> {
        let split = look(self, object)?.split;
        let marked = annotation(object, SPLIT_ANNOTATION).is_some();
        if split == Split::STABLE && marked {
            return Ok(Vec::new());
        }
        // Everything: what a rollout that was promoted has left.
        if split != Split::STABLE && split != Split::to_canary(Percent::ALL) {
            let words = "the canary has traffic already: it does not get another version";
            return Err(misfit(format!("{}: {words}", self.place.words())));
        }
        let pointer = self.locate(object)?;
        let entry = object.pointer(&pointer).cloned().unwrap_or_default();
        let after = self.write(&entry, &json!({}), Split::STABLE)?;
        let mut edits = changes(&pointer, &entry, &after, &FIELDS);
        edits.push(annotate(object, SPLIT_ANNOTATION, &mark(self, &after, json!({}), Split::STABLE)));
        Ok(edits)
    }
}

impl Entry for KServe {
    fn place(&self) -> &Place {
        &self.place
    }

    fn locate(&self, object: &Value) -> Result<String, Trouble> {
        let place = self.place.words();
        let mode = text(object, "/status/deploymentMode").unwrap_or_default();
        if UNSPLIT.contains(&mode) {
            return Err(misfit(format!("{place}: in the mode {mode} KServe splits nothing")));
        }
        let Some(predictor) = object.pointer("/spec/predictor").filter(|value| value.is_object()) else {
            return Err(misfit(format!("{place}: it has no predictor")));
        };
        if let (Some(percent), None) = (predictor.get(FIELD), annotation(object, SPLIT_ANNOTATION)) {
            let words = "take it away first, so that one revision has everything";
            return Err(misfit(format!("{place}: it has `{FIELD}: {percent}` already: {words}")));
        }
        Ok("/spec/predictor".to_owned())
    }

    fn fields(&self) -> &'static [&'static str] {
        &FIELDS
    }

    fn read(&self, entry: &Value) -> Result<Split, Trouble> {
        let Some(value) = entry.get(FIELD) else { return Ok(Split::STABLE) };
        match value.as_u64().and_then(|percent| u8::try_from(percent).ok()).and_then(Percent::new) {
            Some(percent) => Ok(Split::to_canary(percent)),
            None => Err(misfit(format!("{}: `{FIELD}: {value}` is no percent", self.place.words()))),
        }
    }

    fn write(&self, entry: &Value, _before: &Value, split: Split) -> Result<Value, Trouble> {
        if split.mirror != Percent::ZERO {
            return Err(misfit(format!("{}: an InferenceService mirrors nothing", self.place.words())));
        }
        let mut after = entry.clone();
        if let Some(after) = after.as_object_mut() {
            after.insert(FIELD.to_owned(), split.canary.get().into());
        }
        Ok(after)
    }

    fn words(&self, entry: &Value) -> String {
        match entry.get(FIELD) {
            Some(percent) => format!("{FIELD}: {percent}"),
            None => format!("no {FIELD}"),
        }
    }

    fn clearing(&self, object: &Value, split: Split) -> Result<Clearing, Trouble> {
        if is_new(object, &self.workload, &self.change)? && split != Split::to_canary(Percent::ALL) {
            let words = "without the percentage the new version would have everything: put the old one back first";
            return Err(misfit(format!("{}: {words}", self.place.words())));
        }
        Ok(Clearing::Restore)
    }

    fn real(&self, object: &Value, _said: Split) -> Result<Split, Trouble> {
        let status = |name: &str| text(object, &format!("{STATUS}/{name}"));
        let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
        let traffic = format!("{STATUS}/traffic");
        let newest = list(object, &traffic)
            .iter()
            .filter(|target| target.get("latestRevision") == Some(&Value::Bool(true)))
            .filter_map(|target| target.get("percent")?.as_f64())
            .sum::<f64>();
        let current = number("/status/observedGeneration") >= number("/metadata/generation");
        // A revision that is not ready has nothing: `latestRevision` then still means the one before.
        let ready =
            status("latestReadyRevision").is_some() && status("latestReadyRevision") == status("latestCreatedRevision");
        let alone = newest >= 100.0;
        let new = is_new(object, &self.workload, &self.change)?;
        let share = Split::to_canary(cautious(newest / 100.0));
        if !new {
            // On the way back the newest revision that is ready is the new version's, until the old one's is ready again.
            let returning = annotation(object, SPLIT_ANNOTATION).is_some() && !(current && ready);
            return Ok(if returning { share } else { Split::STABLE });
        }
        if !ready || (alone && !current) {
            return Ok(Split::STABLE);
        }
        Ok(share)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::plan::{ModelVersion, WorkloadKind};
    use super::super::ours::{clearing, shifting};
    use super::super::testing::{applied, canary, cleared, mirrored, shifted, words};
    use super::*;

    fn kind() -> KServe {
        let workload = Workload { kind: WorkloadKind::InferenceService, name: "llm".into(), ..Workload::default() };
        let model = ModelVersion { env: "MODEL_VERSION".into(), value: "gs://b".into() };
        KServe { place: place_of(&workload, "prod"), workload, change: Change { image: None, model: Some(model) } }
    }

    fn service(uri: &str) -> Value {
        json!({"metadata": {"name": "llm", "generation": 2, "resourceVersion": "7"},
            "spec": {"predictor": {"minReplicas": 1, "model": {"storageUri": uri}}}})
    }

    /// The service with the new version, held at nothing.
    fn held() -> Value {
        let mut object = applied(&service("gs://a"), &kind().holding(&service("gs://a")).unwrap());
        object["spec"]["predictor"]["model"]["storageUri"] = json!("gs://b");
        object
    }

    #[test]
    fn a_new_version_comes_with_nothing_and_goes_up_to_everything() {
        assert_eq!(held()["spec"]["predictor"][FIELD], json!(0));
        let mut now = held();
        for percent in [10, 50, 100] {
            now = shifted(&kind(), &now, canary(percent));
            assert_eq!(now["spec"]["predictor"][FIELD], json!(percent));
        }
        assert_eq!(cleared(&kind(), &now).to_string(), service("gs://b").to_string());
    }

    #[test]
    fn the_percentage_is_not_taken_away_while_that_would_promote() {
        let now = shifted(&kind(), &held(), canary(10));
        let back = shifted(&kind(), &now, Split::STABLE);
        for object in [&now, &back] {
            assert!(words(clearing(&kind(), object)).contains("put the old one back first"));
        }
        let mut old = back;
        old["spec"]["predictor"]["model"]["storageUri"] = json!("gs://a");
        assert_eq!(cleared(&kind(), &old).to_string(), service("gs://a").to_string());
    }

    #[test]
    fn a_canary_with_traffic_gets_no_other_version() {
        let now = shifted(&kind(), &held(), canary(10));
        assert!(words(kind().holding(&now)).contains("has traffic already"));
        assert!(kind().holding(&held()).unwrap().is_empty());
        let promoted = shifted(&kind(), &held(), canary(100));
        let next = applied(&promoted, &kind().holding(&promoted).unwrap());
        assert_eq!(next["spec"]["predictor"][FIELD], json!(0));
    }

    #[test]
    fn what_is_there_already_is_not_guessed_at() {
        let mut there = service("gs://a");
        there["spec"]["predictor"][FIELD] = json!(0);
        let mut raw = service("gs://a");
        raw["status"] = json!({"deploymentMode": "Standard"});
        let table =
            [(there, "`canaryTrafficPercent: 0` already"), (raw, "the mode Standard"), (json!({}), "no predictor")];
        for (object, expected) in table {
            assert!(words(shifting(&kind(), &object, canary(10))).contains(expected));
        }
        assert!(words(shifting(&kind(), &held(), mirrored(10))).contains("mirrors nothing"));
        let mut edited = shifted(&kind(), &held(), canary(10));
        edited["spec"]["predictor"][FIELD] = json!(60);
        assert!(words(shifting(&kind(), &edited, canary(50))).starts_with("foreign: "));
    }

    #[test]
    fn the_split_is_what_the_controller_says_and_never_more_by_a_stale_status() {
        let status = |seen: i64, created: &str, ready: &str, traffic: Value| {
            json!({"observedGeneration": seen, "components": {"predictor":
                {"latestCreatedRevision": created, "latestReadyRevision": ready, "traffic": traffic}}})
        };
        let split = json!([{"latestRevision": true, "percent": 10, "revisionName": "r2"}, {"latestRevision": false, "percent": 90, "tag": "prev", "revisionName": "r1"}]);
        let all = json!([{"latestRevision": true, "percent": 100}]);
        let table = [
            ("gs://b", status(2, "r2", "r2", split.clone()), 10),
            ("gs://b", status(2, "r2", "r1", split.clone()), 0),
            ("gs://b", status(1, "r1", "r1", all.clone()), 0),
            ("gs://b", status(2, "r2", "r2", all.clone()), 100),
            ("gs://a", status(2, "r1", "r1", all), 0),
            ("gs://b", json!({}), 0),
        ];
        for (uri, status, expected) in table {
            let mut object = service(uri);
            object["status"] = status;
            assert_eq!(kind().real(&object, canary(10)).unwrap(), canary(expected), "{object}");
        }
        // On the way back from everything the old version's own revision has to be ready first.
        let mut back = shifted(&kind(), &held(), canary(100));
        back["spec"]["predictor"]["model"]["storageUri"] = json!("gs://a");
        let all = json!([{"latestRevision": true, "percent": 100}]);
        for (seen, ready, expected) in [(1, "r2", 100), (2, "r2", 100), (2, "r3", 0)] {
            back["status"] = status(seen, "r3", ready, all.clone());
            assert_eq!(kind().real(&back, canary(100)).unwrap(), canary(expected));
        }
    }
}
