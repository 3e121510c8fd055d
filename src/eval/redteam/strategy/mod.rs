//! Attack strategies: what is done to a payload before a model sees it. Pure, seeded, offline.

use crate::eval::dialogue::Method;
use crate::stats::Generator;

/// What kind of thing a strategy does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// Nothing: the payload as it is.
    Plain,
    /// Another alphabet or notation, with the request to read it.
    Encoding,
    /// The same letters for a person, others for a filter.
    Smuggling,
    /// A frame around the payload.
    Framing,
    /// A conversation by script.
    Script,
    /// Another model leads.
    Adaptive,
}

/// A payload, dressed up.
#[derive(Clone, PartialEq, Debug)]
pub struct Attacked {
    /// The user's turns; never empty. The first goes where the payload stands, the others follow the model's replies.
    pub turns: Vec<String>,
    /// Who leads the conversation where another model does.
    pub adaptive: Option<Method>,
}

/// How a strategy works.
#[derive(Clone, Copy)]
pub enum Apply {
    /// One text becomes one text.
    Text(fn(&str, &mut Generator) -> String),
    /// One text becomes a conversation: the last turn carries the payload.
    Turns(fn(&str, &mut Generator) -> Vec<String>),
    /// Another model leads.
    Adaptive(Method),
}

/// One strategy.
pub struct Strategy {
    /// Lower-case letters, digits and `-`.
    pub name: &'static str,
    /// What kind of thing it does.
    pub family: Family,
    /// One line for people.
    pub about: &'static str,
    /// How.
    pub apply: Apply,
}

fn plain(payload: &str, _: &mut Generator) -> String {
    payload.to_owned()
}

/// All strategies, in the order of the reference; the first is `plain`.
pub static STRATEGIES: &[Strategy] =
    &[Strategy { name: "plain", family: Family::Plain, about: "the payload as it is", apply: Apply::Text(plain) }];

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

    /// Reads `a+b+c`. At most three strategies; one that leads or scripts a conversation comes last, once.
    pub fn parse(text: &str) -> Result<Self, StackProblem> {
        let found = STRATEGIES.iter().find(|strategy| strategy.name == text);
        found.map(|strategy| Self(vec![strategy])).ok_or_else(|| StackProblem {
            message: format!("unknown strategy `{}`", text.chars().take(100).collect::<String>()),
            help: String::new(),
        })
    }

    /// Whether nothing is done to the payload.
    pub fn is_plain(&self) -> bool {
        self.0.iter().all(|strategy| strategy.family == Family::Plain)
    }

    /// Whether another model leads the conversation.
    pub fn leads(&self) -> bool {
        self.0.iter().any(|strategy| strategy.family == Family::Adaptive)
    }

    /// The names, joined by `+`.
    pub fn name(&self) -> String {
        self.0.iter().map(|strategy| strategy.name).collect::<Vec<_>>().join("+")
    }

    /// Dresses a payload up. The same seed gives the same bytes, on any machine.
    pub fn apply(&self, payload: &str, seed: u64) -> Attacked {
        let mut generator = Generator::new(seed);
        let mut attacked = Attacked { turns: vec![payload.to_owned()], adaptive: None };
        for strategy in &self.0 {
            match strategy.apply {
                Apply::Text(apply) => attacked.turns.iter_mut().for_each(|turn| *turn = apply(turn, &mut generator)),
                Apply::Turns(apply) => {
                    attacked.turns = attacked.turns.iter().flat_map(|turn| apply(turn, &mut generator)).collect();
                }
                Apply::Adaptive(method) => attacked.adaptive = Some(method),
            }
        }
        attacked
    }
}

/// The strategies behind the word of a group; none where it is no such word.
pub fn groups(text: &str) -> Option<Vec<&'static str>> {
    (text == "all").then(|| vec!["plain"])
}

/// What a run uses where the policy names nothing.
pub fn default_strategies() -> &'static [&'static str] {
    &["plain"]
}
