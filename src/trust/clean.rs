//! Characters that hide or act, made visible: the first step before every sink.

use std::borrow::Cow;

/// Replaces control characters (except newline and tab), invisible and direction-changing ones by `[U+XXXX]`; every
/// form of line end becomes a newline.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|letter| letter == '\r' || acts(letter)) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len() + 16);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\r' {
            // The runner ends a line at a lone carriage return too.
            if letters.peek() != Some(&'\n') {
                cleaned.push('\n');
            }
        } else if acts(letter) {
            cleaned.push_str(&format!("[U+{:04X}]", u32::from(letter)));
        } else {
            cleaned.push(letter);
        }
    }
    Cow::Owned(cleaned)
}

/// Whether a letter is invisible, moves others, or drives a terminal.
pub(super) fn acts(letter: char) -> bool {
    match letter {
        '\n' | '\t' => false,
        letter if letter.is_control() => true,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}'
        | '\u{ffa0}' => true,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => true,
        '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_acts_becomes_visible_and_the_rest_stays() {
        assert_eq!(clean("plain\ttext\nand ünïcode ✓"), "plain\ttext\nand ünïcode ✓");
        assert_eq!(clean("a\u{202e}b\u{200b}c\u{1b}[31m"), "a[U+202E]b[U+200B]c[U+001B][31m");
        assert_eq!(clean("a\rb\r\nc"), "a\nb\nc");
        assert_eq!(clean("\u{2028}\u{85}\u{e0041}"), "[U+2028][U+0085][U+E0041]");
    }
}
