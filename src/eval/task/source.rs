//! A task as a suite: each row becomes a case when it is drawn. Kept out: files and groups (`config`), answers (`judge`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::data::Data;
use super::doc::{About, Doc, Group, OutputType, TaskRules, metric_key};
use super::file::Entry;
use super::spec::Spec;
use super::template::Templates;
use super::turns::{self, TaskChat, Turn};
use super::wording::Words;
use super::{expected, fewshot, rules};
use crate::document::{Problem, Problems};
use crate::eval::case::{Case, CaseId, Grading, Level, Place};
use crate::eval::dialogue::Dialogue;
use crate::eval::request::{Generate, OutputFormat, Prompt, RankChoices, Request, Rolling};
use crate::eval::suite::{CaseHead, CaseSource, Made, Suite};
use crate::gate::{Declared, Direction};
use crate::trust::{Digest, Hasher};

/// How long one request may take: a text of many windows on a processor takes minutes.
const TIMEOUT: Duration = Duration::from_secs(600);
/// Documents whose problems are named, before the rest is left unread.
const MOST_PROBLEMS: usize = 20;

type Row = Map<String, Value>;

/// A task whose rows are there.
struct Task {
    spec: Spec,
    name: Arc<str>,
    tags: Vec<String>,
    rules: Arc<TaskRules>,
    rules_digest: Digest,
    templates: Templates,
    columns: Arc<[String]>,
    rows: Arc<[Row]>,
    /// The examples in front of each question, as places in the pool.
    drawn: Vec<Vec<usize>>,
    /// The wording of each example that is drawn, by its place.
    examples: BTreeMap<usize, Vec<Turn>>,
    /// Whether documents have several gold answers.
    is_several: bool,
    /// Whether any answer needs the unconditional likelihoods of the choices.
    alone: bool,
    /// The files of its data, and those that its own file includes.
    files: Vec<PathBuf>,
}

/// Reads a task's data and checks every document. `digest` stands for the task's files, `groups` become tags.
pub(super) fn suite(spec: Spec, digest: &str, groups: &[Arc<Group>]) -> Result<Suite, Problems> {
    let mut hasher = Hasher::new();
    hasher.part(b"lm-eval-task-1").part(digest.as_bytes()).part(spec.name.as_bytes());
    for (key, entry) in &spec.keys {
        hasher.part(key.as_bytes()).part(entry.value.to_string().as_bytes());
    }
    if spec.chat != TaskChat::default() {
        hasher.part(b"chat").part(&serde_json::to_vec(&spec.chat).unwrap_or_default());
    }
    let metrics = rules::metrics(spec.keys.get("metric_list"), spec.output_type)?;
    let pipelines = rules::pipelines(spec.keys.get("filter_list"), spec.output_type)?;
    let rules = TaskRules {
        name: spec.name.clone(),
        output_type: spec.output_type,
        pipelines,
        metrics,
        repeats: spec.repeats,
        about: about(&spec, groups),
    };
    let declared = declared(&spec, &rules)?;
    let mut rules_hasher = Hasher::new();
    // What a task says of itself judges nothing.
    let TaskRules { name, output_type, pipelines, metrics, repeats, about: _ } = &rules;
    rules_hasher.part(format!("{:?}", (name, output_type, pipelines, metrics, repeats)).as_bytes());
    let mut notes = Vec::new();
    let task = load(spec, rules, rules_hasher.finish(), groups, &mut hasher, &mut notes)?;
    let mut problems = Problems::none();
    for index in 0..task.rows.len() {
        if let Err(problem) = task.document(index) {
            problems.push(problem);
        }
        if problems.len() == MOST_PROBLEMS {
            break;
        }
    }
    let tags: Arc<[String]> = task.tags.clone().into();
    let head = CaseHead { level: Level::Evaluation, tags, repeats: 1, cluster: None };
    let files = task.files.clone();
    let made = Made {
        name: Arc::clone(&task.name),
        shown: Arc::clone(&task.spec.at.path),
        digest: hasher.finish(),
        heads: vec![head; task.rows.len()],
        judges: BTreeMap::new(),
        models: BTreeMap::new(),
        declared,
        notes,
        source: Box::new(task),
    };
    problems.or(Suite::made(made).with_data(files))
}

fn about(spec: &Spec, groups: &[Arc<Group>]) -> About {
    let alias = spec.keys.get("task_alias").and_then(|entry| entry.value.as_str()).unwrap_or(&spec.name);
    let version = spec.keys.get("metadata").and_then(|entry| entry.value.get("version")).filter(|own| !own.is_null());
    About {
        alias: alias.to_owned(),
        version: version.cloned().unwrap_or_else(|| Value::from("Yaml")),
        shots: spec.examples.count as u64,
        groups: groups.to_vec(),
    }
}

fn declared(spec: &Spec, rules: &TaskRules) -> Result<Vec<Declared>, Problem> {
    let (mut declared, mut names) = (Vec::new(), BTreeSet::new());
    for metric in &rules.metrics {
        for pipeline in &rules.pipelines {
            let name = metric_key(&metric.name, &pipeline.name).map_err(|error| {
                spec.at.problem(format!("the metric `{}` of `{}`: {error}", metric.name, pipeline.name))
            })?;
            if !names.insert(name.clone()) {
                let at = spec.keys.get("metric_list").or(spec.keys.get("filter_list")).unwrap_or(&spec.at);
                let problem = at.problem(format!("two metrics are called `{name}`"));
                return Err(
                    problem.help("name each metric once, and give filters names of letters, digits, `_`, `.` or `-`")
                );
            }
            if let Some(higher) = metric.higher_is_better {
                declared.push(Declared { name, direction: if higher { Direction::Higher } else { Direction::Lower } });
            }
        }
    }
    Ok(declared)
}

fn load(
    spec: Spec,
    rules: TaskRules,
    rules_digest: Digest,
    groups: &[Arc<Group>],
    hasher: &mut Hasher,
    notes: &mut Vec<Problem>,
) -> Result<Task, Problem> {
    let path = spec.keys.get("dataset_path").ok_or_else(|| {
        spec.at
            .problem("the task has no `dataset_path`")
            .help("such as `dataset_path: json` with `dataset_kwargs: {data_files: ...}`")
    })?;
    let mut data =
        Data::new(path, spec.keys.get("dataset_name"), spec.keys.get("dataset_kwargs"), [&spec.working, &spec.folder])?;
    let mut files = data.files();
    files.extend(spec.included.iter().cloned());
    let split = |key: &str| spec.keys.get(key).filter(|entry| !entry.value.is_null());
    let named =
        |entry: &Entry| entry.value.as_str().map(str::to_owned).ok_or_else(|| entry.problem("a split is a name"));
    let (test, validation, training) = (split("test_split"), split("validation_split"), split("training_split"));
    let asked = test.or(validation).ok_or_else(|| {
        spec.at.problem("the task has neither `test_split` nor `validation_split`: nothing would be asked")
    })?;
    let questions = data.split(&named(asked)?, asked, hasher)?;

    let mut without_itself = false;
    let mut pool = Arc::from(Vec::new());
    if spec.examples.count > 0 {
        let own = spec.examples.split.as_ref();
        pool = if let Some(entry) = own {
            data.split(&named(entry)?, entry, hasher)?.rows
        } else if let Some(samples) = &spec.examples.samples {
            samples.clone().into()
        } else {
            let entry = training.or(validation).or(test).unwrap_or(asked);
            if entry.value == asked.value && test.is_some() {
                let at = spec.keys.get("num_fewshot").unwrap_or(&spec.at);
                let note = at
                    .problem("the examples come from the questions themselves, and a question may be its own example");
                notes.push(
                    note.help("name another split in `fewshot_split`; with `test_split` there, a question is left out"),
                );
            }
            data.split(&named(entry)?, entry, hasher)?.rows
        };
        // Source: lm-eval 0.4.13, `fewshot_context`: the question is left out where both splits are of one name, or none.
        without_itself = own.map(|entry| &entry.value) == test.map(|entry| &entry.value);
    }
    let drawn = fewshot::drawn(&pool, &questions.rows, spec.examples.count, spec.examples.sampler, without_itself)
        .map_err(|why| spec.keys.get("num_fewshot").unwrap_or(&spec.at).problem(why))?;
    let templates = Templates::new();
    let mut examples = BTreeMap::new();
    let words =
        Words { templates: &templates, columns: &questions.columns, has_choices: spec.wording.choice.is_some() };
    for place in drawn.iter().flatten() {
        if let (false, Some(row)) = (examples.contains_key(place), pool.get(*place)) {
            let example = words.example(&spec.examples.wording, row);
            let example = example.map_err(|why| spec.at.problem(format!("example {place}: {why}")))?;
            examples.insert(*place, example);
        }
    }
    let mut tags: Vec<String> = Vec::new();
    for tag in groups.iter().map(|group| &group.name).chain(&spec.tags) {
        let fits = !tag.is_empty() && !tag.chars().any(|c| c.is_control() || c == ',');
        if fits && !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    // A document that cannot be worded is a problem of its own.
    let first = questions.rows.first().and_then(|row| words.target(&spec.wording, row).ok());
    let is_several = first.is_some_and(|target| expected::is_several(&target));
    let alone = rules.metrics.iter().any(|metric| metric.name == "acc_mutual_info");
    let name = suite_name(&spec)?;
    let (columns, rows) = (questions.columns, questions.rows);
    Ok(Task {
        spec,
        name,
        tags,
        rules: Arc::new(rules),
        rules_digest,
        templates,
        columns,
        rows,
        drawn,
        examples,
        is_several,
        alone,
        files,
    })
}

/// A task's name as a suite's: `group::task` is `group.task`.
fn suite_name(spec: &Spec) -> Result<Arc<str>, Problem> {
    let name = spec.name.replace("::", ".");
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if (1..=100).contains(&name.len()) && name.chars().all(allowed) {
        Ok(name.into())
    } else {
        Err(spec.at.problem("the name of a task that is a suite has 1 to 100 letters, digits, `_`, `.` or `-`"))
    }
}

impl Task {
    fn document(&self, index: usize) -> Result<(Request, Doc), Problem> {
        let wrong = |why: String| self.spec.at.problem(format!("document {index}: {why}"));
        let row = self.rows.get(index).ok_or_else(|| wrong("there is none".to_owned()))?;
        self.made(index, row).map_err(wrong)
    }

    fn made(&self, index: usize, row: &Row) -> Result<(Request, Doc), String> {
        let spec = &self.spec;
        let words =
            Words { templates: &self.templates, columns: &self.columns, has_choices: spec.wording.choice.is_some() };
        let target = words.target(&spec.wording, row)?;
        let choices = words.choices(&spec.wording, row)?;
        let description = words.field(spec.description.as_ref(), row, "description")?.unwrap_or_default();
        let mut asked = Vec::from_iter(spec.chat.system(&description, &spec.wording.fewshot_delimiter));
        for place in self.drawn.get(index).into_iter().flatten() {
            asked.extend_from_slice(self.examples.get(place).ok_or("an example is missing")?);
        }
        let is_text = spec.output_type == OutputType::LogLikelihoodRolling;
        if !is_text {
            asked.extend(words.question(&spec.wording, row)?);
        }
        let mut context = turns::text(&asked);
        let text_of = |target: &Value| match target {
            Value::String(text) => Ok(text.clone()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err("`doc_to_target` gives no text".to_owned())
            }
        };
        // A text as a whole has neither questions nor turns.
        let prompt = if is_text { Prompt::Text(String::new()) } else { spec.chat.prompt(&asked)? };
        let request = match spec.output_type {
            OutputType::MultipleChoice => {
                let choices = choices.as_ref().filter(|choices| !choices.is_empty()).ok_or("there is no choice")?;
                let delimiter = spec.chat.target_delimiter(&spec.wording.target_delimiter);
                let continuation = |choice: &String| format!("{delimiter}{choice}");
                let continuations: Vec<String> = choices.iter().map(continuation).collect();
                if continuations.iter().any(String::is_empty) {
                    return Err("an empty choice has no likelihood".to_owned());
                }
                let alone = if self.alone { continuations.clone() } else { Vec::new() };
                Request::RankChoices(RankChoices { prompt, continuations, alone })
            }
            OutputType::LogLikelihood => {
                let continuation = text_of(&target)?;
                if continuation.is_empty() {
                    return Err("an empty target has no likelihood".to_owned());
                }
                Request::RankChoices(RankChoices { prompt, continuations: vec![continuation], alone: Vec::new() })
            }
            OutputType::LogLikelihoodRolling => {
                context.clear();
                let text = text_of(&target)?;
                if text.is_empty() {
                    return Err("an empty text has no likelihood".to_owned());
                }
                Request::Rolling(Rolling { prompt: Prompt::Text(text) })
            }
            OutputType::GenerateUntil => Request::Generate(Generate {
                prompt,
                max_tokens: spec.generation.max_tokens,
                temperature: spec.generation.temperature,
                seed: None,
                stop: spec.generation.until.clone(),
                format: OutputFormat::Text,
                logprobs: false,
                told: None,
            }),
        };
        let expected = expected::of(spec.output_type, target, choices.as_deref(), self.is_several)?;
        let doc = Doc {
            row: row.clone(),
            choices: choices.unwrap_or_default(),
            context,
            expected,
            task: Arc::clone(&self.rules),
        };
        Ok((request, doc))
    }
}

impl CaseSource for Task {
    fn case(&self, index: usize) -> Result<Case, Problem> {
        let (request, doc) = self.document(index)?;
        let at = &self.spec.at;
        let expected = expected::json(&doc.expected);
        let mut hasher = Hasher::new();
        hasher.part(&serde_json::to_vec(&expected).unwrap_or_default()).part(self.rules_digest.hex().as_bytes());
        let dialogue = match self.spec.repeats {
            0 | 1 => Dialogue::Once,
            several => Dialogue::Repeated(several),
        };
        Ok(Case {
            id: CaseId::new(&index.to_string()).map_err(|why| at.problem(why))?,
            suite: Arc::clone(&self.name),
            level: Level::Evaluation,
            tags: self.tags.clone(),
            cluster: None,
            prompt_digest: Digest::of(&serde_json::to_vec(&request).unwrap_or_default()),
            request,
            dialogue,
            attack: None,
            expected,
            assertions: Vec::new(),
            grading: Grading::Task(Box::new(doc)),
            model: None,
            repeats: 1,
            timeout: TIMEOUT,
            place: Place { path: Arc::clone(&at.path), line: at.spot.line, column: at.spot.column },
            expected_digest: hasher.finish(),
        })
    }
}
