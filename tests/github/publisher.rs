//! The publisher in this process, with a clock that is moved by hand.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use llmci::gate::Verdict;
use llmci::host::github::{
    Access, Api, Audience, Clock, DeploymentState, NewDeployment, Origin, Publisher, Run, deploy, set_deployment_status,
};
use llmci::host::settings::{Mode, PublishArgs, When};
use llmci::host::sticky::RunNumber;
use llmci::host::{Conclusion, Deployments, Going, Published};
use llmci::report::{Report, Sink};
use llmci::trust::{Secret, Untrusted};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::flows::{SHA, checkout};
use super::server::{Fault, github};
use super::support::eval_gate;

/// A report of a run that failed, and the checkout that it lies in.
pub fn failed() -> &'static (tempfile::TempDir, Report) {
    static MADE: OnceLock<(tempfile::TempDir, Report)> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = checkout("unused", "three", false);
        eval_gate(folder.path()).output().unwrap();
        let text = std::fs::read(folder.path().join("llmci-out/report.json")).unwrap();
        let mut report: Report = serde_json::from_slice(&text).unwrap();
        for sample in &mut report.failed_samples {
            sample.path = Untrusted::new(folder.path().join("suite.yaml").display().to_string());
        }
        (folder, report)
    })
}

pub fn run(name: &str, number: u64, args: PublishArgs) -> Run {
    Run {
        program: "eval-gate",
        args,
        base: github().judged.clone(),
        graphql: None,
        repository: format!("octo-org/{name}"),
        token: Secret::new("ghs_a-token-of-the-tests"),
        number: 7,
        sha: SHA.to_owned(),
        run: RunNumber { run: number, attempt: 1 },
        job: "job".to_owned(),
        url: None,
        origin: Origin::Own,
        clock: || "2026-01-02T03:04:05Z".to_owned(),
    }
}

/// Publishes a report, and gives what was waited.
pub fn publish(run: Run, report: &Report) -> (Published, Duration) {
    publish_through(run, report, &Sink::default())
}

/// The same, through a sink that knows secrets.
pub fn publish_through(run: Run, report: &Report, sink: &Sink) -> (Published, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let clock = Clock::by_hand();
    let workspace: &Path = failed().0.path();
    let published = runtime.block_on(async {
        let mut publisher = Publisher::new(run, clock.clone(), CancellationToken::new()).unwrap();
        let mut warnings = publisher.open().await;
        let mut published = publisher.publish(report, Conclusion::Failure, sink, workspace).await;
        published.warnings.append(&mut warnings);
        published
    });
    (published, clock.now())
}

pub fn words(published: &Published) -> Vec<&str> {
    published.warnings.iter().map(Untrusted::raw).collect()
}

#[test]
fn annotations_go_out_in_batches_of_fifty_and_writes_a_second_apart() {
    let name = "annotations";
    let mut report = failed().1.clone();
    let sample = report.failed_samples[0].clone();
    report.failed_samples = vec![sample; 250];
    let (published, waited) = publish(run(name, 10, PublishArgs::default()), &report);
    assert!(published.annotated && published.warnings.is_empty(), "{:?}", words(&published));
    github().with(name, |repository| {
        assert_eq!(repository.annotations.len(), 250);
        let sizes: Vec<usize> = repository
            .asked
            .iter()
            .filter(|asked| asked.method == "PATCH" && asked.path.contains("check-runs"))
            .map(|asked| asked.body["output"]["annotations"].as_array().unwrap().len())
            .collect();
        assert_eq!(sizes, [50; 5]);
        assert_eq!(repository.comments.len(), 1);
    });
    // One to open, five to close, one comment: six seconds between seven writes.
    assert_eq!(waited, Duration::from_secs(6));
    assert_eq!(github().violations(name), Vec::<String>::new());
}

#[test]
fn a_run_that_is_stopped_while_it_publishes_still_tells_its_verdict() {
    let name = "stopped";
    let stop = CancellationToken::new();
    let (inner, asked) = (stop.clone(), std::sync::atomic::AtomicUsize::new(0));
    github().with(name, |repository| {
        repository.faults = Some(Box::new(move |request| {
            let closing = request.method == "PATCH" && request.path.contains("check-runs");
            if closing && asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                inner.cancel();
                return Some(Fault::LoseAnswer);
            }
            None
        }));
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let warnings = runtime.block_on(async {
        let mut publisher = Publisher::new(run(name, 10, PublishArgs::default()), Clock::by_hand(), stop).unwrap();
        publisher.open().await;
        let workspace = failed().0.path();
        publisher.publish(&failed().1, Conclusion::Failure, &Sink::default(), workspace).await.warnings.len()
    });
    github().with(name, |repository| {
        assert_eq!(repository.checks[0]["conclusion"], "failure");
        assert!(repository.comments.is_empty() && warnings == 0);
    });
}

#[test]
fn the_same_result_is_not_sent_again_and_a_newer_run_is_not_overwritten() {
    let name = "again";
    let args = || PublishArgs { check: false, ..PublishArgs::default() };
    let report = &failed().1;
    publish(run(name, 10, args()), report);
    publish(run(name, 11, args()), report);
    let writes = |name: &str| {
        github().with(name, |repository| repository.asked.iter().filter(|asked| asked.method != "GET").count())
    };
    assert_eq!(writes(name), 1);
    let mut other = report.clone();
    other.seed += 1;
    publish(run(name, 12, args()), &other);
    assert_eq!(writes(name), 2);
    let (published, _) = publish(run(name, 11, args()), report);
    assert!(words(&published)[0].contains("the one of the newer run 12.1 stays"), "{:?}", words(&published));
    assert_eq!(writes(name), 2);
    assert_eq!(github().violations(name), Vec::<String>::new());
}

#[test]
fn recreate_deletes_and_hide_previous_folds_after_the_new_comment_is_there() {
    for (name, mode, left, hidden) in [("recreate", Mode::Recreate, 1, 0), ("hide", Mode::HidePrevious, 2, 1)] {
        let args = || PublishArgs { check: false, comment_mode: mode, ..PublishArgs::default() };
        let mut report = failed().1.clone();
        publish(run(name, 10, args()), &report);
        report.seed += 1;
        let (published, _) = publish(run(name, 11, args()), &report);
        assert!(published.warnings.is_empty(), "{:?}", words(&published));
        github().with(name, |repository| {
            assert_eq!((repository.comments.len(), repository.hidden.len()), (left, hidden), "{name}");
            assert!(repository.comments[left - 1]["body"].as_str().unwrap().contains(" run=11.1 "));
            let order: Vec<&str> =
                repository.asked.iter().map(|asked| asked.method.as_str()).filter(|method| *method != "GET").collect();
            assert_eq!(order[..2], ["POST", "POST"], "{name}");
        });
        assert_eq!(github().violations(name), Vec::<String>::new());
    }
}

#[test]
fn a_comment_is_written_when_it_is_wanted() {
    let mut quiet = failed().1.clone();
    quiet.verdict = Verdict::Pass;
    for (name, when, passed, after_failure) in [
        ("when-always", When::Always, 1, 1),
        ("when-on-change", When::OnChange, 0, 1),
        ("when-on-failure", When::OnFailure, 0, 1),
        ("when-never", When::Never, 0, 0),
    ] {
        let args = || PublishArgs { check: false, comment: when, ..PublishArgs::default() };
        let comments = || github().with(name, |repository| repository.comments.len());
        publish(run(name, 10, args()), &quiet);
        assert_eq!(comments(), passed, "{name}");
        publish(run(name, 11, args()), &failed().1);
        assert_eq!(comments(), after_failure, "{name}");
    }
}

#[test]
fn programs_share_a_comment_where_that_is_wanted() {
    let name = "shared";
    let args = || PublishArgs { check: false, shared_comment: true, ..PublishArgs::default() };
    publish(run(name, 10, args()), &failed().1);
    let mut other = failed().1.clone();
    other.program = "regression-check".to_owned();
    publish(Run { program: "regression-check", ..run(name, 10, args()) }, &other);
    github().with(name, |repository| {
        assert_eq!(repository.comments.len(), 1);
        let body = repository.comments[0]["body"].as_str().unwrap();
        assert!(body.contains("### ❌ eval-gate") && body.contains("### ❌ regression-check"), "{body}");
        assert!(body.trim_end().lines().last().unwrap().contains("action=shared id=default"), "{body}");
    });
    assert_eq!(github().violations(name), Vec::<String>::new());
}

#[test]
fn a_shared_comment_that_another_program_overwrites_at_the_same_moment_gets_both_sections() {
    let name = "shared-race";
    let args = || PublishArgs { check: false, shared_comment: true, ..PublishArgs::default() };
    publish(run(name, 10, args()), &failed().1);
    let first = github().with(name, |repository| repository.comments[0].clone());
    let mut other = failed().1.clone();
    other.program = "regression-check".to_owned();
    // Once the other program has written, the first one, which had read before, writes over it.
    let mut writes = 0;
    github().with(name, |repository| {
        repository.faults = Some(Box::new(move |asked| {
            writes += usize::from(asked.method == "PATCH");
            (writes == 1 && asked.method == "PATCH").then(|| Fault::Reply(200, "", first.clone()))
        }));
    });
    publish(Run { program: "regression-check", ..run(name, 10, args()) }, &other);
    github().with(name, |repository| {
        let body = repository.comments[0]["body"].as_str().unwrap();
        assert!(body.contains("### ❌ eval-gate") && body.contains("### ❌ regression-check"), "{body}");
        assert_eq!(repository.count("PATCH", "comments"), 2);
    });
    assert_eq!(github().violations(name), Vec::<String>::new());
}

#[test]
fn a_report_of_any_size_fits_into_a_comment_and_a_check() {
    let name = "huge";
    let mut report = failed().1.clone();
    report.reasons[0].text = "x".repeat(100_000);
    report.model.name = "y".repeat(100_000);
    let (published, _) = publish(run(name, 10, PublishArgs::default()), &report);
    assert!(published.warnings.is_empty(), "{:?}", words(&published));
    github().with(name, |repository| {
        assert!(repository.comments[0]["body"].as_str().unwrap().len() < 65_536);
        let output = &repository.checks[0]["output"];
        assert!(output["summary"].as_str().unwrap().len() < 65_536);
        let closed = repository.asked.iter().find(|asked| asked.body["conclusion"].is_string()).unwrap();
        assert!(closed.body["output"]["text"].as_str().unwrap().len() < 65_536);
        assert!(output["title"].as_str().unwrap().chars().count() <= 255);
    });
}

#[test]
fn a_deployment_is_made_once_and_told_how_it_goes_on() {
    let name = "deployment";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let token = Secret::new("ghs_a-token-of-the-tests");
    let repository = format!("octo-org/{name}");
    let access = Access { base: &github().judged, graphql: None, repository: &repository, token: &token };
    super::faults::lose_first(name, "POST", "deployments");
    let new = NewDeployment {
        sha: SHA,
        environment: "production",
        key: "rollout-1",
        description: "canary",
        audience: Audience::Users,
    };
    runtime.block_on(async {
        let api = Api::new(&access, Clock::by_hand(), CancellationToken::new()).unwrap();
        let id = deploy(&api, &new).await.unwrap();
        for state in [DeploymentState::InProgress, DeploymentState::Success] {
            set_deployment_status(&api, id, state, "at 10 %", Some("https://ci.example/run")).await.unwrap();
        }
    });
    github().with(name, |repository| {
        assert_eq!((repository.deployments.len(), repository.deployment_statuses.len()), (1, 2));
        assert_eq!(repository.deployments[0]["payload"]["llmci"], "rollout-1");
    });
    assert_eq!(github().violations(name), Vec::<String>::new());
}

#[test]
fn the_facade_shows_a_rollout_and_a_later_process_goes_on_with_its_deployment() {
    let name = "facade";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let set = [
        ("GITHUB_ACTIONS", "true".to_owned()),
        ("GITHUB_API_URL", github().judged.clone()),
        ("GITHUB_REPOSITORY", format!("octo-org/{name}")),
        ("GITHUB_SHA", SHA.to_owned()),
        ("GITHUB_SERVER_URL", "https://github.com".to_owned()),
        ("GITHUB_RUN_ID", "9".to_owned()),
        ("GITHUB_TOKEN", "ghs_a-token-of-the-tests".to_owned()),
    ];
    let variable = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    runtime.block_on(async {
        let (mut first, warnings) = Deployments::open(&variable, "pre prod/eu", "rollout-1", None).await;
        assert!(warnings.is_empty(), "{warnings:?}");
        assert!(first.say(Going::InProgress, "at 10 %\nof the traffic").await.is_empty());
        // The same key finds it, and so does the note.
        let (second, _) = Deployments::open(&variable, "pre prod/eu", "rollout-1", None).await;
        assert_eq!(second.note(), first.note());
        let (mut third, _) = Deployments::open(&variable, "pre prod/eu", "rollout-1", first.note().as_deref()).await;
        assert!(third.say(Going::Failure, "rolled back").await.is_empty());
    });
    github().with(name, |repository| {
        assert_eq!(repository.deployments.len(), 1);
        let said: Vec<(&str, &str)> = repository
            .deployment_statuses
            .iter()
            .map(|status| (status["state"].as_str().unwrap(), status["description"].as_str().unwrap()))
            .collect();
        assert_eq!(said, [("in_progress", "at 10 % of the traffic"), ("failure", "rolled back")]);
        let asked = repository.asked.iter().find(|asked| asked.path.contains("statuses")).unwrap();
        assert_eq!(asked.body["log_url"], format!("https://github.com/octo-org/{name}/actions/runs/9"));
        repository.faults = Some(Box::new(|request| {
            let denied = request.method == "POST" && request.path.contains("deployments");
            denied.then(|| Fault::Reply(403, "", json!({"message": "Resource not accessible by integration"})))
        }));
    });
    runtime.block_on(async {
        let (mut denied, warnings) = Deployments::open(&variable, "staging", "rollout-2", None).await;
        assert!(
            warnings.len() == 1 && warnings[0].raw().contains("`permissions: {contents: read, deployments: write}`")
        );
        assert!(denied.say(Going::Success, "x").await.is_empty(), "said once");
    });
    assert_eq!(github().violations(name), Vec::<String>::new());
}
