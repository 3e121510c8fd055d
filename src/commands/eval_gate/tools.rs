//! The tools of `results:`: each is started before anything is read, and what it wrote is read like results that were there.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::commands::obtain::{Obtained, obtain};
use crate::commands::{CommandError, Context, GpuArgs};
use crate::document::Problem;
use crate::eval::harness::{Start, run_tool};
use crate::eval::policy::LoadedPolicy;
use crate::trust::Untrusted;

/// How long a tool may run where the policy does not say.
const MINUTES: f64 = 60.0;

/// Whether tools are started.
#[derive(Clone, Copy)]
pub(crate) enum Tools<'a> {
    /// They are, and write below `out`.
    Start {
        /// The gate's own folder.
        out: &'a Path,
        /// When the gate began.
        began: Instant,
        /// The GPUs of the run: its tools use them too.
        gpu: &'a GpuArgs,
    },
    /// A part of a run has no results of a whole tool.
    Refuse,
}

/// Starts every tool of the policy, one after the other, and puts the folder of its results in its place. Where there is one,
/// the GPUs of the run are taken for it, and handed on.
pub(crate) async fn start_tools(
    loaded: &mut LoadedPolicy,
    tools: Tools<'_>,
    context: &Context,
) -> Result<Option<Obtained>, CommandError> {
    let mut obtained = None;
    let mut environment = context.environment.all().clone();
    let run = loaded.policy.run.deadline_minutes.and_then(minutes);
    for (index, spec) in loaded.policy.results.iter_mut().enumerate().filter(|(_, spec)| spec.harness.is_some()) {
        let problem = |message: &str| {
            let place = loaded.document.problem(&format!("/results/{index}"), message.to_owned());
            CommandError::Problems(vec![place])
        };
        let (out, began, gpu) = match tools {
            Tools::Start { out, began, gpu } => (out, began, gpu),
            Tools::Refuse => return Err(problem("a tool is started for a whole run, and for no shard of one")),
        };
        if obtained.is_none() {
            obtained = obtain(gpu, context).await?;
        }
        let began = match &obtained {
            Some(Obtained { visible, since, .. }) => {
                environment.insert("CUDA_VISIBLE_DEVICES".to_owned(), visible.clone());
                *since
            }
            None => began,
        };
        let now = Instant::now();
        let own = minutes(spec.timeout_minutes.unwrap_or(MINUTES)).map(|longest| now + longest);
        let deadline = own.into_iter().chain(run.map(|run| began + run)).min().unwrap_or(now);
        let start = Start {
            spec,
            folder: &loaded.folder,
            out: &out.join("harness"),
            environment: &environment,
            deadline,
            cancel: &context.cancel,
            redactor: &context.redactor,
        };
        let folder = run_tool(start).await.map_err(|Problem { message, help, .. }| {
            let place = loaded.document.problem(&format!("/results/{index}"), message.into_raw());
            let place = match help {
                Some(help) => place.help(help.into_raw()),
                None => place,
            };
            // The policy is right, and what it names did not do its part: the same run may pass elsewhere, or later.
            CommandError::Environment(Untrusted::new(place.render(&|text| text.raw().to_owned())))
        })?;
        // What is in there must also say of itself that it was made since.
        spec.max_age_minutes = Some(now.elapsed().as_secs_f64() / 60.0);
        spec.harness = None;
        spec.path = Some(std::path::absolute(&folder).unwrap_or(folder).display().to_string());
    }
    Ok(obtained)
}

fn minutes(minutes: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(minutes * 60.0).ok()
}
