//! The only loop: read the state, make the cluster look like its stage, look, decide, write the next stage, and again. Whoever
//! is killed between any two calls leaves a state from which the next run goes on.
//! Kept out: decisions (`strategy`), moves (`reach`), words for people (`commands`).

mod event;
mod flee;
mod look;
#[cfg(test)]
pub(super) mod testing;
mod turn;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::health::{Suspicion, cut};
use super::probe::MetricSource;
use super::reach::Hands;
use super::state::{Moment, Reached, State};
use super::store::{Kept, Store, Written};
use super::{Stage, Trouble, where_the_traffic_is};
use crate::cluster::ClusterError;

pub use event::{End, Event, Run, WhenAsked};
pub use look::measured;
pub use turn::announced;

/// How often the pods are looked at while they are waited for, in seconds.
const SOON: f64 = 2.0;
/// How often the state and the pods are looked at between two measurements, in seconds: an abort is seen so fast.
const OFTEN: f64 = 5.0;
/// How long a call that is on its way is waited for when the process is to end.
const LAST_CALL: Duration = Duration::from_millis(500);
/// Calls in a row that may fail, each two seconds after the one before, until the run gives up with its state kept.
const FAILURES: u32 = 30;

/// What a run works with.
pub struct Deps<'a> {
    /// What does the moves.
    pub hands: Hands<'a>,
    /// Where the state is kept.
    pub store: Store<'a>,
    /// Where measurements come from; none where the plan has no rules.
    pub source: Option<&'a dyn MetricSource>,
    /// The run that we are: a state with another owner is somebody else's.
    pub run: String,
    /// What happens when a person is asked.
    pub when_asked: WhenAsked,
    /// Who hears of everything.
    pub told: &'a (dyn Fn(&Event) + Send + Sync),
}

/// One run, with what it remembers between two looks. All that must outlive it is in the state.
struct Drive<'a> {
    deps: &'a Deps<'a>,
    /// The last state that was read or written.
    known: Option<State>,
    suspicion: Suspicion,
    /// Since when pods that were ready are not.
    unready_since: Option<Moment>,
    /// When measurements were last judged at this stage.
    measured: Option<Moment>,
    /// The stage that was said to be reached last: an answer that was lost must not swallow it.
    reached: Option<Stage>,
    /// What was said last, so that it is said once.
    said: Option<(Stage, String)>,
}

/// What a turn of the loop comes to.
enum Turn {
    /// Look again after so many seconds.
    Again(f64),
    /// The run is over.
    Over(End),
}

/// Drives the rollout whose state is in the cluster until it is over, or cannot go on.
pub async fn drive(deps: &Deps<'_>) -> Run {
    let mut drive = Drive {
        deps,
        known: None,
        suspicion: Suspicion::default(),
        unready_since: None,
        measured: None,
        reached: None,
        said: None,
    };
    let (end, trouble) = drive.run().await;
    drive.ended(end, trouble).await
}

impl Drive<'_> {
    async fn run(&mut self) -> (End, Option<Trouble>) {
        let mut failures = 0;
        loop {
            let (cancel, lost) = (self.deps.hands.cancel, self.deps.hands.lock_lost);
            let turn = {
                let mut turn = std::pin::pin!(self.turn());
                tokio::select! {
                    biased;
                    () = lost.cancelled() => Err(Trouble::Held("the lock was lost".into())),
                    () = cancel.cancelled() => match tokio::time::timeout(LAST_CALL, &mut turn).await {
                        // A call on its way is waited for: dropped, it could still move the traffic after the flight.
                        Ok(Ok(Turn::Over(end))) => Ok(Turn::Over(end)),
                        Ok(Ok(Turn::Again(_)) | Err(_)) | Err(_) => Err(Trouble::Cancelled),
                    },
                    turn = &mut turn => turn,
                }
            };
            let wait = match turn {
                Ok(Turn::Over(end)) => return (end, None),
                Ok(Turn::Again(seconds)) => {
                    failures = 0;
                    seconds
                }
                Err(Trouble::Cancelled) => return self.flee().await,
                Err(trouble) if lost.is_cancelled() => return (End::LockLost, Some(trouble)),
                Err(trouble) if passes(&trouble) && failures < FAILURES => {
                    failures += 1;
                    self.tell(Event::Again { why: words(&trouble) });
                    SOON
                }
                Err(trouble @ Trouble::Foreign(_)) => {
                    self.tell(Event::Foreign { why: words(&trouble) });
                    return (End::Foreign, Some(trouble));
                }
                Err(trouble) => return (End::Failed(words(&trouble)), Some(trouble)),
            };
            // The lock's loss ends a wait too.
            tokio::select! {
                biased;
                () = lost.cancelled() => {}
                _ = self.deps.hands.clock.wait(wait, cancel) => {}
            }
        }
    }

    /// The state as it is in the cluster now. Only the wish may have been changed by others.
    async fn read(&mut self) -> Result<Kept, Trouble> {
        let Some(kept) = self.deps.store.read().await? else {
            return Err(Trouble::Foreign("the rollout's state is gone from the cluster".into()));
        };
        let owner = &kept.state.owner;
        if owner.run != self.deps.run {
            let url = owner.url.as_deref().unwrap_or("no page is known");
            return Err(Trouble::Held(format!("run {} has taken the rollout over ({url})", owner.run).into()));
        }
        if self.known.is_none() {
            self.tell(Event::Began(Box::new(kept.state.clone())));
            self.reached = (kept.state.reached == Reached::Confirmed).then_some(kept.state.stage);
        }
        self.known = Some(kept.state.clone());
        Ok(kept)
    }

    /// Writes a state; a race is no trouble, since the next turn reads and decides again.
    async fn write(&mut self, over: &Kept, state: &State) -> Result<Option<Kept>, Trouble> {
        match self.deps.store.write(over, state).await? {
            Written::Done(kept) => {
                self.known = Some(kept.state.clone());
                Ok(Some(*kept))
            }
            Written::Raced => Ok(None),
        }
    }

    fn tell(&self, event: Event) {
        (self.deps.told)(&event);
    }

    /// Says that a stage is reached, once.
    fn tell_reached(&mut self, state: &State) {
        if self.reached != Some(state.stage) {
            self.reached = Some(state.stage);
            self.tell(Event::Reached { stage: state.stage, split: state.split });
        }
    }

    /// Says something once, until something else is said.
    fn tell_once(&mut self, stage: Stage, key: &str, event: Event) {
        let said = (stage, key.to_owned());
        if self.said.as_ref() != Some(&said) {
            self.said = Some(said);
            self.tell(event);
        }
    }

    async fn ended(mut self, end: End, trouble: Option<Trouble>) -> Run {
        if self.known.is_none() {
            self.known = self.deps.store.read().await.ok().flatten().map(|kept| kept.state);
        }
        let split = self.deps.hands.router.split().await.ok();
        let traffic = match &self.known {
            Some(state) => where_the_traffic_is(split, state),
            None => "traffic: not known (the rollout's state could not be read)".to_owned(),
        };
        self.tell(Event::Ended { end: end.clone(), traffic: traffic.clone() });
        Run { state: self.known, end, traffic, trouble }
    }
}

/// Whether a failure may pass by itself. A token that has expired does not, nor does a missing right.
fn passes(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Cluster(error) => match error {
            ClusterError::Unreachable(_) | ClusterError::Conflict(_) => true,
            ClusterError::Other(status, _) => *status == 429 || *status >= 500,
            ClusterError::Unauthorized(_)
            | ClusterError::Forbidden(_)
            | ClusterError::NotFound(_)
            | ClusterError::Owned(_)
            | ClusterError::Exists(_)
            | ClusterError::Invalid(_)
            | ClusterError::Config(_) => false,
        },
        Trouble::Beside(_) => true,
        Trouble::Plan(_) | Trouble::Foreign(_) | Trouble::Held(_) | Trouble::Cancelled => false,
    }
}

/// A trouble in one sentence, with what a server said cleaned.
pub fn words(trouble: &Trouble) -> String {
    let said = match trouble {
        Trouble::Cluster(error) => match error {
            ClusterError::Unreachable(said)
            | ClusterError::Unauthorized(said)
            | ClusterError::Forbidden(said)
            | ClusterError::NotFound(said)
            | ClusterError::Conflict(said)
            | ClusterError::Owned(said)
            | ClusterError::Exists(said)
            | ClusterError::Invalid(said)
            | ClusterError::Other(_, said)
            | ClusterError::Config(said) => Some(said),
        },
        Trouble::Plan(said) | Trouble::Foreign(said) | Trouble::Held(said) | Trouble::Beside(said) => Some(said),
        Trouble::Cancelled => None,
    };
    match said {
        Some(said) => format!("{trouble}: {}", cut(said.raw())),
        None => trouble.to_string(),
    }
}

/// A token that never fires, for what must be done although the process is to end.
fn undisturbed() -> CancellationToken {
    CancellationToken::new()
}
