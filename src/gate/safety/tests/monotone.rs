//! Properties of every run: worse attempts never make a better verdict, and a verdict that is certain stays.

use proptest::prelude::*;

use super::*;
use crate::stats::Generator;

fn found() -> impl Strategy<Value = Option<Found>> {
    prop_oneof![6 => Just(SAFE), 1 => Just(HARM), 1 => Just(UNCLEAR), 2 => Just(None)]
}

fn evidence() -> impl Strategy<Value = Evidence> {
    prop_oneof![4 => Just(Evidence::Exact), 1 => Just(Evidence::Judge), 1 => Just(Evidence::Screen), 1 => Just(Evidence::Words)]
}

fn severity() -> impl Strategy<Value = Severity> {
    prop_oneof![12 => Just(Severity::Medium), 1 => Just(Severity::Critical)]
}

prop_compose! {
    fn attempt()(hazard in 0_u16..3, prompt in 0_u64..40, severity in severity(), evidence in evidence(), found in found())
        -> Attempt {
        Attempt { hazard, strategy: 0, prompt, severity, evidence, found }
    }
}

prop_compose! {
    /// A run of mostly one answer, so that every verdict comes up.
    fn runs()(list in prop::collection::vec(attempt(), 20..120), lean in 0_u8..4, at_least in 0_usize..2) -> Attempts {
        let mut list = list;
        for (index, attempt) in list.iter_mut().enumerate() {
            match lean {
                0 if index % 16 != 0 => attempt.found = SAFE,
                1 if index % 3 != 0 => attempt.found = HARM,
                2 => attempt.evidence = Evidence::Exact,
                _ => {}
            }
            if lean == 0 {
                attempt.severity = Severity::Medium;
            }
        }
        for hazard in 0..3 {
            let extra = Attempt {
                hazard,
                strategy: 0,
                prompt: 1000,
                severity: Severity::Medium,
                evidence: if at_least == 0 { Evidence::Exact } else { Evidence::Judge },
                found: SAFE,
            };
            list.push(extra);
        }
        let hazards = vec![hazard("leak", Side::Harm), hazard("hate", Side::Harm), hazard("over_refusal", Side::Refusal)];
        Attempts { hazards, strategies: vec!["plain".to_owned()], list }
    }
}

prop_compose! {
    fn policies()(
        most in prop_oneof![Just(0.0), Just(0.05), 0.1_f64..0.7, Just(1.0)],
        refused in prop_oneof![Just(None), (0.2_f64..0.9).prop_map(Some)],
        harmful in any::<bool>(),
        prompt in any::<bool>(),
        certify in any::<bool>(),
        budget in prop_oneof![Just(None), Just(Some(0)), Just(Some(2))],
        labels in any::<bool>(),
    ) -> SafetyRules {
        SafetyRules {
            max_harmful_rate: most,
            max_over_refusal_rate: refused,
            indeterminate: if harmful { Indeterminate::Harmful } else { Indeterminate::Missing },
            unit: if prompt { UnitOf::Prompt } else { UnitOf::Attack },
            screened: if certify { Screened::Certify } else { Screened::Review },
            budgets: Budgets { critical: budget, ..Budgets::default() },
            judge_labels: labels.then_some(SCREEN),
            ..SafetyRules::default()
        }
    }
}

/// The better verdict is the larger number.
fn order(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Error => 0,
        Verdict::Fail => 1,
        Verdict::Inconclusive => 2,
        Verdict::Pass => 3,
    }
}

fn verdict(rules: &SafetyRules, attempts: &Attempts) -> Verdict {
    judge(Asked { rules, attempts, screens: &SCREENS, rises: Vec::new() }).verdict
}

fn with(attempts: &Attempts, at: usize, found: Option<Found>) -> Attempts {
    let mut changed = attempts.clone();
    changed.list[at].found = found;
    changed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if full() { 4000 } else { 200 }))]

    /// Safe, indeterminate, harmful: each step leaves the verdict as it is or makes it worse.
    #[test]
    fn a_worse_attempt_never_makes_a_better_verdict(attempts in runs(), rules in policies(), pick in any::<prop::sample::Index>()) {
        let at = pick.index(attempts.list.len());
        let [safe, unclear, harm] = [SAFE, UNCLEAR, HARM].map(|found| order(verdict(&rules, &with(&attempts, at, found))));
        prop_assert!(safe >= unclear && unclear >= harm, "{safe} {unclear} {harm}");
    }

    /// An attempt that was lost, or whose answer cannot be judged, never makes a pass.
    #[test]
    fn removing_or_corrupting_an_attempt_never_makes_a_pass(attempts in runs(), rules in policies(), pick in any::<prop::sample::Index>()) {
        let at = pick.index(attempts.list.len());
        let before = verdict(&rules, &attempts);
        for found in [None, UNCLEAR] {
            let after = verdict(&rules, &with(&attempts, at, found));
            prop_assert!(after != Verdict::Pass || before == Verdict::Pass, "{before:?}");
        }
    }

    /// The same attack once more is no new evidence where prompts are counted.
    #[test]
    fn repeating_an_attempt_never_makes_a_pass(attempts in runs(), rules in policies(), pick in any::<prop::sample::Index>()) {
        let rules = SafetyRules { unit: UnitOf::Prompt, ..rules };
        let mut more = attempts.clone();
        more.list.push(attempts.list[pick.index(attempts.list.len())]);
        let (before, after) = (verdict(&rules, &attempts), verdict(&rules, &more));
        prop_assert!(after != Verdict::Pass || before == Verdict::Pass, "{before:?}");
    }

    #[test]
    fn the_order_of_the_attempts_changes_nothing(attempts in runs(), rules in policies(), seed in any::<u64>()) {
        let mut mixed = attempts.clone();
        Generator::new(seed).shuffle(&mut mixed.list);
        let judged = |attempts| judge(Asked { rules: &rules, attempts, screens: &SCREENS, rises: Vec::new() });
        prop_assert_eq!(judged(&attempts), judged(&mixed));
    }

    /// A certain verdict is that of every way to go on, and of ending here.
    #[test]
    fn a_certain_verdict_stays_whatever_comes(attempts in runs(), rules in policies(), seed in any::<u64>()) {
        let certain = certain(&rules, &attempts, &SCREENS);
        let mut generator = Generator::new(seed);
        for _ in 0..4 {
            let mut whole = attempts.clone();
            for attempt in whole.list.iter_mut().filter(|attempt| attempt.found.is_none()) {
                attempt.found = [SAFE, HARM, UNCLEAR][generator.index(3)];
            }
            if let Some(certain) = certain {
                prop_assert_eq!(verdict(&rules, &whole), certain);
            }
        }
        let here = verdict(&rules, &attempts);
        if let Some(certain) = certain {
            prop_assert_eq!(here, certain);
        } else {
            prop_assert_eq!(here, Verdict::Inconclusive);
        }
    }
}

pub(super) fn full() -> bool {
    // Read when it is compiled: this room has no environment.
    option_env!("LLMCI_FULL") == Some("1")
}

/// Every verdict comes up, so that the properties say something of each.
#[test]
fn the_runs_of_the_properties_reach_every_verdict() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = [0_u32; 4];
    let mut certainties = 0_u32;
    for _ in 0..300 {
        let attempts = runs().new_tree(&mut runner).unwrap().current();
        let rules = policies().new_tree(&mut runner).unwrap().current();
        seen[usize::from(order(verdict(&rules, &attempts)))] += 1;
        certainties += u32::from(certain(&rules, &attempts, &SCREENS).is_some());
    }
    assert!(seen[1..].iter().all(|count| *count >= 10), "{seen:?}");
    assert!((30..=290).contains(&certainties), "{certainties}");
}
