//! Special functions, intervals of proportions, and pairs of answers.

use llmci::stats::{
    Count, PairedTable, Pairs, beta_quantile, binomial_test, clopper_pearson, clopper_pearson_lower,
    clopper_pearson_upper, incomplete_beta, jeffreys, mcnemar, miettinen_nurminen, newcombe_paired, newcombe_unpaired,
    normal_quantile, student_quantile, tango, tango_score, wald_unpaired, wilson,
};

use super::case::{Case, Tolerance};

pub fn special(case: &mut Case) {
    case.allow_for_large(&["a", "b"]);
    let (a, b, p) = (case.number("a"), case.number("b"), case.number("p"));
    case.is("betainc", incomplete_beta(a, b, case.number("x")));
    case.is("betaincinv", beta_quantile(p, a, b));
    case.is("ndtri", normal_quantile(p));
    case.is("t_ppf", student_quantile(p, case.number("df")));
}

pub fn wilson_interval(case: &mut Case) {
    case.allow_for_large(&["n"]);
    let got = wilson(case.count(), case.confidence());
    case.is("lo", got.low);
    case.is("hi", got.high);
}

pub fn clopper_pearson_two_sided(case: &mut Case) {
    case.allow_for_large(&["n"]);
    let got = clopper_pearson(case.count(), case.confidence());
    case.is("lo", got.low);
    case.is("hi", got.high);
}

pub fn clopper_pearson_one_sided(case: &mut Case) {
    case.allow_for_large(&["n"]);
    case.is("lower", clopper_pearson_lower(case.count(), case.alpha()));
    case.is("upper", clopper_pearson_upper(case.count(), case.alpha()));
}

pub fn jeffreys_interval(case: &mut Case) {
    let got = jeffreys(case.count(), case.confidence());
    case.is("lo", got.low);
    case.is("hi", got.high);
}

pub fn binomial(case: &mut Case) {
    let got = binomial_test(case.count(), case.number("p0"));
    case.is("less", got.less);
    case.is("greater", got.greater);
    case.is("two_sided", got.two_sided);
}

pub fn mcnemar_test(case: &mut Case) {
    let (down, up) = (case.whole("b"), case.whole("c"));
    // Pairs that agree do not matter; one of them allows the case without any change.
    let got = mcnemar(Pairs::new(up, down, up + down + 1).unwrap());
    case.is("p_two_sided", got.two_sided);
    case.is("p_worse", got.worse);
    case.is("midp_two_sided", got.mid_p);
}

pub fn tango_interval(case: &mut Case) {
    let (up, down) = (case.whole("up"), case.whole("down"));
    let pairs = Pairs::new(up, down, up + down + case.whole("both") + case.whole("neither")).unwrap();
    let interval = tango(pairs, case.confidence());
    case.is("diff", pairs.difference());
    case.is("T_at_delta", tango_score(pairs, case.number("delta")));
    case.is("T_at_zero", tango_score(pairs, 0.0));
    case.is("lo", interval.low);
    case.is("hi", interval.high);
}

pub fn newcombe(case: &mut Case) {
    let table = PairedTable {
        both: case.whole("a"),
        first: case.whole("b"),
        second: case.whole("c"),
        neither: case.whole("d"),
    };
    let (interval, phi) = newcombe_paired(table, case.confidence()).unwrap();
    let n = table.both + table.first + table.second + table.neither;
    case.is("diff", Pairs::new(table.first, table.second, n).unwrap().difference());
    case.is("lo", interval.low);
    case.is("hi", interval.high);
    case.is("phi", phi);
}

pub fn unpaired(case: &mut Case) {
    let first = Count::new(case.whole("k1"), case.whole("n1")).unwrap();
    let second = Count::new(case.whole("k2"), case.whole("n2")).unwrap();
    let alpha = case.confidence();
    let within = |absolute| Tolerance { absolute, relative: 0.0 };
    let ends = |interval: llmci::stats::Interval| vec![interval.low, interval.high];
    case.is_within("newcombe", ends(newcombe_unpaired(first, second, alpha)), within(1e-10));
    case.is_within("wald", ends(wald_unpaired(first, second, alpha)), within(1e-10));
    // Left out of the file where statsmodels finds no root.
    if case.expects("score") {
        case.is_within("score", ends(miettinen_nurminen(first, second, alpha)), within(1e-6));
    }
}
