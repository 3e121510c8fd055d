//! One GPU, and all that driver and NVML say about it. Plain data: what asks for it is `probe`.

use serde::Serialize;

/// A CUDA compute capability, such as 9.0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Capability {
    /// The digit before the point.
    pub major: u32,
    /// The digit behind it.
    pub minor: u32,
}

/// What NVML says about a device; what a device or an old driver does not tell is `None`.
#[derive(Clone, PartialEq, Default, Debug, Serialize)]
pub struct Monitor {
    /// Free memory in bytes.
    pub free_bytes: Option<u64>,
    /// Used memory in bytes, other processes' included.
    pub used_bytes: Option<u64>,
    /// Degrees Celsius.
    pub temperature_c: Option<u32>,
    /// Why the clocks are lower than they could be, in words such as `hw_thermal_slowdown`; idle and application settings left out.
    pub throttled: Vec<String>,
    /// Memory errors since the last start of the driver that could not be corrected.
    pub ecc_uncorrected: Option<u64>,
    /// Whether the driver stays loaded when nobody uses the device.
    pub persistence: Option<bool>,
    /// Whether the device is split (MIG), and into how many instances.
    pub mig_instances: Option<u32>,
    /// Processes that hold memory of the device: id in this process namespace, and bytes.
    pub processes: Vec<(u32, Option<u64>)>,
    /// The limit in watts.
    pub power_limit_w: Option<f64>,
    /// The largest limit in watts that the device allows.
    pub power_limit_max_w: Option<f64>,
    /// Lanes of PCIe that are in use, and the most that device and slot allow.
    pub pcie_width: Option<(u32, u32)>,
    /// The clock of the multiprocessors in MHz, now and at most.
    pub clock_sm_mhz: Option<(u32, u32)>,
    /// The clock of the memory in MHz, now and at most.
    pub clock_memory_mhz: Option<(u32, u32)>,
}

/// One GPU.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct GpuDevice {
    /// The driver's number for it.
    pub index: usize,
    /// The driver's name for it.
    pub name: String,
    /// As `nvidia-smi -L` shows it: `GPU-` and hexadecimal digits, or `MIG-` for an instance.
    pub uuid: String,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Its compute capability.
    pub capability: Option<Capability>,
    /// What NVML says; absent where NVML is not there.
    pub monitor: Option<Monitor>,
}

/// The GPUs of a machine, and the driver behind them.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Machine {
    /// The driver's own version, such as `580.159.04`; NVML says it.
    pub driver_version: Option<String>,
    /// The newest CUDA that the driver serves: major and minor.
    pub cuda_version: Option<(u32, u32)>,
    /// At least one.
    pub devices: Vec<GpuDevice>,
}
