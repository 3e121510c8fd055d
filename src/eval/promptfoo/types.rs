//! The types of assertions that promptfoo 0.121.20 knows, and what each needs. Kept out: how they judge (`assert`, `graded`).

use crate::document::nearest;

/// What judges an assertion of a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum By {
    /// This program.
    Here,
    /// A script of this language.
    Script,
    /// A model that reads the answer.
    Model,
    /// A model that gives vectors.
    Embeddings,
    /// Nothing here: a service of somebody, or a person. The words say whose.
    Elsewhere(&'static str),
    /// The steps of an agent, which a gate does not see.
    Traces,
}

/// One type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// Without `not-`.
    pub name: &'static str,
    /// What it needs.
    pub by: By,
    /// Whether `not-` may stand before it.
    pub negatable: bool,
}

const fn kind(name: &'static str, by: By) -> Kind {
    Kind { name, by, negatable: true }
}

const fn plain(name: &'static str, by: By) -> Kind {
    Kind { name, by, negatable: false }
}

const AGENT: &str = "an agent with tools that judges";
const WEB: &str = "a model that searches the web";

/// Every type; `assert-set` is none, since it only groups.
pub(super) const KINDS: &[Kind] = &[
    kind("agent-rubric", By::Elsewhere(AGENT)),
    kind("answer-relevance", By::Model),
    kind("bleu", By::Here),
    kind("classifier", By::Elsewhere("a classifier at Hugging Face")),
    kind("contains", By::Here),
    kind("contains-all", By::Here),
    kind("contains-any", By::Here),
    kind("contains-html", By::Here),
    kind("contains-json", By::Here),
    kind("contains-sql", By::Here),
    kind("contains-xml", By::Here),
    kind("context-faithfulness", By::Model),
    kind("context-recall", By::Model),
    kind("context-relevance", By::Model),
    kind("conversation-relevance", By::Model),
    kind("cost", By::Here),
    kind("equals", By::Here),
    kind("factuality", By::Model),
    kind("finish-reason", By::Here),
    kind("g-eval", By::Model),
    kind("gleu", By::Here),
    kind("guardrails", By::Here),
    kind("icontains", By::Here),
    kind("icontains-all", By::Here),
    kind("icontains-any", By::Here),
    kind("is-html", By::Here),
    kind("is-json", By::Here),
    kind("is-refusal", By::Here),
    kind("is-sql", By::Here),
    kind("is-valid-function-call", By::Here),
    kind("is-valid-openai-function-call", By::Here),
    kind("is-valid-openai-tools-call", By::Here),
    kind("is-xml", By::Here),
    kind("javascript", By::Script),
    kind("latency", By::Here),
    kind("levenshtein", By::Here),
    kind("llm-rubric", By::Model),
    kind("meteor", By::Here),
    kind("model-graded-closedqa", By::Model),
    kind("model-graded-factuality", By::Model),
    kind("moderation", By::Elsewhere("a moderation service of OpenAI, Replicate or Azure")),
    kind("perplexity", By::Here),
    kind("perplexity-score", By::Here),
    kind("pi", By::Elsewhere("the scorer of Pi Labs")),
    kind("python", By::Script),
    kind("regex", By::Here),
    kind("rouge-n", By::Here),
    kind("ruby", By::Script),
    kind("search-rubric", By::Elsewhere(WEB)),
    kind("similar", By::Embeddings),
    kind("similar:cosine", By::Embeddings),
    kind("similar:dot", By::Embeddings),
    kind("similar:euclidean", By::Embeddings),
    kind("skill-used", By::Traces),
    kind("starts-with", By::Here),
    kind("tool-call-f1", By::Here),
    kind("trace-error-spans", By::Traces),
    kind("trace-span-count", By::Traces),
    kind("trace-span-duration", By::Traces),
    kind("trajectory:goal-success", By::Traces),
    kind("trajectory:step-count", By::Traces),
    kind("trajectory:tool-args-match", By::Traces),
    kind("trajectory:tool-sequence", By::Traces),
    kind("trajectory:tool-used", By::Traces),
    kind("webhook", By::Here),
    kind("word-count", By::Here),
    plain("human", By::Elsewhere("a person")),
    plain("max-score", By::Here),
    plain("select-best", By::Model),
];

/// The type that a word names, and whether it stands behind `not-`.
pub(super) fn kind_of(word: &str) -> Option<(Kind, bool)> {
    let find = |name: &str| KINDS.iter().find(|kind| kind.name == name).copied();
    find(word).map(|kind| (kind, false)).or_else(|| {
        let kind = find(word.strip_prefix("not-")?)?;
        kind.negatable.then_some((kind, true))
    })
}

/// The type that an unknown word most likely meant.
pub(super) fn nearest_kind(word: &str) -> Option<&'static str> {
    let base = word.strip_prefix("not-").unwrap_or(word);
    nearest(base, KINDS.iter().map(|kind| kind.name).chain(["assert-set"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_base_type_of_promptfoo_is_there_once() {
        let mut names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), KINDS.len()), (69, 69));
        assert_eq!(KINDS.iter().filter(|kind| kind.negatable).count(), 66);
    }

    #[test]
    fn not_stands_before_base_types_only() {
        assert!(kind_of("not-contains").is_some_and(|(kind, not)| kind.name == "contains" && not));
        assert!(kind_of("not-select-best").is_none());
        assert!(kind_of("not-not-contains").is_none());
        assert_eq!(nearest_kind("contain"), Some("contains"));
        assert_eq!(nearest_kind("not-icontain"), Some("icontains"));
    }
}
