//! The pull or merge request that a run is about: its base and its head, and whether the run has more rights than its code.
//! Sources: GitHub docs, `pull_request_target` and `workflow_run` events; GitLab docs, predefined variables.

use serde_json::Value;

/// What is compared with what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Review {
    /// The commit of the target branch: what judges comes from there.
    pub base: Option<String>,
    /// The commit under test.
    pub head: String,
    /// Whether the event gives secrets and write rights although the code may be a stranger's.
    pub privileged: bool,
}

/// A commit's name and nothing else: what goes to git must not be read as an option or a path.
fn sha(text: String) -> Option<String> {
    let good = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then_some(text)
}

/// The review of a GitHub event; none for a push, a tag or a schedule. A pull request whose base is not told has none, and is
/// then judged by nobody.
pub(super) fn github(variable: &dyn Fn(&str) -> Option<String>) -> Option<Review> {
    let name = variable("GITHUB_EVENT_NAME").unwrap_or_default();
    let text = variable("GITHUB_EVENT_PATH").and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    let event: Value = serde_json::from_slice(&text).unwrap_or_default();
    let commit = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(str::to_owned).and_then(sha);
    if event.get("pull_request").is_some_and(Value::is_object) || name.starts_with("pull_request") {
        let privileged = name == "pull_request_target";
        let head = commit("/pull_request/head/sha").unwrap_or_default();
        return Some(Review { base: commit("/pull_request/base/sha"), head, privileged });
    }
    let of_request = |kind: &Value| kind.as_str().is_some_and(|kind| kind.starts_with("pull_request"));
    if event.pointer("/workflow_run/event").is_some_and(of_request) {
        let head = commit("/workflow_run/head_sha").unwrap_or_default();
        return Some(Review { base: None, head, privileged: true });
    }
    None
}

/// The review of a GitLab pipeline; none outside of a merge request's.
pub(super) fn gitlab(variable: &dyn Fn(&str) -> Option<String>) -> Option<Review> {
    let text = |name: &str| variable(name).filter(|value| !value.is_empty());
    text("CI_MERGE_REQUEST_IID")?;
    let base = text("CI_MERGE_REQUEST_TARGET_BRANCH_SHA").or_else(|| text("CI_MERGE_REQUEST_DIFF_BASE_SHA"));
    let head = text("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA").or_else(|| text("CI_COMMIT_SHA"))?;
    Some(Review { base: base.and_then(sha), head: sha(head)?, privileged: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn review(name: &str, event: &str) -> Option<Review> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event.json");
        std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), event.as_bytes()).unwrap();
        github(&|variable: &str| match variable {
            "GITHUB_EVENT_NAME" => Some(name.to_owned()),
            "GITHUB_EVENT_PATH" => Some(path.display().to_string()),
            _ => None,
        })
    }

    #[test]
    fn a_pull_request_has_a_base_and_a_head_and_nothing_else_does() {
        let (base, head) = ("a".repeat(40), "b".repeat(40));
        let request =
            format!("{{\"pull_request\": {{\"base\": {{\"sha\": \"{base}\"}}, \"head\": {{\"sha\": \"{head}\"}}}}}}");
        let found = review("pull_request", &request).unwrap();
        assert_eq!((found.base, found.head, found.privileged), (Some(base), head.clone(), false));
        assert!(review("pull_request_target", &request).unwrap().privileged);
        let run = format!("{{\"workflow_run\": {{\"head_sha\": \"{head}\", \"event\": \"pull_request\"}}}}");
        assert!(review("workflow_run", &run).unwrap().privileged);
        assert_eq!(review("push", "{}"), None);
        // What cannot be read is no way around the base.
        for event in ["", "{}", "{\"pull_request\": {}}", "{\"pull_request\": {\"base\": 7}}"] {
            assert_eq!(review("pull_request", event).unwrap().base, None, "{event}");
        }
    }

    #[test]
    fn what_is_no_commit_never_reaches_git() {
        for bad in ["--upload-pack=x", "main", "", "HEAD:secrets"] {
            let event = format!(
                "{{\"pull_request\": {{\"base\": {{\"sha\": \"{bad}\"}}, \"head\": {{\"sha\": \"{}\"}}}}}}",
                "b".repeat(40)
            );
            assert_eq!(review("pull_request", &event).unwrap().base, None, "{bad}");
        }
    }
}
