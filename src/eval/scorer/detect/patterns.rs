//! Regular expressions of our own, by name, looked for in one pass. Kept out: which expressions there are.

use regex::{Regex, RegexSet};

/// Named expressions. One pass says which of them occur at all; only those are then looked for one by one.
pub(super) struct Patterns {
    names: Vec<&'static str>,
    set: Option<RegexSet>,
    each: Vec<Regex>,
}

impl Patterns {
    /// Compiles a table of (name, expression). An expression that does not compile would find nothing: a test compiles them all.
    pub(super) fn new(table: &[(&'static str, &str)]) -> Self {
        Self {
            names: table.iter().map(|(name, _)| *name).collect(),
            set: RegexSet::new(table.iter().map(|(_, expression)| *expression)).ok(),
            each: table.iter().filter_map(|(_, expression)| Regex::new(expression).ok()).collect(),
        }
    }

    /// Those that occur, in the order of the table.
    pub(super) fn found<'a>(&'a self, text: &str) -> impl Iterator<Item = (&'static str, &'a Regex)> + use<'a> {
        let numbers: Vec<usize> =
            self.set.as_ref().map_or_else(Vec::new, |set| set.matches(text).into_iter().collect());
        numbers.into_iter().filter_map(|number| Some((*self.names.get(number)?, self.each.get(number)?)))
    }

    /// Whether every expression of the table was understood.
    #[cfg(test)]
    pub(super) fn whole(&self) -> bool {
        self.set.is_some() && self.each.len() == self.names.len()
    }
}
