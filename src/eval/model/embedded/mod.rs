//! The embedded engine: a model that this process runs itself, without Python, network or GPU.
//! Kept out: everything about suites and scores.

mod batch;
mod config;
mod engine;
mod error;
mod forward;
mod generate;
mod gguf;
mod loglikelihood;
mod place;
mod remote;
mod rope;
mod sampler;
pub mod serve;
mod tokenizer;
mod weights;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use tokio::sync::Semaphore;

use super::{Answered, Attempt, Device, Dtype, Model, ModelError, ModelIdentity};
use crate::eval::request::{Answer, Completion, Finish, Generate, LogLikelihood, Prompt, RankChoices, Request, Usage};
use crate::trust::Untrusted;

pub use batch::{BatchCounts, BatchLimits, Batcher, Done, Task};
pub use engine::Engine;
pub use error::EngineError;
pub use generate::{Ended, GenerateRequest, Generation};
pub use loglikelihood::Likelihood;
pub(super) use loglikelihood::windows;
pub(super) use place::build;
pub use remote::{RemoteError, RemoteModel};

/// The engine as a model of the policy. As many requests compute at once as there are processors.
pub struct EmbeddedModel {
    engine: Arc<Engine>,
    identity: ModelIdentity,
    places: Semaphore,
}

impl EmbeddedModel {
    /// Names a loaded engine.
    pub fn new(name: &str, engine: Engine) -> Self {
        Self::with_note(name, engine, None)
    }

    /// The same, with something that people should know of it.
    fn with_note(name: &str, engine: Engine, note: Option<String>) -> Self {
        let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
        let identity = ModelIdentity {
            name: name.to_owned(),
            provider: "embedded",
            digest: engine.digest().clone(),
            cacheable: true,
            description: Untrusted::new(format!("{}{note}", engine.description())),
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { engine: Arc::new(engine), identity, places: Semaphore::new(processors) }
    }

    async fn compute(&self, request: &Request, attempt: &Attempt<'_>) -> Result<Answered, ModelError> {
        let deadline = tokio::time::Instant::from_std(attempt.deadline);
        let late = || ModelError::Timeout("the machine did not come to it before the deadline".into());
        let place = tokio::select! {
            biased;
            () = attempt.cancel.cancelled() => return Err(ModelError::Cancelled),
            place = tokio::time::timeout_at(deadline, self.places.acquire()) => place.map_err(|_| late())?,
        };
        let _place = place.map_err(|_| ModelError::Cancelled)?;
        let (engine, request) = (Arc::clone(&self.engine), request.clone());
        let (cancel, until) = (attempt.cancel.clone(), attempt.deadline);
        let computing = tokio::task::spawn_blocking(move || {
            let mut proceed = || {
                if cancel.is_cancelled() || Instant::now() >= until {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            answer(&engine, &request, &mut proceed)
        });
        // A long prompt is one step: the wait for it has the deadline's end, even where the step has none.
        let computed = tokio::select! {
            biased;
            () = attempt.cancel.cancelled() => return Err(ModelError::Cancelled),
            computed = tokio::time::timeout_at(deadline, computing) => computed.map_err(|_| late())?,
        };
        match computed {
            Ok(Ok(answered)) => Ok(answered),
            Ok(Err(EngineError::Stopped)) if attempt.cancel.is_cancelled() => Err(ModelError::Cancelled),
            Ok(Err(EngineError::Stopped)) => {
                Err(ModelError::Timeout("the answer was not ready at the deadline".into()))
            }
            Ok(Err(EngineError::Unsuitable(why))) => Err(ModelError::Unsupported(why)),
            Ok(Err(
                error @ (EngineError::File { .. }
                | EngineError::Unusable { .. }
                | EngineError::Memory(_)
                | EngineError::Compute(_)),
            )) => Err(ModelError::Server(error.to_string().into())),
            Err(error) => Err(ModelError::Server(format!("the engine stopped: {error}").into())),
        }
    }
}

impl Model for EmbeddedModel {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn has_chat_form(&self) -> bool {
        self.engine.has_chat_form()
    }

    fn answer<'a>(&'a self, request: &'a Request, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Answered, ModelError>> {
        Box::pin(async move { self.compute(request, &attempt).await })
    }
}

fn answer(
    engine: &Engine,
    request: &Request,
    proceed: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Answered, EngineError> {
    let began = Instant::now();
    let (answer, usage, ttft_ms) = match request {
        Request::Generate(generate) => generated(engine, generate, proceed)?,
        Request::RankChoices(rank) => ranked(engine, rank, proceed)?,
        Request::Embed(embed) => (Answer::Embedding(engine.embedding(&text_of(engine, &embed.prompt)?)?), None, None),
        Request::Rolling(rolling) => {
            let likelihood = engine.rolling(&text_of(engine, &rolling.prompt)?, proceed)?;
            (Answer::LogLikelihoods(vec![in_short(&likelihood)]), None, None)
        }
    };
    let latency_ms = Some(began.elapsed().as_secs_f64() * 1e3);
    Ok(Answered { answer, usage, latency_ms, ttft_ms, attempts: 1 })
}

type Part = (Answer, Option<Usage>, Option<f64>);

fn generated(
    engine: &Engine,
    request: &Generate,
    proceed: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Part, EngineError> {
    let prompt = text_of(engine, &request.prompt)?;
    let asked = GenerateRequest {
        prompt: &prompt,
        max_tokens: request.max_tokens,
        temperature: request.temperature,
        seed: request.seed.unwrap_or(0),
        stop: &request.stop,
    };
    let generation = engine.generate(&asked, proceed)?;
    let finish = match generation.ended {
        Ended::Stop => Finish::Stop,
        Ended::Length => Finish::Length,
    };
    let token_log_probs = request.logprobs.then_some(generation.log_probs);
    let usage =
        Usage { prompt_tokens: generation.prompt_tokens as u64, completion_tokens: generation.tokens.len() as u64 };
    let completion = Completion { text: generation.text.into(), finish, token_log_probs };
    Ok((Answer::Completion(completion), Some(usage), Some(generation.first_token_ms)))
}

fn ranked(
    engine: &Engine,
    request: &RankChoices,
    proceed: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Part, EngineError> {
    let prompt = text_of(engine, &request.prompt)?;
    let mut likelihoods = engine.likelihoods(&prompt, &request.continuations, proceed)?;
    if !request.alone.is_empty() {
        likelihoods.extend(engine.likelihoods("", &request.alone, proceed)?);
    }
    Ok((Answer::LogLikelihoods(likelihoods.iter().map(in_short).collect()), None, None))
}

fn in_short(likelihood: &Likelihood) -> LogLikelihood {
    LogLikelihood {
        sum: likelihood.sum,
        tokens: u32::try_from(likelihood.token_log_probs.len()).unwrap_or(u32::MAX),
        is_greedy: likelihood.is_greedy,
    }
}

fn text_of(engine: &Engine, prompt: &Prompt) -> Result<String, EngineError> {
    match prompt {
        Prompt::Text(text) => Ok(text.clone()),
        Prompt::Chat(messages) => engine.chat(messages),
        Prompt::Written(written) => engine.chat(&written.turns()),
    }
}
