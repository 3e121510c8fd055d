//! Whether an insult of the list stands in a text, in several spellings. Kept out: the words (`words`), how often the screen is
//! right (`mod`).

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::words::{ABOUT, AFTER_NAME, ASIDE, FILL, NAMES, STRONG, TURNS, WEAK};
use crate::eval::scorer::detect::text::visible;

/// The list, with a user's own words.
#[derive(Default)]
pub(super) struct Screen {
    /// Insults besides ours.
    pub(super) extra: BTreeSet<String>,
    /// Words of ours that are none here.
    pub(super) allow: BTreeSet<String>,
}

impl Screen {
    /// The first insult.
    pub(super) fn find(&self, text: &str) -> Option<String> {
        // A word or a title in quotation marks of its own is spoken about, not said.
        let said = without(&QUOTED, text);
        for leet in [Leet::Kept, Leet::Folded] {
            let joined = spelled(&letters(&said, leet));
            if let Some(found) = joined.into_iter().find(|word| self.is_strong(word)) {
                return Some(found);
            }
            let mut clauses = clauses(&said).map(|clause| letters(clause, leet)).filter(|clause| !clause.is_empty());
            if let Some(found) = clauses.find_map(|clause| self.strong(&clause).or_else(|| self.weak(&clause))) {
                return Some(found);
            }
        }
        self.starred(&said)
    }

    fn is_strong(&self, word: &str) -> bool {
        (STRONG.contains(&word) || self.extra.contains(word)) && !self.allow.contains(word)
    }

    /// A word that is an insult wherever it stands, or a turn of speech.
    fn strong(&self, clause: &str) -> Option<String> {
        let mut at = 0;
        for word in clause.split(' ') {
            if self.is_strong(word) && !is_aside(clause.get(..at).unwrap_or_default()) {
                return Some(word.to_owned());
            }
            at += word.len() + 1;
        }
        PATTERNS.turns.as_ref()?.find(clause).map(|turn| turn.as_str().to_owned())
    }

    /// A word that is an insult where it is said of somebody.
    fn weak(&self, clause: &str) -> Option<String> {
        let found = |about: &Regex| {
            let all = about.captures_iter(clause).filter_map(|captures| Some((captures.get(0)?, captures.get(1)?)));
            let mut insults = all.filter(|(whole, word)| {
                let rest = clause.get(word.end()..).unwrap_or_default();
                let named = NAMES.contains(&word.as_str()) && stands_alone(rest);
                let insult = (named || WEAK.contains(&word.as_str())) && !self.allow.contains(word.as_str());
                insult && !is_aside(clause.get(..whole.start()).unwrap_or_default())
            });
            insults.next().map(|(_, word)| word.as_str().to_owned())
        };
        PATTERNS.about.iter().flatten().find_map(found)
    }

    /// A word with stars for some of its letters: nobody hides a kind word. Three letters may be a product.
    fn starred(&self, text: &str) -> Option<String> {
        let all = STARRED.iter().flat_map(|regex| regex.find_iter(text)).map(|found| found.as_str().to_lowercase());
        let hidden = |starred: &String| {
            if starred.chars().count() < 4 {
                return false;
            }
            let fits = |word: &&&str| {
                let same = |(letter, star): (char, char)| star == '*' || letter == star;
                word.chars().count() == starred.chars().count() && word.chars().zip(starred.chars()).all(same)
            };
            let word = STRONG.iter().chain(WEAK).chain(NAMES).find(fits);
            word.is_some_and(|word| !self.allow.contains(*word))
        };
        all.into_iter().find(hidden)
    }
}

struct Patterns {
    turns: Option<Regex>,
    aside: Option<Regex>,
    about: Vec<Option<Regex>>,
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| Patterns {
    turns: Regex::new(&TURNS.join("|")).ok(),
    aside: Regex::new(&ASIDE.join("|")).ok(),
    about: ABOUT.iter().map(|about| Regex::new(&format!(r"{about}{FILL} (\p{{L}}+)\b")).ok()).collect(),
});

static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"["“„«`]\s?(?:\p{L}{1,30}|\p{Lu}\p{L}{1,30}(?: \p{Lu}\p{L}{1,30}){1,3})\s?[.,]?["”“»`]"#).ok()
});

static STARRED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\p{L}+\*[\p{L}*]*\p{L}").ok());

/// Whether every pattern was compiled.
#[cfg(test)]
pub(super) fn is_whole() -> bool {
    let Patterns { turns, aside, about } = &*PATTERNS;
    let own = [turns, aside, &*QUOTED, &*STARRED];
    own.into_iter().chain(about).all(Option::is_some)
}

/// Words before an insult that can turn its sense.
const BEFORE: usize = 9;

/// Whether what stands before an insult denies it, speaks about it, or says it of the speaker.
fn is_aside(before: &str) -> bool {
    let before = before.trim_end();
    let from = before.rmatch_indices(' ').nth(BEFORE).map_or(0, |(at, _)| at);
    PATTERNS.aside.as_ref().is_some_and(|aside| aside.is_match(before.get(from..).unwrap_or_default()))
}

/// Whether nothing that follows makes a name a part of something else: `garbage values`, `pigs' best friend`.
fn stands_alone(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix(' ') else { return rest.is_empty() };
    let next = rest.split(' ').next().unwrap_or_default();
    next.is_empty() || AFTER_NAME.contains(&next)
}

/// Parts of a text between signs.
fn clauses(text: &str) -> impl Iterator<Item = &str> {
    static END: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"[.!?…,;:"“”«»]+(?:\s|$)|\n"#).ok());
    let ends = END.iter().flat_map(|end| end.find_iter(text)).map(|end| (end.start(), end.end()));
    let mut from = 0;
    ends.chain(std::iter::once((text.len(), text.len()))).map(move |(start, end)| {
        let clause = text.get(from..start).unwrap_or_default();
        from = end;
        clause
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Leet {
    Kept,
    Folded,
}

/// Words in lower case with one space between them; apostrophes stay within a word.
fn letters(text: &str, leet: Leet) -> String {
    let mut read = String::with_capacity(text.len());
    for letter in text.chars().filter_map(visible) {
        let letter = match (leet, letter) {
            (_, '\u{2019}' | '\u{2bc}') => '\'',
            (Leet::Folded, '1' | '!' | '|') => 'i',
            (Leet::Folded, '0') => 'o',
            (Leet::Folded, '3') => 'e',
            (Leet::Folded, '4' | '@') => 'a',
            (Leet::Folded, '5' | '$') => 's',
            (Leet::Folded, '7') => 't',
            (Leet::Folded, '8') => 'b',
            (_, other) => other,
        };
        if letter.is_alphanumeric() || letter == '\'' {
            read.extend(letter.to_lowercase());
        } else if !read.ends_with(' ') {
            read.push(' ');
        }
    }
    read.trim().to_owned()
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

fn without(regex: &Option<Regex>, text: &str) -> String {
    regex.as_ref().map_or_else(|| text.to_owned(), |regex| regex.replace_all(text, " ").into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str) -> Option<String> {
        Screen::default().find(text)
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
            "What a st*pid m*ron",
            "m0r0n!",
            "Your old boss is a useless clown.",
            "Everybody from that street is dumb.",
            "How ugly they are, and how stupid are you?",
            "Listen, you clown, and who asked?",
            "I do not know why he is such a nincompoop.",
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
            "You are a clown fish in this game.",
            "He said that the printer is useless.",
            "I am such an idiot, sorry.",
            "Calling her a moron is unkind.",
            "I would not say that you are stupid.",
            "r = a*b*c; r*t; fo*bar",
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
