//! The room against reference values of scipy 1.17 and statsmodels 0.15 (`tests/oracles/statistics.json`, with the
//! tolerances that stand in it). Groups for functions that are not built yet are not read.

use serde_json::Value;

use super::*;

fn group(name: &str) -> (Vec<Value>, f64, f64) {
    let text = include_str!("../../tests/oracles/statistics.json");
    let all: Value = serde_json::from_str(text).unwrap();
    let group = all["groups"][name].clone();
    let tolerance = |key: &str| group["tol"][key].as_f64().unwrap_or(0.0);
    let cases = group["cases"].as_array().unwrap().clone();
    assert!(!cases.is_empty(), "{name}");
    (cases, tolerance("abs"), tolerance("rel"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn close(name: &str, case: &Value, got: f64, want: &Value, absolute: f64, relative: f64) {
    let want = number(want);
    assert!((got - want).abs() <= absolute + relative * want.abs(), "{name}: got {got}, want {want}, in {case}");
}

fn count(case: &Value) -> Count {
    Count::new(case["in"]["k"].as_u64().unwrap(), case["in"]["n"].as_u64().unwrap()).unwrap()
}

fn relative(case: &Value, relative: f64) -> f64 {
    if case["in"]["n"].as_u64().is_some_and(|n| n >= 100_000) { 1e-7 } else { relative }
}

#[test]
fn wilson_agrees_with_statsmodels() {
    let (cases, absolute, rel) = group("wilson_ci");
    for case in &cases {
        let got = wilson(count(case), Alpha::new(1.0 - number(&case["in"]["conf"])).unwrap());
        let rel = relative(case, rel);
        close("low", case, got.low, &case["out"]["lo"], absolute, rel);
        close("high", case, got.high, &case["out"]["hi"], absolute, rel);
    }
}

#[test]
fn clopper_pearson_agrees_with_scipy() {
    let (cases, absolute, rel) = group("clopper_pearson_one_sided");
    for case in &cases {
        let alpha = Alpha::new(number(&case["in"]["alpha"])).unwrap();
        let rel = relative(case, rel);
        close("lower", case, clopper_pearson_lower(count(case), alpha), &case["out"]["lower"], absolute, rel);
        close("upper", case, clopper_pearson_upper(count(case), alpha), &case["out"]["upper"], absolute, rel);
    }
}

#[test]
fn special_functions_agree_with_scipy() {
    let (cases, _, rel) = group("special_functions");
    for case in &cases {
        let (input, out) = (&case["in"], &case["out"]);
        let (a, b, x, p) = (number(&input["a"]), number(&input["b"]), number(&input["x"]), number(&input["p"]));
        let rel = if a >= 1e5 || b >= 1e5 { 1e-7 } else { rel };
        close("incomplete beta", case, incomplete_beta(a, b, x), &out["betainc"], 0.0, rel);
        close("its inverse", case, beta_quantile(p, a, b), &out["betaincinv"], 0.0, rel);
        close("normal quantile", case, normal_quantile(p), &out["ndtri"], 0.0, rel);
        close("t quantile", case, student_quantile(p, number(&input["df"])), &out["t_ppf"], 0.0, rel);
    }
}

#[test]
fn clustered_means_agree_with_statsmodels() {
    let (cases, absolute, rel) = group("cluster_se");
    for case in &cases {
        let keys = case["in"].as_object().unwrap();
        let clusters = keys.get("clusters").or(keys.get("groups")).or(keys.get("cluster")).unwrap().as_array().unwrap();
        let mut totals: std::collections::BTreeMap<String, (f64, u64)> = std::collections::BTreeMap::new();
        for (score, cluster) in case["in"]["scores"].as_array().unwrap().iter().zip(clusters) {
            let total = totals.entry(cluster.to_string()).or_default();
            *total = (total.0 + number(score), total.1 + 1);
        }
        let totals: Vec<_> = totals.into_values().collect();
        let got = clustered_mean(&totals).unwrap();
        let out = &case["out"];
        let se = ["se", "se_cluster", "cr1", "cluster_se"].iter().find_map(|key| out.get(*key)).unwrap();
        close("standard error", case, got.standard_error, se, absolute, rel);
        let confidence = case["in"]["conf"].as_f64().unwrap_or(0.95);
        let interval = got.interval(Alpha::new(1.0 - confidence).unwrap());
        if let (Some(low), Some(high)) = (out.get("lo"), out.get("hi")) {
            close("low", case, interval.low, low, absolute, rel);
            close("high", case, interval.high, high, absolute, rel);
        }
    }
}

#[test]
fn quantile_ranks_agree_with_scipy() {
    let (cases, _, _) = group("quantile_ci");
    for case in &cases {
        let input = &case["in"];
        let n = usize::try_from(input["n"].as_u64().unwrap()).unwrap();
        let (l, u) = quantile_ranks(n, number(&input["q"]), Alpha::new(number(&input["alpha"])).unwrap());
        assert_eq!((Some(l as u64), Some(u as u64)), (case["out"]["l"].as_u64(), case["out"]["u"].as_u64()), "{case}");
    }
}

#[test]
fn the_published_sample_sizes_come_out() {
    // Zero failures certify a rate of 0.001 at 95 % from 2,995 samples on, and not from 2,994.
    let alpha = Alpha::new(0.05).unwrap();
    assert!(clopper_pearson_upper(Count::new(0, 2995).unwrap(), alpha) <= 0.001);
    assert!(clopper_pearson_upper(Count::new(0, 2994).unwrap(), alpha) > 0.001);
    // All of n successes show a rate of 0.9 from 29 on: 0.9^29 = 0.0471 < 0.05 <= 0.9^28.
    assert_eq!(samples_to_decide(Count::new(12, 12).unwrap(), 0.9, alpha), Some(29));
    assert_eq!(samples_to_decide(Count::new(9, 10).unwrap(), 0.9, alpha), None);
}
