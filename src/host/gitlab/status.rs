//! The commit status: one line beside the pipeline's jobs, which rules for merging can refer to.
//! Source: GitLab docs, `api/commits`, "Set commit pipeline status".

use gitlab::api::projects::repository::commits::{CommitStatusState, CreateCommitStatus};

use super::api::{Api, Trouble};
use crate::trust::Untrusted;

/// Bytes of a text in a status.
const LONGEST: usize = 255;

/// What a status says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Status {
    /// The number or path of the project that the pipeline is in.
    pub(super) project: String,
    /// The commit.
    pub(super) commit: String,
    /// Its name, which stays the same from run to run.
    pub(super) name: String,
    pub(super) state: State,
    /// One line, escaped already.
    pub(super) description: String,
    /// The job's address.
    pub(super) link: Option<String>,
    /// The pipeline, where it is one of this very commit.
    pub(super) pipeline: Option<u64>,
}

/// The states that we use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Success,
    Failed,
    /// Undecided where the user lets that be: GitLab has no neutral state, and this one fails no pipeline.
    Skipped,
}

/// Sets a status. One that is there already in the same state is no trouble: GitLab refuses to set it again.
pub(super) async fn set(api: &Api, status: &Status) -> Result<(), Trouble> {
    let state = match status.state {
        State::Success => CommitStatusState::Success,
        State::Failed => CommitStatusState::Failed,
        State::Skipped => CommitStatusState::Skipped,
    };
    let mut endpoint = CreateCommitStatus::builder();
    endpoint
        .project(status.project.as_str())
        .commit(status.commit.as_str())
        .state(state)
        .name(cut(&status.name))
        .description(cut(&status.description));
    if let Some(link) = status.link.as_deref().filter(|link| link.len() <= LONGEST) {
        endpoint.target_url(link);
    }
    if let Some(pipeline) = status.pipeline {
        endpoint.pipeline_id(pipeline);
    }
    let endpoint =
        endpoint.build().map_err(|error| Trouble::Refused(0, Untrusted::new(crate::net::chain_of(&error))))?;
    let answer = match api.ask(&endpoint).await {
        // Setting it twice is setting it once.
        Err(Trouble::Lost(_)) => api.ask(&endpoint).await,
        answer => answer,
    };
    match answer {
        Err(Trouble::Refused(400, text)) if is_so_already(text.raw(), status.state) => Ok(()),
        answer => answer.map(drop),
    }
}

/// GitLab's own words for a state that would not change.
fn is_so_already(text: &str, state: State) -> bool {
    let word = match state {
        State::Success => "success",
        State::Failed => "failed",
        State::Skipped => "skipped",
    };
    text.contains("Cannot transition status") && text.contains(&format!("from :{word}"))
}

/// At most so many bytes, and no half letter.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
