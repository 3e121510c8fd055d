//! Types that compare texts. The rules are those of promptfoo 0.121.20. Kept out: overlap of words (`ngram`).

use serde_json::Value;

use super::given::{self, number_of, number_text, string_of};
use super::{Given, Graded, Thrown};
use crate::eval::script::{Form, Returned, Script};

/// `equals`: the same text; of a value that is no text, the same data as the output read as JSON.
pub(super) fn equals(given: &Given<'_>) -> Result<Graded, Thrown> {
    let output = given.output.text.as_str();
    let holds = match &given.value {
        Some(value @ (Value::Null | Value::Array(_) | Value::Object(_))) => {
            super::json::parse(output).is_some_and(|said| same(value, &said))
        }
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => given.value_text() == output,
    };
    Ok(given.decided(holds, format!("Expected output{} to equal \"{}\"", no(given), shown(given))))
}

/// `contains`, `icontains`: a text or a number.
pub(super) fn contains(given: &Given<'_>) -> Result<Graded, Thrown> {
    let needle = match &given.value {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(number @ Value::Number(_)) => string_of(number),
        Some(_) | None => return Err(malformed(given, "a text that is not empty, or a number")),
    };
    let holds = Haystack::of(given).contains(&needle);
    Ok(given.decided(holds, format!("Expected output{} to contain \"{needle}\"", no(given))))
}

/// `contains-any`, `icontains-any`.
pub(super) fn contains_any(given: &Given<'_>) -> Result<Graded, Thrown> {
    let needles = needles(given)?;
    let output = Haystack::of(given);
    let holds = needles.iter().any(|needle| output.contains(needle));
    Ok(given.decided(holds, format!("Expected output{} to contain one of \"{}\"", no(given), needles.join(", "))))
}

/// `contains-all`, `icontains-all`.
pub(super) fn contains_all(given: &Given<'_>) -> Result<Graded, Thrown> {
    let needles = needles(given)?;
    let output = Haystack::of(given);
    let missing: Vec<&str> = needles.iter().map(String::as_str).filter(|needle| !output.contains(needle)).collect();
    let why = format!(
        "Expected output{} to contain all of [{}]. Missing: [{}]",
        no(given),
        needles.join(", "),
        missing.join(", ")
    );
    Ok(given.decided(missing.is_empty(), why))
}

/// `starts-with`.
pub(super) fn starts_with(given: &Given<'_>) -> Result<Graded, Thrown> {
    let start = text(given)?;
    let holds = given.output.text.starts_with(start);
    Ok(given.decided(holds, format!("Expected output{} to start with \"{start}\"", no(given))))
}

/// `regex`: JavaScript's own, not anchored and without flags. A pattern that is none is a failure, also under `not-`.
pub(super) fn regex(given: &Given<'_>) -> Result<Graded, Thrown> {
    const SOURCE: &str = "let found; try { found = new RegExp(pattern); } catch (error) { return error.message; } return found.test(output);";
    let pattern = text(given)?;
    let arguments = [("pattern", Value::from(pattern)), ("output", Value::from(given.output.text.as_str()))];
    match Script::new(SOURCE, Form::Body).run(&arguments) {
        Ok(Returned::Value(Value::Bool(holds))) => {
            Ok(given.decided(holds, format!("Expected output{} to match regex \"{pattern}\"", no(given))))
        }
        Ok(Returned::Value(Value::String(why))) => Ok(Graded::failed(format!("Invalid regex pattern: {why}"))),
        Ok(_) => Err(Thrown::new("the regular expression could not be tried")),
        Err(error) => Err(Thrown::new(format!("the regular expression could not be tried: {}", error.text().raw()))),
    }
}

/// `levenshtein`: edits between UTF-16 units, 5 at most unless a threshold says otherwise.
pub(super) fn levenshtein(given: &Given<'_>) -> Result<Graded, Thrown> {
    let Some(Value::String(expected)) = &given.value else { return Err(malformed(given, "a text")) };
    let units = |text: &str| text.encode_utf16().collect::<Vec<u16>>();
    let distance = strsim::generic_levenshtein(&units(&given.output.text), &units(expected));
    let threshold = given.assertion.threshold.unwrap_or(5.0);
    let compared = if given.not() { "less than or equal to" } else { "greater than" };
    let why = format!("Levenshtein distance {distance} is {compared} threshold {}", number_text(threshold));
    Ok(given.decided(distance as f64 <= threshold, why))
}

/// `word-count`: a number, or `{min, max}` with one of them or both.
pub(super) fn word_count(given: &Given<'_>) -> Result<Graded, Thrown> {
    let count = given.output.text.split(given::is_space).filter(|word| !word.is_empty()).count() as f64;
    let (holds, wanted) = match &given.value {
        Some(Value::Object(fields)) => {
            let bound = |name: &str| fields.get(name).map(number_of);
            match (bound("min"), bound("max")) {
                (None, None) => return Err(malformed(given, "`min`, `max` or both")),
                (Some(low), Some(high)) if low > high => {
                    return Err(malformed(given, "a `min` that is not above its `max`"));
                }
                (low, high) => {
                    let holds = low.is_none_or(|low| count >= low) && high.is_none_or(|high| count <= high);
                    let text = |bound: Option<f64>| bound.map(number_text).unwrap_or_else(|| "…".to_owned());
                    (holds, format!("between {} and {}", text(low), text(high)))
                }
            }
        }
        Some(value @ (Value::Number(_) | Value::String(_))) if !number_of(value).is_nan() => {
            (count == number_of(value), number_text(number_of(value)))
        }
        Some(_) | None => return Err(malformed(given, "a number, or `min` and `max`")),
    };
    Ok(given.decided(holds, format!("Expected word count{} to be {wanted}, but got {}", no(given), number_text(count))))
}

/// The output as `contains` looks at it: small letters for the types that begin with `i`.
struct Haystack {
    text: String,
    lower: bool,
}

impl Haystack {
    fn of(given: &Given<'_>) -> Self {
        let lower = given.assertion.kind.starts_with('i');
        let text = &given.output.text;
        Self { text: if lower { text.to_lowercase() } else { text.clone() }, lower }
    }

    fn contains(&self, needle: &str) -> bool {
        if self.lower { self.text.contains(&needle.to_lowercase()) } else { self.text.contains(needle) }
    }
}

/// The texts of a list, or of one text that is read as comma-separated values.
fn needles(given: &Given<'_>) -> Result<Vec<String>, Thrown> {
    match &given.value {
        Some(Value::Array(items)) => Ok(items.iter().map(string_of).collect()),
        Some(Value::String(text)) if !text.is_empty() => separated(text).map_err(|what| malformed(given, what)),
        Some(_) | None => Err(malformed(given, "a list, or texts with commas between them")),
    }
}

/// Fields between commas; quotes hold commas, `""` and `\"` are a quote, empty fields outside of quotes do not count.
fn separated(text: &str) -> Result<Vec<String>, &'static str> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|letter| given::is_space(letter) || letter == ',');
        if rest.is_empty() {
            return Ok(fields);
        }
        let Some(quoted) = rest.strip_prefix('"') else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (field, after) = rest.split_at(end);
            fields.push(given::trimmed(field).to_owned());
            rest = after;
            continue;
        };
        let mut field = String::new();
        let mut letters = quoted.chars();
        loop {
            let next = letters.clone().nth(1);
            match letters.next() {
                None => return Err("quotes that are closed"),
                Some('\\') if matches!(next, Some('"' | '\\')) => field.extend(letters.next()),
                Some('"') if next == Some('"') => field.extend(letters.next()),
                Some('"') => break,
                Some(letter) => field.push(letter),
            }
        }
        fields.push(field);
        rest = letters.as_str().trim_start_matches(given::is_space);
        if !rest.is_empty() && !rest.starts_with(',') {
            return Err("a comma after each closed quote");
        }
    }
}

/// A value that has to be a text and not empty.
fn text<'a>(given: &'a Given<'_>) -> Result<&'a str, Thrown> {
    match &given.value {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(_) | None => Err(malformed(given, "a text that is not empty")),
    }
}

/// A value that the type cannot take: promptfoo throws, and so the row is an error.
pub(super) fn malformed(given: &Given<'_>, wanted: &str) -> Thrown {
    Thrown::new(format!("a `{}` assertion needs {wanted} as its value", given.assertion.kind))
}

/// The same data as Node's `isDeepStrictEqual` sees it: numbers by value (but -0 is not 0), keys in any order.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => one == other && one.is_sign_negative() == other.is_sign_negative(),
            (None, _) | (_, None) => false,
        },
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        (
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_),
            _,
        ) => one == other,
    }
}

fn no(given: &Given<'_>) -> &'static str {
    if given.not() { " not" } else { "" }
}

fn shown(given: &Given<'_>) -> String {
    match &given.value {
        Some(value @ (Value::Null | Value::Array(_) | Value::Object(_))) => given::json_of(value),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => given.value_text(),
    }
}
