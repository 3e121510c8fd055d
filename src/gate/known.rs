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
    /// A number without a unit that is no share: a perplexity, a BLEU score.
    Number,
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

/// Metrics of lm-eval tasks (0.4.13, `lm_eval/api/metrics.py`): name, which way is better, and whether it is a share.
const OF_TASKS: &[(&str, Direction, Unit)] = &[
    ("accuracy", Direction::Higher, Unit::Share),
    ("acc", Direction::Higher, Unit::Share),
    ("acc_norm", Direction::Higher, Unit::Share),
    ("acc_bytes", Direction::Higher, Unit::Share),
    ("acc_mutual_info", Direction::Higher, Unit::Share),
    ("exact_match", Direction::Higher, Unit::Share),
    ("f1", Direction::Higher, Unit::Share),
    ("mcc", Direction::Higher, Unit::Number),
    ("bleu", Direction::Higher, Unit::Number),
    ("chrf", Direction::Higher, Unit::Number),
    ("chrf++", Direction::Higher, Unit::Number),
    // As it is called where a name has no `+`.
    ("chrf__", Direction::Higher, Unit::Number),
    ("ter", Direction::Lower, Unit::Number),
    // In per cent, by the scorer that tasks bring along.
    ("rouge1", Direction::Higher, Unit::Number),
    ("rouge2", Direction::Higher, Unit::Number),
    ("rougeL", Direction::Higher, Unit::Number),
    ("rougeLsum", Direction::Higher, Unit::Number),
    ("brier_score", Direction::Lower, Unit::Number),
    ("perplexity", Direction::Lower, Unit::Number),
    ("word_perplexity", Direction::Lower, Unit::Number),
    ("byte_perplexity", Direction::Lower, Unit::Number),
    ("bits_per_byte", Direction::Lower, Unit::Number),
];

fn of_task(name: &str) -> Option<(Direction, Unit)> {
    // The name of a filter stands behind a point: `exact_match.strict-match`.
    let (plain, _) = name.split_once('.').unwrap_or((name, ""));
    OF_TASKS.iter().find(|(own, _, _)| *own == plain).map(|(_, direction, unit)| (*direction, *unit))
}

/// The direction of the scores that choice cases and tasks of lm-eval make themselves.
pub fn named_score_direction(name: &str) -> Option<Direction> {
    of_task(name).map(|(direction, _)| direction)
}

/// Whether a named score is compared by its ratio where only its values are known: a perplexity, a score in percent.
pub fn is_compared_by_ratio(name: &str) -> bool {
    let (plain, _) = name.split_once('.').unwrap_or((name, ""));
    let by_ratio = |(own, _, unit): &(&str, Direction, Unit)| {
        *own == plain && *unit == Unit::Number && !["mcc", "brier_score"].contains(own)
    };
    OF_TASKS.iter().any(by_ratio)
}

/// What a named score is measured in: a share, unless it is a metric of tasks that is none.
pub fn named_score_unit(name: &str) -> Unit {
    of_task(name).map_or(Unit::Share, |(_, unit)| unit)
}
