//! How every program takes the GPUs that it was asked to take: those that suffice, lent to it alone, until its end.
//! Kept out: how devices are lent (`gpu::lease`), and what suffices (`gpu::need`).

use std::time::{Duration, Instant};

use clap::Args;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::gpu_check::{HealthArg, LeaseArgs, NeedArgs};
use super::{CommandError, Context, Interrupter, Interruption};
use crate::gpu::health::{self, Health, State};
use crate::gpu::lease::{Lease, LeaseError, Waiting, Wish, private_to_container, take};
use crate::gpu::need::{Unfit, choose, unfit};
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
    /// How much work each GPU that was taken has to do well before the run begins
    #[arg(long, value_name = "DEPTH", value_enum, default_value = "quick")]
    pub gpu_health: HealthArg,
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
    devices: Vec<GpuDevice>,
    lease: Lease,
    _watch: Watch,
}

impl Obtained {
    /// Set when a more urgent job waits for them.
    pub(crate) fn wanted_back(&self) -> CancellationToken {
        self.lease.wanted_back()
    }

    /// Their UUIDs.
    pub(crate) fn uuids(&self) -> Vec<String> {
        self.devices.iter().map(|device| device.uuid.clone()).collect()
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

/// Takes devices and has them do some work; none where none are asked for. It waits for as long as the inputs say.
pub(crate) async fn obtain(gpu: &GpuArgs, context: &Context) -> Result<Option<Obtained>, CommandError> {
    let GpuArgs { gpus, need, gpu_health, lease } = gpu;
    let need = wanted(*gpus, need)?;
    if *gpus == 0 {
        return Ok(None);
    }
    let driver = gpu.need.driver.patience()?;
    let asked = Asked::new(need, driver, lease, context)?;
    let obtained = lend(&asked, &machine(driver, context).await?, context).await?;
    if let Some(depth) = gpu_health.depth() {
        let devices = obtained.devices.clone();
        well(&apart(move || health::run(&devices, depth, driver), context).await?)?;
    }
    Ok(Some(obtained))
}

/// Refuses devices that are not well.
fn well(found: &[Health]) -> Result<(), CommandError> {
    let words = |health: &Health| {
        let state = match health.state {
            State::Healthy => return None,
            State::Faulty => "is faulty",
            State::NotTested => "could not be tested",
        };
        Some(format!("{} {state}: {}", health.uuid, health.notes.join("; ")))
    };
    let words: Vec<String> = found.iter().filter_map(words).collect();
    if words.is_empty() {
        return Ok(());
    }
    let text = format!("a GPU that was lent to this run is not used (see --gpu-health): {}", words.join("; "));
    Err(CommandError::Environment(Untrusted::new(text)))
}

/// What is asked of a machine's GPUs, and of those who have them. Its inputs are right.
pub(crate) struct Asked<'a> {
    need: Need,
    driver: Duration,
    lease: &'a LeaseArgs,
    patience: Duration,
}

impl<'a> Asked<'a> {
    /// Refuses wrong inputs, and a lease within a lease. `driver` is how long the driver may take.
    pub(crate) fn new(
        need: Need,
        driver: Duration,
        lease: &'a LeaseArgs,
        context: &Context,
    ) -> Result<Self, CommandError> {
        if context.environment.get(LEASED).is_some() {
            let text =
                "this runs on GPUs that `gpu-check --lease` holds already: leave --gpus out, it would wait for its own";
            return Err(CommandError::Inputs(text.into()));
        }
        let patience = Duration::try_from_secs_f64(lease.lease_timeout * 60.0)
            .map_err(|_| CommandError::Inputs("--lease-timeout: minutes, 0 or more, are wanted".into()))?;
        Ok(Self { need, driver, lease, patience })
    }

    /// What is needed of a device that another job may have now: what that job uses counts later, when it has given it back.
    pub(crate) fn lasting(&self) -> Need {
        Need { max_used_memory_mb: None, ..self.need.clone() }
    }
}

/// Waits for devices of this machine that suffice, and takes them.
pub(crate) async fn lend(asked: &Asked<'_>, machine: &Machine, context: &Context) -> Result<Obtained, CommandError> {
    let Asked { need, lease, patience, .. } = asked;
    let began = Instant::now();
    let fitting = choose(&asked.lasting(), machine).map_err(|others| too_few(need, machine, &others))?;
    let wish = Wish {
        devices: fitting.iter().map(|device| device.uuid.clone()).collect(),
        count: need.count,
        priority: lease.lease_priority,
        preemptible: lease.preemptible,
        holder: holder(context),
    };
    let sink = context.sink.clone();
    let tell = move |waiting: &Waiting| {
        tracing::info!("{}", sink.line(&Untrusted::new(waiting.to_string()), 1000));
    };
    let taken = take(&lease.lease_dir, wish, *patience, &context.cancel, tell).await.map_err(not_lent)?;
    if private_to_container(&lease.lease_dir) {
        tracing::warn!(
            "the folder of GPU leases belongs to this container alone: mount the machine's folder there, or other jobs do not see this lease"
        );
    }
    let devices = of_lease(&fitting, &taken);
    until_unused(asked, &devices, patience.saturating_sub(began.elapsed()), context).await?;
    let driver = machine.driver_version.as_deref();
    context.host.set_gpus(Some(devices.iter().map(|device| described(device, driver)).collect()));
    let visible = taken.visible();
    tracing::info!("{}", context.sink.line(&Untrusted::new(format!("GPUs of this run: {visible}")), 1000));
    let watch = Watch(tokio::spawn(give_way(taken.wanted_back(), context.interrupter.clone())));
    Ok(Obtained { visible, since: Instant::now(), devices, lease: taken, _watch: watch })
}

/// Stops the run as a signal does: what is finished is kept.
async fn give_way(wanted: CancellationToken, interrupter: Interrupter) {
    wanted.cancelled().await;
    tracing::warn!("a more urgent job waits for these GPUs: the run stops, and is kept");
    interrupter.interrupt(Interruption::MoreUrgent);
}

/// Does what blocks in a thread of its own. What a driver does cannot be cancelled, but nobody has to wait for it.
pub(super) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    context: &Context,
) -> Result<T, CommandError> {
    tokio::select! {
        biased;
        () = context.cancel.cancelled() => Err(CommandError::Environment("interrupted".into())),
        done = tokio::task::spawn_blocking(work) => done.map_err(|error| CommandError::Bug(error.to_string())),
    }
}

/// The machine's GPUs.
async fn machine(driver: Duration, context: &Context) -> Result<Machine, CommandError> {
    let asked = apart(move || gpu::machine_within(driver), context).await?;
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

fn too_few(need: &Need, machine: &Machine, others: &Unfit) -> CommandError {
    let reasons: Vec<String> = others.iter().map(|(uuid, reasons)| format!("{uuid}: {}", reasons.join(", "))).collect();
    let why = if reasons.is_empty() { String::new() } else { format!("; {}", reasons.join("; ")) };
    let found = machine.devices.len() - others.len();
    let text = format!("--gpus {}: {found} of this machine's GPUs suffice{why}", need.count);
    CommandError::Environment(Untrusted::new(text))
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
    asked: &Asked<'_>,
    ours: &[GpuDevice],
    patience: Duration,
    context: &Context,
) -> Result<(), CommandError> {
    let Need { count, max_used_memory_mb, .. } = asked.need;
    if max_used_memory_mb.is_none() {
        return Ok(());
    }
    let need = Need { count, max_used_memory_mb, ..Need::default() };
    let until = Instant::now() + patience;
    let mut told = false;
    loop {
        let now = machine(asked.driver, context).await?.devices;
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
        let unknown = now.iter().any(|device| device.monitor.is_none());
        if now.len() < ours.len() {
            let text = "the driver does not show all GPUs any more that were lent to this run";
            return Err(CommandError::Environment(text.into()));
        }
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
    let clocks = match device.monitor.as_ref().and_then(|monitor| monitor.throttled.as_ref()) {
        None => "unknown".to_owned(),
        Some(words) if words.is_empty() => "max".to_owned(),
        Some(words) => format!("reduced: {}", words.join(", ")),
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
    fn too_few_devices_are_an_error_of_the_machine_that_says_why() {
        let machine = |devices| Machine { driver_version: None, cuda_version: None, devices, unmonitored: None };
        let machine = machine(vec![device("small", Some(9)), device("idle", Some(1))]);
        let need = Need { count: 3, ..Need::default() };
        let others = vec![("small".to_owned(), vec!["it has 1.0 GB".to_owned()])];
        let CommandError::Environment(text) = too_few(&need, &machine, &others) else {
            panic!("no fault of the machine")
        };
        assert_eq!(text.raw(), "--gpus 3: 1 of this machine's GPUs suffice; small: it has 1.0 GB");
    }

    #[test]
    fn a_device_that_is_not_well_is_not_used_and_the_run_says_which() {
        let health = |uuid: &str, state, note: &str| Health {
            uuid: uuid.to_owned(),
            state,
            notes: vec![note.to_owned()],
            measured: None,
            bandwidth_share: None,
            under_load: None,
        };
        let good = health("GPU-1", State::Healthy, "its kind is not in the table");
        assert!(well(std::slice::from_ref(&good)).is_ok() && well(&[]).is_ok());
        for (state, words) in
            [(State::Faulty, "GPU-2 is faulty: slow"), (State::NotTested, "GPU-2 could not be tested: slow")]
        {
            let refused = well(&[good.clone(), health("GPU-2", state, "slow")]);
            assert!(matches!(refused, Err(CommandError::Environment(text)) if text.raw().ends_with(words)));
        }
    }

    #[test]
    fn a_report_names_a_device_by_a_digest_and_says_what_holds_its_clocks_down() {
        let mut hot = device("GPU-1", Some(1));
        // An error of NVML's is no word that nothing holds them down.
        assert_eq!(described(&hot, None).clocks.unwrap().raw(), "unknown");
        hot.monitor.as_mut().unwrap().throttled = Some(Vec::new());
        let plain = described(&hot, Some("580.159.04"));
        assert_eq!(plain.clocks.unwrap().raw(), "max");
        assert_eq!(plain.uuid_digest, Digest::of(b"GPU-1"));
        hot.monitor.as_mut().unwrap().throttled = Some(vec!["hw_thermal_slowdown".to_owned()]);
        assert_eq!(described(&hot, None).clocks.unwrap().raw(), "reduced: hw_thermal_slowdown");
        assert_eq!(described(&device("GPU-1", None), None).clocks.unwrap().raw(), "unknown");
    }
}
