//! `safety:` as a pull request may use it. What is attacked, and how, is the base's; suites that are added are asked as well;
//! of the rules each counts where it is stricter, and is listed where it is not.
//! Kept out: what a pull request changes of the probes themselves (`commands::base`).

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::Log;
use crate::eval::policy::Policy;
use crate::eval::redteam::{self, SafetyPolicy};
use crate::gate::safety::{Budgets, Indeterminate, SafetyRules, Screened, Side};
use crate::report::ChangeKind;

const FROM_THE_MERGE_ON: &str = "holds from the merge on";

/// Takes over what is stricter.
pub(super) fn guard(policy: &mut Policy, head: &Policy, log: &mut Log) {
    let (ours, theirs) = (&mut policy.safety, &head.safety);
    if *ours == *theirs {
        return;
    }
    rules(&mut ours.rules, &theirs.rules, log);
    suites(ours, theirs, log);
    let SafetyPolicy {
        suites: _,
        detect,
        strategies,
        attacks_per_prompt,
        prompts_per_hazard,
        attacker,
        attacker_budget,
        timeout_seconds,
        completions,
        baseline,
        rules: _,
    } = theirs;
    let changed = [
        ("detect", *detect != ours.detect),
        ("strategies", *strategies != ours.strategies),
        ("attacks_per_prompt", *attacks_per_prompt != ours.attacks_per_prompt),
        ("prompts_per_hazard", *prompts_per_hazard != ours.prompts_per_hazard),
        ("attacker", *attacker != ours.attacker),
        ("attacker_budget", *attacker_budget != ours.attacker_budget),
        ("timeout_seconds", *timeout_seconds != ours.timeout_seconds),
        ("completions", *completions != ours.completions),
        ("baseline", *baseline != ours.baseline),
    ];
    for (field, _) in changed.into_iter().filter(|(_, changed)| *changed) {
        log.loosened(format!("safety.{field}"), "changed");
    }
}

fn suites(ours: &mut SafetyPolicy, theirs: &SafetyPolicy, log: &mut Log) {
    for suite in ours.suites.iter().filter(|suite| !theirs.suites.contains(suite)) {
        let there = theirs.suites.iter().any(|other| other.name() == suite.name());
        let what = if there { "the suite is read in another way" } else { "the suite is gone" };
        log.loosened(format!("safety.suites {}", suite.name()), what);
    }
    // One file read in two ways would be two suites of one name.
    let known = |name: &str| ours.suites.iter().any(|suite| suite.name() == name);
    let new: Vec<_> = theirs.suites.iter().filter(|suite| !known(suite.name())).cloned().collect();
    // An empty list means every shipped suite: a list beside it would be less.
    if ours.suites.is_empty() && !new.is_empty() {
        log.loosened("safety.suites", "some suites instead of all shipped ones");
        return;
    }
    for suite in new {
        log.add(ChangeKind::Other, format!("safety.suites {}", suite.name()), "a new suite".to_owned());
        ours.suites.push(suite);
    }
}

fn rules(ours: &mut SafetyRules, theirs: &SafetyRules, log: &mut Log) {
    let own = &ours.clone();
    let SafetyRules {
        max_harmful_rate,
        max_hazard_rate: _,
        hazards: _,
        max_over_refusal_rate,
        confidence,
        budgets: tolerated,
        indeterminate,
        unit,
        screened,
        judge_labels,
        coverage,
    } = theirs;
    let mut rate = Some(ours.max_harmful_rate);
    lower(&mut rate, Some(*max_harmful_rate), "max_harmful_rate", log);
    ours.max_harmful_rate = rate.unwrap_or(own.max_harmful_rate);
    lower(&mut ours.max_over_refusal_rate, *max_over_refusal_rate, "max_over_refusal_rate", log);
    hazard_rates(ours, (own, theirs), log);
    budgets(&mut ours.budgets, tolerated, log);
    if *coverage > ours.coverage {
        log.add(ChangeKind::Tightened, place("coverage"), format!("{} -> {coverage}", ours.coverage));
        ours.coverage = *coverage;
    } else if *coverage != ours.coverage {
        log.loosened(place("coverage"), &format!("{} -> {coverage}", ours.coverage));
    }
    // A higher one certifies less, and also shows a failure or a rise less often: it is not stricter in every rule.
    if *confidence > ours.confidence {
        let what = format!(
            "{} -> {confidence}; a higher confidence also fails less often, so it {FROM_THE_MERGE_ON}",
            ours.confidence
        );
        log.add(ChangeKind::Other, place("confidence"), what);
    } else if *confidence != ours.confidence {
        log.loosened(place("confidence"), &format!("{} -> {confidence}", ours.confidence));
    }
    match (ours.indeterminate, *indeterminate) {
        (Indeterminate::Missing, Indeterminate::Harmful) => {
            ours.indeterminate = Indeterminate::Harmful;
            log.add(ChangeKind::Tightened, place("indeterminate"), "counted as harmful".to_owned());
        }
        (Indeterminate::Harmful, Indeterminate::Missing) => {
            log.loosened(place("indeterminate"), "not counted as harmful")
        }
        (Indeterminate::Harmful, Indeterminate::Harmful) | (Indeterminate::Missing, Indeterminate::Missing) => {}
    }
    match (ours.screened, *screened) {
        (Screened::Certify, Screened::Review) => {
            ours.screened = Screened::Review;
            log.add(ChangeKind::Tightened, place("screened"), "a screen certifies nothing".to_owned());
        }
        (Screened::Review, Screened::Certify) => log.loosened(place("screened"), "a screen certifies"),
        (Screened::Review, Screened::Review) | (Screened::Certify, Screened::Certify) => {}
    }
    for (field, changed) in [("unit", *unit != ours.unit), ("judge_labels", *judge_labels != ours.judge_labels)] {
        if changed {
            log.loosened(place(field), "changed");
        }
    }
}

fn place(field: &str) -> String {
    format!("safety.rules.{field}")
}

/// A limit; without one everything is allowed.
fn lower(ours: &mut Option<f64>, theirs: Option<f64>, field: &str, log: &mut Log) {
    let open = |limit: Option<f64>| limit.unwrap_or(f64::INFINITY);
    let shown = |limit: Option<f64>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
    let what = format!("{} -> {}", shown(*ours), shown(theirs));
    if open(theirs) < open(*ours) {
        log.add(ChangeKind::Tightened, place(field), what);
        *ours = theirs;
    } else if theirs != *ours {
        log.loosened(place(field), &what);
    }
}

/// The largest rate of a hazard; none where everything is allowed.
fn limit(rules: &SafetyRules, hazard: &str) -> Option<f64> {
    rules.limit(hazard, redteam::hazard(hazard).map_or(Side::Harm, |hazard| hazard.side))
}

/// The limit of every hazard, and those of single ones. Where nothing is said a more general limit holds, and what was said of that
/// is not said twice.
fn hazard_rates(ours: &mut SafetyRules, (own, theirs): (&SafetyRules, &SafetyRules), log: &mut Log) {
    if own.max_hazard_rate.is_some() || theirs.max_hazard_rate.is_some() {
        let general = |rules: &SafetyRules| rules.max_hazard_rate.or(Some(rules.max_harmful_rate));
        ours.max_hazard_rate = general(own);
        lower(&mut ours.max_hazard_rate, general(theirs), "max_hazard_rate", log);
    }
    let named: BTreeSet<&String> = own.hazards.keys().chain(theirs.hazards.keys()).collect();
    for id in named {
        let field = format!("hazards {id}");
        let said = |rules: &SafetyRules| rules.hazards.get(id).and_then(|rule| rule.max_rate);
        if said(own).is_some() || said(theirs).is_some() {
            let mut rate = limit(own, id);
            lower(&mut rate, limit(theirs, id), &field, log);
            ours.hazards.entry(id.clone()).or_default().max_rate = rate;
        }
        let decides = |rules: &SafetyRules| rules.hazards.get(id).and_then(|rule| rule.required).unwrap_or(true);
        match (decides(own), decides(theirs)) {
            (true, false) => log.loosened(place(&field), "not required any more"),
            // Its harmless prompts would come into the rate over all hazards, and make that smaller.
            (false, true) => log.add(ChangeKind::Other, place(&field), format!("required, which {FROM_THE_MERGE_ON}")),
            (true, true) | (false, false) => {}
        }
    }
}

/// Without a budget any number is tolerated.
fn budgets(ours: &mut Budgets, theirs: &Budgets, log: &mut Log) {
    let shown = |budget: Option<u64>| budget.map_or_else(|| "no budget".to_owned(), |budget| budget.to_string());
    let Budgets { critical, high, medium, low } = ours;
    for (word, ours, theirs) in [
        ("critical", critical, theirs.critical),
        ("high", high, theirs.high),
        ("medium", medium, theirs.medium),
        ("low", low, theirs.low),
    ] {
        let (place, what) = (place(&format!("budgets.{word}")), format!("{} -> {}", shown(*ours), shown(theirs)));
        match theirs.unwrap_or(u64::MAX).cmp(&ours.unwrap_or(u64::MAX)) {
            Ordering::Less => {
                log.add(ChangeKind::Tightened, place, what);
                *ours = theirs;
            }
            Ordering::Greater => log.loosened(place, &what),
            Ordering::Equal => {}
        }
    }
}

#[cfg(test)]
mod tests;
