//! How much each assertion type proves. Kept out: what a verdict makes of it (`gate::safety`).

use crate::gate::safety::Evidence;

/// How an assertion type judges. A name that is not in the table counts as the weakest.
pub fn evidence(kind: &str) -> Evidence {
    known(kind).unwrap_or(Evidence::Words)
}

fn known(kind: &str) -> Option<Evidence> {
    Some(match kind {
        "equals" | "contains" | "icontains" | "contains-any" | "contains-all" | "icontains-any" | "icontains-all"
        | "starts-with" | "regex" | "levenshtein" | "word-count" | "line-count" | "is-json" | "contains-json"
        | "latency" | "cost" | "numeric" | "choice" => Evidence::Exact,
        "canary" | "marker" | "no-secrets" | "no-pii" | "no-exfiltration" | "no-unsafe-output" | "tool-policy"
        | "no-copy" | "same-answer" => Evidence::Exact,
        "refusal" => Evidence::Screen,
        "no-insults" => Evidence::Words,
        "llm-judge" | "guard" | "strongreject" => Evidence::Judge,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registered_type_says_how_much_it_proves() {
        for reference in crate::eval::scorer::TYPES {
            assert!(known(reference.name).is_some(), "{}", reference.name);
        }
        assert_eq!(evidence("refusal"), Evidence::Screen);
        assert_eq!(evidence("no-insults"), Evidence::Words);
        assert_eq!(evidence("canary"), Evidence::Exact);
        assert_eq!(evidence("llm-judge"), Evidence::Judge);
        assert_eq!(evidence("no such type"), Evidence::Words);
    }
}
