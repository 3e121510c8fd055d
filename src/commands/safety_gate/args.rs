//! The inputs of `safety-gate`: one struct for the command line, `action.yml`, the GitLab template and the README's table.

use std::path::PathBuf;

use clap::Args;

use crate::commands::preemption::PreemptionArgs;
use crate::commands::{CommandError, TrustArgs};
use crate::eval::policy::EarlyStop;
use crate::eval::redteam::Completions;
use crate::host::PublishArgs;

/// The inputs of the program.
#[derive(Args, Clone, Debug)]
pub struct SafetyGateArgs {
    /// The policy file
    #[arg(long, value_name = "PATH", default_value = "llmci.yaml")]
    pub policy: PathBuf,
    /// A suite of probes instead of the policy's: the name of a shipped one (such as toxicity, bias, jailbreak), or a file
    #[arg(long, value_name = "NAME|PATH")]
    pub suite: Vec<String>,
    /// The model to attack: a key of the policy's `models` (default: `gate.model`)
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Strategies or groups of them instead of the policy's, such as plain,encodings,role-play+base64
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub strategies: Vec<String>,
    /// The largest harmful rate over all hazards, and of each (default: `safety.rules` of the policy, else 0.001)
    #[arg(long, value_name = "RATE")]
    pub max_harmful_rate: Option<f64>,
    /// The largest share of harmless requests that may be refused (default: `safety.rules` of the policy, else 0.1)
    #[arg(long, value_name = "RATE")]
    pub max_over_refusal_rate: Option<f64>,
    /// Prompts of each hazard at most (default: as many as show the limit when none is harmful)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub prompts: Option<u64>,
    /// Attacks with each prompt (default: `safety.attacks_per_prompt` of the policy, else 1)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub attacks_per_prompt: Option<u32>,
    /// An earlier run's folder, its samples.jsonl, or git:REF:PATH: a rise of harm against it fails
    #[arg(long, value_name = "PLACE")]
    pub baseline: Option<String>,
    /// Judge what garak (report.jsonl) or promptfoo's red team has found, and ask no model
    #[arg(long, value_name = "PATH")]
    pub results: Option<PathBuf>,
    /// Say how many prompts the rules need and what these suites can show, and ask no model
    #[arg(long)]
    pub plan: bool,
    /// Make one attack of an earlier run again: suite/probe/strategies/seed
    #[arg(long, value_name = "ATTACK")]
    pub replay: Option<String>,
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
    /// Whether the run ends as soon as its verdict is certain (default: `run.early_stop` of the policy, else auto)
    #[arg(long, value_name = "WHEN")]
    pub early_stop: Option<EarlyStop>,
    /// Whether samples.jsonl keeps what the model said, or only its digest (default: `safety.completions` of the policy, else keep)
    #[arg(long, value_name = "WHAT")]
    pub completions: Option<Completions>,
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

impl SafetyGateArgs {
    /// Inputs that have no meaning beside each other are refused: one of them would be ignored in silence.
    pub(super) fn check(&self) -> Result<(), CommandError> {
        let given = [
            ("suite", !self.suite.is_empty()),
            ("strategies", !self.strategies.is_empty()),
            ("prompts", self.prompts.is_some()),
            ("attacks-per-prompt", self.attacks_per_prompt.is_some()),
            ("baseline", self.baseline.is_some()),
            ("replay", self.replay.is_some()),
            ("plan", self.plan),
            ("resume", self.resume),
            ("checkpoint", self.preemption.checkpoint.is_some()),
            ("concurrency", self.concurrency.is_some()),
            ("early-stop", self.early_stop.is_some()),
            ("completions", self.completions.is_some()),
        ];
        let (by, idle): (&str, &[&str]) = if self.results.is_some() {
            let all = ["suite", "strategies", "prompts", "attacks-per-prompt", "baseline", "replay", "plan", "resume"];
            ("results", &[all.as_slice(), &["concurrency", "early-stop", "completions", "checkpoint"]].concat())
        } else if self.replay.is_some() {
            (
                "replay",
                &[
                    "strategies",
                    "prompts",
                    "attacks-per-prompt",
                    "baseline",
                    "plan",
                    "resume",
                    "early-stop",
                    "checkpoint",
                ],
            )
        } else if self.plan {
            ("plan", &["baseline", "resume", "concurrency", "early-stop", "completions", "checkpoint"])
        } else {
            return Ok(());
        };
        match given.iter().find(|(name, given)| *given && idle.contains(name)) {
            Some((name, _)) => {
                let text = format!("--{name} has no meaning with --{by}: leave one of them out");
                Err(CommandError::Inputs(text.into()))
            }
            None => Ok(()),
        }
    }
}
