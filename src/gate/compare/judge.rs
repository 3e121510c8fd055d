//! One rule of a comparison, from pairs to a row of the report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::data::{Comparable, Doubt, Scale};
use super::decide::{Decision, Evidence, Levels, Nature};
use super::rule::{FailWhen, RegressionMode, RegressionRule};
use super::words::{Words, undecided};
use crate::gate::sequential::stage_confidence;
use crate::gate::{Course, LookLevels, Shown, Stage};
use crate::gate::{DISPLAY_CONFIDENCE, Direction, FEWEST_CLUSTERS, MetricName, Source, Subject, Verdict, known_metric};
use crate::stats::{Alpha, Pairs, mcnemar, pairs_needed, smallest_margin};

/// The power that the smallest visible drop is stated for.
pub(super) const POWER: f64 = 0.8;

/// How many yes-or-no cases changed, and whether that is more than chance.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Discordance {
    /// Cases that only the candidate gets right.
    pub newly_passing: u64,
    /// Cases that only the baseline gets right.
    pub newly_failing: u64,
    /// All pairs.
    pub pairs: u64,
    /// Changed ones as a share of all pairs.
    pub share: f64,
    /// Exact two-sided p-value of McNemar's test.
    pub mcnemar_p: f64,
}

/// One rule of a comparison as a row of the report.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// The metric.
    pub name: MetricName,
    /// The part of the samples that was compared; absent for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `baseline`, or `anchor` for the release that drops are added up against.
    pub against: String,
    /// The baseline's value over the pairs (a geometric mean for latency and cost).
    pub baseline: Option<f64>,
    /// The candidate's value, likewise.
    pub candidate: Option<f64>,
    /// Whether the sides are compared by their difference or by their ratio.
    pub scale: Scale,
    /// Candidate minus baseline; for latency and cost their ratio minus 1.
    pub difference: Option<f64>,
    /// Lower end of the difference's two-sided interval at `confidence`.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Two-sided confidence of `low..high`.
    pub confidence: f64,
    /// `tango`, `t-clustered`, `t-jackknife`, `newcombe-unpaired`, `welch-unpaired`, or `tolerance-legacy`.
    pub method: String,
    /// The look that decided, where the run was looked at while it was under way; `low..high` is then stage-wise: wider
    /// than the interval of a whole run, and it holds for all looks at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Pairs, or clusters of pairs where a suite names them.
    pub n: u64,
    /// Samples of both sides that could not be judged, counted as the worst and as the best case.
    pub missing: u64,
    /// Changed cases, where the answers are yes or no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discordance: Option<Discordance>,
    /// The smallest drop that this many pairs show four times out of five.
    pub smallest_visible: Option<f64>,
    /// Pairs that would show, four times out of five, that an unchanged model is within the margin.
    pub needed: Option<u64>,
    /// Which way is better.
    pub direction: Direction,
    /// The margin that decided, in the unit of `difference`.
    pub margin: f64,
    /// One-sided error rate of the decision.
    pub alpha: f64,
    /// Whether the gate depends on it.
    pub required: bool,
    /// The verdict of the rule.
    pub verdict: Verdict,
    /// The rule in words.
    pub reason: String,
}

/// A row, and how surely it failed.
#[derive(Clone, PartialEq, Debug)]
pub struct Judged {
    /// The row.
    pub compared: Compared,
    /// The largest number of rules, up to the family's, among which the failure still stands; 0 without one.
    pub strength: u32,
}

/// What a comparison is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Metric, scope, direction, unit.
    pub subject: &'a Subject,
    /// The rule of the policy.
    pub rule: &'a RegressionRule,
    /// `baseline` or `anchor`.
    pub against: &'a str,
    /// The margin: the rule's own, or its cumulative one.
    pub margin: f64,
    /// The error rate of each decision.
    pub alpha: Alpha,
    /// Required rules that are decided together.
    pub family: u32,
    /// What the looks at an early-stopped run have shown; none where all pairs are judged at once.
    pub staged: Option<Staged>,
}

/// How a rule came out of the looks at a run that may have stopped early.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Staged {
    /// What they showed.
    pub course: Course,
    /// The last of them.
    pub last: Stage,
    /// Its error rate.
    pub level: Alpha,
}

/// What one look shows of a rule; never anything of the legacy mode, which has no error rate that looks could spend.
pub fn look(asked: &Asked<'_>, data: &Comparable, levels: &LookLevels, number: u32) -> Shown {
    if asked.rule.mode == RegressionMode::Tolerance {
        return Shown::default();
    }
    let row = Row { asked, scale: data.scale };
    let evidence = Evidence::of(data, nature(asked.subject));
    let at = |level: Alpha| evidence.decide(row.margin(), asked.rule.fail_when, Levels { pass: level, fail: level });
    let pass = levels.at(number, 1).is_some_and(|level| at(level) == Decision::Pass);
    Shown { pass, strength: levels.strength(number, |level| at(level) == Decision::Fail), hopeless: false }
}

/// Judges pairs by a rule. Nothing that is missing can make the verdict better.
pub fn compare(asked: &Asked<'_>, data: &Comparable) -> Judged {
    let row = Row { asked, scale: data.scale };
    let evidence = Evidence::of(data, nature(asked.subject));
    let (baseline, candidate) = (data.side(|unit| unit.baseline), data.side(|unit| unit.candidate));
    let mut compared = row.blank(evidence.method(), evidence.clusters().unwrap_or(data.units.len() as u64));
    compared.baseline = baseline.map(|value| row.natural_value(value));
    compared.candidate = candidate.map(|value| row.natural_value(value));
    compared.missing = data.missing();
    let (Some(base), Some(cand)) = (baseline, candidate) else {
        let side = if baseline.is_none() { asked.against } else { "candidate" };
        compared.reason = format!("{} could not be compared: the {side} has no judged sample of it", row.name());
        return Judged { compared, strength: 0 };
    };
    compared.difference = Some(row.difference(cand - base));
    if asked.rule.mode == RegressionMode::Tolerance {
        let favoured = data.side_at(|unit| unit.baseline, 0.0).zip(data.side_at(|unit| unit.candidate, 1.0));
        let favoured = favoured.map(|(base, cand)| (row.natural_value(base), row.natural_value(cand)));
        return row.by_tolerance(compared, favoured);
    }
    if let Some(Staged { course, last, .. }) = asked.staged {
        compared.confidence = stage_confidence(asked.alpha.value());
        compared.stage = Some(Stage { look: course.passed_at.or(course.failed_at).unwrap_or(last.look), ..last });
    }
    let whole = Alpha::new(1.0 - DISPLAY_CONFIDENCE).map(Alpha::half);
    let display = asked.staged.map(|staged| staged.level).or(whole);
    let shown = display.and_then(|alpha| evidence.bounds(Levels { pass: alpha, fail: alpha }));
    if let Some(shown) = shown {
        row.span(&mut compared, shown.low, shown.high);
    }
    compared.discordance =
        data.counts(Doubt::Against).filter(|_| data.is_yes_or_no()).map(|pairs| row.discordance(pairs));
    let variance = evidence.variance();
    // Where few cases change the spread says too little: the guard against that is wider, and rules.
    let (least, alpha) = (evidence.least_margin(asked.alpha), asked.alpha);
    compared.smallest_visible =
        variance.map(|variance| row.natural_width(smallest_margin(variance, compared.n, alpha, POWER).max(least)));
    let pairs = variance.and_then(|variance| pairs_needed(variance, 0.0, row.margin(), alpha, POWER));
    compared.needed = pairs.zip(evidence.clusters_for(row.margin(), alpha)).map(|(pairs, clusters)| {
        // The number that there is needs no mention where the guard is content with it.
        if least < row.margin() { pairs } else { pairs.max(clusters) }
    });
    row.decide(compared, &evidence)
}

fn decided(course: Course) -> Decision {
    match (course.passed_at, course.failed_at) {
        (Some(_), _) => Decision::Pass,
        (None, Some(_)) => Decision::Fail,
        (None, None) => Decision::Open,
    }
}

/// What a metric's values can be.
fn nature(subject: &Subject) -> Nature {
    match known_metric(subject.name.as_str()).map(|known| known.source) {
        Some(Source::Passed | Source::Errors | Source::Unscored) => Nature::YesOrNo,
        Some(
            Source::Score
            | Source::LatencyMean
            | Source::Latency(_)
            | Source::FirstTokenMean
            | Source::FirstToken(_)
            | Source::Cost
            | Source::CostPerSample
            | Source::PromptTokens
            | Source::CompletionTokens,
        )
        | None => Nature::Score,
    }
}

/// What turns sums of the gate's own scale into numbers that a user knows.
pub(super) struct Row<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) scale: Scale,
}

impl Row<'_> {
    pub(super) fn blank(&self, method: &str, n: u64) -> Compared {
        let Asked { subject, rule, against, margin, alpha, family: _, staged: _ } = self.asked;
        Compared {
            name: subject.name.clone(),
            scope: subject.scope.clone(),
            against: (*against).to_owned(),
            baseline: None,
            candidate: None,
            scale: self.scale,
            difference: None,
            low: None,
            high: None,
            confidence: DISPLAY_CONFIDENCE,
            method: method.to_owned(),
            stage: None,
            n,
            missing: 0,
            discordance: None,
            smallest_visible: None,
            needed: None,
            direction: subject.direction,
            margin: *margin,
            alpha: alpha.value(),
            required: rule.required,
            verdict: Verdict::Error,
            reason: String::new(),
        }
    }

    pub(super) fn name(&self) -> String {
        let scope = self.asked.subject.scope.as_ref().map(|scope| format!(" [{scope}]")).unwrap_or_default();
        format!("{}{scope}", self.asked.subject.name)
    }

    /// The margin on the scale of the sums.
    pub(super) fn margin(&self) -> f64 {
        match self.scale {
            Scale::Share => self.asked.margin,
            Scale::Ratio => self.asked.margin.ln_1p(),
        }
    }

    /// A mean of the sums as the metric's own value.
    pub(super) fn natural_value(&self, value: f64) -> f64 {
        match (self.scale, self.asked.subject.direction) {
            (Scale::Share, Direction::Higher) => value,
            (Scale::Share, Direction::Lower) => 1.0 - value,
            (Scale::Ratio, Direction::Higher) => value.exp(),
            (Scale::Ratio, Direction::Lower) => (-value).exp(),
        }
    }

    /// A difference of the sums as candidate minus baseline, or as their ratio minus 1.
    pub(super) fn difference(&self, value: f64) -> f64 {
        let turned = if self.asked.subject.direction == Direction::Higher { value } else { -value };
        match self.scale {
            // Without a negative zero, which a reader would wonder about.
            Scale::Share => turned + 0.0,
            Scale::Ratio => turned.exp_m1(),
        }
    }

    pub(super) fn natural_width(&self, value: f64) -> f64 {
        if self.scale == Scale::Ratio { value.exp_m1() } else { value }
    }

    pub(super) fn span(&self, compared: &mut Compared, low: f64, high: f64) {
        let (one, two) = (self.difference(low), self.difference(high));
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        let (low, high) = if one <= two { (one, two) } else { (two, one) };
        // Shares are no further apart; other numbers may be.
        let share = |side: Option<f64>| side.is_none_or(|side| (0.0..=1.0).contains(&side));
        let shares = self.scale == Scale::Share && share(compared.baseline) && share(compared.candidate);
        let (low, high) = if shares { (low.max(-1.0), high.min(1.0)) } else { (low, high) };
        (compared.low, compared.high) = (finite(low), finite(high));
    }

    fn discordance(&self, pairs: Pairs) -> Discordance {
        Discordance {
            newly_passing: pairs.up(),
            newly_failing: pairs.down(),
            pairs: pairs.n(),
            share: pairs.discordant(),
            mcnemar_p: mcnemar(pairs).two_sided,
        }
    }

    fn decide(&self, mut compared: Compared, evidence: &Evidence) -> Judged {
        let Asked { rule, alpha, family, staged, .. } = self.asked;
        let at = |fail: Alpha| evidence.decide(self.margin(), rule.fail_when, Levels { pass: *alpha, fail });
        let (decision, sure) = match staged {
            Some(Staged { course, level, .. }) => (decided(*course), *level),
            None => (at(*alpha), *alpha),
        };
        let words = Words { row: self, compared: &compared };
        let (verdict, reason, strength) = match decision {
            Decision::Pass => {
                let drop = evidence.bounds(Levels { pass: sure, fail: sure }).is_some_and(|bounds| bounds.high < 0.0);
                (Verdict::Pass, words.pass(drop), 0)
            }
            Decision::Fail => {
                let whole = || (1..=*family).take_while(|parts| at(alpha.split(*parts)) == Decision::Fail).count();
                let strength = match staged {
                    Some(staged) => staged.course.strength,
                    None => u32::try_from(whole()).unwrap_or(1),
                };
                (Verdict::Fail, words.fail(rule.fail_when == FailWhen::BelowMargin), strength)
            }
            Decision::Open => {
                let few = evidence.clusters().filter(|clusters| *clusters < FEWEST_CLUSTERS);
                (Verdict::Inconclusive, undecided(&words, few), 0)
            }
        };
        (compared.verdict, compared.reason) = (verdict, reason);
        Judged { compared, strength }
    }
}
