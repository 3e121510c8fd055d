//! The small print of a comment: what was judged, by what, where, and how long it took.

use super::Layout;
use super::words::duration;
use crate::report::inline::Inline;
use crate::report::{Gpu, Report};
use crate::trust::{Digest, Untrusted};

/// What is known of the devices beside their name; only clocks that are held down are worth a word.
fn devices(gpus: &[Gpu]) -> String {
    let driver = gpus.iter().find_map(|gpu| gpu.driver.as_ref());
    let clocks = gpus.iter().filter_map(|gpu| gpu.clocks.as_ref()).find(|clocks| clocks.raw().starts_with("reduced"));
    let driver = driver.map(|driver| format!(", driver {}", driver.raw())).unwrap_or_default();
    let clocks = clocks.map(|clocks| format!(", clocks {}", clocks.raw())).unwrap_or_default();
    format!("{driver}{clocks}")
}

impl Layout<'_> {
    pub(super) fn footer(&self) -> Inline {
        let Report { model, suite, counts, timing, host, run, seed, .. } = self.report;
        let mut parts = Vec::new();
        if let Some(commit) = &host.commit {
            parts.push(Inline::all([Inline::fixed("commit "), self.short(commit)]));
        }
        parts.push(Inline::all([
            Inline::fixed("model "),
            self.words(&format!("{} ({}) ", model.name, model.provider)),
            self.digest(&model.digest),
        ]));
        parts.push(Inline::all([
            Inline::fixed("suite "),
            self.words(&suite.name),
            Inline::fixed(" "),
            self.digest(&suite.digest),
        ]));
        parts.push(Inline::all([Inline::fixed("policy "), self.digest(&self.report.policy_digest)]));
        let counted = [("in error", counts.errors), ("cached", counts.cached), ("resumed", counts.resumed)];
        let counted: String =
            counted.iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!(", {count} {word}")).collect();
        parts.push(self.words(&format!("{} samples of {} cases{counted}", counts.samples, counts.cases)));
        parts.push(Inline::all([Inline::fixed("seed "), Inline::number(*seed)]));
        parts.push(self.words(&duration(timing.seconds)));
        parts.push(match host.gpus.as_deref() {
            Some(gpus @ [gpu, ..]) => {
                let count = Inline::number(gpus.len() as u64);
                Inline::all([count, Inline::fixed(" × "), self.code(&gpu.name, 60), self.words(&devices(gpus))])
            }
            Some([]) => Inline::fixed("no GPU"),
            None => Inline::fixed("GPU unknown"),
        });
        if let Some(cost) = run.cost_usd {
            parts.push(self.words(&format!("{cost:.4} USD")));
        }
        if let Some(run) = &host.run_url {
            parts.push(Inline::all([Inline::fixed("run and report.html: "), Inline::link(self.sink, run, run)]));
        }
        Inline::join(&parts, " · ")
    }

    /// The beginning of a commit's name.
    pub(super) fn short(&self, commit: &Untrusted) -> Inline {
        self.code(&Untrusted::new(commit.raw().chars().take(8).collect::<String>()), 8)
    }

    pub(super) fn digest(&self, digest: &Digest) -> Inline {
        self.code(&Untrusted::new(digest.short()), 12)
    }
}
