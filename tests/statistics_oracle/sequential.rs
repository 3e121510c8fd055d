//! Everything that is looked at more than once.

use llmci::stats::{
    Alpha, Alternative, BinomialPlan, Count, ErrorOrigin, Errors, FixedTest, Hypotheses, MeanNull, NormalMixture,
    Pairs, Progress, Side, TestErrors, WaldDecision, asymptotic_sequence, bernoulli_sequence, betting_log_capital,
    conditional_power, empirical_bernstein_sequence, error_origin_log_e_value, exact_binomial_bounds,
    generalised_log_ratio, group_sequential_bounds, mixture_log_e_value, mixture_ratio_test, ratio_test, rejects,
};

use super::case::Case;

pub fn bounds(case: &mut Case) {
    let looks = case.whole("K").try_into().unwrap();
    case.is("z", group_sequential_bounds(looks, case.alpha(), case.number("rho")));
}

pub fn exact_bounds(case: &mut Case) {
    let side = match case.input("side").as_str().unwrap() {
        "pass" => Side::Pass,
        other => {
            assert_eq!(other, "fail");
            Side::Fail
        }
    };
    let plan = BinomialPlan {
        n: case.whole("N"),
        looks: case.whole("K").try_into().unwrap(),
        rate: case.number("p0"),
        alpha: case.alpha(),
        rho: case.number("rho"),
    };
    let got = exact_binomial_bounds(plan, side);
    case.is("looks", got.looks);
    case.is("bounds", got.bounds);
    case.is("spent", got.spent);
}

pub fn mixture(case: &mut Case) {
    let alternative = if case.number("s") > 0.0 { Alternative::Above } else { Alternative::Below };
    let null = MeanNull { bound: case.number("m"), low: case.number("lo"), high: case.number("hi"), alternative };
    case.is("log_e", mixture_log_e_value(&case.numbers("x"), null));
}

pub fn error_origin(case: &mut Case) {
    let origin = ErrorOrigin { share: case.number("w"), ratio: case.number("rho") };
    let errors = Errors { canary: case.whole("canary_errors"), stable: case.whole("stable_errors") };
    let got = error_origin_log_e_value(origin, errors);
    case.is("theta0", origin.chance());
    case.is("log_e", got);
    case.is("rollback", rejects(got, case.alpha()));
}

pub fn betting(case: &mut Case) {
    case.is("log_capital", betting_log_capital(&case.numbers("x"), case.number("m"), case.alpha()));
}

pub fn empirical_bernstein(case: &mut Case) {
    let all = empirical_bernstein_sequence(&case.numbers("x"), case.alpha());
    let times = case.input("t").as_array().unwrap().iter();
    let at: Vec<_> = times.map(|t| all[usize::try_from(t.as_u64().unwrap()).unwrap() - 1]).collect();
    case.is("lo", at.iter().map(|interval| interval.low).collect::<Vec<_>>());
    case.is("hi", at.iter().map(|interval| interval.high).collect::<Vec<_>>());
}

pub fn bernoulli(case: &mut Case) {
    let got = bernoulli_sequence(case.count(), case.alpha(), case.number("t_opt"));
    case.is("lo", got.low);
    case.is("hi", got.high);
}

pub fn asymptotic(case: &mut Case) {
    let got = asymptotic_sequence(&case.numbers("x"), case.alpha(), case.number("rho2")).unwrap();
    case.is("mean", 0.5 * (got.low + got.high));
    case.is("halfwidth", 0.5 * (got.high - got.low));
}

pub fn ratio(case: &mut Case) {
    let rates = Hypotheses { null: case.number("p0"), alternative: case.number("p1") };
    let errors = TestErrors { first: case.alpha(), second: Alpha::new(case.number("beta")).unwrap() };
    let count: Count = case.count();
    let got = ratio_test(count, rates, errors);
    case.is("llr", got.log_ratio);
    case.is("lower", got.lower);
    case.is("upper", got.upper);
    case.is(
        "decision",
        match got.decision() {
            WaldDecision::Null => "H0",
            WaldDecision::Alternative => "H1",
            WaldDecision::Continue => "continue",
        },
    );
    let pairs = Pairs::new(case.whole("d_up"), case.whole("d_down"), case.whole("d_n")).unwrap();
    let differences = Hypotheses { null: case.number("s0"), alternative: case.number("s1") };
    case.is("gsprt", generalised_log_ratio(pairs, differences));
}

pub fn normal_mixture(case: &mut Case) {
    let null =
        NormalMixture { mean: case.number("theta0"), variance: case.number("sigma2"), spread: case.number("tau2") };
    let got = mixture_ratio_test(&case.numbers("x"), null);
    case.is("log_lr", got.log_ratio);
    case.is("p_running", got.p_value);
}

pub fn power(case: &mut Case) {
    let test =
        FixedTest { n: case.whole("N"), rate: case.number("p0"), alpha: case.alpha(), certainty: case.number("gamma") };
    let progress = Progress { successes: case.whole("x"), remaining: test.n - case.whole("n") };
    let got = conditional_power(test, progress);
    case.is("kcrit", got.critical);
    case.is("M", got.chance);
    case.is("stop", got.stop);
}
