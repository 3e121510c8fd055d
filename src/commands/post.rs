//! `llmci post`: the step after the job. It closes what a cancelled or killed step left open on the host, and never fails.

use clap::Args;

use super::{Context, Exit, Outcome};
use crate::host::github::{Clock, close_dangling};

/// The inputs of `llmci post`: none, everything is in the environment.
#[derive(Args, Clone, Debug)]
pub struct PostArgs {}

/// Closes what is open.
pub async fn run(context: &Context) -> Outcome {
    let variable = |name: &str| context.environment.get(name).map(str::to_owned);
    let lines = close_dangling(&variable, &(context.clock)(), Clock::real(), context.cancel.clone()).await;
    let lines: Vec<String> = lines.iter().map(|line| format!("warning: {}\n", context.sink.line(line, 500))).collect();
    Outcome { exit: Exit::Pass, report: None, rollout: None, text: lines.concat() }
}
