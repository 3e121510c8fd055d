//! Tags in any text: where whole elements stand, and the tree that promptfoo 0.121.20 looks for required elements in. Nothing here asks
//! whether a document is well-formed (`xml`).

use serde_json::{Map, Value};

use super::given::trimmed;

/// What stands between `<` and `>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Opens,
    Closes,
    /// Opens and closes at once.
    Alone,
    /// A comment, a CDATA section, an instruction, a document type.
    Other,
}

/// A tag, by its place in the text.
struct Tag<'a> {
    kind: Kind,
    name: &'a str,
    start: usize,
    /// After its `>`.
    end: usize,
}

/// A whole element.
#[derive(Clone, Copy)]
struct Element {
    start: usize,
    end: usize,
    parent: Option<usize>,
}

/// The trees that may hold what is looked for: first runs of siblings whose parent is never closed, then the outermost elements.
pub(super) fn trees(text: &str) -> Vec<Value> {
    let elements = elements(text);
    let is_element = |start: usize| elements.iter().any(|element| element.start == start);
    let outermost: Vec<Element> =
        elements.iter().copied().filter(|element| element.parent.is_none_or(|parent| !is_element(parent))).collect();
    let mut stretches = Vec::new();
    for one in &outermost {
        let siblings = || outermost.iter().filter(|other| other.parent == one.parent);
        let start = siblings().map(|other| other.start).min().unwrap_or(one.start);
        let end = siblings().map(|other| other.end).max().unwrap_or(one.end);
        if siblings().count() > 1 && !stretches.contains(&(start, end)) {
            stretches.push((start, end));
        }
    }
    // What stands within a run is not looked at alone: the run as a whole is well-formed.
    let alone = outermost.iter().map(|element| (element.start, element.end));
    let alone: Vec<_> =
        alone.filter(|(start, end)| !stretches.iter().any(|run| run.0 <= *start && *end <= run.1)).collect();
    stretches.extend(alone);
    stretches.into_iter().map(|(start, end)| tree(text.get(start..end).unwrap_or_default())).collect()
}

/// Whether a tree has an element behind a path such as `order.item`; of elements that are repeated, the path has to name one by
/// number.
pub(super) fn has_path(tree: &Value, path: &str) -> bool {
    path.split('.')
        .try_fold(tree, |at, key| match at {
            Value::Object(fields) => fields.get(key),
            Value::Array(items) => {
                key.parse::<usize>().ok().filter(|index| index.to_string() == key).and_then(|index| items.get(index))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })
        .is_some()
}

/// A text as a tree: an element without attributes and children is its text, all others are objects; repeated ones are lists.
pub(super) fn tree(text: &str) -> Value {
    let mut open: Vec<(String, Map<String, Value>, String)> = vec![(String::new(), Map::new(), String::new())];
    let mut at = 0;
    while let Some(tag) = next(text, at) {
        if let Some((_, _, words)) = open.last_mut() {
            words.push_str(text.get(at..tag.start).unwrap_or_default());
        }
        at = tag.end;
        match tag.kind {
            Kind::Opens => open.push((tag.name.to_owned(), attributes(text, &tag), String::new())),
            Kind::Alone => put(&mut open, tag.name, value(attributes(text, &tag), "")),
            Kind::Closes => close(&mut open),
            Kind::Other => {
                let inner = text.get(tag.start..tag.end).unwrap_or_default();
                if let (Some(words), Some((_, _, all))) =
                    (inner.strip_prefix("<![CDATA[").map(|words| words.trim_end_matches("]]>")), open.last_mut())
                {
                    all.push_str(words);
                } else if inner.starts_with("<?xml") {
                    put(&mut open, "?xml", Value::from(""));
                }
            }
        }
    }
    while open.len() > 1 {
        close(&mut open);
    }
    open.pop().map(|(_, fields, _)| Value::Object(fields)).unwrap_or_default()
}

fn close(open: &mut Vec<(String, Map<String, Value>, String)>) {
    if open.len() > 1
        && let Some((name, fields, words)) = open.pop()
    {
        put(open, &name, value(fields, &words));
    }
}

fn value(mut fields: Map<String, Value>, words: &str) -> Value {
    let words = trimmed(words);
    if fields.is_empty() {
        return Value::from(words);
    }
    if !words.is_empty() {
        fields.insert("#text".to_owned(), Value::from(words));
    }
    Value::Object(fields)
}

fn put(open: &mut [(String, Map<String, Value>, String)], name: &str, value: Value) {
    let Some((_, fields, _)) = open.last_mut() else { return };
    match fields.get_mut(name) {
        None => {
            fields.insert(name.to_owned(), value);
        }
        Some(Value::Array(items)) => items.push(value),
        Some(one) => {
            let first = one.take();
            *one = Value::Array(vec![first, value]);
        }
    }
}

fn attributes(text: &str, tag: &Tag<'_>) -> Map<String, Value> {
    let mut found = Map::new();
    let inner = text.get(tag.start + 1 + tag.name.len()..tag.end.saturating_sub(1)).unwrap_or_default();
    let mut rest = inner.trim_end_matches('/');
    loop {
        rest = rest.trim_start();
        let end = rest.find(|letter: char| letter.is_whitespace() || letter == '=').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            return found;
        }
        found.insert(format!("@_{name}"), Value::from(""));
        rest = after.trim_start();
        if let Some(given) = rest.strip_prefix('=') {
            let given = given.trim_start();
            let close = given.chars().next().filter(|quote| matches!(quote, '"' | '\''));
            let length = close.and_then(|quote| given.get(1..)?.find(quote)).map_or(given.len(), |length| length + 2);
            rest = given.get(length..).unwrap_or_default();
        }
    }
}

/// Whole elements by their tags; a tag that closes another than the last open one forgets all that is open.
fn elements(text: &str) -> Vec<Element> {
    let mut open: Vec<(&str, usize)> = Vec::new();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(tag) = next(text, at) {
        at = tag.end;
        match tag.kind {
            Kind::Opens => open.push((tag.name, tag.start)),
            Kind::Alone => {
                found.push(Element { start: tag.start, end: tag.end, parent: open.last().map(|(_, start)| *start) })
            }
            Kind::Closes => match open.last() {
                Some((name, start)) if *name == tag.name => {
                    let start = *start;
                    open.pop();
                    found.push(Element { start, end: tag.end, parent: open.last().map(|(_, start)| *start) });
                }
                Some(_) | None => open.clear(),
            },
            Kind::Other => {}
        }
    }
    found
}

/// The next tag from a place on; a `<` that begins none is text.
fn next(text: &str, from: usize) -> Option<Tag<'_>> {
    let mut at = from;
    loop {
        let start = at + text.get(at..)?.find('<')?;
        if let Some(tag) = tag(text, start) {
            return Some(tag);
        }
        at = start + 1;
    }
}

fn tag(text: &str, start: usize) -> Option<Tag<'_>> {
    let rest = text.get(start + 1..)?;
    let other = |end: Option<usize>| Some(Tag { kind: Kind::Other, name: "", start, end: end.unwrap_or(text.len()) });
    let until = |mark: &str, from: usize| text.get(from..)?.find(mark).map(|offset| from + offset + mark.len());
    if rest.starts_with("!--") {
        return other(until("-->", start + 4));
    }
    if rest.starts_with("![CDATA[") {
        return other(until("]]>", start + 9));
    }
    if rest.starts_with('?') {
        return other(until("?>", start + 2));
    }
    if rest.starts_with('!') {
        return other(declaration_end(text, start + 2));
    }
    let (kind, named) = match rest.strip_prefix('/') {
        Some(named) => (Kind::Closes, named),
        None => (Kind::Opens, rest),
    };
    if !named.starts_with(starts_name) {
        return None;
    }
    let name = named.get(..named.find(|letter| !continues_name(letter)).unwrap_or(named.len()))?;
    let mut quote = None;
    for (offset, letter) in rest.char_indices() {
        match (letter, quote) {
            ('"' | '\'', None) => quote = Some(letter),
            (mark, Some(open)) if mark == open => quote = None,
            ('<', None) => return None,
            ('>', None) => {
                let alone = kind == Kind::Opens && rest.get(..offset)?.trim_end().ends_with('/');
                let kind = if alone { Kind::Alone } else { kind };
                return Some(Tag { kind, name, start, end: start + 1 + offset + 1 });
            }
            _ => {}
        }
    }
    None
}

fn declaration_end(text: &str, from: usize) -> Option<usize> {
    let (mut quote, mut depth) = (None, 0_u32);
    for (offset, letter) in text.get(from..)?.char_indices() {
        match (letter, quote) {
            ('"' | '\'', None) => quote = Some(letter),
            (mark, Some(open)) if mark == open => quote = None,
            ('[', None) => depth += 1,
            (']', None) => depth = depth.saturating_sub(1),
            ('>', None) if depth == 0 => return Some(from + offset + 1),
            _ => {}
        }
    }
    None
}

/// The first letter of a name: XML 1.0, production 4.
pub(super) fn starts_name(letter: char) -> bool {
    matches!(letter, ':' | '_' | 'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}'
        | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}'
        | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

/// Any further letter of a name: XML 1.0, production 4a.
pub(super) fn continues_name(letter: char) -> bool {
    starts_name(letter)
        || matches!(letter, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}
