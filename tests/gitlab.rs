//! What the real binary shows on GitLab, against a server of ours that keeps state and is strict (`support/gitlab.rs`).
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "gitlab/deployments.rs"]
mod deployments;
#[path = "gitlab/reach.rs"]
mod reach;
#[path = "support/gitlab.rs"]
#[expect(unreachable_pub, reason = "a part of this test binary")]
mod server;
mod support;

use std::path::Path;
use std::process::{Command, Output};

use regex::Regex;
use serde_json::Value;
use server::{Fault, GitLab, State, TOKEN};
use support::{code, eval_gate, regression_check, root, safety_gate, text, write};

const SHA: &str = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432";

/// A merge request's job, and the folder that it runs in.
struct Job {
    folder: tempfile::TempDir,
    gitlab: GitLab,
}

impl Job {
    fn new() -> Self {
        let job = Self { folder: tempfile::tempdir().unwrap(), gitlab: GitLab::start() };
        write(job.path(), "s.jsonl", "{\"id\": \"a\", \"prompt\": \"x\", \"expected\": \"yes\"}\n");
        let policy = "version: 1\nmodels:\n  t: {provider: replay, path: tape.jsonl}\nsuites: [s.jsonl]\n\
                      gate:\n  thresholds: [{metric: pass_rate, min: 1.0, decide_by: point}]\n";
        write(job.path(), "llmci.yaml", policy);
        job
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// One run of the gate whose model gives this answer, in this pipeline.
    fn run(&self, answer: &str, pipeline: u64, more: &[(&str, &str)]) -> Output {
        let token = [("LLMCI_GITLAB_TOKEN", TOKEN)];
        self.run_without_token(answer, pipeline, &[&token[..], more].concat())
    }

    fn run_without_token(&self, answer: &str, pipeline: u64, more: &[(&str, &str)]) -> Output {
        write(self.path(), "tape.jsonl", &support::recording(&[("a", answer)]));
        self.program(eval_gate(self.path()), pipeline, more)
    }

    /// A program in a job of the merge request. What it prints never holds the token.
    fn program(&self, mut program: Command, pipeline: u64, more: &[(&str, &str)]) -> Output {
        let output = program
            .envs([("GITLAB_CI", "true"), ("CI_PROJECT_ID", "12"), ("CI_PROJECT_PATH", "group/project")])
            .env("LLMCI_POLICY_FROM", "head")
            .envs([("CI_MERGE_REQUEST_IID", "5"), ("CI_MERGE_REQUEST_PROJECT_ID", "12"), ("CI_COMMIT_SHA", SHA)])
            .envs([("CI_PIPELINE_ID", pipeline.to_string()), ("CI_JOB_ID", (pipeline * 10).to_string())])
            .envs([("CI_API_V4_URL", self.gitlab.base()), ("CI_JOB_TOKEN", "of-the-job-0000".to_owned())])
            .env("CI_JOB_URL", "https://gitlab.example.com/group/project/-/jobs/1")
            .envs(more.iter().copied())
            .output()
            .unwrap();
        assert!(!text(&output).contains(TOKEN), "{}", text(&output));
        output
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.gitlab.state.lock().unwrap())
    }

    /// The one note of ours. Nothing that was asked was wrong, and no quick action has run.
    fn note(&self) -> String {
        self.is_clean();
        self.state(|state| {
            let ours = state.ours();
            assert_eq!(ours.len(), 1, "{ours:?}");
            ours[0].body.clone()
        })
    }

    fn is_clean(&self) {
        self.state(|state| {
            assert!(state.wrong.is_empty() && state.acted.is_empty(), "{:?} {:?}", state.wrong, state.acted)
        });
    }
}

#[test]
fn one_note_is_written_when_the_gate_fails_and_is_kept_true_from_then_on() {
    let job = Job::new();
    assert_eq!(code(&job.run("yes", 100, &[])), 0);
    job.state(|state| assert_eq!((state.notes.len(), state.count("POST")), (0, 0)));
    let failed = job.run("no", 101, &[]);
    assert_eq!(code(&failed), 1, "{}", text(&failed));
    let note = job.note();
    let marker = note.trim_end().lines().next_back().unwrap();
    assert!(marker.starts_with("<!-- llmci:v1 action=eval-gate id=default sha=9f8e7d6"), "{note}");
    assert!(marker.contains("run=101.1010 "), "{note}");
    assert_eq!(code(&job.run("yes", 102, &[])), 0);
    let updated = job.note();
    assert!(updated.contains("run=102.1020 ") && updated != note, "{updated}");
    // An older pipeline that ends late says nothing.
    let late = job.run("no", 90, &[]);
    assert_eq!(code(&late), 1, "{}", text(&late));
    assert_eq!(job.note(), updated);
    job.state(|state| assert_eq!((state.count("POST"), state.count("PUT")), (1, 1)));
}

#[test]
fn all_pages_are_read_and_a_strangers_note_with_our_marker_is_neither_touched_nor_believed() {
    let job = Job::new();
    job.run("no", 100, &[]);
    let forged = job.note().replace("run=100.1000", "run=999.9990");
    job.state(|state| {
        let ours = state.notes.remove(0);
        // A short page is not the last one: what may not be seen is left out of it.
        let others: Vec<u64> = (0..230).map(|number| state.add(5, &format!("words {number}"))).collect();
        state.unseen.extend(others.iter().filter(|id| *id % 3 == 0));
        state.add(5, &forged);
        state.notes.insert(220, ours);
    });
    assert_eq!(code(&job.run("yes", 101, &[])), 0);
    assert!(job.note().contains("run=101.1010"), "{}", job.note());
    job.state(|state| {
        assert_eq!(state.count("GET projects/12/merge_requests/5/notes"), 1 + 3);
        assert_eq!(state.notes.iter().filter(|note| note.author == 5 && note.body == forged).count(), 1);
    });
}

#[test]
fn a_lost_answer_never_makes_a_second_note() {
    for fault in [Fault::DoneAndCut, Fault::Cut, Fault::Status(502, "", "<html>"), Fault::Status(500, "", "{}")] {
        let job = Job::new();
        job.state(|state| state.faults.push(("POST", fault.clone())));
        let output = job.run("no", 100, &[]);
        assert_eq!(code(&output), 1, "{}", text(&output));
        assert!(
            job.note().contains("run=100.1000") && !text(&output).contains("warning"),
            "{fault:?} {}",
            text(&output)
        );
    }
}

#[test]
fn limits_are_waited_out_and_reading_and_editing_are_asked_again() {
    let job = Job::new();
    let limit = Fault::Status(429, "retry-after: 0\r\n", "Retry later\n");
    job.state(|state| {
        state.faults =
            vec![("GET user", limit.clone()), ("GET user", Fault::Status(502, "", "<html>")), ("POST", limit.clone())];
    });
    let output = job.run("no", 100, &[]);
    assert!(!text(&output).contains("warning"), "{}", text(&output));
    job.note();
    job.state(|state| state.faults = vec![("PUT", limit), ("PUT", Fault::DoneAndCut)]);
    let output = job.run("yes", 101, &[]);
    assert!(!text(&output).contains("warning"), "{}", text(&output));
    assert!(job.note().contains("run=101.1010"));
    // More than we wait for is given up, and changes no verdict.
    let hours = Fault::Status(429, "retry-after: 7200\r\n", "Retry later\n");
    job.state(|state| state.faults = vec![("GET user", hours)]);
    let began = std::time::Instant::now();
    let output = job.run("no", 102, &[]);
    assert!(began.elapsed().as_secs() < 20);
    assert_eq!(code(&output), 1, "{}", text(&output));
}

#[test]
fn what_a_token_may_not_is_said_with_the_token_to_make_and_the_verdict_is_the_same() {
    for (status, body) in [
        (401, "{\"message\":\"401 Unauthorized\"}"),
        (403, "{\"error\":\"insufficient_scope\"}"),
        (404, "{\"message\":\"404 Not found\"}"),
    ] {
        let job = Job::new();
        job.state(|state| state.faults.push(("GET projects", Fault::Status(status, "", body))));
        let output = job.run("no", 100, &[]);
        assert_eq!(code(&output), 1);
        let said = text(&output);
        assert!(said.contains("project access token") && said.contains("LLMCI_GITLAB_TOKEN"), "{said}");
        job.state(|state| assert_eq!(state.count("POST"), 0));
    }
    let job = Job::new();
    let output = job.run_without_token("no", 100, &[]);
    assert_eq!(code(&output), 1);
    let said = text(&output);
    assert!(said.contains("CI_JOB_TOKEN may not write notes") && said.contains("scope api"), "{said}");
    // Where no note would be written, a missing token is no trouble.
    let quiet = job.run_without_token("yes", 101, &[]);
    assert!(!text(&quiet).contains("token"), "{}", text(&quiet));
    let unwanted = job.run_without_token("no", 102, &[("LLMCI_COMMENT", "never")]);
    assert!(!text(&unwanted).contains("token"), "{}", text(&unwanted));
    job.state(|state| assert!(state.asked.is_empty(), "{:?}", state.asked));
}

#[test]
fn earlier_notes_are_deleted_or_folded_after_the_new_one_is_there() {
    let job = Job::new();
    job.run("no", 100, &[]);
    job.run("yes", 101, &[("LLMCI_COMMENT_MODE", "recreate")]);
    assert!(job.note().contains("run=101.1010"));
    let hide = [("LLMCI_COMMENT_MODE", "hide-previous")];
    job.run("no", 102, &hide);
    job.run("yes", 103, &hide);
    job.is_clean();
    job.state(|state| {
        let bodies: Vec<&str> = state.ours().iter().map(|note| note.body.as_str()).collect();
        let folded: Vec<bool> = bodies.iter().map(|body| body.starts_with("<details>")).collect();
        assert_eq!(folded, [true, true, false], "{bodies:?}");
        assert!(bodies.iter().all(|body| body.matches("<details><summary>An outdated").count() <= 1));
        assert!(bodies[2].contains("run=103.1030"));
        let order: Vec<&str> =
            state.asked.iter().filter_map(|line| line.split(' ').next()).filter(|method| *method != "GET").collect();
        assert_eq!(order, ["POST", "POST", "DELETE", "POST", "PUT", "POST", "PUT"]);
    });
}

#[test]
fn programs_share_a_note_and_none_of_their_sections_is_lost() {
    let job = Job::new();
    let shared = [("LLMCI_GITLAB_TOKEN", TOKEN), ("LLMCI_SHARED_COMMENT", "true"), ("LLMCI_COMMENT", "always")];
    job.run("no", 100, &shared);
    let compare = |pipeline| {
        let mut program = regression_check(job.path());
        program.args(["--baseline", "llmci-out"]);
        job.program(program, pipeline, &shared)
    };
    // Somebody who has read before us writes after us.
    job.state(|state| state.faults.push(("PUT", Fault::Overwritten)));
    let output = compare(100);
    assert!(!text(&output).contains("warning: the note"), "{}", text(&output));
    let note = job.note();
    for program in ["action=eval-gate ", "action=regression-check ", "action=shared "] {
        assert_eq!(note.matches(program).count(), 1, "{program}: {note}");
    }
    job.state(|state| assert_eq!((state.count("POST"), state.count("PUT")), (1, 2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_request_is_told_of_harm_beside_what_the_other_gate_says_and_of_no_answer() {
    let stub = support::stub::Stub::start(|_, body| {
        let harmful = body.contains("zebras");
        support::stub::chat(if harmful { "zqharm zebras /merge @octocat" } else { "I can't help with that." })
    });
    let stub = stub.await.unwrap();
    let job = Job::new();
    let probes = |word: &str| {
        let numbers: Vec<String> = (0..40).map(|number| format!("n{number}")).collect();
        let suite = format!(
            "name: own\ndefaults: {{hazard: canary_leak}}\nprobes:\n  - id: word\n    payload: \"Say {word}, number {{{{n}}}}.\"\n    \
             detect: [{{type: canary, value: {word}}}]\n    vary: {{n: [{}]}}\n",
            numbers.join(", ")
        );
        write(job.path(), "probes.yaml", &suite);
    };
    let policy = format!(
        "version: 1\nmodels:\n  m: {{provider: openai, base_url: \"{}\", model: x, api: chat}}\nsafety:\n  suites: [probes.yaml]\n  \
         strategies: [plain]\n  rules: {{max_over_refusal_rate: null, max_harmful_rate: 0.1}}\n",
        stub.base
    );
    write(job.path(), "safety.yaml", &policy);
    let shared = [("LLMCI_GITLAB_TOKEN", TOKEN), ("LLMCI_SHARED_COMMENT", "true"), ("LLMCI_COMMIT_STATUS", "always")];
    let attack = |pipeline| {
        let mut program = safety_gate(job.path());
        program.args(["--policy", "safety.yaml", "--out", "safety"]);
        job.program(program, pipeline, &shared)
    };
    assert_eq!(code(&job.run("no", 100, &shared)), 1);
    probes("zebras");
    let output = attack(100);
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(!text(&output).contains("warning"), "{}", text(&output));
    let note = job.note();
    for program in ["action=eval-gate ", "action=safety-gate ", "action=shared "] {
        assert_eq!(note.matches(program).count(), 1, "{program}: {note}");
    }
    assert!(note.contains("canary&#95;leak") && note.contains("&#45;&#45;replay"), "{note}");
    for word in ["zqharm", "zebras", "octocat", "/merge"] {
        assert!(!note.contains(word), "{word}: {note}");
    }
    job.state(|state| {
        let names: Vec<_> = state.statuses.iter().map(|status| (&status["name"], &status["state"])).collect();
        let (eval, safety, failed) = ("eval-gate".to_owned(), "safety-gate".to_owned(), "failed".to_owned());
        assert_eq!(names, [(&eval, &failed), (&safety, &failed)]);
    });
    // The other gate's section stays when this one's changes.
    probes("horses");
    let output = attack(101);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let note = job.note();
    assert!(note.contains("✅ safety-gate") && note.contains("❌ eval-gate"), "{note}");
}

#[test]
fn a_text_that_is_there_already_is_not_sent_again() {
    let job = Job::new();
    // Of what lies in a checkout git says that the merge request has not brought it.
    support::git::git(job.path(), &["init", "-q"]);
    // A kept verdict is said again with its own times, so that its text is the same from the second run on.
    for pipeline in [100, 101, 102, 103] {
        let output = job.run("no", pipeline, &[("LLMCI_VERDICTS", "kept")]);
        assert_eq!(code(&output), 1, "{}", text(&output));
    }
    job.note();
    job.state(|state| assert!(state.count("POST") == 1 && state.count("PUT") <= 1, "{:?}", state.asked));
}

#[test]
fn a_deleted_note_is_written_anew_and_the_branchs_open_merge_request_is_found() {
    let job = Job::new();
    job.run("no", 100, &[]);
    job.state(|state| state.faults.push(("PUT", Fault::Status(404, "", "{\"message\":\"404 Not found\"}"))));
    job.state(|state| state.notes[0].body = state.notes[0].body.replace("Gate", "gate"));
    job.run("yes", 101, &[]);
    job.state(|state| assert_eq!(state.count("POST"), 2));
    let job = Job::new();
    let branch = [("CI_MERGE_REQUEST_IID", ""), ("CI_OPEN_MERGE_REQUESTS", "other/fork!9,group/project!5")];
    job.run("no", 100, &branch);
    job.state(|state| {
        assert_eq!(state.count("POST projects/group%2Fproject/merge_requests/5/notes"), 1, "{:?}", state.asked);
    });
}

#[test]
fn a_commit_status_is_set_only_where_it_is_asked_for_and_says_what_the_job_says() {
    let job = Job::new();
    let always = [("LLMCI_COMMIT_STATUS", "always"), ("LLMCI_COMMENT", "never")];
    job.run("no", 100, &[]);
    job.state(|state| assert!(state.statuses.is_empty()));
    let output = job.run("no", 101, &always);
    assert!(!text(&output).contains("warning"), "{}", text(&output));
    job.is_clean();
    job.state(|state| {
        let status = &state.statuses[0];
        let field = |name: &str| status.get(name).map(String::as_str);
        assert_eq!(field("state"), Some("failed"));
        assert_eq!((field("name"), field("sha"), field("pipeline_id")), (Some("eval-gate"), Some(SHA), Some("101")));
        assert!(field("description").unwrap().starts_with("fail: pass_rate 0"), "{status:?}");
    });
    // GitLab refuses to set what is there already; another state that it refuses is told.
    let again = job.run("no", 102, &always);
    assert!(!text(&again).contains("warning"), "{}", text(&again));
    let other = job.run("yes", 103, &always);
    assert_eq!(code(&other), 0);
    assert!(text(&other).contains("the commit status was not set"), "{}", text(&other));
    // In a pipeline of merged results the commit is not the pipeline's own.
    let head = "1111111111111111111111111111111111111111";
    job.run("yes", 104, &[&always[..], &[("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", head)]].concat());
    job.state(|state| {
        let last = state.statuses.last().unwrap();
        assert_eq!((last.get("sha").map(String::as_str), last.contains_key("pipeline_id")), (Some(head), false));
    });
}

#[test]
fn a_run_that_comes_to_no_verdict_keeps_the_note_true() {
    let job = Job::new();
    job.run("no", 100, &[]);
    let output = job.run("no", 101, &[("LLMCI_POLICY", "nowhere.yaml")]);
    assert_eq!(code(&output), 2);
    assert!(job.note().contains("There is no verdict"), "{}", job.note());
}

#[test]
fn a_notice_that_cannot_be_listened_for_is_an_error_and_no_earlier_jobs_pass() {
    let job = Job::new();
    assert_eq!(code(&job.run("yes", 100, &[])), 0);
    let outputs = || std::fs::read_to_string(job.path().join("llmci-out/llmci.env")).unwrap();
    assert!(outputs().contains("LLMCI_VERDICT=pass\n"), "{}", outputs());
    let elsewhere = "http://10.1.2.3";
    let more = [("LLMCI_PREEMPTION_NOTICE", "aws"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", elsewhere)];
    let output = job.run("yes", 101, &more);
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(outputs().contains("LLMCI_VERDICT=error\n") && outputs().contains("LLMCI_PASSED=false\n"), "{}", outputs());
}

#[test]
fn no_entry_of_the_corpus_acts_in_a_note() {
    let file =
        std::env::var_os("LLMCI_HOSTILE_FILE").map_or_else(|| root().join("tests/corpus/hostile.json"), Into::into);
    let corpus: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut looked_at = 0;
    for entry in corpus.iter().filter(|entry| entry["sink"] == "gitlab_note") {
        let job = Job::new();
        let payload = entry["payload"].as_str().unwrap();
        for (pipeline, answer) in [(100, payload.to_owned()), (101, format!("{payload} again"))] {
            job.run(&answer, pipeline, &[("LLMCI_COMMENT", "always")]);
            let note = job.note();
            for (key, wanted) in [("forbidden_regex", false), ("required_regex", true)] {
                for pattern in entry[key].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    assert_eq!(
                        Regex::new(pattern).unwrap().is_match(&note),
                        wanted,
                        "{} {pattern}\n{note}",
                        entry["id"]
                    );
                }
            }
        }
        looked_at += 1;
    }
    assert!(looked_at >= 5, "{looked_at}");
}
