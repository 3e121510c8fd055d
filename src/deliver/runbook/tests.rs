//! A page for each router, as a snapshot; and what no page may do, whatever the names are.

use serde_json::{Value, json};

use super::{Revision, Seen, runbook};
use crate::deliver::plan::Plan;

fn plan(more: &Value) -> Plan {
    let mut plan = json!({
        "version": 1,
        "workload": {"name": "llm", "namespace": "prod", "service": "llm-web", "container": "server"},
        "change": {"image": "registry.example/llm@sha256:4567", "model": {"value": "v2"}},
        "alerts": {
            "slack": [{"app": {"token_env": "SLACK_TOKEN", "channel": "#releases"}}],
            "pagerduty": [{"routing_key_env": "PAGERDUTY_KEY"}],
            "webhooks": [{"url_env": "HOOK_URL"}],
            "environment": "production",
        },
        "analysis": {"prometheus": {"url": "http://prometheus:9090"}, "presets": ["istio"], "rates": [{
            "name": "error rate", "bad": "sum(increase(errors{pod=~\"{pods}\"}[{window}]))",
            "all": "sum(increase(requests{pod=~\"{pods}\"}[{window}]))", "max": 0.01}]},
    });
    if let (Some(plan), Some(more)) = (plan.as_object_mut(), more.as_object()) {
        plan.extend(more.clone());
    }
    serde_json::from_value(plan).unwrap()
}

fn revision(number: u64, image: &str, model: &str, replicas: u64) -> Revision {
    Revision {
        number,
        image: Some(image.to_owned()),
        model: Some(model.to_owned()),
        made: Some(format!("2026-11-{number:02}T09:00:00Z")),
        replicas,
    }
}

fn seen(router: Value) -> Seen {
    Seen {
        workload: Some(json!({"spec": {"template": {"metadata": {"labels": {"app": "llm", "tier": "web"}}}}})),
        revisions: vec![
            revision(6, "registry.example/llm@sha256:0123", "v1", 0),
            revision(7, "registry.example/llm@sha256:4567", "v1", 4),
        ],
        service: Some(json!({"spec": {"selector": {"tier": "web", "app": "llm-green"}}})),
        router: Some(router),
    }
}

fn istio() -> Value {
    json!({"spec": {"http": [
        {"name": "other", "route": [{"destination": {"host": "someone-else"}}]},
        {"name": "llm", "mirror": {"host": "llm-canary"}, "mirrorPercentage": {"value": 10}, "route": [
            {"destination": {"host": "llm-canary.prod.svc.cluster.local"}, "weight": 25},
            {"destination": {"host": "llm-web"}, "weight": 75}]},
    ]}})
}

fn gateway() -> Value {
    json!({"spec": {"rules": [{"backendRefs": [{"name": "llm-web", "port": 80, "weight": 75},
        {"name": "llm-canary", "port": 80, "weight": 25}],
        "filters": [{"type": "RequestHeaderModifier"}, {"type": "RequestMirror"}, {"type": "RequestMirror"}]}]}})
}

#[test]
fn each_router_has_its_page() {
    let unleash = json!({"unleash": {"url": "https://unleash.example", "environment": "production", "token_env": "UNLEASH_TOKEN"}});
    let pages = [
        ("istio", json!({"traffic": {"istio": {"virtual_service": "llm"}}}), istio()),
        ("gateway", json!({"traffic": {"gateway": {"http_route": "llm"}}}), gateway()),
        ("nginx", json!({"traffic": {"nginx": {"ingress": "llm"}}}), Value::Null),
        ("replicas", json!({}), Value::Null),
        ("blue-green", json!({"strategy": "blue-green"}), Value::Null),
        ("rolling", json!({"strategy": "rolling"}), Value::Null),
        (
            "flag",
            json!({"strategy": "feature-flag", "traffic": {"flag": {"key": "new-model", "service": unleash, "ofrep_url": "https://flags.example"}}}),
            Value::Null,
        ),
        ("rollout", json!({"workload": {"kind": "Rollout", "name": "llm", "namespace": "prod"}}), Value::Null),
        (
            "inference-service",
            json!({"workload": {"kind": "InferenceService", "name": "llm", "namespace": "prod"}}),
            Value::Null,
        ),
    ];
    for (name, more, router) in pages {
        insta::assert_snapshot!(name, runbook(&plan(&more), None, &seen(router), "rollout.yaml"));
    }
}

/// The commands that a page has: the lines of its blocks.
fn commands(page: &str) -> Vec<String> {
    let mut fence: Option<String> = None;
    let mut lines = Vec::new();
    for line in page.lines() {
        let ticks: String = line.chars().take_while(|letter| *letter == '`').collect();
        match &fence {
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => {}
            Some(open) if line == open => fence = None,
            Some(_) => lines.push(line.to_owned()),
        }
    }
    assert_eq!(fence, None, "a block stays open: {page}");
    lines
}

#[test]
fn no_name_becomes_a_command_of_its_own_or_markdown() {
    for hostile in [
        "x'; touch PWNED; '",
        "$(touch PWNED)",
        "`touch PWNED`",
        "```\nrm\n```",
        "a\n# b",
        "</code><b>|@team",
        "\u{202e}x",
    ] {
        let mut plan = plan(&json!({"traffic": {"istio": {"virtual_service": hostile}}}));
        plan.workload.name = hostile.to_owned();
        plan.workload.service = Some(hostile.to_owned());
        plan.workload.context = Some(hostile.to_owned());
        plan.change.model.as_mut().unwrap().env = hostile.to_owned();
        plan.analysis.prometheus.as_mut().unwrap().token_env = Some(hostile.to_owned());
        for rule in &mut plan.analysis.rates {
            rule.name = hostile.to_owned();
            rule.bad = Some(hostile.to_owned());
        }
        let router = json!({"spec": {"http": [{"mirror": {}, "route": [{"destination": {"host": hostile}}]}]}});
        let mut seen = seen(router);
        seen.revisions = vec![revision(1, hostile, hostile, 1), revision(2, hostile, hostile, 1)];
        let page = runbook(&plan, None, &seen, hostile);
        // Every command is run by a shell whose programs only say that they were called.
        let lines = commands(&page).join("\n");
        let folder = tempfile::tempdir().unwrap();
        let script =
            format!("kubectl() {{ :; }}\ncurl() {{ :; }}\ncanary() {{ :; }}\nalias canary-promote=:\n{lines}\n");
        let output = std::process::Command::new("bash")
            .args(["-O", "expand_aliases", "-c", &script])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(errors.is_empty(), "{hostile:?}: {errors}\n{lines}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{hostile:?} ran");
        let outside =
            page.lines().filter(|line| line.starts_with('|') || line.starts_with('#') && !lines.contains(*line));
        for line in outside {
            assert!(!line.contains("<b>") && !line.contains("@team") && !line.contains('\u{202e}'), "{line}");
        }
    }
}

#[test]
fn a_page_without_a_cluster_still_says_what_to_do() {
    let page = runbook(
        &plan(&json!({"traffic": {"istio": {"virtual_service": "llm"}}})),
        None,
        &Seen::default(),
        "rollout.yaml",
    );
    assert!(page.contains("kubectl --namespace=prod edit virtualservice llm"), "{page}");
    assert!(page.contains("rollout undo deployment/llm\n"), "{page}");
}

#[test]
fn during_a_rollout_only_the_state_says_what_is_undone() {
    let plan = plan(&json!({}));
    let state = |revision: Value| -> crate::deliver::state::State {
        serde_json::from_value(json!({
            "schema": 1, "id": "llm-1", "plan": plan, "owner": {"run": "a|b", "url": null}, "stage": {"step": 1},
            "reached": "confirmed", "wish": "proceed", "old": {"revision": revision, "model": "v1"}, "new": {"model": "v2"},
            "replicas": 4, "split": {"canary": 25, "mirror": 0}, "began": 0, "since": 0, "announced": 0, "deadline": 0,
            "no_data_since": null, "flaps": 0, "evidence": crate::deliver::analysis::Evidence::default(), "why": "", "history": [],
            "marks": {}, "notes": {},
        }))
        .unwrap()
    };
    let page = |state: Option<&crate::deliver::state::State>| runbook(&plan, state, &seen(Value::Null), "rollout.yaml");
    // The canary runs beside: the newest revision of the workload is the old version.
    let during = page(Some(&state(json!("7"))));
    assert!(during.contains("nothing of it is to be undone") && during.contains("--to-revision=7"), "{during}");
    assert!(!during.contains("--to-revision=6") && during.contains("MODEL_VERSION=v1"), "{during}");
    let promoted = page(Some(&state(json!("6"))));
    assert!(promoted.contains("rollout undo deployment/llm --to-revision=6"), "{promoted}");
    let unknown = page(Some(&state(Value::Null)));
    assert!(unknown.contains("--to-revision=REVISION") && !unknown.contains("--to-revision=6"), "{unknown}");
    assert!(page(None).contains("--to-revision=6"));
}
