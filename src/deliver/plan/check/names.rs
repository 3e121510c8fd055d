//! Names that become parts of a request's path, of a label or of a query.

use super::Found;
use crate::deliver::plan::{FlagService, Plan};

/// The longest name whose `-canary` is still a label (RFC 1123: 63 letters).
const LONGEST_NAME: usize = 63 - "-canary".len();

pub(super) fn check(plan: &Plan, found: &mut Found<'_>) {
    let workload = &plan.workload;
    let mut label = |pointer: &str, name: Option<&str>, most: usize| {
        if let Some(name) = name
            && (!is_label(name) || name.len() > most)
        {
            let message = format!("a name has 1 to {most} lower-case letters, digits and hyphens");
            found.at(pointer, message, "as Kubernetes names objects (RFC 1123)");
        }
    };
    label("/workload/name", Some(&workload.name), LONGEST_NAME);
    label("/workload/namespace", workload.namespace.as_deref(), 63);
    label("/workload/service", workload.service.as_deref(), LONGEST_NAME);
    label("/workload/container", workload.container.as_deref(), 63);
    let traffic = &plan.traffic;
    let istio = traffic.istio.as_ref().map(|istio| ("/traffic/istio/virtual_service", istio.virtual_service.as_str()));
    let gateway = traffic.gateway.as_ref().map(|gateway| ("/traffic/gateway/http_route", gateway.http_route.as_str()));
    let nginx = traffic.nginx.as_ref().map(|nginx| ("/traffic/nginx/ingress", nginx.ingress.as_str()));
    let flag = traffic.flag.as_ref().and_then(|flag| match &flag.service {
        FlagService::Flagd { config_map, .. } => Some(("/traffic/flag/service/flagd/config_map", config_map.as_str())),
        FlagService::Unleash { .. } | FlagService::Rest { .. } => None,
    });
    for (pointer, name) in [istio, gateway, nginx, flag].into_iter().flatten() {
        if !is_subdomain(name) {
            found.at(pointer, "a name has lower-case letters, digits, hyphens and dots", "");
        }
    }
    let image = plan.change.image.as_deref();
    if image.is_some_and(|image| image.is_empty() || image.chars().any(|letter| !letter.is_ascii_graphic())) {
        found.at("/change/image", "an image has no spaces and no letters beyond ASCII", "");
    }
    if let Some(model) = &plan.change.model {
        let valid = !model.env.is_empty()
            && !model.env.starts_with(|letter: char| letter.is_ascii_digit())
            && model.env.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if !valid {
            found.at("/change/model/env", "a variable has letters, digits and `_`, and begins with no digit", "");
        }
        if model.value.is_empty() || model.value.chars().any(char::is_control) {
            found.at("/change/model/value", "a version is one line that is not empty", "");
        }
    }
}

/// A label of RFC 1123.
fn is_label(name: &str) -> bool {
    let inside = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    !name.is_empty() && name.len() <= 63 && name.chars().all(inside) && !name.starts_with('-') && !name.ends_with('-')
}

/// A subdomain of RFC 1123.
fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}
