//! What can be wrong with `regression:`.

use crate::document::{Document, Problems};
use crate::eval::compare::subject_of;
use crate::gate::Unit;
use crate::gate::compare::{RegressionMode, RegressionPolicy, RegressionRule};

/// Finds every problem.
pub(super) fn check(regression: &RegressionPolicy, document: &Document, problems: &mut Problems) {
    if !(regression.coverage > 0.0 && regression.coverage <= 1.0) {
        problems.push(document.problem("/regression/coverage", "the coverage is a share above 0 and at most 1"));
    }
    for (index, rule) in regression.rules.iter().enumerate() {
        let pointer = format!("/regression/rules/{index}");
        check_rule(rule, regression.anchor.is_some(), &pointer, document, problems);
    }
    if !regression.rules.is_empty() && !regression.rules.iter().any(|rule| rule.required) {
        problems
            .push(document.problem("/regression/rules", "no rule of the comparison is required: nothing could pass"));
    }
}

fn check_rule(rule: &RegressionRule, anchored: bool, pointer: &str, document: &Document, problems: &mut Problems) {
    let mut at = |field: &str, message: String| problems.push(document.problem(&format!("{pointer}{field}"), message));
    let most = match subject_of(rule) {
        Ok((subject, _)) if subject.unit == Unit::Share => 1.0,
        Ok(_) => 10.0,
        Err(problem) => {
            at("/metric", problem.to_string());
            1.0
        }
    };
    let good = |margin: f64| margin > 0.0 && margin < most;
    if !good(rule.margin) {
        at("/margin", format!("the margin is more than 0 and less than {most}"));
    }
    match rule.cumulative_margin {
        Some(margin) if !good(margin) => {
            at("/cumulative_margin", format!("the margin is more than 0 and less than {most}"))
        }
        None if anchored && rule.mode == RegressionMode::Paired => {
            at("", "the comparison has an anchor, so the rule needs `cumulative_margin`".to_owned());
        }
        Some(_) | None => {}
    }
    if !(rule.confidence > 0.5 && rule.confidence < 1.0) {
        at("/confidence", "the confidence is more than 0.5 and less than 1".to_owned());
    }
    if !(rule.tolerance > 0.0 && rule.tolerance < 1.0) {
        at("/tolerance", "the tolerance is more than 0 and less than 1".to_owned());
    }
    if let Some(level) = &rule.level
        && crate::eval::Level::from_word(level).is_none()
    {
        at("/level", format!("no level `{level}`"));
    }
}
