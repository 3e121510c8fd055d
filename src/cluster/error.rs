//! Refusals of the API server: what they are, and what a person can do about them.
//! Kept out: asking again (`transport`, `write`).

use serde_json::Value;

use super::ClusterError;
use super::rights::{Right, role_lines};
use crate::trust::Untrusted;

/// What the API server says of a JSON patch that does not apply, whichever edit it was (recorded from Kubernetes 1.36).
const UNPATCHED: &str = "the server rejected our request due to an error in our request";
/// How an apply with a field that the schema lacks is refused: with 500 (recorded from Kubernetes 1.36).
const UNTYPED: &str = "failed to create typed patch object";
/// How the text of a refusal begins where no API group answers.
pub const NOT_SERVED: &str = "the cluster does not serve";
/// The longest text that is kept of a refusal: some quote the whole object.
const LONGEST_TEXT: usize = 1000;

/// What was asked, for messages.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The right that it needs.
    pub(super) right: Right,
    /// Such as `Deployment prod/llm`.
    pub(super) place: String,
}

impl ClusterError {
    /// What failed, where, what the server says, and what to do about it.
    pub fn words(&self) -> Untrusted {
        let (text, advice) = match self {
            Self::Unreachable(text) => {
                (text, "Run again: the rollout's state is in the cluster, and the run goes on from there.")
            }
            Self::Unauthorized(text) => (
                text,
                "The token is missing, wrong or too old. The rollout's state is in the cluster: \
                 renew the credentials and run again, the run goes on from there.",
            ),
            Self::Forbidden(text) => (text, "A Role with these rules, bound to the account, allows it."),
            Self::NotFound(text) => (text, "Check the name, the namespace and the context."),
            Self::Conflict(text) => (text, "Nothing was changed. Run again: the object is read anew."),
            Self::Owned(text) => (text, "Nothing was changed. Leave the field to one of the two managers."),
            Self::Exists(text) => (text, "Nothing was changed. If nobody needs the object any more, delete it."),
            Self::Invalid(text) => (text, "Nothing was changed."),
            Self::Other(_, text) => (text, "Look at the API server."),
            Self::Config(text) => (text, "Check the kubeconfig, its context, or the pod's service account."),
        };
        let text = text.raw().trim_end().trim_end_matches('.');
        // The rules of a Role stand on lines of their own.
        let between = if text.contains('\n') { "\n" } else { ". " };
        Untrusted::new(format!("{self}: {text}{between}{advice}"))
    }

    /// The server's own text, with what was asked before it.
    pub fn text(&self) -> &Untrusted {
        match self {
            Self::Unreachable(text)
            | Self::Unauthorized(text)
            | Self::Forbidden(text)
            | Self::NotFound(text)
            | Self::Conflict(text)
            | Self::Owned(text)
            | Self::Exists(text)
            | Self::Invalid(text)
            | Self::Other(_, text)
            | Self::Config(text) => text,
        }
    }
}

impl Asked {
    /// `patch Deployment prod/llm: ` before what is said about it.
    pub(super) fn says(&self, text: &str) -> Untrusted {
        let part = self.right.subresource.map(|part| format!(" ({part})")).unwrap_or_default();
        Untrusted::new(format!("{} {}{part}: {text}", self.right.verb, self.place))
    }

    /// A refusal by its status. Its body is a `Status` object, or plain text where nothing serves the path.
    pub(super) fn refusal(&self, status: u16, bytes: &[u8], kind: Option<&str>) -> ClusterError {
        let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let field = |name| value.get(name).and_then(Value::as_str);
        let (message, reason) = (field("message"), field("reason").unwrap_or_default());
        let said = message.map_or_else(|| String::from_utf8_lossy(bytes).into_owned(), str::to_owned);
        let short: String = said.trim().chars().take(LONGEST_TEXT).collect();
        let text = self.says(&short);
        let json_patch = kind == Some("application/json-patch+json");
        match (status, reason, kind) {
            (401, ..) => ClusterError::Unauthorized(text),
            // A namespace that is going away refuses everybody.
            (403, ..) if said.contains("being terminated") => ClusterError::Invalid(text),
            (403, ..) => {
                let lines = role_lines(std::slice::from_ref(&self.right)).join("\n");
                ClusterError::Forbidden(Untrusted::new(format!("{}\n{lines}\n", text.raw())))
            }
            (404, ..) if message.is_none() => {
                let group = self.right.resource.api_version();
                ClusterError::NotFound(self.says(&format!("{NOT_SERVED} {group}: it may not be installed")))
            }
            (404, ..) => ClusterError::NotFound(text),
            (409, "AlreadyExists", _) => ClusterError::Exists(text),
            (409, _, Some("application/apply-patch+yaml")) if said.starts_with("Apply failed") => {
                ClusterError::Owned(text)
            }
            (409, ..) => ClusterError::Conflict(text),
            (422, ..) if json_patch && said == UNPATCHED => ClusterError::Conflict(text),
            (400 | 405 | 413 | 415 | 422, ..) => ClusterError::Invalid(text),
            (500, ..) if said.starts_with(UNTYPED) => ClusterError::Invalid(text),
            _ => ClusterError::Other(status, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::DEPLOYMENT;
    use super::*;

    fn refusal(status: u16, body: &str, kind: Option<&str>) -> ClusterError {
        let asked = Asked { right: Right::new("patch", DEPLOYMENT), place: "Deployment prod/llm".into() };
        asked.refusal(status, body.as_bytes(), kind)
    }

    #[test]
    fn a_refusal_of_the_object_is_no_conflict() {
        let patch = Some("application/json-patch+json");
        let apply = Some("application/apply-patch+yaml");
        let failed = format!(r#"{{"kind":"Status","message":"{UNPATCHED}","reason":"Invalid","code":422}}"#);
        let invalid =
            r#"{"message":"Deployment.apps \"llm\" is invalid: spec.replicas: Invalid value: -1","reason":"Invalid"}"#;
        let owned = r#"{"message":"Apply failed with 1 conflict: conflict with \"one\": .data.k","reason":"Conflict"}"#;
        let stale = r#"{"message":"Operation cannot be fulfilled on deployments.apps \"llm\"","reason":"Conflict"}"#;
        let untyped =
            r#"{"message":"failed to create typed patch object (/web): .spec.replica: field not declared in schema"}"#;
        assert!(matches!(refusal(422, &failed, patch), ClusterError::Conflict(_)));
        assert!(matches!(refusal(422, invalid, patch), ClusterError::Invalid(_)));
        assert!(matches!(refusal(409, owned, apply), ClusterError::Owned(_)));
        assert!(matches!(refusal(409, stale, apply), ClusterError::Conflict(_)));
        assert!(matches!(refusal(409, r#"{"reason":"AlreadyExists"}"#, None), ClusterError::Exists(_)));
        assert!(matches!(refusal(500, untyped, apply), ClusterError::Invalid(_)));
    }

    #[test]
    fn words_say_what_where_and_what_to_do() {
        let body =
            r#"{"message":"deployments.apps \"llm\" is forbidden: User \"dev\" cannot patch","reason":"Forbidden"}"#;
        let words = refusal(403, body, None).words().into_raw();
        for part in
            ["patch Deployment prod/llm", "User \"dev\"", "- apiGroups: [\"apps\"]", "verbs: [\"patch\"]", "Role"]
        {
            assert!(words.contains(part), "{part} in {words}");
        }
        assert!(refusal(401, "{}", None).words().raw().contains("goes on from there"));
        assert!(refusal(404, "404 page not found\n", None).words().raw().contains("does not serve apps/v1"));
        assert!(refusal(500, &"x".repeat(100_000), None).words().raw().len() < 2000);
    }
}
