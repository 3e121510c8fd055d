//! Stems of English words by Porter's first algorithm (Porter 1980, "An algorithm for suffix stripping"), with the readings that
//! `natural` 8.1.1 has of it, which promptfoo's METEOR counts with: what is no vowel is a consonant, apostrophes too.

/// The stem of a word in small letters.
pub(super) fn stem(word: &str) -> String {
    if word.encode_utf16().count() < 3 {
        return word.to_owned();
    }
    let word = plural(word);
    let word = past(word);
    let word = last_y(word);
    let word = suffixes(word, DOUBLE);
    let word = suffixes(word, SINGLE);
    let word = bare(word);
    let word = last_e(word);
    match word.strip_suffix("ll") {
        Some(before) if measure(&word) > 1.0 => format!("{before}l"),
        Some(_) | None => word,
    }
}

/// Suffixes of step 2, and what they become.
const DOUBLE: &[(&str, &str)] = &[
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("abli", "able"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("logi", "log"),
];
/// Those of step 3.
const SINGLE: &[(&str, &str)] =
    &[("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")];
/// Those that step 4 takes away, the longest that fits.
const BARE: &[&str] = &[
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ou", "ism", "ate", "iti", "ous",
    "ive", "ize",
];

fn is_vowel(letter: char) -> bool {
    matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u')
}

/// Runs of vowels (true) and of other letters (false); a `y` behind other letters is a vowel that stands alone.
fn runs(word: &str) -> Vec<bool> {
    let mut out: Vec<bool> = Vec::new();
    let mut letters = word.chars().peekable();
    let consonant = |out: &mut Vec<bool>| {
        if out.last() != Some(&false) {
            out.push(false);
        }
    };
    while let Some(letter) = letters.next() {
        if is_vowel(letter) {
            while letters.next_if(|letter| is_vowel(*letter)).is_some() {}
            out.push(true);
        } else if letter == 'y' {
            consonant(&mut out);
        } else {
            while letters.next_if(|letter| !is_vowel(*letter) && *letter != 'y').is_some() {}
            consonant(&mut out);
            if letters.next_if_eq(&'y').is_some() {
                out.push(true);
            }
        }
    }
    out
}

/// Which single letters are vowels.
fn vowels(word: &str) -> Vec<bool> {
    let mut before = None;
    word.chars()
        .map(|letter| {
            let vowel =
                is_vowel(letter) || (letter == 'y' && before.is_some_and(|before| !is_vowel(before) && before != 'y'));
            before = Some(letter);
            vowel
        })
        .collect()
}

/// How often other letters follow vowels; below 0 for nothing.
fn measure(word: &str) -> f64 {
    if word.is_empty() {
        return -1.0;
    }
    let runs = runs(word);
    let start = usize::from(runs.first() == Some(&false));
    let end = usize::from(runs.len() > start && runs.last() == Some(&true));
    #[expect(clippy::cast_precision_loss, reason = "a word's letters")]
    let length = (runs.len() - start - end) as f64;
    length / 2.0
}

/// Step 1a.
fn plural(word: &str) -> String {
    for (suffix, kept) in [("sses", "ss"), ("ies", "i")] {
        if let Some(before) = word.strip_suffix(suffix) {
            return format!("{before}{kept}");
        }
    }
    match word.strip_suffix('s') {
        Some(before) if !before.ends_with('s') => before.to_owned(),
        Some(_) | None => word.to_owned(),
    }
}

/// Step 1b.
fn past(word: String) -> String {
    if let Some(before) = word.strip_suffix("eed") {
        return if measure(before) > 0.0 { format!("{before}ee") } else { word };
    }
    let Some(before) = word.strip_suffix("ed").or_else(|| word.strip_suffix("ing")) else { return word };
    if !runs(before).contains(&true) {
        return word;
    }
    if before.ends_with("at") || before.ends_with("bl") || before.ends_with("iz") {
        return format!("{before}e");
    }
    let mut backwards = before.chars().rev();
    let (last, second) = (backwards.next(), backwards.next());
    match last {
        Some(last) if Some(last) == second && !is_vowel(last) && !matches!(last, 'l' | 's' | 'z') => {
            before.strip_suffix(last).unwrap_or(before).to_owned()
        }
        Some(_) if measure(before) == 1.0 && ends_short(before) => format!("{before}e"),
        Some(_) | None => before.to_owned(),
    }
}

/// Whether a word ends in consonant, vowel and a consonant that is none of w, x, y.
fn ends_short(word: &str) -> bool {
    vowels(word).ends_with(&[false, true, false]) && !word.ends_with(['w', 'x', 'y'])
}

/// Step 1c.
fn last_y(word: String) -> String {
    let runs = runs(&word);
    let earlier = runs.split_last().is_some_and(|(_, earlier)| earlier.contains(&true));
    match word.strip_suffix('y') {
        Some(before) if earlier => format!("{before}i"),
        Some(_) | None => word,
    }
}

/// Steps 2 and 3: each suffix is looked for in what the one before has left, and measured in the word as it came.
fn suffixes(word: String, table: &[(&str, &str)]) -> String {
    let mut out = word.clone();
    for (suffix, becomes) in table {
        if word.strip_suffix(suffix).is_some_and(|before| measure(before) > 0.0)
            && let Some(before) = out.strip_suffix(suffix)
        {
            out = format!("{before}{becomes}");
        }
    }
    out
}

/// Step 4.
fn bare(word: String) -> String {
    let fits = |suffix: &&&str| word.len() > suffix.len() && word.ends_with(**suffix);
    let longest = BARE.iter().filter(fits).max_by_key(|suffix| suffix.len());
    if let Some(before) = longest.and_then(|suffix| word.strip_suffix(suffix))
        && measure(before) > 1.0
    {
        return before.to_owned();
    }
    match word.strip_suffix("ion") {
        Some(before) if before.len() > 1 && before.ends_with(['s', 't']) && measure(before) > 1.0 => before.to_owned(),
        Some(_) | None => word,
    }
}

/// Step 5a.
fn last_e(word: String) -> String {
    let Some(before) = word.strip_suffix('e') else { return word };
    let measured = measure(before);
    if measured > 1.0 || (measured == 1.0 && !ends_short(before)) { before.to_owned() } else { word }
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn stems_are_those_that_natural_finds() {
        for line in include_str!("../frozen/stems.txt").lines() {
            let (word, expected) = line.split_once(' ').unwrap();
            assert_eq!(stem(word), expected, "{word}");
        }
    }
}
