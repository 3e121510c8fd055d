//! The check run: opened before the work, closed with the verdict, and annotated in batches.
//! Limits: title 255 characters, summary and text 65,535 bytes, 50 annotations a request. Source: GitHub's OpenAPI
//! description, `checks/create` and `checks/update`.

use serde_json::{Value, json};

use super::api::Api;
use super::reply::Trouble;
use crate::host::Conclusion;
use crate::report::Annotation;

/// Annotations of one request.
const BATCH: usize = 50;
/// Check runs of one name on one commit that are looked through for an answer that was lost.
const PAGE: usize = 100;

/// What a check shows; each text is escaped and short enough already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// One line of plain text.
    pub title: String,
    /// Markdown that is read at once.
    pub summary: String,
    /// Markdown that is read after it; may be empty.
    pub text: String,
}

/// A check run that is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// GitHub's number of it.
    pub id: u64,
}

/// By what a check run is found again, also where the answer to its opening was lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// The commit.
    pub sha: String,
    /// Tells this run's check from all others.
    pub external_id: String,
    /// Its name.
    pub name: String,
}

impl Ticket {
    /// As a value of the step's state.
    pub(super) fn words(&self) -> String {
        format!("{} {} {}", self.sha, self.external_id, self.name)
    }

    /// Reads what [`Ticket::words`] wrote.
    pub(super) fn parse(words: &str) -> Option<Self> {
        let mut parts = words.splitn(3, ' ').map(str::to_owned);
        Some(Self { sha: parts.next()?, external_id: parts.next()?, name: parts.next()? })
    }

    /// Looks for the check run.
    async fn find(&self, api: &Api) -> Result<Option<Value>, Trouble> {
        let Self { sha, external_id, name } = self;
        let name = encoded(name);
        let found = api.get(&format!("commits/{sha}/check-runs?check_name={name}&filter=all&per_page={PAGE}")).await?;
        // What cannot be read is no proof that the check run is not there.
        let runs = found.get("check_runs").and_then(Value::as_array);
        let runs = runs.ok_or_else(|| Trouble::Refused(200, "no list of check runs".into()))?;
        let same = |run: &&Value| run.get("external_id").and_then(Value::as_str) == Some(external_id.as_str());
        Ok(runs.iter().find(same).cloned())
    }
}

impl Check {
    /// Opens a check that is in progress.
    pub(super) async fn open(
        api: &Api,
        ticket: &Ticket,
        started_at: &str,
        details_url: Option<&str>,
    ) -> Result<Self, Trouble> {
        let Ticket { sha, external_id, name } = ticket;
        let mut body = json!({
            "name": name, "head_sha": sha, "status": "in_progress", "external_id": external_id, "started_at": started_at,
            "output": {"title": "running", "summary": "The verdict follows."},
        });
        if let (Some(url), Some(body)) = (details_url, body.as_object_mut()) {
            body.insert("details_url".to_owned(), json!(url));
        }
        let made = api.post("check-runs", &body, async || ticket.find(api).await).await?;
        Self::of(&made).ok_or_else(|| Trouble::Refused(201, "the check run has no id".into()))
    }

    /// The check run of a ticket, where it is there and not completed.
    pub(super) async fn still_open(api: &Api, ticket: &Ticket) -> Result<Option<Self>, Trouble> {
        let found = ticket.find(api).await?;
        let open = found.filter(|run| run.get("status").and_then(Value::as_str) != Some("completed"));
        Ok(open.as_ref().and_then(Self::of))
    }

    fn of(run: &Value) -> Option<Self> {
        run.get("id").and_then(Value::as_u64).map(|id| Self { id })
    }

    /// Ends it, with the first annotations; the rest of them is [`Check::annotate`]'s.
    pub(super) async fn close(
        &self,
        api: &Api,
        conclusion: Conclusion,
        output: &Output,
        annotations: &[Annotation],
        completed_at: &str,
    ) -> Result<(), Trouble> {
        let first = annotations.chunks(BATCH).next().unwrap_or_default();
        let closed = self.patch(api, &body(Some((conclusion, completed_at)), output, first)).await?;
        match closed.get("conclusion").and_then(Value::as_str) == Some(conclusion.word()) {
            true => Ok(()),
            false => Err(Trouble::Refused(200, "the check run did not take the conclusion".into())),
        }
    }

    /// Adds the annotations that were too many for the first request.
    pub(super) async fn annotate(&self, api: &Api, output: &Output, annotations: &[Annotation]) -> Result<(), Trouble> {
        for batch in annotations.chunks(BATCH).skip(1) {
            self.patch(api, &body(None, output, batch)).await?;
        }
        Ok(())
    }

    /// Ends it at once, before the process goes.
    pub(super) async fn end_at_once(
        &self,
        api: &Api,
        conclusion: Conclusion,
        output: &Output,
        completed_at: &str,
    ) -> Result<(), Trouble> {
        let body = body(Some((conclusion, completed_at)), output, &[]);
        api.last_patch(&format!("check-runs/{}", self.id), &body).await.map(|_| ())
    }

    async fn patch(&self, api: &Api, body: &Value) -> Result<Value, Trouble> {
        api.patch(&format!("check-runs/{}", self.id), body).await
    }
}

fn body(end: Option<(Conclusion, &str)>, output: &Output, annotations: &[Annotation]) -> Value {
    // An annotation of a check run has a place, always.
    let placed = annotations.iter().filter_map(|Annotation { level, place, title, message }| {
        let (path, line) = place.as_ref()?;
        Some(json!({
            "path": path, "start_line": line, "end_line": line, "annotation_level": level.check(), "title": title,
            "message": message,
        }))
    });
    let notes: Vec<Value> = placed.collect();
    let mut shown = json!({"title": output.title, "summary": output.summary});
    if let Some(shown) = shown.as_object_mut() {
        if !output.text.is_empty() {
            shown.insert("text".to_owned(), json!(output.text));
        }
        if !notes.is_empty() {
            shown.insert("annotations".to_owned(), json!(notes));
        }
    }
    match end {
        Some((conclusion, at)) => {
            json!({"status": "completed", "conclusion": conclusion.word(), "completed_at": at, "output": shown})
        }
        None => json!({"output": shown}),
    }
}

/// A text as a part of a query.
fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
