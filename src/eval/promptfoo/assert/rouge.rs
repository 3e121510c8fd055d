//! `rouge-n`: ROUGE-1 over Penn Treebank tokens in small letters, with clipped counts (Lin 2004), as promptfoo 0.121.20 computes it
//! with js-rouge. Kept out: other overlaps (`ngram`).

use std::sync::LazyLock;

use fancy_regex::Regex;
use serde_json::Value;

use super::given::{is_space, number_text, trimmed};
use super::ngram::{runs, shared};
use super::text::malformed;
use super::{Given, Graded, Thrown};

/// F1 of single tokens, at least 0.75 unless the threshold says otherwise.
pub(super) fn rouge(given: &Given<'_>) -> Result<Graded, Thrown> {
    let Some(Value::String(reference)) = &given.value else { return Err(malformed(given, "a text")) };
    let (said, wanted) = (tokens(&given.output.text.to_lowercase())?, tokens(&reference.to_lowercase())?);
    let overlap = shared(&runs(&said, 1), &runs(&wanted, 1)) as f64;
    let score = if overlap == 0.0 {
        0.0
    } else {
        let (precision, recall) = (overlap / said.len() as f64, overlap / wanted.len() as f64);
        2.0 * precision * recall / (precision + recall)
    };
    let threshold = given.assertion.threshold.unwrap_or(0.75);
    let pass = (score >= threshold) != given.not();
    let shown = if given.not() { 1.0 - score } else { score };
    Ok(Graded::scored(pass, shown, format!("ROUGE-N score {score:.2} against threshold {}", number_text(threshold))))
}

/// What stands apart, in the order in which it is set apart. The rules are those of the Penn Treebank's own tokenizer script
/// (R. MacIntyre 1995), with js-rouge 3's care for numbers and for the last full stop.
const RULES: [(&str, &str); 11] = [
    (r"\.{3}", " ... "),
    (r"[:,](?!\p{Nd})", " $0 "),
    (r"[;@#$%&]", " $0 "),
    (r"([^.])(?<!\b[A-Za-z]\.[A-Za-z])(\.)([\])}>'\s]*)$", "$1 $2$3 "),
    (r"[?!]", " $0 "),
    (r"[\]\[(){}<>]", " $0 "),
    (r"--", " -- "),
    // The text as a whole stands between spaces from here on.
    (r"(?s)^.*$", " $0 "),
    (r"([^'])' ", "$1 ' "),
    (r"'([sSmMdD]) ", " '$1 "),
    (r"('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", " $1 "),
];

/// Words that are two.
const CONTRACTIONS: [&str; 10] = [
    "(can)(not)",
    "(d)('ye)",
    "(gim)(me)",
    "(gon)(na)",
    "(got)(ta)",
    "(lem)(me)",
    "(more)('n)",
    "(wan)(na)(?= )",
    "('t)(is)",
    "('t)(was)",
];

static COMPILED: LazyLock<Option<Vec<(Regex, &'static str)>>> = LazyLock::new(|| {
    let rules = RULES.iter().map(|(pattern, with)| Regex::new(pattern).ok().map(|pattern| (pattern, *with)));
    let two = CONTRACTIONS.iter().map(|pair| {
        Regex::new(&format!(r"(?i)(?<![\w\x{{200c}}\x{{200d}}]){pair}(?![\w\x{{200c}}\x{{200d}}])"))
            .ok()
            .map(|pattern| (pattern, " $1 $2 "))
    });
    rules.chain(two).collect()
});

fn tokens(text: &str) -> Result<Vec<String>, Thrown> {
    let plain: Vec<&str> =
        text.split(|letter: char| is_space(letter) || letter == '\u{85}').filter(|part| !part.is_empty()).collect();
    let plain = plain.join(" ");
    if trimmed(&plain).is_empty() {
        return Ok(Vec::new());
    }
    let rules = COMPILED.as_ref().ok_or_else(|| Thrown::new("the tokenizer's own rules do not compile"))?;
    let mut apart = quotes(&plain);
    for (pattern, with) in rules {
        apart = pattern.replace_all(&apart, *with).into_owned();
    }
    Ok(apart.split(' ').filter(|token| !token.is_empty()).map(str::to_owned).collect())
}

/// Double quotes as the treebank writes them: one that opens as two backticks, one that closes as two apostrophes.
fn quotes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut inside, mut before) = (false, None::<char>);
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let mark = ["``", "''", "\""].into_iter().find(|mark| rest.starts_with(mark));
        let Some(mark) = mark else {
            out.push(letter);
            before = Some(letter);
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            continue;
        };
        let after = rest.get(mark.len()..).unwrap_or_default();
        let space = |letter: char| is_space(letter) || letter == '<';
        let opens = before
            .is_none_or(|before| (space(before) || !before.is_alphanumeric()) && !matches!(before, '.' | '!' | '?'));
        let has_place =
            !after.is_empty() || before.is_none_or(|before| space(before) || matches!(before, '(' | '[' | '{'));
        let first = after.chars().next();
        let paired = mark == "\""
            || (before.is_some()
                && first.is_some_and(|first| first.is_alphanumeric() || "([{$€£".contains(first))
                && closes(after));
        inside = mark == "``" || (!inside && opens && has_place && paired);
        out.push_str(if inside { " `` " } else { " '' " });
        before = mark.chars().last();
        rest = after;
    }
    out
}

/// Whether the next mark of a quotation is one that closes.
fn closes(text: &str) -> bool {
    let at = |mark: &str| text.find(mark).unwrap_or(usize::MAX);
    at("''") < at("``").min(at("\""))
}
