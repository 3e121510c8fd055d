//! A machine that is taken away: signals and the notices of two clouds stop a run, its checkpoint goes on on an empty machine.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::stub::{Act, Stub};
use support::{code, eval_gate, report, text, words};

/// A metadata service of the machine, as strict as the real ones.
struct Service {
    address: String,
    taken: Arc<(Mutex<bool>, Condvar)>,
    calls: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Speaks {
    /// IMDSv2: without a token of its own every question is refused.
    Aws,
    /// Every call carries `Metadata-Flavor: Google`; a question may wait for a change.
    Gcp,
    /// As Google's, but not as one of Google: whatever answers at that address.
    Stranger,
    /// It is broken.
    Errors,
}

impl Service {
    fn start(speaks: Speaks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (taken, calls) = (Arc::new((Mutex::new(false), Condvar::new())), Arc::new(Mutex::new(Vec::new())));
        let (state, log) = (Arc::clone(&taken), Arc::clone(&calls));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, log) = (Arc::clone(&state), Arc::clone(&log));
                std::thread::spawn(move || serve(stream, speaks, &state, &log));
            }
        });
        Self { address, taken, calls }
    }

    fn take(&self) {
        *self.taken.0.lock().unwrap() = true;
        self.taken.1.notify_all();
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, speaks: Speaks, taken: &(Mutex<bool>, Condvar), log: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut first = String::new();
        if lines.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let mut parts = first.split_whitespace();
        let (method, path) = (parts.next().unwrap(), parts.next().unwrap());
        log.lock().unwrap().push(format!("{method} {path}"));
        let header = |name: &str| headers.get(name).map(String::as_str);
        let (status, more, body) = match speaks {
            Speaks::Stranger => (200, "ETag: e0\r\n".to_owned(), "TRUE".to_owned()),
            Speaks::Errors => (503, String::new(), "TRUE {\"action\": \"terminate\"}".to_owned()),
            Speaks::Aws => match (method, path) {
                ("PUT", "/latest/api/token") if header("x-aws-ec2-metadata-token-ttl-seconds").is_some() => {
                    (200, String::new(), "token-of-the-test".to_owned())
                }
                ("GET", _) if header("x-aws-ec2-metadata-token") != Some("token-of-the-test") => {
                    (401, String::new(), String::new())
                }
                ("GET", "/latest/meta-data/spot/instance-action") if *taken.0.lock().unwrap() => {
                    (200, String::new(), r#"{"action": "terminate", "time": "2026-09-18T08:22:00Z"}"#.to_owned())
                }
                _ => (404, String::new(), "<html>not found</html>".to_owned()),
            },
            Speaks::Gcp => match (header("metadata-flavor"), path.split('?').next().unwrap()) {
                (Some("Google"), "/computeMetadata/v1/instance/preempted") => {
                    let waits = path.contains("wait_for_change=true") && path.contains("last_etag=e0");
                    let state = taken.0.lock().unwrap();
                    let held = Duration::from_secs(60);
                    let (state, _) = taken.1.wait_timeout_while(state, held, |taken| waits && !*taken).unwrap();
                    let taken = *state;
                    let (etag, body) = if taken { ("e1", "TRUE") } else { ("e0", "FALSE") };
                    (200, format!("Metadata-Flavor: Google\r\nETag: {etag}\r\n"), body.to_owned())
                }
                _ => (403, String::new(), String::new()),
            },
        };
        let reply = format!("HTTP/1.1 {status} X\r\n{more}Content-Length: {}\r\n\r\n{body}", body.len());
        if (&stream).write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

/// Cases whose samples stand whole in a journal.
fn journalled(folder: &Path) -> usize {
    let text = std::fs::read_to_string(folder.join("llmci-out/journal.jsonl")).unwrap_or_default();
    text.lines().skip(1).filter(|line| serde_json::from_str::<Value>(line).is_ok()).count()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap().success());
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        tokio::task::yield_now().await;
    }
}

fn start(folder: &Path, more: &[&str], variables: &[(&str, &str)]) -> Child {
    let mut command = eval_gate(folder);
    command.arg("--quiet").args(more).envs(variables.iter().copied());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Ends a run that has drawn 30 of its 60 samples, as `stop` does it.
async fn interrupted(
    folder: &Path,
    stub: &Stub,
    more: &[&str],
    variables: &[(&str, &str)],
    stop: impl Fn(&Child),
) -> Output {
    let child = start(folder, more, variables);
    until("30 samples", || stub.asked() > 30 && journalled(folder) >= 30 - 8).await;
    stop(&child);
    child.wait_with_output().unwrap()
}

/// An endpoint that answers 30 questions, and the others only once it is told to.
async fn half() -> (Stub, Arc<AtomicBool>) {
    let open = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&open);
    let script = move |number: usize, _: &str| match number < 30 || told.load(Ordering::SeqCst) {
        true => Act::Echo(Duration::ZERO),
        false => Act::Silent,
    };
    (Stub::start(script).await.unwrap(), open)
}

/// The outputs as a later step would read them; a later value counts.
fn outputs(path: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let mut all = BTreeMap::new();
    while let Some(line) = lines.next() {
        let (name, end) = line.split_once("<<").unwrap();
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
        all.insert(name.to_owned(), value.join("\n"));
    }
    all
}

/// Values in a store of a folder.
fn values(store: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(store).unwrap().flatten().filter(|entry| entry.path().is_dir());
    let inside = folders.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten());
    inside
        .map(|file| file.path())
        .filter(|file| !file.file_name().unwrap().to_string_lossy().starts_with('.'))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_machine_asks_only_what_the_checkpoint_does_not_hold() {
    let (stub, open) = half().await;
    let (one, two, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let checkpoint = store.path().to_str().unwrap();
    for folder in [&one, &two] {
        words(folder.path(), 60, &stub.base, "");
    }
    let (output, summary) = (one.path().join("outputs"), one.path().join("summary"));
    let host = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_OUTPUT", output.to_str().unwrap()),
        ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()),
    ];
    let more = ["--checkpoint", checkpoint];
    let first = interrupted(one.path(), &stub, &more, &host, |child| signal(child, "TERM")).await;
    assert_eq!(code(&first), 4, "{}", text(&first));
    assert!(text(&first).contains("interrupted by a signal"), "{}", text(&first));
    assert!(text(&first).contains("the same command goes on there, on this machine or another"), "{}", text(&first));
    let said = outputs(&output);
    assert_eq!((said["resumable"].as_str(), said["verdict"].as_str()), ("true", "error"));
    assert!(std::fs::read_to_string(&summary).unwrap().contains("the same command goes on there"));
    let there = journalled(one.path());
    assert!(there >= 30 - 8 && values(store.path()).len() == 1);

    // Another machine: an empty folder, the same inputs, no --resume.
    open.store(true, Ordering::SeqCst);
    let before = stub.asked();
    let second = start(two.path(), &more, &host).wait_with_output().unwrap();
    assert_eq!(code(&second), 0, "{}", text(&second));
    assert_eq!(stub.asked() - before, 60 - there, "{}", text(&second));
    assert_eq!(report(&two.path().join("llmci-out"))["counts"]["resumed"], there);
    assert_eq!(outputs(&output)["resumable"], "false");
    assert!(values(store.path()).is_empty(), "a run that has come to its end is not kept");
    // Nothing is left that a third run could go on with.
    let third = start(two.path(), &more, &[]).wait_with_output().unwrap();
    assert_eq!((code(&third), stub.asked() - before), (0, 60 - there + 60));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_is_damaged_or_of_another_run_is_ignored_and_said() {
    let (stub, open) = half().await;
    let (one, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    words(one.path(), 60, &stub.base, "");
    let more = ["--checkpoint", store.path().to_str().unwrap()];
    let first = interrupted(one.path(), &stub, &more, &[], |child| signal(child, "TERM")).await;
    assert_eq!(code(&first), 4, "{}", text(&first));
    let [place] = values(store.path()).try_into().unwrap();
    let good = std::fs::read(&place).unwrap();
    open.store(true, Ordering::SeqCst);
    // A sample that somebody has made pass.
    let bent = String::from_utf8(good.clone()).unwrap().replacen("w3", "w4", 1);
    for (what, kept) in [("its digest is another", bent.as_bytes()), ("no head", b"rubbish"), ("no head", b"")] {
        std::fs::File::create(&place).and_then(|mut file| file.write_all(kept)).unwrap();
        let (folder, before) = (tempfile::tempdir().unwrap(), stub.asked());
        words(folder.path(), 60, &stub.base, "");
        let run = start(folder.path(), &more, &[]).wait_with_output().unwrap();
        assert_eq!(code(&run), 0, "{}", text(&run));
        assert!(text(&run).contains("the checkpoint is ignored") && text(&run).contains(what), "{}", text(&run));
        assert_eq!(stub.asked() - before, 60);
        assert!(values(store.path()).is_empty());
        std::fs::File::create(&place).and_then(|mut file| file.write_all(&good)).unwrap();
    }
    // Another seed is another run, with a place of its own: this one's is left as it is.
    let other = start(one.path(), &[&more[..], &["--seed", "9"]].concat(), &[]).wait_with_output().unwrap();
    assert_eq!(code(&other), 0, "{}", text(&other));
    assert_eq!(std::fs::read(&place).unwrap(), good);
    // The same bytes under another run's key are not believed.
    let seeded = interrupted_again(&stub, &more, &open).await;
    let foreign = values(store.path()).into_iter().find(|found| *found != place).unwrap();
    std::fs::copy(&place, &foreign).unwrap();
    open.store(true, Ordering::SeqCst);
    let before = stub.asked();
    let run = start(seeded.path(), &[&more[..], &["--seed", "11"]].concat(), &[]).wait_with_output().unwrap();
    assert!(text(&run).contains("it is another run's"), "{}", text(&run));
    assert_eq!((code(&run), stub.asked() - before), (0, 60));
}

/// A run of another seed that is stopped after some samples.
async fn interrupted_again(stub: &Stub, more: &[&str], open: &AtomicBool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 60, &stub.base, "");
    let mut child = start(folder.path(), &[more, &["--seed", "11", "--concurrency", "1"]].concat(), &[]);
    until("some samples", || journalled(folder.path()) >= 3).await;
    open.store(false, Ordering::SeqCst);
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(4));
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_of_the_same_thing_do_not_overwrite_each_other() {
    let (stub, _) = half().await;
    let (one, two, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let more = ["--checkpoint", store.path().to_str().unwrap()];
    for folder in [&one, &two] {
        words(folder.path(), 60, &stub.base, "");
    }
    let (first, second) = (start(one.path(), &more, &[]), start(two.path(), &more, &[]));
    until("both have begun", || journalled(one.path()) > 0 && journalled(two.path()) > 0).await;
    signal(&first, "TERM");
    let first = first.wait_with_output().unwrap();
    assert!(text(&first).contains("the same command goes on there"), "{}", text(&first));
    let [place] = values(store.path()).try_into().unwrap();
    let kept = std::fs::read(&place).unwrap();
    signal(&second, "TERM");
    let second = second.wait_with_output().unwrap();
    assert_eq!(code(&second), 4);
    assert!(text(&second).contains("another run of the same thing has written there since"), "{}", text(&second));
    assert!(text(&second).contains("run again with --resume"), "{}", text(&second));
    assert_eq!(std::fs::read(&place).unwrap(), kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notices_of_aws_and_google_stop_a_run() {
    for (speaks, cloud, words_of_it) in [
        (Speaks::Aws, "aws", "interrupted by AWS's notice that it terminates this machine at 2026-09-18T08:22:00Z"),
        (Speaks::Gcp, "gcp", "interrupted by Google Cloud's notice that it takes this machine"),
    ] {
        let service = Service::start(speaks);
        let url = format!("http://{}", service.address);
        let variable = match speaks {
            Speaks::Gcp => ("GCE_METADATA_HOST", service.address.as_str()),
            Speaks::Aws | Speaks::Stranger | Speaks::Errors => ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str()),
        };
        let (stub, _) = half().await;
        let folder = tempfile::tempdir().unwrap();
        words(folder.path(), 60, &stub.base, "");
        let more = ["--preemption-notice", cloud];
        let run = interrupted(folder.path(), &stub, &more, &[variable], |_| service.take()).await;
        assert_eq!(code(&run), 4, "{}", text(&run));
        assert!(text(&run).contains(words_of_it), "{}", text(&run));
        assert!(text(&run).contains("run again with --resume"), "{}", text(&run));
        let calls = service.calls();
        match speaks {
            Speaks::Aws | Speaks::Stranger | Speaks::Errors => {
                assert_eq!(calls[..2], ["PUT /latest/api/token", "GET /latest/meta-data/spot/instance-action"]);
                assert_eq!(calls.iter().filter(|call| call.starts_with("PUT")).count(), 1, "one token serves all");
            }
            Speaks::Gcp => {
                assert_eq!(calls[0], "GET /computeMetadata/v1/instance/preempted");
                assert!(calls[1].contains("wait_for_change=true&timeout_sec=60&last_etag=e0"), "{calls:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metadata_service_that_is_broken_or_not_there_is_no_notice_and_is_said_once() {
    let service = Service::start(Speaks::Errors);
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let url = format!("http://{}", service.address);
    let (stub, _) = half().await;
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 60, &stub.base, "");
    let child =
        start(folder.path(), &["--preemption-notice", "aws"], &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())]);
    until("a second question", || service.calls().len() >= 2).await;
    signal(&child, "TERM");
    let run = child.wait_with_output().unwrap();
    assert!(text(&run).contains("interrupted by a signal"), "{}", text(&run));
    assert_eq!(text(&run).matches("no notice can be had").count(), 1, "{}", text(&run));
    let calm = Stub::start(|_, _| Act::Echo(Duration::from_millis(20))).await.unwrap();
    words(folder.path(), 60, &calm.base, "");
    let stranger = Service::start(Speaks::Stranger);
    for (cloud, variable, value) in [
        ("gcp", "GCE_METADATA_HOST", nowhere.clone()),
        ("aws", "AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{nowhere}")),
        ("gcp", "GCE_METADATA_HOST", stranger.address.clone()),
    ] {
        let run = start(folder.path(), &["--preemption-notice", cloud], &[(variable, &value)]);
        let run = run.wait_with_output().unwrap();
        assert_eq!(code(&run), 0, "{}", text(&run));
        assert_eq!(text(&run).matches("no notice can be had").count(), 1, "{}", text(&run));
    }
    // The client of metadata goes nowhere else.
    let elsewhere = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://10.1.2.3")];
    let run = start(folder.path(), &["--preemption-notice", "aws"], &elsewhere).wait_with_output().unwrap();
    assert_eq!(code(&run), 2, "{}", text(&run));
    assert!(text(&run).contains("is no address of a metadata service"), "{}", text(&run));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calibration_goes_on_with_every_run_of_it() {
    let (stub, open) = half().await;
    let (one, two, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let more = ["calibrate", "--quiet", "--checkpoint", store.path().to_str().unwrap()];
    for folder in [&one, &two] {
        words(folder.path(), 20, &stub.base, "");
    }
    let calibrate = |folder: &Path| {
        let mut command = support::llmci(folder);
        command.args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let first = calibrate(one.path());
    until("the second run", || stub.asked() > 30).await;
    signal(&first, "TERM");
    let first = first.wait_with_output().unwrap();
    assert_eq!(code(&first), 4, "{}", text(&first));
    assert!(text(&first).contains("the same command goes on there"), "{}", text(&first));
    open.store(true, Ordering::SeqCst);
    let before = stub.asked();
    let second = calibrate(two.path()).wait_with_output().unwrap();
    assert_eq!(code(&second), 0, "{}", text(&second));
    let asked = stub.asked() - before;
    assert!((10..=18).contains(&asked), "the first run is kept whole: {asked}");
    assert!(values(store.path()).is_empty());
}
