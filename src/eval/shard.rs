//! One part of a run that several machines share.

use std::str::FromStr;

/// `K/N`: the K-th of N parts, 1-based. A case's repeats stay together, and so do the cases of a cluster only by chance:
/// `llmci merge` brings them together again before anything is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shard {
    index: u32,
    count: u32,
}

/// Why a text is no shard.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a shard is K/N with 1 <= K <= N <= 10000, such as 2/8")]
pub struct ShardError;

impl Shard {
    /// Checks `1 <= index <= count <= 10000`.
    pub fn new(index: u32, count: u32) -> Result<Self, ShardError> {
        if (1..=count).contains(&index) && count <= 10_000 { Ok(Self { index, count }) } else { Err(ShardError) }
    }

    /// K, 1-based.
    pub fn index(self) -> u32 {
        self.index
    }

    /// N.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Whether the case at this position of the filtered suite belongs to the shard.
    pub fn takes(self, position: usize) -> bool {
        position % self.count as usize == self.index as usize - 1
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let (index, count) = text.split_once('/').ok_or(ShardError)?;
        let number = |part: &str| part.trim().parse::<u32>().map_err(|_| ShardError);
        Self::new(number(index)?, number(count)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_belongs_to_exactly_one_shard() {
        for count in 1..=9 {
            for position in 0..100 {
                let takers = (1..=count).filter(|index| Shard::new(*index, count).unwrap().takes(position)).count();
                assert_eq!(takers, 1, "position {position} of {count} shards");
            }
        }
    }

    #[test]
    fn a_shard_outside_its_count_is_refused() {
        for text in ["0/2", "3/2", "1/0", "1", "a/b", "1/2/3", "-1/2", "", "1/99999"] {
            assert_eq!(text.parse::<Shard>(), Err(ShardError), "{text}");
        }
        assert_eq!("2/8".parse::<Shard>(), Shard::new(2, 8));
    }
}
