//! The evaluation wing: suites, models, scorers, and the run that brings them together.
//! Kept out: verdicts (`gate`), surfaces (`report`).

pub mod cache;
mod case;
pub mod compare;
mod dialogue;
pub mod early;
pub mod harness;
mod input;
pub mod journal;
pub mod model;
pub mod planned;
pub mod policy;
mod process;
pub mod promptfoo;
pub mod redteam;
pub mod reduce;
mod request;
pub mod run;
mod sample;
pub mod scorer;
pub mod script;
pub mod shard;
pub mod suite;
pub mod task;

pub use case::{Case, CaseId, Grading, Level, Place};
pub use dialogue::{Adaptive, Dialogue, Method, Turn};
pub use request::{
    Answer, ChatMessage, Completion, Embed, Finish, Generate, LogLikelihood, OutputFormat, Prompt, RankChoices,
    Request, Role, Rolling, Usage, Written,
};
pub use sample::{AssertionScore, AttackInfo, Sample, SampleError, SampleValue, Status};
