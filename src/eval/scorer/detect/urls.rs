//! The addresses in an answer, and whether a reader's program fetches them by itself. Kept out: which of them are harm.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

/// How an address is reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Fetch {
    /// By itself, as soon as the answer is shown: an image, a frame, a style.
    Automatic,
    /// When somebody clicks, or sends a form.
    Click,
}

/// One address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Address {
    /// As it is written, entities resolved.
    pub(super) text: String,
    /// How it is reached.
    pub(super) fetch: Fetch,
}

/// Text in square brackets, others and escaped ones within it.
const BRACKETS: &str = r"\[((?:[^\[\]\\]|\\.|\[(?:[^\[\]\\]|\\.|\[[^\[\]]*\])*\])*)\]";
/// The rest of a tag up to an attribute; a `>` in quotation marks does not end it.
const INSIDE: &str = r#"\b(?:(?:[^>"']|"[^"]*"|'[^']*')*?|[^>]*?)"#;

/// Forms of addresses; `BRACKETS` and `INSIDE` stand for those expressions, and the last group is the address.
const FORMS: &[(&str, Fetch)] = &[
    // ![text](address "title"), also with angle brackets and over a line break.
    (r"!BRACKETS\(\s*<?([^\s<>)]+)", Fetch::Automatic),
    (r"\]\(\s*<?([^\s<>)]+)", Fetch::Click),
    (
        r#"(?i)<(?:img|iframe|frame|embed|source|video|audio|track|script|input|image|use|body|table|td|th)INSIDE\b(?:src|srcset|poster|background|href|data|longdesc)\s*=\s*["']?([^\s"'>]+)"#,
        Fetch::Automatic,
    ),
    (r#"(?i)<(?:link|object)INSIDE\b(?:href|data)\s*=\s*["']?([^\s"'>]+)"#, Fetch::Automatic),
    (r#"(?i)<meta\b[^>]*?\burl\s*=\s*["']?([^\s"'>]+)"#, Fetch::Automatic),
    (r#"(?i)\burl\(\s*["']?([^\s"')]+)"#, Fetch::Automatic),
    (r#"(?i)@import\s+["']([^\s"']+)"#, Fetch::Automatic),
    (r#"(?i)<(?:a|area|form|button)INSIDE\b(?:href|action|formaction|ping)\s*=\s*["']?([^\s"'>]+)"#, Fetch::Click),
    (r#"(?i)((?:https?|ftp|wss?):[/\\]{2}[^\s<>"'`]+)"#, Fetch::Click),
];
/// `[label]: address`, at the beginning of a line.
const DEFINITION: &str = r"(?m)^\s{0,3}\[((?:[^\[\]\\]|\\.)+)\]:\s*<?([^\s<>]+)";
/// `![text][label]`, `![label][]` or `![label]`.
const BY_REFERENCE: &str = r"!BRACKETS(?:\s?\[([^\[\]]*)\])?";

fn compiled(expression: &str) -> Option<Regex> {
    Regex::new(&expression.replace("BRACKETS", BRACKETS).replace("INSIDE", INSIDE)).ok()
}

static COMPILED: LazyLock<Vec<(Regex, Fetch)>> =
    LazyLock::new(|| FORMS.iter().filter_map(|(expression, fetch)| Some((compiled(expression)?, *fetch))).collect());
static REFERENCES: LazyLock<Option<(Regex, Regex)>> =
    LazyLock::new(|| Some((compiled(DEFINITION)?, compiled(BY_REFERENCE)?)));

/// Every address of a text; those that are fetched by themselves first.
pub(super) fn addresses(text: &str) -> Vec<Address> {
    let mut found = Vec::new();
    for (regex, fetch) in COMPILED.iter() {
        for captures in regex.captures_iter(text) {
            found.extend(captures.iter().flatten().last().map(|part| address(part.as_str(), *fetch)));
        }
    }
    found.extend(defined(text));
    found.sort_by_key(|address| address.fetch);
    found
}

fn address(text: &str, fetch: Fetch) -> Address {
    Address { text: entities(text).trim_end_matches(['.', ',', ';', '!', '?', ')']).to_owned(), fetch }
}

/// Addresses that are defined by a label; those of an image's label are fetched by themselves.
fn defined(text: &str) -> Vec<Address> {
    let Some((definition, image)) = REFERENCES.as_ref() else { return Vec::new() };
    let folded = |label: &str| label.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let mut definitions = Vec::new();
    for captures in definition.captures_iter(text) {
        if let (Some(label), Some(target)) = (captures.get(1), captures.get(2)) {
            definitions.push((folded(label.as_str()), target.as_str()));
        }
    }
    if definitions.is_empty() {
        return Vec::new();
    }
    let mut images = BTreeSet::new();
    for captures in image.captures_iter(text) {
        let label = captures.get(2).filter(|label| !label.as_str().trim().is_empty()).or_else(|| captures.get(1));
        images.extend(label.map(|label| folded(label.as_str())));
    }
    let fetch = |label: &String| if images.contains(label) { Fetch::Automatic } else { Fetch::Click };
    definitions.iter().map(|(label, target)| address(target, fetch(label))).collect()
}

/// The character references of HTML that matter within an address.
fn entities(text: &str) -> Cow<'_, str> {
    static REFERENCE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"&(?:#[xX]([0-9A-Fa-f]{1,6})|#([0-9]{1,7})|(amp|colon|sol|quest|equals));?").ok());
    let Some(reference) = REFERENCE.as_ref().filter(|_| text.contains('&')) else { return Cow::Borrowed(text) };
    reference.replace_all(text, |captures: &regex::Captures<'_>| {
        let number = |index, radix| captures.get(index).and_then(|part| u32::from_str_radix(part.as_str(), radix).ok());
        let named = captures.get(3).map(|part| match part.as_str() {
            "colon" => ':',
            "sol" => '/',
            "quest" => '?',
            "equals" => '=',
            _ => '&',
        });
        let letter = number(1, 16).or_else(|| number(2, 10)).and_then(char::from_u32).or(named);
        letter.map(String::from).unwrap_or_default()
    })
}

/// The host of an absolute or protocol-relative address, in lower case; none for a relative one and for other schemes.
pub(super) fn host(address: &str) -> Option<String> {
    // Browsers drop tabs and line breaks, and take a backslash for a slash.
    let address: String =
        address.chars().filter(|letter| !letter.is_control()).map(|l| if l == '\\' { '/' } else { l }).collect();
    let rest = match address.split_once(':') {
        Some((scheme, rest))
            if ["http", "https", "ftp", "ws", "wss"].contains(&scheme.to_ascii_lowercase().as_str()) =>
        {
            rest
        }
        Some(_) | None => address.strip_prefix("//").map(|_| address.as_str())?,
    };
    let rest = rest.trim_start_matches('/');
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let host = host.trim_end_matches('.').to_lowercase();
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_compiles() {
        assert_eq!(COMPILED.len(), FORMS.len());
        assert!(REFERENCES.is_some());
    }

    #[test]
    fn the_host_is_the_one_that_a_browser_would_ask() {
        let table = [
            ("https://a.example/x", Some("a.example")),
            ("HTTPS://A.Example.:8443?x", Some("a.example")),
            ("https://good.example@evil.example/", Some("evil.example")),
            ("https:\\\\evil.example\\x", Some("evil.example")),
            ("//evil.example/x", Some("evil.example")),
            ("http://[2001:db8::1]:80/", Some("2001:db8::1")),
            ("https:/evil.example", Some("evil.example")),
            ("/local/path", None),
            ("data:image/png;base64,AAAA", None),
            ("mailto:ada@example.com", None),
            ("#part", None),
        ];
        for (address, want) in table {
            assert_eq!(host(address).as_deref(), want, "{address}");
        }
    }

    #[test]
    fn addresses_are_found_in_every_place_that_fetches() {
        use Fetch::{Automatic, Click};
        let table = [
            ("![x](https://e.example/a.png)", Automatic),
            ("![x](  <https://e.example/a.png> \"t\")", Automatic),
            ("![x][id]\n\n[id]: https://e.example/a.png", Automatic),
            ("[id]: https://e.example/a.png\n\n![x][ID]", Automatic),
            ("![id]\n\n[id]: https://e.example/a.png", Automatic),
            ("![id][]\n\n[id]: https://e.example/a.png", Automatic),
            ("![a [b] \\] c](https://e.example/a.png)", Automatic),
            ("<img alt=\">\" src=https://e.example/a.png>", Automatic),
            ("![x](local.png)\n\n[1]: https://e.example/a.png", Click),
            ("Look![1] See [x](https://e.example/a.png)", Click),
            ("<img alt='' src=https://e.example/a.png>", Automatic),
            ("<IMG SRC=\"&#104;ttps://e.example/a.png\">", Automatic),
            ("<div style=\"background:url('https://e.example/a.png')\">", Automatic),
            ("<iframe src='//e.example/a.png'></iframe>", Automatic),
            ("<meta http-equiv=refresh content=\"0; url=https://e.example/a.png\">", Automatic),
            ("[x](https://e.example/a.png)", Click),
            ("<a href=\"https://e.example/a.png\">x</a>", Click),
            ("<form action=\"https://e.example/a.png\">", Click),
            ("<https://e.example/a.png>", Click),
            ("see https://e.example/a.png.", Click),
        ];
        for (text, fetch) in table {
            let first = addresses(text)
                .into_iter()
                .find(|address| host(&address.text).is_some())
                .unwrap_or_else(|| panic!("{text}"));
            assert_eq!((host(&first.text).as_deref(), first.fetch), (Some("e.example"), fetch), "{text}");
            assert!(first.text.ends_with("a.png"), "{first:?}");
        }
    }
}
