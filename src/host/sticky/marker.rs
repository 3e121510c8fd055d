//! The marker: the last line of a comment, invisible to readers, by which a later run finds it.
//! Its grammar is strict: what is not written exactly as we write it is no marker.

use std::fmt;

use crate::trust::Digest;

const START: &str = "<!-- llmci:v1 ";
const END: &str = " -->";

/// A run of the CI host; the later one is the greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RunNumber {
    /// GitHub's run id, GitLab's pipeline id.
    pub run: u64,
    /// GitHub's attempt; on GitLab the job's id, which grows with each retry.
    pub attempt: u64,
}

impl fmt::Display for RunNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.run, self.attempt)
    }
}

impl RunNumber {
    fn parse(text: &str) -> Option<Self> {
        let (run, attempt) = text.split_once('.')?;
        Some(Self { run: number(run)?, attempt: number(attempt)? })
    }
}

/// Digits only, as `Display` writes them: no sign, no leading zero.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// What a comment says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Marker {
    /// The program, or [`super::SHARED`].
    pub action: String,
    /// `--comment-id`.
    pub id: String,
    /// The commit that was judged, as hexadecimal digits.
    pub sha: String,
    /// The run that wrote it.
    pub run: RunNumber,
    /// Over the text above the marker.
    pub body: Digest,
}

impl Marker {
    /// Reads the last line of a comment. Nothing else in it is looked at.
    pub fn of(comment: &str) -> Option<Self> {
        let last = comment.trim_end().lines().next_back()?;
        Self::parse(last.trim_end())
    }

    /// Reads exactly what [`Marker::line`] writes.
    pub fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.strip_prefix(START)?.strip_suffix(END)?.split(' ').collect();
        let [action, id, sha, run, body] = fields.as_slice() else { return None };
        let marker = Self {
            action: action.strip_prefix("action=").filter(|word| is_word(word))?.to_owned(),
            id: id.strip_prefix("id=").filter(|word| is_word(word))?.to_owned(),
            sha: sha.strip_prefix("sha=").filter(|sha| is_sha(sha))?.to_owned(),
            run: RunNumber::parse(run.strip_prefix("run=")?)?,
            body: digest(body.strip_prefix("body=")?)?,
        };
        Some(marker)
    }

    /// The marker as a line.
    pub fn line(&self) -> String {
        let Self { action, id, sha, run, body } = self;
        format!("{START}action={action} id={id} sha={sha} run={run} body={body}{END}")
    }

    /// The text and its marker as a comment's body.
    pub fn under(&self, text: &str) -> String {
        format!("{}\n\n{}\n", text.trim_end(), self.line())
    }

    /// The digest of a text, as it stands above a marker: hosts change line ends and the white space at the end.
    pub fn digest(text: &str) -> Digest {
        Digest::of(text.replace('\r', "").trim_end().as_bytes())
    }

    /// The text above the last line.
    pub fn text_above(comment: &str) -> &str {
        let comment = comment.trim_end();
        comment.rfind('\n').and_then(|end| comment.get(..end)).unwrap_or_default()
    }

    /// A commit's name for a marker: hexadecimal digits, or zeros where it has none.
    pub fn sha_word(commit: Option<&str>) -> String {
        commit.filter(|sha| is_sha(sha)).unwrap_or("0000000").to_owned()
    }
}

/// Whether a text may be a name in a marker.
pub fn is_word(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(letter) && !text.contains("--")
}

fn is_sha(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn digest(text: &str) -> Option<Digest> {
    let hex = text.strip_prefix("sha256:")?;
    let whole = hex.len() == 64 && is_sha(hex);
    whole.then(|| serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marker() -> Marker {
        Marker {
            action: "eval-gate".to_owned(),
            id: "default".to_owned(),
            sha: "9f8e7d6".to_owned(),
            run: RunNumber { run: 123, attempt: 1 },
            body: Digest::of(b"text"),
        }
    }

    #[test]
    fn a_marker_is_read_as_it_is_written_and_only_from_the_last_line() {
        let body = marker().under("text");
        assert_eq!(Marker::of(&body), Some(marker()));
        assert_eq!(Marker::of(&body.replace('\n', "\r\n")), Some(marker()));
        assert_eq!(Marker::of(&format!("{body}\nwords behind it")), None);
        assert_eq!(Marker::digest(Marker::text_above(&body)), Marker::digest("text"));
        assert_eq!(Marker::digest(Marker::text_above(&body.replace('\n', "\r\n"))), Marker::digest("text"));
    }

    #[test]
    fn what_is_not_written_exactly_so_is_no_marker() {
        let line = marker().line();
        for (from, to) in [
            ("llmci:v1", "llmci:v2"),
            ("<!--", "<!-- "),
            ("action=eval-gate", "action=eval gate"),
            ("action=eval-gate", "action="),
            ("action=eval-gate", "action=a-->b"),
            ("id=default", "id=default extra=1"),
            ("sha=9f8e7d6", "sha=9F8E7D6"),
            ("sha=9f8e7d6", "sha=9f8e"),
            ("run=123.1", "run=123"),
            ("run=123.1", "run=+123.1"),
            ("run=123.1", "run=0123.1"),
            ("run=123.1", "run=99999999999999999999.1"),
            ("body=sha256:", "body=sha1:"),
            (" -->", "-->"),
        ] {
            let changed = line.replace(from, to);
            assert_ne!(changed, line, "{from}");
            assert_eq!(Marker::parse(&changed), None, "{changed}");
        }
        assert_eq!(Marker::parse(&line[..line.len() - 8]), None);
    }

    #[test]
    fn a_later_attempt_and_a_later_run_are_greater() {
        let run = |run, attempt| RunNumber { run, attempt };
        assert!(run(5, 2) > run(5, 1) && run(6, 1) > run(5, 9) && run(5, 1) == run(5, 1));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader_and_what_is_read_is_written_back(text in "\\PC{0,200}") {
            if let Some(marker) = Marker::parse(&text) {
                prop_assert_eq!(marker.line(), text);
            }
        }
    }
}
