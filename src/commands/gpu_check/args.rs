//! What a job needs of its GPUs, and how it takes them: the same inputs for `gpu-check` and for every program that uses a GPU.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::plan::PlanArgs;
use crate::commands::CommandError;
use crate::document::nearest;
use crate::gpu::health::Depth;
use crate::gpu::{Need, PATIENCE, kinds};
use crate::trust::Untrusted;

/// How much work the health run does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum HealthArg {
    /// None: the devices are only looked at
    Off,
    /// Below ten seconds
    #[default]
    Quick,
    /// The same twenty times over
    Full,
}

impl HealthArg {
    /// Nothing where no work is to be done.
    pub(crate) fn depth(self) -> Option<Depth> {
        match self {
            HealthArg::Off => None,
            HealthArg::Quick => Some(Depth::Quick),
            HealthArg::Full => Some(Depth::Full),
        }
    }
}

/// The inputs of `gpu-check`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct GpuCheckArgs {
    /// How many GPUs are needed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub count: u32,
    /// What is needed of each
    #[command(flatten)]
    pub need: NeedArgs,
    /// How much work each GPU that meets the needs has to do well
    #[arg(long, value_name = "DEPTH", value_enum, default_value = "quick")]
    pub health: HealthArg,
    /// The folder of gpu.json
    #[arg(long, value_name = "DIR", default_value = "llmci-gpu")]
    pub out: PathBuf,
    /// Hold the GPUs for the command behind `--`, which sees these alone, and end as it ends
    #[arg(long)]
    pub lease: bool,
    /// How they are taken
    #[command(flatten)]
    pub how: LeaseArgs,
    /// The command, with its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    /// Something else about GPUs
    #[command(subcommand)]
    pub other: Option<Other>,
}

/// What `gpu-check` does besides looking at this machine.
#[derive(Subcommand, Clone, Debug)]
pub enum Other {
    /// Say where in a cluster a job's GPUs are, when, and for how much: writes nothing
    Plan(PlanArgs),
}

impl Default for DriverArgs {
    fn default() -> Self {
        Self { driver_timeout: PATIENCE.as_secs_f64() }
    }
}

impl DriverArgs {
    /// How long the driver may take.
    pub(crate) fn patience(&self) -> Result<Duration, CommandError> {
        let wrong = || CommandError::Inputs("--driver-timeout: seconds above 0 and up to 3600 are wanted".into());
        let seconds = self.driver_timeout;
        if seconds > 0.0 && seconds <= 3600.0 { Ok(Duration::from_secs_f64(seconds)) } else { Err(wrong()) }
    }
}

impl NeedArgs {
    /// What is needed of `count` GPUs; wrong values name the input.
    pub fn need(&self, count: u32) -> Result<Need, CommandError> {
        let wrong = |text: String| CommandError::Inputs(Untrusted::new(text));
        if let Some(gb) = self.min_memory_gb.filter(|gb| !(gb.is_finite() && *gb >= 0.0)) {
            return Err(wrong(format!("--min-memory-gb: {gb} is no amount of memory")));
        }
        let capability = self
            .compute_capability
            .as_ref()
            .map(|text| text.parse().map_err(|form| wrong(format!("--compute-capability: {text:?} is not {form}"))));
        Ok(Need {
            count,
            min_memory_gb: self.min_memory_gb,
            capability: capability.transpose()?,
            kinds: kinds_of(&self.gpu_type)?,
            max_used_memory_mb: self.max_used_memory_mb,
        })
    }
}

/// The kinds that `--gpu-type` names, in lower case; one that is not in the table is refused.
pub(super) fn kinds_of(given: &[String]) -> Result<Vec<String>, CommandError> {
    let kind = |given: &String| {
        let kind = given.trim().to_lowercase();
        if kinds::is_known(&kind) {
            return Ok(kind);
        }
        let names = kinds::names();
        let near = nearest(&kind, names.iter().copied());
        let near = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
        let text = format!(
            "--gpu-type: {given:?} is no kind that is known{near}: {}; or one without its size, such as h100",
            names.join(", ")
        );
        Err(CommandError::Inputs(Untrusted::new(text)))
    };
    given.iter().map(kind).collect()
}

/// What is needed. Without `--gpus` (and without a model that needs a GPU) no device is looked for.
#[derive(Args, Clone, Debug, Default)]
pub struct NeedArgs {
    /// Memory of each GPU in GB at least
    #[arg(long, value_name = "GB")]
    pub min_memory_gb: Option<f64>,
    /// Compute capability of each GPU at least, such as 8.0
    #[arg(long, value_name = "MAJOR.MINOR")]
    pub compute_capability: Option<String>,
    /// Kinds of GPU that will do, such as a100-80gb,h100 (default: any)
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub gpu_type: Vec<String>,
    /// Memory in MB that other processes may use of a GPU at most
    #[arg(long, value_name = "MB")]
    pub max_used_memory_mb: Option<u64>,
    /// Who says it
    #[command(flatten)]
    pub driver: DriverArgs,
}

/// How the driver is asked.
#[derive(Args, Clone, Debug)]
pub struct DriverArgs {
    /// Seconds after which a driver that does not answer counts as hanging
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE.as_secs_f64())]
    pub driver_timeout: f64,
}

/// How devices are taken from others on the same machine.
#[derive(Args, Clone, Debug)]
pub struct LeaseArgs {
    /// The folder of the locks by which GPUs are lent; all jobs of the machine have to see the same one
    #[arg(long, value_name = "DIR", default_value = "/var/lock/llmci-gpu")]
    pub lease_dir: PathBuf,
    /// How urgent the job is among those that wait for a GPU: 1 to 10, where 10 is the most urgent; ten minutes of waiting weigh as much as one step
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=10))]
    pub lease_priority: u8,
    /// Minutes to wait for a GPU at most; then the program ends with 4
    #[arg(long, value_name = "MINUTES", default_value_t = 60.0)]
    pub lease_timeout: f64,
    /// Give the GPUs back when a job of a higher lease priority waits: what was done is kept, and the program ends with 4
    #[arg(long)]
    pub preemptible: bool,
}
