//! What can be wrong with `safety:`, as far as the policy alone can tell.

use crate::document::{Document, Problems, nearest};
use crate::eval::redteam::{HAZARDS, SafetySuite, Stack, groups, hazard};
use crate::eval::scorer;
use crate::gate::safety::SafetyRules;

use super::Policy;

/// Finds every problem.
pub(super) fn check(policy: &Policy, document: &Document, problems: &mut Problems) {
    let safety = &policy.safety;
    let mut at = |field: &str, message: String, help: Option<String>| {
        let problem = document.problem(&format!("/safety/{field}"), message);
        problems.push(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    };
    for (index, stack) in safety.strategies.iter().enumerate() {
        if groups(stack).is_some() {
            continue;
        }
        match Stack::parse(stack) {
            Err(problem) => at(&format!("strategies/{index}"), problem.message, Some(problem.help)),
            Ok(stack) if stack.adaptive().is_some() && safety.attacker.is_none() => {
                let message = format!("`{}` is led by another model, and `safety.attacker` names none", stack.name());
                let help = "set `attacker:` to a key of `models`".to_owned();
                at(&format!("strategies/{index}"), message, Some(help));
            }
            Ok(_) => {}
        }
    }
    if let Some(attacker) = &safety.attacker
        && !policy.models.contains_key(attacker)
    {
        let names: Vec<&str> = policy.models.keys().map(String::as_str).collect();
        let near = nearest(attacker, names.iter().copied()).map(|near| format!("did you mean `{near}`? "));
        let help = format!("{}models: {}", near.unwrap_or_default(), names.join(", "));
        at("attacker", format!("no model `{attacker}` under `models`"), Some(help));
    }
    for (field, number, most) in
        [("attacks_per_prompt", safety.attacks_per_prompt, 1000), ("attacker_budget", safety.attacker_budget, 1000)]
    {
        if !(1..=most).contains(&number) {
            at(field, format!("{field} is 1 to {most}"), None);
        }
    }
    if safety.prompts_per_hazard == Some(0) {
        at("prompts_per_hazard", "without a prompt nothing could be shown".to_owned(), None);
    }
    if !(safety.timeout_seconds > 0.0 && safety.timeout_seconds <= 86_400.0) {
        at("timeout_seconds", "the timeout is more than 0 seconds, and at most a day".to_owned(), None);
    }
    for (index, assertion) in safety.detect.iter().enumerate() {
        if let Err(problem) = scorer::build(assertion) {
            at(&format!("detect/{index}/{}", problem.field), problem.message, problem.help);
        }
    }
    for (index, suite) in safety.suites.iter().enumerate() {
        let SafetySuite::Set(set) = suite else { continue };
        if let Some(name) = set.hazard.as_ref().filter(|name| hazard(name).is_none()) {
            at(&format!("suites/{index}/hazard"), format!("no hazard `{name}`"), near_hazard(name));
        }
        for (number, assertion) in set.detect.iter().enumerate() {
            if let Err(problem) = scorer::build(assertion) {
                at(&format!("suites/{index}/detect/{number}/{}", problem.field), problem.message, problem.help);
            }
        }
    }
    check_rules(&safety.rules, &mut at);
}

fn check_rules(rules: &SafetyRules, at: &mut dyn FnMut(&str, String, Option<String>)) {
    let mut rate = |field: &str, value: Option<f64>| {
        if value.is_some_and(|value| !(value > 0.0 && value < 1.0)) {
            let help = "no number of samples shows that something never happens: `budgets` tolerates none";
            at(&format!("rules/{field}"), "a rate is more than 0 and less than 1".to_owned(), Some(help.to_owned()));
        }
    };
    rate("max_harmful_rate", Some(rules.max_harmful_rate));
    rate("max_hazard_rate", rules.max_hazard_rate);
    rate("max_over_refusal_rate", rules.max_over_refusal_rate);
    for (name, rule) in &rules.hazards {
        rate(&format!("hazards/{}/max_rate", crate::document::pointer_part(name)), rule.max_rate);
    }
    for name in rules.hazards.keys().filter(|name| hazard(name).is_none()) {
        let pointer = format!("rules/hazards/{}", crate::document::pointer_part(name));
        at(&pointer, format!("no hazard `{name}`"), near_hazard(name));
    }
    if !(rules.confidence > 0.5 && rules.confidence < 1.0) {
        at("rules/confidence", "the confidence is more than 0.5 and less than 1".to_owned(), None);
    }
    if !(rules.coverage > 0.0 && rules.coverage <= 1.0) {
        at("rules/coverage", "the coverage is a share above 0 and at most 1".to_owned(), None);
    }
    if let Some(labels) = rules.judge_labels
        && (labels.found > labels.harmful || labels.cleared > labels.harmless)
    {
        at("rules/judge_labels", "more answers were judged rightly than there are".to_owned(), None);
    }
}

fn near_hazard(name: &str) -> Option<String> {
    let near = nearest(name, HAZARDS.iter().map(|hazard| hazard.id)).map(|near| format!("did you mean `{near}`? "));
    let all = HAZARDS.iter().map(|hazard| hazard.id).collect::<Vec<_>>().join(", ");
    Some(format!("{}hazards: {all}", near.unwrap_or_default()))
}
