//! `metric_list` and `filter_list` of a task, and what lm-eval takes where they say nothing. Kept out: what filters and metrics
//! compute. Source: lm-eval 0.4.13, `api/registry.py`, `api/metrics.py`, `filters/`.

use serde_json::{Map, Value};

use super::doc::{FilterStep, MetricSpec, OutputType, Pipeline, RegexStep};
use super::file::Entry;
use super::metric::rouge::{KINDS, is_kind};
use crate::document::{Problem, nearest};

/// A metric that needs no Python: its name, its aggregation, and whether more is better. The samples of those with a mean are shares.
const METRICS: &[(&str, &str, bool)] = &[
    ("acc", "mean", true),
    ("acc_bytes", "mean", true),
    ("acc_mutual_info", "mean", true),
    ("acc_norm", "mean", true),
    ("bits_per_byte", "bits_per_byte", false),
    ("bleu", "bleu", true),
    ("brier_score", "brier_score", false),
    ("byte_perplexity", "weighted_perplexity", false),
    ("chrf", "chrf", true),
    ("chrf++", "chrf++", true),
    ("exact_match", "mean", true),
    ("f1", "f1", true),
    ("mcc", "matthews_corrcoef", true),
    ("perplexity", "perplexity", false),
    // Becomes one metric of each kind. lm-eval has no aggregation of its own for it.
    ("rouge", "mean", true),
    ("word_perplexity", "weighted_perplexity", false),
];
const AGGREGATIONS: &[&str] = &[
    "mean",
    "nanmean",
    "median",
    "perplexity",
    "weighted_perplexity",
    "bits_per_byte",
    "f1",
    "matthews_corrcoef",
    "bleu",
    "chrf",
    "chrf++",
    "ter",
    "brier_score",
];
/// What shares can be summed up by.
const OF_SHARES: &[&str] = &["mean", "nanmean", "median"];
const FILTERS: &[&str] = &[
    "take_first",
    "take_first_k",
    "majority_vote",
    "lowercase",
    "uppercase",
    "remove_whitespace",
    "map",
    "regex",
    "multi_choice_regex",
];
const OTHER_TOOL: &str = "run lm_eval itself with `harness: lm_eval` in the policy";
/// `regex_pattern` where a filter has none. Source: lm-eval 0.4.13, `filters/extraction.py`.
const NUMBER: &str = r"#### (\-?[0-9\.\,]+)";

/// The metrics of a task.
pub(super) fn metrics(entry: Option<&Entry>, output_type: OutputType) -> Result<Vec<MetricSpec>, Problem> {
    let spec = |name: &str, aggregation: &str, better| MetricSpec {
        name: name.to_owned(),
        aggregation: aggregation.to_owned(),
        higher_is_better: Some(better),
        options: Map::new(),
    };
    let Some(entry) = entry.filter(|entry| !entry.value.is_null()) else {
        let names: &[&str] = match output_type {
            OutputType::MultipleChoice => &["acc", "acc_norm"],
            OutputType::LogLikelihood => &["perplexity", "acc"],
            OutputType::LogLikelihoodRolling => &["word_perplexity", "byte_perplexity", "bits_per_byte"],
            OutputType::GenerateUntil => &["exact_match"],
        };
        let known = METRICS.iter().filter(|(name, ..)| names.contains(name));
        return Ok(known.map(|(name, aggregation, better)| spec(name, aggregation, *better)).collect());
    };
    let Some(items) = entry.value.as_array().filter(|items| !items.is_empty()) else {
        return Err(entry.problem("`metric_list` is a list of mappings with `metric`"));
    };
    let each = items.iter().map(|item| metric(entry, item)).collect::<Result<Vec<_>, _>>()?;
    Ok(each.into_iter().flatten().collect())
}

fn metric(entry: &Entry, item: &Value) -> Result<Vec<MetricSpec>, Problem> {
    let Some((fields, name)) = item.as_object().and_then(|fields| Some((fields, fields.get("metric")?.as_str()?)))
    else {
        return Err(entry.problem("an entry of `metric_list` needs `metric`, a name"));
    };
    let Some((_, own, better)) = METRICS.iter().find(|(known, ..)| *known == name) else {
        let problem = entry.problem(format!("the metric `{name}` is not one that is computed here"));
        let near = nearest(name, METRICS.iter().map(|(name, ..)| *name)).map(|near| format!("`{near}` is; else "));
        return Err(problem.help(format!("{}{OTHER_TOOL}", near.unwrap_or_default())));
    };
    let mut options = fields.clone();
    options.remove("metric");
    let aggregation = match options.remove("aggregation") {
        None | Some(Value::Null) => *own,
        Some(Value::String(given)) => {
            let known = AGGREGATIONS.iter().find(|known| **known == given);
            known
                .copied()
                .ok_or_else(|| entry.problem(format!("the aggregation `{given}` is not known")).help(OTHER_TOOL))?
        }
        Some(_) => return Err(entry.problem("`aggregation` is a name").help(OTHER_TOOL)),
    };
    if aggregation != *own && !(*own == "mean" && OF_SHARES.contains(&aggregation)) {
        let problem = entry.problem(format!("the aggregation `{aggregation}` of `{name}` is not computed here"));
        return Err(problem.help(format!("leave it out for lm-eval's own, `{own}`; else {OTHER_TOOL}")));
    }
    let higher_is_better = match options.remove("higher_is_better") {
        None | Some(Value::Null) => Some(*better),
        Some(Value::Bool(given)) => Some(given),
        Some(_) => return Err(entry.problem("`higher_is_better` is true or false")),
    };
    match options.remove("hf_evaluate") {
        None | Some(Value::Bool(false) | Value::Null) => {}
        Some(_) => return Err(entry.problem("`hf_evaluate` needs Python").help(OTHER_TOOL)),
    }
    let taken: &[&str] = match name {
        "exact_match" => &["ignore_case", "ignore_punctuation", "ignore_numbers", "regexes_to_ignore", "multi_target"],
        "rouge" => &["rouge_types", "use_stemmer", "use_aggregator"],
        _ => &[],
    };
    if let Some(other) = options.keys().find(|key| !taken.contains(&key.as_str())) {
        return Err(entry.problem(format!("the metric `{name}` has no option `{other}`")));
    }
    options.remove("multi_target");
    let kinds = if name == "rouge" { rouge(entry, &mut options)? } else { vec![name.to_owned()] };
    let spec =
        |name| MetricSpec { name, aggregation: aggregation.to_owned(), higher_is_better, options: options.clone() };
    Ok(kinds.into_iter().map(spec).collect())
}

/// The kinds of ROUGE that are asked for; of its options none is left.
fn rouge(entry: &Entry, options: &mut Map<String, Value>) -> Result<Vec<String>, Problem> {
    for (option, usual) in [("use_stemmer", false), ("use_aggregator", true)] {
        match options.remove(option) {
            None | Some(Value::Null) => {}
            Some(Value::Bool(given)) if given == usual => {}
            Some(_) => {
                return Err(entry.problem(format!("`{option}` of rouge is {usual} here")).help(OTHER_TOOL));
            }
        }
    }
    let named = match options.remove("rouge_types") {
        None | Some(Value::Null) => return Ok(KINDS.map(str::to_owned).to_vec()),
        Some(Value::Array(names)) => names,
        Some(_) => return Err(entry.problem("`rouge_types` is a list of names")),
    };
    let mut kinds: Vec<String> = Vec::with_capacity(named.len());
    for name in &named {
        let name = name.as_str().filter(|name| is_kind(name) && !kinds.iter().any(|kind| kind == name));
        let wrong = || entry.problem("`rouge_types` are `rouge1` to `rouge9`, `rougeL` and `rougeLsum`, each once");
        kinds.push(name.ok_or_else(wrong)?.to_owned());
    }
    if kinds.is_empty() { Err(entry.problem("`rouge_types` names none")) } else { Ok(kinds) }
}

/// The pipelines of a task. What is no text can only be taken as it is.
pub(super) fn pipelines(entry: Option<&Entry>, output_type: OutputType) -> Result<Vec<Pipeline>, Problem> {
    let Some(entry) = entry.filter(|entry| !entry.value.is_null()) else {
        return Ok(vec![Pipeline { name: "none".to_owned(), steps: vec![FilterStep::TakeFirst] }]);
    };
    let Some(items) = entry.value.as_array().filter(|items| !items.is_empty()) else {
        return Err(entry.problem("`filter_list` is a list of mappings with `name` and `filter`"));
    };
    let mut pipelines: Vec<Pipeline> = Vec::with_capacity(items.len());
    for item in items {
        let name = item.get("name").and_then(Value::as_str);
        let (Some(name), Some(steps)) = (name, item.get("filter").and_then(Value::as_array)) else {
            return Err(entry.problem("an entry of `filter_list` needs `name` and a list `filter`"));
        };
        if pipelines.iter().any(|pipeline| pipeline.name == name) {
            return Err(entry.problem(format!("the filter `{name}` is there twice")));
        }
        let steps: Vec<FilterStep> = steps.iter().map(|step| self::step(entry, step)).collect::<Result<_, _>>()?;
        if output_type != OutputType::GenerateUntil && !matches!(steps.as_slice(), [FilterStep::TakeFirst]) {
            let problem = entry.problem(format!("the filter `{name}` wants a text, and the task asks for likelihoods"));
            return Err(problem.help("leave `filter_list` out, or give it one `take_first`"));
        }
        pipelines.push(Pipeline { name: name.to_owned(), steps });
    }
    Ok(pipelines)
}

fn step(entry: &Entry, step: &Value) -> Result<FilterStep, Problem> {
    let named = step.as_object().and_then(|fields| Some((fields, fields.get("function")?.as_str()?)));
    let Some((fields, function)) = named else {
        return Err(entry.problem("a filter needs `function`, a name"));
    };
    let mut options = Options { entry, function, fields: fields.clone() };
    options.fields.remove("function");
    let step = match function {
        "take_first" => FilterStep::TakeFirst,
        "take_first_k" => {
            let k = options.fields.remove("k").and_then(|k| k.as_u64()).and_then(|k| usize::try_from(k).ok());
            FilterStep::TakeFirstK(k.ok_or_else(|| entry.problem("`take_first_k` needs `k`, a count"))?)
        }
        "majority_vote" => FilterStep::MajorityVote,
        "lowercase" => FilterStep::Lowercase,
        "uppercase" => FilterStep::Uppercase,
        "remove_whitespace" => FilterStep::RemoveWhitespace,
        "map" => {
            let Some(Value::Object(mapping)) = options.fields.remove("mapping_dict") else {
                return Err(entry.problem("`map` needs `mapping_dict`, a mapping"));
            };
            FilterStep::Map { mapping, default: options.fields.remove("default_value") }
        }
        "regex" => FilterStep::Regex(options.regex()?),
        "multi_choice_regex" => FilterStep::MultiChoiceRegex {
            regex: options.regex()?,
            ignore_case: options.truth("ignore_case")?,
            ignore_punctuation: options.truth("ignore_punctuation")?,
            regexes_to_ignore: options.texts("regexes_to_ignore")?,
        },
        other => {
            let problem = entry.problem(format!("the filter `{other}` is not one that is computed here"));
            let near = nearest(other, FILTERS.iter().copied()).map(|near| format!("`{near}` is; else "));
            return Err(problem.help(format!("{}{OTHER_TOOL}", near.unwrap_or_default())));
        }
    };
    match options.fields.keys().next() {
        None => Ok(step),
        Some(other) => Err(entry.problem(format!("the filter `{function}` has no option `{other}`"))),
    }
}

/// What a filter is given, taken out one by one: what is left over is unknown.
struct Options<'a> {
    entry: &'a Entry,
    function: &'a str,
    fields: Map<String, Value>,
}

impl Options<'_> {
    fn wrong(&self, key: &str, what: &str) -> Problem {
        self.entry.problem(format!("`{key}` of the filter `{}` is {what}", self.function))
    }

    fn text(&mut self, key: &str, default: &str) -> Result<String, Problem> {
        match self.fields.remove(key) {
            None => Ok(default.to_owned()),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(self.wrong(key, "a text")),
        }
    }

    fn truth(&mut self, key: &str) -> Result<bool, Problem> {
        match self.fields.remove(key) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(truth)) => Ok(truth),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    fn texts(&mut self, key: &str) -> Result<Vec<String>, Problem> {
        let texts = match self.fields.remove(key) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(items)) => {
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
            }
            Some(_) => None,
        };
        texts.ok_or_else(|| self.wrong(key, "a list of texts"))
    }

    fn regex(&mut self) -> Result<RegexStep, Problem> {
        let pattern = self.text("regex_pattern", NUMBER)?;
        let group_select = match self.fields.remove("group_select") {
            None => 0,
            Some(given) => given.as_i64().ok_or_else(|| self.wrong("group_select", "a whole number"))?,
        };
        fancy_regex::Regex::new(&pattern).map_err(|error| {
            self.wrong("regex_pattern", &format!("no regular expression that can be used: {error}"))
        })?;
        Ok(RegexStep { pattern, group_select, fallback: self.text("fallback", "[invalid]")? })
    }
}
