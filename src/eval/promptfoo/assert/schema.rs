//! JSON Schema as Ajv 8 takes it by default: draft 7, all formats of ajv-formats, and its strict mode, in which a word that it does not
//! know is an error and not ignored. Kept out: where the schema comes from (`json`).

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value};

use super::Thrown;

/// Words of a schema that Ajv 8.17 knows with its default options.
const WORDS: [&str; 47] = [
    "$schema",
    "$id",
    "$defs",
    "$vocabulary",
    "$comment",
    "$ref",
    "definitions",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxProperties",
    "minProperties",
    "required",
    "maximum",
    "minimum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "multipleOf",
    "type",
    "nullable",
    "const",
    "enum",
    "not",
    "anyOf",
    "oneOf",
    "allOf",
    "if",
    "then",
    "else",
    "items",
    "additionalItems",
    "contains",
    "dependencies",
    "propertyNames",
    "additionalProperties",
    "properties",
    "patternProperties",
    "format",
    "title",
    "description",
    "default",
    "deprecated",
    "examples",
    "readOnly",
];

/// Further words, which say nothing about what conforms.
const NOTES: [&str; 4] = ["writeOnly", "contentMediaType", "contentEncoding", "contentSchema"];

/// Formats of ajv-formats 3.
const FORMATS: [&str; 25] = [
    "date",
    "time",
    "date-time",
    "iso-time",
    "iso-date-time",
    "duration",
    "uri",
    "uri-reference",
    "uri-template",
    "url",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "regex",
    "uuid",
    "json-pointer",
    "json-pointer-uri-fragment",
    "relative-json-pointer",
    "byte",
    "int32",
    "int64",
    "float",
    "double",
    "password",
];

/// A schema that can be asked.
pub(super) struct Schema(Validator);

impl Schema {
    /// Compiles a schema; what Ajv refuses is refused.
    pub(super) fn new(schema: &Value) -> Result<Self, Thrown> {
        let refused = |why: String| Thrown::new(format!("the JSON schema cannot be used: {why}"));
        let mut schema = schema.clone();
        strict(&mut schema).map_err(refused)?;
        jsonschema::options()
            .with_draft(Draft::Draft7)
            .should_validate_formats(true)
            .with_format("url", |text: &str| {
                text.split_once("://").is_some_and(|(scheme, rest)| {
                    matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https" | "ftp")
                        && !rest.is_empty()
                        && !rest.contains(char::is_whitespace)
                })
            })
            .with_format("uuid", is_uuid)
            .with_format("duration", is_duration)
            .with_format("byte", |text: &str| {
                base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).is_ok()
            })
            .build(&schema)
            .map(Self)
            .map_err(|error| refused(error.to_string()))
    }

    /// What is wrong with data; none where it conforms.
    pub(super) fn check(&self, data: &Value) -> Option<String> {
        let wrong: Vec<String> = self
            .0
            .iter_errors(data)
            .take(3)
            .map(|error| format!("data{} {error}", error.instance_path().to_string().replace('/', ".")))
            .collect();
        (!wrong.is_empty()).then(|| wrong.join(", "))
    }
}

/// Holds a schema to Ajv's strict mode, and writes `nullable` out in a way that draft 7 has.
fn strict(schema: &mut Value) -> Result<(), String> {
    let fields = match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(fields) => fields,
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err("a schema is an object or a boolean".to_owned());
        }
    };
    if let Some(word) = fields.keys().find(|word| !WORDS.contains(&word.as_str()) && !NOTES.contains(&word.as_str())) {
        return Err(format!("strict mode: unknown keyword: \"{word}\""));
    }
    if let Some(Value::String(dialect)) = fields.get("$schema")
        && !dialect.trim_end_matches('#').ends_with("json-schema.org/draft-07/schema")
    {
        return Err(format!("no schema with key or ref \"{dialect}\": only draft 7 is known"));
    }
    if let Some(Value::String(format)) = fields.get("format")
        && !FORMATS.contains(&format.as_str())
        && format != "binary"
    {
        return Err(format!("unknown format \"{format}\""));
    }
    if fields.contains_key("if") && !fields.contains_key("then") && !fields.contains_key("else") {
        return Err("strict mode: \"if\" without \"then\" and \"else\" is ignored".to_owned());
    }
    nullable(fields)?;
    for word in ["not", "if", "then", "else", "additionalItems", "contains", "propertyNames", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(word) {
            strict(inner)?;
        }
    }
    for word in ["properties", "patternProperties", "definitions", "$defs", "dependencies"] {
        if let Some(Value::Object(inner)) = fields.get_mut(word) {
            inner.values_mut().filter(|inner| !inner.is_array()).try_for_each(strict)?;
        }
    }
    for word in ["anyOf", "oneOf", "allOf", "items"] {
        match fields.get_mut(word) {
            Some(Value::Array(inner)) => inner.iter_mut().try_for_each(strict)?,
            Some(inner) if word == "items" => strict(inner)?,
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// OpenAPI's `nullable`, which Ajv takes beside a `type`.
fn nullable(fields: &mut Map<String, Value>) -> Result<(), String> {
    match (fields.remove("nullable"), fields.get("type").cloned()) {
        (None | Some(Value::Bool(false)), _) => Ok(()),
        (Some(Value::Bool(true)), Some(Value::String(kind))) => {
            fields.insert("type".to_owned(), Value::from(vec![kind, "null".to_owned()]));
            Ok(())
        }
        (Some(Value::Bool(true)), Some(Value::Array(mut kinds))) => {
            kinds.push(Value::from("null"));
            kinds.dedup();
            fields.insert("type".to_owned(), Value::Array(kinds));
            Ok(())
        }
        (Some(_), _) => Err("\"nullable\" cannot be used without \"type\"".to_owned()),
    }
}

fn is_uuid(text: &str) -> bool {
    let text = text.strip_prefix("urn:uuid:").unwrap_or(text);
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12] && parts.iter().all(|part| part.chars().all(|digit| digit.is_ascii_hexdigit()))
}

/// ISO 8601: `P`, then weeks alone, or days and times in falling order with at least one part, and one after a `T`.
fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else { return false };
    let (days, time) = rest.split_once('T').map_or((rest, None), |(days, time)| (days, Some(time)));
    let weeks = time.is_none()
        && days
            .strip_suffix('W')
            .is_some_and(|number| !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit()));
    let in_order = |text: &str, units: &str| {
        let (mut rest, mut left) = (text, units);
        while !rest.is_empty() {
            let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
            let Some(unit) = rest.get(end..).and_then(|after| after.chars().next()).filter(|_| end > 0) else {
                return false;
            };
            let Some(at) = left.find(unit) else { return false };
            left = left.get(at + 1..).unwrap_or_default();
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        true
    };
    weeks
        || (!rest.is_empty()
            && in_order(days, "YMD")
            && time.is_none_or(|time| !time.is_empty() && in_order(time, "HMS")))
}
