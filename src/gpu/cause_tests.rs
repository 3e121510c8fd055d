//! Every cause from what was seen, by table.

use super::*;

fn failed(code: u32) -> Result<Answer, Lost> {
    Ok(Answer::Failed("cuInit".to_owned(), code))
}

/// A container of a host with a driver, started well.
fn container() -> Facts {
    Facts {
        kernel_driver: Some("550.54.15".to_owned()),
        kernel_files: true,
        device_files: vec!["/dev/nvidia0".into()],
        container: true,
        ..Facts::default()
    }
}

fn set(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[test]
fn each_cause_follows_from_what_was_seen() {
    let none = || Ok(Answer::NoLibrary);
    let host = Facts { container: false, ..container() };
    let bare = Facts { device_files: Vec::new(), ..container() };
    let elsewhere = |container| Facts {
        libraries: vec![("/l/libcuda.so.1".into(), Made::Elsewhere(183))],
        ..Facts { container, ..Facts::default() }
    };
    let table: Vec<(&str, Facts, Result<Answer, Lost>)> = vec![
        ("no-driver", Facts::default(), none()),
        ("no-driver", Facts { container: true, ..Facts::default() }, none()),
        ("no-driver", Facts::default(), failed(100)),
        ("no-library", host.clone(), none()),
        ("no-runtime", container(), none()),
        ("no-runtime", bare.clone(), none()),
        ("no-runtime", bare.clone(), failed(100)),
        ("job-container", Facts { github: true, ..bare.clone() }, none()),
        ("job-container", Facts { github: true, ..bare.clone() }, failed(100)),
        ("hidden-from-container", Facts { nvidia_visible: set("void"), ..bare.clone() }, none()),
        ("hidden-from-container", Facts { nvidia_visible: set("none"), github: true, ..bare.clone() }, none()),
        ("hidden-from-container", Facts { nvidia_visible: set(""), ..bare.clone() }, failed(100)),
        ("no-runtime", Facts { nvidia_visible: set("all"), ..bare.clone() }, none()),
        ("hidden-from-process", Facts { cuda_visible: set(""), ..host.clone() }, failed(100)),
        ("hidden-from-process", Facts { cuda_visible: set("7"), ..host.clone() }, failed(100)),
        ("hidden-from-process", Facts { cuda_visible: set("-1"), ..host.clone() }, Ok(Answer::Devices(12_040, vec![]))),
        ("no-driver", Facts { cuda_visible: set("0"), ..Facts::default() }, failed(100)),
        ("no-runtime", Facts { cuda_visible: set("0"), ..bare.clone() }, failed(100)),
        ("no-device", Facts { cuda_visible: set("0"), device_files: Vec::new(), ..host.clone() }, failed(100)),
        ("version-mismatch", container(), failed(803)),
        ("no-permission", Facts { forbidden: vec!["/dev/nvidia0".into()], ..host.clone() }, failed(100)),
        ("no-permission", Facts { forbidden: vec!["/dev/nvidiactl".into()], ..host.clone() }, failed(304)),
        ("other-machine", elsewhere(false), none()),
        ("other-machine", elsewhere(true), none()),
        ("stub", container(), Ok(Answer::Missing("cuInit".to_owned()))),
        ("stub", container(), failed(34)),
        ("too-old", container(), Ok(Answer::TooOld(9_020))),
        ("hangs", container(), Err(Lost::Late(Duration::from_secs(30)))),
        ("crashes", container(), Err(Lost::Signal(11))),
        ("not-ready", container(), failed(802)),
        ("no-device", host.clone(), failed(100)),
        ("no-device", container(), failed(100)),
        ("fails", host.clone(), failed(999)),
        ("fails", host.clone(), Err(Lost::Ended(1))),
    ];
    for (wanted, facts, answer) in table {
        let cause = find(&facts, &answer, None);
        assert_eq!(cause.word(), wanted, "{facts:?} {answer:?}");
        let text = cause.to_string();
        assert!(text.contains("; ") && text.len() > 40, "{text}");
    }
}

#[test]
fn nvml_tells_a_split_card_and_a_mismatch() {
    let split = Watched { cards: 1, split_without_instances: vec!["GPU-1".to_owned()], ..Watched::default() };
    let host = Facts { container: false, ..container() };
    let found = find(&host, &failed(100), Some(&split));
    assert_eq!(found, Cause::NoInstances(vec!["GPU-1".to_owned()]));
    assert!(found.to_string().contains("GPU-1"));
    // An empty list hides the card all the same; a list with names is in vain while there is no instance.
    let hidden = |value: &str| Facts { cuda_visible: set(value), ..host.clone() };
    assert_eq!(find(&hidden(""), &failed(100), Some(&split)).word(), "hidden-from-process");
    assert_eq!(find(&hidden("0"), &failed(100), Some(&split)).word(), "no-mig-instances");
    // A card that only NVML sees is there all the same.
    let seen = Watched { cards: 1, ..Watched::default() };
    let bare = Facts { device_files: Vec::new(), ..hidden("7") };
    assert_eq!(find(&bare, &failed(100), Some(&seen)).word(), "hidden-from-process");
    let mismatch = Watched { mismatch: true, ..Watched::default() };
    for code in [100, 999] {
        assert_eq!(find(&host, &failed(code), Some(&mismatch)), Cause::Mismatch(set("550.54.15")));
    }
}
