//! One Report, and every surface as a plain function of it. Pure: no I/O, no clock.
//! Kept out: how a verdict is reached (`gate`), where a surface is sent (`host`).

mod annotations;
mod calibration;
mod changes;
mod codequality;
mod headline;
mod html;
mod inline;
mod json;
mod junit;
mod layout;
mod links;
mod markdown;
mod markup;
mod openmetrics;
mod outputs;
mod rollout;
mod rows;
mod safety;
mod sarif;
mod sink;
mod table;
mod terminal;
mod types;

pub use annotations::{Annotation, COMMANDS_A_LEVEL, Level, line_annotations};
pub use calibration::{
    CALIBRATION_VERSION, CalibratedSuite, Calibration, SameModel, calibration_schema, calibration_text,
};
pub use codequality::codequality;
pub use html::html;
pub use json::{json, schema};
pub use junit::junit;
pub use links::job_links;
pub use markdown::{
    CHECK_BYTES, COMMENT_BYTES, CheckText, Flavour, SUMMARY_BYTES, check, comment, interrupted, markdown,
    markdown_with_notes, without_commands,
};
pub use openmetrics::openmetrics;
pub use outputs::{OUTPUTS, RESUMABLE, SAFETY_OUTPUTS, outputs, outputs_of};
pub use rollout::{
    ROLLOUT_OUTPUTS, RolloutFinding, RolloutReport, RolloutStep, rollout_json, rollout_markdown, rollout_outputs,
    rollout_schema, rollout_terminal,
};
pub use sarif::sarif;
pub use sink::Sink;
pub use terminal::{Colour, terminal};

pub use types::{
    ChangeKind, ChangedCase, ComparedSide, Comparison, Counts, EarlyStopInfo, FailedSample, Finding, GateChange, Gpu,
    HostInfo, ModelInfo, Report, RunInfo, SCHEMA_VERSION, Safety, ServerInfo, ShardInfo, SuiteInfo, SuitePart, Timing,
};
