//! The note on a merge request: all of them read, ours found, written or edited. Which one is ours and what is done with it is
//! decided by `host::sticky`. No line of a note of ours can be a quick action, when it is made and when it is edited: GitLab
//! runs those of an edit too (gitlabhq, `app/services/notes/update_service.rb`).
//! Source: GitLab docs, `api/notes`.

use std::borrow::Cow;

use gitlab::api::Endpoint;
use gitlab::api::common::SortOrder;
use gitlab::api::projects::merge_requests::notes::{
    CreateMergeRequestNote, EditMergeRequestNote, MergeRequestNotes, NoteOrderBy,
};
use gitlab::api::users::CurrentUser;
use http::Method;
use serde::Deserialize;

use super::api::{Api, NextPage, Trouble};
use crate::host::sticky::{Decision, Existing, Marker, Old, Show, plan, spare};
use crate::report::without_commands;
use crate::trust::Untrusted;

/// Pages of 100 notes that are read at most; a merge request with more of them gets no note.
const MOST_PAGES: u64 = 200;
/// How often a shared note is written, where others write it at the same time.
const LOOKS: usize = 4;
/// How an outdated note begins.
const FOLDED: &str = "<details><summary>An outdated result of llmci</summary>";

/// A merge request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct MergeRequest {
    /// The number or the path of the project that it goes into.
    pub(super) project: String,
    /// Its number in that project.
    pub(super) number: u64,
}

/// What became of a note.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Shown {
    /// A new one.
    Created,
    /// The one that was there was edited.
    Updated,
    /// Nothing was written, for this reason.
    Skipped(&'static str),
    /// A newer run has written.
    Superseded,
}

#[derive(Deserialize)]
struct Note {
    id: u64,
    body: String,
    #[serde(default)]
    system: bool,
    author: Author,
}

#[derive(Deserialize)]
struct Author {
    id: u64,
}

/// Shows a result. The text is expected to be free of commands, since its marker has a digest of it. A shared note is read
/// again after it was written: GitLab has no write that fails where somebody else was faster.
pub(super) async fn show(api: &Api, place: &MergeRequest, show: &Show<'_>) -> Result<(Shown, Vec<Untrusted>), Trouble> {
    let me = me(api).await?;
    let mut written = None;
    for _ in 0..if show.args.shared_comment { LOOKS } else { 1 } {
        match (write(api, place, me, show).await?, &written) {
            ((Shown::Skipped(_), _), Some(_)) => break,
            (shown @ (Shown::Skipped(_) | Shown::Superseded, _), _) => return Ok(shown),
            (shown @ (Shown::Created | Shown::Updated, _), _) => written = Some(shown),
        }
    }
    written.ok_or_else(|| Trouble::Refused(0, Untrusted::new("nothing was written")))
}

async fn write(api: &Api, place: &MergeRequest, me: u64, show: &Show<'_>) -> Result<(Shown, Vec<Untrusted>), Trouble> {
    let existing = all(api, place, me).await?;
    let planned = plan(&existing, show);
    match planned.decision {
        Decision::Skip(why) => Ok((Shown::Skipped(why), Vec::new())),
        Decision::Superseded(_) => Ok((Shown::Superseded, Vec::new())),
        Decision::Update(id) => {
            let shown = match edit(api, place, id, &planned.body).await {
                Ok(()) => Shown::Updated,
                // Somebody has deleted it since it was read.
                Err(Trouble::NoRight(404, _)) => {
                    create(api, place, me, &planned.body).await?;
                    Shown::Created
                }
                Err(trouble) => return Err(trouble),
            };
            Ok((shown, put_away(api, place, &existing, &spare(&existing, show), Old::Delete).await))
        }
        Decision::Create { earlier, then } => {
            create(api, place, me, &planned.body).await?;
            Ok((Shown::Created, put_away(api, place, &existing, &earlier, then).await))
        }
    }
}

/// The user that the token stands for: a project's token has a user of its own.
async fn me(api: &Api) -> Result<u64, Trouble> {
    let endpoint = CurrentUser::builder().build().map_err(|error| unbuilt(&error))?;
    let author: Author = read(api.ask(&endpoint).await?)?;
    Ok(author.id)
}

/// Every note, the oldest first.
async fn all(api: &Api, place: &MergeRequest, me: u64) -> Result<Vec<Existing<u64>>, Trouble> {
    let endpoint = MergeRequestNotes::builder()
        .project(place.project.as_str())
        .merge_request(place.number)
        .order_by(NoteOrderBy::CreatedAt)
        .sort(SortOrder::Ascending)
        .build()
        .map_err(|error| unbuilt(&error))?;
    let mut existing = Vec::new();
    let mut number = 1;
    loop {
        let (page, next) = api.page(&endpoint, number).await?;
        let notes: Vec<Note> = read(page)?;
        let full = !notes.is_empty();
        existing.extend(notes.into_iter().map(|note| Existing {
            id: note.id,
            ours: note.author.id == me && !note.system,
            body: note.body,
        }));
        number = match next {
            NextPage::Number(next) if next > number => next,
            NextPage::Unsaid if full => number + 1,
            NextPage::Number(_) | NextPage::Unsaid | NextPage::None => return Ok(existing),
        };
        if number > MOST_PAGES {
            return Err(Trouble::Refused(0, Untrusted::new("the merge request has too many notes to read them all")));
        }
    }
}

/// Writes a new note. Where the answer is lost, the notes are read again before it is written a second time.
async fn create(api: &Api, place: &MergeRequest, me: u64, body: &str) -> Result<(), Trouble> {
    let body = without_commands(body);
    let endpoint = CreateMergeRequestNote::builder()
        .project(place.project.as_str())
        .merge_request(place.number)
        .body(body.as_str())
        .build()
        .map_err(|error| unbuilt(&error))?;
    match api.ask(&endpoint).await {
        Ok(_) => Ok(()),
        Err(Trouble::Lost(_)) => {
            let marker = Marker::of(&body);
            let there = all(api, place, me).await?;
            if there.iter().any(|note| note.ours && marker.is_some() && Marker::of(&note.body) == marker) {
                return Ok(());
            }
            api.ask(&endpoint).await.map(drop)
        }
        Err(trouble) => Err(trouble),
    }
}

async fn edit(api: &Api, place: &MergeRequest, id: u64, body: &str) -> Result<(), Trouble> {
    let endpoint = EditMergeRequestNote::builder()
        .project(place.project.as_str())
        .merge_request(place.number)
        .note(id)
        .body(without_commands(body))
        .build()
        .map_err(|error| unbuilt(&error))?;
    api.ask(&endpoint).await.map(drop)
}

/// Deletes or folds earlier notes once the new one is there. GitLab has no way of its own to fold a note: its text is put
/// into one.
async fn put_away(
    api: &Api,
    place: &MergeRequest,
    existing: &[Existing<u64>],
    earlier: &[u64],
    then: Old,
) -> Vec<Untrusted> {
    let mut warnings = Vec::new();
    for note in existing.iter().filter(|note| earlier.contains(&note.id)) {
        let done = match then {
            Old::Keep => Ok(()),
            Old::Delete => api.ask(&DeleteNote { place, note: note.id }).await.map(drop),
            Old::Hide if note.body.starts_with(FOLDED) => Ok(()),
            Old::Hide => edit(api, place, note.id, &folded(&note.body)).await,
        };
        match done {
            Ok(()) | Err(Trouble::NoRight(404, _)) => {}
            Err(trouble) => {
                warnings.push(Untrusted::new(format!("an earlier note stays as it is: {}", trouble.words())))
            }
        }
    }
    warnings
}

fn folded(body: &str) -> String {
    let text = format!("{FOLDED}\n\n{}\n\n</details>", Marker::text_above(body).trim_end());
    match Marker::of(body) {
        Some(marker) => Marker { body: Marker::digest(&text), ..marker }.under(&text),
        None => text,
    }
}

/// The one endpoint that the library lacks.
struct DeleteNote<'a> {
    place: &'a MergeRequest,
    note: u64,
}

impl Endpoint for DeleteNote<'_> {
    fn method(&self) -> Method {
        Method::DELETE
    }

    fn endpoint(&self) -> Cow<'static, str> {
        let project = gitlab::api::common::NameOrId::from(self.place.project.as_str());
        format!("projects/{project}/merge_requests/{}/notes/{}", self.place.number, self.note).into()
    }
}

fn unbuilt(error: &dyn std::error::Error) -> Trouble {
    Trouble::Refused(0, Untrusted::new(crate::net::chain_of(error)))
}

fn read<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<T, Trouble> {
    serde_json::from_value(value)
        .map_err(|error| Trouble::Refused(200, Untrusted::new(format!("the reply has another form: {error}"))))
}
