//! Which cases of a suite are asked: `--level` and `--tags`.

use super::CaseHead;
use crate::eval::case::Level;

/// A selection of cases; the empty one takes all.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// Only this level.
    pub level: Option<Level>,
    /// Only cases with at least one of these tags.
    pub tags: Vec<String>,
}

impl Filter {
    /// Whether a case is taken.
    pub fn matches(&self, head: &CaseHead) -> bool {
        self.level.is_none_or(|level| level == head.level)
            && (self.tags.is_empty() || self.tags.iter().any(|tag| head.tags.contains(tag)))
    }

    /// The selection in words, for digests and reports; empty without one.
    pub fn describe(&self) -> Vec<String> {
        let mut words: Vec<String> = self.level.iter().map(|level| format!("level={}", level.word())).collect();
        let mut tags = self.tags.clone();
        tags.sort();
        tags.dedup();
        words.extend(tags.into_iter().map(|tag| format!("tag={tag}")));
        words
    }
}
