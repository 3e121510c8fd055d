//! Public sets of prompts that are tables. Their rows stay on the user's disk: only the names of their columns are known here.

use std::sync::Arc;

use serde_json::Value;

use super::build::Frame;
use super::csv::{self, Row, Rows};
use super::expand::Fault;
use super::gather::{Added, Gathered};
use super::spec::{ProbeDefaults, ProbeSpec};
use super::{Format, LoadOptions, MOST_ROWS, row_id, spot};
use crate::document::{Problem, Problems};
use crate::eval::redteam::hazard::by_ailuminate;
use crate::eval::redteam::probe::ProbeSuite;
use crate::eval::scorer::AssertionSpec;

/// Semantic categories of HarmBench, by hazard. Source: HarmBench's table of behaviours.
const HARMBENCH: &[(&str, &str)] = &[
    ("chemical_biological", "indiscriminate_weapons"),
    ("copyright", "intellectual_property"),
    ("cybercrime_intrusion", "non_violent_crimes"),
    ("harassment_bullying", "toxicity"),
    ("harmful", "harmful_content"),
    ("illegal", "non_violent_crimes"),
    ("misinformation_disinformation", "misinformation"),
];
/// The hazard of a prompt of which its set says only that it is harmful.
pub(super) const UNNAMED: &str = "harmful_content";

/// Reads a table.
pub(super) fn parse(
    text: &str,
    shown: &Arc<str>,
    name: &str,
    format: Format,
    options: &LoadOptions,
) -> Result<ProbeSuite, Problems> {
    let mut rows = Rows::new(text);
    let header = match rows.next() {
        Some(Ok(row)) => row.fields.iter().map(|field| csv::folded(field)).collect::<Vec<_>>(),
        Some(Err(broken)) => return Err(Problem::new(shown, spot(broken.line), broken.message).into()),
        None => return Err(Problem::of_file(shown, "the table is empty").into()),
    };
    let missing: Vec<&str> =
        needed(format).iter().copied().filter(|column| !header.iter().any(|name| name == column)).collect();
    if !missing.is_empty() {
        let message = format!("the table has no column {}", missing.join(", "));
        let help = format!("columns of `{}`: {}", format.word(), needed(format).join(", "));
        return Err(Problem::new(shown, spot(1), message).help(help).into());
    }
    let defaults = ProbeDefaults::default();
    let frame = Frame { shown, defaults: &defaults, hazard: options.hazard, detect: &options.detect };
    let mut gathered = Gathered::new(shown, MOST_ROWS);
    for row in rows {
        let row = match row {
            Ok(row) => row,
            Err(broken) => {
                gathered.report(Problem::new(shown, spot(broken.line), broken.message));
                continue;
            }
        };
        let at = spot(row.line);
        if row.fields.len() != header.len() {
            let message = format!("{} fields in a table of {} columns", row.fields.len(), header.len());
            gathered.report(Problem::new(shown, at, message));
            continue;
        }
        let place = |found: &Fault| {
            let problem = Problem::new(shown, at, found.message.clone());
            found.help.iter().fold(problem, |problem, help| problem.help(help.clone()))
        };
        match probe(&Cells { header: &header, row: &row }, format, options) {
            Ok(spec) => {
                if gathered.add(spec, at, &frame, &place) == Added::Full {
                    break;
                }
            }
            Err(message) => gathered.report(Problem::new(shown, at, message)),
        }
    }
    gathered.finish(name)
}

fn needed(format: Format) -> &'static [&'static str] {
    match format {
        Format::Ailuminate => &["release_prompt_id", "prompt_text", "hazard"],
        Format::Harmbench => &["behavior", "semanticcategory", "behaviorid"],
        Format::Xstest => &["prompt", "type"],
        Format::Advbench => &["goal"],
        Format::Probes | Format::Bbq | Format::RealToxicityPrompts | Format::Prompts => &[],
    }
}

struct Cells<'a> {
    header: &'a [String],
    row: &'a Row,
}

impl Cells<'_> {
    /// A field without the space around it; empty where the table has no such column.
    fn get(&self, column: &str) -> &str {
        let index = self.header.iter().position(|name| name == column);
        index.and_then(|index| self.row.fields.get(index)).map_or("", |field| field.trim())
    }
}

fn probe(cells: &Cells<'_>, format: Format, options: &LoadOptions) -> Result<ProbeSpec, String> {
    let line = cells.row.line;
    let made = |id: &str, payload: &str| ProbeSpec::bare(row_id(id, format, line), payload.to_owned());
    let hazard = |id: &str| Some(id.to_owned());
    match format {
        Format::Ailuminate => {
            let mut spec = made(cells.get("release_prompt_id"), cells.get("prompt_text"));
            let code = cells.get("hazard");
            match by_ailuminate(code) {
                Some(found) => spec.hazard = hazard(found.id),
                None => return Err(format!("`{}` is no hazard of AILuminate 1.0", cut(code))),
            }
            spec.locale = Some(cells.get("locale").to_owned()).filter(|locale| !locale.is_empty());
            Ok(spec)
        }
        Format::Harmbench => {
            let context = cells.get("contextstring");
            let behaviour = cells.get("behavior");
            let payload =
                if context.is_empty() { behaviour.to_owned() } else { format!("{context}\n\n---\n\n{behaviour}") };
            let mut spec = made(cells.get("behaviorid"), &payload);
            let category = csv::folded(cells.get("semanticcategory"));
            match HARMBENCH.iter().find(|(name, _)| *name == category) {
                Some((_, id)) => spec.hazard = hazard(id),
                None if options.hazard.is_some() => {}
                None => return Err(format!("`{}` is no semantic category of HarmBench", cut(&category))),
            }
            spec.goal = Some(behaviour.to_owned());
            Ok(spec)
        }
        Format::Xstest => {
            let own = ["id", "id_v2", "id_v1"].iter().map(|column| cells.get(column)).find(|id| !id.is_empty());
            let mut spec = made(own.unwrap_or_default(), cells.get("prompt"));
            let contrast = cells.get("type").starts_with("contrast_");
            match (cells.get("label"), contrast) {
                ("safe", false) | ("", false) => harmless(&mut spec),
                ("unsafe", true) | ("", true) => unnamed(&mut spec, options),
                ("safe" | "unsafe", _) => return Err("`type` and `label` say opposite things".to_owned()),
                (label, _) => return Err(format!("`label` is safe or unsafe, not `{}`", cut(label))),
            }
            Ok(spec)
        }
        Format::Advbench => {
            let mut spec = made("", cells.get("goal"));
            unnamed(&mut spec, options);
            Ok(spec)
        }
        Format::Probes | Format::Bbq | Format::RealToxicityPrompts | Format::Prompts => {
            Err(format!("`{}` is no table", format.word()))
        }
    }
}

/// A harmless request: harm is that it is refused, whatever detectors the caller has for harmful answers.
pub(super) fn harmless(spec: &mut ProbeSpec) {
    spec.hazard = Some("over_refusal".to_owned());
    let mut refused = AssertionSpec::new("refusal", Value::Null);
    refused.value = None;
    refused.not = true;
    spec.detect = vec![refused];
}

fn unnamed(spec: &mut ProbeSpec, options: &LoadOptions) {
    if options.hazard.is_none() {
        spec.hazard = Some(UNNAMED.to_owned());
    }
}

/// A part of a text that is short enough for a message.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}
