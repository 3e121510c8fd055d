//! What a guard or judge looks at: each reply of the model, with the conversation that it stands in.
//! Kept out: how a guard writes a conversation down (`guard`), how a judge's material is fenced (`fence`).

use super::Subject;
use crate::eval::dialogue::{Adaptive, Dialogue, Method, Turn};
use crate::eval::request::{Answer, ChatMessage, Prompt, Role};

/// A conversation up to one reply of the model. It begins with the user, user and assistant take turns, and the last message
/// is the reply: chat templates of guards refuse anything else.
pub(super) struct Exchange(Vec<ChatMessage>);

impl Exchange {
    /// The messages.
    pub(super) fn messages(&self) -> &[ChatMessage] {
        &self.0
    }

    /// The reply that is judged.
    pub(super) fn reply(&self) -> &str {
        self.0.last().map(|message| message.content.as_str()).unwrap_or_default()
    }

    /// What the reply answers: the one question, or the conversation before it with its speakers. `written` is how each
    /// message is put on paper.
    pub(super) fn question(&self, written: impl Fn(&str) -> String) -> String {
        match self.0.split_last().map(|(_, before)| before).unwrap_or_default() {
            [only] => written(&only.content),
            before => {
                let line = |message: &ChatMessage| format!("({}) {}", speaker(message.role), written(&message.content));
                before.iter().map(line).collect::<Vec<_>>().join("\n\n")
            }
        }
    }
}

fn speaker(role: Role) -> &'static str {
    match role {
        Role::System | Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// Every reply with what came before it, in order.
pub(super) fn exchanges(subject: &Subject<'_>) -> Result<Vec<Exchange>, &'static str> {
    let request = match subject.case.request.prompt() {
        Prompt::Text(text) => vec![ChatMessage { role: Role::User, content: text.clone() }],
        Prompt::Chat(messages) => messages.clone(),
        Prompt::Written(written) => written.turns(),
    };
    if subject.turns.is_empty() {
        return match subject.answer {
            Answer::Completion(completion) => Ok(vec![closed(request, completion.text.raw())]),
            Answer::LogLikelihoods(_) | Answer::Embedding(_) => Err("the answer is no text"),
        };
    }
    let flow = match &subject.case.dialogue {
        Dialogue::Once | Dialogue::Script(_) | Dialogue::Adaptive(Adaptive { method: Method::Crescendo, .. }) => {
            Flow::On
        }
        Dialogue::Variants(_)
        | Dialogue::Repeated(_)
        | Dialogue::Adaptive(Adaptive { method: Method::Pair | Method::Tree, .. }) => Flow::Afresh,
    };
    Ok(of_turns(request, subject.turns, flow))
}

/// Whether a turn goes on from the one before it, or begins afresh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flow {
    On,
    Afresh,
}

fn of_turns(request: Vec<ChatMessage>, turns: &[Turn], flow: Flow) -> Vec<Exchange> {
    let mut before = request;
    // The turns hold the user's last message themselves.
    before.pop_if(|message| message.role == Role::User);
    let mut all = Vec::with_capacity(turns.len());
    for turn in turns {
        let mut messages = before.clone();
        messages.push(ChatMessage { role: Role::User, content: turn.prompt.raw().to_owned() });
        match flow {
            Flow::On => {
                before.clone_from(&messages);
                before.push(ChatMessage { role: Role::Assistant, content: turn.reply.raw().to_owned() });
            }
            Flow::Afresh => {}
        }
        all.push(closed(messages, turn.reply.raw()));
    }
    all
}

/// Makes user and assistant take turns, and ends with the reply. Instructions of the system are no part of a conversation
/// that is judged, unless there is nothing else; what an assistant says before any user is the suite's, and left out.
fn closed(messages: Vec<ChatMessage>, reply: &str) -> Exchange {
    let only_system = messages.iter().all(|message| message.role == Role::System);
    let mut turns: Vec<ChatMessage> = Vec::new();
    for mut message in messages {
        match message.role {
            Role::System if only_system => message.role = Role::User,
            Role::System => continue,
            Role::Assistant if turns.is_empty() => continue,
            Role::User | Role::Assistant => {}
        }
        match turns.last_mut() {
            Some(last) if last.role == message.role => {
                last.content.push_str("\n\n");
                last.content.push_str(&message.content);
            }
            Some(_) | None => turns.push(message),
        }
    }
    // A request that ends with the beginning of an answer: the reply goes on from it.
    match turns.last_mut() {
        Some(last) if last.role == Role::Assistant => last.content.push_str(reply),
        Some(_) => turns.push(ChatMessage { role: Role::Assistant, content: reply.to_owned() }),
        None => {
            turns.push(ChatMessage { role: Role::User, content: String::new() });
            turns.push(ChatMessage { role: Role::Assistant, content: reply.to_owned() });
        }
    }
    Exchange(turns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: Role, content: &str) -> ChatMessage {
        ChatMessage { role, content: content.to_owned() }
    }

    #[test]
    fn user_and_assistant_always_take_turns_and_the_reply_is_last() {
        use Role::{Assistant, System, User};
        let table: [(&[Role], &[Role]); 7] = [
            (&[User], &[User, Assistant]),
            (&[System, User], &[User, Assistant]),
            (&[User, User], &[User, Assistant]),
            (&[Assistant, User], &[User, Assistant]),
            (&[User, Assistant, User], &[User, Assistant, User, Assistant]),
            (&[System], &[User, Assistant]),
            (&[], &[User, Assistant]),
        ];
        for (given, expected) in table {
            let exchange = closed(given.iter().map(|role| message(*role, "x")).collect(), "reply");
            let roles: Vec<Role> = exchange.messages().iter().map(|message| message.role).collect();
            assert_eq!(roles, expected, "{given:?}");
            assert_eq!(exchange.reply(), "reply");
        }
    }

    #[test]
    fn a_reply_that_goes_on_from_a_given_beginning_is_judged_with_it() {
        let exchange = closed(vec![message(Role::User, "How?"), message(Role::Assistant, "Sure, ")], "first you");
        assert_eq!(exchange.reply(), "Sure, first you");
    }

    #[test]
    fn every_reply_of_a_dialogue_is_judged_with_what_came_before_it() {
        let turn = |number: u32| Turn { prompt: format!("ask {number}").into(), reply: format!("say {number}").into() };
        let request = vec![message(Role::System, "Be brief."), message(Role::User, "ask 1")];
        let turns = [turn(1), turn(2), turn(3)];
        let shown = |flow| {
            let exchanges = of_turns(request.clone(), &turns, flow);
            let line = |exchange: &Exchange| {
                exchange.messages().iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join(", ")
            };
            exchanges.iter().map(line).collect::<Vec<_>>()
        };
        let script = ["ask 1, say 1", "ask 1, say 1, ask 2, say 2", "ask 1, say 1, ask 2, say 2, ask 3, say 3"];
        assert_eq!(shown(Flow::On), script);
        assert_eq!(shown(Flow::Afresh), ["ask 1, say 1", "ask 2, say 2", "ask 3, say 3"]);
    }

    #[test]
    fn a_single_question_is_itself_and_a_longer_one_names_its_speakers() {
        let one = closed(vec![message(Role::User, "How?")], "So.");
        assert_eq!(one.question(str::to_owned), "How?");
        let more = vec![message(Role::User, "a"), message(Role::Assistant, "b"), message(Role::User, "c")];
        assert_eq!(closed(more, "d").question(str::to_uppercase), "(user) A\n\n(assistant) B\n\n(user) C");
    }
}
