//! What GPUs this machine has, by the driver's own word. The driver is opened at run time: a machine without one gets an
//! answer, never a crash. The only room where `unsafe` is allowed: the driver's interface is C.
#![expect(unsafe_code, reason = "the driver's interface is C")]

mod device;
pub mod need;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use cudarc::driver::result;
use cudarc::driver::sys;

pub use device::{Capability, GpuDevice, Machine, Monitor};
pub use need::Need;

/// Why there is no GPU.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoGpu {
    /// libcuda is not on the machine, or not in the container.
    #[error("no NVIDIA driver: libcuda.so.1 is not there (in a container, start it with the nvidia runtime)")]
    NoDriver,
    /// libcuda is there and does not work: a stub, or an old one.
    #[error("the NVIDIA driver does not answer: {0}")]
    Broken(String),
    /// The driver shows no device.
    #[error("the NVIDIA driver shows no device (look at NVIDIA_VISIBLE_DEVICES and CUDA_VISIBLE_DEVICES)")]
    NoDevice,
}

/// The name of the thread that asks the driver.
pub const PROBE: &str = "gpu-probe";
/// The longest that the driver may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The GPUs that the driver shows, at least one. A driver that hangs is given up after five seconds.
pub fn devices() -> Result<Vec<GpuDevice>, NoGpu> {
    let (sender, receiver) = mpsc::channel();
    // The thread of a hanging driver cannot be ended: it is left behind, and ends with the process.
    let late = || NoGpu::Broken(format!("no answer within {} s", PATIENCE.as_secs()));
    let probe = std::thread::Builder::new().name(PROBE.to_owned());
    probe.spawn(move || sender.send(guarded())).map_err(|error| NoGpu::Broken(error.to_string()))?;
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(late()))
}

/// Memory of a device in bytes that is in use, whoever uses it; none where NVML is not there, or does not know the device. `uuid` is
/// as `nvidia-smi -L` shows it.
pub fn used_memory(uuid: &str) -> Option<u64> {
    static NVML: OnceLock<Option<nvml_wrapper::Nvml>> = OnceLock::new();
    let nvml = NVML.get_or_init(|| nvml_wrapper::Nvml::init().ok()).as_ref()?;
    Some(nvml.device_by_uuid(uuid).ok()?.memory_info().ok()?.used)
}

fn guarded() -> Result<Vec<GpuDevice>, NoGpu> {
    // A stub library or a missing symbol makes the bindings panic instead of returning an error.
    let probed = catch_unwind(AssertUnwindSafe(probe));
    probed.unwrap_or_else(|_| Err(NoGpu::Broken("a symbol is missing: the library is a stub or too old".to_owned())))
}

fn probe() -> Result<Vec<GpuDevice>, NoGpu> {
    // SAFETY: this only tries to open the library, and keeps it open.
    if !unsafe { sys::is_culib_present() } {
        return Err(NoGpu::NoDriver);
    }
    // The number of the error is enough: asking a broken library for its text can fail again.
    let broken = |error: result::DriverError| NoGpu::Broken(format!("CUDA error {}", error.0 as u32));
    result::init().map_err(broken)?;
    let count = result::device::get_count().map_err(broken)?;
    let mut devices = Vec::new();
    for ordinal in 0..count {
        let device = result::device::get(ordinal).map_err(broken)?;
        let uuid = result::device::get_uuid(device).map_err(broken)?;
        // SAFETY: `device` was given by the driver a moment ago.
        let memory = unsafe { result::device::total_mem(device) }.map_err(broken)?;
        devices.push(GpuDevice {
            index: usize::try_from(ordinal).unwrap_or_default(),
            name: result::device::get_name(device).map_err(broken)?,
            uuid: format_uuid(&uuid.bytes.map(|byte| byte.to_ne_bytes()[0])),
            memory_bytes: memory as u64,
            capability: None,
            monitor: None,
        });
    }
    if devices.is_empty() { Err(NoGpu::NoDevice) } else { Ok(devices) }
}

/// `GPU-` and the digits in groups, as the driver's own tools show them.
fn format_uuid(bytes: &[u8; 16]) -> String {
    let mut text = String::from("GPU-");
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_driver_gets_an_answer() {
        match devices() {
            Ok(devices) => assert!(!devices.is_empty()),
            Err(reason) => assert!(!reason.to_string().is_empty()),
        }
    }

    #[test]
    fn a_uuid_reads_as_the_drivers_tools_show_it() {
        let bytes = std::array::from_fn(|index| u8::try_from(index).unwrap());
        assert_eq!(format_uuid(&bytes), "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f");
    }
}
