//! Gathers the probes of one file, and everything that is wrong with it. Kept out: what a probe must be like (`build`).

use std::collections::HashSet;
use std::sync::Arc;

use super::build::{Frame, Known, check_name, probe};
use super::expand::{Fault, fault};
use super::spec::ProbeSpec;
use crate::document::{Problem, Problems, Spot};
use crate::eval::redteam::probe::{Applicable, Probe, ProbeSuite};
use crate::trust::Hasher;

/// The most probes of one suite that a user writes or that `vary` makes.
pub(super) const MOST_PROBES: usize = 50_000;
/// Problems after which the rest is only counted.
const MOST_PROBLEMS: usize = 100;

/// What became of a probe that was to be added.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// It is there.
    Fine,
    /// Its problems are.
    Faulty,
    /// There were too many, which is said once: the reading ends here.
    Full,
}

/// Gathers probes and problems of one file.
pub(super) struct Gathered {
    shown: Arc<str>,
    most: usize,
    ids: HashSet<String>,
    known: Known,
    probes: Vec<Arc<Probe>>,
    problems: Problems,
    suppressed: usize,
}

impl Gathered {
    pub(super) fn new(shown: &Arc<str>, most: usize) -> Self {
        Self {
            shown: Arc::clone(shown),
            most,
            ids: HashSet::new(),
            known: Known::new(),
            probes: Vec::new(),
            problems: Problems::none(),
            suppressed: 0,
        }
    }

    /// How many probes were looked at.
    pub(super) fn seen(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn report(&mut self, problem: Problem) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.suppressed += 1;
        }
    }

    /// Checks and adds one probe.
    pub(super) fn add(
        &mut self,
        spec: ProbeSpec,
        spot: Spot,
        frame: &Frame<'_>,
        place: &dyn Fn(&Fault) -> Problem,
    ) -> Added {
        if self.probes.len() >= self.most {
            let message = format!("more than {} probes", self.most);
            self.report(Problem::new(&self.shown, spot, message).help("split the file into several suites"));
            return Added::Full;
        }
        let id = spec.id.clone();
        let mut added = Added::Fine;
        match probe(spec, spot, frame, &mut self.known) {
            Ok(probe) => self.probes.push(Arc::new(probe)),
            Err(faults) => {
                faults.iter().for_each(|found| self.report(place(found)));
                added = Added::Faulty;
            }
        }
        if !self.ids.insert(id.clone()) {
            let shown: String = id.chars().take(120).collect();
            self.report(place(&fault("/id", format!("the id `{shown}` is there twice"))));
            added = Added::Faulty;
        }
        added
    }

    pub(super) fn finish(mut self, name: &str) -> Result<ProbeSuite, Problems> {
        if self.suppressed > 0 {
            let message = format!("and {} more problems", self.suppressed);
            self.problems.push(Problem::of_file(&self.shown, message));
        }
        if self.problems.is_empty() && self.probes.is_empty() {
            self.problems.push(Problem::of_file(&self.shown, "the suite has no probe"));
        }
        if let Err(message) = check_name(name) {
            self.problems.push(Problem::of_file(&self.shown, message));
        }
        let mut hasher = Hasher::new();
        hasher.part(name.as_bytes());
        self.probes.iter().for_each(|probe| digest(probe, &mut hasher));
        let suite = ProbeSuite {
            name: name.into(),
            shown: Arc::clone(&self.shown),
            digest: hasher.finish(),
            probes: self.probes,
        };
        self.problems.or(suite)
    }
}

/// Everything that a model is asked and by which its answer is judged; where a probe stands is no part of it.
fn digest(probe: &Probe, hasher: &mut Hasher) {
    let Probe {
        id,
        hazard,
        severity,
        locale,
        messages,
        payload,
        turns,
        variants,
        detect,
        evidence,
        applicable,
        max_tokens,
        goal,
        example_of_harm: _,
        group,
        place: _,
    } = probe;
    let any = matches!(applicable, Applicable::Any);
    let asked = (id, hazard.id, severity, locale, messages, payload, turns, variants);
    let judged = (detect, evidence, any, max_tokens, goal, group);
    hasher.part(&serde_json::to_vec(&(asked, judged)).unwrap_or_default());
}
