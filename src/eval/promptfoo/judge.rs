//! From an answer to a judgement, as promptfoo 0.121.20 judges: scores are weighted, a threshold of the test overrides single
//! failures, an assertion that throws makes an error and no failure. Kept out: what each type looks at (`assert`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::assert::{self, Frame, Graded, Output, Thrown, rendered_text};
use super::compare;
use super::scoring::{component, scored};
use super::test::{Assertion, Node, Test};
use crate::eval::sample::{AssertionScore, SampleError, Status};
use crate::eval::scorer::{Judged, Subject};
use crate::gate::{MetricName, Score};
use crate::trust::Untrusted;

/// Judges an answer by every assertion of its test.
pub async fn judge(test: &Test, subject: Subject<'_>) -> Judged {
    let Some(mut frame) = Frame::of(test, subject) else {
        let frame = Frame { test, subject, response: "", provider_output: Value::Null };
        return error("assertion", Thrown::new("there is no text to judge"), unjudged(&frame, Vec::new()));
    };
    let output = match transformed(test, &mut frame).await {
        Ok(output) => output,
        Err(thrown) => return error("transform", thrown, unjudged(&frame, Vec::new())),
    };
    match asserted(test, &output, &frame).await {
        Ok(judged) => judged,
        Err((thrown, done)) => error("assertion", thrown, unjudged(&frame, done)),
    }
}

/// The output after the provider's transform and the test's.
pub(super) async fn transformed(test: &Test, frame: &mut Frame<'_>) -> Result<Output, Thrown> {
    let mut output = Output::new(frame.provider_output.clone());
    for code in &test.transforms {
        output = assert::transformed_for_test(code, &output, frame).await?;
    }
    Ok(output)
}

/// The row's own assertions, and then what a comparison with the other rows makes of it; of one that throws, why, and the rows
/// before it.
async fn asserted(test: &Test, output: &Output, frame: &Frame<'_>) -> Result<Judged, (Thrown, Vec<AssertionScore>)> {
    let mut judged = by_itself(test, output, frame).await?;
    if !test.assertions.iter().any(compare::compares) {
        return Ok(judged);
    }
    let compared = match compare::judge(output, frame).await {
        Ok(compared) => compared,
        Err(thrown) => return Err((thrown, judged.rows)),
    };
    for (assertion, graded) in compared {
        if !graded.pass {
            (judged.status, judged.score) = (Status::Failed, clamped(graded.score));
        }
        let metric = metric(assertion.metric.as_deref(), frame).and_then(|name| MetricName::of_text(&name));
        judged.rows.push(AssertionScore { metric, ..row(name(assertion), assertion.weight, &graded) });
    }
    Ok(judged)
}

/// The types and scores of the assertions that look at this row alone, as `max-score` adds them up.
pub(super) async fn components(test: &Test, output: &Output, frame: &Frame<'_>) -> Result<Vec<(String, f64)>, Thrown> {
    let judged = by_itself(test, output, frame).await.map_err(|(thrown, _)| thrown)?;
    let own = judged.rows.into_iter().filter(|row| !matches!(row.assertion.as_str(), "assert-set" | "named score"));
    let own: Vec<_> = own.filter_map(|row| Some((row.assertion, row.score?.value()))).collect();
    if test.assertions.iter().all(compare::compares) {
        return Err(Thrown::new("`max-score` needs at least one other assertion, whose scores it compares"));
    }
    Ok(own)
}

/// All assertions that look at this row alone.
async fn by_itself(test: &Test, output: &Output, frame: &Frame<'_>) -> Result<Judged, (Thrown, Vec<AssertionScore>)> {
    if !test.checked {
        return Ok(Judged { rows: Vec::new(), values: Vec::new(), status: Status::Unscored, score: None, error: None });
    }
    if test.assertions.iter().all(compare::compares) {
        let row = AssertionScore {
            assertion: "no assertions".to_owned(),
            metric: None,
            weight: 1.0,
            score: Some(Score::ONE),
            why: Untrusted::new("No assertions"),
        };
        return Ok(Judged {
            rows: vec![row],
            values: Vec::new(),
            status: Status::Passed,
            score: Some(Score::ONE),
            error: None,
        });
    }
    let mut rows = Vec::new();
    let mut whole = Tally::new(test.threshold);
    let mut sums = Vec::new();
    let mut components = Vec::new();
    for node in test.assertions.iter().filter(|node| !compare::compares(node)) {
        match node {
            Node::One(assertion) => {
                let graded = match assert::judge_one(assertion, output, frame).await {
                    Ok(graded) => graded,
                    Err(thrown) => return Err((thrown, rows)),
                };
                let metric = metric(assertion.metric.as_deref(), frame);
                rows.push(row(name(assertion), assertion.weight, &graded));
                components.push(component(assertion, &name(assertion), &graded));
                sums.push((rows.len() - 1, metric.clone()));
                whole.add(graded, assertion.weight, metric);
            }
            Node::Set(set) => {
                let at = rows.len();
                let mut inner = Tally::new(set.threshold);
                let (mut parts, mut inside) = (Vec::new(), Vec::new());
                for assertion in &set.assertions {
                    let graded = match assert::judge_one(assertion, output, frame).await {
                        Ok(graded) => graded,
                        Err(thrown) => return Err((thrown, rows)),
                    };
                    let metric = metric(assertion.metric.as_deref(), frame);
                    parts.push(row(name(assertion), assertion.weight, &graded));
                    inside.push(component(assertion, &name(assertion), &graded));
                    sums.push((at + parts.len(), metric.clone()));
                    inner.add(graded, assertion.weight, metric);
                }
                let graded = inner.conclude();
                let metric = metric(set.metric.as_deref(), frame);
                rows.push(row("assert-set".to_owned(), set.weight, &graded));
                rows.append(&mut parts);
                let reason = graded.reason.raw();
                components.push(json!({"pass": graded.pass, "score": graded.score, "reason": reason}));
                components.append(&mut inside);
                sums.push((at, metric.clone()));
                whole.add(graded, set.weight, metric);
            }
        }
    }
    let graded = match &test.scoring {
        Some(code) => match scored(code, whole.conclude(), components, frame).await {
            Ok(graded) => graded,
            Err(thrown) => return Err((thrown, rows)),
        },
        None => whole.conclude(),
    };
    let score = clamped(graded.score);
    // What is not finite never passes.
    let status = if graded.pass && score.is_some() { Status::Passed } else { Status::Failed };
    name_scores(&mut rows, sums, &graded.named);
    Ok(Judged { rows, values: Vec::new(), status, score, error: None })
}

/// Assertions that count together: promptfoo's `AssertionsResult`.
struct Tally {
    threshold: Option<f64>,
    sum: f64,
    weight: f64,
    failure: Option<Untrusted>,
    named: BTreeMap<String, (f64, f64)>,
}

impl Tally {
    fn new(threshold: Option<f64>) -> Self {
        Self { threshold, sum: 0.0, weight: 0.0, failure: None, named: BTreeMap::new() }
    }

    fn add(&mut self, graded: Graded, weight: f64, metric: Option<String>) {
        let Graded { pass, score, reason, named } = graded;
        self.sum += score * weight;
        self.weight += weight;
        let others = named.into_iter().filter(|(name, ..)| Some(name) != metric.as_ref());
        let others: Vec<_> = others.map(|(name, score, inner)| (name, score, inner * weight)).collect();
        for (name, score, weight) in metric.iter().map(|name| (name.clone(), score, weight)).chain(others) {
            let entry = self.named.entry(name).or_default();
            entry.0 += score * weight;
            entry.1 += weight;
        }
        if !pass {
            self.failure = Some(reason);
        }
    }

    fn conclude(self) -> Graded {
        let score = if self.weight > 0.0 { self.sum / self.weight } else { 0.0 };
        let (pass, reason) = match self.threshold {
            Some(threshold) => {
                let pass = score >= threshold;
                let compared = if pass { "≥" } else { "<" };
                (pass, Untrusted::new(format!("Aggregate score {score:.2} {compared} {threshold} threshold")))
            }
            None => match self.failure {
                Some(reason) => (false, reason),
                None => (true, Untrusted::new("All assertions passed")),
            },
        };
        let mean = |(sum, weight): (f64, f64)| if weight > 0.0 { sum / weight } else { 0.0 };
        let named = self.named.into_iter().map(|(name, sums)| (name, mean(sums), sums.1)).collect();
        Graded { pass, score, reason, named }
    }
}

/// The type as it was written.
fn name(assertion: &Assertion) -> String {
    format!("{}{}", if assertion.not { "not-" } else { "" }, assertion.kind)
}

fn row(assertion: String, weight: f64, graded: &Graded) -> AssertionScore {
    AssertionScore { assertion, metric: None, weight, score: clamped(graded.score), why: graded.reason.clone() }
}

/// A score between 0 and 1: promptfoo lets a script's score be anything.
fn clamped(score: f64) -> Option<Score> {
    Score::new(score.clamp(0.0, 1.0)).ok()
}

/// The named score that an assertion feeds; a template that cannot be rendered is its own name.
fn metric(template: Option<&str>, frame: &Frame<'_>) -> Option<String> {
    let template = template.filter(|template| !template.is_empty())?;
    Some(rendered_text(template, frame).unwrap_or_else(|_| template.to_owned())).filter(|name| !name.is_empty())
}

/// Gives the rows their metrics. A name that one row alone feeds stands on it; a weighted mean of several, and what only a script
/// names, gets a row of weight 0 of its own, since rows that share a name are averaged without weights.
fn name_scores(rows: &mut Vec<AssertionScore>, sums: Vec<(usize, Option<String>)>, named: &[(String, f64, f64)]) {
    for (name, score, weight) in named {
        let mut feeding = sums.iter().filter(|(_, metric)| metric.as_ref() == Some(name)).map(|(at, _)| *at);
        let (first, second) = (feeding.next(), feeding.next());
        let alone = match (first, second) {
            (Some(at), None) => rows.get_mut(at),
            (Some(_), Some(_)) | (None, _) => None,
        };
        let metric = MetricName::of_text(name);
        match alone {
            Some(row) if row.score == clamped(*score) || *weight == 0.0 => row.metric = metric,
            Some(_) | None => rows.push(AssertionScore {
                assertion: "named score".to_owned(),
                metric,
                weight: 0.0,
                score: clamped(*score),
                why: Untrusted::new(format!("weighted mean of what feeds {name}")),
            }),
        }
    }
}

/// The rows of a test that ends in an error: what was judged before is kept for the reader, and every metric sees that it is missing.
fn unjudged(frame: &Frame<'_>, done: Vec<AssertionScore>) -> Vec<AssertionScore> {
    let empty = |assertion: String, weight: f64, template: Option<&String>| AssertionScore {
        assertion,
        metric: metric(template.map(String::as_str), frame).and_then(|name| MetricName::of_text(&name)),
        weight,
        score: None,
        why: Untrusted::new("not judged: the test ends in an error"),
    };
    let all = frame.test.assertions.iter().flat_map(|node| match node {
        Node::One(one) => vec![empty(name(one), one.weight, one.metric.as_ref())],
        Node::Set(set) => std::iter::once(empty("assert-set".to_owned(), set.weight, set.metric.as_ref()))
            .chain(set.assertions.iter().map(|one| empty(name(one), one.weight, one.metric.as_ref())))
            .collect(),
    });
    let mut done = done.into_iter();
    all.map(|row| match done.next() {
        Some(before) if row.metric.is_none() => before,
        Some(AssertionScore { why, .. }) => AssertionScore { why, ..row },
        None => row,
    })
    .collect()
}

fn error(kind: &str, thrown: Thrown, rows: Vec<AssertionScore>) -> Judged {
    let Thrown(message) = thrown;
    let error = Some(SampleError { kind: kind.to_owned(), message });
    Judged { rows, values: Vec::new(), status: Status::Error, score: None, error }
}
