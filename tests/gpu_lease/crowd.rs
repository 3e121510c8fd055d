//! Fifty jobs on three devices, some of which are killed at random: nobody has a device that another one has, and everybody who
//! lives gets its turn. The proof is a log, to which every job writes while it has its devices.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::leased;

const JOBS: usize = 50;
const SEED: u64 = 20_261_126;

/// Numbers that look random and are the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }
}

/// What happens to a job in the middle of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Lives,
    /// SIGTERM to the program, which hands it on.
    Ended,
    /// SIGKILL to the program; its command lives on, and says itself when it is done.
    Orphaned,
    /// SIGKILL to both.
    Killed,
    /// SIGKILL to the program while it waits; where it does not wait, it is killed as it works.
    KilledWaiting,
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

fn write(folder: &Path, line: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(folder.join("log")).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}

/// The process id of a job's command, and its devices, while it is between its two lines.
fn running(folder: &Path, job: usize) -> Option<(i32, String)> {
    let log = log(folder);
    let mut found = None;
    for line in log.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["begin", name, pid, devices] if *name == job.to_string() => {
                found = Some((pid.parse().unwrap(), (*devices).to_owned()))
            }
            ["end", name, ..] if *name == job.to_string() => found = None,
            _ => {}
        }
    }
    found
}

/// Whether a program has a ticket.
fn waits(folder: &Path, program: u32) -> bool {
    let Ok(entries) = std::fs::read_dir(folder.join("leases")) else { return false };
    let own = format!("\"pid\":{program}}}");
    let tickets = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("ticket-"));
    tickets.into_iter().any(|entry| std::fs::read_to_string(entry.path()).is_ok_and(|text| text.ends_with(&own)))
}

/// Does to a job what is to be done, where it is in the middle of that; what was done.
fn strike(folder: &Path, job: usize, child: &mut Child, fate: Fate) -> Option<Fate> {
    let program = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    if fate == Fate::KilledWaiting && waits(folder, child.id()) {
        // Stopped, it cannot be lent anything between our look and its death.
        kill_process(program, Signal::STOP).unwrap();
        let waited = waits(folder, child.id());
        kill_process(program, if waited { Signal::KILL } else { Signal::CONT }).unwrap();
        return waited.then_some(fate);
    }
    let (pid, devices) = running(folder, job)?;
    let group = Pid::from_raw(pid).unwrap();
    match fate {
        Fate::Lives => {}
        Fate::Ended => {
            let _ = kill_process(program, Signal::TERM);
        }
        Fate::Orphaned => {
            let _ = kill_process(program, Signal::KILL);
        }
        Fate::Killed | Fate::KilledWaiting => {
            // A stopped job does nothing more, and still has its devices: the line comes before the next job's.
            if kill_process_group(group, Signal::STOP).is_ok() {
                write(folder, &format!("end {job} {devices}\n"));
                let _ = kill_process(program, Signal::KILL);
                let _ = kill_process_group(group, Signal::KILL);
            }
            return Some(Fate::Killed);
        }
    }
    Some(fate)
}

/// Every device's jobs, one after the other; a panic where two have it at once.
fn check(log: &str) -> BTreeMap<String, usize> {
    let mut inside: BTreeMap<&str, &str> = BTreeMap::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in log.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["begin", job, _, devices] => {
                for device in devices.split(',') {
                    assert_eq!(inside.insert(device, job), None, "{device} is lent twice:\n{log}");
                    *counts.entry(device.to_owned()).or_default() += 1;
                }
            }
            ["end", job, devices] => {
                for device in devices.split(',') {
                    // A job that was stopped at its very end has two such lines.
                    if inside.get(device) == Some(job) {
                        inside.remove(device);
                    }
                }
            }
            _ => assert!(line.is_empty(), "{line:?} is no line of a job"),
        }
    }
    assert!(inside.is_empty(), "{inside:?} never ended:\n{log}");
    counts
}

#[test]
fn fifty_jobs_with_random_kills_never_share_a_device_and_all_get_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice(SEED);
    let mut jobs: Vec<(Child, Fate)> = Vec::new();
    for job in 0..JOBS {
        let (count, priority) = (1 + dice.next(3), 1 + dice.next(10));
        let milliseconds = 20 + dice.next(60);
        let fate = match dice.next(10) {
            0 => Fate::Ended,
            1 => Fate::Orphaned,
            2 => Fate::Killed,
            3 | 4 => Fate::KilledWaiting,
            _ => Fate::Lives,
        };
        let seconds = match fate {
            Fate::Lives => format!("0.{milliseconds:03}"),
            Fate::Orphaned => "1".to_owned(),
            // Who is to be struck works until it is.
            Fate::Ended | Fate::Killed | Fate::KilledWaiting => "600".to_owned(),
        };
        let script = format!(
            "trap 'echo \"end {job} $CUDA_VISIBLE_DEVICES\" >> log; exit 143' TERM; echo \"begin {job} $$ $CUDA_VISIBLE_DEVICES\" >> log; \
             sleep {seconds} & wait $!; echo \"end {job} $CUDA_VISIBLE_DEVICES\" >> log"
        );
        let more = ["--count", &count.to_string(), "--lease-priority", &priority.to_string(), "--lease-timeout", "5"];
        let mut command = leased(folder.path(), 3, &more, &script);
        // An orphan must not keep our own pipes open.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        jobs.push((command.spawn().unwrap(), fate));
    }
    let end = Instant::now() + Duration::from_secs(240);
    let mut struck: BTreeMap<usize, Fate> = BTreeMap::new();
    let mut codes: BTreeMap<usize, i32> = BTreeMap::new();
    while codes.len() < JOBS {
        assert!(Instant::now() < end, "{} of {JOBS} have ended:\n{}", codes.len(), log(folder.path()));
        for (job, (child, fate)) in jobs.iter_mut().enumerate() {
            if let Some(status) = child.try_wait().unwrap() {
                codes.insert(job, status.code().unwrap_or(-9));
            } else if *fate != Fate::Lives && !struck.contains_key(&job) {
                struck.extend(strike(folder.path(), job, child, *fate).map(|done| (job, done)));
            }
        }
        std::thread::yield_now();
    }
    // The last orphans: whoever takes all devices comes after them.
    let all = leased(folder.path(), 3, &["--count", "3", "--lease-timeout", "1"], "exit 0").output().unwrap();
    assert_eq!(crate::code(&all), 0, "{}", crate::text(&all));
    let log = log(folder.path());
    let counts = check(&log);
    assert_eq!(counts.len(), 3, "all devices were lent: {counts:?}");
    for (job, (_, fate)) in jobs.iter().enumerate() {
        let began = log.lines().any(|line| line.starts_with(&format!("begin {job} ")));
        match (fate, struck.get(&job)) {
            (Fate::Lives, _) => assert!(began && codes[&job] == 0, "job {job} starved: {}", codes[&job]),
            (_, Some(Fate::KilledWaiting)) => assert!(!began, "job {job} was killed before its turn"),
            (_, done) => {
                assert!(
                    began && done.is_some(),
                    "job {job} ({fate:?}) ended with {}, struck: {done:?}:\n{log}",
                    codes[&job]
                );
            }
        }
    }
    for fate in [Fate::Ended, Fate::Orphaned, Fate::Killed, Fate::KilledWaiting] {
        assert!(struck.values().any(|done| *done == fate), "nobody was {fate:?}: {struck:?}");
    }
    println!("{} begins: {counts:?}; {struck:?}", log.matches("begin").count());
    let left = std::fs::read_dir(folder.path().join("leases")).unwrap();
    let names: Vec<String> = left.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().all(|name| !name.starts_with("ticket-")), "tickets of the dead are still there: {names:?}");
}
