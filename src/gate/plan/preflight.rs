//! What the gate says before it asks anything, when a required threshold could never pass.

use super::planned::Planned;
use super::threshold::plain_name;
use super::threshold::{CanPass, threshold_can_pass};
use super::words::never;
use crate::gate::{Reason, Threshold, Verdict};

/// One reason for each required threshold that can never pass: inconclusive where there are too few cases, an error where
/// there is none. `scoped` gives what is planned in a threshold's scope, and the scope in words.
pub fn preflight(
    thresholds: &[Threshold],
    scoped: impl Fn(&Threshold) -> (Planned, Option<String>),
) -> Vec<(Threshold, Reason)> {
    let required = thresholds.iter().filter(|threshold| threshold.required);
    required
        .filter_map(|threshold| {
            let (planned, scope) = scoped(threshold);
            let CanPass::Never { units, needed } = threshold_can_pass(threshold, &planned) else { return None };
            let verdict = if units == 0 { Verdict::Error } else { Verdict::Inconclusive };
            let text = never(threshold, scope.as_deref(), &planned, (units, needed));
            let reason = Reason { verdict, metric: Some(plain_name(&threshold.metric)), text };
            Some((threshold.clone(), reason))
        })
        .collect()
}
