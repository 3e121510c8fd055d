//! Does this GPU suffice? Pure: requirements against what is known of a device.

use super::device::{Capability, GpuDevice, Machine};
use super::kinds;

/// What a job needs of its GPUs.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Need {
    /// How many devices.
    pub count: u32,
    /// Memory of each in GB (10^9 bytes; a card that is sold as 80 GB has a little more or less in bytes: see [`unfit`]).
    pub min_memory_gb: Option<f64>,
    /// The least compute capability.
    pub capability: Option<Capability>,
    /// Kinds that will do, such as `h100-80gb`, and families of them, such as `h100`; empty for any.
    pub kinds: Vec<String>,
    /// The most memory in MB (10^6 bytes) that others may use of it.
    pub max_used_memory_mb: Option<u64>,
}

/// Why a device does not suffice; empty where it does. What is needed and not known (no NVML) is a reason, never a pass.
///
/// Memory: GB are 10^9 bytes. A card that is in the table of kinds also has the memory that it is sold with: a T4 of 16 GB
/// shows 15.6 GB, since ECC and the driver keep a part, and meets a need of 16.
pub fn unfit(need: &Need, device: &GpuDevice) -> Vec<String> {
    let Need { count: _, min_memory_gb, capability, kinds, max_used_memory_mb } = need;
    let kind = kinds::of(device);
    let mut reasons = Vec::new();
    if let Some(least) = min_memory_gb {
        // A limit that is no number is met by nothing.
        if least.is_nan() || kinds::memory_gb(kind, device.memory_bytes) < *least {
            let shown = kinds::memory_gb(None, device.memory_bytes);
            reasons.push(format!("it has {shown:.1} GB of memory, and {least} GB are needed"));
        }
    }
    match (capability, device.capability) {
        (Some(least), Some(own)) if own < *least => {
            reasons.push(format!("its compute capability is {own}, and {least} is needed"));
        }
        (Some(least), None) => reasons.push(format!("its compute capability is not known, and {least} is needed")),
        (Some(_), Some(_)) | (None, _) => {}
    }
    if !kinds.is_empty() && !kind.is_some_and(|kind| kinds.iter().any(|wanted| kinds::means(wanted, kind))) {
        let own = kind.map_or("of no kind that is known", |kind| kind.name);
        reasons.push(format!("it is {own}, and {} is needed", kinds.join(" or ")));
    }
    if let Some(most) = max_used_memory_mb {
        match device.monitor.as_ref().and_then(|monitor| monitor.used_bytes) {
            Some(used) if used > most.saturating_mul(1_000_000) => {
                reasons.push(format!("{} MB of its memory are in use, and {most} MB are allowed", used / 1_000_000));
            }
            Some(_) => {}
            None => reasons.push(format!("its used memory is not known (no NVML), and {most} MB are allowed")),
        }
    }
    reasons
}

/// Devices that do not suffice: UUIDs, with the reasons.
pub type Unfit = Vec<(String, Vec<String>)>;

/// All devices that suffice, in order of least used memory (where that is not known, behind the others); with fewer than
/// are needed, why each of the others does not.
pub fn choose(need: &Need, machine: &Machine) -> Result<Vec<GpuDevice>, Unfit> {
    let mut fit = Vec::new();
    let mut others = Vec::new();
    for device in &machine.devices {
        let reasons = unfit(need, device);
        if reasons.is_empty() {
            fit.push(device.clone());
        } else {
            others.push((device.uuid.clone(), reasons));
        }
    }
    let wanted = usize::try_from(need.count.max(1)).unwrap_or(usize::MAX);
    if fit.len() < wanted {
        return Err(others);
    }
    let used = |device: &GpuDevice| device.monitor.as_ref().and_then(|monitor| monitor.used_bytes);
    fit.sort_by_key(|device| (used(device).unwrap_or(u64::MAX), device.index));
    Ok(fit)
}

#[cfg(test)]
mod tests {
    use super::super::device::Monitor;
    use super::*;

    fn card(index: usize, name: &str, mib: u64, used: Option<u64>) -> GpuDevice {
        GpuDevice {
            index,
            name: name.to_owned(),
            uuid: format!("GPU-{index}"),
            memory_bytes: mib << 20,
            capability: Some(Capability { major: 9, minor: 0 }),
            monitor: used.map(|used| Monitor { used_bytes: Some(used), ..Monitor::default() }),
        }
    }

    fn machine(devices: Vec<GpuDevice>) -> Machine {
        Machine { driver_version: None, cuda_version: None, devices, unmonitored: None }
    }

    #[test]
    fn a_card_has_the_memory_that_it_is_sold_with() {
        let need = |gb: f64| Need { min_memory_gb: Some(gb), ..Need::default() };
        for (name, mib, sold) in [
            ("NVIDIA H100 80GB HBM3", 81_559, 80.0),
            ("Tesla T4", 14_917, 16.0),
            ("NVIDIA A10G", 22_731, 24.0),
            ("NVIDIA L4", 23_034, 24.0),
            ("NVIDIA H200", 143_771, 141.0),
        ] {
            assert!(unfit(&need(sold), &card(0, name, mib, None)).is_empty(), "{name}");
            assert_eq!(unfit(&need(sold * 1.1), &card(0, name, mib, None)).len(), 1, "{name}");
        }
        // A card that nobody knows has its bytes, and no more.
        assert_eq!(unfit(&need(16.0), &card(0, "New", 14_917, None)).len(), 1);
        assert_eq!(unfit(&need(f64::NAN), &card(0, "New", 14_917, None)).len(), 1);
        let instance = GpuDevice { uuid: "MIG-1".to_owned(), ..card(0, "Tesla T4", 14_917, None) };
        assert_eq!(unfit(&need(16.0), &instance).len(), 1);
    }

    #[test]
    fn what_is_needed_and_not_known_is_a_reason_against() {
        let unknown = GpuDevice { capability: None, ..card(0, "New", 81_559, None) };
        let used = Need { max_used_memory_mb: Some(100), ..Need::default() };
        let capability = Need { capability: Some(Capability { major: 7, minor: 0 }), ..Need::default() };
        let kinds = Need { kinds: vec!["h100-80gb".to_owned()], ..Need::default() };
        for need in [used, capability, kinds] {
            assert_eq!(unfit(&need, &unknown).len(), 1, "{need:?}");
        }
        assert!(unfit(&Need::default(), &unknown).is_empty());
    }

    #[test]
    fn a_limit_holds_at_itself_and_not_beyond() {
        let used = |mb| Need { max_used_memory_mb: Some(mb), ..Need::default() };
        let device = card(0, "NVIDIA H100 80GB HBM3", 81_559, Some(500_000_000));
        assert!(unfit(&used(500), &device).is_empty());
        assert_eq!(unfit(&used(499), &device).len(), 1);
        let capability = |text: &str| Need { capability: Some(text.parse().unwrap()), ..Need::default() };
        assert!(unfit(&capability("9.0"), &device).is_empty() && unfit(&capability("8.9"), &device).is_empty());
        assert_eq!(unfit(&capability("10.0"), &device).len(), 1);
    }

    #[test]
    fn the_least_used_come_first_and_the_unknown_last() {
        let devices = vec![card(0, "A", 9, None), card(1, "A", 9, Some(5)), card(2, "A", 9, Some(1))];
        let order = |count| {
            let chosen = choose(&Need { count, ..Need::default() }, &machine(devices.clone()));
            chosen.map(|chosen| chosen.iter().map(|device| device.index).collect::<Vec<_>>())
        };
        assert_eq!(order(1), Ok(vec![2, 1, 0]));
        assert_eq!(order(3), Ok(vec![2, 1, 0]));
        // Enough of the others is still too few.
        assert_eq!(order(4), Err(vec![]));
        let need = Need { max_used_memory_mb: Some(1), count: 3, ..Need::default() };
        assert_eq!(choose(&need, &machine(devices)).map_err(|others| others.len()), Err(1));
    }

    #[test]
    fn a_capability_is_two_numbers() {
        let read = |text: &str| text.parse::<Capability>().map(|own| (own.major, own.minor)).ok();
        assert_eq!(
            (read("8.0"), read(" 9.0 "), read("12"), read("10.3")),
            (Some((8, 0)), Some((9, 0)), Some((12, 0)), Some((10, 3)))
        );
        for wrong in ["", ".", "8.", ".0", "sm_80", "8.0.1", "-8.0", "+8.0"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
