//! Tasks of lm-evaluation-harness, run as they are, without Python: what their files say (`config`, `data`, `template`,
//! `wording`, `fewshot`), what is asked (`source`), how answers are judged (`filter`, `metric`), and
//! what comes out in lm-eval's own form (`results`). Kept out: results that lm-eval itself
//! has written (`eval::harness`).

mod config;
mod data;
mod doc;
mod expected;
mod fewshot;
mod file;
mod filter;
mod jinja;
mod judge;
mod metric;
mod python;
mod regex;
mod results;
mod rules;
mod source;
mod spec;
mod template;
mod turns;
mod wording;

pub use config::load;
pub use doc::{
    About, Doc, Expected, FilterStep, Group, MetricSpec, OutputType, Pipeline, RegexStep, TaskRules, metric_key,
};
pub use judge::{judge, unjudged};
pub(crate) use metric::overlap;
pub use results::{Evaluated, of_run, results};
pub use turns::TaskChat;

#[cfg(test)]
mod tests;
