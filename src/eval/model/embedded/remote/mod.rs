//! The embedded engine on CUDA as the gate sees it: a program of its own that is started, asked and ended. Kept out: what it
//! computes (`serve`, on its side).

mod child;
mod find;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::serve::protocol::{Kind, Load, VERSION};
use crate::eval::model::openai::Surroundings;
use crate::eval::model::{Answered, Attempt, Device, EmbeddedSpec, Model, ModelError, ModelIdentity};
use crate::eval::process;
use crate::eval::request::Request;
use crate::trust::{Digest, Untrusted};
use child::{Engine, Word};

/// How long an engine may take to give up a request; one that does not even do that hangs, and is killed.
const GRACE: Duration = Duration::from_secs(60);
/// What the engine finds in its environment beside what every program needs.
const PASSED: [&str; 5] =
    ["CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_CACHE_PATH", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_TF32_OVERRIDE"];

/// A model in an engine's process.
pub struct RemoteModel {
    engine: Arc<Engine>,
    identity: ModelIdentity,
    chat_form: bool,
}

/// Why the engine cannot be used; always of the environment.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The machine, or the program.
    #[error("{0}")]
    Missing(String),
    /// The engine was started, and refused.
    #[error("llmci-engine: {0}")]
    Refused(String),
    /// The model's files: the same on every device.
    #[error("{0}")]
    Unusable(String),
}

impl RemoteModel {
    /// Finds and starts the engine, and has it load the model.
    pub fn start(
        name: &str,
        spec: &EmbeddedSpec,
        device: Device,
        around: &Surroundings<'_>,
    ) -> Result<Self, RemoteError> {
        let own = std::env::current_exe().ok();
        let program = find::program(around.environment, own.as_deref()).map_err(RemoteError::Missing)?;
        let shown = program.display();
        let refused = |why: String| RemoteError::Refused(format!("{why} ({shown})"));
        let (engine, greeting, hello) =
            Engine::start(&program, &environment(around), around.cancel).map_err(refused)?;
        if hello.version != VERSION {
            let why =
                format!("it is of version {}, this program of {VERSION}: install both from one release", hello.version);
            return Err(refused(why));
        }
        if device == Device::Cuda && !hello.cuda {
            return Err(refused(
                "it was built without CUDA: build it with `--no-default-features --features cuda`".to_owned(),
            ));
        }
        let load = Load {
            version: VERSION.to_owned(),
            path: path(around.folder, &spec.path),
            device,
            dtype: spec.dtype,
            batched: None,
            batch_tokens: None,
            cache_mib: None,
        };
        let loaded = engine.load(&greeting, load, around.cancel).map_err(|(kind, text)| match kind {
            Kind::Unusable => RemoteError::Unusable(text),
            Kind::Memory => refused(format!("the model does not fit into the GPU's memory; try `dtype: bf16`: {text}")),
            Kind::Unsuitable | Kind::Compute | Kind::Stopped => refused(text),
        })?;
        let digest =
            Digest::parse(&loaded.digest).ok_or_else(|| refused("its digest of the model is none".to_owned()))?;
        let description = Untrusted::new(format!("{}, loaded in {:.1} s", loaded.description, loaded.load_ms / 1e3));
        let identity =
            ModelIdentity { name: name.to_owned(), provider: "embedded", digest, cacheable: true, description };
        Ok(Self { engine: Arc::new(engine), identity, chat_form: loaded.chat_form })
    }

    async fn ask(&self, request: &Request, attempt: &Attempt<'_>) -> Result<Answered, ModelError> {
        let gone = |why: String| ModelError::Server(format!("llmci-engine: {why}").into());
        let (id, mut answer) = self.engine.ask(request).map_err(gone)?;
        let deadline = tokio::time::Instant::from_std(attempt.deadline);
        let why = tokio::select! {
            biased;
            () = attempt.cancel.cancelled() => ModelError::Cancelled,
            word = &mut answer => return word.map_or_else(|_| Err(gone(self.engine.ended())), answered),
            () = tokio::time::sleep_until(deadline) => ModelError::Timeout("the answer was not ready at the deadline".into()),
        };
        self.engine.give_up(id);
        if matches!(why, ModelError::Cancelled) {
            return Err(why);
        }
        // A batch that it is in the middle of is waited for, by nobody who has something else to do; an engine that does not come
        // back from it hangs.
        let engine = Arc::downgrade(&self.engine);
        tokio::spawn(async move {
            if tokio::time::timeout(GRACE, answer).await.is_err()
                && let Some(engine) = engine.upgrade()
            {
                engine.kill(&format!(
                    "it did not give up a request within {} s of its deadline, and was killed",
                    GRACE.as_secs()
                ));
            }
        });
        Err(why)
    }
}

impl Model for RemoteModel {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn has_chat_form(&self) -> bool {
        self.chat_form
    }

    fn answer<'a>(&'a self, request: &'a Request, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Answered, ModelError>> {
        Box::pin(async move { self.ask(request, &attempt).await })
    }
}

fn answered(word: Word) -> Result<Answered, ModelError> {
    let reply = word.map_err(|(kind, text)| match kind {
        Kind::Unsuitable => ModelError::Unsupported(text.into()),
        Kind::Memory => ModelError::Server(format!("out of memory: {text}").into()),
        Kind::Unusable | Kind::Compute => ModelError::Server(text.into()),
        Kind::Stopped => ModelError::Timeout("the engine gave the request up".into()),
    })?;
    let (latency_ms, ttft_ms) = (Some(reply.latency_ms), reply.ttft_ms);
    let (answer, usage) = reply.answer();
    Ok(Answered { answer, usage, latency_ms, ttft_ms, attempts: 1 })
}

fn environment(around: &Surroundings<'_>) -> BTreeMap<String, String> {
    let mut environment = process::environment(around.environment);
    let passed = PASSED.iter().filter_map(|name| Some(((*name).to_owned(), (around.environment)(name)?)));
    environment.extend(passed);
    if let Some(visible) = around.visible_devices {
        environment.insert("CUDA_VISIBLE_DEVICES".to_owned(), visible.to_owned());
    }
    environment
}

/// The engine runs in our folder, so that a relative path is the same for both.
fn path(folder: &Path, path: &str) -> String {
    folder.join(path).to_string_lossy().into_owned()
}
