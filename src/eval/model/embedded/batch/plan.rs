//! Which of the waiting rows are computed together, and behind which context. Pure.

use super::row::{Row, common};

/// Fewer tokens than this are not worth a context of their own.
pub(super) const LEAST_CONTEXT: usize = 32;

/// What one batch may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Tokens, padding counted.
    pub(super) tokens: usize,
    /// Scores of attention: tokens times what they may see times heads.
    pub(super) scores: usize,
    /// Heads of the model.
    pub(super) heads: usize,
}

/// A batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Choice {
    /// Numbers of the rows, the shortest first.
    pub(super) members: Vec<usize>,
    /// Tokens of their common context that are computed once.
    pub(super) context: usize,
}

/// What was computed before.
pub(super) trait Past {
    /// How many of these tokens a kept context stands for.
    fn kept(&self, tokens: &[u32]) -> usize;
    /// How many of these tokens an earlier row began with as well.
    fn seen(&self, tokens: &[u32]) -> usize;
}

/// Chooses a batch with the first row in it, the one that waits longest.
pub(super) fn choose(rows: &[&Row], past: &dyn Past, limits: Limits) -> Choice {
    let Some(first) = rows.first() else { return Choice { members: Vec::new(), context: 0 } };
    let shares: Vec<usize> = rows.iter().map(|row| common(first.cacheable(), row.cacheable())).collect();
    let kept = past.kept(first.cacheable());
    let (members, context) = match together(&shares) {
        Some(share) => {
            let members = (0..rows.len()).filter(|row| shares.get(*row).is_some_and(|own| *own >= share)).collect();
            // A few tokens more are no reason for a context of their own.
            let known = kept.min(share);
            (members, if known >= LEAST_CONTEXT && share - known < LEAST_CONTEXT { known } else { share })
        }
        None if kept >= LEAST_CONTEXT => (vec![0], kept),
        None => match past.seen(first.cacheable()) {
            seen if seen >= LEAST_CONTEXT => (vec![0], seen),
            _ => (alone(rows, past), 0),
        },
    };
    Choice { members: of_one_length(rows, members, context, limits), context }
}

/// How many tokens are shared with others: the number that saves most, where any is worth it.
fn together(shares: &[usize]) -> Option<usize> {
    let mut sorted: Vec<usize> = shares.iter().copied().filter(|share| *share >= LEAST_CONTEXT).collect();
    sorted.sort_unstable_by(|left, right| right.cmp(left));
    let saved = |(others, share): (usize, &usize)| others * share;
    let best = sorted.iter().enumerate().skip(1).max_by_key(|(others, share)| saved((*others, share)));
    best.map(|(_, share)| *share)
}

/// Rows that share a context with nobody.
fn alone(rows: &[&Row], past: &dyn Past) -> Vec<usize> {
    let begin = |row: &Row| row.cacheable().get(..LEAST_CONTEXT).map(<[u32]>::to_vec);
    let begins: Vec<Option<Vec<u32>>> = rows.iter().map(|row| begin(row)).collect();
    let mut sorted: Vec<&Vec<u32>> = begins.iter().flatten().collect();
    sorted.sort_unstable();
    let is_alone = |(number, begin): (usize, &Option<Vec<u32>>)| {
        let many = |begin: &Vec<u32>| {
            sorted.partition_point(|other| *other <= begin) - sorted.partition_point(|other| *other < begin)
        };
        let others = begin.as_ref().map_or(0, many);
        let kept = rows.get(number).is_some_and(|row| past.kept(row.cacheable()) >= LEAST_CONTEXT);
        number == 0 || (others <= 1 && !kept)
    };
    begins.iter().enumerate().filter(|(number, begin)| is_alone((*number, begin))).map(|(number, _)| number).collect()
}

/// Those whose length is nearest to the first row's, as many as the limits let in.
fn of_one_length(rows: &[&Row], mut members: Vec<usize>, context: usize, limits: Limits) -> Vec<usize> {
    let length = |row: &usize| rows.get(*row).map_or(0, |row| row.tokens() - context);
    members.sort_by_key(|row| (length(row), *row));
    let Some(place) = members.iter().position(|row| *row == 0) else { return members };
    let fits = |from: usize, to: usize| {
        let longest = members.get(to).map_or(0, length);
        let tokens = (to - from + 1) * longest;
        tokens <= limits.tokens
            && tokens.saturating_mul(context + longest).saturating_mul(limits.heads) <= limits.scores
    };
    let at = |place: usize| members.get(place).map_or(0, length);
    let (mut from, mut to) = (place, place);
    loop {
        let shorter = (from > 0 && fits(from - 1, to)).then(|| at(place) - at(from - 1));
        let longer = (to + 1 < members.len() && fits(from, to + 1)).then(|| at(to + 1) - at(place));
        match (shorter, longer) {
            (Some(shorter), longer) if longer.is_none_or(|longer| shorter <= longer) => from -= 1,
            (_, Some(_)) => to += 1,
            (_, None) => break,
        }
    }
    members.get(from..=to).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known(usize, usize);

    impl Past for Known {
        fn kept(&self, tokens: &[u32]) -> usize {
            self.0.min(tokens.len())
        }

        fn seen(&self, tokens: &[u32]) -> usize {
            self.1.min(tokens.len())
        }
    }

    const WIDE: Limits = Limits { tokens: 100_000, scores: usize::MAX, heads: 1 };

    /// A row that begins with `shared` equal tokens and goes on with `own` others.
    fn row(shared: usize, own: u32, length: usize) -> Row {
        let trunk = [vec![1; shared], vec![own; length]].concat();
        Row { trunk, branches: Vec::new(), wanted: Vec::new() }
    }

    fn chosen(rows: &[Row], past: &Known, limits: Limits) -> Choice {
        choose(&rows.iter().collect::<Vec<_>>(), past, limits)
    }

    #[test]
    fn the_context_is_the_one_that_saves_most() {
        let mut rows: Vec<Row> = (2..20).map(|own| row(100, own, 10)).collect();
        // Two that are alike for longer are not worth leaving the others.
        rows.push(row(100, 2, 50));
        let choice = chosen(&rows, &Known(0, 0), WIDE);
        assert_eq!((choice.context, choice.members.len()), (100, 19));
        // A context that is there already is not made anew for some tokens more.
        assert_eq!(chosen(&rows, &Known(90, 0), WIDE).context, 90);
        assert_eq!(chosen(&rows, &Known(40, 0), WIDE).context, 100);
    }

    #[test]
    fn a_row_alone_uses_what_is_kept_or_was_seen_and_leaves_others_to_theirs() {
        let rows = [row(0, 2, 60), row(100, 3, 9), row(100, 4, 9), row(0, 5, 60), row(0, 6, 4)];
        let choice = chosen(&rows, &Known(0, 0), WIDE);
        assert_eq!((choice.context, choice.members), (0, vec![4, 0, 3]));
        assert_eq!(chosen(&rows, &Known(50, 0), WIDE), Choice { members: vec![0], context: 50 });
        assert_eq!(chosen(&rows, &Known(0, 40), WIDE), Choice { members: vec![0], context: 40 });
        assert_eq!(chosen(&rows, &Known(20, 20), WIDE).context, 0);
    }

    #[test]
    fn a_batch_is_of_like_lengths_and_within_its_limits() {
        let rows: Vec<Row> =
            [50, 10, 52, 90, 49, 48].iter().zip(2..).map(|(length, own)| row(0, own, *length)).collect();
        let limits = Limits { tokens: 160, ..WIDE };
        assert_eq!(chosen(&rows, &Known(0, 0), limits).members, [5, 4, 0]);
        let scores = Limits { scores: 2 * 50 * 50 * 8, heads: 8, ..WIDE };
        assert_eq!(chosen(&rows, &Known(0, 0), scores).members, [4, 0]);
        // What is too long for any batch is one by itself.
        assert_eq!(chosen(&rows, &Known(0, 0), Limits { tokens: 1, ..WIDE }).members, [0]);
        assert!(chosen(&[], &Known(0, 0), WIDE).members.is_empty());
    }

    #[test]
    fn every_set_of_rows_is_worked_off() {
        for seed in 0..200_u32 {
            let mut next = seed.wrapping_mul(2_654_435_761) | 1;
            let mut draw = |below: u32| {
                next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (next >> 16) % below
            };
            let mut rows: Vec<Row> =
                (0..30).map(|_| row(draw(3) as usize * 40, draw(5) + 2, draw(60) as usize + 1)).collect();
            let limits = Limits { tokens: 200 + draw(2000) as usize, ..WIDE };
            while !rows.is_empty() {
                let choice = chosen(&rows, &Known(draw(50) as usize, draw(50) as usize), limits);
                assert!(choice.members.contains(&0));
                let first = rows[0].cacheable().to_vec();
                for member in &choice.members {
                    assert!(rows[*member].cacheable().starts_with(&first[..choice.context]));
                }
                let mut number = 0;
                rows.retain(|_| {
                    number += 1;
                    !choice.members.contains(&(number - 1))
                });
            }
        }
    }
}
