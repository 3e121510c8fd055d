//! `report.json`: the Report itself, versioned.

use super::{Report, Sink};
use crate::trust::escape_json;

/// The text of `report.json`, with a newline at its end.
pub fn json(report: &Report, sink: &Sink) -> String {
    // A Report has only text keys, and metrics keep only finite numbers, so it can always be written.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    sink.whole(&escape_json(&text))
}

/// The published schema: file name and text.
pub fn schema() -> (&'static str, String) {
    let schema = schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Report>();
    let mut text = serde_json::to_string_pretty(&schema.to_value()).unwrap_or_default();
    text.push('\n');
    ("report.schema.json", text)
}
