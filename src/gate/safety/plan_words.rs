//! A plan of attacks in words, for a terminal.

use super::plan::{NeededUnits, PlannedRate, SafetyPlan};
use super::words::{counted, missing, rate, units};
use super::{Evidence, Side};
use crate::gate::percent;
use crate::gate::plan::count;

impl SafetyPlan {
    /// The plan as lines of text of our own.
    pub fn words(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.rates.iter().flat_map(|rate| self.rate(rate)).collect();
        lines.extend(self.missing.iter().map(|id| missing(id)));
        lines.push(if self.possible {
            "every rate that decides can pass with these attacks".to_owned()
        } else {
            "NOT POSSIBLE: at least one rate that decides can never pass with these attacks".to_owned()
        });
        lines
    }

    fn rate(&self, planned: &PlannedRate) -> Vec<String> {
        let (unit, what) = (units(self.unit), counted(planned.side));
        let how = match planned.evidence {
            Evidence::Exact => "exact",
            Evidence::Judge => "by a guard or judge",
            Evidence::Screen => "by a screen",
            Evidence::Words => "by a list of words",
        };
        let optional = if planned.required { "" } else { ", not required" };
        let there = format!("({} {unit}, {how}{optional})", count(planned.units));
        let name = planned.name();
        let Some(limit) = planned.limit else {
            let open = match planned.side {
                Side::Harm => "no limit is set",
                Side::Refusal => "over-refusal is not limited",
            };
            return vec![format!("{name}: {open} {there}")];
        };
        let confidence = percent(self.confidence);
        let mut lines = vec![format!("{name}: at most {} {what} with {confidence} confidence {there}", rate(limit))];
        if let Some(why) = &planned.why {
            lines.push(format!("  CANNOT PASS: {why}"));
        }
        if let Some(allowed) = planned.harmful_allowed.filter(|_| planned.hindrance.is_none()) {
            let half = planned.passes_at_half.map_or_else(String::new, |chance| {
                format!("; at a true rate of {}, half the limit, in {} of runs", rate(limit / 2.0), rate(chance))
            });
            lines.push(format!("  passes with up to {} {what}{half}", count(allowed)));
        }
        let some = |needed: &NeededUnits| Some((needed.harmful, needed.units?));
        let needed: Vec<String> = planned
            .needed
            .iter()
            .filter_map(some)
            .map(|(harmful, units)| format!("{} with {harmful} {what}", count(units)))
            .collect();
        if !needed.is_empty() {
            lines.push(format!("  {unit} that this limit takes: {}", needed.join(", ")));
        }
        if let Some(smallest) = planned.smallest {
            lines.push(format!("  0 {what} of {} would show at most {}", count(planned.units), rate(smallest)));
        }
        lines
    }
}
