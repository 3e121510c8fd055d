//! What a pull request may change of the policy that judges it.

use proptest::prelude::*;

use super::*;

fn policy(gate: &str) -> Policy {
    serde_json::from_str(&format!("{{\"version\": 1, \"suites\": [\"a.yaml\"], \"gate\": {gate}}}")).unwrap()
}

fn rules(text: &str) -> Policy {
    policy(&format!("{{\"thresholds\": [{text}]}}"))
}

fn kinds(guarded: &Guarded) -> Vec<ChangeKind> {
    guarded.changes.iter().map(|change| change.kind).collect()
}

#[test]
fn an_unchanged_policy_changes_nothing() {
    let base = rules(r#"{"metric": "pass_rate", "min": 0.9}, {"metric": "error_rate", "max": 0.1}"#);
    let guarded = guard(&base, &base, None).unwrap();
    assert_eq!((guarded.policy, guarded.changes), (base, Vec::new()));
}

#[test]
fn settings_that_open_the_gate_stay_the_bases() {
    let base = policy(r#"{"on_inconclusive": "block", "error_budget": 0.01}"#);
    let head = policy(
        r#"{"on_inconclusive": "pass", "error_budget": 0.5, "on_partial": "pass", "on_suite_change": "note", "preflight": "warn"}"#,
    );
    let guarded = guard(&base, &head, None).unwrap();
    assert_eq!(guarded.policy, base);
    assert_eq!(kinds(&guarded), [ChangeKind::Loosened; 5]);
    let guarded = guard(&head, &base, None).unwrap();
    assert_eq!((guarded.policy.gate.error_budget, guarded.policy.gate.on_inconclusive), (0.01, OnInconclusive::Block));
}

#[test]
fn the_form_of_tasks_is_the_pull_requests_and_is_listed() {
    let base = policy("{}");
    let mut head = base.clone();
    head.lm_eval.apply_chat_template = true;
    let guarded = guard(&base, &head, None).unwrap();
    assert!(guarded.policy.lm_eval.apply_chat_template);
    assert_eq!(kinds(&guarded), [ChangeKind::Other]);
}

#[test]
fn margins_may_shrink_and_not_grow() {
    let with = |margin: f64| -> Policy {
        let text = format!(
            "{{\"version\": 1, \"regression\": {{\"rules\": [{{\"metric\": \"pass_rate\", \"margin\": {margin}}}]}}}}"
        );
        serde_json::from_str(&text).unwrap()
    };
    assert_eq!(guard(&with(0.02), &with(0.5), None).unwrap().policy, with(0.02));
    assert_eq!(guard(&with(0.02), &with(0.01), None).unwrap().policy, with(0.01));
}

#[test]
fn a_baseline_is_not_pointed_elsewhere() {
    let with = |place: &str| -> Policy {
        serde_json::from_str(&format!("{{\"version\": 1, \"regression\": {{\"baseline\": \"{place}\"}}}}")).unwrap()
    };
    let guarded = guard(&with("dir:kept"), &with("dir:mine"), None).unwrap();
    assert_eq!(guarded.policy, with("dir:kept"));
    assert_eq!(kinds(&guarded), [ChangeKind::Loosened]);
}

#[test]
fn only_the_model_under_test_is_the_pull_requests() {
    let with = |tested: &str, judge: &str| -> Policy {
        let model = |path: &str| format!("{{\"provider\": \"replay\", \"path\": \"{path}\"}}");
        let models = format!("{{\"tested\": {}, \"judge\": {}}}", model(tested), model(judge));
        let text = format!("{{\"version\": 1, \"models\": {models}, \"gate\": {{\"model\": \"tested\"}}}}");
        serde_json::from_str(&text).unwrap()
    };
    let guarded = guard(&with("a", "strict"), &with("b", "lenient"), None).unwrap();
    assert_eq!(guarded.policy, with("b", "strict"));
    assert!(kinds(&guarded).contains(&ChangeKind::Loosened));
    let guarded = guard(&with("a", "strict"), &with("b", "lenient"), Some("judge")).unwrap();
    assert_eq!(guarded.policy, with("a", "lenient"), "the command line evaluates that one");
}

#[test]
fn a_pull_request_starts_no_command_and_asks_no_endpoint_of_its_own_form() {
    let with = |model: &str| -> Policy {
        let text = format!("{{\"version\": 1, \"models\": {{{model}}}, \"gate\": {{\"model\": \"m\"}}}}");
        serde_json::from_str(&text).unwrap()
    };
    let exec = |command: &str| format!("\"m\": {{\"provider\": \"exec\", \"command\": [\"{command}\"]}}");
    let http = |url: &str| format!("\"m\": {{\"provider\": \"http\", \"url\": \"https://{url}\"}}");
    let replay = "\"m\": {\"provider\": \"replay\", \"path\": \"a\"}".to_owned();
    let refused =
        |base: &str, head: &str| matches!(guard(&with(base), &with(head), None), Err(RefusedModel::Provider { .. }));
    assert!(refused(&exec("bot"), &exec("other")), "another command");
    assert!(refused(&replay, &exec("bot")), "a command in the place of another model");
    assert!(refused("", &exec("bot")), "a new command");
    assert!(refused(&http("a.example"), &http("a.example/other")), "the same host in another form");
    assert!(refused("", &http("a.example")), "a new endpoint");
    let server =
        |rest: &str| format!("\"m\": {{\"provider\": \"server\", \"preset\": \"vllm\", \"model\": \"a\"{rest}}}");
    assert!(refused("", &server("")), "a new server");
    for change in
        [", \"args\": [\"--trust-remote-code\"]", ", \"env\": {\"LD_PRELOAD\": \"x.so\"}", ", \"revision\": \"b\""]
    {
        assert!(refused(&server(""), &server(change)), "{change}");
    }
    for same in [exec("bot"), http("a.example"), server("")] {
        assert_eq!(guard(&with(&same), &with(&same), None).unwrap().policy, with(&same));
    }
    assert_eq!(guard(&with(&exec("bot")), &with(&replay), None).unwrap().policy, with(&replay));
    let judge = |command: &str| with(&format!("{replay}, {}", exec(command).replace("\"m\"", "\"judge\"")));
    assert_eq!(guard(&judge("bot"), &judge("other"), None).unwrap().policy, judge("bot"), "the base's command stays");
}

#[test]
fn a_pull_request_that_evaluates_the_judge_does_not_choose_the_judge() {
    let with = |tested: &str, judge: &str| -> Policy {
        let model = |path: &str| format!("{{\"provider\": \"replay\", \"path\": \"{path}\"}}");
        let models = format!("{{\"m\": {}, \"judge\": {}}}", model("a"), model(judge));
        let text = format!("{{\"version\": 1, \"models\": {models}, \"gate\": {{\"model\": \"{tested}\"}}}}");
        serde_json::from_str(&text).unwrap()
    };
    let guarded = guard(&with("m", "strict"), &with("judge", "lenient"), None).unwrap();
    assert_eq!(guarded.policy, with("judge", "strict"));
    assert_eq!(kinds(&guarded), [ChangeKind::Loosened; 2]);
}

#[test]
fn no_new_model_takes_the_place_of_those_that_suites_name() {
    let with = |models: &str, gate: &str| -> Policy {
        let text = format!("{{\"version\": 1, \"models\": {{{models}}}, \"gate\": {{{gate}}}}}");
        serde_json::from_str(&text).unwrap()
    };
    let replay = |name: &str| format!("\"{name}\": {{\"provider\": \"replay\", \"path\": \"a\"}}");
    let suite = "\"model\": \"suite\"";
    for (base, head) in [
        (with("", ""), with(&replay("m"), "")),
        (with("", ""), with(&replay("m"), "\"model\": \"m\"")),
        (with("", suite), with(&replay("suite"), suite)),
        (with(&replay("m"), suite), with(&format!("{}, {}", replay("m"), replay("suite")), suite)),
    ] {
        let guarded = guard(&base, &head, None).unwrap();
        assert_eq!(guarded.policy, base);
        assert!(kinds(&guarded).iter().all(|kind| *kind == ChangeKind::Loosened), "{:?}", guarded.changes);
        assert!(!guarded.other_model && !guarded.changes.is_empty());
    }
    // What is evaluated all the time may be named, and beside a model that is named there is room for others.
    let guarded = guard(&with(&replay("m"), ""), &with(&replay("m"), "\"model\": \"m\""), None).unwrap();
    assert_eq!((kinds(&guarded), guarded.other_model), (vec![ChangeKind::Other], false));
    let (base, head) = (with(&replay("m"), suite), with(&format!("{}, {}", replay("m"), replay("n")), suite));
    assert_eq!(guard(&base, &head, None).unwrap().policy, head);
    // Another one is evaluated as it is asked for, and that is said.
    let head = with(&format!("{}, {}", replay("m"), replay("n")), "\"model\": \"n\"");
    let guarded = guard(&with(&replay("m"), ""), &head, None).unwrap();
    assert!(guarded.other_model && guarded.policy == head);
    assert!(!guard(&with(&replay("m"), ""), &head, Some("m")).unwrap().other_model, "the command line decides");
}

#[test]
fn a_higher_confidence_is_no_stricter_where_what_is_undecided_passes() {
    let with = |then: &str, sure: f64| -> Policy {
        let rule = format!("{{\"metric\": \"pass_rate\", \"min\": 0.9, \"confidence\": {sure}}}");
        let drop = format!("{{\"metric\": \"pass_rate\", \"confidence\": {sure}}}");
        let gate = format!("{{\"on_inconclusive\": \"{then}\", \"thresholds\": [{rule}]}}");
        let text = format!("{{\"version\": 1, \"gate\": {gate}, \"regression\": {{\"rules\": [{drop}]}}}}");
        serde_json::from_str(&text).unwrap()
    };
    let guarded = guard(&with("pass", 0.9), &with("pass", 0.999), None).unwrap();
    assert_eq!(guarded.policy, with("pass", 0.9));
    assert_eq!(kinds(&guarded), [ChangeKind::Loosened; 2]);
    assert_eq!(guard(&with("block", 0.9), &with("block", 0.999), None).unwrap().policy, with("block", 0.999));
}

proptest! {
    /// Whatever a pull request writes, no rule of the base gets looser, and none is lost.
    #[test]
    fn no_rule_of_the_base_gets_looser(
        base in prop::collection::vec((0.0..1.0f64, 0.5..0.999f64, any::<bool>(), any::<bool>()), 1..5),
        head in prop::collection::vec((0.0..1.0f64, 0.5..0.999f64, any::<bool>(), any::<bool>()), 0..6),
    ) {
        let rule = |(number, (bound, sure, required, upper)): (usize, &(f64, f64, bool, bool))| {
            let side = if *upper { "max" } else { "min" };
            format!(
                r#"{{"metric": "m{}", "direction": "{}", "{side}": {bound}, "confidence": {sure}, "required": {required}}}"#,
                number % 3, if *upper { "lower" } else { "higher" },
            )
        };
        let text = |all: &[(f64, f64, bool, bool)]| all.iter().enumerate().map(rule).collect::<Vec<_>>().join(", ");
        let (base, head) = (rules(&text(&base)), rules(&text(&head)));
        let guarded = guard(&base, &head, None).unwrap();
        for (before, after) in base.gate.thresholds.iter().zip(&guarded.policy.gate.thresholds) {
            prop_assert!(same_rule(before, after));
            prop_assert!(before.min.zip(after.min).is_none_or(|(before, after)| after >= before));
            prop_assert!(before.max.zip(after.max).is_none_or(|(before, after)| after <= before));
            prop_assert!(after.confidence >= before.confidence && after.required >= before.required);
            prop_assert!(!after.alone);
        }
        prop_assert!(guarded.policy.gate.thresholds.iter().skip(base.gate.thresholds.len()).all(|rule| rule.alone));
    }
}
