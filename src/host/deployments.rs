//! A rollout as GitHub's and GitLab's pages of environments show it: one facade over both. Trouble is a warning, said once; it
//! never changes the rollout.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::github::{self, Audience, DeploymentState, NewDeployment, find_deployment, set_deployment_status};
use super::gitlab;
use super::{GITHUB_TOKENS, GITLAB_TOKENS, token};
use crate::trust::{Secret, Untrusted, clean};

/// All the time that one call may take: the rollout waits for it.
const TIME: Duration = Duration::from_secs(20);

/// How a deployment goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Going {
    /// Under way; what is reached stands in the description.
    InProgress,
    /// Everybody has the new version.
    Success,
    /// Rolled back, or never reached.
    Failure,
    /// Replaced by another one, or given up before it began.
    Inactive,
}

/// A deployment that is shown somewhere, or nowhere.
pub struct Deployments {
    shown: Shown,
    last: Option<Going>,
    told: bool,
}

enum Shown {
    GitHub { api: Box<github::Api>, id: u64, log_url: Option<String> },
    GitLab(Box<gitlab::Deployment>),
    Nowhere,
}

impl Deployments {
    /// A deployment of this run's commit. `key` is the rollout's own name: a later process that says the same key, on GitHub, or
    /// the `note` that this one left, goes on with the same deployment. A terminal shows nothing.
    pub async fn open(
        variable: &(dyn Fn(&str) -> Option<String> + Sync),
        environment: &str,
        key: &str,
        note: Option<&str>,
    ) -> (Self, Vec<Untrusted>) {
        let is = |name: &str| variable(name).as_deref() == Some("true");
        let shown = if is("GITHUB_ACTIONS") {
            on_github(variable, environment, key, note).await
        } else if is("GITLAB_CI") {
            on_gitlab(variable, environment, note).await
        } else {
            Ok(Shown::Nowhere)
        };
        match shown {
            Ok(shown) => (Self { shown, last: None, told: false }, Vec::new()),
            Err(warning) => (Self { shown: Shown::Nowhere, last: None, told: true }, vec![warning]),
        }
    }

    /// What a later process needs to go on with this deployment; for the notes of the rollout's state.
    pub fn note(&self) -> Option<String> {
        match &self.shown {
            Shown::GitHub { id, .. } => Some(format!("github:{id}")),
            Shown::GitLab(deployment) => Some(format!("gitlab:{}", deployment.id())),
            Shown::Nowhere => None,
        }
    }

    /// Says how it goes on. A trouble is told once, and then kept quiet about.
    pub async fn say(&mut self, going: Going, description: &str) -> Vec<Untrusted> {
        let text: String = clean(description).replace(['\n', '\t'], " ");
        let trouble = match &self.shown {
            Shown::GitHub { api, id, log_url } => {
                let state = match going {
                    Going::InProgress => DeploymentState::InProgress,
                    Going::Success => DeploymentState::Success,
                    Going::Failure => DeploymentState::Failure,
                    Going::Inactive => DeploymentState::Inactive,
                };
                let said = set_deployment_status(api, *id, state, &text, log_url.as_deref());
                match tokio::time::timeout(TIME, said).await {
                    Ok(said) => said.err().map(|trouble| github_warning(&trouble)),
                    Err(_) => Some(unshown("GitHub", "no answer in time", "")),
                }
            }
            // GitLab has no description, and refuses a state that would not change.
            Shown::GitLab(_) if self.last.unwrap_or(Going::InProgress) == going => None,
            Shown::GitLab(deployment) => {
                let status = match going {
                    Going::InProgress => gitlab::DeploymentStatus::Running,
                    Going::Success => gitlab::DeploymentStatus::Success,
                    Going::Failure => gitlab::DeploymentStatus::Failed,
                    Going::Inactive => gitlab::DeploymentStatus::Canceled,
                };
                match tokio::time::timeout(TIME, deployment.say(status)).await {
                    Ok(said) => said.err(),
                    Err(_) => Some(unshown("GitLab", "no answer in time", "")),
                }
            }
            Shown::Nowhere => None,
        };
        if trouble.is_none() {
            self.last = Some(going);
        }
        let first = trouble.filter(|_| !std::mem::replace(&mut self.told, true));
        first.into_iter().collect()
    }
}

async fn on_github(
    variable: &(dyn Fn(&str) -> Option<String> + Sync),
    environment: &str,
    key: &str,
    note: Option<&str>,
) -> Result<Shown, Untrusted> {
    let text = |name: &str| variable(name).filter(|value| !value.is_empty());
    let missing = |what: &str, advice: &str| unshown("GitHub", what, advice);
    let token = token(&GITHUB_TOKENS, variable)
        .ok_or_else(|| missing("there is no token", "give the job's own by `token: ${{ github.token }}`"))?;
    let repository = text("GITHUB_REPOSITORY").ok_or_else(|| missing("GITHUB_REPOSITORY is not set", ""))?;
    let sha = text("GITHUB_SHA").ok_or_else(|| missing("GITHUB_SHA is not set", ""))?;
    let base = text("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned());
    let access = github::Access { base: &base, graphql: None, repository: &repository, token: &token };
    // What is told at the end of a run that is being stopped is told all the same.
    let api = github::Api::new(&access, github::Clock::real(), CancellationToken::new())
        .map_err(|trouble| github_warning(&trouble))?;
    let log_url = text("GITHUB_SERVER_URL").zip(text("GITHUB_RUN_ID"));
    let log_url = log_url.map(|(server, run)| format!("{server}/{repository}/actions/runs/{run}"));
    let known = note.and_then(|note| note.strip_prefix("github:")).and_then(|id| id.parse().ok());
    let find = async {
        if let Some(id) = known {
            return Ok(id);
        }
        match find_deployment(&api, environment, key).await? {
            Some(id) => Ok(id),
            None => {
                let new = NewDeployment {
                    sha: &sha,
                    environment,
                    key,
                    description: "canary-promote",
                    audience: Audience::Users,
                };
                github::deploy(&api, &new).await
            }
        }
    };
    let id = match tokio::time::timeout(TIME, find).await {
        Ok(found) => found.map_err(|trouble| github_warning(&trouble))?,
        Err(_) => return Err(unshown("GitHub", "no answer in time", "")),
    };
    Ok(Shown::GitHub { api: Box::new(api), id, log_url })
}

async fn on_gitlab(
    variable: &(dyn Fn(&str) -> Option<String> + Sync),
    environment: &str,
    note: Option<&str>,
) -> Result<Shown, Untrusted> {
    let text = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let need = |name: &str| text(name).ok_or_else(|| unshown("GitLab", &format!("{name} is not set"), ""));
    let found: Option<Secret> = token(&GITLAB_TOKENS, variable);
    let token = found.ok_or_else(|| unshown("GitLab", "there is no token that may write", gitlab::TOKEN_ADVICE))?;
    let place = gitlab::DeploymentPlace {
        base: need("CI_API_V4_URL")?,
        token,
        ca_file: text("CI_SERVER_TLS_CA_FILE").map(PathBuf::from),
        project: text("CI_PROJECT_ID").map_or_else(|| need("CI_PROJECT_PATH"), Ok)?,
        sha: need("CI_COMMIT_SHA")?,
        reference: need("CI_COMMIT_REF_NAME")?,
        is_tag: text("CI_COMMIT_TAG").is_some(),
        time: TIME,
    };
    let known = note.and_then(|note| note.strip_prefix("gitlab:")).and_then(|id| id.parse().ok());
    match tokio::time::timeout(TIME, gitlab::Deployment::open(place, environment, known)).await {
        Ok(opened) => opened.map(|deployment| Shown::GitLab(Box::new(deployment))),
        Err(_) => Err(unshown("GitLab", "no answer in time", "")),
    }
}

fn github_warning(trouble: &github::Trouble) -> Untrusted {
    let advice = match trouble {
        github::Trouble::NoRight(401, _) => {
            "the token is not valid: give the job's own by `token: ${{ github.token }}`"
        }
        github::Trouble::NoRight(..) => "add to the job: `permissions: {contents: read, deployments: write}`",
        github::Trouble::Limited
        | github::Trouble::Unreachable(_)
        | github::Trouble::Refused(..)
        | github::Trouble::Interrupted => "",
    };
    unshown("GitHub", &trouble.words(), advice)
}

/// The one form of every warning.
pub(super) fn unshown(host: &str, why: &str, advice: &str) -> Untrusted {
    let advice = if advice.is_empty() { String::new() } else { format!("; {advice}") };
    Untrusted::new(format!("the deployment is not shown on {host}: {why}{advice}; the rollout is not changed by it"))
}
