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

    /// One line of a log: no line of it can begin a command of the runner, whatever the text holds.
    pub fn line(&self, text: &Untrusted, most: usize) -> String {
        let text = self.plain(text, most);
        text.replace('\n', "\\n").replace('\t', " ").replace("##[", "##\\[").replace("::", ":\u{200a}:")
    }

    /// Text inside `<code>` or `<pre>` of Markdown or HTML: every ASCII character that could mean anything is an entity.
    pub fn html(&self, text: &Untrusted, most: usize) -> String {
        entities(&self.plain(text, most))
    }

    /// The same on one line, for a cell of a table.
    pub fn cell(&self, text: &Untrusted, most: usize) -> String {
        entities(&self.plain(text, most).replace(['\n', '\t'], " "))
    }

    /// Text of our own words, with names out of the policy in it, for Markdown: only what could act is an entity, so that
    /// the file reads well as it is.
    pub fn words(&self, text: &Untrusted, most: usize) -> String {
        let mut escaped = String::new();
        for letter in self.plain(text, most).replace(['\n', '\t'], " ").chars() {
            if letter.is_ascii_alphanumeric() || " .,;()%=+-/'_".contains(letter) || !letter.is_ascii() {
                escaped.push(letter);
            } else {
                escaped.push_str(&entities(letter.encode_utf8(&mut [0; 4])));
            }
        }
        // A host name that begins so becomes a link by itself.
        escaped.replace("www.", "www&#46;")
    }

    /// Text for an XML library, which escapes it itself; attachments of GitLab's reader cannot be named in it.
    pub fn xml(&self, text: &Untrusted, most: usize) -> String {
        let plain = self.plain(text, most);
        let valid =
            plain.chars().map(|letter| if matches!(letter, '\u{fffe}' | '\u{ffff}') { '\u{fffd}' } else { letter });
        valid.collect::<String>().replace("[[", "[ [")
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
