//! The error rates of five ways to compare two models, by simulation: `cargo bench --bench error_rates` writes
//! `docs/measurements/error-rates.md` and the plots in `docs/plots`. A date (YYYY-MM-DD) may follow after `--`.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark")]

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

#[expect(unreachable_pub, reason = "shared with a test")]
#[path = "support/simulation.rs"]
mod simulation;
#[expect(unreachable_pub, reason = "beside the module that is shared")]
#[path = "support/svg.rs"]
mod svg;

use simulation::{Cell, DROPS, RULES, Rates, SEED, SIZES, simulate};
use svg::{Line, Plot, draw};

const REPETITIONS: u32 = 200_000;

fn main() {
    let began = std::time::Instant::now();
    let mut cells = Vec::new();
    for n in SIZES {
        for drop in DROPS {
            cells.push(simulate(n, drop, REPETITIONS, SEED));
        }
    }
    println!("{} rows of {REPETITIONS} repetitions in {:.1} s", cells.len(), began.elapsed().as_secs_f64());
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    std::fs::create_dir_all(docs.join("plots")).unwrap();
    std::fs::write(docs.join("measurements/error-rates.md"), page(&cells)).unwrap();
    std::fs::write(docs.join("plots/false-alarms.svg"), draw(&false_alarms(&cells))).unwrap();
    std::fs::write(docs.join("plots/missed-drops.svg"), draw(&missed_drops(&cells))).unwrap();
    std::fs::write(docs.join("plots/samples-used.svg"), draw(&samples_used(&cells))).unwrap();
    println!("wrote docs/measurements/error-rates.md and three plots in docs/plots");
}

/// The day that was given, or today's.
fn date() -> String {
    let given = std::env::args().skip(1).find(|argument| argument.starts_with("20") && argument.len() == 10);
    given.unwrap_or_else(|| {
        let output = Command::new("date").args(["-u", "+%Y-%m-%d"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(" (").next().unwrap().trim().to_owned()
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}

fn page(cells: &[Cell]) -> String {
    let mut page = String::new();
    let processors = std::thread::available_parallelism().unwrap();
    write!(
        page,
        "# Error rates\n\n\
         Simulated on {} on a shared virtual machine with {processors} processors ({}), {}, {}, llmci {}.\n\
         Seed {SEED}; {},000 repetitions a row, so the standard error of a rate is at most 0.11 points and of a share of\n\
         samples below 0.001. The same seed gives the same table on any machine of the same kind.\n\n\
         ```\ncargo bench --bench error_rates\n```\n\n\
         Each repetition draws a baseline that is right on 75 % of n independent cases, and a candidate on the same cases. 5 % of the\n\
         cases change from wrong to right, and 5 % plus the drop from right to wrong. The margin is 2 points, the error rate of each\n\
         side 5 %, one-sided. Cells: pass / fail / inconclusive in percent.\n\n\
         - {}: fails when the candidate's rate is below 98 % of the baseline's (at 75 % that is 1.5 points); never undecided.\n\
         - {}: fails when a two-sided z test of two independent runs gives p < 0.05 against the candidate; never undecided.\n\
         - {}: Newcombe's interval, as if the runs had answered different cases.\n\
         - {}: Tango's score T; passes when T(-2 points) > 1.645, else fails when T(0) < -1.645.\n\
         - {}: the same with group-sequential boundaries at 20 looks; \"samples used\" is its mean share.\n\n",
        date(),
        processor(),
        std::env::consts::OS,
        compiler(),
        env!("CARGO_PKG_VERSION"),
        REPETITIONS / 1000,
        RULES[0],
        RULES[1],
        RULES[2],
        RULES[3],
        RULES[4],
    )
    .unwrap();
    writeln!(page, "| n | true drop | {} | samples used |", RULES.join(" | ")).unwrap();
    writeln!(page, "|---:|---:|---:|---:|---:|---:|---:|---:|").unwrap();
    for cell in cells {
        let rules: Vec<String> = cell.rules.iter().map(verdicts).collect();
        writeln!(page, "| {} | {} pt | {} | {:.2} |", cell.n, cell.drop, rules.join(" | "), cell.used).unwrap();
    }
    page.push_str(
        "\n![False alarms](../plots/false-alarms.svg)\n\n![Missed drops](../plots/missed-drops.svg)\n\n\
         ![Samples used](../plots/samples-used.svg)\n\n\
         What it means: [statistics](../how-to/statistics.md). The rows for n = 500, 1000 and 2000 agree with a separate program in\n\
         another language: `LLMCI_FULL=1 cargo test --release --test error_rates` compares them.\n",
    );
    page
}

fn verdicts(rates: &Rates) -> String {
    format!("{:.1} / {:.1} / {:.1}", 100.0 * rates.pass, 100.0 * rates.fail, 100.0 * rates.inconclusive)
}

fn places() -> Vec<String> {
    SIZES.iter().map(u64::to_string).collect()
}

/// One line for each rule: a rate of it at one drop, over the numbers of cases.
fn by_rule(cells: &[Cell], drop: u32, rate: impl Fn(&Rates) -> f64) -> Vec<Line> {
    let line = |(index, name): (usize, &&str)| {
        let values: Vec<f64> =
            cells.iter().filter(|cell| cell.drop == drop).map(|cell| 100.0 * rate(&cell.rules[index])).collect();
        Line { name: format!("{name}: {:.1} %", values.last().unwrap()), values }
    };
    RULES.iter().enumerate().map(line).collect()
}

fn false_alarms(cells: &[Cell]) -> Plot {
    Plot {
        title: "Unchanged models that are failed".to_owned(),
        horizontal: "cases (the names show the rate at 2000)".to_owned(),
        vertical: "failed, true drop 0".to_owned(),
        places: places(),
        most: 25.0,
        level: Some((5.0, "5 %: the declared error rate".to_owned())),
        lines: by_rule(cells, 0, |rates| rates.fail),
    }
}

fn missed_drops(cells: &[Cell]) -> Plot {
    Plot {
        title: "Models with a true 3-point drop that pass (margin 2 points)".to_owned(),
        horizontal: "cases (the names show the rate at 2000)".to_owned(),
        vertical: "passed, true drop 3 points".to_owned(),
        places: places(),
        most: 100.0,
        level: Some((5.0, "5 %: the declared error rate".to_owned())),
        lines: by_rule(cells, 3, |rates| rates.pass),
    }
}

fn samples_used(cells: &[Cell]) -> Plot {
    let line = |drop: &u32| {
        let values: Vec<f64> = cells.iter().filter(|cell| cell.drop == *drop).map(|cell| 100.0 * cell.used).collect();
        Line { name: format!("true drop {drop} pt: {:.0} %", values.last().unwrap()), values }
    };
    Plot {
        title: "Samples used with 20 looks (margin 2 points)".to_owned(),
        horizontal: "cases (the names show the share at 2000)".to_owned(),
        vertical: "mean share of samples used".to_owned(),
        places: places(),
        most: 100.0,
        level: None,
        lines: DROPS.iter().map(line).collect(),
    }
}
