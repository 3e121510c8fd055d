//! One turn of the loop: an announced stage is reached and confirmed; a confirmed one is looked at and, if so decided, left.

use super::super::facts::{Facts, Hold, Limit, Wish};
use super::super::health::Health;
use super::super::reach::{Do, Looked, Pass};
use super::super::state::{Happening, LAST_ROLLBACK, Moment, Reached, State};
use super::super::store::Kept;
use super::super::strategy::{self, Action};
use super::super::workload::{Layout, layout};
use super::super::{Percent, Stage, Trouble};
use super::{Drive, End, Event, OFTEN, SOON, Turn, WhenAsked};
use crate::deliver::plan::StrategyName;
use crate::gate::Verdict;

impl Drive<'_> {
    pub(super) async fn turn(&mut self) -> Result<Turn, Trouble> {
        let kept = self.read().await?;
        if let Stage::Done(ending) = kept.state.stage {
            return Ok(Turn::Over(End::Done(ending)));
        }
        match kept.state.reached {
            Reached::Announced => self.go(kept).await,
            Reached::Confirmed => self.weigh(kept).await,
        }
    }

    /// Makes the cluster look like an announced stage.
    async fn go(&mut self, kept: Kept) -> Result<Turn, Trouble> {
        let state = &kept.state;
        let now = self.now();
        let limit = ready_limit(state, now);
        let early = Facts { verdict: Verdict::Inconclusive, hold: Hold::Running, limit: Limit::Left, wish: state.wish };
        if can_turn_back(state.stage) {
            let deadline = Facts { limit: if now >= state.deadline { Limit::Deadline } else { Limit::Left }, ..early };
            if strategy::next(&state.plan, state.stage, deadline).0 == Stage::Return {
                return self.leave(&kept, Stage::Return, &reason(deadline, ""), seen(deadline)).await;
            }
        }
        let target = strategy::target(&state.plan, state.stage);
        // Whoever edited the template: the way back to stable stays open.
        if !matches!(state.stage, Stage::Return | Stage::Undo) {
            self.unedited(state).await?;
        }
        match self.deps.hands.pass(state, target).await? {
            Pass::Reached(looked) => self.confirm(&kept, &looked).await,
            Pass::Waiting(looked, what) => {
                let (side, name) = match what {
                    Do::AwaitCanary => (looked.canary.as_ref(), "the new version"),
                    _ => (looked.stable.as_ref(), "the stable workload"),
                };
                let mut health = self.deps.hands.health(state, side).await?;
                // Who has the users while stable is waited for must stay healthy too.
                if what != Do::AwaitCanary && target.split.canary > Percent::ZERO && looked.canary.is_some() {
                    let canary = self.deps.hands.health(state, looked.canary.as_ref()).await?;
                    if matches!(canary, Health::Broken(_)) {
                        health = canary;
                    }
                }
                let verdict = match self.suspicion.weigh(&health, now) {
                    // It has become ready between two calls: the next turn confirms it.
                    Verdict::Pass if !matches!(what, Do::Shift(_)) => return Ok(Turn::Again(0.0)),
                    Verdict::Pass => Verdict::Inconclusive,
                    other => other,
                };
                let why = match &health {
                    Health::Broken(broken) => broken.why.clone(),
                    Health::Starting { .. } => health.words(name),
                    Health::Ready => format!("{} has not brought the traffic there yet", self.deps.hands.router.name()),
                };
                if can_turn_back(state.stage) {
                    let facts = Facts { verdict, limit, ..early };
                    if strategy::next(&state.plan, state.stage, facts).0 == Stage::Return {
                        return self.leave(&kept, Stage::Return, &reason(facts, &why), seen(facts)).await;
                    }
                } else if limit != Limit::Left {
                    return Ok(Turn::Over(End::Stuck(why)));
                }
                self.tell_once(state.stage, &why, Event::Waiting { stage: state.stage, why: why.clone() });
                Ok(Turn::Again(SOON))
            }
        }
    }

    async fn confirm(&mut self, kept: &Kept, looked: &Looked) -> Result<Turn, Trouble> {
        let now = self.now();
        let state = State { reached: Reached::Confirmed, since: now, split: looked.seen.split, ..kept.state.clone() };
        if self.write(kept, &state).await?.is_some() {
            self.forget();
            self.tell_reached(&state);
        }
        Ok(Turn::Again(0.0))
    }

    /// Looks at a stage that was reached, and decides.
    async fn weigh(&mut self, mut kept: Kept) -> Result<Turn, Trouble> {
        self.tell_reached(&kept.state);
        if !can_turn_back(kept.state.stage) {
            let marks = match layout(&kept.state.plan) {
                // Blue-green's mark stays while its other colour may come back; the others' routers are cleared where they lower.
                Layout::Beside | Layout::Shared | Layout::Colours | Layout::InPlace => false,
                Layout::Flag | Layout::Driven => matches!(kept.state.stage, Stage::Clean | Stage::Undo),
            };
            if marks {
                self.deps.hands.router.clear().await?;
            }
            let (next, _) = strategy::next(&kept.state.plan, kept.state.stage, over(&kept.state));
            return self.leave(&kept, next, "", None).await;
        }
        let Some(looked) = self.unchanged(&kept.state).await? else {
            let why = "the traffic is at stable already, by a run that could not write so";
            return self.leave(&kept, Stage::Return, why, None).await;
        };
        let look = match self.judge(&mut kept, &looked).await? {
            Some(look) => look,
            None => return Ok(Turn::Again(0.0)),
        };
        let state = &kept.state;
        let (next, action) = strategy::next(&state.plan, state.stage, look.facts);
        match action {
            Action::Reach(_) | Action::Finish(_) => {
                let why = reason(look.facts, &look.why);
                return self.leave(&kept, next, &why, seen(look.facts)).await;
            }
            Action::Ask => {
                self.tell_once(state.stage, "asked", Event::Asked { stage: state.stage });
                if self.deps.when_asked == WhenAsked::Leave {
                    return Ok(Turn::Over(End::Asked));
                }
            }
            Action::Hold => {
                let passed = look.facts.verdict == Verdict::Pass && look.facts.hold == Hold::Over;
                if passed && look.facts.wish == Wish::Pause {
                    self.tell_once(state.stage, "paused", Event::Paused { stage: state.stage });
                } else if look.facts.verdict != Verdict::Pass && !look.why.is_empty() {
                    let event = Event::Waiting { stage: state.stage, why: look.why.clone() };
                    self.tell_once(state.stage, &look.why, event);
                }
            }
        }
        let hold = strategy::hold_seconds(&state.plan, state.stage) - self.now().since(state.since);
        let often = OFTEN.min(state.plan.analysis.interval_seconds.max(1.0));
        Ok(Turn::Again(if hold > 0.0 { hold.min(often) } else { often }))
    }

    /// Announces the next stage.
    pub(super) async fn leave(
        &mut self,
        kept: &Kept,
        next: Stage,
        why: &str,
        seen: Option<Verdict>,
    ) -> Result<Turn, Trouble> {
        self.deps.hands.may_go_on()?;
        let mut state = announced(&kept.state, next, why, self.now());
        if let Some(last) = state.history.last_mut() {
            last.verdict = seen;
        }
        if self.write(kept, &state).await?.is_none() {
            return Ok(Turn::Again(0.0));
        }
        self.forget();
        let (from, split) = (kept.state.stage, kept.state.split);
        self.tell(Event::Moved { from, to: next, split, seen, why: state.why });
        Ok(Turn::Again(0.0))
    }

    /// A new stage begins with no suspicion.
    fn forget(&mut self) {
        self.suspicion = super::Suspicion::default();
        self.unready_since = None;
        self.measured = None;
        self.said = None;
    }

    pub(super) fn now(&self) -> Moment {
        self.deps.hands.clock.now()
    }
}

/// A state whose next stage is announced. An end is confirmed at once: there is nothing left to reach.
pub fn announced(state: &State, next: Stage, why: &str, now: Moment) -> State {
    let mut state = state.clone();
    state.reached = if next.is_done() { Reached::Confirmed } else { Reached::Announced };
    state.stage = next;
    state.since = now;
    state.announced = now;
    state.no_data_since = None;
    state.flaps = 0;
    // What was wanted of the stage that is left is done: an approval counts once, an abort leads to the return.
    if matches!(state.wish, Wish::Approve | Wish::Abort) || next == Stage::Return {
        state.wish = Wish::Proceed;
    }
    if next == Stage::Return {
        state.notes.insert(LAST_ROLLBACK.to_owned(), now.0.to_string());
    }
    if !why.is_empty() {
        why.clone_into(&mut state.why);
    }
    state.evidence.close_step();
    let (split, why) = (state.split, state.why.clone());
    state.history.push(Happening { at: now, stage: next, split, why, verdict: None });
    state
}

/// Whether the traffic can return from a stage: not from one that is itself an end.
pub(super) fn can_turn_back(stage: Stage) -> bool {
    match stage {
        Stage::Prepare | Stage::Step(_) | Stage::Promote | Stage::Keep => true,
        Stage::Clean | Stage::Return | Stage::Undo | Stage::Done(_) => false,
    }
}

/// A look at a stage that is an end: it is left whatever is seen.
fn over(state: &State) -> Facts {
    Facts { verdict: Verdict::Inconclusive, hold: Hold::Over, limit: Limit::Left, wish: state.wish }
}

/// The limit of a stage whose pods are waited for.
fn ready_limit(state: &State, now: Moment) -> Limit {
    let patience = match (state.stage, state.plan.strategy) {
        (Stage::Step(_), StrategyName::Rolling) => state.plan.rolling.timeout_seconds,
        _ => state.plan.patience.ready_seconds,
    };
    if now >= state.deadline {
        Limit::Deadline
    } else if now.since(state.announced) >= patience {
        Limit::Reached
    } else {
        Limit::Left
    }
}

/// What was seen of a stage that is left; none where a person wanted it. A deadline is no judgement of the version.
fn seen(facts: Facts) -> Option<Verdict> {
    match (facts.wish, facts.limit, facts.verdict) {
        (Wish::Abort, ..) => None,
        (_, Limit::Deadline, _) | (_, _, Verdict::Inconclusive | Verdict::Error) => Some(Verdict::Inconclusive),
        (_, _, verdict @ (Verdict::Pass | Verdict::Fail)) => Some(verdict),
    }
}

/// Why a stage is left, in one sentence.
fn reason(facts: Facts, seen: &str) -> String {
    let with = |text: &str| if seen.is_empty() { text.to_owned() } else { format!("{text}: {seen}") };
    match (facts.wish, facts.limit, facts.verdict) {
        (Wish::Abort, ..) => "a person has aborted the rollout".to_owned(),
        (_, Limit::Deadline, _) => with("the rollout's deadline has come"),
        (_, _, Verdict::Fail) => with("it failed"),
        (_, _, Verdict::Pass) => with("it passed"),
        (_, Limit::Reached, Verdict::Inconclusive | Verdict::Error) => with("it stayed undecided until its limit"),
        (_, Limit::Left, Verdict::Inconclusive | Verdict::Error) => seen.to_owned(),
    }
}
