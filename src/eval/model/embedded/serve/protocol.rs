//! What gate and engine say to each other: one JSON object a line. Numbers that must come back as they were are sent as text: the
//! shortest one that is read back to the same bits.

use serde::{Deserialize, Serialize};

use crate::eval::model::embedded::BatchLimits;
use crate::eval::model::{Device, Dtype};
use crate::eval::request::{Answer, Completion, Finish, LogLikelihood, Request, Usage};
use crate::trust::Untrusted;

/// The program's name.
pub(in crate::eval::model::embedded) const NAME: &str = "llmci-engine";
/// Both sides are of one version: the protocol has no other one.
pub(in crate::eval::model::embedded) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// To the engine.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::eval::model::embedded) enum ToEngine {
    /// The first line.
    Load(Load),
    /// A request; its answer carries the number.
    Ask { id: u64, request: Request },
    /// Nobody waits for this answer any more; it is given up, and said to be.
    Cancel(u64),
}

/// What is loaded.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::eval::model::embedded) struct Load {
    /// Of the gate.
    pub(in crate::eval::model::embedded) version: String,
    /// The model's folder or file.
    pub(in crate::eval::model::embedded) path: String,
    /// `cpu` or `cuda`.
    pub(in crate::eval::model::embedded) device: Device,
    /// The type of numbers on a GPU.
    #[serde(default)]
    pub(in crate::eval::model::embedded) dtype: Dtype,
    /// Log-likelihoods in batches: on a GPU unless said otherwise.
    #[serde(default)]
    pub(in crate::eval::model::embedded) batched: Option<bool>,
    /// Tokens of a batch, padding counted.
    #[serde(default)]
    pub(in crate::eval::model::embedded) batch_tokens: Option<usize>,
    /// MiB of the contexts that are kept.
    #[serde(default)]
    pub(in crate::eval::model::embedded) cache_mib: Option<usize>,
}

impl Load {
    /// How much is computed at once, where it is in batches.
    pub(super) fn limits(&self, on_gpu: bool) -> Option<BatchLimits> {
        let limits = if on_gpu { BatchLimits::GPU } else { BatchLimits::CPU };
        self.batched.unwrap_or(on_gpu).then(|| BatchLimits {
            tokens: self.batch_tokens.unwrap_or(limits.tokens),
            cache_bytes: self.cache_mib.map_or(limits.cache_bytes, |mib| mib << 20),
            ..limits
        })
    }
}

/// From the engine.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::eval::model::embedded) enum FromEngine {
    /// Its first line.
    Hello {
        /// `llmci-engine`.
        program: String,
        /// Of the engine.
        version: String,
        /// Whether it was built with CUDA.
        cuda: bool,
    },
    /// The model is there.
    Loaded {
        /// Over weights, config and tokenizer, and the device where it is no processor.
        digest: String,
        /// For people.
        description: String,
        /// Whether the model brings a form for chats.
        chat_form: bool,
        /// Milliseconds.
        load_ms: f64,
    },
    /// The model is not there, and the engine ends.
    Refused { kind: Kind, text: String },
    /// An answer.
    Answered {
        /// The request's number.
        id: u64,
        /// What came out.
        reply: Reply,
    },
    /// No answer.
    Failed { id: u64, kind: Kind, text: String },
}

/// Why not; the variants of `EngineError`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::eval::model::embedded) enum Kind {
    /// A file.
    Unusable,
    /// The request.
    Unsuitable,
    /// The device's memory.
    Memory,
    /// Anything else.
    Compute,
    /// Cancelled.
    Stopped,
}

/// An answer, and what it took.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::eval::model::embedded) struct Reply {
    answer: Said,
    #[serde(default)]
    usage: Option<Usage>,
    pub(in crate::eval::model::embedded) latency_ms: f64,
    pub(in crate::eval::model::embedded) ttft_ms: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Completion { text: String, finish: Finish, log_probs: Option<Vec<Exact>> },
    LogLikelihoods(Vec<(Exact, u32, bool)>),
    Embedding(Vec<Exact>),
}

/// A number as its shortest text.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Exact(f64);

impl TryFrom<String> for Exact {
    type Error = std::num::ParseFloatError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Exact)
    }
}

impl From<Exact> for String {
    fn from(Exact(number): Exact) -> String {
        number.to_string()
    }
}

fn exact(numbers: Vec<f64>) -> Vec<Exact> {
    numbers.into_iter().map(Exact).collect()
}

fn plain(numbers: Vec<Exact>) -> Vec<f64> {
    numbers.into_iter().map(|Exact(number)| number).collect()
}

impl Reply {
    pub(super) fn new(answer: Answer, usage: Option<Usage>, latency_ms: f64, ttft_ms: Option<f64>) -> Self {
        let answer = match answer {
            Answer::Completion(Completion { text, finish, token_log_probs }) => {
                Said::Completion { text: text.into_raw(), finish, log_probs: token_log_probs.map(exact) }
            }
            Answer::LogLikelihoods(all) => {
                let short = |LogLikelihood { sum, tokens, is_greedy }| (Exact(sum), tokens, is_greedy);
                Said::LogLikelihoods(all.into_iter().map(short).collect())
            }
            Answer::Embedding(vector) => Said::Embedding(exact(vector)),
        };
        Self { answer, usage, latency_ms, ttft_ms }
    }

    /// The answer in the run's own form.
    pub(in crate::eval::model::embedded) fn answer(self) -> (Answer, Option<Usage>) {
        let answer = match self.answer {
            Said::Completion { text, finish, log_probs } => Answer::Completion(Completion {
                text: Untrusted::new(text),
                finish,
                token_log_probs: log_probs.map(plain),
            }),
            Said::LogLikelihoods(all) => {
                let whole = |(Exact(sum), tokens, is_greedy)| LogLikelihood { sum, tokens, is_greedy };
                Answer::LogLikelihoods(all.into_iter().map(whole).collect())
            }
            Said::Embedding(vector) => Answer::Embedding(plain(vector)),
        };
        (answer, self.usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_to_the_bit() {
        let mut bits = 0x3ff0_0000_0000_0001_u64;
        let numbers: Vec<f64> = (0..2000)
            .map(|_| {
                bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                f64::from_bits(bits)
            })
            .filter(|number| number.is_finite())
            .collect();
        let reply = Reply::new(Answer::Embedding(numbers.clone()), None, 1.0, None);
        let line = serde_json::to_string(&FromEngine::Answered { id: 7, reply }).unwrap();
        let FromEngine::Answered { id: 7, reply } = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        let (Answer::Embedding(found), None) = reply.answer() else { panic!("{line}") };
        assert!(found.iter().zip(&numbers).all(|(found, number)| found.to_bits() == number.to_bits()));
        assert_eq!(found.len(), numbers.len());
    }
}
