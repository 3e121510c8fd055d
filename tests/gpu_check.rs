//! `gpu-check` through the real binary, with drivers and NVMLs of ours in place of NVIDIA's: each is a small C file of
//! tests/gpu_stub, compiled here and found through LD_LIBRARY_PATH. No GPU is needed, and none is asked.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{code, llmci, text};

const UUID: &str = "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f";

/// Compiles a stub into a folder, under the name that a driver has.
fn stub(folder: &Path, source: &str, options: &[&str]) {
    let name = if source == "cuda.c" { "libcuda.so.1" } else { "libnvidia-ml.so.1" };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu_stub").join(source);
    let done = Command::new("cc")
        .args(["-shared", "-fPIC", "-w", "-o"])
        .arg(folder.join(name))
        .args(options)
        .arg(source)
        .status()
        .unwrap();
    assert!(done.success());
}

fn cuda(options: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    stub(folder.path(), "cuda.c", options);
    folder
}

fn both(cuda_options: &[&str], nvml_options: &[&str]) -> tempfile::TempDir {
    let folder = cuda(cuda_options);
    stub(folder.path(), "nvml.c", nvml_options);
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = llmci(folder);
    command.arg("gpu-check").args(["--health", "off"]).args(arguments).env("LD_LIBRARY_PATH", folder);
    command
}

fn check(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn document(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("llmci-gpu/gpu.json")).unwrap()).unwrap()
}

/// Ends with 4 for this cause, without a panic.
fn refused(folder: &Path, output: &Output, cause: &str, words: &str) {
    let text = text(output);
    assert_eq!(code(output), 4, "{text}");
    assert!(text.contains(words) && !text.contains("a bug") && !text.contains("panicked"), "{text}");
    let document = document(folder);
    assert_eq!((&document["cause"], &document["passed"]), (&cause.into(), &false.into()), "{document}");
}

#[test]
fn each_broken_driver_has_its_cause_and_ends_with_4() {
    for (options, cause, words) in [
        (&["-DMISSES"][..], "stub", "`cuInit` is missing"),
        (&["-DCODE=34"], "stub", "stub of a CUDA toolkit"),
        (&["-DOLD"], "too-old", "serves CUDA 9.2 at most"),
        (&["-DCRASHES"], "crashes", "crashed (signal 11)"),
        (&["-DCODE=802"], "not-ready", "fabricmanager"),
        (&["-DCODE=803"], "version-mismatch", "different versions"),
        (&["-DCODE=999"], "fails", "cuInit answered with CUDA error 999"),
    ] {
        let folder = cuda(options);
        let output = check(folder.path(), &[]);
        refused(folder.path(), &output, cause, words);
    }
}

#[test]
fn a_driver_that_hangs_is_given_up_and_its_process_is_gone() {
    let folder = cuda(&["-DHANGS"]);
    let began = Instant::now();
    let output = check(folder.path(), &["--driver-timeout", "1"]);
    refused(folder.path(), &output, "hangs", "did not answer within 1 s");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    // A lease is told of it as well, and its command is not started.
    let output = check(folder.path(), &["--driver-timeout", "1", "--lease", "--", "echo", "started"]);
    refused(folder.path(), &output, "hangs", "did not answer within 1 s");
    assert!(!text(&output).contains("started"), "{}", text(&output));
    let library = folder.path().join("libcuda.so.1").display().to_string();
    let holds = |entry: std::io::Result<std::fs::DirEntry>| {
        let maps = std::fs::read_to_string(entry.ok()?.path().join("maps")).ok()?;
        maps.contains(&library).then_some(())
    };
    assert_eq!(std::fs::read_dir("/proc").unwrap().filter_map(holds).count(), 0);
}

#[test]
fn a_library_of_another_machine_is_named() {
    let folder = cuda(&[]);
    let path = folder.path().join("libcuda.so.1");
    let mut bytes = std::fs::read(&path).unwrap();
    // `e_machine` of ELF: RISC-V.
    bytes[18..20].copy_from_slice(&243_u16.to_le_bytes());
    support::write_bytes(&path, &bytes);
    let output = check(folder.path(), &[]);
    refused(folder.path(), &output, "other-machine", "another kind of machine (RISC-V)");
}

#[test]
fn hidden_and_missing_devices_have_their_cause() {
    let folder = cuda(&["-DCODE=100"]);
    if !Path::new("/dev/nvidia0").exists() {
        // Where nothing is, nothing is hidden.
        let output = command(folder.path(), &[]).env("CUDA_VISIBLE_DEVICES", "9").output().unwrap();
        assert_eq!((code(&output), document(folder.path())["cause"] == "hidden-from-process"), (4, false));
    }
    let there = both(&["-DCODE=100"], &[]);
    let output = command(there.path(), &[]).env("CUDA_VISIBLE_DEVICES", "9").output().unwrap();
    refused(there.path(), &output, "hidden-from-process", "CUDA_VISIBLE_DEVICES is `9`");
    // What a variable says can be no command of the runner's log.
    let hostile = "void\n::set-output name=passed::true";
    let output = command(folder.path(), &[]).env("CUDA_VISIBLE_DEVICES", hostile).output().unwrap();
    assert_eq!(code(&output), 4);
    assert!(!text(&output).contains("::set-output"), "{}", text(&output));
    let output = command(folder.path(), &[]).env("NVIDIA_VISIBLE_DEVICES", "none").output().unwrap();
    refused(folder.path(), &output, "hidden-from-container", "NVIDIA_VISIBLE_DEVICES is `none`");
    let split = both(&["-DCODE=100"], &["-DSPLIT"]);
    let output = check(split.path(), &[]);
    refused(split.path(), &output, "no-mig-instances", UUID);
}

#[test]
fn devices_are_told_with_all_that_nvml_says() {
    let folder = both(&[], &[]);
    let output =
        check(folder.path(), &["--min-memory-gb", "80", "--gpu-type", "h100-80gb", "--compute-capability", "9.0"]);
    let shown = text(&output);
    assert_eq!(code(&output), 0, "{shown}");
    for part in
        ["driver 550.54.15, CUDA 12.4", "85.5 GB", "600 MB", "41 °C", "500/700 W", "x8/x16", "hw_thermal_slowdown"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let document = document(folder.path());
    let device = &document["devices"][0];
    assert_eq!((&device["uuid"], &device["kind"]), (&UUID.into(), &"h100-80gb".into()));
    assert_eq!(device["monitor"]["clock_sm_mhz"], serde_json::json!([345, 1980]));
    assert_eq!(document["visible_devices"], UUID);
    // A family alone, in capitals, and with the memory that the card is sold with.
    assert_eq!(code(&check(folder.path(), &["--gpu-type", "a100,H100"])), 0);
}

#[test]
fn outputs_reach_the_next_step() {
    let folder = both(&[], &[]);
    let (outputs, summary) = (folder.path().join("outputs"), folder.path().join("summary"));
    for path in [&outputs, &summary] {
        std::fs::File::create(path).unwrap();
    }
    let output = command(folder.path(), &[])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_OUTPUT", &outputs)
        .env("GITHUB_STEP_SUMMARY", &summary)
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let outputs = std::fs::read_to_string(&outputs).unwrap();
    for part in ["passed", "true", "visible-devices", UUID, "devices", "\"kind\":\"h100-80gb\""] {
        assert!(outputs.contains(part), "{part}: {outputs}");
    }
    let summary = std::fs::read_to_string(&summary).unwrap();
    assert!(summary.starts_with("## gpu-check: passed") && summary.contains("| gpu | name |"), "{summary}");
}

#[test]
fn needs_that_are_not_met_or_not_known_end_with_4() {
    let folder = both(&[], &[]);
    for (arguments, words) in [
        (&["--min-memory-gb", "90"][..], "90 GB are needed"),
        (&["--gpu-type", "h200,a100-80gb"], "h200 or a100-80gb is needed"),
        (&["--compute-capability", "10.0"], "10.0 is needed"),
        (&["--max-used-memory-mb", "599"], "600 MB of its memory are in use"),
        (&["--count", "2"], "1 of 1 GPUs may be used, and 2 are needed"),
    ] {
        let output = check(folder.path(), arguments);
        assert_eq!(code(&output), 4, "{}", text(&output));
        assert!(text(&output).contains(words), "{words}: {}", text(&output));
        assert_eq!(document(folder.path())["visible_devices"], Value::Null);
    }
    assert_eq!(code(&check(folder.path(), &["--max-used-memory-mb", "600"])), 0);
    let blind = cuda(&[]);
    let output = check(blind.path(), &["--max-used-memory-mb", "600"]);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("is not known (no NVML)"), "{}", text(&output));
}

#[test]
fn without_a_good_nvml_the_reason_is_noted_and_the_devices_are_there() {
    for (options, words) in [
        (&["-DOLD"][..], "older than needed"),
        (&["-DCRASHES"], "NVML crashed (signal 11)"),
        (&["-DMISMATCH"], "different versions"),
    ] {
        let folder = both(&[], options);
        let output = check(folder.path(), &[]);
        assert_eq!(code(&output), 0, "{}", text(&output));
        assert!(text(&output).contains(words), "{words}: {}", text(&output));
        assert_eq!(document(folder.path())["devices"][0]["monitor"], Value::Null);
    }
    let folder = both(&[], &[]);
    let path = folder.path().join("libnvidia-ml.so.1");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[18..20].copy_from_slice(&243_u16.to_le_bytes());
    support::write_bytes(&path, &bytes);
    let output = check(folder.path(), &[]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("is not for this machine"), "{}", text(&output));
}

#[test]
fn a_health_run_that_cannot_run_is_no_pass() {
    // The stub has no kernels: the run's own needs are missing.
    let folder = both(&[], &[]);
    let output = check(folder.path(), &["--health", "quick"]);
    let again = llmci(folder.path()).arg("gpu-check").env("LD_LIBRARY_PATH", folder.path()).output().unwrap();
    assert_eq!(code(&again), 4, "{}", text(&again));
    assert!(
        text(&again).contains("NOT TESTED") && text(&again).contains("cuDevicePrimaryCtxRetain"),
        "{}",
        text(&again)
    );
    // Given twice, an input is refused.
    assert_eq!(code(&output), 2, "{}", text(&output));
}

/// The program with a health run.
fn run_health(folder: &Path) -> (i32, String, Value) {
    let output = llmci(folder).arg("gpu-check").env("LD_LIBRARY_PATH", folder).output().unwrap();
    (code(&output), text(&output), document(folder)["devices"][0]["health"].clone())
}

#[test]
fn a_card_whose_run_was_lost_is_not_tested_and_not_called_faulty() {
    let folder = both(&["-DBREAKS"], &[]);
    let (code, said, health) = run_health(folder.path());
    assert_eq!((code, &health["state"]), (4, &"not_tested".into()), "{said}");
    assert!(said.contains("NOT TESTED") && said.contains("crashed in the health run (signal 11)"), "{said}");
    assert!(!said.contains("FAULTY") && said.contains("0 of 1 GPUs may be used"), "{said}");
}

#[test]
fn clocks_are_watched_until_the_health_run_is_over_and_an_error_is_no_word_that_they_are_free() {
    let later = both(&[], &["-DLATER"]);
    let (code, said, health) = run_health(later.path());
    assert_eq!((code, &health["under_load"]["throttled"]), (4, &serde_json::json!(["hw_slowdown"])), "{said}");
    assert_eq!(document(later.path())["devices"][0]["monitor"]["throttled"], serde_json::json!([]));
    assert!(said.contains("in the health run clocks were lowered: hw_slowdown, 41 °C at most"), "{said}");
    let mute = both(&[], &["-DMUTE"]);
    let (_, said, health) = run_health(mute.path());
    assert_eq!(health["under_load"]["throttled"], Value::Null);
    assert_eq!(document(mute.path())["devices"][0]["monitor"]["throttled"], Value::Null);
    assert!(said.contains("NVML does not say whether its clocks are lowered"), "{said}");
    assert!(said.contains("in the health run whether clocks were lowered is not known"), "{said}");
}

#[test]
fn a_failure_of_a_program_that_keeps_no_samples_says_nothing_of_going_on() {
    let folder = both(&[], &[]);
    for arguments in [&["--count", "0"][..], &["--driver-timeout", "0"]] {
        let outputs = folder.path().join("outputs");
        std::fs::File::create(&outputs).unwrap();
        let mut command = command(folder.path(), arguments);
        let output = command.env("GITHUB_ACTIONS", "true").env("GITHUB_OUTPUT", &outputs).output().unwrap();
        assert_eq!(code(&output), 2, "{}", text(&output));
        let outputs = std::fs::read_to_string(&outputs).unwrap();
        assert!(outputs.contains("verdict") && !outputs.contains("resumable"), "{outputs}");
    }
}

#[test]
fn what_is_asked_beside_a_plan_is_refused_and_not_forgotten() {
    let folder = both(&[], &[]);
    let output = check(folder.path(), &["plan"]);
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("unexpected argument 'plan'"), "{}", text(&output));
}

#[test]
fn wrong_inputs_end_with_2() {
    let folder = cuda(&[]);
    for (arguments, words) in [
        (&["--gpu-type", "h100-80g"][..], "did you mean h100-80gb?"),
        (&["--gpu-type", "h100-40gb"], "is no kind that is known"),
        (&["--compute-capability", "sm_80"], "two numbers with a point"),
        (&["--count", "0"], "--count"),
        (&["--min-memory-gb", "NaN"], "--min-memory-gb"),
        (&["--driver-timeout", "0"], "--driver-timeout"),
    ] {
        let output = check(folder.path(), arguments);
        assert_eq!(code(&output), 2, "{}", text(&output));
        assert!(text(&output).contains(words), "{words}: {}", text(&output));
    }
}

#[test]
fn what_an_earlier_run_has_found_does_not_stand_for_a_later_one() {
    let folder = both(&[], &[]);
    assert_eq!(code(&check(folder.path(), &[])), 0);
    assert_eq!(document(folder.path())["passed"], true);
    let refused = llmci(folder.path()).args(["gpu-check", "--", "true"]).output().unwrap();
    assert_eq!(code(&refused), 2, "{}", text(&refused));
    assert!(!folder.path().join("llmci-gpu/gpu.json").exists());
}
