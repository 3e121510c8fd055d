//! Rollouts of versions whose true error rates are known: what the sequential test does with them, and what a fixed threshold does.

use llmci::deliver::Percent;
use llmci::deliver::analysis::{Evidence, Words, judge_with};
use llmci::deliver::plan::Plan;
use llmci::deliver::probe::{Buckets, NoData, Reading, Sides, Tally};
use llmci::gate::Verdict;
use llmci::stats::{Generator, float, normal_cdf};

/// The steps, in percent.
const STEPS: [u8; 4] = [10, 25, 50, 100];
/// The least time of a step, in seconds.
const HOLD: u64 = 60;
/// Seconds between two looks.
const LOOK: u64 = 30;
/// Seconds after the hold, at which an undecided step ends.
const LIMIT: u64 = 3600;
/// The guide's limit of the error rate.
const THRESHOLD: f64 = 0.01;

/// How rollouts of one kind ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub promoted: u32,
    /// By evidence, or by the threshold.
    pub failed: u32,
    /// At a limit.
    pub undecided: u32,
    /// Seconds from the beginning to the end, of each.
    pub seconds: Vec<u64>,
}

impl Outcome {
    fn add(&mut self, end: Verdict, seconds: u64) {
        match end {
            Verdict::Pass => self.promoted += 1,
            Verdict::Fail => self.failed += 1,
            Verdict::Inconclusive | Verdict::Error => self.undecided += 1,
        }
        self.seconds.push(seconds);
    }

    /// A share of all rollouts, in percent.
    pub fn percent(&self, count: u32) -> f64 {
        100.0 * f64::from(count) / float(self.seconds.len() as u64)
    }

    /// The median time to the end, in seconds.
    pub fn median(&self) -> u64 {
        let mut seconds = self.seconds.clone();
        seconds.sort_unstable();
        seconds.get(seconds.len() / 2).copied().unwrap_or_default()
    }
}

/// The service: requests a second in all, and the true error rates.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    pub rate: u64,
    pub stable: f64,
    pub canary: f64,
}

/// The plan that is simulated: the rules of a preset.
pub fn plan() -> Plan {
    serde_json::from_value(serde_json::json!({
        "version": 1, "workload": {"name": "llm"}, "change": {"image": "r:2"},
        "analysis": {"rates": [{"name": "errors", "bad": "b", "all": "a", "max": THRESHOLD, "max_increase": 0.01}]},
    }))
    .unwrap()
}

/// Rollouts judged by evidence.
pub fn sequential(plan: &Plan, service: Service, rollouts: u32, seed: u64) -> Outcome {
    let mut random = Generator::new(seed);
    let mut outcome = Outcome::default();
    for _ in 0..rollouts {
        let (end, seconds) = one(plan, service, &mut random);
        outcome.add(end, seconds);
    }
    outcome
}

fn one(plan: &Plan, service: Service, random: &mut Generator) -> (Verdict, u64) {
    let mut evidence = Evidence::default();
    let mut seconds = 0;
    for step in STEPS {
        let (mut canary, mut stable) = (Tally::default(), Tally::default());
        let mut held = 0;
        loop {
            held += LOOK;
            let share = f64::from(step) / 100.0;
            let requests = float(service.rate * LOOK);
            add(&mut canary, requests * share, service.canary, random);
            add(&mut stable, requests * (1.0 - share), service.stable, random);
            let side = |tally: Tally| if tally.all == 0 { Err(NoData::NoTraffic) } else { Ok(tally) };
            let reading = Ok(Reading::Counts(Sides { stable: side(stable), canary: side(canary) }));
            let readings = [("errors".to_owned(), reading)];
            let percent = Percent::new(step).unwrap();
            let verdict = judge_with(plan, percent, &readings, &mut evidence, Words::Short).verdict;
            match verdict {
                Verdict::Fail => return (Verdict::Fail, seconds + held),
                Verdict::Pass if held >= HOLD => break,
                Verdict::Pass | Verdict::Inconclusive | Verdict::Error => {}
            }
            if held >= HOLD + LIMIT {
                return (Verdict::Inconclusive, seconds + held);
            }
        }
        seconds += held;
        evidence.close_step();
    }
    (Verdict::Pass, seconds)
}

/// The guide's check: 60 s a step, and the canary's error rate of that step below 1 %; no requests are no errors.
pub fn threshold(service: Service, rollouts: u32, seed: u64) -> Outcome {
    let mut random = Generator::new(seed);
    let mut outcome = Outcome::default();
    for _ in 0..rollouts {
        let mut end = (Verdict::Pass, HOLD * STEPS.len() as u64);
        for (step, number) in STEPS.into_iter().zip(1_u64..) {
            let mut canary = Tally::default();
            let requests = float(service.rate * HOLD) * f64::from(step) / 100.0;
            add(&mut canary, requests, service.canary, &mut random);
            let rate = if canary.all == 0 { 0.0 } else { float(canary.bad) / float(canary.all) };
            if rate >= THRESHOLD {
                end = (Verdict::Fail, HOLD * number);
                break;
            }
        }
        outcome.add(end.0, end.1);
    }
    outcome
}

/// Requests of a window, as many as Poisson gives, each an error by chance.
fn add(tally: &mut Tally, expected: f64, rate: f64, random: &mut Generator) {
    let bad = poisson(expected * rate, random);
    tally.bad += bad;
    tally.all += bad + poisson(expected * (1.0 - rate), random);
}

/// A Poisson number: by products of uniform ones in parts of at most 30, since parts add up.
fn poisson(mean: f64, random: &mut Generator) -> u64 {
    let mut left = mean;
    let mut count = 0;
    // Beyond this the normal form is closer than anything that is seen of it here.
    if mean > 1000.0 {
        let normal: f64 = (0..12).map(|_| random.unit()).sum::<f64>() - 6.0;
        let drawn = (mean + normal * mean.sqrt()).round().max(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        return drawn as u64;
    }
    while left > 0.0 {
        let part = left.min(30.0);
        left -= part;
        let end = (-part).exp();
        let mut product = random.unit();
        while product > end {
            count += 1;
            product *= random.unit();
        }
    }
    count
}

/// A service whose latencies are lognormal: the canary's are so many times stable's.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Requests a second in all.
    pub rate: u64,
    /// Each bound of the histogram is this many times the one before.
    pub bucket: f64,
    pub times: f64,
}

/// The standard deviation of the logarithm of a latency.
const SPREAD: f64 = 0.5;

/// The plan whose latency is simulated: the rule of a preset.
pub fn latency_plan() -> Plan {
    serde_json::from_value(serde_json::json!({
        "version": 1, "workload": {"name": "llm"}, "change": {"image": "r:2"},
        "analysis": {"quantiles": [{"name": "latency", "histogram": "h", "max_increase": 0.2}]},
    }))
    .unwrap()
}

/// Rollouts judged by p99, at most 20 % above stable's.
pub fn latencies(plan: &Plan, service: Latency, rollouts: u32, seed: u64) -> Outcome {
    let mut random = Generator::new(seed);
    let mut outcome = Outcome::default();
    // Stable's median is 1; the bounds reach from a twentieth of it to a hundred times, off any round place.
    let bounds: Vec<f64> = std::iter::successors(Some(0.053), |bound| Some(bound * service.bucket))
        .take_while(|bound| *bound < 100.0)
        .collect();
    for _ in 0..rollouts {
        let (end, seconds) = one_latency(plan, service, &bounds, &mut random);
        outcome.add(end, seconds);
    }
    outcome
}

fn one_latency(plan: &Plan, service: Latency, bounds: &[f64], random: &mut Generator) -> (Verdict, u64) {
    let mut evidence = Evidence::default();
    let mut seconds = 0;
    for step in STEPS {
        let empty = || Buckets { upto: bounds.iter().map(|bound| (*bound, 0)).collect(), all: 0 };
        let (mut canary, mut stable) = (empty(), empty());
        let mut held = 0;
        loop {
            held += LOOK;
            let share = f64::from(step) / 100.0;
            let requests = float(service.rate * LOOK);
            add_latencies(&mut canary, requests * share, service.times, random);
            add_latencies(&mut stable, requests * (1.0 - share), 1.0, random);
            let side = |buckets: &Buckets| if buckets.all == 0 { Err(NoData::NoTraffic) } else { Ok(buckets.clone()) };
            let reading = Ok(Reading::Buckets(Sides { stable: side(&stable), canary: side(&canary) }));
            let readings = [("latency".to_owned(), reading)];
            let percent = Percent::new(step).unwrap();
            match judge_with(plan, percent, &readings, &mut evidence, Words::Short).verdict {
                Verdict::Fail => return (Verdict::Fail, seconds + held),
                Verdict::Pass if held >= HOLD => break,
                Verdict::Pass | Verdict::Inconclusive | Verdict::Error => {}
            }
            if held >= HOLD + LIMIT {
                return (Verdict::Inconclusive, seconds + held);
            }
        }
        seconds += held;
        evidence.close_step();
    }
    (Verdict::Pass, seconds)
}

/// Requests of a window, by their latency: those of each bucket are Poisson.
fn add_latencies(buckets: &mut Buckets, expected: f64, times: f64, random: &mut Generator) {
    let (mut below, mut added) = (0.0, 0);
    for (bound, upto) in &mut buckets.upto {
        let share = normal_cdf((*bound / times).ln() / SPREAD);
        added += poisson(expected * (share - below), random);
        *upto += added;
        below = share;
    }
    buckets.all += added + poisson(expected * (1.0 - below), random);
}
