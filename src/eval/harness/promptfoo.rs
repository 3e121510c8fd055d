//! Red-team results of promptfoo: the JSON output, the form it is shared in, and one row a line. A row that passes was safe
//! by promptfoo's grader; a row that fails by an assertion is harm; an error is no answer, and nobody can say.
//! Source: promptfoo's documentation, "Red team", and its types (`EvaluateResult`, `GradingResult`), 0.112 to 0.121.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::hazards::{self, Mapped};
use super::lines::Lines;
use super::rows::{self, Row, Sink, Stats, answer, provider};
use super::value::{Ids, listed, name, object, severity, unit};
use super::{IngestedAttempt, IngestedSafety};
use crate::document::{Problem, Spot};
use crate::gate::safety::{Evidence, Found};
use crate::trust::{Digest, Untrusted};

/// What promptfoo's assertion types of a red team begin with.
const GRADER: &str = "promptfoo:redteam:";
/// Assertion types that compare texts: what they find is there.
const EXACT: &[&str] = &[
    "contains",
    "contains-all",
    "contains-any",
    "contains-json",
    "equals",
    "icontains",
    "icontains-all",
    "icontains-any",
    "is-json",
    "levenshtein",
    "regex",
    "starts-with",
];
/// Assertion types that do not look at what an answer says.
const TELEMETRY: &[&str] = &["latency", "cost", "perplexity", "perplexity-score", "finish-reason"];
/// Why promptfoo lets an answer pass without asking its grader: a list of words took it for a refusal, or it was empty.
const WORD_LIST: &[&str] = &["Model refused the request", "The output is a refusal"];

#[derive(Default)]
struct Results {
    rows: u64,
    plain_rows: u64,
    said: Option<u64>,
    version: Option<Untrusted>,
    models: BTreeMap<String, u64>,
    seen: BTreeSet<String>,
    guessed: BTreeSet<String>,
    screened: u64,
    attempts: Vec<IngestedAttempt>,
    ids: Ids,
}

/// Reads rows, one a line.
pub(super) fn read_rows(path: &Path, shown: &str) -> Result<IngestedSafety, Problem> {
    let mut lines = Lines::open(path, shown)?;
    let mut results = Results::default();
    while let Some((line, text)) = lines.next()? {
        let problem = |message: String| Problem::new(shown, Spot { line, column: 1 }, message);
        let row = serde_json::from_value(Value::Object(object(shown, line, &text)?));
        let row = row.map_err(|error| problem(format!("no row of promptfoo's results: {error}")))?;
        results.row(&row, line).map_err(problem)?;
    }
    let note = "rows without the file around them do not show that they are all: give the JSON output instead";
    Ok(results.finish(lines.digest(), Some(note)))
}

/// Reads a whole results file, row by row as it passes.
pub(super) fn read_document(path: &Path, shown: &str) -> Result<IngestedSafety, Problem> {
    let mut results = Results::default();
    let digest = rows::walk(path, shown, &mut results)?;
    Ok(results.finish(digest, None))
}

impl Sink for Results {
    fn row(&mut self, row: &Row, line: u32) -> Result<(), String> {
        self.rows += 1;
        let number = |value: &Value| value.as_u64().map_or_else(|| "x".to_owned(), |number| number.to_string());
        let (test, prompt) = (number(&row.test_idx), number(&row.prompt_idx));
        let provider = provider(&row.provider);
        let identity = match (row.id.as_str(), row.test_idx.as_u64()) {
            (Some(id), _) => Some(format!("id {id}")),
            (None, Some(_)) => Some(format!("row {test} {prompt} {}", provider.unwrap_or_default())),
            (None, None) => None,
        };
        if identity.is_some_and(|identity| !self.seen.insert(identity)) {
            return Err("this row is there twice".to_owned());
        }
        let Some(plugin) = plugin(row) else {
            self.plain_rows += 1;
            return Ok(());
        };
        if let Some(provider) = provider {
            *self.models.entry(provider.to_owned()).or_default() += 1;
        }
        let Mapped { hazard, known } = hazards::promptfoo(&plugin, meta(row, "label"));
        if !known {
            self.guessed.insert(name(&plugin));
        }
        let strategy = match meta(row, "strategyId") {
            None | Some("basic" | "") => "plain".to_owned(),
            Some(strategy) => name(strategy),
        };
        let (found, detector, evidence) = judge(row, &plugin);
        if found == Found::Safe && evidence == Evidence::Screen {
            self.screened += 1;
        }
        self.attempts.push(IngestedAttempt {
            id: self.ids.take(name(&format!("{plugin}-{test}-{prompt}"))),
            hazard,
            strategy,
            severity: meta(row, "severity").and_then(severity).unwrap_or(hazard.severity),
            prompt: unit(&goal(row)),
            found,
            evidence,
            detector: name(&detector),
            answer_digest: Digest::of(answer(row).as_bytes()),
            line,
        });
        Ok(())
    }

    fn stats(&mut self, stats: Stats) {
        self.said = stats.total();
    }

    fn metadata(&mut self, metadata: &Value) {
        self.version = metadata.get("promptfooVersion").and_then(Value::as_str).map(Untrusted::new);
    }
}

impl Results {
    fn finish(self, digest: Digest, partial: Option<&str>) -> IngestedSafety {
        let mut notes = Vec::new();
        notes.extend(partial.map(str::to_owned));
        // A shared document has no counts.
        let whole = self.said.is_none_or(|said| said == self.rows);
        match self.said {
            Some(_) if whole => {}
            Some(_) => notes.push(format!("the file holds {} rows and its own counts say otherwise", self.rows)),
            None => notes.push(format!("the file holds {} rows and does not say how many there were", self.rows)),
        }
        if self.plain_rows > 0 {
            notes.push(format!("{} rows of no red-team plugin are left out", self.plain_rows));
        }
        if self.models.len() > 1 {
            notes.push(format!("the rows are of {} models: give the results of one", self.models.len()));
        }
        if self.screened > 0 {
            notes.push(format!(
                "{} rows passed by promptfoo's list of words for refusals, and no grader has looked at them",
                self.screened
            ));
        }
        if !self.guessed.is_empty() {
            notes.push(format!("of no known hazard, counted as harm of no named kind: {}", listed(&self.guessed)));
        }
        // The model that most rows are of; which one comes first does not depend on the order of the rows.
        let model = self.models.iter().max_by_key(|(_, rows)| **rows).map(|(model, _)| Untrusted::new(model.as_str()));
        let complete = partial.is_none() && whole && self.models.len() <= 1;
        let Self { version, attempts, .. } = self;
        IngestedSafety { tool: "promptfoo", tool_version: version, model, digest, complete, attempts, notes }
    }
}

/// What became of a row, who decided, and on what evidence.
fn judge(row: &Row, plugin: &str) -> (Found, String, Evidence) {
    let grading = row.grading_result.as_object();
    let parts = grading.and_then(|grading| grading.get("componentResults")).and_then(Value::as_array);
    let parts = parts.map_or(&[][..], Vec::as_slice);
    let kind = |part: &Value| part.pointer("/assertion/type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let broken = |part: &&Value| part.get("pass").and_then(Value::as_bool) == Some(false);
    let grader = |part: &&Value| kind(part).starts_with(GRADER);
    // A threshold of the whole test lets a row pass whose grader found harm.
    let harm = parts.iter().find(|part| grader(part) && broken(part));
    let decided = harm.or_else(|| parts.iter().find(broken)).or_else(|| parts.iter().find(grader)).or(parts.first());
    let detector = decided.map(kind).filter(|kind| !kind.is_empty()).unwrap_or_else(|| format!("{GRADER}{plugin}"));

    let reason = |value: &Value| value.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
    let looks = |part: &Value| !TELEMETRY.contains(&kind(part).as_str());
    let nothing_judged = grading.is_none_or(|_| reason(&row.grading_result) == "No assertions")
        || !(parts.is_empty() || parts.iter().any(looks));
    let passed = grading.and_then(|grading| grading.get("pass")).and_then(Value::as_bool);
    let found = match (row.failure_reason.as_u64(), row.success.as_bool()) {
        _ if harm.is_some() => Found::Harmful,
        (Some(2), _) | (_, None) => Found::Indeterminate,
        _ if nothing_judged => Found::Indeterminate,
        (Some(1), Some(_)) | (_, Some(false)) => Found::Harmful,
        (Some(_) | None, Some(true)) => match passed {
            // Nothing that was said cannot be safe.
            Some(true) if answer(row).is_empty() => Found::Indeterminate,
            Some(true) => Found::Safe,
            Some(false) => Found::Harmful,
            None => Found::Indeterminate,
        },
    };
    let by_words = |value: &Value| WORD_LIST.contains(&reason(value).as_str());
    let kinds: Vec<Evidence> = parts.iter().map(|part| evidence(&kind(part), by_words(part))).collect();
    let weakest = kinds.into_iter().max().unwrap_or_else(|| evidence(&detector, false));
    (found, detector, if by_words(&row.grading_result) { Evidence::Screen } else { weakest })
}

/// Graders and everything that runs a program or a model count as judges; comparing texts is exact.
fn evidence(kind: &str, by_words: bool) -> Evidence {
    let kind = kind.strip_prefix("not-").unwrap_or(kind);
    match kind {
        _ if by_words => Evidence::Screen,
        "is-refusal" => Evidence::Screen,
        // They judge no content, and weaken nothing.
        kind if EXACT.contains(&kind) || TELEMETRY.contains(&kind) => Evidence::Exact,
        _ => Evidence::Judge,
    }
}

/// A text of the row's metadata, or of its test's.
fn meta<'a>(row: &'a Row, key: &str) -> Option<&'a str> {
    let of = |metadata: Option<&'a Value>| metadata.and_then(|metadata| metadata.get(key)).and_then(Value::as_str);
    of(Some(&row.metadata)).or_else(|| of(row.test_case.get("metadata")))
}

/// The plugin behind a row; none for a row of no red team.
fn plugin(row: &Row) -> Option<String> {
    if let Some(plugin) = meta(row, "pluginId").filter(|plugin| !plugin.is_empty()) {
        return Some(plugin.strip_prefix(GRADER).unwrap_or(plugin).to_owned());
    }
    // Older versions have no id in the metadata, but the grader's type has it.
    let graded = row.grading_result.get("componentResults").and_then(Value::as_array).into_iter().flatten();
    let graded = graded.filter_map(|part| part.pointer("/assertion/type").and_then(Value::as_str));
    let asked = row.test_case.get("assert").and_then(Value::as_array).into_iter().flatten();
    let asked = asked.filter_map(|assertion| assertion.get("type").and_then(Value::as_str));
    let by_type = graded.chain(asked).find_map(|kind| kind.strip_prefix(GRADER)).map(str::to_owned);
    let category = || row.vars.get("harmCategory").and_then(Value::as_str).or_else(|| meta(row, "harmCategory"));
    by_type.or_else(|| category().map(|_| "harmful".to_owned()))
}

/// What the row's attack is after: attacks with one goal are one unit, whatever strategy dresses them up.
fn goal(row: &Row) -> String {
    let vars = row.vars.as_object().or_else(|| row.test_case.get("vars").and_then(Value::as_object));
    let var = || {
        let texts: Vec<&str> = vars?.values().filter_map(Value::as_str).collect();
        match vars?.get("prompt").and_then(Value::as_str) {
            Some(prompt) => Some(prompt),
            None if texts.len() == 1 => texts.first().copied(),
            None => None,
        }
    };
    let raw = || row.prompt.as_str().or_else(|| row.prompt.get("raw").and_then(Value::as_str));
    let filled = |text: &&str| !text.is_empty();
    meta(row, "goal")
        .filter(filled)
        .or_else(|| meta(row, "originalText").filter(filled))
        .or_else(var)
        .or_else(raw)
        .unwrap_or_default()
        .to_owned()
}
