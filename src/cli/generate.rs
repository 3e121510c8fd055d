//! `llmci generate`: writes every file that is made from the code, or says which is stale.

use std::path::Path;

use super::programs::{GenerateArgs, Program};
use super::spec;
use crate::commands::{CommandError, Exit, Outcome};
use crate::deliver::{alert, plan};
use crate::document::Problem;
use crate::document::schema_text;
use crate::eval::{policy, redteam, suite};
use crate::gate::plan::PlanReport;
use crate::gpu::kinds;
use crate::report;
use crate::store::file::{make_folder, write_atomically};

/// Writes, or checks.
pub(super) fn run(args: &GenerateArgs) -> Result<Outcome, CommandError> {
    let mut problems = Vec::new();
    let mut text = String::new();
    for (name, wanted) in files(&args.root).map_err(|problem| CommandError::Problems(vec![problem]))? {
        let path = args.root.join(&name);
        if std::fs::read_to_string(&path).ok().as_deref() == Some(&wanted) {
            continue;
        }
        if args.check {
            problems
                .push(Problem::of_file(&name, "stale: it is made from the code").help("run `cargo run -- generate`"));
            continue;
        }
        if let Some(folder) = path.parent() {
            make_folder(folder).map_err(|error| CommandError::environment(&error))?;
        }
        write_atomically(&path, wanted.as_bytes()).map_err(|error| CommandError::environment(&error))?;
        text.push_str(&format!("written: {name}\n"));
    }
    if problems.is_empty() {
        Ok(Outcome { exit: Exit::Pass, report: None, rollout: None, text })
    } else {
        Err(CommandError::Problems(problems))
    }
}

/// Every generated file: its name under the project's folder, and its text.
fn files(root: &Path) -> Result<Vec<(String, String)>, Problem> {
    let mut files: Vec<(String, String)> = Vec::new();
    let planned = ("plan.schema.json", schema_text::<PlanReport>("llmci plan --json"));
    let schemas =
        [policy::schema(), report::schema(), report::calibration_schema(), planned].into_iter().chain(suite::schemas());
    let rollout = [plan::schema(), alert::schema(), report::rollout_schema()];
    let schemas = schemas.chain([redteam::schema()]).chain(rollout);
    files.extend(schemas.map(|(name, text)| (format!("docs/schema/{name}"), text)));
    let gate = Program::EvalGate.command();
    let others = [Program::RegressionCheck, Program::SafetyGate, Program::CanaryPromote, Program::GpuCheck];
    for program in std::iter::once(&gate).chain(&others.map(Program::command)) {
        let name = program.get_name();
        files.push((format!("actions/{name}/action.yml"), spec::action(program)));
        files.push((format!("gitlab-templates/{name}.yml"), spec::template(program)));
        files.push((format!("docs/reference/{name}.md"), spec::inputs_page(program)));
    }
    files.push(("docs/reference/assertions.md".to_owned(), spec::assertions()));
    files.push(("docs/reference/exit-codes.md".to_owned(), spec::exit_codes()));
    files.push(("docs/reference/metrics.md".to_owned(), spec::metrics()));
    files.push(("docs/reference/hazards.md".to_owned(), spec::hazards()));
    files.push(("docs/reference/safety-suites.md".to_owned(), spec::shipped_suites()));
    let mut fill = |file: &str, marks: &str, content: &str| -> Result<(), Problem> {
        let page = std::fs::read_to_string(root.join(file))
            .map_err(|error| Problem::of_file(file, format!("cannot be read: {error}")))?;
        files.push((file.to_owned(), spec::between(file, &page, marks, content)?));
        Ok(())
    };
    fill("README.md", "eval-gate-inputs", &spec::inputs_table(&gate))?;
    fill("docs/how-to/attacks.md", "strategies", &redteam::strategies_table())?;
    fill("docs/how-to/gpu.md", "gpu-kinds", &kinds::table())?;
    Ok(files)
}
