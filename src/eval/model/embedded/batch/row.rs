//! A question as one row of a batch: the tokens that its continuations share, and behind them each continuation as a branch that
//! sees the shared tokens and itself.

use super::super::loglikelihood::Pair;

/// The most tokens of branches in one row; further ones get a row of their own.
const MOST_BRANCHED: usize = 1024;

/// One token whose log-probability is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    /// The place in the row, trunk first, whose state predicts it.
    pub(super) at: usize,
    /// The token.
    pub(super) token: u32,
}

/// A row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    /// What all its branches share; never empty.
    pub(super) trunk: Vec<u32>,
    /// Inputs behind the trunk, one list a continuation; the last token of each continuation is no input.
    pub(super) branches: Vec<Vec<u32>>,
    /// The continuation's number in its request, and its tokens, for each branch.
    pub(super) wanted: Vec<(usize, Vec<Wanted>)>,
}

impl Row {
    /// Tokens in all.
    pub(super) fn tokens(&self) -> usize {
        self.trunk.len() + self.branches.iter().map(Vec::len).sum::<usize>()
    }

    /// Tokens that a cached context can stand for: the last one's own state may be wanted.
    pub(super) fn cacheable(&self) -> &[u32] {
        self.trunk.get(..self.trunk.len().saturating_sub(1)).unwrap_or_default()
    }

    /// The longest sequence of positions.
    pub(super) fn positions(&self) -> usize {
        self.trunk.len() + self.branches.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The rows of one request.
    pub(super) fn of(pairs: &[Pair]) -> Vec<Row> {
        let shared = shared(pairs);
        let mut rows: Vec<Row> = Vec::new();
        for (number, pair) in pairs.iter().enumerate() {
            let inputs = pair.tokens.len() - 1;
            let branch = pair.tokens.get(shared..inputs).unwrap_or_default();
            let room = |row: &Row| row.tokens() - row.trunk.len() + branch.len() <= MOST_BRANCHED;
            if !rows.last().is_some_and(room) {
                let trunk = pair.tokens.get(..shared).unwrap_or_default().to_vec();
                rows.push(Row { trunk, branches: Vec::new(), wanted: Vec::new() });
            }
            let Some(row) = rows.last_mut() else { continue };
            let begin = row.tokens();
            let wanted = pair.tokens.iter().enumerate().skip(pair.context).map(|(place, token)| {
                let before = place - 1;
                Wanted { at: if before < shared { before } else { begin + before - shared }, token: *token }
            });
            row.wanted.push((number, wanted.collect()));
            row.branches.push(branch.to_vec());
        }
        rows
    }
}

/// How many inputs at the beginning all pairs share, within their contexts.
fn shared(pairs: &[Pair]) -> usize {
    let Some((first, rest)) = pairs.split_first() else { return 0 };
    let alike = |pair: &Pair| common(&first.tokens, &pair.tokens);
    let common = rest.iter().map(alike).min().unwrap_or(first.tokens.len());
    pairs.iter().map(|pair| pair.context.min(pair.tokens.len() - 1)).min().unwrap_or(0).min(common)
}

/// How many tokens at the beginning are the same.
pub(super) fn common(left: &[u32], right: &[u32]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(tokens: &[u32], context: usize) -> Pair {
        Pair { tokens: tokens.to_vec(), context }
    }

    #[test]
    fn choices_of_one_token_need_no_branch_and_longer_ones_branch_behind_the_context() {
        let rows = Row::of(&[pair(&[1, 2, 3, 7], 3), pair(&[1, 2, 3, 8, 9], 3)]);
        let wanted = |at, token| Wanted { at, token };
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].trunk.as_slice(), &rows[0].branches), ([1, 2, 3].as_slice(), &vec![vec![], vec![8]]));
        assert_eq!(rows[0].wanted, [(0, vec![wanted(2, 7)]), (1, vec![wanted(2, 8), wanted(3, 9)])]);
        assert_eq!((rows[0].tokens(), rows[0].positions(), rows[0].cacheable()), (4, 4, [1, 2].as_slice()));
    }

    #[test]
    fn contexts_that_split_into_other_tokens_share_only_what_is_the_same() {
        let rows = Row::of(&[pair(&[1, 2, 3, 7], 3), pair(&[1, 2, 4, 8], 3)]);
        assert_eq!((rows[0].trunk.as_slice(), &rows[0].branches), ([1, 2].as_slice(), &vec![vec![3], vec![4]]));
        assert_eq!(rows[0].wanted.iter().map(|(_, wanted)| wanted[0].at).collect::<Vec<_>>(), [2, 3]);
        let alone = Row::of(&[pair(&[5, 6], 1)]);
        assert_eq!((alone[0].trunk.as_slice(), alone[0].wanted[0].1[0].at), ([5].as_slice(), 0));
    }

    #[test]
    fn many_continuations_are_several_rows_of_one_trunk() {
        let pairs: Vec<Pair> = (0..10).map(|number| pair(&[vec![1, number], vec![2; 500]].concat(), 1)).collect();
        let rows = Row::of(&pairs);
        assert!(rows.len() > 1 && rows.iter().all(|row| row.trunk == [1] && row.tokens() <= MOST_BRANCHED + 1));
        let numbers: Vec<usize> = rows.iter().flat_map(|row| row.wanted.iter().map(|(number, _)| *number)).collect();
        assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    }
}
