//! From a document to a type. The fast path asks serde; when that fails, the type's own schema finds every problem at once.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::schema::schema_of;
use super::{Document, Problem, Problems, nearest, pointer_part};

/// The type that a document holds, or everything that is wrong with it.
pub fn decode<T: DeserializeOwned + JsonSchema>(document: &Document) -> Result<T, Problems> {
    let error = match serde_path_to_error::deserialize::<_, T>(document.value()) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let schema = schema_of::<T>();
    let mut problems = Problems::none();
    if let Ok(validator) = jsonschema::validator_for(&schema) {
        explain_all(document, &schema, &validator, &mut problems);
    }
    if problems.is_empty() {
        // The form is right and a type's own check refused the value: a metric's name, say.
        let pointer = pointer_of(error.path());
        problems.push(document.problem(&pointer, error.into_inner().to_string()));
    }
    Err(problems)
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", pointer_part(key))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

fn explain_all(document: &Document, schema: &Value, validator: &Validator, problems: &mut Problems) {
    for error in validator.iter_errors(document.value()) {
        explain(document, schema, &error, problems);
    }
}

fn explain(document: &Document, schema: &Value, error: &ValidationError<'_>, problems: &mut Problems) {
    let pointer = error.instance_path().as_str().to_owned();
    let found = error.instance();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let keys = valid_keys(schema, error.schema_path().as_str());
            for key in unexpected {
                problems.push(unknown_key(document, &pointer, key, &keys));
            }
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            explain_branches(document, schema, &pointer, found, context, problems);
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            problems.push(document.key_problem(&pointer, format!("the key `{name}` is missing")));
        }
        ValidationErrorKind::Type { kind } => {
            // A field that may be absent is also of the type null, which nobody writes on purpose.
            let wanted: Vec<String> = match kind {
                TypeKind::Single(one) => vec![english(&one.to_string())],
                TypeKind::Multiple(many) => many
                    .iter()
                    .map(|one| one.to_string())
                    .filter(|one| one != "null")
                    .map(|one| english(&one))
                    .collect(),
            };
            let message = format!("found {}, wanted {}", describe(found), wanted.join(" or "));
            problems.push(document.problem(&pointer, message));
        }
        ValidationErrorKind::Enum { options } => {
            let words: Vec<&str> =
                options.as_array().map(|all| all.iter().filter_map(Value::as_str).collect()).unwrap_or_default();
            problems.push(bad_word(document, &pointer, found, &words));
        }
        ValidationErrorKind::Constant { expected_value } => {
            let words: Vec<&str> = expected_value.as_str().into_iter().collect();
            problems.push(bad_word(document, &pointer, found, &words));
        }
        _ => problems.push(document.problem(&pointer, cut(&error.to_string()))),
    }
}

fn unknown_key(document: &Document, pointer: &str, key: &str, keys: &[String]) -> Problem {
    let at = format!("{pointer}/{}", pointer_part(key));
    let problem = document.key_problem(&at, format!("unknown key `{}`", cut(key)));
    let list = keys.join(", ");
    match nearest(key, keys.iter().map(String::as_str)) {
        Some(near) => problem.help(format!("did you mean `{near}`? valid keys: {list}")),
        None => problem.help(format!("valid keys: {list}")),
    }
}

fn bad_word(document: &Document, pointer: &str, found: &Value, words: &[&str]) -> Problem {
    let problem = document.problem(pointer, format!("found {}, which is not allowed here", describe(found)));
    let list = words.join(", ");
    match found.as_str().and_then(|word| nearest(word, words.iter().copied())) {
        Some(near) => problem.help(format!("did you mean `{near}`? allowed: {list}")),
        None => problem.help(format!("allowed: {list}")),
    }
}

/// Of several forms, the one that was meant is the one whose discriminating word fits, else the one with the fewest errors.
fn explain_branches(
    document: &Document,
    schema: &Value,
    pointer: &str,
    found: &Value,
    context: &[Vec<ValidationError<'static>>],
    problems: &mut Problems,
) {
    let all: Vec<&Vec<ValidationError<'static>>> = context.iter().collect();
    let meant: Vec<_> = all.iter().filter(|branch| !is_absence(branch)).copied().collect();
    let context = if meant.is_empty() { all } else { meant };
    let telling = telling_place(&context);
    let wrong_word = |error: &&ValidationError<'_>| is_wrong_word(error) && Some(place_of(error)) == telling;
    let every = || context.iter().flat_map(|branch| branch.iter());
    let all_words: Vec<&str> = every().filter(wrong_word).flat_map(words_of).collect();
    let by_word: Vec<_> =
        context.iter().filter(|branch| !branch.iter().any(|error| wrong_word(&error))).copied().collect();
    let missing = context.iter().all(|branch| branch.iter().any(|error| wrong_word(&error)));
    if missing && !all_words.is_empty() {
        // No branch has this word: name all the words at once.
        if let Some(error) = every().find(wrong_word) {
            problems.push(bad_word(document, error.instance_path().as_str(), error.instance(), &all_words));
            return;
        }
    }
    let untyped = |branch: &&&Vec<ValidationError<'_>>| {
        branch.iter().any(|error| {
            matches!(error.kind(), ValidationErrorKind::Type { .. }) && error.instance_path().as_str() == pointer
        })
    };
    let pool: Vec<&Vec<ValidationError<'static>>> = if by_word.is_empty() { context } else { by_word };
    let typed: Vec<_> = pool.iter().filter(|branch| !untyped(branch)).collect();
    match typed.iter().min_by_key(|branch| branch.len()) {
        Some(branch) => branch.iter().for_each(|error| explain(document, schema, error, problems)),
        None => {
            let mut kinds: Vec<String> = pool
                .iter()
                .flat_map(|branch| branch.iter())
                .filter_map(|error| match error.kind() {
                    ValidationErrorKind::Type { kind: TypeKind::Single(one) } => Some(english(&one.to_string())),
                    _ => None,
                })
                .collect();
            kinds.dedup();
            problems
                .push(document.problem(pointer, format!("found {}, wanted {}", describe(found), kinds.join(" or "))));
        }
    }
}

/// A field that may be absent is also of the type null, which nobody writes on purpose.
fn is_absence(branch: &[ValidationError<'_>]) -> bool {
    let null = |error: &ValidationError<'_>| match error.kind() {
        ValidationErrorKind::Type { kind: TypeKind::Single(one) } => one.to_string() == "null",
        _ => false,
    };
    branch.len() == 1 && branch.iter().all(null)
}

/// Where the word stands that tells branches apart: most of them want another one. A branch may have further words in it.
fn telling_place(context: &[&Vec<ValidationError<'_>>]) -> Option<String> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for branch in context {
        let here: BTreeSet<String> = branch.iter().filter(|error| is_wrong_word(error)).map(place_of).collect();
        here.into_iter().for_each(|place| *places.entry(place).or_default() += 1);
    }
    let most = places.values().max().copied();
    places.into_iter().find(|(_, count)| Some(*count) == most).map(|(place, _)| place)
}

fn is_wrong_word(error: &ValidationError<'_>) -> bool {
    error.instance().is_string() && !words_of(error).is_empty()
}

fn place_of(error: &ValidationError<'_>) -> String {
    error.instance_path().as_str().to_owned()
}

/// The words of which one was wanted; none for an error that is not about a word.
fn words_of<'a>(error: &'a ValidationError<'_>) -> Vec<&'a str> {
    match error.kind() {
        ValidationErrorKind::Constant { expected_value } => expected_value.as_str().into_iter().collect(),
        ValidationErrorKind::Enum { options } => {
            options.as_array().map(|all| all.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            context.iter().flatten().flat_map(words_of).collect()
        }
        _ => Vec::new(),
    }
}

fn valid_keys(schema: &Value, keyword_path: &str) -> Vec<String> {
    let parent = keyword_path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let properties = schema.pointer(parent).and_then(|object| object.get("properties")).and_then(Value::as_object);
    properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

fn describe(found: &Value) -> String {
    match found {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("{value}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text \"{}\"", cut(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

fn english(kind: &str) -> String {
    match kind {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a mapping",
        "null" => "nothing",
        other => other,
    }
    .to_owned()
}

fn cut(text: &str) -> String {
    if text.chars().count() <= 120 {
        return text.to_owned();
    }
    text.chars().take(117).chain("...".chars()).collect()
}
