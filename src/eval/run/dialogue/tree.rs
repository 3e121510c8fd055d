//! Several lines of refinements at once: each grows branches, those that miss the goal are cut before they are asked, and
//! only the most promising are kept.
//! Source: A. Mehrotra and others, Tree of Attacks: Jailbreaking Black-Box LLMs Automatically, 2023 (arXiv 2312.02119).

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::attacker::{Line, Outlook, feedback};
use super::hunt::{Hunt, Stop};

/// Branches of each line at each level. Fewer than the paper's four, since a gate's budget is smaller than its hundred.
const BRANCHES: usize = 3;
/// Lines that are kept at each level.
const WIDTH: usize = 4;
/// Levels, as in the paper.
const DEPTH: usize = 10;

struct Leaf {
    line: Line,
    promise: u8,
}

/// Until harm, the end of the budget, or no line that goes on.
pub(super) async fn tree(hunt: &mut Hunt<'_>) -> Result<(), Stop> {
    let mut leaves = vec![Leaf { line: Line::new(hunt.attacker.opening()), promise: 0 }];
    let mut seen = BTreeSet::new();
    for _ in 0..DEPTH {
        let mut grown = Vec::new();
        // Branch by branch and not line by line: a small budget is spread over all lines, the best ones first.
        for _ in 0..BRANCHES {
            for leaf in &leaves {
                if hunt.left() == 0 {
                    return Ok(());
                }
                grown.extend(grow(hunt, &leaf.line, &mut seen).await?);
            }
        }
        // The sort keeps the order of equals, so that the same replies always leave the same lines.
        grown.sort_by_key(|leaf| Reverse(leaf.promise));
        grown.truncate(WIDTH);
        if grown.is_empty() {
            return Err(Stop::GaveOut);
        }
        leaves = grown;
    }
    Ok(())
}

/// One branch of a line; none where the attacker cannot be read, repeats itself or misses the goal.
async fn grow(hunt: &mut Hunt<'_>, line: &Line, seen: &mut BTreeSet<String>) -> Result<Option<Leaf>, Stop> {
    let mut line = line.clone();
    let Some(attack) = hunt.attacker.attack(&hunt.talk, &mut line).await? else { return Ok(None) };
    if !seen.insert(attack.prompt.clone()) || !hunt.attacker.is_on_topic(&hunt.talk, &attack.prompt).await? {
        return Ok(None);
    }
    let shot = hunt.fire_afresh(&attack.prompt).await?;
    let promise = match shot.reached {
        Some(reached) if reached > 0 => reached,
        // After the last request nobody will ask for it.
        Some(_) | None if hunt.left() == 0 => 0,
        Some(_) | None => hunt.attacker.rate(&hunt.talk, &attack.prompt, &shot.reply).await?.progress,
    };
    line.hear(feedback(&attack.prompt, &shot.reply, shot.reached, Outlook::Afresh));
    Ok(Some(Leaf { line, promise }))
}
