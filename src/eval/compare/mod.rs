//! Two runs side by side: samples read from what runs left, paired by case, and turned into what the gate compares.
//! Kept out: where the files are found (`commands::regression_check`), the rules (`gate::compare`).

mod build;
mod changed;
mod metric;
mod noise;
mod pair;
mod read;
mod side;
mod summary;
mod together;

pub use build::{CaseFacts, Misfit, SideBuilder};
pub use changed::changed_cases;
pub use metric::{MetricProblem, comparable, subject_of};
pub use noise::{discordance_of_repeats, runs_by_case};
pub use pair::{Pair, Paired, pair};
pub use read::SideError;
pub use side::{Attempt, CaseKey, CaseNumbers, Print, Side};
pub use summary::{one_sided, recorded_summary, scale_of, summary};
pub use together::{How, how, together};

#[cfg(test)]
mod tests;
