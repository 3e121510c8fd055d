//! One test of a config against one prompt and one provider: everything that an answer is judged by. Plain data: file
//! references are resolved and read when the config is loaded, templates are rendered when an answer is judged.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Map;

use crate::document::Spot;

/// One row: a test x a prompt x a provider.
#[derive(Clone, Debug)]
pub struct Test {
    /// `description:` of the test.
    pub description: Option<String>,
    /// Whether any test of the config has an assertion: where none has, nothing is checked, and nothing passes.
    pub checked: bool,
    /// After expansion, files loaded and templates in them rendered, as `context.vars` shows them.
    pub vars: Map<String, serde_json::Value>,
    /// The rendered prompt, as `context.prompt` shows it.
    pub prompt: String,
    /// The prompt's label.
    pub prompt_label: String,
    /// The provider's id and label, as `context.provider` shows them.
    pub provider: (String, Option<String>),
    /// Those of `defaultTest` first, then the test's own.
    pub assertions: Vec<Node>,
    /// `threshold:` of the test: overrides single failures.
    pub threshold: Option<f64>,
    /// What the answer goes through before it is judged: the provider's transform, then the test's.
    pub transforms: Vec<Code>,
    /// `options:` of the test merged over those of `defaultTest`, without what has a field here.
    pub options: Map<String, serde_json::Value>,
    /// The grader of `options.provider`, where the config names one.
    pub grader: Option<Grader>,
    /// `metadata:` of the test.
    pub metadata: Map<String, serde_json::Value>,
    /// What `env.X` in a template may show: the config's `env:` over the process's environment, without secrets.
    pub environment: Arc<BTreeMap<String, String>>,
    /// The rows that `select-best` and `max-score` compare with this one; none where no such assertion is there.
    pub compared: Option<Compared>,
    /// The config's folder: scripts of other languages run there.
    pub folder: Arc<PathBuf>,
    /// What scripts of other languages find in their environment.
    pub surroundings: Arc<BTreeMap<String, String>>,
    /// `assertScoringFunction:`, which has the last word on pass and score.
    pub scoring: Option<Code>,
}

/// All rows of one test: its prompts x its providers.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The position of this row in the suite.
    pub row: u32,
    /// The positions of all rows of the test, this one among them, in promptfoo's order.
    pub rows: Arc<[u32]>,
}

/// An assertion, or several that count as one.
#[derive(Clone, Debug)]
pub enum Node {
    /// One.
    One(Box<Assertion>),
    /// `assert-set`.
    Set(AssertSet),
}

/// `type: assert-set`.
#[derive(Clone, Debug)]
pub struct AssertSet {
    /// Its assertions; sets in sets do not exist.
    pub assertions: Vec<Assertion>,
    /// As a test's own threshold.
    pub threshold: Option<f64>,
    /// 1 unless given.
    pub weight: f64,
    /// Its named score; a template over the vars.
    pub metric: Option<String>,
    /// `config:` of the set, which its assertions inherit.
    pub config: Option<serde_json::Value>,
    /// Where it stands.
    pub spot: Spot,
}

/// One assertion, checked when the config is loaded: its type is one that is judged here.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// The type without `not-`, such as `icontains`.
    pub kind: &'static str,
    /// Whether it was written with `not-`.
    pub not: bool,
    /// What it compares with.
    pub value: Value,
    /// `threshold:`.
    pub threshold: Option<f64>,
    /// 1 unless given; 0 never fails the test.
    pub weight: f64,
    /// Its named score; a template over the vars.
    pub metric: Option<String>,
    /// What the answer goes through before this assertion.
    pub transform: Option<Code>,
    /// What the context of a `context-*` assertion is taken from.
    pub context_transform: Option<Code>,
    /// `rubricPrompt:` of the assertion; else that of the test's options.
    pub rubric_prompt: Option<serde_json::Value>,
    /// `provider:` of the assertion: who judges, or embeds.
    pub grader: Option<Grader>,
    /// `config:`, shown to scripts as `context.config`.
    pub config: Option<serde_json::Value>,
    /// Every other field as written, such as `method` of select-best.
    pub rest: Map<String, serde_json::Value>,
    /// Where it stands.
    pub spot: Spot,
}

/// What an assertion compares with.
#[derive(Clone, Debug)]
pub enum Value {
    /// No `value:`.
    None,
    /// As written; texts in it, at any depth of lists, are templates. A `file://` of text, JSON or YAML is read already.
    Plain(serde_json::Value),
    /// A script: the value of `javascript`, `python` and `ruby`, or a `file://` of such a script under any other type, whose result
    /// is then the value.
    Code(Code),
}

/// A model of the suite's own that judges or embeds: its key in the suite's models.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grader {
    /// The key.
    pub model: Arc<str>,
}

/// The language of a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    /// Runs in the embedded engine.
    JavaScript,
    /// Needs `python3` (or `PROMPTFOO_PYTHON`).
    Python,
    /// Needs `ruby`.
    Ruby,
}

/// A script of the config.
#[derive(Clone, Debug)]
pub struct Code {
    /// What runs it.
    pub language: Language,
    /// Where it stands.
    pub source: CodeSource,
}

/// Where a script stands.
#[derive(Clone, Debug)]
pub enum CodeSource {
    /// In the config: an expression, or several lines.
    Inline(String),
    /// In a file beside it.
    File {
        /// The file.
        path: PathBuf,
        /// Its text when the config was loaded.
        text: String,
        /// The function behind the last `:` of the reference.
        function: Option<String>,
    },
}
