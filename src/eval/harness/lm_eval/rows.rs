//! The samples of one task: the rows of a document under all filters become one sample, checked against the aggregates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};

use super::aggregates::{self, SHARES};
use super::{Task, declared, metric_name, named};
use crate::document::{Problem, Problems};
use crate::eval::harness::expect::Expect;
use crate::eval::harness::lines::Lines;
use crate::eval::harness::recorded::{Cases, Key, Recorded, at, row};
use crate::eval::harness::value::{canonical, number, object};
use crate::eval::sample::{AssertionScore, SampleValue, Status};
use crate::eval::suite::Suite;
use crate::eval::task::overlap;
use crate::gate::{Aggregate, MetricName, Score};
use crate::trust::{Digest, Hasher};

/// Metrics of all samples together that are always made in one way, so that both can be compared.
const PERPLEXITIES: &[&str] = &["perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"];
/// How far both may lie apart: numbers are written in full.
const BLUR: f64 = 1e-6;
/// Metrics that say whether an answer is right, the first that a task has.
const RIGHT: &[&str] = &["acc", "exact_match", "acc_norm"];

/// What one document got, by metric.
struct Document {
    key: Key,
    answer: Option<String>,
    filters: Vec<String>,
    /// By name; none for what is no number.
    shares: Vec<(String, Option<f64>)>,
    values: Vec<(String, Aggregate, Vec<f64>)>,
}

/// Reads the samples of a task.
pub(super) fn read(
    path: &Path,
    shown: &str,
    task: &Task<'_>,
    digest: &Digest,
    expect: &Expect<'_>,
) -> Result<Suite, Problems> {
    expect.fresh(path, shown, None)?;
    let mut lines = Lines::open(path, shown)?;
    let mut documents: BTreeMap<i64, Document> = BTreeMap::new();
    while let Some((line, text)) = lines.next()? {
        let entry = object(shown, line, &text)?;
        add(&mut documents, &entry, line, task).map_err(|message| at(shown, line, message))?;
    }
    let count = documents.len() as u64;
    if task.effective.is_none() && expect.samples.is_none() {
        let message = format!("nothing says how many documents the task `{}` has", task.name);
        return Err(Problem::of_file(shown, message).help("say how many samples there must be with `samples:`").into());
    }
    if let Some(effective) = task.effective.filter(|effective| *effective != count) {
        let message = format!("{count} documents of the task `{}`, and its results are of {effective}", task.name);
        return Err(Problem::of_file(shown, message).help("samples are missing or added: run the task again").into());
    }
    check(&documents, task, shown)?;
    complete(&mut documents);
    let recorded_only = settle(&mut documents, task, shown)?;
    let mut hasher = Hasher::new();
    hasher.part(digest.hex().as_bytes()).part(lines.digest().hex().as_bytes());
    let whole = hasher.finish();
    let bare = |document: &Document| document.shares.is_empty() && document.values.is_empty();
    if !recorded_only.is_empty() && documents.values().all(bare) {
        let why = "what its samples have been given is no number of their own";
        return Ok(aggregates::suite(task, count, &whole, shown, (expect, why))?);
    }
    if let Some(first) = documents.values_mut().next() {
        first.values.extend(recorded_only);
    }
    let unbounded = unbounded(&documents);
    let mut cases = Cases::new(&expect.suite(Some(task.name), ""), shown);
    for document in documents.into_values() {
        let line = document.key.line;
        let (key, recorded) = recorded(document, &unbounded);
        cases.add(key, recorded).map_err(|message| at(shown, line, message))?;
    }
    Ok(cases.finish(whole, declared(task), Vec::new())?)
}

fn add(
    documents: &mut BTreeMap<i64, Document>,
    entry: &Map<String, Value>,
    line: u32,
    task: &Task<'_>,
) -> Result<(), String> {
    let number = entry.get("doc_id").and_then(Value::as_i64).ok_or("a row without `doc_id`")?;
    let filter = entry.get("filter").and_then(Value::as_str).unwrap_or("none");
    let document = documents.entry(number).or_insert_with(|| Document {
        key: key(entry, number, line, task),
        answer: entry.get("resps").map(said),
        filters: Vec::new(),
        shares: Vec::new(),
        values: Vec::new(),
    });
    if document.filters.iter().any(|known| known == filter) {
        return Err(format!("the document {number} is there twice: lm-eval appends to files that are there already"));
    }
    document.filters.push(filter.to_owned());
    let named: Vec<&str> = match entry.get("metrics").and_then(Value::as_array) {
        Some(metrics) => metrics.iter().filter_map(Value::as_str).collect(),
        // Before 0.4.4 the rows do not list them, and the results do.
        None => entry.keys().map(String::as_str).filter(|key| has(task, key)).collect(),
    };
    for metric in named {
        let value = entry.get(metric).ok_or_else(|| format!("the metric `{metric}` has no value"))?;
        let name = metric_name(metric, Some(filter));
        match parts(metric, value) {
            Parts::Share(share) => document.shares.push((name, share)),
            Parts::Of(aggregate, parts) => document.values.push((name, aggregate, parts)),
            Parts::Unknown => {}
        }
    }
    Ok(())
}

fn has(task: &Task<'_>, metric: &str) -> bool {
    task.metrics.keys().any(|key| key.split(',').next() == Some(metric))
}

enum Parts {
    /// One number, or none.
    Share(Option<f64>),
    /// Numbers that only all samples together make a value of.
    Of(Aggregate, Vec<f64>),
    /// Texts that the tool makes a value of in the end.
    Unknown,
}

/// What a sample gives to a metric. Source: lm_eval/api/task.py (`process_results`), 0.4.13.
fn parts(metric: &str, value: &Value) -> Parts {
    let aggregate = match metric {
        "word_perplexity" | "byte_perplexity" => Some((Aggregate::WeightedPerplexity, 2)),
        "bits_per_byte" => Some((Aggregate::BitsPerByte, 2)),
        "perplexity" => Some((Aggregate::Perplexity, 1)),
        "f1" if value.is_array() => Some((Aggregate::F1, 2)),
        "mcc" if value.is_array() => Some((Aggregate::Mcc, 2)),
        _ => None,
    };
    if let Some((aggregate, parts)) = texts(metric, value) {
        return Parts::Of(aggregate, parts);
    }
    let numbers: Option<Vec<f64>> = match value {
        Value::Array(items) => items.iter().map(number).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            number(value).map(|one| vec![one])
        }
    };
    match (aggregate, numbers) {
        (Some((aggregate, length)), Some(numbers)) if numbers.len() == length => Parts::Of(aggregate, numbers),
        (Some(_), _) => Parts::Share(None),
        (None, _) if value.is_array() || value.is_object() => Parts::Unknown,
        (None, _) => Parts::Share(number(value)),
    }
}

/// The parts of a text and its reference, which lm-eval leaves to the end: `[reference, text]`.
fn texts(metric: &str, value: &Value) -> Option<(Aggregate, Vec<f64>)> {
    let [reference, said] = value.as_array()?.as_slice() else { return None };
    overlap(metric, said.as_str()?, reference.as_str()?)
}

fn key(entry: &Map<String, Value>, number: i64, line: u32, task: &Task<'_>) -> Key {
    let hash = |key: &str| entry.get(key).map(canonical).unwrap_or_default();
    let first = entry.get("arguments").map(first_text).unwrap_or_default();
    let mut prompt = Hasher::new();
    prompt.part(task.prompt.hex().as_bytes());
    // Rows before the hashes hold what the hashes are made of.
    let hashes = [hash("doc_hash"), hash("prompt_hash")];
    if hashes.iter().all(String::is_empty) {
        prompt.part(hash("doc").as_bytes()).part(hash("arguments").as_bytes());
    } else {
        hashes.iter().for_each(|hash| {
            prompt.part(hash.as_bytes());
        });
    }
    let expected = [hash("target_hash"), hash("target")].join("\0");
    Key {
        id: format!("doc-{number}"),
        cluster: None,
        prompt: prompt.finish(),
        expected: Digest::of(expected.as_bytes()),
        shown_prompt: first,
        line,
    }
}

/// The first text of nested lists and objects.
fn first_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.first().map(first_text).unwrap_or_default(),
        Value::Object(entries) => entries.values().next().map(first_text).unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

fn said(responses: &Value) -> String {
    match responses {
        Value::Array(items) if items.len() == 1 => items.first().map(said).unwrap_or_default(),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => responses.to_string(),
    }
}

/// A document that lacks a metric which others have lacks a number: it is missing from that metric, and no reason to leave it out.
fn complete(documents: &mut BTreeMap<i64, Document>) {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for document in documents.values() {
        names.extend(document.shares.iter().map(|(name, _)| name.clone()));
        names.extend(document.values.iter().map(|(name, ..)| name.clone()));
    }
    for document in documents.values_mut() {
        let lacks = |name: &&String| {
            !document.shares.iter().any(|(has, _)| has == *name)
                && !document.values.iter().any(|(has, ..)| has == *name)
        };
        let lacking: Vec<String> = names.iter().filter(lacks).cloned().collect();
        document.shares.extend(lacking.into_iter().map(|name| (name, None)));
    }
}

/// The samples must be those that the aggregates were made of.
fn check(documents: &BTreeMap<i64, Document>, task: &Task<'_>, shown: &str) -> Result<(), Problem> {
    for (name, metric, said) in named(task) {
        let Some(value) = said.value.filter(|_| SHARES.contains(&metric)) else { continue };
        let found = documents.values().filter_map(|one| one.shares.iter().find(|(of, _)| *of == name));
        let found: Vec<Option<f64>> = found.map(|(_, share)| *share).collect();
        if found.len() != documents.len() {
            let message = format!("{} of {} documents have the metric `{name}`", found.len(), documents.len());
            return Err(Problem::of_file(shown, message));
        }
        // A finite mean beside a sample that is no number leaves that one out.
        let judged: Vec<f64> = found.into_iter().flatten().collect();
        if judged.is_empty() {
            let message = format!("no sample has a number for `{name}`, and the results say {value}");
            return Err(Problem::of_file(shown, message).help("they are of two runs: run the task again"));
        }
        let mean = judged.iter().sum::<f64>() / crate::stats::float(judged.len() as u64);
        if (mean - value).abs() > BLUR {
            let message = format!("the samples have a mean `{name}` of {mean}, and the results say {value}");
            return Err(Problem::of_file(shown, message).help("they are of two runs: run the task again"));
        }
    }
    Ok(())
}

/// Metrics that the samples do not come to, or say nothing of, are left to what is recorded of them: those are given back.
fn settle(
    documents: &mut BTreeMap<i64, Document>,
    task: &Task<'_>,
    shown: &str,
) -> Result<Vec<(String, Aggregate, Vec<f64>)>, Problem> {
    let mut recorded = Vec::new();
    let samples = documents.len() as u64;
    for (name, metric, said) in named(task) {
        let Some(value) = said.value else { continue };
        match found(documents, &name) {
            Some(found) if (found - value).abs() <= BLUR * value.abs().max(1.0) => continue,
            Some(found) if PERPLEXITIES.contains(&metric) => {
                let message = format!("the samples come to a `{name}` of {found}, and the results say {value}");
                return Err(Problem::of_file(shown, message).help("they are of two runs: run the task again"));
            }
            Some(_) | None => {}
        }
        // One that has its share of it is held to be counted, and was checked.
        if SHARES.contains(&metric) {
            continue;
        }
        for document in documents.values_mut() {
            document.shares.retain(|(of, _)| *of != name);
            document.values.retain(|(of, ..)| *of != name);
        }
        let record = aggregates::record(metric, said, samples);
        recorded.extend(record.map(|(aggregate, parts)| (name, aggregate, parts)));
    }
    Ok(recorded)
}

/// What the samples come to.
fn found(documents: &BTreeMap<i64, Document>, name: &str) -> Option<f64> {
    let values = documents.values().filter_map(|one| one.values.iter().find(|(of, ..)| of == name));
    let values: Vec<_> = values.collect();
    if let Some((_, aggregate, _)) = values.first() {
        let parts: Vec<&[f64]> = values.iter().map(|(.., parts)| parts.as_slice()).collect();
        return aggregate.combine(&parts);
    }
    let shares = documents.values().filter_map(|one| one.shares.iter().find(|(of, _)| of == name)?.1);
    let shares: Vec<f64> = shares.collect();
    let parts: Vec<&[f64]> = shares.iter().map(std::slice::from_ref).collect();
    (!parts.is_empty()).then(|| Aggregate::Mean.combine(&parts)).flatten()
}

/// Metrics that are no shares: one sample is enough that says so.
fn unbounded(documents: &BTreeMap<i64, Document>) -> Vec<String> {
    let outside = |share: &Option<f64>| share.is_some_and(|share| !(0.0..=1.0).contains(&share));
    let mut names: Vec<String> = documents
        .values()
        .flat_map(|one| one.shares.iter().filter(|(_, share)| outside(share)).map(|(name, _)| name.clone()))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn recorded(document: Document, unbounded: &[String]) -> (Key, Recorded) {
    let Document { key, answer, shares, values, .. } = document;
    // What is no number stays among them: a metric that loses a sample has to see that it is missing.
    let is_bounded = |(name, share): &&(String, Option<f64>)| share.is_none() || !unbounded.contains(name);
    let bounded: Vec<&(String, Option<f64>)> = shares.iter().filter(is_bounded).collect();
    let plain = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let right = RIGHT.iter().find_map(|metric| bounded.iter().find(|(name, _)| plain(name) == *metric));
    let decisive = right.or(bounded.first()).map(|(name, share)| (name.clone(), *share));
    let row = |(name, share): &&(String, Option<f64>)| -> AssertionScore {
        let weight = if decisive.as_ref().is_some_and(|(of, _)| of == name) { 1.0 } else { 0.0 };
        let why = if share.is_some() { "" } else { "no number" };
        self::row(name, Some(name), weight, *share, why)
    };
    let rows: Vec<AssertionScore> = bounded.iter().map(row).collect();
    let score = decisive.as_ref().and_then(|(_, share)| share.and_then(|share| Score::new(share).ok()));
    let status = match score {
        Some(score) if score == Score::ONE => Status::Passed,
        Some(_) => Status::Failed,
        None => Status::Unscored,
    };
    let mean = |(name, share): &(String, Option<f64>)| {
        let parts = vec![(*share)?];
        Some(SampleValue { name: MetricName::of_text(name)?, aggregate: Aggregate::Mean, parts })
    };
    let mut kept: Vec<SampleValue> =
        shares.iter().filter(|(name, _)| unbounded.contains(name)).filter_map(mean).collect();
    let of_all = |(name, aggregate, parts): (String, Aggregate, Vec<f64>)| {
        Some(SampleValue { name: MetricName::of_text(&name)?, aggregate, parts })
    };
    kept.extend(values.into_iter().filter_map(of_all));
    // A text that was only measured, such as for a perplexity, has an answer, and nothing in it is wrong.
    let status = if decisive.is_none() && !kept.is_empty() { Status::Passed } else { status };
    let recorded = Recorded {
        status,
        score,
        rows,
        values: kept,
        answer,
        error: None,
        latency_ms: None,
        cost_usd: None,
        usage: None,
    };
    (key, recorded)
}
