//! Metrics that all samples together make, and those of which only a recorded value is left, through the real programs: in thresholds
//! and in comparisons, in the right direction.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;
use std::process::Output;

use serde_json::{Map, Value, json};
use support::{code, eval_gate, regression_check, report, root, text, write};

/// A task of lm-eval as its results hold it: every metric with its value, its standard error, and whether more is better.
fn results(folder: &Path, task: &str, documents: usize, metrics: &[(&str, f64, Value, bool)]) {
    let mut entries = Map::from_iter([("alias".to_owned(), json!(task)), ("sample_len".to_owned(), json!(documents))]);
    let mut higher = Map::new();
    for (name, value, error, is_higher) in metrics {
        entries.insert(format!("{name},none"), json!(value));
        entries.insert(format!("{name}_stderr,none"), error.clone());
        higher.insert((*name).to_owned(), json!(is_higher));
    }
    let document = json!({
        "results": {task: entries}, "group_subtasks": {task: []}, "versions": {task: 1}, "n-shot": {task: 0},
        "higher_is_better": {task: higher}, "n-samples": {task: {"original": documents, "effective": documents}},
        "config": {"limit": null}, "lm_eval_version": "0.4.13",
    });
    write(folder, "results_2026-11-26T06-33-54.088155.json", &document.to_string());
}

/// Results of two tasks, whose `acc` is one of two things: of `arc` only what it came to is there, of `sampled` its 200 samples, of
/// which so many are wrong.
fn mixed(folder: &Path, arc: (Value, Value), wrong: usize) {
    let samples = 200;
    let share = 1.0 - float(wrong) / float(samples);
    let error = (share * (1.0 - share) / (float(samples) - 1.0)).sqrt();
    let entry = |name: &str, acc: &Value, error: &Value, count: usize| {
        json!({"alias": name, "sample_len": count, "acc,none": acc, "acc_stderr,none": error, "acc_norm,none": 0.5,
            "acc_norm_stderr,none": 0.1})
    };
    let count = |count: usize| json!({"original": count, "effective": count});
    let better = json!({"acc": true, "acc_norm": true});
    let document = json!({
        "results": {"arc": entry("arc", &arc.0, &arc.1, 1000), "sampled": entry("sampled", &json!(share), &json!(error), samples)},
        "group_subtasks": {"arc": [], "sampled": []}, "versions": {"arc": 1, "sampled": 1}, "n-shot": {"arc": 0, "sampled": 0},
        "higher_is_better": {"arc": better, "sampled": better}, "n-samples": {"arc": count(1000), "sampled": count(samples)},
        "config": {"limit": null}, "lm_eval_version": "0.4.13",
    });
    write(folder, "results_2026-11-26T06-33-54.088155.json", &document.to_string());
    let row = |number: usize| {
        let acc = if number < wrong { 0.0 } else { 1.0 };
        // As many as must be for the recorded mean of 0.5, whatever `acc` is.
        let norm = if number.is_multiple_of(2) { 1.0 } else { 0.0 };
        let row = json!({"doc_id": number, "doc": {}, "target": "t", "arguments": {}, "resps": [["x"]], "filtered_resps": ["x"],
            "filter": "none", "metrics": ["acc", "acc_norm"], "doc_hash": format!("d{number}"), "prompt_hash": format!("p{number}"),
            "target_hash": "t", "acc": acc, "acc_norm": norm});
        format!("{row}\n")
    };
    let rows: String = (0..samples).map(row).collect();
    write(folder, "samples_sampled_2026-11-26T06-33-54.088155.jsonl", &rows);
}

#[expect(clippy::cast_precision_loss, reason = "a small count")]
fn float(count: usize) -> f64 {
    count as f64
}

/// The words of a text, and how much worse than usual it is: the same texts in every run.
fn texts() -> impl Iterator<Item = (f64, f64)> {
    (0..40_u32).map(|number| (f64::from(20 + number % 7), 0.05 * (f64::from(number) * 0.7).sin()))
}

/// Rolling log-likelihoods with samples, of a model with about this perplexity a word; `drift` makes runs differ a little.
fn rolling(folder: &Path, perplexity: f64, drift: f64) -> f64 {
    let likelihood = |(number, (words, worse)): (usize, (f64, f64))| {
        let shift = if number % 2 == 0 { drift } else { -drift };
        (-words * (perplexity.ln() + worse + shift), words)
    };
    let all: Vec<(f64, f64)> = texts().enumerate().map(likelihood).collect();
    let (sum, words) = all.iter().fold((0.0, 0.0), |(sum, words), one| (sum + one.0, words + one.1));
    let value = (-sum / words).exp();
    let row = |(number, (sum, words)): (usize, &(f64, f64))| {
        let row = json!({"doc_id": number, "doc": {}, "target": "t", "arguments": {}, "resps": [[format!("{sum}")]],
            "filtered_resps": [format!("{sum}")], "filter": "none", "metrics": ["word_perplexity"], "doc_hash": format!("d{number}"),
            "prompt_hash": format!("p{number}"), "target_hash": "t", "word_perplexity": [sum, words]});
        format!("{row}\n")
    };
    let rows: String = all.iter().enumerate().map(row).collect();
    write(folder, "samples_wiki_2026-11-26T06-33-54.088155.jsonl", &rows);
    results(folder, "wiki", all.len(), &[("word_perplexity", value, json!("N/A"), false)]);
    value
}

/// The gate on the results in a folder; its own results go to `<name>-out`.
fn gate(folder: &Path, name: &str, rules: &str) -> Output {
    let policy = format!("version: 1\nresults: [{{path: {name}}}]\ngate: {{thresholds: [{rules}]}}\n");
    write(folder, "gate.yaml", &policy);
    eval_gate(folder).args(["--policy", "gate.yaml", "--out", &format!("{name}-out")]).output().unwrap()
}

fn compare(folder: &Path, rule: &str, baseline: &str, candidate: &str) -> Output {
    write(folder, "compare.yaml", &format!("version: 1\nsuites: []\nregression: {{rules: [{rule}]}}\n"));
    let sides = ["--baseline", &format!("{baseline}-out"), "--candidate", &format!("{candidate}-out")];
    regression_check(folder).args(["--policy", "compare.yaml"]).args(sides).output().unwrap()
}

fn row(folder: &Path) -> Value {
    report(&folder.join("llmci-regression"))["comparison"]["rows"][0].clone()
}

const ANY: &str = "{metric: error_rate, max: 0.0, decide_by: point}";

#[test]
fn a_perplexity_that_doubles_fails_and_one_that_halves_passes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, perplexity, drift) in
        [("before", 12.0, 0.0), ("same", 12.0, 0.001), ("doubled", 24.0, 0.001), ("halved", 6.0, 0.001)]
    {
        let value = rolling(&folder.join(name), perplexity, drift);
        let rule = format!("{{metric: word_perplexity, max: 15}}, {ANY}");
        let output = gate(folder, name, &rule);
        assert_eq!(code(&output), i32::from(name == "doubled"), "{name}: {}", text(&output));
        let metrics = report(&folder.join(format!("{name}-out")))["metrics"].clone();
        assert!((metrics[0]["value"].as_f64().unwrap() - value).abs() < 1e-9);
    }
    let rule = "{metric: word_perplexity, margin: 0.05}";
    for (candidate, want) in [("same", 0), ("doubled", 1), ("halved", 0)] {
        let output = compare(folder, rule, "before", candidate);
        assert_eq!(code(&output), want, "{candidate}: {}", text(&output));
    }
    compare(folder, rule, "before", "doubled");
    let found = row(folder);
    assert_eq!(
        (&found["method"], &found["direction"], &found["scale"]),
        (&json!("t-jackknife"), &json!("lower"), &json!("ratio"))
    );
    assert!((found["difference"].as_f64().unwrap() - 1.0).abs() < 0.01, "{found}");
    assert!(found["low"].as_f64().unwrap() > 0.9 && found["high"].as_f64().unwrap() < 1.1, "{found}");
    // Not a single sample has changed, and so few do not show that no other would: 40 are compatible with 7 % that do.
    assert_eq!(code(&compare(folder, rule, "before", "before")), 3);
    assert_eq!(code(&compare(folder, "{metric: word_perplexity, margin: 0.08}", "before", "before")), 0);
}

#[test]
fn samples_of_another_run_do_not_answer_for_a_perplexity() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    rolling(&folder.join("run"), 12.0, 0.0);
    results(&folder.join("run"), "wiki", 40, &[("word_perplexity", 11.0, json!("N/A"), false)]);
    let output = gate(folder, "run", &format!("{{metric: word_perplexity, max: 15}}, {ANY}"));
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("two runs"), "{}", text(&output));
}

#[test]
fn own_rolling_tasks_fail_with_the_worse_model_and_pass_with_the_better_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // What the models were made to know: the worse one has forgotten a part.
    let facts = std::fs::read_to_string(root().join("examples/quickstart/facts.jsonl")).unwrap();
    let document = |line: &str| {
        let fact: Value = serde_json::from_str(line).unwrap();
        let (question, expected) = (fact["vars"]["question"].as_str().unwrap(), fact["expected"].as_str().unwrap());
        format!("{}\n", json!({"text": format!("{question}\n{expected}\n")}))
    };
    let lines: String = facts.lines().take(40).map(document).collect();
    write(folder, "texts.jsonl", &lines);
    let task = "task: said\ndataset_path: json\ndataset_kwargs: {data_files: {test: texts.jsonl}}\ntest_split: test\n\
                output_type: loglikelihood_rolling\ndoc_to_text: \"\"\ndoc_to_target: text\n";
    write(folder, "task.yaml", task);
    let model = |name: &str| {
        let path = root().join("examples/quickstart/models").join(name);
        format!("  {name}: {{provider: embedded, path: \"{}\", device: cpu}}\n", path.display())
    };
    let models = format!("{}{}", model("good"), model("worse"));
    write(
        folder,
        "gate.yaml",
        &format!("version: 1\nmodels:\n{models}suites: [task.yaml]\ngate: {{thresholds: [{ANY}]}}\n"),
    );
    for name in ["good", "worse"] {
        let arguments = ["--policy", "gate.yaml", "--model", name, "--out", &format!("{name}-out")];
        let output = eval_gate(folder).args(arguments).output().unwrap();
        assert_eq!(code(&output), 0, "{}", text(&output));
    }
    for metric in ["word_perplexity", "byte_perplexity", "bits_per_byte"] {
        let rule = format!("{{metric: {metric}, margin: 0.1}}");
        let output = compare(folder, &rule, "good", "worse");
        assert_eq!(code(&output), 1, "{metric}: {}", text(&output));
        let found = row(folder);
        assert!(found["candidate"].as_f64().unwrap() > found["baseline"].as_f64().unwrap(), "{found}");
        assert_eq!(code(&compare(folder, &rule, "worse", "good")), 0, "{metric}");
    }
    let output = compare(folder, "{metric: word_perplexity, direction: higher}", "good", "worse");
    assert_eq!(code(&output), 2, "a perplexity has one direction: {}", text(&output));
}

#[test]
fn aggregates_without_samples_are_judged_by_their_own_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // 600 of 1000, as lm-eval writes it.
    let error = |share: f64, of: f64| json!((share * (1.0 - share) / (of - 1.0)).sqrt());
    let metrics = [
        ("acc", 0.6, error(0.6, 1000.0), true),
        ("rouge1", 40.0, json!(1.5), true),
        ("bits_per_byte", 0.9, json!("N/A"), false),
    ];
    results(&folder.join("run"), "arc", 1000, &metrics);
    for (rule, want) in [
        ("{metric: acc, min: 0.56}", 0),
        ("{metric: acc, min: 0.59}", 3),
        ("{metric: acc, min: 0.65}", 1),
        ("{metric: rouge1, direction: higher, min: 37}", 0),
        ("{metric: rouge1, direction: higher, min: 39}", 3),
        ("{metric: rouge1, direction: higher, min: 44}", 1),
        // No standard error, no interval: nothing is shown, however far the bound is.
        ("{metric: bits_per_byte, max: 100}", 3),
        ("{metric: bits_per_byte, max: 100, decide_by: point}", 0),
        ("{metric: bits_per_byte, max: 0.5, decide_by: point}", 1),
        // Nobody knows which samples passed.
        ("{metric: pass_rate, min: 0.1, decide_by: point}", 4),
        ("{metric: exact_match, min: 0.1, decide_by: point}", 4),
    ] {
        let output = gate(folder, "run", rule);
        assert_eq!(code(&output), want, "{rule}: {}", text(&output));
    }
    let output = gate(folder, "run", "{metric: acc, min: 0.56}");
    assert!(text(&output).contains("--log_samples"), "it says what is lost: {}", text(&output));
    let metrics = report(&folder.join("run-out"))["metrics"].clone();
    assert_eq!((&metrics[0]["n"], &metrics[0]["method"]), (&json!(1000), &json!("wilson")));
    let count = |samples: u64| {
        let policy = format!(
            "version: 1\nresults: [{{path: run, samples: {samples}}}]\ngate: {{thresholds: [{{metric: acc, min: 0.56}}]}}\n"
        );
        write(folder, "llmci.yaml", &policy);
        code(&eval_gate(folder).output().unwrap())
    };
    assert_eq!((count(1000), count(999)), (0, 2));
}

#[test]
fn aggregates_without_samples_are_compared_unpaired_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let error = |share: f64| json!((share * (1.0 - share) / 3999.0).sqrt());
    for (name, acc, perplexity) in
        [("before", 0.6, 10.0), ("same", 0.601, 10.01), ("worse", 0.52, 20.0), ("better", 0.68, 5.0)]
    {
        let error_of = json!(perplexity * 0.01);
        results(
            &folder.join(name),
            "both",
            4000,
            &[("acc", acc, error(acc), true), ("perplexity", perplexity, error_of, false)],
        );
        let output = gate(folder, name, ANY);
        assert_eq!(code(&output), 0, "{}", text(&output));
    }
    for (rule, method) in [
        ("{metric: acc, margin: 0.05}", "newcombe-unpaired"),
        ("{metric: perplexity, margin: 0.05}", "welch-unpaired"),
        ("{metric: acc, margin: 0.05, suite: both}", "newcombe-unpaired"),
    ] {
        for (candidate, want) in [("same", 0), ("worse", 1), ("better", 0)] {
            let output = compare(folder, rule, "before", candidate);
            assert_eq!(code(&output), want, "{rule} {candidate}: {}", text(&output));
            assert!(text(&output).contains("unpaired"), "{}", text(&output));
            assert_eq!(row(folder)["method"], method);
        }
    }
    let difference = {
        compare(folder, "{metric: perplexity, margin: 0.05}", "before", "worse");
        row(folder)["difference"].as_f64().unwrap()
    };
    assert!((difference - 1.0).abs() < 1e-9, "twice as large");
    // Without a standard error there is nothing to compare by.
    for name in ["before", "worse"] {
        results(&folder.join(name), "both", 4000, &[("perplexity", 10.0, json!("N/A"), false)]);
        assert_eq!(code(&gate(folder, name, ANY)), 0);
    }
    let output = compare(folder, "{metric: perplexity, margin: 0.05}", "before", "worse");
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("standard error"), "{}", text(&output));
}

#[test]
fn a_rule_never_passes_on_the_part_of_the_samples_that_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let recorded = || (json!(0.9), json!((0.09_f64 / 999.0).sqrt()));
    let none = || (json!("N/A"), json!("N/A"));
    for (name, arc, wrong) in [
        ("before", recorded(), 10),
        ("same", recorded(), 10),
        ("worse", recorded(), 100),
        ("none", none(), 10),
        ("none-too", none(), 10),
    ] {
        mixed(&folder.join(name), arc, wrong);
        assert_eq!(code(&gate(folder, name, ANY)), 0, "{name}");
    }
    // What is in the samples can be worse by half, and the recorded value says nothing of it.
    let rule = "{metric: acc, margin: 0.1}";
    for candidate in ["same", "worse", "none"] {
        let output = compare(folder, rule, "before", candidate);
        assert!([2, 3].contains(&code(&output)), "{candidate}: {}", text(&output));
    }
    let output = compare(folder, rule, "before", "worse");
    assert_eq!(row(folder)["missing"], json!(400), "{}", text(&output));
    // Each part has its verdict.
    for (suite, candidate, want) in [("arc", "worse", 0), ("sampled", "worse", 1), ("sampled", "none", 0)] {
        let output = compare(folder, &format!("{{metric: acc, margin: 0.1, suite: {suite}}}"), "before", candidate);
        assert_eq!(code(&output), want, "{suite} {candidate}: {}", text(&output));
    }
    // A value that neither side has is no single case of many.
    assert_eq!(code(&compare(folder, rule, "none", "none-too")), 2);
    // Nor is it one for a threshold.
    for (name, rule, want) in [
        ("before", "{metric: acc, min: 0.8}", 3),
        ("none", "{metric: acc, min: 0.8}", 3),
        ("none", "{metric: acc, min: 0.8, decide_by: point}", 3),
        ("none", "{metric: acc, min: 0.97, decide_by: point}", 1),
        ("none", "{metric: acc, min: 0.8, suite: sampled}", 0),
        ("none", "{metric: acc, min: 0.8, suite: arc}", 4),
    ] {
        let output = gate(folder, name, rule);
        assert_eq!(code(&output), want, "{name} {rule}: {}", text(&output));
    }
    gate(folder, "none", "{metric: acc, min: 0.8}");
    let found = report(&folder.join("none-out"))["metrics"][0].clone();
    assert_eq!((&found["value"], &found["unscored"]), (&json!(0.95), &json!(1000)), "{found}");
}

#[test]
fn a_task_that_only_one_side_has_recorded_leaves_the_rule_open() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let error = json!((0.25_f64 / 3999.0).sqrt());
    for task in ["hard", "easy"] {
        results(&folder.join(task), task, 4000, &[("acc", 0.5, error.clone(), true)]);
    }
    for (name, paths) in [("both", "[{path: hard}, {path: easy}]"), ("one", "[{path: easy}]")] {
        write(folder, "gate.yaml", &format!("version: 1\nresults: {paths}\ngate: {{thresholds: [{ANY}]}}\n"));
        let output =
            eval_gate(folder).args(["--policy", "gate.yaml", "--out", &format!("{name}-out")]).output().unwrap();
        assert_eq!(code(&output), 0, "{}", text(&output));
    }
    let held = |baseline: &str, candidate: &str| {
        let rules = "{coverage: 0.1, rules: [{metric: acc, margin: 0.1}]}";
        write(folder, "compare.yaml", &format!("version: 1\nsuites: []\nregression: {rules}\n"));
        let sides = ["--baseline", &format!("{baseline}-out"), "--candidate", &format!("{candidate}-out")];
        regression_check(folder).args(["--policy", "compare.yaml"]).args(sides).output().unwrap()
    };
    assert_eq!(code(&held("both", "both")), 0);
    for (baseline, candidate) in [("both", "one"), ("one", "both")] {
        let output = held(baseline, candidate);
        assert_eq!(code(&output), 3, "{}", text(&output));
        assert!(text(&output).contains("1 are on one side only"), "{}", text(&output));
    }
}
