//! One entry of an object that is not ours, changed as if it were borrowed: a mark in the same object says what we left there
//! and what was there before, so that one compare-and-swap changes both, a foreign edit is seen, and the entry is given back
//! as it was.
//! Kept out: what an entry looks like (one file a router).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{Percent, Split, Trouble};
use super::Router;
use super::object::{
    annotate, annotation, canonical, changes, foreign, last_writer, misfit, pick, read, unannotate, unchanged,
};
use crate::cluster::{Cluster, ClusterError, Edit, Place};
use crate::trust::{Digest, Untrusted};

/// The annotation that holds our mark.
pub const SPLIT_ANNOTATION: &str = "llmci.dev/split";

/// How often a lost race is run again: a status changes often while pods come and go, and each change counts.
const TRIES: u32 = 12;

/// What we left, and what was there before.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    canary: Percent,
    mirror: Percent,
    /// Of the entry's fields as we left them.
    digest: Digest,
    /// The entry's fields as they were when we came.
    pub(super) before: Value,
}

/// What becomes of the entry when our mark is taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Clearing {
    /// It is put back as it was.
    Restore,
    /// It stays as it is.
    Keep,
}

/// A part of an object that says where traffic goes. Pure: objects in, values out.
pub(super) trait Entry: Send + Sync {
    /// The object.
    fn place(&self) -> &Place;

    /// A JSON pointer to the entry within the object.
    fn locate(&self, object: &Value) -> Result<String, Trouble>;

    /// The fields of the entry that are ours while a rollout runs.
    fn fields(&self) -> &'static [&'static str];

    /// The split that the entry says.
    fn read(&self, entry: &Value) -> Result<Split, Trouble>;

    /// The entry with this split; `before` is what its fields were when we came.
    fn write(&self, entry: &Value, before: &Value, split: Split) -> Result<Value, Trouble>;

    /// Where the entry sends traffic, for people.
    fn words(&self, entry: &Value) -> String;

    /// What becomes of the entry in the end.
    fn clearing(&self, object: &Value, split: Split) -> Result<Clearing, Trouble>;

    /// The split as it really is, where a controller has to follow what the entry says.
    fn real(&self, _object: &Value, split: Split) -> Result<Split, Trouble> {
        Ok(split)
    }

    /// A refusal of the API server in words that help, where it is known.
    fn refusal(&self, text: Untrusted) -> Trouble {
        Trouble::Cluster(ClusterError::Invalid(text))
    }
}

/// The entry as it is.
pub(super) struct Look {
    pointer: String,
    entry: Value,
    mark: Option<Mark>,
    /// What it says.
    pub(super) split: Split,
}

/// Looks at the entry. [`Trouble::Foreign`] where it is not as we left it, or is split and we did not do it.
pub(super) fn look(kind: &dyn Entry, object: &Value) -> Result<Look, Trouble> {
    let mark = mark_of(kind, object)?;
    let pointer = match (kind.locate(object), &mark) {
        (Ok(pointer), _) => pointer,
        (Err(Trouble::Plan(words)), Some(_)) => {
            return Err(changed(kind, object, &format!("the entry is not what it was: {}", words.raw())));
        }
        (Err(trouble), _) => return Err(trouble),
    };
    let entry = object.pointer(&pointer).cloned().unwrap_or_default();
    match mark {
        Some(mark) => {
            let left = Split { canary: mark.canary, mirror: mark.mirror };
            if digest(kind, &entry) != mark.digest {
                let now = kind.words(&entry);
                let words = format!("{} % to canary and {} % mirrored were left", left.canary.get(), left.mirror.get());
                return Err(changed(kind, object, &format!("{words}; now {now}")));
            }
            Ok(Look { pointer, entry, mark: Some(mark), split: left })
        }
        None => match kind.read(&entry)? {
            Split::STABLE => Ok(Look { pointer, entry, mark: None, split: Split::STABLE }),
            _ => {
                let now = kind.words(&entry);
                Err(changed(kind, object, &format!("it is split already, and not by this program: {now}")))
            }
        },
    }
}

/// What has to be edited so that the entry says this split. Nothing, where it does.
pub(super) fn shifting(kind: &dyn Entry, object: &Value, split: Split) -> Result<Vec<Edit>, Trouble> {
    let look = match look(kind, object) {
        Ok(look) => look,
        // Somebody brought all traffic back by hand: that is what is wanted, and nothing of it is overwritten.
        Err(Trouble::Foreign(_)) if split == Split::STABLE && says_stable(kind, object) => return Ok(Vec::new()),
        Err(trouble) => return Err(trouble),
    };
    if look.split == split {
        return Ok(Vec::new());
    }
    let before = look.mark.map_or_else(|| pick(&look.entry, kind.fields()), |mark| mark.before);
    let after = kind.write(&look.entry, &before, split)?;
    if kind.read(&after)? != split {
        return Err(misfit(format!("{} cannot hold this split: {}", kind.place().words(), kind.words(&after))));
    }
    let mark = mark(kind, &after, before, split);
    let mut edits = vec![unchanged(object)?];
    edits.extend(changes(&look.pointer, &look.entry, &after, kind.fields()));
    edits.push(annotate(object, SPLIT_ANNOTATION, &mark));
    Ok(edits)
}

/// What has to be edited so that nothing of ours is left.
pub(super) fn clearing(kind: &dyn Entry, object: &Value) -> Result<Vec<Edit>, Trouble> {
    let Some(unmark) = unannotate(object, SPLIT_ANNOTATION) else { return Ok(Vec::new()) };
    let mut edits = vec![unchanged(object)?];
    match look(kind, object) {
        Ok(Look { pointer, entry, mark: Some(mark), split }) => match kind.clearing(object, split)? {
            Clearing::Restore => edits.extend(changes(&pointer, &entry, &mark.before, kind.fields())),
            Clearing::Keep => {}
        },
        Ok(Look { mark: None, .. }) => {}
        // What somebody else left stays; only our mark goes.
        Err(Trouble::Foreign(_)) if says_stable(kind, object) => {}
        Err(trouble) => return Err(trouble),
    }
    edits.push(unmark);
    Ok(edits)
}

/// The text of a mark for an entry that we leave like this.
pub(super) fn mark(kind: &dyn Entry, after: &Value, before: Value, split: Split) -> String {
    let mark = Mark { canary: split.canary, mirror: split.mirror, digest: digest(kind, after), before };
    serde_json::to_string(&mark).unwrap_or_default()
}

fn mark_of(kind: &dyn Entry, object: &Value) -> Result<Option<Mark>, Trouble> {
    match annotation(object, SPLIT_ANNOTATION).map(serde_json::from_str) {
        None => Ok(None),
        Some(Ok(mark)) => Ok(Some(mark)),
        Some(Err(_)) => Err(changed(kind, object, &format!("the annotation {SPLIT_ANNOTATION} cannot be read"))),
    }
}

fn digest(kind: &dyn Entry, entry: &Value) -> Digest {
    Digest::of(canonical(&pick(entry, kind.fields())).as_bytes())
}

fn says_stable(kind: &dyn Entry, object: &Value) -> bool {
    let Ok(pointer) = kind.locate(object) else { return false };
    let entry = object.pointer(&pointer).cloned().unwrap_or_default();
    kind.read(&entry).is_ok_and(|split| split == Split::STABLE)
}

fn changed(kind: &dyn Entry, object: &Value, words: &str) -> Trouble {
    let who = last_writer(object).map(|manager| format!(" (last written by {manager})")).unwrap_or_default();
    foreign(format!("{}: {words}{who}", kind.place().words()))
}

/// A router over one entry.
pub(super) struct Swapped<E> {
    pub(super) cluster: Cluster,
    pub(super) entry: E,
}

impl<E: Entry> Swapped<E> {
    /// Reads, decides, writes; a lost race is decided again from what is there then.
    async fn swap<F>(&self, decide: F) -> Result<Value, Trouble>
    where
        F: Fn(&Value) -> Result<Vec<Edit>, Trouble> + Send + Sync,
    {
        swap(&self.cluster, self.entry.place(), decide).await.map_err(|trouble| match trouble {
            Trouble::Cluster(ClusterError::Invalid(text)) => self.entry.refusal(text),
            other => other,
        })
    }
}

/// Reads an object, decides, and writes; a lost race is decided again from what is there then. The object as it is after.
pub(super) async fn swap<F>(cluster: &Cluster, place: &Place, decide: F) -> Result<Value, Trouble>
where
    F: Fn(&Value) -> Result<Vec<Edit>, Trouble> + Send + Sync,
{
    let mut lost = Untrusted::default();
    for attempt in 0..TRIES {
        // Two that race in step would lose in step.
        tokio::time::sleep(Duration::from_millis(u64::from(attempt) * 10)).await;
        let object = read(cluster, place).await?;
        let edits = decide(&object)?;
        if edits.is_empty() {
            return Ok(object);
        }
        match cluster.edit(place, &edits).await {
            Ok(stored) => return Ok(stored),
            Err(ClusterError::Conflict(text)) => lost = text,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Trouble::Cluster(ClusterError::Conflict(lost)))
}

#[async_trait::async_trait]
impl<E: Entry> Router for Swapped<E> {
    fn name(&self) -> String {
        self.entry.place().words()
    }

    async fn split(&self) -> Result<Split, Trouble> {
        let object = read(&self.cluster, self.entry.place()).await?;
        let said = look(&self.entry, &object)?.split;
        self.entry.real(&object, said)
    }

    async fn shift(&self, split: Split) -> Result<(), Trouble> {
        let stored = self.swap(|object| shifting(&self.entry, object, split)).await?;
        // What the API server stored is what counts: a webhook may have had other ideas.
        match shifting(&self.entry, &stored, split)?.is_empty() {
            true => Ok(()),
            false => Err(changed(&self.entry, &stored, "the split was not stored as it was sent")),
        }
    }

    async fn clear(&self) -> Result<(), Trouble> {
        self.swap(|object| clearing(&self.entry, object)).await.map(drop)
    }
}
