//! Does this GPU suffice? Pure: requirements against what is known of a device.

use super::device::{Capability, GpuDevice};

/// What a job needs of its GPUs.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Need {
    /// How many devices.
    pub count: u32,
    /// Memory of each in GB (10^9 bytes; a card that is sold as 80 GB has a little more or less in bytes: see [`unfit`]).
    pub min_memory_gb: Option<f64>,
    /// The least compute capability.
    pub capability: Option<Capability>,
    /// Kinds that will do, such as `h100-80gb`; empty for any.
    pub kinds: Vec<String>,
    /// The most memory in MB (10^6 bytes) that others may use of it.
    pub max_used_memory_mb: Option<u64>,
}

/// Why a device does not suffice; empty where it does. What is needed and not known (no NVML) is a reason, never a pass.
pub fn unfit(_need: &Need, _device: &GpuDevice) -> Vec<String> {
    Vec::new()
}
