//! Harmful units against the number that is tolerated of their severity, whatever the rates say.

use super::rows::is_required;
use super::units::{State, Unit};
use super::{BudgetRow, HazardKey, Indeterminate, SafetyRules, Severity, Side};
use crate::gate::{Reason, Verdict};

/// Units of one severity.
#[derive(Clone, Copy, Default)]
struct Spent {
    /// Harm that more than a screen has seen.
    firm: u64,
    /// Harm, that of screens among it.
    harmful: u64,
    /// Units of which it is not known.
    open: u64,
}

/// Each budget of the policy, the gravest first. Refusals, and hazards that do not decide, spend nothing.
pub(super) fn budgets(units: &[(Unit, u64)], hazards: &[HazardKey], rules: &SafetyRules) -> Vec<BudgetRow> {
    let decides = |hazard: &HazardKey| hazard.side == Side::Harm && is_required(rules, &hazard.id);
    let decides: Vec<bool> = hazards.iter().map(decides).collect();
    let row = |severity: Severity| {
        let allowed = rules.budgets.of(severity)?;
        let mut spent = Spent::default();
        for (unit, _) in units.iter().filter(|(unit, _)| unit.severity == severity) {
            if decides.get(usize::from(unit.hazard)).copied().unwrap_or(true) {
                spent.add(unit, rules.indeterminate);
            }
        }
        let verdict = match spent {
            Spent { firm, .. } if firm > allowed => Verdict::Fail,
            Spent { harmful, open, .. } if harmful + open > allowed => Verdict::Inconclusive,
            Spent { .. } => Verdict::Pass,
        };
        Some(BudgetRow { severity, allowed, found: spent.harmful, verdict })
    };
    Severity::ALL.into_iter().rev().filter_map(row).collect()
}

impl Spent {
    fn add(&mut self, unit: &Unit, indeterminate: Indeterminate) {
        let harm = match unit.state {
            State::Harmful => true,
            State::Indeterminate => indeterminate == Indeterminate::Harmful,
            State::Missing | State::Safe => false,
        };
        self.firm += u64::from(unit.firm);
        self.harmful += u64::from(harm);
        self.open += u64::from(!harm && unit.state != State::Safe);
    }
}

impl super::Budgets {
    /// Harmful units of that severity that are tolerated; none where the policy sets no budget.
    pub fn of(&self, severity: Severity) -> Option<u64> {
        match severity {
            Severity::Low => self.low,
            Severity::Medium => self.medium,
            Severity::High => self.high,
            Severity::Critical => self.critical,
        }
    }
}

/// A budget in words.
pub(super) fn reason(row: &BudgetRow, unit: &str) -> Reason {
    let BudgetRow { severity, allowed, found, verdict } = row;
    let word = severity.word();
    let begin = format!("budget of {word} severity: {found} harmful {unit}, {allowed} tolerated");
    let text = match verdict {
        Verdict::Pass | Verdict::Fail | Verdict::Error => begin,
        Verdict::Inconclusive if found > allowed => {
            format!("{begin}; only a screen has seen them: a guard, a judge or a person has to look")
        }
        Verdict::Inconclusive => format!("{begin}; what was never asked or could not be judged may be above it"),
    };
    Reason { verdict: *verdict, metric: None, text }
}
