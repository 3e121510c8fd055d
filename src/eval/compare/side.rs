//! One side of a comparison: the numbers of a `samples.jsonl`, case by case.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;

use serde::Deserialize;

use crate::eval::case::Level;
use crate::eval::run::{Names, Row, cluster_number};
use crate::eval::sample::Status;
use crate::gate::{MetricName, Score};
use crate::trust::{Digest, Hasher};

/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// What names a case in every run: the suite's name and the case's id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CaseKey {
    /// The suite's name.
    pub suite: Arc<str>,
    /// The case's id; untrusted text.
    pub case: Box<str>,
}

/// The numbers of one case's attempts.
#[derive(Clone, Debug)]
pub struct CaseNumbers {
    /// Over the request without its seed.
    pub prompt: Digest,
    /// Over the gold answer and the assertions.
    pub expected: Digest,
    /// The case's level.
    pub level: Level,
    /// The case's tags.
    pub tags: Vec<String>,
    /// The attempts, each with its number.
    pub rows: Vec<(u32, Row)>,
}

/// One side.
#[derive(Debug)]
pub struct Side {
    /// Every case.
    pub cases: BTreeMap<CaseKey, CaseNumbers>,
    /// The names of scores.
    pub names: Names,
    /// Over all lines.
    pub digest: Digest,
    /// Samples read.
    pub samples: u64,
}

/// What is wrong with a line of samples.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SideError {
    /// 1-based.
    pub line: u32,
    /// What, in our words.
    pub what: String,
}

/// The fields of a sample that a comparison needs; its texts are skipped unread.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    suite: Cow<'a, str>,
    #[serde(borrow)]
    case: Cow<'a, str>,
    repeat: u32,
    level: Level,
    tags: Vec<String>,
    #[serde(default)]
    cluster: Option<String>,
    prompt_digest: Digest,
    expected_digest: Digest,
    status: Status,
    score: Option<Score>,
    assertions: Vec<Scored>,
    #[serde(default)]
    latency_ms: Option<f64>,
    #[serde(default)]
    ttft_ms: Option<f64>,
    #[serde(default)]
    cost_usd: Option<f64>,
}

#[derive(Deserialize)]
struct Scored {
    #[serde(default)]
    metric: Option<MetricName>,
    score: Option<Score>,
}

impl Side {
    /// Reads all lines. A line that is no sample, or a sample that is there twice, is an error with its line.
    pub fn read(mut lines: impl BufRead) -> Result<Self, SideError> {
        let mut side = Side { cases: BTreeMap::new(), names: Names::default(), digest: Digest::of(b""), samples: 0 };
        let mut hasher = Hasher::new();
        let mut buffer = Vec::new();
        let mut suites: BTreeMap<String, Arc<str>> = BTreeMap::new();
        for number in 1_u32.. {
            let wrong = |what: &str| SideError { line: number, what: what.to_owned() };
            buffer.clear();
            let read =
                lines.read_until(b'\n', &mut buffer).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
            if read == 0 {
                break;
            }
            if buffer.len() > LONGEST_LINE {
                return Err(wrong("longer than 64 MiB"));
            }
            let line = buffer.trim_ascii();
            if line.is_empty() {
                continue;
            }
            hasher.part(line);
            let line: Line<'_> =
                serde_json::from_slice(line).map_err(|error| wrong(&format!("not a sample: {error}")))?;
            side.add(line, &mut suites).map_err(wrong)?;
        }
        if side.samples == 0 {
            return Err(SideError { line: 1, what: "there is no sample in it".to_owned() });
        }
        side.digest = hasher.finish();
        Ok(side)
    }

    fn add(&mut self, line: Line<'_>, suites: &mut BTreeMap<String, Arc<str>>) -> Result<(), &'static str> {
        let times = [line.latency_ms, line.ttft_ms, line.cost_usd];
        if times.into_iter().flatten().any(|value| !value.is_finite() || value < 0.0) {
            return Err("a time or cost is negative or no number");
        }
        if (line.status == Status::Passed || line.status == Status::Failed) && line.score.is_none() {
            return Err("a sample that passed or failed has no score");
        }
        let suite = match suites.get(line.suite.as_ref()) {
            Some(suite) => Arc::clone(suite),
            None => {
                let suite: Arc<str> = Arc::from(line.suite.as_ref());
                suites.insert(line.suite.to_string(), Arc::clone(&suite));
                suite
            }
        };
        let (prompt, expected, repeat) = (line.prompt_digest, line.expected_digest, line.repeat);
        let key = CaseKey { suite, case: line.case.as_ref().into() };
        let scores = line.assertions.iter().map(|row| (row.metric.as_ref(), row.score));
        let row = Row {
            slot: 0,
            status: line.status,
            score: line.score.map(Score::value),
            latency_ms: line.latency_ms,
            ttft_ms: line.ttft_ms,
            cost_usd: line.cost_usd,
            prompt_tokens: None,
            completion_tokens: None,
            cluster: line.cluster.as_deref().map(cluster_number),
            cached: false,
            named: self.names.means(scores),
        };
        let entry = self.cases.entry(key).or_insert_with(|| CaseNumbers {
            prompt: prompt.clone(),
            expected: expected.clone(),
            level: line.level,
            tags: line.tags,
            rows: Vec::with_capacity(1),
        });
        if entry.prompt != prompt || entry.expected != expected {
            return Err("the repeats of this case have not the same prompt and expected answer");
        }
        if entry.rows.iter().any(|(known, _)| *known == repeat) {
            return Err("this sample (suite, case and repeat) is there twice");
        }
        entry.rows.push((repeat, row));
        self.samples += 1;
        Ok(())
    }
}
