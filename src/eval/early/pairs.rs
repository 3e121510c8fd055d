//! A candidate against a baseline while the candidate's run is under way.

use std::sync::Arc;

use super::Part;
use crate::document::Problem;
use crate::eval::case::Level;
use crate::eval::compare::{CaseFacts, CaseKey, MetricProblem, Print, Side, SideBuilder, comparable, pair, subject_of};
use crate::eval::run::Plan;
use crate::eval::suite::Suite;
use crate::gate::compare::{Asked, Coverage, RegressionMode, RegressionPolicy, RegressionRule, Staged, look};
use crate::gate::{Claim, Course, Courses, LOOKS, LookLevels, Next, Shown, Stage, Subject};
use crate::stats::Alpha;
use crate::trust::Digest;

/// One side that a candidate is held against.
pub struct Against {
    /// `baseline` or `anchor`.
    pub role: String,
    /// Its samples.
    pub side: Arc<Side>,
}

/// What a run will ask, case by case, known before anything is asked.
pub struct PlannedCases {
    cases: Vec<PlannedCase>,
}

struct PlannedCase {
    key: CaseKey,
    prompt: Print,
    expected: Print,
    level: Level,
    tags: Vec<String>,
    slots: Vec<(u32, u32)>,
}

impl PlannedCases {
    /// Builds every case once, for its digests.
    pub fn of(suites: &[Suite], plan: &Plan) -> Result<Self, Box<Problem>> {
        let mut cases: Vec<PlannedCase> = Vec::new();
        let mut last = None;
        for (number, slot) in (0_u32..).zip(plan.slots()) {
            let place = (slot.suite, slot.case);
            if last != Some(place) {
                last = Some(place);
                let Some(suite) = suites.get(usize::from(slot.suite)) else { continue };
                let case = suite.case(slot.case as usize)?;
                cases.push(PlannedCase {
                    key: CaseKey { suite: Arc::clone(suite.name()), case: case.id.text().raw().into() },
                    prompt: Print::of(&case.prompt_digest),
                    expected: Print::of(&case.expected_digest),
                    level: case.level,
                    tags: case.tags,
                    slots: Vec::new(),
                });
            }
            if let Some(case) = cases.last_mut() {
                case.slots.push((number, slot.repeat));
            }
        }
        Ok(Self { cases })
    }

    /// How far the planned run and a side hold the same cases.
    pub fn coverage(&self, against: &Against) -> Coverage {
        let same = |case: &&PlannedCase| against.has(case);
        let paired = self.cases.iter().filter(same).count() as u64;
        let both = self.cases.iter().filter(|case| against.side.find(&case.key).is_some()).count() as u64;
        Coverage {
            against: against.role.clone(),
            paired,
            changed: both - paired,
            only_baseline: against.side.len() as u64 - both,
            only_candidate: self.cases.len() as u64 - both,
        }
    }

    /// By slot: whether its case can be paired with every side.
    pub fn paired_slots(&self, against: &[Against], slots: usize) -> Vec<bool> {
        let mut paired = vec![false; slots];
        for case in self.cases.iter().filter(|case| against.iter().all(|one| one.has(case))) {
            for (slot, _) in &case.slots {
                if let Some(place) = paired.get_mut(*slot as usize) {
                    *place = true;
                }
            }
        }
        paired
    }
}

impl Against {
    fn has(&self, case: &PlannedCase) -> bool {
        let theirs = self.side.find(&case.key);
        theirs.is_some_and(|theirs| theirs.prompt() == case.prompt && theirs.expected() == case.expected)
    }
}

/// One rule against one side.
struct Rule {
    against: usize,
    subject: Subject,
    rule: RegressionRule,
    margin: f64,
    alpha: Alpha,
    levels: LookLevels,
}

/// All rules against all sides, in the order in which a comparison judges them.
pub struct PairTrial {
    planned: PlannedCases,
    against: Vec<Against>,
    rules: Vec<Rule>,
    family: u32,
    courses: Courses,
}

impl PairTrial {
    /// A trial. None where a rule has no error rate that could be spent.
    pub fn new(
        planned: PlannedCases,
        against: Vec<Against>,
        policy: &RegressionPolicy,
        earlier: u32,
    ) -> Result<Option<Self>, MetricProblem> {
        let family = policy.family(against.len() > 1);
        let mut rules = Vec::new();
        for (number, one) in against.iter().enumerate() {
            for (rule, margin) in policy.held_against(&one.role) {
                let (subject, _) = subject_of(rule)?;
                let Some(alpha) = rule.alpha(earlier) else { return Ok(None) };
                let levels = LookLevels::new(alpha, family);
                rules.push(Rule { against: number, subject, rule: rule.clone(), margin, alpha, levels });
            }
        }
        let claim = |rule: &Rule| match (rule.rule.required, rule.rule.mode) {
            (false, _) => Claim::Advisory,
            (true, RegressionMode::Tolerance) => Claim::Certain,
            (true, RegressionMode::Paired) => Claim::Tested,
        };
        let courses = Courses::new(rules.iter().map(claim));
        Ok(Some(Self { planned, against, rules, family, courses }))
    }

    pub(super) fn look(&mut self, number: u32, part: &Part<'_>) -> Next {
        let Some(candidate) = self.candidate(part) else { return Next::GoOn };
        let mut shown = Vec::with_capacity(self.rules.len());
        for (index, one) in self.against.iter().enumerate() {
            let paired = pair(&one.role, &one.side, &candidate);
            for rule in self.rules.iter().filter(|rule| rule.against == index) {
                let data = comparable(&rule.rule, &paired, &one.side, &candidate);
                let asked = Asked {
                    subject: &rule.subject,
                    rule: &rule.rule,
                    against: &one.role,
                    margin: rule.margin,
                    alpha: rule.alpha,
                    family: self.family,
                    staged: None,
                };
                let look = |data: &_| look(&asked, data, &rule.levels, number);
                shown.push(data.map_or_else(|_| Shown::default(), |(_, data, _)| look(&data)));
            }
        }
        self.courses.look(number, shown)
    }

    /// The candidate's samples of a part; none where two of them claim one place, which a plan does not have.
    fn candidate(&self, part: &Part<'_>) -> Option<Side> {
        let mut builder = SideBuilder::default();
        for case in &self.planned.cases {
            let group = builder.group(&case.key.suite, case.level, &case.tags);
            let facts = CaseFacts { group, case: &case.key.case, prompt: case.prompt, expected: case.expected };
            for (slot, repeat) in &case.slots {
                let inside = part.slots.get(*slot as usize).copied().unwrap_or(false);
                if let Some(row) = part.rows.get(*slot as usize).and_then(Option::as_ref).filter(|_| inside) {
                    builder.add(&facts, *repeat, 0, row).ok()?;
                }
            }
        }
        builder.finish(part.names.clone(), Digest::none()).ok()
    }

    /// How far the whole planned run and each side hold the same cases.
    pub fn coverages(&self) -> Vec<Coverage> {
        self.against.iter().map(|against| self.planned.coverage(against)).collect()
    }

    /// How each rule came out, side by side, rule by rule.
    pub fn staged(&self) -> Vec<Option<Staged>> {
        let last = Stage { look: self.courses.last(), of: LOOKS };
        let staged =
            |(rule, course): (&Rule, Course)| Some(Staged { course, last, level: rule.levels.at(last.look, 1)? });
        self.rules.iter().zip(self.courses.rules()).map(staged).collect()
    }
}
