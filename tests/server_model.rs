//! A model behind a server that the gate starts: it is ready before it is asked, what goes wrong is named, and nothing of it is left,
//! whoever ends in whatever way. The server is `tests/server_model/server.py`; everything that it starts has its mark in its command line.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use support::{code, eval_gate, llmci, report, root, text, write};
use tempfile::TempDir;

/// The longest that anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A folder with a suite of so many cases, and a policy whose model is the server with these arguments.
struct Bench {
    folder: TempDir,
    mark: String,
}

impl Bench {
    fn new(cases: usize, arguments: &[&str], more: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("llmci-mark-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::tempdir().unwrap();
        let lines: String = (0..cases)
            .map(|n| format!("{{\"id\": \"w{n}\", \"prompt\": \"Say w{n}\", \"expected\": \"w{n}\"}}\n"))
            .collect();
        write(folder.path(), "words.jsonl", &lines);
        let server = root().join("tests/server_model/server.py");
        let mut command = vec![server.to_str().unwrap(), "--port", "{port}", "--mark", &mark];
        command.extend(arguments);
        let command = serde_json::to_string(&command).unwrap();
        let policy = format!(
            "version: 1\nmodels:\n  m:\n    provider: server\n    command: [python3]\n    args: {command}\n    model: tiny\n{more}\
             suites: [words.jsonl]\nrun: {{concurrency: 4}}\ngate:\n  thresholds:\n    - {{metric: pass_rate, min: 0.5, decide_by: point}}\n"
        );
        write(folder.path(), "llmci.yaml", &policy);
        Self { folder, mark }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn gate(&self) -> Command {
        let mut gate = eval_gate(self.path());
        gate.arg("--quiet");
        gate
    }

    fn run(&self) -> Output {
        self.gate().output().unwrap()
    }

    fn start(&self) -> Child {
        self.gate().process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Processes that have the mark and are no zombies.
    fn alive(&self) -> Vec<i32> {
        processes()
            .into_iter()
            .filter(|id| {
                let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line).contains(&self.mark) && field(*id, 0).is_some_and(|state| state != "Z")
            })
            .collect()
    }

    /// Waits for a server with so many processes, and gives one of its supervisor's children: the server itself.
    fn until_alive(&self, count: usize) -> Vec<i32> {
        let mut alive = Vec::new();
        until("the server to start", || {
            alive = self.alive();
            alive.len() >= count
        });
        alive
    }

    fn supervisor(&self) -> i32 {
        let mut found = None;
        until("the supervisor", || {
            found =
                self.alive().into_iter().filter_map(|id| field(id, 1)?.parse::<i32>().ok()).find(|id| supervises(*id));
            found.is_some()
        });
        found.unwrap()
    }

    /// Nothing of it is left, or soon will be.
    fn is_gone_within(&self, patience: Duration) {
        let began = Instant::now();
        while !self.alive().is_empty() {
            assert!(began.elapsed() < patience, "still alive after {patience:?}: {:?}", self.alive());
            look_again();
        }
    }

    fn is_gone(&self) {
        assert_eq!(self.alive(), [0; 0], "processes are left when the gate has ended");
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("llmci-out/server-m.log")).unwrap()
    }

    fn starts(&self) -> usize {
        std::fs::read_to_string(self.path().join("starts")).unwrap_or_default().lines().count()
    }

    fn wait(&self, child: Child) -> Output {
        let mut child = child;
        until("the gate to end", || child.try_wait().unwrap().is_some());
        child.wait_with_output().unwrap()
    }
}

fn processes() -> Vec<i32> {
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// A field of /proc/PID/stat behind the name: 0 is the state, 1 the parent.
fn field(id: i32, number: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().nth(number)?.to_owned())
}

fn supervises(id: i32) -> bool {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    line.starts_with(b"llmci-supervise")
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "waited too long for {what}");
        look_again();
    }
}

/// A look every now and then leaves the machine to those that are looked at.
fn look_again() {
    std::thread::park_timeout(Duration::from_millis(10));
}

fn signal(name: &str, id: &str) {
    assert!(Command::new("kill").args([name, "--", id]).status().unwrap().success());
}

#[test]
fn a_server_is_started_asked_and_ended_with_all_that_it_has_started() {
    let bench =
        Bench::new(20, &["--children", "--loading", "0.5", "--starts=starts"], "    stop_timeout_seconds: 0.5\n");
    let ended = bench.run();
    assert_eq!(code(&ended), 0, "{}", text(&ended));
    bench.is_gone();
    let found = report(&bench.path().join("llmci-out"));
    assert_eq!(found["counts"]["passed"], 20);
    assert_eq!(found["model"]["provider"], "server");
    let server = &found["run"]["servers"][0];
    assert!(server["ready_seconds"].as_f64().unwrap() > 0.5, "{server}");
    assert_eq!((server.get("trouble"), server.get("peak_gpu_memory_bytes")), (None, None));
    assert!(text(&ended).contains("server m: ready after"), "{}", text(&ended));
    assert!(bench.log().contains("listening"));
    for page in ["report.html", "report.md"] {
        let page = std::fs::read_to_string(bench.path().join("llmci-out").join(page)).unwrap();
        assert!(page.contains("erver m: ready after") || page.contains("Server</"), "{page}");
    }
    // Everything is in the journal: nothing is started for a run that goes on with it.
    let again = bench.gate().arg("--resume").output().unwrap();
    assert_eq!((code(&again), bench.starts()), (0, 1), "{}", text(&again));
}

#[test]
fn memory_of_its_devices_is_watched_by_a_process_that_may_crash() {
    const UUID: &str = "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f";
    let run = |options: &[&str], visible: &str| {
        let bench = Bench::new(8, &["--delay", "0.5"], "");
        let library = bench.path().join("libnvidia-ml.so.1");
        let source = root().join("tests/gpu_stub/nvml.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-w", "-o"]).arg(library).args(options).arg(source);
        assert!(compiler.status().unwrap().success());
        let mut gate = bench.gate();
        let output = gate.env("LD_LIBRARY_PATH", bench.path()).env("CUDA_VISIBLE_DEVICES", visible).output().unwrap();
        assert_eq!(code(&output), 0, "{}", text(&output));
        report(&bench.path().join("llmci-out"))["run"]["servers"][0].get("peak_gpu_memory_bytes").cloned()
    };
    assert_eq!(run(&[], UUID), Some(600_000_000.into()));
    // A broken library takes its own process with it, and no gate.
    assert_eq!(run(&["-DCRASHES"], UUID), None);
    // What is known of one of two devices is not the memory of both.
    assert_eq!(run(&[], &format!("{UUID},GPU-00000000-0000-0000-0000-000000000009")), None);
}

#[test]
fn answers_of_the_cache_start_no_server() {
    let bench = Bench::new(5, &["--starts=starts"], "");
    let policy = std::fs::read_to_string(bench.path().join("llmci.yaml")).unwrap();
    let kept = policy.replace("concurrency: 4", "concurrency: 4, cache: kept");
    // Without its `revision` nobody knows which weights a server has.
    for starts in [1, 2] {
        write(bench.path(), "llmci.yaml", &kept);
        assert_eq!((code(&bench.run()), bench.starts()), (0, starts));
    }
    let known = kept.replace("provider: server\n", "provider: server\n    revision: one\n");
    assert_ne!(known, kept);
    write(bench.path(), "llmci.yaml", &known);
    assert_eq!((code(&bench.run()), bench.starts()), (0, 3));
    let again = bench.run();
    assert_eq!((code(&again), bench.starts()), (0, 3), "{}", text(&again));
    assert_eq!(report(&bench.path().join("llmci-out"))["counts"]["cached"], 5);
    bench.is_gone();
}

#[test]
fn a_server_that_ends_before_it_is_ready_is_shown_with_its_last_lines() {
    let bench =
        Bench::new(3, &["--children", "--say", "\u{1b}[31mValueError: ::error::no such model", "--exit", "7"], "");
    let ended = bench.run();
    let said = text(&ended);
    assert_eq!(code(&ended), 4, "{said}");
    assert!(said.contains("the server of the model m ended before it was ready: exit code 7"), "{said}");
    assert!(
        said.contains("ValueError") && !said.contains("\u{1b}[31m") && !said.contains("\n::error::no such"),
        "{said}"
    );
    assert!(said.contains("server-m.log"), "{said}");
    assert!(!bench.path().join("llmci-out/report.json").exists());
    bench.is_gone();
}

#[test]
fn memory_that_ran_out_is_named_with_what_to_do() {
    let device = Bench::new(
        3,
        &["--say", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "--exit", "1"],
        "",
    );
    let ended = device.run();
    assert_eq!(code(&ended), 4);
    assert!(text(&ended).contains("out of GPU memory: lower"), "{}", text(&ended));
    let host = Bench::new(3, &["--kill-self"], "");
    let ended = host.run();
    assert_eq!(code(&ended), 4);
    assert!(text(&ended).contains("signal 9") && text(&ended).contains("runs out of memory"), "{}", text(&ended));
}

#[test]
fn a_server_that_hangs_or_is_not_there_is_the_environments_fault() {
    let hangs = Bench::new(
        3,
        &["--children", "--stubborn", "--say", "loading weights", "--hang"],
        "    ready_timeout_seconds: 2\n    stop_timeout_seconds: 0.3\n",
    );
    let ended = hangs.run();
    assert_eq!(code(&ended), 4);
    let said = text(&ended);
    assert!(said.contains("was not ready after 2 s") && said.contains("its last line: loading weights"), "{said}");
    hangs.is_gone();
    let absent = Bench::new(3, &[], "");
    let policy = std::fs::read_to_string(absent.path().join("llmci.yaml")).unwrap();
    write(absent.path(), "llmci.yaml", &policy.replace("[python3]", "[no-such-server-program]"));
    let ended = absent.run();
    assert_eq!(code(&ended), 4);
    assert!(text(&ended).contains("no-such-server-program") && text(&ended).contains("PATH"), "{}", text(&ended));
}

#[test]
fn a_server_that_dies_midway_shuts_the_gate_without_waiting() {
    let bench =
        Bench::new(40, &["--children", "--die-after", "10"], "    retry: {attempts: 20, max_wait_seconds: 60}\n");
    let began = Instant::now();
    let ended = bench.run();
    let said = text(&ended);
    assert_eq!(code(&ended), 4, "{said}");
    assert!(began.elapsed() < Duration::from_secs(45), "{:?}", began.elapsed());
    assert!(
        said.contains("ended while it was asked: exit code 3") && said.contains("RuntimeError: the engine"),
        "{said}"
    );
    let found = report(&bench.path().join("llmci-out"));
    assert_eq!(found["verdict"], "error");
    assert!(found["run"]["servers"][0]["trouble"].as_str().unwrap().contains("exit code 3"));
    assert!(found["failed_samples"][0]["why"].as_str().unwrap().contains("ended while it was asked"));
    bench.is_gone();
}

#[test]
fn a_flood_of_output_and_a_port_that_is_taken_are_borne() {
    let flood = Bench::new(5, &["--flood", "50000000"], "");
    let ended = flood.run();
    assert_eq!(code(&ended), 0, "{}", text(&ended));
    let log = flood.log();
    assert!(log.len() < 40_000_000 && log.starts_with('['), "{} bytes", log.len());
    let taken = Bench::new(
        5,
        &["--starts=starts", "--say", "OSError: [Errno 98] Address already in use", "--exit", "1", "--exit-first"],
        "",
    );
    let ended = taken.run();
    assert_eq!((code(&ended), taken.starts()), (0, 2), "{}", text(&ended));
    let always =
        Bench::new(5, &["--starts=starts", "--say", "OSError: [Errno 98] Address already in use", "--exit", "1"], "");
    let ended = always.run();
    assert_eq!((code(&ended), always.starts()), (4, 4), "{}", text(&ended));
}

#[test]
fn secrets_of_its_environment_are_shown_nowhere() {
    const SECRET: &str = "hf_long-secret-value";
    let more = "    env: {HF_TOKEN: \"${SOME_VARIABLE}\", PORT: \"{port}\"}\n";
    for arguments in [&["--say-variable", "HF_TOKEN"][..], &["--say-variable", "HF_TOKEN", "--exit", "1"]] {
        let bench = Bench::new(3, arguments, more);
        let ended = bench.gate().env("SOME_VARIABLE", SECRET).env("OTHER", "x").output().unwrap();
        assert!(!text(&ended).contains(SECRET), "{}", text(&ended));
        assert!(bench.log().contains("key ***"), "{}", bench.log());
    }
    let bench = Bench::new(3, &["--say-variable", "OTHER"], "");
    bench.gate().env("OTHER", "not-for-servers").output().unwrap();
    assert!(bench.log().contains("key None"), "it sees variables that it was not given: {}", bench.log());
}

#[test]
fn a_gate_that_is_told_to_stop_takes_its_server_along() {
    for (arguments, name, whole_group) in [
        (&["--children", "--stubborn", "--delay", "600"][..], "-TERM", false),
        (&["--children", "--hang"], "-TERM", false),
        // As a terminal does it: everybody in the gate's group gets it.
        (&["--children", "--delay", "600"], "-INT", true),
    ] {
        let bench = Bench::new(20, arguments, "    stop_timeout_seconds: 0.5\n");
        let child = bench.start();
        bench.until_alive(5);
        signal(name, &if whole_group { format!("-{}", child.id()) } else { child.id().to_string() });
        let ended = bench.wait(child);
        assert_eq!(code(&ended), 4, "{}", text(&ended));
        assert!(text(&ended).contains("--resume"), "{}", text(&ended));
        bench.is_gone();
    }
}

#[test]
fn a_gate_that_is_killed_leaves_nothing_at_any_moment() {
    for round in 0..24_u32 {
        let more = "    stop_timeout_seconds: 0.3\n";
        let bench = Bench::new(20, &["--children", "--stubborn", "--delay", "600"], more);
        let mut child = bench.start();
        // From before anything is started to the middle of the run.
        if round % 3 == 0 {
            let end = Instant::now() + Duration::from_millis(u64::from(round) * 15);
            while Instant::now() < end {
                look_again();
            }
        } else {
            bench.until_alive(if round % 3 == 1 { 1 } else { 5 });
        }
        child.kill().unwrap();
        // Nobody else holds its pipes: a runner that reads them to the end goes on at once.
        let began = Instant::now();
        let mut rest = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut rest).unwrap();
        child.stderr.take().unwrap().read_to_end(&mut rest).unwrap();
        assert!(began.elapsed() < Duration::from_secs(5));
        child.wait().unwrap();
        bench.is_gone_within(Duration::from_secs(10));
        // What was not there yet when we looked was not started later either.
        until("supervisors to end", || !processes().into_iter().any(|id| supervises(id) && orphaned(id)));
        bench.is_gone();
    }
}

/// Whether it is no child of a gate any more.
fn orphaned(id: i32) -> bool {
    let parent = field(id, 1).and_then(|parent| parent.parse::<i32>().ok());
    let line = parent.and_then(|parent| std::fs::read(format!("/proc/{parent}/cmdline")).ok()).unwrap_or_default();
    !String::from_utf8_lossy(&line).contains("eval-gate") && field(id, 0).is_some_and(|state| state != "Z")
}

#[test]
fn a_supervisor_that_is_killed_takes_its_server_along_and_the_gate_says_so() {
    for round in 0..6 {
        let arguments = ["--children", "--stubborn", "--delay", if round % 2 == 0 { "600" } else { "1" }];
        let bench = Bench::new(20, &arguments, "");
        let child = bench.start();
        let supervisor = bench.supervisor();
        bench.until_alive(5);
        // It hears nothing but the end of the gate.
        signal("-TERM", &supervisor.to_string());
        signal("-INT", &supervisor.to_string());
        // Its family has been seen by then: also who has left it with another environment is known.
        let end = Instant::now() + Duration::from_millis(2500);
        while Instant::now() < end {
            look_again();
        }
        assert!(supervises(supervisor));
        signal("-KILL", &supervisor.to_string());
        let ended = bench.wait(child);
        assert_eq!(code(&ended), 4, "{}", text(&ended));
        assert!(text(&ended).contains("its supervisor was killed"), "{}", text(&ended));
        bench.is_gone();
    }
}

#[test]
fn a_judge_may_be_a_server_too_and_both_end() {
    let bench = Bench::new(4, &["--children"], "");
    let judged: String = (0..4)
        .map(|n| format!("{{\"id\": \"j{n}\", \"prompt\": \"Say w{n}\", \"assertions\": [{{\"type\": \"llm-judge\", \"judge\": \"j\", \"value\": \"polite\"}}]}}\n"))
        .collect();
    write(bench.path(), "words.jsonl", &judged);
    let policy = std::fs::read_to_string(bench.path().join("llmci.yaml")).unwrap();
    let server = root().join("tests/server_model/server.py");
    let judge = format!(
        "  j:\n    provider: server\n    command: [python3, {:?}, --port, \"{{port}}\", --mark, {}]\n    model: judge\n    args: [--children, --answer, '{{\"reason\": \"it is\", \"score\": 1}}']\nsuites:",
        server.to_str().unwrap(),
        bench.mark
    );
    let policy = policy.replacen("suites:", &judge, 1).replace("gate:\n", "gate:\n  model: m\n");
    write(bench.path(), "llmci.yaml", &policy);
    let ended = bench.run();
    assert_eq!(code(&ended), 0, "{}", text(&ended));
    let found = report(&bench.path().join("llmci-out"));
    let servers: Vec<&str> =
        found["run"]["servers"].as_array().unwrap().iter().map(|server| server["name"].as_str().unwrap()).collect();
    assert_eq!((servers, &found["counts"]["passed"]), (vec!["m", "j"], &serde_json::json!(4)));
    bench.is_gone();
}

#[test]
fn a_server_that_cannot_say_how_likely_a_text_is_is_no_model_for_such_a_suite() {
    for (more, starts, said) in [
        ("    api: completions\n", 1, "the endpoint returns no log-probabilities"),
        ("", 0, "log-likelihoods need `api: completions`"),
    ] {
        let bench = Bench::new(1, &["--children", "--starts=starts"], more);
        let case = "{\"id\": \"c\", \"prompt\": \"One and\", \"assertions\": [{\"type\": \"choice\", \"choices\": [\"one\", \"two\"], \"answer\": 0}]}\n";
        write(bench.path(), "words.jsonl", case);
        let ended = bench.run();
        assert_eq!((code(&ended), bench.starts()), (2, starts), "{}", text(&ended));
        assert!(text(&ended).contains("the model m:") && text(&ended).contains(said), "{}", text(&ended));
        bench.is_gone();
    }
}

#[test]
fn a_policy_that_starts_nothing_or_two_things_is_refused_at_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "words.jsonl", "{\"id\": \"a\", \"prompt\": \"x\", \"expected\": \"x\"}\n");
    let model = |rest: &str| {
        format!(
            "version: 1\nmodels:\n  m:\n    provider: server\n    model: x\n{rest}suites: [words.jsonl]\ngate: {{thresholds: [{{metric: pass_rate, min: 0.5}}]}}\n"
        )
    };
    for (rest, said) in [
        ("", "`preset` (vllm, sglang, tgi, llama-cpp) or a `command`"),
        ("    preset: vllm\n    command: [x, \"{port}\"]\n", "give one"),
        ("    command: [x]\n", "`{port}` is nowhere"),
        ("    preset: vllm\n    ready: health\n", "begins with `/`"),
        ("    preset: vllm\n    ready_timeout_seconds: 0\n", "more than 0 seconds"),
        ("    preset: vllm\n    extra_body: {model: y}\n", "set by the suite"),
        ("    preset: triton\n", "allowed: vllm, sglang, tgi, llama-cpp"),
        ("    preset: vllm\n    prot: 1\n", "prot"),
    ] {
        write(folder.path(), "llmci.yaml", &model(rest));
        let ended = llmci(folder.path()).arg("check").output().unwrap();
        assert_eq!(code(&ended), 2, "{rest}: {}", text(&ended));
        assert!(text(&ended).contains(said) && text(&ended).contains("llmci.yaml:"), "{rest}: {}", text(&ended));
    }
    write(folder.path(), "llmci.yaml", &model("    preset: vllm\n    args: [--tensor-parallel-size, \"{gpus}\"]\n"));
    let ended = eval_gate(folder.path()).output().unwrap();
    assert_eq!(code(&ended), 2);
    assert!(text(&ended).contains("CUDA_VISIBLE_DEVICES"), "{}", text(&ended));
}
