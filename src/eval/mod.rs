//! The evaluation wing: suites, models, scorers, and the run that brings them together.
//! Kept out: verdicts (`gate`), surfaces (`report`).

mod case;
pub mod model;
mod request;
mod sample;
pub mod scorer;
pub mod suite;

pub use case::{Case, CaseId, Level, Place};
pub use request::{
    Answer, ChatMessage, Completion, Finish, Generate, LogLikelihood, OutputFormat, Prompt, RankChoices, Request, Role,
    Usage,
};
pub use sample::{AssertionScore, Sample, SampleError, Status};
