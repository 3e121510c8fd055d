//! A JSON file of prompts, such as `red_team_prompts.json`: a list of texts or objects, or a mapping of a category to a list.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::build::Frame;
use super::expand::Fault;
use super::gather::{Added, Gathered};
use super::spec::{ProbeDefaults, ProbeSpec};
use super::tables::{UNNAMED, cut, harmless};
use super::{Format, LoadOptions, MOST_ROWS, row_id, spot};
use crate::document::{Problem, Problems, check_duplicate_keys, nearest};
use crate::eval::redteam::hazard::{HAZARDS, Hazard, by_ailuminate, by_llama_guard, hazard};
use crate::eval::redteam::probe::ProbeSuite;
use crate::eval::scorer::AssertionSpec;
use crate::gate::safety::{Severity, Side};

/// Keys under which a file may keep its list.
const WRAPPERS: &[&str] = &["prompts", "tests", "cases", "probes"];
/// Words that such files use for a category, beside the ids of hazards and the codes of taxonomies.
const CATEGORIES: &[(&str, &str)] = &[
    ("bias_and_fairness", "bias"),
    ("dangerous", "harmful_content"),
    ("discrimination", "bias"),
    ("exfiltration", "data_exfiltration"),
    ("fairness", "bias"),
    ("harmful", "harmful_content"),
    ("hate_speech", "hate"),
    ("illegal", "non_violent_crimes"),
    ("illegal_activity", "non_violent_crimes"),
    ("injection", "prompt_injection"),
    ("jailbreak", "harmful_content"),
    ("pii", "privacy"),
    ("system_prompt", "system_prompt_leak"),
    ("toxic", "toxicity"),
    ("violence", "violent_crimes"),
    ("weapons", "indiscriminate_weapons"),
    ("benign", "over_refusal"),
    ("safe", "over_refusal"),
];
/// `expected` of a prompt that is to be refused, and of one that is to be answered.
const REFUSE: &[&str] = &["refuse", "refusal", "refused", "reject", "block", "deny", "decline"];
const ANSWER: &[&str] = &["answer", "comply", "help", "allow", "compliance"];

/// An object of such a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    #[serde(default)]
    id: Option<Value>,
    #[serde(alias = "text", alias = "input")]
    prompt: String,
    #[serde(default, alias = "hazard")]
    category: Option<String>,
    #[serde(default)]
    severity: Option<Severity>,
    #[serde(default, alias = "expected_behavior", alias = "expected_behaviour")]
    expected: Option<String>,
    #[serde(default)]
    locale: Option<String>,
}

/// Reads the prompts of a JSON file.
pub(super) fn parse(text: &str, shown: &Arc<str>, name: &str, options: &LoadOptions) -> Result<ProbeSuite, Problems> {
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| not_json(shown, &error))?;
    check_duplicate_keys(text).map_err(|error| not_json(shown, &error))?;
    let places = Places::of(text);
    let defaults = ProbeDefaults::default();
    let frame = Frame { shown, defaults: &defaults, hazard: options.hazard, detect: &options.detect };
    let mut gathered = Gathered::new(shown, MOST_ROWS);
    for (category, list) in lists(whole, &places, shown)? {
        for raw in list {
            let line = places.line(raw);
            let at = spot(line);
            let place = |found: &Fault| {
                let problem = Problem::new(shown, at, found.message.clone());
                found.help.iter().fold(problem, |problem, help| problem.help(help.clone()))
            };
            let number = gathered.seen() + 1;
            match item(raw).and_then(|item| probe(item, category.as_deref(), number, options)) {
                Ok(spec) => {
                    if gathered.add(spec, at, &frame, &place) == Added::Full {
                        return gathered.finish(name);
                    }
                }
                Err(message) => gathered.report(Problem::new(shown, at, message)),
            }
        }
    }
    gathered.finish(name)
}

fn not_json(shown: &str, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or("not JSON");
    Problem::new(shown, spot(error.line().max(1)), format!("not JSON: {what}"))
}

/// Where the lines of a text begin, so that a part of it finds its line.
struct Places<'a> {
    text: &'a str,
    ends: Vec<usize>,
}

impl<'a> Places<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, ends: text.match_indices('\n').map(|(index, _)| index).collect() }
    }

    fn offset(&self, part: &RawValue) -> usize {
        // A raw value is a part of the text that it was read from.
        (part.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    fn line(&self, part: &RawValue) -> usize {
        let offset = self.offset(part);
        1 + self.ends.partition_point(|end| *end < offset)
    }
}

type Lists<'a> = Vec<(Option<String>, Vec<&'a RawValue>)>;

/// The lists of a file with their categories, in the order of the file.
fn lists<'a>(whole: &'a RawValue, places: &Places<'_>, shown: &str) -> Result<Lists<'a>, Problem> {
    let text = whole.get();
    if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(text) {
        return Ok(vec![(None, list)]);
    }
    let wrong = |raw: &RawValue, message: &str| {
        let help = "write a list of prompts, or a mapping of a category to a list of prompts";
        Problem::new(shown, spot(places.line(raw)), message.to_owned()).help(help)
    };
    let mapping: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|_| wrong(whole, "neither a list nor a mapping"))?;
    let mut mapping: Vec<(String, &RawValue)> = mapping.into_iter().collect();
    mapping.sort_by_key(|(_, raw)| places.offset(raw));
    let mut lists = Vec::new();
    for (key, raw) in mapping {
        let list: Vec<&RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| wrong(raw, &format!("what stands under `{}` is no list", cut(&key))))?;
        let category = Some(key).filter(|key| !WRAPPERS.contains(&key.as_str()));
        lists.push((category, list));
    }
    Ok(lists)
}

fn item(raw: &RawValue) -> Result<Item, String> {
    if let Ok(prompt) = serde_json::from_str::<String>(raw.get()) {
        return Ok(Item { id: None, prompt, category: None, severity: None, expected: None, locale: None });
    }
    serde_json::from_str(raw.get()).map_err(|error| {
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        format!("neither a text nor an object with `prompt`, `category`, `severity` and `expected`: {}", what)
    })
}

fn probe(item: Item, category: Option<&str>, number: usize, options: &LoadOptions) -> Result<ProbeSpec, String> {
    let own = match &item.id {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let mut spec = ProbeSpec::bare(row_id(&own, Format::Prompts, number), item.prompt);
    spec.severity = item.severity;
    spec.locale = item.locale;
    let found = match item.category.as_deref().or(category) {
        Some(word) => Some(category_of(word, options)?),
        None => options.hazard,
    };
    spec.hazard = Some(found.map_or(UNNAMED, |hazard| hazard.id).to_owned());
    let refusal_side = found.is_some_and(|hazard| hazard.side == Side::Refusal);
    let expected = item.expected.as_deref().map(str::to_ascii_lowercase);
    match expected.as_deref() {
        None if refusal_side => harmless(&mut spec),
        None => {}
        Some(word) if ANSWER.contains(&word) => harmless(&mut spec),
        Some(word) if REFUSE.contains(&word) && refusal_side => {
            return Err("a harmless request that is expected to be refused".to_owned());
        }
        // Where the caller has better detectors, they say whether an answer is harmful; a refusal is none in their eyes either.
        Some(word) if REFUSE.contains(&word) && options.detect.is_empty() => {
            let mut refused = AssertionSpec::new("refusal", Value::Null);
            refused.value = None;
            spec.detect = vec![refused];
        }
        Some(word) if REFUSE.contains(&word) => {}
        Some(word) => {
            return Err(format!("`expected` is refuse or answer, not `{}`", cut(word)));
        }
    }
    Ok(spec)
}

fn category_of(word: &str, options: &LoadOptions) -> Result<&'static Hazard, String> {
    let folded: String =
        word.trim().chars().map(|c| if matches!(c, '-' | ' ') { '_' } else { c.to_ascii_lowercase() }).collect();
    let known = hazard(&folded)
        .or_else(|| CATEGORIES.iter().find(|(name, _)| *name == folded).and_then(|(_, id)| hazard(id)))
        .or_else(|| by_ailuminate(&folded))
        .or_else(|| by_llama_guard(&folded.to_ascii_uppercase()))
        .or(options.hazard);
    known.ok_or_else(|| {
        let near = nearest(&folded, HAZARDS.iter().map(|hazard| hazard.id));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        format!("`{}` is no hazard{near}", cut(word))
    })
}
