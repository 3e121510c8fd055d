//! The check run: opened before the work, closed with the verdict, and annotated in batches.
//! Limits: title 255 characters, summary and text 65,535 bytes, 50 annotations a request. Source: GitHub's OpenAPI
//! description, `checks/create` and `checks/update`.

use serde_json::{Value, json};

use super::api::Api;
use super::reply::Trouble;
use crate::host::Conclusion;

/// Annotations of one request.
const BATCH: usize = 50;
/// Check runs of one name on one commit that are looked through for an answer that was lost.
const PAGE: usize = 100;

/// What a check shows; each text is escaped and short enough already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// One line of plain text.
    pub title: String,
    /// Markdown.
    pub summary: String,
}

/// A note at a line of a file of the repository; its texts are plain and escaped already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Annotation {
    /// Relative to the repository.
    pub path: String,
    /// 1-based.
    pub line: u32,
    /// `notice`, `warning` or `failure`.
    pub level: &'static str,
    /// Plain text.
    pub title: String,
    /// Plain text.
    pub message: String,
}

/// A check run that is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// GitHub's number of it.
    pub id: u64,
}

/// What a check run is opened with.
pub(super) struct Opening<'a> {
    pub(super) name: &'a str,
    pub(super) sha: &'a str,
    /// Tells this run's check from all others: by it a lost answer is found.
    pub(super) external_id: &'a str,
    /// RFC 3339.
    pub(super) started_at: &'a str,
    pub(super) details_url: Option<&'a str>,
}

impl Check {
    /// Opens a check that is in progress.
    pub(super) async fn open(api: &Api, opening: &Opening<'_>) -> Result<Self, Trouble> {
        let Opening { name, sha, external_id, started_at, details_url } = opening;
        let mut body = json!({
            "name": name, "head_sha": sha, "status": "in_progress", "external_id": external_id, "started_at": started_at,
            "output": {"title": "running", "summary": "The verdict follows."},
        });
        if let (Some(url), Some(body)) = (details_url, body.as_object_mut()) {
            body.insert("details_url".to_owned(), json!(url));
        }
        let path = format!("commits/{sha}/check-runs?check_name={}&filter=all&per_page={PAGE}", encoded(name));
        let look = async || {
            let found = api.get(&path).await?;
            let runs = found.get("check_runs").and_then(Value::as_array).cloned().unwrap_or_default();
            Ok(runs.into_iter().find(|run| run.get("external_id").and_then(Value::as_str) == Some(external_id)))
        };
        let made = api.post("check-runs", &body, look).await?;
        let id = made.get("id").and_then(Value::as_u64);
        id.map(|id| Self { id }).ok_or_else(|| Trouble::Refused(201, "the check run has no id".into()))
    }

    /// Ends it, with the first annotations; the verdict is the first thing that is told.
    pub(super) async fn close(
        &self,
        api: &Api,
        conclusion: Conclusion,
        output: &Output,
        annotations: &[Annotation],
        completed_at: &str,
    ) -> Result<(), Trouble> {
        let mut batches = annotations.chunks(BATCH);
        let first = body(Some((conclusion, completed_at)), output, batches.next().unwrap_or_default());
        self.patch(api, &first).await?;
        for batch in batches {
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

    /// Whether it is still open.
    pub(super) async fn is_open(&self, api: &Api) -> Result<bool, Trouble> {
        let found = api.get(&format!("check-runs/{}", self.id)).await?;
        Ok(found.get("status").and_then(Value::as_str) != Some("completed"))
    }

    async fn patch(&self, api: &Api, body: &Value) -> Result<(), Trouble> {
        api.patch(&format!("check-runs/{}", self.id), body).await.map(|_| ())
    }
}

fn body(end: Option<(Conclusion, &str)>, output: &Output, annotations: &[Annotation]) -> Value {
    let notes: Vec<Value> = annotations
        .iter()
        .map(|Annotation { path, line, level, title, message }| {
            json!({
                "path": path, "start_line": line, "end_line": line, "annotation_level": level, "title": title,
                "message": message,
            })
        })
        .collect();
    let mut shown = json!({"title": output.title, "summary": output.summary});
    if let (false, Some(shown)) = (notes.is_empty(), shown.as_object_mut()) {
        shown.insert("annotations".to_owned(), json!(notes));
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
