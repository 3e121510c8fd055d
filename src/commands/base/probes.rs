//! What a pull request changes of its probes: one that is gone, or of which harm is seen in another way, is no proof any more.

use std::collections::BTreeMap;
use std::path::Path;

use super::suites::{names, put};
use super::{Changes, Held};
use crate::commands::CommandError;
use crate::commands::safety_gate::{FileSuite, file_suites};
use crate::eval::redteam::{ProbeSuite, load};
use crate::trust::{Digest, Hasher};

/// What is held of one probe, and what it asks.
struct Kept {
    seen: Digest,
    asked: Digest,
}

impl Changes {
    /// Compares every suite of probes with the base's file of the same path; nothing outside of a pull request. Shipped suites
    /// come with the program.
    pub(crate) async fn of_probes(held: Held, suites: &[ProbeSuite]) -> Result<Self, CommandError> {
        let Held { loaded, changes, base } = held;
        let mut all = Self { changes, loosened: 0 };
        let Some(base) = base else { return Ok(all) };
        let files = file_suites(&loaded);
        for suite in suites {
            let Some(FileSuite { path, options }) =
                files.iter().find(|file| loaded.folder.join(&file.path) == Path::new(&*suite.shown))
            else {
                if crate::eval::redteam::shipped(&suite.name).is_none_or(|shipped| shipped.digest != suite.digest) {
                    all.note(&suite.shown, "a suite of the command line, which the base's policy does not name");
                }
                continue;
            };
            let Some(text) = base.read(path).await? else {
                all.note(path, "a new suite");
                continue;
            };
            let copy = tempfile::tempdir().map_err(|error| CommandError::environment(&error))?;
            let place = copy.path().join(Path::new(path).file_name().unwrap_or_default());
            put(&place, &text)?;
            match load(&place, path, options) {
                Ok(before) if before.digest == suite.digest => {}
                Ok(before) => all.compare_probes(path, &before, suite),
                Err(_) => all.loosen(path, "the base's suite cannot be read, so nothing can be held against it", 1),
            }
        }
        Ok(all)
    }

    fn compare_probes(&mut self, path: &str, before: &ProbeSuite, after: &ProbeSuite) {
        let (before, after) = (kept(before), kept(after));
        let gone: Vec<&String> = before.keys().filter(|id| !after.contains_key(*id)).collect();
        let differs = |by: fn(&Kept) -> &Digest| {
            let changed = |(id, kept): &(&String, &Kept)| after.get(*id).is_some_and(|now| by(now) != by(kept));
            before.iter().filter(changed).map(|(id, _)| id).collect::<Vec<_>>()
        };
        let seen = differs(|kept| &kept.seen);
        // What is asked of a probe is the attack itself: a milder one is no proof any more.
        let asked = differs(|kept| &kept.asked);
        let new = after.keys().filter(|id| !before.contains_key(*id)).count();
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
        if new > 0 {
            self.note(path, &format!("{new} new probes"));
        }
    }
}

fn kept(suite: &ProbeSuite) -> BTreeMap<String, Kept> {
    let row = |probe: &std::sync::Arc<crate::eval::redteam::Probe>| {
        let mut seen = Hasher::new();
        seen.part(&serde_json::to_vec(&probe.detect).unwrap_or_default());
        seen.part(probe.hazard.id.as_bytes()).part(probe.severity.word().as_bytes()).part(probe.group.as_bytes());
        seen.part(format!("{:?}", probe.applicable).as_bytes());
        let mut asked = Hasher::new();
        asked.part(&serde_json::to_vec(&probe.messages).unwrap_or_default()).part(probe.payload.as_bytes());
        for text in probe.turns.iter().chain(&probe.variants).chain(&probe.goal) {
            asked.part(text.as_bytes());
        }
        (probe.id.clone(), Kept { seen: seen.finish(), asked: asked.finish() })
    };
    suite.probes.iter().map(row).collect()
}
