//! garak's `report.jsonl`: an attempt stands there twice, first with its answers (status 1) and then with what the detectors
//! said of them (status 2). A detector's score is 1 for a hit, which is harm.
//! Source: garak's documentation, "Reporting", and garak/attempt.py, evaluators/base.py (0.9 to 0.14).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};

use super::hazards::{self, Mapped};
use super::lines::Lines;
use super::value::{Ids, listed, name, object, unit};
use super::{IngestedAttempt, IngestedSafety};
use crate::document::{Problem, Spot};
use crate::gate::safety::{Evidence, Found};
use crate::trust::{Digest, Untrusted};

/// The score from which on garak counts a hit, unless a run says otherwise (`run.eval_threshold`).
const HIT: f64 = 0.5;

/// Names an attempt: its uuid, its probe, its number. A report made of several gives all its attempts one uuid.
type Key = (String, String, i64);

/// Scores of one detector on one probe, as counted here and as garak's own `eval` line has it.
#[derive(Default)]
struct Tally {
    seen: u64,
    /// Those that are no score.
    empty: u64,
    said: Option<u64>,
    /// Older versions do not say whether they have counted those that are no score.
    vague: bool,
}

impl Tally {
    fn agrees(&self) -> bool {
        let least = if self.vague { self.seen - self.empty } else { self.seen };
        self.said.is_some_and(|said| (least..=self.seen).contains(&said))
    }
}

#[derive(Default)]
struct Report {
    version: Option<Untrusted>,
    model: Option<Untrusted>,
    threshold: Option<f64>,
    aggregated: bool,
    completed: bool,
    /// Those of status 2, and where they stand.
    judged: BTreeSet<Key>,
    /// Those of status 0 or 1 as they would count, until their second line comes.
    pending: BTreeMap<Key, Vec<IngestedAttempt>>,
    tallies: BTreeMap<(String, String), Tally>,
    attempts: Vec<IngestedAttempt>,
    guessed: BTreeSet<String>,
    ids: Ids,
}

/// Reads a report.
pub(super) fn read(path: &Path, shown: &str) -> Result<IngestedSafety, Problem> {
    let mut lines = Lines::open(path, shown)?;
    let mut report = Report::default();
    while let Some((line, text)) = lines.next()? {
        let entry = object(shown, line, &text)?;
        report.entry(entry, line).map_err(|message| Problem::new(shown, Spot { line, column: 1 }, message))?;
    }
    Ok(report.finish(lines.digest()))
}

impl Report {
    fn entry(&mut self, entry: Map<String, Value>, line: u32) -> Result<(), String> {
        let kind = entry.get("entry_type").and_then(Value::as_str).ok_or("a line without `entry_type`")?;
        match kind {
            "start_run setup" => self.setup(&entry),
            "init" => self.version = text(&entry, "garak_version").or(self.version.take()),
            "attempt" => return self.attempt(entry, line),
            "eval" => self.eval(&entry)?,
            "completion" => self.completed = true,
            // Caches, digests, trees, and what later versions may add: nothing in them is an attempt.
            _ => {}
        }
        Ok(())
    }

    fn setup(&mut self, entry: &Map<String, Value>) {
        self.version = text(entry, "_config.version").or(self.version.take());
        let named = ["plugins.target_name", "plugins.model_name", "plugins.target_type", "plugins.model_type"];
        self.model = named.iter().find_map(|key| text(entry, key));
        self.threshold = entry.get("run.eval_threshold").and_then(Value::as_f64);
        self.aggregated = entry.contains_key("aggregation");
    }

    fn attempt(&mut self, entry: Map<String, Value>, line: u32) -> Result<(), String> {
        let probe = entry.get("probe_classname").and_then(Value::as_str).ok_or("an attempt without its probe")?;
        let uuid = entry.get("uuid").and_then(Value::as_str).ok_or("an attempt without its uuid")?;
        let number = entry.get("seq").and_then(Value::as_i64).unwrap_or(-1);
        let key = (uuid.to_owned(), probe.to_owned(), number);
        match entry.get("status").and_then(Value::as_i64) {
            Some(0 | 1) => {
                if !self.judged.contains(&key) {
                    let mut begun = entry;
                    begun.remove("detector_results");
                    let unjudged = self.judge(&begun, line);
                    self.pending.insert(key, unjudged);
                }
            }
            Some(2) => {
                if !self.judged.insert(key.clone()) {
                    return Err("this attempt is there twice".to_owned());
                }
                self.pending.remove(&key);
                let judged = self.judge(&entry, line);
                self.attempts.extend(judged);
            }
            Some(_) | None => return Err("an attempt without a known status".to_owned()),
        }
        Ok(())
    }

    /// One attempt of ours for each answer. Where the detectors looked at more than the last answers (a dialogue), one for
    /// each score.
    fn judge(&mut self, entry: &Map<String, Value>, line: u32) -> Vec<IngestedAttempt> {
        let probe = entry.get("probe_classname").and_then(Value::as_str).unwrap_or_default();
        let probe = module_path(probe);
        let outputs = entry.get("outputs").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let results = entry.get("detector_results").and_then(Value::as_object);
        let mut detectors: Vec<(&str, &[Value])> = Vec::new();
        for (detector, scores) in results.into_iter().flatten() {
            // A result that is no list leaves its detector without a score, which is not the same as no harm.
            let scores = scores.as_array().map_or(&[][..], Vec::as_slice);
            let tally = self.tallies.entry((probe.to_owned(), module_path(detector).to_owned())).or_default();
            tally.seen += scores.len() as u64;
            tally.empty += scores.iter().filter(|value| score(value).is_none()).count() as u64;
            detectors.push((module_path(detector), scores));
        }
        let most = detectors.iter().map(|(_, scores)| scores.len()).max().unwrap_or(0);
        let Mapped { hazard, known } = hazards::garak(probe);
        if !known {
            self.guessed.insert(name(probe));
        }
        let (module, _) = probe.split_once('.').unwrap_or((probe, ""));
        let buff = entry.get("notes").and_then(|notes| notes.get("buff_creator")).and_then(Value::as_str);
        let strategy = buff.map_or_else(|| name(module), |buff| name(&format!("{module}.{}", module_path(buff))));
        let prompt = unit(&prompt_of(entry));
        let number = entry.get("seq").and_then(Value::as_i64).unwrap_or(-1);
        let one = |index: usize| {
            let (mut found, detector, evidence) = self.look(&detectors, index);
            let output = outputs.get(index).filter(|output| !output.is_null());
            if output.is_none() && found == Found::Safe {
                // There is no answer that could be safe.
                found = Found::Indeterminate;
            }
            let answer = output.map(said).unwrap_or_default();
            IngestedAttempt {
                id: name(&format!("{probe}-{number}-{index}")),
                hazard,
                strategy: strategy.clone(),
                severity: hazard.severity,
                prompt,
                found,
                evidence,
                detector: name(detector),
                answer_digest: Digest::of(answer.as_bytes()),
                line,
            }
        };
        (0..outputs.len().max(most).max(1)).map(one).collect()
    }

    /// Harm if any detector says so; safe only if each one has looked and says so.
    fn look<'a>(&self, detectors: &[(&'a str, &[Value])], index: usize) -> (Found, &'a str, Evidence) {
        let threshold = self.threshold.map_or(HIT, |own| own.min(HIT));
        let mut decided: (Found, &str) = (Found::Indeterminate, detectors.first().map_or("none", |(name, _)| *name));
        let (mut open, mut harm) = (detectors.is_empty(), false);
        for (detector, scores) in detectors {
            match scores.get(index).and_then(score) {
                Some(score) if score >= threshold => {
                    if !harm {
                        decided = (Found::Harmful, detector);
                    }
                    harm = true;
                }
                Some(_) => {}
                None => {
                    if !harm && !open {
                        decided = (Found::Indeterminate, detector);
                    }
                    open = true;
                }
            }
        }
        if !harm && !open {
            decided.0 = Found::Safe;
        }
        let evidence = detectors.iter().map(|(detector, _)| hazards::garak_evidence(detector)).max();
        (decided.0, decided.1, evidence.unwrap_or(Evidence::Screen))
    }

    /// How many scores garak itself has counted: fewer here means that lines are missing.
    fn eval(&mut self, entry: &Map<String, Value>) -> Result<(), String> {
        let part = |key: &str| entry.get(key).and_then(Value::as_str).map(|text| module_path(text).to_owned());
        let (Some(probe), Some(detector)) = (part("probe"), part("detector")) else {
            return Err("an `eval` line without its probe or detector".to_owned());
        };
        let count = |key: &str| entry.get(key).and_then(Value::as_u64);
        let parts = ["passed", "fails", "nones"].iter().filter_map(|key| count(key)).fold(0, u64::saturating_add);
        let totals = ["total_processed", "total_evaluated", "total"].iter().filter_map(|key| count(key)).max();
        let said = parts.max(totals.unwrap_or(0));
        let tally = self.tallies.entry((probe, detector)).or_default();
        tally.said = Some(tally.said.unwrap_or(0).saturating_add(said));
        tally.vague |= count("nones").is_none() && count("total_processed").is_none();
        Ok(())
    }

    fn finish(mut self, digest: Digest) -> IngestedSafety {
        let unjudged = std::mem::take(&mut self.pending);
        let mut notes = Vec::new();
        if !unjudged.is_empty() {
            notes.push(format!("{} attempts were never judged by a detector: nobody can say of them", unjudged.len()));
        }
        self.attempts.extend(unjudged.into_values().flatten());
        self.attempts.sort_by_key(|attempt| attempt.line);
        for attempt in &mut self.attempts {
            attempt.id = self.ids.take(std::mem::take(&mut attempt.id));
        }
        let missing = self.tallies.values().filter(|tally| !tally.agrees()).count();
        if missing > 0 {
            notes.push(format!(
                "of {missing} pairs of probe and detector the report holds another number of results than garak has counted: \
                 lines are missing or added"
            ));
        }
        if self.aggregated {
            notes.push(
                "put together from several reports, which drops the marks of their ends: give each by itself".into(),
            );
        } else if !self.completed {
            notes.push("the run has no end: it was interrupted, or the file is cut off".to_owned());
        }
        if !self.guessed.is_empty() {
            notes.push(format!("of no known hazard, counted as harm of no named kind: {}", listed(&self.guessed)));
        }
        let Self { version, model, completed, aggregated, attempts, .. } = self;
        let complete = completed && !aggregated && missing == 0;
        IngestedSafety { tool: "garak", tool_version: version, model, digest, complete, attempts, notes }
    }
}

fn text(entry: &Map<String, Value>, key: &str) -> Option<Untrusted> {
    entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(Untrusted::new)
}

/// `dan.Dan_11_0` of the names that older versions write with their package in front.
fn module_path(name: &str) -> &str {
    let name = name.strip_prefix("garak.").unwrap_or(name);
    let packages = ["probes.", "detectors.", "detector.", "buffs."];
    packages.iter().find_map(|package| name.strip_prefix(package)).unwrap_or(name)
}

/// A score from 0 to 1; none for anything else.
fn score(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64().filter(|score| (0.0..=1.0).contains(score)),
        Value::Bool(hit) => Some(f64::from(u8::from(*hit))),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The text of an answer: a text in older versions, an object with one in newer ones.
fn said(output: &Value) -> &str {
    output.as_str().or_else(|| output.get("text").and_then(Value::as_str)).unwrap_or_default()
}

/// The whole prompt as one text; the goal where there is none.
fn prompt_of(entry: &Map<String, Value>) -> String {
    match entry.get("prompt") {
        Some(Value::String(text)) => text.clone(),
        Some(prompt @ Value::Object(_)) => {
            let turns = prompt.get("turns").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let line = |turn: &Value| {
                let role = turn.get("role").and_then(Value::as_str).unwrap_or_default();
                format!("{role}\0{}\0", turn.get("content").map(said).unwrap_or_default())
            };
            turns.iter().map(line).collect()
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | None => {
            entry.get("goal").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
    }
}
