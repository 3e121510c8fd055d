//! The GitLab template of a program. Inputs become variables, never parts of a shell line.

use clap::Command;

use super::{inputs, quoted};

/// The text of `gitlab-templates/<name>.yml`.
pub(in crate::cli) fn template(command: &Command) -> String {
    let name = command.get_name();
    let mut text =
        String::from("# Made by `llmci generate` from the program's own inputs. Do not edit.\nspec:\n  inputs:\n");
    let mut add = |name: &str, description: &str, kind: &str, default: &str| {
        text.push_str(&format!(
            "    {name}:\n      description: {}\n      type: {kind}\n      default: {default}\n",
            quoted(description)
        ));
    };
    add("job-prefix", "Put before the job's name, so that it merges with no job of yours", "string", "\"llmci-\"");
    add("stage", "The job's stage", "string", "\"test\"");
    add("image", "The image that holds the programs", "string", "\"ghcr.io/org/llmci:v1\"");
    add("runner-tags", "Tags of the runners that may take the job", "array", "[]");
    add("allow-inconclusive", "Exit code 3 (inconclusive) is a warning and not a failure", "boolean", "false");
    let inputs = inputs(command);
    for input in &inputs {
        let kind = if input.flag { "boolean" } else { "string" };
        let default = if input.flag { "false".to_owned() } else { quoted(&input.default) };
        add(&input.name, &input.help, kind, &default);
    }
    text.push_str(&format!("---\n\"$[[ inputs.job-prefix ]]{name}\":\n  stage: $[[ inputs.stage ]]\n  image:\n    name: $[[ inputs.image ]]\n    entrypoint: [\"\"]\n"));
    text.push_str("  tags: $[[ inputs.runner-tags ]]\n  variables:\n");
    for input in &inputs {
        let variable = input.name.to_uppercase().replace('-', "_");
        text.push_str(&format!("    LLMCI_{variable}: \"$[[ inputs.{} ]]\"\n", input.name));
    }
    text.push_str("    LLMCI_ALLOW_INCONCLUSIVE: \"$[[ inputs.allow-inconclusive ]]\"\n");
    text.push_str("  script:\n");
    text.push_str(&format!("    - code=0; {name} || code=$?; if [ \"$code\" = 3 ] && [ \"$LLMCI_ALLOW_INCONCLUSIVE\" = true ]; then exit 33; fi; exit \"$code\"\n"));
    text.push_str(
        "  # 33 stands for an inconclusive verdict that the input allows.\n  allow_failure:\n    exit_codes: [33]\n",
    );
    text.push_str("  artifacts:\n    when: always\n    expire_in: 1 week\n    paths:\n      - \"$[[ inputs.out ]]\"\n");
    text.push_str(
        "    reports:\n      junit: \"$[[ inputs.out ]]/junit.xml\"\n      dotenv: \"$[[ inputs.out ]]/llmci.env\"\n",
    );
    text
}
