//! The front door from outside: names, versions, inputs, and how fast it opens.

mod support;

use std::time::{Duration, Instant};

use support::{code, eval_gate, llmci, text};

#[test]
fn a_cold_start_is_fast() {
    let folder = tempfile::tempdir().unwrap();
    let mut times: Vec<Duration> = (0..15)
        .map(|_| {
            let began = Instant::now();
            let output = eval_gate(folder.path()).arg("--version").output().unwrap();
            assert_eq!(code(&output), 0);
            assert_eq!(text(&output), format!("eval-gate {}\n", env!("CARGO_PKG_VERSION")));
            began.elapsed()
        })
        .collect();
    times.sort();
    // The quickest of many: the promise is about the program, not about what else the machine does.
    assert!(times[0] < Duration::from_millis(20), "{times:?}");
}

#[test]
fn the_multi_call_binary_answers_to_each_name() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("eval-gate");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_llmci"), &link).unwrap();
    let output = std::process::Command::new(&link).arg("--version").output().unwrap();
    assert!(text(&output).starts_with("eval-gate "), "{}", text(&output));
    let output = llmci(folder.path()).args(["eval-gate", "--help"]).output().unwrap();
    assert!(text(&output).contains("--policy"), "{}", text(&output));
}

#[test]
fn a_wrong_input_exits_with_2_and_says_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let output = eval_gate(folder.path()).env("INPUT_RESUME", "yes").output().unwrap();
    assert_eq!(code(&output), 2);
    assert!(text(&output).contains("INPUT_RESUME"), "{}", text(&output));
    let output = eval_gate(folder.path()).env("LLMCI_SHARD", "9").output().unwrap();
    assert_eq!(code(&output), 2);
    assert!(text(&output).contains("--shard") && text(&output).contains("LLMCI_SHARD"), "{}", text(&output));
    // The outputs say so too: a later step must not find an empty verdict.
    let output = eval_gate(folder.path())
        .args(["--polcy", "x"])
        .envs([("GITHUB_ACTIONS", "true"), ("GITHUB_OUTPUT", "out")])
        .output()
        .unwrap();
    assert_eq!(code(&output), 2);
    let outputs = std::fs::read_to_string(folder.path().join("out")).unwrap();
    assert!(outputs.contains("\nerror\n") && outputs.contains("\nfalse\n"), "{outputs}");
}

#[test]
fn no_secret_of_the_environment_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "sk-abcdefgh-12345678";
    support::write(folder.path(), "s.yaml", "name: s\ncases:\n  - {id: a, prompt: x, expected: y}\n");
    let policy = format!(
        "version: 1\nmodels:\n  m: {{provider: openai, base_url: \"http://127.0.0.1:1/{secret}\", model: m, api_key_env: OPENAI_API_KEY, retry: {{attempts: 1}}}}\n\
         suites: [s.yaml]\ngate:\n  thresholds:\n    - {{metric: pass_rate, min: 0.5, decide_by: point}}\n"
    );
    support::write(folder.path(), "llmci.yaml", &policy);
    let output = eval_gate(folder.path()).envs([("OPENAI_API_KEY", secret), ("RUST_LOG", "trace")]).output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    for file in ["report.json", "report.md", "junit.xml", "samples.jsonl", "journal.jsonl"] {
        let content = std::fs::read_to_string(folder.path().join("llmci-out").join(file)).unwrap();
        assert!(!content.contains(secret), "{file}");
    }
    assert!(!text(&output).contains(secret), "{}", text(&output));
    let missing = eval_gate(folder.path()).output().unwrap();
    assert_eq!(code(&missing), 2);
    assert!(text(&missing).contains("OPENAI_API_KEY"), "{}", text(&missing));
}

#[test]
fn doctor_reads_and_says_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let output = llmci(folder.path()).arg("doctor").output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("host      local") && text(&output).contains("gpu"), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_asks_the_forge_what_a_token_may_do_and_never_shows_the_token() {
    let answer = r#"{"id": 1, "permissions": {"push": false, "pull": true}}"#;
    let good = support::stub::Stub::start(move |_, _| support::stub::reply(200, "", answer)).await.unwrap();
    let bad = support::stub::Stub::start(|_, _| support::stub::reply(401, "", r#"{"message": "Bad credentials"}"#))
        .await
        .unwrap();
    const TOKEN: &str = "tok-0123456789-abcdef";
    for (stub, want) in [(&good, 0), (&bad, 4)] {
        let base = stub.base.trim_end_matches("/v1").to_owned();
        for forge in ["github", "gitlab"] {
            let variables = match forge {
                "github" => [
                    ("GITHUB_API_URL", base.clone()),
                    ("GITHUB_REPOSITORY", "org/repo".to_owned()),
                    ("GITHUB_TOKEN", TOKEN.to_owned()),
                ],
                _ => [
                    ("CI_API_V4_URL", format!("{base}/api/v4")),
                    ("CI_PROJECT_PATH", "org/repo".to_owned()),
                    ("CI_JOB_TOKEN", TOKEN.to_owned()),
                ],
            };
            let output = tokio::task::spawn_blocking(move || {
                let folder = tempfile::tempdir().unwrap();
                llmci(folder.path()).arg("doctor").envs(variables).output().unwrap()
            });
            let output = output.await.unwrap();
            assert_eq!(code(&output), want, "{forge}: {}", text(&output));
            assert!(text(&output).contains(forge) && !text(&output).contains(TOKEN), "{}", text(&output));
            assert_eq!(text(&output).contains("\"pull\""), want == 0, "{}", text(&output));
        }
    }
    assert_eq!((good.asked(), bad.asked()), (2, 2));
}
