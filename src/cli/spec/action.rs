//! `action.yml` of a program. Inputs reach it as `INPUT_*`; `args:` is not used, since the runner quotes it wrongly
//! (actions/runner, `ContainerActionHandler.cs`).

use clap::Command;

use super::{about, inputs, quoted};
use crate::report::OUTPUTS;

/// The text of `actions/<name>/action.yml`.
pub(in crate::cli) fn action(command: &Command) -> String {
    let name = command.get_name();
    let mut text = String::from("# Made by `llmci generate` from the program's own inputs. Do not edit.\n");
    text.push_str(&format!("name: {}\ndescription: {}\n", quoted(&format!("llmci {name}")), quoted(&about(command))));
    text.push_str("branding:\n  icon: check-circle\n  color: green\ninputs:\n");
    for input in inputs(command) {
        let several = if input.many { " (several: one a line, or separated by commas)" } else { "" };
        text.push_str(&format!(
            "  {}:\n    description: {}\n    required: false\n",
            input.name,
            quoted(&format!("{}{several}", input.help))
        ));
        let default = if input.flag && input.default.is_empty() { "false".to_owned() } else { input.default };
        text.push_str(&format!("    default: {}\n", quoted(&default)));
    }
    text.push_str("outputs:\n");
    for (name, description) in OUTPUTS {
        text.push_str(&format!("  {name}:\n    description: {}\n", quoted(description)));
    }
    text.push_str(&format!("runs:\n  using: docker\n  image: ../../Dockerfile\n  entrypoint: /usr/local/bin/{name}\n"));
    text
}
