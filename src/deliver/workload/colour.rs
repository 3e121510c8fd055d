//! Which Deployment has the users when a rollout begins, and what the other one is called; and which autoscaler owns a
//! workload's replicas.

use serde_json::Value;

use super::super::Trouble;
use super::super::plan::Plan;
use super::{Layout, Names, layout, misfit, text};

/// The names of a rollout that begins. For blue-green, the live colour is the one of `NAME`, `NAME-green` and `NAME-blue`
/// whose pods the Service selects, and that has replicas.
pub fn names_at_begin(plan: &Plan, service: &Value, deployments: &[Value]) -> Result<Names, Trouble> {
    let mut names = Names::of(plan);
    if layout(plan) != Layout::Colours {
        return Ok(names);
    }
    let colour = |track: &str| format!("{}-{track}", names.rollout);
    let (green, blue) = (colour("green"), colour("blue"));
    let selector = service.pointer("/spec/selector").and_then(Value::as_object).cloned().unwrap_or_default();
    let selects = |deployment: &Value| {
        let labels = deployment.pointer("/spec/template/metadata/labels");
        !selector.is_empty() && selector.iter().all(|(key, value)| labels.and_then(|all| all.get(key)) == Some(value))
    };
    let ours = |name: &str| name == names.rollout || name == green || name == blue;
    let live: Vec<&str> = deployments
        .iter()
        .filter(|deployment| selects(deployment))
        .filter_map(|deployment| text(deployment, "/metadata/name"))
        .filter(|name| ours(name))
        .collect();
    let live = match live.as_slice() {
        [one] => (*one).to_owned(),
        [] => {
            return Err(misfit(format!(
                "the Service `{}` selects none of the Deployments `{}`, `{green}` and `{blue}`",
                names.service, names.rollout
            )));
        }
        several => {
            return Err(misfit(format!(
                "the Service `{}` selects several Deployments ({}): blue-green needs a label by which it selects one",
                names.service,
                several.join(", ")
            )));
        }
    };
    let track = if live == green { "blue" } else { "green" };
    names.canary = colour(track);
    names.canary_service = names.canary.clone();
    names.track = track.to_owned();
    names.stable = live;
    Ok(names)
}

/// The autoscaler that owns the replicas of a workload.
pub fn scaled_by<'a>(autoscalers: &'a [Value], kind: &str, name: &str) -> Option<&'a str> {
    let owns = |one: &&Value| {
        text(one, "/spec/scaleTargetRef/kind") == Some(kind) && text(one, "/spec/scaleTargetRef/name") == Some(name)
    };
    autoscalers.iter().find(owns).and_then(|one| text(one, "/metadata/name"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan() -> Plan {
        serde_json::from_value(json!({"version": 1, "workload": {"name": "llm"}, "change": {"image": "r:2"},
            "strategy": "blue-green"}))
        .unwrap()
    }

    fn deployment(name: &str, app: &str) -> Value {
        json!({"metadata": {"name": name}, "spec": {"template": {"metadata": {"labels": {"app": app}}}}})
    }

    #[test]
    fn the_live_colour_is_the_one_that_the_service_selects() {
        let all = [deployment("llm", "llm"), deployment("llm-green", "llm-green"), deployment("llm-blue", "llm-blue")];
        for (selected, stable, canary) in
            [("llm", "llm", "llm-green"), ("llm-green", "llm-green", "llm-blue"), ("llm-blue", "llm-blue", "llm-green")]
        {
            let names = names_at_begin(&plan(), &json!({"spec": {"selector": {"app": selected}}}), &all).unwrap();
            assert_eq!([names.stable.as_str(), names.canary.as_str()], [stable, canary]);
        }
    }

    #[test]
    fn no_colour_or_two_are_refused() {
        let two = [deployment("llm", "llm"), deployment("llm-green", "llm")];
        for (selector, all) in
            [(json!({"app": "llm"}), &two[..]), (json!({"app": "x"}), &two[..]), (json!({}), &two[..1])]
        {
            let refused = names_at_begin(&plan(), &json!({"spec": {"selector": selector}}), all);
            assert!(matches!(refused, Err(Trouble::Plan(_))));
        }
    }

    #[test]
    fn an_autoscaler_is_found_by_its_target() {
        let one = |name: &str, target: &str| json!({"metadata": {"name": name}, "spec": {"scaleTargetRef": {"kind": "Deployment", "name": target}}});
        let all = [one("a", "other"), one("b", "llm")];
        assert_eq!(scaled_by(&all, "Deployment", "llm"), Some("b"));
        assert_eq!(scaled_by(&all, "StatefulSet", "llm"), None);
    }
}
