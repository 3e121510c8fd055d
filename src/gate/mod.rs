//! The currency of both wings: score, metric, threshold, verdict, and the rule that turns one into the next.
//! Pure: no I/O, no clock. Kept out: where scores come from (`eval`), how a verdict is shown (`report`).

mod aggregate;
mod assess;
mod bootstrap;
pub mod compare;
mod conclude;
mod data;
mod known;
mod metric;
pub mod noise;
pub mod plan;
mod policy;
pub mod safety;
mod score;
mod sequential;
mod threshold;
mod trial;
mod verdict;
mod words;

#[cfg(test)]
mod tests;

pub use aggregate::{Aggregate, Declared};
pub use assess::{Assessed, DISPLAY_CONFIDENCE, Subject, assess, assess_rule};
pub use conclude::{Facts, conclude, decided, in_gravity, lacking, settle_failures};
pub use data::{Data, Estimate, FEWEST_CLUSTERS, Unit as CaseUnit};
pub use known::{
    KNOWN, Known, Source, Unit, is_compared_by_ratio, known_metric, named_score_direction, named_score_unit,
};
pub use metric::{Direction, Metric, MetricName, MetricNameError};
pub use policy::{GatePolicy, OnInconclusive, OnPartial, OnSuiteChange, Preflight};
pub use score::{Score, ScoreError};
pub use sequential::{Claim, Course, Courses, LOOKS, LookLevels, Next, SPENDING, Shown, Stage};
pub use threshold::{DecideBy, Threshold};
pub use trial::{Expected, Trial};
pub use verdict::{Reason, Verdict};
pub use words::{amount, percent};
