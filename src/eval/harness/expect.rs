//! What a policy expects of results that another tool has left, and whether a file fulfils it.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::value::name;
use crate::document::Problem;

/// What is expected. Whatever is not fulfilled is a problem, and never less to judge.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expect<'a> {
    /// Stands before the names of the suites.
    pub name: Option<&'a str>,
    /// Tasks that must be there, by the tool's own names.
    pub tasks: &'a [String],
    /// How many samples there must be in all.
    pub samples: Option<u64>,
    /// Whether a run over a part of its data (`--limit`) is accepted.
    pub allow_limit: bool,
    /// Results that are older are another run's.
    pub not_before: Option<SystemTime>,
}

/// File systems and tools cut times down to a second.
const BLUR: Duration = Duration::from_secs(2);

impl Expect<'_> {
    /// The name of a suite: the prefix alone where the tool's own name says nothing.
    pub(super) fn suite(&self, own: Option<&str>, fallback: &str) -> String {
        match (self.name, own) {
            (Some(prefix), Some(own)) => name(&format!("{prefix}.{own}")),
            (Some(prefix), None) => name(prefix),
            (None, Some(own)) => name(own),
            (None, None) => name(fallback),
        }
    }

    /// Whether a file, and the time that its tool has written into it, are of this run.
    pub(super) fn fresh(&self, path: &Path, shown: &str, own: Option<SystemTime>) -> Result<(), Problem> {
        let Some(bound) = self.not_before.and_then(|bound| bound.checked_sub(BLUR)) else { return Ok(()) };
        let written = std::fs::metadata(path).and_then(|metadata| metadata.modified());
        let written = written.map_err(|error| Problem::of_file(shown, format!("its time cannot be read: {error}")))?;
        if written >= bound && own.is_none_or(|own| own >= bound) {
            return Ok(());
        }
        let help = "results of an earlier run show nothing of this one: run the tool again into an empty folder";
        Err(Problem::of_file(shown, "the results are older than they may be").help(help))
    }
}

/// The time of a text such as `2026-11-23T19:39:07.278Z`.
pub(super) fn instant(text: &str) -> Option<SystemTime> {
    let parsed = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()?;
    Some(parsed.into())
}

/// Seconds since 1970.
pub(super) fn since_1970(seconds: f64) -> Option<SystemTime> {
    let past = Duration::try_from_secs_f64(seconds).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(past)
}
