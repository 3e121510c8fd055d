//! From samples to metrics: which numbers of which samples go into which row of the report.

use std::collections::BTreeMap;

use super::planned::RuleScope;
use super::run::{Names, Plan, Row, Slot};
use super::sample::Status;
use super::suite::Suite;
use crate::gate::{
    Aggregate, CaseUnit, Data, Direction, Facts, KNOWN, Known, Metric, MetricName, Source, Subject, Threshold, assess,
    assess_rule, known_metric, named_score_direction, named_score_unit, settle_failures,
};

/// Metrics that a report has even without a threshold, where there is anything to measure.
const ALWAYS: &[&str] = &["pass_rate", "error_rate", "latency_p50_ms", "latency_p95_ms", "ttft_p50_ms", "cost_usd"];

/// A run's samples, with all that is needed to select among them.
#[derive(Clone, Copy)]
pub struct Drawn<'a> {
    /// The suites of the plan, in its order.
    pub suites: &'a [Suite],
    /// What was to be drawn.
    pub plan: &'a Plan,
    /// What was, by slot.
    pub rows: &'a [Option<Row>],
    /// The names of scores.
    pub names: &'a Names,
    /// The slots that are judged, where that is not all of them.
    pub part: Option<&'a [bool]>,
}

/// Judges all thresholds on the samples of a whole run.
pub fn judge(drawn: Drawn<'_>, thresholds: &[Threshold]) -> Vec<Metric> {
    let tested = thresholds.iter().filter(|one| one.is_in_family()).count();
    let family = u32::try_from(tested).unwrap_or(u32::MAX);
    let each = thresholds.iter().filter_map(|threshold| {
        let (subject, data) = drawn.measured(threshold)?;
        Some(assess_rule(&subject, &data, threshold, family))
    });
    settle_failures(each.collect())
}

/// Every metric of a run: the judged ones first, in the order of the policy, then the rest.
pub fn metrics(drawn: Drawn<'_>, judged: Vec<Metric>) -> Vec<Metric> {
    let mut metrics = judged;
    let whole: Vec<MetricName> =
        metrics.iter().filter(|metric| metric.scope.is_none()).map(|metric| metric.name.clone()).collect();
    let known = KNOWN.iter().filter(|known| ALWAYS.contains(&known.name));
    let known = known.filter_map(|known| Some((MetricName::new(known.name).ok()?, What::Known(*known))));
    let named = drawn.names.all().iter().enumerate();
    let named = named.map(|(number, name)| (name.clone(), What::Named(u16::try_from(number).ok())));
    for (name, what) in known.chain(named).filter(|(name, _)| !whole.contains(name)) {
        let data = drawn.data(what, &RuleScope::default());
        let declared = drawn.suites.iter().flat_map(Suite::declared).find(|declared| declared.name == name);
        let measured = assess(&what.subject(name, None, declared.map(|declared| declared.direction)), &data, None);
        // A metric that nothing was measured for is left out; a threshold on it is an error, and stays above.
        if measured.value.is_some() {
            metrics.push(measured);
        }
    }
    metrics
}

/// What a run was to do, and what it did.
pub fn facts(drawn: Drawn<'_>, error_budget: f64, shard: Option<(u32, u32)>) -> Facts {
    let rows =
        || drawn.rows.iter().enumerate().filter(|(slot, _)| drawn.has(*slot)).filter_map(|(_, row)| row.as_ref());
    let count = |status| rows().filter(|row| row.status == status).count() as u64;
    Facts {
        expected: (0..drawn.plan.slots().len()).filter(|slot| drawn.has(*slot)).count() as u64,
        finished: rows().count() as u64,
        errors: count(Status::Error),
        unscored: count(Status::Unscored),
        error_budget,
        shard,
    }
}

#[derive(Clone, Copy)]
enum What {
    Known(Known),
    /// A named score, by its number; none when no sample has it.
    Named(Option<u16>),
}

impl What {
    fn subject(self, name: MetricName, scope: Option<String>, given: Option<Direction>) -> Subject {
        let (direction, unit) = match self {
            What::Known(known) => (known.direction, known.unit),
            What::Named(_) => {
                let own = given.or_else(|| named_score_direction(name.as_str()));
                (own.unwrap_or(Direction::Higher), named_score_unit(name.as_str()))
            }
        };
        Subject { name, scope, direction, unit }
    }
}

/// A threshold's metric, and what it is made of; none for a named score.
pub fn subject_of(threshold: &Threshold) -> Option<(Subject, Option<Source>)> {
    let name = threshold.metric.as_str();
    let plain = MetricName::new(name.strip_prefix("score:").unwrap_or(name)).ok()?;
    let known = known_metric(name);
    let what = known.map_or(What::Named(None), |known| What::Known(*known));
    let subject = what.subject(plain, RuleScope::of_threshold(threshold).words(), threshold.direction);
    Some((subject, known.map(|known| known.source)))
}

impl<'a> Drawn<'a> {
    fn has(&self, slot: usize) -> bool {
        self.part.is_none_or(|part| part.get(slot).copied().unwrap_or(false))
    }

    /// A threshold's metric, and the samples that it is about.
    pub fn measured(&self, threshold: &Threshold) -> Option<(Subject, Data)> {
        let (subject, _) = subject_of(threshold)?;
        let what = match known_metric(threshold.metric.as_str()) {
            Some(known) => What::Known(*known),
            None => What::Named(self.names.find(&subject.name)),
        };
        let data = self.data(what, &RuleScope::of_threshold(threshold));
        Some((subject, data))
    }

    /// The samples of a scope, case by case: the slots of one case stand together.
    fn cases(&self, scope: &RuleScope<'_>) -> Cases<'a> {
        let mut cases = Cases { samples: Vec::with_capacity(self.plan.slots().len()), ends: Vec::new() };
        let mut last = None;
        for (index, (slot, row)) in self.plan.slots().iter().zip(self.rows).enumerate() {
            let Some(suite) = self.suites.get(usize::from(slot.suite)) else { continue };
            let Some(head) = suite.heads().get(slot.case as usize) else { continue };
            if !self.has(index) || !scope.holds(suite.name(), head) {
                continue;
            }
            let key = Some((slot.suite, slot.case));
            if last.is_some() && last != key {
                cases.ends.push(cases.samples.len());
            }
            last = key;
            cases.samples.push((*slot, row.as_ref()));
        }
        cases.ends.push(cases.samples.len());
        cases
    }

    fn data(&self, what: What, scope: &RuleScope<'_>) -> Data {
        let cases = self.cases(scope);
        match what {
            What::Named(None) => Data::Share(Vec::new()),
            // One name may be a mean of shares in one suite, and a value of all samples in another.
            What::Named(Some(number)) => {
                let weight = |slot: &Slot| {
                    let suite = self.suites.get(usize::from(slot.suite));
                    suite.and_then(Suite::stands_for).unwrap_or(1)
                };
                match cases.aggregate(number) {
                    Some(aggregate) => together(&cases, number, aggregate, weight),
                    None => each(&cases, number, weight),
                }
            }
            What::Known(known) => from_source(known.source, &cases),
        }
    }
}

/// Samples in the order of the plan, and where each case's samples end.
struct Cases<'a> {
    samples: Vec<(Slot, Option<&'a Row>)>,
    ends: Vec<usize>,
}

type Sampled<'a> = (Slot, Option<&'a Row>);

impl<'a> Cases<'a> {
    /// How the parts of a name become its value; none for a mean of shares.
    fn aggregate(&self, number: u16) -> Option<Aggregate> {
        let rows = self.samples.iter().filter_map(|(_, row)| *row);
        let mut parts = rows.flat_map(|row| row.values.iter()).filter(|(own, _)| *own == number);
        parts.next().map(|(_, parts)| parts.aggregate)
    }

    /// The number and the samples of each case.
    fn each(&self) -> impl Iterator<Item = (usize, &[Sampled<'a>])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let ranges = starts.zip(&self.ends).filter_map(|(start, end)| self.samples.get(start..*end));
        ranges.filter(|samples| !samples.is_empty()).enumerate()
    }
}

fn from_source(source: Source, cases: &Cases<'_>) -> Data {
    let status = |row: Option<&Row>| row.map(|row| row.status);
    let one_if = |condition: bool| Some(Some(if condition { 1.0 } else { 0.0 }));
    match source {
        Source::Passed => Data::Share(shares(cases, |row| match status(row) {
            Some(Status::Passed) if row.is_some_and(Row::is_only_measured) => None,
            Some(Status::Passed) => one_if(true),
            Some(Status::Failed) => one_if(false),
            Some(Status::Unscored | Status::Error) | None => Some(None),
        })),
        Source::Score => Data::Share(shares(cases, |row| {
            if row.is_some_and(Row::is_only_measured) { None } else { Some(row.and_then(|row| row.score)) }
        })),
        Source::Errors => Data::Share(shares(cases, |row| match status(row) {
            Some(status) => one_if(status == Status::Error),
            None => Some(None),
        })),
        Source::Unscored => Data::Share(shares(cases, |row| match status(row) {
            Some(status) => one_if(status == Status::Unscored),
            None => Some(None),
        })),
        Source::Latency(q) => quantile(cases, q, |row| row.latency_ms),
        Source::FirstToken(q) => quantile(cases, q, |row| row.ttft_ms),
        Source::LatencyMean => mean(cases, |row| row.latency_ms),
        Source::FirstTokenMean => mean(cases, |row| row.ttft_ms),
        Source::CostPerSample => mean(cases, |row| row.cost_usd),
        Source::Cost => total(cases, |row| row.cost_usd),
        Source::PromptTokens => total(cases, |row| row.prompt_tokens.map(float)),
        Source::CompletionTokens => total(cases, |row| row.completion_tokens.map(float)),
    }
}

/// One unit a case. `value` gives none for a sample that the metric is not about, and an inner none for a missing one.
fn shares(cases: &Cases<'_>, value: impl Fn(Option<&Row>) -> Option<Option<f64>>) -> Vec<CaseUnit> {
    let mut units = Vec::with_capacity(cases.ends.len());
    for (index, samples) in cases.each() {
        let mut unit = CaseUnit { cluster: cluster(index, samples), sum: 0.0, judged: 0, missing: 0 };
        for (_, row) in samples {
            match value(*row) {
                None => {}
                Some(None) => unit.missing += 1,
                Some(Some(share)) => {
                    unit.sum += share;
                    unit.judged += 1;
                }
            }
        }
        if unit.judged + unit.missing > 0 {
            units.push(unit);
        }
    }
    units
}

/// The number of a case's cluster: a named one by its hash, a case alone by its position; the two never meet.
fn cluster(index: usize, samples: &[(Slot, Option<&Row>)]) -> u64 {
    let named =
        samples.iter().find_map(|(slot, row)| row.and_then(|row| row.cluster).map(|hash| hash ^ u64::from(slot.suite)));
    match named {
        Some(hash) => hash | (1 << 63),
        None => index as u64,
    }
}

/// Whether a sample was really asked, and what it measured; those in error are missing, cached ones are no part of it.
fn asked(row: Option<&Row>, value: &impl Fn(&Row) -> Option<f64>) -> Option<Option<f64>> {
    let row = row?;
    match (row.status, value(row)) {
        (_, Some(value)) if value.is_finite() => Some(Some(value)),
        (Status::Error, _) => Some(None),
        (Status::Passed | Status::Failed | Status::Unscored, _) => None,
    }
}

fn quantile(cases: &Cases<'_>, q: f64, value: impl Fn(&Row) -> Option<f64>) -> Data {
    let mut values = Vec::new();
    let mut missing = 0;
    for found in cases.samples.iter().filter_map(|(_, row)| asked(*row, &value)) {
        match found {
            Some(value) => values.push(value),
            None => missing += 1,
        }
    }
    Data::Quantile { values, missing, q }
}

fn mean(cases: &Cases<'_>, value: impl Fn(&Row) -> Option<f64>) -> Data {
    let mut clusters: BTreeMap<u64, (f64, u64)> = BTreeMap::new();
    let mut missing = 0;
    for (index, samples) in cases.each() {
        for found in samples.iter().filter_map(|(_, row)| asked(*row, &value)) {
            match found {
                Some(value) => {
                    let total = clusters.entry(cluster(index, samples)).or_default();
                    *total = (total.0 + value, total.1 + 1);
                }
                None => missing += 1,
            }
        }
    }
    Data::Mean { clusters, missing }
}

/// A mean of shares. A sample that stands for many others and has no number leaves no interval: as one case of many it would be
/// next to nothing.
fn each(cases: &Cases<'_>, number: u16, weight: impl Fn(&Slot) -> u64) -> Data {
    let value = |row: Option<&Row>| Some(row?.named.iter().find(|(name, _)| *name == number)?.1);
    let units = shares(cases, value);
    let numberless = cases.samples.iter().filter(|(_, row)| value(*row) == Some(None));
    let others: u64 = numberless.map(|(slot, _)| weight(slot).saturating_sub(1)).fold(0, u64::saturating_add);
    let judged = || units.iter().filter(|unit| unit.judged > 0);
    let count = judged().count() as u64;
    if others == 0 || count == 0 {
        return Data::Share(units);
    }
    let mean = judged().map(|unit| unit.sum / f64::from(unit.judged)).sum::<f64>() / float(count);
    let missing = units.iter().map(|unit| u64::from(unit.missing)).sum::<u64>().saturating_add(others);
    Data::aggregate(Aggregate::Recorded, &[(0, &[mean, float(count)])], missing)
}

/// A value of all samples together. A sample that names the metric without parts of its form is missing, with all samples that it
/// stands for.
fn together(cases: &Cases<'_>, number: u16, aggregate: Aggregate, weight: impl Fn(&Slot) -> u64) -> Data {
    let (mut parts, mut missing) = (Vec::new(), 0);
    for (index, samples) in cases.each() {
        let group = cluster(index, samples);
        for (slot, row) in samples.iter().filter_map(|(slot, row)| Some((slot, (*row)?))) {
            match row.values.iter().find(|(own, _)| *own == number) {
                Some((_, own)) if own.aggregate == aggregate && aggregate.takes(&own.parts) => {
                    parts.push((group, &*own.parts));
                }
                Some(_) => missing = weight(slot).saturating_add(missing),
                None if row.named.iter().any(|(own, _)| *own == number) => {
                    missing = weight(slot).saturating_add(missing);
                }
                None => {}
            }
        }
    }
    Data::aggregate(aggregate, &parts, missing)
}

/// A sum; a sample whose part is not known makes it a lower bound.
fn total(cases: &Cases<'_>, value: impl Fn(&Row) -> Option<f64>) -> Data {
    let (mut sum, mut samples, mut missing) = (0.0, 0, 0);
    for (_, row) in &cases.samples {
        match row.and_then(&value).filter(|value| value.is_finite()) {
            Some(value) => {
                sum += value;
                samples += 1;
            }
            None => missing += 1,
        }
    }
    Data::Total { value: sum, samples, missing }
}

#[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}
