//! What a user sees of a check: a table in the log, the same in the job's summary, JSON for later steps. Names come from a
//! driver, causes quote variables: everything goes through the sink.

use std::fmt::Write as _;

use serde_json::json;

use super::run::Checked;
use crate::gpu::health::{Health, State};
use crate::gpu::{GpuDevice, Load, Monitor, kinds};
use crate::report::Sink;
use crate::trust::Untrusted;

/// One device, and what speaks against it.
pub(super) struct Row {
    pub device: GpuDevice,
    /// Needs that it does not meet.
    pub reasons: Vec<String>,
    /// What its health run came to; none without one.
    pub health: Option<Health>,
}

impl Row {
    fn state(&self) -> &'static str {
        match (&self.health, self.reasons.is_empty()) {
            (_, false) => "unfit",
            (None, true) => "fit",
            (Some(health), true) => match health.state {
                State::Healthy => "healthy",
                State::Faulty => "FAULTY",
                State::NotTested => "NOT TESTED",
            },
        }
    }

    /// Whether it may be used.
    pub(super) fn is_usable(&self) -> bool {
        self.reasons.is_empty() && self.health.as_ref().is_none_or(|health| health.state == State::Healthy)
    }
}

/// A device for later steps: all that is known of it.
pub(super) fn json(row: &Row) -> serde_json::Value {
    let device = &row.device;
    json!({
        "index": device.index,
        "name": device.name,
        "uuid": device.uuid,
        "kind": kinds::of(device).map(|kind| kind.name),
        "memory_bytes": device.memory_bytes,
        "compute_capability": device.capability.map(|capability| capability.to_string()),
        "monitor": device.monitor,
        "unfit": row.reasons,
        "health": row.health,
    })
}

const HEAD: [&str; 9] = ["gpu", "name", "memory", "used", "cc", "temp", "power", "pcie", "state"];

fn cells(row: &Row) -> [String; 9] {
    let device = &row.device;
    let monitor = device.monitor.as_ref();
    let of = |text: &dyn Fn(&Monitor) -> Option<String>| monitor.and_then(text).unwrap_or_else(|| "-".to_owned());
    let gb = |bytes: u64| format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000);
    [
        device.index.to_string(),
        device.name.clone(),
        gb(device.memory_bytes),
        of(&|monitor| Some(format!("{} MB", monitor.used_bytes? / 1_000_000))),
        device.capability.map_or_else(|| "-".to_owned(), |capability| capability.to_string()),
        of(&|monitor| Some(format!("{} °C", monitor.temperature_c?))),
        of(&|monitor| {
            let most = monitor.power_limit_max_w.map(|most| format!("/{most:.0}")).unwrap_or_default();
            Some(format!("{:.0}{most} W", monitor.power_limit_w?))
        }),
        of(&|monitor| monitor.pcie_width.map(|(now, most)| format!("x{now}/x{most}"))),
        row.state().to_owned(),
    ]
}

/// Lines about one device below the table.
fn notes(row: &Row) -> Vec<String> {
    let mut lines = row.reasons.clone();
    if let Some(health) = &row.health {
        if let Some(measured) = &health.measured {
            let share = health.bandwidth_share.map(|share| format!(" ({:.0} % of the published)", share * 100.0));
            let speed = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |value| format!("{value:.1}"));
            lines.push(format!(
                "health: memory {} GB/s{}, float32 {} TFLOPS, {} MB of memory and {} matrix results checked, {:.1} s",
                speed(measured.bandwidth_gbs),
                share.unwrap_or_default(),
                speed(measured.float_tflops),
                measured.tested_bytes / 1_000_000,
                measured.products.0,
                measured.seconds
            ));
        }
        lines.extend(health.notes.iter().cloned());
        lines.extend(health.under_load.as_ref().map(under_load));
    }
    if let Some(monitor) = &row.device.monitor {
        match &monitor.throttled {
            None => lines.push("NVML does not say whether its clocks are lowered".to_owned()),
            Some(words) if words.is_empty() => {}
            Some(words) => lines.push(format!("clocks are lowered: {}", words.join(", "))),
        }
        if let Some(errors) = monitor.ecc_uncorrected.filter(|errors| *errors > 0) {
            lines.push(format!("{errors} memory errors that ECC could not correct"));
        }
        if let (Some((now, most)), Some(kind)) = (monitor.pcie_width, kinds::of(&row.device)) {
            let wanted = kind.pcie_width.unwrap_or(0);
            if most < wanted || now < most {
                lines
                    .push(format!("PCIe runs with {now} lanes, the slot and card allow {most}, the card has {wanted}"));
            }
        }
        if monitor.persistence == Some(false) {
            lines.push("persistence mode is off: each first program waits until the driver is loaded".to_owned());
        }
        if let Some(instances) = monitor.mig_instances {
            lines.push(format!("MIG is on, with {instances} instances"));
        }
        if !monitor.processes.is_empty() {
            let list: Vec<String> = monitor
                .processes
                .iter()
                .take(8)
                .map(|(id, bytes)| {
                    let bytes = bytes.map(|bytes| format!(" ({} MB)", bytes / 1_000_000)).unwrap_or_default();
                    format!("{id}{bytes}")
                })
                .collect();
            lines.push(format!("processes on it: {}", list.join(", ")));
        }
    }
    lines
}

/// What NVML has seen while the device worked.
fn under_load(load: &Load) -> String {
    let clocks = match &load.throttled {
        None => "whether clocks were lowered is not known".to_owned(),
        Some(words) if words.is_empty() => "clocks were not lowered".to_owned(),
        Some(words) => format!("clocks were lowered: {}", words.join(", ")),
    };
    let heat = load.temperature_c.map(|degrees| format!(", {degrees} °C at most")).unwrap_or_default();
    format!("in the health run {clocks}{heat}")
}

/// The first sentence: what came of it.
fn headline(checked: &Checked) -> String {
    let count = checked.count;
    match &checked.machine {
        Err(cause) => format!("gpu-check: no GPU: {cause}"),
        Ok(_) if checked.passed() => format!("gpu-check passed: CUDA_VISIBLE_DEVICES={}", checked.visible()),
        Ok(machine) => {
            let usable = checked.rows.iter().filter(|row| row.is_usable()).count();
            format!("gpu-check failed: {usable} of {} GPUs may be used, and {count} are needed", machine.devices.len())
        }
    }
}

fn driver(checked: &Checked) -> Option<String> {
    let machine = checked.machine.as_ref().ok()?;
    let version = machine.driver_version.as_deref().unwrap_or("of an unknown version");
    let cuda = machine.cuda_version.map(|(major, minor)| format!(", CUDA {major}.{minor}")).unwrap_or_default();
    let silent = machine.unmonitored.as_ref().map(|why| format!("; not monitored: {why}")).unwrap_or_default();
    Some(format!("driver {version}{cuda}{silent}"))
}

/// The text of the log.
pub(super) fn terminal(checked: &Checked, sink: &Sink) -> String {
    let line = |text: &str| sink.line(&Untrusted::new(text), 1000);
    let mut text = String::new();
    if let Some(driver) = driver(checked) {
        let rows: Vec<[String; 9]> =
            checked.rows.iter().map(|row| cells(row).map(|cell| sink.line(&Untrusted::new(cell), 60))).collect();
        let head = HEAD.map(str::to_owned);
        let all: Vec<&[String; 9]> = std::iter::once(&head).chain(&rows).collect();
        let width = |column: usize| {
            all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{}", line(&driver));
        for row in &all {
            let cells: Vec<String> =
                row.iter().enumerate().map(|(at, cell)| format!("{cell:<w$}", w = width(at))).collect();
            let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
        }
        for row in &checked.rows {
            let _ = writeln!(text, "  gpu {}: {}", row.device.index, line(&row.device.uuid));
            for note in notes(row) {
                let _ = writeln!(text, "    {}", line(&note));
            }
        }
    }
    let _ = writeln!(text, "{}", line(&headline(checked)));
    sink.whole(&text)
}

/// The same for the job's summary.
pub(super) fn markdown(checked: &Checked, sink: &Sink) -> String {
    let words = |text: &str| sink.words(&Untrusted::new(text), 1000).replace('|', "\\|");
    let mut text = String::new();
    let verdict = if checked.passed() { "passed" } else { "failed" };
    let _ = writeln!(text, "## gpu-check: {verdict}\n\n{}\n", words(&headline(checked)));
    if let Some(driver) = driver(checked) {
        let _ = writeln!(text, "{}\n", words(&driver));
        let _ = writeln!(text, "| {} | notes |\n|{}", HEAD.join(" | "), "---|".repeat(HEAD.len() + 1));
        for row in &checked.rows {
            let cells = cells(row).map(|cell| sink.cell(&Untrusted::new(cell), 60));
            let notes: Vec<String> = notes(row).iter().map(|note| words(note)).collect();
            let _ = writeln!(text, "| {} | {} |", cells.join(" | "), notes.join("<br>"));
        }
    }
    sink.whole(&text)
}
