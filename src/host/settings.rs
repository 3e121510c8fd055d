//! What a user says about publishing: one struct, flattened into the inputs of every program that judges.
//! Tokens are no inputs of a command line: they come by the environment only (`tokens`).

use clap::{Args, ValueEnum};

/// Where a result is shown on a pull or merge request.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct PublishArgs {
    /// When a comment is written on the pull or merge request; on-change: not before something failed or changed
    #[arg(long, value_name = "WHEN", default_value = "on-change")]
    pub comment: When,
    /// What happens to the comment of the run before
    #[arg(long, value_name = "MODE", default_value = "update")]
    pub comment_mode: Mode,
    /// Tells comments of one program apart, where a pull request has several: letters, digits, `.`, `_`, `-`
    #[arg(long, value_name = "ID", default_value = "default", value_parser = comment_id)]
    pub comment_id: String,
    /// Programs with the same comment id share one comment, with a section for each
    #[arg(long)]
    pub shared_comment: bool,
    /// Whether a check run shows progress and verdict on the commit (GitHub)
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub check: bool,
    /// The name of the check run or commit status, which rules for merging refer to (default: the program, with the comment id where it is not `default`)
    #[arg(long, value_name = "NAME")]
    pub check_name: Option<String>,
    /// When a commit status is set; fallback: where there can be no check run
    #[arg(long, value_name = "WHEN", default_value = "fallback")]
    pub commit_status: StatusWhen,
}

/// When a comment is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum When {
    /// After every run.
    Always,
    /// Once something failed or changed; from then on the comment is kept true.
    OnChange,
    /// Once the gate did not pass; from then on the comment is kept true.
    OnFailure,
    /// No comment.
    Never,
}

/// What happens to the comment of an earlier run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Mode {
    /// It is edited, which notifies nobody.
    Update,
    /// It is deleted after a new one is there.
    Recreate,
    /// It is folded as outdated after a new one is there.
    HidePrevious,
}

/// When a commit status is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum StatusWhen {
    /// Where there is no check run: it was refused, or the host has none.
    Fallback,
    /// After every run.
    Always,
    /// Not at all.
    Never,
}

impl PublishArgs {
    /// The check's or status' name.
    pub fn check_name(&self, program: &str) -> String {
        match &self.check_name {
            Some(name) => name.clone(),
            None if self.comment_id == "default" => program.to_owned(),
            None => format!("{program} ({})", self.comment_id),
        }
    }
}

impl Default for PublishArgs {
    fn default() -> Self {
        Self {
            comment: When::OnChange,
            comment_mode: Mode::Update,
            comment_id: "default".to_owned(),
            shared_comment: false,
            check: true,
            check_name: None,
            commit_status: StatusWhen::Fallback,
        }
    }
}

fn comment_id(text: &str) -> Result<String, String> {
    match super::sticky::is_word(text) {
        true => Ok(text.to_owned()),
        false => Err("1 to 64 letters, digits, `.`, `_` or `-`".to_owned()),
    }
}
