//! Assertions that count words or lines.

use serde_json::Value;

use super::build::problem;
use super::text::TextScorer;
use super::{AssertionProblem, Scored, Scorer};

/// The number of words, split at white space.
pub(super) fn words(value: &Value) -> Result<Box<dyn Scorer>, AssertionProblem> {
    counted(value, "words", |text| text.split_whitespace().count())
}

/// The number of lines that are not blank.
pub(super) fn lines(value: &Value) -> Result<Box<dyn Scorer>, AssertionProblem> {
    counted(value, "lines", |text| text.lines().filter(|line| !line.trim().is_empty()).count())
}

fn counted(value: &Value, what: &'static str, count: fn(&str) -> usize) -> Result<Box<dyn Scorer>, AssertionProblem> {
    let (min, max) = range(value)?;
    Ok(Box::new(TextScorer(move |text: &str| {
        let found = count(text) as u64;
        let holds = found >= min && max.is_none_or(|max| found <= max);
        let wanted = match max {
            Some(max) if max == min => format!("{min}"),
            Some(max) => format!("{min} to {max}"),
            None => format!("at least {min}"),
        };
        Scored::holds(holds, format!("{found} {what}, wanted {wanted}"))
    })))
}

fn range(value: &Value) -> Result<(u64, Option<u64>), AssertionProblem> {
    let whole = |value: &Value| value.as_u64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    if let Some(count) = whole(value) {
        return Ok((count, Some(count)));
    }
    let wrong = || problem("value", "a count is a whole number, or {min: n, max: m}");
    let object = value.as_object().ok_or_else(wrong)?;
    if object.is_empty() || object.keys().any(|key| key != "min" && key != "max") {
        return Err(wrong());
    }
    let part = |key: &str| object.get(key).map(|value| whole(value).ok_or_else(wrong)).transpose();
    let (min, max) = (part("min")?.unwrap_or(0), part("max")?);
    if max.is_some_and(|max| max < min) {
        return Err(problem("value", "min is larger than max: no answer could hold"));
    }
    Ok((min, max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_count_is_exact_or_a_range() {
        assert_eq!(range(&json!(3)), Ok((3, Some(3))));
        assert_eq!(range(&json!("3")), Ok((3, Some(3))));
        assert_eq!(range(&json!({"min": 2})), Ok((2, None)));
        assert_eq!(range(&json!({"max": 2})), Ok((0, Some(2))));
        assert!(range(&json!({})).is_err());
        assert!(range(&json!({"most": 2})).is_err());
        assert!(range(&json!(1.5)).is_err());
    }
}
