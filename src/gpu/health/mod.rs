//! The health run: a few seconds of work on a device, whose results are known, to find a throttled or faulty card before a
//! job spends hours on it. It runs in a process of our own; here is what it says and how that is judged.
//! The free memory that others use is never touched.

mod run;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::child::{self, Lost};
use super::device::GpuDevice;
use super::kinds;

/// How much work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// Every pattern once: below ten seconds.
    Quick,
    /// Every pattern and product many times: a minute or more.
    Full,
}

/// The least share of the published bandwidth that a copy within the device's memory reaches. A healthy card copies at 85 to
/// 93 %; a throttled memory clock is a half or less, and a card that has lost a stack or channel of its memory at least an
/// eighth of it, together with less memory.
pub const BANDWIDTH_SHARE: f64 = 0.7;
/// The least share of the published float32 speed. Chains of multiply-adds reach 80 to 99 %; a card that is limited by its
/// power (T4, L4) less, and one whose clock is cut by the hardware half of it or less.
pub const FLOAT_SHARE: f64 = 0.4;

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
    /// The run itself did not do what it should: nothing is known.
    Unknown(String),
}

/// The judgement on one device.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Health {
    /// The device.
    pub uuid: String,
    /// Whether it may work.
    pub healthy: bool,
    /// Why not, or what is to be known of it.
    pub notes: Vec<String>,
    /// What was measured.
    pub measured: Option<Measured>,
    /// The share of the published bandwidth; none for a kind that is not in the table.
    pub bandwidth_share: Option<f64>,
}

/// The longest that a run may take on all devices together, which work at the same time.
fn patience(depth: Depth) -> Duration {
    match depth {
        Depth::Quick => Duration::from_secs(60),
        Depth::Full => Duration::from_secs(300),
    }
}

/// Runs on all devices at once, and judges each. It blocks.
pub fn run(devices: &[GpuDevice], depth: Depth) -> Vec<Health> {
    let word = match depth {
        Depth::Quick => "quick",
        Depth::Full => "full",
    };
    let names = devices.iter().map(|device| device.uuid.clone());
    let arguments: Vec<String> = ["health", word].map(str::to_owned).into_iter().chain(names).collect();
    let (lines, lost) = child::answers(&arguments, devices.len(), patience(depth));
    let found: Vec<(String, Finding)> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    devices
        .iter()
        .map(|device| match found.iter().find(|(uuid, _)| *uuid == device.uuid) {
            Some((_, finding)) => judge(device, finding),
            None => unfit(device, vec![lost_words(lost.as_ref())]),
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

fn unfit(device: &GpuDevice, notes: Vec<String>) -> Health {
    Health { uuid: device.uuid.clone(), healthy: false, notes, measured: None, bandwidth_share: None }
}

/// Judges what came of a run. Nothing measured is never well.
pub fn judge(device: &GpuDevice, finding: &Finding) -> Health {
    let measured = match finding {
        Finding::Ran(measured) => measured,
        Finding::NoRoom(why) => {
            return unfit(device, vec![format!("not tested, which is no fault of the card: {why}")]);
        }
        Finding::Broke(call, code) => {
            return unfit(device, vec![format!("{call} failed with CUDA error {code}{}", code_words(*code))]);
        }
        Finding::Unknown(why) => return unfit(device, vec![why.clone()]),
    };
    let mut faults = Vec::new();
    let mut notes = Vec::new();
    let Measured { tested_bytes, wrong_elements, bandwidth_gbs, wrong_chains, float_tflops, products, .. } = measured;
    if *wrong_elements > 0 {
        faults.push(format!("{wrong_elements} elements of memory of 16 bytes came back wrong"));
    }
    if *tested_bytes == 0 {
        faults.push("no memory was tested".to_owned());
    }
    if *wrong_chains > 0 {
        faults.push(format!("{wrong_chains} float results were wrong"));
    }
    match products {
        (0, _) => faults.push("no matrix product was compared".to_owned()),
        (_, 0) => {}
        (all, wrong) => faults.push(format!("{wrong} of {all} results of matrix products were wrong")),
    }
    let kind = kinds::of(device);
    let mut compare = |what: &str, unit: &str, own: Option<f64>, published: Option<f64>, least: f64| {
        let Some(own) = own.filter(|own| own.is_finite() && *own > 0.0) else {
            faults.push(format!("its {what} could not be measured"));
            return None;
        };
        let share = own / published?;
        if share < least {
            faults.push(format!(
                "its {what} is {own:.1} {unit}, {:.0} % of the published figure (at least {:.0} %): throttled or faulty",
                share * 100.0,
                least * 100.0
            ));
        }
        Some(share)
    };
    let published = kind.map(|kind| kind.bandwidth_gbs);
    let bandwidth_share = compare("memory bandwidth", "GB/s", *bandwidth_gbs, published, BANDWIDTH_SHARE);
    compare("float32 speed", "TFLOPS", *float_tflops, kind.map(|kind| kind.float_tflops), FLOAT_SHARE);
    if kind.is_none() {
        notes.push("its kind is not in the table: the speeds are shown, and not judged".to_owned());
    }
    if let Some(monitor) = &device.monitor {
        if let Some(errors) = monitor.ecc_uncorrected.filter(|errors| *errors > 0) {
            faults.push(format!("{errors} memory errors since the driver's start that ECC could not correct"));
        }
        let by_hardware = monitor.throttled.iter().filter(|word| word.starts_with("hw_"));
        let by_hardware: Vec<&str> = by_hardware.map(String::as_str).collect();
        if !by_hardware.is_empty() {
            faults.push(format!("the hardware lowers its clocks: {}", by_hardware.join(", ")));
        }
    }
    let healthy = faults.is_empty();
    faults.extend(notes);
    Health { uuid: device.uuid.clone(), healthy, notes: faults, measured: Some(measured.clone()), bandwidth_share }
}

/// What a code says of the card. Source: CUDA driver API, `CUresult`.
fn code_words(code: u32) -> &'static str {
    match code {
        2 => " (out of memory)",
        46 => " (the device is busy or unavailable)",
        214 => " (an ECC error that could not be corrected)",
        700 => " (a wrong access to memory)",
        702 => " (a kernel took too long)",
        715 | 718 => " (a wrong instruction)",
        719 => " (a kernel failed)",
        999 => " (unknown)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::super::device::Monitor;
    use super::*;

    fn card(name: &str) -> GpuDevice {
        GpuDevice {
            index: 0,
            name: name.to_owned(),
            uuid: "GPU-1".to_owned(),
            memory_bytes: 81_559 << 20,
            capability: None,
            monitor: None,
        }
    }

    fn good() -> Measured {
        Measured {
            uuid: "GPU-1".to_owned(),
            tested_bytes: 70 << 30,
            bandwidth_gbs: Some(3000.0),
            float_tflops: Some(60.0),
            products: (65_536, 0),
            seconds: 2.0,
            ..Measured::default()
        }
    }

    #[test]
    fn each_fault_alone_is_found() {
        let h100 = card("NVIDIA H100 80GB HBM3");
        let health = judge(&h100, &Finding::Ran(good()));
        assert!(health.healthy && health.notes.is_empty(), "{health:?}");
        assert!((health.bandwidth_share.unwrap() - 3000.0 / 3350.0).abs() < 1e-12);
        for bad in [
            Measured { wrong_elements: 1, ..good() },
            Measured { tested_bytes: 0, ..good() },
            Measured { wrong_chains: 1, ..good() },
            Measured { products: (0, 0), ..good() },
            Measured { products: (65_536, 1), ..good() },
            Measured { bandwidth_gbs: Some(3350.0 * 0.69), ..good() },
            Measured { bandwidth_gbs: None, ..good() },
            Measured { bandwidth_gbs: Some(f64::NAN), ..good() },
            Measured { float_tflops: Some(67.0 * 0.39), ..good() },
            Measured { float_tflops: None, ..good() },
        ] {
            let health = judge(&h100, &Finding::Ran(bad.clone()));
            assert!(!health.healthy && health.notes.len() == 1, "{bad:?}: {health:?}");
        }
        let watched = |monitor| judge(&GpuDevice { monitor: Some(monitor), ..h100.clone() }, &Finding::Ran(good()));
        assert!(watched(Monitor { throttled: vec!["sw_power_cap".to_owned()], ..Monitor::default() }).healthy);
        assert!(!watched(Monitor { throttled: vec!["hw_slowdown".to_owned()], ..Monitor::default() }).healthy);
        assert!(!watched(Monitor { ecc_uncorrected: Some(1), ..Monitor::default() }).healthy);
        for finding in [
            Finding::NoRoom("full".to_owned()),
            Finding::Broke("cuLaunchKernel".to_owned(), 719),
            Finding::Unknown("no".to_owned()),
        ] {
            assert!(!judge(&h100, &finding).healthy);
        }
    }

    #[test]
    fn an_unknown_kind_is_not_judged_by_speed_and_says_so() {
        let slow = Measured { bandwidth_gbs: Some(1.0), float_tflops: Some(0.1), ..good() };
        let health = judge(&card("New"), &Finding::Ran(slow));
        assert!(health.healthy && health.notes.len() == 1 && health.bandwidth_share.is_none(), "{health:?}");
        // Its results are judged all the same.
        let wrong = Measured { products: (10, 1), ..good() };
        assert!(!judge(&card("New"), &Finding::Ran(wrong)).healthy);
    }
}
