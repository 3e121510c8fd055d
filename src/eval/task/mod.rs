//! Tasks of lm-evaluation-harness, run as they are, without Python: what their files say (`config`, `data`, `template`,
//! `wording`, `fewshot`), what is asked (`source`), and how answers are judged (`filter`, `metric`). Kept out: results that lm-eval itself
//! has written (`eval::harness`).

mod config;
mod data;
mod doc;
mod expected;
mod fewshot;
mod file;
mod filter;
mod judge;
mod metric;
mod python;
mod regex;
mod rules;
mod source;
mod spec;
mod template;
mod wording;

pub use config::load;
pub use doc::{Doc, Expected, FilterStep, MetricSpec, OutputType, Pipeline, RegexStep, TaskRules, metric_key};
pub use judge::{judge, unjudged};

#[cfg(test)]
mod tests;
