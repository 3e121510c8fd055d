//! From argv to the exit code.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use super::programs::{Invocation, Program};
use super::{generate, inputs, log, release_tree, signals};
use crate::commands::{self, CommandError, Context, Environment, Exit, Interrupter, Outcome};
use crate::document::Problem;
use crate::eval::model::server::supervise;
use crate::gate::Verdict;
use crate::host::{Beginning, Conclusion, Host, Publication, Remote, Resumable, print, print_error};
use crate::report::{self, Colour, Gpu, Sink};
use crate::trust::{Redactor, Secret, Untrusted};

/// Runs a program. A panic is a bug of ours, and ends with 70 like every other one.
pub fn main(program: Program) -> ExitCode {
    // We start ourselves under this name, beside every server that a run starts: no inputs, no logs, no handlers of ours.
    if std::env::args_os().next().is_some_and(|name| name == supervise::NAME) {
        return supervise::main();
    }
    // The same binary asks the driver of GPUs, in a process that may be lost.
    if let Some(end) = crate::gpu::serve() {
        return end;
    }
    // A panic's text may quote anything: only its place is shown.
    std::panic::set_hook(Box::new(|panic| {
        // The probe of a broken driver panics on its own thread, and says so by its result.
        if std::thread::current().name() == Some(crate::gpu::PROBE) {
            return;
        }
        let place = panic.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
        print_error(&format!("llmci: a bug{}\n", place.unwrap_or_default()));
    }));
    match catch_unwind(AssertUnwindSafe(|| run(program))) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(_) => {
            print_error("llmci: a bug of ours ended the program; please report it with the line above\n");
            ExitCode::from(Exit::Bug.code())
        }
    }
}

fn run(program: Program) -> Exit {
    let arguments: Vec<String> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let program = program.of_name(arguments.first().map_or("", String::as_str));
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let environment = Environment::new(variables);
    let variable = |name: &str| environment.get(name).map(str::to_owned);
    let redactor = Redactor::new();
    let known: Vec<Secret> = environment.secrets();
    redactor.learn(&known);
    let sink = Sink::new(redactor.clone());
    let host = Host::detect(&variable);
    let parsed = inputs::overlay(&program.command(), &arguments, &variable)
        .map_err(|why| format!("error: {}\n", sink.line(&why, 500)))
        .and_then(|filled| match program.parse(&filled.arguments) {
            Ok(invocation) => Ok(Parsed::Run(Box::new(invocation))),
            Err(error) => refused(&error, &filled.origins, &sink),
        });
    let invocation = match parsed {
        Ok(Parsed::Run(invocation)) => invocation,
        Ok(Parsed::Shown) => return Exit::Pass,
        Err(text) => {
            host.print_error(&text);
            // `llmci NAME` is the program of that name.
            let called = program.of_name(arguments.get(1).map_or("", String::as_str));
            let resumable = if called.keeps_samples() { Resumable::No } else { Resumable::Unsaid };
            warn(&host.publish_failure(None, resumable, ""), &sink);
            return Exit::Inputs;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print_error(&format!("error: the runtime could not be started: {error}\n"));
            return Exit::Environment;
        }
    };
    // Before anything that may take its time: as PID 1 of a container the process would not even see a signal.
    let interrupter = Interrupter::default();
    let installed = {
        let _guard = runtime.enter();
        let manner = match &*invocation {
            Invocation::CanaryPromote(_) => signals::Manner::Undoes,
            Invocation::GpuCheck(args) if args.lease => signals::Manner::Forwards,
            _ => signals::Manner::Keeps,
        };
        signals::install(interrupter.clone(), manner)
    };
    if let Err(error) = installed {
        print_error(&format!("error: the signal handlers could not be installed: {error}\n"));
        return Exit::Environment;
    }
    log::start(&environment, &sink);
    host.mask(&known);
    // Only a report names them: nothing else asks a driver that it does not need.
    if invocation.computes() {
        host.set_gpus(gpus());
    }
    let cancel = interrupter.token().clone();
    let context = Context { cancel, interrupter, host, environment, redactor, sink, clock };
    let exit = runtime.block_on(async {
        let begun = begin(&invocation, &context).await;
        let kept = if invocation.preemption().is_some() { Kept::Samples } else { Kept::Nothing };
        let outcome = dispatch(*invocation, &context).await;
        finish(outcome, begun, kept, &context).await
    });
    // A request that does not end must not keep the process: everything worth keeping is on disk.
    runtime.shutdown_background();
    exit
}

/// The machine's GPUs. A driver is asked only where there may be one: NVIDIA's own, or that of Windows beneath this Linux.
fn gpus() -> Option<Vec<Gpu>> {
    let may_be = ["/proc/driver/nvidia", "/dev/dxg"].iter().any(|path| Path::new(path).exists());
    if may_be { commands::doctor::gpus() } else { Some(Vec::new()) }
}

/// Tells the host that the work begins, where somebody wants to see it. Trouble with that is printed, and kept for the summary.
async fn begin(invocation: &Invocation, context: &Context) -> (Remote, Vec<Untrusted>) {
    let Some((program, args)) = invocation.publishing() else { return (Remote::Nothing, Vec::new()) };
    let variable = |name: &str| context.environment.get(name).map(str::to_owned);
    let beginning = Beginning { program, args: &args, variable: &variable, interrupted: context.cancel.clone(), clock };
    let (remote, warnings) = context.host.open(&beginning).await;
    warn(&warnings, &context.sink);
    (remote, warnings)
}

async fn dispatch(
    invocation: Invocation,
    context: &Context,
) -> Result<Outcome, (CommandError, Option<std::path::PathBuf>)> {
    if let Some((args, folder)) = invocation.preemption() {
        // Nothing is written yet, but what an earlier run has left in the folder must not stand for this one.
        commands::preemption::watch(args, context).map_err(|error| (error, Some(folder.to_owned())))?;
    }
    match invocation {
        Invocation::EvalGate(args) => {
            let folder = args.out.clone();
            commands::eval_gate::run(args, context).await.map_err(|error| (error, Some(folder)))
        }
        Invocation::RegressionCheck(args) => {
            let folder = args.out.clone();
            commands::regression_check::run(args, context).await.map_err(|error| (error, Some(folder)))
        }
        Invocation::SafetyGate(args) => {
            let folder = args.out.clone();
            commands::safety_gate::run(args, context).await.map_err(|error| (error, Some(folder)))
        }
        Invocation::CanaryPromote(args) => {
            let folder = args.out.clone();
            commands::canary_promote::run(args, context).await.map_err(|error| (error, Some(folder)))
        }
        Invocation::CanaryPromotePost(args) => {
            commands::canary_promote::after(args, context).await.map_err(|error| (error, None))
        }
        Invocation::Merge(args) => {
            let folder = args.out.clone();
            commands::merge::run(args, context).await.map_err(|error| (error, Some(folder)))
        }
        Invocation::GpuCheck(args) => {
            let folder = args.out.clone();
            commands::gpu_check::run(args, context).await.map_err(|error| (error, Some(folder)))
        }
        Invocation::Check(args) => commands::check::run(&args, context).map_err(|error| (error, None)),
        Invocation::Plan(args) => commands::plan::run(&args, context).map_err(|error| (error, None)),
        Invocation::Calibrate(args) => {
            let folder = args.out.clone();
            commands::calibrate::run(args, context).await.map_err(|error| (error, Some(folder)))
        }
        Invocation::Doctor(args) => commands::doctor::run(&args, context).await.map_err(|error| (error, None)),
        Invocation::Post(_) => Ok(commands::post::run(context).await),
        Invocation::Generate(args) => generate::run(&args).map_err(|error| (error, None)),
        Invocation::ReleaseTree(args) => release_tree::run(&args).map_err(|error| (error, None)),
    }
}

/// What an interrupted command leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// The samples that are finished.
    Samples,
    /// Nothing: it asks no model, and has no such output.
    Nothing,
}

/// Publishes what a command left, and gives its exit code, which nothing of that changes.
async fn finish(
    outcome: Result<Outcome, (CommandError, Option<std::path::PathBuf>)>,
    (mut remote, told): (Remote, Vec<Untrusted>),
    kept: Kept,
    context: &Context,
) -> Exit {
    let (sink, host) = (&context.sink, &context.host);
    match outcome {
        Ok(Outcome { exit, report: Some((report, path)), rollout: _, text: _ }) => {
            let publication = Publication {
                report: &report,
                path: &path,
                terminal: format!(
                    "{}  report: {}\n",
                    report::terminal(&report, sink, colour(context)),
                    sink.line(&path.display().to_string().into(), 300)
                ),
            };
            warn(&host.publish(&publication, sink), sink);
            let published = remote.publish(&report, conclusion(exit, report.verdict), sink, host).await;
            host.annotate(&report, sink, &published);
            warn(&published.warnings, sink);
            // What could not be shown, and how to mend that, is read in the summary.
            let notes: Vec<Untrusted> = told.into_iter().chain(published.warnings).collect();
            let summary = report::markdown_with_notes(&report, sink, report::SUMMARY_BYTES, &notes);
            warn(&host.summarise(&summary), sink);
            exit
        }
        Ok(Outcome { exit, report: None, rollout: Some((rollout, path)), text: _ }) => {
            warn(&host.publish_rollout(&rollout, &path, sink), sink);
            exit
        }
        Ok(Outcome { exit, report: None, rollout: None, text }) => {
            print(&sink.whole(&text));
            warn(&remote.done(&text, conclusion(exit, Verdict::Pass), sink, host).await, sink);
            exit
        }
        Err((error, folder)) => {
            let text = explain(&error, sink);
            host.print_error(&text);
            let interrupted = context.interrupted_by().is_some();
            if let Some(folder) = folder {
                // What was interrupted at any moment can be started again, and asks nothing that is kept.
                let resumable = match (kept, interrupted && error.exit() == Exit::Environment) {
                    (Kept::Nothing, _) => Resumable::Unsaid,
                    (Kept::Samples, true) => Resumable::Yes,
                    (Kept::Samples, false) => Resumable::No,
                };
                let summary = match resumable {
                    Resumable::Yes => report::interrupted(&text, sink),
                    Resumable::No | Resumable::Unsaid => String::new(),
                };
                warn(&host.publish_failure(Some(&folder), resumable, &summary), sink);
            }
            let conclusion = if interrupted { Conclusion::Cancelled } else { Conclusion::Failure };
            warn(&remote.fail(&text, conclusion, sink, host).await, sink);
            error.exit()
        }
    }
}

/// A check says what the exit code says: it is green only where that is 0.
fn conclusion(exit: Exit, verdict: Verdict) -> Conclusion {
    match (exit, verdict) {
        (Exit::Pass, Verdict::Pass) => Conclusion::Success,
        (Exit::Pass, Verdict::Fail | Verdict::Inconclusive | Verdict::Error) => Conclusion::Neutral,
        (Exit::Fail | Exit::Inputs | Exit::Inconclusive | Exit::Environment | Exit::Bug | Exit::OfCommand(_), _) => {
            Conclusion::Failure
        }
    }
}

fn explain(error: &CommandError, sink: &Sink) -> String {
    let line = |text: &Untrusted| sink.line(text, 2000);
    let text = match error {
        CommandError::Problems(problems) => {
            let lines: Vec<String> = problems.iter().map(|problem| shown(problem, &line)).collect();
            let count = problems.len();
            format!("{}\n{count} problem{}\n", lines.join("\n"), if count == 1 { "" } else { "s" })
        }
        CommandError::Inputs(text) | CommandError::Environment(text) => format!("error: {}\n", line(text)),
        CommandError::Bug(text) => {
            format!("a bug of ours, please report it: {}\n", line(&Untrusted::new(text.as_str())))
        }
    };
    sink.whole(&text)
}

fn shown(problem: &Problem, line: &dyn Fn(&Untrusted) -> String) -> String {
    problem.render(line)
}

/// What a command line asks for.
enum Parsed {
    Run(Box<Invocation>),
    /// Help or version: shown already.
    Shown,
}

/// clap's own texts go out through the sink: they quote the command line and the inputs. Where a value came from the
/// environment, its variable is named.
fn refused(error: &clap::Error, origins: &[String], sink: &Sink) -> Result<Parsed, String> {
    if !error.use_stderr() {
        print(&error.render().to_string());
        return Ok(Parsed::Shown);
    }
    let text = error.render().to_string();
    let mut lines: Vec<String> = text.lines().map(|line| sink.line(&line.into(), 500)).collect();
    if !origins.is_empty() {
        lines.push(format!("inputs from the environment: {}", origins.join(", ")));
    }
    Err(format!("{}\n", lines.join("\n")))
}

fn warn(warnings: &[Untrusted], sink: &Sink) {
    for warning in warnings {
        print_error(&format!("warning: {}\n", sink.line(warning, 500)));
    }
}

fn colour(context: &Context) -> Colour {
    use std::io::IsTerminal;
    let wanted =
        context.host.is_local() && std::io::stdout().is_terminal() && context.environment.get("NO_COLOR").is_none();
    if wanted { Colour::Ansi } else { Colour::Plain }
}

/// The moment in RFC 3339, UTC.
fn clock() -> String {
    let now = time::OffsetDateTime::now_utc();
    let now = now.replace_nanosecond(0).unwrap_or(now);
    now.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}
