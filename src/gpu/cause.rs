//! Why there is no GPU, and what to do about it: a pure function of what was seen and of the driver's answer.

use std::path::PathBuf;
use std::time::Duration;

use super::child::Lost;
use super::driver::{Answer, NEEDED};
use super::facts::{Facts, Made};
use super::nvml::Watched;

/// Why there is no GPU. Its text says what to do; it may quote variables and file names, so it is not to be trusted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Neither the kernel nor the loader knows a driver.
    NoDriver,
    /// The machine has a driver, and this process is not in a container; its library is missing.
    NoLibrary,
    /// The host has a driver; the container was started without NVIDIA's runtime.
    NoRuntime,
    /// A container of a job of GitHub's: the runner gives GPUs to the job's container at most, never to an action's.
    JobContainer,
    /// `NVIDIA_VISIBLE_DEVICES` shows the container nothing: its value.
    HiddenFromContainer(String),
    /// `CUDA_VISIBLE_DEVICES` names no device that is there: its value.
    HiddenFromProcess(String),
    /// Cards that are split (MIG) and have no instances: their UUIDs.
    NoInstances(Vec<String>),
    /// Library and kernel module are of different versions: the kernel's.
    Mismatch(Option<String>),
    /// A device file that this user may not use.
    Forbidden(PathBuf),
    /// The library is for another machine: the file, and its `e_machine`.
    OtherMachine(PathBuf, u16),
    /// The library is no driver: the symbol that it misses, if one is known.
    Stub(Option<String>),
    /// The driver serves this CUDA at most (1000 * major + 10 * minor).
    TooOld(i32),
    /// It did not answer in this time.
    Hangs(Duration),
    /// It ended our process with this signal.
    Crashes(i32),
    /// The machine's switch between GPUs is not up.
    NotReady,
    /// The driver shows none, and nothing says why.
    NoDevice,
    /// Anything else: the call and its code.
    Fails(String),
}

/// Codes of the driver that have a cause of their own. Source: CUDA driver API, `CUresult`.
mod code {
    pub(super) const STUB_LIBRARY: u32 = 34;
    pub(super) const NO_DEVICE: u32 = 100;
    pub(super) const OPERATING_SYSTEM: u32 = 304;
    pub(super) const SYSTEM_NOT_READY: u32 = 802;
    pub(super) const SYSTEM_DRIVER_MISMATCH: u32 = 803;
}

/// Finds the cause. `answer` is the driver's, unless it was lost.
pub(super) fn find(facts: &Facts, answer: &Result<Answer, Lost>, watched: Option<&Watched>) -> Cause {
    match answer {
        Err(Lost::Late(patience)) => Cause::Hangs(*patience),
        Err(Lost::Signal(signal)) => Cause::Crashes(*signal),
        Err(Lost::Ended(code)) => Cause::Fails(format!("the process that asked it ended with {code}")),
        Err(Lost::Start(error)) => Cause::Fails(format!("the process that asks it could not be started: {error}")),
        Ok(Answer::NoLibrary) => without_library(facts),
        Ok(Answer::Missing(symbol)) => Cause::Stub(Some(symbol.clone())),
        Ok(Answer::TooOld(version)) => Cause::TooOld(*version),
        Ok(Answer::Failed(_, code::STUB_LIBRARY)) => Cause::Stub(None),
        Ok(Answer::Failed(_, code::SYSTEM_NOT_READY)) => Cause::NotReady,
        Ok(Answer::Failed(_, code::SYSTEM_DRIVER_MISMATCH)) => Cause::Mismatch(facts.kernel_driver.clone()),
        Ok(Answer::Failed(_, code::NO_DEVICE)) | Ok(Answer::Devices(..)) => without_device(facts, watched),
        Ok(Answer::Failed(call, code)) => {
            if watched.is_some_and(|watched| watched.mismatch) {
                return Cause::Mismatch(facts.kernel_driver.clone());
            }
            match facts.forbidden.first() {
                Some(path) if *code == code::OPERATING_SYSTEM => Cause::Forbidden(path.clone()),
                Some(_) | None => Cause::Fails(format!("{call} answered with CUDA error {code}")),
            }
        }
    }
}

fn without_library(facts: &Facts) -> Cause {
    let elsewhere = facts.libraries.iter().find_map(|(path, made)| match made {
        Made::Elsewhere(machine) => Some(Cause::OtherMachine(path.clone(), *machine)),
        Made::Here | Made::NoLibrary => None,
    });
    let usable = facts.libraries.iter().any(|(_, made)| *made == Made::Here);
    match (elsewhere, hidden_from_container(facts)) {
        (Some(elsewhere), _) if !usable => elsewhere,
        (_, Some(hidden)) => hidden,
        (_, None) if facts.container && facts.github => Cause::JobContainer,
        (_, None) if facts.container && (facts.kernel_files || !facts.device_files.is_empty()) => Cause::NoRuntime,
        (_, None) if facts.kernel_files => Cause::NoLibrary,
        (_, None) => Cause::NoDriver,
    }
}

fn without_device(facts: &Facts, watched: Option<&Watched>) -> Cause {
    if watched.is_some_and(|watched| watched.mismatch) {
        return Cause::Mismatch(facts.kernel_driver.clone());
    }
    if let Some(path) = facts.forbidden.first() {
        return Cause::Forbidden(path.clone());
    }
    // A device that NVML sees and CUDA does not is hidden from this process, or split without instances.
    let split = watched.map(|watched| watched.split_without_instances.clone()).unwrap_or_default();
    let seen = watched.map_or(0, |watched| watched.cards);
    let is_there = seen > 0 || !facts.device_files.is_empty();
    match &facts.cuda_visible {
        // Where no device was seen at all, none is hidden by a list that would name one.
        Some(value) if is_empty_list(value) || (split.is_empty() && is_there) => {
            if let (0, Some(hidden)) = (seen, hidden_from_container(facts)) {
                return hidden;
            }
            Cause::HiddenFromProcess(value.clone())
        }
        Some(_) | None if !split.is_empty() => Cause::NoInstances(split),
        Some(_) | None => match hidden_from_container(facts) {
            Some(hidden) => hidden,
            None if facts.container && facts.github && facts.device_files.is_empty() => Cause::JobContainer,
            None if !facts.kernel_files && facts.device_files.is_empty() => Cause::NoDriver,
            None if facts.container && facts.device_files.is_empty() => Cause::NoRuntime,
            None => Cause::NoDevice,
        },
    }
}

/// A value that shows nothing, whatever is there.
fn is_empty_list(value: &str) -> bool {
    matches!(value.trim(), "" | "-1" | "none" | "void" | "NoDevFiles")
}

/// Source: NVIDIA Container Toolkit, environment variables: `void` and an empty value are as without the runtime, `none`
/// gives the driver and no device.
fn hidden_from_container(facts: &Facts) -> Option<Cause> {
    let value = facts.nvidia_visible.as_ref()?;
    is_empty_list(value).then(|| Cause::HiddenFromContainer(value.clone()))
}

impl Cause {
    /// Whether this process has no GPU; otherwise there may be one, and nobody knows.
    pub fn is_absence(&self) -> bool {
        match self {
            Cause::NoDriver
            | Cause::NoRuntime
            | Cause::JobContainer
            | Cause::HiddenFromContainer(_)
            | Cause::HiddenFromProcess(_)
            | Cause::NoInstances(_)
            | Cause::NoDevice => true,
            Cause::NoLibrary
            | Cause::Mismatch(_)
            | Cause::Forbidden(_)
            | Cause::OtherMachine(..)
            | Cause::Stub(_)
            | Cause::TooOld(_)
            | Cause::Hangs(_)
            | Cause::Crashes(_)
            | Cause::NotReady
            | Cause::Fails(_) => false,
        }
    }

    /// One word, for outputs.
    pub fn word(&self) -> &'static str {
        match self {
            Cause::NoDriver => "no-driver",
            Cause::NoLibrary => "no-library",
            Cause::NoRuntime => "no-runtime",
            Cause::JobContainer => "job-container",
            Cause::HiddenFromContainer(_) => "hidden-from-container",
            Cause::HiddenFromProcess(_) => "hidden-from-process",
            Cause::NoInstances(_) => "no-mig-instances",
            Cause::Mismatch(_) => "version-mismatch",
            Cause::Forbidden(_) => "no-permission",
            Cause::OtherMachine(..) => "other-machine",
            Cause::Stub(_) => "stub",
            Cause::TooOld(_) => "too-old",
            Cause::Hangs(_) => "hangs",
            Cause::Crashes(_) => "crashes",
            Cause::NotReady => "not-ready",
            Cause::NoDevice => "no-device",
            Cause::Fails(_) => "fails",
        }
    }

    /// What is wrong.
    fn sentence(&self) -> String {
        match self {
            Cause::NoDriver => {
                "this machine has no NVIDIA driver: the kernel does not know one (no /proc/driver/nvidia)".to_owned()
            }
            Cause::NoLibrary => "the kernel has NVIDIA's driver, but libcuda.so.1 is not there".to_owned(),
            Cause::NoRuntime => "the host has an NVIDIA driver, but this container was started without NVIDIA's runtime".to_owned(),
            Cause::JobContainer => "this container of a GitHub job has no GPU: the runner starts an action's container beside the job's, and never gives it the job's `--gpus`".to_owned(),
            Cause::HiddenFromContainer(value) => format!("NVIDIA_VISIBLE_DEVICES is `{value}`, which shows this container no GPU"),
            Cause::HiddenFromProcess(value) => format!("CUDA_VISIBLE_DEVICES is `{value}`, which names no GPU that is here"),
            Cause::NoInstances(cards) => format!("MIG is on, and these GPUs have no instance: {}", cards.join(", ")),
            Cause::Mismatch(Some(kernel)) => format!("the driver's library and the kernel's module (version {kernel}) are of different versions"),
            Cause::Mismatch(None) => "the driver's library and the kernel's module are of different versions".to_owned(),
            Cause::Forbidden(path) => format!("this user may not use {}", path.display()),
            Cause::OtherMachine(path, machine) => format!("{} is for another kind of machine ({})", path.display(), machine_name(*machine)),
            Cause::Stub(Some(symbol)) => format!("the NVIDIA driver's library is a stub or too old: `{symbol}` is missing in it"),
            Cause::Stub(None) => "the NVIDIA driver's library is the stub of a CUDA toolkit".to_owned(),
            Cause::TooOld(version) => format!("the NVIDIA driver serves CUDA {} at most, and {} is needed", shown(*version), shown(NEEDED)),
            Cause::Hangs(patience) => format!("the NVIDIA driver did not answer within {} s", patience.as_secs_f64()),
            Cause::Crashes(signal) => format!("the NVIDIA driver crashed (signal {signal})"),
            Cause::NotReady => "the NVIDIA driver is not ready (CUDA error 802): the switch between the GPUs is not up".to_owned(),
            Cause::NoDevice => "the NVIDIA driver works, and shows no GPU".to_owned(),
            Cause::Fails(what) => format!("the NVIDIA driver does not work: {what}"),
        }
    }

    /// What to do.
    fn advice(&self) -> &'static str {
        match self {
            Cause::NoDriver => "use a runner with a GPU, or install the driver",
            Cause::NoLibrary => {
                "install the driver's user part (Debian: libcuda1), or name its folder in LD_LIBRARY_PATH"
            }
            Cause::NoRuntime => {
                "start the container with `--gpus all` or `--runtime nvidia`, with NVIDIA's container toolkit on the host"
            }
            Cause::JobContainer => {
                "make `nvidia` the default runtime of the runner's Docker, or run the program in a `run:` step of a job whose container has `options: --gpus all`"
            }
            Cause::HiddenFromContainer(_) => "set it to `all` or to the GPUs' UUIDs",
            Cause::HiddenFromProcess(_) => "unset it, or name GPUs as `nvidia-smi -L` shows them",
            Cause::NoInstances(_) => {
                "make instances (`nvidia-smi mig -cgi ... -C`), or turn MIG off (`nvidia-smi -mig 0`)"
            }
            Cause::Mismatch(_) => {
                "restart the machine after an update of the driver; in a container, take no libcuda into the image"
            }
            Cause::Forbidden(_) => {
                "add the user to the group of the file, or start the container with the right to its devices"
            }
            Cause::OtherMachine(..) => "take it away, or install the driver of this machine",
            Cause::Stub(_) => "take the folder `stubs` out of LD_LIBRARY_PATH, or update the driver",
            Cause::TooOld(_) => "update the driver to version 450 or newer",
            Cause::Hangs(_) => {
                "look at `dmesg` for Xid errors, and restart the machine; a large machine without persistence mode may need a longer --driver-timeout"
            }
            Cause::Crashes(_) => "look at `dmesg`, and install the driver anew",
            Cause::NotReady => "start nvidia-fabricmanager, of the driver's own version",
            Cause::NoDevice => "look at `nvidia-smi -L` and `dmesg` on the host: the card may have fallen off its bus",
            Cause::Fails(_) => "look at `nvidia-smi` and `dmesg` on the host",
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, form: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(form, "{}; {}", self.sentence(), self.advice())
    }
}

fn shown(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

/// Source: the ELF specification's list of machines.
fn machine_name(machine: u16) -> String {
    match machine {
        3 => "32-bit x86".to_owned(),
        20 | 21 => "PowerPC".to_owned(),
        40 => "32-bit ARM".to_owned(),
        62 => "x86-64".to_owned(),
        183 => "AArch64".to_owned(),
        243 => "RISC-V".to_owned(),
        other => format!("ELF machine {other}"),
    }
}

#[cfg(test)]
#[path = "cause_tests.rs"]
mod tests;
