//! Multiple choice by log-likelihood: accuracy, and accuracy normalised by the length of each choice.
//! Source: lm-evaluation-harness 0.4, `api/task.py`, `ConfigurableTask.process_results`; ties go to the first.

use futures::future::BoxFuture;
use serde_json::Value;

use super::build::problem;
use super::{AssertionProblem, AssertionSpec, Outcome, Scored, Scorer, Subject};
use crate::eval::request::{Answer, LogLikelihood};
use crate::gate::MetricName;

/// What a log-likelihood is divided by before the choices are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Normalize {
    Not,
    Characters,
    Bytes,
    Tokens,
}

struct Choice {
    choices: Vec<String>,
    right: usize,
    decides: Normalize,
}

/// Builds the scorer from `choices`, `answer` and `normalize`.
pub(super) fn choice(spec: &AssertionSpec) -> Result<Box<dyn Scorer>, AssertionProblem> {
    let choices = spec.choices.clone().unwrap_or_default();
    if choices.len() < 2 {
        return Err(problem("choices", "`choice` needs at least two `choices`"));
    }
    if choices.iter().any(String::is_empty) {
        return Err(problem("choices", "an empty choice has no likelihood"));
    }
    if (1..choices.len()).any(|index| choices.get(..index).is_some_and(|before| before.contains(&choices[index]))) {
        return Err(problem("choices", "the same choice is there twice"));
    }
    let right = match &spec.answer {
        Some(Value::Number(number)) => number.as_u64().and_then(|index| usize::try_from(index).ok()),
        Some(Value::String(text)) => choices
            .iter()
            .position(|choice| choice == text)
            .or_else(|| text.trim().parse::<usize>().ok().filter(|_| !choices.contains(text))),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => None,
    };
    let right = right.filter(|right| *right < choices.len()).ok_or_else(|| {
        problem("answer", "`choice` needs the right `answer`: one of the choices as its text, or its index from 0")
    })?;
    let decides = match spec.normalize.as_deref() {
        None | Some("none") => Normalize::Not,
        Some("characters") => Normalize::Characters,
        Some("bytes") => Normalize::Bytes,
        Some("tokens") => Normalize::Tokens,
        Some(_) => return Err(problem("normalize", "`normalize` is none, characters, bytes or tokens")),
    };
    Ok(Box::new(Choice { choices, right, decides }))
}

fn accuracy() -> Option<MetricName> {
    MetricName::new("accuracy").ok()
}

fn acc_norm() -> Option<MetricName> {
    MetricName::new("acc_norm").ok()
}

impl Choice {
    fn prefers(&self, likelihoods: &[LogLikelihood], by: Normalize) -> usize {
        let mut best = (0, f64::NEG_INFINITY);
        for (index, (likelihood, choice)) in likelihoods.iter().zip(&self.choices).enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "lengths of texts are far below 2^53")]
            let length = match by {
                Normalize::Not => 1.0,
                Normalize::Characters => choice.chars().count() as f64,
                Normalize::Bytes => choice.len() as f64,
                Normalize::Tokens => f64::from(likelihood.tokens.max(1)),
            };
            if likelihood.sum / length > best.1 {
                best = (index, likelihood.sum / length);
            }
        }
        best.0
    }

    fn judged(&self, likelihoods: &[LogLikelihood], by: Normalize) -> Scored {
        let chosen = self.prefers(likelihoods, by);
        let name = |index: usize| self.choices.get(index).map(String::as_str).unwrap_or_default();
        let why = if chosen == self.right {
            String::new()
        } else {
            format!(
                "preferred {}, the right one is {}",
                super::text::quote(name(chosen)),
                super::text::quote(name(self.right))
            )
        };
        Scored::holds(chosen == self.right, why)
    }

    fn look(&self, answer: &Answer) -> Outcome {
        let likelihoods = match answer {
            Answer::LogLikelihoods(likelihoods) => likelihoods,
            Answer::Completion(_) | Answer::Embedding(_) => {
                return self.unscored("the answer is text, not log-likelihoods");
            }
        };
        if likelihoods.len() != self.choices.len() {
            return self.unscored("the model did not answer for every choice");
        }
        if likelihoods.iter().any(|likelihood| !likelihood.sum.is_finite()) {
            return self.unscored("a log-likelihood is not a finite number");
        }
        let named = [(accuracy(), Normalize::Not), (acc_norm(), Normalize::Characters)];
        let named = named.into_iter().filter_map(|(name, by)| Some((name?, self.judged(likelihoods, by)))).collect();
        Outcome { main: self.judged(likelihoods, self.decides), named }
    }

    fn unscored(&self, why: &str) -> Outcome {
        let named = self.names().into_iter().map(|name| (name, Scored::not(why))).collect();
        Outcome { main: Scored::not(why), named }
    }
}

impl Scorer for Choice {
    fn score<'a>(&'a self, subject: Subject<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::ready(self.look(subject.answer)))
    }

    fn names(&self) -> Vec<MetricName> {
        accuracy().into_iter().chain(acc_norm()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Score;
    use serde_json::json;

    fn scorer(normalize: &str) -> Box<dyn Scorer> {
        let spec =
            json!({"type": "choice", "choices": ["a long wrong answer", "b"], "answer": "b", "normalize": normalize});
        choice(&serde_json::from_value(spec).unwrap()).unwrap()
    }

    fn look(normalize: &str, sums: &[f64]) -> Outcome {
        let spec =
            json!({"type": "choice", "choices": ["a long wrong answer", "b"], "answer": 1, "normalize": normalize});
        let spec: AssertionSpec = serde_json::from_value(spec).unwrap();
        let answer = sums.iter().map(|sum| LogLikelihood { sum: *sum, tokens: 2, is_greedy: false }).collect();
        let built = Choice {
            choices: spec.choices.clone().unwrap(),
            right: 1,
            decides: if normalize == "none" { Normalize::Not } else { Normalize::Characters },
        };
        built.look(&Answer::LogLikelihoods(answer))
    }

    fn value(scored: &Scored) -> Option<Score> {
        match scored {
            Scored::Scored { value, .. } => Some(*value),
            Scored::Unscored { .. } => None,
        }
    }

    #[test]
    fn the_most_likely_choice_is_taken_and_length_can_turn_it() {
        // By sum the short right one wins; by characters the long wrong one does.
        let outcome = look("none", &[-6.0, -3.0]);
        assert_eq!(value(&outcome.main), Some(Score::ONE));
        assert_eq!(value(&outcome.named[0].1), Some(Score::ONE));
        assert_eq!(value(&outcome.named[1].1), Some(Score::ZERO));
        assert_eq!(value(&look("characters", &[-6.0, -3.0]).main), Some(Score::ZERO));
    }

    #[test]
    fn a_tie_goes_to_the_first() {
        assert_eq!(value(&look("none", &[-3.0, -3.0]).main), Some(Score::ZERO));
    }

    #[test]
    fn what_is_not_finite_or_not_complete_is_unscored() {
        for sums in [&[f64::NAN, -1.0][..], &[f64::NEG_INFINITY, -1.0], &[-1.0], &[]] {
            let outcome = look("none", sums);
            assert_eq!(value(&outcome.main), None, "{sums:?}");
            assert!(outcome.named.iter().all(|(_, scored)| value(scored).is_none()));
        }
        assert_eq!(scorer("none").names().len(), 2);
    }
}
