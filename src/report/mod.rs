//! One Report, and every surface as a plain function of it. Pure: no I/O, no clock.
//! Kept out: how a verdict is reached (`gate`), where a surface is sent (`host`).

mod types;

pub use types::{
    Counts, FailedSample, Gpu, HostInfo, ModelInfo, Report, RunInfo, SCHEMA_VERSION, ShardInfo, SuiteInfo, SuitePart,
    Timing,
};
