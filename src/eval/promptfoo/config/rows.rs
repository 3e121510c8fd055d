//! Rows: tests x combinations of vars x providers x prompts, in promptfoo's order; and the case that each becomes when it is drawn.
//! Repeats are the case's own. Kept out: how a prompt is rendered (`render`).

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::files::Files;
use super::part::Part;
use super::programs::Programs;
use super::prompts::Written;
use super::providers::named;
use super::render;
use super::spec::Settings;
use super::told::{self, Tells};
use crate::document::Problem;
use crate::eval::case::{Case, CaseId, Grading, Level};
use crate::eval::dialogue::Dialogue;
use crate::eval::promptfoo::test::{Assertion, Code, CodeSource, Compared, Node, Test, Value as AssertValue};
use crate::eval::request::{Generate, OutputFormat, Prompt, Request};
use crate::eval::suite::CaseSource;
use crate::trust::{Digest, Hasher};

/// Combinations of the vars of one test.
const MOST_COMBINATIONS: usize = 100_000;
/// The longest name of a prompt or a test in a case's id, in characters.
const LONGEST_NAME: usize = 60;

/// Who is asked.
#[derive(Debug)]
pub(super) struct Asked {
    /// As scripts see it.
    pub(super) id: String,
    pub(super) label: Option<String>,
    /// One of the suite's own models; none for the run's.
    pub(super) model: Option<Arc<str>>,
    pub(super) settings: Settings,
    pub(super) transform: Option<Code>,
    /// Which prompts it is asked with; none for all.
    pub(super) prompts: Option<Vec<String>>,
    /// The names that a test may call it by.
    pub(super) names: Vec<String>,
    /// How it is told what a case is about.
    pub(super) tells: Option<Tells>,
}

/// A test with its combinations of vars.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) part: Part,
    pub(super) combinations: Vec<Map<String, Value>>,
    pub(super) repeats: u32,
}

/// One row.
#[derive(Clone, Copy, Debug)]
struct Row {
    plan: usize,
    combination: usize,
    asked: usize,
    prompt: usize,
    /// The first row of the same test and combination, and how many there are.
    first: u32,
    count: u32,
}

/// Everything that cases are made of.
pub(super) struct Rows {
    pub(super) suite: Arc<str>,
    pub(super) plans: Vec<Plan>,
    pub(super) prompts: Vec<Written>,
    pub(super) asked: Vec<Asked>,
    pub(super) files: Files,
    pub(super) programs: Programs,
    /// `nunjucksFilters`.
    pub(super) filters: BTreeMap<String, Code>,
    pub(super) folder: Arc<PathBuf>,
    pub(super) environment: Arc<BTreeMap<String, String>>,
    pub(super) timeout: Duration,
    /// The model that answers with a test's own `providerOutput`.
    pub(super) echo: Arc<str>,
    /// Whether any test of the config has an assertion.
    checked: bool,
    rows: Vec<Row>,
    names: Names,
}

/// How cases are called.
#[derive(Default)]
struct Names {
    tests: Vec<String>,
    prompts: Vec<String>,
    asked: Vec<String>,
}

/// What rows are made of, before they are.
pub(super) struct Parts {
    pub(super) suite: Arc<str>,
    pub(super) plans: Vec<Plan>,
    pub(super) prompts: Vec<Written>,
    pub(super) asked: Vec<Asked>,
    pub(super) files: Files,
    pub(super) programs: Programs,
    pub(super) filters: BTreeMap<String, Code>,
    pub(super) environment: Arc<BTreeMap<String, String>>,
    pub(super) timeout: Duration,
    pub(super) echo: Arc<str>,
    pub(super) checked: bool,
}

impl Rows {
    /// Lays out all rows.
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { suite, plans, prompts, asked, files, programs, filters, environment, timeout, echo, checked } =
            parts;
        let folder = files.folder();
        let folder = Arc::new(folder.canonicalize().unwrap_or_else(|_| folder.to_owned()));
        let names = Names {
            tests: test_names(&plans),
            prompts: unique(prompts.iter().map(|prompt| prompt.label.as_str()), "prompt"),
            asked: unique(asked.iter().map(|asked| asked.label.as_deref().unwrap_or(&asked.id)), "provider"),
        };
        let mut rows = Self {
            suite,
            plans,
            prompts,
            asked,
            files,
            programs,
            filters,
            folder,
            environment,
            timeout,
            echo,
            checked,
            rows: Vec::new(),
            names,
        };
        rows.lay_out();
        rows
    }

    fn lay_out(&mut self) {
        let mut rows = Vec::new();
        for (plan_index, plan) in self.plans.iter().enumerate() {
            for combination in 0..plan.combinations.len() {
                let first = rows.len();
                for (asked_index, asked) in self.asked.iter().enumerate() {
                    if !allows(plan.part.providers.as_deref(), &asked.names) {
                        continue;
                    }
                    for (prompt_index, prompt) in self.prompts.iter().enumerate() {
                        let names: Vec<String> =
                            [Some(&prompt.label), prompt.id.as_ref()].into_iter().flatten().cloned().collect();
                        if !allows(asked.prompts.as_deref(), &names) || !allows(plan.part.prompts.as_deref(), &names) {
                            continue;
                        }
                        rows.push(Row {
                            plan: plan_index,
                            combination,
                            asked: asked_index,
                            prompt: prompt_index,
                            first: 0,
                            count: 0,
                        });
                    }
                }
                let count = u32::try_from(rows.len() - first).unwrap_or(u32::MAX);
                for row in rows.iter_mut().skip(first) {
                    (row.first, row.count) = (u32::try_from(first).unwrap_or(u32::MAX), count);
                }
            }
        }
        self.rows = rows;
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Which test is asked with which prompt and vars, row by row.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (usize, usize, &Map<String, Value>)> {
        self.rows.iter().filter_map(|row| {
            let vars = self.plans.get(row.plan)?.combinations.get(row.combination)?;
            Some((row.plan, row.prompt, vars))
        })
    }

    /// The cluster of a test: its rows are asked, and judged, together.
    pub(super) fn cluster(plan: usize) -> String {
        format!("test-{}", plan + 1)
    }

    fn id(&self, row: &Row, combinations: usize) -> String {
        let mut id = self.names.tests.get(row.plan).cloned().unwrap_or_default();
        if combinations > 1 {
            id = format!("{id} #{}", row.combination + 1);
        }
        for (all, index) in [(&self.names.prompts, row.prompt), (&self.names.asked, row.asked)] {
            if let (Some(name), true) = (all.get(index), all.len() > 1) {
                id = format!("{id} | {name}");
            }
        }
        id
    }

    fn make(&self, index: usize) -> Result<Case, Problem> {
        let gone = || Problem::of_file(&self.suite, format!("the suite has no case number {index}"));
        let row = self.rows.get(index).copied().ok_or_else(gone)?;
        let plan = self.plans.get(row.plan).ok_or_else(gone)?;
        let vars = plan.combinations.get(row.combination).ok_or_else(gone)?;
        let asked = self.asked.get(row.asked).ok_or_else(gone)?;
        let prompt = self.prompts.get(row.prompt).ok_or_else(gone)?;
        let part = &plan.part;
        let option = |key: &str| part.options.get(key).and_then(Value::as_str).unwrap_or_default();
        let with = render::With {
            files: &self.files,
            programs: &self.programs,
            environment: &self.environment,
            filters: &self.filters,
            provider: (&asked.id, asked.label.as_deref()),
        };
        let rendered = render::render(prompt, (option("prefix"), option("suffix")), vars, &with)
            .map_err(|why| part.at.problem(why).help(format!("the prompt is `{}`", tidy(&prompt.label))))?;
        let settings = asked.settings.clone().over(&prompt.config).over(&rendered.config).over(&part.options);
        let (asks, model) = match &part.output {
            Some(output) => {
                let text = output.as_str().map_or_else(|| output.to_string(), str::to_owned);
                (Prompt::Text(text), Some(Arc::clone(&self.echo)))
            }
            None => (render::prompt(rendered.prompt.clone()), asked.model.clone()),
        };
        let told = match (&asked.tells, &part.output) {
            (Some(tells), None) => {
                let template = format!("{}{}{}", option("prefix"), prompt.raw, option("suffix"));
                let row = told::Row { part, prompt, template: &template, vars, rendered: &rendered };
                let told = tells.of(&row, &self.environment);
                Some(Box::new(told.map_err(|why| part.at.problem(format!("the request of `{}`: {why}", asked.id)))?))
            }
            (Some(_), Some(_)) | (None, _) => None,
        };
        let request = Request::Generate(Generate {
            prompt: asks,
            max_tokens: settings.max_tokens,
            temperature: settings.temperature,
            seed: settings.seed,
            stop: settings.stop,
            format: if settings.json { OutputFormat::Json } else { OutputFormat::Text },
            logprobs: wants_log_probabilities(&part.nodes),
            told,
        });
        let test = Test {
            description: part.description.clone(),
            checked: self.checked,
            vars: rendered.vars,
            prompt: rendered.prompt,
            prompt_label: prompt.label.clone(),
            provider: (asked.id.clone(), asked.label.clone()),
            assertions: part.nodes.clone(),
            threshold: part.threshold,
            transforms: asked.transform.iter().chain(&part.transform).cloned().collect(),
            options: part.options.clone(),
            grader: None,
            metadata: part.metadata.clone(),
            environment: Arc::clone(&self.environment),
            compared: compares(&part.nodes).then(|| Compared {
                row: u32::try_from(index).unwrap_or(u32::MAX),
                rows: (row.first..row.first.saturating_add(row.count)).collect(),
            }),
            folder: Arc::clone(&self.folder),
            surroundings: Arc::clone(self.programs.surroundings()),
            scoring: part.scoring.clone(),
        };
        let id = CaseId::new(&self.id(&row, plan.combinations.len())).map_err(|why| part.at.problem(why))?;
        let prompt_digest = Digest::of(json!(request).to_string().as_bytes());
        let expected_digest = expected_digest(&test, part.output.is_some());
        Ok(Case {
            id,
            suite: Arc::clone(&self.suite),
            level: Level::Evaluation,
            tags: Vec::new(),
            cluster: Some(Self::cluster(row.plan)),
            request,
            dialogue: Dialogue::Once,
            attack: None,
            expected: None,
            assertions: Vec::new(),
            grading: Grading::Promptfoo(Box::new(test)),
            model,
            repeats: plan.repeats,
            timeout: self.timeout,
            place: part.at.place(),
            prompt_digest,
            expected_digest,
        })
    }
}

impl CaseSource for Rows {
    fn case(&self, index: usize) -> Result<Case, Problem> {
        self.make(index)
    }
}

/// Over everything that a test is judged by, wherever its config lies: files count by where they are from its folder on. A test that brings its own answer (`given`) asks nobody, and shows nothing of a model.
fn expected_digest(test: &Test, given: bool) -> Digest {
    let mut hasher = Hasher::new();
    if given {
        hasher.part(b"given");
    }
    hasher.part(b"promptfoo-test-1").part(json!(test.vars).to_string().as_bytes());
    hasher.part(json!([test.threshold, test.options, test.metadata]).to_string().as_bytes());
    let mut transforms = test.transforms.clone();
    transforms.iter_mut().for_each(|code| from_folder(code, &test.folder));
    hasher.part(format!("{transforms:?}").as_bytes());
    if let Some(mut scoring) = test.scoring.clone() {
        from_folder(&mut scoring, &test.folder);
        hasher.part(format!("{scoring:?}").as_bytes());
    }
    for node in &test.assertions {
        let mut plain = node.clone();
        without_places(&mut plain, &test.folder);
        hasher.part(format!("{plain:?}").as_bytes());
    }
    hasher.finish()
}

/// A test that has only moved in its file, or with its whole folder, is the same test.
fn without_places(node: &mut Node, folder: &Path) {
    let nowhere = crate::document::Spot { line: 1, column: 1 };
    let one = |assertion: &mut Assertion| {
        assertion.spot = nowhere;
        let value = match &mut assertion.value {
            AssertValue::Code(code) => Some(code),
            AssertValue::None | AssertValue::Plain(_) => None,
        };
        let codes = value.into_iter().chain(&mut assertion.transform).chain(&mut assertion.context_transform);
        codes.for_each(|code| from_folder(code, folder));
    };
    match node {
        Node::One(assertion) => one(assertion),
        Node::Set(set) => {
            set.spot = nowhere;
            set.assertions.iter_mut().for_each(one);
        }
    }
}

/// Makes the path of a script's file one from a folder on. Both are written out in full.
fn from_folder(code: &mut Code, folder: &Path) {
    let CodeSource::File { path, .. } = &mut code.source else { return };
    let common = path.components().zip(folder.components()).take_while(|(one, two)| one == two).count();
    let up = folder.components().skip(common).map(|_| Component::ParentDir);
    *path = up.chain(path.components().skip(common)).collect();
}

fn kinds(nodes: &[Node]) -> impl Iterator<Item = &'static str> {
    nodes.iter().flat_map(|node| match node {
        Node::One(assertion) => vec![assertion.kind],
        Node::Set(set) => set.assertions.iter().map(|assertion| assertion.kind).collect(),
    })
}

fn compares(nodes: &[Node]) -> bool {
    kinds(nodes).any(|kind| matches!(kind, "select-best" | "max-score"))
}

fn wants_log_probabilities(nodes: &[Node]) -> bool {
    kinds(nodes).any(|kind| matches!(kind, "perplexity" | "perplexity-score"))
}

/// Whether a list of references, where there is one, names something with one of these names.
fn allows(references: Option<&[String]>, names: &[String]) -> bool {
    references
        .is_none_or(|references| references.iter().any(|reference| names.iter().any(|name| named(name, reference))))
}

/// Every combination of vars: a list of texts gives one for each, and a pattern of files one for each file.
pub(super) fn combinations(
    vars: &Map<String, Value>,
    expands: bool,
    files: &Files,
) -> Result<Vec<Map<String, Value>>, String> {
    let mut all = vec![Map::new()];
    if !expands {
        return Ok(vec![vars.clone()]);
    }
    for (key, value) in vars {
        let values = match value {
            Value::String(text) => match text.strip_prefix("file://") {
                Some(path) => {
                    let found = if files.is_file(path) { vec![path.to_owned()] } else { files.find(path)? };
                    let missing = found.iter().find(|path| !files.is_file(path));
                    if found.is_empty() || missing.is_some() {
                        files.path(missing.map_or(path, |missing| missing))?;
                        return Err(format!("no file is found for the var `{key}` by `{path}`"));
                    }
                    found.iter().map(|path| Value::from(format!("file://{path}"))).collect()
                }
                None => vec![value.clone()],
            },
            Value::Array(items) if items.first().is_some_and(Value::is_string) => items.clone(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => vec![value.clone()],
        };
        if all.len() * values.len() > MOST_COMBINATIONS {
            return Err(format!("more than {MOST_COMBINATIONS} combinations of vars"));
        }
        if let [value] = values.as_slice() {
            for combination in &mut all {
                combination.insert(key.clone(), value.clone());
            }
            continue;
        }
        let with = |combination: &Map<String, Value>, value: &Value| {
            let mut combination = combination.clone();
            combination.insert(key.clone(), value.clone());
            combination
        };
        all = all.iter().flat_map(|combination| values.iter().map(move |value| with(combination, value))).collect();
    }
    Ok(all)
}

/// A name on one line, without control characters, and not too long.
fn tidy(text: &str) -> String {
    let clean: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn test_names(plans: &[Plan]) -> Vec<String> {
    let tidied: Vec<String> = plans
        .iter()
        .map(|plan| plan.part.description.as_deref().map(tidy).unwrap_or_default())
        .map(|name| if name.chars().count() > LONGEST_NAME { name.chars().take(LONGEST_NAME).collect() } else { name })
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &tidied {
        *counts.entry(name).or_default() += 1;
    }
    let name = |(index, name): (usize, &String)| {
        let number = format!("test-{}", index + 1);
        match (name.as_str(), counts.get(name.as_str())) {
            ("", _) => number,
            // A name that a nameless test has already, and one that several have, gets its number too.
            (name, Some(1)) if !name.starts_with("test-") => name.to_owned(),
            (name, _) => format!("{name} ({number})"),
        }
    };
    tidied.iter().enumerate().map(name).collect()
}

/// The labels, where all are short and no two are the same; else numbers.
fn unique<'a>(labels: impl Iterator<Item = &'a str>, word: &str) -> Vec<String> {
    let names: Vec<String> = labels.map(tidy).collect();
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    sorted.dedup();
    let fit = |name: &String| !name.is_empty() && name.chars().count() <= LONGEST_NAME / 2 && !name.contains('|');
    if sorted.len() == names.len() && names.iter().all(fit) {
        return names;
    }
    (1..=names.len()).map(|number| format!("{word}-{number}")).collect()
}
