//! What NVML says of the devices. It may be missing, old or of another version than the driver: then the reason is noted,
//! and nothing is known. It runs in the same process of our own as the driver's questions, behind them.

use std::ffi::OsStr;
use std::time::Duration;

use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use serde::{Deserialize, Serialize};

use super::device::{Load, Monitor};

/// The name that a driver installs and that a container is given; the bindings' own default is the name of development files.
const LIBRARY: &str = "libnvidia-ml.so.1";

/// What NVML said of the machine.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Watched {
    /// The driver's version.
    pub driver_version: Option<String>,
    /// By UUID: each that was asked for.
    pub monitors: Vec<(String, Monitor)>,
    /// UUIDs of cards that are split (MIG), and have no instance.
    pub split_without_instances: Vec<String>,
    /// Cards that NVML sees.
    pub cards: u32,
    /// Whether library and kernel module are of different versions.
    pub mismatch: bool,
    /// Why it said nothing.
    pub silent: Option<String>,
}

/// Looks at devices again and again until NVML has no answer any more: at once where it is not there. The UUIDs are as
/// `nvidia-smi -L` shows them.
fn again(pause: Duration, look: &mut dyn FnMut(&Nvml) -> Option<()>) {
    let watched = super::driver::guarded(|| {
        let nvml = Nvml::builder().lib_path(OsStr::new(LIBRARY)).init().ok()?;
        loop {
            look(&nvml)?;
            std::thread::park_timeout(pause);
        }
    });
    // Nothing more is known, and whoever listens sees the end.
    let _: Result<Option<()>, String> = watched;
}

/// Says how many bytes of devices' memory are in use together, whoever uses them, each time that they are more than before. It ends
/// where one of the devices does not say it.
pub(super) fn each_used_memory(uuids: &[String], pause: Duration, say: &mut dyn FnMut(u64)) {
    let mut most = 0;
    again(pause, &mut |nvml| {
        let used = |uuid: &String| Some(nvml.device_by_uuid(uuid.as_str()).ok()?.memory_info().ok()?.used);
        let now = uuids.iter().map(used).sum::<Option<u64>>()?;
        if now > most {
            most = now;
            say(most);
        }
        Some(())
    });
}

/// Says what each of some devices shows while it works, again and again. A device that NVML does not know is left out.
pub(super) fn each_load(uuids: &[String], pause: Duration, say: &mut dyn FnMut(Vec<(String, Load)>)) {
    again(pause, &mut |nvml| {
        let look = |uuid: &String| {
            let device = nvml.device_by_uuid(uuid.as_str()).ok()?;
            Some((uuid.clone(), on_card(&device, load)))
        };
        let looks: Vec<(String, Load)> = uuids.iter().filter_map(look).collect();
        (!looks.is_empty()).then(|| say(looks))
    });
}

fn load(card: &Device<'_>) -> Load {
    Load {
        throttled: card.current_throttle_reasons().map(words).ok(),
        temperature_c: card.temperature(TemperatureSensor::Gpu).ok(),
        ecc_uncorrected: card.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile).ok(),
    }
}

/// Asks the whole card of an instance; of a card itself, that card.
fn on_card<T>(device: &Device<'_>, ask: impl Fn(&Device<'_>) -> T) -> T {
    let parent = match device.mig_is_mig_device_handle() {
        Ok(true) => device.mig_parent_device().ok(),
        Ok(false) | Err(_) => None,
    };
    ask(parent.as_ref().unwrap_or(device))
}

/// Asks NVML about devices that the driver has named.
pub(super) fn watch(uuids: &[String]) -> Watched {
    let asked = super::driver::guarded(|| ask(uuids));
    let silent = |why: String| Watched { silent: Some(why), ..Watched::default() };
    match asked {
        Ok(Ok(watched)) => watched,
        Ok(Err(NvmlError::LibRmVersionMismatch)) => Watched {
            mismatch: true,
            ..silent("NVML's library and the kernel's driver are of different versions".to_owned())
        },
        Ok(Err(NvmlError::LibloadingError(_))) => silent(format!("{LIBRARY} is not there, or is not for this machine")),
        Ok(Err(NvmlError::FailedToLoadSymbol(_))) => silent(format!("{LIBRARY} is older than needed")),
        Ok(Err(error)) => silent(format!("NVML does not answer: {error}")),
        Err(panic) => silent(format!("NVML's bindings gave up: {panic}")),
    }
}

fn ask(uuids: &[String]) -> Result<Watched, NvmlError> {
    let nvml = Nvml::builder().lib_path(OsStr::new(LIBRARY)).init()?;
    let monitors = uuids.iter().filter_map(|uuid| {
        let device = nvml.device_by_uuid(uuid.as_str()).ok()?;
        Some((uuid.clone(), monitor(&device)))
    });
    let monitors = monitors.collect();
    let cards = nvml.device_count().unwrap_or_default();
    let without = (0..cards).filter_map(|index| {
        let card = nvml.device_by_index(index).ok()?;
        (instances(&card) == Some(0)).then(|| card.uuid().ok()).flatten()
    });
    Ok(Watched {
        driver_version: nvml.sys_driver_version().ok(),
        split_without_instances: without.collect(),
        monitors,
        cards,
        mismatch: false,
        silent: None,
    })
}

/// A device, or an instance of one: what only the whole card has is asked of the card.
fn monitor(device: &Device<'_>) -> Monitor {
    on_card(device, |card| of_both(device, card))
}

fn of_both(device: &Device<'_>, card: &Device<'_>) -> Monitor {
    let memory = device.memory_info().ok();
    let Load { throttled, temperature_c, ecc_uncorrected } = load(card);
    let watts = |milliwatts: u32| f64::from(milliwatts) / 1000.0;
    let pair = |now: Result<u32, NvmlError>, most: Result<u32, NvmlError>| Some((now.ok()?, most.ok()?));
    Monitor {
        free_bytes: memory.as_ref().map(|memory| memory.free),
        used_bytes: memory.as_ref().map(|memory| memory.used),
        temperature_c,
        throttled,
        ecc_uncorrected,
        persistence: card.is_in_persistent_mode().ok(),
        mig_instances: instances(card),
        processes: processes(device),
        power_limit_w: card.enforced_power_limit().or_else(|_| card.power_management_limit()).ok().map(watts),
        power_limit_max_w: card.power_management_limit_constraints().ok().map(|limits| watts(limits.max_limit)),
        pcie_width: pair(card.current_pcie_link_width(), card.max_pcie_link_width()),
        clock_sm_mhz: pair(card.clock_info(Clock::SM), card.max_clock_info(Clock::SM)),
        clock_memory_mhz: pair(card.clock_info(Clock::Memory), card.max_clock_info(Clock::Memory)),
    }
}

/// How many instances a split card has; none where it is not split.
fn instances(card: &Device<'_>) -> Option<u32> {
    // NVML_DEVICE_MIG_ENABLE
    if card.mig_mode().ok()?.current != 1 {
        return None;
    }
    let most = card.mig_device_count().ok()?;
    let there = (0..most).filter(|index| card.mig_device_by_index(*index).is_ok()).count();
    u32::try_from(there).ok()
}

fn processes(device: &Device<'_>) -> Vec<(u32, Option<u64>)> {
    let computing = device.running_compute_processes().or_else(|_| device.running_compute_processes_v2());
    let drawing = device.running_graphics_processes().unwrap_or_default();
    let mut found: Vec<(u32, Option<u64>)> = computing
        .unwrap_or_default()
        .into_iter()
        .chain(drawing)
        .map(|process| match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => (process.pid, Some(bytes)),
            UsedGpuMemory::Unavailable => (process.pid, None),
        })
        .collect();
    found.sort_unstable();
    found.dedup_by_key(|(id, _)| *id);
    found
}

/// Reasons that are more than an idle device or its owner's settings.
fn words(reasons: ThrottleReasons) -> Vec<String> {
    let known = [
        (ThrottleReasons::SW_POWER_CAP, "sw_power_cap"),
        (ThrottleReasons::HW_SLOWDOWN, "hw_slowdown"),
        (ThrottleReasons::SYNC_BOOST, "sync_boost"),
        (ThrottleReasons::SW_THERMAL_SLOWDOWN, "sw_thermal_slowdown"),
        (ThrottleReasons::HW_THERMAL_SLOWDOWN, "hw_thermal_slowdown"),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "hw_power_brake_slowdown"),
    ];
    let there = known.into_iter().filter(|(reason, _)| reasons.contains(*reason));
    there.map(|(_, word)| word.to_owned()).collect()
}
