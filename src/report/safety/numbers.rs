//! Rates and bounds as they are printed: with so many digits that no bound reads as if it were on the other side of its limit.

/// Digits that count; more are tried where these would mislead.
const DIGITS: [i32; 4] = [4, 6, 9, 12];
/// Decimal places at most: below that everything reads as nothing.
const PLACES: usize = 15;
/// What a product of floats may be off by, in units of the last of four digits.
const SLACK: f64 = 1e-7;

/// A rate in per cent, rounded: the words of a rule are in per cent too.
pub(in crate::report) fn rate(share: f64) -> String {
    format!("{} %", rounded(share * 100.0, 4, f64::round).0)
}

/// A limit in per cent, as the policy has it.
pub(in crate::report) fn limit(share: f64) -> String {
    format!("{} %", rounded(share * 100.0, 12, f64::round).0)
}

/// An upper bound in per cent: rounded up, and on the same side of the limit as the number itself.
pub(in crate::report) fn bound(share: f64, limit: Option<f64>) -> String {
    format!("{} %", rounded_up(share * 100.0, limit.map(|limit| limit * 100.0)))
}

/// The same as a share.
pub(in crate::report) fn bound_as_share(share: f64, limit: Option<f64>) -> String {
    rounded_up(share, limit)
}

fn rounded_up(value: f64, limit: Option<f64>) -> String {
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
        assert_eq!(bound(upper(2994), Some(0.001)), "0.1001 %");
        assert_eq!(bound(upper(2995), Some(0.001)), "0.09998 %");
        assert_eq!(bound_as_share(upper(2995), Some(0.001)), "0.0009998");
        assert_eq!(bound(0.05, Some(0.05)), "5 %");
    }

    #[test]
    fn rates_have_four_digits_that_count_and_no_tail_of_zeros() {
        for (share, text) in
            [(0.0, "0 %"), (1.0, "100 %"), (0.03, "3 %"), (1.0 / 3.0, "33.33 %"), (0.000_123_44, "0.01234 %")]
        {
            assert_eq!(rate(share), text);
        }
        assert_eq!(rate(f64::NAN), "- %");
        assert_eq!((limit(0.07).as_str(), limit(0.001).as_str()), ("7 %", "0.1 %"));
    }

    proptest! {
        #[test]
        fn no_bound_reads_as_less_than_it_is_or_on_the_wrong_side(value in 0.0f64..1.0, limit in 0.0f64..1.0) {
            let read: f64 = bound_as_share(value, Some(limit)).parse().unwrap();
            prop_assert!(read >= value * (1.0 - 1e-9));
            prop_assert_eq!(read > limit, value > limit);
        }
    }
}
