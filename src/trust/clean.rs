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
        '\u{1bca0}'..='\u{1bca3}' | '\u{13430}'..='\u{1343f}' => true,
        '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        // Noncharacters, which XML and some readers of JSON refuse.
        '\u{fdd0}'..='\u{fdef}' => true,
        letter => u32::from(letter) & 0xfffe == 0xfffe,
    }
}

/// JSON with every invisible or acting character as an escape: the same values, and nothing that a terminal, an editor or a
/// reader of lines takes for more than text.
pub fn escape_json(json: &str) -> Cow<'_, str> {
    // Within JSON those of the first 32 that are no white space are escapes already.
    let raw = |letter: char| letter >= '\u{7f}' && acts(letter);
    if !json.chars().any(raw) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for letter in json.chars() {
        if raw(letter) {
            let units = &mut [0; 2];
            escaped.extend(letter.encode_utf16(units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            escaped.push(letter);
        }
    }
    Cow::Owned(escaped)
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
        let json = serde_json::to_string("a\u{2028}b\u{e0041}c\u{85}\u{0}ü\n").unwrap_or_default();
        assert_eq!(escape_json(&json), "\"a\\u2028b\\udb40\\udc41c\\u0085\\u0000ü\\n\"");
        assert_eq!(clean("\u{fffe}\u{1ffff}\u{fdd0}\u{2069}"), "[U+FFFE][U+1FFFF][U+FDD0][U+2069]");
    }
}
