//! Words that several surfaces share: signs, headings, numbers of things, times.

/// The signs of a rule as they are printed, which need no escape.
pub(in crate::report) fn signs(cell: &str) -> String {
    cell.replace(">= ", "≥ ").replace("<= ", "≤ ")
}

/// A number of things.
pub(in crate::report) fn counted(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// A column's name.
pub(in crate::report) fn heading(name: &str) -> String {
    if name == "n" { name.to_owned() } else { capital(name) }
}

/// With a capital at its beginning.
pub(in crate::report) fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Seconds as a person says them.
pub(in crate::report) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let minutes = (seconds / 60.0).floor();
    format!("{minutes:.0} min {:.0} s", (seconds - minutes * 60.0).floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_begin_with_a_capital_and_minutes_are_said() {
        assert_eq!(capital("verdict"), "Verdict");
        assert_eq!(heading("n"), "n");
        assert_eq!(duration(372.4), "6 min 12 s");
    }
}
