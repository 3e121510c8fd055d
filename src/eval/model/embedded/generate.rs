//! Text from a model: greedy or sampled, token by token.

use std::ops::ControlFlow;
use std::time::Instant;

use super::engine::Engine;
use super::error::EngineError;
use super::sampler::Sampler;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct GenerateRequest<'a> {
    /// The text to be continued.
    pub prompt: &'a str,
    /// Most tokens of the answer.
    pub max_tokens: u32,
    /// 0 is greedy; ties go to the lowest token.
    pub temperature: f64,
    /// Seed of the sampling.
    pub seed: u64,
    /// Texts that end the answer and are not part of it.
    pub stop: &'a [String],
}

/// Why an answer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// At the model's own end, or at a stop text.
    Stop,
    /// At `max_tokens`, or at the model's last position.
    Length,
}

/// An answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Generation {
    /// Its text, cut before the stop text.
    pub text: String,
    /// Its tokens, the end among them.
    pub tokens: Vec<u32>,
    /// Natural log-probability of each of them.
    pub log_probs: Vec<f64>,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Why it ended.
    pub ended: Ended,
    /// Milliseconds to the first token.
    pub first_token_ms: f64,
}

impl Engine {
    /// Generates an answer; `proceed` is asked between tokens.
    pub fn generate(
        &self,
        request: &GenerateRequest<'_>,
        proceed: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Generation, EngineError> {
        let began = Instant::now();
        let mut prompt = self.tokenizer().encode(request.prompt)?;
        if prompt.is_empty() {
            prompt.push(self.prefix_token()?);
        }
        let mut sampler = Sampler::new(request.temperature, request.seed);
        let mut cache = self.network().cache();
        let mut logits = self.last_logits(&prompt, &mut cache)?;
        let mut answer = Generation {
            text: String::new(),
            tokens: Vec::new(),
            log_probs: Vec::new(),
            prompt_tokens: prompt.len(),
            ended: Ended::Length,
            first_token_ms: 0.0,
        };
        while answer.tokens.len() < request.max_tokens as usize {
            if proceed().is_break() {
                return Err(EngineError::Stopped);
            }
            let (token, log_prob) = sampler.next(&logits)?;
            if answer.tokens.is_empty() {
                answer.first_token_ms = began.elapsed().as_secs_f64() * 1e3;
            }
            answer.tokens.push(token);
            answer.log_probs.push(log_prob);
            if self.is_end(token) {
                answer.tokens.pop();
                answer.text = self.tokenizer().decode(&answer.tokens)?;
                answer.tokens.push(token);
                answer.ended = Ended::Stop;
                return Ok(answer);
            }
            if !request.stop.is_empty() {
                let text = self.tokenizer().decode(&answer.tokens)?;
                if let Some(at) = first_stop(&text, request.stop) {
                    answer.text = text.get(..at).unwrap_or_default().to_owned();
                    answer.ended = Ended::Stop;
                    return Ok(answer);
                }
            }
            if cache.tokens() >= self.positions() || answer.tokens.len() == request.max_tokens as usize {
                break;
            }
            logits = self.last_logits(&[token], &mut cache)?;
        }
        answer.text = self.tokenizer().decode(&answer.tokens)?;
        Ok(answer)
    }
}

fn first_stop(text: &str, stops: &[String]) -> Option<usize> {
    stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop.as_str())).min()
}
