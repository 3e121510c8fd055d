//! What judges a pull request comes from its base: the policy is read there, and the pull request may only make it stricter.
//! Kept out: the rules of that (`eval::policy::guard`).

mod brought;
mod file;
mod probes;
mod suites;

use std::path::Path;

use clap::{Args, ValueEnum};

use self::file::Base;
use super::{CommandError, Context, git};
use crate::document::Problem;
use crate::eval::policy::{self, LoadedPolicy, guard};
use crate::eval::redteam::SafetyPolicy;
use crate::eval::suite::Suite;
use crate::host::Review;
use crate::report::{ChangeKind, GateChange};
use crate::trust::Untrusted;

pub(crate) use suites::{Changes, OTHER_MODEL, keep_back};

/// Which side's policy judges a pull request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum PolicyFrom {
    /// Its base's; the pull request may only make it stricter.
    Base,
    /// Its own: for repositories whose every author is trusted.
    Head,
}

/// Inputs about how far a pull request is trusted.
#[derive(Args, Clone, Debug)]
pub struct TrustArgs {
    /// Which side's policy judges a pull request: its base's (the pull request may only make it stricter), or its own
    #[arg(long, value_enum, value_name = "SIDE", default_value = "base")]
    pub policy_from: PolicyFrom,
    /// Run although the event (pull_request_target, workflow_run) lends its rights to code of a pull request that is checked out
    #[arg(long)]
    pub allow_untrusted_checkout: bool,
}

/// The policy that judges, and what the pull request changes of it.
pub(crate) struct Held {
    pub(crate) loaded: LoadedPolicy,
    pub(crate) changes: Vec<GateChange>,
    /// Whether another model is judged than the base would judge.
    pub(crate) other_model: bool,
    base: Option<Base>,
    /// `safety:` as the base has it; none where it has no policy.
    own: Option<SafetyPolicy>,
}

/// Holds a policy against its base's, where the run is about a pull request. `model` is the one that the command line names.
pub(crate) async fn hold(
    loaded: LoadedPolicy,
    path: &Path,
    (args, model): (&TrustArgs, Option<&str>),
    context: &Context,
) -> Result<Held, CommandError> {
    let nothing = |loaded| Held { loaded, changes: Vec::new(), other_model: false, base: None, own: None };
    let Some(review) = context.host.review() else { return Ok(nothing(loaded)) };
    if review.privileged && !args.allow_untrusted_checkout {
        refuse_untrusted(review, &loaded.folder)?;
    }
    if args.policy_from == PolicyFrom::Head {
        return Ok(nothing(loaded));
    }
    let base = Base::of(review, &loaded.folder, context)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let shown = format!("{}:{}", base.commit(), path.display());
    let Some(text) = base.read(&name).await? else {
        brought::refuse_rights(&loaded.policy, review.privileged)?;
        let what = "the base has no such policy: a reviewer has to read all of it";
        let changes = vec![GateChange { kind: ChangeKind::Loosened, place: name.into(), what: what.into() }];
        return Ok(Held { loaded, changes, other_model: false, base: Some(base), own: None });
    };
    let text = String::from_utf8(text).map_err(|_| refused(format!("{shown} is not UTF-8")))?;
    let theirs = policy::read_text(&shown, &text, &loaded.folder).map_err(|found| {
        let problems = found.sorted().into_iter();
        let help = "mend the base's policy first, or say --policy-from head";
        CommandError::Problems(problems.map(|problem: Problem| problem.help(help)).collect())
    })?;
    let guarded = guard(&theirs.policy, &loaded.policy, model)
        .map_err(|error| refused(format!("{error}: {}, or say --policy-from head", error.help())))?;
    let loaded = LoadedPolicy { policy: guarded.policy, ..loaded };
    let (changes, other_model) = (guarded.changes, guarded.other_model);
    Ok(Held { loaded, changes, other_model, base: Some(base), own: Some(theirs.policy.safety) })
}

/// Where no suite is held against the base's, a pull request's suites do not name who is asked: they could send keys to anybody.
pub(crate) fn refuse_own_models(suites: &[Suite], args: &TrustArgs, context: &Context) -> Result<(), CommandError> {
    if context.host.review().is_none() || args.policy_from == PolicyFrom::Head {
        return Ok(());
    }
    let named = suites.iter().find_map(|suite| suite.models().values().next().map(|own| (suite, own)));
    let Some((suite, own)) = named else { return Ok(()) };
    let text =
        "this suite names a model itself, and this program does not hold suites of a pull request against the base's";
    let help = "name the model under `models:` of the policy and set `gate.model` (a judge: `gate.judge`), or say --policy-from head";
    Err(CommandError::Problems(vec![Problem::new(suite.shown_path(), own.spot, text).help(help)]))
}

impl Held {
    /// A baseline that the policy names, as the base has it: a pull request is not compared with files that it brings.
    pub(crate) fn pinned(&self, address: String) -> Result<String, CommandError> {
        match &self.base {
            Some(base) if address.starts_with("git:") => base.not_of_the_head(address),
            Some(base) => base.pinned(address),
            None => Ok(address),
        }
    }
}

fn refused(text: String) -> CommandError {
    CommandError::Inputs(Untrusted::new(text))
}

/// An event that lends secrets and write rights must not run on what a stranger has sent.
fn refuse_untrusted(review: &Review, folder: &Path) -> Result<(), CommandError> {
    let head = git::git(folder, &["rev-parse", "HEAD"]).ok().flatten();
    let head = head.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    match head {
        Some(commit) if !review.head.is_empty() && commit != review.head => Ok(()),
        Some(_) | None => Err(refused(
            "this event lends its secrets and rights to code that a pull request brings, and that code is checked out (or no git \
             checkout is here to tell): use the event pull_request, check out the base, or say --allow-untrusted-checkout"
                .to_owned(),
        )),
    }
}
