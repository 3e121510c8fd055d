//! Whole processes, timed: a program of ours, and the server that it asks. Shared by the benchmarks of throughput.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[expect(dead_code, unreachable_pub, reason = "the benchmarks use a part of the peer")]
#[path = "../../tests/support/stub.rs"]
mod stub;

/// One process, from its start to its end.
pub struct Run {
    /// Wall time.
    pub seconds: f64,
    /// Peak memory as the kernel counts it.
    pub megabytes: f64,
}

/// Answers with the last word of what is asked, after a delay, until it is killed.
pub fn serve(delay: Duration) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let stub = stub::Stub::start(move |_, _| stub::Act::Echo(delay)).await.unwrap();
        println!("{}", stub.base);
        std::io::stdout().flush().unwrap();
        std::future::pending::<()>().await;
    });
}

/// A server in a process of its own; it ends with its owner, also where that one panics.
pub struct Peer {
    /// Where it is asked.
    pub base: String,
    process: Child,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Nothing can be done about one that has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A peer with a delay in milliseconds: this program, called with `--stub`.
pub fn peer(milliseconds: u32) -> Peer {
    let own = std::env::current_exe().unwrap();
    let mut process =
        Command::new(own).args(["--stub", &milliseconds.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut base = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(process.stdout.take().unwrap()), &mut base).unwrap();
    Peer { base: base.trim().to_owned(), process }
}

/// Wall time of a whole process, and its peak memory.
pub fn timed(command: &mut Command) -> Run {
    let began = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    loop {
        if let Some(kilobytes) = std::fs::read_to_string(&status).ok().and_then(|text| high_water(&text)) {
            peak = peak.max(kilobytes / 1024.0);
        }
        if let Some(exit) = child.try_wait().unwrap() {
            assert!(exit.success(), "{exit}");
            return Run { seconds: began.elapsed().as_secs_f64(), megabytes: peak };
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn high_water(status: &str) -> Option<f64> {
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches("kB").trim().parse().ok()
}

/// The median.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
