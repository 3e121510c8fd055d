//! The place of the run's model where every suite names models itself. It stands for all of them together in reports and
//! keys; nobody asks it.

use futures::future::BoxFuture;

use super::{Answered, Attempt, Model, ModelError, ModelIdentity};
use crate::eval::request::Request;
use crate::trust::{Hasher, Untrusted};

/// The word that stands for them, as a name and as a provider.
pub(super) const SUITE: &str = "suite";

/// All models that the suites of a run name themselves.
pub struct OwnModels(ModelIdentity);

impl OwnModels {
    /// Names them together: their digest changes with any of them.
    pub fn new<'a>(all: impl Iterator<Item = &'a ModelIdentity>) -> Self {
        let mut hasher = Hasher::new();
        hasher.part(b"suites-own-1");
        let mut names: Vec<&str> = Vec::new();
        for identity in all {
            hasher.part(identity.name.as_bytes()).part(identity.digest.hex().as_bytes());
            if !names.contains(&identity.name.as_str()) {
                names.push(&identity.name);
            }
        }
        let description = Untrusted::new(format!("the suites' own: {}", names.join(", ")));
        Self(ModelIdentity {
            name: SUITE.to_owned(),
            provider: SUITE,
            digest: hasher.finish(),
            cacheable: false,
            description,
        })
    }
}

impl Model for OwnModels {
    fn identity(&self) -> &ModelIdentity {
        &self.0
    }

    fn answer<'a>(&'a self, _: &'a Request, _: Attempt<'a>) -> BoxFuture<'a, Result<Answered, ModelError>> {
        let error = ModelError::Unsupported("the case names none of its suite's models".into());
        Box::pin(std::future::ready(Err(error)))
    }
}
