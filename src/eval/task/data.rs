//! A task's rows from local files: JSON, JSON lines, CSV, Parquet, text. Rows are held once, within a bound, and shared by cases and
//! examples. Source: Hugging Face `datasets` 4, its builders `json`, `csv`, `parquet` and `text`, as lm-eval 0.4.13 calls them.
//! Kept out: the network; a name of the hub is refused.

mod csv;
mod parquet;
mod unify;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::file::{Entry, texts};
use crate::document::Problem;
use crate::eval::input;
use crate::trust::Hasher;

/// Bytes of one task's files, in all.
const MOST_BYTES: u64 = 1 << 30;
/// Rows of one split.
const MOST_ROWS: usize = 2_000_000;
/// Files of one split.
const MOST_FILES: usize = 1_000;
/// Fields that rows lack and others have, in all.
const MOST_LACKING: usize = 20_000_000;
/// Bytes of the texts of a file that is packed, unpacked.
const MOST_TEXT: usize = 2 << 30;
/// The split of files that have no other.
const ONLY: &str = "train";

/// A row.
pub(super) type Row = Map<String, Value>;

/// A form of local files, by its word in `dataset_path`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Builder {
    Json,
    Csv,
    Parquet,
    Text,
}

/// The rows of a split.
#[derive(Clone, Debug)]
pub(super) struct Split {
    /// All columns, in their order: also those that a row has only as nothing.
    pub(super) columns: Arc<[String]>,
    /// The rows.
    pub(super) rows: Arc<[Row]>,
}

/// Where a task's data is.
pub(super) struct Data {
    builder: Builder,
    files: BTreeMap<String, Vec<PathBuf>>,
    options: Map<String, Value>,
    entry: Entry,
    splits: BTreeMap<String, Split>,
    bytes: u64,
}

impl Data {
    /// Reads `dataset_path`, `dataset_name` and `dataset_kwargs`; relative files are sought from the first of `roots`, the working
    /// directory, as lm-eval does, else from the second one, where the task's file is.
    pub(super) fn new(
        path: &Entry,
        name: Option<&Entry>,
        arguments: Option<&Entry>,
        roots: [&Path; 2],
    ) -> Result<Self, Problem> {
        let builder = match path.value.as_str() {
            Some("json") => Builder::Json,
            Some("csv") => Builder::Csv,
            Some("parquet") => Builder::Parquet,
            Some("text") => Builder::Text,
            Some(_) | None => {
                let message = "only local files are read: `dataset_path: json`, `csv`, `parquet` or `text`";
                return Err(path.problem(message).help(
                    "download the data once and name it in `dataset_kwargs: {data_files: {test: test.jsonl}}`, or run lm_eval itself \
                     with `harness: lm_eval` in the policy",
                ));
            }
        };
        if let Some(name) = name.filter(|name| !name.value.is_null() && name.value.as_str() != Some("default")) {
            return Err(name.problem("local files have no named part: leave `dataset_name` out"));
        }
        let missing = || {
            let help = "such as `dataset_kwargs: {data_files: {test: test.jsonl}}`";
            arguments.unwrap_or(path).problem("the task does not say which files its data is in").help(help)
        };
        let arguments = arguments.ok_or_else(missing)?;
        let Value::Object(given) = &arguments.value else {
            return Err(arguments.problem("`dataset_kwargs` is a mapping"));
        };
        let mut options = given.clone();
        let base = match options.remove("data_dir") {
            None | Some(Value::Null) => PathBuf::new(),
            Some(Value::String(folder)) => PathBuf::from(folder),
            Some(_) => return Err(arguments.problem("`data_dir` is the name of a folder")),
        };
        options.remove("trust_remote_code");
        let allowed: &[&str] = match builder {
            Builder::Json => &["field"],
            Builder::Csv => &["delimiter", "sep"],
            Builder::Text | Builder::Parquet => &[],
        };
        let data_files = options.remove("data_files").ok_or_else(missing)?;
        if let Some(other) = options.keys().find(|key| !allowed.contains(&key.as_str())) {
            let problem = arguments.problem(format!("`{other}` of `dataset_kwargs` is not supported"));
            return Err(problem.help("run lm_eval itself with `harness: lm_eval` in the policy"));
        }
        let mut files = BTreeMap::new();
        let mut add = |split: &str, names: &Value| {
            let Some(names) = texts(names).filter(|names| !names.is_empty()) else {
                return Err(arguments
                    .problem("`data_files` takes a file's name, a list of them, or a mapping of splits to them"));
            };
            let mut found = Vec::new();
            for name in names {
                found.extend(find(&name, &base, roots).map_err(|why| arguments.problem(why))?);
            }
            files.insert(split.to_owned(), found);
            Ok(())
        };
        match &data_files {
            Value::Object(splits) => splits.iter().try_for_each(|(split, names)| add(split, names))?,
            other => add(ONLY, other)?,
        }
        Ok(Self { builder, files, options, entry: arguments.clone(), splits: BTreeMap::new(), bytes: 0 })
    }

    /// Every file that the task names.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.files.values().flatten().cloned().collect()
    }

    /// The rows of a split, read at the first call; `at` names the split.
    pub(super) fn split(&mut self, name: &str, at: &Entry, hasher: &mut Hasher) -> Result<Split, Problem> {
        if let Some(split) = self.splits.get(name) {
            return Ok(split.clone());
        }
        let Some(files) = self.files.get(name) else {
            let known = self.files.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Err(at.problem(format!("`data_files` has no split `{name}`; it has {known}")));
        };
        let mut rows = Vec::new();
        for path in files {
            let wrong = |why: String| self.entry.problem(format!("{}: {why}", path.display()));
            let file = input::open(path).map_err(|error| wrong(error.to_string()))?;
            if !file.metadata().map_err(|error| wrong(error.to_string()))?.is_file() {
                return Err(wrong("not a regular file".to_owned()));
            }
            // What the system says of a file's size is not always what it gives.
            let mut bytes = Vec::new();
            file.take(MOST_BYTES.saturating_sub(self.bytes) + 1)
                .read_to_end(&mut bytes)
                .map_err(|error| wrong(error.to_string()))?;
            self.bytes += bytes.len() as u64;
            if self.bytes > MOST_BYTES {
                return Err(wrong(format!("the task's files have more than {MOST_BYTES} bytes in all")));
            }
            hasher.part(&bytes);
            self.read(bytes, &mut rows).map_err(wrong)?;
            if rows.len() > MOST_ROWS {
                return Err(wrong(format!("the split has more than {MOST_ROWS} rows")));
            }
        }
        if rows.is_empty() {
            return Err(at.problem(format!("the split `{name}` has no row")));
        }
        let columns = unify::unify(&mut rows, MOST_LACKING).map_err(|why| at.problem(why))?;
        let split = Split { columns: columns.into(), rows: rows.into() };
        self.splits.insert(name.to_owned(), split.clone());
        Ok(split)
    }

    fn read(&self, bytes: Vec<u8>, rows: &mut Vec<Row>) -> Result<(), String> {
        match self.builder {
            Builder::Parquet => return parquet::read(bytes, rows),
            Builder::Csv => {
                let delimiter = self.options.get("sep").or_else(|| self.options.get("delimiter"));
                return csv::read(&bytes, delimiter.and_then(Value::as_str), rows);
            }
            Builder::Json | Builder::Text => {}
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| "not UTF-8".to_owned())?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if self.builder == Builder::Text {
            rows.extend(text.lines().map(|line| Row::from_iter([("text".to_owned(), Value::from(line))])));
            return Ok(());
        }
        match self.options.get("field") {
            Some(Value::String(field)) => {
                let whole: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
                let inner = whole.get(field).ok_or_else(|| format!("there is no field `{field}`"))?;
                listed(inner.clone(), rows)
            }
            Some(_) => Err("`field` is the name of a field".to_owned()),
            None if text.trim_start().starts_with('[') => {
                listed(serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?, rows)
            }
            // A file of one object, or of objects one behind the other, is read the same way.
            None => {
                for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
                    rows.push(object(value.map_err(|error| format!("not JSON lines: {error}"))?)?);
                }
                Ok(())
            }
        }
    }
}

/// A list of rows, or a mapping of columns.
fn listed(value: Value, rows: &mut Vec<Row>) -> Result<(), String> {
    match value {
        Value::Array(items) => {
            for item in items {
                rows.push(object(item)?);
            }
            Ok(())
        }
        Value::Object(columns) => {
            let length = columns.values().next().and_then(Value::as_array).map_or(0, Vec::len);
            for index in 0..length {
                let mut row = Row::new();
                for (name, column) in &columns {
                    let cell =
                        column.as_array().filter(|column| column.len() == length).and_then(|column| column.get(index));
                    row.insert(name.clone(), cell.ok_or("the columns differ in length")?.clone());
                }
                rows.push(row);
            }
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err("there is no list of rows".to_owned())
        }
    }
}

fn object(value: Value) -> Result<Row, String> {
    match value {
        Value::Object(row) => Ok(row),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err("a row is no mapping".to_owned())
        }
    }
}

/// The files of a name or a pattern, in the order of their names.
fn find(name: &str, base: &Path, roots: [&Path; 2]) -> Result<Vec<PathBuf>, String> {
    if name.contains("://") {
        return Err(format!("{name:?} is no local file"));
    }
    for root in roots {
        let path = root.join(base).join(name);
        if path.is_file() {
            return Ok(vec![path]);
        }
        if name.contains(['*', '?', '[']) {
            let pattern = glob::glob(&path.to_string_lossy()).map_err(|error| format!("{name:?}: {error}"))?;
            // A folder that cannot be looked into could hold rows: it is a problem, and never less to ask.
            let found = pattern.filter(|path| path.as_ref().map_or(true, |path| path.is_file())).take(MOST_FILES + 1);
            let mut found = found.collect::<Result<Vec<PathBuf>, _>>().map_err(|error| format!("{name:?}: {error}"))?;
            if found.len() > MOST_FILES {
                return Err(format!("{name:?} finds more than {MOST_FILES} files"));
            }
            found.sort();
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }
    Err(format!("there is no file {name:?}, from the working directory or beside the task's file"))
}

#[cfg(test)]
mod tests;
