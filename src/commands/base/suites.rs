//! What a pull request changes of its suites: a case that is gone, or of which less is expected, is no proof any more.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::Held;
use super::file::Base;
use crate::commands::CommandError;
use crate::document::Problem;
use crate::eval::suite::{self, Around, Form, OwnModel, Suite, cases_beside};
use crate::gate::{GatePolicy, OnSuiteChange, Reason, Verdict};
use crate::report::{ChangeKind, GateChange, Report};
use crate::trust::Digest;

/// Cases that a report names of each kind.
const NAMED: usize = 5;

/// All that a pull request changes of its own gate.
#[derive(Default)]
pub(crate) struct Changes {
    pub(super) changes: Vec<GateChange>,
    /// The policy's.
    pub(super) folder: PathBuf,
    /// Cases that prove less than before.
    pub(super) loosened: u64,
    /// Probes that the base does not ask, by suite and id.
    pub(crate) added: BTreeSet<(String, String)>,
}

/// What is held of one case: not its prompt, which may be the very thing under test.
#[derive(PartialEq)]
struct Kept {
    expected: Digest,
    scope: String,
    repeats: u32,
}

impl Changes {
    /// Compares every suite with the base's file of the same path; nothing outside of a pull request.
    pub(crate) async fn of(held: Held, suites: &[Suite], around: Around<'_>) -> Result<Self, CommandError> {
        let Held { loaded, changes, base, own: _ } = held;
        let mut all = Self { changes, folder: loaded.folder.clone(), ..Self::default() };
        let Some(base) = base else { return Ok(all) };
        let (folder, paths) = (&loaded.folder, &loaded.policy.suites);
        // What another tool has measured stands in no commit.
        for suite in suites.iter().filter(|suite| suite.form() != Form::Recorded) {
            let Some(path) = paths.iter().find(|path| folder.join(path) == Path::new(suite.listed_as())) else {
                all.note(suite.shown_path(), "a suite of the command line, which the base's policy does not name");
                all.own_models(suite, None)?;
                continue;
            };
            if suite.form() != Form::Own {
                all.hold_other(path, &base, suite, around).await?;
                continue;
            }
            let Some(text) = base.read(path).await? else {
                all.note(path, "a new suite");
                continue;
            };
            let copy = tempfile::tempdir().map_err(|error| CommandError::environment(&error))?;
            let name = Path::new(path).file_name().unwrap_or_default();
            put(&copy.path().join(name), &text)?;
            if let Some(beside) = cases_beside(path, &text) {
                let place = Path::new(path).with_file_name(&beside).display().to_string();
                if let Some(cases) = base.read(&place).await? {
                    put(&copy.path().join(beside), &cases)?;
                }
            }
            match Suite::load(&copy.path().join(name), path) {
                Ok(before) if before.digest() == suite.digest() => {}
                Ok(before) => all.compare(path, &before, suite)?,
                Err(_) => all.loosen(path, "the base's suite cannot be read, so nothing can be held against it", 1),
            }
        }
        Ok(all)
    }

    /// The suite of another tool, with all files that it may name.
    async fn hold_other(
        &mut self,
        path: &str,
        base: &Base,
        suite: &Suite,
        around: Around<'_>,
    ) -> Result<(), CommandError> {
        let copy = tempfile::tempdir().map_err(|error| CommandError::environment(&error))?;
        // A suite may be called after its folder.
        let here = if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder };
        let folder = here.canonicalize().ok();
        let folder = folder.as_deref().and_then(Path::file_name).unwrap_or("base".as_ref());
        let before = match base.copy_around(path, &copy.path().join(folder)).await? {
            Some(place) => suite::load(&place, path, around).ok(),
            None if base.read(path).await?.is_none() => {
                self.note(path, "a new suite");
                return self.own_models(suite, None);
            }
            None => None,
        };
        let before = before.and_then(|before| before.into_iter().find(|before| before.name() == suite.name()));
        self.own_models(suite, before.as_ref())?;
        match before {
            Some(before) if before.digest() == suite.digest() => Ok(()),
            Some(before) => self.compare(path, &before, suite),
            None => {
                self.loosen(path, "the base's suite cannot be read, so nothing can be held against it", 1);
                Ok(())
            }
        }
    }

    /// A suite's own models are asked with keys of the environment, or are commands: a pull request does not bring any.
    fn own_models(&self, suite: &Suite, before: Option<&Suite>) -> Result<(), CommandError> {
        let same = |key: &str, own: &OwnModel| {
            before.is_some_and(|before| before.models().get(key).is_some_and(|theirs| theirs.spec == own.spec))
        };
        let Some((_, own)) = suite.models().iter().find(|(key, own)| !same(key, own)) else { return Ok(()) };
        let text = "the pull request brings a model that the base's suite does not name: it could send keys to anybody";
        let help = "merge the model first, ask a model of the policy (`gate.model`), or say --policy-from head";
        Err(CommandError::Problems(vec![Problem::new(suite.shown_path(), own.spot, text).help(help)]))
    }

    pub(super) fn note(&mut self, place: &str, what: &str) {
        self.changes.push(GateChange { kind: ChangeKind::Other, place: place.into(), what: what.into() });
    }

    pub(super) fn loosen(&mut self, place: &str, what: &str, cases: u64) {
        self.loosened += cases;
        self.changes.push(GateChange { kind: ChangeKind::Loosened, place: place.into(), what: what.into() });
    }

    fn compare(&mut self, path: &str, before: &Suite, after: &Suite) -> Result<(), CommandError> {
        let (before, after) = (cases(before)?, cases(after)?);
        let gone: Vec<_> = before.keys().filter(|id| !after.contains_key(*id)).collect();
        let changed: Vec<_> = before
            .iter()
            .filter(|(id, (held, _))| after.get(*id).is_some_and(|(now, _)| now != held))
            .map(|(id, _)| id)
            .collect();
        let prompts =
            before.iter().filter(|(id, (_, prompt))| after.get(*id).is_some_and(|(_, now)| now != prompt)).count();
        let new = after.keys().filter(|id| !before.contains_key(*id)).count();
        if !gone.is_empty() {
            let count = gone.len() as u64;
            self.loosen(path, &format!("cases that are gone, {}", names(gone)), count);
        }
        if !changed.is_empty() {
            let count = changed.len() as u64;
            self.loosen(path, &format!("cases of which something else is expected, {}", names(changed)), count);
        }
        if prompts > 0 {
            self.note(path, &format!("{prompts} cases ask something else"));
        }
        if new > 0 {
            self.note(path, &format!("{new} new cases"));
        }
        Ok(())
    }

    /// Lists the changes, and keeps a pass back where the proof has changed with the thing that it is about.
    pub(crate) fn judge(self, gate: &GatePolicy, report: &mut Report) {
        report.gate_changes = self.changes;
        if self.loosened == 0 {
            return;
        }
        let text = format!(
            "the pull request takes away, or changes what is expected of, {} cases of its own suites: a reviewer has to look",
            self.loosened
        );
        let reason = Reason { verdict: Verdict::Inconclusive, metric: None, text };
        if gate.on_suite_change == OnSuiteChange::Review && report.verdict == Verdict::Pass {
            report.verdict = Verdict::Inconclusive;
            report.reasons.insert(0, reason);
        } else {
            report.reasons.push(reason);
        }
    }
}

/// How many there are, and the first of them.
pub(super) fn names(all: Vec<&String>) -> String {
    let more = if all.len() > NAMED { ", ..." } else { "" };
    let named: Vec<&str> = all.iter().take(NAMED).map(|name| name.as_str()).collect();
    format!("{}: {}{more}", all.len(), named.join(", "))
}

/// Writes a file of the base into a folder of our own.
pub(super) fn put(place: &Path, text: &[u8]) -> Result<(), CommandError> {
    let made = place.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::File::create(place))
        .and_then(|mut file| file.write_all(text))
        .map_err(|error| CommandError::environment(&error))
}

fn cases(suite: &Suite) -> Result<BTreeMap<String, (Kept, Digest)>, CommandError> {
    let mut all = BTreeMap::new();
    for (index, head) in suite.heads().iter().enumerate() {
        let case = suite.case(index).map_err(|problem| CommandError::Problems(vec![problem]))?;
        let scope = format!("{} {:?} {:?}", case.level.word(), case.tags, case.cluster);
        let held = Kept { expected: case.expected_digest, scope, repeats: head.repeats };
        all.insert(case.id.text().raw().to_owned(), (held, case.prompt_digest));
    }
    Ok(all)
}
