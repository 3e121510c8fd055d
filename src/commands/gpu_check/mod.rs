//! `gpu-check`: looks at the machine's GPUs before a job spends hours on them.

mod args;
mod lease;
pub mod plan;

use clap::Args;

use super::{CommandError, Context, Outcome};

pub use args::{LeaseArgs, NeedArgs};

/// The inputs of `gpu-check`.
#[derive(Args, Clone, Debug)]
pub struct GpuCheckArgs {
    /// How many GPUs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub count: u32,
    /// What suffices
    #[command(flatten)]
    pub need: NeedArgs,
    /// Hold the GPUs for the command behind `--`, which sees these alone, and end as it ends
    #[arg(long)]
    pub lease: bool,
    /// How they are taken
    #[command(flatten)]
    pub how: LeaseArgs,
    /// The command, with its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Takes the GPUs, and runs the command.
pub async fn run(args: GpuCheckArgs, context: &Context) -> Result<Outcome, CommandError> {
    if !args.lease {
        return Err(CommandError::Inputs("give --lease and a command behind `--`".into()));
    }
    lease::run(args.count, &args.need, &args.how, &args.command, context).await
}
