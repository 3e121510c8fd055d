//! Attack strategies: what is done to a payload before a model sees it. Pure, seeded, offline.
//! Kept out: which probes are attacked how often (the plan of a run), and the models that lead a conversation themselves.

mod choose;
mod encoding;
mod framing;
mod key;
mod notation;
mod script;
mod smuggling;
mod stack;
mod swap;
mod table;
#[cfg(test)]
mod tests;

use crate::eval::dialogue::Method;
use crate::stats::Generator;

use framing::Frame;
use notation::{Choice, Notation};

pub use stack::{Stack, StackProblem, decode, kept};
pub use table::{STRATEGIES, default_strategies, groups, strategies_table};

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
    /// One text becomes one text, in a way of its own.
    Text(fn(&str, &mut Generator) -> String),
    /// The text is written in another notation, or with other characters.
    Write(&'static Notation),
    /// The text is put into one of several frames.
    Frame(&'static Frame),
    /// One text becomes a conversation: the last turn completes the payload.
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

impl Strategy {
    /// Whether another seed makes another attack. Where it does not, a second seed asks the same thing again.
    pub fn is_seeded(&self) -> bool {
        match self.apply {
            Apply::Text(_) => self.family != Family::Plain,
            Apply::Write(notation) => notation.choice == Choice::Seeded,
            Apply::Frame(frame) => frame.wordings.len() > 1,
            Apply::Turns(_) => true,
            Apply::Adaptive(_) => false,
        }
    }

    /// Whether it makes a conversation, by script or with another model.
    pub fn is_conversation(&self) -> bool {
        match self.apply {
            Apply::Text(_) | Apply::Write(_) | Apply::Frame(_) => false,
            Apply::Turns(_) | Apply::Adaptive(_) => true,
        }
    }
}
