//! Both sides of the comparison: what promptfoo makes of folders with configs, and what `eval-gate` makes of them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use llmci::eval::Grading;
use llmci::eval::suite::{self, Around, Asked};
use serde_json::Value;

use super::generate::CONFIG;
use super::support;

/// How a row ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Ended {
    Passed,
    Failed,
    Error,
    Unscored,
}

/// One answer, judged.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Row {
    /// As rendered.
    pub(crate) prompt: String,
    pub(crate) ended: Ended,
    /// Between 0 and 1; 0 in error.
    pub(crate) score: f64,
    /// None where only weights of 0 feed it: promptfoo divides by them and says 0, llmci shows the score.
    pub(crate) named: BTreeMap<String, Option<f64>>,
    /// For a message.
    pub(crate) why: String,
}

/// All rows of a config, or why there are none.
pub(crate) type Side = Result<Vec<Row>, String>;

/// Runs promptfoo on all folders, in few processes.
pub(crate) fn promptfoo(tools: &str, scratch: &Path, folders: &[std::path::PathBuf]) -> Vec<Side> {
    let driver = support::root().join("tests/promptfoo_diff/driver.mjs");
    let entry = Path::new(tools).join("node_modules/promptfoo/dist/src");
    let settings = scratch.join("promptfoo");
    std::fs::create_dir_all(&settings).unwrap();
    for batch in folders.chunks(200) {
        let mut node = Command::new("node")
            .arg(&driver)
            .arg(&entry)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &settings)
            .env("PROMPTFOO_CONFIG_DIR", &settings)
            .env("PROMPTFOO_DISABLE_TELEMETRY", "1")
            .env("PROMPTFOO_DISABLE_UPDATE", "1")
            .env("PROMPTFOO_DISABLE_REMOTE_GENERATION", "1")
            .env("LOG_LEVEL", "error")
            .env("OPENAI_API_KEY", "k-of-the-test")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(scratch.join("promptfoo.log")).unwrap())
            .spawn()
            .expect("node is needed: promptfoo runs on it");
        let mut input = node.stdin.take().unwrap();
        for folder in batch {
            writeln!(input, "{}", folder.display()).unwrap();
        }
        drop(input);
        let status = node.wait().unwrap();
        let log = || std::fs::read_to_string(scratch.join("promptfoo.log")).unwrap_or_default();
        assert!(status.success(), "promptfoo's process ended with {status}: {}", log());
    }
    folders.iter().map(|folder| theirs(folder)).collect()
}

/// promptfoo cuts texts between the halves of a letter: a half alone is no JSON that everybody reads.
fn whole_letters(json: &str) -> String {
    let (high, low) = (r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}");
    let lone = format!("{high}(?!{low})|(?<!{high}){low}");
    fancy_regex::Regex::new(&lone).unwrap().replace_all(json, r"\ufffd").into_owned()
}

fn theirs(folder: &Path) -> Side {
    if let Ok(why) = std::fs::read_to_string(folder.join("promptfoo.refused")) {
        return Err(why);
    }
    let text = std::fs::read_to_string(folder.join("promptfoo.json")).map_err(|error| format!("no result: {error}"))?;
    let value: Value = serde_json::from_str(&whole_letters(&text)).unwrap();
    let mut rows: Vec<&Value> = value["results"]["results"].as_array().unwrap().iter().collect();
    rows.sort_by_key(|row| (row["testIdx"].as_u64(), row["promptIdx"].as_u64()));
    Ok(rows
        .into_iter()
        .map(|row| {
            let ended = match (row["success"].as_bool(), row["failureReason"].as_u64()) {
                (Some(true), _) => Ended::Passed,
                (_, Some(2)) => Ended::Error,
                _ => Ended::Failed,
            };
            let named = row["namedScores"].as_object().cloned().unwrap_or_default();
            let weights = &row["gradingResult"]["namedScoreWeights"];
            let score = |name: &str, score: &Value| (weights[name] != 0).then(|| clamped(score.as_f64()));
            Row {
                prompt: compact(row["prompt"]["raw"].as_str().unwrap_or_default()),
                ended,
                score: clamped(row["score"].as_f64()),
                named: named.iter().map(|(name, value)| (letters(name), score(name, value))).collect(),
                why: format!("{} {}", row["error"], row["gradingResult"]["componentResults"]),
            }
        })
        .collect())
}

/// Prompts of JSON without their blanks: promptfoo shows them so, texts of JSON inside them too, and sends them with blanks.
fn compact(prompt: &str) -> String {
    serde_json::from_str::<Value>(prompt).map_or_else(|_| prompt.to_owned(), |value| value.to_string().replace(' ', ""))
}

/// A name in the letters that names of metrics have here.
fn letters(name: &str) -> String {
    name.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "_.:-".contains(letter) { letter } else { '_' })
        .collect()
}

fn clamped(score: Option<f64>) -> f64 {
    score.unwrap_or_default().clamp(0.0, 1.0)
}

const POLICY: &str = "version: 1\nsuites: [promptfooconfig.yaml]\ngate:\n  model: suite\n  preflight: warn\n  thresholds:\n    - {metric: pass_rate, min: 0.5, decide_by: point}\n";

/// Runs `eval-gate` on a folder whose config names its own providers.
pub(crate) fn llmci(folder: &Path) -> Side {
    let around = Around { environment: &|_| None, asked: Asked::Own, judge: None, working: None, chat: None };
    let suites = suite::load(&folder.join(CONFIG), CONFIG, around).map_err(|problems| {
        let lines: Vec<String> =
            problems.sorted().iter().map(|problem| problem.render(&|text| text.raw().to_owned())).collect();
        lines.join("\n")
    })?;
    let mut prompts = Vec::new();
    for suite in &suites {
        for index in 0..suite.heads().len() {
            let case = suite.case(index).map_err(|problem| problem.render(&|text| text.raw().to_owned()))?;
            let Grading::Promptfoo(test) = &case.grading else { return Err("a case that is no test".to_owned()) };
            prompts.push((case.id.text().raw().to_owned(), compact(&test.prompt)));
        }
    }
    support::write(folder, "llmci.yaml", POLICY);
    let output = support::eval_gate(folder)
        .env("OPENAI_API_KEY", "k-of-the-test")
        .args(["--quiet", "--out", "out"])
        .output()
        .unwrap();
    let samples = std::fs::read_to_string(folder.join("out/samples.jsonl"))
        .map_err(|_| format!("eval-gate ended with {}: {}", support::code(&output), support::text(&output)))?;
    let samples: Vec<Value> = samples.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut rows = Vec::new();
    for (id, prompt) in prompts {
        for sample in samples.iter().filter(|sample| sample["case"] == id.as_str()) {
            rows.push(ours(sample, prompt.clone()));
        }
    }
    assert_eq!(rows.len(), samples.len(), "{}", folder.display());
    Ok(rows)
}

fn ours(sample: &Value, prompt: String) -> Row {
    let ended = match sample["status"].as_str() {
        Some("passed") => Ended::Passed,
        Some("failed") => Ended::Failed,
        Some("error") => Ended::Error,
        _ => Ended::Unscored,
    };
    let mut named = BTreeMap::new();
    for row in sample["assertions"].as_array().into_iter().flatten() {
        if let (Some(name), Some(score)) = (row["metric"].as_str(), row["score"].as_f64()) {
            let before = named.insert(name.to_owned(), Some(score));
            assert!(before.is_none_or(|before| before == Some(score)), "two rows of {name}: {sample}");
        }
    }
    Row {
        prompt,
        ended,
        score: clamped(sample["score"].as_f64()),
        named,
        why: format!("{} {}", sample["error"], sample["assertions"]),
    }
}
