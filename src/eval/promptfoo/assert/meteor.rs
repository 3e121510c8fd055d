//! `meteor`: exact words first, then words of the same stem, weighed by how many runs they stand in (Banerjee and Lavie 2005), as promptfoo
//! 0.121.20 computes it; without its third step, synonyms of WordNet, whose dictionary is not part of this program. Kept out: overlaps
//! without stems (`ngram`).

use serde_json::Value;

use super::given::is_space;
use super::ngram::{compared, references};
use super::porter::stem;
use super::{Given, Graded, Thrown};

/// The weights of the formula, each of which the assertion may set.
#[derive(Clone, Copy)]
struct Weights {
    alpha: f64,
    beta: f64,
    gamma: f64,
}

/// The best score over all references, one half at least unless the threshold says otherwise.
pub(super) fn meteor(given: &Given<'_>) -> Result<Graded, Thrown> {
    let references = references(given)?;
    if given.output.text.is_empty() {
        return Err(Thrown::new("a `meteor` assertion cannot judge an answer without a word"));
    }
    let set = |name: &str, usual: f64| given.assertion.rest.get(name).and_then(Value::as_f64).unwrap_or(usual);
    let weights = Weights { alpha: set("alpha", 0.9), beta: set("beta", 3.0), gamma: set("gamma", 0.5) };
    let said = words(&given.output.text);
    let scores = references.iter().map(|reference| score(&said, &words(reference), weights));
    Ok(compared(given, "METEOR", scores.fold(f64::NEG_INFINITY, f64::max)))
}

/// Words between white space, without full stops at their ends; white space at an end of the text makes an empty word there.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text
        .split(is_space)
        .filter(|word| !word.is_empty())
        .map(|word| word.trim_end_matches('.').to_lowercase())
        .collect();
    if text.starts_with(is_space) {
        words.insert(0, String::new());
    }
    if text.ends_with(is_space) {
        words.push(String::new());
    }
    words
}

fn score(said: &[String], wanted: &[String], weights: Weights) -> f64 {
    let mut left: (Vec<(usize, String)>, Vec<(usize, String)>) =
        (said.iter().cloned().enumerate().collect(), wanted.iter().cloned().enumerate().collect());
    let mut matches = paired(&mut left);
    for side in [&mut left.0, &mut left.1] {
        side.iter_mut().for_each(|(_, word)| *word = stem(word));
    }
    matches.extend(paired(&mut left));
    if matches.is_empty() {
        return 0.0;
    }
    matches.sort_unstable();
    let count = matches.len() as f64;
    let (precision, recall) = (count / said.len() as f64, count / wanted.len() as f64);
    let mean = precision * recall / (weights.alpha * precision + (1.0 - weights.alpha) * recall);
    let breaks = matches
        .windows(2)
        .filter(|pair| !matches!(pair, [one, next] if next.0 == one.0 + 1 && next.1 == one.1 + 1))
        .count();
    let chunks = (breaks + 1) as f64;
    (1.0 - weights.gamma * (chunks / count).powf(weights.beta)) * mean
}

/// Pairs equal words from the end on, and takes them away.
fn paired((said, wanted): &mut (Vec<(usize, String)>, Vec<(usize, String)>)) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let mut rest = Vec::new();
    while let Some((at, word)) = said.pop() {
        match wanted.iter().rposition(|(_, other)| *other == word) {
            Some(found) => pairs.push((at, wanted.remove(found).0)),
            None => rest.push((at, word)),
        }
    }
    rest.reverse();
    *said = rest;
    pairs
}
