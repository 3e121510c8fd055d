//! The programs and their clap commands. One multi-call binary serves all names.

use std::path::Path;

use clap::{Command, CommandFactory, Parser, Subcommand};

use super::release_tree::ReleaseTreeArgs;
use crate::commands::calibrate::CalibrateArgs;
use crate::commands::canary_promote::CanaryPromoteArgs;
use crate::commands::check::CheckArgs;
use crate::commands::doctor::DoctorArgs;
use crate::commands::eval_gate::EvalGateArgs;
use crate::commands::gpu_check::GpuCheckArgs;
use crate::commands::merge::MergeArgs;
use crate::commands::plan::PlanArgs;
use crate::commands::post::PostArgs;
use crate::commands::preemption::PreemptionArgs;
use crate::commands::regression_check::RegressionCheckArgs;
use crate::commands::safety_gate::SafetyGateArgs;
use crate::host::PublishArgs;

/// What the process was started as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    /// `eval-gate`.
    EvalGate,
    /// `regression-check`.
    RegressionCheck,
    /// `safety-gate`.
    SafetyGate,
    /// `canary-promote`.
    CanaryPromote,
    /// `gpu-check`.
    GpuCheck,
    /// `canary-promote-post`: the step after a job that brings a version out.
    CanaryPromotePost,
    /// `llmci-post`: the step after a job.
    Post,
    /// `llmci`, with a subcommand; or any program, by the name it was called.
    Llmci,
}

#[derive(Parser)]
#[command(name = "eval-gate", version, about = "Evaluates a model on suites, judges it by the policy's thresholds, and reports", long_about = None)]
struct EvalGate {
    #[command(flatten)]
    args: EvalGateArgs,
}

#[derive(Parser)]
#[command(name = "regression-check", version, about = "Compares a candidate with a baseline by pairs, and says whether it is worse", long_about = None)]
struct RegressionCheck {
    #[command(flatten)]
    args: RegressionCheckArgs,
}

#[derive(Parser)]
#[command(name = "safety-gate", version, about = "Attacks a model, and bounds its rate of harm and of needless refusals", long_about = None)]
struct SafetyGate {
    #[command(flatten)]
    args: SafetyGateArgs,
}

#[derive(Parser)]
#[command(name = "canary-promote", version, about = "Brings a version to its users step by step, or brings it back", long_about = None)]
struct CanaryPromote {
    #[command(flatten)]
    args: CanaryPromoteArgs,
}

#[derive(Parser)]
#[command(name = "gpu-check", version, about = "Checks a machine's GPUs before a job spends hours on them", long_about = None)]
struct GpuCheck {
    #[command(flatten)]
    args: GpuCheckArgs,
}

#[derive(Parser)]
#[command(name = "canary-promote-post", version, about = "Returns the traffic to stable where a killed step left a rollout open", long_about = None)]
struct CanaryPromotePost {
    #[command(flatten)]
    args: CanaryPromoteArgs,
}

#[derive(Parser)]
#[command(name = "llmci-post", version, about = "Closes what a cancelled step left open", long_about = None)]
struct Post {
    #[command(flatten)]
    args: PostArgs,
}

#[derive(Parser)]
#[command(name = "llmci", version, about = "Gates for language models in CI: evaluate, judge, report", long_about = None)]
struct Llmci {
    #[command(subcommand)]
    command: Invocation,
}

/// One invocation, whatever the name of the binary.
#[derive(Subcommand, Clone, Debug)]
pub enum Invocation {
    /// Evaluate a model on suites, judge it by the policy's thresholds, and report
    EvalGate(EvalGateArgs),
    /// Compare a candidate with a baseline by pairs, and say whether it is worse
    RegressionCheck(RegressionCheckArgs),
    /// Attack a model, and bound its rate of harm and of needless refusals
    SafetyGate(SafetyGateArgs),
    /// Bring a version to its users step by step, or bring it back
    CanaryPromote(CanaryPromoteArgs),
    /// Check the machine's GPUs before a job spends hours on them
    GpuCheck(GpuCheckArgs),
    /// Report every problem of policy and suites at once, without running anything
    Check(CheckArgs),
    /// Say what the policy's rules can show with these cases: asks no model
    Plan(PlanArgs),
    /// Run one model several times, to see how much its results differ by themselves
    Calibrate(CalibrateArgs),
    /// Put the shards of a run together and judge the whole
    Merge(MergeArgs),
    /// Say what this machine and host can do: tokens, GPU, stores, models
    Doctor(DoctorArgs),
    /// Return the traffic to stable where a killed step left a rollout open
    #[command(hide = true)]
    CanaryPromotePost(CanaryPromoteArgs),
    /// Close what a cancelled step left open on the host
    #[command(hide = true)]
    Post(PostArgs),
    /// Write the files that are made from the code: actions, templates, schemas, tables
    #[command(hide = true)]
    Generate(GenerateArgs),
    /// Write the files of the commit behind a release's tags
    #[command(hide = true)]
    ReleaseTree(ReleaseTreeArgs),
}

/// The inputs of `llmci generate`.
#[derive(clap::Args, Clone, Debug)]
pub struct GenerateArgs {
    /// Write nothing; fail when a file is stale
    #[arg(long)]
    pub check: bool,
    /// The project's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub root: std::path::PathBuf,
}

impl Program {
    /// The program of a binary's name; the multi-call binary answers to each of them.
    pub fn of_name(self, argv0: &str) -> Self {
        let name = argv0.rsplit('/').next().unwrap_or_default();
        match name {
            "eval-gate" => Program::EvalGate,
            "regression-check" => Program::RegressionCheck,
            "safety-gate" => Program::SafetyGate,
            "canary-promote" => Program::CanaryPromote,
            "gpu-check" => Program::GpuCheck,
            "canary-promote-post" => Program::CanaryPromotePost,
            "llmci-post" => Program::Post,
            _ => self,
        }
    }

    /// Whether it keeps finished samples when it is stopped; the output `resumable` is theirs alone.
    pub(super) fn keeps_samples(self) -> bool {
        match self {
            Program::EvalGate | Program::RegressionCheck | Program::SafetyGate | Program::Llmci => true,
            Program::CanaryPromote | Program::GpuCheck | Program::CanaryPromotePost | Program::Post => false,
        }
    }

    /// Its clap command.
    pub fn command(self) -> Command {
        match self {
            Program::EvalGate => EvalGate::command(),
            Program::RegressionCheck => RegressionCheck::command(),
            Program::SafetyGate => SafetyGate::command(),
            Program::CanaryPromote => CanaryPromote::command(),
            Program::GpuCheck => GpuCheck::command(),
            Program::CanaryPromotePost => CanaryPromotePost::command(),
            Program::Post => Post::command(),
            Program::Llmci => Llmci::command(),
        }
    }

    /// Reads arguments that have all inputs in them.
    pub fn parse(self, arguments: &[String]) -> Result<Invocation, clap::Error> {
        match self {
            Program::EvalGate => EvalGate::try_parse_from(arguments).map(|parsed| Invocation::EvalGate(parsed.args)),
            Program::RegressionCheck => {
                RegressionCheck::try_parse_from(arguments).map(|parsed| Invocation::RegressionCheck(parsed.args))
            }
            Program::SafetyGate => {
                SafetyGate::try_parse_from(arguments).map(|parsed| Invocation::SafetyGate(parsed.args))
            }
            Program::CanaryPromote => {
                CanaryPromote::try_parse_from(arguments).map(|parsed| Invocation::CanaryPromote(parsed.args))
            }
            Program::GpuCheck => GpuCheck::try_parse_from(arguments).map(|parsed| Invocation::GpuCheck(parsed.args)),
            Program::CanaryPromotePost => {
                CanaryPromotePost::try_parse_from(arguments).map(|parsed| Invocation::CanaryPromotePost(parsed.args))
            }
            Program::Post => Post::try_parse_from(arguments).map(|parsed| Invocation::Post(parsed.args)),
            Program::Llmci => Llmci::try_parse_from(arguments).map(|parsed| parsed.command),
        }
    }
}

impl Invocation {
    /// How a program that asks models is told that its machine is taken back, and its output folder.
    pub(super) fn preemption(&self) -> Option<(&PreemptionArgs, &Path)> {
        match self {
            Invocation::EvalGate(args) => Some((&args.preemption, &args.out)),
            Invocation::RegressionCheck(args) => Some((&args.preemption, &args.out)),
            Invocation::SafetyGate(args) => Some((&args.preemption, &args.out)),
            Invocation::Calibrate(args) => Some((&args.preemption, &args.out)),
            Invocation::CanaryPromote(_)
            | Invocation::CanaryPromotePost(_)
            | Invocation::Merge(_)
            | Invocation::Check(_)
            | Invocation::Plan(_)
            | Invocation::Doctor(_)
            | Invocation::GpuCheck(_)
            | Invocation::Post(_)
            | Invocation::Generate(_)
            | Invocation::ReleaseTree(_) => None,
        }
    }

    /// Whether it makes samples on this machine, so that its report names the hardware.
    pub(super) fn computes(&self) -> bool {
        match self {
            Invocation::EvalGate(_) | Invocation::Calibrate(_) => true,
            Invocation::RegressionCheck(args) => args.evaluate,
            Invocation::SafetyGate(args) => !args.plan && args.results.is_none(),
            Invocation::Merge(_)
            | Invocation::CanaryPromote(_)
            | Invocation::CanaryPromotePost(_)
            | Invocation::Check(_)
            | Invocation::Plan(_)
            | Invocation::Doctor(_)
            | Invocation::GpuCheck(_)
            | Invocation::Post(_)
            | Invocation::Generate(_)
            | Invocation::ReleaseTree(_) => false,
        }
    }

    /// Who publishes, and how; none for commands without a verdict of their own. A shard is judged by nobody before it is
    /// merged, so it shows nothing.
    pub(super) fn publishing(&self) -> Option<(&'static str, PublishArgs)> {
        match self {
            Invocation::EvalGate(args) if args.shard.is_some() => None,
            Invocation::EvalGate(args) => Some(("eval-gate", args.publish.clone())),
            Invocation::RegressionCheck(args) => Some(("regression-check", args.publish.clone())),
            // A plan judges nothing, and one attack by itself is nobody's verdict.
            Invocation::SafetyGate(args) if args.plan || args.replay.is_some() => None,
            Invocation::SafetyGate(args) => Some(("safety-gate", args.publish.clone())),
            Invocation::Merge(args) => Some(("eval-gate", args.publish.clone())),
            // A rollout has no pull request: it is shown as a deployment; a machine is no pull request's matter.
            Invocation::CanaryPromote(_)
            | Invocation::GpuCheck(_)
            | Invocation::CanaryPromotePost(_)
            | Invocation::Check(_)
            | Invocation::Plan(_)
            | Invocation::Calibrate(_)
            | Invocation::Doctor(_)
            | Invocation::Post(_)
            | Invocation::Generate(_)
            | Invocation::ReleaseTree(_) => None,
        }
    }
}
