//! What a pull request changes of its probes: one that is gone, that asks something else, or of which harm is seen in another way, is
//! no proof any more; one that is new proves nothing of the others.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::suites::{names, put};
use super::{Changes, Held};
use crate::commands::CommandError;
use crate::commands::safety_gate::{FileSuite, default_options, file_suites, looked_at, selected};
use crate::eval::policy::LoadedPolicy;
use crate::eval::redteam::{Probe, ProbeSuite, load, shipped};
use crate::trust::{Digest, Hasher};

/// What is held of one probe, and what it asks.
struct Kept {
    seen: Digest,
    asked: Digest,
}

impl Changes {
    /// Compares every suite of probes with the base's file of the same path; nothing outside of a pull request. Shipped suites
    /// come with the program. `given` are the suites of the command line.
    pub(crate) async fn of_probes(held: Held, suites: &[ProbeSuite], given: &[String]) -> Result<Self, CommandError> {
        let Held { loaded, changes, other_model, base, own } = held;
        let mut all = Self { changes, other_model, ..Self::default() };
        let Some(base) = base else { return Ok(all) };
        let files = file_suites(&loaded);
        let now = selected(&loaded.policy.safety, given);
        let before = own.as_ref().map_or_else(|| now.clone(), |own| selected(own, given));
        let is_new = |at: usize| now.get(at).is_some_and(|(suite, _)| before.iter().all(|(known, _)| known != suite));
        for (at, suite) in suites.iter().enumerate() {
            if is_new(at) {
                // The guard has listed it.
                all.add(suite, suite.probes.iter().map(|probe| probe.id.clone()));
                continue;
            }
            if shipped(&suite.name).is_some_and(|shipped| shipped.digest == suite.digest) {
                continue;
            }
            let named = files.iter().find(|file| loaded.folder.join(&file.path) == Path::new(&*suite.shown));
            let file = named.cloned().or_else(|| {
                let path = beside(&loaded.folder, Path::new(&*suite.shown))?;
                Some(FileSuite { path, options: default_options(&loaded) })
            });
            let text = match &file {
                Some(file) => base.read(&file.path).await?,
                None => None,
            };
            match (file, text) {
                (Some(file), Some(text)) => all.compare_file(&file, &text, suite, &loaded)?,
                // What is no part of the repository, such as a public set on the runner's disk, is the workflow's.
                (Some(file), None) if base.is_brought(&file.path)? => {
                    all.note(&file.path, "a new suite");
                    all.add(suite, suite.probes.iter().map(|probe| probe.id.clone()));
                }
                (Some(_) | None, _) => {
                    all.note(&suite.shown, "a suite that the base does not have, and no part of the repository")
                }
            }
        }
        if own.is_none() {
            // All of it is new, and listed so: there is nothing to hold it against.
            all.added.clear();
        }
        Ok(all)
    }

    fn add(&mut self, suite: &ProbeSuite, ids: impl Iterator<Item = String>) {
        self.added.extend(ids.map(|id| (suite.name.to_string(), id)));
    }

    fn compare_file(
        &mut self,
        file: &FileSuite,
        text: &[u8],
        suite: &ProbeSuite,
        loaded: &LoadedPolicy,
    ) -> Result<(), CommandError> {
        let FileSuite { path, options } = file;
        let copy = tempfile::tempdir().map_err(|error| CommandError::environment(&error))?;
        let place = copy.path().join(Path::new(path).file_name().unwrap_or_default());
        put(&place, text)?;
        match load(&place, path, options) {
            Ok(before) if before.digest == suite.digest => {}
            Ok(mut before) => {
                // Both as they are judged.
                looked_at(&mut before, &loaded.policy.safety.detect);
                self.compare_probes(path, &before, suite);
            }
            Err(_) => self.loosen(path, "the base's suite cannot be read, so nothing can be held against it", 1),
        }
        Ok(())
    }

    fn compare_probes(&mut self, path: &str, before: &ProbeSuite, suite: &ProbeSuite) {
        if before.name != suite.name {
            // Another name draws other attacks with other seeds.
            self.loosen(path, "the suite has another name", 1);
        }
        let (before, after) = (kept(before), kept(suite));
        let gone: Vec<&String> = before.keys().filter(|id| !after.contains_key(*id)).collect();
        let differs = |by: fn(&Kept) -> &Digest| {
            let changed = |(id, kept): &(&String, &Kept)| after.get(*id).is_some_and(|now| by(now) != by(kept));
            before.iter().filter(changed).map(|(id, _)| id).collect::<Vec<_>>()
        };
        let seen = differs(|kept| &kept.seen);
        // What is asked of a probe is the attack itself: a milder one is no proof any more.
        let asked = differs(|kept| &kept.asked);
        for (what, found) in [
            ("probes that are gone", gone),
            ("probes whose harm is seen in another way", seen),
            ("probes that ask something else", asked),
        ] {
            if !found.is_empty() {
                let count = found.len() as u64;
                self.loosen(path, &format!("{what}, {}", names(found)), count);
            }
        }
        let new: Vec<String> = after.into_keys().filter(|id| !before.contains_key(id)).collect();
        if !new.is_empty() {
            self.note(path, &format!("{} new probes", new.len()));
            self.add(suite, new.into_iter());
        }
    }
}

/// The path of a file of the command line, relative to the policy's folder.
fn beside(folder: &Path, path: &Path) -> Option<String> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let (folder, path) = (folder.canonicalize().ok()?, path.canonicalize().ok()?);
    let (from, to): (Vec<_>, Vec<_>) = (folder.components().collect(), path.components().collect());
    let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = from.iter().skip(common).map(|_| "..".to_owned());
    let down = to.iter().skip(common).map(|part| part.as_os_str().to_string_lossy().into_owned());
    Some(up.chain(down).collect::<Vec<_>>().join("/"))
}

fn kept(suite: &ProbeSuite) -> BTreeMap<String, Kept> {
    suite.probes.iter().map(|probe| (probe.id.clone(), kept_of(probe))).collect()
}

fn kept_of(probe: &Arc<Probe>) -> Kept {
    let Probe {
        id: _,
        hazard,
        severity,
        locale: _,
        messages,
        payload,
        turns,
        variants,
        detect,
        evidence: _,
        applicable,
        max_tokens,
        goal,
        example_of_harm: _,
        group,
        place: _,
    } = &**probe;
    let digest = |parts: serde_json::Result<Vec<u8>>| {
        let mut hasher = Hasher::new();
        // Texts and lists can always be written.
        hasher.part(&parts.unwrap_or_default());
        hasher.finish()
    };
    let applicable = format!("{applicable:?}");
    Kept {
        seen: digest(serde_json::to_vec(&(detect, hazard.id, severity.word(), group, applicable))),
        // A short answer has no room for harm.
        asked: digest(serde_json::to_vec(&(messages, payload, turns, variants, goal, max_tokens))),
    }
}
