//! Metrics that are no mean of shares: each sample gives a few numbers, and all of them together make the value.
//! The forms are those of lm-evaluation-harness 0.4.13 (`lm_eval/api/metrics.py`), so that its numbers can be compared.

use serde::{Deserialize, Serialize};

use super::{Direction, MetricName};

/// How the parts of all samples become one value. Each says what a sample's parts are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// `[value]`: their mean.
    Mean,
    /// `[value]`: their median.
    Median,
    /// `[log-likelihood]`: exp(-mean).
    Perplexity,
    /// `[log-likelihood, weight]`: exp(-sum / sum of weights).
    WeightedPerplexity,
    /// `[log-likelihood, bytes]`: -sum / sum of bytes / ln 2.
    BitsPerByte,
    /// `[gold, predicted]`: the F1 score of class 1 over all samples.
    F1,
    /// `[gold, predicted]`: Matthews' correlation over all samples.
    Mcc,
    /// `[matches of 1 to 4 words, candidates of 1 to 4 words, words said, words of the reference]`: BLEU in percent.
    Bleu,
    /// For each order of letters and words: `[said, of the reference, matching]`: chrF in percent.
    Chrf,
    /// `[edits, words of the reference]`: TER in percent.
    Ter,
}

/// A metric that a task brings along: which way is better.
#[derive(Clone, PartialEq, Debug)]
pub struct Declared {
    /// The metric.
    pub name: MetricName,
    /// Which way is better.
    pub direction: Direction,
}
