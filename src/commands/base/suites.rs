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

/// What is said where the pull request chooses another model to judge.
pub(crate) const OTHER_MODEL: &str =
    "the pull request has another model judged than its base, or one of another provider: a reviewer has to look";
/// What is said of a suite of the base that is there and cannot be compared with.
const UNREADABLE: &str = "the base's suite cannot be read, so nothing can be held against it";
/// Cases that a report names of each kind.
const NAMED: usize = 5;

/// All that a pull request changes of its own gate.
#[derive(Default)]
pub(crate) struct Changes {
    pub(super) changes: Vec<GateChange>,
    /// The policy's.
    pub(super) folder: PathBuf,
    /// Whether another model is judged than the base would judge.
    pub(super) other_model: bool,
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
        let Held { loaded, changes, other_model, base, own: _ } = held;
        let mut all = Self { changes, other_model, folder: loaded.folder.clone(), ..Self::default() };
        let Some(base) = base else { return Ok(all) };
        let (folder, paths) = (&loaded.folder, &loaded.policy.suites);
        let mut others: BTreeMap<&String, Vec<&Suite>> = BTreeMap::new();
        // What another tool has measured stands in no commit.
        for suite in suites.iter().filter(|suite| suite.form() != Form::Recorded) {
            let Some(path) = paths.iter().find(|path| folder.join(path) == Path::new(suite.listed_as())) else {
                all.note(suite.shown_path(), "a suite of the command line, which the base's policy does not name");
                all.own_models(suite, None)?;
                continue;
            };
            match suite.form() {
                Form::Own => all.hold_own(path, &base, suite).await?,
                Form::Promptfoo | Form::Task | Form::Recorded => others.entry(path).or_default().push(suite),
            }
        }
        for (path, suites) in others {
            all.hold_others(path, &base, &suites, around).await?;
        }
        Ok(all)
    }

    /// A suite of our own form, with the file of its cases.
    async fn hold_own(&mut self, path: &str, base: &Base, suite: &Suite) -> Result<(), CommandError> {
        let Some(text) = base.read(path).await? else {
            self.note(path, "a new suite");
            return Ok(());
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
            Ok(before) if before.digest() == suite.digest() => Ok(()),
            Ok(before) => self.compare(path, &before, suite),
            Err(_) => {
                self.loosen(path, UNREADABLE, 1);
                Ok(())
            }
        }
    }

    /// The suites of one file of another tool, with all files that it may name: a group of tasks holds several.
    async fn hold_others(
        &mut self,
        path: &str,
        base: &Base,
        suites: &[&Suite],
        around: Around<'_>,
    ) -> Result<(), CommandError> {
        let copy = tempfile::tempdir().map_err(|error| CommandError::environment(&error))?;
        // A suite may be called after its folder.
        let here = if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder };
        let folder = here.canonicalize().ok();
        let folder = folder.as_deref().and_then(Path::file_name).unwrap_or("base".as_ref());
        let copied = copy.path().join(folder);
        let working = working_in(&copied, here);
        let around = Around { working: Some(&working), ..around };
        let before = match base.copy_around(path, &copied).await? {
            Some(place) => suite::load(&place, path, around).ok(),
            None if base.read(path).await?.is_none() => {
                self.note(path, "a new suite");
                return suites.iter().try_for_each(|suite| self.own_files(suite, None, base, copy.path()));
            }
            None => None,
        };
        // What the base reads of the checkout itself may be changed there.
        let apart = |before: &Vec<Suite>| before.iter().flat_map(Suite::data).all(|file| !base.holds(file));
        let Some(before) = before.filter(apart) else {
            self.loosen(path, UNREADABLE, 1);
            return suites.iter().try_for_each(|suite| self.own_files(suite, None, base, copy.path()));
        };
        let alone = before.len() == 1 && suites.len() == 1;
        for suite in suites {
            let same = before.iter().find(|before| alone || before.name() == suite.name());
            self.own_files(suite, same, base, copy.path())?;
            match same {
                Some(same) if same.digest() == suite.digest() => {}
                Some(same) => self.compare(path, same, suite)?,
                None => self.note(path, &format!("a new suite {}", suite.name())),
            }
        }
        for gone in before.iter().filter(|before| !alone && !suites.iter().any(|suite| suite.name() == before.name())) {
            let cases = gone.heads().len();
            self.loosen(path, &format!("the suite {} is gone, with {cases} cases", gone.name()), (cases as u64).max(1));
        }
        Ok(())
    }

    /// What a suite brings besides its cases: models, and data. Data outside of the checkout is the runner's own, such as its keys: a
    /// pull request reads none of it that its base does not read.
    fn own_files(&self, suite: &Suite, before: Option<&Suite>, base: &Base, copy: &Path) -> Result<(), CommandError> {
        self.own_models(suite, before)?;
        let known = |file: &PathBuf| before.is_some_and(|before| before.data().contains(file));
        let foreign = suite.data().iter().find(|file| !base.holds(file) && !file.starts_with(copy) && !known(file));
        let Some(file) = foreign else { return Ok(()) };
        let text = format!(
            "the pull request reads {}, which is no part of the checkout and nothing that the base's suite reads",
            file.display()
        );
        let help = "commit the data, merge the suite first, or say --policy-from head";
        Err(CommandError::Problems(vec![Problem::of_file(suite.shown_path(), text).help(help)]))
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
        if self.other_model {
            keep_back(OTHER_MODEL, gate, report);
        }
        if self.loosened > 0 {
            let text = format!(
                "the pull request takes away, or changes what is expected of, {} cases of its own suites: a reviewer has to look",
                self.loosened
            );
            keep_back(&text, gate, report);
        }
    }
}

/// A pass becomes inconclusive, unless the base's policy says that such a change is only listed; any other verdict stays.
pub(crate) fn keep_back(why: &str, gate: &GatePolicy, report: &mut Report) {
    let reason = Reason { verdict: Verdict::Inconclusive, metric: None, text: why.to_owned() };
    if gate.on_suite_change == OnSuiteChange::Review && report.verdict == Verdict::Pass {
        report.verdict = Verdict::Inconclusive;
        report.reasons.insert(0, reason);
    } else {
        report.reasons.push(reason);
    }
}

/// Where the process would run in a copy of the policy's folder `here`; a place where nothing is, unless it runs in there.
fn working_in(copy: &Path, here: &Path) -> PathBuf {
    let within = std::env::current_dir().ok().and_then(|now| {
        let real = here.canonicalize().ok()?;
        now.canonicalize().ok()?.strip_prefix(&real).map(Path::to_owned).ok()
    });
    within.map_or_else(|| copy.join(".nowhere"), |within| copy.join(within))
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
