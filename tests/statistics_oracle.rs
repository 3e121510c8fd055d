//! The statistics against reference values of scipy, statsmodels, scikit-learn, confseq and ppi: every number of every case
//! of every group. `LLMCI_ORACLE_FILE` names another file of the same shape.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "statistics_oracle/case.rs"]
mod case;
#[path = "statistics_oracle/intervals.rs"]
mod intervals;
#[path = "statistics_oracle/means.rs"]
mod means;
#[path = "statistics_oracle/sequential.rs"]
mod sequential;
#[path = "statistics_oracle/verdicts.rs"]
mod verdicts;

use case::{Case, Check, problems_of};
use serde_json::Value;

const CHECKS: [(&str, Check); 39] = [
    ("asymp_cs", sequential::asymptotic),
    ("bernoulli_cs", sequential::bernoulli),
    ("betting_log_capital", sequential::betting),
    ("binom_test", intervals::binomial),
    ("bootstrap_bca", means::bootstrap),
    ("clopper_pearson_ci", intervals::clopper_pearson_two_sided),
    ("clopper_pearson_one_sided", intervals::clopper_pearson_one_sided),
    ("cluster_se", means::clusters),
    ("cohen_kappa", means::kappa),
    ("conditional_power", sequential::power),
    ("curtailment_threshold", verdicts::curtailed),
    ("eb_confseq", sequential::empirical_bernstein),
    ("error_origin_eprocess", sequential::error_origin),
    ("exact_binomial_gst", sequential::exact_bounds),
    ("gst_bounds", sequential::bounds),
    ("jeffreys_ci", intervals::jeffreys_interval),
    ("mann_whitney", means::ranks),
    ("mcnemar", intervals::mcnemar_test),
    ("mixture_eprocess", sequential::mixture),
    ("msprt_normal", sequential::normal_mixture),
    ("multiplicity", means::families),
    ("newcombe_paired_m10", intervals::newcombe),
    ("paired_t", means::paired),
    ("pass_at_k", means::attempts),
    ("ppi_mean", means::helped),
    ("quantile_ci", means::quantile),
    ("sample_size", means::sizes),
    ("sign_flip_permutation", means::sign_flips),
    ("sign_test", means::signs),
    ("special_functions", intervals::special),
    ("sprt_bernoulli", sequential::ratio),
    ("tango_paired", intervals::tango_interval),
    ("unpaired_prop_diff", intervals::unpaired),
    ("variance_decomposition", means::variance),
    ("verdict_regression_binary", verdicts::regression),
    ("verdict_safety", verdicts::safety),
    ("verdict_threshold", verdicts::threshold),
    ("welch", means::independent),
    ("wilson_ci", intervals::wilson_interval),
];

const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/statistics.json");

#[test]
fn every_reference_number_comes_out() {
    let other = std::env::var_os("LLMCI_ORACLE_FILE");
    let all = problems_of_file(other.as_deref().unwrap_or(OWN.as_ref()).as_ref(), other.is_none());
    assert!(all.is_empty(), "{} problems:\n{}", all.len(), all.join("\n"));
}

/// What is wrong with a file; `whole` demands every group that there is.
fn problems_of_file(path: &std::path::Path, whole: bool) -> Vec<String> {
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let groups = file["groups"].as_object().unwrap();
    let mut all = Vec::new();
    for (name, group) in groups {
        match CHECKS.iter().find(|(known, _)| known == name) {
            Some((_, check)) => all.extend(problems_of(name, group, *check)),
            None => all.push(format!("{name}: nothing checks this group")),
        }
    }
    let absent = CHECKS.iter().filter(|(name, _)| whole && !groups.contains_key(*name));
    all.extend(absent.map(|(name, _)| format!("{name}: the file lacks this group")));
    all
}

#[test]
fn a_wrong_number_a_forgotten_key_and_an_empty_group_are_noticed() {
    let group = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let check: Check = |case: &mut Case| case.is("one", 1.0);
    let one = |out: &str| group(&format!(r#"{{"tol": {{"abs": 0.1}}, "cases": [{{"in": {{}}, "out": {out}}}]}}"#));
    assert!(problems_of("g", &one(r#"{"one": 1.05}"#), check).is_empty());
    assert_eq!(problems_of("g", &one(r#"{"one": 1.2}"#), check).len(), 1);
    assert_eq!(problems_of("g", &one(r#"{"one": null}"#), check).len(), 1);
    assert_eq!(problems_of("g", &one(r#"{"one": "inf"}"#), check).len(), 1);
    assert_eq!(problems_of("g", &one(r#"{"one": 1.0, "two": 2.0}"#), check).len(), 1);
    assert_eq!(problems_of("g", &one("{}"), check).len(), 1);
    assert_eq!(problems_of("g", &group(r#"{"tol": {}, "cases": []}"#), check).len(), 1);
}
