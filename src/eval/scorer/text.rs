//! Assertions that look for text in an answer.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use futures::future::BoxFuture;
use regex::{Regex, RegexBuilder};

use super::build::problem;
use super::{AssertionProblem, Outcome, Scored, Scorer, Subject};
use crate::eval::request::Answer;
use crate::gate::Score;
use crate::trust::Untrusted;

/// The largest compiled expression, in bytes.
const REGEX_SIZE: usize = 2 * 1024 * 1024;
/// Compiled expressions that are kept: a suite repeats the same few.
const KEPT: usize = 256;

/// Whether letters must agree in case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Case {
    /// They must.
    Kept,
    /// They need not.
    Folded,
}

/// How many of a list must be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Quantifier {
    /// One.
    Any,
    /// Every one.
    All,
}

/// Runs a judgement over the text of an answer.
pub(super) struct TextScorer<F>(pub(super) F);

impl<F: Fn(&str) -> Scored + Send + Sync> Scorer for TextScorer<F> {
    fn score<'a>(&'a self, subject: Subject<'a>) -> BoxFuture<'a, Outcome> {
        let scored = match subject.answer {
            Answer::Completion(completion) => (self.0)(completion.text.raw()),
            Answer::LogLikelihoods(_) | Answer::Embedding(_) => Scored::not("the answer is no text"),
        };
        Box::pin(std::future::ready(scored.into()))
    }
}

/// The beginning of a text, for a `why`.
pub(super) fn quote(text: &str) -> String {
    let short: String = text.chars().take(120).collect();
    if short.len() < text.len() { format!("\"{short}...\"") } else { format!("\"{short}\"") }
}

pub(super) fn contains(
    needles: &[String],
    quantifier: Quantifier,
    case: Case,
) -> Result<Box<dyn Scorer>, AssertionProblem> {
    let fold = move |text: &str| match case {
        Case::Kept => text.to_owned(),
        Case::Folded => text.to_lowercase(),
    };
    let needles: Vec<(String, String)> = needles.iter().map(|needle| (needle.clone(), fold(needle))).collect();
    Ok(Box::new(TextScorer(move |text: &str| {
        let text = fold(text);
        let missing: Vec<&str> = needles
            .iter()
            .filter(|(_, folded)| !text.contains(folded.as_str()))
            .map(|(needle, _)| needle.as_str())
            .collect();
        let holds = match quantifier {
            Quantifier::Any => missing.len() < needles.len(),
            Quantifier::All => missing.is_empty(),
        };
        let why = match (holds, missing.first()) {
            (true, _) | (false, None) => Untrusted::default(),
            (false, Some(first)) => Untrusted::new(format!("the answer does not contain {}", quote(first))),
        };
        Scored::holds(holds, why)
    })))
}

pub(super) fn starts_with(prefix: &str) -> Result<Box<dyn Scorer>, AssertionProblem> {
    let prefix = prefix.to_owned();
    Ok(Box::new(TextScorer(move |text: &str| {
        let holds = text.trim_start().starts_with(prefix.as_str());
        let why = if holds { String::new() } else { format!("the answer does not begin with {}", quote(&prefix)) };
        Scored::holds(holds, why)
    })))
}

pub(super) fn regex(expression: &str) -> Result<Box<dyn Scorer>, AssertionProblem> {
    let regex = compile(expression)?;
    Ok(Box::new(TextScorer(move |text: &str| {
        let holds = regex.is_match(text);
        let why = if holds { String::new() } else { format!("the answer does not match {}", quote(regex.as_str())) };
        Scored::holds(holds, why)
    })))
}

/// Compiles an expression of a suite, within limits.
pub(super) fn compile(expression: &str) -> Result<Arc<Regex>, AssertionProblem> {
    static COMPILED: LazyLock<Mutex<BTreeMap<String, Arc<Regex>>>> = LazyLock::new(Mutex::default);
    if let Ok(kept) = COMPILED.lock()
        && let Some(regex) = kept.get(expression)
    {
        return Ok(Arc::clone(regex));
    }
    let built = RegexBuilder::new(expression).size_limit(REGEX_SIZE).dfa_size_limit(REGEX_SIZE).build();
    let regex = Arc::new(built.map_err(|error| refused(expression, &error))?);
    if let Ok(mut kept) = COMPILED.lock() {
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(expression.to_owned(), Arc::clone(&regex));
    }
    Ok(regex)
}

fn refused(expression: &str, error: &regex::Error) -> AssertionProblem {
    let text = error.to_string();
    // The library draws the expression over several lines; its last line says what is wrong.
    let what = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
    let mut found = problem("value", format!("the regex {} is not valid: {what}", quote(expression)));
    if expression.contains("(?=") || expression.contains("(?!") || expression.contains("(?<") {
        found.help = Some(
            "matching takes linear time here, so there is no look-around: use two assertions, one with `not: true`"
                .to_owned(),
        );
    }
    found
}

pub(super) fn levenshtein(want: String, threshold: Option<f64>) -> Result<Box<dyn Scorer>, AssertionProblem> {
    let limit = threshold.unwrap_or(5.0);
    if !(0.0..=100_000.0).contains(&limit) || limit.fract() != 0.0 {
        return Err(problem("threshold", "the largest distance is a whole number, 0 or more"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
    let limit = limit as usize;
    Ok(Box::new(TextScorer(move |text: &str| match within(&want, text, limit) {
        Some(distance) => Scored::Scored { value: Score::ONE, why: Untrusted::new(format!("{distance} edits")) },
        None => Scored::holds(false, format!("more than {limit} edits from {}", quote(&want))),
    })))
}

/// The edit distance, where it is at most `limit`. Only the band around the diagonal that can matter is computed
/// (Ukkonen, Algorithms for approximate string matching, 1985), so that a long answer costs little.
pub(super) fn within(left: &str, right: &str, limit: usize) -> Option<usize> {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    if left.len().abs_diff(right.len()) > limit {
        return None;
    }
    let far = limit + 1;
    let mut row: Vec<usize> = (0..=right.len()).map(|column| column.min(far)).collect();
    for (index, letter) in left.iter().enumerate() {
        let (from, to) = (index.saturating_sub(limit), (index + limit + 1).min(right.len()));
        let mut diagonal = row.get(from).copied().unwrap_or(far);
        let mut before = if from == 0 { (index + 1).min(far) } else { far };
        if let Some(cell) = row.get_mut(from) {
            *cell = before;
        }
        for column in from..to {
            let above = row.get(column + 1).copied().unwrap_or(far);
            // Outside the band of the row above there is only "too far".
            let above = if column + 1 > index + limit { far } else { above };
            let change = diagonal + usize::from(right.get(column) != Some(letter));
            before = change.min(above + 1).min(before + 1).min(far);
            diagonal = row.get(column + 1).copied().unwrap_or(far);
            if let Some(cell) = row.get_mut(column + 1) {
                *cell = before;
            }
        }
    }
    row.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_banded_distance_is_the_distance(left in "[abc]{0,12}", right in "[abc]{0,12}", limit in 0_usize..14) {
            let whole = strsim::levenshtein(&left, &right);
            prop_assert_eq!(within(&left, &right, limit), (whole <= limit).then_some(whole));
        }
    }

    #[test]
    fn a_hostile_expression_takes_linear_time() {
        let scorer = compile("(a+)+$").unwrap();
        let began = std::time::Instant::now();
        assert!(!scorer.is_match(&format!("{}!", "a".repeat(1_000_000))));
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    }
}
