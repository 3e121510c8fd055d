//! Stacks: strategies one after the other, how they are read from a text, and how they are put on a payload.

use std::fmt;

use crate::document::nearest;
use crate::eval::dialogue::Method;
use crate::stats::Generator;

use super::table::{GROUPS, STRATEGIES};
use super::{Apply, Attacked, Family, Strategy};

/// Strategies of one stack at most.
const MOST: usize = 3;

/// Strategies, one after the other: `role-play+base64` is a role play, the whole of which is then encoded.
#[derive(Clone)]
pub struct Stack(Vec<&'static Strategy>);

/// Why a text names no stack of strategies.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct StackProblem {
    /// What is wrong; may quote the user.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Stack {
    /// No strategy at all.
    pub fn plain() -> Self {
        Self(STRATEGIES.iter().take(1).collect())
    }

    /// One strategy by itself.
    pub(super) fn of(strategy: &'static Strategy) -> Self {
        Self(vec![strategy])
    }

    /// Reads `a+b+c`. At most three strategies; one that leads or scripts a conversation comes last, once.
    pub fn parse(text: &str) -> Result<Self, StackProblem> {
        let names: Vec<&str> = text.split('+').map(str::trim).collect();
        if names.len() > MOST {
            return Err(problem(format!("{} strategies in one stack", names.len()), format!("at most {MOST}")));
        }
        let strategies = names.iter().map(|name| named(name)).collect::<Result<Vec<_>, _>>()?;
        let mut before: Vec<&Strategy> = Vec::new();
        for strategy in &strategies {
            check_next(&before, strategy)?;
            before.push(strategy);
        }
        Ok(Self(strategies))
    }

    /// The names, joined by `+`.
    pub fn name(&self) -> String {
        self.0.iter().map(|strategy| strategy.name).collect::<Vec<_>>().join("+")
    }

    /// The family of the last strategy, which decides what the model sees.
    pub fn family(&self) -> Family {
        self.0.last().map_or(Family::Plain, |strategy| strategy.family)
    }

    /// Who leads the conversation where another model does.
    pub fn adaptive(&self) -> Option<Method> {
        self.0.iter().find_map(|strategy| match strategy.apply {
            Apply::Adaptive(method) => Some(method),
            Apply::Text(_) | Apply::Write(_) | Apply::Frame(_) | Apply::Turns(_) => None,
        })
    }

    /// Whether another seed makes another attack. Where it does not, a second seed asks the same thing again.
    pub fn is_seeded(&self) -> bool {
        self.0.iter().any(|strategy| strategy.is_seeded())
    }

    /// Dresses a payload up. The same seed gives the same bytes, on any machine.
    pub fn apply(&self, payload: &str, seed: u64) -> Attacked {
        let mut attacked = Attacked { turns: vec![payload.to_owned()], adaptive: None };
        for (place, strategy) in self.0.iter().enumerate() {
            let mut generator = generator(seed, place);
            match strategy.apply {
                Apply::Text(apply) => attacked.turns.iter_mut().for_each(|turn| *turn = apply(turn, &mut generator)),
                Apply::Write(notation) => {
                    attacked.turns.iter_mut().for_each(|turn| *turn = notation.dress(turn, &mut generator));
                }
                Apply::Frame(frame) => {
                    attacked.turns.iter_mut().for_each(|turn| *turn = frame.dress(turn, &mut generator));
                }
                Apply::Turns(apply) => {
                    attacked.turns = attacked.turns.iter().flat_map(|turn| apply(turn, &mut generator)).collect();
                }
                Apply::Adaptive(method) => attacked.adaptive = Some(method),
            }
        }
        attacked
    }

    /// Reads a text back through the notations at the end of the stack, the last one first. What a frame has put around the
    /// payload stays. None where the text is not in these notations.
    pub fn decode(&self, text: &str, seed: u64) -> Option<String> {
        let mut read = text.to_owned();
        for (place, strategy) in self.0.iter().enumerate().rev() {
            match strategy.apply {
                Apply::Write(notation) => read = notation.undress(&read, &mut generator(seed, place))?,
                Apply::Text(_) | Apply::Frame(_) | Apply::Turns(_) | Apply::Adaptive(_) => break,
            }
        }
        Some(read)
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stack({})", self.name())
    }
}

impl PartialEq for Stack {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Stack {}

/// Reads an attack of one encoding or smuggling strategy, or an answer that is in its notation from end to end. The seed is the
/// attack's, since keys come from it. None for another strategy, and for a text that is not in the notation.
pub fn decode(name: &str, seed: u64, text: &str) -> Option<String> {
    match STRATEGIES.iter().find(|strategy| strategy.name == name)?.apply {
        Apply::Write(notation) => notation.undress(text, &mut generator(seed, 0)),
        Apply::Text(_) | Apply::Frame(_) | Apply::Turns(_) | Apply::Adaptive(_) => None,
    }
}

/// What comes back of a text that goes through a strategy's notation and is read again: `morse` keeps no capitals, so a marker
/// that is looked for in a decoded answer has to lose them too. The text itself for a strategy that is no notation.
pub fn kept(name: &str, text: &str) -> String {
    match STRATEGIES.iter().find(|strategy| strategy.name == name).map(|strategy| strategy.apply) {
        Some(Apply::Write(notation)) => notation.kept(text),
        Some(Apply::Text(_) | Apply::Frame(_) | Apply::Turns(_) | Apply::Adaptive(_)) | None => text.to_owned(),
    }
}

/// One generator for each place of a stack, so that a reader needs to know only the seed and the place.
fn generator(seed: u64, place: usize) -> Generator {
    Generator::new(seed.wrapping_add((place as u64).wrapping_mul(0xd1b5_4a32_d192_ed03)))
}

fn named(name: &str) -> Result<&'static Strategy, StackProblem> {
    if let Some(strategy) = STRATEGIES.iter().find(|strategy| strategy.name == name) {
        return Ok(strategy);
    }
    if name.is_empty() {
        let help = "name one, such as `plain`, or several, such as `role-play+base64`";
        return Err(problem("a strategy without a name".to_owned(), help.to_owned()));
    }
    let shown: String = name.chars().take(100).collect();
    if GROUPS.contains(&name) {
        let help = "a group stands by itself in a list of strategies, and in no stack";
        return Err(problem(format!("`{shown}` is a group of strategies"), help.to_owned()));
    }
    let help = match nearest(name, STRATEGIES.iter().map(|strategy| strategy.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "the strategies are listed in docs/how-to/attacks.md".to_owned(),
    };
    Err(problem(format!("unknown strategy `{shown}`"), help))
}

/// Whether a strategy may stand behind those before it.
fn check_next(before: &[&Strategy], next: &Strategy) -> Result<(), StackProblem> {
    let name = next.name;
    let Some(last) = before.last() else { return Ok(()) };
    if before.iter().any(|strategy| strategy.name == name) {
        return Err(problem(format!("`{name}` twice in one stack"), "name it once".to_owned()));
    }
    if next.family == Family::Plain || last.family == Family::Plain {
        return Err(problem("`plain` in a stack".to_owned(), "`plain` is no attack and stands alone".to_owned()));
    }
    if last.is_conversation() {
        let message = format!("`{name}` behind `{}`, which is a conversation", last.name);
        let help = match next.is_conversation() {
            true => "a stack holds one conversation".to_owned(),
            false => format!("a conversation comes last: `{name}+{}`", last.name),
        };
        return Err(problem(message, help));
    }
    let earlier = before.iter().find(|strategy| matches!(strategy.apply, Apply::Write(_)));
    if let (Apply::Write(notation), Some(earlier)) = (next.apply, earlier)
        && !notation.may_follow_another()
    {
        let message = format!("`{name}` behind `{}`: it keeps no capitals, so the payload would be lost", earlier.name);
        let both = matches!(earlier.apply, Apply::Write(other) if !other.may_follow_another());
        let help = match both {
            true => "use one of the two".to_owned(),
            false => format!("put it first: `{name}+{}`", earlier.name),
        };
        return Err(problem(message, help));
    }
    Ok(())
}

fn problem(message: String, help: String) -> StackProblem {
    StackProblem { message, help }
}
