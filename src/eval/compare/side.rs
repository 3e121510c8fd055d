//! One side of a comparison: the numbers of a run, case by case, in about a hundred bytes a sample, since two sides of a
//! million samples are held at once. Kept out: how they are read (`read`), and how they are put together (`build`).

use std::cmp::Ordering;
use std::sync::Arc;

use crate::eval::case::Level;
use crate::eval::run::{Names, cluster_number};
use crate::eval::sample::Status;
use crate::gate::Aggregate;
use crate::trust::Digest;

/// A digest folded to 96 bits: enough to tell two prompts apart, also where somebody would like them to look alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Print([u8; Self::LENGTH]);

impl Print {
    const LENGTH: usize = 12;

    /// The same of a digest.
    pub fn of(digest: &Digest) -> Self {
        Self::of_text(&digest.to_string())
    }

    /// The same of a digest's text; another text is hashed.
    pub(super) fn of_text(text: &str) -> Self {
        let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64);
        hex.and_then(|hex| Self::of_hex(hex.as_bytes())).unwrap_or_else(|| {
            let hashed = Digest::of(text.as_bytes());
            Self::of_hex(hashed.hex().as_bytes()).unwrap_or(Self([0; Self::LENGTH]))
        })
    }

    /// None where a digit is no lower-case hexadecimal one. Two million of these are read a run: no branch for each digit.
    fn of_hex(hex: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::LENGTH];
        let mut seen = 0;
        for piece in hex.chunks(2 * Self::LENGTH) {
            for (byte, pair) in bytes.iter_mut().zip(piece.chunks_exact(2)) {
                let [high, low] = pair else { return None };
                let (high, low) = (NIBBLES[usize::from(*high)], NIBBLES[usize::from(*low)]);
                seen |= high | low;
                *byte ^= (high << 4) | low;
            }
        }
        (seen < 16).then_some(Self(bytes))
    }
}

/// The value of each hexadecimal digit, and 255 for every other byte.
const NIBBLES: [u8; 256] = {
    let mut values = [255; 256];
    let digits = *b"0123456789abcdef";
    let mut value = 0;
    while value < 16 {
        values[digits[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// What names a case in every run: the suite's name and the case's id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CaseKey {
    /// The suite's name.
    pub suite: Arc<str>,
    /// The case's id; untrusted text.
    pub case: Box<str>,
}

/// What many cases share.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Group {
    pub suite: Arc<str>,
    pub level: Level,
    pub tags: Arc<[String]>,
}

/// One case, packed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub hash: u64,
    pub prompt: Print,
    pub expected: Print,
    pub id_start: u32,
    pub id_length: u32,
    pub first: u32,
    pub count: u32,
    pub group: u32,
}

/// One attempt, packed: times and costs in single precision, of which a comparison shows four digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed {
    pub score: f64,
    pub latency_ms: f32,
    pub ttft_ms: f32,
    pub cost_usd: f32,
    pub cluster: u32,
    pub repeat: u32,
    pub line: u32,
    pub named_first: u32,
    pub named_count: u16,
    pub status: Status,
    pub has: u8,
}

impl Packed {
    pub(super) const SCORE: u8 = 1;
    pub(super) const LATENCY: u8 = 2;
    pub(super) const TTFT: u8 = 4;
    pub(super) const COST: u8 = 8;
    pub(super) const CLUSTER: u8 = 16;
}

/// One named score of one attempt, or one of its numbers for a metric of all samples together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub value: f64,
    pub number: u16,
    pub kind: Kind,
}

/// What a number is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The score.
    Judged,
    /// Nothing: the score is missing.
    Missing,
    /// One of the numbers that make the part of a metric; the others stand beside it.
    Part(Aggregate),
}

/// One side.
#[derive(Debug)]
pub struct Side {
    /// In the order of their hashes, so that two sides are paired in one pass.
    pub(super) cases: Vec<Case>,
    pub(super) rows: Vec<Packed>,
    pub(super) named: Vec<Named>,
    pub(super) ids: String,
    pub(super) groups: Vec<Group>,
    pub(super) clusters: Vec<u64>,
    /// The names of scores.
    pub names: Names,
    /// Over all lines.
    pub digest: Digest,
    /// Samples read.
    pub samples: u64,
}

/// The numbers of one case's attempts.
#[derive(Clone, Copy, Debug)]
pub struct CaseNumbers<'a> {
    pub(super) side: &'a Side,
    pub(super) case: &'a Case,
}

/// The numbers of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    side: &'a Side,
    row: &'a Packed,
}

impl Side {
    /// Cases.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Every case, in an order that depends on suite and id only.
    pub fn cases(&self) -> impl Iterator<Item = CaseNumbers<'_>> {
        self.cases.iter().map(|case| CaseNumbers { side: self, case })
    }

    /// The case of a key.
    pub fn find(&self, key: &CaseKey) -> Option<CaseNumbers<'_>> {
        let hash = key_hash(&key.suite, &key.case);
        let order = |case: &Case| {
            let known = CaseNumbers { side: self, case };
            (case.hash, known.suite(), known.id()).cmp(&(hash, &key.suite, &key.case))
        };
        let index = self.cases.binary_search_by(order).ok()?;
        self.case(index)
    }

    pub(super) fn case(&self, index: usize) -> Option<CaseNumbers<'_>> {
        self.cases.get(index).map(|case| CaseNumbers { side: self, case })
    }
}

/// The place of a case in a side. The two parts are hashed apart, so that they do not run into each other.
pub(super) fn key_hash(suite: &str, case: &str) -> u64 {
    cluster_number(suite).rotate_left(1) ^ cluster_number(case)
}

impl<'a> CaseNumbers<'a> {
    /// Over the request without its seed.
    pub fn prompt(self) -> Print {
        self.case.prompt
    }

    /// Over the gold answer and the assertions.
    pub fn expected(self) -> Print {
        self.case.expected
    }

    /// The suite's name.
    pub fn suite(self) -> &'a str {
        self.group().map_or("", |group| &group.suite)
    }

    /// The case's id; untrusted text.
    pub fn id(self) -> &'a str {
        let start = self.case.id_start as usize;
        self.side.ids.get(start..start + self.case.id_length as usize).unwrap_or_default()
    }

    /// The case's level.
    pub fn level(self) -> Option<Level> {
        self.group().map(|group| group.level)
    }

    /// The case's tags.
    pub fn tags(self) -> &'a [String] {
        self.group().map_or(&[], |group| &group.tags)
    }

    /// The attempts.
    pub fn attempts(self) -> impl ExactSizeIterator<Item = Attempt<'a>> + Clone {
        let first = self.case.first as usize;
        let rows = self.side.rows.get(first..first + self.case.count as usize).unwrap_or_default();
        let side = self.side;
        rows.iter().map(move |row| Attempt { side, row })
    }

    fn group(self) -> Option<&'a Group> {
        self.side.groups.get(self.case.group as usize)
    }

    /// The order in which a side holds its cases.
    pub(super) fn order(self, other: CaseNumbers<'_>) -> Ordering {
        let apart = || self.suite().cmp(other.suite()).then_with(|| self.id().cmp(other.id()));
        self.case.hash.cmp(&other.case.hash).then_with(apart)
    }
}

impl<'a> Attempt<'a> {
    /// 0-based.
    pub fn repeat(self) -> u32 {
        self.row.repeat
    }

    /// How it ended.
    pub fn status(self) -> Status {
        self.row.status
    }

    /// Weighted mean of its assertions.
    pub fn score(self) -> Option<f64> {
        self.has(Packed::SCORE).then_some(self.row.score)
    }

    /// Milliseconds.
    pub fn latency_ms(self) -> Option<f64> {
        self.has(Packed::LATENCY).then(|| f64::from(self.row.latency_ms))
    }

    /// Milliseconds to the first token.
    pub fn ttft_ms(self) -> Option<f64> {
        self.has(Packed::TTFT).then(|| f64::from(self.row.ttft_ms))
    }

    /// USD.
    pub fn cost_usd(self) -> Option<f64> {
        self.has(Packed::COST).then(|| f64::from(self.row.cost_usd))
    }

    /// The cluster's name, hashed.
    pub fn cluster(self) -> Option<u64> {
        let known = || self.side.clusters.get(self.row.cluster as usize).copied();
        self.has(Packed::CLUSTER).then(known).flatten()
    }

    /// The named score of that number: absent, unscored, or its value.
    pub fn named(self, number: u16) -> Option<Option<f64>> {
        let found = self.all().find(|named| named.number == number && !matches!(named.kind, Kind::Part(_)))?;
        Some((found.kind == Kind::Judged).then_some(found.value))
    }

    /// The attempt's part of the metric of that number, and how the parts of all become its value.
    pub fn part(self, number: u16) -> Option<(Aggregate, Vec<f64>)> {
        let part = |named: &Named| match named.kind {
            Kind::Part(aggregate) if named.number == number => Some((aggregate, named.value)),
            Kind::Part(_) | Kind::Judged | Kind::Missing => None,
        };
        let (aggregate, _) = self.all().find_map(part)?;
        Some((aggregate, self.all().filter_map(part).map(|(_, value)| value).collect()))
    }

    /// Whether another tool has counted or summed up something in it: then it stands for all samples of a task.
    pub(super) fn is_of_aggregates(self) -> bool {
        self.all().any(|named| matches!(named.kind, Kind::Part(Aggregate::Counted | Aggregate::Recorded)))
    }

    fn all(self) -> impl Iterator<Item = &'a Named> {
        let first = self.row.named_first as usize;
        self.side.named.get(first..first + usize::from(self.row.named_count)).unwrap_or_default().iter()
    }

    fn has(self, what: u8) -> bool {
        self.row.has & what != 0
    }
}
