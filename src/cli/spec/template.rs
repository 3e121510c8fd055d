//! The GitLab template of a program. Inputs become variables of the job, never parts of a shell line. It sets nothing
//! global and extends nothing: what is included merges by name with the user's own file.
//! Sources: GitLab docs, `ci/inputs`, `ci/components`, `ci/yaml/artifacts_reports`.

use clap::Command;

use super::{Input, LOOKS, offered, quoted};
use crate::host::GITLAB_REPORTS;

/// The exit code of a job whose verdict is inconclusive where the user lets that be a warning.
const ALLOWED: u8 = 33;

/// The input by which that verdict is a warning.
const INCONCLUSIVE: &str = "allow-inconclusive";

/// What every template takes beside the program's own inputs: name, description, type and default.
const OF_THE_JOB: [(&str, &str, &str, &str); 6] = [
    ("job-prefix", "Put before the job's name, so that it merges with no job of yours", "string", "\"llmci-\""),
    ("stage", "The job's stage", "string", "\"test\""),
    ("image", "The image that holds the programs and a shell", "string", "\"ghcr.io/org/llmci:v1\""),
    ("runner-tags", "Tags of the runners that may take the job, such as those with a GPU", "array", "[]"),
    (
        "rules",
        "The job's rules; unchanged, it is in every pipeline that your `workflow` lets be",
        "array",
        "[{\"when\": \"on_success\"}]",
    ),
    (INCONCLUSIVE, "Exit code 3 (inconclusive) is a warning and not a failure", "boolean", "false"),
];

/// The text of `gitlab-templates/<name>.yml`.
pub(in crate::cli) fn template(command: &Command) -> String {
    let name = command.get_name();
    let inputs = offered(command);
    let has_verdict = name != LOOKS;
    let mut text =
        String::from("# Made by `llmci generate` from the program's own inputs. Do not edit.\nspec:\n  inputs:\n");
    for (name, description, kind, default) in OF_THE_JOB {
        if name == INCONCLUSIVE && !has_verdict {
            continue;
        }
        text.push_str(&declared(name, description, kind, default));
    }
    for input in &inputs {
        text.push_str(&of_the_program(input));
    }
    text.push_str(&format!(
        "---\n\"$[[ inputs.job-prefix ]]{name}\":\n  stage: $[[ inputs.stage ]]\n  image:\n    name: $[[ inputs.image ]]\n    entrypoint: [\"\"]\n"
    ));
    text.push_str("  tags: $[[ inputs.runner-tags ]]\n  rules: $[[ inputs.rules ]]\n  variables:\n");
    // A merge request is judged by the policy of its base, which a shallow checkout may not hold.
    text.push_str("    GIT_DEPTH: \"0\"\n");
    for input in &inputs {
        text.push_str(&format!("    {}: \"$[[ inputs.{} ]]\"\n", variable(&input.name), input.name));
    }
    if has_verdict {
        text.push_str(&format!("    LLMCI_ALLOW_INCONCLUSIVE: \"$[[ inputs.{INCONCLUSIVE} ]]\"\n"));
        text.push_str(&judged(name));
    } else {
        text.push_str(&format!("  script:\n    - {name}\n"));
    }
    let moves_traffic = name == "canary-promote";
    if moves_traffic {
        // Where the job was killed, its traffic returns; two rollouts wait for each other.
        text.push_str(
            "  after_script:\n    - canary-promote-post\n  interruptible: false\n  resource_group: llmci-rollout\n",
        );
    }
    text.push_str("  artifacts:\n    when: always\n    expire_in: 1 week\n");
    // Where the program is asked whether answers are kept, they are no text for everybody: a public project's artifacts are public.
    if inputs.iter().any(|input| input.name == "completions") {
        text.push_str("    # samples.jsonl holds what the model was brought to say.\n    access: developer\n");
    }
    text.push_str("    paths:\n      - \"$[[ inputs.out ]]\"\n    reports:\n");
    // A rollout and a machine have outputs, and no samples to show.
    let without_samples = moves_traffic || !has_verdict;
    let of_this = GITLAB_REPORTS.into_iter().filter(|(report, _)| !without_samples || *report == "dotenv");
    for (report, file) in of_this {
        text.push_str(&format!("      {report}: \"$[[ inputs.out ]]/{file}\"\n"));
    }
    text
}

/// The script of a program with a verdict, which may be inconclusive.
fn judged(name: &str) -> String {
    format!(
        "  script:\n    - code=0; {name} || code=$?; if [ \"$code\" = 3 ] && [ \"$LLMCI_ALLOW_INCONCLUSIVE\" = true ]; then exit {ALLOWED}; fi; exit \"$code\"\n  # {ALLOWED} stands for an inconclusive verdict that the input allows.\n  allow_failure:\n    exit_codes: [{ALLOWED}]\n"
    )
}

/// The variable that carries an input to the program.
fn variable(input: &str) -> String {
    format!("LLMCI_{}", input.to_uppercase().replace('-', "_"))
}

fn declared(name: &str, description: &str, kind: &str, default: &str) -> String {
    format!("    {name}:\n      description: {}\n      type: {kind}\n      default: {default}\n", quoted(description))
}

/// An input of the program. An empty text is an absent input, so a number has to be declared as a text of digits.
fn of_the_program(input: &Input) -> String {
    let Input { name, help, default, flag, many, boolean, number, options } = input;
    if *flag || *boolean {
        return declared(name, help, "boolean", if *boolean { default } else { "false" });
    }
    let several = if *many { " (several: separated by commas)" } else { "" };
    let mut text = declared(name, &format!("{help}{several}"), "string", &quoted(default));
    if !options.is_empty() {
        let absent = if default.is_empty() { vec![String::new()] } else { Vec::new() };
        let options: Vec<String> = absent.iter().chain(options).map(|option| quoted(option)).collect();
        text.push_str(&format!("      options: [{}]\n", options.join(", ")));
    } else if *number {
        text.push_str("      regex: '^[0-9]*$'\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Program;
    use crate::report::outputs_of;

    const PROGRAMS: [Program; 5] =
        [Program::EvalGate, Program::RegressionCheck, Program::SafetyGate, Program::CanaryPromote, Program::GpuCheck];

    #[test]
    fn no_output_of_an_earlier_job_is_read_as_an_input_of_a_later_one() {
        // Variables of a dotenv report reach later jobs, and come before the variables of the job itself.
        for command in PROGRAMS.map(Program::command) {
            for input in offered(&command) {
                for (output, _) in outputs_of(command.get_name()) {
                    assert_ne!(variable(&input.name), variable(output), "{}", command.get_name());
                }
            }
        }
    }

    #[test]
    fn no_input_of_a_program_hides_one_of_the_job() {
        for command in PROGRAMS.map(Program::command) {
            for input in offered(&command) {
                assert!(OF_THE_JOB.iter().all(|(name, ..)| *name != input.name), "{}", input.name);
            }
        }
    }
}
