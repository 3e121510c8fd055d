//! `select-best` and `max-score`: the rows of one test against each other. As in promptfoo 0.121.20 they are looked at when the
//! row's own assertions are judged: the row that is not chosen fails with score 0, the chosen one stays what it was.
//! Kept out: how answers of other rows come about (`eval::run`).

use serde_json::{Map, Value, json};

use super::assert::{Frame, Given, Graded, Output, Thrown};
use super::graded;
use super::judge::{components, transformed};
use super::test::{Assertion, Compared, Node, Test};
use crate::eval::case::Grading;
use crate::eval::run::Others;

/// Whether a type compares rows.
pub(super) fn compares(node: &Node) -> bool {
    match node {
        Node::One(assertion) => matches!(assertion.kind, "select-best" | "max-score"),
        Node::Set(_) => false,
    }
}

/// What each comparison of a test says of this row: the first of either type counts, `select-best` before `max-score`.
pub(super) async fn judge<'a>(output: &Output, frame: &Frame<'a>) -> Result<Vec<(&'a Assertion, Graded)>, Thrown> {
    let first = |kind: &str| {
        frame.test.assertions.iter().find_map(|node| match node {
            Node::One(assertion) if assertion.kind == kind => Some(&**assertion),
            Node::One(_) | Node::Set(_) => None,
        })
    };
    let mut all = Vec::new();
    if let Some(assertion) = first("select-best") {
        all.push((assertion, select_best(assertion, output, frame).await?));
    }
    if let Some(assertion) = first("max-score") {
        all.push((assertion, max_score(assertion, frame).await?));
    }
    Ok(all)
}

/// The other rows, and what may be asked of them.
fn around<'a>(frame: &Frame<'a>, kind: &str) -> Result<(&'a Compared, Others<'a>), Thrown> {
    let compared = frame.test.compared.as_ref().filter(|compared| compared.rows.len() > 1);
    let compared = compared.ok_or_else(|| {
        Thrown::new(format!("`{kind}` compares the answers of several prompts or providers, and this test has one"))
    })?;
    let others = frame.subject.others.ok_or_else(|| Thrown::new(format!("`{kind}` is judged in a run only")))?;
    Ok((compared, others))
}

/// A judge chooses among the answers of all rows, once for all of them.
async fn select_best(assertion: &Assertion, output: &Output, frame: &Frame<'_>) -> Result<Graded, Thrown> {
    let (compared, others) = around(frame, "select-best")?;
    let criteria = match &assertion.value {
        // As it is written: promptfoo does not render it.
        super::test::Value::Plain(Value::String(text)) => text.clone(),
        super::test::Value::Plain(_) | super::test::Value::None | super::test::Value::Code(_) => {
            return Err(Thrown::new("`select-best` needs the criterion as a text"));
        }
    };
    let asked = async {
        let mut outputs = Vec::with_capacity(compared.rows.len());
        for row in compared.rows.iter() {
            outputs.push(output_of(*row, others).await?);
        }
        let given = Given { assertion, value: None, code: None, output, frame };
        let chosen = graded::best(&given, &criteria, &outputs).await;
        chosen.map(Value::from).map_err(|Thrown(why)| why)
    };
    let key = format!("select-best {:?}", compared.rows);
    let chosen = others.once(&key, asked).await.map_err(Thrown)?;
    let best = chosen.as_u64().and_then(|best| compared.rows.get(usize::try_from(best).ok()?));
    let holds = best == Some(&compared.row);
    let why = if holds { "Output selected as the best" } else { "Output not selected" };
    Ok(Graded::holds(holds, format!("{why}: {criteria}")))
}

/// The text of another row's answer; of a row without an answer, nothing, which no judge will choose.
async fn output_of(row: u32, others: Others<'_>) -> Result<String, crate::trust::Untrusted> {
    let other = others.row(row).await?;
    let Grading::Promptfoo(test) = &other.case.grading else { return Ok(String::new()) };
    let Some(subject) = other.subject(others) else { return Ok(String::new()) };
    match Frame::of(test, subject) {
        None => Ok(String::new()),
        Some(mut frame) => match transformed(test, &mut frame).await {
            Ok(output) => Ok(output.text),
            Err(Thrown(_)) => Ok(String::new()),
        },
    }
}

/// The rows' own scores compared.
async fn max_score(assertion: &Assertion, frame: &Frame<'_>) -> Result<Graded, Thrown> {
    let (compared, others) = around(frame, "max-score")?;
    let options = match &assertion.value {
        super::test::Value::Plain(Value::Object(options)) => options.clone(),
        super::test::Value::Plain(_) | super::test::Value::None | super::test::Value::Code(_) => Map::new(),
    };
    let mut scores = Vec::with_capacity(compared.rows.len());
    for row in compared.rows.iter() {
        let judged = async {
            let other = others.row(*row).await?;
            let scores = match (&other.case.grading, other.subject(others)) {
                (Grading::Promptfoo(test), Some(subject)) => own_scores(test, subject).await,
                (Grading::Own | Grading::Promptfoo(_) | Grading::Task(_) | Grading::Recorded(_), _) => Vec::new(),
            };
            Ok(json!(scores))
        };
        // Boxed: judging another row is as large as judging this one.
        let found = others.once(&format!("scores {row}"), Box::pin(judged)).await.map_err(Thrown)?;
        scores.push(weighted(&found, &options)?);
    }
    let mut best: Option<(u32, f64)> = None;
    for (row, score) in compared.rows.iter().zip(&scores) {
        if best.is_none_or(|(_, most)| *score > most) {
            best = Some((*row, *score));
        }
    }
    let Some((winner, most)) = best else { return Err(Thrown::new("`max-score` has no scores to compare")) };
    let enough = options.get("threshold").and_then(Value::as_f64).is_none_or(|threshold| most >= threshold);
    let holds = winner == compared.row && enough;
    let why = if enough { "another answer has the highest score" } else { "the highest score is below the threshold" };
    Ok(Graded::holds(holds, format!("Not selected: {why} ({most:.3})")))
}

/// The types and scores of a row's own assertions; of a row that ends in an error, nothing.
async fn own_scores(test: &Test, subject: crate::eval::scorer::Subject<'_>) -> Vec<(String, f64)> {
    let Some(mut frame) = Frame::of(test, subject) else { return Vec::new() };
    let output: Result<Output, Thrown> = transformed(test, &mut frame).await;
    match output {
        Ok(output) => components(test, &output, &frame).await.unwrap_or_default(),
        Err(Thrown(_)) => Vec::new(),
    }
}

/// A row's score by `method` and `weights`: the mean of its components, or their sum. A row that has none has lost: promptfoo
/// compares what is left.
fn weighted(components: &Value, options: &Map<String, Value>) -> Result<f64, Thrown> {
    let components = components.as_array().map(Vec::as_slice).unwrap_or_default();
    if components.is_empty() {
        return Ok(0.0);
    }
    let (mut sum, mut weights) = (0.0, 0.0);
    for component in components {
        let kind = component.get(0).and_then(Value::as_str).unwrap_or_default();
        let score = component.get(1).and_then(Value::as_f64).unwrap_or(0.0);
        let weight = match options.get("weights").and_then(|weights| weights.get(kind)) {
            None => 1.0,
            Some(weight) => weight.as_f64().filter(|weight| weight.is_finite() && *weight >= 0.0).ok_or_else(|| {
                Thrown::new(format!("the weight of `{kind}` in `max-score` is no number of 0 or more"))
            })?,
        };
        sum += score * weight;
        weights += weight;
    }
    match options.get("method").and_then(Value::as_str) {
        Some("sum") => Ok(sum),
        Some("average") | None => Ok(if weights > 0.0 { sum / weights } else { 0.0 }),
        Some(other) => Err(Thrown::new(format!("`max-score` knows no method `{other}`: sum or average"))),
    }
}
