//! Inputs from three places: the command line, before `INPUT_*` (as GitHub's runner sets them), before `LLMCI_*`.
//! Source of the names: actions/runner `Handler.cs` (spaces become `_`, letters upper case, hyphens stay).

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::trust::Untrusted;

/// A command line with the inputs of the environment in it.
#[derive(Debug)]
pub(super) struct Filled {
    /// All arguments, the program's name first.
    pub(super) arguments: Vec<String>,
    /// The variables that some of them came from.
    pub(super) origins: Vec<String>,
}

/// Adds what the environment says of every argument that the command line does not give.
pub(super) fn overlay(
    command: &Command,
    arguments: &[String],
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Filled, Untrusted> {
    let mut all = Filled { arguments: arguments.to_vec(), origins: Vec::new() };
    // What stands behind `--` is no option any more.
    let mut end = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
    let Ok(matches) = command.clone().ignore_errors(true).try_get_matches_from(arguments) else { return Ok(all) };
    let (command, matches) = deepest(command, &matches);
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        if matches!(id, "help" | "version") || given(matches, id) {
            continue;
        }
        if let Some((name, value)) = find(id, variable) {
            for spelled in spelled(argument, &name, &value)? {
                all.arguments.insert(end, spelled);
                end += 1;
            }
            all.origins.push(name);
        }
    }
    Ok(all)
}

/// The subcommand that was asked for, as deep as it goes.
fn deepest<'a>(command: &'a Command, matches: &'a ArgMatches) -> (&'a Command, &'a ArgMatches) {
    match matches.subcommand() {
        Some((name, inner)) => match command.find_subcommand(name) {
            Some(command) => deepest(command, inner),
            None => (command, matches),
        },
        None => (command, matches),
    }
}

fn given(matches: &ArgMatches, id: &str) -> bool {
    matches.try_contains_id(id).is_ok() && matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// The first variable that is set and not blank: an empty input is an absent one.
fn find(id: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<(String, String)> {
    let hyphens = id.replace('_', "-").to_uppercase();
    let underscores = id.to_uppercase();
    let names = [format!("INPUT_{hyphens}"), format!("INPUT_{underscores}"), format!("LLMCI_{underscores}")];
    names.into_iter().find_map(|name| {
        let value = variable(&name)?.trim().to_owned();
        (!value.is_empty()).then_some((name, value))
    })
}

fn spelled(argument: &Arg, name: &str, value: &str) -> Result<Vec<String>, Untrusted> {
    let flag = argument.get_long().map(|long| format!("--{long}"));
    match argument.get_action() {
        ArgAction::SetTrue => match value {
            "true" | "True" | "TRUE" => Ok(flag.into_iter().collect()),
            "false" | "False" | "FALSE" => Ok(Vec::new()),
            other => Err(Untrusted::new(format!("{name}: {other:?} is neither true nor false"))),
        },
        ArgAction::Append => {
            let items = value.split(['\n', ',']).map(str::trim).filter(|item| !item.is_empty());
            Ok(items
                .map(|item| flag.as_ref().map_or_else(|| item.to_owned(), |flag| format!("{flag}={item}")))
                .collect())
        }
        _ => Ok(vec![flag.map_or_else(|| value.to_owned(), |flag| format!("{flag}={value}"))]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Program;
    use super::*;

    fn with(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Vec<String>, Untrusted> {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        overlay(&Program::EvalGate.command(), &arguments, &find).map(|filled| filled.arguments)
    }

    #[test]
    fn the_command_line_comes_before_inputs_and_they_before_variables() {
        let variables =
            [("INPUT_MODEL", "from-input"), ("LLMCI_MODEL", "from-variable"), ("LLMCI_OUT", "o"), ("INPUT_OUT", " ")];
        assert_eq!(with(&["eval-gate", "--model", "x"], &variables).unwrap(), ["eval-gate", "--model", "x", "--out=o"]);
        assert_eq!(with(&["eval-gate"], &variables).unwrap(), ["eval-gate", "--model=from-input", "--out=o"]);
    }

    #[test]
    fn inputs_of_the_environment_stand_before_the_end_of_options() {
        let all = with(&["eval-gate", "--", "x"], &[("LLMCI_OUT", "o")]).unwrap();
        assert_eq!(all, ["eval-gate", "--out=o", "--", "x"]);
    }

    #[test]
    fn lists_and_flags_are_read_as_the_toolkit_reads_them() {
        let all =
            with(&["eval-gate"], &[("INPUT_SUITE", "a.yaml\nb.yaml"), ("INPUT_RESUME", "True"), ("INPUT_TAGS", "x,y")]);
        let all = all.unwrap();
        for wanted in ["--suite=a.yaml", "--suite=b.yaml", "--resume", "--tags=x", "--tags=y"] {
            assert!(all.contains(&wanted.to_owned()), "{wanted} in {all:?}");
        }
        assert_eq!(with(&["eval-gate"], &[("INPUT_RESUME", "false")]).unwrap(), ["eval-gate"]);
        assert!(with(&["eval-gate"], &[("INPUT_RESUME", "yes")]).is_err());
    }
}
