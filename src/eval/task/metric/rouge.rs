//! ROUGE: how much a text and its reference share in words (ROUGE-1), pairs of words (ROUGE-2), and in the longest common
//! subsequence of the whole (ROUGE-L) or of its lines (ROUGE-Lsum), as F of precision and recall.
//! Source: C.-Y. Lin, ROUGE (2004), with the choices of the Python package rouge_score 0.1.2 without stemmer, which lm-eval takes for
//! `metric: rouge`.

use std::collections::{BTreeMap, BTreeSet};

use crate::stats::float;

/// What is computed where nothing else is asked for.
pub(in crate::eval::task) const KINDS: [&str; 4] = ["rouge1", "rouge2", "rougeL", "rougeLsum"];
/// The most pairs of words that are compared for one answer: some 5,800 words on both sides, 64 MiB.
const MOST_PAIRS: usize = 1 << 25;

/// Whether there is such a kind.
pub(in crate::eval::task) fn is_kind(name: &str) -> bool {
    matches!(name, "rougeL" | "rougeLsum") || order(name).is_some()
}

fn order(name: &str) -> Option<usize> {
    let digit = name.strip_prefix("rouge")?;
    (digit.len() == 1).then_some(())?;
    digit.parse().ok().filter(|order| *order > 0)
}

/// 0 to 1; an error where the kind is not known, or the texts are too long for a common subsequence.
pub(super) fn rouge(kind: &str, said: &str, gold: &str) -> Result<f64, String> {
    let (ours, theirs) = (words(said), words(gold));
    let long =
        || format!("{kind}: an answer of {} words and a gold answer of {} are too long", ours.len(), theirs.len());
    if kind.starts_with("rougeL") && ours.len().saturating_mul(theirs.len()) > MOST_PAIRS {
        return Err(long());
    }
    match kind {
        "rougeL" => {
            let (ours, theirs) = (texts(&ours), texts(&theirs));
            let common = Table::new(&theirs, &ours).length();
            Ok(f(common, ours.len(), theirs.len()))
        }
        "rougeLsum" => Ok(by_lines(said, gold)),
        _ => match order(kind) {
            Some(order) => {
                let (ours, theirs) = (texts(&ours), texts(&theirs));
                let (ours, theirs) = (grams(&ours, order), grams(&theirs, order));
                let common = theirs.iter().map(|(gram, count)| ours.get(gram).map_or(0, |ours| *ours.min(count))).sum();
                Ok(f(common, ours.values().sum(), theirs.values().sum()))
            }
            None => Err(format!("there is no {kind}")),
        },
    }
}

/// F of so many in common of what was said and of the reference.
fn f(common: usize, said: usize, gold: usize) -> f64 {
    let share = |of: usize| float(common as u64) / float(of.max(1) as u64);
    let (precision, recall) = (share(said), share(gold));
    if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
}

/// Runs of small letters and digits of ASCII, after small letters were made of all.
fn words(text: &str) -> Vec<String> {
    let small = text.to_lowercase();
    small
        .split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn texts(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn grams<'a>(words: &[&'a str], order: usize) -> BTreeMap<Vec<&'a str>, usize> {
    let mut counts = BTreeMap::new();
    for gram in words.windows(order) {
        *counts.entry(gram.to_vec()).or_insert(0) += 1;
    }
    counts
}

/// Each line of the reference is held against all lines of the answer; no word counts more often than it stands on both sides.
fn by_lines(said: &str, gold: &str) -> f64 {
    // A line without words has nothing in common with any; of all others there are no more pairs than of words.
    let lines =
        |text: &str| -> Vec<Vec<String>> { text.split('\n').map(words).filter(|line| !line.is_empty()).collect() };
    let (ours, theirs) = (lines(said), lines(gold));
    let left = |lines: &[Vec<String>]| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for word in lines.iter().flatten() {
            *counts.entry(word.clone()).or_default() += 1;
        }
        counts
    };
    let (mut our_words, mut their_words) = (left(&ours), left(&theirs));
    let mut hits = 0;
    for line in &theirs {
        let line = texts(line);
        let mut common = BTreeSet::new();
        for own in &ours {
            common.extend(Table::new(&line, &texts(own)).places());
        }
        for word in common.into_iter().filter_map(|place| line.get(place)) {
            if let (Some(our), Some(their)) = (our_words.get_mut(*word), their_words.get_mut(*word))
                && *our > 0
                && *their > 0
            {
                (*our, *their) = (*our - 1, *their - 1);
                hits += 1;
            }
        }
    }
    f(hits, ours.iter().map(Vec::len).sum(), theirs.iter().map(Vec::len).sum())
}

/// The lengths of the longest common subsequences of all beginnings of a reference and an answer.
struct Table<'a> {
    gold: &'a [&'a str],
    said: &'a [&'a str],
    /// By words of the reference, then of the answer, each from 0. The shorter side has fewer words than 2^16.
    lengths: Vec<u16>,
}

impl<'a> Table<'a> {
    fn new(gold: &'a [&'a str], said: &'a [&'a str]) -> Self {
        let mut table = Self { gold, said, lengths: vec![0; (gold.len() + 1) * (said.len() + 1)] };
        for (row, their) in gold.iter().enumerate() {
            for (column, our) in said.iter().enumerate() {
                let length = if their == our {
                    table.at(row, column) + 1
                } else {
                    table.at(row, column + 1).max(table.at(row + 1, column))
                };
                let place = table.place(row + 1, column + 1);
                if let Some(cell) = table.lengths.get_mut(place) {
                    *cell = length;
                }
            }
        }
        table
    }

    fn place(&self, row: usize, column: usize) -> usize {
        row * (self.said.len() + 1) + column
    }

    fn at(&self, row: usize, column: usize) -> u16 {
        self.lengths.get(self.place(row, column)).copied().unwrap_or(0)
    }

    fn length(&self) -> usize {
        usize::from(self.at(self.gold.len(), self.said.len()))
    }

    /// The places in the reference of one of the longest: from the end, of two ways the one through the reference.
    fn places(&self) -> Vec<usize> {
        let (mut row, mut column, mut places) = (self.gold.len(), self.said.len(), Vec::new());
        while row > 0 && column > 0 {
            if self.gold.get(row - 1) == self.said.get(column - 1) {
                places.push(row - 1);
                (row, column) = (row - 1, column - 1);
            } else if self.at(row, column - 1) > self.at(row - 1, column) {
                column -= 1;
            } else {
                row -= 1;
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by rouge_score 0.1.2: F of each kind. Texts of our own.
    const RECORDED: &str = include_str!("rouge.jsonl");

    #[test]
    fn every_kind_is_what_rouge_score_says() {
        let mut count = 0;
        for line in RECORDED.lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let (said, gold) = (case["said"].as_str().unwrap(), case["gold"].as_str().unwrap());
            for (kind, want) in case["f"].as_object().unwrap() {
                let found = rouge(kind, said, gold).unwrap();
                assert!((found - want.as_f64().unwrap()).abs() < 1e-12, "{kind}: {found}: {line}");
                count += 1;
            }
        }
        assert!(count >= 1000, "{count}");
    }

    #[test]
    fn what_is_too_long_or_unknown_is_an_error() {
        let long = "word ".repeat(6000);
        assert!(rouge("rougeL", &long, &long).unwrap_err().contains("too long"));
        assert!(rouge("rougeLsum", &long, &long).is_err());
        assert_eq!(rouge("rouge1", &long, &long), Ok(1.0));
        assert!(rouge("rougeW", "a", "a").is_err() && rouge("rouge0", "a", "a").is_err());
        // Many lines without a word are no work: held against one another they would be 10^10 pairs.
        let empty = format!("a b\n{}", ".\n".repeat(100_000));
        assert_eq!(rouge("rougeLsum", &empty, &empty), Ok(1.0));
    }
}
