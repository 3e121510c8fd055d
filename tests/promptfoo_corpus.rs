//! Public configs of promptfoo, in a folder that `LLMCI_PROMPTFOO_CORPUS` names: which share of them is read without a refusal,
//! and whether each refusal names its line. They are others' work and no part of this project; `docs/measurements/promptfoo.md`
//! says how they were drawn, and what came out.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use llmci::document::parse_yaml;
use llmci::eval::suite::{self, Around, Asked};

/// Keys of which a config has at least one; files beside configs (tests, tools, providers) have none of them.
const ASKED: &[&str] = &["prompts", "providers", "targets"];
/// Keys that a file of tests or of a provider does not have beside them.
const OWN: &[&str] = &["prompts", "providers", "targets", "tests", "defaultTest", "scenarios"];

fn files_below(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "node_modules") {
            files_below(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            into.push(path);
        }
    }
}

/// Whether promptfoo would be started with this file.
fn is_config(text: &str) -> bool {
    // What is no YAML of ours may still be a config: its keys are at the left.
    let has = |key: &str| text.lines().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')));
    match parse_yaml("x", text) {
        Ok(document) => {
            document.value().is_object()
                && ASKED.iter().any(|key| document.value().get(key).is_some())
                && OWN.iter().filter(|key| document.value().get(key).is_some()).count() >= 2
        }
        Err(_) => ASKED.iter().any(|key| has(key)) && OWN.iter().filter(|key| has(key)).count() >= 2,
    }
}

/// A message without what stands in quotes in it, so that like refusals are counted together.
fn kind(message: &str) -> String {
    let mut out = String::new();
    let mut quoted = false;
    for character in message.chars() {
        if character == '`' {
            quoted = !quoted;
            out.push('`');
        } else if !quoted && !character.is_ascii_digit() {
            out.push(character);
        }
    }
    out
}

#[test]
fn the_share_of_public_configs_that_is_read_without_a_refusal() {
    let Some(folder) = std::env::var_os("LLMCI_PROMPTFOO_CORPUS").map(PathBuf::from) else {
        eprintln!("skipped: LLMCI_PROMPTFOO_CORPUS names no folder with public configs");
        return;
    };
    let mut files = Vec::new();
    files_below(&folder, &mut files);
    let around =
        Around { environment: &|_| None, asked: Asked::Policy, judge: Some("judge"), working: None, chat: None };
    let (mut read, mut absent, mut refused, mut placeless) = (0, 0, 0, Vec::new());
    let (mut bare, mut attacks) = (0, 0);
    let mut kinds: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        if !is_config(&text) {
            continue;
        }
        let shown = file.strip_prefix(&folder).unwrap().display().to_string();
        let problems = match suite::load(&file, &shown, around) {
            Ok(_) => {
                read += 1;
                continue;
            }
            Err(problems) => problems.sorted(),
        };
        let is_absent =
            |message: &str| message.contains("No such file") || message.contains("no file of vars is found");
        if problems.iter().all(|problem| problem.message.raw().contains("no test of this config has an assertion")) {
            bare += 1;
        } else if text.lines().any(|line| line.starts_with("redteam:")) {
            attacks += 1;
        } else if problems.iter().all(|problem| is_absent(problem.message.raw())) {
            absent += 1;
        } else {
            refused += 1;
        }
        for problem in &problems {
            if problem.spot.line == 0 {
                placeless.push(shown.clone());
            }
        }
        let mut own: Vec<String> = problems.iter().map(|problem| kind(problem.message.raw())).collect();
        own.sort();
        own.dedup();
        let first = problems.iter().find(|problem| !is_absent(problem.message.raw())).or(problems.first());
        let first = first.map(|problem| problem.render(&|text| text.raw().to_owned())).unwrap_or_default();
        eprintln!("refused {shown}: {}", first.lines().next().unwrap_or_default());
        for kind in own {
            kinds.entry(kind).or_insert((0, first.clone())).0 += 1;
        }
    }
    let all = read + absent + refused;
    let share = |count: usize| 100 * count / all.max(1);
    let mut kinds: Vec<(String, (usize, String))> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    for (kind, (count, _)) in &kinds {
        eprintln!("{count:4} configs: {kind}");
    }
    eprintln!("{all} configs that assert something: {read} are read ({} %)", share(read));
    eprintln!("{refused} are refused, {absent} name files that are absent");
    eprintln!("besides: {bare} without any assertion, {attacks} of promptfoo's red team, which are refused as such");
    assert!(all >= 60, "{all} configs are too few to say anything");
    assert_eq!(placeless, Vec::<String>::new(), "each refusal names its line");
}
