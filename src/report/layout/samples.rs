//! Samples that did not pass, within a comment.

use super::words::capital;
use super::{Detail, Layout};
use crate::report::FailedSample;
use crate::report::inline::Inline;
use crate::report::markup::Markup;
use crate::trust::Untrusted;

impl Layout<'_> {
    pub(super) fn bad(&self) -> u64 {
        let counts = &self.report.counts;
        counts.failed + counts.unscored + counts.errors
    }

    pub(super) fn sample(&self, page: &mut Markup, sample: &FailedSample, detail: Detail) {
        let place = Untrusted::new(format!("{}:{}", sample.path.raw(), sample.line));
        let repeat = if sample.repeat > 0 { format!(", repeat {}", sample.repeat) } else { String::new() };
        page.paragraph(&Inline::all([
            self.words(&capital(&sample.status)).bold(),
            Inline::fixed(" "),
            self.code(&sample.case, 120),
            Inline::fixed(" at "),
            self.code(&place, 200),
            self.words(&repeat),
            Inline::fixed(": "),
            self.code(&sample.why, detail.quote),
        ]));
        let (prompt, answer) = (&sample.prompt, &sample.completion);
        if !(prompt.raw().is_empty() && answer.raw().is_empty()) {
            let quoted = |text: &Untrusted| match text.raw() {
                "" => "nothing".to_owned(),
                _ => self.sink.html(text, detail.quote),
            };
            page.preformatted(&format!("Prompt: {}\nAnswer: {}", quoted(prompt), quoted(answer)));
        }
    }
}
