//! GitHub's toolkit as a byte oracle: what our programs write for the runner is what `@actions/core` writes for the same values.

use std::process::Command;

use llmci::report::Sink;
use llmci::trust::Untrusted;
use serde_json::{Value, json};

use super::tools::node;
use crate::support::{self, code, eval_gate, recording, text};

/// Values that a rule of escaping, of file commands or of a shell could stumble over. None has a `/` or a NUL: each is also the
/// name of a folder.
const VALUES: [&str; 68] = [
    "plain",
    "two words",
    " space before",
    "space after ",
    "tab\tinside",
    "\ttab before",
    "%",
    "%%",
    "%25",
    "%0A",
    "%0D%0A",
    "100%",
    "a%b%c",
    "\n",
    "line\nfeed",
    "feed\n",
    "\nfeed",
    "a\n\nb",
    "\r",
    "carriage\rreturn",
    "return\r",
    "a\r\nb",
    "\r\n",
    "%\r\n%",
    ":",
    "a:b",
    "a::b",
    "::error::x",
    "::set-output name=a::b",
    "::stop-commands::token",
    "a\n::error::b",
    "\u{3000}::error::x",
    "##[error]x",
    "a ##[group]b",
    ",",
    "a,b",
    "a,b:c%d",
    "=",
    "a=b",
    "=b",
    "a=",
    "<<",
    "a<<b",
    "a<<EOF\nb\nEOF",
    "EOF",
    "ghadelimiter_",
    "ghadelimiter_x\nb",
    "llmci_",
    "a\"b",
    "a'b",
    "`id`",
    "$(id)",
    "${{ github.token }}",
    "$HOME",
    "a\\b",
    "a\\",
    "\\n",
    "*",
    "{}",
    "[]",
    "null",
    "é",
    "日本語",
    "🙂",
    "\u{202e}abc",
    "a\u{200b}b",
    "\u{2028}",
    "\u{1b}[31mred",
];

fn asked(outputs: &Value, secrets: &Value, annotations: &Value, summary: &Value) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let asked = json!({
        "outputs": outputs, "secrets": secrets, "annotations": annotations, "summary": summary, "folder": folder.path(),
    });
    node("toolkit.mjs", &asked)
}

fn nothing() -> Value {
    json!({"before": "", "text": "x"})
}

/// Random delimiters by one name: their form is each side's own, their places are the rule.
fn normalised(file: &str) -> String {
    let delimiter = "llmci_[0-9a-f]{32}|ghadelimiter_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
    regex::Regex::new(delimiter).unwrap().replace_all(file, "DELIMITER").into_owned()
}

const GATE: &str = "version: 1\nmodels:\n  taped: {provider: replay, path: tape.jsonl}\nsuites: [suite.yaml]\n\
                    gate: {thresholds: [{metric: pass_rate, min: 1.0, decide_by: point}]}\n";

fn taped() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    support::write(folder.path(), "tape.jsonl", &recording(&[("a", "one")]));
    support::write(folder.path(), "suite.yaml", "name: one\ncases:\n  - {id: a, prompt: x, expected: one}\n");
    support::write(folder.path(), "llmci.yaml", GATE);
    folder
}

fn on_github(command: &mut Command) -> &mut Command {
    command.envs([("GITHUB_ACTIONS", "true"), ("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary")])
}

#[test]
fn an_output_is_byte_for_byte_what_the_toolkit_writes() {
    let folder = taped();
    // A path is made to one harmless line before it is written: what the toolkit is given is that line.
    let line = |value: &str| llmci::trust::clean(value).replace(['\n', '\t'], " ");
    let values: Vec<String> = VALUES.iter().map(|value| line(&format!("{value}/report.json"))).collect();
    let outputs: Vec<_> = values.iter().map(|value| ("report", value)).collect();
    let theirs = asked(&json!(outputs), &json!([]), &json!([]), &nothing());
    for (number, value) in VALUES.iter().enumerate() {
        let file = format!("output-{number}");
        let mut command = eval_gate(folder.path());
        let output =
            on_github(&mut command).env("GITHUB_OUTPUT", &file).arg(format!("--out={value}")).output().unwrap();
        assert_eq!(code(&output), 0, "{value:?}: {}", text(&output));
        let ours = normalised(&std::fs::read_to_string(folder.path().join(file)).unwrap());
        let theirs = normalised(theirs["outputs"][number].as_str().unwrap());
        // The others come before it, and the last one behind it, in the same form; one step's outputs are appended to the step's one file.
        let ours = ours.strip_suffix("resumable<<DELIMITER\nfalse\nDELIMITER\n").unwrap();
        assert!(ours.ends_with(&theirs) && theirs.len() > value.len(), "{value:?}: {ours:?} against {theirs:?}");
        assert!(
            ours.starts_with("verdict<<DELIMITER\npass\nDELIMITER\npassed<<DELIMITER\ntrue\nDELIMITER\n"),
            "{ours:?}"
        );
    }
}

#[test]
fn a_mask_is_byte_for_byte_what_the_toolkit_writes() {
    let folder = taped();
    // Shorter secrets are not masked: they would blank harmless words.
    let secrets: Vec<String> = VALUES.iter().map(|value| format!("secret{value}end")).collect();
    let theirs = asked(&json!([]), &json!(secrets), &json!([]), &nothing());
    let mut command = eval_gate(folder.path());
    for (number, secret) in secrets.iter().enumerate() {
        command.env(format!("V{number:02}_TOKEN"), secret);
    }
    let output = on_github(&mut command).output().unwrap();
    let log = String::from_utf8(output.stdout).unwrap();
    for (secret, theirs) in secrets.iter().zip(theirs["secrets"].as_array().unwrap()) {
        let wanted = theirs.as_str().unwrap();
        assert!(log.split_inclusive('\n').any(|line| line == wanted), "{secret:?}: no {wanted:?}");
    }
}

#[test]
fn escapes_of_an_annotation_are_byte_for_byte_the_toolkits() {
    let sink = Sink::default();
    // Cleaning comes before escaping: the oracle is given what cleaning leaves, and has to agree on the rest.
    let cleaned: Vec<String> = VALUES.iter().map(|value| sink.line(&Untrusted::new(*value), 1000)).collect();
    let pairs: Vec<_> = cleaned.iter().map(|value| (value, value)).collect();
    let theirs = asked(&json!([]), &json!([]), &json!(pairs), &nothing());
    for (value, theirs) in VALUES.iter().zip(theirs["annotations"].as_array().unwrap()) {
        let value = Untrusted::new(*value);
        let ours = format!("::error title={}::{}\n", sink.property(&value, 1000), sink.annotation(&value, 1000));
        assert_eq!(ours, theirs.as_str().unwrap());
    }
}

#[test]
fn the_summary_is_appended_as_the_toolkit_appends() {
    let folder = taped();
    let before = "what an earlier step wrote, without a newline";
    support::write(folder.path(), "summary", before);
    let mut command = eval_gate(folder.path());
    assert_eq!(code(&on_github(&mut command).output().unwrap()), 0);
    let ours = std::fs::read_to_string(folder.path().join("summary")).unwrap();
    let added = ours.strip_prefix(before).unwrap();
    assert!(added.contains("eval-gate"), "{added}");
    let theirs = asked(&json!([]), &json!([]), &json!([]), &json!({"before": before, "text": added}));
    assert_eq!(ours, theirs["summary"].as_str().unwrap());
}
