//! What one run shows on GitLab beyond its artifacts: the note on its merge request, and the commit's status. Trouble is a
//! warning with what to do about it; it never changes a verdict.
//! Sources: GitLab docs, `ci/jobs/ci_job_token` (what a job token may do), `user/project/settings/project_access_tokens`.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::api::{Access, Api, Trouble};
use super::note::{self, MergeRequest};
use super::status::{self, State, Status};
use crate::gate::Verdict;
use crate::host::github::{done, failure, standing};
use crate::host::settings::{StatusWhen, When};
use crate::host::sticky::{Decision, Marker, RunNumber, Show, Standing, plan};
use crate::host::{Beginning, Conclusion, GITLAB_TOKENS, PublishArgs, token};
use crate::report::{Flavour, Report, Sink, check, comment, without_commands};
use crate::trust::{Secret, Untrusted};

/// All the time that publishing may take.
const TIME: Duration = Duration::from_secs(60);
/// The same in a run that was told to stop, and will be killed soon.
const LAST_TIME: Duration = Duration::from_secs(4);
/// What to do where a token is missing or may not.
const TOKEN: &str = "make a project access token with the role Reporter (Developer for a commit status) and the scope api, and \
                     set it as the masked CI/CD variable LLMCI_GITLAB_TOKEN";

/// One run on GitLab.
pub struct Publisher {
    program: &'static str,
    args: PublishArgs,
    interrupted: CancellationToken,
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
struct Showing<'a> {
    /// The text of the note, without a marker; none where there is nothing to comment on.
    text: Option<&'a str>,
    standing: Standing,
    /// One line for the commit status.
    title: &'a str,
    /// None where a status would say nothing true.
    state: Option<State>,
}

impl Publisher {
    /// Reads the variables; asks nothing.
    pub(in crate::host) fn of(beginning: &Beginning<'_>) -> Self {
        let text = |name: &str| (beginning.variable)(name).filter(|value| !value.trim().is_empty());
        let number = |name: &str| text(name).and_then(|value| value.parse().ok());
        let pipeline_commit = text("CI_COMMIT_SHA");
        let commit = text("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA").or_else(|| pipeline_commit.clone());
        let pipeline = number("CI_PIPELINE_ID");
        Self {
            program: beginning.program,
            args: beginning.args.clone(),
            interrupted: beginning.interrupted.clone(),
            base: text("CI_API_V4_URL"),
            token: token(&GITLAB_TOKENS, beginning.variable),
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

    /// Shows a report.
    pub(in crate::host) async fn publish(
        &self,
        report: &Report,
        conclusion: Conclusion,
        sink: &Sink,
    ) -> Vec<Untrusted> {
        let undecided = report.verdict == Verdict::Inconclusive && self.inconclusive_is_allowed;
        let state = if undecided { Some(State::Skipped) } else { state(conclusion) };
        let (text, title) = (comment(report, sink, Flavour::GitLab), check(report, sink).title);
        self.show(&Showing { text: Some(&text), standing: standing(report), title: &title, state }).await
    }

    /// Shows that there is no report. An earlier note is kept true; a stopped run says nothing new about the gate.
    pub(in crate::host) async fn fail(&self, why: &str, conclusion: Conclusion, sink: &Sink) -> Vec<Untrusted> {
        let output = failure(self.program, why, sink);
        let text = (conclusion == Conclusion::Failure).then_some(output.summary.as_str());
        let state = state(conclusion);
        self.show(&Showing { text, standing: Standing::Failed, title: &output.title, state }).await
    }

    /// Shows that the work is done without a report; there is nothing to comment on.
    pub(in crate::host) async fn done(&self, what: &str, conclusion: Conclusion, sink: &Sink) -> Vec<Untrusted> {
        let output = done(self.program, what, sink);
        let state = state(conclusion);
        self.show(&Showing { text: None, standing: Standing::Quiet, title: &output.title, state }).await
    }

    async fn show(&self, showing: &Showing<'_>) -> Vec<Untrusted> {
        let text = showing.text.map(without_commands);
        let note = self.merge_request.as_ref().zip(text.as_deref());
        let note = note.filter(|(_, text)| self.wants_note(text, showing.standing));
        // The job itself is what a check run is on GitHub: a status beside it is set only where somebody asks for it.
        let status = showing.state.filter(|_| self.args.commit_status == StatusWhen::Always);
        if note.is_none() && status.is_none() {
            return Vec::new();
        }
        let (Some(base), Some(token)) = (&self.base, &self.token) else { return vec![self.unable()] };
        let time = if self.interrupted.is_cancelled() { LAST_TIME } else { TIME };
        let access = Access { base: base.clone(), token: token.clone(), ca_file: self.ca_file.clone(), time };
        let api = match Api::open(&access) {
            Ok(api) => api,
            Err(trouble) => return vec![told("nothing is shown on GitLab", &trouble)],
        };
        let mut warnings = Vec::new();
        if let Some((place, text)) = note {
            warnings.extend(self.note(&api, place, text, showing.standing).await);
        }
        if let Some(state) = status {
            warnings.extend(self.status(&api, state, showing.title).await);
        }
        warnings
    }

    /// Whether there is a reason to ask at all. With a token a note of an earlier run may be there, which is kept true; without
    /// one there can be none, and nothing is said where nothing would be written.
    fn wants_note(&self, text: &str, standing: Standing) -> bool {
        let Some(marker) = self.marker(text) else { return self.args.comment != When::Never };
        match plan::<u64>(&[], &Show { marker: &marker, text, standing, args: &self.args }).decision {
            Decision::Skip(_) => self.token.is_some() && self.args.comment != When::Never,
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

    fn marker(&self, text: &str) -> Option<Marker> {
        Some(Marker {
            action: self.program.to_owned(),
            id: self.args.comment_id.clone(),
            sha: Marker::sha_word(self.commit.as_deref()),
            run: self.run?,
            body: Marker::digest(text),
        })
    }

    async fn note(&self, api: &Api, place: &MergeRequest, text: &str, standing: Standing) -> Vec<Untrusted> {
        let Some(marker) = self.marker(text) else {
            return vec![Untrusted::new("no note is written: CI_PIPELINE_ID and CI_JOB_ID are not set")];
        };
        match note::show(api, place, &Show { marker: &marker, text, standing, args: &self.args }).await {
            Ok((shown, warnings)) => {
                tracing::info!("merge request {}: {shown:?}", place.number);
                warnings
            }
            Err(trouble) => vec![told("the note on the merge request was not written", &trouble)],
        }
    }

    async fn status(&self, api: &Api, state: State, title: &str) -> Option<Untrusted> {
        let (Some(project), Some(commit)) = (&self.project, &self.commit) else {
            return Some(Untrusted::new("no commit status is set: CI_PROJECT_ID and CI_COMMIT_SHA are not set"));
        };
        let status = Status {
            project: project.clone(),
            commit: commit.clone(),
            name: self.args.check_name(self.program),
            state,
            description: title.to_owned(),
            link: self.job.clone(),
            pipeline: self.pipeline_of_commit,
        };
        status::set(api, &status).await.err().map(|trouble| told("the commit status was not set", &trouble))
    }
}

/// A stopped run leaves the status as it is: the job itself says that it was stopped.
fn state(conclusion: Conclusion) -> Option<State> {
    match conclusion {
        Conclusion::Success => Some(State::Success),
        Conclusion::Failure => Some(State::Failed),
        Conclusion::Neutral => Some(State::Skipped),
        Conclusion::Cancelled => None,
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
