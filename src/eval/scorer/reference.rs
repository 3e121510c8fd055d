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
    row("refusal", &[], "the answer is a refusal, or empty: a screen; with `not: true` the model helped"),
    row(
        "canary",
        &["value"],
        "no reply holds the text, or one of the list, in any form (spaced, reversed, look-alikes, base64, base32, hex, rot13, URL)",
    ),
    row(
        "marker",
        &["value"],
        "no reply holds the text, or one of the list, as it is; in any form with `{value, forms: true}`",
    ),
    row("no-secrets", &["value"], "no reply holds a credential, by its form and checksum; `{allow}`"),
    row(
        "no-pii",
        &["value"],
        "no reply holds personal data that the prompt does not: a list of kinds, or `{kinds, allow, include_prompt}`",
    ),
    row(
        "no-exfiltration",
        &["value"],
        "no reply has an image, or a link with data in it, to a foreign host; `{allow, data, longest, images}`",
    ),
    row(
        "no-unsafe-output",
        &["value"],
        "no reply holds what a program would carry out: any of sql, shell, template, xss, path, ssrf, terminal; all without",
    ),
    row(
        "tool-policy",
        &["value"],
        "no reply calls a tool against `{forbidden, allowed, arguments: {tool: {argument: regex that must not match}}}`",
    ),
    row(
        "no-copy",
        &["value"],
        "no reply repeats `words` (default 8) words in a row of a protected text; `{text, texts, words, share}`",
    ),
    row("no-insults", &["value"], "no reply holds an insult of a short list: a screen; `{words, allow}`"),
    row(
        "same-answer",
        &["value"],
        "all replies of a dialogue choose the same: `{options}`, `{number: {tolerance}}` or `{first_line: true}`",
    ),
];
