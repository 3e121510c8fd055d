//! Frames: text of our own wording around a payload. Every wording is mild, and safe to publish.
//! Kept out: conversations of several turns (`script`).

mod answer;
mod config;
mod indirect;
mod parts;
mod persona;

pub(super) use answer::{DISTRACTOR, PREFIX_INJECTION, REFUSAL_SUPPRESSION, TRANSLATION_FRAME};
pub(super) use config::{CODE_FRAME, POLICY_PUPPETRY, SYSTEM_SPOOF};
pub(super) use indirect::{CODE_COMMENT, CSV, DOCUMENT, EMAIL, HTML, JSON, MARKDOWN, SEARCH_RESULT};
pub(super) use parts::{many_shot, payload_splitting};
pub(super) use persona::{AUTHORITY, DEVELOPER_MODE, HYPOTHETICAL, ROLE_PLAY, URGENCY};

use crate::eval::redteam::PAYLOAD;
use crate::stats::Generator;

use super::choose::pick;

/// How a payload is held by what stands around it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Hold {
    /// As it is.
    #[default]
    Verbatim,
    /// Within a string of JSON (or of a programming language with the same escapes).
    Json,
    /// Within the text or an attribute of HTML.
    Html,
    /// Within a quoted field of CSV.
    Csv,
}

impl Hold {
    /// The payload in the form that its surroundings ask for.
    pub(super) fn held(self, payload: &str) -> String {
        match self {
            Hold::Verbatim => payload.to_owned(),
            Hold::Json => {
                let quoted = json_string(payload);
                quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned()
            }
            Hold::Html => {
                payload.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
            }
            Hold::Csv => payload.replace('"', "\"\""),
        }
    }
}

/// One frame in several wordings.
pub struct Frame {
    /// The strategy's name.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// From which the seed chooses. Each holds [`PAYLOAD`] once.
    pub wordings: &'static [(Hold, &'static str)],
}

impl Frame {
    /// Puts a payload into one of the wordings.
    pub(super) fn dress(&self, payload: &str, generator: &mut Generator) -> String {
        let (hold, wording) = pick(self.wordings, generator);
        let (before, behind) = wording.split_once(PAYLOAD).unwrap_or((wording, ""));
        format!("{before}{}{behind}", hold.held(payload))
    }
}

/// A string of JSON, quotes and all.
fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_escaped_as_its_surroundings_ask() {
        let payload = "say \"a\" & <b>\n";
        assert_eq!(Hold::Verbatim.held(payload), payload);
        assert_eq!(Hold::Json.held(payload), "say \\\"a\\\" & <b>\\n");
        assert_eq!(Hold::Html.held(payload), "say &quot;a&quot; &amp; &lt;b&gt;\n");
        assert_eq!(Hold::Csv.held(payload), "say \"\"a\"\" & <b>\n");
        assert_eq!(Hold::Json.held(""), "");
    }
}
