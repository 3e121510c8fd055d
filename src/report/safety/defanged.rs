//! A report on attacks as others may see it: the samples keep their names, and lose every text of an attack or a model.

use std::borrow::Cow;

use crate::report::{FailedSample, Report};
use crate::trust::Untrusted;

/// What stands in the place of a scorer's reason, which may quote the answer.
const WITHHELD: &str = "what was said is quoted in no report on attacks";

/// The report that a surface shows; the same one where nothing was attacked. `report.json` is no surface: it is the artifact.
pub(in crate::report) fn defanged(report: &Report) -> Cow<'_, Report> {
    if report.safety.is_none() || report.failed_samples.is_empty() {
        return Cow::Borrowed(report);
    }
    let mut shown = report.clone();
    for sample in &mut shown.failed_samples {
        let FailedSample { why, prompt, completion, case: _, suite: _, path: _, line: _, repeat: _, status: _ } =
            sample;
        *why = WITHHELD.into();
        (*prompt, *completion) = (Untrusted::default(), Untrusted::default());
    }
    Cow::Owned(shown)
}

/// Whether a sample has neither prompt nor answer to show.
pub(in crate::report) fn is_silent(sample: &FailedSample) -> bool {
    sample.prompt.raw().is_empty() && sample.completion.raw().is_empty()
}
