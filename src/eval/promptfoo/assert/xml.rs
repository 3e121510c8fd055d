//! `is-xml` and `contains-xml`. A document has to be well-formed, its prefixes bound (Namespaces in XML), and it brings no entities of its
//! own: the rules of promptfoo 0.121.20. Kept out: elements in a text (`xml_find`).

use std::collections::BTreeSet;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;

use super::given::string_of;
use super::xml_find::{continues_name, has_path, starts_name, tree, trees};
use super::{Given, Graded, Thrown};

/// The longest answer in which elements are looked for, in bytes: each is compared with its neighbours.
const LONGEST: usize = 256 * 1024;

/// `is-xml`: the answer as a whole.
pub(super) fn is_xml(given: &Given<'_>) -> Result<Graded, Thrown> {
    let wanted = required(given)?;
    let text = &given.output.text;
    let why = match well_formed(text) {
        Err(why) => Some(format!("XML parsing failed: {why}")),
        Ok(()) => missing(&tree(text), &wanted),
    };
    Ok(given
        .decided(why.is_none(), why.unwrap_or_else(|| "XML is valid and contains all required elements".to_owned())))
}

/// `contains-xml`: an element somewhere in the answer.
pub(super) fn contains_xml(given: &Given<'_>) -> Result<Graded, Thrown> {
    let wanted = required(given)?;
    if given.output.text.len() > LONGEST {
        return Err(Thrown::new(format!("`contains-xml` looks at answers of at most {LONGEST} bytes")));
    }
    let holds = trees(&given.output.text).iter().any(|tree| missing(tree, &wanted).is_none());
    let why = if holds {
        "XML is valid and contains all required elements"
    } else {
        "No valid XML content found matching the requirements"
    };
    Ok(given.decided(holds, why))
}

/// Paths of elements that have to be there.
fn required(given: &Given<'_>) -> Result<Vec<String>, Thrown> {
    let listed = |items: &Vec<Value>| items.iter().map(string_of).collect();
    match &given.value {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(text.split(',').map(|path| path.trim().to_owned()).collect()),
        Some(Value::Array(items)) => Ok(listed(items)),
        Some(Value::Object(fields)) => match fields.get("requiredElements") {
            Some(Value::Array(items)) => Ok(listed(items)),
            None if fields.is_empty() => Ok(Vec::new()),
            Some(_) | None => Err(wrong(given)),
        },
        Some(Value::Null | Value::Bool(_) | Value::Number(_)) => Ok(Vec::new()),
    }
}

fn wrong(given: &Given<'_>) -> Thrown {
    super::text::malformed(given, "a text, a list, or `requiredElements`")
}

fn missing(tree: &Value, wanted: &[String]) -> Option<String> {
    let missing: Vec<&str> = wanted.iter().map(String::as_str).filter(|path| !has_path(tree, path)).collect();
    (!missing.is_empty()).then(|| format!("XML is missing required elements: {}", missing.join(", ")))
}

/// What a document has shown so far.
#[derive(Default)]
struct Seen {
    depth: usize,
    root: bool,
    doctype: bool,
    /// A document type that refers to another file may define any entity.
    outside: bool,
    prefixes: Vec<BTreeSet<Vec<u8>>>,
}

fn well_formed(text: &str) -> Result<(), String> {
    if let Some(letter) = text.chars().find(|letter| !is_letter(*letter)) {
        return Err(format!("the letter U+{:04X} is not allowed", u32::from(letter)));
    }
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_comments = true;
    config.allow_dangling_amp = false;
    let mut seen = Seen::default();
    let mut first = true;
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Eof if seen.depth > 0 => return Err("an element is not closed".to_owned()),
            Event::Eof if !seen.root => return Err("there is no element".to_owned()),
            Event::Eof => return Ok(()),
            Event::Start(ref start) => {
                seen.open(start)?;
                seen.depth += 1;
            }
            Event::Empty(ref start) => {
                seen.open(start)?;
                seen.prefixes.pop();
            }
            Event::End(_) => {
                seen.depth = seen.depth.saturating_sub(1);
                seen.prefixes.pop();
            }
            Event::Text(ref words) => {
                let plain: &[u8] = words;
                if seen.depth == 0 && !plain.iter().all(u8::is_ascii_whitespace) {
                    return Err("text stands outside of the root element".to_owned());
                }
                if plain.windows(3).any(|three| three == b"]]>") {
                    return Err("`]]>` stands in a text".to_owned());
                }
            }
            Event::GeneralRef(ref reference) => seen.reference(reference)?,
            Event::CData(_) if seen.depth == 0 => return Err("CDATA stands outside of the root element".to_owned()),
            Event::Decl(_) if !first => return Err("the XML declaration is not at the start".to_owned()),
            Event::DocType(ref doctype) => seen.doctype(doctype)?,
            Event::PI(ref instruction) => {
                let target: &[u8] = instruction.target();
                if target.eq_ignore_ascii_case(b"xml") || !is_name(target) {
                    return Err("an instruction has no name of its own".to_owned());
                }
            }
            Event::CData(_) | Event::Decl(_) | Event::Comment(_) => {}
        }
        first = false;
    }
}

impl Seen {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        if self.depth == 0 && self.root {
            return Err("there is a second root element".to_owned());
        }
        self.root = true;
        let mut bound = BTreeSet::new();
        let mut used = vec![start.name().as_ref().to_vec()];
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let name = attribute.key.as_ref();
            if !is_name(name) {
                return Err("an attribute has no name".to_owned());
            }
            if attribute.value.contains(&b'<') {
                return Err("`<` stands in an attribute".to_owned());
            }
            self.references(&attribute.value)?;
            match name.strip_prefix(b"xmlns:") {
                Some(prefix) if attribute.value.is_empty() => {
                    return Err(format!("the prefix {} is bound to nothing", String::from_utf8_lossy(prefix)));
                }
                Some(prefix) => {
                    bound.insert(prefix.to_vec());
                }
                None => used.push(name.to_vec()),
            }
        }
        if !is_name(start.name().as_ref()) {
            return Err("an element has no name".to_owned());
        }
        spaced(start)?;
        self.prefixes.push(bound);
        for name in used {
            let Some(at) = name.iter().position(|byte| *byte == b':') else { continue };
            let (prefix, local) = (name.get(..at).unwrap_or_default(), name.get(at + 1..).unwrap_or_default());
            let known = prefix == b"xml" || self.prefixes.iter().any(|bound| bound.contains(prefix));
            if !known || local.is_empty() || local.contains(&b':') {
                return Err(format!("unbound namespace prefix: {}", String::from_utf8_lossy(&name)));
            }
        }
        Ok(())
    }

    /// Entities in an attribute.
    fn references(&self, value: &[u8]) -> Result<(), String> {
        let mut rest = value;
        while let Some(at) = rest.iter().position(|byte| *byte == b'&') {
            let after = rest.get(at + 1..).unwrap_or_default();
            let end = after.iter().position(|byte| *byte == b';').ok_or("`&` begins no entity")?;
            self.entity(after.get(..end).unwrap_or_default())?;
            rest = after.get(end + 1..).unwrap_or_default();
        }
        Ok(())
    }

    fn reference(&self, name: &[u8]) -> Result<(), String> {
        if self.depth == 0 {
            return Err("an entity stands outside of the root element".to_owned());
        }
        self.entity(name)
    }

    fn entity(&self, name: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(name);
        let number = text.strip_prefix('#').map(|digits| match digits.strip_prefix('x') {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => digits.parse(),
        });
        match number {
            Some(Ok(number)) if char::from_u32(number).is_some_and(is_letter) => Ok(()),
            Some(_) => Err(format!("`&{text};` is no letter")),
            None if matches!(&*text, "amp" | "lt" | "gt" | "quot" | "apos") => Ok(()),
            None if self.outside && is_name(name) => Ok(()),
            None => Err(format!("undefined entity: `&{text};`")),
        }
    }

    fn doctype(&mut self, doctype: &[u8]) -> Result<(), String> {
        if self.root || self.doctype {
            return Err("a document type stands where none may stand".to_owned());
        }
        self.doctype = true;
        let text = String::from_utf8_lossy(doctype);
        let text = text.trim();
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let rest = rest.trim();
        if rest.contains('[') {
            return Err("DTD internal subsets are not supported".to_owned());
        }
        let malformed = || "the document type is malformed".to_owned();
        if !is_name(name.as_bytes()) {
            return Err(malformed());
        }
        if rest.is_empty() {
            return Ok(());
        }
        self.outside = true;
        let literals = match (rest.strip_prefix("SYSTEM"), rest.strip_prefix("PUBLIC")) {
            (Some(rest), _) => literal(rest).map(|(_, rest)| rest),
            (None, Some(rest)) => literal(rest).and_then(|(_, rest)| literal(rest)).map(|(_, rest)| rest),
            (None, None) => None,
        };
        if literals.is_some_and(|rest| rest.trim().is_empty()) { Ok(()) } else { Err(malformed()) }
    }
}

/// A text in quotes after white space, and what follows.
fn literal(text: &str) -> Option<(&str, &str)> {
    let inner = text.trim_start();
    let quote = inner.chars().next().filter(|quote| matches!(quote, '"' | '\'') && inner.len() < text.len())?;
    inner.get(1..)?.split_once(quote)
}

/// Attributes stand apart.
fn spaced(start: &BytesStart<'_>) -> Result<(), String> {
    let bytes: &[u8] = start;
    let mut quote = None;
    let mut closed = false;
    for byte in bytes {
        if closed && !byte.is_ascii_whitespace() && *byte != b'/' {
            return Err("two attributes are not apart".to_owned());
        }
        closed = false;
        match (byte, quote) {
            (b'"' | b'\'', None) => quote = Some(*byte),
            (mark, Some(open)) if *mark == open => {
                quote = None;
                closed = true;
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_name(name: &[u8]) -> bool {
    let text = String::from_utf8_lossy(name);
    let mut letters = text.chars();
    letters.next().is_some_and(starts_name) && letters.all(continues_name)
}

/// XML 1.0, production 2.
fn is_letter(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}
