//! `action.yml` of a program. Inputs reach it as `INPUT_*`; `args:` is not used, since the runner quotes it wrongly
//! (actions/runner, `ContainerActionHandler.cs`). `image:` takes no expression there, so the release tree writes its own
//! (`cli::release_tree`).

use clap::Command;

use super::{LOOKS, about, offered, quoted};
use crate::report::outputs_of;

/// The program behind `post-entrypoint`: it closes what a cancelled or killed step left open.
const POST: &str = "llmci-post";
/// The same for a program that moves traffic: its step may have been killed in the middle.
const TRAFFIC_POST: (&str, &str) = ("canary-promote", "canary-promote-post");
/// The image of a checkout: built from source, with the project's folder as context.
pub(in crate::cli) const IMAGE_FROM_SOURCE: &str = "../../Dockerfile";
/// The token is no argument of a program, which other processes could read: it stays in the environment.
const TOKEN: &str = "The token that publishes on the pull request and the commit: pull-requests: write for comments, checks: write for check runs. With less, the verdict is the same and the results are shown where the rights allow it";

/// The text of `actions/<name>/action.yml`.
pub(in crate::cli) fn action(command: &Command) -> String {
    let name = command.get_name();
    let mut text = String::from("# Made by `llmci generate` from the program's own inputs. Do not edit.\n");
    text.push_str(&format!("name: {}\ndescription: {}\n", quoted(&format!("llmci {name}")), quoted(&about(command))));
    text.push_str("branding:\n  icon: check-circle\n  color: green\ninputs:\n");
    let mut add = |name: &str, description: &str, default: &str| {
        text.push_str(&format!(
            "  {name}:\n    description: {}\n    required: false\n    default: {}\n",
            quoted(description),
            quoted(default)
        ));
    };
    for input in offered(command) {
        let several = if input.many { " (several: one a line, or separated by commas)" } else { "" };
        let default = if input.flag && input.default.is_empty() { "false".to_owned() } else { input.default };
        add(&input.name, &format!("{}{several}", input.help), &default);
    }
    // A machine is no pull request's matter: nothing is published there.
    if name != LOOKS {
        add("token", TOKEN, "${{ github.token }}");
    }
    text.push_str("outputs:\n");
    for (name, description) in outputs_of(name) {
        text.push_str(&format!("  {name}:\n    description: {}\n", quoted(description)));
    }
    text.push_str(&format!("runs:\n  using: docker\n  image: {IMAGE_FROM_SOURCE}\n"));
    let post = if name == TRAFFIC_POST.0 { TRAFFIC_POST.1 } else { POST };
    text.push_str(&format!(
        "  entrypoint: /usr/local/bin/{name}\n  post-entrypoint: /usr/local/bin/{post}\n  post-if: always()\n"
    ));
    // The runner never passes --gpus: the host's default runtime must be nvidia's, and these say what it shows. They are
    // defaults: what a job sets in its own `env:` comes first.
    text.push_str("  env:\n    NVIDIA_VISIBLE_DEVICES: all\n    NVIDIA_DRIVER_CAPABILITIES: compute,utility\n");
    text
}
