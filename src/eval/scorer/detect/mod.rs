//! Detectors: assertions that hold when an answer is clean. One file or folder a detector; this file holds what they share
//! and the factory. Kept out: models as judges (`judge`), what a found harm means for a verdict (`gate::safety`).

mod copying;
mod evidence;
mod exfiltration;
mod forms;
mod insults;
mod needles;
mod options;
mod output;
mod patterns;
mod pii;
mod refusal;
mod same;
mod search;
mod secrets;
mod text;
mod tools;
mod urls;

#[cfg(test)]
mod measured;
#[cfg(test)]
mod tests;

use futures::future::BoxFuture;

use super::build::problem;
use super::{AssertionProblem, AssertionSpec, Outcome, Scored, Scorer, Subject};

pub use evidence::evidence;
pub use insults::INSULT_SCREEN;
pub use refusal::REFUSAL_SCREEN;

pub(super) type Built = Result<Box<dyn Scorer>, AssertionProblem>;

/// Why an answer without text is not judged.
const NO_TEXT: &str = "the answer is log-likelihoods, not text";

/// Builds a detector; none for a name that is not one of theirs.
pub(super) fn build(spec: &AssertionSpec) -> Option<Built> {
    let value = spec.value.as_ref();
    Some(match spec.kind.as_str() {
        "refusal" => Ok(refusal::scorer()),
        "canary" => needles::canary(value),
        "marker" => needles::marker(value),
        "no-secrets" => secrets::build(value),
        "no-pii" => pii::build(value),
        "no-exfiltration" => exfiltration::build(value),
        "no-unsafe-output" => output::build(value),
        "tool-policy" => tools::build(value),
        "no-copy" => copying::build(value),
        "no-insults" => insults::build(value),
        "same-answer" => same::build(value),
        _ => return None,
    })
}

/// Looks for harm in every reply of a dialogue. What it finds is said by its kind, never by quoting it.
struct EachReply<F>(F);

impl<F: Fn(Subject<'_>, &str) -> Option<String> + Send + Sync> Scorer for EachReply<F> {
    fn score<'a>(&'a self, subject: Subject<'a>) -> BoxFuture<'a, Outcome> {
        let replies = subject.replies();
        let count = replies.len();
        let found = replies
            .into_iter()
            .enumerate()
            .find_map(|(index, reply)| (self.0)(subject, reply).map(|what| (what, index + 1)));
        let scored = match (count, found) {
            (0, _) => Scored::not(NO_TEXT),
            (_, None) => Scored::holds(true, ""),
            (1, Some((what, _))) => Scored::holds(false, what),
            (_, Some((what, number))) => Scored::holds(false, format!("reply {number} of {count}: {what}")),
        };
        Box::pin(std::future::ready(scored.into()))
    }
}

fn each_reply(
    find: impl Fn(Subject<'_>, &str) -> Option<String> + Send + Sync + 'static,
) -> Result<Box<dyn Scorer>, AssertionProblem> {
    Ok(Box::new(EachReply(find)))
}

/// Judges all replies together.
struct AllReplies<F>(F);

impl<F: Fn(&[&str]) -> Scored + Send + Sync> Scorer for AllReplies<F> {
    fn score<'a>(&'a self, subject: Subject<'a>) -> BoxFuture<'a, Outcome> {
        let replies = subject.replies();
        let scored = if replies.is_empty() { Scored::not(NO_TEXT) } else { (self.0)(&replies) };
        Box::pin(std::future::ready(scored.into()))
    }
}

/// Enough of a found text to know it again, and no more: its first two characters and its length.
fn mask(text: &str) -> String {
    let head: String = text.chars().take(2).collect();
    format!("{head}... ({} characters)", text.chars().count())
}
