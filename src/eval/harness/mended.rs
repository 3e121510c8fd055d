//! JSON as Python writes it, made JSON while it is read: bare `NaN`, `Infinity` and `-Infinity` become null, in no text.
//! A number that is none is so no number here, and never a score.

use std::io::Read;

/// Longest token, with its sign.
const TOKENS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];

/// Reads through to `inner`.
pub(super) struct Mended<R> {
    inner: R,
    input: Vec<u8>,
    output: Vec<u8>,
    given: usize,
    quoted: bool,
    escaped: bool,
    ended: bool,
}

impl<R: Read> Mended<R> {
    /// Nothing is read yet.
    pub(super) fn new(inner: R) -> Self {
        Self { inner, input: Vec::new(), output: Vec::new(), given: 0, quoted: false, escaped: false, ended: false }
    }

    /// The reader behind.
    pub(super) fn into_inner(self) -> R {
        self.inner
    }

    /// The reader behind, before anything is read.
    pub(super) fn inner_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    fn refill(&mut self) -> std::io::Result<()> {
        const PIECE: usize = 64 * 1024;
        self.output.clear();
        self.given = 0;
        while self.output.is_empty() && !self.ended {
            let held = self.input.len();
            self.input.resize(held + PIECE, 0);
            let room = self.input.get_mut(held..).unwrap_or_default();
            let count = self.inner.read(room)?;
            self.input.truncate(held + count);
            self.ended = count == 0;
            self.mend();
        }
        Ok(())
    }

    /// Moves the input to the output, up to what may be the beginning of a token.
    fn mend(&mut self) {
        let mut rest = self.input.as_slice();
        while let Some((first, after)) = rest.split_first() {
            if self.quoted {
                match first {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.quoted = false,
                    _ => {}
                }
            } else if *first == b'"' {
                self.quoted = true;
            } else if matches!(first, b'N' | b'I' | b'-') {
                if let Some(token) = TOKENS.into_iter().find(|token| rest.starts_with(token)) {
                    self.output.extend_from_slice(b"null");
                    rest = rest.get(token.len()..).unwrap_or_default();
                    continue;
                }
                if !self.ended && TOKENS.iter().any(|token| token.starts_with(rest)) {
                    break;
                }
            }
            self.output.push(*first);
            rest = after;
        }
        let left = rest.len();
        self.input.drain(..self.input.len() - left);
    }
}

impl<R: Read> Read for Mended<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.given == self.output.len() {
            self.refill()?;
        }
        let ready = self.output.get(self.given..).unwrap_or_default();
        let count = ready.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), ready.get(..count)) {
            to.copy_from_slice(from);
        }
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time: every token is cut at every place.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.len().min(1).min(buffer.len());
            let (head, tail) = self.0.split_at(count);
            buffer[..count].copy_from_slice(head);
            self.0 = tail;
            Ok(count)
        }
    }

    #[test]
    fn pythons_numbers_are_null_wherever_a_piece_ends() {
        let table = [
            (r#"{"a": NaN, "b": [Infinity, -Infinity]}"#, r#"{"a": null, "b": [null, null]}"#),
            (r#"{"a": "NaN \" NaN", "b": NaN}"#, r#"{"a": "NaN \" NaN", "b": null}"#),
            (r#"{"a": "\\", "b": -1, "c": "é-Infinity"}"#, r#"{"a": "\\", "b": -1, "c": "é-Infinity"}"#),
            ("N", "N"),
            ("-", "-"),
            ("", ""),
        ];
        for (text, want) in table {
            let mut whole = String::new();
            Mended::new(text.as_bytes()).read_to_string(&mut whole).unwrap();
            let mut slow = String::new();
            Mended::new(Slow(text.as_bytes())).read_to_string(&mut slow).unwrap();
            assert_eq!((whole.as_str(), slow.as_str()), (want, want));
        }
    }
}
