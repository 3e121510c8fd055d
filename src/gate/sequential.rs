//! Rules that are looked at several times while a run is under way: at which error rate each look decides, and when the
//! run may end. Pure.
//! Kept out: in which order samples come, and how many a look sees (`eval::early`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compare::holm_over;
use crate::stats::{Alpha, group_sequential_bounds, normal_upper};

/// Looks at a run.
/// Source: simulation over suites of 200 to 2,000 cases: more looks save no more samples.
pub const LOOKS: u32 = 20;
/// `alpha * (look / looks) ^ SPENDING` may be spent until a look.
/// Source: K. Kim and D. DeMets, Biometrika 74, 1987.
pub const SPENDING: f64 = 2.0;
/// The strength of a failure that spends no error: what it says is certain.
pub(super) const CERTAIN: u32 = u32::MAX;

/// The two-sided confidence of intervals that hold at all looks at once, when each side has the error `alpha`; rounded to
/// what a reader expects of `1 - 2 * 0.05`.
/// Source: C. Jennison and B. Turnbull, Group Sequential Methods, 2000, chapter 9 (repeated confidence intervals).
pub(super) fn stage_confidence(alpha: f64) -> f64 {
    ((1.0 - 2.0 * alpha) * 1e12).round() / 1e12
}

/// The look that a rule was decided at, or the last one that it was not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// From 1.
    pub look: u32,
    /// Looks that a whole run has.
    pub of: u32,
}

/// The error rate of every look, for a rule alone and as one of several.
#[derive(Clone, PartialEq, Debug)]
pub struct LookLevels {
    by_parts: Vec<Vec<Alpha>>,
}

impl LookLevels {
    /// The levels for an error of `alpha` over all looks, divided by 1 to `family` rules.
    pub fn new(alpha: Alpha, family: u32) -> Self {
        // An error rate below the smallest positive number is none: such a look decides nothing.
        let least = Alpha::new(1e-300);
        let levels = |parts: u32| -> Vec<Alpha> {
            let bounds = group_sequential_bounds(LOOKS, alpha.split(parts), SPENDING);
            bounds.into_iter().filter_map(|bound| Alpha::new(normal_upper(bound)).or(least)).collect()
        };
        Self { by_parts: (1..=family.max(1)).map(levels).collect() }
    }

    /// The error rate of a look, from 1, for a claim that is one of `parts`.
    pub fn at(&self, look: u32, parts: u32) -> Option<Alpha> {
        let levels = self.by_parts.get(parts.max(1) as usize - 1)?;
        levels.get((look as usize).checked_sub(1)?).copied()
    }

    /// The largest number of claims among which `fails` still holds at a look; 0 where it does not hold at all.
    pub fn strength(&self, look: u32, fails: impl Fn(Alpha) -> bool) -> u32 {
        let parts = (1..).take(self.by_parts.len());
        parts.take_while(|parts| self.at(look, *parts).is_some_and(&fails)).last().unwrap_or(0)
    }
}

/// What one rule shows at one look.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Shown {
    /// The boundary of a pass is crossed.
    pub pass: bool,
    /// The largest number of rules among which the boundary of a failure is crossed; 0 without one.
    pub strength: u32,
    /// No sample that may still come crosses a boundary.
    pub hopeless: bool,
}

/// Where one rule stands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Course {
    /// The look at which it passed.
    pub passed_at: Option<u32>,
    /// The look at which its failure became as sure as it is.
    pub failed_at: Option<u32>,
    /// The largest number of rules among which its failure stands; 0 without one.
    pub strength: u32,
    hopeless: bool,
}

/// Whether a run goes on after a look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// More samples are needed.
    GoOn,
    /// No sample can change the verdict.
    Stop,
}

/// What a rule has to do with the verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// The gate depends on it, and its failure may be an accident.
    Tested,
    /// The gate depends on it, and its failure is certain where there is one.
    Certain,
    /// The gate does not depend on it.
    Advisory,
}

/// All rules of a run, in the order of the policy.
#[derive(Clone, PartialEq, Debug)]
pub struct Courses {
    rules: Vec<(Claim, Course)>,
    last: u32,
}

impl Courses {
    /// None has been looked at.
    pub fn new(claims: impl IntoIterator<Item = Claim>) -> Self {
        Self { rules: claims.into_iter().map(|claim| (claim, Course::default())).collect(), last: 0 }
    }

    /// Takes in one look, one entry a rule. The boundary that is crossed first decides a rule; each of the two holds its
    /// own error over all looks. The run may end when a failure stands among all required rules, or when each of them is
    /// decided or cannot be any more.
    pub fn look(&mut self, number: u32, shown: impl IntoIterator<Item = Shown>) -> Next {
        self.last = number;
        let family = self.with(Claim::Tested).count().max(1);
        for ((_, course), shown) in self.rules.iter_mut().zip(shown) {
            course.hopeless |= shown.hopeless;
            if course.passed_at.is_some() || course.strength as usize >= family {
                continue;
            }
            if shown.strength > course.strength {
                (course.failed_at, course.strength) = (Some(number), shown.strength);
            }
            if shown.pass && (course.strength as usize) < family {
                *course = Course { passed_at: Some(number), failed_at: None, strength: 0, hopeless: false };
            }
        }
        let strengths: Vec<u32> = self.with(Claim::Tested).map(|course| course.strength).collect();
        let fails = holm_over(&strengths).contains(&true) || self.with(Claim::Certain).any(|rule| rule.strength > 0);
        let mut required = self.with(Claim::Tested).chain(self.with(Claim::Certain)).peekable();
        let some = required.peek().is_some();
        let decided = required.all(|course| course.passed_at.is_some() || course.hopeless);
        if some && (fails || decided) { Next::Stop } else { Next::GoOn }
    }

    fn with(&self, wanted: Claim) -> impl Iterator<Item = &Course> {
        self.rules.iter().filter(move |(claim, _)| *claim == wanted).map(|(_, course)| course)
    }

    /// Where each rule stands.
    pub fn rules(&self) -> impl Iterator<Item = Course> {
        self.rules.iter().map(|(_, course)| *course)
    }

    /// The last look, from 1; 0 before the first.
    pub fn last(&self) -> u32 {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASS: Shown = Shown { pass: true, strength: 0, hopeless: false };
    const OPEN: Shown = Shown { pass: false, strength: 0, hopeless: false };

    fn fail(strength: u32) -> Shown {
        Shown { pass: false, strength, hopeless: false }
    }

    fn alpha() -> Alpha {
        Alpha::new(0.05).unwrap()
    }

    #[test]
    fn levels_grow_and_together_spend_no_more_than_the_error() {
        let levels = LookLevels::new(alpha(), 3);
        for parts in 1..=3 {
            let all: Vec<f64> = (1..=LOOKS).map(|look| levels.at(look, parts).unwrap().value()).collect();
            assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
            assert!(all[19] < 0.05 / f64::from(parts));
        }
        // 1.892 standard errors at the last look.
        assert!((levels.at(LOOKS, 1).unwrap().value() - 0.02924).abs() < 2e-4);
        assert_eq!(levels.at(0, 1), None);
        assert_eq!(levels.at(21, 1), None);
    }

    #[test]
    fn a_pass_needs_every_required_rule_and_a_failure_only_one() {
        let claims = [Claim::Tested, Claim::Tested, Claim::Advisory];
        let mut courses = Courses::new(claims);
        assert_eq!(courses.look(1, [PASS, OPEN, OPEN]), Next::GoOn);
        assert_eq!(courses.look(2, [OPEN, PASS, OPEN]), Next::Stop);
        assert_eq!(courses.rules().map(|rule| rule.passed_at).collect::<Vec<_>>(), [Some(1), Some(2), None]);
        let mut courses = Courses::new(claims);
        assert_eq!(courses.look(1, [OPEN, OPEN, fail(CERTAIN)]), Next::GoOn, "advice stops nothing");
        assert_eq!(courses.look(2, [OPEN, fail(2), OPEN]), Next::Stop);
    }

    #[test]
    fn a_failure_that_would_not_stand_among_the_others_stops_nothing() {
        let mut courses = Courses::new([Claim::Tested, Claim::Tested]);
        assert_eq!(courses.look(1, [OPEN, fail(1)]), Next::GoOn);
        // Two failures of which one is strong enough for both stand together.
        assert_eq!(courses.look(2, [fail(2), OPEN]), Next::Stop);
    }

    #[test]
    fn a_certain_failure_stops_at_once_and_takes_no_error_from_the_others() {
        let mut courses = Courses::new([Claim::Tested, Claim::Certain]);
        assert_eq!(courses.clone().look(1, [OPEN, fail(CERTAIN)]), Next::Stop);
        assert_eq!(courses.look(1, [fail(1), OPEN]), Next::Stop, "the tested rule is alone in its family");
    }

    #[test]
    fn the_boundary_that_is_crossed_first_decides() {
        let mut courses = Courses::new([Claim::Tested, Claim::Tested]);
        courses.look(1, [PASS, OPEN]);
        courses.look(2, [fail(2), OPEN]);
        assert_eq!(courses.rules().next().unwrap().passed_at, Some(1));
        assert_eq!(courses.rules().next().unwrap().strength, 0);
    }

    #[test]
    fn what_cannot_be_decided_any_more_is_not_waited_for() {
        let mut courses = Courses::new([Claim::Tested, Claim::Tested]);
        let hopeless = Shown { hopeless: true, ..OPEN };
        assert_eq!(courses.look(1, [hopeless, OPEN]), Next::GoOn, "the other one may still fail");
        assert_eq!(courses.look(2, [OPEN, PASS]), Next::Stop);
    }

    #[test]
    fn without_a_required_rule_nothing_stops() {
        assert_eq!(Courses::new([Claim::Advisory]).look(1, [PASS]), Next::GoOn);
        assert_eq!(Courses::new([]).look(1, []), Next::GoOn);
    }
}
