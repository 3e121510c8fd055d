//! What llmci does not do as promptfoo does, on purpose: the generator draws no config in which it would show. Everything that is
//! not named here has to agree. `docs/how-to/promptfoo-differences.md` says the same to users.

use serde_json::Value;

/// A difference that is meant.
pub(crate) struct Difference {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Why it is meant.
    pub(crate) reason: &'static str,
    /// Whether an assertion may show it, seen with the text that it judges.
    pub(crate) shows: fn(&Value, &str) -> bool,
}

/// All of them.
pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "an empty reason",
        reason: "promptfoo lets a test pass whose last failing script gives an empty reason; here it fails",
        shows: |assertion, _| text_of(assertion).contains("reason: ''"),
    },
    Difference {
        name: "another reason for the end",
        reason: "only `stop`, `length` and `content_filter` are known here; whether it was another is an error, and no failure",
        shows: |assertion, _| kind_of(assertion).ends_with("finish-reason") && text_of(assertion) == "tool_calls",
    },
    Difference {
        name: "columns of SQL",
        reason: "`allowedColumns` is refused: which table a column belongs to is not worked out",
        shows: |assertion, _| assertion["value"].get("allowedColumns").is_some(),
    },
    Difference {
        name: "vars made by a script",
        reason: "`transformVars` is refused, with its line; the generator draws none",
        shows: |assertion, _| assertion.get("transformVars").is_some(),
    },
    Difference {
        name: "a template that throws",
        reason: "a prompt whose template throws is refused before anything is asked, where promptfoo makes an error of the row",
        shows: |_, _| false,
    },
    Difference {
        name: "backquotes outside of MySQL",
        reason: "promptfoo's parser reads MySQL's backquotes as PostgreSQL and SQLite too, which those do not do",
        shows: |assertion, output| {
            kind_of(assertion).ends_with("-sql") && output.contains('`') && assertion["value"].is_object()
        },
    },
];

fn text_of(assertion: &Value) -> &str {
    assertion["value"].as_str().unwrap_or_default()
}

fn kind_of(assertion: &Value) -> &str {
    assertion["type"].as_str().unwrap_or_default()
}

/// The difference that an assertion may show.
pub(crate) fn of(assertion: &Value, output: &str) -> Option<&'static Difference> {
    DIFFERENCES.iter().find(|difference| (difference.shows)(assertion, output))
}

/// Whether a config is refused for a template of a prompt that throws, and promptfoo's rows say that it does.
pub(crate) fn throws<'a>(refusal: &str, mut whys: impl Iterator<Item = &'a str>) -> bool {
    let of_a_prompt =
        refusal.lines().filter(|line| line.contains("help:")).all(|line| line.contains("the prompt is `"));
    let thrown = |why: &str| why.contains("Template render error") || why.contains("TypeError");
    of_a_prompt && refusal.contains("the prompt is `") && whys.any(thrown)
}
