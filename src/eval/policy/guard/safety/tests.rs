//! No rule of `safety:` gets looser, and none that gets stricter is left out.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::eval::policy::guard::{Guarded, guard};

fn policy(safety: Value) -> Policy {
    let one = json!({"provider": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "x"});
    let all = json!({"version": 1, "models": {"m": one, "n": one}, "gate": {"model": "m"}, "safety": safety});
    serde_json::from_value(all).unwrap()
}

fn of_rules(rules: Value) -> Policy {
    policy(json!({"rules": rules}))
}

fn held(base: &Policy, head: &Policy) -> Guarded {
    guard(base, head, None).unwrap()
}

fn listed(guarded: &Guarded) -> Vec<(ChangeKind, String)> {
    guarded.changes.iter().map(|change| (change.kind, change.place.raw().to_owned())).collect()
}

/// Rules, each once stricter and once looser.
fn two_sided() -> Vec<(&'static str, Value, Value)> {
    let full = |field: &str, value: Value| {
        let mut rules = json!({
            "max_harmful_rate": 0.01, "max_hazard_rate": 0.02, "max_over_refusal_rate": 0.1, "coverage": 0.9,
            "budgets": {"critical": 1, "high": 2, "medium": 3, "low": 4}, "indeterminate": "harmful", "screened": "review",
            "hazards": {"hate": {"max_rate": 0.05}, "over_refusal": {"max_rate": 0.2}}
        });
        *rules.pointer_mut(field).unwrap() = value;
        rules
    };
    let pair = |field: &'static str, strict: Value, loose: Value| (field, full(field, strict), full(field, loose));
    vec![
        pair("/max_harmful_rate", json!(0.001), json!(0.2)),
        pair("/max_hazard_rate", json!(0.002), json!(0.2)),
        pair("/max_hazard_rate", json!(0.002), Value::Null),
        pair("/max_over_refusal_rate", json!(0.05), json!(0.5)),
        pair("/max_over_refusal_rate", json!(0.05), Value::Null),
        pair("/hazards/hate/max_rate", json!(0.03), json!(0.1)),
        pair("/hazards/hate", json!({"max_rate": 0.03}), json!({"max_rate": 0.5})),
        pair("/hazards/over_refusal/max_rate", json!(0.1), json!(0.3)),
        pair("/budgets/critical", json!(0), json!(7)),
        pair("/budgets/high", json!(1), Value::Null),
        pair("/budgets/medium", json!(0), json!(4)),
        pair("/budgets/low", json!(0), Value::Null),
        pair("/indeterminate", json!("harmful"), json!("missing")),
        pair("/screened", json!("review"), json!("certify")),
        pair("/coverage", json!(0.99), json!(0.5)),
    ]
}

#[test]
fn what_is_stricter_counts_at_once_and_what_is_looser_is_listed_and_does_not() {
    for (field, strict, loose) in two_sided() {
        let (strict, loose) = (of_rules(strict), of_rules(loose));
        let tightened = held(&loose, &strict);
        assert!(tightened.changes.iter().all(|change| change.kind == ChangeKind::Tightened), "{field}: {tightened:?}");
        assert_eq!(tightened.changes.len(), 1, "{field}: {tightened:?}");
        for id in ["hate", "bias", "over_refusal"] {
            let rules = &tightened.policy.safety.rules;
            assert_eq!(limit(rules, id), limit(&strict.safety.rules, id), "{field}: {id}");
        }
        let all = |policy: &Policy| SafetyRules { hazards: Default::default(), ..policy.safety.rules.clone() };
        assert_eq!(all(&tightened.policy), all(&strict), "{field}");
        let loosened = held(&strict, &loose);
        assert_eq!(loosened.policy, strict, "{field}");
        assert_eq!(loosened.changes.len(), 1, "{field}: {loosened:?}");
        assert!(loosened.changes[0].kind == ChangeKind::Loosened, "{field}: {loosened:?}");
    }
}

#[test]
fn what_is_attacked_and_how_stays_the_bases() {
    let base = policy(json!({"suites": ["a.yaml"], "attacker": "n", "baseline": "kept"}));
    for (field, value) in [
        ("detect", json!([{"type": "refusal"}])),
        ("strategies", json!(["plain"])),
        ("attacks_per_prompt", json!(3)),
        ("prompts_per_hazard", json!(1)),
        ("attacker", json!("m")),
        ("attacker_budget", json!(1)),
        ("timeout_seconds", json!(1.0)),
        ("completions", json!("digest")),
        ("baseline", json!("mine")),
    ] {
        let mut safety = json!({"suites": ["a.yaml"], "attacker": "n", "baseline": "kept"});
        safety[field] = value;
        let guarded = held(&base, &policy(safety));
        assert_eq!(guarded.policy, base, "{field}");
        assert_eq!(listed(&guarded), [(ChangeKind::Loosened, format!("safety.{field}"))]);
    }
    for (field, value) in [
        ("unit", json!("attack")),
        ("judge_labels", json!({"harmful": 10, "found": 10, "harmless": 10, "cleared": 10})),
        ("confidence", json!(0.9)),
    ] {
        let base = policy(json!({}));
        let guarded = held(&base, &of_rules(json!({field: value})));
        assert_eq!(guarded.policy, base, "{field}");
        assert_eq!(listed(&guarded), [(ChangeKind::Loosened, format!("safety.rules.{field}"))]);
    }
}

#[test]
fn a_higher_confidence_waits_for_the_merge_since_it_also_fails_less_often() {
    let base = policy(json!({}));
    let guarded = held(&base, &of_rules(json!({"confidence": 0.999})));
    assert_eq!(guarded.policy, base);
    assert_eq!(listed(&guarded), [(ChangeKind::Other, "safety.rules.confidence".to_owned())]);
}

#[test]
fn a_hazard_that_does_not_decide_stays_so_and_one_that_does_is_not_excused() {
    let (off, on) = (of_rules(json!({"hazards": {"hate": {"required": false}}})), of_rules(json!({})));
    let guarded = held(&on, &off);
    assert_eq!(guarded.policy, on);
    assert_eq!(listed(&guarded), [(ChangeKind::Loosened, "safety.rules.hazards hate".to_owned())]);
    // It would come into the rate over all hazards and could make that smaller.
    let guarded = held(&off, &on);
    assert_eq!(guarded.policy, off);
    assert_eq!(listed(&guarded), [(ChangeKind::Other, "safety.rules.hazards hate".to_owned())]);
}

#[test]
fn a_suite_beside_an_empty_list_does_not_replace_the_shipped_ones() {
    let base = policy(json!({}));
    let guarded = held(&base, &policy(json!({"suites": ["mine.yaml"]})));
    assert_eq!(guarded.policy, base);
    assert_eq!(listed(&guarded), [(ChangeKind::Loosened, "safety.suites".to_owned())]);
}

#[test]
fn suites_are_added_and_never_taken_away_or_read_in_another_way() {
    let set = |detect: &str| json!({"path": "a.csv", "detect": [{"type": detect}]});
    let base = policy(json!({"suites": ["bias", set("refusal")]}));
    let guarded = held(&base, &policy(json!({"suites": [set("no-insults"), "own.yaml"]})));
    let names: Vec<&str> = guarded.policy.safety.suites.iter().map(redteam::SafetySuite::name).collect();
    assert_eq!(names, ["bias", "a.csv", "own.yaml"]);
    assert_eq!(guarded.policy.safety.suites[..2], base.safety.suites[..]);
    let of = |kind, place: &str| (kind, format!("safety.suites {place}"));
    let expected =
        [of(ChangeKind::Loosened, "bias"), of(ChangeKind::Loosened, "a.csv"), of(ChangeKind::Other, "own.yaml")];
    assert_eq!(listed(&guarded), expected);
}

#[test]
fn a_section_that_is_gone_still_judges() {
    let base =
        policy(json!({"suites": ["bias"], "detect": [{"type": "no-insults"}], "rules": {"max_harmful_rate": 0.0001}}));
    let guarded = held(&base, &policy(json!({})));
    assert_eq!(guarded.policy, base);
    assert!(guarded.changes.iter().all(|change| change.kind == ChangeKind::Loosened));
    assert_eq!(guarded.changes.len(), 3, "{guarded:?}");
}

const HAZARDS: [&str; 4] = ["hate", "bias", "over_refusal", "privacy"];

fn rate() -> impl Strategy<Value = Option<f64>> {
    prop::option::of(0.0001..0.9999f64)
}

fn budget() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(0..4u64)
}

prop_compose! {
    fn any_rules()(
        overall in 0.0001..0.9999f64, each in rate(), refusals in rate(), sure in 0.51..0.999f64, covered in 0.01..1.0f64,
        tolerated in [budget(), budget(), budget(), budget()],
        hazards in prop::collection::btree_map(0..HAZARDS.len(), (rate(), prop::option::of(any::<bool>())), 0..4),
        (missing, certify, attack) in any::<(bool, bool, bool)>(),
    ) -> SafetyRules {
        let [critical, high, medium, low] = tolerated;
        let hazards = hazards.into_iter().map(|(at, (rate, required))| {
            (HAZARDS[at].to_owned(), json!({"max_rate": rate, "required": required}))
        });
        serde_json::from_value(json!({
            "max_harmful_rate": overall, "max_hazard_rate": each, "max_over_refusal_rate": refusals, "confidence": sure,
            "coverage": covered, "budgets": {"critical": critical, "high": high, "medium": medium, "low": low},
            "hazards": hazards.collect::<serde_json::Map<_, _>>(),
            "indeterminate": if missing { "missing" } else { "harmful" },
            "screened": if certify { "certify" } else { "review" }, "unit": if attack { "attack" } else { "prompt" },
        })).unwrap()
    }
}

proptest! {
    /// Whatever a pull request writes: each rule that judges is the stricter of the two, and what cannot be told apart is the
    /// base's.
    #[test]
    fn every_rule_that_judges_is_the_stricter_of_the_two(base in any_rules(), head in any_rules()) {
        let with = |rules: &SafetyRules| {
            let mut policy = policy(json!({}));
            policy.safety.rules = rules.clone();
            policy
        };
        let guarded = held(&with(&base), &with(&head));
        let rules = &guarded.policy.safety.rules;
        let open = |limit: Option<f64>| limit.unwrap_or(f64::INFINITY);
        prop_assert_eq!(rules.max_harmful_rate, base.max_harmful_rate.min(head.max_harmful_rate));
        for id in HAZARDS.iter().chain(&["self_harm"]) {
            let (before, after, now) = (limit(&base, id), limit(&head, id), limit(rules, id));
            prop_assert_eq!(open(now), open(before).min(open(after)), "{}", id);
            let decides = |rules: &SafetyRules| rules.hazards.get(*id).and_then(|rule| rule.required).unwrap_or(true);
            prop_assert_eq!(decides(rules), decides(&base), "{}", id);
        }
        for severity in crate::gate::safety::Severity::ALL {
            let of = |rules: &SafetyRules| rules.budgets.of(severity).unwrap_or(u64::MAX);
            prop_assert_eq!(of(rules), of(&base).min(of(&head)));
        }
        prop_assert_eq!(rules.coverage, base.coverage.max(head.coverage));
        prop_assert_eq!((rules.confidence, rules.unit), (base.confidence, base.unit));
        let strict = |rules: &SafetyRules| (rules.indeterminate == Indeterminate::Harmful, rules.screened == Screened::Review);
        let (before, after, now) = (strict(&base), strict(&head), strict(rules));
        prop_assert_eq!(now, (before.0 || after.0, before.1 || after.1));
        // A second look changes nothing more.
        let again = held(&guarded.policy, &with(&head));
        prop_assert_eq!(&again.policy, &guarded.policy);
        prop_assert!(again.changes.iter().all(|change| change.kind != ChangeKind::Tightened));
    }
}
