//! Each problem is found at its own line, and all of them at once.

use super::*;
use crate::deliver::plan::read;
use crate::document::parse_yaml;

fn problems(text: &str) -> Vec<String> {
    let document = parse_yaml("rollout.yaml", text).unwrap_or_else(|_| panic!("{text}"));
    match read(&document, Purpose::Begin) {
        Ok(_) => Vec::new(),
        Err(problems) => {
            problems.sorted().iter().map(|problem| problem.render(&|text| text.raw().to_owned())).collect()
        }
    }
}

const GOOD: &str = "version: 1\nworkload: {name: llm}\nchange: {image: r/llm:2}\n";

#[test]
fn the_least_file_is_a_plan() {
    assert_eq!(problems(GOOD), Vec::<String>::new());
}

#[test]
fn each_wrong_setting_is_found_at_its_line() {
    for (line, word) in [
        ("canary: {steps: [10, 5, 100]}", "steps grow"),
        ("canary: {steps: [10, 50]}", "end with 100"),
        ("canary: {steps: [0, 100]}", "begin above 0"),
        ("canary: {steps: [101]}", "101"),
        ("canary: {hold_seconds: -1}", "at least 0"),
        ("canary: {hold_second: 1}", "hold_second"),
        ("strategy: shadow", "mirrors"),
        ("strategy: feature-flag", "traffic.flag"),
        ("strategy: bluegreen", "bluegreen"),
        ("traffic: {istio: {virtual_service: a}, nginx: {ingress: b}}", "one of them"),
        ("traffic: {istio: {virtual_service: \"../pods\"}}", "lower-case"),
        ("analysis: {presets: [istio]}", "nobody who measures"),
        ("analysis: {prometheus: {url: \"http://p:9090\"}}", "nothing is asked"),
        ("analysis: {prometheus: {url: \"p:9090\"}, presets: [istio]}", "begins with http"),
        ("analysis: {prometheus: {url: \"http://u:p@p:9090\"}, presets: [istio]}", "no user and no password"),
        ("analysis: {false_rollback: 0.7}", "below 0.5"),
        ("patience: {lock_seconds: 0.1}", "3 to 3600"),
        ("patience: {deadline_seconds: 1e12}", "year"),
        ("watch: {rules: [{name: a, metric: {rate: {}}, threshold: 0.1}]}", "preset"),
    ] {
        let found = problems(&format!("{GOOD}{line}\n"));
        assert!(found.iter().any(|text| text.contains(word) && text.contains(":4:")), "{line}: {found:?}");
    }
}

#[test]
fn a_rule_that_could_never_be_broken_is_refused() {
    let base = "analysis:\n  prometheus: {url: \"http://p:9090\"}\n";
    for (rule, word) in [
        ("  rates: [{name: a, bad: b, all: c}]", "could not be broken"),
        ("  rates: [{name: a, bad: b, max: 0.1}]", "preset"),
        ("  rates: [{name: a, preset: istio, bad: b, all: c, max: 0.1}]", "not both"),
        ("  rates: [{name: a, bad: b, all: c, max: 1.5}]", "below 1"),
        ("  quantiles: [{name: a, histogram: h, quantile: 1.0, max: 2}]", "quantile"),
        ("  levels: [{name: a, query: q, bound: 3, looks: 0}]", "looks"),
        ("  levels: [{name: a, query: q}]", "could not be broken"),
        ("  levels: [{name: a, query: q, bound: 1}, {name: a, query: q, bound: 1}]", "twice"),
    ] {
        let found = problems(&format!("{GOOD}{base}{rule}\n"));
        assert!(found.iter().any(|text| text.contains(word)), "{rule}: {found:?}");
    }
}

#[test]
fn names_that_would_leave_their_path_are_refused() {
    for name in ["../x", "A", "a/b", "a b", "-a", "a?x=1", "", &"a".repeat(57)] {
        let text = format!("version: 1\nworkload: {{name: {}}}\nchange: {{image: r:2}}\n", serde_json::json!(name));
        assert!(problems(&text).iter().any(|text| text.contains("1 to 56")), "{name}");
    }
}

#[test]
fn without_a_change_there_is_no_rollout_but_its_names_may_be_referred_to() {
    let text = "version: 1\nworkload: {name: llm}\n";
    assert!(problems(text).iter().any(|text| text.contains("nothing changes")));
    let document = parse_yaml("rollout.yaml", text).ok().unwrap();
    assert!(read(&document, Purpose::Refer).is_ok());
}
