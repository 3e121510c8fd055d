//! The health run: a few seconds of work on a device, whose results are known, to find a throttled or faulty card before a
//! job spends hours on it. It runs in a process of our own; here is what it says, and how it is started.
//! The free memory that others use is never touched. Kept out: how a result is judged (`judge`).

mod judge;
mod run;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::child::{self, Lost};
use super::device::{GpuDevice, Load};
use super::load::LoadWatch;
use judge::judge;

/// How much work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// Every pattern once: below ten seconds.
    Quick,
    /// Every pattern and product twenty times.
    Full,
}

/// What was measured on one device.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The device.
    pub uuid: String,
    /// Bytes of its memory that the patterns were written to and read from.
    pub tested_bytes: u64,
    /// Elements of 16 bytes that came back wrong.
    pub wrong_elements: u64,
    /// Bytes read and written in a second, by the fastest of several copies.
    pub bandwidth_gbs: Option<f64>,
    /// Results of float chains that were wrong.
    pub wrong_chains: u64,
    /// The fastest chains.
    pub float_tflops: Option<f64>,
    /// Results of matrix products that were compared, and those that were wrong.
    pub products: (u64, u64),
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// What came of a device's run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// All parts ran.
    Ran(Measured),
    /// There was too little free memory to begin: no fault of the card.
    NoRoom(String),
    /// The driver failed in the middle: the call, and its code.
    Broke(String, u32),
    /// The device left out work that it was told to do, or is gone.
    Skips(String),
    /// The run did not begin or did not do what it should: nothing is known of the device.
    Unknown(String),
}

/// What a run says of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It did all work well.
    Healthy,
    /// It did not.
    Faulty,
    /// The run did not come to an end on it: nothing is known, and it may not be used.
    NotTested,
}

/// The judgement on one device.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Health {
    /// The device.
    pub uuid: String,
    /// What came of it; only a healthy device may work.
    pub state: State,
    /// Why it is not healthy, or what is to be known of it.
    pub notes: Vec<String>,
    /// What was measured.
    pub measured: Option<Measured>,
    /// The share of the published bandwidth; none for a kind that is not in the table.
    pub bandwidth_share: Option<f64>,
    /// What NVML said of it from before the run until after it; none where it said nothing.
    pub under_load: Option<Load>,
}

/// The longest that a run may take on all devices together, which work at the same time, once the driver has answered.
fn patience(depth: Depth) -> Duration {
    match depth {
        Depth::Quick => Duration::from_secs(60),
        Depth::Full => Duration::from_secs(300),
    }
}

/// Runs on all devices at once, and judges each. `driver` is how long the driver may take to begin. It blocks.
pub fn run(devices: &[GpuDevice], depth: Depth, driver: Duration) -> Vec<Health> {
    let word = match depth {
        Depth::Quick => "quick",
        Depth::Full => "full",
    };
    let names: Vec<String> = devices.iter().map(|device| device.uuid.clone()).collect();
    let arguments: Vec<String> = ["health", word].map(str::to_owned).into_iter().chain(names.iter().cloned()).collect();
    let is_monitored = devices.iter().any(|device| device.monitor.is_some());
    let watch = is_monitored.then(|| LoadWatch::start(&names)).flatten();
    let (lines, lost) = child::answers(&arguments, devices.len(), driver.saturating_add(patience(depth)));
    let loads = watch.map(LoadWatch::end).unwrap_or_default();
    let found: Vec<(String, Finding)> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    devices
        .iter()
        .map(|device| {
            let finding = found.iter().find(|(uuid, _)| *uuid == device.uuid).map(|(_, finding)| finding.clone());
            let finding = finding.unwrap_or_else(|| Finding::Unknown(lost_words(lost.as_ref())));
            let load = loads.iter().find(|(uuid, _)| *uuid == device.uuid).map(|(_, load)| load.clone());
            judge(device, &finding, load)
        })
        .collect()
}

/// The child's part.
pub(super) fn work(arguments: &[String], say: &mut dyn FnMut(serde_json::Result<String>)) {
    let Some((depth, uuids)) = arguments.split_first() else { return };
    let depth = if depth == "full" { Depth::Full } else { Depth::Quick };
    run::all(uuids, depth, &mut |uuid, finding| say(serde_json::to_string(&(uuid, finding))));
}

fn lost_words(lost: Option<&Lost>) -> String {
    match lost {
        Some(Lost::Late(patience)) => format!("the health run was not done after {} s", patience.as_secs_f64()),
        Some(Lost::Signal(signal)) => format!("the driver crashed in the health run (signal {signal})"),
        Some(Lost::Ended(code)) => format!("the health run ended with {code} and no result"),
        Some(Lost::Start(why)) => format!("the health run could not be started: {why}"),
        None => "the health run left no result".to_owned(),
    }
}
