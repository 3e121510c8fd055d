//! The real binary in the environment of GitHub's runner.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::server::{BOT, Fault, comment, github};
use super::support::{code, eval_gate, llmci, recording, text, write};

pub const SHA: &str = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432";

const TWO: &str = "name: two\ncases:\n  - {id: a, prompt: x, expected: one}\n  - {id: b, prompt: y, expected: two}\n";

/// A checkout with a suite, a policy, the answers of a model, and the event of a pull request.
pub fn checkout(name: &str, second: &str, fork: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "tape.jsonl", &recording(&[("a", "one"), ("b", second)]));
    write(folder.path(), "suite.yaml", TWO);
    let policy = "version: 1\nmodels:\n  taped: {provider: replay, path: tape.jsonl}\nsuites: [suite.yaml]\ngate:\n  thresholds:\n    - {metric: pass_rate, min: 1.0, decide_by: point}\n";
    write(folder.path(), "llmci.yaml", policy);
    event(folder.path(), name, fork);
    folder
}

fn event(folder: &Path, name: &str, fork: bool) {
    let head = if fork { "mallory/fork".to_owned() } else { format!("octo-org/{name}") };
    let event = json!({
        "pull_request": {"number": 7, "head": {"sha": SHA, "ref": "topic", "repo": {"full_name": head}}},
        "repository": {"default_branch": "main", "full_name": format!("octo-org/{name}")},
    });
    write(folder, "event.json", &event.to_string());
    for file in ["summary.md", "output.txt", "state.txt"] {
        write(folder, file, "");
    }
}

/// What was printed beside the commands that tell the runner of secrets.
fn unmasked(output: &std::process::Output) -> String {
    text(output).lines().filter(|line| !line.starts_with("::add-mask::")).collect()
}

/// Sets what the runner sets for a job of a pull request.
pub fn on_runner<'a>(command: &'a mut Command, folder: &Path, name: &str, run: u64) -> &'a mut Command {
    let api = &github().judged;
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_API_URL", api)
        .env("GITHUB_GRAPHQL_URL", format!("{api}/graphql"))
        .env("GITHUB_SERVER_URL", "https://github.com")
        .env("GITHUB_REPOSITORY", format!("octo-org/{name}"))
        .env("GITHUB_RUN_ID", run.to_string())
        .env("GITHUB_RUN_ATTEMPT", "1")
        .env("GITHUB_SHA", "1111111111111111111111111111111111111111")
        .env("GITHUB_REF", "refs/pull/7/merge")
        .env("GITHUB_EVENT_PATH", folder.join("event.json"))
        .env("GITHUB_WORKSPACE", folder)
        .env("GITHUB_STEP_SUMMARY", folder.join("summary.md"))
        .env("GITHUB_OUTPUT", folder.join("output.txt"))
        .env("GITHUB_STATE", folder.join("state.txt"))
        .env("INPUT_TOKEN", "ghs_a-token-of-the-tests")
        // These folders are no git repositories: what is held against a base has tests of its own.
        .env("LLMCI_POLICY_FROM", "head")
}

#[test]
fn a_pull_request_gets_one_comment_and_one_check_a_run_and_both_say_what_the_exit_code_says() {
    let name = "whole-run";
    let run = |second: &str, number: u64| {
        let folder = checkout(name, second, false);
        let output = on_runner(&mut eval_gate(folder.path()), folder.path(), name, number).output().unwrap();
        (code(&output), text(&output), folder)
    };
    // It never failed: no comment.
    let (exit, shown, _) = run("two", 10);
    assert_eq!(exit, 0, "{shown}");
    github().with(name, |repository| {
        assert!(repository.comments.is_empty() && repository.checks[0]["conclusion"] == "success", "{shown}");
    });
    let (exit, shown, folder) = run("three", 11);
    assert_eq!(exit, 1, "{shown}");
    github().with(name, |repository| {
        assert_eq!(repository.comments.len(), 1, "{shown}");
        let body = repository.comments[0]["body"].as_str().unwrap();
        assert!(body.starts_with("### ❌ eval-gate") && body.contains(" run=11.1 "), "{body}");
        assert!(
            body.trim_end()
                .lines()
                .last()
                .unwrap()
                .starts_with("<!-- llmci:v1 action=eval-gate id=default sha=9f8e7d6c")
        );
        let check = &repository.checks[1];
        assert_eq!((&check["status"], &check["conclusion"]), (&json!("completed"), &json!("failure")));
        // The head of the pull request, not its merge commit; opened before the work, with its link and its name.
        assert_eq!((&check["head_sha"], &check["name"]), (&json!(SHA), &json!("eval-gate")));
        assert_eq!(check["details_url"], format!("https://github.com/octo-org/{name}/actions/runs/11"));
        let opened =
            repository.asked.iter().rfind(|asked| asked.method == "POST" && asked.path.ends_with("check-runs"));
        let opened = &opened.unwrap().body;
        assert!(opened["status"] == "in_progress" && opened["started_at"].is_string(), "{opened}");
        let note = &repository.annotations[0];
        assert_eq!((&note["path"], &note["start_line"]), (&json!("suite.yaml"), &json!(4)), "{note}");
        assert!(repository.statuses.is_empty());
    });
    let state = std::fs::read_to_string(folder.path().join("state.txt")).unwrap();
    let ticket = state.lines().nth(1).unwrap();
    assert!(state.starts_with("LLMCI_CHECK_RUN<<") && ticket.starts_with(&format!("{SHA} llmci:11.1:")), "{state}");
    assert!(ticket.ends_with(" eval-gate"), "{state}");
    // Annotated by the check run: not again by commands.
    assert!(!shown.contains("::notice"), "{shown}");
    let (exit, shown, _) = run("two", 12);
    assert_eq!(exit, 0, "{shown}");
    github().with(name, |repository| {
        assert_eq!(repository.comments.len(), 1, "{shown}");
        let body = repository.comments[0]["body"].as_str().unwrap();
        assert!(body.starts_with("### ✅ eval-gate") && body.contains(" run=12.1 "), "{body}");
    });
    assert_eq!(github().violations(name), Vec::<String>::new());
}

#[test]
fn a_fork_gets_the_same_verdict_on_a_lower_rung() {
    let denied = || Fault::Reply(403, "", json!({"message": "Resource not accessible by integration"}));
    let name = "fork";
    github().with(name, |repository| {
        repository.faults = Some(Box::new(move |asked| (asked.method != "GET").then(denied)));
    });
    let folder = checkout(name, "three", true);
    let output = on_runner(&mut eval_gate(folder.path()), folder.path(), name, 10).output().unwrap();
    let shown = text(&output);
    assert_eq!(code(&output), 1, "{shown}");
    assert!(shown.contains("a pull request from a fork gets a token that can only read"), "{shown}");
    assert!(
        shown.contains("::error title=eval-gate fail::") && shown.contains("::notice file=suite.yaml,line=4,"),
        "{shown}"
    );
    let summary = std::fs::read_to_string(folder.path().join("summary.md")).unwrap();
    assert!(summary.starts_with("### ❌ eval-gate") && summary.contains("a token that can only read"), "{summary}");

    // In the repository itself the permission is named; where only the check is refused, a status stands in for it.
    let name = "no-checks";
    github().with(name, |repository| {
        repository.faults = Some(Box::new(move |asked| asked.path.contains("check-runs").then(denied)));
    });
    let folder = checkout(name, "three", false);
    let output = on_runner(&mut eval_gate(folder.path()), folder.path(), name, 10).output().unwrap();
    let shown = text(&output);
    assert_eq!(code(&output), 1, "{shown}");
    assert!(shown.contains("`permissions: {contents: read, checks: write}`"), "{shown}");
    github().with(name, |repository| {
        let states: Vec<_> = repository.statuses.iter().map(|status| status["state"].clone()).collect();
        assert_eq!(states, ["pending", "failure"]);
        assert_eq!((repository.comments.len(), &repository.statuses[1]["context"]), (1, &json!("eval-gate")));
    });
    // The step after the job is told of the status that is pending, and in the end that it is not.
    let state = std::fs::read_to_string(folder.path().join("state.txt")).unwrap();
    let statuses: Vec<&str> = state.split("LLMCI_STATUS<<").skip(1).map(|part| part.lines().nth(1).unwrap()).collect();
    assert_eq!(statuses, [&format!("{SHA} eval-gate"), ""]);
    for name in ["fork", "no-checks"] {
        assert_eq!(github().violations(name), Vec::<String>::new());
    }
}

#[test]
fn wrong_inputs_shut_the_check_and_are_told_in_it() {
    let name = "wrong-inputs";
    let folder = checkout(name, "two", false);
    write(folder.path(), "llmci.yaml", "version: 1\nmodells: {}\n");
    let output = on_runner(&mut eval_gate(folder.path()), folder.path(), name, 10).output().unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
    github().with(name, |repository| {
        assert_eq!(repository.checks[0]["conclusion"], "failure");
        let summary = repository.checks[0]["output"]["summary"].as_str().unwrap();
        assert!(summary.contains("modells"), "{summary}");
        assert!(repository.comments[0]["body"].as_str().unwrap().contains("There is no verdict"));
    });
    assert_eq!(github().violations(name), Vec::<String>::new());
}

#[test]
fn nothing_is_asked_without_a_token_or_a_pull_request_or_where_nothing_is_wanted() {
    let name = "silent";
    let folder = checkout(name, "three", false);
    let run = |change: &dyn Fn(&mut Command)| {
        let mut command = eval_gate(folder.path());
        on_runner(&mut command, folder.path(), name, 10);
        change(&mut command);
        let output = command.output().unwrap();
        assert_eq!(code(&output), 1, "{}", text(&output));
    };
    run(&|command| {
        command.env_remove("INPUT_TOKEN");
    });
    run(&|command| {
        command.env("GITHUB_EVENT_PATH", "/dev/null");
    });
    run(&|command| {
        command.args(["--comment", "never", "--check", "false", "--commit-status", "never"]);
    });
    // A shard is judged by nobody before it is merged.
    let mut shard = eval_gate(folder.path());
    on_runner(&mut shard, folder.path(), name, 10).args(["--shard", "1/2"]).output().unwrap();
    github().with(name, |repository| assert!(repository.asked.is_empty(), "{:?}", repository.asked));
}

/// A model's endpoint that takes a request and never answers; it tells when it was asked.
fn silent_model() -> (String, std::sync::mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut first = [0; 1];
            if stream.read_exact(&mut first).is_ok() {
                let _ = tell.send(());
            }
            kept.push(stream);
        }
    });
    (base, told)
}

/// A run that is in the middle of its work.
fn working(name: &str) -> (tempfile::TempDir, std::process::Child) {
    let (base, told) = silent_model();
    let folder = tempfile::tempdir().unwrap();
    super::support::words(folder.path(), 40, &base, "");
    event(folder.path(), name, false);
    let child = on_runner(&mut eval_gate(folder.path()), folder.path(), name, 10)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    told.recv_timeout(Duration::from_secs(60)).unwrap();
    github().with(name, |repository| assert_eq!(repository.checks[0]["status"], "in_progress"));
    (folder, child)
}

fn signal(child: &std::process::Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_cancelled_job_closes_its_check_before_the_runner_kills_it() {
    let name = "cancelled";
    let (_folder, mut child) = working(name);
    let began = Instant::now();
    signal(&child, "-TERM");
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok).collect::<Vec<_>>();
    assert_eq!(child.wait().unwrap().code(), Some(4), "{lines:?}");
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?} {lines:?}", began.elapsed());
    github().with(name, |repository| {
        assert_eq!(repository.checks[0]["conclusion"], "cancelled", "{lines:?}");
        assert!(repository.comments.is_empty());
    });
    assert_eq!(github().violations(name), Vec::<String>::new());
}

#[test]
fn the_step_after_a_killed_job_closes_its_check_and_leaves_a_finished_one_alone() {
    let name = "killed";
    let (folder, mut child) = working(name);
    signal(&child, "-KILL");
    child.wait().unwrap();
    let state = std::fs::read_to_string(folder.path().join("state.txt")).unwrap();
    let ticket = state.lines().nth(1).unwrap().to_owned();
    // There is a check run: no status was set, and none is closed.
    assert!(!state.contains("LLMCI_STATUS"), "{state}");
    assert_eq!(state.lines().next().unwrap().split("<<").next(), Some("LLMCI_CHECK_RUN"));
    let post = || {
        let mut command = llmci(folder.path());
        on_runner(&mut command, folder.path(), name, 10).env("STATE_LLMCI_CHECK_RUN", &ticket);
        let output = command.arg("post").output().unwrap();
        assert_eq!((code(&output), unmasked(&output)), (0, String::new()));
    };
    github().with(name, |repository| assert_eq!(repository.checks[0]["status"], "in_progress"));
    post();
    github().with(name, |repository| {
        assert_eq!(repository.checks[0]["conclusion"], "cancelled");
        repository.checks[0]["conclusion"] = json!("success");
    });
    post();
    github().with(name, |repository| assert_eq!(repository.checks[0]["conclusion"], "success"));
    assert_eq!(github().violations(name), Vec::<String>::new());
    // A status that nobody settled is no verdict.
    let mut command = llmci(folder.path());
    on_runner(&mut command, folder.path(), name, 10).env("STATE_LLMCI_STATUS", format!("{SHA} eval-gate"));
    assert_eq!(code(&command.arg("post").output().unwrap()), 0);
    github().with(name, |repository| assert_eq!(repository.statuses[0]["state"], "error"));
    // By the name that action.yml calls, and without anything to close.
    let link = folder.path().join("llmci-post");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_llmci"), &link).unwrap();
    let output = Command::new(link).env_clear().output().unwrap();
    assert_eq!((code(&output), text(&output)), (0, String::new()));
}

#[test]
fn an_enterprise_server_with_a_path_is_reached_through_a_proxy() {
    let name = "enterprise";
    let folder = checkout(name, "three", false);
    let mut command = eval_gate(folder.path());
    on_runner(&mut command, folder.path(), name, 10)
        .env("GITHUB_API_URL", "http://ghe.invalid/api/v3")
        .env_remove("GITHUB_GRAPHQL_URL")
        .env("http_proxy", &github().direct);
    let output = command.output().unwrap();
    assert_eq!(code(&output), 1, "{}", text(&output));
    github().with(name, |repository| {
        assert_eq!((repository.comments.len(), repository.checks.len()), (1, 1), "{}", text(&output));
    });
    github().with("enterprise-graphql", |graphql| assert_eq!(graphql.asked.len(), 1));
}

#[test]
fn nobody_answers_and_the_verdict_is_the_same() {
    let folder = checkout("nobody", "three", false);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = eval_gate(folder.path());
    on_runner(&mut command, folder.path(), "nobody", 10).env("GITHUB_API_URL", format!("http://{closed}"));
    let output = command.output().unwrap();
    let shown = text(&output);
    assert_eq!(code(&output), 1, "{shown}");
    assert!(shown.contains("the check run was not published: no answer from GitHub"), "{shown}");
    assert!(!unmasked(&output).contains("ghs_a-token"), "{shown}");
    assert_eq!(shown.matches("the commit status was not published").count(), 1, "{shown}");
}

#[test]
fn three_pages_of_comments_are_read_and_a_strangers_marker_is_left_alone() {
    let name = "pages";
    let forged = "all is well\n\n<!-- llmci:v1 action=eval-gate id=default sha=9f8e7d6c run=99.1 body=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa -->";
    github().with(name, |repository| {
        repository.comments = (0..250).map(|id| comment(name, id, "someone", "User", "words")).collect();
        repository.comments[3] = comment(name, 3, "mallory", "User", forged);
        repository.comments[120] = comment(name, 120, "other[bot]", "Bot", forged);
    });
    let run = |number: u64, answer: &str| {
        let folder = checkout(name, answer, false);
        let mut command = eval_gate(folder.path());
        let output = on_runner(&mut command, folder.path(), name, number).args(["--check", "false"]).output().unwrap();
        assert_eq!(code(&output), 1, "{}", text(&output));
    };
    run(10, "three");
    run(11, "four");
    github().with(name, |repository| {
        assert_eq!(repository.comments.len(), 251);
        assert_eq!(repository.comments[3]["body"], forged);
        assert_eq!(repository.comments[120]["body"], forged);
        assert_eq!(repository.comments[250]["user"]["login"], BOT);
        // The second run says the same, unless its time differs: either way it is our comment, and the only one.
        let body = repository.comments[250]["body"].as_str().unwrap();
        assert!(body.contains(" run=10.1 ") || body.contains(" run=11.1 "), "{body}");
        assert_eq!(repository.count("GET", "page=3"), 2);
    });
    assert_eq!(github().violations(name), Vec::<String>::new());
}
