//! The numeric assertion: the last number of an answer, within a tolerance.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::build::problem;
use super::text::TextScorer;
use super::{AssertionProblem, Scored, Scorer};

/// The answer's last number is `value`, within the larger of both tolerances.
pub(super) fn numeric(
    value: &Value,
    tolerance: Option<f64>,
    relative: Option<f64>,
) -> Result<Box<dyn Scorer>, AssertionProblem> {
    let want = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let want =
        want.filter(|want| want.is_finite()).ok_or_else(|| problem("value", "`numeric` compares with a number"))?;
    let check = |field, tolerance: Option<f64>| match tolerance {
        Some(value) if !(value.is_finite() && value >= 0.0) => Err(problem(field, "a tolerance is 0 or more")),
        other => Ok(other.unwrap_or(0.0)),
    };
    let allowed = check("tolerance", tolerance)?.max(check("relative_tolerance", relative)? * want.abs());
    Ok(Box::new(TextScorer(move |text: &str| match last_number(text) {
        Some(found) => {
            Scored::holds((found - want).abs() <= allowed, format!("found {found}, wanted {want} within {allowed}"))
        }
        None => Scored::holds(false, format!("no number in the answer, wanted {want}")),
    })))
}

/// The last number of a text: `1,234.5`, `-3`, `2e5`; a percent sign behind it is no part of it.
pub(super) fn last_number(text: &str) -> Option<f64> {
    static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"[-+\u{2212}]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?").ok()
    });
    let found = NUMBER.as_ref()?.find_iter(text).last()?;
    // A minus that joins two words or numbers is no sign: "5-3" ends with 3.
    let before = text.get(..found.start()).and_then(|head| head.chars().next_back());
    let signed = !before.is_some_and(char::is_alphanumeric);
    let text = found.as_str().replace(',', "").replace('\u{2212}', "-");
    let text = if signed { text.as_str() } else { text.trim_start_matches(['-', '+']) };
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_counts_however_it_is_written() {
        let table = [
            ("The answer is 42.", Some(42.0)),
            ("1,234.5 apples", Some(1234.5)),
            ("first 3, then -7", Some(-7.0)),
            ("\u{2212}2.5", Some(-2.5)),
            ("5-3", Some(3.0)),
            ("2e5", Some(200_000.0)),
            ("50 %", Some(50.0)),
            (".5", Some(0.5)),
            ("1,2,3", Some(3.0)),
            ("no number", None),
            ("", None),
        ];
        for (text, want) in table {
            assert_eq!(last_number(text), want, "{text}");
        }
    }
}
