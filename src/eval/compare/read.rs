//! Reads a side from a `samples.jsonl`: only the fields that a comparison needs, the texts are skipped unread.

use std::borrow::Cow;
use std::io::{BufRead, Read};

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::value::RawValue;

use super::build::{CaseFacts, Misfit, SideBuilder};
use super::side::{Print, Side};
use crate::eval::case::Level;
use crate::eval::run::{Names, Row, cluster_number};
use crate::eval::sample::{SampleValue, Status};
use crate::gate::{MetricName, Score};
use crate::trust::Hasher;

/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// What is wrong with a line of samples.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SideError {
    /// 1-based.
    pub line: u32,
    /// What, in our words.
    pub what: String,
}

impl From<Misfit> for SideError {
    fn from(Misfit { line, what }: Misfit) -> Self {
        Self { line, what: what.to_owned() }
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    suite: Cow<'a, str>,
    #[serde(borrow)]
    case: Cow<'a, str>,
    repeat: u32,
    level: Level,
    #[serde(borrow)]
    tags: &'a RawValue,
    #[serde(borrow, default)]
    cluster: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "print")]
    prompt_digest: Print,
    #[serde(deserialize_with = "print")]
    expected_digest: Print,
    status: Status,
    score: Option<Score>,
    assertions: Vec<Scored>,
    #[serde(default)]
    values: Vec<SampleValue>,
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

/// Takes a digest's text without a copy of it.
fn print<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Print, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = Print;
        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("a digest")
        }
        fn visit_str<E>(self, text: &str) -> Result<Print, E> {
            Ok(Print::of_text(text))
        }
    }
    deserializer.deserialize_str(Text)
}

impl Side {
    /// Reads all lines. A line that is no sample, or a sample that is there twice, is an error with its line.
    pub fn read(mut lines: impl BufRead) -> Result<Self, SideError> {
        let mut reader = Reader::default();
        let mut hasher = Hasher::new();
        let mut buffer = Vec::new();
        for number in 1_u32.. {
            let wrong = |what: &str| SideError { line: number, what: what.to_owned() };
            buffer.clear();
            let mut limited = lines.by_ref().take(LONGEST_LINE as u64 + 1);
            let read =
                limited.read_until(b'\n', &mut buffer).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
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
            let text = std::str::from_utf8(line).map_err(|error| wrong(&format!("not a sample: {error}")))?;
            let line: Line<'_> =
                serde_json::from_str(text).map_err(|error| wrong(&format!("not a sample: {error}")))?;
            reader.add(line, number)?;
        }
        if reader.samples == 0 {
            return Err(SideError { line: 1, what: "there is no sample in it".to_owned() });
        }
        Ok(reader.builder.finish(reader.names, hasher.finish())?)
    }
}

#[derive(Default)]
struct Reader {
    builder: SideBuilder,
    names: Names,
    samples: u64,
    last: Option<LastGroup>,
}

/// The suite, level and tags of the line before: mostly those of the next one as well.
struct LastGroup {
    suite: String,
    level: Level,
    tags: String,
    number: u32,
}

impl Reader {
    fn add(&mut self, line: Line<'_>, number: u32) -> Result<(), SideError> {
        let wrong = |what: String| SideError { line: number, what };
        let times = [line.latency_ms, line.ttft_ms, line.cost_usd];
        if times.into_iter().flatten().any(|value| !value.is_finite() || value < 0.0) {
            return Err(wrong("a time or cost is negative or no number".to_owned()));
        }
        // A sample of a metric of all samples together is neither right nor wrong, and has no score.
        let needs_score = match line.status {
            Status::Passed => line.values.is_empty(),
            Status::Failed => true,
            Status::Unscored | Status::Error => false,
        };
        if needs_score && line.score.is_none() {
            return Err(wrong("a sample that passed or failed has no score".to_owned()));
        }
        let group = self.group(&line).map_err(|error| wrong(format!("not a sample: tags: {error}")))?;
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
            named: self.names.means(line.assertions.iter().map(|row| (row.metric.as_ref(), row.score))),
            values: self.names.parts(line.values.iter()),
        };
        let facts = CaseFacts { group, case: &line.case, prompt: line.prompt_digest, expected: line.expected_digest };
        self.builder.add(&facts, line.repeat, number, &row)?;
        self.samples += 1;
        Ok(())
    }

    fn group(&mut self, line: &Line<'_>) -> Result<u32, serde_json::Error> {
        let same =
            |last: &&LastGroup| last.suite == line.suite && last.level == line.level && last.tags == line.tags.get();
        if let Some(last) = self.last.as_ref().filter(same) {
            return Ok(last.number);
        }
        let tags: Vec<String> = serde_json::from_str(line.tags.get())?;
        let number = self.builder.group(&line.suite, line.level, &tags);
        let (suite, tags) = (line.suite.clone().into_owned(), line.tags.get().to_owned());
        self.last = Some(LastGroup { suite, level: line.level, tags, number });
        Ok(number)
    }
}
