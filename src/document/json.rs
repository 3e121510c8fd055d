//! One line of a JSONL file as a document. Duplicate keys are refused: the parser would keep the last in silence.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{Document, Kind, Node, Problem, Spot};

/// Reads one line. Every place in it is the line's own; a syntax error also knows its column.
pub fn parse_json_line(path: &str, line: u32, text: &str) -> Result<Document, Problem> {
    let here = Spot { line, column: 1 };
    let value: Value = serde_json::from_str(text).map_err(|error| json_problem(path, line, &error))?;
    check_duplicate_keys(text).map_err(|error| json_problem(path, line, &error))?;
    Ok(Document { path: path.to_owned(), value, root: Node { spot: here, kind: Kind::Scalar } })
}

fn json_problem(path: &str, line: u32, error: &serde_json::Error) -> Problem {
    let column = u32::try_from(error.column().max(1)).unwrap_or(u32::MAX);
    // serde_json adds its own place, which counts from the line's start.
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or("not JSON");
    Problem::new(path, Spot { line, column }, format!("not JSON: {what}"))
}

/// Fails at the first object of the text in which a key stands twice, at any depth.
pub fn check_duplicate_keys(text: &str) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Unique.deserialize(&mut deserializer)
}

struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Unique)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(de::Error::custom(format!("the key `{key}` is there twice")));
            }
            keys.insert(key);
            entries.next_value_seed(Unique)?;
        }
        Ok(())
    }
}
