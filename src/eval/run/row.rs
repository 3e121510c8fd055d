//! What is kept of a sample in memory: the numbers that metrics need, and nothing of its text.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::eval::sample::{Sample, SampleValue, Status};
use crate::gate::{Aggregate, MetricName, Score};

/// The numbers of one sample.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// The sample's number in the plan.
    pub slot: u32,
    /// How it ended.
    pub status: Status,
    /// Weighted mean of its assertions.
    pub score: Option<f64>,
    /// Milliseconds.
    pub latency_ms: Option<f64>,
    /// Milliseconds to the first token.
    pub ttft_ms: Option<f64>,
    /// USD.
    pub cost_usd: Option<f64>,
    /// Tokens of the prompt.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    pub completion_tokens: Option<u64>,
    /// The cluster's name, hashed.
    pub cluster: Option<u64>,
    /// Whether the answer came from the cache.
    pub cached: bool,
    /// Named scores by their number in [`Names`]; none where the assertion could not be judged.
    pub named: Box<[(u16, Option<f64>)]>,
    /// Parts of metrics that are no means of shares, by their number in [`Names`].
    pub values: Box<[(u16, Parts)]>,
}

/// A sample's part of a metric that is no mean of shares.
#[derive(Clone, PartialEq, Debug)]
pub struct Parts {
    /// How the parts of all samples become its value.
    pub aggregate: Aggregate,
    /// This sample's.
    pub parts: Box<[f64]>,
}

/// The names of scores, numbered as they come.
#[derive(Clone, Default, Debug)]
pub struct Names {
    numbers: BTreeMap<MetricName, u16>,
    names: Vec<MetricName>,
}

impl Names {
    /// The number of a name, a new one where it is new.
    fn number(&mut self, name: &MetricName) -> u16 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        // A suite with more than 65,535 names of scores shares the last number: absurd, and no reason to stop.
        let number = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        self.numbers.insert(name.clone(), number);
        self.names.push(name.clone());
        number
    }

    /// The named scores of one sample. Scores that share a name are averaged; one that is unscored makes the name so.
    pub fn means<'a>(
        &mut self,
        scores: impl Iterator<Item = (Option<&'a MetricName>, Option<Score>)>,
    ) -> Box<[(u16, Option<f64>)]> {
        let mut named: BTreeMap<u16, Option<(f64, u32)>> = BTreeMap::new();
        for (name, score) in scores {
            let Some(name) = name else { continue };
            let entry = named.entry(self.number(name)).or_insert(Some((0.0, 0)));
            *entry = match (*entry, score) {
                (Some((sum, count)), Some(score)) => Some((sum + score.value(), count + 1)),
                (None, _) | (Some(_), None) => None,
            };
        }
        let mean = |entry: Option<(f64, u32)>| entry.map(|(sum, count)| sum / f64::from(count.max(1)));
        named.into_iter().map(|(number, entry)| (number, mean(entry))).collect()
    }

    /// The parts of one sample.
    pub fn parts<'a>(&mut self, values: impl Iterator<Item = &'a SampleValue>) -> Box<[(u16, Parts)]> {
        let each = values.map(|SampleValue { name, aggregate, parts }| {
            let number = self.number(name);
            (number, Parts { aggregate: *aggregate, parts: parts.clone().into_boxed_slice() })
        });
        each.collect()
    }

    /// The number of a name that some sample has.
    pub fn find(&self, name: &MetricName) -> Option<u16> {
        self.numbers.get(name).copied()
    }

    /// All names, in their order.
    pub fn all(&self) -> &[MetricName] {
        &self.names
    }
}

impl Row {
    /// Whether the sample is neither right nor wrong: it has its part of a metric of all samples together, and no score.
    pub fn is_only_measured(&self) -> bool {
        self.status == Status::Passed && self.score.is_none() && !self.values.is_empty()
    }

    /// Takes the numbers out of a sample.
    pub fn of(slot: u32, sample: &Sample, names: &mut Names) -> Self {
        Self {
            slot,
            status: sample.status,
            score: sample.score.map(crate::gate::Score::value),
            latency_ms: sample.latency_ms,
            ttft_ms: sample.ttft_ms,
            cost_usd: sample.cost_usd,
            prompt_tokens: sample.usage.map(|usage| usage.prompt_tokens),
            completion_tokens: sample.usage.map(|usage| usage.completion_tokens),
            cluster: sample.cluster.as_deref().map(cluster_number),
            cached: sample.cached,
            named: names.means(sample.assertions.iter().map(|row| (row.metric.as_ref(), row.score))),
            values: names.parts(sample.values.iter()),
        }
    }
}

/// The number of a cluster's name.
pub fn cluster_number(text: &str) -> u64 {
    // The default hasher has fixed keys: one text has one hash in every process of this build.
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
