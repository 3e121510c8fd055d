//! Cuts of texts that may hold secrets. A word that a cut would go through is left out: of half a secret no redactor knows that it is
//! one. Kept out: the redactor itself.

/// The first `most` characters of a text, at a space before them where the text goes on.
pub fn beginning(text: &str, most: usize) -> String {
    let Some((end, next)) = text.char_indices().nth(most) else { return text.to_owned() };
    let kept = text.get(..end).unwrap_or_default();
    let whole = if next.is_whitespace() { Some(kept.len()) } else { kept.rfind(char::is_whitespace) };
    match whole.and_then(|end| kept.get(..end)).filter(|kept| !kept.trim().is_empty()) {
        Some(kept) => kept.to_owned(),
        None => format!("(not shown: more than {most} characters without a space)"),
    }
}

/// A text of which the beginning is gone already, from its first space on.
pub fn without_broken_word(text: &str) -> &str {
    text.find(char::is_whitespace).and_then(|at| text.get(at..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_cut_in_half() {
        for (text, most, expected) in [
            ("short", 5, "short"),
            ("key sk-secret", 4, "key"),
            ("key sk-secret", 8, "key"),
            ("key sk-secret", 12, "key"),
            ("key sk-secret", 13, "key sk-secret"),
            ("key sk-secret and more", 13, "key sk-secret"),
            ("sk-secret", 4, "(not shown: more than 4 characters without a space)"),
            (" sk-secret", 4, "(not shown: more than 4 characters without a space)"),
            ("äö ü", 3, "äö"),
        ] {
            assert_eq!(beginning(text, most), expected, "{text} {most}");
        }
        assert_eq!(without_broken_word("cret is wrong"), " is wrong");
        assert_eq!(without_broken_word("cret"), "");
    }
}
