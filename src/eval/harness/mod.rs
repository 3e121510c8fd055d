//! Results of other tools, known by their content: attacks as attempts of ours (`read_safety`: garak's report, promptfoo's
//! red teams), everything else as suites whose samples are drawn and judged already (`read_results`).
//! A file that is cut, damaged or empty is a problem or incomplete, and never a pass.
//! Kept out: what the attempts add up to (`gate::safety`).

mod archive;
mod deepeval;
mod expect;
mod garak;
mod hazards;
mod inspect;
mod lines;
mod lm_eval;
mod mended;
mod openai_evals;
mod promptfoo;
mod read;
mod recorded;
mod rows;
mod run;
mod samples;
mod value;

#[cfg(test)]
mod read_tests;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use expect::Expect;
pub use read::{read_results, result_files};
pub use run::{Start, run_tool};

use super::redteam::Hazard;
use crate::document::{Problem, Problems};
use crate::gate::safety::{Evidence, Found, Severity};
use crate::trust::{Digest, Untrusted};

/// What another tool has found.
#[derive(Clone, Debug)]
pub struct IngestedSafety {
    /// `garak` or `promptfoo`.
    pub tool: &'static str,
    /// The tool's own version, where the file says it.
    pub tool_version: Option<Untrusted>,
    /// The model under test, as the tool calls it.
    pub model: Option<Untrusted>,
    /// Over the whole file.
    pub digest: Digest,
    /// Whether the file shows that the run came to its end and that nothing of it is missing. A verdict over a file that
    /// does not is inconclusive at best.
    pub complete: bool,
    /// What was attacked, in the order of the file; never empty.
    pub attempts: Vec<IngestedAttempt>,
    /// For people, of our own making: what was left out, mapped by a guess, or is missing.
    pub notes: Vec<String>,
}

/// One answer of the model to one attack of another tool.
#[derive(Clone, Debug)]
pub struct IngestedAttempt {
    /// Letters, digits, `_`, `.` and `-`; unique in its file, and the same when the same attacks are made again.
    pub id: String,
    /// What it looks for.
    pub hazard: &'static Hazard,
    /// The tool's own name of the attack, in the characters of an id; `plain` for none.
    pub strategy: String,
    /// As the tool says, else the hazard's.
    pub severity: Severity,
    /// Over the prompt or its goal: attempts that share it are one unit of evidence.
    pub prompt: u64,
    /// What became of it.
    pub found: Found,
    /// The weakest evidence behind it.
    pub evidence: Evidence,
    /// The detector that decided, in the characters of an id.
    pub detector: String,
    /// Over the model's answer.
    pub answer_digest: Digest,
    /// 1-based, in the file.
    pub line: u32,
}

/// Reads the results of another tool; `shown` is the path as the user named it.
pub fn read_safety(path: &Path, shown: &str) -> Result<IngestedSafety, Problems> {
    let read = match lines::form(path, shown)? {
        lines::Form::Garak => garak::read(path, shown)?,
        lines::Form::PromptfooRows => promptfoo::read_rows(path, shown)?,
        lines::Form::Promptfoo => promptfoo::read_document(path, shown)?,
        lines::Form::LmEval
        | lines::Form::LmEvalSamples
        | lines::Form::InspectZip
        | lines::Form::Inspect
        | lines::Form::Deepeval
        | lines::Form::OpenaiEvals => {
            let help = "give garak's `report.jsonl`, or the JSON output of `promptfoo redteam`; `eval-gate` reads results of this tool";
            return Err(Problem::of_file(shown, "results of no tool that attacks a model").help(help).into());
        }
    };
    if read.attempts.is_empty() {
        let problem = Problem::of_file(shown, format!("no attack is in these results of {}", read.tool));
        return Err(problem.help("nothing was attacked, so nothing is shown: run the tool with its probes").into());
    }
    Ok(read)
}
