//! A candidate against a baseline while the candidate's run is under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Part;
use crate::document::Problem;
use crate::eval::case::Level;
use crate::eval::compare::{CaseKey, CaseNumbers, MetricProblem, Side, comparable, pair, subject_of};
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
    prompt: Digest,
    expected: Digest,
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
                    prompt: case.prompt_digest,
                    expected: case.expected_digest,
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
        let both = self.cases.iter().filter(|case| against.side.cases.contains_key(&case.key)).count() as u64;
        Coverage {
            against: against.role.clone(),
            paired,
            changed: both - paired,
            only_baseline: against.side.cases.len() as u64 - both,
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
        let theirs = self.side.cases.get(&case.key);
        theirs.is_some_and(|theirs| theirs.prompt == case.prompt && theirs.expected == case.expected)
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
        let candidate = self.candidate(part);
        let mut shown = Vec::with_capacity(self.rules.len());
        for (index, one) in self.against.iter().enumerate() {
            let paired = pair(&one.role, &one.side, &candidate);
            for rule in self.rules.iter().filter(|rule| rule.against == index) {
                let data = comparable(&rule.rule, &paired, &one.side.names, part.names);
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

    /// The candidate's samples of a part, case by case.
    fn candidate(&self, part: &Part<'_>) -> Side {
        let mut cases = BTreeMap::new();
        for case in &self.planned.cases {
            let rows = case.slots.iter().filter_map(|(slot, repeat)| {
                let inside = part.slots.get(*slot as usize).copied().unwrap_or(false);
                let row = part.rows.get(*slot as usize)?.as_ref().filter(|_| inside)?;
                Some((*repeat, row.clone()))
            });
            let rows: Vec<_> = rows.collect();
            if !rows.is_empty() {
                let numbers = CaseNumbers {
                    prompt: case.prompt.clone(),
                    expected: case.expected.clone(),
                    level: case.level,
                    tags: case.tags.clone(),
                    rows,
                };
                cases.insert(case.key.clone(), numbers);
            }
        }
        Side { cases, names: part.names.clone(), digest: Digest::none(), samples: 0 }
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
