//! What a task's keys say, checked. Keys that this program does not follow are problems, never ignored. Source: lm-eval 0.4.13,
//! `config/task.py`. Kept out: metrics and filters (`rules`), the data (`data`).

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::doc::OutputType;
use super::file::{Entry, Keys, NEEDS_PYTHON, texts};
use super::turns::TaskChat;
use crate::document::{Problem, Problems, nearest};

/// Keys of a task that are followed, or that change nothing of what is asked and measured.
pub(super) const KEYS: &[&str] = &[
    "task",
    "task_alias",
    "tag",
    "group",
    "dataset_path",
    "dataset_name",
    "dataset_kwargs",
    "training_split",
    "validation_split",
    "test_split",
    "fewshot_split",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "description",
    "target_delimiter",
    "fewshot_delimiter",
    "fewshot_config",
    "num_fewshot",
    "metric_list",
    "output_type",
    "generation_kwargs",
    "repeats",
    "filter_list",
    "should_decontaminate",
    "doc_to_decontamination_query",
    "gen_prefix",
    "metadata",
    "unsafe_code",
];
/// Keys of lm-eval that need Python, or a modality that is not asked here.
const PYTHON: &[&str] = &[
    "custom_dataset",
    "process_docs",
    "process_results",
    "use_prompt",
    "class",
    "doc_to_image",
    "doc_to_audio",
    "task_list",
];
/// Keys of `fewshot_config`.
const FEWSHOT: &[&str] = &[
    "sampler",
    "split",
    "samples",
    "doc_to_text",
    "doc_to_choice",
    "doc_to_target",
    "gen_prefix",
    "fewshot_delimiter",
    "target_delimiter",
];
/// Most examples in front of a question.
const MOST_EXAMPLES: u64 = 1_000;
/// Most answers to one document.
const MOST_REPEATS: u64 = 1_000;
/// `max_gen_toks` where a task says nothing. Source: lm-eval 0.4.13, `defaults.py`.
const MOST_TOKENS: u32 = 256;

/// How a document becomes text.
#[derive(Clone, Debug)]
pub(super) struct Wording {
    pub(super) text: Option<Entry>,
    pub(super) target: Option<Entry>,
    pub(super) choice: Option<Entry>,
    pub(super) prefix: Option<Entry>,
    pub(super) target_delimiter: String,
    pub(super) fewshot_delimiter: String,
}

/// How examples are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sampler {
    /// At random, with lm-eval's seed.
    Random,
    /// The first ones.
    First,
}

/// The examples in front of a question.
#[derive(Clone, Debug)]
pub(super) struct Examples {
    pub(super) count: usize,
    pub(super) sampler: Sampler,
    pub(super) split: Option<Entry>,
    pub(super) samples: Option<Vec<Map<String, Value>>>,
    pub(super) wording: Wording,
}

/// `generation_kwargs`.
#[derive(Clone, Debug)]
pub(super) struct Generation {
    pub(super) until: Vec<String>,
    pub(super) max_tokens: u32,
    pub(super) temperature: f64,
}

/// A task.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) at: Entry,
    pub(super) tags: Vec<String>,
    pub(super) folder: PathBuf,
    /// The files that its own file includes.
    pub(super) included: Vec<PathBuf>,
    /// Where data is sought before `folder`; empty for where the process runs.
    pub(super) working: PathBuf,
    /// How it is put to a model.
    pub(super) chat: TaskChat,
    pub(super) keys: Keys,
    pub(super) output_type: OutputType,
    pub(super) description: Option<Entry>,
    pub(super) wording: Wording,
    pub(super) examples: Examples,
    pub(super) generation: Generation,
    pub(super) repeats: u32,
}

/// Reads the keys of one task. `name` is what it is called in this run; `folder` is that of its file.
pub(super) fn read(name: String, at: Entry, keys: Keys, folder: PathBuf) -> Result<Spec, Problems> {
    let mut problems = Problems::none();
    for (key, entry) in &keys {
        let here = |message: String| Problem::new(&entry.path, entry.key_spot, message);
        let off = entry.value.is_null() || entry.value == Value::Bool(false);
        if let Some((spot, tag)) = &entry.tag {
            problems.push(Problem::new(&entry.path, *spot, format!("`{tag}` needs Python")).help(NEEDS_PYTHON));
        } else if PYTHON.contains(&key.as_str()) || key == "unsafe_code" {
            if !off {
                problems.push(here(format!("`{key}` needs what only lm_eval itself has")).help(NEEDS_PYTHON));
            }
        } else if !KEYS.contains(&key.as_str()) {
            let problem = here(format!("`{key}` is no key of a task"));
            let near = nearest(key, KEYS.iter().chain(PYTHON).copied());
            problems.push(match near {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help("lm-eval 0.4.13 does not know it either"),
            });
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(checked(name, at, keys, folder)?)
}

fn checked(name: String, at: Entry, keys: Keys, folder: PathBuf) -> Result<Spec, Problem> {
    let output_type = match text(&keys, "output_type")?.as_deref() {
        None | Some("generate_until") => OutputType::GenerateUntil,
        Some("multiple_choice") => OutputType::MultipleChoice,
        Some("loglikelihood") => OutputType::LogLikelihood,
        Some("loglikelihood_rolling") => OutputType::LogLikelihoodRolling,
        Some(_) => {
            let entry = keys.get("output_type").unwrap_or(&at);
            let known = "multiple_choice, generate_until, loglikelihood or loglikelihood_rolling";
            return Err(entry.problem(format!("`output_type` is {known}")));
        }
    };
    let wording = Wording {
        text: given(&keys, "doc_to_text"),
        target: given(&keys, "doc_to_target"),
        choice: given(&keys, "doc_to_choice"),
        prefix: given(&keys, "gen_prefix"),
        target_delimiter: text(&keys, "target_delimiter")?.unwrap_or_else(|| " ".to_owned()),
        fewshot_delimiter: text(&keys, "fewshot_delimiter")?.unwrap_or_else(|| "\n\n".to_owned()),
    };
    for (key, entry, needed) in [
        ("doc_to_text", &wording.text, true),
        ("doc_to_target", &wording.target, true),
        ("doc_to_choice", &wording.choice, output_type == OutputType::MultipleChoice),
    ] {
        if needed && entry.is_none() {
            return Err(at.problem(format!("the task needs `{key}`")));
        }
    }
    let repeats = number(&keys, "repeats", MOST_REPEATS)?.unwrap_or(1).max(1);
    if repeats > 1 && output_type != OutputType::GenerateUntil {
        return Err(keys.get("repeats").unwrap_or(&at).problem("only generated answers are asked for more than once"));
    }
    let mut tags = Vec::new();
    if let Some(entry) = given(&keys, "tag") {
        tags = texts(&entry.value).ok_or_else(|| entry.problem("`tag` is a text, or a list of texts"))?;
    }
    Ok(Spec {
        name,
        tags,
        folder,
        included: Vec::new(),
        working: PathBuf::new(),
        chat: TaskChat::default(),
        output_type,
        description: given(&keys, "description"),
        examples: examples(&keys, &wording)?,
        generation: generation(&keys, &wording)?,
        wording,
        repeats: u32::try_from(repeats).unwrap_or(1),
        keys,
        at,
    })
}

/// The value of a key that says something.
fn given(keys: &Keys, key: &str) -> Option<Entry> {
    keys.get(key).filter(|entry| !entry.value.is_null()).cloned()
}

fn text(keys: &Keys, key: &str) -> Result<Option<String>, Problem> {
    match given(keys, key) {
        None => Ok(None),
        Some(Entry { value: Value::String(text), .. }) => Ok(Some(text)),
        Some(entry) => Err(entry.problem(format!("`{key}` is a text"))),
    }
}

fn number(keys: &Keys, key: &str, most: u64) -> Result<Option<u64>, Problem> {
    let Some(entry) = given(keys, key) else { return Ok(None) };
    let number = entry.value.as_u64().filter(|number| *number <= most);
    number.map(Some).ok_or_else(|| entry.problem(format!("`{key}` is a whole number, at most {most}")))
}

fn examples(keys: &Keys, wording: &Wording) -> Result<Examples, Problem> {
    let mut examples = Examples {
        count: usize::try_from(number(keys, "num_fewshot", MOST_EXAMPLES)?.unwrap_or(0)).unwrap_or(0),
        sampler: Sampler::Random,
        split: given(keys, "fewshot_split"),
        samples: None,
        wording: wording.clone(),
    };
    let Some(entry) = given(keys, "fewshot_config") else { return Ok(examples) };
    let Value::Object(fields) = &entry.value else {
        return Err(entry.problem("`fewshot_config` is a mapping"));
    };
    for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let inner = Entry { value: value.clone(), ..entry.clone() };
        let string = || value.as_str().map(str::to_owned).ok_or_else(|| entry.problem(format!("`{key}` is a text")));
        match key.as_str() {
            "sampler" => {
                examples.sampler = match value.as_str() {
                    Some("default") => Sampler::Random,
                    Some("first_n") => Sampler::First,
                    Some(_) | None => return Err(entry.problem("`sampler` is `default` or `first_n`")),
                }
            }
            "split" => examples.split = Some(inner),
            "samples" => {
                let rows = value
                    .as_array()
                    .map(|rows| rows.iter().map(|row| row.as_object().cloned()).collect::<Option<Vec<_>>>());
                let rows = rows.flatten().filter(|rows| !rows.is_empty());
                examples.samples = Some(rows.ok_or_else(|| entry.problem("`samples` is a list of mappings"))?);
            }
            "doc_to_text" => examples.wording.text = Some(inner),
            "doc_to_target" => examples.wording.target = Some(inner),
            "doc_to_choice" => examples.wording.choice = Some(inner),
            "gen_prefix" => examples.wording.prefix = Some(inner),
            "fewshot_delimiter" => examples.wording.fewshot_delimiter = string()?,
            "target_delimiter" => examples.wording.target_delimiter = string()?,
            "fewshot_indices" => {
                let problem = entry.problem("`fewshot_indices` changes nothing in lm-eval 0.4.13");
                return Err(problem.help("put the rows into `samples`, or into a split of their own"));
            }
            "process_docs" => return Err(entry.problem("`process_docs` needs Python").help(NEEDS_PYTHON)),
            other => {
                let near = nearest(other, FEWSHOT.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
                let near = near.unwrap_or_default();
                return Err(entry.problem(format!("`{other}` is no key of `fewshot_config`{near}")));
            }
        }
    }
    Ok(examples)
}

fn generation(keys: &Keys, wording: &Wording) -> Result<Generation, Problem> {
    let mut generation =
        Generation { until: vec![wording.fewshot_delimiter.clone()], max_tokens: MOST_TOKENS, temperature: 0.0 };
    let Some(entry) = given(keys, "generation_kwargs") else { return Ok(generation) };
    let Value::Object(fields) = &entry.value else {
        return Err(entry.problem("`generation_kwargs` is a mapping"));
    };
    match fields.get("until") {
        None => {}
        Some(Value::String(one)) => generation.until = vec![one.clone()],
        Some(Value::Array(several)) if several.iter().all(Value::is_string) => {
            generation.until = several.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        }
        Some(_) => return Err(entry.problem("`until` is a text or a list of texts")),
    }
    generation.until.retain(|stop| !stop.is_empty());
    let names = ["max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens"];
    if let Some(most) = names.iter().find_map(|name| fields.get(*name).filter(|most| !most.is_null())) {
        let most = most.as_u64().and_then(|most| u32::try_from(most).ok()).filter(|most| *most > 0);
        generation.max_tokens = most.ok_or_else(|| entry.problem("`max_gen_toks` is a whole number from 1"))?;
    }
    let temperature = match fields.get("temperature") {
        None | Some(Value::Null) => 0.0,
        Some(Value::Number(number)) => number.as_f64().unwrap_or(f64::NAN),
        Some(Value::String(text)) => text.trim().parse().unwrap_or(f64::NAN),
        Some(_) => f64::NAN,
    };
    if !(0.0..=100.0).contains(&temperature) {
        return Err(entry.problem("`temperature` is a number from 0"));
    }
    // Source: lm-eval 0.4.13, `models/utils.py`, `normalize_gen_kwargs`: without `do_sample` the temperature decides.
    generation.temperature = match fields.get("do_sample") {
        Some(Value::Bool(false)) => 0.0,
        Some(Value::Bool(true)) | Some(Value::Null) | None => temperature,
        Some(_) => return Err(entry.problem("`do_sample` is true or false")),
    };
    let taken = ["until", "temperature", "do_sample"];
    for (key, value) in
        fields.iter().filter(|(key, _)| !taken.contains(&key.as_str()) && !names.contains(&key.as_str()))
    {
        let neutral = ["top_p", "num_beams"].contains(&key.as_str()) && value.as_f64() == Some(1.0);
        let idle = generation.temperature == 0.0 && ["top_p", "top_k"].contains(&key.as_str());
        if !neutral && !idle {
            let problem = entry.problem(format!("`{key}` of `generation_kwargs` is not sent by a suite"));
            return Err(problem.help("put it into `extra_body` of the policy's model, and leave it out here"));
        }
    }
    Ok(generation)
}
