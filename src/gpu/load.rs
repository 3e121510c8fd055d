//! What NVML says of devices while they work: clocks that are held down then are free again a moment later. NVML is asked in a
//! process of our own beside the work, so that one that crashes takes no work with it.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::child::{self, Kept};
use super::device::Load;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// How long NVML may take to begin, and to say its last word.
const PATIENCE: Duration = Duration::from_secs(5);
/// Looks that are waited for at the end: the first may have begun before it.
const LAST: usize = 2;
/// The child's work, by the first of its arguments.
pub(super) const WORK: &str = "load";

/// A watch over some devices.
pub(super) struct LoadWatch {
    answers: Receiver<String>,
    first: String,
    _child: Kept,
}

impl LoadWatch {
    /// Begins, and returns when NVML has looked once. None where it does not, and for programs that only link this library.
    pub(super) fn start(uuids: &[String]) -> Option<Self> {
        if uuids.is_empty() || !child::is_ours() {
            return None;
        }
        let arguments: Vec<String> = std::iter::once(WORK.to_owned()).chain(uuids.iter().cloned()).collect();
        let (child, answers) = child::start(&arguments).ok()?;
        let first = answers.recv_timeout(PATIENCE).ok()?;
        Some(Self { answers, first, _child: child })
    }

    /// Looks once more, and says what was seen of each device from the beginning; by UUID.
    pub(super) fn end(self) -> Vec<(String, Load)> {
        let mut seen = Vec::new();
        add(&mut seen, &self.first);
        self.answers.try_iter().for_each(|answer| add(&mut seen, &answer));
        let until = Instant::now() + PATIENCE;
        for _ in 0..LAST {
            let Ok(answer) = self.answers.recv_timeout(until.saturating_duration_since(Instant::now())) else {
                return cut_short(seen);
            };
            add(&mut seen, &answer);
        }
        seen
    }
}

/// What is known where NVML was lost on the way: what was seen, and not that there was no more.
fn cut_short(mut seen: Vec<(String, Load)>) -> Vec<(String, Load)> {
    for (_, load) in &mut seen {
        load.throttled = load.throttled.take().filter(|words| !words.is_empty());
        load.ecc_uncorrected = load.ecc_uncorrected.filter(|errors| *errors > 0);
    }
    seen
}

fn add(seen: &mut Vec<(String, Load)>, answer: &str) {
    let looks: Vec<(String, Load)> = serde_json::from_str(answer).unwrap_or_default();
    for (uuid, load) in looks {
        match seen.iter_mut().find(|(known, _)| *known == uuid) {
            Some((_, all)) => all.add(load),
            None => seen.push((uuid, load)),
        }
    }
}

/// The child's part.
pub(super) fn work(uuids: &[String], say: &mut dyn FnMut(serde_json::Result<String>)) {
    super::nvml::each_load(uuids, LOOK, &mut |looks| say(serde_json::to_string(&looks)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_once_stays_seen_and_what_was_never_said_stays_unknown() {
        let look = |throttled: &str, errors: &str| {
            format!(r#"[["GPU-1", {{"throttled": {throttled}, "temperature_c": 70, "ecc_uncorrected": {errors}}}]]"#)
        };
        let mut seen = Vec::new();
        for answer in [look("[]", "0"), look(r#"["hw_slowdown"]"#, "3"), look("null", "null"), look("[]", "1")] {
            add(&mut seen, &answer);
        }
        let throttled = Some(vec!["hw_slowdown".to_owned()]);
        assert_eq!(seen, [("GPU-1".to_owned(), Load { throttled, temperature_c: Some(70), ecc_uncorrected: Some(3) })]);
        assert_eq!(cut_short(seen.clone()), seen);
        let mut calm = Vec::new();
        add(&mut calm, &look("[]", "0"));
        let load = Load { throttled: None, temperature_c: Some(70), ecc_uncorrected: None };
        assert_eq!(cut_short(calm), [("GPU-1".to_owned(), load)]);
        let mut unknown = Vec::new();
        add(&mut unknown, &look("null", "null"));
        assert_eq!(unknown.first().map(|(_, load)| load.throttled.clone()), Some(None));
    }
}
