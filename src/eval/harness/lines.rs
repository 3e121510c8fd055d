//! Files of other tools, read in pieces and within limits: which form they have, their lines, their digest.
//! Kept out: what a line means (`garak`, `promptfoo`).

use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::mended::Mended;
use crate::document::{Problem, Spot};
use crate::eval::input;
use crate::trust::{Digest, Hasher};

/// The largest file.
pub(super) const LARGEST: u64 = 1024 * 1024 * 1024;
/// The longest line.
pub(super) const LONGEST_LINE: u64 = 16 * 1024 * 1024;
/// The largest document that is held whole: aggregates, and a log whose samples are large texts.
pub(super) const LARGEST_HELD: u64 = 256 * 1024 * 1024;

/// The forms that are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// `report.jsonl` of garak.
    Garak,
    /// One row of promptfoo's results a line.
    PromptfooRows,
    /// A whole results file of promptfoo.
    Promptfoo,
    /// lm-eval's aggregates, `results_*.json`.
    LmEval,
    /// lm-eval's samples of one task, `samples_*.jsonl`.
    LmEvalSamples,
    /// Inspect's log as a zip.
    InspectZip,
    /// Inspect's log as JSON.
    Inspect,
    /// A test run of deepeval.
    Deepeval,
    /// The events of a run of OpenAI evals.
    OpenaiEvals,
}

/// The form of a file, by the keys of its first object. Its name says nothing.
pub(super) fn form(path: &Path, shown: &str) -> Result<Form, Problem> {
    let mut file = open(path, shown)?;
    let mut head = Vec::new();
    (&mut file).take(4).read_to_end(&mut head).map_err(|error| unreadable(shown, &error))?;
    if head == b"PK\x03\x04" || head == b"PK\x05\x06" {
        return Ok(Form::InspectZip);
    }
    let head = if head.starts_with(b"\xef\xbb\xbf") { head.split_off(3) } else { head };
    let empty = head.is_empty();
    let whole = Mended::new(BufReader::new(std::io::Cursor::new(head).chain(file)));
    let mut keys = Vec::new();
    // A file may break off: the keys up to there are what is wanted.
    let _ = serde_json::Deserializer::from_reader(whole).deserialize_any(Keys(&mut keys));
    let has = |wanted: &[&str]| keys.iter().any(|key| wanted.contains(&key.as_str()));
    let all = |wanted: &[&str]| wanted.iter().all(|key| keys.iter().any(|one| one == key));
    if has(&["entry_type"]) {
        Ok(Form::Garak)
    } else if has(&["gradingResult", "testCase", "promptIdx", "failureReason"]) {
        Ok(Form::PromptfooRows)
    } else if all(&["doc_id", "resps"]) || all(&["doc_id", "doc", "target"]) {
        Ok(Form::LmEvalSamples)
    } else if all(&["status", "eval"]) {
        Ok(Form::Inspect)
    } else if has(&["testRunData", "testRunLink", "testCases", "conversationalTestCases", "metricsScores"]) {
        Ok(Form::Deepeval)
    } else if has(&["spec", "final_report"]) || all(&["run_id", "event_id"]) {
        Ok(Form::OpenaiEvals)
    } else if has(&["results"]) && has(&["versions", "n-shot", "higher_is_better", "lm_eval_version", "configs"]) {
        Ok(Form::LmEval)
    } else if has(&["evalId", "results", "config"]) {
        Ok(Form::Promptfoo)
    } else {
        let what = if empty { "the file is empty" } else { "results of no tool that is known" };
        let help = "known are the JSON and JSONL of promptfoo (`-o results.json`, not its csv, yaml, html or xml), lm-eval's \
                    `results_*.json`, Inspect's `.eval` and `.json`, deepeval's test run, garak's `report.jsonl`, and the log of OpenAI evals";
        Err(Problem::of_file(shown, what).help(help))
    }
}

struct Keys<'a>(&'a mut Vec<String>);

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(key) = entries.next_key::<String>()? {
            self.0.push(key);
            entries.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

fn unreadable(shown: &str, error: &std::io::Error) -> Problem {
    Problem::of_file(shown, format!("the results cannot be read: {error}"))
}

fn too_large(shown: &str) -> Problem {
    Problem::of_file(shown, "larger than 1 GiB").help("split the run of the tool, and give the parts one by one")
}

/// A regular file within the limit.
pub(super) fn open(path: &Path, shown: &str) -> Result<File, Problem> {
    let file = input::open(path).map_err(|error| unreadable(shown, &error))?;
    let metadata = file.metadata().map_err(|error| unreadable(shown, &error))?;
    if !metadata.is_file() {
        return Err(Problem::of_file(shown, "the results cannot be read: not a regular file"));
    }
    if metadata.len() > LARGEST { Err(too_large(shown)) } else { Ok(file) }
}

/// The lines of a file, one at a time.
pub(super) struct Lines<'a> {
    reader: BufReader<File>,
    shown: &'a str,
    hasher: Hasher,
    line: u32,
    read: u64,
}

impl<'a> Lines<'a> {
    /// Opens a file; `shown` is what the user calls it.
    pub(super) fn open(path: &Path, shown: &'a str) -> Result<Self, Problem> {
        let reader = BufReader::new(open(path, shown)?);
        Ok(Self { reader, shown, hasher: Hasher::new(), line: 0, read: 0 })
    }

    /// The next line that is not blank, with its number.
    pub(super) fn next(&mut self) -> Result<Option<(u32, String)>, Problem> {
        loop {
            let mut bytes = Vec::new();
            let mut limited = (&mut self.reader).take(LONGEST_LINE + 1);
            limited.read_until(b'\n', &mut bytes).map_err(|error| unreadable(self.shown, &error))?;
            if bytes.is_empty() {
                return Ok(None);
            }
            self.line = self.line.saturating_add(1);
            self.read += bytes.len() as u64;
            self.hasher.raw(&bytes);
            let spot = Spot { line: self.line, column: 1 };
            if bytes.len() as u64 > LONGEST_LINE {
                return Err(Problem::new(self.shown, spot, "a line longer than 16 MiB"));
            }
            // The file may grow while it is read.
            if self.read > LARGEST {
                return Err(too_large(self.shown));
            }
            let text = String::from_utf8(bytes).map_err(|_| Problem::new(self.shown, spot, "not UTF-8"))?;
            let text = if self.line == 1 { text.trim_start_matches('\u{feff}') } else { &text };
            if !text.trim().is_empty() {
                return Ok(Some((self.line, text.to_owned())));
            }
        }
    }

    /// The digest of all that was read.
    pub(super) fn digest(self) -> Digest {
        self.hasher.finish()
    }
}

/// A file that is read as one document: it is hashed in large pieces, and its lines are counted as they pass.
pub(super) struct Counted {
    reader: Mended<std::io::Take<BufReader<Hashing>>>,
    line: Rc<Cell<u32>>,
}

struct Hashing {
    file: File,
    hasher: Hasher,
}

impl Counted {
    /// Opens a file. The cell holds the line that the reader has come to, 1-based.
    pub(super) fn open(path: &Path, shown: &str) -> Result<(Self, Rc<Cell<u32>>), Problem> {
        let mut reader = BufReader::new(Hashing { file: open(path, shown)?, hasher: Hasher::new() });
        let beginning = reader.fill_buf().map_err(|error| unreadable(shown, &error))?;
        if beginning.starts_with(b"\xef\xbb\xbf") {
            reader.consume(3);
        }
        let line = Rc::new(Cell::new(1));
        // What grows beyond the limit while it is read ends there, which is no JSON.
        Ok((Self { reader: Mended::new(reader.take(LARGEST)), line: Rc::clone(&line) }, line))
    }

    /// No more than this is read: what is longer ends there, which is no JSON.
    fn up_to(mut self, most: u64) -> Self {
        self.reader.inner_mut().set_limit(most);
        self
    }

    /// The digest of the file, once it was read to its end.
    pub(super) fn digest(self) -> Digest {
        self.reader.into_inner().into_inner().into_inner().hasher.finish()
    }
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hasher.raw(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let breaks = buffer.get(..count).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
        self.line.set(self.line.get().saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX)));
        Ok(count)
    }
}

/// A whole document that is held, with its digest.
pub(super) fn held(path: &Path, shown: &str) -> Result<(Value, Digest), Problem> {
    let (counted, _) = Counted::open(path, shown)?;
    let mut counted = counted.up_to(LARGEST_HELD);
    let mut deserializer = serde_json::Deserializer::from_reader(&mut counted);
    let value = Value::deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    let value = value.map_err(|error| broken(shown, &error))?;
    Ok((value, counted.digest()))
}

/// What a reader of JSON says, as a problem with its place.
pub(super) fn broken(shown: &str, error: &serde_json::Error) -> Problem {
    let spot = Spot {
        line: u32::try_from(error.line().max(1)).unwrap_or(u32::MAX),
        column: u32::try_from(error.column().max(1)).unwrap_or(u32::MAX),
    };
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or("not JSON");
    Problem::new(shown, spot, format!("not readable: {what}"))
        .help("the file is damaged or cut off: make the results again")
}
