//! Assertions over what a request took: time and money. What is not known is unscored, never zero.

use futures::future::BoxFuture;

use super::build::problem;
use super::{AssertionProblem, Outcome, Scored, Scorer, Subject};

enum Quantity {
    Milliseconds,
    Dollars,
}

struct AtMost {
    quantity: Quantity,
    limit: f64,
}

/// At most so many milliseconds.
pub(super) fn latency(threshold: Option<f64>) -> Result<Box<dyn Scorer>, AssertionProblem> {
    at_most(Quantity::Milliseconds, threshold, "`latency` needs a `threshold` in milliseconds")
}

/// At most so many US dollars.
pub(super) fn cost(threshold: Option<f64>) -> Result<Box<dyn Scorer>, AssertionProblem> {
    at_most(Quantity::Dollars, threshold, "`cost` needs a `threshold` in USD")
}

fn at_most(
    quantity: Quantity,
    threshold: Option<f64>,
    missing: &'static str,
) -> Result<Box<dyn Scorer>, AssertionProblem> {
    match threshold {
        Some(limit) if limit.is_finite() && limit >= 0.0 => Ok(Box::new(AtMost { quantity, limit })),
        Some(_) => Err(problem("threshold", "the threshold is 0 or more")),
        None => Err(problem("threshold", missing)),
    }
}

impl Scorer for AtMost {
    fn score<'a>(&'a self, subject: Subject<'a>) -> BoxFuture<'a, Outcome> {
        let scored = match self.quantity {
            Quantity::Milliseconds => match subject.latency_ms {
                Some(taken) => Scored::holds(taken <= self.limit, format!("{taken:.1} ms, at most {}", self.limit)),
                None => Scored::not("the answer was cached or replayed: its latency is not known"),
            },
            Quantity::Dollars => match subject.cost_usd {
                Some(spent) => Scored::holds(spent <= self.limit, format!("{spent:.6} USD, at most {}", self.limit)),
                None => Scored::not("the cost is not known: the policy names no price, or the model counts no tokens"),
            },
        };
        Box::pin(std::future::ready(scored.into()))
    }
}
