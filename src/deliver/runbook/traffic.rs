//! The commands that return the traffic to stable, for each router, with the places that the object has now. Every patch first
//! tests that it meets what it was written for.

use serde_json::{Value, json};

use super::Seen;
use super::shell::{command, encoded, quoted, variable};
use crate::deliver::plan::{FlagService, FlagSpec, Plan, StrategyName, WorkloadKind};

/// What a person does, in words and commands.
pub(super) struct Way {
    /// What splits the traffic.
    pub(super) through: String,
    /// What the commands do.
    pub(super) words: String,
    /// Commands that return the traffic.
    pub(super) back: Vec<String>,
    /// Commands that show where it is.
    pub(super) look: Vec<String>,
}

/// The way back of a plan.
pub(super) fn way(plan: &Plan, seen: &Seen) -> Way {
    let kubectl = Kubectl::of(plan);
    match (plan.workload.kind, plan.strategy) {
        (WorkloadKind::Rollout, _) => rollout(plan, &kubectl),
        (WorkloadKind::InferenceService, _) => inference(plan, &kubectl),
        (WorkloadKind::Deployment, StrategyName::BlueGreen) => blue_green(plan, seen, &kubectl),
        (WorkloadKind::Deployment, StrategyName::Rolling) => rolling(plan, &kubectl),
        (WorkloadKind::Deployment, StrategyName::Canary | StrategyName::Shadow | StrategyName::FeatureFlag) => {
            let traffic = &plan.traffic;
            if let Some(istio) = &traffic.istio {
                routed(plan, seen, &kubectl, "virtualservice", &istio.virtual_service, istio.route.as_deref())
            } else if let Some(gateway) = &traffic.gateway {
                routed(plan, seen, &kubectl, "httproute", &gateway.http_route, gateway.rule.as_deref())
            } else if let Some(flag) = &traffic.flag {
                flagged(flag, &kubectl)
            } else if traffic.nginx.is_some() {
                nginx(plan, &kubectl)
            } else {
                replicas(plan, &kubectl)
            }
        }
    }
}

/// `kubectl` in the deployment's context and namespace.
pub(super) struct Kubectl(Vec<String>);

impl Kubectl {
    pub(super) fn of(plan: &Plan) -> Self {
        let mut words = vec!["kubectl".to_owned()];
        words.extend(plan.workload.context.iter().map(|context| format!("--context={context}")));
        words.push(format!("--namespace={}", plan.workload.namespace()));
        Self(words)
    }

    pub(super) fn run(&self, words: &[&str]) -> String {
        let all: Vec<&str> = self.0.iter().map(String::as_str).chain(words.iter().copied()).collect();
        command(&all)
    }

    pub(super) fn patch(&self, kind: &str, name: &str, form: &str, patch: &Value) -> String {
        self.run(&["patch", kind, name, &format!("--type={form}"), &format!("--patch={patch}")])
    }
}

/// The Service of the canary.
fn canary(plan: &Plan) -> String {
    format!("{}-canary", plan.workload.name)
}

/// Weights of a VirtualService or an HTTPRoute: both are lists of routes with lists of weighted destinations.
fn routed(plan: &Plan, seen: &Seen, kubectl: &Kubectl, kind: &str, name: &str, route: Option<&str>) -> Way {
    let (list, inner, host) = match kind {
        "httproute" => ("/spec/rules", "backendRefs", "/name"),
        _ => ("/spec/http", "route", "/destination/host"),
    };
    let mut patch = Vec::new();
    let routes = seen.router.as_ref().and_then(|object| object.pointer(list)).and_then(Value::as_array);
    let (stable, canary) = (plan.workload.service().to_owned(), canary(plan));
    let is = |found: &str, wanted: &str| found == wanted || found.split('.').next() == Some(wanted);
    for (at, one) in routes.into_iter().flatten().enumerate() {
        let named = one.get("name").and_then(Value::as_str);
        if route.is_some() && route != named {
            continue;
        }
        let destinations = one.get(inner).and_then(Value::as_array).cloned().unwrap_or_default();
        let hosts: Vec<&str> =
            destinations.iter().filter_map(|one| one.pointer(host).and_then(Value::as_str)).collect();
        if !hosts.iter().any(|host| is(host, &stable)) {
            continue;
        }
        for (number, destination) in destinations.iter().enumerate() {
            let Some(found) = destination.pointer(host).and_then(Value::as_str) else { continue };
            let place = format!("{list}/{at}/{inner}/{number}");
            let weight = match () {
                () if is(found, &stable) => 100,
                () if is(found, &canary) => 0,
                () => continue,
            };
            patch.push(json!({"op": "test", "path": format!("{place}{host}"), "value": found}));
            patch.push(json!({"op": "add", "path": format!("{place}/weight"), "value": weight}));
        }
        for part in ["mirror", "mirrorPercentage", "mirrors"].iter().filter(|part| one.get(part).is_some()) {
            patch.push(json!({"op": "remove", "path": format!("{list}/{at}/{part}")}));
        }
        let filters = one.get("filters").and_then(Value::as_array).cloned().unwrap_or_default();
        // From the last to the first: what is removed moves those after it.
        for (number, filter) in filters.iter().enumerate().rev() {
            if filter.get("type").and_then(Value::as_str) == Some("RequestMirror") {
                let place = format!("{list}/{at}/filters/{number}");
                patch.push(json!({"op": "test", "path": format!("{place}/type"), "value": "RequestMirror"}));
                patch.push(json!({"op": "remove", "path": place}));
            }
        }
    }
    let (words, back) = if patch.is_empty() {
        let words = "No route to the Service was found when this page was written. Give the stable Service weight 100 and the \
                     canary's weight 0 by hand:";
        (words.to_owned(), vec![kubectl.run(&["edit", kind, name])])
    } else {
        let words = "One patch, all of it or nothing. It fails where the routes have changed since this page was written: \
                     write the page anew, or edit the object.";
        (words.to_owned(), vec![kubectl.patch(kind, name, "json", &Value::Array(patch))])
    };
    let look = vec![kubectl.run(&["get", kind, name, &format!("--output=jsonpath={{{}}}", list.replace('/', "."))])];
    Way { through: format!("{kind} {name}"), words, back, look }
}

fn nginx(plan: &Plan, kubectl: &Kubectl) -> Way {
    let name = canary(plan);
    Way {
        through: format!("ingress {name}, of our own"),
        words: "The canary's Ingress is ours alone. Without it the first Ingress has all the traffic:".to_owned(),
        back: vec![kubectl.run(&["delete", "ingress", &name])],
        look: vec![kubectl.run(&["get", "ingress", &name, "--output=jsonpath={.metadata.annotations}"])],
    }
}

fn replicas(plan: &Plan, kubectl: &Kubectl) -> Way {
    let (service, canary) = (plan.workload.service(), canary(plan));
    // Nothing is removed where nothing is: the command is right at every step.
    let widen = json!({"spec": {"selector": {"llmci.dev/track": null}}});
    Way {
        through: format!("the numbers of pods behind service {service}"),
        words: "The share is the number of pods behind one Service; at the last step the Service selects the canary only. First its \
                selector, then the canary's pods:"
            .to_owned(),
        back: vec![
            kubectl.patch("service", service, "merge", &widen),
            kubectl.run(&["scale", "deployment", &canary, "--replicas=0"]),
        ],
        look: vec![
            kubectl.run(&["get", "service", service, "--output=jsonpath={.spec.selector}"]),
            kubectl.run(&["get", "deployment", &plan.workload.name, &canary]),
        ],
    }
}

/// The Service's selector, back to the pods of the workload that is stable.
fn blue_green(plan: &Plan, seen: &Seen, kubectl: &Kubectl) -> Way {
    let service = plan.workload.service();
    let selector =
        seen.service.as_ref().and_then(|service| service.pointer("/spec/selector")).and_then(Value::as_object);
    let labels = seen.workload.as_ref().and_then(|one| one.pointer("/spec/template/metadata/labels"));
    let key = selector.and_then(|selector| selector.keys().min());
    let value = key.and_then(|key| labels?.get(key)?.as_str());
    let (words, back) = match (key, value) {
        (Some(key), Some(value)) => {
            let path = format!("/spec/selector/{}", key.replace('~', "~0").replace('/', "~1"));
            let patch = json!([{"op": "replace", "path": path, "value": value}]);
            let words =
                format!("One patch of the selector switches everybody back to the pods of {}:", plan.workload.name);
            (words, vec![kubectl.patch("service", service, "json", &patch)])
        }
        _ => {
            let words = "The selector was not seen when this page was written. Give it the labels of the stable pods:";
            (words.to_owned(), vec![kubectl.run(&["edit", "service", service])])
        }
    };
    Way {
        through: format!("the selector of service {service}"),
        words,
        back,
        look: vec![
            kubectl.run(&["get", "service", service, "--output=jsonpath={.spec.selector}"]),
            kubectl.run(&["get", "endpointslices", &format!("--selector=kubernetes.io/service-name={service}")]),
        ],
    }
}

fn rolling(plan: &Plan, kubectl: &Kubectl) -> Way {
    let workload = format!("deployment/{}", plan.workload.name);
    Way {
        through: format!("the rolling update of {workload}"),
        words: "The traffic follows the pods, and the pods follow the revision:".to_owned(),
        back: vec![
            kubectl.run(&["rollout", "undo", &workload]),
            kubectl.run(&["rollout", "status", &workload, "--timeout=600s"]),
        ],
        look: vec![kubectl.run(&["rollout", "status", &workload, "--watch=false"])],
    }
}

fn rollout(plan: &Plan, kubectl: &Kubectl) -> Way {
    let name = &plan.workload.name;
    let abort =
        ["patch", "rollout", name, "--subresource=status", "--type=merge", "--patch={\"status\":{\"abort\":true}}"];
    Way {
        through: format!("the controller of rollout {name}"),
        words: "Argo's controller returns the traffic once the rollout is aborted:".to_owned(),
        back: vec![kubectl.run(&abort)],
        look: vec![kubectl.run(&[
            "get",
            "rollout",
            name,
            "--output=jsonpath={.status.phase} {.status.canary.weights}",
        ])],
    }
}

fn inference(plan: &Plan, kubectl: &Kubectl) -> Way {
    let name = &plan.workload.name;
    let patch = json!({"spec": {"predictor": {"canaryTrafficPercent": 0}}});
    Way {
        through: format!("the controller of inferenceservice {name}"),
        words: "KServe gives everybody the revision that was rolled out last:".to_owned(),
        back: vec![kubectl.patch("inferenceservice", name, "merge", &patch)],
        look: vec![kubectl.run(&["get", "inferenceservice", name])],
    }
}

fn flagged(flag: &FlagSpec, kubectl: &Kubectl) -> Way {
    let FlagSpec { key, service, ofrep_url, ofrep_token_env } = flag;
    let (words, back) = match service {
        FlagService::Flagd { config_map, file, on, off } => {
            let words = format!(
                "In the data `{}` of the ConfigMap give the flag's `targeting` to everybody's old variant: \
                 `{{\"fractional\": [[\"{}\", 0], [\"{}\", 100]]}}`.",
                crate::trust::clean(file).replace('`', "'"),
                crate::trust::clean(on).replace('`', "'"),
                crate::trust::clean(off).replace('`', "'"),
            );
            (words, vec![kubectl.run(&["edit", "configmap", config_map])])
        }
        FlagService::Unleash { url, project, environment, token_env } => {
            let parts = [project, "features", key, "environments", environment, "off"].map(encoded);
            let url = format!("{}/api/admin/projects/{}", url.trim_end_matches('/'), parts.join("/"));
            let words = "Switched off in the environment, the flag gives the new version to nobody:".to_owned();
            (
                words,
                vec![format!(
                    "curl --fail --request POST --header \"Authorization: {}\" {}",
                    variable(token_env),
                    quoted(&url)
                )],
            )
        }
        FlagService::Rest { url, pointer, token_env } => {
            let body =
                pointer.split('/').skip(1).collect::<Vec<_>>().into_iter().rev().fold(json!(0), |inner, name| {
                    let mut object = serde_json::Map::new();
                    object.insert(name.replace("~1", "/").replace("~0", "~"), inner);
                    Value::Object(object)
                });
            let header =
                token_env.as_ref().map(|name| format!("--header \"Authorization: Bearer {}\" ", variable(name)));
            let line = format!(
                "curl --fail --request PATCH {}--header 'content-type: application/json' --data {} {}",
                header.unwrap_or_default(),
                quoted(&body.to_string()),
                quoted(url)
            );
            ("The percentage of the new version is set to nothing:".to_owned(), vec![line])
        }
    };
    let look = ofrep_url.as_ref().map(|url| {
        let header =
            ofrep_token_env.as_ref().map(|name| format!("--header \"Authorization: Bearer {}\" ", variable(name)));
        let url = format!("{}/ofrep/v1/evaluate/flags/{}", url.trim_end_matches('/'), encoded(key));
        let context = quoted("{\"context\": {\"targetingKey\": \"a-user\"}}");
        let header = header.unwrap_or_default();
        format!("curl --fail {header}--header 'content-type: application/json' --data {context} {}", quoted(&url))
    });
    Way { through: format!("feature flag {key}"), words, back, look: look.into_iter().collect() }
}
