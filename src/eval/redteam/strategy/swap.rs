//! Alphabets that stand opposite each other: a character becomes its partner, and the partner becomes it. Such a notation loses
//! nothing whatever the text is, and reading it is writing it once more.

/// The partner of a character in a list of pairs; the character itself where it has none.
pub(super) fn swap(pairs: &[(char, char)], letter: char) -> char {
    let partner = |(left, right): &(char, char)| match letter {
        _ if letter == *left => Some(*right),
        _ if letter == *right => Some(*left),
        _ => None,
    };
    pairs.iter().find_map(partner).unwrap_or(letter)
}

/// The character `by` places behind one code point, if there is one.
pub(super) fn moved(letter: char, from: u32, to: u32) -> char {
    u32::from(letter).checked_sub(from).and_then(|offset| char::from_u32(offset + to)).unwrap_or(letter)
}
