//! Puts a side together, sample by sample, in any order.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::side::{Case, CaseNumbers, Group, Kind, Named, Packed, Print, Side, key_hash};
use crate::eval::case::Level;
use crate::eval::run::{Names, Parts, Row};
use crate::trust::Digest;

/// What is wrong with a sample among the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Misfit {
    /// The line that it was given with.
    pub line: u32,
    /// What, in our words.
    pub what: &'static str,
}

/// What names one sample's case, and what the case was.
#[derive(Clone, Copy, Debug)]
pub struct CaseFacts<'a> {
    /// Suite, level and tags: from [`SideBuilder::group`].
    pub group: u32,
    /// The case's id.
    pub case: &'a str,
    /// Over the request without its seed.
    pub prompt: Print,
    /// Over the gold answer and the assertions.
    pub expected: Print,
}

/// A side under way.
pub struct SideBuilder {
    side: Side,
    clusters: BTreeMap<u64, u32>,
}

const TOO_MANY: &str = "more than four thousand million samples, or bytes of ids";

impl Default for SideBuilder {
    fn default() -> Self {
        let side = Side {
            cases: Vec::new(),
            rows: Vec::new(),
            named: Vec::new(),
            ids: String::new(),
            groups: Vec::new(),
            clusters: Vec::new(),
            names: Names::default(),
            digest: Digest::none(),
            samples: 0,
        };
        Self { side, clusters: BTreeMap::new() }
    }
}

impl SideBuilder {
    /// The number of a suite's name, a level and tags.
    pub fn group(&mut self, suite: &str, level: Level, tags: &[String]) -> u32 {
        let same = |group: &Group| &*group.suite == suite && group.level == level && *group.tags == *tags;
        let index = self.side.groups.iter().rposition(same).unwrap_or_else(|| {
            let known = self.side.groups.iter().find(|group| &*group.suite == suite);
            let suite = known.map_or_else(|| Arc::from(suite), |group| Arc::clone(&group.suite));
            self.side.groups.push(Group { suite, level, tags: tags.into() });
            self.side.groups.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// Adds one sample. `line` comes back where it does not fit to the others.
    pub fn add(&mut self, facts: &CaseFacts<'_>, repeat: u32, line: u32, row: &Row) -> Result<(), Misfit> {
        let full = |_| Misfit { line, what: TOO_MANY };
        let first = u32::try_from(self.side.rows.len()).map_err(full)?;
        let packed = self.packed(repeat, line, row).ok_or(Misfit { line, what: TOO_MANY })?;
        let last = self.side.cases.len().checked_sub(1).and_then(|last| self.side.case(last));
        // The repeats of a case mostly follow each other; those that do not are brought together at the end.
        let same = last.is_some_and(|last| {
            let case = last.case;
            case.group == facts.group
                && case.prompt == facts.prompt
                && case.expected == facts.expected
                && last.id() == facts.case
        });
        self.side.rows.push(packed);
        self.side.samples += 1;
        if same {
            self.side.cases.iter_mut().next_back().into_iter().for_each(|case| case.count += 1);
            return Ok(());
        }
        let suite = self.side.groups.get(facts.group as usize).map_or("", |group| &group.suite);
        let case = Case {
            hash: key_hash(suite, facts.case),
            prompt: facts.prompt,
            expected: facts.expected,
            id_start: u32::try_from(self.side.ids.len()).map_err(full)?,
            id_length: u32::try_from(facts.case.len()).map_err(full)?,
            first,
            count: 1,
            group: facts.group,
        };
        self.side.ids.push_str(facts.case);
        self.side.cases.push(case);
        Ok(())
    }

    fn packed(&mut self, repeat: u32, line: u32, row: &Row) -> Option<Packed> {
        let mut has = 0;
        let mut flag = |there: bool, flag: u8| has |= if there { flag } else { 0 };
        flag(row.score.is_some(), Packed::SCORE);
        flag(row.latency_ms.is_some(), Packed::LATENCY);
        flag(row.ttft_ms.is_some(), Packed::TTFT);
        flag(row.cost_usd.is_some(), Packed::COST);
        flag(row.cluster.is_some(), Packed::CLUSTER);
        #[expect(clippy::cast_possible_truncation, reason = "times and costs are shown with four digits")]
        let single = |value: Option<f64>| value.unwrap_or_default() as f32;
        let named_first = u32::try_from(self.side.named.len()).ok()?;
        self.side.named.extend(row.named.iter().map(|(number, value)| Named {
            value: value.unwrap_or_default(),
            number: *number,
            kind: if value.is_some() { Kind::Judged } else { Kind::Missing },
        }));
        for (number, Parts { aggregate, parts }) in &row.values {
            let each = |value: &f64| Named { value: *value, number: *number, kind: Kind::Part(*aggregate) };
            self.side.named.extend(parts.iter().map(each));
        }
        let next = u32::try_from(self.side.clusters.len()).ok()?;
        let cluster = match row.cluster {
            None => 0,
            Some(hash) => *self.clusters.entry(hash).or_insert_with(|| {
                self.side.clusters.push(hash);
                next
            }),
        };
        Some(Packed {
            score: row.score.unwrap_or_default(),
            latency_ms: single(row.latency_ms),
            ttft_ms: single(row.ttft_ms),
            cost_usd: single(row.cost_usd),
            cluster,
            repeat,
            line,
            named_first,
            named_count: u16::try_from(self.side.named.len() - named_first as usize).ok()?,
            status: row.status,
            has,
        })
    }

    /// Brings the samples of each case together, and refuses what is there twice.
    pub fn finish(mut self, names: Names, digest: Digest) -> Result<Side, Misfit> {
        self.side.names = names;
        self.side.digest = digest;
        let mut cases = std::mem::take(&mut self.side.cases);
        let side = &self.side;
        cases.sort_unstable_by(|one, two| order(side, one, two).then(one.first.cmp(&two.first)));
        let apart = |pair: &[Case]| matches!(pair, [one, two] if order(side, one, two).is_eq());
        if cases.windows(2).any(apart) {
            cases = self.joined(&cases)?;
        }
        self.side.cases = cases;
        for case in &self.side.cases {
            if case.count > 1 {
                once(&self.side, case)?;
            }
        }
        Ok(self.side)
    }

    /// The same cases, each once: their attempts are moved to stand together.
    fn joined(&mut self, cases: &[Case]) -> Result<Vec<Case>, Misfit> {
        let old = std::mem::take(&mut self.side.rows);
        let mut joined: Vec<Case> = Vec::with_capacity(cases.len());
        for case in cases {
            let attempts = old.get(case.first as usize..(case.first + case.count) as usize).unwrap_or_default();
            let first = u32::try_from(self.side.rows.len()).unwrap_or(u32::MAX);
            self.side.rows.extend_from_slice(attempts);
            match joined.last_mut().filter(|last| order(&self.side, last, case).is_eq()) {
                Some(last) if last.prompt == case.prompt && last.expected == case.expected => last.count += case.count,
                Some(_) => {
                    let line = attempts.first().map_or(1, |attempt| attempt.line);
                    let what = "the repeats of this case have not the same prompt and expected answer";
                    return Err(Misfit { line, what });
                }
                None => joined.push(Case { first, ..*case }),
            }
        }
        Ok(joined)
    }
}

fn order(side: &Side, one: &Case, two: &Case) -> Ordering {
    CaseNumbers { side, case: one }.order(CaseNumbers { side, case: two })
}

fn once(side: &Side, case: &Case) -> Result<(), Misfit> {
    let attempts = side.rows.get(case.first as usize..(case.first + case.count) as usize).unwrap_or_default();
    let mut repeats: Vec<(u32, u32)> = attempts.iter().map(|attempt| (attempt.repeat, attempt.line)).collect();
    repeats.sort_unstable();
    for pair in repeats.windows(2) {
        if let [(one, _), (two, line)] = pair
            && one == two
        {
            return Err(Misfit { line: *line, what: "this sample (suite, case and repeat) is there twice" });
        }
    }
    Ok(())
}
