//! The inputs of `canary-promote`: one struct for the command line, `action.yml`, the GitLab template and the README's table.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::commands::CommandError;
use crate::deliver::plan::{Preset, StrategyName};

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Order {
    /// Begin a rollout, or go on with the one that is under way
    #[default]
    Start,
    /// Go on with the rollout that is under way
    Resume,
    /// Say where the rollout and the traffic are
    Status,
    /// Say yes to the step that waits for a person, and go on
    Approve,
    /// Stay at the step that the rollout is at
    Pause,
    /// Return the traffic to stable, and undo the rollout
    Abort,
    /// Bring back the previous revision, or the one of --to-revision
    Rollback,
    /// Watch a release, and bring it back when a rule of `watch` fires
    Watch,
    /// Write this deployment's own runbook
    Runbook,
}

impl Order {
    /// As on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Order::Start => "start",
            Order::Resume => "resume",
            Order::Status => "status",
            Order::Approve => "approve",
            Order::Pause => "pause",
            Order::Abort => "abort",
            Order::Rollback => "rollback",
            Order::Watch => "watch",
            Order::Runbook => "runbook",
        }
    }
}

/// What a rollout does when a person has to say yes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum OnApproval {
    /// It waits, and goes on judging: a step that fails still returns the traffic
    #[default]
    Wait,
    /// It ends (exit 3) and leaves the traffic where it is, unwatched, for `approve` in a later job
    Leave,
}

/// The inputs of the program.
#[derive(Args, Clone, Debug)]
pub struct CanaryPromoteArgs {
    /// What to do (default: start)
    #[arg(value_name = "COMMAND", id = "order")]
    pub order: Option<Order>,
    /// What to do, where it is an input and not the first word of a command line (default: start)
    #[arg(long, value_name = "COMMAND")]
    pub command: Option<Order>,
    /// The rollout file; without one everything comes from the inputs below
    #[arg(long, value_name = "PATH", default_value = "rollout.yaml")]
    pub rollout: PathBuf,
    /// The new image (default: `change.image` of the rollout file)
    #[arg(long, alias = "image", value_name = "IMAGE")]
    pub new_image: Option<String>,
    /// The new version of the model (default: `change.model.value` of the rollout file)
    #[arg(long, value_name = "VERSION")]
    pub model_version: Option<String>,
    /// The workload's name (default: `workload.name` of the rollout file)
    #[arg(long, value_name = "NAME")]
    pub workload: Option<String>,
    /// Its namespace (default: `workload.namespace`, else the one of the kubeconfig's context)
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The Service that users come through (default: `workload.service`, else the workload's name)
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// The container that changes (default: `workload.container`, else the only one)
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// The context of the kubeconfig (default: `workload.context`, else the current one)
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// A kubeconfig: its path, or its text (default: KUBECONFIG, ~/.kube/config, or the pod's own account)
    #[arg(long, value_name = "PATH|TEXT")]
    pub kubeconfig: Option<String>,
    /// How the new version reaches the users (default: `strategy` of the rollout file, else canary)
    #[arg(long, value_name = "NAME")]
    pub strategy: Option<StrategyName>,
    /// The steps of a canary or feature flag in percent, such as 10,25,50,100
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub steps: Vec<u8>,
    /// The least time at each step, in seconds (default: the strategy's own, else 60)
    #[arg(long, value_name = "SECONDS")]
    pub hold_seconds: Option<f64>,
    /// Where Prometheus answers, up to but without /api/v1 (default: `analysis.prometheus.url`)
    #[arg(long, value_name = "URL")]
    pub prometheus: Option<String>,
    /// Known metrics and their rules, such as istio,vllm,dcgm (default: `analysis.presets`)
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub presets: Vec<Preset>,
    /// The environment that GitHub or GitLab show, such as production (default: `alerts.environment`)
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// What happens when a person has to say yes
    #[arg(long, value_name = "WHAT", default_value = "wait")]
    pub on_approval: OnApproval,
    /// resume: return the traffic to stable when the rollout is past its deadline
    #[arg(long)]
    pub or_rollback: bool,
    /// rollback: the revision to bring back (default: the one before)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub to_revision: Option<u64>,
    /// watch: how long, in seconds (default: `watch.for_seconds` of the rollout file, else 3600)
    #[arg(long, value_name = "SECONDS")]
    pub for_seconds: Option<f64>,
    /// start, rollback: print each call with its changes and the whole timeline, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The folder of rollout.json, rollout.md, events.jsonl and runbook.md
    #[arg(long, value_name = "DIR", default_value = "llmci-out")]
    pub out: PathBuf,
    /// No progress display
    #[arg(long)]
    pub quiet: bool,
}

impl CanaryPromoteArgs {
    /// What is to be done.
    pub fn order(&self) -> Result<Order, CommandError> {
        match (self.order, self.command) {
            (Some(word), Some(input)) if word != input => Err(CommandError::Inputs(
                format!("`{}` and --command {} ask for two things: leave one out", word.word(), input.word()).into(),
            )),
            (word, input) => Ok(word.or(input).unwrap_or_default()),
        }
    }

    /// Inputs that have no meaning for an order are refused: one of them would be ignored in silence.
    pub(super) fn check(&self, order: Order) -> Result<(), CommandError> {
        let given: [(&str, bool, &[Order]); 5] = [
            ("or-rollback", self.or_rollback, &[Order::Resume]),
            ("to-revision", self.to_revision.is_some(), &[Order::Rollback]),
            ("for-seconds", self.for_seconds.is_some(), &[Order::Watch]),
            ("dry-run", self.dry_run, &[Order::Start, Order::Rollback]),
            ("on-approval", self.on_approval == OnApproval::Leave, &[Order::Start, Order::Resume, Order::Approve]),
        ];
        match given.iter().find(|(_, given, orders)| *given && !orders.contains(&order)) {
            Some((name, ..)) => {
                let text = format!("--{name} has no meaning for `{}`: leave it out", order.word());
                Err(CommandError::Inputs(text.into()))
            }
            None => Ok(()),
        }
    }
}
