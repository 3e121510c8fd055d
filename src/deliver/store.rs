//! The state of a rollout in its ConfigMap: read, begun, written by compare-and-swap. What cannot be read is never overwritten.
//! Kept out: what the state says (`state`), and who may write it (the lock is taken before).

use serde_json::{Value, json};

use super::facts::{Facts, Hold, Limit, Wish};
use super::health::cut;
use super::state::State;
use super::strategy::{self, Action};
use super::workload::{ROLLOUT_LABEL, misfit};
use super::{Stage, Trouble};
use crate::cluster::{CONFIG_MAP, Cluster, ClusterError, Place};
use crate::gate::Verdict;

/// The version of the state's format that this program reads and writes.
pub const SCHEMA: u32 = 1;
/// Lines of history that are kept: a ConfigMap takes 1 MiB, and the newest lines are those that are asked for.
const HISTORY: usize = 50;
/// How often a person's wish is written again when somebody else wrote at the same time.
const TRIES: usize = 8;

/// The place of a rollout's state.
pub struct Store<'a> {
    cluster: &'a Cluster,
    place: Place,
    rollout: String,
}

/// A state as it was read, with the version of its object.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The state.
    pub state: State,
    object: Value,
}

/// What became of a write.
#[derive(Debug)]
pub enum Written {
    /// It is there.
    Done(Box<Kept>),
    /// Somebody else wrote at the same time: nothing was written. Read again, decide again.
    Raced,
}

impl<'a> Store<'a> {
    /// The state of the rollout of a workload.
    pub fn new(cluster: &'a Cluster, namespace: &str, rollout: &str) -> Self {
        let place = CONFIG_MAP.at(namespace, &format!("llmci-{rollout}"));
        Self { cluster, place, rollout: rollout.to_owned() }
    }

    /// Reads the state, where there is one.
    pub async fn read(&self) -> Result<Option<Kept>, Trouble> {
        match self.cluster.find(&self.place).await? {
            None => Ok(None),
            Some(object) => Ok(Some(Kept { state: self.decode(&object)?, object })),
        }
    }

    /// Writes the first state of a rollout: the object is made, or takes the place of a rollout that is over.
    pub async fn begin(&self, state: &State, owner: Option<&Value>) -> Result<Written, Trouble> {
        if let Some(kept) = self.read().await? {
            return if kept.state.stage.is_done() { self.write(&kept, state).await } else { Ok(Written::Raced) };
        }
        let mut object = json!({
            "apiVersion": CONFIG_MAP.api_version(),
            "kind": CONFIG_MAP.kind,
            "metadata": {"name": self.place.name, "namespace": self.place.namespace,
                "labels": {ROLLOUT_LABEL: self.rollout}},
            "data": {"state": encode(state)?},
        });
        if let (Some(owner), Some(metadata)) = (owner, object.get_mut("metadata").and_then(Value::as_object_mut)) {
            metadata.insert("ownerReferences".to_owned(), json!([owner]));
        }
        match self.cluster.create(&self.place, &object).await {
            Ok(object) => Ok(Written::Done(Box::new(Kept { state: self.decode(&object)?, object }))),
            Err(ClusterError::Exists(_) | ClusterError::Conflict(_)) => Ok(Written::Raced),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a state over the one that was read, if that is still there.
    pub async fn write(&self, over: &Kept, state: &State) -> Result<Written, Trouble> {
        let mut object = over.object.clone();
        let encoded = encode(state)?;
        if let Some(data) = object.get_mut("data").and_then(Value::as_object_mut) {
            data.insert("state".to_owned(), Value::String(encoded));
        }
        match self.cluster.replace(&self.place, &object).await {
            Ok(object) => Ok(Written::Done(Box::new(Kept { state: self.decode(&object)?, object }))),
            Err(ClusterError::Conflict(_) | ClusterError::NotFound(_)) => Ok(Written::Raced),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes what a person wants, for the promoter to take over at its next look. Nothing but the wish changes.
    pub async fn wish(&self, wish: Wish) -> Result<State, Trouble> {
        for _ in 0..TRIES {
            let Some(kept) = self.read().await? else {
                return Err(misfit(format!(
                    "there is no rollout of `{}`: {} is not there",
                    self.rollout,
                    self.place.words()
                )));
            };
            if kept.state.stage.is_done() {
                return Err(misfit(format!("the rollout of `{}` is over: there is nothing to change", self.rollout)));
            }
            if kept.state.wish == Wish::Abort && wish != Wish::Abort {
                return Err(misfit(format!("the rollout of `{}` is being aborted already", self.rollout)));
            }
            if wish == Wish::Approve && !asks(&kept.state) {
                return Err(misfit(format!("the rollout of `{}` asks nobody at this stage", self.rollout)));
            }
            if wish == Wish::Abort && kept.state.stage == Stage::Clean {
                return Err(misfit(format!(
                    "everybody has the new version of `{}` already: use `canary-promote rollback`",
                    self.rollout
                )));
            }
            let state = State { wish, ..kept.state.clone() };
            if let Written::Done(kept) = self.write(&kept, &state).await? {
                return Ok(kept.state);
            }
        }
        Err(ClusterError::Conflict(format!("{} was written {TRIES} times meanwhile", self.place.words()).into()).into())
    }

    fn decode(&self, object: &Value) -> Result<State, Trouble> {
        let place = self.place.words();
        let advice = format!(
            "it is left as it is; look at it with `kubectl -n {} get configmap {} -o yaml`, see where the traffic is, and \
             delete it when no rollout is under way",
            self.place.namespace, self.place.name
        );
        let text = object.pointer("/data/state").and_then(Value::as_str);
        let text = text.ok_or_else(|| misfit(format!("{place} holds no state of a rollout: {advice}")))?;
        let value: Value = serde_json::from_str(text).map_err(|error| {
            misfit(format!("the state in {place} is no JSON ({}): {advice}", cut(&error.to_string())))
        })?;
        match value.get("schema").and_then(Value::as_u64) {
            Some(schema) if schema == u64::from(SCHEMA) => {}
            Some(newer) if newer > u64::from(SCHEMA) => {
                return Err(misfit(format!(
                    "the state in {place} was written by a newer llmci (schema {newer}, this one reads {SCHEMA}): finish the \
                     rollout with that version"
                )));
            }
            _ => return Err(misfit(format!("the state in {place} has no schema that is known: {advice}"))),
        }
        serde_json::from_value(value).map_err(|error| {
            misfit(format!("the state in {place} cannot be read ({}): {advice}", cut(&error.to_string())))
        })
    }
}

/// Whether a pass of the state's stage waits for a person: an approval is of this stage, and of no later one.
fn asks(state: &State) -> bool {
    let pass = Facts { verdict: Verdict::Pass, hold: Hold::Over, limit: Limit::Left, wish: Wish::Proceed };
    strategy::next(&state.plan, state.stage, pass).1 == Action::Ask
}

fn encode(state: &State) -> Result<String, Trouble> {
    let mut state = state.clone();
    let surplus = state.history.len().saturating_sub(HISTORY);
    state.history.drain(..surplus);
    serde_json::to_string(&state).map_err(|error| misfit(format!("the state cannot be written: {error}")))
}
