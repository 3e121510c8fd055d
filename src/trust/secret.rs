//! A token, key or password that this process knows.

/// A value that must never be printed. It has neither `Debug` nor `Display`, and is not serialisable.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret over from the environment or an input; surrounding white space is not part of it.
    pub fn new(value: &str) -> Self {
        Self(value.trim().to_owned())
    }

    /// The value, for the one header or signature that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
