//! No strategy loses its payload, and none breaks over an awkward one.

use super::*;
use crate::eval::dialogue::Method;
use crate::eval::redteam::strategy::framing::{Frame, Hold};
use crate::eval::redteam::strategy::script::{PART_BEGIN, PART_END};
use crate::eval::redteam::{PAYLOAD, decode, kept};

fn frames() -> impl Iterator<Item = &'static Frame> {
    STRATEGIES.iter().filter_map(|strategy| match strategy.apply {
        Apply::Frame(frame) => Some(frame),
        Apply::Text(_) | Apply::Write(_) | Apply::Turns(_) | Apply::Adaptive(_) => None,
    })
}

#[test]
fn a_notation_gives_the_payload_back_whatever_it_is() {
    for notation in notations() {
        for payload in awkward() {
            for seed in 0..5 {
                let attacked = stack(notation.name).apply(&payload, seed);
                let read = decode(notation.name, seed, &attacked.turns.concat());
                assert_eq!(read, Some(kept(notation.name, &payload)), "{} {payload:?}", notation.name);
            }
        }
    }
}

#[test]
fn only_what_is_said_to_be_lost_is_lost() {
    let without_capitals: Vec<&str> =
        notations().filter(|notation| !notation.may_follow_another()).map(|notation| notation.name).collect();
    assert_eq!(without_capitals, ["morse", "leetspeak", "upside-down"]);
    for notation in notations() {
        assert_eq!(notation.kept(SIMPLE), SIMPLE, "{}", notation.name);
        let capitals = "Kestrel FOR Harbour";
        assert_eq!(notation.kept(capitals) == capitals, notation.may_follow_another(), "{}", notation.name);
    }
}

#[test]
fn a_frame_has_several_wordings_and_holds_its_payload_once_in_each() {
    for frame in frames() {
        assert!(frame.wordings.len() >= 3, "{}", frame.name);
        for (hold, wording) in frame.wordings {
            assert_eq!(wording.matches(PAYLOAD).count(), 1, "{wording}");
            assert!(wording.len() > PAYLOAD.len() + 40, "{wording}");
            let verbatim = *hold == Hold::Verbatim;
            assert_eq!(verbatim, hold.held("\"<b>\" & \n") == "\"<b>\" & \n");
        }
    }
}

#[test]
fn a_framed_payload_stands_there_as_its_surroundings_write_it() {
    for frame in frames() {
        for payload in awkward() {
            for seed in 0..12 {
                let turns = stack(frame.name).apply(&payload, seed).turns;
                let held = |(hold, _): &(Hold, &str)| turns.concat().contains(&hold.held(&payload));
                assert!(turns.len() == 1 && frame.wordings.iter().any(held), "{} {payload:?}", frame.name);
            }
        }
    }
}

#[test]
fn json_around_a_payload_stays_json_and_gives_it_back() {
    fn holds(value: &serde_json::Value, payload: &str) -> bool {
        match value {
            serde_json::Value::String(text) => text == payload,
            serde_json::Value::Array(items) => items.iter().any(|item| holds(item, payload)),
            serde_json::Value::Object(fields) => fields.values().any(|item| holds(item, payload)),
            _ => false,
        }
    }
    for payload in awkward() {
        for seed in 0..12 {
            let text = stack("json").apply(&payload, seed).turns.concat();
            let (_, document) = text.split_once("\n\n").unwrap();
            assert!(holds(&serde_json::from_str(document).unwrap(), &payload), "{document}");
        }
    }
}

#[test]
fn a_payload_is_never_read_as_a_template() {
    let payload = "{{payload}} {payload} $payload {0}";
    for strategy in strategies_of(|apply| matches!(apply, Apply::Frame(_) | Apply::Turns(_))) {
        let text = stack(strategy.name).apply(payload, 3).turns.concat();
        assert!(text.matches("{{payload}}").count() <= 1, "{}: {text}", strategy.name);
    }
}

#[test]
fn a_split_payload_is_whole_again_when_its_strings_are_joined() {
    for payload in awkward() {
        for seed in 0..12 {
            let text = stack("payload-splitting").apply(&payload, seed).turns.concat();
            let strings = text.lines().filter_map(|line| line.split_once(" = "));
            let read =
                |(name, value): (&str, &str)| Some((name.to_owned(), serde_json::from_str::<String>(value).ok()?));
            let parts: Vec<(String, String)> = strings.filter_map(read).collect();
            assert_eq!(parts.iter().map(|(_, part)| part.as_str()).collect::<String>(), payload);
            let sum = parts.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" + ");
            assert!(text.contains(&format!("message = {sum}\n")), "{text}");
        }
    }
}

#[test]
fn many_shots_are_many_and_the_payload_is_the_last_question() {
    let mut counts: Vec<usize> = Vec::new();
    for seed in 0..300 {
        let text = stack("many-shot").apply(SIMPLE, seed).turns.concat();
        assert!(text.rsplit("\n\n").next().unwrap().contains(SIMPLE), "{text}");
        counts.push(text.matches("\n\n").count());
    }
    counts.sort_unstable();
    counts.dedup();
    assert_eq!(counts, (8..=24).collect::<Vec<_>>());
}

#[test]
fn a_script_has_several_turns_and_ends_with_the_payload() {
    for strategy in strategies_of(|apply| matches!(apply, Apply::Turns(_))) {
        for payload in awkward() {
            for seed in 0..12 {
                let turns = stack(strategy.name).apply(&payload, seed).turns;
                let whole = payload.chars().count() > 1 || strategy.name != "split-turns";
                assert!((if whole { 2 } else { 1 }..=5).contains(&turns.len()), "{}", strategy.name);
                assert!(turns.iter().all(|turn| !turn.is_empty()));
                let read = match strategy.name {
                    "split-turns" => turns.iter().map(|turn| part(turn)).collect::<String>(),
                    _ => turns.last().unwrap().split_once("\n\n").unwrap().1.to_owned(),
                };
                assert_eq!(read, payload, "{}", strategy.name);
            }
        }
    }
}

fn part(turn: &str) -> &str {
    let (_, rest) = turn.split_once(&format!("{PART_BEGIN}\n")).unwrap();
    rest.strip_suffix(&format!("\n{PART_END}")).unwrap()
}

#[test]
fn a_crescendo_by_script_rises_over_three_to_five_turns() {
    let turns = |seed| stack("crescendo-script").apply(SIMPLE, seed).turns;
    let mut counts: Vec<usize> = (0..60).map(|seed| turns(seed).len()).collect();
    counts.sort_unstable();
    counts.dedup();
    assert_eq!(counts, [3, 4, 5]);
    assert!((0..60).all(|seed| turns(seed).iter().rev().skip(1).all(|turn| !turn.contains(SIMPLE))));
}

#[test]
fn what_another_model_leads_keeps_the_payload_as_it_is_and_says_who_leads() {
    let wanted = [("pair", Method::Pair), ("tap", Method::Tree), ("crescendo", Method::Crescendo)];
    for (name, method) in wanted {
        let attacked = stack(name).apply(SIMPLE, 1);
        assert_eq!((attacked.turns, attacked.adaptive), (vec![SIMPLE.to_owned()], Some(method)));
        assert_eq!(stack(name).adaptive(), Some(method));
    }
    let led = strategies_of(|apply| matches!(apply, Apply::Adaptive(_))).count();
    assert_eq!(led, wanted.len());
    assert_eq!(stack("role-play+base64").adaptive(), None);
}

#[test]
fn plain_is_the_payload_itself() {
    for payload in awkward() {
        assert_eq!(Stack::plain().apply(&payload, 9).turns, [payload]);
    }
}
