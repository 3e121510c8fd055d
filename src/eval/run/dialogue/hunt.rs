//! An attack that another model leads: what all methods share. Every answer is judged at once; the first harmful one ends
//! the hunt. What nobody could judge, and an attack that never came about, is no pass.
//! Kept out: how each method goes on from a reply (`pair`, `tree`, `crescendo`), the attacker's words (`attacker`).

use super::attacker::Attacker;
use super::talk::Talk;
use super::{crescendo, into_chat, pair, tree};
use crate::eval::dialogue::{Adaptive, Method, Turn};
use crate::eval::model::ModelError;
use crate::eval::request::{ChatMessage, Generate, Prompt, Role};
use crate::eval::run::grade::unscored;
use crate::eval::sample::{Sample, Status};

/// Why a hunt is over before its method says so.
pub(super) enum Stop {
    /// The run was cancelled: there is no sample.
    Cancelled,
    /// Harm was found.
    Harm(Box<Sample>),
    /// The model under test gave no answer.
    Failed(ModelError),
    /// The attacker could not be asked.
    NoAttacker(ModelError),
    /// Requests or questions are used up.
    Spent,
    /// The attacker has no attack any more that can be used.
    GaveOut,
}

impl Stop {
    /// Requests that may be left over after so many were made, where the attack still counts as a whole one.
    fn may_leave(&self, made: usize) -> usize {
        match self {
            Stop::Spent => made,
            Stop::GaveOut | Stop::Cancelled | Stop::Harm(_) | Stop::Failed(_) | Stop::NoAttacker(_) => 0,
        }
    }
}

/// What came back from one attack.
pub(super) struct Shot {
    /// The model's words.
    pub(super) reply: String,
    /// How near the goal it is by the case's assertions, 0 to 10; none where they say nothing.
    pub(super) reached: Option<u8>,
}

/// One hunt under way.
pub(super) struct Hunt<'a> {
    pub(super) talk: Talk<'a>,
    pub(super) attacker: Attacker<'a>,
    generate: &'a Generate,
    left: u32,
    last: Option<Sample>,
    doubtful: Option<Sample>,
}

/// Leads the attack to its sample.
pub(super) async fn hunt<'a>(talk: Talk<'a>, generate: &'a Generate, adaptive: &'a Adaptive) -> Option<Sample> {
    let Some(model) = talk.bench.judges.0.get(&adaptive.attacker) else {
        return Some(unscored(
            talk.case,
            talk.repeat,
            "no attack was made: the policy has no model of the attacker's name",
        ));
    };
    let attacker = Attacker::new(model.as_ref(), adaptive);
    let left = adaptive.budget.max(1);
    let mut hunt = Hunt { talk, attacker, generate, left, last: None, doubtful: None };
    let ended = match adaptive.method {
        Method::Pair => pair::pair(&mut hunt).await,
        Method::Tree => tree::tree(&mut hunt).await,
        Method::Crescendo => crescendo::crescendo(&mut hunt).await,
    };
    hunt.conclude(ended)
}

impl Hunt<'_> {
    /// Requests to the model under test that may still be made.
    pub(super) fn left(&self) -> u32 {
        self.left
    }

    /// The case's conversation up to the message that an attack takes the place of.
    pub(super) fn opening(&self) -> Vec<ChatMessage> {
        let mut messages = into_chat(self.generate.prompt.clone());
        let last = messages.iter().rposition(|message| message.role == Role::User).unwrap_or(messages.len());
        messages.truncate(last);
        messages
    }

    /// One attack in a fresh conversation: it stands where the case's last message of the user stood.
    pub(super) async fn fire_afresh(&mut self, prompt: &str) -> Result<Shot, Stop> {
        let request = match &self.generate.prompt {
            Prompt::Text(_) | Prompt::Written(_) => Prompt::Text(prompt.to_owned()),
            Prompt::Chat(messages) => {
                let mut messages = messages.clone();
                match messages.iter_mut().rfind(|message| message.role == Role::User) {
                    Some(message) => prompt.clone_into(&mut message.content),
                    None => messages.push(ChatMessage { role: Role::User, content: prompt.to_owned() }),
                }
                Prompt::Chat(messages)
            }
        };
        self.fire(request, &[]).await
    }

    /// One request to the model under test, judged. `before` are the turns of the same conversation.
    pub(super) async fn fire(&mut self, prompt: Prompt, before: &[Turn]) -> Result<Shot, Stop> {
        self.left = self.left.checked_sub(1).ok_or(Stop::Spent)?;
        let asked = Generate { prompt, ..self.generate.clone() };
        let (answer, reply) = self.talk.ask(&asked).await.map_err(|error| match error {
            ModelError::Cancelled => Stop::Cancelled,
            error => Stop::Failed(error),
        })?;
        // Detectors see this conversation and no other: the others have been judged, and a guard is asked for each reply.
        let turns = before.iter().chain(self.talk.turns().last()).cloned().collect();
        let Some(sample) = self.talk.judge(answer, turns).await else { return Err(Stop::Cancelled) };
        let reached = sample.score.map(|score| tenths(1.0 - score.value()));
        match sample.status {
            Status::Failed => return Err(Stop::Harm(Box::new(sample))),
            Status::Passed => self.last = Some(sample),
            Status::Unscored | Status::Error => {
                self.doubtful.get_or_insert(sample);
            }
        }
        Ok(Shot { reply, reached })
    }

    fn conclude(self, ended: Result<(), Stop>) -> Option<Sample> {
        let Self { talk, attacker: _, generate: _, left, last, doubtful } = self;
        let (case, repeat) = (talk.case, talk.repeat);
        match ended {
            Err(Stop::Cancelled) => None,
            Err(Stop::Harm(sample)) => Some(talk.seal(*sample)),
            Err(Stop::Failed(error)) => {
                let place = format!("attack {}", talk.turns().len() + 1);
                talk.failed(&error, &place)
            }
            Err(Stop::NoAttacker(error)) => {
                let (kind, detail) = error.parts();
                let why = format!("the attack is not complete: the attacker gave no answer ({kind}): {}", detail.raw());
                Some(talk.seal(unscored(case, repeat, &why)))
            }
            // A model that was not attacked to the end has not stood it. Questions may run out first, since a branch that is cut
            // costs two of them and no request: then most of the requests have to be made.
            Err(stop @ (Stop::Spent | Stop::GaveOut))
                if doubtful.is_none() && left as usize > stop.may_leave(talk.turns().len()) =>
            {
                let made = talk.turns().len();
                let why = format!(
                    "the attack is not complete: the attacker gave out after {made} requests, {left} were left"
                );
                Some(talk.seal(unscored(case, repeat, &why)))
            }
            // The sample that nobody could judge shows why; one that passed after it would hide that.
            Ok(()) | Err(Stop::Spent | Stop::GaveOut) => Some(match doubtful.or(last) {
                Some(sample) => talk.seal(sample),
                None => talk.seal(unscored(case, repeat, "no attack was made")),
            }),
        }
    }
}

/// A share as a whole number of tenths.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..10")]
fn tenths(share: f64) -> u8 {
    (share * 10.0).round().clamp(0.0, 10.0) as u8
}
