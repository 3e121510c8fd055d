//! What a health run says of a device: a pure function of what was measured, of what NVML said, and of the published figures.

use super::super::device::{GpuDevice, Load};
use super::super::kinds;
use super::{Finding, Health, Measured, State};

/// The least share of the published bandwidth that a copy within the device's memory reaches. A healthy card copies at 85 to
/// 93 %; a throttled memory clock is a half or less, and a card that has lost a stack or channel of its memory at least an
/// eighth of it, together with less memory.
const BANDWIDTH_SHARE: f64 = 0.7;
/// The least share of the published float32 speed. Chains of multiply-adds reach 80 to 99 %; a card that is limited by its
/// power (T4, L4) less, and one whose clock is cut by the hardware half of it or less.
const FLOAT_SHARE: f64 = 0.4;

/// Codes of the driver that say nothing against a card: others have its memory (2) or the card itself (46), or the driver has no
/// compiler for our kernels (209, 218, 221, 222). Source: CUDA driver API, `CUresult`.
const NO_FAULT: [u32; 6] = [2, 46, 209, 218, 221, 222];

/// Judges what came of a run. Nothing measured is never well.
pub(super) fn judge(device: &GpuDevice, finding: &Finding, under_load: Option<Load>) -> Health {
    let unfit = |state, note: String| Health {
        uuid: device.uuid.clone(),
        state,
        notes: vec![note],
        measured: None,
        bandwidth_share: None,
        under_load: under_load.clone(),
    };
    let measured = match finding {
        Finding::Ran(measured) => measured,
        Finding::NoRoom(why) => {
            return unfit(State::NotTested, format!("not tested, which is no fault of the card: {why}"));
        }
        Finding::Broke(call, code) => {
            let state = if NO_FAULT.contains(code) { State::NotTested } else { State::Faulty };
            return unfit(state, format!("{call} failed with CUDA error {code}{}", code_words(*code)));
        }
        Finding::Skips(what) => return unfit(State::Faulty, what.clone()),
        Finding::Unknown(why) => return unfit(State::NotTested, format!("not tested: {why}")),
    };
    let mut faults = wrong_results(measured);
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
    let Measured { bandwidth_gbs, float_tflops, .. } = measured;
    let published = kind.map(|kind| kind.bandwidth_gbs);
    let bandwidth_share = compare("memory bandwidth", "GB/s", *bandwidth_gbs, published, BANDWIDTH_SHARE);
    compare("float32 speed", "TFLOPS", *float_tflops, kind.map(|kind| kind.float_tflops), FLOAT_SHARE);
    faults.extend(complaints(device, under_load.as_ref()));
    let state = if faults.is_empty() { State::Healthy } else { State::Faulty };
    if kind.is_none() {
        faults.push("its kind is not in the table: the speeds are shown, and not judged".to_owned());
    }
    Health {
        uuid: device.uuid.clone(),
        state,
        notes: faults,
        measured: Some(measured.clone()),
        bandwidth_share,
        under_load,
    }
}

fn wrong_results(measured: &Measured) -> Vec<String> {
    let Measured { tested_bytes, wrong_elements, wrong_chains, products, .. } = measured;
    let mut faults = Vec::new();
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
    faults
}

/// What NVML says against a device, before the run or in it.
fn complaints(device: &GpuDevice, under_load: Option<&Load>) -> Vec<String> {
    let before = device.monitor.as_ref();
    let mut faults = Vec::new();
    let errors = before.and_then(|monitor| monitor.ecc_uncorrected);
    let errors = errors.max(under_load.and_then(|load| load.ecc_uncorrected));
    if let Some(errors) = errors.filter(|errors| *errors > 0) {
        faults.push(format!("{errors} memory errors since the driver's start that ECC could not correct"));
    }
    let words = before.and_then(|monitor| monitor.throttled.as_ref()).into_iter();
    let words = words.chain(under_load.and_then(|load| load.throttled.as_ref())).flatten();
    let mut by_hardware: Vec<&str> = words.map(String::as_str).filter(|word| word.starts_with("hw_")).collect();
    by_hardware.sort_unstable();
    by_hardware.dedup();
    if !by_hardware.is_empty() {
        faults.push(format!("the hardware lowers its clocks: {}", by_hardware.join(", ")));
    }
    faults
}

/// What a code says of the card. Source: CUDA driver API, `CUresult`.
fn code_words(code: u32) -> &'static str {
    match code {
        2 => " (out of memory: others have taken it meanwhile)",
        46 => " (the device is busy or unavailable)",
        209 | 218 | 222 => " (the driver takes no kernels of this form)",
        214 => " (an ECC error that could not be corrected)",
        221 => " (the driver's compiler is missing: libnvidia-ptxjitcompiler)",
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
    use super::super::super::device::Monitor;
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
        let health = judge(&h100, &Finding::Ran(good()), None);
        assert!(health.state == State::Healthy && health.notes.is_empty(), "{health:?}");
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
            let health = judge(&h100, &Finding::Ran(bad.clone()), None);
            assert!(health.state == State::Faulty && health.notes.len() == 1, "{bad:?}: {health:?}");
        }
    }

    #[test]
    fn what_nvml_says_counts_before_the_run_and_under_its_load() {
        let words = |word: &str| Some(vec![word.to_owned()]);
        for (throttled, ecc_uncorrected, wanted) in [
            (None, None, State::Healthy),
            (Some(Vec::new()), Some(0), State::Healthy),
            (words("sw_power_cap"), None, State::Healthy),
            (words("hw_slowdown"), None, State::Faulty),
            (None, Some(1), State::Faulty),
        ] {
            let monitor = Monitor { throttled: throttled.clone(), ecc_uncorrected, ..Monitor::default() };
            let before = GpuDevice { monitor: Some(monitor), ..card("NVIDIA H100 80GB HBM3") };
            let calm = GpuDevice { monitor: Some(Monitor::default()), ..before.clone() };
            let load = Load { throttled, temperature_c: Some(80), ecc_uncorrected };
            assert_eq!(judge(&before, &Finding::Ran(good()), None).state, wanted, "{load:?}");
            let under_load = judge(&calm, &Finding::Ran(good()), Some(load.clone()));
            assert_eq!((under_load.state, &under_load.under_load), (wanted, &Some(load)));
        }
    }

    #[test]
    fn a_device_that_was_not_tested_is_neither_healthy_nor_called_faulty() {
        let broke = |code| Finding::Broke("cuLaunchKernel".to_owned(), code);
        for (finding, wanted) in [
            (Finding::NoRoom("full".to_owned()), State::NotTested),
            (Finding::Unknown("the run was not done after 60 s".to_owned()), State::NotTested),
            (broke(2), State::NotTested),
            (broke(46), State::NotTested),
            (broke(221), State::NotTested),
            (broke(214), State::Faulty),
            (broke(719), State::Faulty),
            (broke(999), State::Faulty),
            (Finding::Skips("it left out half".to_owned()), State::Faulty),
        ] {
            let health = judge(&card("NVIDIA H100 80GB HBM3"), &finding, None);
            assert_eq!((health.state, health.notes.len()), (wanted, 1), "{finding:?}");
        }
    }

    #[test]
    fn an_unknown_kind_is_not_judged_by_speed_and_says_so() {
        let slow = Measured { bandwidth_gbs: Some(1.0), float_tflops: Some(0.1), ..good() };
        let health = judge(&card("New"), &Finding::Ran(slow), None);
        assert!(health.state == State::Healthy && health.notes.len() == 1, "{health:?}");
        assert!(health.bandwidth_share.is_none());
        // Its results are judged all the same.
        let wrong = Measured { products: (10, 1), ..good() };
        assert_eq!(judge(&card("New"), &Finding::Ran(wrong), None).state, State::Faulty);
    }
}
