//! The inputs of `llmci calibrate`.

use std::path::PathBuf;

use clap::Args;

use crate::commands::TrustArgs;
use crate::commands::preemption::PreemptionArgs;
use crate::eval::Level;

/// The inputs of `llmci calibrate`.
#[derive(Args, Clone, Debug)]
pub struct CalibrateArgs {
    /// The policy file
    #[arg(long, value_name = "PATH", default_value = "llmci.yaml")]
    pub policy: PathBuf,
    /// A suite to run instead of the policy's; may be given several times
    #[arg(long, value_name = "PATH")]
    pub suite: Vec<PathBuf>,
    /// The model to calibrate: a key of the policy's `models` (default: `gate.model`)
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Only cases of this level
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<Level>,
    /// Only cases with at least one of these tags
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// How often every case is drawn, each time with another seed and without the cache
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u32).range(2..=10))]
    pub runs: u32,
    /// The folder of calibration.json and of the runs
    #[arg(long, value_name = "DIR", default_value = "llmci-calibration")]
    pub out: PathBuf,
    /// Requests in flight at most (default: `run.concurrency` of the policy)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub concurrency: Option<u32>,
    /// The seed of the first run (default: `run.seed` of the policy)
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Go on with the journals of an interrupted calibration in DIR
    #[arg(long)]
    pub resume: bool,
    /// What happens when the machine is taken away
    #[command(flatten)]
    pub preemption: PreemptionArgs,
    /// How far a pull request is trusted
    #[command(flatten)]
    pub trust: TrustArgs,
    /// No progress display
    #[arg(long)]
    pub quiet: bool,
}
