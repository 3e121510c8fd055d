//! What GPUs this machine has, by the driver's own word, and whether they are well. The driver is opened at run time, in a
//! process of our own: a machine without one, or with a broken one, gets an answer, never a crash. The only room where
//! `unsafe` is allowed: the driver's interface is C.
#![expect(unsafe_code, reason = "the driver's interface is C")]

mod cause;
mod child;
mod device;
mod driver;
mod facts;
pub mod health;
pub mod kinds;
pub mod lease;
mod load;
mod memory;
pub mod need;
mod nvml;

use std::sync::mpsc;
use std::time::Duration;

pub use cause::Cause;
pub use child::serve;
pub use device::{Capability, GpuDevice, Load, Machine, Monitor};
pub use memory::MemoryWatch;
pub use need::Need;

use child::Lost;
use driver::Answer;
use nvml::Watched;

/// Why there is no GPU.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoGpu(pub Cause);

/// The name of the thread that asks the driver where no process can be started for it.
pub const PROBE: &str = "gpu-probe";
/// The longest that the driver may take to answer, unless somebody says otherwise: without persistence mode it loads itself
/// into every card first.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The GPUs that the driver shows, at least one.
pub fn devices() -> Result<Vec<GpuDevice>, NoGpu> {
    machine().map(|machine| machine.devices)
}

/// The machine's GPUs and driver, with what NVML says of them.
pub fn machine() -> Result<Machine, NoGpu> {
    machine_within(PATIENCE)
}

/// The same, with another time after which a driver counts as hanging. It blocks.
pub fn machine_within(patience: Duration) -> Result<Machine, NoGpu> {
    let (answer, watched) = ask(patience);
    if let Ok(Answer::Devices(version, devices)) = &answer
        && !devices.is_empty()
    {
        return Ok(together(*version, devices.clone(), watched));
    }
    Err(NoGpu(cause::find(&facts::look(), &answer, watched.as_ref().ok())))
}

/// Asks driver and NVML, each of which may be lost.
fn ask(patience: Duration) -> (Result<Answer, Lost>, Result<Watched, Lost>) {
    if !child::is_ours() {
        return ask_by_thread(patience);
    }
    let (lines, lost) = child::answers(&["probe".to_owned()], 2, patience);
    let lost = lost.unwrap_or(Lost::Ended(0));
    let mut lines = lines.into_iter();
    let unreadable = |error: serde_json::Error| Lost::Start(format!("its answer cannot be read: {error}"));
    let answer =
        lines.next().ok_or_else(|| lost.clone()).and_then(|line| serde_json::from_str(&line).map_err(unreadable));
    let watched = lines.next().ok_or(lost).and_then(|line| serde_json::from_str(&line).map_err(unreadable));
    (answer, watched)
}

/// The thread of a hanging driver cannot be ended: it is left behind, and ends with the process.
fn ask_by_thread(patience: Duration) -> (Result<Answer, Lost>, Result<Watched, Lost>) {
    let (sender, receiver) = mpsc::channel();
    let probe = std::thread::Builder::new().name(PROBE.to_owned()).spawn(move || {
        let answer = driver::ask();
        let watched = nvml::watch(&uuids(&answer));
        // Whoever asked may have given up.
        let _ = sender.send((answer, watched));
    });
    if let Err(error) = probe {
        return (Err(Lost::Start(error.to_string())), Err(Lost::Ended(0)));
    }
    match receiver.recv_timeout(patience) {
        Ok((answer, watched)) => (Ok(answer), Ok(watched)),
        Err(_) => (Err(Lost::Late(patience)), Err(Lost::Late(patience))),
    }
}

fn uuids(answer: &Answer) -> Vec<String> {
    match answer {
        Answer::Devices(_, devices) => devices.iter().map(|device| device.uuid.clone()).collect(),
        Answer::NoLibrary | Answer::Missing(_) | Answer::TooOld(_) | Answer::Failed(..) => Vec::new(),
    }
}

/// The child's work, by its arguments: the driver first, since a broken NVML must not take its answer away.
fn work(arguments: &[String], say: &mut dyn FnMut(&str)) {
    let mut answer = |value: serde_json::Result<String>| {
        if let Ok(text) = value {
            say(&text);
        }
    };
    match arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("health", rest)) => health::work(rest, &mut answer),
        Some((memory::WORK, rest)) => memory::work(rest, &mut answer),
        Some((load::WORK, rest)) => load::work(rest, &mut answer),
        Some(_) | None => {
            let first = driver::ask();
            answer(serde_json::to_string(&first));
            answer(serde_json::to_string(&nvml::watch(&uuids(&first))));
        }
    }
}

fn together(version: i32, mut devices: Vec<GpuDevice>, watched: Result<Watched, Lost>) -> Machine {
    let number = |number: i32| u32::try_from(number).unwrap_or_default();
    let lost = |lost: Lost| Watched {
        silent: Some(match lost {
            Lost::Late(patience) => format!("NVML did not answer within {} s", patience.as_secs_f64()),
            Lost::Signal(signal) => format!("NVML crashed (signal {signal})"),
            Lost::Ended(code) => format!("the process that asks NVML ended with {code}"),
            Lost::Start(why) => why,
        }),
        ..Watched::default()
    };
    let watched = watched.unwrap_or_else(lost);
    for device in &mut devices {
        let own = watched.monitors.iter().find(|(uuid, _)| *uuid == device.uuid);
        device.monitor = own.map(|(_, monitor)| monitor.clone());
    }
    Machine {
        driver_version: watched.driver_version,
        cuda_version: Some((number(version / 1000), number(version % 1000 / 10))),
        devices,
        unmonitored: watched.silent,
    }
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
}
