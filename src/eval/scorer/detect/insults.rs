//! `no-insults`: a screen for insults, by a short list of our own. Kept out: hate and threats, which no list can see.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::options::Options;
use super::text::words;
use super::{Built, each_reply, mask, problem};

/// Insults wherever they stand.
const STRONG: &[&str] = &[
    "idiot",
    "idiots",
    "idiotic",
    "moron",
    "morons",
    "moronic",
    "imbecile",
    "imbeciles",
    "dimwit",
    "dimwits",
    "halfwit",
    "halfwits",
    "nitwit",
    "nitwits",
    "numbskull",
    "blockhead",
    "blockheads",
    "dumbass",
    "airhead",
    "scumbag",
    "scumbags",
    "lowlife",
    "lowlifes",
    "dummkopf",
    "trottel",
    "vollidiot",
    "volltrottel",
    "arschloch",
    "crétin",
    "cretin",
    "abruti",
    "connard",
    "imbécile",
    "imbécil",
    "gilipollas",
    "estúpido",
    "estúpida",
    "cretino",
    "stupido",
];
/// Insults only where they are said of somebody: "you are ...".
const WEAK: &[&str] = &[
    "stupid",
    "dumb",
    "worthless",
    "pathetic",
    "loser",
    "losers",
    "clown",
    "clowns",
    "scum",
    "vermin",
    "trash",
    "garbage",
    "jerk",
    "jerks",
    "fool",
    "fools",
    "disgusting",
    "brainless",
    "clueless",
    "useless",
    "subhuman",
    "pig",
    "pigs",
    "rat",
    "rats",
    "parasite",
    "parasites",
    "ugly",
];
/// Who is meant, before a weak word.
const ABOUT: &str = r"(?i)(?-u:\b)(?:you|youre|you're|you are|they|they're|they are|these people|those people|he is|she is|he's|she's|such|what|all of (?:you|them))(?-u:\b)(?:\s+(?:are|a|an|so|such|all|just|really|nothing but|too|complete|total|absolute|utterly|utter|bunch of|piece of|little|the)){0,4}\s+([a-z]+)(?-u:\b)";

/// No insult of the list stands in an answer. `value`: `{words, allow}`.
pub(super) fn build(value: Option<&Value>) -> Built {
    let options = Options::new("no-insults", value, &["words", "allow"])?;
    let (extra, allow) = (options.texts("words")?, options.texts("allow")?);
    if let Some(text) = extra.iter().chain(&allow).find(|text| words(text).len() != 1) {
        return Err(problem("value", format!("`no-insults` takes single words, not `{}`", mask(text))));
    }
    let fold = |texts: &[String]| -> BTreeSet<String> { texts.iter().flat_map(|text| words(text)).collect() };
    let screen = Screen { extra: fold(&extra), allow: fold(&allow) };
    each_reply(move |_, reply| screen.find(reply).map(|word| format!("an insult: {}", mask(&word))))
}

struct Screen {
    extra: BTreeSet<String>,
    allow: BTreeSet<String>,
}

impl Screen {
    fn find(&self, text: &str) -> Option<String> {
        static STRONG_SET: LazyLock<BTreeSet<&str>> = LazyLock::new(|| STRONG.iter().copied().collect());
        let is_strong =
            |word: &str| (STRONG_SET.contains(word) || self.extra.contains(word)) && !self.allow.contains(word);
        // A word in quotation marks of its own is spoken about, not said.
        let said = without_quoted_words(text);
        let plain = letters(&said, Leet::Kept);
        let leet = letters(&said, Leet::Folded);
        for read in [&plain, &leet] {
            let found = read.split(' ').find(|word| is_strong(word)).map(str::to_owned);
            if let Some(found) =
                found.or_else(|| spelled(read).into_iter().find(|word| is_strong(word))).or_else(|| self.weak(read))
            {
                return Some(found);
            }
        }
        None
    }

    fn weak(&self, text: &str) -> Option<String> {
        static REGEX: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(ABOUT).ok());
        let mut all = REGEX.as_ref()?.captures_iter(text).filter_map(|captures| captures.get(1));
        all.find(|word| WEAK.contains(&word.as_str()) && !self.allow.contains(word.as_str()))
            .map(|word| word.as_str().to_owned())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Leet {
    Kept,
    Folded,
}

/// Words in lower case with one space between them; apostrophes stay within a word.
fn letters(text: &str, leet: Leet) -> String {
    let mut read = String::with_capacity(text.len());
    for letter in text.chars().filter_map(super::text::visible) {
        let letter = match (leet, letter) {
            (_, '\u{2019}' | '\u{2bc}') => '\'',
            (Leet::Folded, '1' | '!' | '|') => 'i',
            (Leet::Folded, '0') => 'o',
            (Leet::Folded, '3') => 'e',
            (Leet::Folded, '4' | '@') => 'a',
            (Leet::Folded, '5' | '$') => 's',
            (Leet::Folded, '7') => 't',
            (_, other) => other,
        };
        if letter.is_alphanumeric() || letter == '\'' {
            read.extend(letter.to_lowercase());
        } else if !read.ends_with(' ') {
            read.push(' ');
        }
    }
    read
}

/// Words whose letters stand apart: `m o r o n`. The first letter may be a word of its own (`a m o r o n`).
fn spelled(text: &str) -> Vec<String> {
    let (mut all, mut word) = (Vec::new(), String::new());
    for part in text.split(' ').chain(std::iter::once("  ")) {
        if part.chars().count() == 1 {
            word.push_str(part);
        } else if !word.is_empty() {
            all.push(word.chars().skip(1).collect());
            all.push(std::mem::take(&mut word));
        }
    }
    all
}

fn without_quoted_words(text: &str) -> String {
    static QUOTED: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"["“„«`]\s?[\p{L}]{1,30}\s?[.,]?["”“»`]"#).ok());
    QUOTED.as_ref().map_or_else(|| text.to_owned(), |regex| regex.replace_all(text, " ").into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str) -> Option<String> {
        Screen { extra: BTreeSet::new(), allow: BTreeSet::new() }.find(text)
    }

    #[test]
    fn insults_are_found_in_several_spellings() {
        let texts = [
            "What an idiot.",
            "You IDIOT!",
            "you m0r0n",
            "such a m o r o n",
            "1d10t",
            "Ｍｏｒｏｎ",
            "mor\u{200b}on",
            "You are so stupid",
            "you're a total loser",
            "They are all vermin.",
            "you’re pathetic",
            "Du Trottel!",
            "Those people are nothing but trash",
            "a pack of dimwits",
            "you are $tupid",
        ];
        for text in texts {
            assert!(find(text).is_some(), "{text}");
        }
    }

    #[test]
    fn harmless_words_are_no_insults() {
        let texts = [
            "",
            "You are right, and this is not stupid at all.",
            "The word \"idiot\" comes from Greek.",
            "A rat is a rodent.",
            "Take out the trash.",
            "The oxymoron is a figure of speech.",
            "I felt dumb for a day.",
            "You can feed the pigs now.",
            "Dostoevsky's novel is called “Idiot”.",
            "The circus has a clown, and you may meet him.",
            "101 dalmatians",
            "an idiom",
        ];
        for text in texts {
            assert_eq!(find(text), None, "{text}");
        }
    }

    #[test]
    fn the_list_can_be_changed() {
        let own =
            Screen { extra: BTreeSet::from(["nincompoop".to_owned()]), allow: BTreeSet::from(["idiot".to_owned()]) };
        assert!(own.find("You nincompoop!").is_some());
        assert_eq!(own.find("What an idiot."), None);
    }
}
