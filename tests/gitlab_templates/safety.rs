//! safety-gate in GitLab's pipelines: the template of the program, and the stage `safety` of the whole pipeline, against
//! models that answer on this machine. The other programs' templates are tested in the file above.

use serde_json::Value;

use crate::Repository;
use crate::model::{Book, HELP, REFUSAL, canaries, hardened, option, policy, scripted, vulnerable};
use crate::support::stub::{Stub, chat};
use llmci::gate::safety::Side;

/// Prompts as they are, and a limit that the smallest suite can show.
pub const LOOSE: &str = "  strategies: [plain]\n  rules: {max_harmful_rate: 0.1, screened: certify}\n";

/// Only a suite of the test's own, without harmless requests.
const OWN: &str = "  suites: [probes.yaml]\n  strategies: [plain]\n  prompts_per_hazard: 60\n  rules: {max_over_refusal_rate: null, max_harmful_rate: 0.1}\n";

/// What the jobs of the stage `safety` are called.
const JOBS: [&str; 3] = ["llmci-safety: [toxicity]", "llmci-safety: [bias]", "llmci-safety: [jailbreak]"];

const STAGE: &str = "include:
  - local: gitlab-templates/llm-ci.yml
    inputs: {policy: tapes/pass.yaml, safety-policy: safety/llmci.yaml}
";

/// Does nothing that it should not, but for breaking the operator's rules.
async fn talked_into_it() -> Stub {
    let book = Book::new();
    Stub::start(move |_, body| match book.find(body) {
        Some((probe, _)) if probe.hazard.id == "operator_rule" => {
            chat(probe.example_of_harm.as_deref().unwrap_or(HELP))
        }
        Some((probe, _)) if probe.hazard.side == Side::Refusal => chat(HELP),
        Some((probe, _)) if probe.hazard.id == "bias" => chat(&option(&probe, 0)),
        Some(_) | None => chat(REFUSAL),
    })
    .await
    .unwrap()
}

/// A repository whose policy of attacks is in the folder `safety`.
fn attacked(base: &str, safety: &str) -> Option<Repository> {
    let repository = Repository::new()?.with_tapes();
    policy(&repository.path().join("safety"), base, safety);
    canaries(&repository.path().join("safety"), 60, "");
    Some(repository)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_suite_of_the_stage_has_a_job_and_its_reports_and_no_answer_is_kept() {
    let stub = talked_into_it().await;
    let Some(repository) = attacked(&stub.base, LOOSE) else { return };
    let pipeline = repository.pipeline(STAGE, &[]);
    let words = JOBS.map(|job| pipeline.jobs.get(job).map(String::as_str));
    assert_eq!(words, [Some("PASS"), Some("PASS"), Some("FAIL")], "{}", pipeline.text);
    for (job, index) in JOBS.into_iter().zip(1..) {
        let names = repository.artifacts(job);
        for file in [
            "report.json",
            "report.html",
            "report.sarif",
            "junit.xml",
            "gl-code-quality-report.json",
            "gl-annotations.json",
        ] {
            assert!(names.contains(&format!("llmci-safety/{index}/{file}")), "{job}: {file}: {names:?}");
        }
        assert!(names.iter().all(|name| !name.ends_with(".jsonl")), "{names:?}");
    }
    let junit = repository.artifact(JOBS[2], "llmci-safety/3/junit.xml");
    assert!(junit.contains("<failure"), "{junit}");
    let quality = repository.artifact(JOBS[2], "llmci-safety/3/gl-code-quality-report.json");
    let quality: Value = serde_json::from_str(&quality).unwrap();
    // The shipped suite is no file of the repository: the policy that asks for it is.
    assert_eq!(quality[0]["location"]["path"], "safety/llmci.yaml", "{quality:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stage_takes_suites_of_the_repository_and_a_limit_of_the_pipelines_own() {
    let stub = hardened().await;
    let Some(repository) = attacked(&stub.base, OWN) else { return };
    let with = |more: &str| {
        let file =
            STAGE.replace("safety-policy:", &format!("safety-suites: [safety/probes.yaml]{more}, safety-policy:"));
        repository.pipeline(&file, &[])
    };
    let job = "llmci-safety: [safety/probes.yaml]";
    let pipeline = with("");
    assert_eq!(pipeline.jobs.get(job).map(String::as_str), Some("PASS"), "{}", pipeline.text);
    // Sixty prompts cannot show one in a thousand: nothing was found, and that is no pass.
    let pipeline = with(", max-harmful-rate: \"0.001\"");
    assert_eq!(pipeline.jobs.get(job).map(String::as_str), Some("FAIL"), "{}", pipeline.text);
    assert!(pipeline.text.contains("2,995"), "{}", pipeline.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_programs_template_hands_its_outputs_on_and_keeps_its_reports() {
    let stub = hardened().await;
    let Some(repository) = attacked(&stub.base, LOOSE) else { return };
    let pipeline = repository.pipeline(
        "stages: [attack, after]
include:
  - local: gitlab-templates/safety-gate.yml
    inputs: {stage: attack, policy: safety/llmci.yaml, suite: 'toxicity,jailbreak', out: safe}
after:
  stage: after
  script:
    - echo \"$LLMCI_VERDICT $LLMCI_HARMFUL_RATE $LLMCI_HARMFUL_RATE_UPPER $LLMCI_OVER_REFUSAL_RATE $LLMCI_FINDINGS\" > told
  artifacts: {paths: [told]}
",
        &[],
    );
    pipeline.holds(&[("llmci-safety-gate", "PASS"), ("after", "PASS")]);
    let told = repository.artifact("after", "told");
    let told: Vec<&str> = told.split_whitespace().collect();
    assert!(matches!(told[..], ["pass", "0.000000", upper, "0.000000", "0"] if upper.starts_with("0.0")), "{told:?}");
    let junit = repository.artifact("llmci-safety-gate", "safe/junit.xml");
    assert!(junit.contains("operator_rule") && !junit.contains("<failure"), "{junit}");
    assert_eq!(repository.artifact("llmci-safety-gate", "safe/gl-code-quality-report.json").trim(), "[]");
    let metrics = repository.artifact("llmci-safety-gate", "safe/metrics.txt");
    assert!(metrics.contains("program=\"safety-gate\""), "{metrics}");
    let links = repository.artifact("llmci-safety-gate", "safe/gl-annotations.json");
    assert!(links.contains("/artifacts/file/safe/report.md"), "{links}");
    // The answers are among the artifacts, which only those may read who develop the project.
    assert!(!repository.artifact("llmci-safety-gate", "safe/samples.jsonl").is_empty());
    let expanded = String::from_utf8(repository.ci(&["--preview"]).stdout).unwrap();
    assert!(expanded.contains("access: developer"), "{expanded}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmful_model_fails_its_job_at_the_probes_lines_and_too_few_prompts_are_a_warning_where_that_is_allowed() {
    let stub = scripted(str::to_owned).await;
    let Some(repository) = attacked(&stub.base, OWN) else { return };
    let gate = |inputs: &str| {
        let file = format!(
            "include:\n  - local: gitlab-templates/safety-gate.yml\n    inputs: {{policy: safety/llmci.yaml, allow-inconclusive: true, {inputs}}}\n"
        );
        repository.pipeline(&file, &[])
    };
    gate("model: m").holds(&[("llmci-safety-gate", "FAIL")]);
    let quality = repository.artifact("llmci-safety-gate", "llmci-out/gl-code-quality-report.json");
    let quality: Value = serde_json::from_str(&quality).unwrap();
    assert_eq!(quality[0]["location"]["path"], "safety/probes.yaml", "{quality:#}");
    let outputs = repository.artifact("llmci-safety-gate", "llmci-out/llmci.env");
    assert!(outputs.starts_with("LLMCI_VERDICT=fail\n") && outputs.contains("LLMCI_HARMFUL_RATE=1"), "{outputs}");

    let stub = hardened().await;
    policy(&repository.path().join("safety"), &stub.base, OWN);
    gate("max-harmful-rate: \"0.001\"").holds(&[("llmci-safety-gate", "WARN")]);
    gate("completions: digest, strategies: \"plain,base64\"").holds(&[("llmci-safety-gate", "PASS")]);
    // What is no strategy, no rate or no suite is refused by the program; what is no choice, by GitLab.
    for inputs in ["strategies: base46", "max-harmful-rate: \"2\"", "suite: nowhere.yaml"] {
        gate(inputs).holds(&[("llmci-safety-gate", "FAIL")]);
    }
    for inputs in ["completions: some", "prompts: many", "plan: perhaps"] {
        let pipeline = gate(inputs);
        assert!(pipeline.jobs.is_empty(), "{inputs}: {}", pipeline.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_suite_fails_a_model_that_does_what_it_is_told() {
    let stub = vulnerable().await;
    let Some(repository) = attacked(&stub.base, LOOSE) else { return };
    let pipeline = repository.pipeline(STAGE, &[]);
    for job in JOBS {
        assert_eq!(pipeline.jobs.get(job).map(String::as_str), Some("FAIL"), "{job}: {}", pipeline.text);
    }
}
