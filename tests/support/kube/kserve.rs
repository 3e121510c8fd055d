//! KServe's serverless mode, as far as its status tells of it: revisions of the predictor, and the shares of the newest and
//! of the one that was rolled out before.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::control::{kind, put};
use super::kubelet;
use super::world::World;

/// What a predictor runs: the image of its container, or the model's place.
fn image(predictor: &Value) -> String {
    let found = predictor["containers"][0]["image"].as_str().or_else(|| predictor["model"]["storageUri"].as_str());
    found.unwrap_or_default().to_owned()
}

/// Brings every InferenceService up to date.
pub fn run(world: &mut World) {
    for mut service in world.store.list(kind("InferenceService"), "") {
        let name = service["metadata"]["name"].as_str().unwrap().to_owned();
        let mut predictor = service["spec"]["predictor"].clone();
        let percent = predictor.as_object_mut().and_then(|map| map.shift_remove("canaryTrafficPercent"));
        let revisions = world.revisions.entry(name.clone()).or_default();
        if revisions.last() != Some(&predictor) {
            revisions.push(predictor);
        }
        let title = |at: usize| format!("{name}-predictor-{:05}", at + 1);
        let newest = revisions.len() - 1;
        let ready = |at: usize| kubelet::serves(&world.ready, &image(&revisions[at]));
        let before = service["status"]["components"]["predictor"].clone();
        let number = |field: &str| (0..=newest).rev().find(|at| before[field] == title(*at));
        let served = if ready(newest) { Some(newest) } else { number("latestReadyRevision") };
        let rolled = number("latestRolledoutRevision").filter(|at| *at < newest);
        let mut status = json!({"latestCreatedRevision": title(newest)});
        if let Some(served) = served {
            status["latestReadyRevision"] = json!(title(served));
            let share = percent.and_then(|percent| percent.as_u64()).unwrap_or(100).min(100);
            match rolled {
                Some(rolled) if share < 100 && served == newest => {
                    status["latestRolledoutRevision"] = json!(title(rolled));
                    status["traffic"] = json!([
                        {"latestRevision": true, "percent": share, "revisionName": title(served)},
                        {"latestRevision": false, "percent": 100 - share, "revisionName": title(rolled), "tag": "prev"},
                    ]);
                }
                _ => {
                    let rolled = if served == newest && share == 100 || rolled.is_none() {
                        served
                    } else {
                        rolled.unwrap_or(served)
                    };
                    status["latestRolledoutRevision"] = json!(title(rolled));
                    status["traffic"] =
                        json!([{"latestRevision": true, "percent": 100, "revisionName": title(served)}]);
                }
            }
        }
        service["status"]["components"]["predictor"] = status;
        service["status"]["observedGeneration"] = service["metadata"]["generation"].clone();
        let state = if served == Some(newest) { "True" } else { "False" };
        service["status"]["conditions"] = json!([{"type": "Ready", "status": state}]);
        put(world, service);
    }
}

/// Shares by image of the InferenceServices.
pub fn shares(world: &World, place: &str) -> BTreeMap<String, f64> {
    let mut shares = BTreeMap::new();
    for service in world.store.list(kind("InferenceService"), place) {
        let revisions = service["metadata"]["name"].as_str().and_then(|name| world.revisions.get(name));
        for leg in service["status"]["components"]["predictor"]["traffic"].as_array().into_iter().flatten() {
            let number = leg["revisionName"].as_str().and_then(|name| name.rsplit_once('-')?.1.parse::<usize>().ok());
            let predictor = number.and_then(|number| revisions?.get(number - 1));
            let share = leg["percent"].as_f64().unwrap_or(0.0) / 100.0;
            if share > 0.0 {
                *shares.entry(predictor.map(image).unwrap_or_default()).or_insert(0.0) += share;
            }
        }
    }
    shares
}
