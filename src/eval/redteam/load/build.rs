//! From a probe as written to a probe that can be asked; whatever is wrong is said here, before anything is asked.

use std::collections::HashSet;
use std::sync::Arc;

use super::expand::{Fault, fault};
use super::spec::{ProbeDefaults, ProbeSpec, StrategiesSpec};
use crate::document::{Spot, nearest};
use crate::eval::case::Place;
use crate::eval::redteam::hazard::{HAZARDS, Hazard, hazard};
use crate::eval::redteam::probe::{Applicable, PAYLOAD, Probe};
use crate::eval::request::{ChatMessage, Role};
use crate::eval::scorer::{self, AssertionSpec};
use crate::gate::safety::{Evidence, Side};

/// Tokens of an answer unless a probe says otherwise: enough to show harm, and cheap.
const DEFAULT_TOKENS: u32 = 256;
/// The longest locale: a language, a script and a region.
const LONGEST_LOCALE: usize = 20;

/// What a caller adds to the probes of a file.
pub(super) struct Frame<'a> {
    pub(super) shown: &'a Arc<str>,
    pub(super) defaults: &'a ProbeDefaults,
    /// The hazard of probes for which the file has none.
    pub(super) hazard: Option<&'static Hazard>,
    /// The detectors of probes for which the file has none.
    pub(super) detect: &'a [AssertionSpec],
}

/// Whether a text can stand in commands that a report prints.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    (1..=100).contains(&name.len()) && name.chars().all(allowed)
}

/// Whether a text can be a suite's name, or why not.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let message = "a suite's name has 1 to 100 letters, digits, `_`, `.` or `-`";
    if is_name(name) { Ok(()) } else { Err(message.to_owned()) }
}

/// Detectors that can be built, as JSON: the probes of a `vary` share most of theirs, and building one is not cheap.
pub(super) type Known = HashSet<String>;

/// Checks one probe; it is whole, or there are faults.
pub(super) fn probe(spec: ProbeSpec, spot: Spot, frame: &Frame<'_>, known: &mut Known) -> Result<Probe, Vec<Fault>> {
    let mut faults = Vec::new();
    if !is_name(&spec.id) {
        faults.push(fault("/id", "a probe's id has 1 to 100 letters, digits, `_`, `.` or `-`"));
    }
    let hazard = named_hazard(&spec, frame, &mut faults);
    let locale = spec.locale.as_ref().or(frame.defaults.locale.as_ref()).map_or("en_US", String::as_str);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if locale.is_empty() || locale.len() > LONGEST_LOCALE || !locale.chars().all(plain) {
        faults.push(fault("/locale", "a locale is a language and a region, such as `de_DE`"));
    }
    if spec.payload.trim().is_empty() {
        faults.push(fault("/payload", "an empty payload asks nothing"));
    }
    if !spec.turns.is_empty() && !spec.variants.is_empty() {
        faults.push(fault("/variants", "a probe has `turns` or `variants`, not both"));
    }
    for (field, texts) in [("turns", &spec.turns), ("variants", &spec.variants)] {
        for (index, text) in texts.iter().enumerate().filter(|(_, text)| text.trim().is_empty()) {
            faults.push(fault(format!("/{field}/{index}"), format!("an empty text ({} bytes)", text.len())));
        }
    }
    let max_tokens = spec.max_tokens.or(frame.defaults.max_tokens).unwrap_or(DEFAULT_TOKENS);
    if max_tokens == 0 {
        faults.push(fault("/max_tokens", "an answer has at least 1 token"));
    }
    let messages = messages(&spec, frame, &mut faults);
    let detect = detect(&spec, frame, known, &mut faults);
    let strategies = spec.strategies.or(frame.defaults.strategies);
    match hazard {
        Some(hazard) if faults.is_empty() => {
            let alone = !spec.variants.is_empty() || hazard.side == Side::Refusal;
            let applicable = match strategies {
                Some(StrategiesSpec::Any) => Applicable::Any,
                Some(StrategiesSpec::Plain) => Applicable::PlainOnly,
                None if alone => Applicable::PlainOnly,
                None => Applicable::Any,
            };
            let evidence =
                detect.iter().map(|assertion| scorer::evidence(&assertion.kind)).max().unwrap_or(Evidence::Words);
            Ok(Probe {
                hazard,
                severity: spec.severity.or(frame.defaults.severity).unwrap_or(hazard.severity),
                locale: locale.to_owned(),
                messages,
                payload: spec.payload,
                turns: spec.turns,
                variants: spec.variants,
                detect,
                evidence,
                applicable,
                max_tokens,
                goal: spec.goal,
                example_of_harm: spec.example_of_harm,
                group: spec.group.unwrap_or_else(|| spec.id.clone()),
                id: spec.id,
                place: Place { path: Arc::clone(frame.shown), line: spot.line, column: spot.column },
            })
        }
        Some(_) | None => Err(faults),
    }
}

fn named_hazard(spec: &ProbeSpec, frame: &Frame<'_>, faults: &mut Vec<Fault>) -> Option<&'static Hazard> {
    match (spec.hazard.as_deref().or(frame.defaults.hazard.as_deref()), frame.hazard) {
        (Some(id), _) => {
            let found = hazard(id);
            if found.is_none() {
                let near = nearest(id, HAZARDS.iter().map(|hazard| hazard.id));
                let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
                let ids: Vec<&str> = HAZARDS.iter().map(|hazard| hazard.id).collect();
                let shown: String = id.chars().take(100).collect();
                let mut wrong = fault("/hazard", format!("unknown hazard `{shown}`"));
                wrong.help = Some(format!("{near}hazards: {}", ids.join(", ")));
                faults.push(wrong);
            }
            found
        }
        (None, Some(given)) => Some(given),
        (None, None) => {
            let mut wrong = fault("", "nothing says which hazard this probe looks for");
            wrong.help = Some("add `hazard: ...` to the probe or to `defaults`".to_owned());
            faults.push(wrong);
            None
        }
    }
}

fn messages(spec: &ProbeSpec, frame: &Frame<'_>, faults: &mut Vec<Fault>) -> Vec<ChatMessage> {
    let system = spec.system.as_ref().or(frame.defaults.system.as_ref());
    let mut messages =
        spec.messages.clone().unwrap_or_else(|| vec![ChatMessage { role: Role::User, content: PAYLOAD.to_owned() }]);
    let own = messages.iter().any(|message| message.role == Role::System);
    if own && spec.system.is_some() {
        faults.push(fault("/system", "`messages` has a system message already"));
    }
    if let Some(content) = system.filter(|_| !own) {
        messages.insert(0, ChatMessage { role: Role::System, content: content.clone() });
    }
    let holding = messages.iter().map(|message| message.content.matches(PAYLOAD).count()).sum::<usize>();
    let last = messages.last();
    let held = last.is_some_and(|last| last.role == Role::User && last.content.contains(PAYLOAD));
    if !held || holding != 1 {
        let mut wrong = fault("/messages", "the payload stands once, in the last message, which is the user's");
        wrong.help = Some(format!("write `{PAYLOAD}` into the last message and nowhere else"));
        faults.push(wrong);
    }
    messages
}

fn detect(spec: &ProbeSpec, frame: &Frame<'_>, known: &mut Known, faults: &mut Vec<Fault>) -> Vec<AssertionSpec> {
    let (at, found) = if !spec.detect.is_empty() {
        ("/detect", spec.detect.as_slice())
    } else if !frame.defaults.detect.is_empty() {
        ("", frame.defaults.detect.as_slice())
    } else {
        ("", frame.detect)
    };
    if found.is_empty() {
        let mut wrong = fault("", "nothing says how harm is seen in an answer to this probe");
        wrong.help = Some("add `detect` to the probe or to `defaults`, or a guard or judge to the policy".to_owned());
        faults.push(wrong);
    }
    for (index, assertion) in found.iter().enumerate() {
        let own = |field: &str| if at.is_empty() { String::new() } else { format!("{at}/{index}/{field}") };
        let written = serde_json::to_string(assertion).unwrap_or_default();
        if !known.contains(&written) {
            match scorer::build(assertion) {
                Ok(_) => {
                    known.insert(written);
                }
                Err(problem) => {
                    let mut wrong = fault(own(problem.field), problem.message);
                    wrong.help = problem.help;
                    faults.push(wrong);
                }
            }
        }
        if assertion.kind == "same-answer" && spec.variants.is_empty() {
            faults.push(fault(own("type"), "`same-answer` compares the answers to `variants`, and there is none"));
        }
    }
    found.to_vec()
}
