//! Prometheus as a source of measurements for a plan: every rule, both sides, all at one time of Prometheus' own clock.

use std::sync::Arc;

use futures::StreamExt as _;

use super::prometheus::Prometheus;
use super::promql::Fault;
use super::queries::{Ask, Naming, Scope, Wanted, Whose};
use super::{Buckets, MetricSource, NoData, Reading, Sides, Tally, Window, presets};
use crate::deliver::clock::Clock;
use crate::deliver::plan::{AbsentBad, Plan};
use crate::deliver::state::Moment;

/// Questions in flight.
const AT_ONCE: usize = 6;
/// The part of both sides' requests below which stable is no longer in use, and its past stands for it.
const IN_USE: f64 = 0.005;

/// Asks Prometheus about the rules of a plan.
#[derive(Clone)]
pub struct PrometheusSource {
    prometheus: Prometheus,
    plan: Plan,
    naming: Naming,
    clock: Clock,
    began: Moment,
}

/// What one side of one rule gave.
#[derive(Clone, PartialEq, Debug)]
enum Value {
    Counts(Tally),
    Buckets(Buckets),
    Level(f64),
    Mean(f64, u64),
}

impl Value {
    /// Requests, where they are counted.
    fn requests(&self) -> Option<u64> {
        match self {
            Value::Counts(tally) => Some(tally.all),
            Value::Buckets(buckets) => Some(buckets.all),
            Value::Level(_) => None,
            Value::Mean(_, all) => Some(*all),
        }
    }
}

/// A rule's kind and place in the plan.
#[derive(Clone, Copy)]
enum Rule {
    Rate(usize),
    Quantile(usize),
    Level(usize),
}

impl PrometheusSource {
    /// A source for a plan. `began` is when the rollout began by `clock`: stable's past ends there.
    pub fn new(prometheus: Prometheus, plan: &Plan, naming: Naming, clock: Clock, began: Moment) -> Self {
        Self { prometheus, plan: presets::expand(plan), naming, clock, began }
    }

    /// Readings of the rules of `watch`, each over its own window; `canary` is the side that is watched.
    pub async fn read_watch(&self) -> Vec<(String, Result<Reading, NoData>)> {
        let rules = &self.plan.watch.rules;
        let now = match self.prometheus.now().await {
            Ok(now) => now,
            Err(why) => return rules.iter().map(|rule| (rule.name.clone(), Err(why.clone()))).collect(),
        };
        let asked = rules.iter().map(|rule| async move {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a plan's seconds, at least one"
            )]
            let window = rule.window_seconds.round().max(1.0) as u64;
            let scope = Scope { naming: &self.naming, whose: Whose::Canary, window };
            let canary = self.value(scope.of_watch(rule), window, now).await;
            (rule.name.clone(), reading(Err(NoData::NoSide), canary))
        });
        futures::stream::iter(asked).buffered(AT_ONCE).collect().await
    }

    fn rules(&self) -> Vec<(String, Rule)> {
        let analysis = &self.plan.analysis;
        (analysis.rates.iter().enumerate().map(|(index, rule)| (rule.name.clone(), Rule::Rate(index))))
            .chain(
                analysis.quantiles.iter().enumerate().map(|(index, rule)| (rule.name.clone(), Rule::Quantile(index))),
            )
            .chain(analysis.levels.iter().enumerate().map(|(index, rule)| (rule.name.clone(), Rule::Level(index))))
            .collect()
    }

    fn wanted(&self, rule: Rule, scope: Scope<'_>) -> Result<Wanted, Fault> {
        let analysis = &self.plan.analysis;
        let missing = || Fault { message: "the rule is not there".to_owned(), help: "" };
        match rule {
            Rule::Rate(index) => scope.of_rate(analysis.rates.get(index).ok_or_else(missing)?),
            Rule::Quantile(index) => scope.of_quantile(analysis.quantiles.get(index).ok_or_else(missing)?),
            Rule::Level(index) => scope.of_level(analysis.levels.get(index).ok_or_else(missing)?),
        }
    }

    async fn side(&self, rule: Rule, whose: Whose, window: u64, at: f64) -> Result<Value, NoData> {
        if whose == Whose::Stable && self.naming.stable.is_none() {
            return Err(NoData::NoSide);
        }
        let scope = Scope { naming: &self.naming, whose, window };
        self.value(self.wanted(rule, scope), window, at).await
    }

    async fn value(&self, wanted: Result<Wanted, Fault>, window: u64, at: f64) -> Result<Value, NoData> {
        // A plan that was checked has no fault; one that was not is no reason to go on.
        let wanted =
            wanted.map_err(|fault| NoData::Unreachable(format!("the rule cannot be asked: {}", fault.message)))?;
        #[expect(clippy::cast_precision_loss, reason = "seconds of a step")]
        let early = (window as f64) < 2.0 * self.prometheus.scrape_seconds();
        match wanted {
            Wanted::Level(ask) => {
                let level = self.prometheus.one(&ask.query, at).await;
                self.fresh(&ask, at).await?;
                Ok(Value::Level(level?))
            }
            // Nothing that lies between two scrapes can be counted yet.
            Wanted::Counts { .. } | Wanted::Buckets(_) | Wanted::Mean { .. } if early => Err(NoData::Absent),
            Wanted::Counts { bad, all, absent_bad } => self.counts(&bad, &all, absent_bad, at).await.map(Value::Counts),
            Wanted::Buckets(ask) => {
                let found = self.prometheus.by_bound(&ask.query, at).await;
                self.fresh(&ask, at).await?;
                buckets(&found?).map(Value::Buckets)
            }
            Wanted::Mean { sum, all } => {
                let count = self.count(&all, at).await?;
                if count == 0 {
                    return Err(NoData::NoTraffic);
                }
                let total = self.prometheus.one(&sum.query, at).await;
                self.fresh(&sum, at).await?;
                #[expect(clippy::cast_precision_loss, reason = "counts of a window")]
                Ok(Value::Mean(total?.clamp(0.0, count as f64), count))
            }
        }
    }

    async fn counts(&self, bad: &Ask, all: &Ask, absent_bad: AbsentBad, at: f64) -> Result<Tally, NoData> {
        let all = self.count(all, at).await?;
        let bad = match absent_bad {
            AbsentBad::NoData => self.count(bad, at).await?,
            // The series of what went wrong live at the same targets as those of all requests, which are fresh. They may have
            // ended with a pod that crashed: what it counted still counts.
            AbsentBad::Zero => match self.prometheus.one(&bad.query, at).await {
                Ok(count) => whole(count)?,
                Err(NoData::Absent) => 0,
                Err(why) => return Err(why),
            },
        };
        if all == 0 { Err(NoData::NoTraffic) } else { Ok(Tally { bad: bad.min(all), all }) }
    }

    /// A count, once it is known to be fresh: a target that has died looks like one that nobody asks.
    async fn count(&self, ask: &Ask, at: f64) -> Result<u64, NoData> {
        let found = self.prometheus.one(&ask.query, at).await;
        self.fresh(ask, at).await?;
        whole(found?)
    }

    async fn fresh(&self, ask: &Ask, at: f64) -> Result<(), NoData> {
        for group in &ask.fresh {
            self.prometheus.fresh(group, at).await?;
        }
        Ok(())
    }

    /// Stable's own past: the window before the rollout began, by Prometheus' clock.
    fn past(&self, now: f64) -> Option<(u64, f64)> {
        let window = self.plan.analysis.baseline_window_seconds?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a plan's seconds, at least one")]
        let seconds = window.round().max(1.0) as u64;
        Some((seconds, now - self.clock.now().since(self.began)))
    }
}

#[async_trait::async_trait]
impl MetricSource for PrometheusSource {
    async fn read(&self, window: Window) -> Vec<(String, Result<Reading, NoData>)> {
        let rules = self.rules();
        let now = match self.prometheus.now().await {
            Ok(now) => now,
            Err(why) => return rules.into_iter().map(|(name, _)| (name, Err(why.clone()))).collect(),
        };
        let asked = rules.into_iter().map(|(name, rule)| async move {
            let canary = self.side(rule, Whose::Canary, window.seconds, now).await;
            let stable = self.side(rule, Whose::Stable, window.seconds, now).await;
            (name, rule, stable, canary)
        });
        let mut found: Vec<_> = futures::stream::iter(asked).buffered(AT_ONCE).collect().await;
        if let Some((seconds, then)) = self.past(now) {
            // A level cannot say whether stable is in use: it follows what the counts say, where there are any.
            let counted: Vec<bool> = found
                .iter()
                .filter(|(_, rule, ..)| !matches!(rule, Rule::Level(_)))
                .map(|(_, _, stable, canary)| idle(stable, canary))
                .collect();
            let all_idle = !counted.is_empty() && counted.iter().all(|idle| *idle);
            for (_, rule, stable, canary) in &mut found {
                let level = matches!(rule, Rule::Level(_));
                if (level && (all_idle || idle(stable, canary))) || (!level && idle(stable, canary)) {
                    *stable = self.side(*rule, Whose::Past, seconds, then).await;
                }
            }
        }
        found.into_iter().map(|(name, _, stable, canary)| (name, reading(stable, canary))).collect()
    }
}

/// Whether stable has next to no requests, or is not there, so that its past has to stand for it.
fn idle(stable: &Result<Value, NoData>, canary: &Result<Value, NoData>) -> bool {
    match (stable, canary) {
        (Err(NoData::NoSide | NoData::NoTraffic | NoData::Absent), _) => true,
        (Err(NoData::Unreachable(_) | NoData::Ambiguous(_) | NoData::NotANumber | NoData::Stale(_)), _) => false,
        (Ok(stable), Ok(canary)) => match (stable.requests(), canary.requests()) {
            #[expect(clippy::cast_precision_loss, reason = "counts of a window")]
            (Some(stable), Some(canary)) => (stable as f64) < IN_USE * (stable as f64 + canary as f64),
            (None, _) | (_, None) => false,
        },
        (Ok(_), Err(_)) => false,
    }
}

/// Both sides as one reading. Where both failed alike, the rule has no data as a whole.
fn reading(stable: Result<Value, NoData>, canary: Result<Value, NoData>) -> Result<Reading, NoData> {
    let other = |_: Value| NoData::Ambiguous(0);
    match (canary, stable) {
        (Ok(Value::Counts(canary)), stable) => {
            let stable =
                stable.and_then(|value| if let Value::Counts(tally) = value { Ok(tally) } else { Err(other(value)) });
            Ok(Reading::Counts(Sides { stable, canary: Ok(canary) }))
        }
        (Ok(Value::Buckets(canary)), stable) => {
            let stable =
                stable.and_then(|value| if let Value::Buckets(found) = value { Ok(found) } else { Err(other(value)) });
            Ok(Reading::Buckets(Sides { stable, canary: Ok(canary) }))
        }
        (Ok(Value::Level(canary)), stable) => {
            let stable =
                stable.and_then(|value| if let Value::Level(level) = value { Ok(level) } else { Err(other(value)) });
            Ok(Reading::Level(Sides { stable, canary: Ok(canary) }))
        }
        (Ok(Value::Mean(sum, n)), _) => Ok(Reading::Similarity { sum, n }),
        (Err(why), Ok(Value::Counts(stable))) => Ok(Reading::Counts(Sides { stable: Ok(stable), canary: Err(why) })),
        (Err(why), Ok(Value::Buckets(stable))) => Ok(Reading::Buckets(Sides { stable: Ok(stable), canary: Err(why) })),
        (Err(why), Ok(Value::Level(stable))) => Ok(Reading::Level(Sides { stable: Ok(stable), canary: Err(why) })),
        (Err(why), Ok(Value::Mean(..)) | Err(_)) => Err(why),
    }
}

/// `increase` extrapolates to the window's edges, so counts come as fractions.
fn whole(count: f64) -> Result<u64, NoData> {
    // Below 2^53 a count is exact; a negative one comes from an expression that does not count.
    if !(0.0..9e15).contains(&count.round()) {
        return Err(NoData::NotANumber);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    Ok(count.round() as u64)
}

fn buckets(bounds: &[(f64, f64)]) -> Result<Buckets, NoData> {
    let mut upto = Vec::with_capacity(bounds.len());
    let mut before = 0;
    for (bound, count) in bounds {
        // Each bucket is extrapolated by itself, so that a fraction may be missing in a larger one.
        before = whole(*count)?.max(before);
        upto.push((*bound, before));
    }
    // The last one is infinite: `reply` sees to it.
    upto.pop();
    if before == 0 { Err(NoData::NoTraffic) } else { Ok(Buckets { upto, all: before }) }
}

/// Several sources, asked at once.
pub struct Sources(pub Vec<Arc<dyn MetricSource>>);

#[async_trait::async_trait]
impl MetricSource for Sources {
    async fn read(&self, window: Window) -> Vec<(String, Result<Reading, NoData>)> {
        let asked = self.0.iter().map(|source| source.read(window));
        futures::future::join_all(asked).await.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_whole_and_never_negative() {
        assert_eq!(whole(2.5000001), Ok(3));
        assert_eq!(whole(-0.2), Ok(0));
        for no in [-1.0, f64::NAN, f64::INFINITY, 1e16] {
            assert_eq!(whole(no), Err(NoData::NotANumber), "{no}");
        }
    }

    #[test]
    fn buckets_never_shrink_and_none_means_no_traffic() {
        let inf = f64::INFINITY;
        let found = buckets(&[(0.1, 3.6), (0.5, 3.4), (inf, 7.1)]).unwrap();
        assert_eq!(found, Buckets { upto: vec![(0.1, 4), (0.5, 4)], all: 7 });
        assert_eq!(buckets(&[(0.1, 0.0), (inf, 0.2)]), Err(NoData::NoTraffic));
        assert_eq!(buckets(&[(0.1, -3.0), (inf, 2.0)]), Err(NoData::NotANumber));
    }

    #[test]
    fn the_past_stands_for_stable_only_where_stable_is_not_in_use() {
        let counts = |all| Ok(Value::Counts(Tally { bad: 0, all }));
        assert!(!idle(&counts(10), &counts(900)), "ten of 910 is one step below 100 %");
        assert!(idle(&counts(4), &counts(900)));
        for gone in [NoData::NoSide, NoData::NoTraffic, NoData::Absent] {
            assert!(idle(&Err(gone), &counts(1)));
        }
        for broken in [NoData::Unreachable(String::new()), NoData::Stale(99), NoData::NotANumber, NoData::Ambiguous(2)]
        {
            assert!(!idle(&Err(broken), &counts(1)), "a fault is not an empty side");
        }
    }

    #[test]
    fn one_side_without_data_leaves_the_other() {
        let counts = Ok(Value::Counts(Tally { bad: 1, all: 2 }));
        let gone = Err(NoData::Stale(99));
        let Ok(Reading::Counts(sides)) = reading(gone.clone(), counts.clone()) else { panic!() };
        assert_eq!((sides.stable, sides.canary), (Err(NoData::Stale(99)), Ok(Tally { bad: 1, all: 2 })));
        let Ok(Reading::Counts(sides)) = reading(counts, gone.clone()) else { panic!() };
        assert_eq!((sides.stable, sides.canary), (Ok(Tally { bad: 1, all: 2 }), Err(NoData::Stale(99))));
        assert_eq!(reading(Err(NoData::NoSide), gone), Err(NoData::Stale(99)));
    }
}
