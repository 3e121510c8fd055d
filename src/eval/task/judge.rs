//! From the answers to a document to its parts of the task's metrics.
//!
//! A sample has the score of the task's main metric: the first of its metrics behind the first of its pipelines. It has passed
//! where that is 1, and failed where it is less. Where the main metric is no share (a perplexity, a BLEU score), the sample is
//! neither right nor wrong: its status is that it was measured ([`Status::Passed`]) without a score, and `pass_rate` and
//! `mean_score` are not about it. What cannot be computed is unscored, and missing from its metric.

use super::doc::{Doc, MetricSpec, Pipeline, metric_key};
use super::filter::filtered;
use super::metric::{Part, of_likelihoods, of_text};
use crate::eval::request::Answer;
use crate::eval::sample::{AssertionScore, SampleValue, Status};
use crate::eval::scorer::{Judged, Subject};
use crate::gate::Score;
use crate::trust::Untrusted;

/// Judges the answer, or all answers, to one document.
pub fn judge(doc: &Doc, subject: Subject<'_>) -> Judged {
    let mut judged =
        Judged { rows: Vec::new(), values: Vec::new(), status: Status::Unscored, score: None, error: None };
    let replies = subject.replies();
    let mut is_first = true;
    for (pipeline, metric) in pairs(doc) {
        let is_main = std::mem::take(&mut is_first);
        let part = part(doc, metric, pipeline, subject.answer, &replies);
        let Ok(name) = metric_key(&metric.name, &pipeline.name) else { continue };
        let weight = if is_main { 1.0 } else { 0.0 };
        let mut row = |score: Option<Score>, why: String| {
            let (assertion, metric) = (metric.name.clone(), Some(name.clone()));
            judged.rows.push(AssertionScore { assertion, metric, weight, score, why: Untrusted::new(why) });
        };
        let main = match part {
            Ok(Part::Share(share)) => {
                let score = Score::new(share).ok();
                row(score, format!("{share}"));
                score.map(|score| (if score.value() >= 1.0 { Status::Passed } else { Status::Failed }, Some(score)))
            }
            Ok(Part::Of(aggregate, parts)) if aggregate.takes(&parts) => {
                judged.values.push(SampleValue { name, aggregate, parts });
                Some((Status::Passed, None))
            }
            Ok(Part::Of(_, _)) => {
                row(None, "not a finite number".to_owned());
                None
            }
            Ok(Part::Nothing) => None,
            Err(why) => {
                row(None, why);
                None
            }
        };
        if let (true, Some((status, score))) = (is_main, main) {
            (judged.status, judged.score) = (status, score);
        }
    }
    judged
}

/// Every metric of a document that was not answered, none of them given: a metric must see that a sample is missing.
pub fn unjudged(doc: &Doc, why: &str) -> Vec<AssertionScore> {
    let mut weight = 1.0;
    let each = pairs(doc).filter(|(_, metric)| metric.name != "bypass").map(|(pipeline, metric)| AssertionScore {
        assertion: metric.name.clone(),
        metric: metric_key(&metric.name, &pipeline.name).ok(),
        weight: std::mem::take(&mut weight),
        score: None,
        why: Untrusted::new(why),
    });
    each.collect()
}

fn pairs(doc: &Doc) -> impl Iterator<Item = (&Pipeline, &MetricSpec)> {
    let task = &doc.task;
    task.pipelines.iter().flat_map(|pipeline| task.metrics.iter().map(move |metric| (pipeline, metric)))
}

fn part(
    doc: &Doc,
    metric: &MetricSpec,
    pipeline: &Pipeline,
    answer: &Answer,
    replies: &[&str],
) -> Result<Part, String> {
    match answer {
        Answer::LogLikelihoods(all) => of_likelihoods(doc, metric, all),
        Answer::Completion(_) => of_text(doc, metric, &filtered(pipeline, replies, doc)?),
        Answer::Embedding(_) => Err("the answer is an embedding".to_owned()),
    }
}
