//! How a question and what stands before it are put to a model: as one text, or as a chat. Source: lm-eval 0.4.13, `api/utils.py`
//! (`Message`, `multiturn_to_singleturn`) and `fewshot_context`. Kept out: what the parts say (`wording`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wording::delimited;
use crate::eval::request::{ChatMessage, Prompt, Role};

/// How tasks of lm-eval are put to a model: `lm_eval:` of the policy. The names are those of lm-eval's own options.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaskChat {
    /// Each question is a chat: the examples and the question are one message of the user, and the model's own template makes a
    /// text of it. Off by default, as there.
    pub apply_chat_template: bool,
    /// The message of the system, before a task's own `description`; without a chat it stands before the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_instruction: Option<String>,
    /// Each example is a turn of the user and one of the assistant. With `apply_chat_template` only.
    pub fewshot_as_multiturn: bool,
}

/// A part of what is asked, and what follows it where all is one text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Turn {
    pub(super) role: Role,
    pub(super) content: String,
    pub(super) delimiter: String,
}

impl Turn {
    pub(super) fn new(role: Role, content: impl Into<String>, delimiter: impl Into<String>) -> Self {
        Self { role, content: content.into(), delimiter: delimiter.into() }
    }

    fn is_answer(&self) -> bool {
        self.role == Role::Assistant
    }
}

/// All turns as one text.
pub(super) fn text(turns: &[Turn]) -> String {
    turns.iter().flat_map(|turn| [turn.content.as_str(), turn.delimiter.as_str()]).collect()
}

impl TaskChat {
    /// The system's instruction and a task's description.
    pub(super) fn system(&self, description: &str, delimiter: &str) -> Option<Turn> {
        let all = delimited(self.system_instruction.as_deref().unwrap_or_default(), description, delimiter);
        (!all.is_empty()).then(|| Turn::new(Role::System, all, ""))
    }

    /// What stands between a question and a choice: the model's template has its own space there.
    pub(super) fn target_delimiter<'a>(&self, own: &'a str) -> &'a str {
        if self.apply_chat_template { "" } else { own }
    }

    /// The prompt of turns that end with the question.
    pub(super) fn prompt(&self, turns: &[Turn]) -> Result<Prompt, String> {
        if !self.apply_chat_template {
            return Ok(Prompt::Text(text(turns)));
        }
        if turns.last().is_none_or(Turn::is_answer) {
            let why = "`gen_prefix` begins the answer, which a chat leaves to the model: leave `lm_eval.apply_chat_template` out, or run \
                       lm_eval itself with `harness: lm_eval` in the policy";
            return Err(why.to_owned());
        }
        let message = |turn: &Turn| ChatMessage { role: turn.role, content: turn.content.clone() };
        if self.fewshot_as_multiturn {
            return Ok(Prompt::Chat(turns.iter().map(message).collect()));
        }
        let (system, rest) = match turns.split_first() {
            Some((first, rest)) if first.role == Role::System => (Some(first), rest),
            Some(_) | None => (None, turns),
        };
        // What follows the last turn follows nothing.
        let mut joined = text(rest);
        let last = rest.last().map_or(0, |turn| turn.delimiter.len());
        joined.truncate(joined.len() - last);
        let user = ChatMessage { role: Role::User, content: joined };
        Ok(Prompt::Chat(system.map(message).into_iter().chain([user]).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns() -> Vec<Turn> {
        vec![
            Turn::new(Role::System, "Be brief.", ""),
            Turn::new(Role::User, "1+1?", " "),
            Turn::new(Role::Assistant, "2", "\n\n"),
            Turn::new(Role::User, "2+2?", ""),
        ]
    }

    fn said(prompt: &Prompt) -> Vec<(Role, &str)> {
        match prompt {
            Prompt::Chat(messages) => messages.iter().map(|message| (message.role, message.content.as_str())).collect(),
            Prompt::Text(_) | Prompt::Written(_) => Vec::new(),
        }
    }

    #[test]
    fn a_chat_has_the_examples_in_one_turn_or_in_their_own() {
        let plain = TaskChat::default();
        assert_eq!(plain.prompt(&turns()), Ok(Prompt::Text("Be brief.1+1? 2\n\n2+2?".to_owned())));
        let single = TaskChat { apply_chat_template: true, ..plain.clone() };
        let found = single.prompt(&turns()).unwrap();
        assert_eq!(said(&found), [(Role::System, "Be brief."), (Role::User, "1+1? 2\n\n2+2?")]);
        let several = TaskChat { fewshot_as_multiturn: true, ..single.clone() };
        let found = several.prompt(&turns()).unwrap();
        let roles = [Role::System, Role::User, Role::Assistant, Role::User];
        assert_eq!(said(&found).iter().map(|(role, _)| *role).collect::<Vec<_>>(), roles);
        let mut open = turns();
        open.push(Turn::new(Role::Assistant, "It is", ""));
        assert!(single.prompt(&open).is_err() && plain.prompt(&open).is_ok());
    }

    #[test]
    fn an_instruction_stands_before_the_description() {
        let with = TaskChat { system_instruction: Some("Be brief.".to_owned()), ..TaskChat::default() };
        assert_eq!(with.system("Sums:", "\n\n").unwrap().content, "Be brief.\n\nSums:");
        assert_eq!(TaskChat::default().system("", "\n\n"), None);
    }
}
