//! From a model as the policy writes it to one that can be asked.

use std::sync::Arc;

use super::echo::Echo;
use super::exec::Exec;
use super::http::Http;
use super::openai::{OpenAi, OpenAiError, Surroundings};
use super::replay::Replay;
use super::server::Server;
use super::{EmbeddedSpec, Model, ModelSpec, Price};
use crate::document::Problem;
use crate::trust::Secret;

/// A model, and what came to light while it was built.
pub struct Built {
    /// The model.
    pub model: Arc<dyn Model>,
    /// Keys that it sends: to be masked before anything is printed.
    pub secrets: Vec<Secret>,
    /// What its tokens cost.
    pub price: Option<Price>,
    /// The model again, where it is a server that has to be opened before it is asked, and closed in the end.
    pub server: Option<Arc<Server>>,
}

/// Why a model could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ModelBuildError {
    /// The endpoint's settings.
    #[error(transparent)]
    OpenAi(#[from] OpenAiError),
    /// The recording.
    #[error("the recording cannot be used")]
    Replay(Box<Problem>),
    /// The weights.
    #[cfg(feature = "embedded")]
    #[error(transparent)]
    Embedded(#[from] super::embedded::EngineError),
    /// The engine on a GPU.
    #[cfg(feature = "embedded")]
    #[error(transparent)]
    Remote(#[from] super::embedded::RemoteError),
    /// The engine is not part of this build.
    #[error("this build has no embedded engine; build with the feature `embedded`, or use another provider")]
    NoEngine,
}

/// Builds a model of the policy.
pub fn build(name: &str, spec: &ModelSpec, around: &Surroundings<'_>) -> Result<Built, ModelBuildError> {
    match spec {
        ModelSpec::Openai(spec) => {
            let (model, secrets) = OpenAi::new(name, spec, around)?;
            Ok(Built { model: Arc::new(model), secrets, price: spec.price, server: None })
        }
        ModelSpec::Replay(spec) => {
            let path = around.folder.join(&spec.path);
            let shown = path.display().to_string();
            let model =
                Replay::open(name, &path, &shown).map_err(|problem| ModelBuildError::Replay(Box::new(problem)))?;
            Ok(Built { model: Arc::new(model), secrets: Vec::new(), price: None, server: None })
        }
        ModelSpec::Embedded(spec) => {
            let model = embedded(name, spec, around)?;
            Ok(Built { model, secrets: Vec::new(), price: None, server: None })
        }
        ModelSpec::Echo(_) => {
            let price = Some(Price { input_per_million: 0.0, output_per_million: 0.0 });
            Ok(Built { model: Arc::new(Echo::new(name)), secrets: Vec::new(), price, server: None })
        }
        ModelSpec::Http(spec) => {
            let (model, secrets) = Http::new(name, spec, around)?;
            Ok(Built { model: Arc::new(model), secrets, price: spec.price, server: None })
        }
        ModelSpec::Exec(spec) => {
            let (model, secrets) = Exec::new(name, spec, around)?;
            Ok(Built { model: Arc::new(model), secrets, price: None, server: None })
        }
        ModelSpec::Server(spec) => {
            let (server, secrets) = Server::new(name, spec, around)?;
            let server = Arc::new(server);
            let model: Arc<dyn Model> = Arc::<Server>::clone(&server);
            Ok(Built { model, secrets, price: spec.price, server: Some(server) })
        }
    }
}

#[cfg(feature = "embedded")]
fn embedded(name: &str, spec: &EmbeddedSpec, around: &Surroundings<'_>) -> Result<Arc<dyn Model>, ModelBuildError> {
    super::embedded::build(name, spec, around)
}

#[cfg(not(feature = "embedded"))]
fn embedded(_: &str, _: &EmbeddedSpec, _: &Surroundings<'_>) -> Result<Arc<dyn Model>, ModelBuildError> {
    Err(ModelBuildError::NoEngine)
}

impl ModelBuildError {
    /// Whether the machine is what has to change, and not the policy.
    pub fn is_of_the_environment(&self) -> bool {
        match self {
            #[cfg(feature = "embedded")]
            ModelBuildError::Remote(error) => !matches!(error, super::embedded::RemoteError::Unusable(_)),
            #[cfg(feature = "embedded")]
            ModelBuildError::Embedded(_) => false,
            ModelBuildError::OpenAi(_) | ModelBuildError::Replay(_) | ModelBuildError::NoEngine => false,
        }
    }
}
