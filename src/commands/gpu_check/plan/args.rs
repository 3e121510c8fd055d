//! The inputs of `gpu-check plan`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Whether machines will do that the cloud may take back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Spot {
    /// They will do.
    Allow,
    /// Only they.
    Only,
    /// None of them.
    Never,
}

/// The inputs of `gpu-check plan`.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// How many GPUs the job needs, all on one node
    #[arg(long, visible_alias = "count", value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub gpus: u32,
    /// Kinds of GPU that will do, such as a100-80gb,h100 (default: any)
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub gpu_type: Vec<String>,
    /// Memory of each GPU in GB at least
    #[arg(long, value_name = "GB")]
    pub min_memory_gb: Option<f64>,
    /// How long the job runs, in hours
    #[arg(long, value_name = "HOURS", default_value = "1")]
    pub hours: f64,
    /// What one GPU may cost in an hour at most; nodes of unknown price are left out
    #[arg(long, value_name = "PRICE", requires = "prices")]
    pub max_price: Option<f64>,
    /// Whether spot machines will do
    #[arg(long, value_enum, value_name = "WHEN", default_value = "allow")]
    pub spot: Spot,
    /// The value of the job's PriorityClass: pods that wait with this one or a higher one go first
    #[arg(long, value_name = "N", default_value = "0", allow_negative_numbers = true)]
    pub priority: i64,
    /// The namespace of the job (default: the context's)
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// What machines cost: a YAML file, by instance type
    #[arg(long, value_name = "PATH")]
    pub prices: Option<PathBuf>,
    /// The local queue of Kueue that the job is sent to
    #[arg(long, value_name = "NAME")]
    pub kueue_queue: Option<String>,
    /// Keys of taints that the job may tolerate, besides those of GPU and spot nodes
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    pub tolerate: Vec<String>,
    /// The kubeconfig: a file, or its text (default: KUBECONFIG, ~/.kube/config, or the pod's own account)
    #[arg(long, value_name = "PATH|TEXT")]
    pub kubeconfig: Option<String>,
    /// A context of the kubeconfig (default: the current one)
    #[arg(long, value_name = "NAME")]
    pub kube_context: Option<String>,
    /// Print the plan as JSON
    #[arg(long)]
    pub json: bool,
}
