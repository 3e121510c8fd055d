//! One GPU, and all that driver and NVML say about it. Plain data: what asks for it is `probe`.

use serde::{Deserialize, Serialize};

/// A CUDA compute capability, such as 9.0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Capability {
    /// The digit before the point.
    pub major: u32,
    /// The digit behind it.
    pub minor: u32,
}

/// What NVML says about a device; what a device or an old driver does not tell is `None`.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct Monitor {
    /// Free memory in bytes.
    pub free_bytes: Option<u64>,
    /// Used memory in bytes, other processes' included.
    pub used_bytes: Option<u64>,
    /// Degrees Celsius.
    pub temperature_c: Option<u32>,
    /// Why the clocks are lower than they could be, in words such as `hw_thermal_slowdown`; idle and application settings left out.
    /// None where NVML does not say.
    pub throttled: Option<Vec<String>>,
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

/// What NVML says of a device while it works.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct Load {
    /// As in [`Monitor::throttled`]: all reasons that were seen. None where NVML never said.
    pub throttled: Option<Vec<String>>,
    /// The highest, in degrees Celsius.
    pub temperature_c: Option<u32>,
    /// The most, as in [`Monitor::ecc_uncorrected`].
    pub ecc_uncorrected: Option<u64>,
}

impl Load {
    /// Takes in what a later look has shown.
    pub(super) fn add(&mut self, other: Load) {
        let Load { throttled, temperature_c, ecc_uncorrected } = other;
        if let Some(words) = throttled {
            let known = self.throttled.get_or_insert_default();
            known.extend(words.into_iter().filter(|word| !known.contains(word)).collect::<Vec<_>>());
        }
        self.temperature_c = self.temperature_c.max(temperature_c);
        self.ecc_uncorrected = self.ecc_uncorrected.max(ecc_uncorrected);
    }
}

/// One GPU.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
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

impl std::fmt::Display for Capability {
    fn fmt(&self, form: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(form, "{}.{}", self.major, self.minor)
    }
}

impl std::str::FromStr for Capability {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "two numbers with a point between them, such as 8.0";
        let (major, minor) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten().ok_or(FORM)
        };
        Ok(Self { major: number(major)?, minor: number(minor)? })
    }
}

/// The GPUs of a machine, and the driver behind them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The driver's own version, such as `580.159.04`; NVML says it.
    pub driver_version: Option<String>,
    /// The newest CUDA that the driver serves: major and minor.
    pub cuda_version: Option<(u32, u32)>,
    /// At least one.
    pub devices: Vec<GpuDevice>,
    /// Why NVML says nothing, where it does not.
    pub unmonitored: Option<String>,
}
