//! What the real promptfoo 0.121.20 says, frozen: each line of `frozen/*.jsonl` is a test that was given to its `evaluate` with the
//! output as `providerOutput`, and `pass` and `score` of the row that came back (`error` where that was an error row). Where we
//! differ on purpose, `ours` says what we do and why; `docs/how-to/promptfoo-differences.md` lists the reasons.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::judge;
use super::test::{AssertSet, Assertion, Code, CodeSource, Language, Node, Test, Value as Given};
use crate::document::Spot;
use crate::eval::request::{Answer, Completion, Finish, Generate, OutputFormat, Prompt, Request, Usage};
use crate::eval::sample::Status;
use crate::eval::scorer::{Judged, Judges, Subject};
use crate::eval::{Case, CaseId, Dialogue, Grading, Level, Place};
use crate::trust::Digest;

/// One line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frozen {
    output: Option<String>,
    /// The provider's response, where more than its output matters.
    response: Option<Map<String, Value>>,
    #[serde(rename = "assert")]
    assertions: Vec<Value>,
    #[serde(default)]
    vars: Map<String, Value>,
    threshold: Option<f64>,
    pass: Option<bool>,
    score: Option<f64>,
    #[serde(default)]
    error: bool,
    /// Named scores; without those that only assertions of weight 0 feed, which promptfoo gives as 0 and we as they are.
    #[serde(default)]
    named: Map<String, Value>,
    components: Option<Vec<(bool, f64)>>,
    ours: Option<Ours>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ours {
    pass: Option<bool>,
    score: Option<f64>,
    #[serde(default)]
    error: bool,
    why: String,
}

fn inline(text: &str) -> Code {
    Code { language: Language::JavaScript, source: CodeSource::Inline(text.to_owned()) }
}

fn assertion(mut written: Map<String, Value>) -> Assertion {
    let kind = written.remove("type").unwrap().as_str().unwrap().to_owned();
    let (not, kind) = kind.strip_prefix("not-").map_or((false, kind.clone()), |base| (true, base.to_owned()));
    let value = match (kind.as_str(), written.remove("value")) {
        (_, None) => Given::None,
        ("javascript", Some(Value::String(text))) => Given::Code(inline(&text)),
        (_, Some(value)) => Given::Plain(value),
    };
    let assertion = Assertion {
        kind: Box::leak(kind.into_boxed_str()),
        not,
        value,
        threshold: written.remove("threshold").map(|value| value.as_f64().unwrap()),
        weight: written.remove("weight").map_or(1.0, |value| value.as_f64().unwrap()),
        metric: written.remove("metric").map(|value| value.as_str().unwrap().to_owned()),
        transform: written.remove("transform").map(|value| inline(value.as_str().unwrap())),
        context_transform: None,
        rubric_prompt: None,
        grader: None,
        config: written.remove("config"),
        rest: Map::new(),
        spot: Spot { line: 1, column: 1 },
    };
    assert!(written.is_empty(), "{written:?}");
    assertion
}

fn node(written: &Value) -> Node {
    let mut written = written.as_object().unwrap().clone();
    if written.get("type").unwrap() != "assert-set" {
        return Node::One(Box::new(assertion(written)));
    }
    let list = written.remove("assert").unwrap();
    let inner = list.as_array().unwrap().iter();
    Node::Set(AssertSet {
        assertions: inner.map(|inner| assertion(inner.as_object().unwrap().clone())).collect(),
        threshold: written.get("threshold").and_then(Value::as_f64),
        weight: written.get("weight").map_or(1.0, |value| value.as_f64().unwrap()),
        metric: written.get("metric").map(|value| value.as_str().unwrap().to_owned()),
        config: None,
        spot: Spot { line: 1, column: 1 },
    })
}

fn test(frozen: &Frozen, line: usize) -> Test {
    let mut vars = frozen.vars.clone();
    vars.insert("i".to_owned(), Value::from(line.to_string()));
    Test {
        description: None,
        vars,
        prompt: format!("p {line}"),
        prompt_label: "p {{i}}".to_owned(),
        provider: ("echo".to_owned(), None),
        assertions: frozen.assertions.iter().map(node).collect(),
        threshold: frozen.threshold,
        transforms: Vec::new(),
        options: Map::new(),
        grader: None,
        metadata: Map::new(),
        environment: Arc::default(),
        surroundings: Arc::default(),
        scoring: None,
        checked: true,
        compared: None,
        folder: Arc::new(PathBuf::from(".")),
    }
}

fn case(prompt: &str) -> Case {
    Case {
        id: CaseId::new("one").unwrap(),
        suite: Arc::from("suite"),
        level: Level::Evaluation,
        tags: Vec::new(),
        cluster: None,
        request: Request::Generate(Generate {
            prompt: Prompt::Text(prompt.to_owned()),
            max_tokens: 100,
            temperature: 0.0,
            seed: None,
            stop: Vec::new(),
            format: OutputFormat::Text,
            logprobs: false,
            told: None,
        }),
        dialogue: Dialogue::Once,
        attack: None,
        expected: None,
        assertions: Vec::new(),
        grading: Grading::Own,
        model: None,
        repeats: 1,
        timeout: Duration::from_secs(1),
        place: Place { path: Arc::from("suite.yaml"), line: 1, column: 1 },
        prompt_digest: Digest::of(b""),
        expected_digest: Digest::of(b""),
    }
}

/// Judges the line by our rules.
fn judged(frozen: &Frozen, line: usize) -> Judged {
    let response = frozen.response.clone().unwrap_or_default();
    let test = test(frozen, line);
    let finish = match response.get("finishReason").and_then(Value::as_str) {
        Some("stop") => Finish::Stop,
        Some("length") => Finish::Length,
        Some("content_filter") => Finish::ContentFilter,
        Some(_) | None => Finish::Other,
    };
    let text = match (&frozen.output, response.get("output")) {
        (Some(text), _) => text.clone(),
        (None, Some(Value::String(text))) => text.clone(),
        (None, output) => output.unwrap().to_string(),
    };
    let token_log_probs = response
        .get("logProbs")
        .map(|list| list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect());
    let answer = Answer::Completion(Completion { text: text.into(), finish, token_log_probs });
    let (case, judges, cancel) = (case(&test.prompt), Judges::default(), tokio_util::sync::CancellationToken::new());
    let subject = Subject {
        case: &case,
        answer: &answer,
        turns: &[],
        latency_ms: response.get("latencyMs").and_then(Value::as_f64),
        cost_usd: response.get("cost").and_then(Value::as_f64),
        usage: Some(Usage::default()),
        cached: false,
        judges: &judges,
        others: None,
        cancel: &cancel,
    };
    futures::executor::block_on(judge(&test, subject))
}

/// Every line of a table, and each difference named.
fn holds(table: &str) {
    let mut wrong = Vec::new();
    let mut lines = 0;
    for (line, text) in table.lines().enumerate() {
        let frozen: Frozen = serde_json::from_str(text).unwrap();
        lines += 1;
        let said = judged(&frozen, line);
        let (pass, score, error) = match &frozen.ours {
            Some(Ours { pass, score, error, why }) => {
                assert!(!why.is_empty());
                (*pass, *score, *error)
            }
            None => (frozen.pass, frozen.score, frozen.error),
        };
        let expected = if error {
            Status::Error
        } else if pass.unwrap() {
            Status::Passed
        } else {
            Status::Failed
        };
        let same_score = match (said.score, score) {
            (None, _) => error,
            // Scores that promptfoo lets out of 0 to 1 are clamped here.
            (Some(said), Some(score)) => (said.value() - score.clamp(0.0, 1.0)).abs() < 1e-9,
            (Some(_), None) => false,
        };
        let same_parts = frozen.components.as_ref().is_none_or(|parts| {
            let ours: Vec<f64> = said
                .rows
                .iter()
                .filter(|row| row.assertion != "named score")
                .map(|row| row.score.map_or(-1.0, |score| score.value()))
                .collect();
            let mut theirs: Vec<f64> = parts.iter().map(|(_, score)| score.clamp(0.0, 1.0)).collect();
            let mut sorted = ours.clone();
            theirs.sort_by(f64::total_cmp);
            sorted.sort_by(f64::total_cmp);
            theirs.len() == sorted.len() && theirs.iter().zip(&sorted).all(|(one, other)| (one - other).abs() < 1e-9)
        });
        let same_names = frozen.named.iter().all(|(name, value)| {
            let row = said.rows.iter().find(|row| row.metric.as_ref().is_some_and(|metric| metric.as_str() == name));
            row.and_then(|row| row.score)
                .is_some_and(|score| (score.value() - value.as_f64().unwrap().clamp(0.0, 1.0)).abs() < 1e-9)
        });
        if said.status != expected || !same_score || !same_parts || !same_names {
            let why = said.error.map(|error| error.message.into_raw());
            let rows: Vec<_> = said.rows.iter().map(|row| (row.score, row.why.raw())).collect();
            wrong.push(format!("{}: {text}\n  ours: {:?} {:?} {rows:?} {why:?}", line + 1, said.status, said.score));
        }
    }
    assert!(lines > 0);
    assert!(wrong.is_empty(), "{} of {lines} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn texts_are_judged_as_promptfoo_judges_them() {
    holds(include_str!("frozen/text.jsonl"));
}

#[test]
fn scripts_are_judged_as_promptfoo_judges_them() {
    holds(include_str!("frozen/javascript.jsonl"));
}

#[test]
fn json_and_schemas_are_judged_as_promptfoo_judges_them() {
    holds(include_str!("frozen/json.jsonl"));
}

#[test]
fn overlap_of_words_is_measured_as_promptfoo_measures_it() {
    holds(include_str!("frozen/ngram.jsonl"));
}

#[test]
fn telemetry_is_judged_as_promptfoo_judges_it() {
    holds(include_str!("frozen/telemetry.jsonl"));
}

#[test]
fn refusals_are_judged_as_promptfoo_judges_them() {
    holds(include_str!("frozen/refusal.jsonl"));
}

#[test]
fn calls_of_tools_are_judged_as_promptfoo_judges_them() {
    holds(include_str!("frozen/tools.jsonl"));
}

#[test]
fn xml_is_judged_as_promptfoo_judges_it() {
    holds(include_str!("frozen/xml.jsonl"));
}

#[test]
fn sql_is_judged_as_promptfoo_judges_it() {
    holds(include_str!("frozen/sql.jsonl"));
}

#[test]
fn html_is_judged_as_promptfoo_judges_it() {
    holds(include_str!("frozen/html.jsonl"));
}

/// The scores are those of promptfoo with `natural` 8.1.0 and WordNet's dictionary beside it.
#[test]
fn meteor_is_measured_as_promptfoo_measures_it() {
    holds(include_str!("frozen/meteor.jsonl"));
}

#[test]
fn assertions_become_one_verdict_as_in_promptfoo() {
    holds(include_str!("frozen/whole.jsonl"));
}
