//! The noise of made-up runs.

use super::*;
use crate::stats::Generator;
use crate::trust::Untrusted;

fn case(number: u64, results: &[&[u8]]) -> CaseRuns {
    let one = |result: &u8| match result {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    };
    CaseRuns {
        suite: "s".to_owned(),
        case: Untrusted::new(format!("c{number}")),
        cluster: number,
        results: results.iter().map(|run| run.iter().map(one).collect()).collect(),
    }
}

#[test]
fn the_discordant_share_of_two_runs_is_the_share_of_cases_that_changed() {
    let cases: Vec<CaseRuns> = (0..100)
        .map(|number| match number {
            0..6 => case(number, &[&[0], &[1]]),
            6..10 => case(number, &[&[1], &[0]]),
            _ => case(number, &[&[1], &[1]]),
        })
        .collect();
    let found = noise(&cases, 2).unwrap();
    let pair = &found.pairs[0];
    assert_eq!((pair.newly_passing, pair.newly_failing, pair.missing), (6, 4, 0));
    assert!((found.discordant.value - 0.1).abs() < 1e-12);
    assert_eq!((found.flaky_count, found.flaky.len()), (10, 10));
    assert!((found.noise_floor - (0.1_f64 / 100.0).sqrt()).abs() < 1e-12);
    assert!(found.suggestion.margin >= 0.08, "{:?}", found.suggestion);
}

#[test]
fn the_share_of_many_runs_is_the_mean_over_their_pairs() {
    let mut generator = Generator::new(3);
    let cases: Vec<CaseRuns> = (0..400)
        .map(|number| {
            let chance = if number % 4 == 0 { 0.5 } else { 1.0 };
            let runs: Vec<[u8; 1]> = (0..5).map(|_| [u8::from(generator.unit() < chance)]).collect();
            case(number, &runs.iter().map(<[u8; 1]>::as_slice).collect::<Vec<_>>())
        })
        .collect();
    let found = noise(&cases, 5).unwrap();
    let mean = found.pairs.iter().map(|pair| pair.discordant.unwrap().value).sum::<f64>() / 10.0;
    assert!((found.discordant.value - mean).abs() < 1e-12);
    assert!(found.discordant.low < 0.125 && 0.125 < found.discordant.high, "{:?}", found.discordant);
    // Twice the variance within a case is the chance that two of its results differ.
    let variance = found.variance.unwrap();
    assert!((2.0 * variance.within - mean).abs() < 1e-12);
    assert_eq!(found.suggestion.repeats, None);
}

#[test]
fn what_could_not_be_judged_is_counted_and_no_evidence_of_calm() {
    let cases = [case(0, &[&[1], &[2]]), case(1, &[&[2], &[2]]), case(2, &[&[1], &[1]]), case(3, &[&[0], &[1]])];
    let found = noise(&cases, 2).unwrap();
    assert_eq!(found.pairs[0].missing, 2);
    assert_eq!(found.pairs[0].discordant.unwrap().n, 2);
    assert_eq!(noise(&cases[1..2], 2), None);
}

#[test]
fn no_change_at_all_still_leaves_room_for_some() {
    let cases: Vec<CaseRuns> = (0..200).map(|number| case(number, &[&[1], &[1], &[1]])).collect();
    let found = noise(&cases, 3).unwrap();
    assert!(found.discordant.value.abs() < 1e-12 && found.discordant.high > 0.01, "{:?}", found.discordant);
    assert!(found.suggestion.margin >= 0.02, "{:?}", found.suggestion);
}

#[test]
fn repeats_are_suggested_only_where_one_case_is_a_coin() {
    let mut generator = Generator::new(5);
    let cases: Vec<CaseRuns> = (0..300)
        .map(|number| {
            let runs: Vec<[u8; 1]> = (0..6).map(|_| [u8::from(generator.unit() < 0.5)]).collect();
            case(number, &runs.iter().map(<[u8; 1]>::as_slice).collect::<Vec<_>>())
        })
        .collect();
    assert!(noise(&cases, 6).unwrap().suggestion.repeats.is_some());
}
