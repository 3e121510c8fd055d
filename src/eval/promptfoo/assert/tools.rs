//! Calls of tools in an answer. The rules are those of promptfoo 0.121.20. Kept out: schemas (`json`).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::given::{string_of, trimmed};
use super::json;
use super::text::malformed;
use super::{Given, Graded, Thrown};

/// `tool-call-f1`: F1 over the names of the tools that were called, at least 1 unless the threshold says otherwise. The score is not
/// turned under `not-`.
pub(super) fn f1(given: &Given<'_>) -> Result<Graded, Thrown> {
    let wanted: BTreeSet<String> = match &given.value {
        Some(Value::Array(items)) if !items.is_empty() => items.iter().map(string_of).collect(),
        Some(Value::String(text)) => text.split(',').map(|name| trimmed(name).to_owned()).collect(),
        Some(_) | None => return Err(malformed(given, "a list of tools, or their names with commas between them")),
    };
    let mut called = BTreeSet::new();
    names(&given.output.value, &mut called);
    let both = wanted.intersection(&called).count() as f64;
    let share = |of: usize| if of > 0 { both / of as f64 } else { 0.0 };
    let (precision, recall) = (share(called.len()), share(wanted.len()));
    let score = if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 };
    let threshold = given.assertion.threshold.unwrap_or(1.0);
    let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    let why = format!(
        "Tool call F1 {score:.3} against threshold {threshold}: expected [{}], called [{}]",
        list(&wanted),
        list(&called)
    );
    Ok(Graded::scored((score >= threshold) != given.not(), score, why))
}

/// `is-valid-function-call`, `is-valid-openai-function-call`: `{name, arguments}` of a function that the config describes. As
/// promptfoo's, it takes no heed of `not-`.
pub(super) fn function_call(given: &Given<'_>) -> Result<Graded, Thrown> {
    let Some(functions) = described(given, "functions") else {
        return Ok(Graded::failed("the config describes no functions, but a call of one is to be checked"));
    };
    let said = data(&given.output.value);
    let call = said.get("function_call").unwrap_or(&said);
    Ok(verdict(check(call, &functions)))
}

/// `is-valid-openai-tools-call`: a list of calls of functions that the config describes. As promptfoo's, it takes no heed of `not-`.
pub(super) fn tools_call(given: &Given<'_>) -> Result<Graded, Thrown> {
    let text = &given.output.text;
    if text.contains("MCP Tool Error") {
        return Ok(Graded::failed("an MCP tool call failed"));
    }
    if text.contains("MCP Tool Result") {
        return Ok(Graded::holds(true, ""));
    }
    let said = data(&given.output.value);
    let calls = said.get("tool_calls").unwrap_or(&said);
    let functions: Option<Vec<&Value>> = calls
        .as_array()
        .filter(|calls| !calls.is_empty())
        .and_then(|calls| calls.iter().map(|call| call.get("function").filter(|function| is_call(function))).collect());
    let Some(functions) = functions else {
        return Ok(Graded::failed(format!("the answer is no list of tool calls: {text}")));
    };
    let Some(tools) = described(given, "tools") else {
        return Ok(Graded::failed("the config describes no tools, but the answer calls some"));
    };
    let known: Vec<Value> = tools
        .iter()
        .filter(|tool| tool.get("type").and_then(Value::as_str) == Some("function"))
        .filter_map(|tool| tool.get("function").cloned())
        .collect();
    Ok(verdict(functions.into_iter().try_for_each(|call| check(call, &known))))
}

fn verdict(checked: Result<(), String>) -> Graded {
    match checked {
        Ok(()) => Graded::holds(true, ""),
        Err(why) => Graded::failed(why),
    }
}

/// What a model says in text may be data.
fn data(value: &Value) -> Value {
    match value {
        Value::String(text) => json::parse(text).unwrap_or_else(|| value.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.clone(),
    }
}

/// `tools` or `functions` of the assertion's `config`, else of the test's options.
fn described(given: &Given<'_>, key: &str) -> Option<Vec<Value>> {
    let of_assertion = given.assertion.config.as_ref().and_then(|config| config.get(key));
    of_assertion.or_else(|| given.frame.test.options.get(key))?.as_array().cloned()
}

fn is_call(function: &Value) -> bool {
    let is_text = |key: &str| function.get(key).is_some_and(Value::is_string);
    is_text("name") && is_text("arguments")
}

fn check(call: &Value, functions: &[Value]) -> Result<(), String> {
    let part = |key: &str| call.get(key).and_then(Value::as_str);
    let (Some(name), Some(arguments)) = (part("name"), part("arguments")) else {
        return Err(format!("the answer is no function call: {call}"));
    };
    let arguments = json::parse(arguments).ok_or_else(|| format!("the arguments of `{name}` are no JSON"))?;
    let schema = functions
        .iter()
        .find(|function| function.get("name").and_then(Value::as_str) == Some(name))
        .and_then(|function| function.get("parameters"))
        .ok_or_else(|| format!("`{name}` was called, and no function has that name"))?;
    match json::check(schema, &arguments) {
        Ok(None) => Ok(()),
        Ok(Some(why)) => Err(format!("the call of `{name}` does not match its schema: {why}")),
        Err(Thrown(why)) => Err(why.into_raw()),
    }
}

/// The names of called tools in the forms of OpenAI, Anthropic and Google, also line by line in a text.
fn names(output: &Value, found: &mut BTreeSet<String>) {
    match output {
        Value::String(text) => {
            if let Some(value) = json::parse(text) {
                return names(&value, found);
            }
            let lines = text.split('\n').map(trimmed).filter(|line| line.starts_with(['{', '[']));
            lines.filter_map(json::parse).for_each(|value| names(&value, found));
        }
        Value::Object(fields) => of_object(fields, found),
        Value::Array(items) => items.iter().filter_map(Value::as_object).for_each(|block| of_block(block, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn name_of(value: Option<&Value>) -> Option<String> {
    value?.get("name")?.as_str().map(str::to_owned)
}

fn own_name(fields: &Map<String, Value>) -> Option<String> {
    fields.get("name").and_then(Value::as_str).map(str::to_owned)
}

fn is_tool_use(fields: &Map<String, Value>) -> bool {
    fields.get("type").and_then(Value::as_str) == Some("tool_use")
}

fn of_object(fields: &Map<String, Value>, found: &mut BTreeSet<String>) {
    if let Some(Value::Array(calls)) = fields.get("tool_calls") {
        for call in calls.iter().filter_map(Value::as_object) {
            found.extend(name_of(call.get("function")));
            found.extend(own_name(call));
        }
    } else if let Some(name) = own_name(fields).filter(|_| is_tool_use(fields)) {
        found.insert(name);
    } else if fields.get("functionCall").is_some_and(|call| call.is_object() || call.is_array()) {
        found.extend(name_of(fields.get("functionCall")));
    } else if let Some(Value::Array(calls)) = fields.get("toolCall").and_then(|call| call.get("functionCalls")) {
        found.extend(calls.iter().filter_map(|call| name_of(Some(call))));
    }
}

fn of_block(block: &Map<String, Value>, found: &mut BTreeSet<String>) {
    let holds = |key: &str| block.get(key).is_some_and(|part| part.is_object() || part.is_array());
    let name = if is_tool_use(block) && own_name(block).is_some() {
        own_name(block)
    } else if holds("functionCall") {
        name_of(block.get("functionCall"))
    } else if holds("function") {
        name_of(block.get("function"))
    } else {
        own_name(block)
    };
    found.extend(name);
}
