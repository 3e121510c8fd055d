//! The nearest word that would have been right.

/// The candidate that a mistyped word most likely meant, if one is near enough to be worth naming.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.chars().count().max(word.chars().count()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Case and the separators `-`, `_` and space are no difference.
fn fold(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant_is_found_and_a_stranger_is_not() {
        let keys = ["thresholds", "error_budget", "on_inconclusive", "model", "suites"];
        assert_eq!(nearest("treshold", keys), Some("thresholds"));
        assert_eq!(nearest("errorBudget", keys), Some("error_budget"));
        assert_eq!(nearest("suits", keys), Some("suites"));
        assert_eq!(nearest("banana", keys), None);
    }
}
