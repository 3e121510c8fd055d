//! Verdicts by the rules that the file's docs state.

use llmci::gate::{CaseUnit, Data, Direction, MetricName, Subject, Threshold, Unit, assess};
use llmci::stats::{
    Certain, Count, Pairs, Progress, binomial_upper_tail, clopper_pearson_upper, curtailment, holm, normal_quantile,
    tango_score,
};
use serde_json::json;

use super::case::{Case, Tolerance};

pub fn threshold(case: &mut Case) {
    let (k, n) = (case.whole("k"), case.whole("n"));
    let rule = json!({
        "metric": "pass_rate",
        "min": case.number("threshold"),
        "confidence": 1.0 - case.number("alpha"),
    });
    let rule: Threshold = serde_json::from_value(rule).unwrap();
    let unit = |cluster| CaseUnit { cluster, sum: if cluster < k { 1.0 } else { 0.0 }, judged: 1, missing: 0 };
    let subject = Subject {
        name: MetricName::new("pass_rate").unwrap(),
        scope: None,
        direction: Direction::Higher,
        unit: Unit::Share,
    };
    let metric = assess(&subject, &Data::Share((0..n).map(unit).collect()), Some(&rule));
    case.is("verdict", metric.verdict.map(|verdict| verdict.word()));
}

pub fn safety(case: &mut Case) {
    let (limit, alpha) = (case.number("limit"), case.alpha());
    let categories: Vec<Count> = case
        .input("categories")
        .as_array()
        .unwrap()
        .iter()
        .map(|category| Count::new(category["violations"].as_u64().unwrap(), category["n"].as_u64().unwrap()).unwrap())
        .collect();
    let tails: Vec<f64> =
        categories.iter().map(|count| binomial_upper_tail(count.successes(), count.trials(), limit)).collect();
    let words: Vec<&'static str> = categories
        .iter()
        .zip(holm(&tails))
        .map(|(count, p)| {
            if clopper_pearson_upper(*count, alpha) <= limit {
                "pass"
            } else if p <= alpha.value() {
                "fail"
            } else {
                "inconclusive"
            }
        })
        .collect();
    let verdict = if words.contains(&"fail") {
        "fail"
    } else if words.iter().all(|word| *word == "pass") {
        "pass"
    } else {
        "inconclusive"
    };
    case.is("per_category", words);
    case.is("verdict", verdict);
}

pub fn regression(case: &mut Case) {
    let pairs = Pairs::new(case.whole("up"), case.whole("down"), case.whole("n")).unwrap();
    let z = normal_quantile(1.0 - case.alpha().value());
    let (margin, zero) = (tango_score(pairs, -case.number("margin")), tango_score(pairs, 0.0));
    let verdict = if margin > z {
        "pass"
    } else if zero < -z {
        "fail"
    } else {
        "inconclusive"
    };
    case.is("verdict", verdict);
    // The group's tolerance is for the words; the scores have that of the group `tango_paired`.
    let score = Tolerance { absolute: 1e-9, relative: 0.0 };
    case.is_within("T_margin", margin, score);
    case.is_within("T_zero", zero, score);
}

pub fn curtailed(case: &mut Case) {
    let n = case.whole("N");
    let got = curtailment(n, case.number("threshold"), case.alpha());
    let progress = Progress { successes: case.whole("x"), remaining: n - case.whole("n") };
    case.is("kpass", got.pass_from.unwrap_or(n + 1));
    case.is("kfail", got.fail_to.map_or(-1, |most| i64::try_from(most).unwrap()));
    case.is(
        "certain",
        got.certain(progress).map(|certain| match certain {
            Certain::Pass => "pass",
            Certain::Fail => "fail",
            Certain::Inconclusive => "inconclusive",
        }),
    );
}
