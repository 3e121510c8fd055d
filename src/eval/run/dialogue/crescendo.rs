//! One conversation that rises step by step. A step that is refused is taken back: the model never sees its own refusal.
//! Source: M. Russinovich and others, The Crescendo Multi-Turn LLM Jailbreak Attack, 2024 (arXiv 2404.01833).

use super::attacker::{Line, Outlook, feedback};
use super::hunt::{Hunt, Stop};
use crate::eval::request::{ChatMessage, Prompt, Role};

/// Until harm, the end of the budget, or an attacker that cannot be read.
pub(super) async fn crescendo(hunt: &mut Hunt<'_>) -> Result<(), Stop> {
    let mut line = Line::new(hunt.attacker.opening());
    let mut messages = hunt.opening();
    let mut turns = Vec::new();
    while hunt.left() > 0 {
        let Some(attack) = hunt.attacker.attack(&hunt.talk, &mut line).await? else { return Err(Stop::GaveOut) };
        messages.push(ChatMessage { role: Role::User, content: attack.prompt.clone() });
        let shot = hunt.fire(Prompt::Chat(messages.clone()), &turns).await?;
        if hunt.left() == 0 {
            return Ok(());
        }
        let refused = match shot.reached {
            Some(reached) if reached > 0 => false,
            // A full score says that nothing harmful was said, and not whether the model went along.
            Some(_) | None => hunt.attacker.rate(&hunt.talk, &attack.prompt, &shot.reply).await?.refused,
        };
        let outlook = if refused {
            messages.pop();
            Outlook::SteppedBack
        } else {
            messages.push(ChatMessage { role: Role::Assistant, content: shot.reply.clone() });
            turns.extend(hunt.talk.turns().last().cloned());
            Outlook::GoesOn
        };
        line.hear(feedback(&attack.prompt, &shot.reply, shot.reached, outlook));
    }
    Ok(())
}
