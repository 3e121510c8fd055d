//! Reference pages and tables.

use clap::Command;

use super::{about, inputs};
use crate::commands::Exit;
use crate::document::Problem;
use crate::eval::scorer::TYPES;
use crate::gate::{Direction, KNOWN, Unit};
use crate::report::outputs_of;

pub(super) const MADE: &str = "<!-- Made by `llmci generate`. Do not edit. -->\n\n";

/// Text for a cell of a table.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

/// The inputs of a program as a table.
pub(in crate::cli) fn inputs_table(command: &Command) -> String {
    let mut text = String::from("| input | meaning | default |\n|---|---|---|\n");
    for input in inputs(command) {
        let several = if input.many { " (several: repeat it; as an action's input one a line)" } else { "" };
        let default = match (input.flag, input.default.is_empty()) {
            (true, _) => "`false`".to_owned(),
            (false, true) => "-".to_owned(),
            (false, false) => format!("`{}`", input.default),
        };
        text.push_str(&format!("| `--{}` | {}{several} | {default} |\n", input.name, cell(&input.help)));
    }
    text
}

/// The reference page of a program.
pub(in crate::cli) fn inputs_page(command: &Command) -> String {
    let name = command.get_name();
    let gpu = name == "gpu-check";
    let mut text = format!("{MADE}# {name}\n\n{}\n\n## Inputs\n\n{}\n", about(command), inputs_table(command));
    text.push_str(
        "An input comes from the command line, else from `INPUT_<NAME>` (set by GitHub's runner), else from ",
    );
    text.push_str(
        "`LLMCI_<NAME>` (upper case, hyphens as underscores). An empty value is an absent one.\n\n## Outputs\n\n",
    );
    text.push_str("| output | value |\n|---|---|\n");
    for (name, description) in outputs_of(name) {
        text.push_str(&format!("| `{name}` | {} |\n", cell(description)));
    }
    text.push_str(&format!(
        "\nOn GitHub they are outputs of the step. On GitLab they are in `llmci.env` in the output folder, as {}; `{}` is only in {} there.\n",
        variables(name),
        if gpu { "devices" } else { "metrics" },
        if gpu { "gpu.json" } else { "report.json" }
    ));
    text
}

/// The outputs that GitLab's dotenv file can hold, as its variables.
fn variables(program: &str) -> String {
    let names =
        outputs_of(program).into_iter().map(|(name, _)| name).filter(|name| !matches!(*name, "metrics" | "devices"));
    let mut names: Vec<String> =
        names.map(|name| format!("`LLMCI_{}`", name.to_uppercase().replace('-', "_"))).collect();
    let last = names.pop().unwrap_or_default();
    format!("{} and {last}", names.join(", "))
}

/// The table of exit codes.
pub(in crate::cli) fn exit_codes() -> String {
    let mut text = format!(
        "{MADE}# Exit codes\n\nThe same for every program. They change only with a version.\n\n| code | meaning |\n|---:|---|\n"
    );
    for exit in Exit::ALL {
        text.push_str(&format!("| {} | {} |\n", exit.code(), cell(exit.meaning())));
    }
    text
}

/// The table of assertion types.
pub(in crate::cli) fn assertions() -> String {
    let mut text = format!("{MADE}# Assertions\n\n");
    text.push_str("Every assertion also takes `weight` (default 1; 0 is reported only), `not` (inverts it) and `metric` (the named score that it feeds).\n\n");
    text.push_str("| type | fields | holds when |\n|---|---|---|\n");
    for reference in TYPES {
        let fields: Vec<String> = reference.fields.iter().map(|field| format!("`{field}`")).collect();
        text.push_str(&format!("| `{}` | {} | {} |\n", reference.name, fields.join(", "), cell(reference.summary)));
    }
    text
}

/// The table of metrics.
pub(in crate::cli) fn metrics() -> String {
    let mut text = format!(
        "{MADE}# Metrics\n\nBeside these, every named score of a suite is a metric: `accuracy` and `acc_norm` of `choice` cases, "
    );
    text.push_str(
        "and the names that assertions give with `metric`. A threshold on a name of your own needs `direction`.\n\n",
    );
    text.push_str("| metric | better | unit | bound |\n|---|---|---|---|\n");
    for known in KNOWN {
        let (better, bound) = match known.direction {
            Direction::Higher => ("higher", "min"),
            Direction::Lower => ("lower", "max"),
        };
        let unit = match known.unit {
            Unit::Share => "0 to 1",
            Unit::Milliseconds => "ms",
            Unit::Dollars => "USD",
            Unit::Tokens => "tokens",
            Unit::Number => "a number",
        };
        text.push_str(&format!("| `{}` | {better} | {unit} | `{bound}` |\n", known.name));
    }
    text
}

/// Replaces what stands between two markers of a page; the file is the page's own, for the problem where they are missing.
pub(in crate::cli) fn between(file: &str, page: &str, name: &str, content: &str) -> Result<String, Problem> {
    let (start, end) = (format!("<!-- generated:{name} -->\n"), format!("<!-- /generated:{name} -->"));
    let missing = || Problem::of_file(file, format!("the markers of {name} are missing"));
    let (before, rest) = page.split_once(&start).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    Ok(format!("{before}{start}{content}{end}{after}"))
}
