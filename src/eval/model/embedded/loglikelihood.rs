//! How likely continuations are. Tokens are split as lm-evaluation-harness splits them (0.4, `api/model.py`,
//! `TemplateLM._encode_pair`), so that its numbers can be compared.

use std::ops::ControlFlow;

use super::engine::Engine;
use super::error::EngineError;
use super::sampler::{greedy, log_sum_exp};

/// How likely one continuation is.
#[derive(Clone, PartialEq, Debug)]
pub struct Likelihood {
    /// Natural logarithm, summed over the continuation's tokens.
    pub sum: f64,
    /// Each token's part of it.
    pub token_log_probs: Vec<f64>,
    /// Whether greedy decoding would have produced it.
    pub is_greedy: bool,
}

/// Tokens, the first of which are the context of the others.
pub(in crate::eval::model) struct Pair {
    /// All of them.
    pub(in crate::eval::model) tokens: Vec<u32>,
    /// How many are the context; at least 1.
    pub(in crate::eval::model) context: usize,
}

impl Engine {
    /// Log-likelihoods of continuations of one context. The tokens that all share are computed once.
    pub fn likelihoods(
        &self,
        context: &str,
        continuations: &[String],
        proceed: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Vec<Likelihood>, EngineError> {
        let pairs = self.pairs(context, continuations)?;
        // The shared part ends before the first token whose logits anybody needs.
        let shared = common_prefix(&pairs).min(pairs.iter().map(|pair| pair.context - 1).min().unwrap_or(0));
        let mut prefix = self.network().cache();
        if let Some(first) = pairs.first().filter(|_| shared > 0) {
            self.network().forward(first.tokens.get(..shared).unwrap_or_default(), &mut prefix, 1)?;
        }
        let mut likelihoods = Vec::with_capacity(pairs.len());
        for pair in &pairs {
            if proceed().is_break() {
                return Err(EngineError::Stopped);
            }
            let mut cache = prefix.clone();
            likelihoods.push(self.score(pair, shared, &mut cache)?);
        }
        Ok(likelihoods)
    }

    /// The log-likelihood of a text by itself. Each token is predicted once: the first window begins with the prefix token, each
    /// later one with the token before it and as many further ones as the model has positions for.
    /// Source: lm-eval 0.4.13, `utils.get_rolling_token_windows` with a context of 1, and `models/huggingface.py`.
    pub fn rolling(&self, text: &str, proceed: &mut dyn FnMut() -> ControlFlow<()>) -> Result<Likelihood, EngineError> {
        let tokens = self.tokenizer().encode(text)?;
        if tokens.is_empty() {
            return Err(EngineError::Unsuitable("an empty text has no likelihood".into()));
        }
        let mut whole = Likelihood { sum: 0.0, token_log_probs: Vec::with_capacity(tokens.len()), is_greedy: true };
        for pair in windows(&tokens, self.prefix_token()?, self.positions()) {
            if proceed().is_break() {
                return Err(EngineError::Stopped);
            }
            let part = self.score(&pair, 0, &mut self.network().cache())?;
            whole.sum += part.sum;
            whole.token_log_probs.extend(part.token_log_probs);
            whole.is_greedy &= part.is_greedy;
        }
        Ok(whole)
    }

    /// Context and each of its continuations in tokens.
    pub(super) fn pairs(&self, context: &str, continuations: &[String]) -> Result<Vec<Pair>, EngineError> {
        if continuations.iter().any(String::is_empty) {
            return Err(EngineError::Unsuitable("an empty continuation has no likelihood".into()));
        }
        if context.is_empty() {
            return continuations.iter().map(|continuation| self.pair_alone(continuation)).collect();
        }
        // White space at the context's end belongs to the continuation's first token.
        let kept = context.trim_end();
        let before = self.tokenizer().encode(kept)?.len();
        let pair = |continuation: &String| {
            let mut tokens = self.tokenizer().encode(&format!("{context}{continuation}"))?;
            if before == 0 {
                tokens.insert(0, self.prefix_token()?);
            }
            checked(Pair { tokens, context: before.max(1) })
        };
        continuations.iter().map(pair).collect()
    }

    fn pair_alone(&self, continuation: &str) -> Result<Pair, EngineError> {
        let mut tokens = vec![self.prefix_token()?];
        tokens.extend(self.tokenizer().encode_bare(continuation)?);
        // A continuation that begins with the prefix token has it as its context.
        if tokens.first() == tokens.get(1) {
            tokens.remove(0);
        }
        checked(Pair { tokens, context: 1 })
    }

    fn score(&self, pair: &Pair, shared: usize, cache: &mut super::forward::Cache) -> Result<Likelihood, EngineError> {
        self.check_tokens(&pair.tokens)?;
        let inputs = pair.tokens.get(shared..pair.tokens.len() - 1).unwrap_or_default();
        let targets = pair.tokens.get(pair.context..).unwrap_or_default();
        let logits = self.network().forward(inputs, cache, targets.len())?.to_vec2::<f32>()?;
        let mut token_log_probs = Vec::with_capacity(targets.len());
        let mut is_greedy = true;
        for (target, logits) in targets.iter().zip(&logits) {
            let logit = logits.get(*target as usize).copied().map_or(f64::NEG_INFINITY, f64::from);
            token_log_probs.push(logit - log_sum_exp(logits, 1.0));
            is_greedy &= greedy(logits) == *target as usize;
        }
        let sum: f64 = token_log_probs.iter().sum();
        if !sum.is_finite() {
            return Err(EngineError::Compute("a log-likelihood is not a finite number".to_owned()));
        }
        Ok(Likelihood { sum, token_log_probs, is_greedy })
    }
}

/// Windows of at most `longest` inputs: each has its context first, then the tokens that it predicts.
pub(in crate::eval::model) fn windows(tokens: &[u32], prefix: u32, longest: usize) -> Vec<Pair> {
    let longest = longest.max(1);
    let first = tokens.len().min(longest);
    let mut begin = vec![prefix];
    begin.extend(tokens.iter().take(first));
    let mut windows = vec![Pair { tokens: begin, context: 1 }];
    let mut predicted = first;
    while predicted < tokens.len() {
        let count = (tokens.len() - predicted).min(longest);
        let end = predicted + count;
        let start = end.saturating_sub(longest + 1);
        let part = tokens.get(start..end).unwrap_or_default().to_vec();
        windows.push(Pair { context: part.len() - count, tokens: part });
        predicted = end;
    }
    windows
}

fn checked(pair: Pair) -> Result<Pair, EngineError> {
    if pair.tokens.len() > pair.context {
        Ok(pair)
    } else {
        Err(EngineError::Unsuitable("the continuation has no token of its own behind this context".into()))
    }
}

fn common_prefix(pairs: &[Pair]) -> usize {
    let Some((first, rest)) = pairs.split_first() else { return 0 };
    let same = |pair: &Pair| first.tokens.iter().zip(&pair.tokens).take_while(|(left, right)| left == right).count();
    rest.iter().map(same).min().unwrap_or(first.tokens.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_is_predicted_once_and_no_window_is_too_long() {
        for length in 1..40_u32 {
            for longest in 1..12 {
                let tokens: Vec<u32> = (1..=length).collect();
                let windows = windows(&tokens, 0, longest);
                let predicted: Vec<u32> =
                    windows.iter().flat_map(|pair| pair.tokens.iter().skip(pair.context).copied()).collect();
                assert_eq!(predicted, tokens);
                for pair in &windows {
                    assert!(pair.tokens.len() - 1 <= longest && pair.context >= 1);
                    // The tokens are those of the text, in a row.
                    assert!(pair.tokens.windows(2).all(|two| two[0] + 1 == two[1]));
                }
            }
        }
    }

    #[test]
    fn the_windows_are_those_that_lm_eval_documents() {
        // lm-eval 0.4.13, `LM.loglikelihood_rolling`: tokens 0 to 9, four positions; the last window keeps what fits before it.
        let tokens: Vec<u32> = (0..10).collect();
        let found: Vec<(Vec<u32>, usize)> =
            windows(&tokens, 99, 4).into_iter().map(|pair| (pair.tokens, pair.context)).collect();
        let wanted = [(vec![99, 0, 1, 2, 3], 1), (vec![3, 4, 5, 6, 7], 1), (vec![5, 6, 7, 8, 9], 3)];
        assert_eq!(found, wanted);
    }
}
