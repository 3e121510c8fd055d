//! What is written from the clap structs: actions, templates, tables. Nobody edits those files by hand.

mod action;
mod pages;
mod safety;
mod template;

use std::any::TypeId;

use clap::{Arg, ArgAction, Command};

pub(super) use action::{IMAGE_FROM_SOURCE, action};
pub(super) use pages::{assertions, between, exit_codes, inputs_page, inputs_table, metrics};
pub(super) use safety::{hazards, shipped_suites};
pub(super) use template::template;

/// One input of a program.
struct Input {
    /// As on the command line, without the hyphens before it.
    name: String,
    help: String,
    default: String,
    flag: bool,
    many: bool,
    /// `true` or `false` as a value, for what is on without being asked for.
    boolean: bool,
    /// A whole number and nothing else.
    number: bool,
    /// The only values that it takes, where it takes only some.
    options: Vec<String>,
}

fn inputs(command: &Command) -> Vec<Input> {
    let own = |argument: &&Arg| !matches!(argument.get_id().as_str(), "help" | "version");
    command.get_arguments().filter(own).filter_map(input).collect()
}

/// Inputs of `gpu-check` that are about a command behind `--`, which no action and no template has: its GPUs would be given back as the
/// step ends.
const OF_A_COMMAND: [&str; 5] = ["lease", "lease-dir", "lease-priority", "lease-timeout", "preemptible"];
/// The program that only looks at the machine: it has no verdict on a model, which could be inconclusive or published.
const LOOKS: &str = "gpu-check";

/// The inputs that an action or a template of the program can serve.
fn offered(command: &Command) -> Vec<Input> {
    let is_offered = |input: &Input| command.get_name() != LOOKS || !OF_A_COMMAND.contains(&input.name.as_str());
    inputs(command).into_iter().filter(is_offered).collect()
}

fn input(argument: &Arg) -> Option<Input> {
    let name = argument.get_long()?.to_owned();
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let default: Vec<String> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let flag = matches!(argument.get_action(), ArgAction::SetTrue);
    let many = matches!(argument.get_action(), ArgAction::Append);
    let kind = argument.get_value_parser().type_id();
    let number = kind == TypeId::of::<u32>() || kind == TypeId::of::<u64>();
    let boolean = !flag && kind == TypeId::of::<bool>();
    let options = if flag { Vec::new() } else { argument.get_possible_values() };
    let options = options.iter().map(|value| value.get_name().to_owned()).collect();
    // An absent flag is false; clap says so itself.
    Some(Input { name, help, default: default.join(","), flag, many, boolean, number, options })
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// A YAML text in double quotes.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
