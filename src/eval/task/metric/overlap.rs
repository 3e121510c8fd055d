//! How much of a text its reference holds: the counts behind BLEU and chrF.
//! Source: sacrebleu 2.x with its defaults. Kept out: the scores made of the counts (`gate::Aggregate`).

use std::collections::BTreeMap;

use crate::stats::float;

type Counts<'a> = BTreeMap<Vec<&'a str>, u64>;

/// `[matches of 1 to 4 words, candidates of 1 to 4 words, words said, words of the closest reference]`.
pub(super) fn bleu(said: &str, golds: &[&str]) -> Vec<f64> {
    let said = words_13a(said.trim_end());
    let golds: Vec<Vec<String>> = golds.iter().map(|gold| words_13a(gold.trim_end())).collect();
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let golds: Vec<Vec<&str>> = golds.iter().map(|gold| gold.iter().map(String::as_str).collect()).collect();
    let (mut matches, mut candidates) = (Vec::new(), Vec::new());
    for order in 1..=4 {
        let mut most = Counts::new();
        for gold in &golds {
            for (words, count) in grams(gold, order) {
                let entry = most.entry(words).or_default();
                *entry = (*entry).max(count);
            }
        }
        let ours = grams(&said, order);
        candidates.push(float(ours.values().sum()));
        matches.push(float(shared(&ours, &most)));
    }
    // The shorter of two references that are equally close.
    let closest = golds.iter().map(Vec::len).min_by_key(|length| (length.abs_diff(said.len()), *length));
    matches.extend(candidates);
    matches.push(float(said.len() as u64));
    matches.push(float(closest.unwrap_or_default() as u64));
    matches
}

/// `[said, of the reference, matching]` for 1 to 6 letters, then for 1 to `word_order` words.
pub(super) fn chrf(said: &str, golds: &[&str], word_order: usize) -> Vec<f64> {
    // Several references are refused before this.
    let gold = golds.first().copied().unwrap_or_default();
    let (ours, theirs) = (letters(said), letters(gold));
    let (ours, theirs): (Vec<&str>, Vec<&str>) =
        (ours.iter().map(String::as_str).collect(), theirs.iter().map(String::as_str).collect());
    let (our_words, their_words) = (split_words(said), split_words(gold));
    let letter_orders = (1..=6).map(|order| (grams(&ours, order), grams(&theirs, order)));
    let word_orders = (1..=word_order).map(|order| (grams(&our_words, order), grams(&their_words, order)));
    let counts = |(ours, theirs): (Counts<'_>, Counts<'_>)| {
        let said = if theirs.is_empty() { 0 } else { ours.values().sum() };
        [float(said), float(theirs.values().sum()), float(shared(&ours, &theirs))]
    };
    letter_orders.chain(word_orders).flat_map(counts).collect()
}

fn letters(text: &str) -> Vec<String> {
    text.chars().filter(|c| !c.is_whitespace()).map(String::from).collect()
}

/// Words, with one mark of punctuation at the end, or else at the beginning, as a word of its own.
fn split_words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let last = word.char_indices().next_back().filter(|(_, c)| c.is_ascii_punctuation());
        let first = word.chars().next().filter(char::is_ascii_punctuation);
        match (word.chars().count(), last, first) {
            (0 | 1, _, _) | (_, None, None) => words.push(word),
            (_, Some((at, _)), _) => words.extend([word.get(..at), word.get(at..)].into_iter().flatten()),
            (_, None, Some(_)) => words.extend([word.get(..1), word.get(1..)].into_iter().flatten()),
        }
    }
    words
}

fn grams<'a>(words: &[&'a str], order: usize) -> Counts<'a> {
    let mut counts = Counts::new();
    for gram in words.windows(order) {
        *counts.entry(gram.to_vec()).or_default() += 1;
    }
    counts
}

fn shared(ours: &Counts<'_>, theirs: &Counts<'_>) -> u64 {
    ours.iter().map(|(gram, count)| theirs.get(gram).map_or(0, |other| *count.min(other))).sum()
}

/// The words of sacrebleu's `13a`, which are those of `mteval-v13a.pl`.
fn words_13a(text: &str) -> Vec<String> {
    let text = text.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    let text = text.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
    let text = format!(" {text} ");
    let marks = |c: char| {
        c.is_ascii() && !c.is_ascii_alphanumeric() && !c.is_ascii_control() && !matches!(c, '\'' | ',' | '-' | '.')
    };
    let mut apart = String::with_capacity(text.len() * 2);
    for letter in text.chars() {
        if marks(letter) {
            apart.extend([' ', letter, ' ']);
        } else {
            apart.push(letter);
        }
    }
    let digit = |c: &char| c.is_ascii_digit();
    let point = |c: &char| matches!(c, '.' | ',');
    let after =
        pairs(&apart, |first, second| !digit(first) && point(second), |first, second| format!("{first} {second} "));
    let before =
        pairs(&after, |first, second| point(first) && !digit(second), |first, second| format!(" {first} {second}"));
    let dashes =
        pairs(&before, |first, second| digit(first) && *second == '-', |first, second| format!("{first} {second} "));
    dashes.split_whitespace().map(str::to_owned).collect()
}

/// Replaces pairs of letters from the left, none of which share a letter.
fn pairs(text: &str, is: impl Fn(&char, &char) -> bool, with: impl Fn(char, char) -> String) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut letters = text.chars().peekable();
    while let Some(first) = letters.next() {
        match letters.peek().copied().filter(|second| is(&first, second)) {
            Some(second) => {
                letters.next();
                out.push_str(&with(first, second));
            }
            None => out.push(first),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Aggregate;

    const PAIRS: [(&str, &str); 4] = [
        ("The cat sat on the mat, at 3.5 o'clock.", "The cat sat on a mat, at 3.5 o'clock!"),
        ("A dog barked &quot;loudly&quot; twice - today.", "A dog barked \"loudly\" two times today."),
        ("It is what it is: nothing more.", "It was what it is; nothing more"),
        ("Rain in Spain falls mainly on the plain.", "Rain in Spain stays mainly in the plains."),
    ];

    fn value(aggregate: Aggregate, parts: impl Fn(&str, &[&str]) -> Vec<f64>) -> (f64, f64) {
        let parts: Vec<Vec<f64>> = PAIRS.iter().map(|(gold, said)| parts(said, &[gold])).collect();
        let parts: Vec<&[f64]> = parts.iter().map(Vec::as_slice).collect();
        (aggregate.combine(&parts).unwrap(), aggregate.stderr(&parts).unwrap())
    }

    fn assert_near(ours: (f64, f64), theirs: (f64, f64)) {
        assert!((ours.0 - theirs.0).abs() < 1e-9 && (ours.1 - theirs.1).abs() < 1e-9, "{ours:?} is not {theirs:?}");
    }

    /// Source: lm-eval 0.4.13 with sacrebleu 2.6: `bleu`, `chrf`, `chrf++` and `stderr_for_metric(_, 100)`.
    #[test]
    fn scores_and_standard_errors_are_those_of_sacrebleu() {
        assert_near(value(Aggregate::Bleu, bleu), (41.882_782_682_681_75, 10.752_389_146_888_232));
        assert_near(
            value(Aggregate::Chrf, |said, golds| chrf(said, golds, 0)),
            (61.649_167_955_020_58, 7.441_834_632_828_956),
        );
        assert_near(
            value(Aggregate::Chrf, |said, golds| chrf(said, golds, 2)),
            (60.386_262_234_765_91, 7.021_727_766_087_847),
        );
    }
}
