//! `is-html` and `contains-html`, by the rules of promptfoo 0.121.20: what a browser would make of the answer has an element that HTML
//! knows, and no text stands bare. Kept out: the reading of tags (`html_read`).

use std::sync::LazyLock;

use regex::Regex;

use super::given::trimmed;
use super::html_read::{Found, read};
use super::{Given, Graded, Thrown};

/// The largest answer that is looked at, in UTF-16 units.
const LARGEST: usize = 10 * 1024 * 1024;

/// Signs of HTML and what each counts; two together make it. An opening with a closing tag counts as one more than either.
const SIGNS: [(&str, u32); 8] = [
    (r"<[a-zA-Z][a-zA-Z0-9-]*(?:\s[^>]*)?>", 1),
    (r"</[a-zA-Z][a-zA-Z0-9-]*\s*>", 1),
    (r"<[a-zA-Z][a-zA-Z0-9-]*(?:\s[^>]*)?/>", 1),
    (r"&(?:[a-zA-Z]+|#[0-9]+|#x[0-9a-fA-F]+);", 1),
    (r"(?i)<!DOCTYPE\s+html", 2),
    (r"<!--[^-]*(?:-[^-]+)*-->", 1),
    (r#"\s[a-zA-Z-]+=\s*["'][^"']*["']"#, 1),
    (
        r"(?i)<(?:html|head|body|div|span|p|a|img|h[1-6]|ul|ol|li|table|tr|td|th|form|input|button|script|style|link|meta|br|hr)\b",
        2,
    ),
];

static COMPILED: LazyLock<Option<Vec<(Regex, u32)>>> =
    LazyLock::new(|| SIGNS.iter().map(|(sign, counts)| Regex::new(sign).ok().map(|sign| (sign, *counts))).collect());

/// `contains-html`.
pub(super) fn contains_html(given: &Given<'_>) -> Result<Graded, Thrown> {
    let signs = COMPILED.as_ref().ok_or_else(|| Thrown::new("the signs of HTML do not compile"))?;
    let text = &given.output.text;
    let counted: u32 = signs.iter().filter(|(sign, _)| sign.is_match(text)).map(|(_, counts)| counts).sum();
    let holds = text.encode_utf16().count() <= LARGEST && counted >= 2;
    let no = if given.not() { "not " } else { "" };
    Ok(given.decided(holds, format!("Expected output to {no}contain HTML content")))
}

/// `is-html`.
pub(super) fn is_html(given: &Given<'_>) -> Result<Graded, Thrown> {
    let text = trimmed(&given.output.text);
    let why = if text.is_empty() {
        Some("Output is empty")
    } else if text.encode_utf16().count() > LARGEST {
        Some("Output exceeds maximum size limit")
    } else if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("<?xml")) {
        Some("Output appears to be XML, not HTML")
    } else {
        let Found { body, bare_text, element } = read(text);
        if bare_text && !body {
            Some("Output must be wrapped in HTML tags")
        } else if !element {
            Some("Output does not contain recognized HTML elements")
        } else {
            None
        }
    };
    Ok(given.decided(why.is_none(), why.unwrap_or("Output is valid HTML")))
}
