//! What a GitHub event file says of the pull request. The commit under test is its head, not the merge commit.

use serde::Deserialize;

#[derive(Deserialize, Default)]
pub(super) struct Event {
    #[serde(default)]
    pub(super) pull_request: Option<PullRequest>,
    #[serde(default)]
    pub(super) repository: Option<Repository>,
}

#[derive(Deserialize)]
pub(super) struct Repository {
    #[serde(default)]
    pub(super) default_branch: Option<String>,
    #[serde(default)]
    pub(super) full_name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct PullRequest {
    pub(super) number: u64,
    pub(super) head: Head,
}

#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) sha: String,
    #[serde(rename = "ref")]
    pub(super) reference: String,
    /// Absent where the fork is gone.
    #[serde(default)]
    pub(super) repo: Option<Repository>,
}

/// The event, or an empty one where there is no readable file.
pub(super) fn read(path: Option<String>) -> Event {
    let text = path.and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}
