//! A run on GitHub from its beginning to its end: check run, comment, commit status, each where the one before may not be.
//! Trouble is told in words and changes no verdict.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::api::{Access, Api};
use super::check::{Check, Output, Ticket};
use super::comment::{Comments, Shown};
use super::pace::Clock;
use super::reply::Trouble;
use super::rights::{Origin, Surface, explain};
use super::runner::Paths;
use super::status::{State, Status};
use super::{post, text};
use crate::gate::Verdict;
use crate::host::settings::{StatusWhen, When};
use crate::host::sticky::{Marker, RunNumber, Show, Standing};
use crate::host::{Beginning, Conclusion, GITHUB_TOKENS, PublishArgs, Published, token};
use crate::report::{Annotation, Flavour, HostInfo, Report, Sink, comment};
use crate::trust::{Secret, Untrusted};

/// What a run on a pull request knows of itself.
pub struct Run {
    /// The program.
    pub program: &'static str,
    /// What the user wants to be shown.
    pub args: PublishArgs,
    /// `GITHUB_API_URL`.
    pub base: String,
    /// `GITHUB_GRAPHQL_URL`.
    pub graphql: Option<String>,
    /// `owner/name`.
    pub repository: String,
    /// The token.
    pub token: Secret,
    /// The pull request.
    pub number: u64,
    /// Its head.
    pub sha: String,
    /// The run and its attempt.
    pub run: RunNumber,
    /// Tells this job from others of the same run, such as those of a matrix.
    pub job: String,
    /// A link to the run.
    pub url: Option<String>,
    /// Whose token it is.
    pub origin: Origin,
    /// RFC 3339 of the moment.
    pub clock: fn() -> String,
}

impl Run {
    /// None where there is no token, or no pull request: then nothing is asked of the API.
    pub(in crate::host) fn of(paths: &Paths, info: &HostInfo, beginning: &Beginning<'_>) -> Option<Self> {
        let variable = |name: &str| (beginning.variable)(name).filter(|value| !value.is_empty());
        let number = |name: &str| variable(name).and_then(|text| text.parse().ok());
        let raw = |text: &Option<Untrusted>| text.as_ref().map(|text| text.raw().to_owned());
        Some(Self {
            program: beginning.program,
            args: beginning.args.clone(),
            base: variable("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned()),
            graphql: variable("GITHUB_GRAPHQL_URL"),
            repository: raw(&info.repository)?,
            token: token(&GITHUB_TOKENS, &variable)?,
            number: info.pull_request?,
            sha: raw(&info.commit).filter(|sha| is_sha(sha))?,
            run: RunNumber { run: number("GITHUB_RUN_ID")?, attempt: number("GITHUB_RUN_ATTEMPT").unwrap_or(1) },
            job: super::runner::token().ok()?,
            url: raw(&info.run_url),
            origin: paths.origin(),
            clock: beginning.clock,
        })
    }
}

fn is_sha(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Tells GitHub of one run.
pub struct Publisher {
    api: Api,
    run: Run,
    check_name: String,
    check: CheckState,
    /// Whether a status of ours is pending.
    pending: bool,
    /// Whether it was told already that statuses are refused.
    told: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum CheckState {
    Unwanted,
    Refused,
    Open(Check),
    Closed(Check),
}

impl Publisher {
    /// Asks nothing yet.
    pub fn new(run: Run, clock: Clock, interrupted: CancellationToken) -> Result<Self, Trouble> {
        let access =
            Access { base: &run.base, graphql: run.graphql.as_deref(), repository: &run.repository, token: &run.token };
        let api = Api::new(&access, clock, interrupted)?;
        let check_name = run.args.check_name(run.program);
        Ok(Self { api, run, check_name, check: CheckState::Unwanted, pending: false, told: false })
    }

    /// The program.
    pub fn program(&self) -> &'static str {
        self.run.program
    }

    /// What the step after the job has to know to close what is about to be opened; it is kept before anything is asked,
    /// so that a process that is killed at any moment leaves nothing open.
    pub fn state(&self) -> Vec<(&'static str, String)> {
        let check = self.run.args.check.then(|| (post::CHECK, self.ticket().words()));
        let status = (self.run.args.commit_status == StatusWhen::Always).then(|| self.status_state());
        check.into_iter().chain(status).collect()
    }

    /// What it has to know beside that once everything is opened: the status that stands in for a check run.
    pub fn late_state(&self) -> Option<(&'static str, String)> {
        (self.pending && self.run.args.commit_status == StatusWhen::Fallback).then(|| self.status_state())
    }

    fn status_state(&self) -> (&'static str, String) {
        (post::STATUS, format!("{} {}", self.run.sha, self.check_name))
    }

    fn ticket(&self) -> Ticket {
        let Run { sha, run, job, .. } = &self.run;
        Ticket { sha: sha.clone(), external_id: format!("llmci:{run}:{job}"), name: self.check_name.clone() }
    }

    /// Opens the check run, or what stands in for it.
    pub async fn open(&mut self) -> Vec<Untrusted> {
        let mut warnings = Vec::new();
        if self.run.args.check {
            let started_at = (self.run.clock)();
            let url = self.run.url.as_deref();
            self.check = match Check::open(&self.api, &self.ticket(), &started_at, url).await {
                Ok(check) => CheckState::Open(check),
                Err(trouble) => {
                    warnings.push(explain(Surface::Check, &trouble, self.run.origin));
                    CheckState::Refused
                }
            };
        }
        if self.wants_status() {
            match self.status().set(&self.api, State::Pending, "running").await {
                Ok(()) => self.pending = true,
                Err(trouble) => {
                    self.told = true;
                    warnings.push(explain(Surface::Status, &trouble, self.run.origin));
                }
            }
        }
        warnings
    }

    /// Whether no status of this run is pending.
    pub(in crate::host) fn is_settled(&self) -> bool {
        !self.pending
    }

    /// Shows a report.
    pub async fn publish(
        &mut self,
        report: &Report,
        conclusion: Conclusion,
        sink: &Sink,
        workspace: &Path,
    ) -> Published {
        let output = text::output(report, sink);
        let annotations = text::annotations(report, sink, workspace);
        let mut published = self.end_check(conclusion, &output, &annotations).await;
        if self.run.args.comment != When::Never {
            published.warnings.extend(self.comment(&comment(report, sink, Flavour::GitHub), standing(report)).await);
        }
        published.warnings.extend(self.end_status(conclusion, &output.title).await);
        if let CheckState::Closed(check) = &self.check
            && let Err(trouble) = check.annotate(&self.api, &output, &annotations).await
        {
            let text = format!("some annotations were not published: {}", trouble.words());
            published.warnings.push(Untrusted::new(text));
        }
        published
    }

    /// Shows that there is no report. An earlier comment is kept true; a stopped run says nothing new about the gate.
    pub async fn fail(&mut self, output: Output, conclusion: Conclusion) -> Vec<Untrusted> {
        let mut warnings = self.end_check(conclusion, &output, &[]).await.warnings;
        if self.run.args.comment != When::Never && conclusion == Conclusion::Failure {
            warnings.extend(self.comment(&output.summary, Standing::Failed).await);
        }
        warnings.extend(self.end_status(conclusion, &output.title).await);
        warnings
    }

    /// Shows that the work is done without a report; there is nothing to comment on.
    pub async fn done(&mut self, output: Output, conclusion: Conclusion) -> Vec<Untrusted> {
        let mut warnings = self.end_check(conclusion, &output, &[]).await.warnings;
        warnings.extend(self.end_status(conclusion, &output.title).await);
        warnings
    }

    async fn end_check(&mut self, conclusion: Conclusion, output: &Output, annotations: &[Annotation]) -> Published {
        let CheckState::Open(check) = self.check.clone() else { return Published::default() };
        let now = (self.run.clock)();
        let closed = match self.api.is_over() {
            true => check.end_at_once(&self.api, conclusion, output, &now).await,
            false => match check.close(&self.api, conclusion, output, annotations, &now).await {
                // Stopped in the middle: the verdict is known, and is the last thing that is told.
                Err(Trouble::Interrupted) => check.end_at_once(&self.api, conclusion, output, &now).await,
                closed => closed,
            },
        };
        match closed {
            Ok(()) => {
                self.check = CheckState::Closed(check);
                Published { warnings: Vec::new(), annotated: !annotations.is_empty() }
            }
            Err(trouble) => {
                self.check = CheckState::Refused;
                let warnings = vec![explain(Surface::Check, &trouble, self.run.origin)];
                Published { warnings, annotated: false }
            }
        }
    }

    async fn comment(&self, text: &str, standing: Standing) -> Option<Untrusted> {
        if self.api.is_over() {
            return None;
        }
        let Run { program, args, number, sha, run, origin, .. } = &self.run;
        let marker = Marker {
            action: (*program).to_owned(),
            id: args.comment_id.clone(),
            sha: Marker::sha_word(Some(sha)),
            run: *run,
            body: Marker::digest(text),
        };
        let show = Show { marker: &marker, text, standing, args };
        match Comments::of(&self.api, *number).show(&show).await {
            Ok(Shown::Written(id, trouble)) => {
                tracing::info!("comment {id} on pull request {number}");
                trouble
            }
            Ok(Shown::Kept(why)) => {
                tracing::info!("no comment is written: {why}");
                None
            }
            Ok(Shown::Superseded(by)) => {
                Some(Untrusted::new(format!("no comment is written: the one of the newer run {} stays", by.run)))
            }
            Err(trouble) => Some(explain(Surface::Comment, &trouble, *origin)),
        }
    }

    async fn end_status(&mut self, conclusion: Conclusion, title: &str) -> Option<Untrusted> {
        if !self.wants_status() || self.api.is_over() {
            return None;
        }
        match self.status().set(&self.api, conclusion.into(), title).await {
            Ok(()) => {
                self.pending = false;
                None
            }
            // It was said when it began.
            Err(_) if self.told => None,
            Err(trouble) => Some(explain(Surface::Status, &trouble, self.run.origin)),
        }
    }

    fn wants_status(&self) -> bool {
        match self.run.args.commit_status {
            StatusWhen::Always => true,
            StatusWhen::Fallback => self.check == CheckState::Refused,
            StatusWhen::Never => false,
        }
    }

    fn status(&self) -> Status<'_> {
        Status { context: &self.check_name, sha: &self.run.sha, target_url: self.run.url.as_deref() }
    }
}

/// How much a result wants to be seen.
pub(in crate::host) fn standing(report: &Report) -> Standing {
    let changed = |report: &Report| {
        let comparison = report.comparison.as_ref();
        comparison.is_some_and(|comparison| comparison.newly_failing_count + comparison.newly_passing_count > 0)
    };
    match report.verdict {
        Verdict::Pass if changed(report) => Standing::Changed,
        Verdict::Pass => Standing::Quiet,
        Verdict::Fail | Verdict::Inconclusive | Verdict::Error => Standing::Failed,
    }
}
