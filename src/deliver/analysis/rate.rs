//! Shares of requests against a bound and against stable, and the similarity of answers as the share that differs.

use super::super::plan::{CountRule, ShadowSteps};
use super::super::probe::{NoData, Reading, Tally};
use super::evidence::Weight;
use super::settings::{Settings, StableSource, Words};
use super::{Finding, RuleEvidence, Seen, words};
use crate::gate::Verdict;
use crate::stats::{Alternative, Portion, difference_log_e_value, ln_mean_exp, portion_log_e_value};

/// The most times as many requests that a forecast looks at.
const MOST_TIMES: f64 = 4096.0;

/// What a window's counts show, as logarithms of evidence.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) weight: Weight,
    /// That every bound is kept: the least of them.
    pub(super) kept: f64,
}

/// The bounds of a rate.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) max: Option<f64>,
    pub(super) rise: Option<f64>,
}

/// What both sides show of the bounds. Evidence of the parts is averaged; a part without stable adds none and keeps none.
pub(super) fn show(bounds: Bounds, canary: Portion, stable: Option<Portion>, source: StableSource) -> Shown {
    let (mut old, mut new, mut kept) = (Vec::new(), Vec::new(), f64::INFINITY);
    if let Some(max) = bounds.max {
        let broken = portion_log_e_value(canary, max, Alternative::Above);
        old.push(broken);
        new.push(broken);
        kept = kept.min(portion_log_e_value(canary, max, Alternative::Below));
    }
    if let Some(rise) = bounds.rise {
        let of = |shown| stable.map(|stable| difference_log_e_value(canary, stable, rise, shown));
        let broken = of(Alternative::Above).unwrap_or(f64::NEG_INFINITY);
        // Stable's counts of an earlier window are in the old capital already.
        old.push(match source {
            StableSource::Beside => broken,
            StableSource::Before => 0.0,
        });
        new.push(broken);
        kept = kept.min(of(Alternative::Below).unwrap_or(f64::NEG_INFINITY));
    }
    if new.is_empty() {
        return Shown { weight: Weight { old: 0.0, new: 0.0 }, kept: f64::NEG_INFINITY };
    }
    Shown { weight: Weight { old: ln_mean_exp(&old), new: ln_mean_exp(&new) }, kept }
}

pub(super) fn judge(
    rule: &CountRule,
    reading: Result<Reading, NoData>,
    settings: &Settings,
    memory: &mut RuleEvidence,
) -> Finding {
    let sides = match reading {
        Err(why) => return Finding::no_data(&rule.name, why),
        Ok(Reading::Counts(sides)) => sides,
        Ok(Reading::Buckets(_) | Reading::Level(_) | Reading::Similarity { .. }) => {
            return Finding::mismatched(&rule.name);
        }
    };
    let (stable, source) = settings.stable(sides.stable, &mut memory.stable, Seen::Counts, |seen| match seen {
        Seen::Counts(tally) => Some(*tally),
        Seen::Buckets(_) | Seen::Level(_) => None,
    });
    let canary = match sides.canary {
        Err(why) => return Finding::no_data(&rule.name, why),
        Ok(tally) => match portion(tally) {
            Some(canary) => canary,
            None => return Finding::no_data(&rule.name, NoData::NoTraffic),
        },
    };
    let (stable, missing) = match stable {
        Err(why) => (None, Some(why)),
        Ok(tally) => match portion(tally) {
            Some(stable) => (Some(stable), None),
            None => (None, Some(NoData::NoTraffic)),
        },
    };
    let bounds = Bounds { max: rule.max, rise: rule.max_increase };
    let look = Look { name: &rule.name, noun: "requests", min_samples: rule.min_samples, settings };
    let mut finding = look.decide(canary, memory, |times| {
        show(bounds, canary.times(times), stable.map(|stable| stable.times(times)), source)
    });
    finding.stable = stable.map(Portion::share);
    let beside = stable.map(|stable| stable.share()).zip(bounds.rise).map(|(share, rise)| share + rise);
    finding.bound = match (bounds.max, beside) {
        (Some(max), Some(beside)) => Some(max.min(beside)),
        (max, beside) => max.or(beside),
    };
    if let Some(stable) = stable {
        let what = match source {
            StableSource::Beside => "stable",
            StableSource::Before => "stable, when it last had users",
        };
        let (bad, all) = (words::count(stable.bad()), words::count(stable.all()));
        finding.why += &format!("; {what}: {bad} of {all} ({})", words::share(stable.share()));
    }
    if let (Some(why), Some(_)) = (missing, bounds.rise) {
        finding.why += &format!("; nothing to compare with, so no pass: of stable, {}", words::no_data(&why));
    }
    finding
}

/// The similarity of answers: what is missing to 1 is the bad part of an answer.
pub(super) fn similarity(
    rule: &ShadowSteps,
    reading: Result<Reading, NoData>,
    settings: &Settings,
    memory: &mut RuleEvidence,
) -> Finding {
    let (sum, n) = match reading {
        Err(why) => return Finding::no_data(super::SIMILARITY, why),
        Ok(Reading::Similarity { sum, n }) => (sum, n),
        Ok(Reading::Counts(_) | Reading::Buckets(_) | Reading::Level(_)) => {
            return Finding::mismatched(super::SIMILARITY);
        }
    };
    if n == 0 {
        return Finding::no_data(super::SIMILARITY, NoData::NoTraffic);
    }
    let all = crate::stats::float(n);
    let Some(differing) = Portion::new(all - sum, all) else {
        return Finding::no_data(super::SIMILARITY, NoData::NotANumber);
    };
    let bounds = Bounds { max: Some(1.0 - rule.min_similarity), rise: None };
    let look = Look { name: super::SIMILARITY, noun: "answers", min_samples: rule.min_samples, settings };
    let mut finding =
        look.decide(differing, memory, |times| show(bounds, differing.times(times), None, StableSource::Beside));
    // A person thinks in similarity, not in what is missing to it.
    finding.canary = finding.canary.map(|share| 1.0 - share);
    finding.bound = Some(rule.min_similarity);
    let mean = words::value(1.0 - differing.share());
    finding.why = format!("mean similarity {mean} of {n} answers, {}", finding.why);
    finding
}

/// Counts as a portion; more bad than all is cut, since extrapolated counts may cross by one.
pub(super) fn portion(tally: Tally) -> Option<Portion> {
    Portion::of(tally.bad.min(tally.all), tally.all)
}

/// What a rule with counts needs to decide.
pub(super) struct Look<'a> {
    pub(super) name: &'a str,
    pub(super) noun: &'a str,
    pub(super) min_samples: u64,
    pub(super) settings: &'a Settings,
}

impl Look<'_> {
    /// Decides, and says how many more would, by the evidence of the counts multiplied by a factor.
    pub(super) fn decide(&self, canary: Portion, memory: &mut RuleEvidence, shown: impl Fn(f64) -> Shown) -> Finding {
        let now = shown(1.0);
        memory.weigh(now.weight);
        let verdict = self.verdict(memory, &now, canary.all());
        let (bad, all) = (words::count(canary.bad()), words::count(canary.all()));
        let noun = self.noun;
        let head = format!("{bad} of {all} {noun} ({})", words::share(canary.share()));
        let odds = words::count(memory.broken().max(0.0).exp().min(1e9).round());
        let why = match verdict {
            Verdict::Fail => format!("{head}: broken, with evidence of {odds} to 1"),
            Verdict::Pass => format!("{head}: kept"),
            Verdict::Inconclusive | Verdict::Error => {
                format!("{head}: not decided yet{}", self.outlook(canary, memory, &shown))
            }
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count is not negative")]
        let n = canary.all() as u64;
        Finding { verdict, canary: Some(canary.share()), n, why, ..Finding::undecided(self.name, "") }
    }

    fn verdict(&self, memory: &RuleEvidence, shown: &Shown, all: f64) -> Verdict {
        if memory.broken() >= self.settings.broken_at {
            Verdict::Fail
        } else if shown.kept >= self.settings.kept_at && all >= crate::stats::float(self.min_samples) {
            Verdict::Pass
        } else {
            Verdict::Inconclusive
        }
    }

    /// How many more would decide if everything goes on as it was.
    fn outlook(&self, canary: Portion, memory: &RuleEvidence, shown: &impl Fn(f64) -> Shown) -> String {
        if self.settings.words == Words::Short {
            return String::new();
        }
        let at = |times: f64| {
            let (mut memory, shown) = (memory.clone(), shown(times));
            memory.weigh(shown.weight);
            self.verdict(&memory, &shown, canary.all() * times)
        };
        let decided = |times: f64| matches!(at(times), Verdict::Pass | Verdict::Fail);
        let mut high = 1.0;
        while !decided(high) {
            high *= 2.0;
            if high > MOST_TIMES {
                let noun = self.noun;
                return format!(", and {MOST_TIMES} times as many {noun} at these rates would not decide either");
            }
        }
        let mut low = high / 2.0;
        while high / low > 1.02 {
            let middle = 0.5 * (low + high);
            if decided(middle) { high = middle } else { low = middle }
        }
        let more = words::count((canary.all() * (high - 1.0)).ceil().max(1.0));
        let what = if at(high) == Verdict::Pass { "pass" } else { "fail" };
        format!(": about {more} more {} at these rates would make it {what}", self.noun)
    }
}
