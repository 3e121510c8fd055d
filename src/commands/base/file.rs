//! Files of the base commit: from the checkout's history, else from the host's API where the history is shallow.

use std::path::{Path, PathBuf};

use super::suites::put;
use crate::commands::tracked::{Tracked, Whose};
use crate::commands::{CommandError, Context, git};
use crate::host::Review;
use crate::host::forge::{self, GitLabToken};
use crate::trust::{Secret, Untrusted};

/// Files that are copied around one suite at most.
const MOST_FILES: usize = 2000;
/// Their bytes at most.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The base commit of a pull request.
pub(super) struct Base {
    commit: String,
    folder: PathBuf,
    source: Source,
}

enum Source {
    Checkout,
    Forge { prefix: String, api: Api },
}

enum Api {
    GitHub { base: String, repository: String, token: Secret },
    GitLab { base: String, project: String, token: GitLabToken },
}

impl Base {
    /// Finds the commit. `folder` is the policy's.
    pub(super) fn of(review: &Review, folder: &Path, context: &Context) -> Result<Self, CommandError> {
        let environment = |what: String| CommandError::Environment(Untrusted::new(what));
        let Some(commit) = review.base.clone() else {
            let text = "the event does not name the base of the pull request, whose policy is to judge it: say --policy-from head";
            return Err(environment(text.to_owned()));
        };
        let folder = folder.to_owned();
        if git::has_commit(&folder, &commit).map_err(environment)? {
            return Ok(Self { commit, folder, source: Source::Checkout });
        }
        let prefix = git::git(&folder, &["rev-parse", "--show-prefix"]).map_err(environment)?;
        let prefix = prefix.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        match (prefix, api(context)) {
            (Some(prefix), Some(api)) => Ok(Self { commit, folder, source: Source::Forge { prefix, api } }),
            (_, _) => Err(environment(format!(
                "the base commit {commit}, whose policy judges this pull request, is not in the checkout: fetch it \
                 (actions/checkout with `fetch-depth: 0`, GitLab's `GIT_DEPTH: 0`), give a token that can read it, or say --policy-from head"
            ))),
        }
    }

    /// Whether a file is a part of the checkout; what git keeps for itself, such as its tokens, is none.
    pub(super) fn holds(&self, file: &Path) -> bool {
        let top = git::git(&self.folder, &["rev-parse", "--show-toplevel"]).ok().flatten();
        let top =
            top.and_then(|bytes| Path::new(String::from_utf8_lossy(&bytes).trim_end_matches('\n')).canonicalize().ok());
        let (Some(top), Ok(file)) = (top, file.canonicalize()) else { return false };
        file.strip_prefix(top).is_ok_and(|within| within.iter().all(|part| part != ".git"))
    }

    pub(super) fn commit(&self) -> &str {
        self.commit.get(..12).unwrap_or(&self.commit)
    }

    /// The address of a baseline as the base has it, where it is a part of the repository: its path is relative to where
    /// the process runs. What is no part of it, such as an artifact, stays as it is.
    pub(super) fn pinned(&self, address: String) -> Result<String, CommandError> {
        let environment = |what: String| CommandError::Environment(Untrusted::new(what));
        let path = Path::new(address.strip_prefix("dir:").unwrap_or(&address));
        let here = std::env::current_dir().map_err(|error| environment(error.to_string()))?;
        let path = path.strip_prefix(&here).unwrap_or(path).display().to_string();
        match &self.source {
            Source::Checkout => {
                let object = format!("{}:./{path}", self.commit);
                let there = git::git(&here, &["cat-file", "-e", &object]).map_err(environment)?.is_some();
                if there {
                    return Ok(format!("git:{}:{path}", self.commit));
                }
                if !self.is_brought_here(&here.join(&path))? {
                    return Ok(address);
                }
                Err(CommandError::Inputs(Untrusted::new(format!(
                    "the baseline {path} is brought by the pull request itself, and its base has none: merge a baseline first, or say \
                     --policy-from head"
                ))))
            }
            Source::Forge { .. } => {
                if !self.is_brought_here(&here.join(&path))? {
                    return Ok(address);
                }
                Err(environment(format!(
                    "the baseline {path} is a part of the repository, and the base commit, whose files count, is not in the checkout: \
                     fetch it (`fetch-depth: 0`, GitLab's `GIT_DEPTH: 0`), or say --policy-from head"
                )))
            }
        }
    }

    /// A baseline in a commit, unless the pull request brings that commit: `HEAD` of a checkout is its own.
    pub(super) fn not_of_the_head(&self, address: String) -> Result<String, CommandError> {
        let environment = |what: String| CommandError::Environment(Untrusted::new(what));
        let here = std::env::current_dir().map_err(|error| environment(error.to_string()))?;
        let reference = address.strip_prefix("git:").and_then(|rest| rest.split_once(':')).map_or("", |(name, _)| name);
        let within = |commit: &str| {
            let found = git::git(&here, &["merge-base", "--is-ancestor", reference, commit]);
            found.map(|said| said.is_some()).map_err(environment)
        };
        if within("HEAD")? && !within(&self.commit)? {
            return Err(CommandError::Inputs(Untrusted::new(format!(
                "the baseline {address} is in a commit of the pull request itself: name a branch, a tag or a commit that its base has"
            ))));
        }
        Ok(address)
    }

    /// Whether the pull request brings a file that the base does not have, itself or by what is on the way to it.
    pub(super) fn is_brought(&self, name: &str) -> Result<bool, CommandError> {
        self.is_brought_here(&self.folder.join(name))
    }

    /// The same of any place. Every checkout counts: that a clone is not of what is judged cannot be told from its commits, which
    /// may have moved on since the event.
    fn is_brought_here(&self, path: &Path) -> Result<bool, CommandError> {
        let environment = |what: String| CommandError::Environment(Untrusted::new(what));
        Ok(matches!(Tracked::default().whose(path).map_err(environment)?, Whose::Checkouts(_)))
    }

    /// Copies a file and all that stand beside and below it to a folder of our own, and names the copy; none where the base has no
    /// such file, or where its files cannot be listed: over a host's API, or too many of them.
    pub(super) async fn copy_around(&self, name: &str, to: &Path) -> Result<Option<PathBuf>, CommandError> {
        let environment = |what: String| CommandError::Environment(Untrusted::new(what));
        let Source::Checkout = &self.source else { return Ok(None) };
        let beside = Path::new(name).parent().map(|parent| parent.display().to_string()).unwrap_or_default();
        let files = git::files_below(&self.folder, &self.commit, &beside).map_err(environment)?.unwrap_or_default();
        if files.len() > MOST_FILES {
            return Ok(None);
        }
        let mut left = MOST_BYTES;
        for file in files {
            let Some(text) = self.read(&file).await? else { continue };
            let Some(rest) = left.checked_sub(text.len()) else { return Ok(None) };
            left = rest;
            let Some(place) = within(&file) else { continue };
            put(&to.join(place), &text)?;
        }
        let copy = to.join(name);
        Ok(copy.is_file().then_some(copy))
    }

    /// A file by its path from the policy's folder; none where the base has no such file.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, CommandError> {
        let environment = |what: Untrusted| CommandError::Environment(what);
        match &self.source {
            Source::Checkout => {
                git::file_of(&self.folder, &self.commit, name).map_err(|what| environment(Untrusted::new(what)))
            }
            Source::Forge { prefix, api } => {
                let Some(path) = within(&format!("{prefix}{name}")) else { return Ok(None) };
                let file = match api {
                    Api::GitHub { base, repository, token } => {
                        forge::github_file(base, repository, token, &path, &self.commit).await
                    }
                    Api::GitLab { base, project, token } => {
                        forge::gitlab_file(base, project, token, &path, &self.commit).await
                    }
                };
                file.map_err(environment)
            }
        }
    }
}

/// A path of the repository without `.` and `..`; none where it leads out of it.
fn within(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn api(context: &Context) -> Option<Api> {
    let get = |name: &str| context.environment.get(name);
    if let Some(repository) = get("GITHUB_REPOSITORY") {
        let token = Secret::new(get("INPUT_TOKEN").or_else(|| get("GITHUB_TOKEN")).or_else(|| get("GH_TOKEN"))?);
        let base = get("GITHUB_API_URL").unwrap_or("https://api.github.com").to_owned();
        return Some(Api::GitHub { base, repository: repository.to_owned(), token });
    }
    let (base, project) = (get("CI_API_V4_URL")?.to_owned(), get("CI_PROJECT_PATH")?.to_owned());
    let access = get("LLMCI_GITLAB_TOKEN").or_else(|| get("GITLAB_TOKEN"));
    let access = access.map(|token| GitLabToken::Access(Secret::new(token)));
    let token = access.or_else(|| Some(GitLabToken::Job(Secret::new(get("CI_JOB_TOKEN")?))))?;
    Some(Api::GitLab { base, project, token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_out_of_the_repository_is_none_of_it() {
        for (path, expected) in [
            ("ci/llmci.yaml", Some("ci/llmci.yaml")),
            ("ci/../probes/a.yaml", Some("probes/a.yaml")),
            ("./a//b", Some("a/b")),
            ("ci/../../a.yaml", None),
            ("../a", None),
        ] {
            assert_eq!(within(path).as_deref(), expected, "{path}");
        }
    }
}
