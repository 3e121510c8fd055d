//! Metrics that are no mean of shares: each sample gives a few numbers, and all of them together make the value.
//! The forms are those of lm-evaluation-harness 0.4.13 (`lm_eval/api/metrics.py`), so that its numbers can be compared.
//! Kept out: how sure the value is (`bootstrap`).

use serde::{Deserialize, Serialize};

use super::compare::Scale;
use super::{Direction, MetricName, Unit};
use crate::stats::float;

/// Counts beyond this are no longer told apart by a number of this kind.
const MOST_SAMPLES: f64 = 9_007_199_254_740_992.0;

/// How the parts of all samples become one value. Each says what a sample's parts are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// `[value]`: their mean.
    Mean,
    /// `[value]`: their median, the upper one of two.
    Median,
    /// `[log-likelihood]`: exp(-mean).
    Perplexity,
    /// `[log-likelihood, weight]`: exp(-sum / sum of weights).
    WeightedPerplexity,
    /// `[log-likelihood, bytes]`: -sum / sum of bytes / ln 2.
    BitsPerByte,
    /// `[gold, predicted]`: the F1 score of class 1 over all samples.
    F1,
    /// `[gold, predicted]`: Matthews' correlation over all samples.
    Mcc,
    /// `[matches of 1 to 4 words, candidates of 1 to 4 words, words said, words of the reference]`: BLEU in percent.
    Bleu,
    /// For each order of letters and words: `[said, of the reference, matching]`: chrF in percent.
    Chrf,
    /// `[edits, words of the reference]`: TER in percent.
    Ter,
    /// `[successes, samples]`: yes-or-no samples that another tool has counted.
    Counted,
    /// `[value, samples]` or `[value, samples, standard error]`: what another tool has made of its samples. Two of them make
    /// no third, since nobody knows how.
    Recorded,
}

/// A metric that a task brings along: which way is better.
#[derive(Clone, PartialEq, Debug)]
pub struct Declared {
    /// The metric.
    pub name: MetricName,
    /// Which way is better.
    pub direction: Direction,
}

impl Aggregate {
    /// What its values are measured in.
    pub fn unit(self) -> Unit {
        match self {
            Aggregate::F1 | Aggregate::Counted => Unit::Share,
            Aggregate::Recorded
            | Aggregate::Mean
            | Aggregate::Median
            | Aggregate::Perplexity
            | Aggregate::WeightedPerplexity
            | Aggregate::BitsPerByte
            | Aggregate::Mcc
            | Aggregate::Bleu
            | Aggregate::Chrf
            | Aggregate::Ter => Unit::Number,
        }
    }

    /// How two values are compared: perplexities and scores in percent by their ratio, what has a range of its own by its difference.
    /// None for what pairs of samples say nothing of: a median, whose jackknife is not consistent, and what has no samples here.
    pub fn paired_by(self) -> Option<Scale> {
        match self {
            Aggregate::Perplexity
            | Aggregate::WeightedPerplexity
            | Aggregate::BitsPerByte
            | Aggregate::Bleu
            | Aggregate::Chrf
            | Aggregate::Ter => Some(Scale::Ratio),
            Aggregate::Mean | Aggregate::F1 | Aggregate::Mcc => Some(Scale::Share),
            Aggregate::Median | Aggregate::Counted | Aggregate::Recorded => None,
        }
    }

    /// Whether parts have the form that it asks for: as many as it takes, each finite.
    pub fn takes(self, parts: &[f64]) -> bool {
        let length = match self {
            Aggregate::Mean | Aggregate::Median | Aggregate::Perplexity => parts.len() == 1,
            Aggregate::WeightedPerplexity
            | Aggregate::BitsPerByte
            | Aggregate::F1
            | Aggregate::Mcc
            | Aggregate::Ter => parts.len() == 2,
            Aggregate::Bleu => parts.len() == 10,
            Aggregate::Chrf => !parts.is_empty() && parts.len().is_multiple_of(3),
            Aggregate::Counted => match parts {
                [successes, samples] => whole(*samples) && *samples >= 1.0 && whole(*successes) && successes <= samples,
                _ => false,
            },
            Aggregate::Recorded => match parts {
                [_, samples] => whole(*samples) && *samples >= 1.0,
                [_, samples, error] => whole(*samples) && *samples >= 1.0 && *error >= 0.0,
                _ => false,
            },
        };
        length && parts.iter().all(|part| part.is_finite())
    }

    /// The value over the parts of all samples; none without samples, for parts of another form, and where lm-eval has no
    /// number or one that is not finite.
    pub fn combine(self, samples: &[&[f64]]) -> Option<f64> {
        if !samples.iter().all(|parts| self.takes(parts)) {
            return None;
        }
        self.over(&self.labels(samples), samples.iter().copied())
    }

    /// The classes among the samples of a metric over classes; nothing for the others.
    pub(super) fn labels(self, samples: &[&[f64]]) -> Vec<f64> {
        match self {
            Aggregate::F1 | Aggregate::Mcc => {
                let mut labels: Vec<f64> = samples.iter().flat_map(|parts| parts.iter().copied()).collect();
                labels.sort_by(f64::total_cmp);
                labels.dedup();
                labels
            }
            Aggregate::Mean
            | Aggregate::Median
            | Aggregate::Perplexity
            | Aggregate::WeightedPerplexity
            | Aggregate::BitsPerByte
            | Aggregate::Bleu
            | Aggregate::Chrf
            | Aggregate::Ter
            | Aggregate::Counted
            | Aggregate::Recorded => Vec::new(),
        }
    }

    /// The same for samples that were checked; `labels` are the classes of all of them.
    pub(super) fn over<'a>(self, labels: &[f64], samples: impl Iterator<Item = &'a [f64]>) -> Option<f64> {
        let value = match self {
            Aggregate::Median => median(samples.filter_map(|parts| parts.first().copied()).collect())?,
            Aggregate::F1 => f1(labels, samples)?,
            Aggregate::Mcc => matthews(labels, samples)?,
            Aggregate::Recorded => {
                let mut samples = samples;
                let only = samples.next().and_then(|parts| parts.first().copied());
                only.filter(|_| samples.next().is_none())?
            }
            Aggregate::Counted
            | Aggregate::Mean
            | Aggregate::Perplexity
            | Aggregate::WeightedPerplexity
            | Aggregate::BitsPerByte
            | Aggregate::Bleu
            | Aggregate::Chrf
            | Aggregate::Ter => {
                let (mut sums, mut count) = (Vec::new(), 0_u64);
                for parts in samples {
                    count += 1;
                    if sums.is_empty() {
                        sums.extend_from_slice(parts);
                    } else if sums.len() == parts.len() {
                        sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
                    } else {
                        return None;
                    }
                }
                self.of_sums(&sums, count)?
            }
        };
        value.is_finite().then_some(value)
    }

    /// The value of sums over all samples.
    pub(super) fn of_sums(self, sums: &[f64], count: u64) -> Option<f64> {
        match (self, sums) {
            (Aggregate::Mean, [sum]) => Some(sum / float(count)),
            (Aggregate::Counted, [successes, samples]) => Some(successes / samples),
            (Aggregate::Perplexity, [sum]) => Some((-sum / float(count)).exp()),
            (Aggregate::WeightedPerplexity, [sum, weight]) => Some((-sum / weight).exp()),
            (Aggregate::BitsPerByte, [sum, bytes]) => Some(-sum / bytes / std::f64::consts::LN_2),
            (Aggregate::Bleu, [one, two, three, four, of_one, of_two, of_three, of_four, said, reference]) => {
                let orders = [(*one, *of_one), (*two, *of_two), (*three, *of_three), (*four, *of_four)];
                Some(bleu(orders, *said, *reference))
            }
            (Aggregate::Chrf, sums) => Some(chrf(sums)),
            (Aggregate::Ter, [edits, words]) if *words > 0.0 => Some(100.0 * edits / words),
            (Aggregate::Ter, [edits, _]) => Some(if *edits > 0.0 { 100.0 } else { 0.0 }),
            (_, _) => None,
        }
    }
}

/// A count: a number that is whole, and small enough to be one.
fn whole(number: f64) -> bool {
    number >= 0.0 && number.fract() == 0.0 && number <= MOST_SAMPLES
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

/// Source: scikit-learn 1.9 `f1_score` with its defaults: two classes at most, of which 1 is the positive one.
fn f1<'a>(labels: &[f64], samples: impl Iterator<Item = &'a [f64]>) -> Option<f64> {
    #[expect(clippy::float_cmp, reason = "a class is a whole number")]
    let is_one = |value: &f64| *value == 1.0;
    if labels.is_empty() || labels.len() > 2 || (labels.len() == 2 && !labels.iter().any(is_one)) {
        return None;
    }
    let (mut both, mut either) = (0_u64, 0_u64);
    for parts in samples {
        let found = parts.iter().filter(|part| is_one(part)).count() as u64;
        both += u64::from(found == 2);
        either += found;
    }
    Some(if either == 0 { 0.0 } else { 2.0 * float(both) / float(either) })
}

/// Source: J. Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient, 2004.
fn matthews<'a>(labels: &[f64], samples: impl Iterator<Item = &'a [f64]>) -> Option<f64> {
    let mut counts = vec![(0_u64, 0_u64); labels.len()];
    let (mut right, mut all) = (0_u64, 0_u64);
    let place = |value: &f64| labels.iter().position(|label| label.total_cmp(value).is_eq());
    for parts in samples {
        let [gold, said] = parts else { return None };
        let (gold, said) = (place(gold)?, place(said)?);
        counts.get_mut(gold)?.0 += 1;
        counts.get_mut(said)?.1 += 1;
        right += u64::from(gold == said);
        all += 1;
    }
    if all == 0 {
        return None;
    }
    let (right, all) = (float(right), float(all));
    let dot = |pair: &dyn Fn(&(u64, u64)) -> f64| counts.iter().map(pair).sum::<f64>();
    let both = right * all - dot(&|(gold, said)| float(*gold) * float(*said));
    let said = all * all - dot(&|(_, said)| float(*said) * float(*said));
    let gold = all * all - dot(&|(gold, _)| float(*gold) * float(*gold));
    Some(if said * gold == 0.0 { 0.0 } else { both / (said * gold).sqrt() })
}

/// Corpus BLEU of 4 orders with exponential smoothing, as sacrebleu 2.x has it by default.
/// Source: K. Papineni and others, BLEU, ACL 2002; B. Chen and C. Cherry, smoothing technique 3, WMT 2014.
fn bleu(orders: [(f64, f64); 4], said: f64, reference: f64) -> f64 {
    if said <= 0.0 || orders.iter().all(|(matches, _)| *matches <= 0.0) {
        return 0.0;
    }
    let mut smooth = 1.0;
    let mut logs = 0.0;
    for (matches, candidates) in orders {
        if candidates <= 0.0 {
            // No candidate of this length: a precision of 0, and so is the whole.
            return 0.0;
        }
        logs += if matches > 0.0 {
            (100.0 * matches / candidates).ln()
        } else {
            smooth *= 2.0;
            (100.0 / (smooth * candidates)).ln()
        };
    }
    let brevity = if said < reference { (1.0 - reference / said).exp() } else { 1.0 };
    brevity * (logs / 4.0).exp()
}

/// chrF with beta 2: the orders that both sides have are averaged.
/// Source: M. Popović, chrF, WMT 2015; sacrebleu 2.x.
fn chrf(sums: &[f64]) -> f64 {
    let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
    for order in sums.chunks_exact(3) {
        if let [said, reference, matching] = order
            && *said > 0.0
            && *reference > 0.0
        {
            precision += matching / said;
            recall += matching / reference;
            orders += 1.0;
        }
    }
    if orders == 0.0 || precision + recall == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (precision / orders, recall / orders);
    100.0 * 5.0 * precision * recall / (4.0 * precision + recall)
}
