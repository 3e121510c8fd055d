//! Configs of promptfoo, run as they are, without Node: what they say (`config`, `nunjucks`), what their tests are made of
//! (`test`), and how an answer is judged (`judge`). Kept out: results that promptfoo itself has written (`eval::harness`).

mod assert;
mod compare;
mod config;
#[cfg(test)]
mod frozen;
mod graded;
mod judge;
mod nunjucks;
mod scoring;
mod test;
mod types;

pub use config::load;
pub use judge::judge;
pub use test::{AssertSet, Assertion, Code, CodeSource, Compared, Grader, Language, Node, Test, Value};
