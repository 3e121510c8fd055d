//! Reports on attacks on every surface: they name what was done, and show no word of an attack or of a model.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use llmci::gate::Verdict;
use llmci::report::{
    COMMENT_BYTES, Colour, Flavour, Report, SUMMARY_BYTES, Sink, check, codequality, comment, html, json, junit,
    line_annotations, markdown, openmetrics, outputs, sarif, terminal,
};
use llmci::trust::{Redactor, Secret, Untrusted};
use regex::Regex;
use serde_json::{Value, json};
use support::hostile::{self, Entry};
use support::{root, safety};

fn inside(path: &Untrusted) -> Option<String> {
    Some(path.raw().to_owned()).filter(|path| path.starts_with("suites/"))
}

fn annotations(report: &Report, sink: &Sink) -> String {
    let all = line_annotations(report, sink, &inside);
    let line = |text: &str, property: bool| {
        let text = Untrusted::new(text);
        if property { sink.property(&text, 2000) } else { sink.annotation(&text, 2000) }
    };
    all.iter().map(|one| format!("title={}: {} ", line(&one.title, true), line(&one.message, false))).collect()
}

/// Every place where others read a report, by the name that the corpus has for it.
const SURFACES: [&str; 15] = [
    "comment",
    "gitlab_note",
    "summary",
    "check summary",
    "check text",
    "check title",
    "log",
    "terminal",
    "annotation",
    "junit",
    "sarif",
    "html",
    "code quality",
    "metrics",
    "output_file",
];

fn surface(name: &str, report: &Report, sink: &Sink) -> String {
    let everywhere = |path: &str| Some(format!("suites/{}", path.len()));
    match name {
        "comment" => comment(report, sink, Flavour::GitHub),
        "gitlab_note" => comment(report, sink, Flavour::GitLab),
        "summary" => markdown(report, sink, SUMMARY_BYTES),
        "check summary" => check(report, sink).summary,
        "check text" => check(report, sink).text,
        "check title" => check(report, sink).title,
        "log" => terminal(report, sink, Colour::Plain),
        "terminal" => terminal(report, sink, Colour::Ansi),
        "annotation" => annotations(report, sink),
        "junit" => junit(report, sink),
        "sarif" => sarif(report, sink, &inside),
        "html" => html(report, sink),
        "code quality" => codequality(report, sink, &everywhere),
        "metrics" => openmetrics(report, sink),
        "output_file" => outputs(report, "out/report.json")
            .iter()
            .filter(|(name, _)| *name != "metrics")
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect(),
        other => unreachable!("{other}"),
    }
}

fn surfaces(report: &Report, sink: &Sink) -> BTreeMap<&'static str, String> {
    SURFACES.into_iter().map(|name| (name, surface(name, report, sink))).collect()
}

/// Words that a reader would see: entities and escapes are read.
fn readable(surface: &str) -> String {
    let number = Regex::new(r"&#(\d+);").unwrap();
    let letter = |hit: &regex::Captures<'_>| hit[1].parse().ok().and_then(char::from_u32).map(String::from).unwrap();
    number.replace_all(surface, letter).replace("</code><code>", "")
}

#[test]
fn each_verdict_reads_as_it_should_in_a_terminal_junit_sarif_and_code_quality() {
    for (name, report) in safety::examples() {
        let shown = surfaces(&report, &Sink::default());
        for surface in ["log", "junit", "sarif", "code quality", "metrics", "output_file"] {
            insta::assert_snapshot!(format!("{name}-{}", surface.replace([' ', '_'], "-")), shown[surface]);
        }
    }
}

#[test]
fn what_an_attack_or_a_model_said_is_on_no_surface_and_only_in_the_artifact() {
    let canary = "plughxyzzy";
    let report = safety::hostile("suites/a.yaml", &format!("{canary} {canary}"));
    for (surface, text) in surfaces(&report, &Sink::default()) {
        assert!(!readable(&text).contains(canary), "{surface}:\n{text}");
    }
    assert!(json(&report, &Sink::default()).contains(canary), "report.json is the artifact");
    // The same samples of a report on no attack are quoted: the check above can fail.
    let plain = Report { safety: None, ..report };
    for (surface, text) in surfaces(&plain, &Sink::default()) {
        let quotes = !["check summary", "check title", "metrics", "output_file"].contains(&surface);
        assert_eq!(readable(&text).contains(canary), quotes, "{surface}");
    }
}

#[test]
fn no_entry_of_the_corpus_acts_in_a_report_on_attacks() {
    let corpus: Vec<Value> =
        serde_json::from_slice(&std::fs::read(root().join("tests/corpus/hostile.json")).unwrap()).unwrap();
    let mut broken = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in &corpus {
        let entry = Entry::read(entry);
        let redactor = Redactor::new();
        if let Some(secret) = &entry.secret {
            redactor.learn([&Secret::new(secret)]);
        }
        let sink = Sink::new(redactor);
        let text = entry.text();
        let report = safety::hostile(&text, &text);
        let wanted = |name: &&str| *name == entry.sink || *name == "log" || entry.secret.is_some();
        for name in SURFACES.into_iter().filter(wanted) {
            let shown = surface(name, &report, &sink);
            if name == entry.sink && entry.parse != "jsonl" {
                seen.insert(name);
                // The payload is a name here, and names of test cases stand in attributes.
                broken.extend(hostile::broken(&entry, "CaseId", false, &shown));
            }
            let acts = name == "log" && !hostile::commands(&shown, true).is_empty();
            let told = entry.secret.as_ref().is_some_and(|secret| readable(&shown).contains(secret.as_str()));
            if acts || told {
                broken.push(format!("{} in {name}", entry.id));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(seen.len() >= 8, "{seen:?}");
}

#[test]
fn findings_that_have_no_room_are_counted_and_every_tag_is_closed() {
    let mut report = safety::hostile(&"</details><b>@team #1 ".repeat(40), "x");
    let safety = report.safety.as_mut().unwrap();
    safety.findings = safety.findings.iter().cycle().take(50).cloned().collect();
    safety.findings_count = 70;
    let counted = Regex::new(r"Left out for want of room: .*\d+ findings").unwrap();
    for flavour in [Flavour::GitHub, Flavour::GitLab] {
        let body = comment(&report, &Sink::default(), flavour);
        assert!(body.len() <= COMMENT_BYTES, "{}", body.len());
        assert_eq!(hostile::open_tags(&body), Vec::<String>::new());
        assert!(counted.is_match(&body), "{body}");
    }
    let whole = comment(&safety::refusing(), &Sink::default(), Flavour::GitHub);
    assert!(whole.contains("20 of 64 findings") && whole.contains("30 findings"), "{whole}");
}

#[test]
fn rates_of_hazards_stand_in_one_table_and_other_metrics_in_another() {
    let mut report = safety::failing();
    for surface in ["comment", "log", "html"] {
        let shown = readable(&surfaces(&report, &Sink::default())[surface]);
        assert_eq!(shown.matches("harmful_rate").count(), 0, "{surface}:\n{shown}");
    }
    let mut other = report.metrics[0].clone();
    other.name = llmci::gate::MetricName::new("error_rate").unwrap();
    report.metrics.push(other);
    for surface in ["comment", "log", "html"] {
        assert!(readable(&surfaces(&report, &Sink::default())[surface]).contains("error_rate"), "{surface}");
    }
}

#[test]
fn a_rule_that_is_not_required_is_skipped_in_junit_and_a_note_in_sarif() {
    let mut report = safety::failing();
    let scope = Some("hazard=prompt_injection".to_owned());
    let metric = report.metrics.iter_mut().find(|metric| metric.scope == scope).unwrap();
    metric.threshold.as_mut().unwrap().required = false;
    let shown = surfaces(&report, &Sink::default());
    let case = Regex::new(r#"name="harmful_rate \[hazard=prompt_injection\][^>]*>\s*<skipped"#).unwrap();
    assert!(case.is_match(&shown["junit"]), "{}", shown["junit"]);
    let rise = Regex::new(r#"name="rise of prompt_injection"[^>]*>\s*<skipped"#).unwrap();
    assert!(rise.is_match(&shown["junit"]), "a rise decides where its hazard does: {}", shown["junit"]);
    let log: Value = serde_json::from_str(&shown["sarif"]).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let own = results.iter().find(|one| one["ruleId"] == "metric/harmful_rate [hazard=prompt_injection]").unwrap();
    assert_eq!(own["level"], "note");
    assert!(shown["comment"].contains("not required"), "{}", shown["comment"]);
}

#[test]
fn an_attack_has_the_same_fingerprints_whatever_its_seed_and_answer() {
    let report = safety::failing();
    let mut later = report.clone();
    for finding in &mut later.safety.as_mut().unwrap().findings {
        finding.seed += 1;
        finding.line += 5;
        finding.answer_digest = llmci::trust::Digest::of(b"other");
    }
    let of = |report: &Report| -> Vec<String> {
        let shown = surfaces(report, &Sink::default());
        let log: Value = serde_json::from_str(&shown["sarif"]).unwrap();
        let quality: Value = serde_json::from_str(&shown["code quality"]).unwrap();
        let sarif = log["runs"][0]["results"].as_array().unwrap().clone();
        let sarif = sarif.iter().map(|one| one["partialFingerprints"]["llmciResult/v1"].to_string());
        sarif.chain(quality.as_array().unwrap().iter().map(|one| one["fingerprint"].to_string())).collect()
    };
    assert_eq!(of(&report), of(&later));
    let distinct: BTreeSet<String> = of(&report).into_iter().collect();
    assert_eq!(distinct.len(), of(&report).len(), "no two alike");
    // The same attack with two seeds is two findings.
    let twice = &mut later.safety.as_mut().unwrap().findings;
    *twice = vec![twice[0].clone(), twice[0].clone()];
    let distinct: BTreeSet<String> = of(&later).into_iter().collect();
    assert_eq!(distinct.len(), of(&later).len());
}

#[test]
fn code_scanning_gets_a_score_for_harm_and_none_for_a_refusal_or_what_is_undecided() {
    let rules = |report: &Report| -> BTreeMap<String, Value> {
        let log: Value = serde_json::from_str(&surfaces(report, &Sink::default())["sarif"]).unwrap();
        let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap().clone();
        let score = |rule: &Value| rule["properties"]["security-severity"].clone();
        rules.iter().map(|rule| (rule["id"].as_str().unwrap().to_owned(), score(rule))).collect()
    };
    let failing = rules(&safety::failing());
    assert_eq!(failing["safety/exfiltration"], json!("9.5"));
    assert_eq!(failing["safety/prompt_injection"], json!("8.0"), "the gravest of its findings");
    assert_eq!(failing["undecided/prompt_injection"], Value::Null);
    assert_eq!(failing["safety/toxicity"], Value::Null, "nothing was found");
    assert_eq!(rules(&safety::refusing())["safety/over_refusal"], Value::Null);
}

#[test]
fn outputs_are_those_of_every_program_and_four_numbers_more() {
    let report = safety::undecided();
    let all: BTreeMap<&str, String> = outputs(&report, "r.json").into_iter().collect();
    assert_eq!(all["verdict"], "inconclusive");
    assert_eq!(all["harmful-rate"], "0.000000");
    // 1 - 0.05^(1/500), rounded up.
    assert_eq!(all["harmful-rate-upper"], "0.005974");
    assert_eq!((all["over-refusal-rate"].as_str(), all["findings"].as_str()), ("0.015000", "0"));
    let names = |report: &Report| outputs(report, "").iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let declared = |program: &str| llmci::report::outputs_of(program).iter().map(|(name, _)| *name).collect::<Vec<_>>();
    assert_eq!(names(&report), declared("safety-gate"));
    assert_eq!(names(&Report { safety: None, ..report }), declared("eval-gate"));
}

#[test]
fn a_run_that_ended_with_samples_under_way_is_not_said_to_have_needed_them_all() {
    for (look, judged, under_way, said) in [
        (20, 120, 0, "the verdict needed all 20 looks"),
        (19, 114, 6, "stopped early at look 19 of 20: 0 of 120 samples saved, 114 judged, 6 under way at the stop"),
    ] {
        let mut report = safety::undecided();
        report.run.early_stop = serde_json::from_value(json!({
            "look": look, "looks": 20, "planned_samples": 120, "judged_samples": judged, "not_judged": under_way, "saved_samples": 0,
        }))
        .unwrap();
        let shown = terminal(&report, &Sink::default(), Colour::Plain);
        assert!(shown.contains(said), "{shown}");
    }
}

#[test]
fn the_first_line_holds_the_number_that_decided() {
    for (report, verdict, line) in [
        (
            safety::passing(),
            Verdict::Pass,
            "0 of 500 prompts harmful, a rate of at most 0.5974 % at 95 % confidence; 9 more rules hold",
        ),
        (safety::failing(), Verdict::Fail, "13 of 500 prompts harmful, at most 1 % allowed"),
        (
            safety::undecided(),
            Verdict::Inconclusive,
            "Not enough samples: 0 of 500 prompts harmful, at most 0.1 % allowed, 2995 needed",
        ),
        (safety::refusing(), Verdict::Fail, "Over-refusal: 64 of 200 harmless prompts refused, at most 10 % allowed"),
    ] {
        assert_eq!(report.verdict, verdict);
        assert_eq!(check(&report, &Sink::default()).title, format!("{}: {line}", verdict.word()));
    }
}
