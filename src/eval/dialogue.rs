//! Cases that take more than one request: a conversation by script, one question in several wordings, an attacker model.
//! Kept out: who asks (`eval::run`), where the turns come from (`eval::redteam`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::request::Prompt;
use crate::trust::{Redactor, Untrusted};

/// How a case is asked.
#[derive(Clone, PartialEq, Default, Debug)]
pub enum Dialogue {
    /// One request, one answer.
    #[default]
    Once,
    /// Further turns of the user, each after the model's reply to the one before. The answer is the last reply.
    Script(Vec<String>),
    /// The same question in other wordings, each asked by itself. The answer is the one to the case's own request.
    Variants(Vec<Prompt>),
    /// The same request so many times in all, at least 2, each with a seed of its own. All replies are judged together, as turns.
    Repeated(u32),
    /// Another model leads the conversation.
    Adaptive(Adaptive),
}

/// How an attacker model goes about it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// One line of refinements, each in a fresh conversation.
    /// Source: P. Chao and others, Jailbreaking Black Box Large Language Models in Twenty Queries, 2023.
    Pair,
    /// Several lines at once, the unpromising ones cut.
    /// Source: A. Mehrotra and others, Tree of Attacks, 2023.
    Tree,
    /// One conversation that rises step by step, with a step back after a refusal.
    /// Source: M. Russinovich and others, The Crescendo Multi-Turn LLM Jailbreak Attack, 2024.
    Crescendo,
}

/// An attack that another model leads.
#[derive(Clone, PartialEq, Debug)]
pub struct Adaptive {
    /// How.
    pub method: Method,
    /// The attacker: a key of the policy's models.
    pub attacker: String,
    /// What the attacker is told to reach.
    pub goal: String,
    /// Requests to the model under test at most, at least 1.
    pub budget: u32,
}

/// One turn of a dialogue: what was asked, and what came back.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Turn {
    /// The user's last message.
    pub prompt: Untrusted,
    /// The model's reply.
    pub reply: Untrusted,
}

impl Turn {
    /// Masks secrets in both texts.
    pub fn redact(&mut self, redactor: &Redactor) {
        redactor.redact_in_place(&mut self.prompt);
        redactor.redact_in_place(&mut self.reply);
    }
}
