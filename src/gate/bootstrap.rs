//! How sure an aggregate is: lm-eval's own standard error, and one over groups where samples are not independent or lm-eval
//! has none. Kept out: the aggregate itself (`aggregate`), verdicts (`assess`).

use std::collections::BTreeMap;

use super::Aggregate;
use crate::stats::{Mersenne, float, mean};

/// Resamples of lm-eval 0.4.13 (`bootstrap_iters`), and samples of one seed.
const RESAMPLES: u64 = 100_000;
const CHUNK: u64 = 1000;
/// Resamples of the metrics that lm-eval calls slow (`evaluator_utils.py`).
const FEW: u64 = 100;
/// Threads at most.
const THREADS: usize = 8;

impl Aggregate {
    /// The standard error that lm-eval reports: of a mean `s / sqrt(n)`, of others by its bootstrap, draw for draw. None where
    /// lm-eval has none ("N/A"): fewer than two samples, weighted perplexities, bits per byte.
    pub fn stderr(self, samples: &[&[f64]]) -> Option<f64> {
        if samples.len() < 2 || !samples.iter().all(|parts| self.takes(parts)) {
            return None;
        }
        match self {
            Aggregate::Mean => {
                let values: Vec<f64> = samples.iter().filter_map(|parts| parts.first().copied()).collect();
                mean(&values).map(|mean| mean.standard_error)
            }
            Aggregate::Median | Aggregate::Perplexity | Aggregate::F1 | Aggregate::Mcc => {
                self.bootstrap(samples, RESAMPLES / CHUNK, CHUNK)
            }
            Aggregate::Bleu | Aggregate::Chrf | Aggregate::Ter => self.bootstrap(samples, 1, FEW),
            Aggregate::WeightedPerplexity | Aggregate::BitsPerByte | Aggregate::Counted | Aggregate::Recorded => None,
        }
    }

    /// Chunk `i` is drawn from a generator that is seeded with `i`.
    fn bootstrap(self, samples: &[&[f64]], chunks: u64, each: u64) -> Option<f64> {
        let labels = self.labels(samples);
        let threads = std::thread::available_parallelism().map_or(1, usize::from).clamp(1, THREADS);
        let chunk = |seed: u64| -> Option<Vec<f64>> {
            let mut random = Mersenne::new(seed);
            let drawn = |_| {
                let draws = (0..samples.len()).filter_map(|_| samples.get(random.choice(samples.len())).copied());
                self.over(&labels, draws)
            };
            (0..each).map(drawn).collect()
        };
        let part = |first: usize| -> Option<Vec<f64>> {
            let seeds = (0..chunks).skip(first).step_by(threads);
            Some(seeds.map(chunk).collect::<Option<Vec<_>>>()?.concat())
        };
        let values = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|first| scope.spawn(move || part(first))).collect();
            running.into_iter().map(|one| one.join().ok().flatten()).collect::<Option<Vec<_>>>()
        });
        let values = values?.concat();
        let middle = values.iter().sum::<f64>() / float(values.len() as u64);
        let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
        Some((squares / float((values.len() as u64).saturating_sub(1))).sqrt())
    }

    /// The standard error over groups of samples, by leaving out each group in turn. None for a median, whose jackknife is not
    /// consistent, and for fewer than two groups.
    pub(super) fn jackknife(self, samples: &[(u64, &[f64])]) -> Option<f64> {
        let values = self.without_each(samples)?;
        jackknife(&values)
    }

    /// The value without each group in turn, in the order of the groups' numbers. None for a median, for fewer than two groups, and
    /// where one of them has no value.
    pub(super) fn without_each(self, samples: &[(u64, &[f64])]) -> Option<Vec<f64>> {
        let mut groups: BTreeMap<u64, (u64, Vec<f64>)> = BTreeMap::new();
        for (group, parts) in samples {
            let (count, sums) = groups.entry(*group).or_insert_with(|| (0, vec![0.0; parts.len()]));
            *count += 1;
            sums.iter_mut().zip(*parts).for_each(|(sum, part)| *sum += part);
        }
        let parts: Vec<&[f64]> = samples.iter().map(|(_, parts)| *parts).collect();
        if groups.len() < 2 || self == Aggregate::Median || self.combine(&parts).is_none() {
            return None;
        }
        if matches!(self, Aggregate::F1 | Aggregate::Mcc) {
            let labels = self.labels(&parts);
            let others = |group: u64| samples.iter().filter(move |(own, _)| *own != group).map(|(_, parts)| *parts);
            return groups.keys().map(|group| self.over(&labels, others(*group))).collect();
        }
        // The others are made of sums, which need not be added up again for every group.
        let length = parts.first()?.len();
        let mut whole = vec![0.0; length];
        for (_, sums) in groups.values() {
            whole.iter_mut().zip(sums).for_each(|(whole, sum)| *whole += sum);
        }
        let count = parts.len() as u64;
        let without = |(own, sums): &(u64, Vec<f64>)| {
            let left: Vec<f64> = whole.iter().zip(sums).map(|(whole, sum)| whole - sum).collect();
            self.of_sums(&left, count - own).filter(|value| value.is_finite())
        };
        groups.values().map(without).collect()
    }
}

/// The standard error of a value, from its values without each group in turn. None for fewer than two.
/// Source: B. Efron and C. Stein, The jackknife estimate of variance, Annals of Statistics 9, 1981.
pub(super) fn jackknife(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let count = float(values.len() as u64);
    let middle = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
    Some(((count - 1.0) / count * squares).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: lm-eval 0.4.13, `lm_eval.api.metrics`: the aggregation, and `stderr_for_metric(_, 100000)`.
    #[test]
    fn values_and_standard_errors_are_those_of_lm_eval() {
        let likelihoods = [
            -1.619, -0.754, -3.255, -0.362, -2.679, -1.828, -0.29, -2.537, -0.187, -2.168, -0.349, -0.454, -2.123,
            -4.134, -0.619, -1.116, -3.137, -4.739, -2.886, -1.983, -4.881, -0.233, -4.292, -1.448, -0.721, -0.589,
            -1.542, -4.081, -0.904, -2.908,
        ];
        let weights = [
            15.0, 26.0, 9.0, 38.0, 7.0, 39.0, 6.0, 16.0, 34.0, 37.0, 30.0, 23.0, 32.0, 40.0, 32.0, 26.0, 22.0, 18.0,
            14.0, 18.0, 8.0, 39.0, 22.0, 36.0, 34.0, 24.0, 31.0, 21.0, 7.0, 10.0,
        ];
        let alone: Vec<Vec<f64>> = likelihoods.iter().map(|one| vec![*one]).collect();
        let weighted: Vec<Vec<f64>> = likelihoods.iter().zip(weights).map(|(one, weight)| vec![*one, weight]).collect();
        let table = [
            (Aggregate::Mean, &alone, -1.9606000000000001, Some(0.26707104655511793)),
            (Aggregate::Median, &alone, -1.619, Some(0.43278442618428303)),
            (Aggregate::Perplexity, &alone, 7.103587939530214, Some(1.9782778309510145)),
            (Aggregate::WeightedPerplexity, &weighted, 1.0858663539312503, None),
            (Aggregate::BitsPerByte, &weighted, 0.11884655030113034, None),
        ];
        for (aggregate, parts, value, error) in table {
            let samples: Vec<&[f64]> = parts.iter().map(Vec::as_slice).collect();
            let near = |left: f64, right: f64| (left - right).abs() <= 1e-9 * right.abs();
            assert!(near(aggregate.combine(&samples).unwrap(), value), "{aggregate:?}");
            match (aggregate.stderr(&samples), error) {
                (Some(ours), Some(theirs)) => assert!(near(ours, theirs), "{aggregate:?}: {ours} is not {theirs}"),
                (ours, theirs) => assert_eq!(ours, theirs, "{aggregate:?}"),
            }
        }
    }

    /// Source: lm-eval 0.4.13, `lm_eval.api.metrics`: the aggregation, and `bootstrap_stderr(_, _, 2000)`.
    #[test]
    fn classes_are_counted_and_drawn_as_by_lm_eval() {
        let table: [(Aggregate, [[f64; 2]; 30], f64, f64); 2] = [
            (
                Aggregate::F1,
                [
                    [1.0, 1.0],
                    [0.0, 1.0],
                    [1.0, 1.0],
                    [0.0, 0.0],
                    [1.0, 1.0],
                    [1.0, 0.0],
                    [0.0, 0.0],
                    [0.0, 0.0],
                    [1.0, 1.0],
                    [1.0, 0.0],
                    [1.0, 0.0],
                    [1.0, 0.0],
                    [1.0, 1.0],
                    [0.0, 0.0],
                    [0.0, 0.0],
                    [1.0, 0.0],
                    [1.0, 0.0],
                    [0.0, 0.0],
                    [0.0, 0.0],
                    [1.0, 1.0],
                    [1.0, 1.0],
                    [1.0, 1.0],
                    [1.0, 1.0],
                    [1.0, 1.0],
                    [0.0, 0.0],
                    [1.0, 1.0],
                    [1.0, 1.0],
                    [0.0, 0.0],
                    [0.0, 1.0],
                    [1.0, 1.0],
                ],
                0.7647058823529411,
                0.0818504408233546,
            ),
            (
                Aggregate::Mcc,
                [
                    [2.0, 2.0],
                    [2.0, 2.0],
                    [2.0, 2.0],
                    [2.0, 2.0],
                    [2.0, 2.0],
                    [0.0, 0.0],
                    [1.0, 1.0],
                    [2.0, 1.0],
                    [2.0, 2.0],
                    [1.0, 1.0],
                    [1.0, 1.0],
                    [1.0, 1.0],
                    [1.0, 1.0],
                    [0.0, 2.0],
                    [1.0, 1.0],
                    [2.0, 0.0],
                    [1.0, 1.0],
                    [0.0, 0.0],
                    [0.0, 1.0],
                    [0.0, 0.0],
                    [0.0, 0.0],
                    [1.0, 1.0],
                    [0.0, 0.0],
                    [0.0, 0.0],
                    [1.0, 1.0],
                    [2.0, 2.0],
                    [0.0, 1.0],
                    [0.0, 2.0],
                    [0.0, 0.0],
                    [2.0, 2.0],
                ],
                0.7126141000885,
                0.10211836743579261,
            ),
        ];
        for (aggregate, parts, value, error) in table {
            let samples: Vec<&[f64]> = parts.iter().map(<[f64; 2]>::as_slice).collect();
            assert!((aggregate.combine(&samples).unwrap() - value).abs() < 1e-12, "{aggregate:?}");
            assert!((aggregate.bootstrap(&samples, 2, 1000).unwrap() - error).abs() < 1e-9, "{aggregate:?}");
        }
    }

    #[test]
    fn what_has_no_number_has_none() {
        for parts in [&[][..], &[&[1.0, 2.0][..]], &[&[f64::NAN]]] {
            assert_eq!((Aggregate::Mean.combine(parts), Aggregate::Mean.stderr(parts)), (None, None));
        }
        let three: [&[f64]; 3] = [&[0.0, 1.0], &[2.0, 1.0], &[1.0, 1.0]];
        assert_eq!(Aggregate::F1.combine(&three), None, "scikit-learn refuses three classes");
    }
}
