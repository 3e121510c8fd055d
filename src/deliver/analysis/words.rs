//! Numbers and reasons in the words of a finding.

use super::super::probe::NoData;
use crate::gate::percent;

/// A share as a percentage with at least two digits that say something.
pub(super) fn share(share: f64) -> String {
    if share > 0.0 && share < 0.001 { format!("{:.4} %", share * 100.0) } else { percent(share) }
}

/// A count, or a sum that need not be whole.
pub(super) fn count(count: f64) -> String {
    if count.fract() == 0.0 { format!("{count:.0}") } else { format!("{count:.1}") }
}

/// A latency or level.
pub(super) fn value(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || text == "-" { "0".to_owned() } else { text.to_owned() }
}

/// Why there is no number. The text that a source gave is cleaned where it was read.
pub(super) fn no_data(no_data: &NoData) -> String {
    match no_data {
        NoData::Unreachable(why) => format!("the source did not answer ({why})"),
        NoData::Absent => "the query has no series".to_owned(),
        NoData::Ambiguous(series) => format!("{series} series where one was expected"),
        NoData::NotANumber => "what came is not a number".to_owned(),
        NoData::Stale(age) => format!("the newest sample is {age} s old"),
        NoData::NoTraffic => "there were no requests".to_owned(),
        NoData::NoSide => "there is no such side".to_owned(),
    }
}
