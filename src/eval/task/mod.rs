//! Tasks of lm-evaluation-harness, run as they are, without Python: what their files say (`config`, `data`, `template`,
//! `fewshot`), what is asked (`request`), and how answers are judged (`filter`, `metric`). Kept out: results that lm-eval itself
//! has written (`eval::harness`).

mod config;
mod doc;
mod judge;

pub use config::load;
pub use doc::{Doc, Expected, FilterStep, MetricSpec, OutputType, Pipeline, RegexStep, TaskRules};
pub use judge::judge;
