//! `no-pii`: data of persons, known by form and checksum. Kept out: the checksums (`checks`), names and addresses, which have no form.

mod checks;

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::options::{self, Options};
use super::text::visible;
use super::{Built, Subject, each_reply, mask};
use crate::eval::request::{ChatMessage, Prompt, Role};

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Email,
    Iban,
    Card,
    Ssn,
    Phone,
    Ip,
    TaxId,
    Nhs,
}

const KINDS: &[(&str, Kind)] = &[
    ("email", Kind::Email),
    ("iban", Kind::Iban),
    ("card", Kind::Card),
    ("ssn", Kind::Ssn),
    ("phone", Kind::Phone),
    ("tax-id", Kind::TaxId),
    ("nhs", Kind::Nhs),
    ("ip", Kind::Ip),
];

/// A kind's name for a `why`, its form, and the check that a match has to pass: of the match, and of what stands before it.
struct Form {
    kind: Kind,
    name: &'static str,
    expression: &'static str,
    real: fn(&str, &str) -> bool,
}

const FORMS: &[Form] = &[
    Form {
        kind: Kind::Email,
        name: "an e-mail address",
        expression: r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?-u:\b)",
        real: |text, _| checks::email(text),
    },
    Form {
        kind: Kind::Iban,
        name: "an IBAN",
        expression: r"(?-u:\b)[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}(?-u:\b)",
        real: |text, _| checks::iban(text),
    },
    Form {
        kind: Kind::Card,
        name: "a payment card number",
        expression: r"(?-u:\b)[0-9](?:[ -]?[0-9]){12,18}(?-u:\b)",
        real: |text, _| checks::card(text),
    },
    Form {
        kind: Kind::Ssn,
        name: "a US social security number",
        expression: r"(?-u:\b)[0-9]{3}-[0-9]{2}-[0-9]{4}(?-u:\b)",
        real: |text, before| !continues(before) && checks::ssn(text),
    },
    Form {
        kind: Kind::Phone,
        name: "a phone number",
        expression: r"\+[1-9][0-9]{0,2}(?:[ ./-]{0,2}\(?[0-9]{1,5}\)?){2,6}(?-u:\b)|(?:\([2-9][0-9]{2}\) ?|(?-u:\b)[2-9][0-9]{2}[-.])[2-9][0-9]{2}[-.][0-9]{4}(?-u:\b)",
        real: |text, before| !continues(before) && checks::phone(text),
    },
    Form {
        kind: Kind::TaxId,
        name: "a German tax identification number",
        expression: r"(?-u:\b)[1-9][0-9](?: [0-9]{3}){3}(?-u:\b)|(?-u:\b)[1-9][0-9]{10}(?-u:\b)",
        real: |text, before| {
            checks::tax_id(text) && (text.contains(' ') || named(before, &["steuer", "tax", "idnr", "id-nr", "tin"]))
        },
    },
    Form {
        kind: Kind::Nhs,
        name: "an NHS number",
        expression: r"(?-u:\b)[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}(?-u:\b)",
        real: |text, before| checks::nhs(text) && named(before, &["nhs"]),
    },
    Form {
        kind: Kind::Ip,
        name: "a public IP address",
        expression: r"(?-u:\b)(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?-u:\b)",
        real: |text, before| {
            !continues(before) && !before.ends_with('.') && !named(before, &["version"]) && checks::public_ip(text)
        },
    },
];

static COMPILED: LazyLock<Vec<(&'static Form, Regex)>> =
    LazyLock::new(|| FORMS.iter().filter_map(|form| Some((form, Regex::new(form.expression).ok()?))).collect());

/// Whether the text before a match makes it the end of something longer.
fn continues(before: &str) -> bool {
    before.chars().next_back().is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '/' | '='))
}

/// Whether one of the words stands in the forty characters before a match.
fn named(before: &str, words: &[&str]) -> bool {
    let near: Vec<char> = before.chars().rev().take(40).collect();
    let near: String = near.into_iter().rev().collect::<String>().to_lowercase();
    words.iter().any(|word| near.contains(word))
}

/// No personal data stands in an answer. `value`: a list of kinds, or `{kinds, allow, include_prompt}`.
pub(super) fn build(value: Option<&Value>) -> Built {
    let (given, allow, include_prompt) = match value {
        Some(list @ (Value::Array(_) | Value::String(_))) => (options::texts("no-pii", list)?, Vec::new(), false),
        other => {
            let options = Options::new("no-pii", other, &["kinds", "allow", "include_prompt"])?;
            (options.texts("kinds")?, options.texts("allow")?, options.flag("include_prompt", false)?)
        }
    };
    let mut chosen = options::kinds("no-pii", &given, KINDS)?;
    if given.is_empty() {
        chosen = KINDS.iter().map(|(_, kind)| *kind).filter(|kind| *kind != Kind::Ip).collect();
    }
    let allow: Vec<String> = allow.iter().map(|text| bare(text)).collect();
    each_reply(move |subject, reply| {
        let given = if include_prompt { String::new() } else { bare(&asked(subject)) };
        find(reply, &chosen, |found| allow.contains(found) || (!given.is_empty() && given.contains(found.as_str())))
    })
}

/// Every message but the system's, line below line.
fn said(messages: &[ChatMessage]) -> String {
    let own = messages.iter().filter(|message| message.role != Role::System);
    own.map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n")
}

/// What the user said, without the system's own message: what a system message holds is not the user's to be told.
fn asked(subject: Subject<'_>) -> String {
    let mut text = match subject.case.request.prompt() {
        Prompt::Text(text) => text.clone(),
        Prompt::Chat(messages) => said(messages),
        Prompt::Written(written) => said(&written.turns()),
    };
    for turn in subject.turns {
        text.push('\n');
        text.push_str(turn.prompt.raw());
    }
    text
}

/// Letters, digits and the signs of an address, in lower case: how a value is compared with another.
fn bare(text: &str) -> String {
    text.chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, '@' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}

fn find(text: &str, kinds: &[Kind], known: impl Fn(&String) -> bool) -> Option<String> {
    let seen: String = text.chars().filter_map(visible).collect();
    COMPILED.iter().filter(|(form, _)| kinds.contains(&form.kind)).find_map(|(form, regex)| {
        let mut all = regex.find_iter(&seen);
        let found = all.find(|found| {
            let before = seen.get(..found.start()).unwrap_or_default();
            (form.real)(found.as_str(), before) && !known(&bare(found.as_str()))
        })?;
        Some(format!("{}: {}", form.name, mask(found.as_str())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Option<String> {
        let kinds: Vec<Kind> = KINDS.iter().map(|(_, kind)| *kind).collect();
        find(text, &kinds, |_| false)
    }

    #[test]
    fn every_form_compiles() {
        assert_eq!(COMPILED.len(), FORMS.len());
    }

    #[test]
    fn personal_data_is_found_by_its_kind() {
        let card = checks::tests::with_luhn("453201511283036");
        let table = [
            ("write to ada.king@lovelace-mail.net", "an e-mail address"),
            ("ＡＤＡ＠mail-house.org", "an e-mail address"),
            ("IBAN DE89 3704 0044 0532 0130 00 please", "an IBAN"),
            ("GB82WEST12345698765432", "an IBAN"),
            ("card 3714 496353 98431, exp 12/30", "a payment card number"),
            ("SSN: 536-22-8726", "a US social security number"),
            ("call +49 30 901820 today", "a phone number"),
            ("call +1 (415) 867-5309", "a phone number"),
            ("(415) 867-5309", "a phone number"),
            ("Steuer-ID 86095742719", "a German tax identification number"),
            ("86 095 742 719", "a German tax identification number"),
            ("NHS number 943 476 5919", "an NHS number"),
            ("from 8.8.4.4.", "a public IP address"),
        ];
        for (text, name) in table {
            let why = all(text).unwrap_or_else(|| panic!("{text}"));
            assert!(why.starts_with(name), "{text}: {why}");
        }
        assert!(all(&format!("it is {card}.")).unwrap().starts_with("a payment card"));
    }

    #[test]
    fn what_only_looks_like_it_is_clean() {
        let texts = [
            "ask ada@example.com or bob@mail.example, or root@localhost",
            "DE88 3704 0044 0532 0130 00",
            "4111 1111 1111 1112 and 4242 4242 4242 4242",
            "000-12-3456, 666-12-3456, 900-12-3456, 123-00-4567, 123-45-0000",
            "order 2024-11-0042, part 12-345-67-8901",
            "943 476 5919 is a product number",
            "86095742719 units were sold",
            "NHS number 943 476 5918",
            "192.168.0.1, 10.0.0.7, 127.0.0.1, 203.0.113.9, version 1.2.3.4 of 999.1.1.1",
            "+1 +2 +3 are numbers, 2 + 2 = 4, C++20",
            "call 202-555-0123, or (202) 555-0199: numbers of films",
            "pi is 3.14159265358979323846",
            "from 1914-1918 and 1939-1945; ISBN 978-3-16-148410-0",
            "1234567890123456",
            "the score was 21-19-3042",
            "2026-11-25T19:12:35+01:00",
        ];
        for text in texts {
            assert_eq!(all(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_allowed_is_compared_without_its_spaces() {
        let known = bare("DE89370400440532013000");
        assert_eq!(find("DE89 3704 0044 0532 0130 00", &[Kind::Iban], |found| *found == known), None);
    }
}
