//! How every program takes the GPUs that it was asked to take: those that suffice, lent to it alone, until its end.
//! Kept out: how devices are lent (`gpu::lease`), and what suffices (`gpu::need`).

use std::time::{Duration, Instant};

use clap::Args;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::gpu_check::{LeaseArgs, NeedArgs};
use super::{CommandError, Context, Interrupter, Interruption};
use crate::gpu::lease::{Lease, LeaseError, Waiting, Wish, private_to_container, take};
use crate::gpu::need::unfit;
use crate::gpu::{self, GpuDevice, Machine, Need};
use crate::report::Gpu;
use crate::trust::{Digest, Untrusted};

/// Between two looks at memory that others use: the driver tells nobody when it changes.
const LOOK: Duration = Duration::from_secs(2);
/// Set for what runs on devices that were lent to it: it asks for none itself, or it would wait for its own.
pub(crate) const LEASED: &str = "LLMCI_GPU_LEASE";
/// The longest name of a job, in characters.
const NAME: usize = 160;

/// The GPUs of a run.
#[derive(Args, Clone, Debug)]
pub struct GpuArgs {
    /// GPUs that the run takes from the machine's for itself alone, waiting for them where others have them; 0 takes none
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub gpus: u32,
    /// What suffices
    #[command(flatten)]
    pub need: NeedArgs,
    /// How they are taken
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// Devices that are ours until it goes out of scope.
pub(crate) struct Obtained {
    /// The value of `CUDA_VISIBLE_DEVICES` for programs that use them.
    pub(crate) visible: String,
    /// When they were ours: time limits of the run count from here.
    pub(crate) since: Instant,
    lease: Lease,
    _watch: Watch,
}

impl Obtained {
    /// Set when a more urgent job waits for them.
    pub(crate) fn wanted_back(&self) -> CancellationToken {
        self.lease.wanted_back()
    }

    /// Gives them back at once, whatever was started meanwhile.
    pub(crate) fn give_back(self) {
        self.lease.give_back();
    }
}

/// Ends with the lease.
struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Takes so many devices; none where none are asked for. It waits for as long as `lease` says.
pub(crate) async fn obtain(
    gpus: u32,
    need: &NeedArgs,
    lease: &LeaseArgs,
    context: &Context,
) -> Result<Option<Obtained>, CommandError> {
    let need = wanted(gpus, need)?;
    if gpus == 0 {
        return Ok(None);
    }
    if context.environment.get(LEASED).is_some() {
        let text =
            "this runs on GPUs that `gpu-check --lease` holds already: leave --gpus out, it would wait for its own";
        return Err(CommandError::Inputs(text.into()));
    }
    let patience = patience(lease)?;
    let began = Instant::now();
    let Machine { driver_version, devices, .. } = machine().await?;
    let fitting = fitting(&need, devices)?;
    let wish = Wish {
        devices: fitting.iter().map(|device| device.uuid.clone()).collect(),
        count: gpus,
        priority: lease.lease_priority,
        preemptible: lease.preemptible,
        holder: holder(context),
    };
    let sink = context.sink.clone();
    let tell = move |waiting: &Waiting| {
        tracing::info!("{}", sink.line(&Untrusted::new(waiting.to_string()), 1000));
    };
    let taken = take(&lease.lease_dir, wish, patience, &context.cancel, tell).await.map_err(not_lent)?;
    if private_to_container(&lease.lease_dir) {
        tracing::warn!(
            "the folder of GPU leases belongs to this container alone: mount the machine's folder there, or other jobs do not see this lease"
        );
    }
    let devices = of_lease(&fitting, &taken);
    until_unused(&need, &devices, patience.saturating_sub(began.elapsed()), context).await?;
    context.host.set_gpus(devices.iter().map(|device| described(device, driver_version.as_deref())).collect());
    let visible = taken.visible();
    tracing::info!("{}", context.sink.line(&Untrusted::new(format!("GPUs of this run: {visible}")), 1000));
    let watch = Watch(tokio::spawn(give_way(taken.wanted_back(), context.interrupter.clone())));
    Ok(Some(Obtained { visible, since: Instant::now(), lease: taken, _watch: watch }))
}

/// Stops the run as a signal does: what is finished is kept.
async fn give_way(wanted: CancellationToken, interrupter: Interrupter) {
    wanted.cancelled().await;
    tracing::warn!("a more urgent job waits for these GPUs: the run stops, and is kept");
    interrupter.interrupt(Interruption::MoreUrgent);
}

/// The machine's GPUs. The driver may take its time, so a thread of its own asks it.
async fn machine() -> Result<Machine, CommandError> {
    let asked = tokio::task::spawn_blocking(gpu::machine).await;
    let asked = asked.map_err(|error| CommandError::Bug(format!("the probe of the GPUs broke off: {error}")))?;
    asked.map_err(|error| CommandError::environment(&error))
}

/// What the inputs ask for.
fn wanted(gpus: u32, args: &NeedArgs) -> Result<Need, CommandError> {
    let given = [
        ("min-memory-gb", args.min_memory_gb.is_some()),
        ("compute-capability", args.compute_capability.is_some()),
        ("gpu-type", !args.gpu_type.is_empty()),
        ("max-used-memory-mb", args.max_used_memory_mb.is_some()),
    ];
    if let Some((name, _)) = given.iter().find(|(_, given)| *given && gpus == 0) {
        let text = format!("--{name} has no meaning without GPUs: say how many with --gpus");
        return Err(CommandError::Inputs(Untrusted::new(text)));
    }
    args.need(gpus)
}

fn patience(lease: &LeaseArgs) -> Result<Duration, CommandError> {
    Duration::try_from_secs_f64(lease.lease_timeout * 60.0)
        .map_err(|_| CommandError::Inputs("--lease-timeout: minutes, 0 or more, are wanted".into()))
}

/// The devices that suffice, those with the least memory in use first. What others use now counts later: a device that another
/// job has is in use, and will do once it is given back.
fn fitting(need: &Need, devices: Vec<GpuDevice>) -> Result<Vec<GpuDevice>, CommandError> {
    let lasting = Need { max_used_memory_mb: None, ..need.clone() };
    let (mut fitting, mut reasons) = (Vec::new(), Vec::new());
    for device in devices {
        let unfit = unfit(&lasting, &device);
        if unfit.is_empty() {
            fitting.push(device);
        } else {
            reasons.push(format!("{} ({}): {}", device.uuid, device.name, unfit.join(", ")));
        }
    }
    fitting.sort_by_key(|device| device.monitor.as_ref().and_then(|monitor| monitor.used_bytes));
    if fitting.len() < need.count as usize {
        let found = fitting.len();
        let why = if reasons.is_empty() { String::new() } else { format!("; {}", reasons.join("; ")) };
        let text = format!("--gpus {}: {found} of this machine's GPUs suffice{why}", need.count);
        return Err(CommandError::Environment(Untrusted::new(text)));
    }
    Ok(fitting)
}

fn of_lease(all: &[GpuDevice], lease: &Lease) -> Vec<GpuDevice> {
    let of = |uuid: &String| all.iter().find(|device| device.uuid == *uuid).cloned();
    lease.devices().iter().filter_map(of).collect()
}

fn not_lent(error: LeaseError) -> CommandError {
    CommandError::Environment(Untrusted::new(match &error {
        LeaseError::Cancelled => "interrupted while it waited for a GPU; nothing was asked".to_owned(),
        LeaseError::Folder { .. } | LeaseError::TooFew { .. } | LeaseError::Late(_) | LeaseError::Stuck => {
            error.to_string()
        }
    }))
}

/// Waits until nobody else uses more memory of our devices than is allowed: a program of a job that was killed may need a
/// moment to end, and not everybody takes a lease.
async fn until_unused(
    need: &Need,
    ours: &[GpuDevice],
    patience: Duration,
    context: &Context,
) -> Result<(), CommandError> {
    if need.max_used_memory_mb.is_none() {
        return Ok(());
    }
    let need = Need { count: need.count, max_used_memory_mb: need.max_used_memory_mb, ..Need::default() };
    let until = Instant::now() + patience;
    let mut told = false;
    loop {
        let now = machine().await?.devices;
        let now: Vec<&GpuDevice> = now.iter().filter(|device| ours.iter().any(|own| own.uuid == device.uuid)).collect();
        let used: Vec<String> = now
            .iter()
            .map(|device| (device, unfit(&need, device)))
            .filter(|(_, reasons)| !reasons.is_empty())
            .map(|(device, reasons)| format!("{}: {}", device.uuid, reasons.join(", ")))
            .collect();
        if used.is_empty() && now.len() == ours.len() {
            return Ok(());
        }
        let unknown = now.len() < ours.len() || now.iter().any(|device| device.monitor.is_none());
        if unknown || Instant::now() >= until {
            let text = format!("the GPUs were lent to this run, and others use them: {}", used.join("; "));
            return Err(CommandError::Environment(Untrusted::new(text)));
        }
        if !told {
            let text = format!("waiting until others leave the GPUs of this run: {}", used.join("; "));
            tracing::info!("{}", context.sink.line(&Untrusted::new(text), 1000));
            told = true;
        }
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(not_lent(LeaseError::Cancelled)),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Who we are, for those who wait: every user of the machine can read it, so it holds no more than the host's own names.
fn holder(context: &Context) -> String {
    let variable = |name: &str| context.environment.get(name);
    let parts = |names: [&str; 3]| names.into_iter().filter_map(variable).collect::<Vec<_>>().join(" ");
    let github = parts(["GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_JOB"]);
    let gitlab = parts(["CI_PROJECT_PATH", "CI_JOB_ID", "CI_JOB_NAME"]);
    let local = variable("USER").or(variable("LOGNAME")).unwrap_or("a user");
    let name = [github, gitlab].into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| local.to_owned());
    context.sink.line(&Untrusted::new(name), NAME)
}

/// A device as the report names it.
pub(crate) fn described(device: &GpuDevice, driver: Option<&str>) -> Gpu {
    let clocks = match &device.monitor {
        None => "unknown".to_owned(),
        Some(monitor) if monitor.throttled.is_empty() => "max".to_owned(),
        Some(monitor) => format!("reduced: {}", monitor.throttled.join(", ")),
    };
    Gpu {
        name: device.name.as_str().into(),
        uuid_digest: Digest::of(device.uuid.as_bytes()),
        memory_bytes: device.memory_bytes,
        driver: driver.map(Untrusted::new),
        clocks: Some(clocks.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Capability, Monitor};

    fn device(uuid: &str, used: Option<u64>) -> GpuDevice {
        let monitor = used.map(|used| Monitor { used_bytes: Some(used), ..Monitor::default() });
        GpuDevice {
            index: 0,
            name: "A GPU".to_owned(),
            uuid: uuid.to_owned(),
            memory_bytes: 1,
            capability: None,
            monitor,
        }
    }

    #[test]
    fn what_is_needed_of_no_gpu_is_refused() {
        let needed = NeedArgs { gpu_type: vec!["h100-80gb".to_owned()], ..NeedArgs::default() };
        assert!(matches!(wanted(0, &needed), Err(CommandError::Inputs(text)) if text.raw().contains("--gpu-type")));
        assert!(wanted(1, &needed).is_ok());
        assert!(wanted(0, &NeedArgs::default()).is_ok());
        let capability = |text: &str| NeedArgs { compute_capability: Some(text.to_owned()), ..NeedArgs::default() };
        assert_eq!(wanted(1, &capability("8.6")).unwrap().capability, Some(Capability { major: 8, minor: 6 }));
        assert!(matches!(wanted(1, &capability("eight")), Err(CommandError::Inputs(_))));
    }

    #[test]
    fn the_least_used_devices_come_first_and_too_few_are_an_error_of_the_machine() {
        let all = || vec![device("busy", Some(9)), device("idle", Some(1))];
        let need = |count| Need { count, ..Need::default() };
        let order: Vec<String> = fitting(&need(1), all()).unwrap().into_iter().map(|device| device.uuid).collect();
        assert_eq!(order, ["idle", "busy"]);
        assert!(matches!(fitting(&need(3), all()), Err(CommandError::Environment(_))));
    }

    #[test]
    fn a_report_names_a_device_by_a_digest_and_says_what_holds_its_clocks_down() {
        let mut hot = device("GPU-1", Some(1));
        let plain = described(&hot, Some("580.159.04"));
        assert_eq!(plain.clocks.unwrap().raw(), "max");
        assert_eq!(plain.uuid_digest, Digest::of(b"GPU-1"));
        hot.monitor.as_mut().unwrap().throttled = vec!["hw_thermal_slowdown".to_owned()];
        assert_eq!(described(&hot, None).clocks.unwrap().raw(), "reduced: hw_thermal_slowdown");
        assert_eq!(described(&device("GPU-1", None), None).clocks.unwrap().raw(), "unknown");
    }
}
