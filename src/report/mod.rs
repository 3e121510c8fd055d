//! One Report, and every surface as a plain function of it. Pure: no I/O, no clock.
//! Kept out: how a verdict is reached (`gate`), where a surface is sent (`host`).

mod codequality;
mod json;
mod junit;
mod links;
mod markdown;
mod openmetrics;
mod outputs;
mod rows;
mod sink;
mod table;
mod terminal;
mod types;

pub use codequality::codequality;
pub use json::{json, schema};
pub use junit::junit;
pub use links::annotations;
pub use markdown::{SUMMARY_BYTES, markdown};
pub use openmetrics::openmetrics;
pub use outputs::{OUTPUTS, outputs};
pub use sink::Sink;
pub use terminal::{Colour, terminal};

pub use types::{
    ChangedCase, ComparedSide, Comparison, Counts, EarlyStopInfo, FailedSample, Gpu, HostInfo, ModelInfo, Report,
    RunInfo, SCHEMA_VERSION, ShardInfo, SuiteInfo, SuitePart, Timing,
};
