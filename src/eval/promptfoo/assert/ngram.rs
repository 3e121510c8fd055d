//! Overlap of words: BLEU and GLEU over words between white space. The formulas are those of promptfoo 0.121.20. Kept out: ROUGE
//! (`rouge`) and METEOR (`meteor`), which cut texts otherwise.

use std::collections::BTreeMap;

use serde_json::Value;

use super::given::{number_text, words};
use super::text::malformed;
use super::{Given, Graded, Thrown};

/// The longest run of words that counts.
const LONGEST: usize = 4;

/// `bleu`: the brevity penalty (Papineni et al. 2002) times the geometric mean of the clipped precisions of those lengths that the
/// answer has; a precision of 0 counts as 1e-7.
pub(super) fn bleu(given: &Given<'_>) -> Result<Graded, Thrown> {
    let references = references(given)?;
    let score = bleu_score(&given.output.text, &references);
    Ok(compared(given, "BLEU", score))
}

/// `gleu`: the smaller of precision and recall over all runs of 1 to 4 words, for the best reference.
pub(super) fn gleu(given: &Given<'_>) -> Result<Graded, Thrown> {
    let references = references(given)?;
    if given.output.text.is_empty() {
        return Err(Thrown::new("a `gleu` assertion cannot judge an answer without a word"));
    }
    let score =
        references.iter().map(|reference| gleu_score(&given.output.text, reference)).fold(f64::NEG_INFINITY, f64::max);
    Ok(compared(given, "GLEU", score))
}

/// One reference or several; none at all cannot be compared with.
pub(super) fn references(given: &Given<'_>) -> Result<Vec<String>, Thrown> {
    let wanted = "a text or a list of texts";
    match &given.value {
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(items)) if !items.is_empty() => {
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(|| malformed(given, wanted))).collect()
        }
        Some(_) | None => Err(malformed(given, wanted)),
    }
}

/// A score against the threshold, one half unless given; under `not-` the score is turned too.
pub(super) fn compared(given: &Given<'_>, name: &str, score: f64) -> Graded {
    let threshold = given.assertion.threshold.unwrap_or(0.5);
    let pass = (score >= threshold) != given.not();
    let shown = if given.not() { 1.0 - score } else { score };
    Graded::scored(pass, shown, format!("{name} score {score:.4} against threshold {}", number_text(threshold)))
}

fn bleu_score(candidate: &str, references: &[String]) -> f64 {
    let lower = candidate.to_lowercase();
    let said = words(&lower);
    if said == [""] {
        return 0.0;
    }
    let lowers: Vec<String> = references.iter().map(|reference| reference.to_lowercase()).collect();
    let references: Vec<Vec<&str>> = lowers.iter().map(|reference| words(reference)).collect();
    let length = said.len();
    // The reference of the nearest length; of two as near, the shorter.
    let nearest =
        references.iter().map(Vec::len).min_by_key(|other| (other.abs_diff(length), *other)).unwrap_or(length);
    let (mut sum, mut orders) = (0.0_f64, 0.0);
    for order in 1..=LONGEST.min(length) {
        let counts = runs(&said, order);
        let clipped = |reference: &Vec<&str>| shared(&counts, &runs(reference, order));
        let best = references.iter().map(clipped).max().unwrap_or(0);
        let precision = best as f64 / (length - order + 1) as f64;
        sum += if precision == 0.0 { 1e-7 } else { precision }.ln();
        orders += 1.0;
    }
    let brevity = if length > nearest { 1.0 } else { (1.0_f64 - nearest as f64 / length as f64).exp() };
    brevity * (sum / orders).exp()
}

fn gleu_score(candidate: &str, reference: &str) -> f64 {
    let (candidate, reference) = (candidate.to_lowercase(), reference.to_lowercase());
    let plain = |text| -> Vec<&str> { words(text).into_iter().map(|word| word.trim_end_matches('.')).collect() };
    let (said, wanted) = (plain(candidate.as_str()), plain(reference.as_str()));
    if said == wanted {
        return 1.0;
    }
    let (mut matches, mut said_runs, mut wanted_runs) = (0, 0, 0);
    for order in 1..=LONGEST {
        matches += shared(&runs(&said, order), &runs(&wanted, order));
        said_runs += (said.len() + 1).saturating_sub(order);
        wanted_runs += (wanted.len() + 1).saturating_sub(order);
    }
    if said_runs == 0 || wanted_runs == 0 {
        return 0.0;
    }
    (matches as f64 / said_runs as f64).min(matches as f64 / wanted_runs as f64)
}

/// How often each run of so many words stands in a text.
pub(super) fn runs<W: Ord>(words: &[W], order: usize) -> BTreeMap<&[W], usize> {
    let mut counts = BTreeMap::new();
    for run in words.windows(order) {
        *counts.entry(run).or_insert(0) += 1;
    }
    counts
}

/// The runs that both have, each as often as the one that has it less often.
pub(super) fn shared<W: Ord>(one: &BTreeMap<&[W], usize>, other: &BTreeMap<&[W], usize>) -> usize {
    one.iter().map(|(run, count)| *count.min(other.get(run).unwrap_or(&0))).sum()
}
