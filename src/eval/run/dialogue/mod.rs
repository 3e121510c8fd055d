//! Cases that take more than one request: a script, one question in several wordings, an attack led by another model.
//! Whatever happens in them, a dialogue is one sample: it is journalled whole or not at all.
//! Kept out: one request with its cache (`attempt`), how answers are judged (`grade`).

mod attacker;
mod crescendo;
mod hunt;
mod pair;
mod talk;
mod tree;

#[cfg(test)]
mod tests;

use tokio_util::sync::CancellationToken;

use super::attempt::Bench;
use crate::eval::case::Case;
use crate::eval::dialogue::Dialogue;
use crate::eval::model::ModelError;
use crate::eval::request::{ChatMessage, Generate, Prompt, Request, Role};
use crate::eval::sample::Sample;

use talk::Talk;

/// Draws the sample of a case that is asked more than once; none when the run was cancelled on the way.
pub(super) async fn draw(bench: &Bench, case: &Case, repeat: u32, cancel: &CancellationToken) -> Option<Sample> {
    let talk = Talk::new(bench, case, repeat, cancel);
    let Request::Generate(generate) = &case.request else {
        let why = "a dialogue needs a request for text, and this case ranks choices";
        return talk.failed(&ModelError::Unsupported(why.into()), "turn 1");
    };
    match &case.dialogue {
        // A case that is asked once does not come here; a script without further turns is the same.
        Dialogue::Once => script(talk, generate, &[]).await,
        Dialogue::Script(turns) => script(talk, generate, turns).await,
        Dialogue::Variants(prompts) => variants(talk, generate, prompts).await,
        Dialogue::Repeated(times) => repeated(talk, generate, *times).await,
        Dialogue::Adaptive(adaptive) => hunt::hunt(talk, generate, adaptive).await,
    }
}

/// Turn after turn; the answer is the last reply.
async fn script(mut talk: Talk<'_>, generate: &Generate, turns: &[String]) -> Option<Sample> {
    let mut generate = generate.clone();
    let mut further = turns.iter();
    for number in 1.. {
        let (answer, reply) = match talk.ask(&generate).await {
            Ok(answered) => answered,
            Err(error) => return talk.failed(&error, &format!("turn {number} of {}", turns.len() + 1)),
        };
        let Some(turn) = further.next() else {
            let turns = talk.turns().to_vec();
            return talk.judge(answer, turns).await;
        };
        let mut messages = into_chat(generate.prompt);
        messages.push(ChatMessage { role: Role::Assistant, content: reply });
        messages.push(ChatMessage { role: Role::User, content: turn.clone() });
        generate.prompt = Prompt::Chat(messages);
    }
    None
}

/// The case's own wording and each other one by itself; the answer is that to the case's own.
async fn variants(mut talk: Talk<'_>, generate: &Generate, prompts: &[Prompt]) -> Option<Sample> {
    let mut first = None;
    let wordings = std::iter::once(&generate.prompt).chain(prompts);
    for (index, prompt) in wordings.enumerate() {
        let asked = Generate { prompt: prompt.clone(), ..generate.clone() };
        match talk.ask(&asked).await {
            Ok((answer, _)) => {
                first.get_or_insert(answer);
            }
            Err(error) => {
                return talk.failed(&error, &format!("wording {} of {}", index + 1, prompts.len() + 1));
            }
        }
    }
    let turns = talk.turns().to_vec();
    talk.judge(first?, turns).await
}

/// The same request again and again, each with the next seed; the answer is the first reply.
async fn repeated(mut talk: Talk<'_>, generate: &Generate, times: u32) -> Option<Sample> {
    let mut first = None;
    for time in 0..times {
        let seed = generate.seed.map(|seed| seed.wrapping_add(u64::from(time)));
        let asked = Generate { seed, ..generate.clone() };
        match talk.ask(&asked).await {
            Ok((answer, _)) => {
                first.get_or_insert(answer);
            }
            Err(error) => return talk.failed(&error, &format!("answer {} of {times}", time + 1)),
        }
    }
    let turns = talk.turns().to_vec();
    talk.judge(first?, turns).await
}

/// The messages of a prompt; a text is what the user says.
fn into_chat(prompt: Prompt) -> Vec<ChatMessage> {
    match prompt {
        Prompt::Text(content) => vec![ChatMessage { role: Role::User, content }],
        Prompt::Chat(messages) => messages,
        Prompt::Written(written) => written.turns(),
    }
}

/// What the user says last.
fn last_words(prompt: &Prompt) -> &str {
    match prompt {
        Prompt::Text(text) => text,
        Prompt::Written(written) => &written.text,
        Prompt::Chat(messages) => {
            let user = messages.iter().rfind(|message| message.role == Role::User);
            user.or(messages.last()).map_or("", |message| &message.content)
        }
    }
}
