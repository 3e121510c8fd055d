//! The inputs of `eval-gate`: one struct for the command line, `action.yml`, the GitLab template and the README's table.

use std::path::PathBuf;

use clap::Args;

use crate::commands::TrustArgs;
use crate::commands::preemption::PreemptionArgs;
use crate::eval::Level;
use crate::eval::policy::EarlyStop;
use crate::eval::shard::Shard;
use crate::host::PublishArgs;

/// The inputs of the program.
#[derive(Args, Clone, Debug)]
pub struct EvalGateArgs {
    /// The policy file
    #[arg(long, value_name = "PATH", default_value = "llmci.yaml")]
    pub policy: PathBuf,
    /// A suite to run instead of the policy's
    #[arg(long, value_name = "PATH")]
    pub suite: Vec<PathBuf>,
    /// The model to evaluate: a key of the policy's `models` (default: `gate.model`)
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Only cases of this level
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<Level>,
    /// Only cases with at least one of these tags
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// Only the K-th of N parts; `llmci merge` judges the whole
    #[arg(long, value_name = "K/N")]
    pub shard: Option<Shard>,
    /// Go on with the journal of an interrupted run in DIR
    #[arg(long)]
    pub resume: bool,
    /// The folder of samples.jsonl, and of the report as json, md, html, sarif and junit.xml
    #[arg(long, value_name = "DIR", default_value = "llmci-out")]
    pub out: PathBuf,
    /// Requests in flight at most (default: `run.concurrency` of the policy)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub concurrency: Option<u32>,
    /// The seed of everything random (default: `run.seed` of the policy)
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Whether the run ends as soon as its verdict is certain (default: `run.early_stop` of the policy, else off)
    #[arg(long, value_name = "WHEN")]
    pub early_stop: Option<EarlyStop>,
    /// Where verdicts are kept, so that nobody runs again until it is green: a folder, or s3://bucket/prefix (default: `run.verdicts` of the policy, else nowhere)
    #[arg(long, value_name = "STORE")]
    pub verdicts: Option<String>,
    /// Judge again what has been judged already, with half the error for each earlier verdict
    #[arg(long)]
    pub fresh: bool,
    /// What happens when the machine is taken away
    #[command(flatten)]
    pub preemption: PreemptionArgs,
    /// How far a pull request is trusted
    #[command(flatten)]
    pub trust: TrustArgs,
    /// No progress display
    #[arg(long)]
    pub quiet: bool,
    /// Comments, check runs and statuses
    #[command(flatten)]
    pub publish: PublishArgs,
}
