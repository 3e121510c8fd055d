//! Whether two answers to one request say the same, by a model that judges. The judge's own rules hold: material in a fence
//! that it cannot close, a check word, a strict reply.
//! Kept out: which requests are asked, and of whom (`commands`).

use tokio_util::sync::CancellationToken;

use super::ask::Frame;
use super::fence::Material;
use super::judge::{Canaries, grade, text_of};
use crate::eval::model::Model;
use crate::eval::request::Prompt;
use crate::gate::Score;
use crate::trust::Untrusted;

const RUBRIC: &str = "The material shows a request, a first answer to it, and then the answer to be graded. The score says how \
far the graded answer says the same as the first one: 1 where a reader learns the same from both, whatever the words; 0 where \
it contradicts the first one, leaves its point out, or refuses where the first one does not (or the other way round).";

/// The likeness of a second answer to a first one, 0 to 1; or why the judge gave none, which may quote it.
pub async fn alike(
    judge: &dyn Model,
    request: &Prompt,
    first: &str,
    second: &str,
    cancel: &CancellationToken,
) -> Result<Score, Untrusted> {
    let question = format!("Request:\n{}\n\nFirst answer:\n{first}", text_of(request));
    let id = Untrusted::new("comparison");
    let frame = Frame { suite: "shadow", case: &id, cancel };
    let material = Material { rubric: RUBRIC, question: &question, answer: second };
    match grade(judge, frame, material, Canaries::On).await {
        Ok(verdict) => Ok(verdict.score),
        Err(silence) => Err(silence.why().into()),
    }
}
