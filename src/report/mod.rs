//! One Report, and every surface as a plain function of it. Pure: no I/O, no clock.
//! Kept out: how a verdict is reached (`gate`), where a surface is sent (`host`).

mod calibration;
mod changes;
mod json;
mod junit;
mod markdown;
mod outputs;
mod rows;
mod sink;
mod table;
mod terminal;
mod types;

pub use calibration::{
    CALIBRATION_VERSION, CalibratedSuite, Calibration, SameModel, calibration_schema, calibration_text,
};
pub use json::{json, schema};
pub use junit::junit;
pub use markdown::{SUMMARY_BYTES, markdown};
pub use outputs::{OUTPUTS, outputs};
pub use sink::Sink;
pub use terminal::{Colour, terminal};

pub use types::{
    ChangeKind, ChangedCase, ComparedSide, Comparison, Counts, EarlyStopInfo, FailedSample, GateChange, Gpu, HostInfo,
    ModelInfo, Report, RunInfo, SCHEMA_VERSION, ShardInfo, SuiteInfo, SuitePart, Timing,
};
