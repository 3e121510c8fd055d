//! Text as a reader sees it: look-alike letters, invisible characters, words. Kept out: encodings (`forms`).

mod fold;

pub(super) use fold::{plain, skeleton, visible};

/// The words of a text, folded. A character of a script without spaces is a word of its own.
pub(super) fn words(text: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    for letter in text.chars().filter_map(visible) {
        let alone = is_dense(letter);
        if (alone || !letter.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if alone {
            words.push(letter.to_string());
        } else if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Chinese and Japanese characters.
fn is_dense(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}
