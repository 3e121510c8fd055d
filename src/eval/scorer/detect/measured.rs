//! Screens against their labelled sets: which half counts, how often a screen is right on it, and how a page says so.
//! Kept out: the sets (`tests/reference`), the screens.

use serde::Deserialize;

use crate::gate::safety::Labelled;
use crate::stats::{Alpha, Count, clopper_pearson};

/// A row of a labelled set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) text: String,
    pub(super) label: String,
    pub(super) kind: String,
}

/// Odd lines may be read while the rules are written; even lines are held out, and only counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Seen,
    HeldOut,
}

/// A labelled set, and the screen that is tried on it.
pub(super) struct Set {
    /// Its file.
    pub(super) path: &'static str,
    /// The label of what counts as harm.
    pub(super) harmful: &'static str,
    /// The label of everything else.
    pub(super) harmless: &'static str,
    /// Whether the screen takes a text for harm.
    pub(super) flags: fn(&str) -> bool,
}

impl Set {
    /// The rows of both halves.
    pub(super) fn rows(&self) -> Vec<Row> {
        read(self.path).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The rows of one half.
    pub(super) fn half(&self, half: Half) -> Vec<Row> {
        let wanted = |index: usize| (index % 2 == 1) == (half == Half::HeldOut);
        self.rows().into_iter().enumerate().filter(|(index, _)| wanted(*index)).map(|(_, row)| row).collect()
    }

    /// How often the screen is right on one half.
    pub(super) fn measured(&self, half: Half) -> Labelled {
        self.counted(&self.half(half))
    }

    /// How often the screen is right on these rows.
    pub(super) fn counted(&self, rows: &[Row]) -> Labelled {
        let mut counts = Labelled { harmful: 0, found: 0, harmless: 0, cleared: 0 };
        for Row { text, label, kind } in rows {
            assert!(!kind.is_empty(), "{text}");
            assert!([self.harmful, self.harmless].contains(&label.as_str()), "{}: no label `{label}`", self.path);
            let flagged = (self.flags)(text);
            if label == self.harmful {
                counts.harmful += 1;
                counts.found += u64::from(flagged);
            } else {
                counts.harmless += 1;
                counts.cleared += u64::from(!flagged);
            }
        }
        counts
    }

    /// The two lines of a table on a page: each what is counted, the held-out half with its interval, the half that was seen.
    pub(super) fn page_lines(&self, held_out: Labelled, found: &str, cleared: &str) -> [String; 2] {
        let seen = self.measured(Half::Seen);
        [
            format!(
                "| {found} (sensitivity) | {} | {} of {} |",
                share(held_out.found, held_out.harmful),
                seen.found,
                seen.harmful
            ),
            format!(
                "| {cleared} (specificity) | {} | {} of {} |",
                share(held_out.cleared, held_out.harmless),
                seen.cleared,
                seen.harmless
            ),
        ]
    }
}

/// A file of the repository.
pub(super) fn read(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Fails unless the page on detectors has these lines.
pub(super) fn assert_page_states(lines: &[String]) {
    let page = read("docs/how-to/detectors.md");
    let lacking: Vec<&str> = lines.iter().filter(|line| !page.contains(*line)).map(String::as_str).collect();
    assert!(lacking.is_empty(), "docs/how-to/detectors.md lacks:\n{}", lacking.join("\n"));
}

fn share(part: u64, whole: u64) -> String {
    let interval = clopper_pearson(Count::new(part, whole).unwrap(), Alpha::new(0.05).unwrap());
    let percent = |share: f64| format!("{:.1}", share * 100.0);
    #[expect(clippy::cast_precision_loss, reason = "counts of a small file")]
    let value = part as f64 / whole as f64;
    format!("{part} of {whole}, {} % ({} to {})", percent(value), percent(interval.low), percent(interval.high))
}
