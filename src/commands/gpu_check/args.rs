//! What a job needs of its GPUs, and how it takes them: the same inputs for `gpu-check` and for every program that uses a GPU.

use std::path::PathBuf;

use clap::Args;

/// What is needed. Without `--gpus` (and without a model that needs a GPU) no device is looked for.
#[derive(Args, Clone, Debug, Default)]
pub struct NeedArgs {
    /// Memory of each GPU in GB at least
    #[arg(long, value_name = "GB")]
    pub min_memory_gb: Option<f64>,
    /// Compute capability at least, such as 8.0
    #[arg(long, value_name = "MAJOR.MINOR")]
    pub compute_capability: Option<String>,
    /// Kinds of GPU that will do, such as a100-80gb,h100-80gb (default: any)
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub gpu_type: Vec<String>,
    /// Memory in MB that other processes may use of a GPU at most
    #[arg(long, value_name = "MB")]
    pub max_used_memory_mb: Option<u64>,
}

/// How devices are taken from others on the same machine.
#[derive(Args, Clone, Debug)]
pub struct LeaseArgs {
    /// The folder of the locks, shared by all jobs of the machine
    #[arg(long, value_name = "DIR", default_value = "/var/lock/llmci-gpu")]
    pub lease_dir: PathBuf,
    /// How urgent this job is: 1 (least) to 10
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=10))]
    pub priority: u8,
    /// Minutes to wait for a GPU at most; then the program ends with 4
    #[arg(long, value_name = "MINUTES", default_value_t = 60.0)]
    pub lease_timeout: f64,
    /// Give the GPUs back when a more urgent job waits: the run is kept, and the program ends with 4
    #[arg(long)]
    pub preemptible: bool,
}
