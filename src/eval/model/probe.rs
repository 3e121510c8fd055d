//! Whether a model can say how likely a given text is, found out with one request before a suite of them is asked. Servers differ, and
//! their names say nothing: the answer itself is looked at.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{Answered, Attempt, Model, ModelError};
use crate::eval::request::{Answer, Prompt, RankChoices, Request};
use crate::trust::Untrusted;

/// How long the one request may take, retries included.
const PATIENCE: Duration = Duration::from_secs(60);
/// What to do where it cannot.
const ADVICE: &str = "vLLM, SGLang and OpenAI's babbage-002 and davinci-002 echo a prompt with log-probabilities at \
                      /v1/completions; llama.cpp's server and chat endpoints do not: use `provider: embedded` there";

/// Asks for one log-likelihood. Models other than endpoints compute it themselves, or have recorded it, and are not asked.
///
/// # Errors
///
/// What the model said, with advice where it cannot do this at all.
pub async fn probe_log_likelihoods(model: &dyn Model, cancel: &CancellationToken) -> Result<(), ModelError> {
    if model.identity().provider != "openai" {
        return Ok(());
    }
    let rank = RankChoices {
        prompt: Prompt::Text("One and one is".to_owned()),
        continuations: vec![" two".to_owned()],
        alone: Vec::new(),
    };
    let request = Request::RankChoices(rank);
    let case = Untrusted::new("probe of log-likelihoods");
    let attempt = Attempt { suite: "probe", case: &case, repeat: 0, deadline: Instant::now() + PATIENCE, cancel };
    match model.answer(&request, attempt).await {
        Ok(Answered { answer: Answer::LogLikelihoods(all), .. }) if all.len() == 1 => Ok(()),
        Ok(_) => Err(ModelError::Malformed("an answer that is no log-likelihood".into())),
        Err(ModelError::Unsupported(why)) => {
            Err(ModelError::Unsupported(Untrusted::new(format!("{}; {ADVICE}", why.raw()))))
        }
        Err(error) => Err(error),
    }
}
