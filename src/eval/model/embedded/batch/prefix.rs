//! Contexts that were computed before: keys and values of the tokens that many questions begin with, the least recently used
//! given up first.

use candle_core::Tensor;

use super::row::common;

/// Keys and values of a context's tokens, of each layer: (key heads, tokens, head size).
#[derive(Clone)]
pub(in crate::eval::model::embedded) struct Prefix {
    pub(super) tokens: Vec<u32>,
    pub(super) layers: Vec<(Tensor, Tensor)>,
}

impl Prefix {
    /// Its first tokens; nothing is copied.
    pub(super) fn first(&self, count: usize) -> candle_core::Result<Prefix> {
        let narrow = |tensor: &Tensor| tensor.narrow(1, 0, count);
        let layers = self.layers.iter().map(|(keys, values)| Ok((narrow(keys)?, narrow(values)?)));
        let tokens = self.tokens.get(..count).unwrap_or_default().to_vec();
        Ok(Prefix { tokens, layers: layers.collect::<candle_core::Result<_>>()? })
    }

    fn bytes(&self) -> usize {
        let size = |tensor: &Tensor| tensor.elem_count() * tensor.dtype().size_in_bytes();
        self.layers.iter().map(|(keys, values)| size(keys) + size(values)).sum()
    }
}

/// What is kept.
pub(super) struct Prefixes {
    kept: Vec<Prefix>,
    most_bytes: usize,
}

impl Prefixes {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { kept: Vec::new(), most_bytes }
    }

    /// How many of these tokens the best kept context stands for.
    pub(super) fn covers(&self, tokens: &[u32]) -> usize {
        self.kept.iter().map(|prefix| common(&prefix.tokens, tokens)).max().unwrap_or(0)
    }

    /// The context that stands for most of these tokens, as far as it does; it counts as used.
    pub(super) fn find(&mut self, tokens: &[u32]) -> candle_core::Result<Option<Prefix>> {
        let covered = self.covers(tokens);
        let Some(place) = self.kept.iter().position(|prefix| common(&prefix.tokens, tokens) == covered) else {
            return Ok(None);
        };
        let prefix = self.kept.remove(place);
        let first = if covered == 0 { None } else { Some(prefix.first(covered)?) };
        self.kept.push(prefix);
        Ok(first)
    }

    /// Keeps a context, and gives up what it goes on from and what there is no room for.
    pub(super) fn keep(&mut self, prefix: Prefix) {
        self.kept.retain(|kept| !prefix.tokens.starts_with(&kept.tokens));
        self.kept.push(prefix);
        while self.kept.iter().map(Prefix::bytes).sum::<usize>() > self.most_bytes && !self.kept.is_empty() {
            self.kept.remove(0);
        }
    }

    /// Gives up everything: the memory is needed.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    /// Whether anything is kept.
    pub(super) fn has_any(&self) -> bool {
        !self.kept.is_empty()
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    fn prefix(tokens: &[u32]) -> Prefix {
        let zeros = || Tensor::zeros((1, tokens.len(), 2), DType::F32, &Device::Cpu).unwrap();
        Prefix { tokens: tokens.to_vec(), layers: vec![(zeros(), zeros())] }
    }

    #[test]
    fn the_least_recently_used_context_goes_first_and_a_longer_one_takes_the_place_of_its_beginning() {
        // 16 bytes a token: room for six.
        let mut prefixes = Prefixes::new(96);
        prefixes.keep(prefix(&[1, 2]));
        prefixes.keep(prefix(&[1, 2, 3]));
        assert_eq!(prefixes.len(), 1);
        prefixes.keep(prefix(&[4, 5, 6]));
        assert_eq!(prefixes.find(&[1, 2, 9]).unwrap().map(|found| found.tokens), Some(vec![1, 2]));
        prefixes.keep(prefix(&[7, 8]));
        assert_eq!((prefixes.covers(&[4, 5, 6]), prefixes.covers(&[1, 2, 3]), prefixes.covers(&[7, 8, 9])), (0, 3, 2));
        assert!(prefixes.find(&[9]).unwrap().is_none());
    }
}
