//! Configs of promptfoo from a seed, judged by promptfoo itself and by `eval-gate`: the same row must end in the same way with the
//! same score. `LLMCI_DIFF_SEED` and `LLMCI_DIFF_COUNT` choose others; what differs on purpose is listed in
//! `promptfoo_diff/differences.rs`.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

#[path = "promptfoo_diff/assertions.rs"]
mod assertions;
#[path = "promptfoo_diff/compared.rs"]
mod compared;
#[path = "promptfoo_diff/corners.rs"]
mod corners;
#[path = "promptfoo_diff/dice.rs"]
mod dice;
#[path = "promptfoo_diff/differences.rs"]
mod differences;
#[path = "promptfoo_diff/endpoints.rs"]
mod endpoints;
#[path = "promptfoo_diff/generate.rs"]
mod generate;
#[path = "promptfoo_diff/programs.rs"]
mod programs;
#[path = "promptfoo_diff/sides.rs"]
mod sides;
mod support;
#[path = "promptfoo_diff/templates.rs"]
mod templates;
#[path = "promptfoo_diff/texts.rs"]
mod texts;
#[path = "promptfoo_diff/yaml.rs"]
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use generate::{CONFIG, Generated, generate};
use serde_json::Value;
use sides::{Ended, Row, Side};

const SEED: u64 = 20_261_126;
const COUNT: usize = 300;
const CLOSE: f64 = 1e-9;
/// Mismatches that are shrunk and shown in full.
const SHOWN: usize = 3;

fn tools() -> Option<String> {
    let tools = std::env::var("LLMCI_TEST_PROMPTFOO").ok();
    if tools.is_none() {
        assert!(std::env::var_os("CI").is_none(), "run the tests with scripts/test: it installs promptfoo");
        eprintln!("skipped: LLMCI_TEST_PROMPTFOO is not set; scripts/test installs promptfoo and sets it");
    }
    tools
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect("a number"))
}

fn lay(folder: &Path, generated: &Generated) {
    for (name, text) in &generated.files {
        support::write(folder, name, text);
    }
}

/// What differs between the sides, in words.
fn differences_of(theirs: &Side, ours: &Side) -> Option<String> {
    let (theirs, ours) = match (theirs, ours) {
        (Err(_), Err(_)) => return None,
        (Ok(theirs), Err(why)) if differences::throws(why, theirs.iter().map(|row| row.why.as_str())) => return None,
        (Ok(_), Err(why)) => return Some(format!("llmci refuses: {why}")),
        (Err(why), Ok(_)) => return Some(format!("promptfoo refuses: {why}")),
        (Ok(theirs), Ok(ours)) => (theirs, ours),
    };
    if theirs.len() != ours.len() {
        return Some(format!("promptfoo has {} rows, llmci {}", theirs.len(), ours.len()));
    }
    // The order of a glob's files is the file system's.
    let sorted = |rows: &[Row]| {
        let mut rows = rows.to_vec();
        rows.sort_by(|one, other| {
            one.prompt.cmp(&other.prompt).then(one.ended.cmp(&other.ended)).then(one.score.total_cmp(&other.score))
        });
        rows
    };
    let (theirs, ours) = (sorted(theirs), sorted(ours));
    theirs.iter().zip(&ours).enumerate().find_map(|(place, (theirs, ours))| {
        let what = difference_of(theirs, ours)?;
        Some(format!("row {place}: {what}\n  promptfoo: {theirs:?}\n  llmci:     {ours:?}"))
    })
}

fn difference_of(theirs: &Row, ours: &Row) -> Option<String> {
    if theirs.prompt != ours.prompt {
        return Some("another prompt".to_owned());
    }
    if theirs.ended != ours.ended {
        return Some(format!("{:?} there, {:?} here", theirs.ended, ours.ended));
    }
    if theirs.ended == Ended::Error {
        return None;
    }
    if (theirs.score - ours.score).abs() > CLOSE {
        return Some(format!("score {} there, {} here", theirs.score, ours.score));
    }
    let names: Vec<&String> = theirs.named.keys().chain(ours.named.keys()).collect();
    names.into_iter().find_map(|name| {
        let (there, here) = (theirs.named.get(name), ours.named.get(name));
        let same = match (there, here) {
            (Some(Some(there)), Some(Some(here))) => (there - here).abs() <= CLOSE,
            (Some(None), Some(_)) => true,
            (Some(_), None) | (None, Some(_)) | (None, None) | (Some(Some(_)), Some(None)) => false,
        };
        (!same).then(|| format!("named score {name}: {there:?} there, {here:?} here"))
    })
}

/// The same config with one assertion, one test or one key less, in every way.
fn smaller(config: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for key in ["defaultTest", "scenarios"] {
        if config.get(key).is_some() && config.get("tests").is_some() {
            let mut less = config.clone();
            less.as_object_mut().unwrap().shift_remove(key);
            all.push(less);
        }
    }
    let Some(tests) = config["tests"].as_array() else { return all };
    for (place, test) in tests.iter().enumerate() {
        if tests.len() > 1 {
            let mut less = config.clone();
            less["tests"].as_array_mut().unwrap().remove(place);
            all.push(less);
        }
        for key in ["options", "threshold", "metadata"] {
            if test.get(key).is_some() {
                let mut less = config.clone();
                less["tests"][place].as_object_mut().unwrap().shift_remove(key);
                all.push(less);
            }
        }
        for (number, assertion) in test["assert"].as_array().into_iter().flatten().enumerate() {
            let mut less = config.clone();
            less["tests"][place]["assert"].as_array_mut().unwrap().remove(number);
            all.push(less);
            for key in ["weight", "metric", "threshold", "transform"] {
                if assertion.get(key).is_some() {
                    let mut less = config.clone();
                    less["tests"][place]["assert"][number].as_object_mut().unwrap().shift_remove(key);
                    all.push(less);
                }
            }
        }
    }
    all
}

/// Takes away what the mismatch does not need, a round of all candidates at a time: each start of promptfoo costs a second.
fn shrink(tools: &str, scratch: &Path, mut generated: Generated, mut what: String) -> (Generated, String) {
    for round in 0..12 {
        let candidates: Vec<Generated> =
            smaller(&generated.config).into_iter().map(|config| generated.with(config)).collect();
        let folders: Vec<PathBuf> =
            (0..candidates.len()).map(|place| scratch.join(format!("shrink-{round}-{place}"))).collect();
        folders.iter().zip(&candidates).for_each(|(folder, candidate)| lay(folder, candidate));
        let theirs = sides::promptfoo(tools, scratch, &folders);
        let found = candidates.into_iter().zip(&folders).zip(theirs).find_map(|((candidate, folder), theirs)| {
            differences_of(&theirs, &sides::llmci(folder)).map(|what| (candidate, what))
        });
        match found {
            Some((less, still)) => (generated, what) = (less, still),
            None => break,
        }
    }
    (generated, what)
}

#[test]
fn a_generated_config_is_judged_as_promptfoo_judges_it() {
    let Some(tools) = tools() else { return };
    let (seed, count) = (number("LLMCI_DIFF_SEED", SEED), number("LLMCI_DIFF_COUNT", COUNT as u64));
    // With a folder of one's own the configs and both sides' results stay for a look.
    let own = std::env::var_os("LLMCI_DIFF_FOLDER").map(PathBuf::from);
    let scratch = tempfile::tempdir().unwrap();
    let scratch = own.as_deref().unwrap_or(scratch.path());
    let all: Vec<Generated> = (0..usize::try_from(count).unwrap()).map(|number| generate(seed, number)).collect();
    let folders: Vec<PathBuf> = (0..all.len()).map(|number| scratch.join(format!("{number:04}"))).collect();
    folders.iter().zip(&all).for_each(|(folder, generated)| lay(folder, generated));
    let theirs = sides::promptfoo(&tools, scratch, &folders);
    let ours: Vec<Side> = folders.iter().map(|folder| sides::llmci(folder)).collect();

    let mut ends: BTreeMap<Ended, usize> = BTreeMap::new();
    theirs.iter().flatten().flatten().for_each(|row| *ends.entry(row.ended).or_default() += 1);
    let refused = theirs.iter().filter(|side| side.is_err()).count();
    for differences::Difference { name, reason, shows: _ } in differences::DIFFERENCES {
        eprintln!("not compared: {name}: {reason}");
    }
    eprintln!("{count} configs of seed {seed}: rows by promptfoo {ends:?}, {refused} refused by it");
    let mismatches: Vec<(usize, String)> = theirs
        .iter()
        .zip(&ours)
        .enumerate()
        .filter_map(|(number, (theirs, ours))| differences_of(theirs, ours).map(|what| (number, what)))
        .collect();
    for (number, what) in mismatches.iter() {
        eprintln!("--- config {number}: {what}");
    }
    for (number, what) in mismatches.iter().take(SHOWN) {
        let (least, what) = shrink(&tools, scratch, all[*number].clone(), what.clone());
        eprintln!("--- config {number}, as small as it gets: {what}\n{}", least.files[CONFIG]);
        for (name, text) in least.files.iter().filter(|(name, _)| least.files[CONFIG].contains(name.as_str())) {
            eprintln!("  {name}: {text:?}");
        }
    }
    assert!(mismatches.is_empty(), "{} of {count} configs differ", mismatches.len());
    // A generator that promptfoo mostly turns away would compare nothing.
    let rows: usize = ends.values().sum();
    assert!(refused * 50 <= all.len() && rows >= 2 * all.len(), "{refused} refused, {rows} rows");
    for ended in [Ended::Passed, Ended::Failed, Ended::Error] {
        assert!(ends.get(&ended).is_some_and(|count| count * 20 >= rows), "too few rows end as {ended:?}: {ends:?}");
    }
}

/// Each config by both sides; what differs is shown.
fn compare_all(configs: &[(String, Vec<(String, String)>)], part: &str) {
    let Some(tools) = tools() else { return };
    let own = std::env::var_os("LLMCI_DIFF_FOLDER").map(PathBuf::from);
    let scratch = tempfile::tempdir().unwrap();
    let scratch = own.as_deref().unwrap_or(scratch.path());
    let folders: Vec<PathBuf> = (0..configs.len()).map(|number| scratch.join(format!("{part}-{number:02}"))).collect();
    for (folder, (_, files)) in folders.iter().zip(configs) {
        files.iter().for_each(|(name, text)| support::write(folder, name, text));
    }
    let theirs = sides::promptfoo(&tools, scratch, &folders);
    let mut wrong = 0;
    for ((folder, (name, files)), theirs) in folders.iter().zip(configs).zip(&theirs) {
        if let Err(why) = theirs {
            eprintln!("--- {name}: promptfoo refuses it: {why}");
            wrong += 1;
        }
        if let Some(what) = differences_of(theirs, &sides::llmci(folder)) {
            eprintln!("--- {name}: {what}\n{}", files[0].1);
            wrong += 1;
        }
    }
    assert_eq!(wrong, 0, "of {} configs", configs.len());
}

#[test]
fn a_corner_is_judged_as_promptfoo_judges_it() {
    compare_all(&by_hand(corners::CORNERS), "corner");
}

#[test]
fn what_programs_make_is_what_promptfoo_makes_with_them() {
    compare_all(&by_hand(programs::PROGRAMS), "program");
}

fn by_hand(corners: &[corners::Corner]) -> Vec<(String, Vec<(String, String)>)> {
    let text = |text: &&str| (*text).to_owned();
    corners
        .iter()
        .map(|(name, files)| (text(name), files.iter().map(|(name, content)| (text(name), text(content))).collect()))
        .collect()
}

#[test]
fn what_only_an_endpoint_tells_is_judged_as_promptfoo_judges_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let choice = |body: &str| -> Option<String> {
        let request: Value = serde_json::from_str(body).ok()?;
        let said = request["messages"].as_array()?.last()?["content"].as_str()?;
        // With words before it, so that promptfoo does not take the choice itself for a chat, and hides no `token` of it.
        let choice: Value = serde_json::from_str(said.strip_prefix("answer with ")?).ok()?;
        Some(serde_json::json!({"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}).to_string())
    };
    let answer = move |_, body: &str| match choice(body) {
        Some(reply) => support::stub::reply(200, "", &reply),
        None => support::stub::reply(400, "", "{}"),
    };
    let server = runtime.block_on(support::stub::Stub::start(answer)).unwrap();
    let configs: Vec<_> = endpoints::ENDPOINTS
        .iter()
        .map(|(name, text)| ((*name).to_owned(), vec![(CONFIG.to_owned(), text.replace("BASE", &server.base))]))
        .collect();
    compare_all(&configs, "endpoint");
}

#[test]
fn rows_are_compared_with_each_other_as_promptfoo_compares_them() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // The number that the criterion names, else that of the answer with the word, in a form that both sides read.
    let chosen = regex::Regex::new(r"choose number (\d)|\[(\d):[^\]]*WINNER").unwrap();
    let judge = move |_, body: &str| {
        let number =
            chosen.captures(body).and_then(|found| found.get(1).or(found.get(2)).map(|part| part.as_str().to_owned()));
        support::stub::chat(&format!("{{\"reason\": \"so\", \"best\": {}}}", number.as_deref().unwrap_or("1")))
    };
    let server = runtime.block_on(support::stub::Stub::start(judge)).unwrap();
    let configs: Vec<_> = compared::COMPARED
        .iter()
        .map(|(name, text)| ((*name).to_owned(), vec![(CONFIG.to_owned(), text.replace("BASE", &server.base))]))
        .collect();
    compare_all(&configs, "compared");
    assert!(tools().is_none() || server.asked() >= 12, "both sides have asked the judge: {}", server.asked());
}

#[test]
fn a_provider_is_told_what_promptfoo_tells_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let answer = |_, body: &str| {
        let sent = serde_json::from_str::<Value>(body).map_or_else(|_| body.to_owned(), |value| value.to_string());
        support::stub::reply(200, "", &serde_json::json!({"sent": sent}).to_string())
    };
    let server = runtime.block_on(support::stub::Stub::start(answer)).unwrap();
    compare_all(&compared::told(&server.base), "told");
}
