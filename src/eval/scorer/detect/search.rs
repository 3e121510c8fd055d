//! Several texts looked for at once. Few of them are looked for one by one, since that needs next to no preparation: a canary is
//! often one case's own. Kept out: in which forms (`needles`).

use aho_corasick::AhoCorasick;
use memchr::memmem::Finder;

/// Up to so many texts are looked for one by one.
const FEW: usize = 24;

/// Texts to look for, ready.
pub(super) enum Search {
    /// One after the other.
    Few(Vec<Finder<'static>>),
    /// All in one pass.
    Many(AhoCorasick),
}

impl Search {
    /// Prepares. No text is empty.
    pub(super) fn new(texts: &[String]) -> Result<Self, aho_corasick::BuildError> {
        if texts.len() <= FEW {
            return Ok(Self::Few(texts.iter().map(|text| Finder::new(text).into_owned()).collect()));
        }
        Ok(Self::Many(AhoCorasick::new(texts)?))
    }

    /// The number of a text that stands in there.
    pub(super) fn find(&self, hay: &[u8]) -> Option<usize> {
        match self {
            Self::Few(finders) => finders.iter().position(|finder| finder.find(hay).is_some()),
            Self::Many(automaton) => automaton.find(hay).map(|found| found.pattern().as_usize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_find_the_same() {
        let texts: Vec<String> = (0..100).map(|number| format!("needle-{number:03}")).collect();
        for count in [1, FEW, FEW + 1, 100] {
            let search = Search::new(&texts[..count]).unwrap();
            for hay in ["", "needle-", "a needle-000 here", "needle-099", "x needle-023", "needle-024 and more"] {
                let wanted = texts[..count].iter().position(|text| hay.contains(text.as_str()));
                assert_eq!(search.find(hay.as_bytes()), wanted, "{count} {hay:?}");
            }
        }
    }
}
