//! Log-likelihoods over an endpoint: the prompt is echoed with the log-probability of each of its tokens.
//! With a tokenizer, token ids are sent and the context ends where lm-eval ends it; without one, text is, and it ends by `text_offset`.
//! Source: lm-evaluation-harness 0.4, `models/openai_completions.py`. Servers that ignore `echo` (llama.cpp, every chat
//! endpoint) are found out and refused: their numbers would be those of other tokens.

use std::time::Instant;

use serde::Serialize;

use super::reply::{Failure, LogProbs, read_log_probs};
use super::send::Reader;
use super::tokens::Part;
use super::{Input, OpenAi};
use crate::eval::model::{Answered, Api, Attempt, ModelError};
use crate::eval::request::{Answer, LogLikelihood, Prompt, RankChoices, Rolling};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    prompt: Input<'a>,
    max_tokens: u32,
    temperature: f64,
    logprobs: u32,
    echo: bool,
    #[serde(flatten)]
    extra: &'a std::collections::BTreeMap<String, serde_json::Value>,
}

impl OpenAi {
    /// Asks for the log-likelihood of each continuation.
    pub(super) async fn rank(&self, request: &RankChoices, attempt: &Attempt<'_>) -> Result<Answered, ModelError> {
        let context = self.echoed_text(&request.prompt)?;
        if let Some(tokens) = &self.tokens {
            let mut asked = Asked::default();
            let all = request.continuations.iter().map(|text| (context, text));
            for (context, text) in all.chain(request.alone.iter().map(|text| ("", text))) {
                let likelihood = self.echo_part(tokens.part(context, text)?, attempt, &mut asked).await?;
                asked.likelihoods.push(likelihood);
            }
            return Ok(asked.answered());
        }
        if !request.alone.is_empty() {
            // Without a token before it the first token has no log-probability, and a choice is often one token long.
            let text = "an endpoint gives no log-likelihood of a text that nothing precedes (acc_mutual_info): use \
                        `provider: embedded`, or name the model's `tokenizer`";
            return Err(ModelError::Unsupported(text.into()));
        }
        let mut asked = Asked::default();
        for continuation in &request.continuations {
            // White space at the context's end belongs to the continuation's first token.
            let kept = context.trim_end().chars().count() as u64;
            let prompt = format!("{context}{continuation}");
            let whole = prompt.chars().count() as u64;
            self.echo(&prompt, &Echoed { context: kept, whole }, attempt, &mut asked).await?;
        }
        Ok(asked.answered())
    }

    /// Asks for the log-likelihood of a whole text: with a tokenizer window by window; without one, of all its tokens but the first,
    /// which has no log-probability.
    pub(super) async fn rolling(&self, request: &Rolling, attempt: &Attempt<'_>) -> Result<Answered, ModelError> {
        let text = self.echoed_text(&request.prompt)?;
        if let Some(tokens) = &self.tokens {
            let mut asked = Asked::default();
            let mut all = LogLikelihood { sum: 0.0, tokens: 0, is_greedy: true };
            for part in tokens.rolling(text)? {
                let window = self.echo_part(part, attempt, &mut asked).await?;
                all.sum += window.sum;
                all.tokens += window.tokens;
                all.is_greedy &= window.is_greedy;
            }
            asked.likelihoods.push(all);
            return Ok(asked.answered());
        }
        let whole = text.chars().count() as u64;
        let mut asked = Asked::default();
        self.echo(text, &Echoed { context: 1, whole }, attempt, &mut asked).await?;
        Ok(asked.answered())
    }

    fn echoed_text<'a>(&self, prompt: &'a Prompt) -> Result<&'a str, ModelError> {
        if self.spec.api == Api::Chat {
            let text =
                "a chat endpoint gives no log-likelihoods of a prompt: use `api: completions`, or `provider: embedded`";
            return Err(ModelError::Unsupported(text.into()));
        }
        match prompt {
            Prompt::Text(text) => Ok(text),
            Prompt::Chat(_) | Prompt::Written(_) => {
                Err(ModelError::Unsupported("a chat needs `api: chat`; this model has `api: completions`".into()))
            }
        }
    }

    async fn echo(
        &self,
        prompt: &str,
        echoed: &Echoed,
        attempt: &Attempt<'_>,
        asked: &mut Asked,
    ) -> Result<(), ModelError> {
        let body = Body {
            model: &self.spec.model,
            prompt: Input::Text(prompt),
            max_tokens: 1,
            temperature: 0.0,
            logprobs: 1,
            echo: true,
            extra: &self.spec.extra_body,
        };
        let tokens = u32::try_from(prompt.len() / 4).unwrap_or(u32::MAX);
        let sent = self.send(&body, tokens, attempt, echoed).await?;
        asked.likelihoods.push(sent.value);
        asked.attempts += sent.attempts;
        asked.latency += sent.latency_ms;
        Ok(())
    }

    async fn echo_part(
        &self,
        part: Part,
        attempt: &Attempt<'_>,
        asked: &mut Asked,
    ) -> Result<LogLikelihood, ModelError> {
        let count = part.tokens.len();
        let echoed = EchoedTokens { context: part.context, whole: count };
        let body = Body {
            model: &self.spec.model,
            prompt: Input::Tokens(part.tokens),
            max_tokens: 1,
            temperature: 0.0,
            logprobs: 1,
            echo: true,
            extra: &self.spec.extra_body,
        };
        let sent = self.send(&body, u32::try_from(count).unwrap_or(u32::MAX), attempt, &echoed).await?;
        asked.attempts += sent.attempts;
        asked.latency += sent.latency_ms;
        Ok(sent.value)
    }
}

/// What several echoes gave and took together.
#[derive(Default)]
struct Asked {
    likelihoods: Vec<LogLikelihood>,
    attempts: u32,
    latency: f64,
}

impl Asked {
    fn answered(self) -> Answered {
        let answer = Answer::LogLikelihoods(self.likelihoods);
        Answered { answer, usage: None, latency_ms: Some(self.latency), ttft_ms: None, attempts: self.attempts }
    }
}

/// Where the context and the whole prompt end, in characters.
struct Echoed {
    context: u64,
    whole: u64,
}

impl Reader for Echoed {
    type Value = LogLikelihood;

    async fn read(&self, response: reqwest::Response, _: Instant) -> Result<LogLikelihood, Failure> {
        let log_probs = read_log_probs(response).await?;
        split(&log_probs, self.context, self.whole)
    }
}

/// Where the context and the whole prompt end, in tokens.
struct EchoedTokens {
    context: usize,
    whole: usize,
}

impl Reader for EchoedTokens {
    type Value = LogLikelihood;

    async fn read(&self, response: reqwest::Response, _: Instant) -> Result<LogLikelihood, Failure> {
        let log_probs = read_log_probs(response).await?;
        split_tokens(&log_probs, self.context, self.whole)
    }
}

fn refused(what: &str) -> Failure {
    Failure::Unsupported(format!("the endpoint cannot score log-likelihoods: {what}").into())
}

/// Sums the tokens between the context's end and that of the prompt; the one that was generated stands behind.
fn split_tokens(log_probs: &LogProbs, context: usize, whole: usize) -> Result<LogLikelihood, Failure> {
    let values = log_probs.token_logprobs.as_ref().ok_or_else(|| refused("it returns no token_logprobs"))?;
    if values.len() != whole && values.len() != whole + 1 {
        return Err(refused("it does not return one number a token of the prompt (`echo` is ignored)"));
    }
    let mut likelihood = LogLikelihood { sum: 0.0, tokens: 0, is_greedy: true };
    for index in context..whole {
        add(log_probs, index, &mut likelihood)?;
    }
    if likelihood.tokens == 0 {
        Err(refused("no token of the continuation is among those returned"))
    } else {
        Ok(likelihood)
    }
}

/// Adds one token.
fn add(log_probs: &LogProbs, index: usize, likelihood: &mut LogLikelihood) -> Result<(), Failure> {
    let value = log_probs.token_logprobs.as_ref().and_then(|values| values.get(index).copied().flatten());
    let value = value.filter(|value| value.is_finite()).ok_or_else(|| refused("a token has no log-probability"))?;
    let best = log_probs.top_logprobs.as_ref().and_then(|all| all.get(index)).and_then(Option::as_ref);
    let best = best.and_then(|tokens| tokens.values().copied().max_by(f64::total_cmp));
    likelihood.is_greedy &= best.is_none_or(|best| value >= best);
    likelihood.sum += value;
    likelihood.tokens += 1;
    Ok(())
}

/// Sums the tokens that begin at or behind the context's end, without the one that was generated.
fn split(log_probs: &LogProbs, context: u64, whole: u64) -> Result<LogLikelihood, Failure> {
    let values = log_probs.token_logprobs.as_ref().ok_or_else(|| refused("it returns no token_logprobs"))?;
    let offsets = log_probs.text_offset.as_ref().ok_or_else(|| refused("it returns no text_offset"))?;
    if values.len() != offsets.len() {
        return Err(refused("its token_logprobs and text_offset differ in length"));
    }
    // The first token of an echoed prompt stands at 0 and has nothing before it.
    if offsets.first() != Some(&0) {
        return Err(refused("it returns the generated tokens only (`echo` is ignored)"));
    }
    let mut likelihood = LogLikelihood { sum: 0.0, tokens: 0, is_greedy: true };
    for (index, _) in offsets.iter().enumerate().filter(|(_, offset)| (context..whole).contains(*offset)) {
        add(log_probs, index, &mut likelihood)?;
    }
    if likelihood.tokens == 0 {
        return Err(refused("no token of the continuation is among those returned"));
    }
    Ok(likelihood)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn log_probs(values: serde_json::Value, offsets: serde_json::Value) -> LogProbs {
        serde_json::from_value(json!({"token_logprobs": values, "text_offset": offsets})).unwrap()
    }

    #[test]
    fn only_the_continuation_counts_and_not_what_was_generated() {
        // "Say hi" + " you": offsets 0, 3 | 6, then a generated token at 10.
        let found = split(&log_probs(json!([null, -1.0, -2.0, -9.0]), json!([0, 3, 6, 10])), 6, 10);
        let found = found.unwrap_or_else(|_| panic!("a likelihood"));
        assert_eq!((found.sum, found.tokens), (-2.0, 1));
    }

    #[test]
    fn tokens_are_counted_from_the_context_to_the_prompts_end() {
        let echoed: LogProbs = serde_json::from_value(json!({"token_logprobs": [null, -1.0, -2.0, -9.0]})).unwrap();
        let found = split_tokens(&echoed, 1, 3).unwrap_or_else(|_| panic!("a likelihood"));
        assert_eq!((found.sum, found.tokens), (-3.0, 2));
        for (context, whole) in [(1, 5), (1, 2), (0, 3), (3, 3)] {
            assert!(split_tokens(&echoed, context, whole).is_err(), "{context} to {whole}");
        }
    }

    #[test]
    fn a_server_that_ignores_echo_is_refused_and_not_believed() {
        let generated_only = split(&log_probs(json!([-0.5]), json!([10])), 6, 10);
        assert!(matches!(generated_only, Err(Failure::Unsupported(_))));
        assert!(matches!(split(&log_probs(json!([null, null]), json!([0, 6])), 6, 10), Err(Failure::Unsupported(_))));
        assert!(matches!(split(&log_probs(json!([null]), json!([0, 6])), 6, 10), Err(Failure::Unsupported(_))));
    }
}
