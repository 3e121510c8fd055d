//! The metrics that every run has, with their direction and range. Named scores of a suite are not among them.

use super::Direction;

/// What a metric is measured in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// A share from 0 to 1.
    Share,
    /// Milliseconds.
    Milliseconds,
    /// US dollars.
    Dollars,
    /// Tokens.
    Tokens,
}

/// What a metric is made of.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Source {
    /// Samples that passed.
    Passed,
    /// Weighted mean of a sample's assertions.
    Score,
    /// Samples in error.
    Errors,
    /// Samples that no scorer could judge.
    Unscored,
    /// Mean latency of a request.
    LatencyMean,
    /// A quantile of the latency.
    Latency(f64),
    /// Mean time to the first token.
    FirstTokenMean,
    /// A quantile of the time to the first token.
    FirstToken(f64),
    /// Cost of the whole run.
    Cost,
    /// Mean cost of a sample.
    CostPerSample,
    /// Tokens of all prompts.
    PromptTokens,
    /// Tokens of all answers.
    CompletionTokens,
}

/// A metric of our own.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// Which way is better.
    pub direction: Direction,
    /// What it is measured in.
    pub unit: Unit,
    /// What it is made of.
    pub source: Source,
}

const fn known(name: &'static str, direction: Direction, unit: Unit, source: Source) -> Known {
    Known { name, direction, unit, source }
}

/// Every metric of our own.
pub const KNOWN: &[Known] = &[
    known("pass_rate", Direction::Higher, Unit::Share, Source::Passed),
    known("mean_score", Direction::Higher, Unit::Share, Source::Score),
    known("error_rate", Direction::Lower, Unit::Share, Source::Errors),
    known("unscored_rate", Direction::Lower, Unit::Share, Source::Unscored),
    known("latency_mean_ms", Direction::Lower, Unit::Milliseconds, Source::LatencyMean),
    known("latency_p50_ms", Direction::Lower, Unit::Milliseconds, Source::Latency(0.5)),
    known("latency_p90_ms", Direction::Lower, Unit::Milliseconds, Source::Latency(0.9)),
    known("latency_p95_ms", Direction::Lower, Unit::Milliseconds, Source::Latency(0.95)),
    known("latency_p99_ms", Direction::Lower, Unit::Milliseconds, Source::Latency(0.99)),
    known("ttft_mean_ms", Direction::Lower, Unit::Milliseconds, Source::FirstTokenMean),
    known("ttft_p50_ms", Direction::Lower, Unit::Milliseconds, Source::FirstToken(0.5)),
    known("ttft_p90_ms", Direction::Lower, Unit::Milliseconds, Source::FirstToken(0.9)),
    known("ttft_p95_ms", Direction::Lower, Unit::Milliseconds, Source::FirstToken(0.95)),
    known("ttft_p99_ms", Direction::Lower, Unit::Milliseconds, Source::FirstToken(0.99)),
    known("cost_usd", Direction::Lower, Unit::Dollars, Source::Cost),
    known("cost_per_sample_usd", Direction::Lower, Unit::Dollars, Source::CostPerSample),
    known("prompt_tokens", Direction::Lower, Unit::Tokens, Source::PromptTokens),
    known("completion_tokens", Direction::Lower, Unit::Tokens, Source::CompletionTokens),
];

/// The metric of that name, unless it is a named score.
pub fn known_metric(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// The direction of the scores that choice cases make themselves.
pub fn named_score_direction(name: &str) -> Option<Direction> {
    matches!(name, "accuracy" | "acc_norm").then_some(Direction::Higher)
}
