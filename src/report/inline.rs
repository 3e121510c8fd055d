//! A piece of Markdown that is safe to stand anywhere within a line: the only thing that the writer takes. It is made from
//! our own fixed words, or through the sink.

use super::Sink;
use crate::gate::Verdict;
use crate::trust::Untrusted;

/// Characters of our own sentences.
const SENTENCE: usize = 600;

/// Markdown within one line, escaped.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Inline(String);

impl Inline {
    /// Words that stand in this program.
    pub(super) fn fixed(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// A number.
    pub(super) fn number(number: u64) -> Self {
        Self(number.to_string())
    }

    /// A sentence of our own making, which may name things of the policy.
    pub(super) fn words(sink: &Sink, text: &str) -> Self {
        Self(sink.words(&Untrusted::new(text), SENTENCE))
    }

    /// Text of somebody else.
    pub(super) fn code(sink: &Sink, text: &Untrusted, most: usize) -> Self {
        Self(sink.code(text, most))
    }

    /// A verdict: a sign and a word, never a sign alone.
    pub(super) fn verdict(verdict: Verdict, word: &'static str) -> Self {
        let sign = match verdict {
            Verdict::Pass => "✅",
            Verdict::Fail => "❌",
            Verdict::Inconclusive => "❔",
            Verdict::Error => "⚠️",
        };
        Self(format!("{sign} {word}"))
    }

    /// An address that becomes a link by itself; as code where it is not of the server that `own` is on.
    pub(super) fn link(sink: &Sink, address: &Untrusted, own: &Untrusted) -> Self {
        let raw = sink.text(address, 500);
        if is_address(&raw) && server(&raw).is_some() && server(&raw) == server(own.raw()) {
            Self(format!("<{raw}>"))
        } else {
            Self::code(sink, address, 200)
        }
    }

    /// In bold.
    pub(super) fn bold(self) -> Self {
        Self(format!("**{}**", self.0))
    }

    /// Several in a row.
    pub(super) fn all<const N: usize>(parts: [Self; N]) -> Self {
        Self::join(&parts, "")
    }

    /// Several with fixed words in between.
    pub(super) fn join(parts: &[Self], between: &'static str) -> Self {
        Self(parts.iter().map(|part| part.0.as_str()).collect::<Vec<_>>().join(between))
    }

    /// The Markdown.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/:%+=".contains(&byte)))
}

/// `https://host:port` of an address.
fn server(address: &str) -> Option<&str> {
    let start = address.find("://")? + 3;
    let end = address.get(start..)?.find('/').map_or(address.len(), |end| start + end);
    address.get(..end).filter(|server| server.len() > start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_our_own_server_become_links() {
        let own = Untrusted::new("https://git.example/o/r/actions/runs/1");
        let shown = |address: &str| Inline::link(&Sink::default(), &address.into(), &own).0;
        assert_eq!(shown("https://git.example/o/r/runs/7"), "<https://git.example/o/r/runs/7>");
        for other in [
            "https://evil.example/x",
            "https://git.example.evil.example/x",
            "https://git.example@evil.example/x",
            "javascript:alert(1)",
            "https://git.example/x> [y](z)",
            "",
        ] {
            assert!(shown(other).starts_with("<code>"), "{}", shown(other));
        }
    }
}
