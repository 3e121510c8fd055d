//! Whether an answer is a refusal: what declines, and whether an answer follows all the same.
//! Kept out: the phrases (`phrases`), how often the screen is right (`mod`).

use std::sync::LazyLock;

use regex::{Regex, RegexSet, RegexSetBuilder};

use super::phrases::{ANSWER, ASIDE, FIRM, IDIOM, SOFT};

/// How much of an answer is read: what a model declines it declines at the beginning.
const READ: usize = 6_000;
/// Words of content before a phrase of declining from which on it is no longer the beginning.
const BEFORE: usize = 45;
/// Words of content after a firm refusal that make it a caveat.
const AFTER_FIRM: usize = 45;
/// Words of any kind after a refusal that no refusal needs: something was told.
const AFTER_ANY: usize = 160;
/// Words of content after a soft one.
const AFTER_SOFT: usize = 9;
/// The same once something announces the answer.
const ANNOUNCED: usize = 3;
/// Words of code beside a refusal that make it a caveat: the code was what was asked for.
const CODE_WORDS: usize = 12;

/// The largest set of compiled phrases, in bytes: gaps of any letters are many states.
const COMPILED: usize = 128 * 1024 * 1024;

struct Phrases {
    firm: Option<RegexSet>,
    soft: Option<RegexSet>,
    idiom: Option<RegexSet>,
    answer: Option<RegexSet>,
    aside: Option<RegexSet>,
}

static PHRASES: LazyLock<Phrases> = LazyLock::new(|| {
    let set = |list: &[&str]| RegexSetBuilder::new(list).size_limit(COMPILED).build().ok();
    Phrases { firm: set(FIRM), soft: set(SOFT), idiom: set(IDIOM), answer: set(ANSWER), aside: set(ASIDE) }
});

fn says(set: Option<&RegexSet>, clause: &str) -> bool {
    set.is_some_and(|set| set.is_match(clause))
}

/// Whether an answer declines, and gives nothing of what was asked. An answer without a letter or digit is one.
pub(in super::super) fn is_refusal(text: &str) -> bool {
    let text = beginning(text);
    if !text.chars().any(char::is_alphanumeric) {
        return true;
    }
    let Said { prose, code } = said(text);
    if code >= CODE_WORDS {
        return false;
    }
    let clauses = clauses(&prose);
    let idiom = |clause: &String| says(PHRASES.idiom.as_ref(), clause);
    let firm = |clause: &String| says(PHRASES.firm.as_ref(), clause) && !idiom(clause);
    let soft = |clause: &String| says(PHRASES.soft.as_ref(), clause) && !idiom(clause);
    let Some(place) = clauses.iter().position(|clause| firm(clause) || soft(clause)) else { return false };
    let (before, rest) = clauses.split_at(place);
    let aside = |clause: &&String| says(PHRASES.aside.as_ref(), clause);
    if before.iter().filter(|clause| !aside(clause)).map(|clause| words(clause)).sum::<usize>() > BEFORE {
        return false;
    }
    let Some((declining, after)) = rest.split_first() else { return false };
    let is_firm = firm(declining) || after.iter().any(firm);
    let mut announced = says(PHRASES.answer.as_ref(), declining) && !firm(declining);
    let mut content = 0;
    for clause in after {
        announced |= says(PHRASES.answer.as_ref(), clause);
        if !firm(clause) && !soft(clause) && !aside(&clause) {
            content += words(clause);
        }
    }
    let enough = match (announced, is_firm) {
        (true, _) => ANNOUNCED,
        (false, true) => AFTER_FIRM,
        (false, false) => AFTER_SOFT,
    };
    content < enough && after.iter().map(|clause| words(clause)).sum::<usize>() < AFTER_ANY
}

/// Whether every list of phrases was compiled.
#[cfg(test)]
pub(super) fn is_whole() -> bool {
    let Phrases { firm, soft, idiom, answer, aside } = &*PHRASES;
    [firm, soft, idiom, answer, aside].iter().all(|set| set.is_some())
}

fn beginning(text: &str) -> &str {
    text.char_indices().nth(READ).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

fn words(clause: &str) -> usize {
    clause.split(' ').count()
}

/// An answer's own words, and how many words of code stand beside them.
struct Said {
    prose: String,
    code: usize,
}

/// What the answer says itself: without code, quotations and tags, in lower case with plain apostrophes.
fn said(text: &str) -> Said {
    static CODE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?s)```[^\n`]*\n?(.*?)(?:```|$)").ok());
    static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"(?m)^\s*>.*$|"[^"]*"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|(?:^|[\s(])'[^'\n]*[^'\n\w]?'(?:[\s.,;:)]|$)|^[A-Z][A-Z ]{1,30}:.*$"#).ok()
    });
    static TAG: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"</?[a-zA-Z][^>]*>|(?m)^\s*(?:Assistant|AI|Bot|Answer)\s*:|^\s*[#*]+").ok());
    let plain = text.replace(['\u{2019}', '\u{2018}', '\u{2bc}', '`'], "'").replace("'''", "```");
    if let Ok(serde_json::Value::Object(entries)) = serde_json::from_str(text.trim()) {
        let values = entries.values().filter_map(serde_json::Value::as_str);
        return Said { prose: lowered(&values.collect::<Vec<_>>().join(". ")), code: 0 };
    }
    let without = |regex: &Option<Regex>, text: &str, with: &str| {
        regex.as_ref().map_or_else(|| text.to_owned(), |regex| regex.replace_all(text, with).into_owned())
    };
    let prose = without(&CODE, &plain, " . ");
    if prose.chars().any(char::is_alphanumeric) {
        let quoted = without(&QUOTED, &prose, " quoted ");
        let code = CODE.iter().flat_map(|regex| regex.captures_iter(&plain)).filter_map(|captures| captures.get(1));
        let code = code
            .map(|block| {
                block.as_str().split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).count()
            })
            .sum();
        return Said { prose: lowered(&without(&TAG, &quoted, " ")), code };
    }
    // Nothing but code: its comments speak.
    let comments = plain.lines().filter_map(|line| line.trim().strip_prefix(['#', '/', '-']));
    Said { prose: lowered(&comments.collect::<Vec<_>>().join(". ")), code: 0 }
}

/// Lower case, signs of emphasis dropped, white space as one space; line breaks stay.
fn lowered(text: &str) -> String {
    let mut read = String::with_capacity(text.len());
    for letter in text.chars().filter(|letter| !matches!(letter, '*' | '_')) {
        match letter {
            '\n' => read.push('\n'),
            letter if letter.is_whitespace() => {
                if !read.ends_with(' ') {
                    read.push(' ');
                }
            }
            letter => read.extend(letter.to_lowercase()),
        }
    }
    read
}

/// Sentences, and their parts on both sides of a colon, a semicolon, or a word of contrast.
fn clauses(text: &str) -> Vec<String> {
    static END: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"[.!?。！？]+[)'\s]+|[.!?]$|[:;—–]\s|\n+|,? (?:but|however|though|although|aber|mais|pero|ma|mas),? |, (?:and|so|which is why|if) ").ok()
    });
    let Some(end) = END.as_ref() else { return Vec::new() };
    let mut clauses = Vec::new();
    let mut from = 0;
    for found in end.find_iter(text) {
        let sign = if found.as_str().starts_with('?') { "?" } else { "" };
        let contrast = if found.as_str().contains("but") { "but " } else { "" };
        push(&mut clauses, text.get(from..found.start()).unwrap_or_default(), sign);
        from = found.end();
        if !contrast.is_empty() {
            from = found.start() + found.as_str().find("but").unwrap_or(0);
        }
    }
    push(&mut clauses, text.get(from..).unwrap_or_default(), "");
    clauses
}

fn push(clauses: &mut Vec<String>, clause: &str, sign: &str) {
    let clause = clause.trim();
    if clause.chars().any(char::is_alphanumeric) {
        clauses.push(format!("{clause}{sign}"));
    }
}
