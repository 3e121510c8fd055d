//! GPUs that are lent: the real programs, real processes, and a driver of ours that shows devices (`gpu_stub/several.c`).
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "gpu_lease/crowd.rs"]
mod crowd;
#[path = "gpu_lease/gates.rs"]
mod gates;
mod support;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use rustix::process::{Pid, Signal, kill_process};
use support::{code, llmci, root, text};

/// The devices that the stub names.
const UUIDS: [&str; 3] = [
    "GPU-00000000-0000-0000-0000-000000000001",
    "GPU-00000000-0000-0000-0000-000000000002",
    "GPU-00000000-0000-0000-0000-000000000003",
];

/// The folder of the stub's library, which is compiled once.
fn driver() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gpu-stub-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(folder.join("libcuda.so.1"));
        let output = compiler.arg(root().join("tests/gpu_stub/several.c")).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        folder
    })
}

/// A program on a machine with so many devices.
fn on_machine(mut command: Command, devices: usize) -> Command {
    command.env("LD_LIBRARY_PATH", driver()).env("STUB_CUDA_DEVICES", devices.to_string());
    command
}

/// `gpu-check --lease` with a shell script, in a folder of its own. The driver has no kernels that could be run.
fn leased(folder: &Path, devices: usize, more: &[&str], script: &str) -> Command {
    let mut command = on_machine(llmci(folder), devices);
    command.args(["gpu-check", "--lease", "--lease-dir", "leases", "--health", "off"]).args(more);
    command.args(["--", "sh", "-c", script]);
    command
}

/// Waits until a file is there, and not empty.
fn until_there(path: &Path, child: &mut Child) {
    let end = Instant::now() + Duration::from_secs(60);
    while std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        assert!(Instant::now() < end, "{} is not there", path.display());
        assert!(child.try_wait().unwrap().is_none(), "it ended before {} was there", path.display());
        std::thread::yield_now();
    }
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
}

/// Waits for the end, and gives the code and what was said.
fn ended(mut child: Child) -> (i32, String) {
    let mut said = String::new();
    if let Some(mut errors) = child.stderr.take() {
        errors.read_to_string(&mut said).unwrap();
    }
    (child.wait().unwrap().code().unwrap_or(-1), said)
}

#[test]
fn a_command_sees_its_devices_alone_and_its_exit_code_is_the_programs() {
    let folder = tempfile::tempdir().unwrap();
    let run = |script: &str| leased(folder.path(), 3, &["--count", "2"], script).output().unwrap();
    let output = run("echo \"sees $CUDA_VISIBLE_DEVICES\"; exit 7");
    assert_eq!(code(&output), 7, "{}", text(&output));
    assert!(text(&output).contains(&format!("sees {},{}\n", UUIDS[0], UUIDS[1])), "{}", text(&output));
    assert_eq!(code(&run("exit 0")), 0);
    assert_eq!(code(&run("kill -9 $$")), 137);
    // Inside of a lease nobody waits for a second one, which could be its own.
    let again = format!("{} gpu-check --lease --lease-dir leases -- echo started", env!("CARGO_BIN_EXE_llmci"));
    let output = run(&again);
    assert_eq!(code(&output), 2, "{}", text(&output));
    let started = |program: &str| {
        let mut command = on_machine(llmci(folder.path()), 1);
        command.args(["gpu-check", "--lease", "--lease-dir", "leases", "--health", "off", "--", program]);
        let output = command.output().unwrap();
        assert!(text(&output).contains("error: the command cannot be started"), "{}", text(&output));
        code(&output)
    };
    assert_eq!((started("/no/such/program"), started("/")), (127, 126));
}

#[test]
fn too_few_devices_and_no_driver_are_the_environments_fault_and_no_command_is_an_input() {
    let folder = tempfile::tempdir().unwrap();
    let output = leased(folder.path(), 1, &["--count", "2"], "echo started").output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(!text(&output).contains("started"));
    let output = on_machine(llmci(folder.path()), 1).args(["gpu-check", "--lease"]).output().unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
    if !Path::new("/proc/driver/nvidia").exists() {
        let mut command = llmci(folder.path());
        let output = command.args(["gpu-check", "--lease", "--", "echo", "started"]).output().unwrap();
        assert_eq!(code(&output), 4, "{}", text(&output));
        assert!(text(&output).contains("no NVIDIA driver"), "{}", text(&output));
    }
}

#[test]
fn devices_are_checked_before_the_command_is_started_and_told_as_without_a_lease() {
    let folder = tempfile::tempdir().unwrap();
    let outputs = folder.path().join("outputs");
    let run = |more: &[&str]| {
        std::fs::File::create(&outputs).unwrap();
        let mut command = on_machine(llmci(folder.path()), 2);
        command.args(["gpu-check", "--lease", "--lease-dir", "leases", "--out", "checked"]).args(more);
        command.args(["--", "sh", "-c", "echo \"sees $CUDA_VISIBLE_DEVICES\""]);
        let output = command.env("GITHUB_ACTIONS", "true").env("GITHUB_OUTPUT", &outputs).output().unwrap();
        let found: Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("checked/gpu.json")).unwrap()).unwrap();
        (output, found, std::fs::read_to_string(&outputs).unwrap())
    };
    // The driver has no kernels: nothing is known of the card, and it is not used.
    let (output, found, outputs) = run(&[]);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("NOT TESTED") && !text(&output).contains("sees"), "{}", text(&output));
    assert_eq!((&found["passed"], &found["devices"][0]["health"]["state"]), (&false.into(), &"not_tested".into()));
    assert!(outputs.contains("false") && !outputs.contains("true"), "{outputs}");
    // It was given back. Only what was lent is told.
    let (output, found, outputs) = run(&["--health", "off"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    // What the command says stands alone on its own stream.
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("sees {}\n", UUIDS[0]));
    assert_eq!((&found["visible_devices"], found["devices"].as_array().unwrap().len()), (&UUIDS[0].into(), 1));
    assert!(outputs.contains(UUIDS[0]) && outputs.contains("passed"), "{outputs}");
    // What does not suffice is told as well, and what is wrong is refused before anything is asked.
    let (output, found, _) = run(&["--min-memory-gb", "9999"]);
    assert_eq!((code(&output), &found["passed"]), (4, &false.into()), "{}", text(&output));
    for wrong in [["--driver-timeout", "0"], ["--lease-timeout", "-1"]] {
        let output = leased(folder.path(), 1, &wrong, "echo started").output().unwrap();
        assert_eq!(code(&output), 2, "{}", text(&output));
    }
}

#[test]
fn whoever_waits_is_told_its_place_and_ends_with_4_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    let mut first = leased(folder.path(), 1, &[], "echo x > there; exec sleep 600").spawn().unwrap();
    until_there(&there, &mut first);
    let output = leased(folder.path(), 1, &["--lease-timeout", "0.01"], "echo started").output().unwrap();
    let said = text(&output);
    assert_eq!(code(&output), 4, "{said}");
    assert!(said.contains("place 1 of 1") && said.contains(&format!("{} is with", UUIDS[0])), "{said}");
    assert!(said.contains("error: no GPU was free in time"), "{said}");
    send(&first, Signal::TERM);
    assert_eq!(ended(first).0, 143);
    assert_eq!(code(&leased(folder.path(), 1, &["--lease-timeout", "0.2"], "exit 0").output().unwrap()), 0);
}

#[test]
fn every_signal_reaches_the_command_which_decides_when_all_ends() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    // A trap runs when the command that the shell waits for has ended: `wait` ends at once.
    let script = "trap 'echo int >> said' INT; trap 'echo term >> said; exit 9' TERM; echo x > there; sleep 600 & while :; do wait; done";
    let mut child = leased(folder.path(), 1, &[], script).spawn().unwrap();
    until_there(&there, &mut child);
    send(&child, Signal::INT);
    until_there(&folder.path().join("said"), &mut child);
    send(&child, Signal::TERM);
    assert_eq!(ended(child).0, 9);
    assert_eq!(std::fs::read_to_string(folder.path().join("said")).unwrap(), "int\nterm\n");
}

#[test]
fn a_device_whose_holder_was_killed_is_lent_when_its_program_is_gone_too() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    let mut first = leased(folder.path(), 1, &[], "echo $$ > there; exec sleep 600");
    // What lives on must not keep our own pipes open.
    let mut child = first.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until_there(&there, &mut child);
    send(&child, Signal::KILL);
    child.wait().unwrap();
    // The program lives, and may still use the device.
    let output = leased(folder.path(), 1, &["--lease-timeout", "0.02"], "exit 0").output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    let mut next = leased(folder.path(), 1, &[], "echo x > next").spawn().unwrap();
    let pid: i32 = std::fs::read_to_string(&there).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    assert_eq!(next.wait().unwrap().code(), Some(0));
}

#[test]
fn what_a_command_leaves_in_its_group_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = "sleep 600 & echo $! > pid; exit 0";
    assert_eq!(code(&leased(folder.path(), 1, &[], script).output().unwrap()), 0);
    let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    let end = Instant::now() + Duration::from_secs(20);
    while state().is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < end, "it lives on");
        std::thread::yield_now();
    }
}

#[test]
fn a_preemptible_command_gives_way_to_a_more_urgent_one() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    let script = "trap 'echo kept > kept; exit 0' TERM; echo x > there; sleep 600 & wait";
    let low = ["--preemptible", "--lease-priority", "2"];
    let mut low = leased(folder.path(), 1, &low, script).stderr(Stdio::piped()).spawn().unwrap();
    until_there(&there, &mut low);
    // One of the same priority waits in vain.
    let equal = ["--lease-priority", "2", "--lease-timeout", "0.01"];
    assert_eq!(code(&leased(folder.path(), 1, &equal, "exit 0").output().unwrap()), 4);
    assert!(low.try_wait().unwrap().is_none());
    let urgent = leased(folder.path(), 1, &["--lease-priority", "9"], "cat kept").output().unwrap();
    assert_eq!(code(&urgent), 0, "{}", text(&urgent));
    assert!(text(&urgent).contains("kept"), "it was lent the device before the other one had ended");
    let (code, said) = ended(low);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("a more urgent job waited"), "{said}");
}
