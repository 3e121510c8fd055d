//! Text that somebody else wrote: a model, a suite, a pull request, a server.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Text from a model, a suite, a pull request or a server's reply.
///
/// It has no `Display` on purpose: it reaches a sink only through that sink's escape, which takes [`Untrusted::raw`].
/// JSON is the one sink whose serialiser is itself an escape, hence `Serialize`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Untrusted(String);

impl Untrusted {
    /// Wraps text of unknown intent; nothing is changed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The bytes as they came. Only scorers, digests and escapes may look at them.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// Gives the text back for a function that stores or scores it.
    pub fn into_raw(self) -> String {
        self.0
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Untrusted({} bytes)", self.0.len())
    }
}

impl From<String> for Untrusted {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}
