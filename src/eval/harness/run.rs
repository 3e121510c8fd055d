//! Starts the tool itself, and finds what it has written: into an empty folder of its own, so that nothing there is another
//! run's. Its exit code is not enough, and neither is a file alone.
//! Kept out: what the results hold (`read_results`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::document::Problem;
use crate::eval::policy::{HarnessName, ResultsSpec};
use crate::eval::process::{self, ProcessError, Program};
use crate::store::file::write_atomically;
use crate::trust::Redactor;

/// What promptfoo ends with where tests have failed, unless `PROMPTFOO_FAILED_TEST_EXIT_CODE` says otherwise.
/// Source: promptfoo's documentation, "Command line", exit codes (0.121).
const FAILED_TESTS: i32 = 100;

/// A tool to start.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// What the policy says; a [`ResultsSpec`] with a `harness`.
    pub spec: &'a ResultsSpec,
    /// The policy's folder, in which the tool runs.
    pub folder: &'a Path,
    /// Below it the tool gets its own folder.
    pub out: &'a Path,
    /// The whole environment, secrets among it: the tool needs what its user has set.
    pub environment: &'a BTreeMap<String, String>,
    /// When it is killed.
    pub deadline: Instant,
    /// Kills it at once.
    pub cancel: &'a CancellationToken,
    /// Masks secrets in what it says.
    pub redactor: &'a Redactor,
}

/// Runs the tool to its end, and gives the folder of its results. What it said is beside it, in `<folder>.log`.
pub async fn run_tool(start: Start<'_>) -> Result<PathBuf, Problem> {
    let Start { spec, folder, out, environment, deadline, cancel, redactor } = start;
    let Some(harness) = spec.harness else {
        return Err(Problem::of_file("results", "there is no tool to start"));
    };
    let name = match harness {
        HarnessName::LmEval => "lm_eval",
        HarnessName::Promptfoo => "promptfoo",
    };
    let problem = |message: String| Problem::of_file(name, redactor.redact(&message));
    let unwritable = |error: std::io::Error| problem(format!("there is no folder for its results: {error}"));
    std::fs::create_dir_all(out).map_err(unwritable)?;
    let out = out.canonicalize().map_err(unwritable)?;
    let own = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(out).map_err(unwritable)?.keep();
    let command = command(spec, harness, name, folder, &own);
    let program = Program {
        command: &command,
        folder: if folder.as_os_str().is_empty() { Path::new(".") } else { folder },
        environment,
        input: Vec::new(),
        deadline,
        cancel,
    };
    tracing::info!("{name} is started; its results go to {}", own.display());
    let ended = process::run(program).await;
    let (said, outcome) = match ended {
        Ok(written) => {
            let output = String::from_utf8_lossy(&written.output).into_owned();
            (format!("{output}\n{}", written.errors.raw()), Ok(()))
        }
        Err(ProcessError::Failed { status, errors }) => {
            let failed = environment.get("PROMPTFOO_FAILED_TEST_EXIT_CODE").and_then(|code| code.trim().parse().ok());
            let tests = harness == HarnessName::Promptfoo && status.code() == Some(failed.unwrap_or(FAILED_TESTS));
            // Failed tests are results: what they are worth is the gate's to say.
            let outcome = if tests { Ok(()) } else { Err(format!("it ended with {status}: {}", errors.raw())) };
            (errors.into_raw(), outcome)
        }
        Err(ProcessError::Start(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            let help =
                format!("install it, or say where it is with `program:` of these results (looked for: {name} on PATH)");
            return Err(problem("the program is not there".to_owned()).help(help));
        }
        Err(error) => (error.to_string(), Err(error.to_string())),
    };
    // Without a log the results are worth the same.
    let _ = write_atomically(&own.with_extension("log"), redactor.redact(&said).as_bytes());
    outcome.map_err(|message| problem(message).help("what it has written is not judged"))?;
    let written = std::fs::read_dir(&own).map_err(unwritable)?.next();
    if written.is_none() {
        let help = format!("look into what it has said: {}", own.with_extension("log").display());
        return Err(problem("it ended, and has written no results".to_owned()).help(help));
    }
    Ok(own)
}

fn command(spec: &ResultsSpec, harness: HarnessName, name: &str, folder: &Path, own: &Path) -> Vec<String> {
    // A path is the policy's; a bare name is looked for on PATH.
    let program = match &spec.program {
        Some(program) if program.contains('/') => absolute(&folder.join(program)),
        Some(program) => program.clone(),
        None => name.to_owned(),
    };
    let shown = |path: &Path| path.display().to_string();
    let mut command = vec![program];
    match harness {
        HarnessName::LmEval => {
            command.extend(spec.args.iter().cloned());
            command.extend(["--tasks".to_owned(), spec.tasks.join(","), "--output_path".to_owned(), shown(own)]);
            command.push("--log_samples".to_owned());
        }
        HarnessName::Promptfoo => {
            let config = spec.config.as_deref().unwrap_or("promptfooconfig.yaml");
            let config = absolute(&folder.join(config));
            command.extend(["eval", "-c"].map(str::to_owned));
            command.extend([config, "-o".to_owned(), shown(&own.join("results.json"))]);
            command.extend(spec.args.iter().cloned());
        }
    }
    command
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
