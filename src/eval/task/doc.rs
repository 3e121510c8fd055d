//! One document of a task, ready to be asked and judged, and the parts of a task that all of its documents share.
//! Source of all names: lm-evaluation-harness 0.4.13, `lm_eval/api/task.py` and `lm_eval/config/task.py`.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::gate::{MetricName, MetricNameError};

/// `output_type:` of a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutputType {
    /// The likeliest of several continuations.
    MultipleChoice,
    /// The likelihood of one continuation.
    LogLikelihood,
    /// The likelihood of a whole text.
    LogLikelihoodRolling,
    /// A generated text.
    GenerateUntil,
}

/// The gold answer of a document.
#[derive(Clone, PartialEq, Debug)]
pub enum Expected {
    /// The index of the right choice.
    Choice(usize),
    /// The indices of all right choices (`multiple_targets` of a multiple_choice task).
    Choices(Vec<usize>),
    /// A text.
    Text(String),
    /// Several right texts.
    Texts(Vec<String>),
    /// None that can be used: -100 in lm-eval.
    None,
}

/// A document.
#[derive(Clone, Debug)]
pub struct Doc {
    /// The document's row of the data.
    pub row: Map<String, Value>,
    /// The choices as they are compared (multiple_choice), before the delimiter is put in front.
    pub choices: Vec<String>,
    /// The context that was asked about, without the continuation.
    pub context: String,
    /// The gold answer.
    pub expected: Expected,
    /// What all documents of the task share.
    pub task: Arc<TaskRules>,
}

/// How all documents of a task are judged.
#[derive(Clone, Debug)]
pub struct TaskRules {
    /// The task's name.
    pub name: String,
    /// What is asked.
    pub output_type: OutputType,
    /// `filter_list:`; one pipeline named `none` of `take_first` where the task has no own.
    pub pipelines: Vec<Pipeline>,
    /// `metric_list:`, or what lm-eval takes for the output type.
    pub metrics: Vec<MetricSpec>,
    /// `repeats:`: answers of one document.
    pub repeats: u32,
    /// What it says of itself.
    pub about: About,
}

/// What a task says of itself: results carry it, and nothing that is asked or measured depends on it.
#[derive(Clone, Debug)]
pub struct About {
    /// `task_alias:`, or its name.
    pub alias: String,
    /// `metadata.version`; `Yaml` where there is none.
    pub version: Value,
    /// Examples in front of a question.
    pub shots: u64,
    /// The groups that it was listed in, the outermost first.
    pub groups: Vec<Arc<Group>>,
}

/// A group of tasks.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// `group_alias:`, or its name.
    pub alias: String,
    /// `metadata.version`; `N/A` where there is none.
    pub version: String,
    /// `aggregate_metric_list`: each metric, and the filters that it is pooled behind; none for all that there are.
    pub pooled: Vec<(String, Option<Vec<String>>)>,
}

/// One entry of `filter_list`.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its name; `none` for the default.
    pub name: String,
    /// Its steps, in order.
    pub steps: Vec<FilterStep>,
}

/// One filter. Each works on all answers of one document.
#[derive(Clone, Debug)]
pub enum FilterStep {
    /// `take_first`.
    TakeFirst,
    /// `take_first_k`.
    TakeFirstK(usize),
    /// `majority_vote`.
    MajorityVote,
    /// `lowercase`.
    Lowercase,
    /// `uppercase`.
    Uppercase,
    /// `remove_whitespace`.
    RemoveWhitespace,
    /// `map`: a text to another, with a default.
    Map {
        /// From text to text.
        mapping: Map<String, Value>,
        /// For a text that is not in it.
        default: Option<Value>,
    },
    /// `regex`.
    Regex(RegexStep),
    /// `multi_choice_regex`.
    MultiChoiceRegex {
        /// The pattern and its options.
        regex: RegexStep,
        /// `ignore_case`.
        ignore_case: bool,
        /// `ignore_punctuation`.
        ignore_punctuation: bool,
        /// `regexes_to_ignore`.
        regexes_to_ignore: Vec<String>,
    },
}

/// What `regex` and its relatives take.
#[derive(Clone, Debug)]
pub struct RegexStep {
    /// `regex_pattern`, a Python regular expression.
    pub pattern: String,
    /// `group_select`: negative counts from the end.
    pub group_select: i64,
    /// `fallback`.
    pub fallback: String,
}

/// One entry of `metric_list`.
#[derive(Clone, Debug)]
pub struct MetricSpec {
    /// `metric:`.
    pub name: String,
    /// `aggregation:`, or what lm-eval takes for the metric.
    pub aggregation: String,
    /// `higher_is_better:`, or what lm-eval takes for the metric; none where neither says.
    pub higher_is_better: Option<bool>,
    /// Every other field: `ignore_case`, `ignore_punctuation`, `regexes_to_ignore`, `ignore_numbers`, ...
    pub options: Map<String, Value>,
}

/// The name that thresholds and reports use for a metric behind a filter: the metric's own for the filter `none`, else
/// `metric.filter`. Letters that a name cannot have become others: `chrf++` is `chrfpp`, and `_` stands for the rest.
pub fn metric_key(metric: &str, filter: &str) -> Result<MetricName, MetricNameError> {
    let key = if filter == "none" { metric.to_owned() } else { format!("{metric}.{filter}") };
    MetricName::of_text(&key.replace('+', "p")).ok_or(MetricNameError)
}
