//! What is written from the clap structs: actions, templates, tables. Nobody edits those files by hand.

mod action;
mod pages;
mod template;

use clap::{Arg, ArgAction, Command};

pub(super) use action::{IMAGE_FROM_SOURCE, action};
pub(super) use pages::{assertions, between, exit_codes, inputs_page, inputs_table, metrics};
pub(super) use template::template;

/// One input of a program.
struct Input {
    /// As on the command line, without the hyphens before it.
    name: String,
    help: String,
    default: String,
    flag: bool,
    many: bool,
}

fn inputs(command: &Command) -> Vec<Input> {
    let own = |argument: &&Arg| !matches!(argument.get_id().as_str(), "help" | "version");
    command.get_arguments().filter(own).filter_map(input).collect()
}

fn input(argument: &Arg) -> Option<Input> {
    let name = argument.get_long()?.to_owned();
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let default: Vec<String> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let flag = matches!(argument.get_action(), ArgAction::SetTrue);
    let many = matches!(argument.get_action(), ArgAction::Append);
    // An absent flag is false; clap says so itself.
    Some(Input { name, help, default: default.join(","), flag, many })
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// A YAML text in double quotes.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
