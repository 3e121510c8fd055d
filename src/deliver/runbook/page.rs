//! The page, section by section: what ends the harm comes first.

use super::queries::queries;
use super::shell::{block, code, command};
use super::traffic::{Kubectl, way};
use super::{Revision, Seen};
use crate::deliver::plan::{Alerts, Plan, Slack, Workload, WorkloadKind};
use crate::deliver::state::{State, Version};
use crate::deliver::strategy;

pub(super) fn page(plan: &Plan, state: Option<&State>, seen: &Seen, file: &str) -> String {
    let kubectl = Kubectl::of(plan);
    let way = way(plan, seen);
    let mut revisions = seen.revisions.clone();
    revisions.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    let mut page = format!("# Runbook: {} in {}\n\n", code(&plan.workload.name), code(plan.workload.namespace()));
    page.push_str("Written by `canary-promote runbook` from what the plan and the cluster said. Write it anew after every change of them.\n\n");
    page.push_str(&glance(plan, state, &way.through));
    page.push_str(
        "## Bring it back now\n\nTraffic first, then the pods, then the model version; safe to run twice:\n\n",
    );
    page.push_str(&block("sh", &[program("rollback", plan, file, &[])]));
    page.push_str("\nThe last line that it prints says where the traffic is. A rollout that is under way is ended by this, whoever runs it.\n\n");
    page.push_str(&format!(
        "## Bring it back without the program\n\n1. The traffic goes through {}. {}\n\n",
        code(&way.through),
        prose(&way.words)
    ));
    page.push_str(&block("sh", &way.back));
    if plan.workload.kind == WorkloadKind::Deployment && plan.traffic.flag.is_none() {
        page.push_str(&undo(plan, state, &revisions, &kubectl));
    }
    page.push_str("\nThen tell the program what was done, so that it does not go on from where it was:\n\n");
    page.push_str(&block("sh", &[program("abort", plan, file, &[])]));
    page.push_str(&versions(plan, state, &revisions, &kubectl, file));
    page.push_str(&verify(plan, &way.look, &kubectl));
    page.push_str(&steer(plan, file));
    page.push_str(&kept(plan, state, &kubectl));
    page.push_str(&told(&plan.alerts));
    page
}

/// A call of the program.
fn program(what: &str, plan: &Plan, file: &str, more: &[&str]) -> String {
    let Workload { name, context, .. } = &plan.workload;
    let mut words = vec!["canary-promote", what];
    words.extend(more);
    // The names too: at night nobody has the file at hand, and another context would be another cluster.
    words.extend(["--rollout", file, "--workload", name, "--namespace", plan.workload.namespace()]);
    if let Some(context) = context {
        words.extend(["--context", context]);
    }
    command(&words)
}

/// Our own words with names in backticks, kept from being anything else.
fn prose(text: &str) -> String {
    let parts: Vec<String> = text
        .split('`')
        .enumerate()
        .map(|(at, part)| if at % 2 == 1 { code(part) } else { part.replace(['<', '>', '@', '[', '|'], " ") })
        .collect();
    parts.concat()
}

fn words_of(version: &Version) -> String {
    let image = version.image.as_deref().map_or_else(|| "an image that is not known".to_owned(), code);
    let model = version.model.as_deref().map(|model| format!(", model {}", code(model)));
    let revision = version.revision.as_deref().map(|revision| format!(", revision {}", code(revision)));
    format!("{image}{}{}", model.unwrap_or_default(), revision.unwrap_or_default())
}

fn glance(plan: &Plan, state: Option<&State>, through: &str) -> String {
    let workload = &plan.workload;
    let kind = match workload.kind {
        WorkloadKind::Deployment => "Deployment",
        WorkloadKind::Rollout => "Rollout (Argo)",
        WorkloadKind::InferenceService => "InferenceService (KServe)",
    };
    let mut rows = vec![
        ("workload", format!("{kind} {}", code(&workload.name))),
        ("namespace", code(workload.namespace())),
        ("service", code(workload.service())),
        ("traffic goes through", code(through)),
        ("state", format!("ConfigMap {}", code(&kept_in(plan)))),
        ("lock", format!("Lease {}", code(&kept_in(plan)))),
    ];
    if let Some(context) = &workload.context {
        rows.insert(2, ("context", code(context)));
    }
    match state {
        Some(state) => {
            rows.push(("rollout", code(&state.id)));
            rows.push(("old version", words_of(&state.old)));
            rows.push(("new version", words_of(&state.new)));
            let stage = serde_json::to_string(&state.stage).unwrap_or_default();
            rows.push(("stage when this was written", code(stage.trim_matches('"'))));
            let share = format!("{} % on the new version", state.split.canary.get());
            rows.push(("traffic when this was written", share));
            if let Some(url) = &state.owner.url {
                rows.push(("run", code(url)));
            }
        }
        None => rows.push(("rollout", "none was found".to_owned())),
    }
    let rows: String = rows.iter().map(|(name, value)| format!("| {name} | {value} |\n")).collect();
    format!("| what | value |\n|---|---|\n{rows}\n")
}

/// The name of state and lock.
fn kept_in(plan: &Plan) -> String {
    format!("llmci-{}", plan.workload.name)
}

/// The revision that was there before. During a rollout only the state can tell: the newest revision of the workload may be the
/// old version, since the new one runs beside it. Without a rollout it is the one before the newest.
fn before(state: Option<&State>, revisions: &[Revision]) -> Option<u64> {
    match state {
        Some(state) => {
            let said = state.old.revision.as_ref().and_then(|number| number.parse().ok());
            said.filter(|said| revisions.iter().any(|revision| revision.number == *said))
        }
        None => revisions.get(1).map(|revision| revision.number),
    }
}

/// The second step: the workload.
fn undo(plan: &Plan, state: Option<&State>, revisions: &[Revision], kubectl: &Kubectl) -> String {
    let workload = format!("deployment/{}", plan.workload.name);
    let number = before(state, revisions);
    let newest = revisions.first().map(|revision| revision.number);
    let undo = match (number, state) {
        (Some(number), _) if Some(number) == newest => {
            return format!(
                "\n2. The workload itself still runs the old version (revision {number}): nothing of it is to be undone.\n"
            );
        }
        (Some(number), _) => kubectl.run(&["rollout", "undo", &workload, &format!("--to-revision={number}")]),
        (None, Some(_)) => kubectl.run(&["rollout", "undo", &workload, "--to-revision=REVISION"]),
        (None, None) => kubectl.run(&["rollout", "undo", &workload]),
    };
    let lines = [undo, kubectl.run(&["rollout", "status", &workload, "--timeout=600s"])];
    format!(
        "\n2. See that the traffic is at stable (below), and only then undo the workload, if it runs the new version already:\n\n{}",
        block("sh", &lines)
    )
}

fn versions(plan: &Plan, state: Option<&State>, revisions: &[Revision], kubectl: &Kubectl, file: &str) -> String {
    let mut text = "\n## To a certain version\n\n".to_owned();
    let number = before(state, revisions);
    if revisions.is_empty() {
        text.push_str("No revision was found in the cluster when this was written.\n\n");
    } else {
        text.push_str("| revision | image | model | made | pods |\n|---|---|---|---|---|\n");
        for revision in revisions {
            let Revision { number, image, model, made, replicas } = revision;
            let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "-".to_owned(), code);
            let (image, model, made) = (shown(image), shown(model), shown(made));
            text.push_str(&format!("| {number} | {image} | {model} | {made} | {replicas} |\n"));
        }
        text.push('\n');
    }
    let wanted = number.map_or_else(|| "REVISION".to_owned(), |number| number.to_string());
    text.push_str(&block("sh", &[program("rollback", plan, file, &["--to-revision", &wanted])]));
    let name = &plan.workload.name;
    match plan.workload.kind {
        WorkloadKind::Deployment => {
            text.push_str("\nor, without the program:\n\n");
            let undo = ["rollout", "undo", &format!("deployment/{name}"), &format!("--to-revision={wanted}")];
            text.push_str(&block("sh", &[kubectl.run(&undo)]));
        }
        WorkloadKind::Rollout => {
            text.push_str("\nor, with Argo's plugin of kubectl:\n\n");
            let undo = ["argo", "rollouts", "undo", name, &format!("--to-revision={wanted}")];
            text.push_str(&block("sh", &[kubectl.run(&undo)]));
        }
        WorkloadKind::InferenceService => {}
    }
    text.push_str(&model(plan, state, kubectl));
    text
}

fn model(plan: &Plan, state: Option<&State>, kubectl: &Kubectl) -> String {
    let Some(model) = &plan.change.model else { return String::new() };
    let old = state.and_then(|state| state.old.model.as_deref()).unwrap_or("OLD_VERSION");
    let name = &plan.workload.name;
    let line = match plan.workload.kind {
        WorkloadKind::Deployment => {
            let container = plan.workload.container.as_ref().map(|container| format!("--containers={container}"));
            let (workload, value) = (format!("deployment/{name}"), format!("{}={old}", model.env));
            let mut words = vec!["set", "env", &workload, &value];
            words.extend(container.as_deref());
            kubectl.run(&words)
        }
        WorkloadKind::Rollout => kubectl.run(&["edit", "rollout", name]),
        WorkloadKind::InferenceService => {
            let patch = serde_json::json!({"spec": {"predictor": {"model": {"storageUri": old}}}});
            kubectl.patch("inferenceservice", name, "merge", &patch)
        }
    };
    format!("\n### Only the model's version\n\n{}", block("sh", &[line]))
}

fn verify(plan: &Plan, look: &[String], kubectl: &Kubectl) -> String {
    let mut text = "\n## See that it is so\n\nWhere the traffic is:\n\n".to_owned();
    if look.is_empty() {
        text.push_str("Look at the flag in its own service: no evaluation is named in the plan.\n");
    } else {
        text.push_str(&block("sh", look));
    }
    let canary = format!("llmci.dev/rollout={}", plan.workload.name);
    text.push_str("\nWhether the pods are well, and what happened last:\n\n");
    text.push_str(&block(
        "sh",
        &[
            kubectl.run(&["get", "pods", &format!("--selector={canary}"), "--output=wide"]),
            kubectl.run(&["get", "events", "--sort-by=.lastTimestamp"]),
        ],
    ));
    let (lines, presets) = queries(plan);
    if !lines.is_empty() {
        text.push_str("\nThe plan's own rules, asked by hand (put `stable` for `canary` to compare):\n\n");
        text.push_str(&block("sh", &lines));
    }
    if !presets.is_empty() {
        let presets: Vec<String> = presets.iter().map(|preset| code(preset)).collect();
        text.push_str(&format!(
            "\nMeasured by presets, with the queries that docs/how-to/rollout-metrics.md lists: {}.\n",
            presets.join(", ")
        ));
    }
    text
}

fn steer(plan: &Plan, file: &str) -> String {
    let stages: Vec<String> = strategy::way(plan).into_iter().map(|stage| stage_words(plan, stage)).collect();
    let lines =
        [("status", ""), ("pause", ""), ("resume", ""), ("abort", "")].map(|(what, _)| program(what, plan, file, &[]));
    let mut lines = lines.to_vec();
    lines.push(program("resume", plan, file, &["--or-rollback"]));
    format!(
        "\n## Steer a rollout that is under way\n\nIt goes: {}.\n\n{}\nThe last line goes on where an earlier job was killed; past the deadline it returns the traffic instead.\n",
        stages.join(", "),
        block("sh", &lines)
    )
}

fn stage_words(plan: &Plan, stage: crate::deliver::Stage) -> String {
    use crate::deliver::{Ending, Stage};
    match stage {
        Stage::Prepare => "made ready".to_owned(),
        Stage::Step(number) => {
            format!("step {} ({} %)", u32::from(number) + 1, strategy::exposure(plan, stage).get())
        }
        Stage::Promote => "promoted".to_owned(),
        Stage::Keep => "the old version kept beside".to_owned(),
        Stage::Clean => "cleaned up".to_owned(),
        Stage::Return => "traffic returned".to_owned(),
        Stage::Undo => "undone".to_owned(),
        Stage::Done(Ending::Promoted) => "done".to_owned(),
        Stage::Done(Ending::RolledBack) => "rolled back".to_owned(),
    }
}

fn kept(plan: &Plan, state: Option<&State>, kubectl: &Kubectl) -> String {
    let name = kept_in(plan);
    let lines = [
        kubectl.run(&["get", "configmap", &name, "--output=jsonpath={.data.state}"]),
        kubectl.run(&["get", "lease", &name, "--output=yaml"]),
    ];
    let holder = state.map(|state| format!(" It was begun by {}.", code(&state.owner.run))).unwrap_or_default();
    format!(
        "\n## State and lock\n\nThe state is JSON: `stage`, `reached`, `split` and `why` say where it is; `history` how it got there.{holder}\n\n{}\nThe lock ends by itself {} s after its holder's last sign. Do not delete the state of a rollout that is under way: without it nobody knows what to undo.\n",
        block("sh", &lines),
        plan.patience.lock_seconds
    )
}

fn told(alerts: &Alerts) -> String {
    let Alerts { slack, pagerduty, webhooks, environment } = alerts;
    let mut lines: Vec<String> = slack
        .iter()
        .map(|slack| match slack {
            Slack::WebHook { url_env } => format!("Slack, by the web hook in {}: everything", code(url_env)),
            Slack::App { channel, .. } => format!("Slack channel {}: everything", code(channel)),
        })
        .collect();
    lines.extend(pagerduty.iter().map(|one| {
        format!("PagerDuty, by the key in {}: a rollout that failed or was rolled back", code(&one.routing_key_env))
    }));
    lines.extend(webhooks.iter().map(|one| format!("the web hook in {}: everything", code(&one.url_env))));
    lines.extend(
        environment.iter().map(|one| format!("deployments of the environment {} at the code's host", code(one))),
    );
    let who = if lines.is_empty() {
        "Nobody is told by the program.\n".to_owned()
    } else {
        lines.iter().map(|line| format!("- {line}\n")).collect()
    };
    format!("\n## Who is told\n\n{who}\n")
}
