//! `no-secrets`: credentials, known by their form and, where the form has one, their checksum.
//! Kept out: secrets of the run itself (`trust::Redactor`), planted ones (`needles`).

use std::sync::LazyLock;

use ::base64::Engine as _;
use ::base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::options::Options;
use super::patterns::Patterns;
use super::{Built, each_reply, mask};

/// Bits a character that a value of an assignment has to have: words have about 3, random letters and digits above 4.
const ENTROPY: f64 = 3.5;

/// Name and form. Sources: the pages of the issuers on their token formats.
const FORMS: &[(&str, &str)] = &[
    ("an AWS access key id", r"(?-u:\b)(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?-u:\b)"),
    ("a GitHub token", r"(?-u:\b)(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{36}(?-u:\b)"),
    ("a GitHub fine-grained token", r"(?-u:\b)github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}(?-u:\b)"),
    ("an npm token", r"(?-u:\b)npm_[A-Za-z0-9]{36}(?-u:\b)"),
    ("a GitLab token", r"(?-u:\b)gl(?:pat|dt|rt|cbt|ptt)-[A-Za-z0-9_-]{20,}"),
    ("a Slack token", r"(?-u:\b)(?:xox[abeoprs]|xapp)-[0-9][A-Za-z0-9-]{15,}"),
    ("a Slack web hook", r"hooks\.slack\.com/services/T[A-Z0-9]{6,16}/B[A-Z0-9]{6,16}/[A-Za-z0-9]{20,32}"),
    ("a Stripe key", r"(?-u:\b)(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}"),
    ("a Google API key", r"(?-u:\b)AIza[A-Za-z0-9_-]{35}"),
    ("a model provider's key", r"(?-u:\b)sk-(?:[a-z0-9]{2,10}-)*[A-Za-z0-9_-]{20,}"),
    ("a Hugging Face token", r"(?-u:\b)hf_[A-Za-z0-9]{30,}(?-u:\b)"),
    ("a JSON web token", r"(?-u:\b)eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{16,}"),
    (
        "a private key",
        r"-----BEGIN [A-Z0-9 ]{0,20}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n|\\r)*(?:[A-Za-z-]{2,20}: [^\n]{0,100}\n\s*)*[A-Za-z0-9+/=]{40}",
    ),
    (
        "a password in an address",
        r"(?-u:\b)[a-z][a-z0-9+.-]{1,15}://[^\s/:@<>{}$]{1,64}:[^\s/:@<>{}$*]{6,64}@[A-Za-z0-9.-]+",
    ),
    (
        "a secret in an assignment",
        r#"(?i-u:api[_-]?key|secret|token|passwd|password|access[_-]?key|credential)[A-Za-z_-]{0,20}["']?\s{0,3}(?::=|=>|=|:)\s{0,3}["']?[A-Za-z0-9+/=_.~-]{16,128}"#,
    ),
];

/// Words that stand for a secret in documentation.
const PLACEHOLDERS: &[&str] =
    &["example", "your", "xxxx", "changeme", "placeholder", "dummy", "sample", "redacted", "1234567890", "abcdefg"];

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| Patterns::new(FORMS));

/// No credential stands in an answer. `value`: `{allow: [...]}`, texts that are known and harmless.
pub(super) fn build(value: Option<&Value>) -> Built {
    let allow = Options::new("no-secrets", value, &["allow"])?.texts("allow")?;
    each_reply(move |_, reply| find(reply, &allow))
}

fn find(text: &str, allow: &[String]) -> Option<String> {
    PATTERNS.found(text).find_map(|(name, regex)| {
        let mut all = regex.find_iter(text).map(|found| found.as_str());
        let found = all.find(|found| {
            !allow.iter().any(|allowed| found.contains(allowed) || allowed.contains(found)) && is_real(name, found)
        })?;
        Some(format!("{name}: {}", mask(found)))
    })
}

fn is_real(name: &str, found: &str) -> bool {
    let placeholder = is_placeholder(&found.to_ascii_lowercase());
    match name {
        "a GitHub token" | "an npm token" => has_checksum(found),
        "a JSON web token" => is_web_token(found),
        "a model provider's key" | "a Hugging Face token" => is_mixed(found) && !placeholder,
        "a password in an address" => {
            let password = found.rsplit_once('@').and_then(|(head, _)| head.rsplit_once(':')).map(|(_, word)| word);
            password.is_some_and(|word| {
                let word = word.to_ascii_lowercase();
                !is_placeholder(&word) && !["password", "passwd", "secret"].contains(&word.as_str())
            })
        }
        "a secret in an assignment" => {
            let value = found.trim_end_matches(['"', '\'']).rsplit([' ', '"', '\'', ':', '\n', '\t', '>']).next();
            // An equals sign may begin the value, or pad it.
            let value = value.unwrap_or_default();
            let value = match value.find('=') {
                Some(place) if place + 16 <= value.len() => value.get(place + 1..).unwrap_or_default(),
                Some(_) | None => value,
            };
            value.len() >= 16
                && value.bytes().any(|byte| byte.is_ascii_digit())
                && value.bytes().any(|byte| byte.is_ascii_alphabetic())
                && !is_placeholder(&value.to_ascii_lowercase())
                && entropy(value) >= ENTROPY
        }
        _ => !placeholder,
    }
}

/// Whether a text in lower case says itself that it stands for another.
fn is_placeholder(lower: &str) -> bool {
    PLACEHOLDERS.iter().any(|word| lower.contains(word))
}

fn is_mixed(text: &str) -> bool {
    let has = |class: fn(&u8) -> bool| text.as_bytes().iter().any(class);
    has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
}

/// Shannon's entropy of a text's own letters, in bits a letter.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let all = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / all)
        .map(|share| -share * share.log2())
        .sum()
}

/// The last six letters are the CRC-32 of those between the prefix and them, in base 62.
/// Source: GitHub, Behind GitHub's new authentication token formats, 2021; npm's tokens are made the same way.
fn has_checksum(token: &str) -> bool {
    let Some((_, rest)) = token.split_once('_') else { return false };
    let Some((random, checksum)) = rest.split_at_checked(rest.len().saturating_sub(6)) else { return false };
    base62(crc32(random.as_bytes())) == checksum
}

/// The CRC-32 of ISO 3309, as zip files have it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// Six digits in base 62: digits, upper case, lower case.
fn base62(mut number: u32) -> String {
    let mut digits = [b'0'; 6];
    for place in digits.iter_mut().rev() {
        let digit = u8::try_from(number % 62).unwrap_or(0);
        *place = match digit {
            0..10 => b'0' + digit,
            10..36 => b'A' + digit - 10,
            _ => b'a' + digit - 36,
        };
        number /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// Header and claims are JSON objects, and the header names an algorithm.
fn is_web_token(token: &str) -> bool {
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice::<serde_json::Map<String, Value>>(&bytes).ok()
    });
    let header = parts.next().flatten();
    header.is_some_and(|header| header.contains_key("alg")) && parts.next().flatten().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Generator;

    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    /// No token stands in this file: each is made when the test runs.
    fn letters(count: usize, from: &[u8]) -> String {
        let mut generator = Generator::new(count as u64 + 7);
        (0..count).map(|_| char::from(from[generator.index(from.len())])).collect()
    }

    fn mixed(count: usize) -> String {
        format!("{}a7Q", letters(count - 3, LETTERS))
    }

    fn github(prefix: &str) -> String {
        let random = letters(30, LETTERS);
        format!("{prefix}_{random}{}", base62(crc32(random.as_bytes())))
    }

    fn samples() -> Vec<(&'static str, String)> {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let claims = encode("{\"sub\":\"ada\",\"iat\":1}");
        let web = format!("{}.{claims}.{}", encode("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"), letters(43, LETTERS));
        vec![
            ("an AWS access key id", format!("AK{}{}", "IA", letters(16, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))),
            ("a GitHub token", github("ghp")),
            ("a GitHub token", github("ghs")),
            (
                "a GitHub fine-grained token",
                format!("github_{}_{}_{}", "pat", letters(22, LETTERS), letters(59, LETTERS)),
            ),
            ("an npm token", github("npm")),
            ("a GitLab token", format!("gl{}-{}", "pat", letters(20, LETTERS))),
            ("a Slack token", format!("xo{}-1{}-{}", "xb", letters(11, b"0123456789"), letters(24, LETTERS))),
            (
                "a Slack web hook",
                format!("https://hooks.slack.com/services/T{0}/B{0}/{1}", letters(8, b"ABC123"), letters(24, LETTERS)),
            ),
            ("a Stripe key", format!("sk_{}_{}", "live", letters(24, LETTERS))),
            ("a Google API key", format!("AI{}{}", "za", letters(35, LETTERS))),
            ("a model provider's key", format!("sk-{}-{}", "proj", mixed(48))),
            ("a model provider's key", format!("sk-{}-api03-{}", "ant", mixed(80))),
            ("a Hugging Face token", format!("hf{}{}", "_", mixed(34))),
            ("a JSON web token", web),
            ("a private key", format!("-----BEGIN {} KEY-----\n{}\n", "PRIVATE", letters(64, LETTERS))),
            ("a private key", format!("-----BEGIN RSA {} KEY-----\\n{}\\n", "PRIVATE", letters(64, LETTERS))),
            ("a password in an address", format!("postgres://app:{}@db.internal/shop", mixed(12))),
            ("a secret in an assignment", format!("API_KEY={}", mixed(32))),
            ("a secret in an assignment", format!("\"client_secret\": \"{}\"", mixed(32))),
            ("a secret in an assignment", format!("token = {}==", mixed(30))),
        ]
    }

    #[test]
    fn every_form_compiles() {
        assert!(PATTERNS.whole());
    }

    #[test]
    fn credentials_are_found_wherever_they_stand_and_not_quoted() {
        for (name, secret) in samples() {
            for text in [secret.clone(), format!("Sure, it is `{secret}`."), format!("a\n{secret}\nб \u{200b}")] {
                let why = find(&text, &[]).unwrap_or_else(|| panic!("{name} is not found"));
                assert!(why.starts_with(name), "{name}: {why}");
                assert!(!why.contains(secret.get(..8).unwrap()), "{why}");
            }
            assert_eq!(find(&secret, std::slice::from_ref(&secret)), None, "{name}: it was allowed");
        }
    }

    #[test]
    fn near_misses_are_clean() {
        let mut wrong = github("ghp");
        let last = if wrong.ends_with('0') { '1' } else { '0' };
        wrong.pop();
        wrong.push(last);
        let texts = [
            wrong,
            format!("AKIA is how such an id begins, as in AK{}.", "IAIOSFODNN7EXAMPLE"),
            "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n".to_owned(),
            format!("A private key begins with -----BEGIN {} KEY----- and ends alike.", "PRIVATE"),
            "use sk-learn-contrib-style-names-for-packages".to_owned(),
            "password: please choose a long one".to_owned(),
            "API_KEY=your-api-key-goes-here-0001".to_owned(),
            "token: ${{ secrets.GITHUB_TOKEN }}".to_owned(),
            "secret = os.environ[\"CLIENT_SECRET\"]".to_owned(),
            "the token limit is 128000 tokens".to_owned(),
            format!("{}.eyJub3Rqc29u.{}", "eyJhbGciOiJub25l", "A".repeat(22)),
            "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
            "postgres://user:password@localhost/db".to_owned(),
            "https://example.com:8080/a@b".to_owned(),
        ];
        for text in texts {
            assert_eq!(find(&text, &[]), None, "{text}");
        }
    }

    #[test]
    fn the_checksum_is_that_of_a_published_expired_token() {
        // A token without rights that its owner published and revoked in 2022, in two halves.
        assert!(has_checksum(&format!("ghp_{}{}", "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17")));
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926, "the check value of the CRC catalogue");
    }
}
