//! Python's regular expressions on our engine: the pattern is rewritten where the two read it otherwise, and `findall`.
//! Kept out: what is done with the matches (`filter`, `metric`).

use fancy_regex::Regex;

/// A pattern of Python's `re`.
pub(super) struct Pattern(Regex);

/// One match as `findall` gives it: the whole match without groups, else the groups, an unmatched one as an empty text.
pub(super) type Found = Vec<String>;

impl Pattern {
    /// Reads a pattern; what the engine cannot read is said in its words.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        let regex = Regex::new(&rewritten(pattern)).map_err(|error| format!("the pattern cannot be read: {error}"))?;
        Ok(Self(regex))
    }

    /// Every character of punctuation: Unicode's categories that begin with P, for which Python's patterns have no word.
    pub(super) fn punctuation() -> Result<Self, String> {
        Regex::new(r"\p{P}").map(Self).map_err(|error| format!("the pattern cannot be read: {error}"))
    }

    /// `re.findall`.
    pub(super) fn find_all(&self, text: &str) -> Result<Vec<Found>, String> {
        let mut found = Vec::new();
        let mut at = 0;
        while at <= text.len() {
            let captures = self.0.captures_from_pos(text, at).map_err(|error| error.to_string())?;
            let Some(captures) = captures else { break };
            let Some(whole) = captures.get(0) else { break };
            let groups = captures.len().saturating_sub(1);
            let group = |number| captures.get(number).map_or_else(String::new, |group| group.as_str().to_owned());
            found.push(if groups == 0 { vec![whole.as_str().to_owned()] } else { (1..=groups).map(group).collect() });
            // After an empty match the next one begins a letter later.
            let step = text.get(whole.end()..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
            at = if whole.end() == whole.start() { whole.end() + step } else { whole.end() };
        }
        Ok(found)
    }

    /// `re.sub` with a replacement that is made of each match; `count` 0 is all.
    pub(super) fn replaced(
        &self,
        text: &str,
        count: usize,
        with: &dyn Fn(&fancy_regex::Captures<'_, str>) -> String,
    ) -> Result<String, String> {
        let each = |found: &fancy_regex::Captures<'_, str>| with(found);
        self.0.try_replacen(text, count, each).map(std::borrow::Cow::into_owned).map_err(|error| error.to_string())
    }

    /// `re.sub(pattern, "", text)`.
    pub(super) fn removed_from(&self, text: &str) -> Result<String, String> {
        self.0.try_replacen(text, 0, "").map(std::borrow::Cow::into_owned).map_err(|error| error.to_string())
    }
}

/// `\Z` and `$` end otherwise in Python; a `{` that counts nothing is a letter there, and so is a `[` within a class.
fn rewritten(pattern: &str) -> String {
    let letters: Vec<char> = pattern.chars().collect();
    let many_lines = pattern.starts_with("(?m)") || pattern.starts_with("(?im)") || pattern.starts_with("(?mi)");
    let mut out = String::with_capacity(pattern.len());
    let mut class: Option<usize> = None;
    let mut at = 0;
    while let Some(letter) = letters.get(at) {
        let rest = letters.get(at + 1..).unwrap_or_default();
        match (letter, class) {
            ('\\', None) if rest.first() == Some(&'Z') => {
                out.push_str("\\z");
                at += 1;
            }
            ('\\', _) => {
                out.push('\\');
                out.extend(rest.first());
                at += 1;
            }
            ('[', None) => {
                out.push('[');
                if rest.first() == Some(&'^') {
                    out.push('^');
                    at += 1;
                }
                class = Some(at);
            }
            // The first letter of a class is never its end.
            (']', Some(start)) if at == start + 1 => out.push_str("\\]"),
            (']', Some(_)) => {
                out.push(']');
                class = None;
            }
            ('[' | '&' | '~', Some(_)) => {
                out.push('\\');
                out.push(*letter);
            }
            ('$', None) if !many_lines => out.push_str("(?=\\n?\\z)"),
            ('{', None) if !counts(rest) => out.push_str("\\{"),
            (letter, _) => out.push(*letter),
        }
        at += 1;
    }
    out
}

/// Whether what follows a `{` makes it a counted repetition.
fn counts(rest: &[char]) -> bool {
    let Some(end) = rest.iter().position(|letter| *letter == '}') else { return false };
    let inside = rest.get(..end).unwrap_or_default();
    let commas = inside.iter().filter(|letter| **letter == ',').count();
    let digits = inside.iter().filter(|letter| letter.is_ascii_digit()).count();
    commas <= 1 && digits + commas == inside.len() && !inside.is_empty()
}

/// Python's `str.strip()`.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Python's white space: Unicode's, and four separators.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: CPython 3.11, `re.findall`.
    #[test]
    fn matches_are_those_of_findall() {
        let table: [(&str, &str, &[&[&str]]); 7] = [
            (r"#### (\-?[0-9\.\,]+)", "#### 1,2\n#### -3", &[&["1,2"], &["-3"]]),
            (r"(a)|(b)", "ab", &[&["a", ""], &["", "b"]]),
            (r"a*", "aab", &[&["aa"], &[""], &[""]]),
            (r"x$", "x\n", &[&["x"]]),
            (r"\\boxed{(.*)}", "\\boxed{7}", &[&["7"]]),
            (r"[[]]", "[]", &[&["[]"]]),
            (r"[]a]+", "]a", &[&["]a"]]),
        ];
        for (pattern, text, wanted) in table {
            assert_eq!(Pattern::new(pattern).unwrap().find_all(text).unwrap(), wanted, "{pattern}");
        }
    }
}
