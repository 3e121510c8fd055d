//! Deployments of an environment that a job tells of by the API, and not by its own `environment:`.
//! Source: GitLab docs, `api/deployments` ("Create a deployment", "Update a deployment": running, success, failed, canceled).

use std::path::PathBuf;
use std::time::Duration;

use gitlab::api::projects::deployments::{CreateDeployment, DeploymentStatus, EditDeployment};
use serde_json::Value;

use super::api::{Access, Api, Trouble};
use crate::host::deployments::unshown;
use crate::net::chain_of;
use crate::trust::{Secret, Untrusted};

/// What to do where a token is missing or may not.
pub(in crate::host) const TOKEN_ADVICE: &str = "make a project access token with the role Developer and the scope api, set it as the masked CI/CD variable \
     LLMCI_GITLAB_TOKEN, and where the environment is protected allow its user to deploy";

/// The states that GitLab has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::host) enum Status {
    Running,
    Success,
    Failed,
    Canceled,
}

impl Status {
    fn endpoint(self) -> DeploymentStatus {
        match self {
            Status::Running => DeploymentStatus::Running,
            Status::Success => DeploymentStatus::Success,
            Status::Failed => DeploymentStatus::Failed,
            Status::Canceled => DeploymentStatus::Canceled,
        }
    }
}

/// Where, and of what.
pub(in crate::host) struct Place {
    pub(in crate::host) base: String,
    pub(in crate::host) token: Secret,
    pub(in crate::host) ca_file: Option<PathBuf>,
    /// The project's number or path.
    pub(in crate::host) project: String,
    pub(in crate::host) sha: String,
    /// The branch or tag.
    pub(in crate::host) reference: String,
    pub(in crate::host) is_tag: bool,
    /// All the time that one call may take.
    pub(in crate::host) time: Duration,
}

/// A deployment that was made.
pub(in crate::host) struct Deployment {
    place: Place,
    id: u64,
}

impl Deployment {
    /// Makes a deployment that is running; or goes on with the one that is known by its number.
    pub(in crate::host) async fn open(place: Place, environment: &str, known: Option<u64>) -> Result<Self, Untrusted> {
        if let Some(id) = known {
            return Ok(Self { place, id });
        }
        let made = place.make(environment).await.map_err(|trouble| warning(&trouble))?;
        let id = made.get("id").and_then(Value::as_u64);
        let id = id.ok_or_else(|| unshown("GitLab", "the deployment that was made has no id", ""))?;
        Ok(Self { place, id })
    }

    /// Its number.
    pub(in crate::host) fn id(&self) -> u64 {
        self.id
    }

    /// Says how it goes on: said twice it is said once.
    pub(in crate::host) async fn say(&self, status: Status) -> Result<(), Untrusted> {
        let endpoint = EditDeployment::builder()
            .project(self.place.project.as_str())
            .deployment_id(self.id)
            .status(status.endpoint())
            .build();
        let said = match endpoint {
            Ok(endpoint) => match self.place.api() {
                Ok(api) => api.ask(&endpoint).await.map(drop),
                Err(trouble) => Err(trouble),
            },
            Err(error) => Err(Trouble::Refused(0, Untrusted::new(chain_of(&error)))),
        };
        said.map_err(|trouble| warning(&trouble))
    }
}

impl Place {
    /// The time counts anew for each call: a rollout lasts longer than any of them.
    fn api(&self) -> Result<Api, Trouble> {
        Api::open(&Access {
            base: self.base.clone(),
            token: self.token.clone(),
            ca_file: self.ca_file.clone(),
            time: self.time,
        })
    }

    async fn make(&self, environment: &str) -> Result<Value, Trouble> {
        let endpoint = CreateDeployment::builder()
            .project(self.project.as_str())
            .environment(environment)
            .sha(self.sha.as_str())
            .ref_(self.reference.as_str())
            .tag(self.is_tag)
            .status(DeploymentStatus::Running)
            .build()
            .map_err(|error| Trouble::Refused(0, Untrusted::new(chain_of(&error))))?;
        self.api()?.ask(&endpoint).await
    }
}

fn warning(trouble: &Trouble) -> Untrusted {
    let advice = match trouble {
        Trouble::NoRight(..) => TOKEN_ADVICE,
        Trouble::Limited | Trouble::Lost(_) | Trouble::Refused(..) => "",
    };
    unshown("GitLab", &trouble.words(), advice)
}
