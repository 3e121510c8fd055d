//! False and missed rollbacks by simulation: `cargo bench --bench rollouts` writes `docs/measurements/rollouts.md`. A date
//! (YYYY-MM-DD) may follow after `--`.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark")]

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

#[expect(unreachable_pub, reason = "shared with a test")]
#[path = "support/rollouts.rs"]
mod rollouts;

use rollouts::{Latency, Outcome, Service, latencies, latency_plan, plan, sequential, threshold};

const SEED: u64 = 20_261_126;
const ROLLOUTS: u32 = 2000;
/// Rollouts of a version that is as good as stable, for the false rollbacks alone.
const SAME: u32 = 10_000;
const RATES: [u64; 3] = [5, 50, 500];
const CANARIES: [f64; 4] = [0.005, 0.01, 0.02, 0.05];
/// Rollouts of each row of latencies.
const SLOW: u32 = 400;
const BUCKETS: [f64; 3] = [1.05, 1.3, 2.0];
const TIMES: [f64; 4] = [1.0, 1.2, 1.5, 2.0];

fn main() {
    let began = std::time::Instant::now();
    let plan = plan();
    let mut rows = String::new();
    for rate in RATES {
        for canary in CANARIES {
            let service = Service { rate, stable: 0.005, canary };
            let rollouts = if canary == 0.005 { SAME } else { ROLLOUTS };
            let ours = sequential(&plan, service, rollouts, SEED);
            let guides = threshold(service, rollouts, SEED);
            let row = row(service, &ours, &guides);
            println!("{row}");
            writeln!(rows, "{row}").unwrap();
        }
    }
    let mut slow = String::new();
    for bucket in BUCKETS {
        for rate in RATES {
            let ends = TIMES.map(|times| {
                let ends = latencies(&latency_plan(), Latency { rate, bucket, times }, SLOW, SEED);
                let shares =
                    [ends.promoted, ends.failed, ends.undecided].map(|count| format!("{:.1}", ends.percent(count)));
                format!("{} ({})", shares.join(" / "), minutes(ends.median()))
            });
            let row = format!("| {bucket} | {rate} | {} |", ends.join(" | "));
            println!("{row}");
            writeln!(slow, "{row}").unwrap();
        }
    }
    println!("{:.0} s", began.elapsed().as_secs_f64());
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/measurements/rollouts.md");
    std::fs::write(docs, page(&rows, &slow)).unwrap();
}

fn row(service: Service, ours: &Outcome, guides: &Outcome) -> String {
    format!(
        "| {} | {} % | {:.1} | {:.1} | {:.1} | {} | {:.1} | {:.1} | {} |",
        service.rate,
        service.canary * 100.0,
        ours.percent(ours.promoted),
        ours.percent(ours.failed),
        ours.percent(ours.undecided),
        minutes(ours.median()),
        guides.percent(guides.promoted),
        guides.percent(guides.failed),
        minutes(guides.median()),
    )
}

fn minutes(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn page(rows: &str, slow: &str) -> String {
    let date = std::env::args().skip(1).find(|argument| argument.starts_with("20"));
    let date = date.unwrap_or_else(|| said(Command::new("date").arg("-I")));
    let processors = std::thread::available_parallelism().unwrap();
    format!(
        "# False and missed rollbacks\n\n\
         Simulated on {date} on a shared virtual machine with {processors} processors, {}, llmci {}. Seed {SEED}; {SAME} rollouts of the version\n\
         that is as good as stable, {ROLLOUTS} of each other one: the standard error of a share is at most 0.5 and 1.1 points.\n\n\
         ```\ncargo bench --bench rollouts\n```\n\n\
         Stable fails 0.5 % of its requests. The canary's true rate is in the second column; requests come by chance (Poisson) at the\n\
         rate in the first, over both sides. Steps 10, 25, 50, 100 %; at least 60 s each; a look every 30 s; an undecided step ends an hour\n\
         after its hold. Rules: at most 1 % errors, and at most one point above stable; `false_rollback` 0.01, `false_promotion` 0.05.\n\
         Beside it the fixed threshold of the guide: after 60 s of each step, the error rate of that minute below 1 %, whatever the number of\n\
         requests. Times are medians from the beginning of the rollout to its end, in minutes and seconds.\n\n\
         | requests/s | canary's errors | promoted % | rolled back % | undecided % | time | threshold: promoted % | rolled back % | time |\n\
         |--:|--:|--:|--:|--:|--:|--:|--:|--:|\n{rows}\n\
         ## Latency\n\n\
         The same steps, judged by p99 at most 20 % above stable's alone. Latencies are lognormal (the logarithm's standard deviation is\n\
         0.5), the canary's so many times stable's. Each bound of the histogram is so many times the one before. Cells: promoted / rolled\n\
         back / undecided in percent of {SLOW} rollouts (standard error at most 2.5 points), and the median time.\n\n\
         | buckets, times | requests/s | 1 times | 1.2 times | 1.5 times | 2 times |\n\
         |--:|--:|--:|--:|--:|--:|\n{slow}\n\
         A tolerance is as fine as the histogram: stable's p99 is taken as the upper bound of its bucket, and the limit as the next bound above.\n\
         With bounds of 2 times each a latency that doubles is within the limit and passes; each finding names the limit that it used.\n",
        said(Command::new("rustc").arg("--version")),
        env!("CARGO_PKG_VERSION"),
    )
}

fn said(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
}
