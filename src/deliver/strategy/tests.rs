//! Every stage of every strategy, under every look that there can be.

use super::*;
use crate::deliver::facts::{Hold, Limit, Wish};
use crate::deliver::plan::{AfterLimit, Approval};
use crate::gate::Verdict;

fn plan(strategy: StrategyName, approval: Approval, after: AfterLimit) -> Plan {
    let text = serde_json::json!({
        "version": 1, "workload": {"name": "llm"}, "change": {"image": "r/llm:2"}, "strategy": strategy,
    });
    let mut plan: Plan = serde_json::from_value(text).unwrap();
    plan.patience.after = after;
    plan.canary.approval = approval;
    plan.blue_green.approval = approval;
    plan.shadow.approval = approval;
    plan.rolling.approval = approval;
    plan.feature_flag.approval = approval;
    plan
}

fn plans() -> impl Iterator<Item = Plan> {
    let strategies = [
        StrategyName::Canary,
        StrategyName::BlueGreen,
        StrategyName::Shadow,
        StrategyName::Rolling,
        StrategyName::FeatureFlag,
    ];
    let approvals = [Approval::None, Approval::First, Approval::Last, Approval::Each];
    strategies.into_iter().flat_map(move |strategy| {
        approvals.into_iter().flat_map(move |approval| {
            [AfterLimit::RollBack, AfterLimit::Pause].into_iter().map(move |after| plan(strategy, approval, after))
        })
    })
}

fn stages() -> Vec<Stage> {
    let steps = (0..6).map(Stage::Step);
    let ends = [Stage::Done(Ending::Promoted), Stage::Done(Ending::RolledBack)];
    let others = [Stage::Prepare, Stage::Promote, Stage::Keep, Stage::Clean, Stage::Return, Stage::Undo];
    steps.chain(others).chain(ends).collect()
}

fn each() -> impl Iterator<Item = (Plan, Stage, Facts, Stage, Action)> {
    plans().flat_map(|plan| {
        stages().into_iter().flat_map(move |stage| {
            let plan = plan.clone();
            Facts::all().map(move |facts| {
                let (next, action) = next(&plan, stage, facts);
                (plan.clone(), stage, facts, next, action)
            })
        })
    })
}

#[test]
fn only_a_pass_moves_traffic_up() {
    let mut rises = 0;
    for (plan, stage, facts, next, _) in each() {
        let (before, after) = (exposure(&plan, stage), exposure(&plan, next));
        if after > before {
            rises += 1;
            let passed = facts.verdict == Verdict::Pass && facts.hold == Hold::Over;
            assert!(passed && facts.limit != Limit::Deadline, "{:?} {stage:?} {facts:?} {next:?}", plan.strategy);
            assert!(!matches!(facts.wish, Wish::Abort | Wish::Pause), "{stage:?} {facts:?}");
        }
    }
    assert!(rises > 100, "{rises}");
}

#[test]
fn a_failure_and_an_abort_and_the_deadline_return_the_traffic_from_every_stage_that_can() {
    for (plan, stage, facts, next, _) in each() {
        let over = matches!(stage, Stage::Clean | Stage::Return | Stage::Undo | Stage::Done(_));
        let flees = facts.verdict == Verdict::Fail || facts.wish == Wish::Abort || facts.limit == Limit::Deadline;
        if flees && !over {
            assert_eq!(next, Stage::Return, "{:?} {stage:?} {facts:?}", plan.strategy);
        }
    }
}

#[test]
fn what_stays_undecided_returns_at_its_limit_or_pauses_where_the_plan_says_so() {
    for (plan, stage, facts, next, _) in each() {
        let judged = way(&plan).contains(&stage) && !matches!(stage, Stage::Clean | Stage::Done(_));
        let undecided = matches!(facts.verdict, Verdict::Inconclusive | Verdict::Error);
        if judged && undecided && facts.limit == Limit::Reached && facts.wish != Wish::Abort {
            let wanted = if plan.patience.after == AfterLimit::RollBack { Stage::Return } else { stage };
            assert_eq!(next, wanted, "{:?} {facts:?}", plan.strategy);
        }
    }
}

#[test]
fn a_person_is_asked_where_the_plan_says_so_and_nowhere_else() {
    for (plan, stage, facts, next, action) in each() {
        if action == Action::Ask {
            assert!(plan.canary.approval != Approval::None && next == stage && facts.wish == Wish::Proceed);
        }
    }
    let asked = |strategy, approval| {
        let plan = plan(strategy, approval, AfterLimit::RollBack);
        let pass = Facts { verdict: Verdict::Pass, hold: Hold::Over, limit: Limit::Left, wish: Wish::Proceed };
        way(&plan).iter().filter(|stage| next(&plan, **stage, pass).1 == Action::Ask).count()
    };
    for strategy in [StrategyName::Canary, StrategyName::FeatureFlag] {
        assert_eq!([asked(strategy, Approval::First), asked(strategy, Approval::Last)], [1, 1]);
        assert_eq!(asked(strategy, Approval::Each), 5);
    }
    for strategy in [StrategyName::BlueGreen, StrategyName::Shadow, StrategyName::Rolling] {
        assert_eq!(
            [asked(strategy, Approval::First), asked(strategy, Approval::Last), asked(strategy, Approval::Each)],
            [1, 1, 1]
        );
    }
}

#[test]
fn every_way_ends_with_everybody_on_the_new_version_and_every_return_with_nobody() {
    for plan in plans() {
        let way = way(&plan);
        assert_eq!(way.last(), Some(&Stage::Done(Ending::Promoted)), "{:?}", plan.strategy);
        for stage in way {
            let fail = Facts { verdict: Verdict::Fail, hold: Hold::Over, limit: Limit::Left, wish: Wish::Proceed };
            let mut at = stage;
            let mut moves = 0;
            while !at.is_done() {
                at = next(&plan, at, fail).0;
                moves += 1;
                assert!(moves < 10);
            }
            let too_late = matches!(stage, Stage::Clean | Stage::Done(_));
            assert_eq!(at, Stage::Done(if too_late { Ending::Promoted } else { Ending::RolledBack }));
        }
    }
}

#[test]
fn a_stage_that_a_strategy_does_not_have_gives_nobody_to_the_new_version() {
    for plan in plans() {
        let way = way(&plan);
        for stage in stages().into_iter().filter(|stage| !way.contains(stage)) {
            for facts in Facts::all() {
                let (next, _) = next(&plan, stage, facts);
                let ends = matches!(stage, Stage::Return | Stage::Undo | Stage::Done(_));
                // A step beyond the last one has no share, and leads on only by a pass.
                let step = matches!(stage, Stage::Step(_)) && facts.verdict == Verdict::Pass;
                assert!(ends || step || exposure(&plan, next) == Percent::ZERO || next == stage, "{stage:?} {next:?}");
            }
        }
    }
}

#[test]
fn the_target_of_a_stage_gives_users_the_share_that_the_stage_says() {
    for plan in plans() {
        for stage in way(&plan) {
            let target = target(&plan, stage);
            use crate::deliver::target::Stable;
            let on_new = match target.stable {
                Stable::New => Percent::ALL,
                Stable::Old | Stable::Retired => target.split.canary,
            };
            assert_eq!(on_new, exposure(&plan, stage), "{:?} {stage:?} {target:?}", plan.strategy);
        }
    }
}
