//! Levels: they have no counts, so a level must be good, or bad, at several looks in a row.

use super::super::plan::{Expectation, LevelRule};
use super::super::probe::{NoData, Reading};
use super::settings::Settings;
use super::{Finding, RuleEvidence, Seen, words};
use crate::gate::Verdict;

/// What one look says of a level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seems {
    Good,
    Bad,
    Unknown,
}

pub(super) fn judge(
    rule: &LevelRule,
    reading: Result<Reading, NoData>,
    settings: &Settings,
    memory: &mut RuleEvidence,
) -> Finding {
    let mut finding = look(rule, reading, settings, memory);
    let (seems, why) = match finding {
        Ok((_, seems)) => (seems, None),
        Err(ref missing) => (Seems::Unknown, Some(missing.clone())),
    };
    memory.streak = match seems {
        Seems::Good => memory.streak.max(0).saturating_add(1),
        Seems::Bad => memory.streak.min(0).saturating_sub(1),
        Seems::Unknown => 0,
    };
    if let Some(missing) = why {
        return *missing;
    }
    let looks = i32::try_from(rule.looks.max(1)).unwrap_or(i32::MAX);
    if let Ok((ref mut found, seems)) = finding {
        let streak = memory.streak.unsigned_abs();
        let (verdict, words) = match seems {
            Seems::Bad if memory.streak <= -looks => (Verdict::Fail, format!("broken at {streak} looks in a row")),
            Seems::Good if memory.streak >= looks => (Verdict::Pass, format!("kept at {streak} looks in a row")),
            Seems::Bad => (Verdict::Inconclusive, format!("broken at {streak} of {looks} looks in a row")),
            Seems::Good => (Verdict::Inconclusive, format!("kept at {streak} of {looks} looks in a row")),
            Seems::Unknown => (Verdict::Inconclusive, "not decided: there is nothing to compare with".to_owned()),
        };
        found.verdict = verdict;
        found.why += &format!(": {words}");
    }
    finding.map_or_else(|missing| *missing, |(found, _)| found)
}

/// The finding without its verdict, and what this look says; or why there is nothing to look at.
fn look(
    rule: &LevelRule,
    reading: Result<Reading, NoData>,
    settings: &Settings,
    memory: &mut RuleEvidence,
) -> Result<(Finding, Seems), Box<Finding>> {
    let sides = match reading {
        Err(why) => return Err(Box::new(Finding::no_data(&rule.name, why))),
        Ok(Reading::Level(sides)) => sides,
        Ok(Reading::Counts(_) | Reading::Buckets(_) | Reading::Similarity { .. }) => {
            return Err(Box::new(Finding::mismatched(&rule.name)));
        }
    };
    let number = |value: Result<f64, NoData>| {
        value.and_then(|value| if value.is_finite() { Ok(value) } else { Err(NoData::NotANumber) })
    };
    let per = |share: f64| match rule.per_share {
        true if share > 0.0 => Ok(share),
        true => Err(NoData::NoTraffic),
        false => Ok(1.0),
    };
    let of_stable = number(sides.stable).and_then(|value| Ok(value / per(settings.stable)?));
    let (stable, _) = settings.stable(of_stable, &mut memory.stable, Seen::Level, |seen| match seen {
        Seen::Level(level) => Some(*level),
        Seen::Counts(_) | Seen::Buckets(_) => None,
    });
    let canary = number(sides.canary).map_err(|why| Box::new(Finding::no_data(&rule.name, why)))?;
    let compared = per(settings.canary).map(|share| canary / share);
    let holds = |value: f64, bound: f64| match rule.expect {
        Expectation::AtMost => value <= bound,
        Expectation::AtLeast => value >= bound,
    };
    let seems = |good: bool| if good { Seems::Good } else { Seems::Bad };
    let absolute = rule.bound.map(|bound| seems(holds(canary, bound)));
    let allowed = stable.as_ref().ok().zip(rule.tolerance).map(|(stable, tolerance)| match rule.expect {
        Expectation::AtMost => stable + tolerance * stable.abs(),
        Expectation::AtLeast => stable - tolerance * stable.abs(),
    });
    let relative = rule.tolerance.map(|_| match (&compared, allowed) {
        (Ok(compared), Some(allowed)) => seems(holds(*compared, allowed)),
        _ => Seems::Unknown,
    });
    let parts: Vec<Seems> = absolute.into_iter().chain(relative).collect();
    let all = match () {
        () if parts.contains(&Seems::Bad) => Seems::Bad,
        () if parts.is_empty() || parts.contains(&Seems::Unknown) => Seems::Unknown,
        () => Seems::Good,
    };
    let mut why = words::value(canary);
    if let Some(bound) = rule.bound {
        why += &format!(", bound {}", words::value(bound));
    }
    if rule.tolerance.is_some() {
        let side = if rule.per_share { " for the whole traffic" } else { "" };
        why += &match (&compared, &stable, allowed) {
            (Ok(own), Ok(stable), Some(allowed)) => {
                let (own, stable) = (words::value(*own), words::value(*stable));
                format!(", {own} beside {stable} of stable{side}, allowed {}", words::value(allowed))
            }
            (_, Err(why), _) | (Err(why), ..) => format!(", nothing to compare: {}", words::no_data(why)),
            (Ok(_), Ok(_), None) => String::new(),
        };
    }
    let bound = match (rule.bound, allowed, rule.per_share) {
        (Some(bound), Some(allowed), false) => Some(match rule.expect {
            Expectation::AtMost => bound.min(allowed),
            Expectation::AtLeast => bound.max(allowed),
        }),
        (Some(bound), ..) => Some(bound),
        (None, allowed, _) => allowed,
    };
    let shown = if rule.per_share && rule.bound.is_none() { compared.ok() } else { Some(canary) };
    let finding = Finding { canary: shown, stable: stable.ok(), bound, why, ..Finding::undecided(&rule.name, "") };
    Ok((finding, all))
}
