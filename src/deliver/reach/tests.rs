//! The plan of moves, tried from everything that can be seen towards everything that can be wanted, with a crash after each
//! move, in a small world that refuses what must never happen.

use super::*;
use crate::deliver::plan::{Plan, StrategyName};
use crate::deliver::strategy;
use crate::deliver::workload::layout;
use crate::deliver::{Ending, Stage};

fn plan_of(strategy: StrategyName, routed: bool, retire: &str) -> Plan {
    let traffic = if routed { serde_json::json!({"istio": {"virtual_service": "v"}}) } else { serde_json::json!({}) };
    serde_json::from_value(serde_json::json!({
        "version": 1, "workload": {"name": "llm"}, "change": {"image": "r/llm:2"}, "strategy": strategy,
        "traffic": traffic, "blue_green": {"retire": retire},
    }))
    .unwrap()
}

fn plans() -> Vec<Plan> {
    vec![
        plan_of(StrategyName::Canary, true, "delete"),
        plan_of(StrategyName::Canary, false, "delete"),
        plan_of(StrategyName::BlueGreen, false, "delete"),
        plan_of(StrategyName::BlueGreen, false, "scale-to-zero"),
        plan_of(StrategyName::Shadow, true, "delete"),
        plan_of(StrategyName::Rolling, false, "delete"),
        plan_of(StrategyName::FeatureFlag, false, "delete"),
    ]
}

/// Stages of a rollout that goes well, and those of its return.
fn stages(plan: &Plan) -> Vec<Stage> {
    let mut stages = strategy::way(plan);
    stages.extend([Stage::Return, Stage::Undo, Stage::Done(Ending::RolledBack)]);
    stages
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct World {
    layout: Layout,
    stable: Option<Workload>,
    canary: Option<Workload>,
    split: Split,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Workload {
    new: bool,
    replicas: u32,
    available: u32,
    ready: bool,
}

impl Workload {
    fn side(self) -> Side {
        let runs = if self.new { Runs::New } else { Runs::Old };
        Side { runs, replicas: self.replicas, available: self.available, ready: self.ready && self.replicas > 0 }
    }
}

impl World {
    fn seen(&self) -> Seen {
        let side = |workload: Option<Workload>| workload.map(Workload::side);
        Seen { stable: side(self.stable), canary: side(self.canary), split: self.split }
    }

    fn has_traffic(&self) -> bool {
        self.split.canary > Percent::ZERO || self.split.mirror > Percent::ZERO
    }

    /// Does a move, and refuses what must never be done.
    fn act(&mut self, one: Do, wanted: crate::deliver::Target) {
        match one {
            Do::Canary(replicas) => {
                let had = self.canary.map_or(0, |canary| canary.replicas);
                let ready = self.canary.is_some_and(|canary| canary.ready && replicas <= had);
                self.canary = Some(Workload { new: true, replicas, available: had.min(replicas), ready });
            }
            Do::AwaitCanary => {
                let canary = self.canary.as_mut().expect("a canary that is waited for is there");
                canary.ready = true;
                canary.available = canary.replicas;
                // Behind one Service pods that are ready have traffic.
                if self.layout == Layout::Shared && self.split.canary < Percent::ALL {
                    self.split = Split::to_canary(Percent::new(33).unwrap());
                }
            }
            Do::AwaitStable => {
                let stable = self.stable.as_mut().expect("a stable workload that is waited for is there");
                assert!(stable.replicas > 0, "nobody waits for a workload without replicas");
                stable.ready = true;
                stable.available = stable.replicas;
            }
            Do::AwaitOne => {
                let stable = self.stable.as_mut().expect("a stable workload that is waited for is there");
                stable.available = stable.available.max(1);
            }
            Do::Version(version) => {
                let stable = self.stable.as_mut().expect("a stable workload that changes is there");
                let gains = version == Version::New && !matches!(self.layout, Layout::InPlace);
                // By the time that nobody is to be on the canary any more, the new version has been judged with everybody on it.
                let judged = wanted.split.canary == Percent::ZERO;
                assert!(!gains || self.split.canary == Percent::ALL || judged, "stable changes while it has users");
                stable.new = version == Version::New;
                stable.ready = false;
            }
            Do::Revive(replicas) => {
                let stable = self.stable.as_mut().expect("a retired workload is there");
                (stable.replicas, stable.available, stable.ready) = (replicas, 0, false);
            }
            Do::Shift(split) => {
                if split.canary > self.split.canary || split.mirror > self.split.mirror {
                    let there = self.canary.is_some_and(|canary| canary.ready) || self.layout == Layout::Flag;
                    assert!(there, "traffic goes to a canary that is not ready: {self:?} {wanted:?}");
                }
                // Behind one Service a smaller part is fewer pods of the canary's, and nobody moves before they end.
                let part = |split: Split| !matches!(split.canary.get(), 0 | 100);
                let fewer = self.layout == Layout::Shared && part(split) && part(self.split);
                if split.canary < self.split.canary && self.layout != Layout::Flag && !fewer {
                    let stable = self.stable.expect("traffic returns to a workload that is there");
                    assert!(stable.available > 0, "traffic returns to nobody");
                    if wanted.stable == Stable::New {
                        assert!(stable.ready && stable.new, "everybody goes to a version that is not through");
                    } else {
                        assert!(!stable.new, "the way back is to the old version");
                    }
                }
                self.split = split;
                if let (Layout::Shared, Percent::ZERO, Some(canary)) = (self.layout, split.canary, &mut self.canary) {
                    (canary.replicas, canary.available) = (0, 0);
                }
            }
            Do::Drain | Do::Clear => assert!(!self.has_traffic() || one == Do::Drain),
            Do::Remove => {
                assert!(!self.has_traffic(), "a canary with traffic is removed");
                self.canary = None;
            }
            Do::Retire(retire) => {
                assert_eq!(self.split.canary, Percent::ALL, "stable is retired while it has traffic");
                match (retire, &mut self.stable) {
                    (Retire::ScaleToZero, Some(stable)) => (stable.replicas, stable.available) = (0, 0),
                    (Retire::Delete | Retire::ScaleToZero, _) => self.stable = None,
                }
            }
        }
    }
}

fn workloads(versions: &[bool]) -> Vec<Workload> {
    let mut all = Vec::new();
    for &new in versions {
        for replicas in [0, 1, 4] {
            for (available, ready) in [(0, false), (1, false), (replicas, true)] {
                if available <= replicas {
                    all.push(Workload { new, replicas, available, ready });
                }
            }
        }
    }
    all
}

/// Everything that can be seen in a layout.
fn worlds(layout: Layout) -> Vec<World> {
    let beside = matches!(layout, Layout::Beside | Layout::Shared | Layout::Colours);
    let mut canaries: Vec<Option<Workload>> = vec![None];
    if beside {
        canaries.extend(workloads(&[true]).into_iter().map(Some));
    }
    let mut splits: Vec<Split> = vec![Split::STABLE];
    if layout != Layout::InPlace {
        splits.extend([10, 50, 100].map(|share| Split::to_canary(Percent::new(share).unwrap())));
    }
    if layout == Layout::Beside {
        splits.push(Split { canary: Percent::ZERO, mirror: Percent::new(10).unwrap() });
    }
    let mut all = Vec::new();
    for stable in workloads(&[false, true]) {
        for &canary in &canaries {
            for &split in &splits {
                let none = canary.is_none_or(|canary| canary.available == 0);
                if layout == Layout::Shared && none && split.canary != Percent::ZERO {
                    continue;
                }
                all.push(World { layout, stable: Some(stable), canary, split });
            }
        }
    }
    all
}

fn looks_right(world: &World, target: Target) {
    let shown = format!("{world:?} {target:?}");
    let shared = world.layout == Layout::Shared && !matches!(target.split.canary.get(), 0 | 100);
    if shared {
        assert!(world.split.canary > Percent::ZERO && world.split.canary < Percent::ALL, "{shown}");
    } else {
        assert_eq!(world.split, target.split, "{shown}");
    }
    match (target.stable, world.stable) {
        (Stable::Retired, stable) => assert!(stable.is_none_or(|stable| stable.replicas == 0), "{shown}"),
        (wanted, Some(stable)) if world.layout != Layout::Flag => {
            assert_eq!(stable.new, wanted == Stable::New, "{shown}");
            assert!(stable.replicas > 0, "{shown}");
        }
        (_, stable) => assert!(stable.is_some(), "{shown}"),
    }
    match target.canary {
        Canary::Absent => assert!(world.canary.is_none(), "{shown}"),
        Canary::AsItIs => {}
        Canary::For(_) => assert!(world.canary.is_some_and(|canary| canary.ready && canary.replicas > 0), "{shown}"),
    }
}

#[test]
fn from_everything_that_is_seen_every_target_is_reached_whatever_move_was_the_last_before_a_crash() {
    let mut ways = 0;
    for plan_ in plans() {
        let layout = layout(&plan_);
        for stage in stages(&plan_) {
            let target = strategy::target(&plan_, stage);
            for start in worlds(layout) {
                let order = Order { layout, target, at_begin: 4, retire: plan_.blue_green.retire };
                let whole = plan(order, start.seen()).len();
                for crash in 0..=whole {
                    let mut world = start;
                    for one in plan(order, world.seen()).into_iter().take(crash) {
                        world.act(one, target);
                    }
                    let mut rounds = 0;
                    loop {
                        let moves = plan(order, world.seen());
                        if moves.is_empty() {
                            break;
                        }
                        rounds += 1;
                        assert!(rounds <= 4, "{stage:?} {start:?} never ends: {moves:?} {world:?}");
                        for one in moves {
                            world.act(one, target);
                        }
                    }
                    looks_right(&world, target);
                    ways += 1;
                }
            }
        }
    }
    assert!(ways > 20_000, "{ways}");
}

#[test]
fn the_way_back_waits_for_nothing_but_one_pod_of_stable() {
    for plan_ in plans() {
        let layout = layout(&plan_);
        let target = strategy::target(&plan_, Stage::Return);
        for start in worlds(layout) {
            let order = Order { layout, target, at_begin: 4, retire: Retire::Delete };
            let moves = plan(order, start.seen());
            let waits = [Do::AwaitStable, Do::AwaitCanary, Do::Drain];
            assert!(!moves.iter().any(|one| waits.contains(one)), "{start:?} {moves:?}");
            assert!(!moves.iter().any(|one| matches!(one, Do::Canary(_) | Do::Remove | Do::Retire(_))), "{moves:?}");
            assert!(moves.len() <= 4, "{moves:?}");
        }
    }
}

#[test]
fn a_canary_is_raised_workload_first_and_lowered_traffic_first() {
    let plan_ = plan_of(StrategyName::Canary, true, "delete");
    let order = |stage| Order {
        layout: Layout::Beside,
        target: strategy::target(&plan_, stage),
        at_begin: 4,
        retire: Retire::Delete,
    };
    let stable = Workload { new: false, replicas: 4, available: 4, ready: true };
    let mut world = World { layout: Layout::Beside, stable: Some(stable), canary: None, split: Split::STABLE };
    assert_eq!(plan(order(Stage::Prepare), world.seen()), [Do::Canary(1), Do::AwaitCanary]);
    world.canary = Some(Workload { new: true, replicas: 1, available: 1, ready: true });
    let half = Split::to_canary(Percent::new(50).unwrap());
    assert_eq!(plan(order(Stage::Step(2)), world.seen()), [Do::Canary(2), Do::AwaitCanary, Do::Shift(half)]);
    world.split = Split::to_canary(Percent::ALL);
    world.canary = Some(Workload { new: true, replicas: 4, available: 4, ready: true });
    assert_eq!(plan(order(Stage::Promote), world.seen()), [Do::Version(Version::New), Do::AwaitStable]);
    world.stable = Some(Workload { new: true, ..stable });
    assert_eq!(
        plan(order(Stage::Clean), world.seen()),
        [Do::AwaitStable, Do::Shift(Split::STABLE), Do::Drain, Do::Clear, Do::Remove]
    );
    assert_eq!(
        plan(order(Stage::Return), world.seen()),
        [Do::Version(Version::Old), Do::AwaitOne, Do::Shift(Split::STABLE)]
    );
}
