//! The inputs of `regression-check`. Action, template and reference are made from this struct.

use std::path::PathBuf;

use clap::Args;

use crate::commands::TrustArgs;
use crate::commands::preemption::PreemptionArgs;
use crate::eval::policy::EarlyStop;
use crate::host::PublishArgs;

/// Compares a candidate's samples with a baseline's.
#[derive(Args, Clone, Debug)]
pub struct RegressionCheckArgs {
    /// What to compare with: the folder, report.json or samples.jsonl of a run, `dir:PATH` of a kept baseline, or `git:REF:PATH` (default: `regression.baseline` of the policy)
    #[arg(long, value_name = "PLACE")]
    pub baseline: Option<String>,
    /// The run to judge, likewise; not read with --evaluate
    #[arg(long, value_name = "PLACE", default_value = "llmci-out")]
    pub candidate: String,
    /// A release that drops are added up against, likewise (default: `regression.anchor` of the policy)
    #[arg(long, value_name = "PLACE")]
    pub anchor: Option<String>,
    /// The policy file; without one the pass rate may not fall by two points
    #[arg(long, value_name = "PATH")]
    pub policy: Option<PathBuf>,
    /// The folder of the report as json, md, html, sarif and junit.xml
    #[arg(long, value_name = "DIR", default_value = "llmci-regression")]
    pub out: PathBuf,
    /// Ask the policy's model now instead of reading --candidate, and stop as soon as the verdict is certain; the samples are left in --out
    #[arg(long)]
    pub evaluate: bool,
    /// With --evaluate: the model to ask, a key of the policy's `models` (default: `gate.model`)
    #[arg(long, value_name = "NAME", requires = "evaluate")]
    pub model: Option<String>,
    /// With --evaluate: a suite to run instead of the policy's
    #[arg(long, value_name = "PATH", requires = "evaluate")]
    pub suite: Vec<PathBuf>,
    /// With --evaluate: the seed of everything random (default: `run.seed` of the policy)
    #[arg(long, value_name = "N", requires = "evaluate")]
    pub seed: Option<u64>,
    /// With --evaluate: go on with the journal of an interrupted run in --out
    #[arg(long, requires = "evaluate")]
    pub resume: bool,
    /// With --evaluate: whether the run ends as soon as its verdict is certain (default: `run.early_stop` of the policy, else auto)
    #[arg(long, value_name = "WHEN", requires = "evaluate")]
    pub early_stop: Option<EarlyStop>,
    /// What happens when the machine is taken away
    #[command(flatten)]
    pub preemption: PreemptionArgs,
    /// With --evaluate: no progress display
    #[arg(long, requires = "evaluate")]
    pub quiet: bool,
    /// How far a pull request is trusted
    #[command(flatten)]
    pub trust: TrustArgs,
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
    /// Comments, check runs and statuses
    #[command(flatten)]
    pub publish: PublishArgs,
}
