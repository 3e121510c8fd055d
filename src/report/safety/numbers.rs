//! Rates and bounds as they are printed: with so many digits that no bound reads as if it were on the other side of its limit.

/// Digits that count; more are tried where these would mislead.
const DIGITS: [i32; 4] = [4, 6, 9, 12];
/// Decimal places at most: below that everything reads as nothing.
const PLACES: usize = 15;
/// What a product of floats may be off by, in units of the last of four digits.
const SLACK: f64 = 1e-7;

/// A rate, rounded.
pub(in crate::report) fn rate(value: f64) -> String {
    rounded(value, 4, f64::round).0
}

/// An upper bound: rounded up, and on the same side of the limit as the number itself.
pub(in crate::report) fn bound(value: f64, limit: Option<f64>) -> String {
    let mut text = String::new();
    for digits in DIGITS {
        let (shown, read) = rounded(value, digits, |scaled| (scaled - SLACK).ceil());
        text = shown;
        if limit.is_none_or(|limit| (read > limit) == (value > limit)) {
            break;
        }
    }
    text
}

/// The text, and the number that a reader makes of it.
fn rounded(value: f64, digits: i32, round: fn(f64) -> f64) -> (String, f64) {
    if !value.is_finite() {
        return ("-".to_owned(), value);
    }
    let mut places = 0;
    let mut scale = 1.0;
    while places < PLACES && value.abs() * scale < 10f64.powi(digits - 1) {
        places += 1;
        scale *= 10.0;
    }
    let read = round(value * scale) / scale;
    let text = format!("{read:.places$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    (if text == "-0" { "0".to_owned() } else { text }, read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_sample_less_than_certifies_reads_as_above_the_limit() {
        let upper = |n: i32| 1.0 - 0.05f64.powf(1.0 / f64::from(n));
        assert_eq!(bound(upper(2994), Some(0.001)), "0.001001");
        assert_eq!(bound(upper(2995), Some(0.001)), "0.0009998");
        assert_eq!(bound(0.05, Some(0.05)), "0.05");
    }

    #[test]
    fn rates_have_four_digits_that_count_and_no_tail_of_zeros() {
        for (value, text) in
            [(0.0, "0"), (1.0, "1"), (0.03, "0.03"), (1.0 / 3.0, "0.3333"), (0.000_123_44, "0.0001234")]
        {
            assert_eq!(rate(value), text);
        }
        assert_eq!(rate(f64::NAN), "-");
    }

    proptest! {
        #[test]
        fn no_bound_reads_as_less_than_it_is_or_on_the_wrong_side(value in 0.0f64..1.0, limit in 0.0f64..1.0) {
            let read: f64 = bound(value, Some(limit)).parse().unwrap();
            prop_assert!(read >= value * (1.0 - 1e-9));
            prop_assert_eq!(read > limit, value > limit);
        }
    }
}
