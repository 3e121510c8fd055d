//! Looks at the devices, runs them, and says which may be used.

use std::time::Duration;

use serde_json::json;

use super::args::{GpuCheckArgs, HealthArg, Other};
use super::view::{self, Row};
use super::{lease, plan};
use crate::commands::{CommandError, Context, Exit, Outcome};
use crate::gpu::health::{self, Depth, Health};
use crate::gpu::{self, Cause, GpuDevice, Machine, Need, NoGpu, need};
use crate::store::file::{make_folder, write_atomically};
use crate::trust::Untrusted;

/// What was found out.
pub(super) struct Checked {
    pub machine: Result<Machine, Cause>,
    /// One for each device of the machine.
    pub rows: Vec<Row>,
    /// Devices that may be used, as many as were asked for; empty where there are fewer.
    pub chosen: Vec<GpuDevice>,
    /// How many were asked for.
    pub count: u32,
}

impl Checked {
    pub(super) fn passed(&self) -> bool {
        !self.chosen.is_empty()
    }

    /// The value of `CUDA_VISIBLE_DEVICES` for a program that is to use them.
    pub(super) fn visible(&self) -> String {
        let uuids: Vec<&str> = self.chosen.iter().map(|device| device.uuid.as_str()).collect();
        uuids.join(",")
    }
}

/// Checks, publishes, and ends with 0 or with 4.
pub async fn run(args: GpuCheckArgs, context: &Context) -> Result<Outcome, CommandError> {
    if let Some(Other::Plan(args)) = &args.other {
        return plan::run(args, context).await;
    }
    if args.lease {
        return lease::run(args.count, &args.need, &args.how, &args.command, context).await;
    }
    if !args.command.is_empty() {
        return Err(CommandError::Inputs("a command behind `--` is started with --lease only".into()));
    }
    let need = args.need.need(args.count)?;
    let patience = args.patience()?;
    let depth = match args.health {
        HealthArg::Off => None,
        HealthArg::Quick => Some(Depth::Quick),
        HealthArg::Full => Some(Depth::Full),
    };
    // The driver blocks; what it does cannot be cancelled, but nobody has to wait for it.
    let work = tokio::task::spawn_blocking(move || check(&need, depth, patience));
    let checked = tokio::select! {
        biased;
        () = context.cancel.cancelled() => return Err(CommandError::Environment("interrupted".into())),
        done = work => done.map_err(|error| CommandError::Bug(error.to_string()))?,
    };
    publish(&checked, &args, context)
}

fn check(need: &Need, depth: Option<Depth>, patience: Duration) -> Checked {
    let count = need.count.max(1);
    let machine = match gpu::machine_within(patience) {
        Ok(machine) => machine,
        Err(NoGpu(cause)) => return Checked { machine: Err(cause), rows: Vec::new(), chosen: Vec::new(), count },
    };
    let mut rows: Vec<Row> = machine
        .devices
        .iter()
        .map(|device| Row { device: device.clone(), reasons: need::unfit(need, device), health: None })
        .collect();
    // What does not suffice is not worked on: it may be somebody else's.
    let fit: Vec<GpuDevice> = rows.iter().filter(|row| row.reasons.is_empty()).map(|row| row.device.clone()).collect();
    if let Some(depth) = depth.filter(|_| !fit.is_empty()) {
        let found = health::run(&fit, depth);
        for row in &mut rows {
            row.health = found.iter().find(|health| health.uuid == row.device.uuid).cloned();
        }
    }
    let well = |row: &&Row| row.reasons.is_empty() && row.health.as_ref().is_none_or(|health: &Health| health.healthy);
    let devices: Vec<GpuDevice> = rows.iter().filter(well).map(|row| row.device.clone()).collect();
    let usable = Machine { devices, ..machine.clone() };
    let mut chosen = need::choose(need, &usable).unwrap_or_default();
    chosen.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    Checked { machine: Ok(machine), rows, chosen, count }
}

fn publish(checked: &Checked, args: &GpuCheckArgs, context: &Context) -> Result<Outcome, CommandError> {
    let sink = &context.sink;
    let path = args.out.join("gpu.json");
    make_folder(&args.out).map_err(|error| CommandError::environment(&error))?;
    let document = sink.whole(&format!("{:#}\n", json_of(checked)));
    write_atomically(&path, document.as_bytes()).map_err(|error| CommandError::environment(&error))?;
    let devices: Vec<_> = checked.rows.iter().map(view::json).collect();
    let visible = if checked.passed() { checked.visible() } else { String::new() };
    let cause = checked.machine.as_ref().err().map(Cause::word).unwrap_or_default();
    let verdict = if checked.passed() { "pass" } else { "error" };
    let report = crate::trust::clean(&path.display().to_string()).replace(['\n', '\t'], " ");
    let values = [
        ("verdict", verdict.to_owned()),
        ("passed", checked.passed().to_string()),
        ("devices", sink.whole(&json!(devices).to_string())),
        ("visible-devices", sink.line(&Untrusted::new(visible), 4000)),
        ("cause", cause.to_owned()),
        ("report", report),
    ];
    let markdown = view::markdown(checked, sink);
    // GitLab's variables are short, and its file too: the devices are in gpu.json there.
    for warning in context.host.publish_values(&values, &markdown, &args.out) {
        context.host.print_error(&format!("warning: {}\n", sink.line(&warning, 500)));
    }
    let exit = if checked.passed() { Exit::Pass } else { Exit::Environment };
    Ok(Outcome { exit, report: None, rollout: None, text: view::terminal(checked, sink) })
}

fn json_of(checked: &Checked) -> serde_json::Value {
    let machine = checked.machine.as_ref().ok();
    json!({
        "schema": 1,
        "program_version": env!("CARGO_PKG_VERSION"),
        "passed": checked.passed(),
        "count": checked.count,
        "cause": checked.machine.as_ref().err().map(Cause::word),
        "why": checked.machine.as_ref().err().map(ToString::to_string),
        "driver_version": machine.and_then(|machine| machine.driver_version.clone()),
        "cuda_version": machine.and_then(|machine| machine.cuda_version).map(|(major, minor)| format!("{major}.{minor}")),
        "unmonitored": machine.and_then(|machine| machine.unmonitored.clone()),
        "visible_devices": checked.passed().then(|| checked.visible()),
        "devices": checked.rows.iter().map(view::json).collect::<Vec<_>>(),
    })
}
