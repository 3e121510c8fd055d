//! Deployments, for programs that roll out: a deployment, and how it goes on.

use serde_json::{Value, json};

use super::api::Api;
use super::reply::Trouble;

/// A deployment that is to be made.
pub struct NewDeployment<'a> {
    /// The commit.
    pub sha: &'a str,
    /// Such as `production`.
    pub environment: &'a str,
    /// The rollout's own name: by it a lost answer is found.
    pub key: &'a str,
    /// Plain words.
    pub description: &'a str,
    /// Whether people use it.
    pub audience: Audience,
}

/// Who meets a deployment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// Its users.
    Users,
    /// Only those who test it.
    Testers,
}

/// How a deployment goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeploymentState {
    /// Under way.
    InProgress,
    /// Done.
    Success,
    /// Rolled back, or never reached.
    Failure,
    /// Broken outside.
    Error,
    /// Replaced by another one.
    Inactive,
}

impl DeploymentState {
    fn word(self) -> &'static str {
        match self {
            DeploymentState::InProgress => "in_progress",
            DeploymentState::Success => "success",
            DeploymentState::Failure => "failure",
            DeploymentState::Error => "error",
            DeploymentState::Inactive => "inactive",
        }
    }
}

/// Makes a deployment, and gives its id. The commit's checks are the caller's business: none is asked for here.
pub async fn deploy(api: &Api, new: &NewDeployment<'_>) -> Result<u64, Trouble> {
    let NewDeployment { sha, environment, key, description, audience } = new;
    let body = json!({
        "ref": sha, "environment": environment, "description": description, "auto_merge": false,
        "required_contexts": [], "payload": {"llmci": key}, "production_environment": *audience == Audience::Users,
        "transient_environment": false,
    });
    let path = format!("deployments?sha={sha}&per_page=100");
    let look = async || {
        let there = api.get(&path).await?;
        Ok(of_rollout(&there, key)?.cloned())
    };
    let made = api.post("deployments", &body, look).await?;
    // A merge of the base branch is answered with 202 and without an id; we asked for none.
    made.get("id").and_then(Value::as_u64).ok_or_else(|| Trouble::Refused(201, "the deployment has no id".into()))
}

/// The deployment of a rollout that an earlier process made; none where there is none.
pub async fn find_deployment(api: &Api, environment: &str, key: &str) -> Result<Option<u64>, Trouble> {
    let encoded: String = environment
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    let there = api.get(&format!("deployments?environment={encoded}&per_page=100")).await?;
    Ok(of_rollout(&there, key)?.and_then(|one| one.get("id")).and_then(Value::as_u64))
}

/// The deployment of a rollout in a list. What cannot be read is no proof that it is not there.
fn of_rollout<'a>(list: &'a Value, key: &str) -> Result<Option<&'a Value>, Trouble> {
    let list = list.as_array().ok_or_else(|| Trouble::Refused(200, "no list of deployments".into()))?;
    Ok(list.iter().find(|one| one.pointer("/payload/llmci").and_then(Value::as_str) == Some(key)))
}

/// Says how a deployment goes on. A state that is told twice is told: nothing is looked for.
pub async fn set_deployment_status(
    api: &Api,
    deployment: u64,
    state: DeploymentState,
    description: &str,
    log_url: Option<&str>,
) -> Result<(), Trouble> {
    let description: String = description.chars().take(super::status::DESCRIPTION).collect();
    let mut body = json!({"state": state.word(), "description": description, "auto_inactive": true});
    if let (Some(url), Some(body)) = (log_url, body.as_object_mut()) {
        body.insert("log_url".to_owned(), json!(url));
    }
    api.post(&format!("deployments/{deployment}/statuses"), &body, async || Ok(None)).await.map(|_| ())
}
