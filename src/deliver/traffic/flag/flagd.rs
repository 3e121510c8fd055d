//! flagd's definitions in a ConfigMap: read, changed by a JSON patch of the version that was read, and marked in the same object,
//! so that one compare-and-swap changes both and a foreign edit is seen by the next process too.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::targeting::{Flag, Variants};
use super::wrong;
use crate::cluster::{Cluster, ClusterError, Edit, Place};
use crate::deliver::{Percent, Trouble};
use crate::trust::Untrusted;

/// The annotation of the ConfigMap: for each flag of ours, a digest of its definition as we left it.
const MARK: &str = "llmci.dev/flags";
/// How often a conflict with another writer of the same ConfigMap is read again.
const ATTEMPTS: u32 = 5;

/// A flag in a ConfigMap.
pub(super) struct Flagd {
    cluster: Cluster,
    place: Place,
    file: String,
    key: String,
    variants: Variants,
}

/// The parts of the ConfigMap that matter.
struct Seen {
    version: String,
    text: String,
    has_annotations: bool,
    marks: BTreeMap<String, String>,
}

impl Flagd {
    pub(super) fn new(cluster: Cluster, place: Place, file: String, key: String, variants: Variants) -> Self {
        Self { cluster, place, file, key, variants }
    }

    pub(super) fn name(&self) -> String {
        format!("flag {} in {}", self.key, self.place.words())
    }

    pub(super) async fn read(&self) -> Result<Percent, Trouble> {
        let seen = self.see().await?;
        Ok(self.flag(&seen)?.share())
    }

    pub(super) async fn write(&self, wanted: Percent) -> Result<(), Trouble> {
        let mut attempt = 1;
        loop {
            let seen = self.see().await?;
            let flag = self.flag(&seen)?;
            let text = flag.with(wanted, &self.variants).ok_or_else(|| self.wrong("the flag cannot be changed"))?;
            let changed = Flag::read(&text, &self.key, &self.variants).map_err(|why| self.wrong(&why))?;
            let mut marks = seen.marks.clone();
            marks.insert(self.key.clone(), changed.digest());
            let edits =
                [Edit::Replace(format!("/data/{}", pointed(&self.file)), json!(text)), self.mark(&seen, &marks)];
            match self.edit(&seen, edits).await {
                // Another flag of the same file may have been changed: what is there now is looked at anew.
                Err(Trouble::Cluster(ClusterError::Conflict(_))) if attempt < ATTEMPTS => attempt += 1,
                done => return done,
            }
        }
    }

    pub(super) async fn clear(&self) -> Result<(), Trouble> {
        let mut attempt = 1;
        loop {
            let seen = self.see().await?;
            let mut marks = seen.marks.clone();
            if marks.remove(&self.key).is_none() {
                return Ok(());
            }
            match self.edit(&seen, [self.mark(&seen, &marks)]).await {
                Err(Trouble::Cluster(ClusterError::Conflict(_))) if attempt < ATTEMPTS => attempt += 1,
                done => return done,
            }
        }
    }

    async fn edit(&self, seen: &Seen, edits: impl IntoIterator<Item = Edit>) -> Result<(), Trouble> {
        let version = Edit::Test("/metadata/resourceVersion".to_owned(), json!(seen.version));
        let edits: Vec<Edit> = std::iter::once(version).chain(edits).collect();
        self.cluster.edit(&self.place, &edits).await?;
        Ok(())
    }

    fn mark(&self, seen: &Seen, marks: &BTreeMap<String, String>) -> Edit {
        // Text of text: writing it cannot fail.
        let text = json!(serde_json::to_string(marks).unwrap_or_default());
        match (seen.has_annotations, marks.is_empty()) {
            (true, true) => Edit::Remove(format!("/metadata/annotations/{}", pointed(MARK))),
            (true, false) => Edit::Add(format!("/metadata/annotations/{}", pointed(MARK)), text),
            (false, _) => Edit::Add("/metadata/annotations".to_owned(), json!({MARK: text})),
        }
    }

    async fn see(&self) -> Result<Seen, Trouble> {
        let object = match self.cluster.find(&self.place).await? {
            Some(object) => object,
            None => return Err(wrong(&format!("{} is not there", self.place.words()))),
        };
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let marks = text(&format!("/metadata/annotations/{}", pointed(MARK)));
        Ok(Seen {
            version: text("/metadata/resourceVersion").ok_or_else(|| self.wrong("it has no resourceVersion"))?,
            text: text(&format!("/data/{}", pointed(&self.file)))
                .ok_or_else(|| self.wrong(&format!("it has no data under `{}`", self.file)))?,
            has_annotations: object.pointer("/metadata/annotations").is_some_and(Value::is_object),
            marks: marks.and_then(|marks| serde_json::from_str(&marks).ok()).unwrap_or_default(),
        })
    }

    /// The flag, where it is as we left it or nobody of us was there.
    fn flag<'a>(&self, seen: &'a Seen) -> Result<Flag<'a>, Trouble> {
        let flag = Flag::read(&seen.text, &self.key, &self.variants).map_err(|why| self.wrong(&why))?;
        match seen.marks.get(&self.key) {
            Some(mark) if *mark != flag.digest() => Err(Trouble::Foreign(Untrusted::new(format!(
                "{} was changed by somebody else (it is at {} % now); to accept that, remove it from the annotation {MARK}",
                self.name(),
                flag.share().get()
            )))),
            Some(_) | None => Ok(flag),
        }
    }

    fn wrong(&self, why: &str) -> Trouble {
        wrong(&format!("{}: {why}", self.name()))
    }
}

/// A name as a part of a JSON pointer.
fn pointed(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
