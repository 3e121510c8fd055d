//! The inputs of `regression-check`. Action, template and reference are made from this struct.

use std::path::PathBuf;

use clap::Args;

/// Compares a candidate's samples with a baseline's.
#[derive(Args, Clone, Debug)]
pub struct RegressionCheckArgs {
    /// What to compare with: the folder, report.json or samples.jsonl of a run, `dir:PATH` of a kept baseline, or `git:REF:PATH` (default: `regression.baseline` of the policy)
    #[arg(long, value_name = "PLACE")]
    pub baseline: Option<String>,
    /// The run to judge, likewise
    #[arg(long, value_name = "PLACE", default_value = "llmci-out")]
    pub candidate: String,
    /// A release that drops are added up against, likewise (default: `regression.anchor` of the policy)
    #[arg(long, value_name = "PLACE")]
    pub anchor: Option<String>,
    /// The policy file; without one the pass rate may not fall by two points
    #[arg(long, value_name = "PATH")]
    pub policy: Option<PathBuf>,
    /// The folder of report.json, report.md and junit.xml
    #[arg(long, value_name = "DIR", default_value = "llmci-regression")]
    pub out: PathBuf,
    /// Where verdicts are kept: a folder, or s3://bucket/prefix (default: `run.verdicts` of the policy, else .llmci/verdicts)
    #[arg(long, value_name = "STORE")]
    pub verdicts: Option<String>,
    /// Judge again what has been judged already, with half the error for each earlier verdict
    #[arg(long)]
    pub fresh: bool,
    /// After a pass, keep the candidate as the baseline in the folder that --baseline names; only on the default branch
    #[arg(long)]
    pub update_baseline: bool,
    /// Keep the candidate as the baseline whatever the verdict, for this reason; on a CI host only on the default branch
    #[arg(long, value_name = "REASON")]
    pub bless: Option<String>,
}
