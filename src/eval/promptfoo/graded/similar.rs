//! `similar`: how close two texts are as vectors. Thresholds and inversion as promptfoo 0.121.20 has them.
//! Kept out: where vectors come from (`eval::model`).

use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::assert::{Given, Graded, Thrown};
use super::{asking, reaches, said};
use crate::eval::model::Attempt;
use crate::eval::request::{Answer, Embed, Prompt, Request};

/// The threshold without one of the assertion's own. Source: promptfoo 0.121.20, assertions/similar.
const THRESHOLD: f64 = 0.75;
/// The longest that one vector may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How two vectors are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Measure {
    /// The cosine of their angle.
    Cosine,
    /// Their dot product.
    Dot,
    /// Their distance: less is closer.
    Euclidean,
}

/// `similar`: one of the texts is close enough; under `not-`, none is too close.
pub(super) async fn similar(given: &Given<'_>) -> Result<Graded, Thrown> {
    let measure = match given.assertion.kind {
        "similar:dot" => Measure::Dot,
        "similar:euclidean" => Measure::Euclidean,
        _ => Measure::Cosine,
    };
    let wrong = || Thrown::new("`similar` needs a text, or a list of texts, as `value`");
    let expected: Vec<&str> = match &given.value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(items)) if !items.is_empty() => {
            items.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong)?
        }
        Some(_) | None => return Err(wrong()),
    };
    let output = embedding(given, &given.output.text).await?;
    let mut compared = Vec::with_capacity(expected.len());
    for text in expected {
        let graded = compare(given, measure, &embedding(given, text).await?, &output)?;
        // The first that decides is enough: one that holds, or, under `not-`, one that does not.
        if graded.pass != given.not() {
            return Ok(graded);
        }
        compared.push(graded);
    }
    let closest = |one: &Graded, other: &Graded| one.score.total_cmp(&other.score);
    let several = compared.len() > 1;
    let (pass, found) = if given.not() {
        (true, compared.into_iter().min_by(closest))
    } else {
        (false, compared.into_iter().max_by(closest))
    };
    let found = found.ok_or_else(wrong)?;
    let reason = if several && !pass { "none of the texts is close enough".into() } else { found.reason };
    Ok(said(pass, found.score, reason))
}

fn compare(given: &Given<'_>, measure: Measure, one: &[f64], other: &[f64]) -> Result<Graded, Thrown> {
    let threshold = given.assertion.threshold.unwrap_or(THRESHOLD);
    let not = given.not();
    let (close, score, words) = match measure {
        Measure::Cosine | Measure::Dot => {
            let found = if measure == Measure::Cosine { cosine(one, other)? } else { dot(one, other)? };
            let close = if not { found > threshold + f64::EPSILON } else { reaches(found, threshold) };
            (close, found, format!("similarity {found:.2}, threshold {threshold}"))
        }
        Measure::Euclidean => {
            let found = distance(one, other)?;
            let close = if not { found < threshold - f64::EPSILON } else { found <= threshold + f64::EPSILON };
            (close, 1.0 / (1.0 + found), format!("distance {found:.2}, threshold {threshold}"))
        }
    };
    Ok(said(close != not, if not { 1.0 - score } else { score }, words))
}

/// The vector of a text, from the assertion's judge.
pub(super) async fn embedding(given: &Given<'_>, text: &str) -> Result<Vec<f64>, Thrown> {
    let model = asking::judge(given)?;
    let request = Request::Embed(Embed { prompt: Prompt::Text(text.to_owned()) });
    let subject = &given.frame.subject;
    let attempt = Attempt {
        suite: &subject.case.suite,
        case: subject.case.id.text(),
        repeat: 0,
        deadline: Instant::now() + PATIENCE,
        cancel: subject.cancel,
    };
    let failed = |why: &str| Thrown::new(format!("`{}` has no embedding: {why}", given.assertion.kind));
    let answered = model.answer(&request, attempt).await.map_err(|error| {
        let (_, detail) = error.parts();
        failed(&format!("{error}: {}", detail.raw()))
    })?;
    match answered.answer {
        Answer::Embedding(vector) if !vector.is_empty() && vector.iter().all(|number| number.is_finite()) => Ok(vector),
        Answer::Embedding(_) => Err(failed("it holds no numbers")),
        Answer::Completion(_) | Answer::LogLikelihoods(_) => Err(failed("the model answered something else")),
    }
}

fn dot(one: &[f64], other: &[f64]) -> Result<f64, Thrown> {
    if one.len() != other.len() {
        return Err(Thrown::new("two embeddings of one model differ in length"));
    }
    finite(one.iter().zip(other).map(|(one, other)| one * other).sum())
}

/// The cosine of two vectors; of one without length, 0.
pub(super) fn cosine(one: &[f64], other: &[f64]) -> Result<f64, Thrown> {
    let length = |vector: &[f64]| vector.iter().map(|number| number * number).sum::<f64>().sqrt();
    let (product, lengths) = (dot(one, other)?, length(one) * length(other));
    if lengths == 0.0 { Ok(0.0) } else { finite(product / lengths) }
}

fn distance(one: &[f64], other: &[f64]) -> Result<f64, Thrown> {
    if one.len() != other.len() {
        return Err(Thrown::new("two embeddings of one model differ in length"));
    }
    finite(one.iter().zip(other).map(|(one, other)| (one - other) * (one - other)).sum::<f64>().sqrt())
}

fn finite(number: f64) -> Result<f64, Thrown> {
    if number.is_finite() { Ok(number) } else { Err(Thrown::new("the embeddings are too long to be compared")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_compared_as_they_are_everywhere() {
        let close = |found: Result<f64, Thrown>, expected: f64| {
            assert!(found.is_ok_and(|found| (found - expected).abs() < 1e-12), "{expected}");
        };
        close(cosine(&[1.0, 0.0], &[0.0, 2.0]), 0.0);
        close(cosine(&[1.0, 2.0], &[2.0, 4.0]), 1.0);
        close(cosine(&[0.0, 0.0], &[2.0, 4.0]), 0.0);
        close(dot(&[1.0, 2.0], &[3.0, 4.0]), 11.0);
        close(distance(&[0.0, 0.0], &[3.0, 4.0]), 5.0);
        assert!(cosine(&[1.0], &[1.0, 2.0]).is_err());
        assert!(distance(&[1.0], &[1.0, 2.0]).is_err());
        assert!(dot(&[1e308, 1e308], &[1e308, 1e308]).is_err());
    }
}
