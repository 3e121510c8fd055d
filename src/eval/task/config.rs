//! From the file of a task or a group to suites, one a task: names of a group's tasks are sought in the files beside and below it.
//! Source: lm-eval 0.4.13, `tasks/_factory.py` and `tasks/_index.py`. Kept out: one file and its includes (`file`), what keys mean
//! (`spec`).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::doc::Group;
use super::file::{self, Budget, Entry, File, Keys};
use super::{source, spec};
use crate::document::{LARGEST_FILE, Problem, Problems, nearest, pointer_part};
use crate::eval::input;
use crate::eval::suite::{Around, Suite};

/// Files that are looked through for a group's tasks.
const MOST_FILES: usize = 5_000;
/// Bytes of these files, with everything that they include.
const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// Tasks and groups that the lists of all groups may come to.
const MOST_ENTRIES: usize = 10_000;
/// Groups inside groups.
const DEEPEST: usize = 16;
/// Keys of a group; every other one is handed to its tasks.
const GROUP: &[&str] = &["group", "group_alias", "task", "aggregate_metric_list", "metadata", "tag"];
const AGGREGATE: &[&str] = &["metric", "filter_list", "aggregation", "weight_by_size"];

/// Reads a task or a group and all files that it names; `shown` is what the user calls it.
pub fn load(path: &Path, shown: &str, around: Around<'_>) -> Result<Vec<Suite>, Problems> {
    let file = file::read(path, shown, &mut Budget(MOST_BYTES))?;
    let (tasks, problems) = (Vec::new(), Problems::none());
    let mut wanted = Wanted { tasks, index: None, root: file.clone(), entries: 0, looked: BTreeSet::new(), problems };
    if file.keys.contains_key("group") {
        wanted.group(&file, &Keys::new(), &[], 0);
    } else {
        wanted.task(&file, &Keys::new(), &[]);
    }
    let Wanted { tasks, problems, .. } = wanted;
    let mut problems = problems;
    let mut suites: Vec<Suite> = Vec::with_capacity(tasks.len());
    for task in tasks {
        let loaded = spec::read(task.name, task.at.clone(), task.keys, task.folder)
            .map(|spec| spec::Spec {
                included: task.included,
                working: around.working.map(Path::to_owned).unwrap_or_default(),
                chat: around.chat.cloned().unwrap_or_default(),
                ..spec
            })
            .and_then(|spec| source::suite(spec, &task.digest, &task.groups));
        match loaded {
            Ok(suite) if suites.iter().any(|other| other.name() == suite.name()) => {
                let problem = task.at.problem(format!("the task `{}` is there twice", suite.name()));
                problems.push(problem.help("lm-eval would keep only one of them: give each a name of its own"));
            }
            Ok(suite) => suites.push(suite),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() && suites.is_empty() {
        problems.push(Problem::of_file(shown, "the group has no task"));
    }
    problems.or(suites)
}

/// A task that is to be run.
struct Task {
    name: String,
    at: Entry,
    keys: Keys,
    folder: PathBuf,
    digest: String,
    included: Vec<PathBuf>,
    groups: Vec<Arc<Group>>,
}

/// What a name stands for.
struct Index {
    files: BTreeMap<String, File>,
    tags: BTreeMap<String, Vec<String>>,
    /// Files that cannot be read, which might have had any tag, and why.
    broken: Vec<(PathBuf, Problem)>,
}

struct Wanted {
    tasks: Vec<Task>,
    index: Option<Arc<Index>>,
    root: File,
    /// Entries of groups' lists so far, and tasks of their tags.
    entries: usize,
    /// Tags whose unreadable files were said.
    looked: BTreeSet<String>,
    problems: Problems,
}

impl Wanted {
    /// One task of a file, with what its groups hand down.
    fn task(&mut self, file: &File, overrides: &Keys, groups: &[Arc<Group>]) {
        let mut keys = file.keys.clone();
        keys.extend(overrides.iter().map(|(key, entry)| (key.clone(), entry.clone())));
        let Some(at) = keys.get("task").cloned() else {
            let problem = Problem::of_file(&file.shown, "the task has no name");
            self.problems.push(problem.help("add `task:` with its name"));
            return;
        };
        let Some(name) = at.value.as_str().map(str::to_owned) else {
            self.problems.push(at.problem("`task` is a name; a list of tasks needs `group:` with the group's name"));
            return;
        };
        let folder = file.path.parent().unwrap_or(Path::new("")).to_owned();
        let (digest, included, groups) = (file.digest.clone(), file.included.clone(), groups.to_vec());
        self.tasks.push(Task { name, at, keys, folder, digest, included, groups });
    }

    /// The tasks of a group's file.
    fn group(&mut self, file: &File, overrides: &Keys, above: &[Arc<Group>], depth: usize) {
        let Some(at) = file.keys.get("group") else { return };
        let Some(name) = at.value.as_str() else {
            self.problems.push(at.problem("`group` is a name"));
            return;
        };
        // The file's own document has the places of its parts; an included list has one place.
        self.members(file, name, &file.keys, "", overrides, above, depth);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one group has all of these, and a struct of them would be made once"
    )]
    fn members(
        &mut self,
        file: &File,
        name: &str,
        keys: &Keys,
        pointer: &str,
        overrides: &Keys,
        above: &[Arc<Group>],
        depth: usize,
    ) {
        let Some(task) = keys.get("task").or(keys.get("group")) else { return };
        if depth > DEEPEST {
            self.problems.push(task.problem(format!("groups inside groups, deeper than {DEEPEST}")));
            return;
        }
        let pooled = keys.get("aggregate_metric_list").map(|entry| self.aggregates(entry)).unwrap_or_default();
        let alias = keys.get("group_alias").and_then(|entry| entry.value.as_str()).unwrap_or(name);
        let version = match keys.get("metadata").and_then(|entry| entry.value.get("version")) {
            Some(Value::String(text)) => text.clone(),
            Some(other) if !other.is_null() => other.to_string(),
            Some(_) | None => "N/A".to_owned(),
        };
        let mut groups = above.to_vec();
        groups.push(Arc::new(Group { name: name.to_owned(), alias: alias.to_owned(), version, pooled }));
        // What is no key of a group is handed to all of its tasks; what the callers hand down wins.
        let mut handed: Keys = keys
            .iter()
            .filter(|(key, _)| !GROUP.contains(&key.as_str()))
            .map(|(key, entry)| (key.clone(), entry.clone()))
            .collect();
        handed.extend(overrides.iter().map(|(key, entry)| (key.clone(), entry.clone())));
        let items = match &task.value {
            Value::String(one) => vec![Value::from(one.as_str())],
            Value::Array(items) => items.clone(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                self.problems.push(task.problem("`task` of a group is a list of names and tasks"));
                return;
            }
        };
        for (place, item) in items.iter().enumerate() {
            if self.is_too_long(task) {
                return;
            }
            let pointer = format!("{pointer}/task/{place}");
            let at = Entry::of(&file.document, &pointer, item);
            let at = if task.path.as_ref() == file.shown.as_ref() {
                at
            } else {
                Entry { value: item.clone(), ..task.clone() }
            };
            match item {
                Value::String(wanted) => self.named(wanted, &at, &handed, &groups, depth),
                Value::Object(fields) => {
                    let mut inner = Keys::new();
                    for (key, value) in fields {
                        inner.insert(
                            key.clone(),
                            Entry::of(&file.document, &format!("{pointer}/{}", pointer_part(key)), value),
                        );
                    }
                    self.inline(file, name, (&at, inner), &pointer, &handed, &groups, depth);
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                    self.problems.push(at.problem("a group lists names of tasks, and mappings with `task` or `group`"));
                }
            }
        }
    }

    /// A mapping inside a group's list.
    #[expect(
        clippy::too_many_arguments,
        reason = "one group has all of these, and a struct of them would be made once"
    )]
    fn inline(
        &mut self,
        file: &File,
        group: &str,
        (at, inner): (&Entry, Keys),
        pointer: &str,
        handed: &Keys,
        groups: &[Arc<Group>],
        depth: usize,
    ) {
        let name = |key: &str| inner.get(key).and_then(|entry| entry.value.as_str()).map(str::to_owned);
        let mut merged = handed.clone();
        merged.extend(inner.iter().map(|(key, entry)| (key.clone(), entry.clone())));
        if let Some(name) = name("group") {
            if self.find(&name).is_some() {
                merged.remove("group");
                merged.remove("task");
                self.named(&name, at, &merged, groups, depth);
            } else {
                self.members(file, &format!("{group}::{name}"), &inner, pointer, handed, groups, depth + 1);
            }
            return;
        }
        let Some(name) = name("task") else {
            self.problems.push(at.problem("an entry of a group needs `task` or `group`"));
            return;
        };
        if self.find(&name).is_some() || self.tagged(&name).is_some() {
            merged.remove("task");
            self.named(&name, at, &merged, groups, depth);
            return;
        }
        // A task that stands nowhere else: it is called after its group.
        let mut task = at.clone();
        task.value = Value::from(format!("{group}::{name}"));
        merged.insert("task".to_owned(), task);
        let alone = File { keys: merged, ..file.clone() };
        self.task(&alone, &Keys::new(), groups);
    }

    /// Counts one more entry of a list or of a tag. That they are too many is said once, however many lists there are.
    fn is_too_long(&mut self, at: &Entry) -> bool {
        self.entries += 1;
        if self.entries == MOST_ENTRIES + 1 {
            self.problems.push(at.problem(format!("the groups list more than {MOST_ENTRIES} entries")));
        }
        self.entries > MOST_ENTRIES
    }

    /// The task, the group or the tag of a name.
    fn named(&mut self, name: &str, at: &Entry, handed: &Keys, groups: &[Arc<Group>], depth: usize) {
        if let Some(file) = self.find(name) {
            if file.keys.contains_key("group") {
                self.group(&file, handed, groups, depth + 1);
            } else {
                self.task(&file, handed, groups);
            }
            return;
        }
        if let Some(mut names) = self.tagged(name) {
            names.sort();
            // One that is left out would not be missed.
            let index = self.index();
            // Once for each tag, however often it is named.
            if self.looked.insert(name.to_owned()) {
                for (path, problem) in &index.broken {
                    if may_have(path, name) {
                        self.problems.push(problem.clone());
                    }
                }
            }
            for name in names {
                if self.is_too_long(at) {
                    return;
                }
                if let Some(file) = self.find(&name) {
                    self.task(&file, handed, groups);
                }
            }
            return;
        }
        let index = self.index();
        let problem = at.problem(format!("no file beside or below this one has the task, group or tag `{name}`"));
        self.problems.push(problem.help(match nearest(name, index.files.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                "copy the task's file here, or run lm_eval's own tasks with `harness: lm_eval` in the policy".to_owned()
            }
        }));
    }

    fn find(&mut self, name: &str) -> Option<File> {
        self.index().files.get(name).cloned()
    }

    fn tagged(&mut self, name: &str) -> Option<Vec<String>> {
        self.index().tags.get(name).cloned()
    }

    /// All tasks and groups in the files beside and below the first one.
    fn index(&mut self) -> Arc<Index> {
        if let Some(index) = &self.index {
            return Arc::clone(index);
        }
        let folder = self.root.path.parent().unwrap_or(Path::new("")).to_owned();
        let shown = Path::new(self.root.shown.as_ref()).parent().unwrap_or(Path::new("")).to_owned();
        let mut files = Vec::new();
        find_files(&folder, &mut files, 0);
        files.sort();
        if files.len() > MOST_FILES {
            let message =
                format!("more than {MOST_FILES} files beside and below this one; only the first are looked through");
            self.problems.push(Problem::of_file(&self.root.shown, message));
            files.truncate(MOST_FILES);
        }
        let mut index = Index { files: BTreeMap::new(), tags: BTreeMap::new(), broken: Vec::new() };
        let mut budget = Budget(MOST_BYTES);
        for path in files {
            let shown = shown.join(path.strip_prefix(&folder).unwrap_or(&path)).display().to_string();
            // A file that cannot be read is no task: lm-eval passes over it too, and a name that is then missing is a problem.
            let file = match file::read(&path, &shown, &mut budget) {
                Ok(file) => file,
                Err(problem) => {
                    index.broken.push((path, problem));
                    continue;
                }
            };
            let name = file.keys.get("group").or(file.keys.get("task")).and_then(|entry| entry.value.as_str());
            let Some(name) = name.map(str::to_owned) else { continue };
            let tags = file.keys.get("tag").filter(|_| !file.keys.contains_key("group"));
            let tags = tags.and_then(|entry| file::texts(&entry.value)).unwrap_or_default();
            if index.files.contains_key(&name) {
                continue;
            }
            for tag in tags {
                index.tags.entry(tag).or_default().push(name.clone());
            }
            index.files.insert(name, file);
        }
        let index = Arc::new(index);
        self.index = Some(Arc::clone(&index));
        index
    }

    /// A group's own means: the report and thresholds have them by the group's tag, lm-eval's form of results by its name.
    fn aggregates(&mut self, entry: &Entry) -> Vec<(String, Option<Vec<String>>)> {
        let mut pooled = Vec::new();
        let items = match &entry.value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(_) => vec![&entry.value],
            Value::Null => return pooled,
            Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        };
        if items.is_empty() {
            self.problems.push(entry.problem("`aggregate_metric_list` is a list of mappings with `metric`"));
        }
        for item in items {
            let named = |fields: &serde_json::Map<String, Value>| fields.get("metric")?.as_str().map(str::to_owned);
            let Some((fields, metric)) = item.as_object().and_then(|fields| Some((fields, named(fields)?))) else {
                self.problems.push(entry.problem("an entry of `aggregate_metric_list` needs `metric`, a name"));
                continue;
            };
            if let Some(other) = fields.keys().find(|key| !AGGREGATE.contains(&key.as_str())) {
                self.problems.push(entry.problem(format!("`{other}` is no key of `aggregate_metric_list`")));
            }
            if fields.get("aggregation").is_some_and(|given| given.as_str() != Some("mean")) {
                self.problems.push(entry.problem("`aggregation` of a group is `mean`").help(file::NEEDS_PYTHON));
            }
            if fields.get("weight_by_size").is_some_and(|given| *given != Value::Bool(true)) {
                let problem =
                    entry.problem("`weight_by_size: false` is not followed: every document of a group counts the same");
                self.problems
                    .push(problem.help("set a threshold for each task, or run lm_eval itself with `harness: lm_eval`"));
            }
            let filters = match fields.get("filter_list") {
                None | Some(Value::Null) => None,
                Some(names) => {
                    let names = file::texts(names);
                    if names.is_none() {
                        self.problems.push(entry.problem("`filter_list` of a group is a name, or a list of names"));
                    }
                    names
                }
            };
            pooled.push((metric, filters));
        }
        pooled
    }
}

/// Whether a file that cannot be read may be a task with a tag, of its own or of what it includes.
fn may_have(path: &Path, tag: &str) -> bool {
    let Ok(file) = input::open(path) else { return true };
    let mut bytes = Vec::new();
    if file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).is_err() || bytes.len() as u64 > LARGEST_FILE {
        return true;
    }
    let text = String::from_utf8_lossy(&bytes);
    text.contains(tag) || text.contains("include")
}

/// Links to files are followed, as lm-eval does; links to folders are not.
fn find_files(folder: &Path, found: &mut Vec<PathBuf>, depth: usize) {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if found.len() > MOST_FILES {
            return;
        }
        if kind.is_dir()
            && depth < DEEPEST
            && entry.file_name() != "__pycache__"
            && entry.file_name() != ".ipynb_checkpoints"
        {
            find_files(&path, found, depth + 1);
        } else if (kind.is_file() || kind.is_symlink() && path.is_file())
            && path.extension().is_some_and(|extension| extension == "yaml")
        {
            found.push(path);
        }
    }
}
