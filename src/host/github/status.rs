//! The commit status: what is left where a check run is refused. It has no word for an undecided verdict.

use serde_json::json;

use super::api::Api;
use super::reply::Trouble;
use crate::host::Conclusion;

/// Characters of a description. Source: GitHub docs, "Create a commit status".
pub(super) const DESCRIPTION: usize = 140;

/// States of a commit status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Under way.
    Pending,
    /// The gate is open.
    Success,
    /// The gate is shut.
    Failure,
    /// The run was stopped.
    Error,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Success => "success",
            State::Failure => "failure",
            State::Error => "error",
        }
    }
}

impl From<Conclusion> for State {
    fn from(conclusion: Conclusion) -> Self {
        match conclusion {
            Conclusion::Success | Conclusion::Neutral => State::Success,
            Conclusion::Failure => State::Failure,
            Conclusion::Cancelled => State::Error,
        }
    }
}

/// A status of a commit.
pub struct Status<'a> {
    /// Its name: one of a name replaces the one before.
    pub context: &'a str,
    /// The commit.
    pub sha: &'a str,
    /// A link to the run.
    pub target_url: Option<&'a str>,
}

impl Status<'_> {
    /// Sets it. Set twice it is still one, so a lost answer is repeated.
    pub async fn set(&self, api: &Api, state: State, description: &str) -> Result<(), Trouble> {
        let description: String = description.chars().take(DESCRIPTION).collect();
        let mut body = json!({"state": state.word(), "context": self.context, "description": description});
        if let (Some(url), Some(body)) = (self.target_url, body.as_object_mut()) {
            body.insert("target_url".to_owned(), json!(url));
        }
        api.post(&format!("statuses/{}", self.sha), &body, async || Ok(None)).await.map(|_| ())
    }
}
