//! From `scenarios:` to tests: each entry of `config` with each of `tests`. Kept out: what a mapping of a test means (`part`).

use serde_json::{Map, Value};

use super::asserts::Reader;
use super::keys::{self, Of};
use super::part::Part;
use super::place::At;
use super::tests;

impl Reader<'_> {
    /// Adds the tests of all scenarios.
    pub(super) fn scenarios(
        &mut self,
        top: &Map<String, Value>,
        root: &At,
        default: &Part,
        with: tests::With<'_>,
        texts: &mut Vec<(String, At)>,
        parts: &mut Vec<Part>,
    ) {
        let at = root.part("/scenarios");
        let items = match self.shown(top.get("scenarios")) {
            None | Some(Value::Null) => return,
            Some(Value::Array(items)) => items,
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                return self.problems.push(at.problem("`scenarios` is a list"));
            }
        };
        for (index, item) in items.iter().enumerate() {
            let at = at.part(&format!("/{index}"));
            let (fields, at) = match item {
                Value::Object(fields) => (fields.clone(), at),
                Value::String(path) => {
                    let path = path.strip_prefix("file://").unwrap_or(path);
                    match self.files.document(path) {
                        Ok(Ok(document)) => match document.value() {
                            Value::Object(fields) => (fields.clone(), At::root(&document)),
                            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                                self.problems.push(at.problem(format!("`{path}` holds one scenario, as a mapping")));
                                continue;
                            }
                        },
                        Ok(Err(others)) => {
                            self.problems.extend(others);
                            continue;
                        }
                        Err(why) => {
                            self.problems.push(at.problem(why));
                            continue;
                        }
                    }
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                    self.problems.push(at.problem("a scenario is a mapping with `config` and `tests`"));
                    continue;
                }
            };
            keys::check(Of::Scenario, &fields, &at, self.problems);
            let raw = tests::read(fields.get("config"), &at.part("/config"), with, self.problems);
            let data: Vec<Part> = raw.iter().filter_map(|raw| self.written(raw, texts)).collect();
            let raw = tests::read(fields.get("tests"), &at.part("/tests"), with, self.problems);
            let mut above: Vec<Part> = raw.iter().filter_map(|raw| self.written(raw, texts)).collect();
            if above.is_empty() {
                above.push(Part::empty(at.clone()));
            }
            for data in &data {
                for test in &above {
                    parts.push(default.under(&data.under(test)));
                }
            }
        }
    }
}
