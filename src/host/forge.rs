//! Read-only questions to GitHub and GitLab: does the token work, and what may it do? Over our own HTTP client, so that
//! proxies and time limits hold. Writing (comments, checks) has its own place when it comes.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gitlab::api::{ApiError, AsyncClient, AsyncQuery, RestClient, projects};

use crate::net::{ClientOptions, NetError, chain_of, client};
use crate::trust::{Secret, Untrusted};

/// The longest that one question may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a token may do, in the host's own words; or why the host did not answer.
pub type Rights = Result<Untrusted, Untrusted>;

fn unanswered(error: &dyn std::error::Error) -> Untrusted {
    Untrusted::new(chain_of(error))
}

/// Asks GitHub (or an enterprise server at `base`) what the token may do in a repository.
pub async fn github(base: &str, repository: &str, token: &Secret) -> Rights {
    let client = client(&ClientOptions::default()).map_err(|error| unanswered(&error))?;
    // The library is built without its retries: they would repeat writes whose answer was lost.
    let api = octocrab::OctocrabBuilder::new()
        .personal_token(token.expose().to_owned())
        .base_uri(base)
        .and_then(|builder| builder.build_with_reqwest(client))
        .map_err(|error| unanswered(&error))?;
    let asked = api.get::<serde_json::Value, _, ()>(format!("/repos/{repository}"), None);
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    let repository = answer.map_err(|_| Untrusted::new("no answer in 15 s"))?.map_err(|error| unanswered(&error))?;
    let permissions = repository.get("permissions").map(ToString::to_string);
    Ok(permissions.unwrap_or_else(|| "the repository can be read; the token's rights are not told".to_owned()).into())
}

/// Asks GitLab whether the token can read a project. `base` is `CI_API_V4_URL`.
pub async fn gitlab(base: &str, project: &str, token: &GitLabToken) -> Rights {
    let client = Rest {
        client: client(&ClientOptions::default()).map_err(|error| unanswered(&error))?,
        base: format!("{}/", base.trim_end_matches('/')),
        token: token.clone(),
    };
    let endpoint = projects::Project::builder().project(project).build().map_err(|error| unanswered(&error))?;
    let answer: serde_json::Value = endpoint.query_async(&client).await.map_err(|error| unanswered(&error))?;
    let access = answer.get("permissions").map(ToString::to_string);
    Ok(access.unwrap_or_else(|| "the project can be read".to_owned()).into())
}

/// A file of a commit, from GitHub; none where that commit has no such file.
pub async fn github_file(
    base: &str,
    repository: &str,
    token: &Secret,
    path: &str,
    commit: &str,
) -> Result<Option<Vec<u8>>, Untrusted> {
    let client = client(&ClientOptions::default()).map_err(|error| unanswered(&error))?;
    let mut url =
        reqwest::Url::parse(&format!("{}/", base.trim_end_matches('/'))).map_err(|error| unanswered(&error))?;
    if let Ok(mut parts) = url.path_segments_mut() {
        parts.pop_if_empty().push("repos").extend(repository.split('/')).push("contents").extend(path.split('/'));
    }
    url.query_pairs_mut().append_pair("ref", commit);
    let request = client.get(url).bearer_auth(token.expose()).header("accept", "application/vnd.github.raw+json");
    let sent = tokio::time::timeout(PATIENCE, request.send()).await;
    let response = sent.map_err(|_| Untrusted::new("no answer in 15 s"))?.map_err(|error| unanswered(&error))?;
    match response.status().as_u16() {
        200 => Ok(Some(crate::net::read_body(response).await.map_err(|error| unanswered(&error))?)),
        404 => Ok(None),
        status => Err(Untrusted::new(format!("the base's {path} could not be read: GitHub answers {status}"))),
    }
}

/// A file of a commit, from GitLab; none where that commit has no such file.
pub async fn gitlab_file(
    base: &str,
    project: &str,
    token: &GitLabToken,
    path: &str,
    commit: &str,
) -> Result<Option<Vec<u8>>, Untrusted> {
    let client = Rest {
        client: client(&ClientOptions::default()).map_err(|error| unanswered(&error))?,
        base: format!("{}/", base.trim_end_matches('/')),
        token: token.clone(),
    };
    let endpoint =
        projects::repository::files::FileRaw::builder().project(project).file_path(path).ref_(commit).build();
    let endpoint = endpoint.map_err(|error| unanswered(&error))?;
    match gitlab::api::raw(endpoint).query_async(&client).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(ApiError::GitlabWithStatus { status, .. } | ApiError::GitlabObjectWithStatus { status, .. })
            if status.as_u16() == 404 =>
        {
            Ok(None)
        }
        Err(error) => Err(unanswered(&error)),
    }
}

/// A token, with the header that its kind is sent in.
#[derive(Clone)]
pub enum GitLabToken {
    /// A personal, project or group access token.
    Access(Secret),
    /// `CI_JOB_TOKEN`: it can read, and cannot write notes or statuses.
    Job(Secret),
}

/// The library's requests over our own client.
struct Rest {
    client: reqwest::Client,
    base: String,
    token: GitLabToken,
}

impl RestClient for Rest {
    type Error = NetError;

    fn rest_endpoint(&self, endpoint: &str) -> Result<reqwest::Url, ApiError<NetError>> {
        Ok(reqwest::Url::parse(&self.base).and_then(|base| base.join(endpoint))?)
    }
}

#[async_trait]
impl AsyncClient for Rest {
    async fn rest_async(
        &self,
        request: http::request::Builder,
        body: Vec<u8>,
    ) -> Result<http::Response<Bytes>, ApiError<NetError>> {
        let (name, secret) = match &self.token {
            GitLabToken::Access(token) => ("PRIVATE-TOKEN", token),
            GitLabToken::Job(token) => ("JOB-TOKEN", token),
        };
        let failed = |error: &dyn std::error::Error| ApiError::client(NetError::Broken(unanswered(error)));
        let request = request.header(name, secret.expose()).body(body).map_err(|error| failed(&error))?;
        let request = reqwest::Request::try_from(request).map_err(|error| failed(&error))?;
        let sent = tokio::time::timeout(PATIENCE, self.client.execute(request)).await;
        let response = sent.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let mut answer = http::Response::builder().status(response.status());
        if let Some(headers) = answer.headers_mut() {
            headers.clone_from(response.headers());
        }
        let body = crate::net::read_body(response).await.map_err(ApiError::client)?;
        answer.body(Bytes::from(body)).map_err(|error| failed(&error))
    }
}
