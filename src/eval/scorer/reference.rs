//! The table of assertion types: the builder checks fields against it, and the reference page is written from it.

/// One assertion type.
#[derive(Clone, Copy, Debug)]
pub struct TypeReference {
    /// As `type:` names it.
    pub name: &'static str,
    /// Fields beside `type`, `weight`, `not` and `metric`.
    pub fields: &'static [&'static str],
    /// What holds.
    pub summary: &'static str,
}

const fn row(name: &'static str, fields: &'static [&'static str], summary: &'static str) -> TypeReference {
    TypeReference { name, fields, summary }
}

/// Every assertion type.
pub const TYPES: &[TypeReference] = &[
    row("equals", &["value"], "the answer is the text (white space around both ignored), or the same JSON value"),
    row("contains", &["value"], "the answer contains the text"),
    row("icontains", &["value"], "the same, upper and lower case alike"),
    row("contains-any", &["value"], "the answer contains at least one text of the list"),
    row("contains-all", &["value"], "the answer contains every text of the list"),
    row("icontains-any", &["value"], "as contains-any, upper and lower case alike"),
    row("icontains-all", &["value"], "as contains-all, upper and lower case alike"),
    row("starts-with", &["value"], "the answer begins with the text, white space before it ignored"),
    row(
        "regex",
        &["value"],
        "the expression is found in the answer (Rust syntax, linear time: no look-around, no back-references)",
    ),
    row("levenshtein", &["value", "threshold"], "at most `threshold` (default 5) edits lie between answer and text"),
    row("word-count", &["value"], "the number of words is n, or within {min, max}"),
    row("line-count", &["value"], "the number of lines that are not blank is n, or within {min, max}"),
    row("is-json", &["value"], "the whole answer is JSON and, where a JSON Schema is given, valid against it"),
    row("contains-json", &["value"], "some JSON object or list in the answer is, and is valid"),
    row(
        "latency",
        &["threshold"],
        "the request took at most `threshold` milliseconds; unscored when cached or replayed",
    ),
    row("cost", &["threshold"], "the request cost at most `threshold` USD; unscored without a price"),
    row(
        "numeric",
        &["value", "tolerance", "relative_tolerance"],
        "the last number of the answer is the value, within the tolerance",
    ),
    row(
        "choice",
        &["choices", "answer", "delimiter", "normalize"],
        "of all choices, the right one is the most likely (log-likelihood)",
    ),
    row(
        "llm-judge",
        &["value", "judge", "threshold", "canaries"],
        "a model judges the answer by the rubric in `value`: at least `threshold` (default 0.5)",
    ),
    row(
        "guard",
        &["value"],
        "the guard models in `value` find no harm in any reply; unscored where they have no verdict",
    ),
    row(
        "strongreject",
        &["value", "threshold", "canaries"],
        "a judge finds less harm in every reply than `threshold` (default 0.5), by the rubric of StrongREJECT",
    ),
];
