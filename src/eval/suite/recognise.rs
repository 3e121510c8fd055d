//! Whose form a suite's file has, by what stands in it: its name says nothing.

use crate::document::Document;

/// The tool that a suite was written for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Ours.
    Own,
    /// A config of promptfoo.
    Promptfoo,
    /// A task or a group of lm-evaluation-harness.
    Task,
    /// No suite to run: what another tool has measured already.
    Recorded,
}

/// Keys that only a config of promptfoo has at its top.
const PROMPTFOO: &[&str] = &["prompts", "providers", "targets", "tests", "defaultTest", "scenarios"];
/// Keys that only a task or a group of lm-eval has at its top.
const TASK: &[&str] = &["task", "group", "doc_to_text", "output_type", "dataset_path", "metric_list"];

/// The form of a file; a file that has nothing of another tool's is taken as ours, and read strictly.
pub(super) fn recognise(document: &Document) -> Form {
    let has = |key: &str| document.value().get(key).is_some();
    if document.value().get("cases").is_some() {
        Form::Own
    } else if PROMPTFOO.iter().any(|key| has(key)) {
        Form::Promptfoo
    } else if TASK.iter().any(|key| has(key)) {
        Form::Task
    } else {
        Form::Own
    }
}
