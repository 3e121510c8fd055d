//! From one probe with `vary` to a probe for each combination. Slots are replaced once: what stands in a value is text.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::spec::{ProbeSpec, VaryValue};

/// The slot that strategies fill; it is no name for one of `vary`.
const RESERVED: &str = "payload";

/// What is wrong with a field of a probe: a JSON pointer below the probe, and what to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    pub(super) field: String,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

pub(super) fn fault(field: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault { field: field.into(), message: message.into(), help: None }
}

/// How many probes a spec becomes.
pub(super) fn count(spec: &ProbeSpec) -> usize {
    spec.vary.values().fold(1, |product, values| product.saturating_mul(values.len()))
}

/// At most how many bytes of text the probes of a spec have: a short file must not fill the memory.
pub(super) fn weight(spec: &ProbeSpec) -> usize {
    let longest = |value: &VaryValue| match value {
        VaryValue::Text(text) => text.len(),
        VaryValue::Parts(parts) => parts.values().map(String::len).max().unwrap_or(0),
    };
    let longest = spec.vary.values().flatten().map(longest).max().unwrap_or(0);
    let one: usize = texts(spec)
        .iter()
        .map(|(_, text)| text.len().saturating_add(text.matches("{{").count().saturating_mul(longest)))
        .fold(0, usize::saturating_add);
    count(spec).saturating_mul(one)
}

/// Every combination, the last slot (by name) turning fastest. A spec without `vary` is its own and only one.
pub(super) fn expand(spec: &ProbeSpec) -> Result<Vec<ProbeSpec>, Vec<Fault>> {
    if spec.vary.is_empty() {
        return Ok(vec![spec.clone()]);
    }
    let faults = check(spec);
    if !faults.is_empty() {
        return Err(faults);
    }
    let lists: Vec<(&String, &Vec<VaryValue>)> = spec.vary.iter().collect();
    // The lists are the most of it, and no combination needs them.
    let bare = ProbeSpec { vary: BTreeMap::new(), ..spec.clone() };
    let expanded = (0..count(spec)).map(|number| {
        let mut rest = number;
        let mut slots = Slots(BTreeMap::new());
        for (name, values) in lists.iter().rev() {
            // No list is empty: `check` has seen to it.
            let chosen = values.get(rest % values.len().max(1));
            rest /= values.len().max(1);
            match chosen {
                Some(VaryValue::Text(text)) => {
                    slots.0.insert((*name).clone(), text);
                }
                Some(VaryValue::Parts(parts)) => {
                    slots.0.extend(parts.iter().map(|(key, text)| (format!("{name}.{key}"), text.as_str())));
                }
                None => {}
            }
        }
        filled(&bare, &slots, number + 1)
    });
    Ok(expanded.collect())
}

/// The values of one combination, by the name between the braces.
struct Slots<'a>(BTreeMap<String, &'a str>);

impl Slots<'_> {
    fn fill(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, name, after)) = next_slot(rest) {
            filled.push_str(before);
            match self.0.get(name) {
                Some(value) => filled.push_str(value),
                None => filled.extend(["{{", name, "}}"]),
            }
            rest = after;
        }
        filled.push_str(rest);
        filled
    }

    fn fill_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.fill_value(item)).collect()),
            Value::Object(entries) => {
                Value::Object(entries.iter().map(|(key, item)| (key.clone(), self.fill_value(item))).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

/// The first `{{name}}` of a text, with what stands before and behind it. Braces around anything else are text.
fn next_slot(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let start = from + text.get(from..)?.find("{{")?;
        let inner = text.get(start + 2..)?;
        let length =
            inner.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))).unwrap_or(inner.len());
        let (name, behind) = inner.split_at_checked(length)?;
        match behind.strip_prefix("}}") {
            Some(after) if !name.is_empty() => return Some((text.get(..start)?, name, after)),
            Some(_) | None => from = start + 1,
        }
    }
}

fn filled(spec: &ProbeSpec, slots: &Slots<'_>, number: usize) -> ProbeSpec {
    let some = |text: &Option<String>| text.as_deref().map(|text| slots.fill(text));
    let all = |texts: &[String]| texts.iter().map(|text| slots.fill(text)).collect();
    let mut made = spec.clone();
    made.id = format!("{}-{number}", spec.id);
    made.system = some(&spec.system);
    made.payload = slots.fill(&spec.payload);
    made.turns = all(&spec.turns);
    made.variants = all(&spec.variants);
    made.goal = some(&spec.goal);
    made.group = some(&spec.group);
    made.example_of_harm = some(&spec.example_of_harm);
    for message in made.messages.iter_mut().flatten() {
        message.content = slots.fill(&message.content);
    }
    for assertion in &mut made.detect {
        assertion.value = assertion.value.as_ref().map(|value| slots.fill_value(value));
    }
    made
}

fn texts_of(value: &Value, found: &mut Vec<(String, String)>, at: &str) {
    match value {
        Value::String(text) => found.push((at.to_owned(), text.clone())),
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, found, at)),
        Value::Object(entries) => entries.values().for_each(|item| texts_of(item, found, at)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Every text in which slots are replaced, with its pointer.
fn texts(spec: &ProbeSpec) -> Vec<(String, String)> {
    let mut found = vec![("/payload".to_owned(), spec.payload.clone())];
    let single = [
        ("/system", &spec.system),
        ("/goal", &spec.goal),
        ("/group", &spec.group),
        ("/example_of_harm", &spec.example_of_harm),
    ];
    found.extend(single.into_iter().filter_map(|(at, text)| Some((at.to_owned(), text.clone()?))));
    let lists = [("turns", &spec.turns), ("variants", &spec.variants)];
    for (at, list) in lists {
        found.extend(list.iter().enumerate().map(|(index, text)| (format!("/{at}/{index}"), text.clone())));
    }
    for (index, message) in spec.messages.iter().flatten().enumerate() {
        found.push((format!("/messages/{index}/content"), message.content.clone()));
    }
    for (index, assertion) in spec.detect.iter().enumerate() {
        if let Some(value) = &assertion.value {
            texts_of(value, &mut found, &format!("/detect/{index}/value"));
        }
    }
    found
}

fn check(spec: &ProbeSpec) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut known: BTreeSet<String> = BTreeSet::new();
    for (name, values) in &spec.vary {
        let at = format!("/vary/{}", name.replace('~', "~0").replace('/', "~1"));
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !plain || name == RESERVED {
            let message =
                format!("`{name}` is no name of a slot: lower-case letters, digits and `_`, and not `payload`");
            faults.push(fault(&at, message));
        }
        if values.is_empty() {
            faults.push(fault(&at, "a slot without a value makes no probe"));
        }
        let names = |value: &VaryValue| -> BTreeSet<String> {
            match value {
                VaryValue::Text(_) => BTreeSet::from([name.clone()]),
                VaryValue::Parts(parts) => parts.keys().map(|key| format!("{name}.{key}")).collect(),
            }
        };
        let first = values.first().map_or_else(|| BTreeSet::from([name.clone()]), names);
        for (index, value) in values.iter().enumerate() {
            if names(value) != first {
                faults.push(fault(format!("{at}/{index}"), "this value has other keys than the first one of its slot"));
            }
            if values.iter().take(index).any(|earlier| earlier == value) {
                faults.push(fault(format!("{at}/{index}"), "this value is there twice"));
            }
        }
        known.extend(first);
    }
    let mut used = BTreeSet::new();
    for (at, text) in texts(spec) {
        let mut rest = text.as_str();
        while let Some((_, name, after)) = next_slot(rest) {
            rest = after;
            used.insert(name.to_owned());
            if name != RESERVED && !known.contains(name) {
                let mut found = fault(at.clone(), format!("`{{{{{name}}}}}` is no slot of `vary`"));
                let names: Vec<&str> = known.iter().map(String::as_str).collect();
                found.help = Some(format!("slots: {}", names.join(", ")));
                faults.push(found);
            }
        }
    }
    for name in spec.vary.keys() {
        if !used.iter().any(|slot| slot == name || slot.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))) {
            faults.push(fault(
                format!("/vary/{name}"),
                format!("the slot `{name}` is used nowhere: its values make no difference"),
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    type Vary<'a> = &'a [(&'a str, &'a [&'a str])];

    fn spec(payload: &str, vary: Vary<'_>) -> ProbeSpec {
        let mut made = ProbeSpec::bare("p".to_owned(), payload.to_owned());
        for (name, values) in vary {
            let values = values.iter().map(|value| VaryValue::Text((*value).to_owned())).collect();
            made.vary.insert((*name).to_owned(), values);
        }
        made
    }

    fn payloads(spec: &ProbeSpec) -> Vec<(String, String)> {
        expand(spec).unwrap().into_iter().map(|made| (made.id, made.payload)).collect()
    }

    #[test]
    fn every_combination_is_there_once_and_the_last_slot_turns_fastest() {
        let made = payloads(&spec("{{b}}-{{a}}", &[("a", &["1", "2"]), ("b", &["x", "y", "z"])]));
        let texts: Vec<&str> = made.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["x-1", "y-1", "z-1", "x-2", "y-2", "z-2"]);
        let ids: Vec<&str> = made.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["p-1", "p-2", "p-3", "p-4", "p-5", "p-6"]);
    }

    #[test]
    fn what_stands_in_a_value_is_never_replaced_again() {
        let made = payloads(&spec("{{a}} {{b}}", &[("a", &["{{b}}"]), ("b", &["{{payload}} {{a}}"])]));
        assert_eq!(made[0].1, "{{b}} {{payload}} {{a}}");
    }

    proptest::proptest! {
        #[test]
        fn a_text_without_a_slot_of_its_own_comes_back_as_it_was(text in "[{}a-c. é\n]{0,40}") {
            let slots = Slots(BTreeMap::new());
            proptest::prop_assert_eq!(slots.fill(&text), text);
        }
    }

    #[test]
    fn braces_around_anything_else_are_text() {
        let made = payloads(&spec("{{ 7*7 }} {{{a}}} {{}} {{a {{a}}", &[("a", &["v"])]));
        assert_eq!(made[0].1, "{{ 7*7 }} {v} {{}} {{a v");
    }

    #[test]
    fn the_parts_of_a_value_belong_together_and_reach_detectors() {
        let mut made = spec("{{w.ask}}", &[]);
        let part = |ask: &str, say: &str| {
            VaryValue::Parts([("ask", ask), ("say", say)].map(|(key, text)| (key.to_owned(), text.to_owned())).into())
        };
        made.vary.insert("w".to_owned(), vec![part("q1", "a1"), part("q2", "a2")]);
        made.detect =
            vec![crate::eval::scorer::AssertionSpec::new("marker", serde_json::json!({"value": ["{{w.say}}"]}))];
        let found = expand(&made).unwrap();
        assert_eq!(found[1].payload, "q2");
        assert_eq!(found[1].detect[0].value, Some(serde_json::json!({"value": ["a2"]})));
    }

    #[test]
    fn slots_that_are_unknown_unused_empty_reserved_or_repeated_are_named() {
        let table: [(&str, Vary<'_>, &str); 5] = [
            ("{{b}} {{a}}", &[("a", &["x"])], "/payload"),
            ("text", &[("a", &["x"])], "/vary/a"),
            ("{{a}}", &[("a", &[])], "/vary/a"),
            ("{{payload}}", &[("payload", &["x"])], "/vary/payload"),
            ("{{a}}", &[("a", &["x", "y", "x"])], "/vary/a/2"),
        ];
        for (payload, vary, field) in table {
            let faults = expand(&spec(payload, vary)).unwrap_err();
            assert_eq!(faults.iter().map(|found| found.field.as_str()).collect::<Vec<_>>(), [field], "{payload}");
        }
    }
}
