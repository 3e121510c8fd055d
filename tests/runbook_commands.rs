//! Every command of the program that a runbook prints is one that the program takes.

mod support;

use llmci::deliver::plan::Plan;
use llmci::deliver::runbook::{Seen, runbook};
use support::{code, text};

#[test]
fn the_program_takes_every_command_of_a_runbook() {
    let plan: Plan = serde_json::from_value(serde_json::json!({
        "version": 1, "workload": {"name": "llm", "namespace": "prod", "context": "a-context"},
        "change": {"image": "r:2"}, "traffic": {"istio": {"virtual_service": "llm"}},
    }))
    .unwrap();
    let page = runbook(&plan, None, &Seen::default(), "rollout.yaml");
    let page = page.replace("REVISION", "3");
    let commands: Vec<&str> = page.lines().filter(|line| line.starts_with("canary-promote ")).collect();
    assert!(commands.len() >= 5, "{page}");
    let folder = tempfile::tempdir().unwrap();
    for command in commands {
        let words = command.split_whitespace().skip(1).map(|word| word.trim_matches('\''));
        let output = support::canary_promote(folder.path())
            .args(words)
            .env("KUBECONFIG", folder.path().join("none"))
            .output()
            .unwrap();
        // 4: there is no way to the cluster. 2 would be a command that nobody takes.
        assert_eq!(code(&output), 4, "{command}: {}", text(&output));
    }
}
