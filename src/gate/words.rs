//! Numbers in the words of a reason.

use super::Unit;

/// A value with its unit, as a person reads it.
pub fn amount(value: f64, unit: Unit) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "infinity".to_owned() } else { "minus infinity".to_owned() };
    }
    match unit {
        Unit::Share => trim(format!("{value:.4}")),
        Unit::Milliseconds => format!("{} ms", trim(format!("{value:.2}"))),
        Unit::Dollars => format!("{} USD", trim(format!("{value:.6}"))),
        Unit::Number => trim(format!("{value:.6}")),
        Unit::Tokens => format!("{} tokens", trim(format!("{value:.1}"))),
    }
}

/// A confidence in per cent.
pub fn percent(confidence: f64) -> String {
    format!("{} %", trim(format!("{:.2}", confidence * 100.0)))
}

/// What an interval is called.
pub(super) fn interval_words(confidence: f64, stage: Option<super::Stage>) -> String {
    let kind = if stage.is_some() { "stage-wise " } else { "" };
    format!("{kind}{} interval", percent(confidence))
}

/// The part of the samples in words.
pub(super) fn scope_words(scope: Option<&str>) -> String {
    scope.map(|scope| format!(" [{scope}]")).unwrap_or_default()
}

fn trim(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
