//! A look at a stage that was reached: is everything as we left it, are the pods ready, what do the measurements say.

use super::super::analysis::{self, Judgement};
use super::super::facts::{Facts, Hold, Limit};
use super::super::health::Health;
use super::super::plan::{Plan, StrategyName};
use super::super::probe::Window;
use super::super::reach::{Do, Looked, order, plan as moves_to};
use super::super::state::{Moment, State};
use super::super::store::Kept;
use super::super::target::{Canary, Stable};
use super::super::workload::{Layout, Names, digest, layout};
use super::super::{Percent, Split, Stage, Trouble, strategy};
use super::{Drive, Event};
use crate::gate::Verdict;
use crate::trust::Untrusted;

/// What a look came to.
pub(super) struct Look {
    pub(super) facts: Facts,
    pub(super) why: String,
}

/// Whether a stage is judged by measurements, and with which share of the traffic.
pub fn measured(plan: &Plan, stage: Stage) -> Option<Percent> {
    let rules = &plan.analysis;
    let answers = plan.strategy == StrategyName::Shadow && plan.shadow.answers.is_some();
    let any = !rules.presets.is_empty() || !rules.rates.is_empty() || !rules.quantiles.is_empty();
    if !(any || !rules.levels.is_empty() || answers) {
        return None;
    }
    match (stage, plan.strategy) {
        (Stage::Step(_), StrategyName::Canary | StrategyName::FeatureFlag | StrategyName::Rolling) => {
            Some(strategy::exposure(plan, stage))
        }
        (Stage::Step(_), StrategyName::Shadow) => Some(plan.shadow.sample),
        // Green has no users before the switch: there is nothing to measure but its health.
        (Stage::Step(_), StrategyName::BlueGreen) => None,
        (Stage::Keep, _) => Some(Percent::ALL),
        (Stage::Prepare | Stage::Promote | Stage::Clean | Stage::Return | Stage::Undo | Stage::Done(_), _) => None,
    }
}

impl Drive<'_> {
    /// The stable workload's template is still the one that the rollout began with, but for the version.
    pub(super) async fn unedited(&self, state: &State) -> Result<(), Trouble> {
        let names = Names::in_state(state);
        if layout(&state.plan) == Layout::Driven {
            return Ok(());
        }
        let place = crate::cluster::DEPLOYMENT.at(&names.namespace, &names.stable);
        match self.deps.hands.cluster.find(&place).await? {
            Some(object) => unedited(state, &names, &object),
            None => Ok(()),
        }
    }

    /// Looks; what somebody else changed is [`Trouble::Foreign`].
    pub(super) async fn unchanged(&self, state: &State) -> Result<Option<Looked>, Trouble> {
        let looked = self.deps.hands.look(state).await?;
        let names = Names::in_state(state);
        if let (Some(stable), false) = (&looked.stable, layout(&state.plan) == Layout::Driven) {
            unedited(state, &names, stable)?;
        }
        let target = strategy::target(&state.plan, state.stage);
        let lacks = matches!(target.canary, Canary::For(_)) && looked.canary.is_none();
        if lacks && layout(&state.plan) != Layout::Driven {
            return Ok(Some(looked));
        }
        let ready = looked.seen.canary.is_none_or(|side| side.ready);
        let (mut follow, mut fled) = (false, false);
        for one in moves_to(order(state, target), looked.seen) {
            match one {
                // A flight whose record could not be written: the traffic is where a return would bring it.
                Do::Shift(_) if looked.seen.split == Split::STABLE && state.split.canary > Percent::ZERO => fled = true,
                Do::Shift(wanted) if layout(&state.plan) != Layout::Shared || ready => {
                    return Err(foreign(format!(
                        "{} gives {} % to the new version (and mirrors {} %); the rollout had set {} % ({} %)",
                        self.deps.hands.router.name(),
                        looked.seen.split.canary.get(),
                        looked.seen.split.mirror.get(),
                        wanted.canary.get(),
                        wanted.mirror.get(),
                    )));
                }
                Do::Version(_) | Do::Revive(_) => {
                    return Err(foreign(format!(
                        "`{}` does not run the version that the rollout had left there ({:?})",
                        names.stable,
                        looked.seen.stable.map(|side| side.runs)
                    )));
                }
                // Stable's autoscaler has moved: the new version follows.
                Do::Canary(_) => follow = true,
                Do::Shift(_)
                | Do::AwaitCanary
                | Do::AwaitStable
                | Do::AwaitOne
                | Do::Drain
                | Do::Clear
                | Do::Remove
                | Do::Retire(_) => {}
            }
        }
        if fled {
            return Ok(None);
        }
        if follow {
            self.deps.hands.pass(state, target).await?;
        }
        Ok(Some(looked))
    }

    /// The verdict of a look. None: the state was written by somebody else meanwhile.
    pub(super) async fn judge(&mut self, kept: &mut Kept, looked: &Looked) -> Result<Option<Look>, Trouble> {
        let now = self.now();
        let mut state = kept.state.clone();
        let (health, why) = self.health(&state, looked).await?;
        let mut verdict = health.as_ref().map_or(Verdict::Pass, |health| self.suspicion.weigh(health, now));
        let mut why = why;
        // Another controller may be between two of its own steps, which is no fall.
        let driven = layout(&state.plan) == Layout::Driven;
        let ready = match &health {
            None | Some(Health::Ready) => true,
            Some(Health::Starting { .. }) => driven,
            Some(Health::Broken(_)) => false,
        };
        if driven && ready {
            verdict = Verdict::Pass;
        }
        match (ready, self.unready_since) {
            (false, None) => {
                self.unready_since = Some(now);
                state.flaps += 1;
                self.tell(Event::Flapped { stage: state.stage, times: state.flaps, why: why.clone() });
            }
            (true, Some(_)) => {
                self.unready_since = None;
                self.measured = None;
                // Counts begin anew with the hold; what they have shown stays.
                state.since = now;
                state.evidence.close_step();
            }
            (true, None) | (false, Some(_)) => {}
        }
        if state.flaps > state.plan.patience.flaps {
            verdict = Verdict::Fail;
            why = format!("its pods fell from readiness {} times: {why}", state.flaps);
        }
        let held = now.since(state.since) >= strategy::hold_seconds(&state.plan, state.stage);
        let hold = if held && ready { Hold::Over } else { Hold::Running };
        let mut limit = self.limit(&state, now);
        if let (Verdict::Pass, Some(share)) = (verdict, measured(&state.plan, state.stage)) {
            let due = self.measured.is_none_or(|last| now.since(last) >= state.plan.analysis.interval_seconds);
            let last_chance = limit != Limit::Left
                || (hold == Hold::Over
                    && self.measured < Some(state.since.after(strategy::hold_seconds(&state.plan, state.stage))));
            if due || last_chance {
                let judgement = self.measure(&mut state, share, now).await;
                (verdict, why) = (judgement.verdict, judgement.why.clone());
                self.measured = Some(now);
                self.tell(Event::Look { stage: state.stage, judgement: Box::new(judgement) });
                limit = self.limit(&state, now);
            } else {
                // Between two measurements nothing is known: health alone gives nobody to the new version.
                (verdict, why) = (Verdict::Inconclusive, String::new());
            }
        }
        if state != kept.state {
            match self.write(kept, &state).await? {
                Some(written) => *kept = written,
                None => return Ok(None),
            }
        }
        Ok(Some(Look { facts: Facts { verdict, hold, limit, wish: kept.state.wish }, why }))
    }

    /// How the workloads are that have, or are about to have, users of the new version: the worst of them.
    async fn health(&self, state: &State, looked: &Looked) -> Result<(Option<Health>, String), Trouble> {
        let target = strategy::target(&state.plan, state.stage);
        let names = Names::in_state(state);
        let layout = layout(&state.plan);
        let beside = matches!(layout, Layout::Beside | Layout::Shared | Layout::Colours);
        let mut sides = Vec::new();
        if beside && target.canary != Canary::Absent {
            sides.push((looked.canary.as_ref(), names.canary.as_str()));
        }
        if sides.is_empty() || target.stable == Stable::New {
            sides.push((looked.stable.as_ref(), names.stable.as_str()));
        }
        let mut worst: Option<Health> = None;
        let mut why = String::new();
        for (side, name) in sides {
            let health = self.deps.hands.health(state, side).await?;
            let rank = |health: &Health| match health {
                Health::Ready => 0,
                Health::Starting { .. } => 1,
                Health::Broken(_) => 2,
            };
            if worst.as_ref().is_none_or(|worst| rank(&health) > rank(worst)) {
                why = health.words(name);
                worst = Some(health);
            }
        }
        Ok((worst, why))
    }

    async fn measure(&self, state: &mut State, share: Percent, now: Moment) -> Judgement {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of one stage")]
        let seconds = now.since(state.since).floor().max(1.0) as u64;
        let readings = match self.deps.source {
            Some(source) => source.read(Window { seconds }).await,
            None => Vec::new(),
        };
        let judgement = analysis::judge(&state.plan, share, &readings, &mut state.evidence);
        state.no_data_since = if judgement.blind { Some(state.no_data_since.unwrap_or(now)) } else { None };
        judgement
    }

    fn limit(&self, state: &State, now: Moment) -> Limit {
        let patience = &state.plan.patience;
        let stage = now.since(state.announced) >= strategy::limit_seconds(&state.plan, state.stage);
        let blind = state.no_data_since.is_some_and(|since| now.since(since) >= patience.no_data_seconds);
        let unready = self.unready_since.is_some_and(|since| now.since(since) >= patience.ready_seconds);
        if now >= state.deadline {
            Limit::Deadline
        } else if stage || blind || unready {
            Limit::Reached
        } else {
            Limit::Left
        }
    }
}

fn unedited(state: &State, names: &Names, object: &serde_json::Value) -> Result<(), Trouble> {
    let Some(left) = state.marks.get(&names.mark()) else { return Ok(()) };
    if *left == digest(object, &state.plan)? {
        return Ok(());
    }
    Err(foreign(format!(
        "the pod template of `{}` was changed (its digest was {left} when the rollout began); nothing was overwritten. Undo \
         that change and resume, or bring the traffic back with `canary-promote rollback`",
        names.stable
    )))
}

fn foreign(text: String) -> Trouble {
    Trouble::Foreign(Untrusted::new(text))
}
