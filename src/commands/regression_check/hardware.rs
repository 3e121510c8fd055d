//! Whether two runs were made on the same hardware: if not, a difference in speed, and one in the last digits of a score, may come
//! from that alone. It is a note, and changes no verdict.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Found;
use crate::report::{Gpu, Report};
use crate::trust::Untrusted;

/// Notes on sides that ran elsewhere than the candidate; none where a side's report is not there.
pub(super) fn notes<'a>(sides: impl IntoIterator<Item = (&'a str, &'a Found)>, candidate: &Found) -> Vec<Untrusted> {
    let Some(ours) = candidate.report.as_ref().filter(|report| is_made(report)) else { return Vec::new() };
    let note = |(role, found): (&str, &Found)| {
        let theirs = found.report.as_ref().filter(|report| is_made(report))?;
        // What is not known differs from nothing.
        difference(theirs.host.gpus.as_deref()?, ours.host.gpus.as_deref()?)
            .map(|words| Untrusted::new(format!("{role} and candidate ran on different hardware: {words}")))
    };
    sides.into_iter().filter_map(note).collect()
}

/// Recorded answers were made elsewhere.
fn is_made(report: &Report) -> bool {
    report.model.provider != "replay"
}

/// Both sides in words, where they differ in the devices' names, in their number, or in the first part of the driver's version,
/// as far as both are known.
fn difference(theirs: &[Gpu], ours: &[Gpu]) -> Option<String> {
    let (before, now) = (majors(theirs), majors(ours));
    let drivers_differ = !before.is_empty() && !now.is_empty() && before != now;
    (names(theirs) != names(ours) || drivers_differ).then(|| format!("{} before, {} now", words(theirs), words(ours)))
}

fn names(gpus: &[Gpu]) -> BTreeMap<&str, u64> {
    let mut names = BTreeMap::new();
    for gpu in gpus {
        *names.entry(gpu.name.raw()).or_insert(0) += 1;
    }
    names
}

fn majors(gpus: &[Gpu]) -> BTreeSet<&str> {
    gpus.iter().filter_map(|gpu| gpu.driver.as_ref()?.raw().split('.').next()).collect()
}

fn words(gpus: &[Gpu]) -> String {
    if gpus.is_empty() {
        return "no GPU".to_owned();
    }
    let names: Vec<String> = names(gpus).into_iter().map(|(name, count)| format!("{count} × {name}")).collect();
    let drivers: BTreeSet<&str> = gpus.iter().filter_map(|gpu| Some(gpu.driver.as_ref()?.raw())).collect();
    let drivers: Vec<&str> = drivers.into_iter().collect();
    let driver = if drivers.is_empty() { String::new() } else { format!(" (driver {})", drivers.join(", ")) };
    format!("{}{driver}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Digest;

    fn gpu(name: &str, uuid: &str, driver: Option<&str>) -> Gpu {
        Gpu {
            name: name.into(),
            uuid_digest: Digest::of(uuid.as_bytes()),
            memory_bytes: 1,
            driver: driver.map(Untrusted::new),
            clocks: None,
        }
    }

    #[test]
    fn another_name_number_or_driver_is_other_hardware_and_another_card_is_not() {
        let one = [gpu("H100", "a", Some("580.1"))];
        assert_eq!(difference(&one, &[gpu("H100", "b", Some("580.2"))]), None);
        assert_eq!(difference(&one, &[gpu("H100", "b", None)]), None);
        assert_eq!(difference(&[], &[]), None);
        let of = |ours: &[Gpu]| difference(&one, ours).unwrap();
        assert_eq!(of(&[]), "1 × H100 (driver 580.1) before, no GPU now");
        assert_eq!(of(&[gpu("A100", "a", None)]), "1 × H100 (driver 580.1) before, 1 × A100 now");
        assert!(of(&[gpu("H100", "a", Some("570.9"))]).ends_with("1 × H100 (driver 570.9) now"));
        assert!(of(&[gpu("H100", "a", None), gpu("H100", "b", None)]).ends_with("2 × H100 now"));
    }

    #[test]
    fn a_device_of_an_old_report_is_the_device_of_a_new_one() {
        let old = r#"{"name": "H100", "uuid": "GPU-1", "memory_bytes": 1}"#;
        let read: Gpu = serde_json::from_str(old).unwrap();
        assert_eq!(read, gpu("H100", "GPU-1", None));
        let again: Gpu = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(again, read);
        assert!(serde_json::from_str::<Gpu>(r#"{"name": "H100", "memory_bytes": 1}"#).is_err());
    }
}
