//! The split that users would see: routes and weights, then selectors, then ready pods.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::pods::is_ready;
use super::store::{Key, World, fits, text};

/// The share of each image; "" where nobody answers. Routes are looked for in this order: VirtualService, HTTPRoute, Ingress,
/// Rollout with routed traffic, InferenceService; else the Service itself.
pub fn split(world: &World, namespace: &str, service: &str) -> BTreeMap<String, f64> {
    let mut shares = BTreeMap::new();
    if let Some(found) = inference(world, namespace, service) {
        return found;
    }
    for (backend, weight) in backends(world, namespace, service) {
        for (image, share) in pods(world, namespace, &backend) {
            *shares.entry(image).or_insert(0.0) += share * weight;
        }
    }
    shares.retain(|_, share| *share > 0.0);
    shares
}

/// A backend: a Service, and the labels of a subset.
type Backend = (String, Value);

fn backends(world: &World, namespace: &str, service: &str) -> Vec<(Backend, f64)> {
    let found = istio(world, namespace, service)
        .or_else(|| gateway(world, namespace, service))
        .or_else(|| nginx(world, namespace, service))
        .unwrap_or_else(|| vec![((service.to_owned(), json!({})), 1.0)]);
    let total: f64 = found.iter().map(|(_, weight)| weight).sum();
    if total > 0.0 {
        found.into_iter().map(|(backend, weight)| (backend, weight / total)).collect()
    } else {
        Vec::new()
    }
}

fn is_host(host: &str, service: &str, namespace: &str) -> bool {
    host == service
        || host == format!("{service}.{namespace}")
        || host.starts_with(&format!("{service}.{namespace}.svc"))
}

fn istio(world: &World, namespace: &str, service: &str) -> Option<Vec<(Backend, f64)>> {
    let routes = world.all("VirtualService", namespace).into_iter().find_map(|object| {
        let http = object["spec"]["http"].as_array()?.clone();
        let by_host = object["spec"]["hosts"].as_array()?.iter().any(|host| is_host(text(host), service, namespace));
        let leads = |route: &Value| {
            let mut destinations = route["route"].as_array().into_iter().flatten();
            destinations.any(|one| is_host(text(&one["destination"]["host"]), service, namespace))
        };
        (by_host || http.iter().any(leads)).then(|| {
            let leading = http.iter().find(|route| route["match"].is_null() && leads(route));
            leading.or_else(|| http.iter().find(|route| leads(route))).or_else(|| http.first()).cloned()
        })?
    })?;
    let list = routes["route"].as_array()?.clone();
    let alone = list.len() == 1;
    let weighed = list.into_iter().map(|one| {
        let host = text(&one["destination"]["host"]).split('.').next().unwrap_or_default().to_owned();
        let labels = subset(world, namespace, &host, text(&one["destination"]["subset"]));
        let weight = one["weight"].as_f64().unwrap_or(if alone { 100.0 } else { 0.0 });
        ((host, labels), weight)
    });
    Some(weighed.collect())
}

fn subset(world: &World, namespace: &str, host: &str, name: &str) -> Value {
    let rules = world.all("DestinationRule", namespace);
    let mut subsets = rules
        .iter()
        .filter(|rule| is_host(text(&rule["spec"]["host"]), host, namespace))
        .flat_map(|rule| rule["spec"]["subsets"].as_array().cloned().unwrap_or_default());
    subsets.find(|subset| subset["name"] == name).map_or(json!({}), |subset| subset["labels"].clone())
}

fn gateway(world: &World, namespace: &str, service: &str) -> Option<Vec<(Backend, f64)>> {
    let rules = world
        .all("HTTPRoute", namespace)
        .into_iter()
        .flat_map(|route| route["spec"]["rules"].as_array().cloned().unwrap_or_default());
    let leads = |rule: &Value| {
        rule["backendRefs"].as_array().is_some_and(|list| list.iter().any(|backend| backend["name"] == service))
    };
    let rule = rules.into_iter().find(leads)?;
    let weighed = rule["backendRefs"]
        .as_array()?
        .iter()
        .map(|backend| ((text(&backend["name"]).to_owned(), json!({})), backend["weight"].as_f64().unwrap_or(1.0)));
    Some(weighed.collect())
}

/// Annotations of ingress-nginx, `internal/ingress/annotations/canary/main.go`.
fn nginx(world: &World, namespace: &str, service: &str) -> Option<Vec<(Backend, f64)>> {
    let backend = |ingress: &Value| {
        let paths = &ingress["spec"]["rules"][0]["http"]["paths"];
        let path = text(&paths[0]["backend"]["service"]["name"]).to_owned();
        if path.is_empty() { text(&ingress["spec"]["defaultBackend"]["service"]["name"]).to_owned() } else { path }
    };
    let note = |ingress: &Value, name: &str| {
        let key = format!("nginx.ingress.kubernetes.io/{name}");
        text(&ingress["metadata"]["annotations"][key]).to_owned()
    };
    let all = world.all("Ingress", namespace);
    let main = all.iter().find(|one| note(one, "canary") != "true" && backend(one) == service)?;
    let host = &main["spec"]["rules"][0]["host"];
    let canary = all.iter().find(|one| note(one, "canary") == "true" && one["spec"]["rules"][0]["host"] == *host);
    let Some(canary) = canary else { return Some(vec![((service.to_owned(), json!({})), 1.0)]) };
    let total: f64 = note(canary, "canary-weight-total").parse().unwrap_or(100.0);
    let weight: f64 = note(canary, "canary-weight").parse().unwrap_or(0.0);
    let share = (weight / total).clamp(0.0, 1.0);
    Some(vec![((service.to_owned(), json!({})), 1.0 - share), ((backend(canary), json!({})), share)])
}

/// The share of each image among the ready pods behind a backend.
fn pods(world: &World, namespace: &str, backend: &Backend) -> BTreeMap<String, f64> {
    let (service, labels) = backend;
    let selector = world.get(&Key::new("Service", namespace, service)).map(|one| one["spec"]["selector"].clone());
    let none = json!({});
    let wanted = |pod: &Value| {
        let has = &pod["metadata"]["labels"];
        fits(has, selector.as_ref().unwrap_or(&none)) && (labels == &none || fits(has, labels)) && is_ready(pod)
    };
    let ready: Vec<Value> = world.all("Pod", namespace).into_iter().filter(wanted).collect();
    let mut shares = BTreeMap::new();
    if let Some(routed) = routed(world, namespace, &ready) {
        return routed;
    }
    for pod in &ready {
        let image = text(&pod["spec"]["containers"][0]["image"]).to_owned();
        *shares.entry(image).or_insert(0.0) += 1.0 / ready.len() as f64;
    }
    if ready.is_empty() {
        shares.insert(String::new(), 1.0);
    }
    shares
}

/// Where a Rollout's controller routes, its weights count and not the number of pods.
fn routed(world: &World, namespace: &str, ready: &[Value]) -> Option<BTreeMap<String, f64>> {
    let hash = |pod: &Value| text(&pod["metadata"]["labels"]["rollouts-pod-template-hash"]).to_owned();
    let rollout = world.all("Rollout", namespace).into_iter().find(|rollout| {
        let hashes = [&rollout["status"]["currentPodHash"], &rollout["status"]["stableRS"]];
        !rollout["spec"]["strategy"]["canary"]["trafficRouting"].is_null()
            && ready.iter().any(|pod| hashes.iter().any(|one| text(one) == hash(pod)))
    })?;
    let mut shares = BTreeMap::new();
    for part in ["canary", "stable"] {
        let weight = &rollout["status"]["canary"]["weights"][part];
        let pod = ready.iter().find(|pod| hash(pod) == text(&weight["podTemplateHash"]));
        let image = pod.map_or(String::new(), |pod| text(&pod["spec"]["containers"][0]["image"]).to_owned());
        *shares.entry(image).or_insert(0.0) += weight["weight"].as_f64().unwrap_or(0.0) / 100.0;
    }
    shares.retain(|_, share| *share > 0.0);
    Some(shares)
}

fn inference(world: &World, namespace: &str, name: &str) -> Option<BTreeMap<String, f64>> {
    let object = world.get(&Key::new("InferenceService", namespace, name))?;
    let mut shares = BTreeMap::new();
    for part in object["status"]["components"]["predictor"]["traffic"].as_array().into_iter().flatten() {
        let image = text(&object["status"]["stubImages"][text(&part["revisionName"])]).to_owned();
        *shares.entry(image).or_insert(0.0) += part["percent"].as_f64().unwrap_or(0.0) / 100.0;
    }
    shares.retain(|_, share| *share > 0.0);
    Some(shares)
}
