//! A kept baseline: `baseline.json` names the samples by their digest, so that a writer that is killed leaves the old one
//! whole.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::source::Found;
use crate::commands::{CommandError, Context};
use crate::gate::Verdict;
use crate::report::Report;
use crate::store::file::{AtomicFile, make_folder, write_atomically};
use crate::trust::{Digest, Untrusted};

/// The file that names all others.
pub(super) const KEPT: &str = "baseline.json";

/// `baseline.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// The version of this file: 1.
    pub version: u32,
    /// The file of samples beside it.
    pub samples: String,
    /// Over the samples.
    pub digest: Digest,
    /// The run's report, where it had one.
    pub report: Option<Report>,
    /// RFC 3339, UTC.
    pub kept_at: String,
    /// Why it was kept although it had not passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blessed: Option<Untrusted>,
}

/// Whether, and why, the candidate becomes the baseline.
pub(super) enum Keep<'a> {
    /// `--update-baseline`.
    AfterPass,
    /// `--bless REASON`.
    Blessed(&'a str),
}

/// Refuses before anything is done: where the baseline may not be written from here, or is no folder.
pub(super) fn allowed(keep: &Keep<'_>, baseline: &str, context: &Context) -> Result<PathBuf, CommandError> {
    let refuse = |text: &str| CommandError::Inputs(Untrusted::new(text));
    if let Keep::Blessed(reason) = keep
        && reason.trim().is_empty()
    {
        return Err(refuse("--bless: a baseline is blessed for a reason; give it in words"));
    }
    if baseline.starts_with("git:") || baseline.ends_with(".json") || baseline.ends_with(".jsonl") {
        return Err(refuse("a baseline is kept in a folder: give --baseline PATH or dir:PATH"));
    }
    let by_hand = context.host.is_local() && matches!(keep, Keep::Blessed(_));
    match context.host.on_default_branch() {
        _ if by_hand => {}
        Some(true) => {}
        Some(false) => {
            return Err(refuse("a baseline is written only from the default branch, never from a pull request"));
        }
        None => {
            return Err(refuse(
                "it is not known whether this is the default branch, so the baseline is not written; by hand, use --bless REASON",
            ));
        }
    }
    Ok(PathBuf::from(baseline.strip_prefix("dir:").unwrap_or(baseline)))
}

/// Writes the candidate as the baseline, and gives a line for the reader. Nothing of the old one is lost before all of the
/// new one is there.
pub(super) fn keep(
    keep: &Keep<'_>,
    folder: &Path,
    candidate: &Found,
    verdict: Verdict,
    context: &Context,
) -> Result<String, CommandError> {
    let blessed = match keep {
        Keep::AfterPass if verdict != Verdict::Pass => {
            return Ok("the baseline was left as it is: only a candidate that passed replaces it".to_owned());
        }
        Keep::AfterPass => None,
        Keep::Blessed(reason) => Some(Untrusted::new(*reason)),
    };
    let Some(samples) = &candidate.samples_file else {
        return Err(CommandError::Inputs(Untrusted::new(
            "a baseline is kept from files: give a folder of a run as --candidate",
        )));
    };
    let environment = |error: &dyn std::error::Error| CommandError::environment(error);
    make_folder(folder).map_err(|error| environment(&error))?;
    let name = format!("samples-{}.jsonl", candidate.digest.short());
    let mut source = std::fs::File::open(samples).map_err(|error| environment(&error))?;
    let mut copy = AtomicFile::create(&folder.join(&name)).map_err(|error| environment(&error))?;
    std::io::copy(&mut source, &mut copy).map_err(|error| environment(&error))?;
    copy.commit().map_err(|error| environment(&error))?;
    let kept = Kept {
        version: 1,
        samples: name,
        digest: candidate.digest.clone(),
        report: candidate.report.clone(),
        kept_at: (context.clock)(),
        blessed,
    };
    let text = serde_json::to_vec_pretty(&kept).map_err(|error| CommandError::Bug(error.to_string()))?;
    write_atomically(&folder.join(KEPT), &text).map_err(|error| environment(&error))?;
    Ok(format!("the candidate is the baseline now, in {}", folder.display()))
}
