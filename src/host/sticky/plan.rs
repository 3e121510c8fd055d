//! From one program's text to the body of the comment and what is done with it, alone or in a shared comment.

use super::decide::own;
use super::{Decision, Existing, Marker, SHARED, Section, Standing, Wanted, decide, newest, with_section};
use crate::host::settings::PublishArgs;

/// What one program wants to show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Show<'a> {
    /// The program's own marker; its digest is of `text`.
    pub marker: &'a Marker,
    /// The comment without a marker.
    pub text: &'a str,
    /// What the result asks for.
    pub standing: Standing,
    /// What the user asks for.
    pub args: &'a PublishArgs,
}

/// What is done, and the whole body that is written where something is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan<Id> {
    /// What is done.
    pub decision: Decision<Id>,
    /// The comment with its marker as the last line.
    pub body: String,
}

/// Plans. `existing` holds every comment of the pull request, the oldest first.
pub fn plan<Id: Clone>(existing: &[Existing<Id>], show: &Show<'_>) -> Plan<Id> {
    let (marker, text) = match show.args.shared_comment {
        false => (show.marker.clone(), show.text.to_owned()),
        true => {
            // Two programs that began together may have written one each: what stands in any of them counts.
            let there: Vec<_> = own(existing, SHARED, &show.marker.id).collect();
            let above: Vec<&str> = there.iter().map(|(comment, _)| Marker::text_above(&comment.body)).collect();
            let above = above.join("\n\n");
            let section = Section { marker: show.marker.clone(), text: show.text.to_owned() };
            let text = match with_section(&above, section) {
                Ok(text) => text,
                Err(newer) => {
                    let decision = Decision::Superseded(Box::new(Marker { run: newer, ..show.marker.clone() }));
                    return Plan { decision, body: String::new() };
                }
            };
            // The sections have runs of their own: the comment's is the latest of them.
            let run = there.iter().map(|(_, marker)| marker.run).fold(show.marker.run, Ord::max);
            let marker = Marker { action: SHARED.to_owned(), run, body: Marker::digest(&text), ..show.marker.clone() };
            (marker, text)
        }
    };
    let wanted =
        Wanted { marker: &marker, standing: show.standing, when: show.args.comment, mode: show.args.comment_mode };
    Plan { decision: decide(existing, &wanted), body: marker.under(&text) }
}

/// Shared comments beside the one that is kept: they are deleted once that one holds all sections.
pub fn spare<Id: Clone + PartialEq>(existing: &[Existing<Id>], show: &Show<'_>) -> Vec<Id> {
    if !show.args.shared_comment {
        return Vec::new();
    }
    let id = &show.marker.id;
    let kept = newest(existing, SHARED, id).map(|(comment, _)| comment.id.clone());
    let all = own(existing, SHARED, id).map(|(comment, _)| comment.id.clone());
    all.filter(|id| Some(id) != kept.as_ref()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Old, RunNumber};
    use super::*;

    fn marker(action: &str, run: u64, text: &str) -> Marker {
        Marker {
            action: action.to_owned(),
            id: "default".to_owned(),
            sha: "9f8e7d6".to_owned(),
            run: RunNumber { run, attempt: 1 },
            body: Marker::digest(text),
        }
    }

    fn shown(existing: &[Existing<u32>], action: &str, run: u64, text: &str) -> Plan<u32> {
        let args = PublishArgs { shared_comment: true, ..PublishArgs::default() };
        plan(existing, &Show { marker: &marker(action, run, text), text, standing: Standing::Failed, args: &args })
    }

    #[test]
    fn programs_of_different_runs_share_a_comment_and_neither_overwrites_a_newer_result() {
        let first = shown(&[], "regression-check", 7, "worse");
        assert_eq!(first.decision, Decision::Create { earlier: Vec::new(), then: Old::Keep });
        let mut there = vec![Existing { id: 1, ours: true, body: first.body }];
        // Another program's older run is no older result.
        let second = shown(&there, "eval-gate", 5, "bad");
        assert_eq!(second.decision, Decision::Update(1));
        assert!(second.body.contains("worse") && second.body.contains("bad"));
        assert_eq!(Marker::of(&second.body).unwrap().run.run, 7);
        there[0].body = second.body;
        assert!(matches!(shown(&there, "regression-check", 6, "old").decision, Decision::Superseded(_)));
        assert!(matches!(shown(&there, "eval-gate", 5, "bad").decision, Decision::Skip(_)));
    }

    #[test]
    fn programs_that_began_together_end_in_one_comment() {
        let body = |action: &str, text: &str| shown(&[], action, 7, text).body;
        let there = [
            Existing { id: 1, ours: true, body: body("regression-check", "worse") },
            Existing { id: 2, ours: true, body: body("eval-gate", "bad") },
        ];
        let merged = shown(&there, "eval-gate", 7, "bad");
        assert_eq!(merged.decision, Decision::Update(2));
        assert!(merged.body.contains("worse") && merged.body.contains("bad"), "{}", merged.body);
        let args = PublishArgs { shared_comment: true, ..PublishArgs::default() };
        let own = marker("eval-gate", 7, "bad");
        let show = Show { marker: &own, text: "bad", standing: Standing::Failed, args: &args };
        assert_eq!(spare(&there, &show), [1]);
        assert_eq!(spare(&there, &Show { args: &PublishArgs::default(), ..show }), Vec::<u32>::new());
    }

    #[test]
    fn a_comment_of_ones_own_is_its_text_and_its_marker() {
        let args = PublishArgs::default();
        let marker = marker("eval-gate", 7, "bad");
        let plan = plan::<u32>(&[], &Show { marker: &marker, text: "bad", standing: Standing::Failed, args: &args });
        assert_eq!(plan.body, marker.under("bad"));
    }
}
