//! Comments of a pull request: all pages, only our own, and never two for one answer that was lost.

use serde_json::{Value, json};

use super::api::Api;
use super::reply::Trouble;
use crate::host::sticky::{Decision, Existing, Marker, Old, Plan, Show, plan, spare};
use crate::trust::Untrusted;

/// Comments of a page; the most that GitHub gives.
const PAGE: usize = 100;
/// Pages that are read at most: a bound for a server that never ends.
const PAGES: usize = 200;
/// How often a shared comment is written, where others write it at the same time.
const LOOKS: usize = 4;
/// The login of the runner's own token.
const RUNNER: &str = "github-actions[bot]";

/// The comments of one pull request.
pub struct Comments<'a> {
    api: &'a Api,
    number: u64,
}

/// What became of a comment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Shown {
    /// A comment was written or edited: its id, and what could not be done to earlier ones.
    Written(u64, Option<Untrusted>),
    /// There was nothing to do, for this reason.
    Kept(&'static str),
    /// A newer run has written already.
    Superseded(Box<Marker>),
}

/// A comment's two names: of the REST API, and of GraphQL.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Name {
    id: u64,
    node: String,
}

impl<'a> Comments<'a> {
    /// Of this pull request.
    pub fn of(api: &'a Api, number: u64) -> Self {
        Self { api, number }
    }

    /// Shows a result as the rules of `host::sticky` say. A shared comment is read again after it was written: GitHub has no
    /// write that fails where somebody else was faster.
    pub async fn show(&self, show: &Show<'_>) -> Result<Shown, Trouble> {
        let login = self.login().await?;
        let mut written = None;
        let looks = if show.args.shared_comment { LOOKS } else { 1 };
        for _ in 0..looks {
            match (self.write(&login, show).await?, &written) {
                (Shown::Kept(_), Some(_)) => break,
                (shown @ (Shown::Kept(_) | Shown::Superseded(_)), _) => return Ok(shown),
                (shown @ Shown::Written(..), _) => written = Some(shown),
            }
        }
        written.ok_or_else(|| Trouble::Refused(0, "nothing was written".into()))
    }

    async fn write(&self, login: &str, show: &Show<'_>) -> Result<Shown, Trouble> {
        let existing = self.all(login).await?;
        let Plan { decision, body } = plan(&existing, show);
        match decision {
            Decision::Skip(why) => Ok(Shown::Kept(why)),
            Decision::Superseded(by) => Ok(Shown::Superseded(by)),
            Decision::Update(name) => {
                self.api.patch(&format!("issues/comments/{}", name.id), &json!({"body": body})).await?;
                Ok(Shown::Written(name.id, self.settle(&spare(&existing, show), Old::Delete).await))
            }
            Decision::Create { earlier, then } => {
                let id = self.create(login, &body).await?;
                Ok(Shown::Written(id, self.settle(&earlier, then).await))
            }
        }
    }

    async fn create(&self, login: &str, body: &str) -> Result<u64, Trouble> {
        let marker = Marker::of(body);
        let path = format!("issues/{}/comments", self.number);
        let look = async || {
            let there = self.all(login).await?;
            let same = there.iter().find(|comment| comment.ours && Marker::of(&comment.body) == marker);
            Ok(same.map(|comment| json!({"id": comment.id.id})))
        };
        let made = self.api.post(&path, &json!({"body": body}), look).await?;
        made.get("id").and_then(Value::as_u64).ok_or_else(|| Trouble::Refused(201, "the comment has no id".into()))
    }

    /// Deletes or folds earlier comments. That is tidying: trouble with it is told, and no trouble with the result.
    async fn settle(&self, earlier: &[Name], then: Old) -> Option<Untrusted> {
        for name in earlier {
            let done = match then {
                Old::Keep => Ok(()),
                Old::Delete => self.api.delete(&format!("issues/comments/{}", name.id)).await,
                Old::Hide => self.hide(name).await,
            };
            if let Err(trouble) = done {
                return Some(Untrusted::new(format!("an earlier comment stays as it is: {}", trouble.words())));
            }
        }
        None
    }

    async fn hide(&self, name: &Name) -> Result<(), Trouble> {
        let query = "mutation($id: ID!) { minimizeComment(input: {subjectId: $id, classifier: OUTDATED}) { minimizedComment { isMinimized } } }";
        self.api.graphql(query, json!({"id": name.node})).await.map(|_| ())
    }

    /// Who we are. An installation's token may not read `user`, but may ask for the viewer.
    async fn login(&self) -> Result<String, Trouble> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let viewer = self.api.graphql("query { viewer { login } }", json!({})).await;
        if let Ok(data) = &viewer
            && let Some(login) = data.pointer("/viewer/login").and_then(text)
        {
            return Ok(login);
        }
        match self.api.get_outside("user").await {
            Ok(user) => user.get("login").and_then(text).ok_or_else(|| Trouble::Refused(200, "no login".into())),
            // The token is one of an installation, on a server without GraphQL: the runner's own.
            Err(Trouble::NoRight(403, _)) => Ok(RUNNER.to_owned()),
            Err(trouble) => Err(trouble),
        }
    }

    /// Every comment, the oldest first.
    async fn all(&self, login: &str) -> Result<Vec<Existing<Name>>, Trouble> {
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let path = format!("issues/{}/comments?per_page={PAGE}&page={page}", self.number);
            let answer = self.api.get(&path).await?;
            let comments = answer.as_array().ok_or_else(|| Trouble::Refused(200, "no list of comments".into()))?;
            all.extend(comments.iter().filter_map(|comment| existing(comment, login)));
            if comments.len() < PAGE {
                return Ok(all);
            }
        }
        Err(Trouble::Refused(200, "the list of comments does not end".into()))
    }
}

fn existing(comment: &Value, login: &str) -> Option<Existing<Name>> {
    let id = comment.get("id")?.as_u64()?;
    let node = comment.get("node_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let body = comment.get("body").and_then(Value::as_str).unwrap_or_default().to_owned();
    let user = comment.get("user").unwrap_or(&Value::Null);
    let author = user.get("login").and_then(Value::as_str).unwrap_or_default();
    let bot = user.get("type").and_then(Value::as_str) == Some("Bot");
    Some(Existing { id: Name { id, node }, ours: is_login(author, bot, login), body })
}

/// Whether an author is the viewer. GraphQL names a bot with or without the `[bot]` that the REST API always adds; no
/// person's login can hold it.
fn is_login(author: &str, bot: bool, login: &str) -> bool {
    !login.is_empty() && (author == login || (bot && author.strip_suffix("[bot]") == Some(login)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bot_is_known_by_both_of_its_names_and_a_person_only_by_his_own() {
        assert!(is_login("github-actions[bot]", true, "github-actions[bot]"));
        assert!(is_login("github-actions[bot]", true, "github-actions"));
        assert!(!is_login("github-actions", false, "github-actions[bot]"));
        assert!(!is_login("mallory", false, "github-actions"));
        assert!(!is_login("", false, ""));
    }
}
