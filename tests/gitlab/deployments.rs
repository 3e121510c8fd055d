//! Deployments: made once, gone on with, and a warning where they cannot be shown.

use llmci::host::{Deployments, Going};

use super::SHA;
use super::server::{Fault, GitLab, TOKEN};

/// What the facade of deployments is told by a job's variables.
fn deploying(gitlab: &GitLab, token: &str) -> impl Fn(&str) -> Option<String> {
    let set = [
        ("GITLAB_CI", "true".to_owned()),
        ("CI_API_V4_URL", gitlab.base()),
        ("CI_PROJECT_ID", "12".to_owned()),
        ("CI_COMMIT_SHA", SHA.to_owned()),
        ("CI_COMMIT_REF_NAME", "main".to_owned()),
        ("LLMCI_GITLAB_TOKEN", token.to_owned()),
    ];
    move |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
}

#[test]
fn a_deployment_is_made_once_and_a_later_process_goes_on_with_it() {
    let gitlab = GitLab::start();
    let variable = deploying(&gitlab, TOKEN);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut first, warnings) = Deployments::open(&variable, "production", "rollout-1", None).await;
        assert!(warnings.is_empty(), "{warnings:?}");
        for share in ["10 %", "25 %"] {
            assert!(first.say(Going::InProgress, share).await.is_empty());
        }
        let note = first.note();
        assert_eq!(note.as_deref(), Some("gitlab:41"));
        let (mut second, _) = Deployments::open(&variable, "production", "rollout-1", note.as_deref()).await;
        assert!(second.say(Going::Success, "everybody").await.is_empty());
        assert!(second.say(Going::Success, "everybody").await.is_empty(), "said twice it is said once");
        let (mut third, _) = Deployments::open(&variable, "production", "rollout-2", None).await;
        assert!(third.say(Going::Failure, "rolled back").await.is_empty());
    });
    let state = gitlab.state.lock().unwrap();
    assert!(state.wrong.is_empty(), "{:?}", state.wrong);
    let states: Vec<&[String]> = state.deployments.iter().map(|(_, states)| states.as_slice()).collect();
    assert_eq!(states, [["running", "success"], ["running", "failed"]]);
    let fields = &state.deployments[0].0;
    assert_eq!(
        (fields["environment"].as_str(), fields["ref"].as_str(), fields["sha"].as_str()),
        ("production", "main", SHA)
    );
    assert_eq!(fields["tag"], "false");
}

#[test]
fn a_deployment_that_cannot_be_shown_is_one_warning_with_what_to_do() {
    let gitlab = GitLab::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let wrong = deploying(&gitlab, "glpat-of-nobody-000000");
        let (mut shown, warnings) = Deployments::open(&wrong, "production", "rollout-1", None).await;
        assert_eq!(warnings.len(), 1);
        let text = warnings[0].raw();
        assert!(
            text.contains("role Developer") && text.contains("rollout is not changed") && !text.contains("glpat"),
            "{text}"
        );
        assert!(shown.say(Going::Success, "x").await.is_empty() && shown.note().is_none(), "said once");
        let variable = deploying(&gitlab, TOKEN);
        let (mut shown, _) = Deployments::open(&variable, "production", "rollout-2", None).await;
        let down = "{\"message\":\"403 Forbidden\"}";
        for _ in 0..2 {
            gitlab.state.lock().unwrap().faults.push(("PUT", Fault::Status(403, "", down)));
        }
        let said = [shown.say(Going::Success, "x").await.len(), shown.say(Going::Success, "x").await.len()];
        assert_eq!(said, [1, 0]);
        let nowhere = |_: &str| None;
        let (mut shown, warnings) = Deployments::open(&nowhere, "production", "rollout-3", None).await;
        assert!(warnings.is_empty() && shown.say(Going::Success, "x").await.is_empty(), "a terminal shows nothing");
    });
}
