//! One reader for every file that a user writes: YAML and JSON lines, with the place of each key and value.
//! Kept out: what the keys mean (`eval::policy`, `eval::suite`).

mod decode;
mod json;
mod problem;
mod resolve;
mod schema;
mod suggest;
mod yaml;

use serde_json::Value;

pub use decode::decode;
pub use json::{check_duplicate_keys, parse_json_line};
pub use problem::{Problem, Problems};
pub use schema::{schema_of, schema_text};
pub use suggest::nearest;
pub use yaml::{parse_tagged_yaml, parse_yaml};

/// The largest YAML file that is read, in bytes.
pub const LARGEST_FILE: u64 = 4 * 1024 * 1024;
/// The deepest nesting that is read.
const DEEPEST: usize = 64;
/// Nodes of a document once its aliases are spelled out.
const MOST_NODES: usize = 1_000_000;

/// A line and a column, both 1-based.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Spot {
    /// 1-based.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
}

/// A value with the places of its parts.
#[derive(Clone, Debug)]
struct Node {
    spot: Spot,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Scalar,
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
struct Key {
    text: String,
    spot: Spot,
}

/// A file that has been read: its value, and where everything in it stands.
#[derive(Clone, Debug)]
pub struct Document {
    path: String,
    value: Value,
    root: Node,
}

impl Document {
    /// The whole value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The same places with another value: a file with a command line's inputs in it. What the file does not have stands where
    /// its nearest part does.
    #[must_use]
    pub fn with_value(self, value: Value) -> Self {
        Self { value, ..self }
    }

    /// The file, as the user named it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where the value at a JSON pointer stands; for a pointer that leads nowhere, the last part that is there.
    pub fn spot(&self, pointer: &str) -> Spot {
        self.walk(pointer).1
    }

    /// Where the key of the value at a JSON pointer stands; the value itself, for an item of a list.
    pub fn key_spot(&self, pointer: &str) -> Spot {
        self.walk(pointer).0
    }

    /// A problem at the value of a JSON pointer.
    pub fn problem(&self, pointer: &str, message: impl Into<String>) -> Problem {
        Problem::new(&self.path, self.spot(pointer), message)
    }

    /// A problem at the key of a JSON pointer.
    pub fn key_problem(&self, pointer: &str, message: impl Into<String>) -> Problem {
        Problem::new(&self.path, self.key_spot(pointer), message)
    }

    fn walk(&self, pointer: &str) -> (Spot, Spot) {
        let mut node = &self.root;
        let mut key = node.spot;
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            match &node.kind {
                Kind::Map(entries) => {
                    let Some((found, value)) = entries.iter().find(|(key, _)| key.text == part) else { break };
                    (key, node) = (found.spot, value);
                }
                Kind::List(items) => {
                    let Some(item) = part.parse::<usize>().ok().and_then(|index| items.get(index)) else { break };
                    (key, node) = (item.spot, item);
                }
                Kind::Scalar => break,
            }
        }
        (key, node.spot)
    }
}

/// One part of a JSON pointer, escaped.
pub fn pointer_part(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}
