//! The redactor before every sink: no secret that the process knows leaves it, in any of the forms it may take.

use std::collections::BTreeSet;
use std::sync::{Arc, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::clean::acts;
use super::{Secret, Untrusted};

/// Shorter secrets would blank harmless text.
const SHORTEST: usize = 8;
/// The same of one line of a secret that has several.
const SHORTEST_LINE: usize = 16;
/// What stands in a secret's place.
const MASK: &str = "***";

/// Knows the secrets. Clones share them, so that one that is learnt late is masked everywhere.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    forms: BTreeSet<String>,
    search: Option<AhoCorasick>,
}

impl Redactor {
    /// A redactor that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns secrets. Those of fewer than eight characters are too common to be masked.
    pub fn learn<'a>(&self, secrets: impl IntoIterator<Item = &'a Secret>) {
        let Ok(mut known) = self.known.write() else { return };
        let long = secrets.into_iter().map(Secret::expose).filter(|secret| secret.chars().count() >= SHORTEST);
        known.forms.extend(long.flat_map(|secret| lines(secret).chain([secret]).flat_map(forms)));
        known.search = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&known.forms).ok();
    }

    /// Masks secrets inside a text that stays untrusted.
    pub fn redact_in_place(&self, text: &mut Untrusted) {
        let knows_any = self.known.read().map_or(true, |known| !known.forms.is_empty());
        if knows_any {
            *text = Untrusted::new(self.redact(text.raw()));
        }
    }

    /// The text without secrets. Invisible characters inside one do not save it.
    pub fn redact(&self, text: &str) -> String {
        let Ok(known) = self.known.read() else { return MASK.to_owned() };
        if known.forms.is_empty() {
            return text.to_owned();
        }
        // Secrets are known but cannot be searched for: nothing goes out.
        let Some(search) = &known.search else { return MASK.to_owned() };
        // Secrets are sought in the text without its invisible characters, and cut out of the text with them.
        let mut visible = String::with_capacity(text.len());
        let mut places = Vec::with_capacity(text.len() + 1);
        for (place, letter) in text.char_indices() {
            if !acts(letter) {
                places.extend(std::iter::repeat_n(place, letter.len_utf8()));
                visible.push(letter);
            }
        }
        places.push(text.len());
        let mut redacted = String::with_capacity(text.len());
        let mut from = 0;
        for found in search.find_iter(&visible) {
            let (start, end) = (places.get(found.start()), places.get(found.end()));
            let (Some(start), Some(end)) = (start, end) else { continue };
            redacted.push_str(text.get(from..*start).unwrap_or_default());
            redacted.push_str(MASK);
            from = *end;
        }
        redacted.push_str(text.get(from..).unwrap_or_default());
        redacted
    }
}

/// The lines of a secret that has several, such as a private key: a log may be cut between two of them. Shorter lines, such as those
/// of braces, would blank harmless text.
fn lines(secret: &str) -> impl Iterator<Item = &str> {
    let several = secret.trim().contains('\n');
    secret.lines().map(str::trim).filter(move |line| several && line.chars().count() >= SHORTEST_LINE)
}

/// The forms in which a secret may appear: as it is, in base64 at each of the three offsets, for URLs, in JSON, in XML,
/// and in hexadecimal digits.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let mut forms = vec![secret.to_owned()];
    for skip in 0..3 {
        // Letters that also depend on neighbours are left out at both ends.
        let padded: Vec<u8> = std::iter::repeat_n(0, skip).chain(bytes.iter().copied()).collect();
        for encoded in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            let head = [0, 2, 3][skip];
            let tail = usize::from(!padded.len().is_multiple_of(3));
            let end = encoded.len().saturating_sub(tail);
            if let Some(middle) = encoded.get(head..end).filter(|middle| middle.len() >= SHORTEST) {
                forms.push(middle.to_owned());
            }
        }
    }
    let percent = |keep: fn(u8) -> bool| -> String {
        bytes
            .iter()
            .map(|byte| if keep(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    forms.push(percent(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)));
    forms.push(percent(|byte| byte.is_ascii_alphanumeric() || b"-._~!'()*".contains(&byte)));
    let json = serde_json::to_string(secret).unwrap_or_default();
    forms.push(json.trim_matches('"').to_owned());
    let xml = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    forms.push(xml.replace('"', "&quot;").replace('\'', "&apos;"));
    forms.push(xml.replace('"', "&quot;").replace('\'', "&#39;"));
    forms.push(xml);
    forms.push(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
    forms.push(bytes.iter().map(|byte| format!("{byte:02X}")).collect());
    forms.retain(|form| form.chars().count() >= SHORTEST);
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    fn redactor(secret: &str) -> Redactor {
        let redactor = Redactor::new();
        redactor.learn([&Secret::new(secret)]);
        redactor
    }

    #[test]
    fn a_secret_is_masked_in_every_form_and_offset() {
        let secret = "s3cr3t/\"token\"&<value>";
        let redactor = redactor(secret);
        let quoted = serde_json::to_string(&format!("Bearer {secret}")).unwrap();
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let split: String = secret.chars().flat_map(|letter| [letter, '\u{200b}']).collect();
        let mut texts = vec![secret.to_owned(), quoted, hex, split];
        for before in ["", "a", "ab", "abc"] {
            texts.push(STANDARD.encode(format!("{before}{secret}")));
            texts.push(STANDARD.encode(format!("{before}{secret}tail")));
        }
        for text in texts {
            let redacted = redactor.redact(&format!("<< {text} >>"));
            assert!(redacted.contains(MASK), "{text} -> {redacted}");
            assert!(!redacted.contains(&secret[2..12]), "{redacted}");
        }
    }

    #[test]
    fn each_line_of_a_long_secret_is_masked_by_itself() {
        let redactor =
            redactor("-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n9w0BAQEFAASCBKcwggSj\n}\n-----END KEY-----\n");
        let redacted = redactor.redact("read 9w0BAQEFAASCBKcwggSj and { a } of MIIEvQIBADANBgkqhkiG");
        assert_eq!(redacted, "read *** and { a } of ***");
    }

    #[test]
    fn what_is_no_secret_stays_as_it_is() {
        let redactor = redactor("a-long-secret");
        assert_eq!(redactor.redact("nothing here \u{200b} at all"), "nothing here \u{200b} at all");
        assert_eq!(Redactor::new().redact("x"), "x");
        let short = Redactor::new();
        short.learn([&Secret::new("pass")]);
        assert_eq!(short.redact("pass rate"), "pass rate");
    }
}
