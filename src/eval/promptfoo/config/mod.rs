//! From a config to a suite: what the file and all that it names say, checked at once. One step a file; this file puts them in order.
//! Follows promptfoo 0.121.20. Kept out: what a row's answer is judged by (`promptfoo::judge`).

mod asserts;
mod checks;
mod endpoints;
mod environment;
mod files;
mod keys;
mod lacking;
mod media;
mod outside;
mod part;
mod place;
mod programs;
mod prompts;
mod providers;
mod refs;
mod render;
mod rows;
mod scenarios;
mod shorthand;
mod spec;
mod tests;
mod told;
#[cfg(test)]
mod trials;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use self::asserts::Reader;
use self::checks::{check, check_references, echo_key, judges};
use self::environment::{Environment, replace_texts};
use self::files::Files;
use self::keys::Of;
use self::part::{Part, made_vars};
use self::place::At;
use self::programs::{Programs, filters};
use self::providers::{Keyed, Provider};
use self::rows::{Asked as Who, Parts, Plan, Rows};
use self::spec::Settings;
use self::tests::Raw;
use crate::document::{self, Document, Problem, Problems};
use crate::eval::input;
use crate::eval::suite::{Around, Asked, Made, OwnModel, Suite};

/// Problems after which the rest is only counted.
const MOST_PROBLEMS: usize = 100;
/// Rows of one suite.
const MOST_ROWS: usize = 1_000_000;
/// How long promptfoo waits for an answer where a config says nothing.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The longest that is waited for an answer, whatever the config says: as in our own suites.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads a config and all files that it names; `shown` is what the user calls it.
pub fn load(path: &Path, shown: &str, around: Around<'_>) -> Result<Suite, Problems> {
    let text = input::read(path, shown, "suite")?;
    let document = document::parse_yaml(shown, &text)?;
    let mut problems = Problems::none();
    let suite = read(path, &text, document, around, &mut problems);
    match (suite, problems.is_empty()) {
        (Some(suite), true) => Ok(suite),
        (_, _) => Err(shortened(problems, shown)),
    }
}

fn shortened(problems: Problems, shown: &str) -> Problems {
    let all = problems.sorted();
    let mut kept = Problems::none();
    let more = all.len().saturating_sub(MOST_PROBLEMS);
    let mut last = None;
    for problem in all.into_iter().take(MOST_PROBLEMS) {
        if last.as_ref() != Some(&problem) {
            kept.push(problem.clone());
        }
        last = Some(problem);
    }
    if more > 0 {
        kept.push(Problem::of_file(shown, format!("and {more} more problems")));
    }
    if kept.is_empty() {
        kept.push(Problem::of_file(shown, "the config could not be read"));
    }
    kept
}

fn read(path: &Path, text: &str, document: Document, around: Around<'_>, problems: &mut Problems) -> Option<Suite> {
    let shown: Arc<str> = document.path().into();
    let root = At::root(&Arc::new(document.clone()));
    let value = refs::resolved(document.value(), &root, problems);
    let document = Arc::new(document.with_value(value.clone()));
    let root = At::root(&document);
    let Value::Object(top) = &value else {
        problems.push(root.problem("a config is a mapping"));
        return None;
    };
    keys::check(Of::Top, top, &root, problems);
    let files = Files::new(path, &shown);
    let environment = Environment::read(top.get("env"), &root.part("/env"), around.environment, problems);
    let run = run_options(top, &root, problems);

    let prompts = prompts::read(top.get("prompts"), &root.part("/prompts"), &files, &environment, problems);
    let mut keyed = Keyed::default();
    let providers = provider_list(top, &root, &files, &environment, problems);
    let written = prompts.iter().filter(|prompt| prompt.program.is_none());
    let mut texts: Vec<(String, At)> = written.map(|prompt| (prompt.raw.clone(), prompt.at.clone())).collect();
    let programs = Programs::new(files.folder(), Arc::new(environment.surroundings()));
    let filters = filters(top.get("nunjucksFilters"), &root.part("/nunjucksFilters"), &files, problems);
    let parts = {
        let mut reader = Reader {
            files: &files,
            environment: &environment,
            keyed: &mut keyed,
            problems,
            judge: around.judge,
            asked: around.asked,
        };
        reader.all_parts(top, &root, &run, &programs, &mut texts)
    };
    let asked = asked(&providers, around.asked, &files, &environment, &mut keyed, problems);
    check_references(&parts, &providers, &prompts, problems);
    let mut plans = Vec::with_capacity(parts.len());
    let mut combined = 0;
    for part in parts {
        if combined > MOST_ROWS {
            break;
        }
        let expands = part.options.get("disableVarExpansion") != Some(&Value::Bool(true));
        match rows::combinations(&part.vars, expands, &files) {
            Ok(combinations) => {
                combined += combinations.len();
                let repeats =
                    part.options.get("repeat").and_then(Value::as_u64).and_then(|times| u32::try_from(times).ok());
                plans.push(Plan { repeats: repeats.unwrap_or(run.repeat).max(1), part, combinations });
            }
            Err(why) => problems.push(part.at.part("/vars").problem(why)),
        }
    }
    let bare = plans.iter().filter(|plan| plan.part.nodes.is_empty()).count();
    let checked = bare < plans.len();
    if !checked {
        problems.note(
            root.problem("no test of this config has an assertion: nothing is checked, and nothing can pass")
                .help("give the tests an `assert`, or `defaultTest` one"),
        );
    } else if bare > 0 {
        problems.note(
            root.problem(format!("{bare} tests have no assertion, and pass whatever the answer is, as in promptfoo"))
                .help("give them an `assert`, or take them out: they raise the pass rate"),
        );
    }
    let borrowed: Vec<(&str, At)> = texts.iter().map(|(text, at)| (text.as_str(), at.clone())).collect();
    let shared = environment.shared(&borrowed, problems);
    let total = combined * prompts.len().max(1) * asked.len().max(1);
    if total > MOST_ROWS {
        problems.push(root.problem(format!("the config has more than {MOST_ROWS} rows")));
    }
    if !problems.is_empty() {
        return None;
    }
    let echo = echo_key(&plans, &mut keyed, &root);
    let name: Arc<str> = suite_name(path).into();
    let rows = Rows::new(Parts {
        suite: Arc::clone(&name),
        plans,
        prompts,
        asked,
        files,
        programs,
        filters,
        environment: shared,
        timeout: run.timeout,
        echo,
        checked,
    });
    if rows.len() == 0 {
        problems.push(root.problem("the config has no row: the tests' `prompts` and `providers` leave nothing"));
        return None;
    }
    let heads = check(&rows, problems);
    if !problems.is_empty() {
        return None;
    }
    let mut notes = problems.take_notes();
    notes.extend(lacking::notes(&rows));
    let digest = rows.files.digest(text);
    let judges = judges(&rows, around.judge);
    let models = keyed.into_iter().map(|(key, spec, at)| (key, OwnModel { spec, spot: at.spot() })).collect();
    Some(Suite::made(Made {
        name,
        shown,
        digest,
        heads,
        judges,
        models,
        declared: Vec::new(),
        notes,
        source: Box::new(rows),
    }))
}

/// What `evaluateOptions` and `commandLineOptions` say that counts.
struct Run {
    repeat: u32,
    timeout: Duration,
    /// `promptPrefix` and `promptSuffix`, as options of every test.
    options: Map<String, Value>,
}

fn run_options(top: &Map<String, Value>, root: &At, problems: &mut Problems) -> Run {
    let mut section = |key: &str, of: Of| match top.get(key) {
        Some(Value::Object(fields)) => {
            keys::check(of, fields, &root.part(&format!("/{key}")), problems);
            fields.clone()
        }
        None | Some(Value::Null) => Map::new(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            problems.push(root.part(&format!("/{key}")).problem(format!("`{key}` is a mapping")));
            Map::new()
        }
    };
    let evaluate = section("evaluateOptions", Of::EvaluateOptions);
    let command = section("commandLineOptions", Of::CommandLineOptions);
    let repeat = command.get("repeat").or_else(|| evaluate.get("repeat")).and_then(Value::as_u64);
    let timeout = evaluate.get("timeoutMs").and_then(Value::as_u64).filter(|milliseconds| *milliseconds > 0);
    let mut options = Map::new();
    for (key, option) in [("promptPrefix", "prefix"), ("promptSuffix", "suffix")] {
        if let Some(text) = command.get(key) {
            options.insert(option.to_owned(), text.clone());
        }
    }
    Run {
        repeat: repeat.and_then(|times| u32::try_from(times).ok()).unwrap_or(1),
        timeout: timeout.map_or(TIMEOUT, Duration::from_millis).min(LONGEST_TIMEOUT),
        options,
    }
}

fn provider_list(
    top: &Map<String, Value>,
    root: &At,
    files: &Files,
    environment: &Environment<'_>,
    problems: &mut Problems,
) -> Vec<Provider> {
    let given = |key: &'static str| top.get(key).filter(|value| !value.is_null()).map(|value| (key, value));
    let (key, value) = match (given("providers"), given("targets")) {
        (Some(_), Some(_)) => {
            problems
                .push(root.part("/targets").key_problem("`targets` is another word for `providers`: only one of them"));
            return Vec::new();
        }
        (Some(found), None) | (None, Some(found)) => found,
        (None, None) => return Vec::new(),
    };
    providers::read(value, &root.part(&format!("/{key}")), files, environment, problems)
}

impl Reader<'_> {
    /// All tests, each with what `defaultTest` and its scenario say.
    fn all_parts(
        &mut self,
        top: &Map<String, Value>,
        root: &At,
        run: &Run,
        programs: &Programs,
        texts: &mut Vec<(String, At)>,
    ) -> Vec<Part> {
        let default = self.default_part(top, root, run, texts);
        let mut parts = Vec::new();
        let with = tests::With { files: self.files, programs, config: None };
        let listed = tests::read(self.shown(top.get("tests")).as_ref(), &root.part("/tests"), with, self.problems);
        for raw in listed {
            if let Some(part) = self.written(&raw, texts) {
                parts.push(default.under(&part));
            }
        }
        self.scenarios(top, root, &default, with, texts, &mut parts);
        if parts.is_empty() && top.get("scenarios").is_none_or(Value::is_null) && self.problems.is_empty() {
            // Without tests promptfoo asks every prompt once.
            parts.push(default.under(&Part::empty(root.clone())));
        }
        for part in &mut parts {
            self.name_judges(part);
            if let Err(problem) = made_vars(part, programs) {
                self.problems.push(problem);
            }
        }
        parts
    }

    /// A value with the variables of `env` put in, as promptfoo does when it reads a config.
    pub(super) fn shown(&self, value: Option<&Value>) -> Option<Value> {
        let value = value?;
        Some(replace_texts(value, &|text| self.environment.shown_in(text)))
    }

    pub(super) fn written(&mut self, raw: &Raw, texts: &mut Vec<(String, At)>) -> Option<Part> {
        note_texts(&raw.value, &raw.at, texts);
        self.part(&raw.value, &raw.at)
    }

    fn default_part(&mut self, top: &Map<String, Value>, root: &At, run: &Run, texts: &mut Vec<(String, At)>) -> Part {
        let at = root.part("/defaultTest");
        let mut part = match self.shown(top.get("defaultTest")) {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) => match path.strip_prefix("file://").map(|path| self.files.document(path)) {
                Some(Ok(Ok(document))) => {
                    let at = At::root(&document);
                    let value = refs::resolved(document.value(), &at, self.problems);
                    self.written(&Raw { value, at }, texts)
                }
                Some(Ok(Err(others))) => {
                    self.problems.extend(others);
                    None
                }
                Some(Err(why)) => {
                    self.problems.push(at.problem(why));
                    None
                }
                None => {
                    self.problems.push(at.problem("`defaultTest` is a mapping, or begins with `file://`"));
                    None
                }
            },
            Some(value) => self.written(&Raw { value, at: at.clone() }, texts),
        }
        .unwrap_or_else(|| Part::empty(at));
        part.description = None;
        for (key, value) in &run.options {
            part.options.entry(key.clone()).or_insert_with(|| value.clone());
        }
        if let Some(Value::Object(metadata)) = top.get("metadata")
            && part.metadata.is_empty()
        {
            part.metadata = metadata.clone();
        }
        part
    }
}

/// Keeps every text of a test that may name a variable of `env`.
fn note_texts(value: &Value, at: &At, texts: &mut Vec<(String, At)>) {
    match value {
        Value::String(text) if text.contains("env") && text.contains('{') => texts.push((text.clone(), at.clone())),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| {
            note_texts(item, &at.part(&format!("/{index}")), texts);
        }),
        Value::Object(fields) => {
            for (key, item) in fields {
                // Judges and their keys are no prompts.
                if key != "provider" {
                    note_texts(item, &at.part(&format!("/{}", document::pointer_part(key))), texts);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Who is asked: the config's providers, or the policy's model in the place of all of them.
fn asked(
    providers: &[Provider],
    asked: Asked,
    files: &Files,
    environment: &Environment<'_>,
    keyed: &mut Keyed,
    problems: &mut Problems,
) -> Vec<Who> {
    let mut who = Vec::new();
    for provider in providers {
        let mut reader =
            Reader { files, environment, keyed: &mut *keyed, problems: &mut *problems, judge: None, asked };
        let transform = match &provider.transform {
            Some((value, at)) => reader.code(Some(value), at),
            None => None,
        };
        let names: Vec<String> = provider.label.iter().chain([&provider.id]).cloned().collect();
        let prompts = provider.prompts.clone();
        let (id, label) = (provider.id.clone(), provider.label.clone());
        match asked {
            Asked::Policy => {
                let settings = Settings::default().over(&provider.config);
                who.push(Who { id, label, model: None, settings, transform, prompts, names, tells: None });
            }
            Asked::Own => match provider.reach(environment, files) {
                Ok(reached) => {
                    let model: Arc<str> = keyed.key(provider, &reached.spec).into();
                    who.push(Who {
                        id,
                        label,
                        model: Some(model),
                        settings: reached.settings,
                        transform,
                        prompts,
                        names,
                        tells: outside::tells(&reached.spec),
                    });
                }
                Err(problem) => problems.push(problem),
            },
        }
    }
    match asked {
        Asked::Own => {
            if providers.is_empty() && problems.is_empty() {
                problems.push(
                    Problem::of_file("config", "the config has no `providers`").help("set `gate.model` in the policy"),
                );
            }
            who
        }
        Asked::Policy => collapsed(who),
    }
}

/// One in the place of several: what any of them was asked is asked, with the settings of the first.
fn collapsed(who: Vec<Who>) -> Vec<Who> {
    let every = who.iter().any(|one| one.prompts.is_none()) || who.is_empty();
    let prompts: Vec<String> = who.iter().flat_map(|one| one.prompts.iter().flatten()).cloned().collect();
    let names: Vec<String> = who.iter().flat_map(|one| &one.names).cloned().collect();
    let first = who.into_iter().next();
    let (settings, transform) = first.map_or((Settings::default(), None), |first| (first.settings, first.transform));
    vec![Who {
        id: "policy".to_owned(),
        label: None,
        model: None,
        settings,
        transform,
        prompts: (!every).then_some(prompts),
        names,
        tells: None,
    }]
}

/// The suite's name: the file's, or its folder's where every config is called the same.
fn suite_name(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = || {
        let folder = path.canonicalize().ok()?.parent()?.file_name()?.to_string_lossy().into_owned();
        Some(folder)
    };
    let plain = if stem == "promptfooconfig" { folder().unwrap_or(stem) } else { stem };
    let letter = |letter: char| {
        if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-') { letter } else { '-' }
    };
    let name: String = plain.chars().map(letter).take(100).collect();
    if name.is_empty() { "promptfoo".to_owned() } else { name }
}
