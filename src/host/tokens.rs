//! Where the token for publishing comes from: the environment, never a command line, which other processes can read.

use crate::trust::Secret;

/// Variables of a GitHub token: the action's input `token` first.
pub const GITHUB_TOKENS: [&str; 3] = ["INPUT_TOKEN", "GITHUB_TOKEN", "GH_TOKEN"];
/// Variables of a GitLab token that may write. `CI_JOB_TOKEN` is none: it cannot write notes or statuses.
pub const GITLAB_TOKENS: [&str; 3] = ["INPUT_TOKEN", "LLMCI_GITLAB_TOKEN", "GITLAB_TOKEN"];

/// The first of the variables that is set. The names say that they are secret, so the redactor has learnt their values
/// before anything is printed.
pub fn token(names: &[&str], variable: &dyn Fn(&str) -> Option<String>) -> Option<Secret> {
    let values = names.iter().filter_map(|name| variable(name));
    let mut set = values.filter(|value| !value.trim().is_empty());
    set.next().map(|value| Secret::new(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_comes_before_the_runners_own_token_and_a_blank_one_is_none() {
        let of = |set: &[(&str, &str)]| {
            let find = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            token(&GITHUB_TOKENS, &find).map(|token| token.expose().to_owned())
        };
        assert_eq!(of(&[("GITHUB_TOKEN", "a"), ("INPUT_TOKEN", "b")]).as_deref(), Some("b"));
        assert_eq!(of(&[("INPUT_TOKEN", " "), ("GH_TOKEN", "c")]).as_deref(), Some("c"));
        assert_eq!(of(&[("INPUT_TOKEN", "")]), None);
    }
}
