//! One verdict from all rules of a comparison, and from what the two runs must have in common.

use super::family::{holm_over, settle};
use super::judge::{Compared, Judged};
use crate::gate::words::percent;
use crate::gate::{Reason, Verdict, in_gravity};
use crate::stats::float;

/// How far two runs hold the same cases.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Coverage {
    /// Who is compared with: `baseline` or `anchor`.
    pub against: String,
    /// Cases of both, with the same prompt and the same expected answer.
    pub paired: u64,
    /// Cases of both whose prompt or expected answer has changed.
    pub changed: u64,
    /// Cases of the baseline only.
    pub only_baseline: u64,
    /// Cases of the candidate only.
    pub only_candidate: u64,
}

impl Coverage {
    fn union(&self) -> u64 {
        self.paired + self.changed + self.only_baseline + self.only_candidate
    }

    /// The share of all cases that are paired; 0 without any.
    pub fn share(&self) -> f64 {
        if self.union() == 0 { 0.0 } else { float(self.paired) / float(self.union()) }
    }

    /// Why two runs of so little in common cannot be compared; none where they can.
    pub fn reason(&self, least: f64) -> Option<Reason> {
        let least = if least.is_finite() { least } else { 1.0 };
        if self.union() == 0 {
            let text = format!("neither the candidate nor the {} has any case", self.against);
            return Some(Reason { verdict: Verdict::Error, metric: None, text });
        }
        if self.share() >= least {
            return None;
        }
        let Coverage { against, paired, changed, only_baseline, only_candidate } = self;
        let text = format!(
            "the dataset changed: {paired} of {} cases are the same in the {against} and the candidate ({} of at least {}); \
             {changed} have another prompt or expected answer, {only_baseline} are only in the {against}, {only_candidate} only in \
             the candidate: evaluate the {against} again on this suite",
            self.union(),
            percent(self.share()),
            percent(least)
        );
        Some(Reason { verdict: Verdict::Inconclusive, metric: None, text })
    }
}

/// The verdict, the reasons with the deciding one first, and the rows as they stand after Holm. A changed dataset decides
/// before any rule does, and so does what the candidate's run lacks.
pub fn conclude_comparison(
    judged: Vec<Judged>,
    coverages: &[Coverage],
    least_coverage: f64,
    lacking: Vec<Reason>,
) -> (Verdict, Vec<Reason>, Vec<Compared>) {
    let mut reasons: Vec<(bool, Reason)> =
        coverages.iter().filter_map(|coverage| coverage.reason(least_coverage)).map(|reason| (true, reason)).collect();
    let comparable = reasons.is_empty();
    reasons.extend(lacking.into_iter().map(|reason| (true, reason)));
    let required: Vec<u32> =
        judged.iter().filter(|judged| judged.compared.required).map(|judged| judged.strength).collect();
    if required.is_empty() {
        let text = "no rule of the comparison is required: nothing can pass without a rule".to_owned();
        reasons.push((true, Reason { verdict: Verdict::Error, metric: None, text }));
    }
    let mut stands = holm_over(&required).into_iter();
    let mut rows = Vec::with_capacity(judged.len());
    for Judged { mut compared, strength: _ } in judged {
        if compared.required {
            let (verdict, more) = settle(compared.verdict, stands.next().unwrap_or(false), required.len());
            compared.verdict = verdict;
            compared.reason.extend(more);
        }
        if !comparable && compared.verdict != Verdict::Inconclusive {
            compared.verdict = Verdict::Inconclusive;
            compared.reason.push_str("; not decided, since the dataset changed");
        }
        let text =
            if compared.required { compared.reason.clone() } else { format!("{} (not required)", compared.reason) };
        reasons
            .push((compared.required, Reason { verdict: compared.verdict, metric: Some(compared.name.clone()), text }));
        rows.push(compared);
    }
    let (verdict, reasons) = in_gravity(reasons);
    (verdict, reasons, rows)
}
