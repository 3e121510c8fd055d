//! What one run shows on GitLab beyond its artifacts: the note on its merge request, and the commit's status. Trouble is a
//! warning with what to do about it; it never changes a verdict.
//! Sources: GitLab docs, `ci/jobs/ci_job_token` (what a job token may do), `user/project/settings/project_access_tokens`.

use std::path::PathBuf;
use std::time::Duration;

use super::api::{Access, Api, Trouble};
use super::note::{self, MergeRequest, shielded};
use super::status::{self, State, Status};
use crate::gate::Verdict;
use crate::host::settings::{PublishArgs, StatusWhen};
use crate::host::sticky::{Decision, Marker, RunNumber, Show, Standing, plan};
use crate::host::{GITLAB_TOKENS, token};
use crate::report::{Report, Sink};
use crate::trust::{Secret, Untrusted};

/// All the time that publishing may take.
const TIME: Duration = Duration::from_secs(60);
/// What to do where a token is missing or may not.
const TOKEN: &str = "make a project access token with the role Reporter (Developer for a commit status) and the scope api, and \
                     set it as the masked CI/CD variable LLMCI_GITLAB_TOKEN";

/// What GitLab's variables say about where to publish.
#[derive(Clone)]
pub struct Publisher {
    base: Option<String>,
    token: Option<Secret>,
    has_job_token: bool,
    ca_file: Option<PathBuf>,
    merge_request: Option<MergeRequest>,
    project: Option<String>,
    commit: Option<String>,
    /// The pipeline, where it runs for the very commit that is judged.
    pipeline_of_commit: Option<u64>,
    run: Option<RunNumber>,
    job: Option<String>,
    /// Whether the job lets an inconclusive verdict be.
    inconclusive_is_allowed: bool,
}

/// What is shown.
pub struct Showing<'a> {
    /// The report.
    pub report: &'a Report,
    /// The text of the note, without a marker.
    pub text: &'a str,
    /// How much it wants to be seen.
    pub standing: Standing,
    /// What the user asks for.
    pub args: &'a PublishArgs,
}

impl Publisher {
    /// Reads the variables.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let number = |name: &str| text(name).and_then(|value| value.parse().ok());
        let head = text("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA");
        let pipeline_commit = text("CI_COMMIT_SHA");
        let commit = head.or_else(|| pipeline_commit.clone());
        let pipeline = number("CI_PIPELINE_ID");
        Self {
            base: text("CI_API_V4_URL"),
            token: token(&GITLAB_TOKENS, variable),
            has_job_token: text("CI_JOB_TOKEN").is_some(),
            ca_file: text("CI_SERVER_TLS_CA_FILE").map(PathBuf::from),
            merge_request: merge_request(&text),
            project: text("CI_PROJECT_ID").or_else(|| text("CI_PROJECT_PATH")),
            pipeline_of_commit: pipeline.filter(|_| commit == pipeline_commit),
            commit,
            run: pipeline.zip(number("CI_JOB_ID")).map(|(run, attempt)| RunNumber { run, attempt }),
            job: text("CI_JOB_URL"),
            inconclusive_is_allowed: text("LLMCI_ALLOW_INCONCLUSIVE").as_deref() == Some("true"),
        }
    }

    /// Shows a result, and says what could not be shown and why.
    pub async fn publish(&self, showing: &Showing<'_>, sink: &Sink) -> Vec<Untrusted> {
        let shielded = shielded(&sink.whole(showing.text));
        let showing = &Showing { text: &shielded, ..*showing };
        let wants_note = self.merge_request.is_some() && self.wants_note(showing);
        let wants_status = showing.args.commit_status == StatusWhen::Always;
        if !wants_note && !wants_status {
            return Vec::new();
        }
        let (Some(base), Some(token)) = (&self.base, &self.token) else { return vec![self.unable()] };
        let access = Access { base: base.clone(), token: token.clone(), ca_file: self.ca_file.clone(), time: TIME };
        let api = match Api::open(&access) {
            Ok(api) => api,
            Err(trouble) => return vec![told("nothing is shown on GitLab", &trouble)],
        };
        let mut warnings = Vec::new();
        if let (true, Some(place)) = (wants_note, &self.merge_request) {
            warnings.extend(self.note(&api, place, showing).await);
        }
        if wants_status {
            warnings.extend(self.status(&api, showing, sink).await);
        }
        warnings
    }

    /// Whether there is a reason to ask at all. With a token a note of an earlier run may be there, which is kept true; without
    /// one there can be none, and nothing is said where nothing would be written.
    fn wants_note(&self, showing: &Showing<'_>) -> bool {
        let Some(marker) = self.marker(showing) else { return true };
        let show = Show { marker: &marker, text: showing.text, standing: showing.standing, args: showing.args };
        let alone = plan::<u64>(&[], &show);
        match alone.decision {
            Decision::Skip(_) => self.token.is_some() && showing.args.comment != crate::host::settings::When::Never,
            Decision::Create { .. } | Decision::Update(_) | Decision::Superseded(_) => true,
        }
    }

    /// A job's own token is not tried: it may not write notes or statuses.
    fn unable(&self) -> Untrusted {
        let why = match (&self.base, self.has_job_token) {
            (None, _) => "CI_API_V4_URL is not set",
            (Some(_), true) => "CI_JOB_TOKEN may not write notes or statuses",
            (Some(_), false) => "there is no token",
        };
        Untrusted::new(format!("nothing is shown on the merge request or commit: {why}; {TOKEN}"))
    }

    fn marker(&self, showing: &Showing<'_>) -> Option<Marker> {
        Some(Marker {
            action: showing.report.program.clone(),
            id: showing.args.comment_id.clone(),
            sha: Marker::sha_word(self.commit.as_deref()),
            run: self.run?,
            body: Marker::digest(showing.text),
        })
    }

    async fn note(&self, api: &Api, place: &MergeRequest, showing: &Showing<'_>) -> Vec<Untrusted> {
        let Some(marker) = self.marker(showing) else {
            return vec![Untrusted::new("no note is written: CI_PIPELINE_ID and CI_JOB_ID are not set")];
        };
        let show = Show { marker: &marker, text: showing.text, standing: showing.standing, args: showing.args };
        match note::show(api, place, &show).await {
            Ok((shown, warnings)) => {
                tracing::info!("merge request {}: {shown:?}", place.number);
                warnings
            }
            Err(trouble) => vec![told("the note on the merge request was not written", &trouble)],
        }
    }

    async fn status(&self, api: &Api, showing: &Showing<'_>, sink: &Sink) -> Vec<Untrusted> {
        let report = showing.report;
        let (Some(project), Some(commit)) = (&self.project, &self.commit) else {
            return vec![Untrusted::new("no commit status is set: CI_PROJECT_ID and CI_COMMIT_SHA are not set")];
        };
        let state = match report.verdict {
            Verdict::Pass => State::Success,
            Verdict::Inconclusive if self.inconclusive_is_allowed => State::Skipped,
            Verdict::Inconclusive | Verdict::Fail | Verdict::Error => State::Failed,
        };
        let why = report.reasons.first().map_or("", |reason| reason.text.as_str());
        let description = sink.line(&Untrusted::new(format!("{}: {why}", report.verdict.word())), 250);
        let status = Status {
            project: project.clone(),
            commit: commit.clone(),
            name: showing.args.check_name(&report.program),
            state,
            description,
            link: self.job.clone(),
            pipeline: self.pipeline_of_commit,
        };
        let set = status::set(api, &status).await;
        set.err().map(|trouble| told("the commit status was not set", &trouble)).into_iter().collect()
    }
}

/// The merge request of the pipeline; in a branch's pipeline the open one of the branch, which goes into the same project.
fn merge_request(text: &dyn Fn(&str) -> Option<String>) -> Option<MergeRequest> {
    if let Some(number) = text("CI_MERGE_REQUEST_IID").and_then(|number| number.parse().ok()) {
        let project = text("CI_MERGE_REQUEST_PROJECT_ID").or_else(|| text("CI_PROJECT_ID"))?;
        return Some(MergeRequest { project, number });
    }
    let own = text("CI_PROJECT_PATH")?;
    let open = text("CI_OPEN_MERGE_REQUESTS")?;
    let number = open.split(',').find_map(|one| {
        let (project, number) = one.trim().split_once('!')?;
        (project == own).then(|| number.parse().ok()).flatten()
    })?;
    Some(MergeRequest { project: own, number })
}

fn told(what: &str, trouble: &Trouble) -> Untrusted {
    let todo = match trouble {
        Trouble::NoRight(..) => format!("; {TOKEN}"),
        Trouble::Limited | Trouble::Lost(_) | Trouble::Refused(..) => String::new(),
    };
    Untrusted::new(format!("{what}: {}{todo}", trouble.words()))
}
