//! One line of refinements, each in a fresh conversation.
//! Source: P. Chao and others, Jailbreaking Black Box Large Language Models in Twenty Queries, 2023 (arXiv 2310.08419).

use super::attacker::{Line, Outlook, feedback};
use super::hunt::{Hunt, Stop};

/// Until harm, the end of the budget, or an attacker that cannot be read.
pub(super) async fn pair(hunt: &mut Hunt<'_>) -> Result<(), Stop> {
    let mut line = Line::new(hunt.attacker.opening());
    while hunt.left() > 0 {
        let Some(attack) = hunt.attacker.attack(&hunt.talk, &mut line).await? else { return Err(Stop::GaveOut) };
        let shot = hunt.fire_afresh(&attack.prompt).await?;
        line.hear(feedback(&attack.prompt, &shot.reply, shot.reached, Outlook::Afresh));
    }
    Ok(())
}
