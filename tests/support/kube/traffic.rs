//! What users meet: which image answers, and with what share, as the objects would have the cluster's proxies do it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::control::{kind, picked, ready};
use super::world::World;
use super::{argo, kserve};

/// Where there is nobody to answer.
pub const NOBODY: &str = "(nobody)";

/// Shares by image, over all users: through the routes where there are any, else through the users' Services.
pub fn traffic(world: &World, place: &str) -> BTreeMap<String, f64> {
    let shares = kserve::shares(world, place);
    if !shares.is_empty() {
        return shares;
    }
    let mut roads = argo::roads(world, place);
    if !roads.is_empty() {
        // An Argo Rollout moves the traffic itself.
    } else if let Some(route) = world.store.list(kind("VirtualService"), place).first() {
        let routes = route["spec"]["http"].as_array().cloned().unwrap_or_default();
        let chosen = routes.iter().find(|route| route.get("match").is_none()).or_else(|| routes.first());
        for leg in chosen.and_then(|route| route["route"].as_array()).into_iter().flatten() {
            let target = &leg["destination"];
            roads.push((selector(world, place, target), leg["weight"].as_f64().unwrap_or(f64::NAN)));
        }
        // A single destination needs no weight.
        if let [(_, weight)] = roads.as_mut_slice() {
            *weight = 100.0;
        }
        roads.iter_mut().filter(|(_, weight)| weight.is_nan()).for_each(|(_, weight)| *weight = 0.0);
    } else if let Some(route) = world.store.list(kind("HTTPRoute"), place).first() {
        let rules = route["spec"]["rules"].as_array().cloned().unwrap_or_default();
        for leg in rules.last().and_then(|rule| rule["backendRefs"].as_array()).into_iter().flatten() {
            roads.push((
                service(world, place, leg["name"].as_str().unwrap_or_default()),
                leg["weight"].as_f64().unwrap_or(1.0),
            ));
        }
    } else {
        roads = ingresses(world, place);
    }
    if roads.is_empty() {
        let services = world.store.list(kind("Service"), place);
        let ours = |object: &&Value| object["metadata"]["labels"]["llmci.dev/rollout"].is_null();
        roads = services.iter().filter(ours).map(|object| (object["spec"]["selector"].clone(), 1.0)).collect();
    }
    let total: f64 = roads.iter().map(|(_, weight)| weight).sum();
    let mut shares = BTreeMap::new();
    for (selector, weight) in roads.iter().filter(|(_, weight)| *weight > 0.0) {
        for (image, part) in behind(world, place, selector) {
            *shares.entry(image).or_insert(0.0) += part * weight / total;
        }
    }
    shares
}

/// Shares by image behind a Service.
pub fn through(world: &World, place: &str, name: &str) -> BTreeMap<String, f64> {
    behind(world, place, &service(world, place, name))
}

fn behind(world: &World, place: &str, selector: &Value) -> BTreeMap<String, f64> {
    let pods: Vec<Value> = picked(world, place, selector).into_iter().filter(ready).collect();
    let mut shares = BTreeMap::new();
    for pod in &pods {
        let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned();
        *shares.entry(image).or_insert(0.0) += 1.0 / pods.len() as f64;
    }
    if shares.is_empty() {
        shares.insert(NOBODY.to_owned(), 1.0);
    }
    shares
}

fn service(world: &World, place: &str, name: &str) -> Value {
    world.store.get(kind("Service"), place, name).map_or(Value::Null, |object| object["spec"]["selector"].clone())
}

/// The selector of an Istio destination: its Service's, and its subset's labels.
fn selector(world: &World, place: &str, destination: &Value) -> Value {
    let host = destination["host"].as_str().unwrap_or_default();
    let mut selector = service(world, place, host.split('.').next().unwrap_or_default());
    let Some(subset) = destination["subset"].as_str() else { return selector };
    for rule in world.store.list(kind("DestinationRule"), place) {
        let found = rule["spec"]["subsets"].as_array().and_then(|list| list.iter().find(|one| one["name"] == subset));
        if let (Some(found), true) = (found, rule["spec"]["host"] == host) {
            for (name, value) in found["labels"].as_object().into_iter().flatten() {
                selector[name] = value.clone();
            }
            return selector;
        }
    }
    Value::Null
}

fn ingresses(world: &World, place: &str) -> Vec<(Value, f64)> {
    const CANARY: &str = "nginx.ingress.kubernetes.io/canary";
    let all = world.store.list(kind("Ingress"), place);
    let note = |object: &Value, name: &str| object["metadata"]["annotations"][name].as_str().map(str::to_owned);
    let backend = |object: &Value| {
        let name = object["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"].as_str();
        service(
            world,
            place,
            name.or_else(|| object["spec"]["defaultBackend"]["service"]["name"].as_str()).unwrap_or_default(),
        )
    };
    let is_canary = |object: &&Value| note(object, CANARY).is_some_and(|value| value == "true");
    let Some(main) = all.iter().find(|object| !is_canary(object)) else { return Vec::new() };
    let host = |object: &Value| object["spec"]["rules"][0]["host"].clone();
    let Some(canary) = all.iter().find(|object| is_canary(object) && host(object) == host(main)) else {
        return vec![(backend(main), 1.0)];
    };
    let of = |name: &str| note(canary, &format!("{CANARY}-{name}")).and_then(|text| text.parse::<f64>().ok());
    let (weight, total) = (of("weight").unwrap_or(0.0), of("weight-total").unwrap_or(100.0));
    vec![(backend(canary), weight), (backend(main), (total - weight).max(0.0))]
}
