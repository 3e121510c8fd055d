//! A model behind a server that the run starts and ends itself. It is started when the first request comes, so that a run whose answers
//! are all there already starts nothing, and it ends with everything that it has started when the run closes it, and when this process ends
//! in any way. Requests go the way of `openai`.

mod child;
mod log;
mod memory;
mod processes;
mod recipe;
mod start;
pub mod supervise;
mod trouble;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures::future::{BoxFuture, join_all};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::openai::{OpenAi, OpenAiError, Surroundings, filled};
use super::{Answered, Api, Attempt, Model, ModelError, ModelIdentity, ServerSpec, probe_log_likelihoods};
use crate::eval::process;
use crate::eval::request::Request;
use crate::net::Proxies;
use crate::report::ServerInfo;
use crate::trust::{Digest, Hasher, Redactor, Secret, Untrusted};

use child::End;
use start::{Ready, log_path};
use trouble::{StartError, Subject};

pub use trouble::ServerTrouble;

/// Settings of other programs that say where weights, libraries and devices are, beside what every program needs. None is a secret.
const SETTINGS: [&str; 14] = [
    "CUDA_HOME",
    "CUDA_PATH",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "HUGGINGFACE_HUB_CACHE",
    "TRANSFORMERS_CACHE",
    "TRANSFORMERS_OFFLINE",
    "VLLM_CACHE_ROOT",
    "TORCHINDUCTOR_CACHE_DIR",
    "TRITON_CACHE_DIR",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "OMP_NUM_THREADS",
];
/// The devices that a program may use.
const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";
/// Stands in an address until the port is known.
const NOWHERE: &str = "http://127.0.0.1:1/v1";
/// The largest file whose content is part of the digest, in bytes; of larger ones it is the size.
const LARGEST_READ: u64 = 16 * 1024 * 1024;

/// What a server is started from.
struct Recipe {
    name: String,
    spec: ServerSpec,
    folder: PathBuf,
    environment: BTreeMap<String, String>,
    visible: Option<String>,
    gpus: Option<usize>,
}

/// Where, and for how long, servers run.
#[derive(Clone)]
pub struct Setting {
    folder: PathBuf,
    /// Ends the start; cancelled where a server does not come up.
    stop: CancellationToken,
    deadline: Option<Instant>,
    redactor: Redactor,
}

/// A server.
pub struct Server {
    identity: ModelIdentity,
    recipe: Recipe,
    endpoint: OpenAi,
    phase: Mutex<Option<Arc<Phase>>>,
    info: Mutex<Option<ServerInfo>>,
}

/// From opening to closing.
struct Phase {
    setting: Setting,
    running: OnceCell<Result<Running, ()>>,
    likely: OnceCell<Result<(), ModelError>>,
    trouble: Mutex<Option<ServerTrouble>>,
    told: AtomicBool,
}

struct Running {
    ready: Ready,
    endpoint: OpenAi,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in it is put there whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Reads the variables that it is given, and starts nothing. The secrets found on the way are handed out, to be masked.
    pub(super) fn new(
        name: &str,
        spec: &ServerSpec,
        around: &Surroundings<'_>,
    ) -> Result<(Self, Vec<Secret>), OpenAiError> {
        let (endpoint, mut secrets) = OpenAi::through(Proxies::None, name, &spec.endpoint(NOWHERE), around)?;
        let mut environment = process::environment(around.environment);
        environment.extend(SETTINGS.iter().filter_map(|name| Some(((*name).to_owned(), (around.environment)(name)?))));
        for (variable, template) in &spec.env {
            environment.insert(variable.clone(), filled(template, around, &mut secrets)?);
        }
        // What was leased counts, whatever else is said.
        let said = || environment.get(VISIBLE).cloned().or_else(|| (around.environment)(VISIBLE));
        let visible = around.visible_devices.map(str::to_owned).or_else(said);
        if let Some(visible) = &visible {
            environment.insert(VISIBLE.to_owned(), visible.clone());
        }
        let count = |visible: &String| visible.split(',').filter(|name| !matches!(name.trim(), "" | "-1")).count();
        let gpus = visible.as_ref().map(count);
        if gpus.is_none() && spec.names("gpus") {
            return Err(OpenAiError::Devices);
        }
        let folder = around.folder.join(spec.folder.as_deref().unwrap_or_default());
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        let identity = identity(name, spec, &folder, endpoint.tokenizer_digest());
        let recipe = Recipe { name: name.to_owned(), spec: spec.clone(), folder, environment, visible, gpus };
        let server = Self { identity, recipe, endpoint, phase: Mutex::new(None), info: Mutex::new(None) };
        Ok((server, secrets))
    }

    fn subject<'a>(&'a self, log: &'a Path, redactor: &'a Redactor) -> Subject<'a> {
        Subject { name: &self.recipe.name, spec: &self.recipe.spec, log, redactor }
    }

    fn open(&self, setting: &Setting) {
        let phase = Phase {
            setting: setting.clone(),
            running: OnceCell::new(),
            likely: OnceCell::new(),
            trouble: Mutex::new(None),
            told: AtomicBool::new(false),
        };
        *held(&self.phase) = Some(Arc::new(phase));
    }

    /// Ends it, and says what the run cannot go on with.
    async fn close(&self) -> Option<ServerTrouble> {
        let phase = held(&self.phase).take()?;
        let log = log_path(&phase.setting.folder, &self.recipe.name);
        let subject = self.subject(&log, &phase.setting.redactor);
        if let Some(running) = phase.running.get() {
            let mut trouble = None;
            if let Ok(Running { ready, .. }) = running {
                trouble = ready.supervised.end().map(|end| subject.died(&end));
                if let Some(left) = ready.supervised.stop().await {
                    tracing::warn!("server {}: {left}", self.recipe.name);
                }
                let (ready_seconds, peak) = (Some(ready.seconds), ready.peak.bytes());
                let name = self.recipe.name.clone();
                *held(&self.info) =
                    Some(ServerInfo { name, ready_seconds, peak_gpu_memory_bytes: peak, trouble: trouble.clone() });
            }
            if let Some(text) = trouble.filter(|_| !phase.told.swap(true, Ordering::Relaxed)) {
                tracing::warn!("{}", text.raw());
            }
            if let Err(error) = log::tidy(&log, &phase.setting.redactor) {
                tracing::warn!("the log of the server {} may hold secrets: {error}", self.recipe.name);
            }
        }
        let trouble = held(&phase.trouble).take();
        trouble
    }

    async fn run(&self, phase: &Phase) -> Result<Running, ()> {
        let started = start::start(&self.recipe, &phase.setting).await.and_then(|ready| {
            let endpoint = self.endpoint.moved(&ready.base_url);
            let endpoint = endpoint.map_err(|error| StartError::System("its address", std::io::Error::other(error)))?;
            Ok(Running { ready, endpoint })
        });
        started.map_err(|error| {
            if let StartError::Cancelled = error {
                return;
            }
            let log = log_path(&phase.setting.folder, &self.recipe.name);
            let subject = self.subject(&log, &phase.setting.redactor);
            subject.show_log();
            phase.give_up(ServerTrouble::Environment(subject.not_started(&error)));
        })
    }

    async fn ask(&self, request: &Request, mut attempt: Attempt<'_>) -> Result<Answered, ModelError> {
        let phase = held(&self.phase).clone();
        let phase = phase.ok_or_else(|| ModelError::Unsupported("no server is started for this".into()))?;
        let likely = matches!(request, Request::RankChoices(_) | Request::Rolling(_));
        if likely && self.recipe.spec.api == Api::Chat {
            // Known before weights are loaded for nothing.
            let text = format!("the model {}: log-likelihoods need `api: completions`", self.recipe.name);
            phase.give_up(ServerTrouble::Inputs(Untrusted::new(text)));
            return Err(ModelError::Cancelled);
        }
        let asked = Instant::now();
        let running = phase.running.get_or_init(|| self.run(&phase)).await;
        // Why, the run says once for all of them.
        let Ok(running) = running else { return Err(ModelError::Cancelled) };
        if likely {
            phase.likely(running, &self.recipe.name).await?;
        }
        // The start is no part of an answer's time.
        let deadline = attempt.deadline + asked.elapsed();
        attempt.deadline = phase.setting.deadline.map_or(deadline, |end| end.min(deadline));
        tokio::select! {
            biased;
            end = running.ready.supervised.ended() => Err(ModelError::Unreachable(self.died(&phase, &end))),
            answer = running.endpoint.answer(request, attempt) => answer,
        }
    }

    fn died(&self, phase: &Phase, end: &End) -> Untrusted {
        let log = log_path(&phase.setting.folder, &self.recipe.name);
        let subject = self.subject(&log, &phase.setting.redactor);
        let text = subject.died(end);
        if !phase.told.swap(true, Ordering::Relaxed) {
            tracing::error!("{}", text.raw());
            subject.show_log();
        }
        text
    }
}

impl Phase {
    /// Ends the run, with the first cause.
    fn give_up(&self, trouble: ServerTrouble) {
        held(&self.trouble).get_or_insert(trouble);
        self.setting.stop.cancel();
    }

    /// A server that cannot say how likely a text is, is found out by one request before a suite of them is asked.
    async fn likely(&self, running: &Running, name: &str) -> Result<(), ModelError> {
        let probe = || probe_log_likelihoods(&running.endpoint, &self.setting.stop);
        match self.likely.get_or_init(probe).await {
            Err(ModelError::Unsupported(why)) => {
                let text = format!("the model {name}: {}", why.raw());
                self.give_up(ServerTrouble::Inputs(Untrusted::new(text)));
                Err(ModelError::Cancelled)
            }
            // Any other trouble is the samples' own.
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

impl Model for Server {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn answer<'a>(&'a self, request: &'a Request, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Answered, ModelError>> {
        Box::pin(self.ask(request, attempt))
    }
}

/// All servers of a run.
#[derive(Clone, Default)]
pub struct Servers(Vec<Arc<Server>>);

impl Servers {
    /// Adds one.
    pub fn push(&mut self, server: Arc<Server>) {
        self.0.push(server);
    }

    /// From here on they may be asked, and start when they are.
    pub fn open(&self, setting: &Setting) {
        self.0.iter().for_each(|server| server.open(setting));
    }

    /// Ends all of them, and says what the run cannot go on with. Those that were not asked were never started.
    pub async fn close(&self) -> Option<ServerTrouble> {
        join_all(self.0.iter().map(|server| server.close())).await.into_iter().flatten().next()
    }

    /// What was seen of those that were started.
    pub fn infos(&self) -> Vec<ServerInfo> {
        self.0.iter().filter_map(|server| held(&server.info).clone()).collect()
    }
}

/// Files that the command names are part of it, and so are those of a local model: small ones with their content, large ones (weights) with
/// their size. The port is not.
fn identity(name: &str, spec: &ServerSpec, folder: &Path, tokenizer: Option<&Digest>) -> ModelIdentity {
    let mut hasher = Hasher::new();
    // How long it may take, and how it is asked again, changes no answer.
    let lasting = ServerSpec {
        ready: None,
        ready_timeout_seconds: 0.0,
        stop_timeout_seconds: 0.0,
        price: None,
        limits: super::Limits::default(),
        retry: super::Retry::default(),
        ..spec.clone()
    };
    hasher.part(b"server-1").part(&serde_json::to_vec(&lasting).unwrap_or_default());
    if let Some(tokenizer) = tokenizer {
        hasher.part(b"tokenizer").part(tokenizer.hex().as_bytes());
    }
    for part in spec.template().iter().chain([&spec.model]) {
        let path = folder.join(part);
        let mut files: Vec<PathBuf> = match std::fs::read_dir(&path) {
            Ok(entries) if part == &spec.model => entries.flatten().map(|entry| entry.path()).collect(),
            Ok(_) => Vec::new(),
            Err(_) => vec![path],
        };
        files.sort();
        for file in files.iter().filter(|file| file.is_file()) {
            let length = file.metadata().map_or(0, |metadata| metadata.len());
            let name = file.file_name().unwrap_or_default();
            hasher.part(name.as_encoded_bytes()).part(&length.to_le_bytes());
            if let (true, Ok(bytes)) = (length <= LARGEST_READ, std::fs::read(file)) {
                hasher.part(Digest::of(&bytes).hex().as_bytes());
            }
        }
    }
    let program = spec.template().first().cloned().unwrap_or_default();
    let revision = spec.revision.as_ref().map(|revision| format!(", revision {revision}")).unwrap_or_default();
    let description = Untrusted::new(format!("{} behind {program}{revision}", spec.model));
    ModelIdentity { name: name.to_owned(), provider: "server", digest: hasher.finish(), cacheable: true, description }
}
