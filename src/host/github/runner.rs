//! GitHub's runner: file commands, the job's summary, masks, and a log that commands cannot be smuggled into.
//! Sources: actions/toolkit `packages/core/src`, actions/runner `FileCommandManager.cs`, `ActionCommandManager.cs`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::publisher::Publisher;
use super::rights::Origin;
use crate::host::event;
use crate::host::{optional_path, print, warning};
use crate::report::HostInfo;
use crate::trust::{Secret, Untrusted};

/// The files and folders that the runner names.
pub(in crate::host) struct Paths {
    output: Option<PathBuf>,
    summary: Option<PathBuf>,
    workspace: PathBuf,
    state: Option<PathBuf>,
    default_branch: Option<bool>,
    origin: Origin,
}

impl Paths {
    /// Reads the variables, and what they say of the run.
    pub(in crate::host) fn read(variable: &dyn Fn(&str) -> Option<String>, info: &mut HostInfo) -> Self {
        let text = |name: &str| variable(name).filter(|value| !value.is_empty());
        let event = event::read(text("GITHUB_EVENT_PATH"));
        let branch = text("GITHUB_REF").and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned));
        // With `pull_request_target` the reference is the base branch, but what runs is the pull request's business.
        let default_branch =
            match (event.pull_request.is_some(), event.repository.and_then(|known| known.default_branch)) {
                (true, _) => Some(false),
                (false, Some(default)) => Some(branch.as_deref() == Some(default.as_str())),
                (false, None) => None,
            };
        let event = event.pull_request;
        let head = event.as_ref().map(|event| event.head.repo.as_ref().and_then(|repo| repo.full_name.as_deref()));
        let origin = match head {
            Some(name) if name != text("GITHUB_REPOSITORY").as_deref() => Origin::Fork,
            Some(_) | None => Origin::Own,
        };
        info.repository = text("GITHUB_REPOSITORY").map(Untrusted::from);
        info.commit =
            event.as_ref().map(|event| event.head.sha.clone()).or_else(|| text("GITHUB_SHA")).map(Untrusted::from);
        info.reference = event
            .as_ref()
            .map(|event| event.head.reference.clone())
            .or_else(|| text("GITHUB_REF_NAME"))
            .map(Untrusted::from);
        info.pull_request = event.map(|event| event.number);
        if let (Some(server), Some(repository), Some(run)) =
            (text("GITHUB_SERVER_URL"), text("GITHUB_REPOSITORY"), text("GITHUB_RUN_ID"))
        {
            info.run_url = Some(Untrusted::new(format!("{server}/{repository}/actions/runs/{run}")));
        }
        Self {
            output: optional_path(variable("GITHUB_OUTPUT")),
            summary: optional_path(variable("GITHUB_STEP_SUMMARY")),
            workspace: optional_path(variable("GITHUB_WORKSPACE")).unwrap_or_else(|| PathBuf::from(".")),
            state: optional_path(variable("GITHUB_STATE")),
            default_branch,
            origin,
        }
    }

    /// Whose pull request it is.
    pub(in crate::host) fn origin(&self) -> Origin {
        self.origin
    }

    /// Tells the step after the job that nothing is left for it to close.
    pub(in crate::host) fn settle(&self, publisher: &Publisher) -> Option<Untrusted> {
        // A check run is looked at before it is closed; a status cannot be, so its state is taken back.
        if publisher.is_settled() { self.save_state(super::post::STATUS, "") } else { None }
    }

    /// Leaves a value for the step after the job, which reads it as `STATE_<name>`.
    pub(in crate::host) fn save_state(&self, name: &str, value: &str) -> Option<Untrusted> {
        let path = self.state.as_ref()?;
        match entry(name, value) {
            Ok(text) => append(path, &text).err().map(|error| warning("the step's state", path, &error)),
            Err(why) => Some(Untrusted::new(format!("the step's state was not written: {why}"))),
        }
    }

    /// Whether the run is one of the default branch.
    pub(in crate::host) fn on_default_branch(&self) -> Option<bool> {
        self.default_branch
    }

    /// The checkout.
    pub(in crate::host) fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// Writes outputs and summary.
    pub(in crate::host) fn publish(&self, outputs: &[(&'static str, String)], markdown: &str) -> Vec<Untrusted> {
        let mut warnings = Vec::new();
        if let Some(path) = &self.output {
            let text: Result<String, &str> = outputs.iter().map(|(name, value)| entry(name, value)).collect();
            match text {
                Ok(text) => {
                    warnings.extend(append(path, &text).err().map(|error| warning("the outputs", path, &error)))
                }
                Err(why) => warnings.push(Untrusted::new(format!("an output was not written: {why}"))),
            }
        }
        if let (Some(path), false) = (&self.summary, markdown.is_empty()) {
            warnings.extend(append(path, markdown).err().map(|error| warning("the summary", path, &error)));
        }
        warnings
    }
}

/// `NAME<<DELIMITER`, the value, and the delimiter again. The delimiter is fresh and random for each value.
fn entry(name: &str, value: &str) -> Result<String, &'static str> {
    let delimiter = format!("llmci_{}", token()?);
    if value.contains(&delimiter) || name.contains(&delimiter) {
        return Err("it holds its own delimiter");
    }
    Ok(format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"))
}

fn append(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(text.as_bytes())
}

/// 128 random bits in hexadecimal digits.
pub(in crate::host) fn token() -> Result<String, &'static str> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| "the system gives no random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Masks secrets in the log. Short ones would blank harmless words of it.
pub(in crate::host) fn mask(secrets: &[Secret]) {
    for secret in secrets.iter().filter(|secret| secret.expose().chars().count() >= 8) {
        let data = secret.expose().replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        print(&format!("::add-mask::{data}\n"));
    }
}

/// Prints text between stop-commands and its token, so that the runner reads no command in it, whatever it holds.
pub(in crate::host) fn print_guarded(text: &str, print: fn(&str)) {
    match token() {
        Ok(token) => {
            let _guard = Guard::new(token, print);
            print(text);
        }
        // Without a token nothing can be guarded: the report is in its files.
        Err(_) => print("the report could not be printed safely: see report.md\n"),
    }
}

/// Resumes command processing when it goes, also in a panic. Both commands go the way of the text: the runner reads each
/// stream by itself.
struct Guard {
    token: String,
    print: fn(&str),
}

impl Guard {
    fn new(token: String, print: fn(&str)) -> Self {
        print(&format!("::stop-commands::{token}\n"));
        Self { token, print }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        (self.print)(&format!("::{}::\n", self.token));
    }
}
