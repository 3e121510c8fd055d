//! The YAML of a task or a group with everything that it includes, and where each key stands. Kept out: what the keys mean
//! (`spec`), which task a name means (`config`). Source: lm-eval 0.4.13, `tasks/_yaml_loader.py`: keys of later includes win over
//! those of earlier ones, the file's own over all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::document::{self, Document, Problem, Spot};
use crate::eval::input;
use crate::trust::Hasher;

/// Files that one task may include, in all.
const MOST_INCLUDES: usize = 100;
/// Advice for everything that needs Python.
pub(super) const NEEDS_PYTHON: &str =
    "run lm_eval itself: list its results with `harness: lm_eval` in the policy, or write the value without Python";

/// A value of a task, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The value.
    pub(super) value: Value,
    /// The file as the user knows it.
    pub(super) path: Arc<str>,
    /// Of the value.
    pub(super) spot: Spot,
    /// Of the key.
    pub(super) key_spot: Spot,
    /// Of the first `!function` or other tag inside, and its text.
    pub(super) tag: Option<(Spot, String)>,
}

impl Entry {
    /// The value at a key of a document, by its JSON pointer.
    pub(super) fn of(document: &Document, pointer: &str, value: &Value) -> Self {
        let mut tag = None;
        find_tag(document, pointer, value, &mut tag);
        Self {
            value: value.clone(),
            path: document.path().into(),
            spot: document.spot(pointer),
            key_spot: document.key_spot(pointer),
            tag,
        }
    }

    /// A problem at the value.
    pub(super) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::new(&self.path, self.spot, message)
    }
}

fn find_tag(document: &Document, pointer: &str, value: &Value, found: &mut Option<(Spot, String)>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match (key.strip_prefix('!'), value.as_str()) {
                    (Some(_), Some(text)) if entries.len() == 1 => {
                        found.get_or_insert((document.spot(pointer), format!("{key} {text}")));
                    }
                    (_, _) => find_tag(document, &format!("{pointer}/{}", document::pointer_part(key)), value, found),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                find_tag(document, &format!("{pointer}/{index}"), item, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The keys of a file, by name.
pub(super) type Keys = BTreeMap<String, Entry>;

/// A file that has been read with its includes.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What the user calls it.
    pub(super) shown: Arc<str>,
    /// Its keys, and those that it includes.
    pub(super) keys: Keys,
    /// The file itself, for places inside its values.
    pub(super) document: Arc<Document>,
    /// Over the bytes of all files read.
    pub(super) digest: String,
    /// The files that it includes.
    pub(super) included: Vec<PathBuf>,
}

/// Bytes of files that may still be read.
pub(super) struct Budget(pub(super) u64);

/// Reads a file and everything that it includes.
pub(super) fn read(path: &Path, shown: &str, budget: &mut Budget) -> Result<File, Problem> {
    let mut reading = Reading { seen: Vec::new(), hasher: Hasher::new(), budget };
    let (keys, document) = reading.keys(path, shown)?;
    let Reading { mut seen, hasher, .. } = reading;
    let digest = hasher.finish().hex().to_owned();
    seen.remove(0);
    Ok(File { path: path.to_owned(), shown: shown.into(), keys, document: Arc::new(document), digest, included: seen })
}

struct Reading<'a> {
    seen: Vec<PathBuf>,
    hasher: Hasher,
    budget: &'a mut Budget,
}

impl Reading<'_> {
    fn keys(&mut self, path: &Path, shown: &str) -> Result<(Keys, Document), Problem> {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.seen.contains(&real) {
            return Err(Problem::of_file(shown, "the file includes itself, or is included twice")
                .help("lm-eval refuses it too"));
        }
        self.seen.push(real);
        if self.seen.len() > MOST_INCLUDES {
            return Err(Problem::of_file(shown, format!("more than {MOST_INCLUDES} files are included")));
        }
        let text = input::read(path, shown, "task")?;
        self.hasher.part(text.as_bytes());
        let Some(left) = self.budget.0.checked_sub(text.len() as u64) else {
            return Err(Problem::of_file(
                shown,
                "the files of tasks beside and below, with all that they include, are too large",
            ));
        };
        self.budget.0 = left;
        let document = document::parse_tagged_yaml(shown, &text).map_err(first)?;
        let Value::Object(entries) = document.value() else {
            return Err(Problem::of_file(shown, "a task is a mapping"));
        };
        let mut keys = Keys::new();
        if let Some(include) = entries.get("include") {
            let Some(includes) = texts(include).filter(|names| !names.is_empty()) else {
                return Err(document.problem("/include", "`include` takes a file's name, or a list of them"));
            };
            for name in includes {
                let beside = path.parent().unwrap_or(Path::new("")).join(&name);
                if !beside.is_file() {
                    return Err(document.problem("/include", format!("there is no file {name:?} beside this one")));
                }
                let shown = Path::new(shown).parent().unwrap_or(Path::new("")).join(&name).display().to_string();
                let (included, _) = self.keys(&beside, &shown)?;
                keys.extend(included);
            }
            keys.remove("task_list");
        }
        for (key, value) in entries.iter().filter(|(key, _)| *key != "include") {
            keys.insert(key.clone(), Entry::of(&document, &format!("/{}", document::pointer_part(key)), value));
        }
        Ok((keys, document))
    }
}

/// A text, or a list of nothing but texts.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(several) => several.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// The first of several problems.
pub(super) fn first(problems: document::Problems) -> Problem {
    problems.sorted().into_iter().next().unwrap_or_else(|| Problem::of_file("", "the file cannot be read"))
}
