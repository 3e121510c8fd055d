//! The comparison of a shadow's answers: a sample of real requests is asked of both sides, and how much the answers are alike
//! becomes a measurement. Nothing of the texts is kept, logged or reported.
//! Kept out: how requests are read (`requests`), how two answers are compared (`compare`), what the numbers mean
//! (`deliver::analysis`).

mod compare;
mod requests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::deliver::plan::{Answers, ShadowSteps};
use crate::deliver::probe::{MetricSource, NoData, Reading, Window};
use crate::document::{Problem, Problems};
use crate::eval::model::{
    Api, Attempt, Limits, Model, ModelBuildError, ModelError, ModelSpec, OpenAiSpec, OpenAiWord, Retry, Surroundings,
    build,
};
use crate::eval::{Answer, Generate, OutputFormat, Prompt, Request};
use crate::trust::{Secret, Untrusted};

pub use compare::CompareError;
use compare::Comparison;
use requests::{Asked, read_requests};

/// The name of the reading.
pub const RULE: &str = "similarity";
/// Requests in flight to one side.
const AT_ONCE: usize = 8;
/// Requests of one look: a look must end before the next is due.
const A_LOOK: usize = 32;
/// The longest wait for both answers and their comparison.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why answers cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ShadowError {
    /// The file of requests.
    #[error("the requests of the shadow cannot be used")]
    Requests(Problems),
    /// One of the endpoints.
    #[error(transparent)]
    Endpoint(#[from] ModelBuildError),
    /// What compares.
    #[error(transparent)]
    Compare(#[from] CompareError),
}

/// How far the comparison has come.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Compared {
    /// Of similarities, 0 to 1 each.
    pub sum: f64,
    /// Pairs that were compared. A canary that gave no answer is a pair of similarity 0.
    pub n: u64,
    /// Pairs in which the canary gave no answer.
    pub canary_failed: u64,
    /// Requests that stable gave no answer to: they say nothing of the canary.
    pub stable_failed: u64,
    /// Pairs that the embedding or judging model gave no answer to.
    pub uncompared: u64,
}

/// Compares answers, some more at each look.
pub struct ShadowSource {
    asked: Vec<Asked>,
    sides: BTreeMap<(String, Form), Sides>,
    comparison: Comparison,
    progress: Mutex<(usize, Compared)>,
    cancel: CancellationToken,
}

/// Both endpoints, for one model's name.
struct Sides {
    stable: Arc<dyn Model>,
    canary: Arc<dyn Model>,
}

/// Which endpoint a request belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Form {
    Chat,
    Completions,
}

impl ShadowSource {
    /// Reads the requests, and builds the endpoints. `folder` is the rollout file's; the same seed takes the same sample. The
    /// secrets that were found on the way are handed out, to be masked.
    pub fn new(
        steps: &ShadowSteps,
        answers: &Answers,
        around: &Surroundings<'_>,
        seed: u64,
        cancel: CancellationToken,
    ) -> Result<(Self, Vec<Secret>), ShadowError> {
        let path = around.folder.join(&answers.requests);
        let asked = read_requests(&path, &answers.requests, answers.model.as_deref(), steps.sample, seed)
            .map_err(ShadowError::Requests)?;
        let mut secrets = Vec::new();
        let mut sides = BTreeMap::new();
        for Asked { model, request, .. } in &asked {
            let key = (model.clone(), form(request));
            if sides.contains_key(&key) {
                continue;
            }
            let mut endpoint = |name: &str, url: &str| -> Result<Arc<dyn Model>, ModelBuildError> {
                let spec = endpoint_spec(url, model, key.1, answers.api_key_env.clone());
                let built = build(name, &ModelSpec::Openai(spec), around)?;
                secrets.extend(built.secrets);
                Ok(built.model)
            };
            let pair = Sides {
                stable: endpoint("stable", &answers.stable_url)?,
                canary: endpoint("canary", &answers.canary_url)?,
            };
            sides.insert(key, pair);
        }
        let comparison = Comparison::new(&answers.similarity, around, &mut secrets)?;
        Ok((Self { asked, sides, comparison, progress: Mutex::default(), cancel }, secrets))
    }

    /// How far it has come.
    pub async fn compared(&self) -> Compared {
        self.progress.lock().await.1
    }

    /// Asks both sides one request, and compares.
    async fn pair(&self, number: usize) -> Pair {
        let Some(asked) = self.asked.get(number) else { return Pair::Cancelled };
        let Some(sides) = self.sides.get(&(asked.model.clone(), form(&asked.request))) else {
            return Pair::StableFailed;
        };
        let deadline = Instant::now() + PATIENCE;
        let case = Untrusted::new(number.to_string());
        let request = Request::Generate(Generate {
            prompt: asked.request.clone(),
            max_tokens: asked.max_tokens,
            // Both sides at their most likely answer: what differs then is the version, not the draw.
            temperature: 0.0,
            seed: Some(0),
            stop: Vec::new(),
            format: OutputFormat::Text,
            logprobs: false,
            told: None,
        });
        let ask = |model: &Arc<dyn Model>| {
            let (model, request, case) = (Arc::clone(model), request.clone(), case.clone());
            async move {
                let attempt = Attempt { suite: "shadow", case: &case, repeat: 0, deadline, cancel: &self.cancel };
                text(model.answer(&request, attempt).await.map(|answered| answered.answer))
            }
        };
        let (stable, canary) = futures::join!(ask(&sides.stable), ask(&sides.canary));
        match (stable, canary) {
            // The process is to end: that is nobody's fault.
            (Err(ModelError::Cancelled), _) | (_, Err(ModelError::Cancelled)) => Pair::Cancelled,
            (Err(_), _) => Pair::StableFailed,
            (Ok(_), Err(_)) => Pair::CanaryFailed,
            (Ok(stable), Ok(canary)) => {
                match self.comparison.likeness(&asked.request, &stable, &canary, deadline, &self.cancel).await {
                    Some(likeness) => Pair::Compared(likeness),
                    None if self.cancel.is_cancelled() => Pair::Cancelled,
                    None => Pair::Uncompared,
                }
            }
        }
    }
}

/// How one pair ended.
enum Pair {
    Compared(f64),
    CanaryFailed,
    StableFailed,
    Uncompared,
    Cancelled,
}

#[async_trait::async_trait]
impl MetricSource for ShadowSource {
    async fn read(&self, _: Window) -> Vec<(String, Result<Reading, NoData>)> {
        let mut progress = self.progress.lock().await;
        let (next, compared) = &mut *progress;
        let end = self.asked.len().min(next.saturating_add(A_LOOK));
        let pairs = (*next..end).map(|number| self.pair(number));
        let pairs: Vec<Pair> = futures::stream::iter(pairs).buffered(AT_ONCE).collect().await;
        if !pairs.iter().any(|pair| matches!(pair, Pair::Cancelled)) {
            *next += pairs.len();
            for pair in pairs {
                compared.add(&pair);
            }
        }
        let Compared { sum, n, stable_failed, uncompared, .. } = *compared;
        let reading = match (n, stable_failed, uncompared) {
            (0, 0, 0) => Err(NoData::NoTraffic),
            (0, 0, _) => Err(NoData::Unreachable("what compares the answers gave no answer".to_owned())),
            (0, _, _) => Err(NoData::Unreachable("stable answered none of the requests".to_owned())),
            (n, _, _) => Ok(Reading::Similarity { sum, n }),
        };
        vec![(RULE.to_owned(), reading)]
    }
}

impl Compared {
    fn add(&mut self, pair: &Pair) {
        match pair {
            Pair::Compared(likeness) => {
                self.sum += likeness.clamp(0.0, 1.0);
                self.n += 1;
            }
            Pair::CanaryFailed => {
                self.n += 1;
                self.canary_failed += 1;
            }
            Pair::StableFailed => self.stable_failed += 1,
            Pair::Uncompared => self.uncompared += 1,
            Pair::Cancelled => {}
        }
    }
}

fn text(answer: Result<Answer, ModelError>) -> Result<String, ModelError> {
    match answer? {
        Answer::Completion(completion) => Ok(completion.text.into_raw()),
        Answer::LogLikelihoods(_) | Answer::Embedding(_) => {
            Err(ModelError::Malformed("numbers instead of text".into()))
        }
    }
}

fn form(prompt: &Prompt) -> Form {
    match prompt {
        Prompt::Chat(_) | Prompt::Written(_) => Form::Chat,
        Prompt::Text(_) => Form::Completions,
    }
}

fn endpoint_spec(url: &str, model: &str, form: Form, api_key_env: Option<String>) -> OpenAiSpec {
    OpenAiSpec {
        provider: OpenAiWord::Openai,
        base_url: url.to_owned(),
        model: model.to_owned(),
        embedding_model: None,
        tokenizer: None,
        max_length: None,
        api: match form {
            Form::Chat => Api::Chat,
            Form::Completions => Api::Completions,
        },
        api_key_env,
        headers: BTreeMap::new(),
        extra_body: BTreeMap::new(),
        ca_file: None,
        stream: false,
        revision: None,
        price: None,
        limits: Limits::default(),
        retry: Retry { attempts: 2, max_wait_seconds: 5.0 },
    }
}

/// Finds everything that is wrong with a file of requests, without asking anybody.
pub fn check_requests(folder: &Path, steps: &ShadowSteps, answers: &Answers) -> Problems {
    let path = folder.join(&answers.requests);
    match read_requests(&path, &answers.requests, answers.model.as_deref(), steps.sample, 0) {
        // Fewer than the least number can never pass, however long is waited.
        Ok(asked) if (asked.len() as u64) < steps.min_samples => {
            let text = format!(
                "{} requests are in the sample of {} %, and `shadow.min_samples` asks for {}",
                asked.len(),
                steps.sample.get(),
                steps.min_samples
            );
            Problem::of_file(&answers.requests, text).help("give more requests, or raise `shadow.sample`").into()
        }
        Ok(_) => Problems::none(),
        Err(problems) => problems,
    }
}
