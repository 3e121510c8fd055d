//! How a model that judges is asked: one question, asked again while the reply is not of its form.
//! Kept out: what is asked, and what a reply means (`judge`, `strongreject`, `guard`).

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Subject;
use super::text::quote;
use crate::eval::model::{Attempt, Model, ModelError};
use crate::eval::request::{Answer, ChatMessage, Completion, Generate, OutputFormat, Prompt, Request, Role};
use crate::trust::Untrusted;

/// The longest that one question may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// On whose behalf is asked.
#[derive(Clone, Copy)]
pub(in crate::eval) struct Frame<'a> {
    /// The suite's name.
    pub suite: &'a str,
    /// The case's id.
    pub case: &'a Untrusted,
    /// Ends a request at once.
    pub cancel: &'a CancellationToken,
}

impl<'a> From<&Subject<'a>> for Frame<'a> {
    fn from(subject: &Subject<'a>) -> Self {
        Frame { suite: &subject.case.suite, case: subject.case.id.text(), cancel: subject.cancel }
    }
}

/// One question, and how often it may be asked.
pub(in crate::eval) struct Question {
    /// The question.
    pub prompt: Prompt,
    /// Most tokens of a reply.
    pub max_tokens: u32,
    /// Text or JSON mode.
    pub format: OutputFormat,
    /// Requests at most, at least 1. Each has a seed and a repeat of its own.
    pub times: u32,
    /// What is added to a chat before the next time.
    pub reminder: Option<&'static str>,
}

/// A verdict, and what it took.
pub(in crate::eval) struct Heard<T> {
    /// What the reply says.
    pub verdict: T,
    /// Requests, at least 1.
    pub asked: u32,
}

/// Why there is no verdict.
pub(in crate::eval) enum Silence {
    /// A request failed: another one may not.
    Failed(ModelError),
    /// No reply was of the form.
    Malformed {
        /// What is wrong with the last one.
        fault: &'static str,
        /// The beginning of the last one.
        reply: String,
        /// Requests.
        asked: u32,
    },
}

impl Silence {
    /// In words; may quote the model.
    pub(in crate::eval) fn why(&self) -> String {
        match self {
            Silence::Failed(error) => error.to_string(),
            Silence::Malformed { fault, reply, asked } => {
                format!("asked {asked} times, its last reply is no verdict ({fault}): {reply}")
            }
        }
    }
}

/// Asks until a reply is of the form that `read` wants. A reply that is not is never guessed at.
///
/// The temperature stays 0: a verdict that comes by the luck of the draw is none.
pub(in crate::eval) async fn insist<T: Send>(
    model: &dyn Model,
    frame: Frame<'_>,
    question: Question,
    read: impl Fn(&Completion) -> Result<T, &'static str> + Send + Sync,
) -> Result<Heard<T>, Silence> {
    let Question { mut prompt, max_tokens, format, times, reminder } = question;
    let mut last = ("it was not asked", String::new());
    for repeat in 0..times {
        let completion =
            ask(model, frame, prompt.clone(), max_tokens, format, repeat).await.map_err(Silence::Failed)?;
        match read(&completion) {
            Ok(verdict) => return Ok(Heard { verdict, asked: repeat + 1 }),
            Err(fault) => last = (fault, quote(completion.text.raw())),
        }
        if let (Some(reminder), Prompt::Chat(messages)) = (reminder, &mut prompt) {
            messages.push(ChatMessage { role: Role::User, content: reminder.to_owned() });
        }
    }
    let (fault, reply) = last;
    Err(Silence::Malformed { fault, reply, asked: times })
}

async fn ask(
    model: &dyn Model,
    frame: Frame<'_>,
    prompt: Prompt,
    max_tokens: u32,
    format: OutputFormat,
    repeat: u32,
) -> Result<Completion, ModelError> {
    let request = Request::Generate(Generate {
        prompt,
        max_tokens,
        temperature: 0.0,
        seed: Some(u64::from(repeat)),
        stop: Vec::new(),
        format,
        logprobs: false,
        told: None,
    });
    let Frame { suite, case, cancel } = frame;
    let attempt = Attempt { suite, case, repeat, deadline: Instant::now() + PATIENCE, cancel };
    match model.answer(&request, attempt).await?.answer {
        Answer::Completion(completion) => Ok(completion),
        Answer::LogLikelihoods(_) | Answer::Embedding(_) => {
            Err(ModelError::Malformed("numbers instead of text".into()))
        }
    }
}
