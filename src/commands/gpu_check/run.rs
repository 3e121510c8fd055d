//! Looks at the devices, runs them, and says which may be used.

use std::time::Duration;

use serde_json::json;

use super::args::{GpuCheckArgs, Other};
use super::view::{self, Row};
use super::{lease, plan};
use crate::commands::obtain::apart;
use crate::commands::{CommandError, Context, Exit, Outcome};
use crate::gpu::health::{self, Depth};
use crate::gpu::{self, Cause, GpuDevice, Machine, Need, NoGpu, need};
use crate::store::file::{make_folder, remove_if_there, write_atomically};
use crate::trust::Untrusted;

/// What was found out, in the output folder.
const FILE: &str = "gpu.json";

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
    /// Looks at what the driver has said. What does not suffice is in the rows, with the reasons.
    pub(super) fn looked(need: &Need, machine: Result<Machine, NoGpu>) -> Self {
        let count = need.count.max(1);
        let machine = match machine {
            Ok(machine) => machine,
            Err(NoGpu(cause)) => return Self { machine: Err(cause), rows: Vec::new(), chosen: Vec::new(), count },
        };
        let row = |device: &GpuDevice| Row { device: device.clone(), reasons: need::unfit(need, device), health: None };
        let rows = machine.devices.iter().map(row).collect();
        Self { machine: Ok(machine), rows, chosen: Vec::new(), count }.choosing(need)
    }

    /// Runs the devices that suffice, and leaves out those that are not well. What does not suffice is not worked on: it may be
    /// somebody else's. It blocks.
    pub(super) fn tested(mut self, need: &Need, depth: Option<Depth>, driver: Duration) -> Self {
        let fit: Vec<GpuDevice> =
            self.rows.iter().filter(|row| row.is_usable()).map(|row| row.device.clone()).collect();
        let Some(depth) = depth.filter(|_| !fit.is_empty()) else { return self };
        let found = health::run(&fit, depth, driver);
        for row in &mut self.rows {
            row.health = found.iter().find(|health| health.uuid == row.device.uuid).cloned();
        }
        self.choosing(need)
    }

    /// Without all other devices: those that are meant may be others than were chosen.
    pub(super) fn only(mut self, need: &Need, uuids: &[String]) -> Self {
        let is_meant = |device: &GpuDevice| uuids.contains(&device.uuid);
        self.rows.retain(|row| is_meant(&row.device));
        if let Ok(machine) = &mut self.machine {
            machine.devices.retain(is_meant);
        }
        self.choosing(need)
    }

    fn choosing(mut self, need: &Need) -> Self {
        let Ok(machine) = &self.machine else { return self };
        let devices = self.rows.iter().filter(|row| row.is_usable()).map(|row| row.device.clone()).collect();
        self.chosen = need::choose(need, &Machine { devices, ..machine.clone() }).unwrap_or_default();
        self.chosen.truncate(usize::try_from(self.count).unwrap_or(usize::MAX));
        self
    }

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
    // What an earlier run has found must not stand for this one.
    remove_if_there(&args.out.join(FILE)).map_err(|error| CommandError::environment(&error))?;
    if args.lease {
        return lease::run(&args, context).await;
    }
    if !args.command.is_empty() {
        return Err(CommandError::Inputs("a command behind `--` is started with --lease only".into()));
    }
    let need = args.need.need(args.count)?;
    let driver = args.need.driver.patience()?;
    let depth = args.health.depth();
    let work = move || Checked::looked(&need, gpu::machine_within(driver)).tested(&need, depth, driver);
    let checked = apart(work, context).await?;
    publish(&checked, &args, context)
}

pub(super) fn publish(checked: &Checked, args: &GpuCheckArgs, context: &Context) -> Result<Outcome, CommandError> {
    let sink = &context.sink;
    let path = args.out.join(FILE);
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
