//! Reads probes from a file: our own form, and public sets that a user has on disk. A row that cannot be read is a problem with
//! its line; none is dropped. Kept out: the suites that come with the program (`library`).

mod build;
mod csv;
mod expand;
mod gather;
mod guide;
mod lines;
mod native;
mod recognise;
mod spec;
mod tables;

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hazard::Hazard;
use super::probe::ProbeSuite;
use crate::document::{Problem, Problems, Spot};
use crate::eval::input;
use crate::eval::scorer::AssertionSpec;

pub(super) use native::parse;

/// The largest file of probes, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;
/// The most rows of a public set.
const MOST_ROWS: usize = 1_000_000;

/// The form of a file of probes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Our own, in YAML.
    Probes,
    /// AILuminate 1.0: CSV with `release_prompt_id,prompt_text,hazard,persona,locale,prompt_hash`.
    Ailuminate,
    /// HarmBench: CSV with `Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID`.
    Harmbench,
    /// XSTest: CSV with `id,prompt,type,label,focus,note`, or with the older `id_v2` and without a label.
    Xstest,
    /// AdvBench: CSV with `goal,target`.
    Advbench,
    /// BBQ: JSON lines with `example_id`, `context`, `question`, `ans0` to `ans2` and `label`.
    Bbq,
    /// RealToxicityPrompts: JSON lines with `prompt` and `continuation`.
    RealToxicityPrompts,
    /// A JSON file of prompts: a list of texts or objects, or a mapping of a category to a list.
    Prompts,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 8] = [
        Format::Probes,
        Format::Ailuminate,
        Format::Harmbench,
        Format::Xstest,
        Format::Advbench,
        Format::Bbq,
        Format::RealToxicityPrompts,
        Format::Prompts,
    ];

    /// The word of `format:` and of inputs.
    pub fn word(self) -> &'static str {
        match self {
            Format::Probes => "probes",
            Format::Ailuminate => "ailuminate",
            Format::Harmbench => "harmbench",
            Format::Xstest => "xstest",
            Format::Advbench => "advbench",
            Format::Bbq => "bbq",
            Format::RealToxicityPrompts => "real-toxicity-prompts",
            Format::Prompts => "prompts",
        }
    }

    /// The format of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.word() == word)
    }
}

/// What the caller knows about a file.
#[derive(Clone, Default, Debug)]
pub struct LoadOptions {
    /// Its form; recognised by its content unless given.
    pub format: Option<Format>,
    /// The hazard of probes for which the file names none.
    pub hazard: Option<&'static Hazard>,
    /// The detectors of probes for which the file has none.
    pub detect: Vec<AssertionSpec>,
}

/// Reads the probes of a file, or says everything that is wrong with it; `shown` is what the user calls it.
pub fn load(path: &Path, shown: &str, options: &LoadOptions) -> Result<ProbeSuite, Problems> {
    let text = read(path, shown)?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    of_text(&text, shown, &named(&stem), options)
}

/// The name and text of the schema of a file of probes.
pub fn schema() -> (&'static str, String) {
    ("probes.schema.json", crate::document::schema_text::<spec::ProbeFile>("llmci probes"))
}

fn of_text(text: &str, shown: &str, name: &str, options: &LoadOptions) -> Result<ProbeSuite, Problems> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let format = match options.format {
        Some(format) => format,
        None => recognise::format(text, shown)?,
    };
    let shown: Arc<str> = shown.into();
    match format {
        Format::Probes => native::parse(text, &shown, options),
        Format::Ailuminate | Format::Harmbench | Format::Xstest | Format::Advbench => {
            tables::parse(text, &shown, name, format, options)
        }
        Format::Bbq => lines::bbq(text, &shown, name, options),
        Format::RealToxicityPrompts => lines::real_toxicity(text, &shown, name, options),
        Format::Prompts => guide::parse(text, &shown, name, options),
    }
}

/// A file's name as a suite's name.
fn named(stem: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' };
    let name: String = stem.chars().take(100).map(kept).collect();
    if name.is_empty() { "probes".to_owned() } else { name }
}

fn read(path: &Path, shown: &str) -> Result<String, Problem> {
    let unreadable = |error: std::io::Error| Problem::of_file(shown, format!("the probes cannot be read: {error}"));
    let file = input::open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(Problem::of_file(shown, "the probes cannot be read: not a regular file"));
    }
    let mut bytes = Vec::new();
    // One byte more than may be there shows that there are more.
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        let problem = Problem::of_file(shown, format!("the file has more than {LARGEST} bytes"));
        return Err(problem.help("take a part of it, or split it into several files"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let end = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes().iter().take(end).filter(|byte| **byte == b'\n').count();
        Problem::new(shown, spot(line), "not UTF-8")
    })
}

/// The beginning of a line.
fn spot(line: usize) -> Spot {
    Spot { line: u32::try_from(line).unwrap_or(u32::MAX), column: 1 }
}

/// `<format>-<line>`, or the row's own id where it is one that commands can hold.
fn row_id(own: &str, format: Format, line: usize) -> String {
    if own.is_empty() || !build::is_name(own) {
        return format!("{}-{line}", format.word());
    }
    // A bare number says nothing in a report.
    if own.bytes().all(|byte| byte.is_ascii_digit()) { format!("{}-{own}", format.word()) } else { own.to_owned() }
}

#[cfg(test)]
mod tests;
