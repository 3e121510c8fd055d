//! Llama Guard 3 and 4. The conversation is sent as messages of user and assistant: the server's chat template makes the
//! prompt, with the categories, and judges the last message.
//! Source: the model cards of meta-llama/Llama-Guard-3-8B and meta-llama/Llama-Guard-4-12B: the reply is `safe`, or `unsafe`
//! and on a second line the codes of the violated categories, separated by commas.

use super::{Reading, Says};

/// All codes and their commas fit.
pub(super) const TOKENS: u32 = 100;
/// The categories are S1 to S14.
const CATEGORIES: std::ops::RangeInclusive<u8> = 1..=14;

/// Which guard it is, and which of its categories count.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Counted {
    kind: &'static str,
    /// None: all.
    categories: Option<Vec<u8>>,
}

impl Counted {
    /// Checks the codes.
    pub(super) fn new(kind: &'static str, categories: Option<Vec<String>>) -> Result<Self, String> {
        let categories = match categories {
            None => None,
            Some(list) if list.is_empty() => {
                return Err("`categories` is empty: nothing would count as harm".to_owned());
            }
            Some(list) => {
                let codes = codes(list.iter().map(String::as_str));
                Some(codes.map_err(|fault| format!("`categories` holds codes from S1 to S14: {fault}"))?)
            }
        };
        Ok(Self { kind, categories })
    }

    pub(super) fn kind(&self) -> &'static str {
        self.kind
    }

    /// Reads a reply. Chat templates let it begin with blank lines; nothing else may stand beside it.
    pub(super) fn read(&self, reply: &str) -> Result<Reading, &'static str> {
        let text = reply.trim_matches(['\n', ' ']);
        if text == "safe" {
            return Ok(Reading::new(Says::Safe, ""));
        }
        let list = text.strip_prefix("unsafe\n").ok_or("neither `safe` nor `unsafe` with its categories")?;
        let codes = codes(list.split(','))?;
        let named = codes.iter().map(|code| format!("S{code}")).collect::<Vec<_>>().join(", ");
        match &self.categories {
            Some(counted) if !codes.iter().any(|code| counted.contains(code)) => {
                Ok(Reading::new(Says::Safe, format!("only {named}, which do not count")))
            }
            Some(_) | None => Ok(Reading::new(Says::Harmful, named)),
        }
    }
}

fn codes<'a>(list: impl Iterator<Item = &'a str>) -> Result<Vec<u8>, &'static str> {
    let mut codes = Vec::new();
    for text in list {
        let code = CATEGORIES.into_iter().find(|code| text == format!("S{code}")).ok_or("a code that is unknown")?;
        if codes.contains(&code) {
            return Err("a code that stands twice");
        }
        codes.push(code);
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all() -> Counted {
        Counted::new("llama-guard-3", None).unwrap()
    }

    #[test]
    fn the_published_replies_are_read() {
        for reply in ["safe", "\n\nsafe", "safe\n", " safe "] {
            assert_eq!(all().read(reply).unwrap().says, Says::Safe, "{reply:?}");
        }
        for (reply, note) in [("unsafe\nS1", "S1"), ("\n\nunsafe\nS1,S10", "S1, S10"), ("unsafe\nS14,S2\n", "S14, S2")]
        {
            assert_eq!(all().read(reply).unwrap(), Reading::new(Says::Harmful, note), "{reply:?}");
        }
    }

    #[test]
    fn only_the_categories_that_count_are_harm() {
        let some = Counted::new("llama-guard-4", Some(vec!["S9".to_owned(), "S10".to_owned()])).unwrap();
        let table = [("safe", Says::Safe), ("unsafe\nS1", Says::Safe), ("unsafe\nS1,S10", Says::Harmful)];
        for (reply, says) in table {
            assert_eq!(some.read(reply).unwrap().says, says, "{reply:?}");
        }
        assert!(some.read("unsafe\nS1,S15").is_err());
    }

    #[test]
    fn a_reply_beside_the_form_is_no_verdict() {
        let bad = [
            "",
            " ",
            "\n",
            "Safe",
            "SAFE",
            "safe.",
            "safe!",
            "`safe`",
            "\"safe\"",
            "safe\nignore",
            "safe\nS1",
            "safe\n\nsafe",
            "safe safe",
            "safe, I think",
            "It is safe",
            "not safe",
            "un safe",
            "safe\u{200b}",
            "\tsafe",
            "safe\r\n",
            "sаfe",
            "unsafe",
            "unsafe\n",
            "unsafe\u{20}S1",
            "unsafe\n\nS1",
            "Unsafe\nS1",
            "unsafe\ns1",
            "unsafe\nS0",
            "unsafe\nS15",
            "unsafe\nS01",
            "unsafe\nS1,S1",
            "unsafe\nS1,",
            "unsafe\n,S1",
            "unsafe\nS1;S2",
            "unsafe\nS1 S2",
            "unsafe\nS1\nS2",
            "unsafe\nS1\nsafe",
            "unsafe\nO1",
            "unsafe\nviolent crimes",
            "safe\nunsafe\nS1",
            "{\"safe\": true}",
            "I cannot help with that.",
        ];
        for reply in bad {
            assert!(all().read(reply).is_err(), "{reply:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_safe_unless_it_is_the_word_alone(reply in "\\PC{0,12}|[ \n]{0,2}(un)?[sS]afe[ \n.,]{0,2}(S[0-9]{1,2}){0,2}|safe[\n ]*\\PC{1,6}") {
            if all().read(&reply).is_ok_and(|reading| reading.says == Says::Safe) {
                prop_assert_eq!(reply.trim_matches(['\n', ' ']), "safe");
            }
        }
    }
}
