//! Which keys promptfoo 0.121.20 knows where, and what becomes of each. A key that is nearly one that it knows is a problem, although
//! it only warns: a gate that checks nothing because of a typing error is no gate. Any other is left aside, as it does, with a note.

use serde_json::{Map, Value};

use super::place::At;
use crate::document::{Problem, Problems, pointer_part};

/// What becomes of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Use {
    /// It is read.
    Read,
    /// It changes nothing that a gate decides by.
    Harmless,
    /// It changes nothing that is decided, and is not done here: its author is told. The words say what to do.
    Noted(&'static str),
    /// It would change what is decided, and is not done here. The words say why, or what to do.
    Refused(&'static str),
}

use Use::{Harmless, Noted, Read, Refused};

const TOP: &[(&str, Use)] = &[
    ("$schema", Harmless),
    ("description", Read),
    ("tags", Harmless),
    ("prompts", Read),
    ("providers", Read),
    ("targets", Read),
    ("tests", Read),
    ("scenarios", Read),
    ("defaultTest", Read),
    ("assertionTemplates", Read),
    ("env", Read),
    ("evaluateOptions", Read),
    ("commandLineOptions", Read),
    ("metadata", Read),
    ("outputPath", Harmless),
    ("sharing", Harmless),
    ("writeLatestResults", Harmless),
    ("nunjucksFilters", Read),
    (
        "derivedMetrics",
        Noted("metrics made of metrics are not computed here: set thresholds on the metrics themselves"),
    ),
    ("extensions", Refused("hooks change the tests while they run, and are not run here")),
    ("tracing", Refused("a gate records no traces")),
    ("redteam", Noted("an evaluation makes no attacks, in promptfoo neither: use safety-gate for them")),
    ("plugins", Refused("use safety-gate for attacks")),
    ("strategies", Refused("use safety-gate for attacks")),
];

const TEST: &[(&str, Use)] = &[
    ("description", Read),
    ("vars", Read),
    ("provider", Read),
    ("providers", Read),
    ("prompts", Read),
    ("providerOutput", Read),
    ("assert", Read),
    ("options", Read),
    ("threshold", Read),
    ("metadata", Read),
    ("assertScoringFunction", Read),
];

const ASSERTION: &[(&str, Use)] = &[
    ("type", Read),
    ("value", Read),
    ("config", Read),
    ("threshold", Read),
    ("weight", Read),
    ("provider", Read),
    ("rubricPrompt", Read),
    ("metric", Read),
    ("transform", Read),
    ("contextTransform", Read),
    ("description", Harmless),
];

const SET: &[(&str, Use)] = &[
    ("type", Read),
    ("assert", Read),
    ("threshold", Read),
    ("weight", Read),
    ("metric", Read),
    ("config", Read),
    ("description", Harmless),
];

const OPTIONS: &[(&str, Use)] = &[
    ("prefix", Read),
    ("suffix", Read),
    ("provider", Read),
    ("rubricPrompt", Read),
    ("factuality", Read),
    ("transform", Read),
    ("postprocess", Read),
    ("disableVarExpansion", Read),
    ("disableDefaultAsserts", Read),
    ("repeat", Read),
    ("temperature", Read),
    ("max_tokens", Read),
    ("seed", Read),
    ("stop", Read),
    ("response_format", Read),
    ("runSerially", Harmless),
    ("disableConversationVar", Harmless),
    ("transformVars", Read),
    ("storeOutputAs", Refused("each case of a gate is asked by itself: an answer cannot become a var of a later test")),
];

const PROMPT: &[(&str, Use)] =
    &[("id", Read), ("label", Read), ("raw", Read), ("config", Read), ("display", Harmless), ("description", Harmless)];

const PROVIDER: &[(&str, Use)] = &[
    ("id", Read),
    ("label", Read),
    ("config", Read),
    ("prompts", Read),
    ("transform", Read),
    ("env", Harmless),
    ("delay", Harmless),
    ("description", Harmless),
    ("inputs", Refused("named inputs belong to red teaming: use safety-gate")),
];

const EVALUATE: &[(&str, Use)] = &[
    ("repeat", Read),
    ("timeoutMs", Read),
    ("cache", Harmless),
    ("delay", Harmless),
    ("maxConcurrency", Harmless),
    ("showProgressBar", Harmless),
    ("generateSuggestions", Harmless),
    ("suggestionsCount", Harmless),
    ("interactiveProviders", Harmless),
    ("maxEvalTimeMs", Harmless),
    ("silent", Harmless),
    ("isRedteam", Harmless),
    ("filterRange", Refused("part of the tests would not run: choose cases by the policy's filters")),
];

const COMMAND_LINE: &[(&str, Use)] = &[
    ("repeat", Read),
    ("promptPrefix", Read),
    ("promptSuffix", Read),
    ("description", Harmless),
    ("output", Harmless),
    ("maxConcurrency", Harmless),
    ("delay", Harmless),
    ("verbose", Harmless),
    ("tableCellMaxLength", Harmless),
    ("write", Harmless),
    ("cache", Harmless),
    ("table", Harmless),
    ("share", Harmless),
    ("noShare", Harmless),
    ("progressBar", Harmless),
    ("watch", Harmless),
    ("tags", Harmless),
    ("generateSuggestions", Harmless),
    ("suggestionsCount", Harmless),
    ("retryErrors", Harmless),
    ("envPath", Refused("variables come from the environment of the job: no file of them is read")),
    ("var", Refused("vars from a command line are not read: write them under `defaultTest.vars`")),
    ("grader", Refused("name the judge under `defaultTest.options.provider`, or as `gate.judge` in the policy")),
    ("prompts", Refused("write them as the config's own `prompts`")),
    ("providers", Refused("write them as the config's own `providers`")),
    ("vars", Refused("write them as the config's own `tests`")),
    ("tests", Refused("write them as the config's own `tests`")),
    ("assertions", Refused("write them as the config's own `tests`")),
    ("modelOutputs", Refused("write them as the config's own `tests`")),
    ("config", Refused("one config is one suite")),
    ("extension", Refused("hooks are not run here")),
    ("filterErrorsOnly", Refused("part of the tests would not run: choose cases by the policy's filters")),
    ("filterFailing", Refused("part of the tests would not run: choose cases by the policy's filters")),
    ("filterFailingOnly", Refused("part of the tests would not run: choose cases by the policy's filters")),
    ("filterFirstN", Refused("part of the tests would not run: choose cases by the policy's filters")),
    ("filterMetadata", Refused("part of the tests would not run: choose cases by the policy's filters")),
    ("filterPattern", Refused("part of the tests would not run: choose cases by the policy's filters")),
    ("filterPrompts", Refused("part of the tests would not run: choose cases by the policy's filters")),
    ("filterProviders", Refused("part of the tests would not run: choose cases by the policy's filters")),
    ("filterTargets", Refused("part of the tests would not run: choose cases by the policy's filters")),
    ("filterRange", Refused("part of the tests would not run: choose cases by the policy's filters")),
    ("filterSample", Refused("part of the tests would not run: choose cases by the policy's filters")),
    ("filterSampleSeed", Refused("part of the tests would not run: choose cases by the policy's filters")),
];

const SCENARIO: &[(&str, Use)] = &[("description", Harmless), ("config", Read), ("tests", Read)];

/// What kind of mapping is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Of {
    Top,
    Test,
    Assertion,
    AssertionSet,
    Options,
    Prompt,
    Provider,
    EvaluateOptions,
    CommandLineOptions,
    Scenario,
}

impl Of {
    fn table(self) -> &'static [(&'static str, Use)] {
        match self {
            Of::Top => TOP,
            Of::Test => TEST,
            Of::Assertion => ASSERTION,
            Of::AssertionSet => SET,
            Of::Options => OPTIONS,
            Of::Prompt => PROMPT,
            Of::Provider => PROVIDER,
            Of::EvaluateOptions => EVALUATE,
            Of::CommandLineOptions => COMMAND_LINE,
            Of::Scenario => SCENARIO,
        }
    }
}

/// Says what is wrong with the keys of a mapping.
pub(super) fn check(of: Of, fields: &Map<String, Value>, at: &At, problems: &mut Problems) {
    let table = of.table();
    for (key, value) in fields {
        // Keys for anchors and comments of the author's own, as compose files have them.
        if of == Of::Top && key.starts_with("x-") {
            continue;
        }
        let found = table.iter().find(|(known, _)| known == key);
        let place = || at.part(&format!("/{}", pointer_part(key)));
        match found {
            Some((_, Read | Harmless)) => {}
            Some((_, Refused(why))) => {
                if !is_idle(value) {
                    problems.push(refused(key, &place(), why));
                }
            }
            Some((_, Noted(why))) => {
                if !is_idle(value) {
                    problems.note(refused(key, &place(), why));
                }
            }
            None => {
                let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
                place().unknown_key(key, &names, problems);
            }
        }
    }
}

fn refused(key: &str, at: &At, why: &str) -> Problem {
    at.key_problem(format!("`{key}` is not done here")).help(why)
}

/// Whether a value says that nothing is to be done.
fn is_idle(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty() || fields.get("enabled") == Some(&Value::Bool(false)),
        Value::String(text) => text.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}
