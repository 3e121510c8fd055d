//! The process is to end: the traffic goes to stable at once, and the state says that the rest is left to the next run.

use std::time::Duration;

use super::super::reach::{Hands, Pass};
use super::super::state::{Reached, State};
use super::super::store::Kept;
use super::super::{Stage, Trouble, strategy};
use super::turn::{announced, can_turn_back};
use super::{Drive, End, Event, undisturbed};

/// How often the announcement is tried: somebody else may write a wish at the same time.
const TRIES: usize = 5;
/// How long the announcement may take.
const ANNOUNCE: Duration = Duration::from_millis(1500);
/// How long one attempt at the return may take.
const ONE_PASS: Duration = Duration::from_secs(4);
/// A runner gives seconds: so often is stable looked at for a pod that takes the traffic.
const LOOKS: u32 = 10;

impl Drive<'_> {
    /// Brings the traffic to stable. Whatever fails, the traffic is tried for.
    pub(super) async fn flee(&mut self) -> (End, Option<Trouble>) {
        if self.deps.hands.lock_lost.is_cancelled() {
            return (End::LockLost, None);
        }
        // The users count more than the record: a state that cannot be written soon is written later.
        let announced_in_time = match tokio::time::timeout(ANNOUNCE, self.announce_return()).await {
            Ok(said) => said,
            Err(_) => Err(crate::cluster::ClusterError::Unreachable("the state was not written in time".into()).into()),
        };
        let (state, mut trouble) = match announced_in_time {
            Ok(Some(kept)) => (kept.state, None),
            Ok(None) => return (End::Cancelled, None),
            // The state cannot be written; the users count more.
            Err(error) => match &self.known {
                Some(known) if can_turn_back(known.stage) || known.stage == Stage::Return => {
                    let why = "the process was told to end";
                    (announced(known, Stage::Return, why, self.now()), Some(error))
                }
                Some(_) | None => return (End::Cancelled, Some(error)),
            },
        };
        let (unwritten, never) = (trouble.is_some(), undisturbed());
        let hands = Hands { cancel: &never, ..self.deps.hands };
        for _ in 0..LOOKS {
            let pass = hands.pass(&state, strategy::target(&state.plan, Stage::Return));
            // What a service beside the cluster still waits for after its change was sent, the next run waits for.
            let Ok(passed) = tokio::time::timeout(ONE_PASS, pass).await else { break };
            match passed {
                Ok(Pass::Reached(looked)) => {
                    if !unwritten {
                        trouble = self.confirm_return(looked.seen.split).await.err();
                    }
                    break;
                }
                Ok(Pass::Waiting(..)) => {
                    hands.clock.wait(0.2, &never).await;
                }
                Err(error) => {
                    let passes = super::passes(&error);
                    trouble = Some(error);
                    if !passes {
                        break;
                    }
                    hands.clock.wait(0.2, &never).await;
                }
            }
        }
        (End::Cancelled, trouble)
    }

    /// None: the traffic is not to be moved from where the rollout is.
    async fn announce_return(&mut self) -> Result<Option<Kept>, Trouble> {
        for _ in 0..TRIES {
            let kept = self.read().await?;
            match (kept.state.stage, kept.state.reached) {
                (Stage::Return, Reached::Announced) => return Ok(Some(kept)),
                (stage, _) if can_turn_back(stage) => {}
                _ => return Ok(None),
            }
            let state = announced(&kept.state, Stage::Return, "the process was told to end", self.now());
            if let Some(written) = self.write(&kept, &state).await? {
                let (from, split) = (kept.state.stage, kept.state.split);
                self.tell(Event::Moved { from, to: Stage::Return, split, seen: None, why: state.why });
                return Ok(Some(written));
            }
        }
        Err(crate::cluster::ClusterError::Conflict("the state was written by others meanwhile".into()).into())
    }

    async fn confirm_return(&mut self, split: super::super::Split) -> Result<(), Trouble> {
        let kept = self.read().await?;
        if kept.state.stage != Stage::Return {
            return Ok(());
        }
        let state = State { reached: Reached::Confirmed, since: self.now(), split, ..kept.state.clone() };
        if self.write(&kept, &state).await?.is_some() {
            self.tell(Event::Reached { stage: Stage::Return, split });
        }
        Ok(())
    }
}
