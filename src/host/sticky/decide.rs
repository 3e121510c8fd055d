//! What is done about the comments that are there. One table of rules, without any host in it.

use super::Marker;
use crate::host::settings::{Mode, When};

/// A comment that is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Existing<Id> {
    /// How the host calls it.
    pub id: Id,
    /// Whether it was written by the login that our token has. Others' comments are never touched.
    pub ours: bool,
    /// Its whole text.
    pub body: String,
}

/// What this run would show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted<'a> {
    /// The marker of the new comment.
    pub marker: &'a Marker,
    /// What the result asks for.
    pub standing: Standing,
    /// When a comment is written.
    pub when: When,
    /// What happens to an earlier one.
    pub mode: Mode,
}

/// How much a result wants to be seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Passed, and nothing changed.
    Quiet,
    /// Passed, and something changed: cases between the sides, the policy, the suite.
    Changed,
    /// Did not pass.
    Failed,
}

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision<Id> {
    /// Write a new comment, then do this to earlier ones.
    Create {
        /// Earlier comments.
        earlier: Vec<Id>,
        /// What is done to them once the new one is there.
        then: Old,
    },
    /// Replace the text of this one.
    Update(Id),
    /// Write nothing, for this reason.
    Skip(&'static str),
    /// A newer run has written already: its marker.
    Superseded(Box<Marker>),
}

/// What is done to earlier comments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Old {
    /// Nothing.
    Keep,
    /// They are deleted.
    Delete,
    /// They are folded as outdated.
    Hide,
}

/// Decides. `existing` holds every comment of the pull request, in the host's order, the oldest first.
pub fn decide<Id: Clone>(existing: &[Existing<Id>], wanted: &Wanted<'_>) -> Decision<Id> {
    if wanted.when == When::Never {
        return Decision::Skip("no comment is wanted");
    }
    let (action, id) = (wanted.marker.action.as_str(), wanted.marker.id.as_str());
    let Some((last, marker)) = newest(existing, action, id) else {
        return match (wanted.when, wanted.standing) {
            (When::OnChange, Standing::Quiet) => Decision::Skip("it never failed, and nothing changed"),
            (When::OnFailure, Standing::Quiet | Standing::Changed) => Decision::Skip("it never failed"),
            _ => Decision::Create { earlier: Vec::new(), then: Old::Keep },
        };
    };
    if marker.run > wanted.marker.run {
        return Decision::Superseded(Box::new(marker));
    }
    let untouched = Marker::digest(Marker::text_above(&last.body)) == marker.body;
    if untouched && marker.body == wanted.marker.body {
        return Decision::Skip("the comment says so already");
    }
    let earlier = || own(existing, action, id).map(|(comment, _)| comment.id.clone()).collect();
    match wanted.mode {
        Mode::Update => Decision::Update(last.id.clone()),
        Mode::Recreate => Decision::Create { earlier: earlier(), then: Old::Delete },
        Mode::HidePrevious => Decision::Create { earlier: earlier(), then: Old::Hide },
    }
}

/// Our comments of one action and id. Others' are not looked at, whatever they say.
pub(super) fn own<'a, 'b, Id>(
    existing: &'a [Existing<Id>],
    action: &'b str,
    id: &'b str,
) -> impl Iterator<Item = (&'a Existing<Id>, Marker)> + use<'a, 'b, Id> {
    let ours = existing.iter().filter(|comment| comment.ours);
    let marked = ours.filter_map(|comment| Some((comment, Marker::of(&comment.body)?)));
    marked.filter(move |(_, marker)| marker.action == action && marker.id == id)
}

/// The comment of the greatest run; of several of one run the last one.
pub fn newest<'a, Id>(existing: &'a [Existing<Id>], action: &str, id: &str) -> Option<(&'a Existing<Id>, Marker)> {
    // Of equal ones the last is the greatest.
    own(existing, action, id).max_by_key(|(_, marker)| marker.run)
}

#[cfg(test)]
mod tests {
    use super::super::RunNumber;
    use super::*;

    fn marker(run: u64, attempt: u64, text: &str) -> Marker {
        Marker {
            action: "eval-gate".to_owned(),
            id: "default".to_owned(),
            sha: "9f8e7d6".to_owned(),
            run: RunNumber { run, attempt },
            body: Marker::digest(text),
        }
    }

    fn comment(id: u32, run: u64, text: &str) -> Existing<u32> {
        Existing { id, ours: true, body: marker(run, 1, text).under(text) }
    }

    fn asked(existing: &[Existing<u32>], standing: Standing, when: When, mode: Mode) -> Decision<u32> {
        decide(existing, &Wanted { marker: &marker(10, 1, "new"), standing, when, mode })
    }

    #[test]
    fn without_a_comment_the_result_and_the_wish_decide() {
        let create = Decision::Create { earlier: Vec::new(), then: Old::Keep };
        for (when, quiet, changed, failed) in [
            (When::Always, true, true, true),
            (When::OnChange, false, true, true),
            (When::OnFailure, false, false, true),
            (When::Never, false, false, false),
        ] {
            for (standing, created) in
                [(Standing::Quiet, quiet), (Standing::Changed, changed), (Standing::Failed, failed)]
            {
                let decision = asked(&[], standing, when, Mode::Update);
                assert_eq!(decision == create, created, "{when:?} {standing:?} {decision:?}");
            }
        }
    }

    #[test]
    fn a_comment_that_is_there_is_kept_true_whatever_the_result() {
        let there = [comment(1, 9, "old")];
        for when in [When::Always, When::OnChange, When::OnFailure] {
            for standing in [Standing::Quiet, Standing::Changed, Standing::Failed] {
                assert_eq!(asked(&there, standing, when, Mode::Update), Decision::Update(1), "{when:?}");
            }
        }
        assert!(matches!(asked(&there, Standing::Failed, When::Never, Mode::Update), Decision::Skip(_)));
    }

    #[test]
    fn a_newer_run_is_never_overwritten() {
        let newer = [comment(1, 8, "old"), comment(2, 11, "newer")];
        for mode in [Mode::Update, Mode::Recreate, Mode::HidePrevious] {
            let decision = asked(&newer, Standing::Failed, When::Always, mode);
            assert_eq!(decision, Decision::Superseded(Box::new(marker(11, 1, "newer"))));
        }
        let attempt = [Existing { id: 1, ours: true, body: marker(10, 2, "x").under("x") }];
        assert!(matches!(asked(&attempt, Standing::Failed, When::Always, Mode::Update), Decision::Superseded(_)));
    }

    #[test]
    fn a_strangers_comment_with_our_marker_is_neither_touched_nor_believed() {
        let stranger = Existing { ours: false, ..comment(1, 99, "old") };
        let create = Decision::Create { earlier: Vec::new(), then: Old::Keep };
        assert_eq!(asked(&[stranger], Standing::Failed, When::OnChange, Mode::Recreate), create);
    }

    #[test]
    fn the_same_text_is_not_sent_again_unless_somebody_changed_it() {
        for mode in [Mode::Update, Mode::Recreate, Mode::HidePrevious] {
            assert!(matches!(asked(&[comment(1, 9, "new")], Standing::Failed, When::Always, mode), Decision::Skip(_)));
        }
        let mut edited = comment(1, 9, "new");
        edited.body = edited.body.replace("new", "all is well");
        assert_eq!(asked(&[edited], Standing::Failed, When::Always, Mode::Update), Decision::Update(1));
    }

    #[test]
    fn other_programs_and_other_ids_are_other_comments() {
        let other = |change: fn(&mut Marker)| {
            let mut marker = marker(9, 1, "old");
            change(&mut marker);
            [Existing { id: 1, ours: true, body: marker.under("old") }]
        };
        for there in
            [other(|marker| marker.action = "safety-gate".to_owned()), other(|marker| marker.id = "b".to_owned())]
        {
            let decision = asked(&there, Standing::Failed, When::Always, Mode::Update);
            assert!(matches!(decision, Decision::Create { .. }), "{decision:?}");
        }
        let forged = [Existing { id: 1, ours: true, body: format!("{}\nwords", marker(9, 1, "old").line()) }];
        assert!(matches!(asked(&forged, Standing::Failed, When::Always, Mode::Update), Decision::Create { .. }));
    }

    #[test]
    fn recreate_and_hide_previous_name_all_earlier_comments() {
        let there = [comment(1, 8, "older"), comment(2, 9, "old")];
        for (mode, then) in [(Mode::Recreate, Old::Delete), (Mode::HidePrevious, Old::Hide)] {
            assert_eq!(
                asked(&there, Standing::Quiet, When::OnChange, mode),
                Decision::Create { earlier: vec![1, 2], then }
            );
        }
        assert_eq!(asked(&there, Standing::Quiet, When::OnChange, Mode::Update), Decision::Update(2));
    }
}
