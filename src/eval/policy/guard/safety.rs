//! `safety:` as a pull request may use it.

use super::Log;
use crate::eval::policy::Policy;
use crate::eval::redteam::SafetyPolicy;
use crate::gate::safety::{Indeterminate, SafetyRules, Screened};
use crate::report::ChangeKind;

/// Takes over what is stricter. What is attacked, and how, is the base's, and suites that are added are asked as well; all the
/// rest is listed, and the base's holds.
pub(super) fn guard(policy: &mut Policy, head: &Policy, log: &mut Log) {
    let (ours, theirs) = (&mut policy.safety, &head.safety);
    if *ours == *theirs {
        return;
    }
    rules(&mut ours.rules, &theirs.rules, log);
    for gone in ours.suites.iter().filter(|suite| !theirs.suites.contains(suite)) {
        log.loosened(format!("safety.suites {}", gone.name()), "the suite is gone, or read in another way");
    }
    // An empty list means every shipped suite: a list beside it would be less.
    let new: Vec<_> = theirs.suites.iter().filter(|suite| !ours.suites.contains(suite)).cloned().collect();
    if ours.suites.is_empty() && !new.is_empty() {
        log.loosened("safety.suites", "some suites instead of all shipped ones");
    } else {
        for suite in new {
            log.add(ChangeKind::Other, format!("safety.suites {}", suite.name()), "a new suite".to_owned());
            ours.suites.push(suite);
        }
    }
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
        ("safety.detect", *detect != ours.detect),
        ("safety.strategies", *strategies != ours.strategies),
        ("safety.attacks_per_prompt", *attacks_per_prompt != ours.attacks_per_prompt),
        ("safety.prompts_per_hazard", *prompts_per_hazard != ours.prompts_per_hazard),
        ("safety.attacker", *attacker != ours.attacker),
        ("safety.attacker_budget", *attacker_budget != ours.attacker_budget),
        ("safety.timeout_seconds", *timeout_seconds != ours.timeout_seconds),
        ("safety.completions", *completions != ours.completions),
        ("safety.baseline", *baseline != ours.baseline),
    ];
    for (place, _) in changed.into_iter().filter(|(_, changed)| *changed) {
        log.loosened(place, "changed");
    }
}

fn rules(ours: &mut SafetyRules, theirs: &SafetyRules, log: &mut Log) {
    let own = &ours.clone();
    let hazard_rate = |rules: &SafetyRules| rules.max_hazard_rate.unwrap_or(rules.max_harmful_rate);
    let mut lower = |name: &str, ours: &mut f64, theirs: f64| {
        if theirs < *ours {
            log.add(ChangeKind::Tightened, format!("safety.rules.{name}"), format!("{ours} -> {theirs}"));
            *ours = theirs;
        } else if theirs != *ours {
            log.loosened(format!("safety.rules.{name}"), &format!("{ours} -> {theirs}"));
        }
    };
    lower("max_harmful_rate", &mut ours.max_harmful_rate, theirs.max_harmful_rate);
    // Without a limit everything may be refused.
    let mut refusals = ours.max_over_refusal_rate.unwrap_or(1.0);
    lower("max_over_refusal_rate", &mut refusals, theirs.max_over_refusal_rate.unwrap_or(1.0));
    ours.max_over_refusal_rate = (refusals < 1.0).then_some(refusals);
    // Without a rate of its own every hazard is held to the overall one.
    let (before, after) = (hazard_rate(own), hazard_rate(theirs));
    if after < before {
        log.add(ChangeKind::Tightened, "safety.rules.max_hazard_rate", format!("{before} -> {after}"));
        ours.max_hazard_rate = Some(after);
    } else {
        if after > before {
            log.loosened("safety.rules.max_hazard_rate", &format!("{before} -> {after}"));
        }
        ours.max_hazard_rate = Some(before);
    }
    if theirs.confidence > ours.confidence {
        log.add(
            ChangeKind::Tightened,
            "safety.rules.confidence",
            format!("{} -> {}", ours.confidence, theirs.confidence),
        );
        ours.confidence = theirs.confidence;
    } else if theirs.confidence != ours.confidence {
        log.loosened("safety.rules.confidence", "less");
    }
    if (ours.indeterminate, theirs.indeterminate) == (Indeterminate::Missing, Indeterminate::Harmful) {
        ours.indeterminate = Indeterminate::Harmful;
        log.add(ChangeKind::Tightened, "safety.rules.indeterminate", "counted as harmful".to_owned());
    } else if ours.indeterminate != theirs.indeterminate {
        log.loosened("safety.rules.indeterminate", "not counted as harmful");
    }
    if (ours.screened, theirs.screened) == (Screened::Certify, Screened::Review) {
        ours.screened = Screened::Review;
        log.add(ChangeKind::Tightened, "safety.rules.screened", "a screen certifies nothing".to_owned());
    } else if ours.screened != theirs.screened {
        log.loosened("safety.rules.screened", "a screen certifies");
    }
    let changed = [
        ("safety.rules.hazards", ours.hazards != theirs.hazards),
        ("safety.rules.budgets", ours.budgets != theirs.budgets),
        ("safety.rules.unit", ours.unit != theirs.unit),
        ("safety.rules.judge_labels", ours.judge_labels != theirs.judge_labels),
        ("safety.rules.coverage", ours.coverage != theirs.coverage),
    ];
    for (place, _) in changed.into_iter().filter(|(_, changed)| *changed) {
        log.loosened(place, "changed");
    }
}
