//! CUDA's driver, asked within a process that may be lost: a stub panics, a broken one crashes or hangs. The bindings open
//! the library at run time, and panic where it or one of its symbols is not there.
//! Kept out: who starts that process and understands its end (`child`), what an answer means (`cause`).

use std::panic::{AssertUnwindSafe, catch_unwind};

use cudarc::driver::{result, sys};
use serde::{Deserialize, Serialize};

use super::device::{Capability, GpuDevice};

/// What the driver answered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// libcuda cannot be opened.
    NoLibrary,
    /// A symbol that every driver has is not there, by its name.
    Missing(String),
    /// The newest CUDA that the driver serves is older than [`NEEDED`].
    TooOld(i32),
    /// A call failed: its name and the code.
    Failed(String, u32),
    /// The newest CUDA that it serves, as `1000 * major + 10 * minor`, and the devices; there may be none.
    Devices(i32, Vec<GpuDevice>),
}

/// The oldest CUDA whose driver serves: the kernels of the health run are of PTX 6.4 (CUDA 10.1), and 11.0 is the first
/// driver that knows a split device (MIG). Source: CUDA release notes, "CUDA Driver" table; PTX ISA, release history.
pub(super) const NEEDED: i32 = 11_000;
/// The first CUDA that tells a MIG instance's own UUID (`cuDeviceGetUuid_v2`).
const MIG_UUIDS: i32 = 11_040;

/// Asks the driver; panics of the bindings become answers.
pub(super) fn ask() -> Answer {
    guarded(|| list().unwrap_or_else(|failed| failed)).unwrap_or_else(Answer::Missing)
}

/// Runs what calls the bindings; the symbol that was missing, or the text of another panic.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        // The bindings say `Missing symbol cuInit: <text of the loader>`.
        let name = text.strip_prefix("Missing symbol ").and_then(|rest| rest.split(':').next());
        name.unwrap_or(text).to_owned()
    })
}

/// A call that failed, as an answer.
pub(super) fn failed(call: &str) -> impl Fn(result::DriverError) -> Answer {
    // The number is enough: asking a broken library for its text can fail again.
    move |error| Answer::Failed(call.to_owned(), error.0 as u32)
}

fn list() -> Result<Answer, Answer> {
    // SAFETY: this only tries to open the library, and keeps it open.
    if !unsafe { sys::is_culib_present() } {
        return Err(Answer::NoLibrary);
    }
    let version = version()?;
    if version < NEEDED {
        return Err(Answer::TooOld(version));
    }
    result::init().map_err(failed("cuInit"))?;
    let count = result::device::get_count().map_err(failed("cuDeviceGetCount"))?;
    let devices: Result<Vec<GpuDevice>, Answer> = (0..count).map(|ordinal| one(ordinal, version)).collect();
    Ok(Answer::Devices(version, devices?))
}

/// The version is asked for first: it needs no device, and an old driver fails everything after it in its own way.
fn version() -> Result<i32, Answer> {
    let mut version = 0;
    // SAFETY: the driver writes one number to the place that it is given.
    let answer = unsafe { sys::cuDriverGetVersion(&raw mut version) };
    answer.result().map_err(failed("cuDriverGetVersion"))?;
    Ok(version)
}

fn one(ordinal: i32, version: i32) -> Result<GpuDevice, Answer> {
    let device = result::device::get(ordinal).map_err(failed("cuDeviceGet"))?;
    // SAFETY: `device` was given by the driver a moment ago, here and below.
    let memory = unsafe { result::device::total_mem(device) }.map_err(failed("cuDeviceTotalMem"))?;
    let attribute = |which| {
        // SAFETY: as above.
        let value = unsafe { result::device::get_attribute(device, which) };
        value.map(|value| u32::try_from(value).unwrap_or_default()).map_err(failed("cuDeviceGetAttribute"))
    };
    let capability = Capability {
        major: attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
        minor: attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
    };
    Ok(GpuDevice {
        index: usize::try_from(ordinal).unwrap_or_default(),
        name: result::device::get_name(device).map_err(failed("cuDeviceGetName"))?,
        uuid: uuid(device, version)?,
        memory_bytes: memory as u64,
        capability: Some(capability),
        monitor: None,
    })
}

/// The UUID as the driver's own tools show it. The first form of the call names the whole card, the second the instance.
fn uuid(device: sys::CUdevice, version: i32) -> Result<String, Answer> {
    let whole = result::device::get_uuid(device).map_err(failed("cuDeviceGetUuid"))?.bytes;
    if version < MIG_UUIDS {
        return Ok(shown("GPU", &whole.map(|byte| byte.to_ne_bytes()[0])));
    }
    let mut own = sys::CUuuid { bytes: [0; 16] };
    // SAFETY: `device` was given by the driver a moment ago, and it writes 16 bytes to the place that it is given.
    let answer = unsafe { sys::cuDeviceGetUuid_v2(&raw mut own, device) };
    answer.result().map_err(failed("cuDeviceGetUuid_v2"))?;
    let prefix = if own.bytes == whole { "GPU" } else { "MIG" };
    Ok(shown(prefix, &own.bytes.map(|byte| byte.to_ne_bytes()[0])))
}

/// The digits in groups behind a prefix.
fn shown(prefix: &str, bytes: &[u8; 16]) -> String {
    let mut text = format!("{prefix}-");
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
    fn a_uuid_reads_as_the_drivers_tools_show_it() {
        let bytes = std::array::from_fn(|index| u8::try_from(index).unwrap());
        assert_eq!(shown("GPU", &bytes), "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f");
    }

    #[test]
    fn a_panic_of_the_bindings_names_the_symbol() {
        let panicked = guarded(|| panic!("Missing symbol {}: {}", "cuInit", "undefined symbol: cuInit"));
        assert_eq!(panicked.map(|()| 0), Err("cuInit".to_owned()));
    }
}
