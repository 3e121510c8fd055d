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
pub mod redteam;
pub mod reduce;
mod request;
pub mod run;
mod sample;
pub mod scorer;
pub mod shard;
pub mod suite;

pub use case::{Case, CaseId, Level, Place};
pub use dialogue::{Adaptive, Dialogue, Method, Turn};
pub use request::{
    Answer, ChatMessage, Completion, Finish, Generate, LogLikelihood, OutputFormat, Prompt, RankChoices, Request, Role,
    Usage,
};
pub use sample::{AssertionScore, AttackInfo, Sample, SampleError, Status};
