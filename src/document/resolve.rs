//! What a plain YAML scalar means: the core schema of YAML 1.2, and nothing that a user would not expect.

use serde_json::{Number, Value};

/// Resolves an unquoted scalar. `no`, `on` and numbers with leading zeros stay text; `.nan` and `.inf` are refused, since
/// JSON, and so every report, could only lose them.
pub(super) fn plain(text: &str) -> Result<Value, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Err("infinity and NaN are no values here");
    }
    if let Some(number) = integer(text, unsigned) {
        return Ok(Value::Number(number));
    }
    if is_decimal(unsigned) {
        let number = text.trim_start_matches('+').parse::<f64>().ok().and_then(Number::from_f64);
        return number.map(Value::Number).ok_or("the number is too large");
    }
    Ok(Value::String(text.to_owned()))
}

fn integer(text: &str, unsigned: &str) -> Option<Number> {
    let radix = |prefix, radix| text.strip_prefix(prefix).and_then(|digits| u64::from_str_radix(digits, radix).ok());
    if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Some(number.into());
    }
    let digits = !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = unsigned.len() > 1 && unsigned.starts_with('0');
    if !digits || leading_zero {
        return None;
    }
    let text = text.trim_start_matches('+');
    text.parse::<u64>().map(Number::from).or_else(|_| text.parse::<i64>().map(Number::from)).ok()
}

/// `[0-9]* . [0-9]* (e [+-]? [0-9]+)?` with at least one digit, and no leading zero that could mean an identifier.
fn is_decimal(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if exponent.is_some_and(|exponent| exponent.is_empty() || !digits(exponent)) {
        return false;
    }
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && !leading_zero
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_and_numbers_mean_what_a_user_expects() {
        let table = [
            ("no", json!("no")),
            ("on", json!("on")),
            ("yes", json!("yes")),
            ("true", json!(true)),
            ("012", json!("012")),
            ("0", json!(0)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("1e3", json!(1000.0)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("1.5.2", json!("1.5.2")),
            ("12:30", json!("12:30")),
            ("e5", json!("e5")),
            (".", json!(".")),
            ("-", json!("-")),
            ("18446744073709551615", json!(u64::MAX)),
            ("184467440737095516160", json!(184_467_440_737_095_516_160.0)),
            ("~", Value::Null),
        ];
        for (text, want) in table {
            assert_eq!(plain(text), Ok(want), "{text}");
        }
        for refused in [".nan", "-.inf", "1e999"] {
            assert!(plain(refused).is_err(), "{refused}");
        }
    }
}
