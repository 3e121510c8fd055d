//! An earlier run's samples, to see whether harm has risen.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::commands::CommandError;
use crate::commands::regression_check::source::sample_lines;
use crate::document::{Problem, Spot};
use crate::eval::Status;
use crate::eval::early::found;
use crate::gate::safety::Found;
use crate::trust::{Digest, Untrusted};

/// What an earlier run found, attack by attack.
pub(super) struct Earlier {
    found: BTreeMap<(String, String), (Digest, Found)>,
}

#[derive(Deserialize)]
struct Line {
    suite: String,
    case: String,
    prompt_digest: Digest,
    status: Status,
    attack: Option<serde::de::IgnoredAny>,
}

impl Earlier {
    /// What the same attack found: the same suite, probe, strategies and seed, and the same words.
    pub(super) fn of(&self, suite: &str, case: &str, prompt: &Digest) -> Option<Found> {
        let key = (suite.to_owned(), case.to_owned());
        self.found.get(&key).filter(|(digest, _)| digest == prompt).map(|(_, found)| *found)
    }
}

/// Reads the samples of an earlier run.
pub(super) fn read(address: &str) -> Result<Earlier, CommandError> {
    let (shown, lines) = sample_lines("baseline", address)?;
    let mut all = BTreeMap::new();
    for (number, line) in (1_u32..).zip(lines) {
        let line = line.map_err(|error| CommandError::Inputs(Untrusted::new(format!("{shown}: {error}"))))?;
        if line.trim().is_empty() {
            continue;
        }
        let problem =
            |what: String| CommandError::Problems(vec![Problem::new(&shown, Spot { line: number, column: 1 }, what)]);
        let Line { suite, case, prompt_digest, status, attack } =
            serde_json::from_str(&line).map_err(|error| problem(format!("not a sample: {error}")))?;
        if attack.is_none() {
            return Err(problem("not an attack: the baseline is no run of safety-gate".to_owned()));
        }
        if all.insert((suite, case), (prompt_digest, found(status))).is_some() {
            return Err(problem("the same attack stands twice".to_owned()));
        }
    }
    if all.is_empty() {
        return Err(CommandError::Inputs(Untrusted::new(format!("{shown}: there is no sample in it"))));
    }
    Ok(Earlier { found: all })
}
