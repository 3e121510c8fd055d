//! What a model is asked, and what it answers: plain data, the same for every model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::trust::{Redactor, Untrusted};

/// Who speaks in a chat.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One turn of a chat.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// The input of a model.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prompt {
    /// Text to be continued.
    Text(String),
    /// Turns of a chat; never empty.
    Chat(Vec<ChatMessage>),
    /// A text that is also a chat: a chat endpoint is sent the turns as they stand, every other model reads the text.
    Written(Written),
}

/// A prompt of another tool's suite that is a chat written as text.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Written {
    /// The whole text.
    pub text: String,
    /// The turns as JSON objects, in the form of an endpoint's `messages`; never empty.
    pub messages: Vec<serde_json::Value>,
}

impl Written {
    /// The turns in our own form; of content in parts, the text.
    pub fn turns(&self) -> Vec<ChatMessage> {
        let role = |message: &serde_json::Value| match message.get("role").and_then(serde_json::Value::as_str) {
            Some("system" | "developer") => Role::System,
            Some("assistant") => Role::Assistant,
            Some(_) | None => Role::User,
        };
        let content = |message: &serde_json::Value| match message.get("content") {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(serde_json::Value::Array(parts)) => {
                let texts = parts.iter().filter_map(|part| part.get("text").and_then(serde_json::Value::as_str));
                texts.collect::<Vec<_>>().join("\n")
            }
            Some(_) | None => String::new(),
        };
        self.messages.iter().map(|message| ChatMessage { role: role(message), content: content(message) }).collect()
    }
}

/// The form that an answer is asked in.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// Free text.
    #[default]
    Text,
    /// The JSON mode of an endpoint.
    Json,
}

/// A request for text.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Generate {
    /// The input.
    pub prompt: Prompt,
    /// Most tokens of the answer.
    pub max_tokens: u32,
    /// 0 is greedy.
    pub temperature: f64,
    /// Seed of the sampling.
    pub seed: Option<u64>,
    /// Texts that end the answer and are not part of it.
    pub stop: Vec<String>,
    /// Text or JSON mode.
    pub format: OutputFormat,
    /// Asks for log-probabilities of the answer's tokens, where the model has them.
    pub logprobs: bool,
    /// What a model of a suite's own is told besides the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Box<Told>>,
}

/// What a suite tells its own command or endpoint of a case besides the prompt.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// The last argument of a command, an object; the repeat is added to it.
    Command(serde_json::Map<String, serde_json::Value>),
    /// The address and the body of a request, as this case has them.
    Endpoint {
        /// With everything put in.
        url: String,
        /// A text is sent as it is, anything else as JSON.
        body: Option<serde_json::Value>,
    },
}

/// A request for the log-likelihood of each of several continuations of one context.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RankChoices {
    /// The context.
    pub prompt: Prompt,
    /// The continuations, with their delimiter in front. At least one.
    pub continuations: Vec<String>,
    /// The same continuations, asked about once more without any context: their log-likelihoods follow the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alone: Vec<String>,
}

/// A request for the log-likelihood of a whole text, window by window where it is longer than the model's context.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Rolling {
    /// The text; never empty.
    pub prompt: Prompt,
}

/// A request for the embedding of a text.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Embed {
    /// The text; never empty.
    pub prompt: Prompt,
}

/// What a model is asked. Its JSON form is canonical: it is what the cache and the digests are keyed by.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Text.
    Generate(Generate),
    /// Log-likelihoods.
    RankChoices(RankChoices),
    /// The log-likelihood of a text by itself.
    Rolling(Rolling),
    /// A vector.
    Embed(Embed),
}

impl Request {
    /// What the model is given.
    pub fn prompt(&self) -> &Prompt {
        match self {
            Request::Generate(generate) => &generate.prompt,
            Request::RankChoices(rank) => &rank.prompt,
            Request::Rolling(rolling) => &rolling.prompt,
            Request::Embed(embed) => &embed.prompt,
        }
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// By itself or at a stop text.
    Stop,
    /// At `max_tokens`.
    Length,
    /// The endpoint's filter.
    ContentFilter,
    /// Anything else that the endpoint said.
    Other,
}

/// Tokens as the model counted them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
}

/// A generated text.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Completion {
    /// The text.
    pub text: Untrusted,
    /// Why it ended.
    pub finish: Finish,
    /// Natural log-probability of each token of the answer, where they were asked for and given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_log_probs: Option<Vec<f64>>,
}

/// How likely one continuation is.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct LogLikelihood {
    /// Natural logarithm, summed over the continuation's tokens; finite.
    pub sum: f64,
    /// Tokens of the continuation.
    pub tokens: u32,
    /// Whether greedy decoding would have produced it.
    pub is_greedy: bool,
}

/// What a model answers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Generate`].
    Completion(Completion),
    /// To [`Request::RankChoices`], in the order of the continuations; to [`Request::Rolling`], one.
    LogLikelihoods(Vec<LogLikelihood>),
    /// To [`Request::Embed`]: never empty, each number finite.
    Embedding(Vec<f64>),
}

impl Answer {
    /// Masks secrets in a generated text.
    pub fn redact(&mut self, redactor: &Redactor) {
        match self {
            Answer::Completion(completion) => redactor.redact_in_place(&mut completion.text),
            Answer::LogLikelihoods(_) | Answer::Embedding(_) => {}
        }
    }
}
