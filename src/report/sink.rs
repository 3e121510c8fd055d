//! Untrusted text on its way out: made visible, redacted, cut, and escaped for one sink, in this order and nowhere else.

use std::fmt::Write as _;

use crate::trust::{Redactor, Untrusted, clean};

/// Escapes text for each kind of sink. It carries the redactor, so that none can be forgotten.
#[derive(Clone, Default)]
pub struct Sink {
    redactor: Redactor,
}

impl Sink {
    /// Sinks that mask what the redactor knows.
    pub fn new(redactor: Redactor) -> Self {
        Self { redactor }
    }

    /// A whole surface of our own making, redacted once more: what was assembled may hold what its parts did not.
    pub fn whole(&self, surface: &str) -> String {
        self.redactor.redact(surface)
    }

    /// One line of a log: no line of it can begin a command of the runner, whatever the text holds. What breaks a marker
    /// is visible: .NET's comparison may skip characters of no width.
    pub fn line(&self, text: &Untrusted, most: usize) -> String {
        let text = self.plain(text, most);
        text.replace('\n', "\\n").replace('\t', " ").replace("##[", "##\\[").replace("::", ":\\:")
    }

    /// Text as it may stand where nothing acts but line ends and invisible characters: the JSON of an API.
    pub fn text(&self, text: &Untrusted, most: usize) -> String {
        self.plain(text, most)
    }

    /// Text inside `<code>` or `<pre>` of Markdown or HTML: every ASCII character that could mean anything is an entity.
    pub fn html(&self, text: &Untrusted, most: usize) -> String {
        entities(&self.plain(text, most))
    }

    /// The same on one line.
    pub fn cell(&self, text: &Untrusted, most: usize) -> String {
        entities(&self.plain(text, most).replace(['\n', '\t'], " "))
    }

    /// Code within a line of Markdown, tags included.
    pub fn code(&self, text: &Untrusted, most: usize) -> String {
        code(&self.plain(text, most).replace(['\n', '\t'], " "))
    }

    /// Our own words, with names out of the policy in them, for Markdown. A word that a host could read as more than text
    /// (a mention, a reference, an address) becomes code: entities alone are no shield, since hosts look for mentions
    /// after they have decoded them.
    pub fn words(&self, text: &Untrusted, most: usize) -> String {
        let plain = self.plain(text, most).replace(['\n', '\t'], " ");
        let parts: Vec<&str> = plain.split('`').collect();
        let sentence = |part: &str| part.split(' ').map(word).collect::<Vec<_>>().join(" ");
        let mut shown = String::new();
        for (at, part) in parts.iter().enumerate() {
            match at % 2 {
                // What we quote stands between two backticks.
                1 if at + 1 < parts.len() => shown.push_str(&code(part)),
                1 => shown.push_str(&format!("{}{}", code("`"), sentence(part))),
                _ => shown.push_str(&sentence(part)),
            }
        }
        shown
    }

    /// A message of SARIF: its brackets make links, and its braces placeholders (SARIF 2.1.0, 3.11.5 and 3.11.6).
    pub fn sarif(&self, text: &Untrusted, most: usize) -> String {
        let mut escaped = String::new();
        for letter in self.plain(text, most).chars() {
            match letter {
                '[' | ']' | '\\' => escaped.extend(['\\', letter]),
                '{' | '}' => escaped.extend([letter, letter]),
                letter => escaped.push(letter),
            }
        }
        // Readers that do not know the escape must not see a link either.
        escaped.replace("](", "] (")
    }

    /// Text for an XML library, which escapes it itself; attachments of GitLab's reader cannot be named in it.
    pub fn xml(&self, text: &Untrusted, most: usize) -> String {
        // Cleaning has taken all characters that XML cannot hold.
        self.plain(text, most).replace("[[", "[ [")
    }

    /// The message of an annotation command. Source: actions/toolkit, `command.ts` (`escapeData`).
    pub fn annotation(&self, text: &Untrusted, most: usize) -> String {
        self.line(text, most).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
    }

    /// A property of an annotation command. Source: as above (`escapeProperty`).
    pub fn property(&self, text: &Untrusted, most: usize) -> String {
        self.annotation(text, most).replace(':', "%3A").replace(',', "%2C")
    }

    fn plain(&self, text: &Untrusted, most: usize) -> String {
        // Secrets may be split by characters that cleaning would spell out, so they are sought before and after.
        let redacted = self.redactor.redact(text.raw());
        let redacted = self.redactor.redact(&clean(&redacted));
        cut(&redacted, most)
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn entities(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() * 2);
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() || letter == ' ' || letter == '\n' || !letter.is_ascii() {
            escaped.push(letter);
        } else {
            // Writing into a String cannot fail.
            let _ = write!(escaped, "&#{};", u32::from(letter));
        }
    }
    escaped
}

/// One word: as it is where no host could read more into it, else as code.
fn word(text: &str) -> String {
    let plain: String = if is_inert(text) {
        text.chars()
            .map(|letter| if "<>\"".contains(letter) { entities(&letter.to_string()) } else { letter.into() })
            .collect()
    } else {
        code(text)
    };
    plain
}

/// Code, which ends and begins anew within a mail address: cmark-gfm looks for those in texts whose entities it has decoded,
/// also between tags that it does not know to be code. Source: github/cmark-gfm, `extensions/autolink.c`.
fn code(text: &str) -> String {
    let mut parts = vec![String::new()];
    let mut before = ' ';
    for letter in text.chars() {
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
        if letter == '@' && (before.is_ascii_alphanumeric() || "._+-".contains(before)) {
            parts.push(String::new());
        }
        before = letter;
    }
    parts.iter().map(|part| format!("<code>{}</code>", entities(part))).collect()
}

/// Whether a word is only a word: no mention, reference, commit, address, emoji, emphasis, command or mark of any dialect.
fn is_inert(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    let at = |index: usize| letters.get(index).copied();
    let known =
        |letter: &char| letter.is_ascii_alphanumeric() || ".,;:()+-/'_=%<>\"?".contains(*letter) || !letter.is_ascii();
    let lower = text.to_ascii_lowercase();
    let next_is = |index: usize, what: fn(&char) -> bool| at(index + 1).as_ref().is_some_and(what);
    let acts = |(index, letter): (usize, &char)| match letter {
        // `GH-1`, `KEY-1`: references of trackers; `1e-15` is a number.
        '-' => next_is(index, char::is_ascii_digit) && is_key(letters.get(..index).unwrap_or_default()),
        // `%1`, `%"v1.0"`: milestones.
        '%' => next_is(index, |next| !".,;:)".contains(*next)),
        // `:name:`, `scheme://`.
        ':' => index + 1 < letters.len(),
        // `_emphasis_`.
        '_' => !(index > 0 && next_is(index, char::is_ascii_alphanumeric) && at(index - 1) != Some('_')),
        _ => false,
    };
    letters.iter().all(known)
        && !text.starts_with('/')
        && !lower.contains("www.")
        && !lower.split(|letter: char| !letter.is_ascii_alphanumeric()).any(is_commit)
        && !letters.iter().enumerate().any(acts)
}

/// Whether what stands before a hyphen begins, as far as letters and digits go, with a letter.
fn is_key(before: &[char]) -> bool {
    let start = before.iter().rposition(|letter| !letter.is_alphanumeric()).map_or(0, |last| last + 1);
    before.get(start).is_some_and(|first| first.is_alphabetic())
}

/// Seven and more hexadecimal digits become a link to a commit where there is one.
fn is_commit(word: &str) -> bool {
    word.len() >= 7
        && word.bytes().all(|byte| byte.is_ascii_hexdigit())
        && word.bytes().any(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Secret;
    use proptest::prelude::*;

    #[test]
    fn no_command_of_the_runner_survives_in_a_line() {
        let sink = Sink::default();
        for attack in
            ["::error::x", "a\n::set-env name=PATH::/tmp", "a\r::stop-commands::t", "text ##[error]x", "#\u{200b}#[x]"]
        {
            let line = sink.line(&attack.into(), 1000);
            assert!(
                !line.contains("::") && !line.contains("##[") && !line.contains('\n') && !line.contains('\r'),
                "{line}"
            );
        }
    }

    #[test]
    fn words_that_a_host_could_read_more_into_become_code() {
        let sink = Sink::default();
        let shown = |text: &str| sink.words(&text.into(), 1000);
        for plain in [
            "pass_rate 0.3333 (95 % interval -0.1 to +0.7, n=3) is not at least 1",
            "p 7.1e-15); -0.1",
            "decides neither way: even a perfect result; it's 5 % or 20%, and so on",
        ] {
            assert_eq!(shown(plain), plain);
        }
        assert_eq!(shown("a >= 1"), "a &#62;= 1");
        assert_eq!(shown("use `a: b`, or `c"), "use <code>a&#58; b</code>, or <code>&#96;</code>c");
        for acting in [
            "@team",
            "#1",
            "o/r#1",
            "GH-1",
            "gh-1",
            "JIRA-12",
            "!1",
            "&2",
            "~bug",
            "$3",
            "%1",
            "%\"v1\"",
            "[vulnerability:4]",
            "https://evil.example",
            "www.evil.example",
            "WWW.x",
            ":tada:",
            "_em_",
            "*b*",
            "`c`",
            "<!--",
            "a|b",
            "/merge",
            "deadbeef",
            "a@b.example",
            "[TOC]",
            "{+x+}",
            "~~~",
            "__x__",
            "\\",
            "^1",
        ] {
            let word = shown(acting);
            assert!(word.starts_with("<code>") && word.ends_with("</code>"), "{acting} -> {word}");
            let inside = word.trim_start_matches("<code>").trim_end_matches("</code>");
            let inside = inside.replace("</code><code>", "");
            assert!(!inside.contains(['@', '<', '|', '`', '[', '/', ':', '*', '_', '~', '$', '!']), "{word}");
        }
    }

    #[test]
    fn sarif_holds_neither_links_nor_placeholders() {
        let text = Sink::default().sarif(&"see [click](https://x) {0} \\".into(), 200);
        assert_eq!(text, "see \\[click\\] (https://x) {{0}} \\\\");
    }

    #[test]
    fn a_cut_never_splits_an_entity_and_comes_before_it() {
        assert_eq!(Sink::default().html(&"<<<".into(), 2), "&#60;&#60;&#46;&#46;&#46;");
    }

    #[test]
    fn a_secret_in_untrusted_text_is_masked_in_every_sink() {
        let redactor = Redactor::new();
        redactor.learn([&Secret::new("hunter2-hunter2")]);
        let sink = Sink::new(redactor);
        let text = Untrusted::new("key=hunter2-hunter2; hun\u{200b}ter2-hunter2");
        for shown in [
            sink.line(&text, 200),
            sink.html(&text, 200),
            sink.cell(&text, 200),
            sink.xml(&text, 200),
            sink.annotation(&text, 200),
        ] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn html_holds_nothing_but_letters_and_entities(text in "\\PC{0,60}") {
            let escaped = Sink::default().html(&text.as_str().into(), 1000);
            let mut rest = escaped.as_str();
            while let Some(letter) = rest.chars().next() {
                if letter == '&' {
                    let end = rest.find(';').unwrap();
                    prop_assert!(rest[1..end].starts_with('#') && rest[2..end].bytes().all(|byte| byte.is_ascii_digit()));
                    rest = &rest[end + 1..];
                } else {
                    prop_assert!(letter.is_ascii_alphanumeric() || letter == ' ' || letter == '\n' || !letter.is_ascii());
                    rest = &rest[letter.len_utf8()..];
                }
            }
        }
    }
}
