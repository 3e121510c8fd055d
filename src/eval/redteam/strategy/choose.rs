//! Choices that a seed makes. No floating-point number takes part: the same seed chooses the same on any machine.

use crate::stats::Generator;

/// One of a list; the default of an empty one.
pub(super) fn pick<T: Copy + Default>(list: &[T], generator: &mut Generator) -> T {
    list.get(generator.index(list.len())).copied().unwrap_or_default()
}

/// True in `percent` of a hundred cases.
pub(super) fn chance(percent: usize, generator: &mut Generator) -> bool {
    generator.index(100) < percent
}

/// Cuts a text into `count` pieces at places that the seed chooses, at least one character each where there are enough.
pub(super) fn pieces(text: &str, count: usize, generator: &mut Generator) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    // Every place inside of the text, from which the cuts are drawn.
    let mut places: Vec<usize> = (1..letters.len()).collect();
    generator.shuffle(&mut places);
    places.truncate(count.saturating_sub(1));
    places.sort_unstable();
    let mut pieces = vec![String::new()];
    for (place, letter) in letters.into_iter().enumerate() {
        if places.binary_search(&place).is_ok() {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(letter);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_text_and_none_is_empty_where_there_are_letters_enough() {
        for seed in 0..50 {
            let mut generator = Generator::new(seed);
            for text in ["", "a", "ab", "abc äöü 🦀 end", "{\"a\":\n1}"] {
                for count in 1..6 {
                    let found = pieces(text, count, &mut generator);
                    assert_eq!(found.concat(), text);
                    assert_eq!(found.len(), count.min(text.chars().count().max(1)), "{text:?} in {count}");
                    assert!(text.is_empty() || found.iter().all(|piece| !piece.is_empty()));
                }
            }
        }
    }
}
