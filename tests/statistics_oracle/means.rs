//! Means, ranks, resampling, families of tests, repeats, judges, quantiles and sample sizes.

use std::collections::BTreeMap;

use llmci::stats::{
    Alpha, Weights, benjamini_hochberg, bonferroni, bootstrap_mean, clustered_mean, cohen_kappa, holm, mann_whitney,
    mean, pairs_needed, pass_at_k, pass_hat_k, ppi_mean, quantile_ranks, samples_to_certify, sidak, sign_flip,
    sign_test, smallest_margin, variance_of_repeats, welch,
};

use super::case::{Case, Got, Tolerance, length, numbers};

pub fn paired(case: &mut Case) {
    let (base, candidate) = (case.numbers("base"), case.numbers("cand"));
    let differences: Vec<f64> = candidate.iter().zip(&base).map(|(candidate, base)| candidate - base).collect();
    let got = mean(&differences).unwrap();
    let interval = got.interval(case.confidence());
    case.is("mean", got.value);
    case.is("se", got.standard_error);
    case.is("lo", interval.low);
    case.is("hi", interval.high);
    case.is("p_ni", got.non_inferiority(case.number("margin")));
    case.is("p_two_sided", got.two_sided());
}

pub fn independent(case: &mut Case) {
    let got = welch(&case.numbers("x"), &case.numbers("y")).unwrap();
    let interval = got.interval(case.confidence());
    case.is("t", got.t(0.0));
    case.is("df", got.freedom);
    case.is("p", got.two_sided());
    case.is("lo", interval.low);
    case.is("hi", interval.high);
    case.is("p_ni", got.non_inferiority(case.number("margin")));
}

pub fn clusters(case: &mut Case) {
    let scores = case.numbers("scores");
    let mut totals: BTreeMap<u64, (f64, u64)> = BTreeMap::new();
    for (score, cluster) in scores.iter().zip(case.input("cluster").as_array().unwrap()) {
        let total = totals.entry(cluster.as_u64().unwrap()).or_default();
        *total = (total.0 + score, total.1 + 1);
    }
    let totals: Vec<(f64, u64)> = totals.into_values().collect();
    let (got, naive) = (clustered_mean(&totals).unwrap(), mean(&scores).unwrap());
    let interval = got.interval(case.confidence());
    case.is("mean", got.value);
    case.is("se", got.standard_error);
    case.is("lo", interval.low);
    case.is("hi", interval.high);
    case.is("naive_se", naive.standard_error);
    case.is("deff", (got.standard_error / naive.standard_error).powi(2));
    case.is("G", totals.len() as u64);
}

pub fn ranks(case: &mut Case) {
    let got = mann_whitney(&case.numbers("x"), &case.numbers("y")).unwrap();
    case.is("U", got.u);
    case.is("p_two", got.two_sided);
    case.is("p_greater", got.greater);
    case.is("p_less", got.less);
    case.is("hodges_lehmann", got.hodges_lehmann);
    assert_eq!(case.expects("p_two_exact"), got.exact.is_some());
    if let Some(exact) = got.exact {
        case.is("p_two_exact", exact);
    }
}

pub fn signs(case: &mut Case) {
    let got = sign_test(&case.numbers("d"));
    case.is("pos", got.positive);
    case.is("neg", got.negative);
    case.is("p_two", got.two_sided);
    case.is("p_worse", got.worse);
}

pub fn sign_flips(case: &mut Case) {
    let got = sign_flip(&case.numbers("d"), 9999, 1);
    case.is("p_worse", got.worse);
    case.is("p_two", got.two_sided);
}

pub fn bootstrap(case: &mut Case) {
    let (values, alpha) = (case.numbers("x"), case.confidence());
    let got = bootstrap_mean(&values, alpha, 20_000, 7).unwrap();
    assert_eq!(Some(got), bootstrap_mean(&values, alpha, 20_000, 7), "one seed, one interval");
    let tolerance = Tolerance { absolute: case.take("tol_abs"), relative: 0.0 };
    case.is_within("lo", got.low, tolerance);
    case.is_within("hi", got.high, tolerance);
}

pub fn families(case: &mut Case) {
    let p = case.numbers("p");
    case.is("holm", holm(&p));
    case.is("bh", benjamini_hochberg(&p));
    case.is("bonferroni", bonferroni(&p));
    if case.expects("sidak") {
        case.is("sidak", sidak(&p));
    }
}

pub fn attempts(case: &mut Case) {
    let (c, n, k) = (case.whole("c"), case.whole("n"), case.whole("k"));
    case.is("pass_at_k", pass_at_k(c, n, k));
    case.is("pass_hat_k", pass_hat_k(c, n, k));
}

pub fn variance(case: &mut Case) {
    let cases: Vec<Vec<f64>> = case.input("scores").as_array().unwrap().iter().map(numbers).collect();
    let got = variance_of_repeats(&cases).unwrap();
    case.is("mean", got.mean);
    case.is("within", got.within);
    case.is("between", got.between);
    case.is("se_mean", got.standard_error);
    case.is("se_at_K2", got.standard_error_at(case.whole("K2")));
    case.is("flaky", got.flaky);
}

pub fn kappa(case: &mut Case) {
    let raters = |key: &str| -> Vec<usize> {
        case.input(key).as_array().unwrap().iter().map(|rating| rating.as_u64().unwrap().try_into().unwrap()).collect()
    };
    let (a, b, categories) = (raters("a"), raters("b"), case.whole("K").try_into().unwrap());
    let of = |weights| cohen_kappa(&a, &b, categories, weights);
    case.is("none", of(Weights::Unweighted).map(|kappa| kappa.value));
    case.is("linear", of(Weights::Linear).map(|kappa| kappa.value));
    case.is("quadratic", of(Weights::Quadratic).map(|kappa| kappa.value));
    case.is("se", of(Weights::Unweighted).and_then(|kappa| kappa.standard_error));
}

pub fn helped(case: &mut Case) {
    let (labels, predicted, others) = (case.numbers("Y"), case.numbers("Yhat"), case.numbers("Yhat_unlabeled"));
    assert!(length(&labels) > 0.0);
    let of = |trust| ppi_mean(&labels, &predicted, &others, trust, case.confidence()).unwrap();
    let (plain, tuned) = (of(Some(1.0)), of(None));
    let fields = |helped: llmci::stats::Helped| {
        Got::Fields(vec![("point", helped.value), ("lo", helped.interval.low), ("hi", helped.interval.high)])
    };
    case.is("lam1", fields(plain));
    case.is("tuned", fields(tuned));
    case.is("lam_star", tuned.trust);
}

pub fn quantile(case: &mut Case) {
    let (lower, upper) = quantile_ranks(case.whole("n").try_into().unwrap(), case.number("q"), case.alpha());
    case.is("l", lower as u64);
    case.is("u", upper as u64);
}

pub fn sizes(case: &mut Case) {
    let (alpha, psi, power): (Alpha, f64, f64) = (case.alpha(), case.number("psi"), case.number("power"));
    case.is("n_exact", samples_to_certify(case.number("p0"), case.whole("c"), alpha));
    case.is("n_paired", pairs_needed(psi, 0.0, case.number("margin"), alpha, power));
    case.is("mde", smallest_margin(psi, case.whole("n"), alpha, power));
}
