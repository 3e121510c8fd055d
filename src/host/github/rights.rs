//! What is said where a right is missing: the permission to add as YAML, or that a fork's token cannot have it.

use super::reply::Trouble;
use crate::trust::Untrusted;

/// What was to be published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Surface {
    Comment,
    Check,
    Status,
}

impl Surface {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Surface::Comment => ("the comment", "pull-requests: write"),
            Surface::Check => ("the check run", "checks: write"),
            Surface::Status => ("the commit status", "statuses: write"),
        }
    }
}

/// Whose token it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The pull request comes from the repository itself.
    Own,
    /// It comes from a fork: the runner's token can only read.
    Fork,
}

/// A warning for the log; the verdict is not touched by it.
pub(super) fn explain(surface: Surface, trouble: &Trouble, origin: Origin) -> Untrusted {
    let (what, permission) = surface.words();
    let advice = match (trouble, origin) {
        (Trouble::NoRight(401, _), _) => "; the token is not valid: give the job's own by `token: ${{ github.token }}`".to_owned(),
        (Trouble::NoRight(..), Origin::Fork) => {
            "; a pull request from a fork gets a token that can only read: the result is in the summary and the annotations".to_owned()
        }
        (Trouble::NoRight(..), Origin::Own) => {
            format!("; add to the job: `permissions: {{contents: read, {permission}}}`")
        }
        _ => String::new(),
    };
    Untrusted::new(format!("{what} was not published: {}{advice}; the verdict is the same", trouble.words()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_permission_to_add_is_named_as_yaml() {
        let denied = Trouble::NoRight(403, "Resource not accessible by integration".into());
        let text = explain(Surface::Comment, &denied, Origin::Own).into_raw();
        assert!(text.contains("`permissions: {contents: read, pull-requests: write}`"), "{text}");
        let text = explain(Surface::Check, &denied, Origin::Fork).into_raw();
        assert!(text.contains("fork") && !text.contains("permissions:"), "{text}");
        let text = explain(Surface::Check, &Trouble::NoRight(401, "Bad credentials".into()), Origin::Own).into_raw();
        assert!(text.contains("not valid") && !text.contains("permissions:"), "{text}");
        assert!(!explain(Surface::Status, &Trouble::Limited, Origin::Own).raw().contains("permissions"));
    }
}
