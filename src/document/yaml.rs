//! YAML to a value with places, within a budget: size, depth, and nodes once aliases are spelled out.

use std::collections::BTreeMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

use super::{DEEPEST, Document, Key, Kind, LARGEST_FILE, MOST_NODES, Node, Problem, Problems, Spot, resolve};

/// What becomes of a tag (`!name`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tags {
    /// It is a problem.
    Refused,
    /// A tagged text becomes a mapping of one key, the tag: `{"!function": "utils.doc"}`.
    Kept,
}

/// Reads one YAML document. The first thing that is wrong with its form ends the reading.
pub fn parse_yaml(path: &str, text: &str) -> Result<Document, Problems> {
    parse(path, text, Tags::Refused)
}

/// The same for another tool's file, whose tags have a meaning there: a text with the tag `!name` becomes a mapping whose one
/// key is `!name`, so that its reader can refuse it by name.
pub fn parse_tagged_yaml(path: &str, text: &str) -> Result<Document, Problems> {
    parse(path, text, Tags::Kept)
}

fn parse(path: &str, text: &str, tags: Tags) -> Result<Document, Problems> {
    if text.len() as u64 > LARGEST_FILE {
        let problem =
            Problem::of_file(path, format!("the file has {} bytes; at most {LARGEST_FILE} are read", text.len()));
        return Err(problem.help("put the cases into a .jsonl file beside it: `cases: cases.jsonl`").into());
    }
    let mut options = Options::default();
    options.emit_comments = false;
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { path, parser, anchors: BTreeMap::new(), nodes: 0, tags };
    Ok(reader.document()?)
}

struct Reader<'a, P> {
    path: &'a str,
    parser: P,
    anchors: BTreeMap<usize, (Node, Value)>,
    nodes: usize,
    tags: Tags,
}

type Read = (Node, Value);

impl<'a, P: Iterator<Item = Result<(Event<'a>, Span), granit_parser::ScanError>>> Reader<'a, P> {
    fn document(&mut self) -> Result<Document, Problem> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd | Event::DocumentEnd => return Err(self.problem(span, "the file is empty")),
                event => {
                    let (root, value) = self.node(event, span, 0)?;
                    if value.is_null() {
                        return Err(self.problem(span, "the file is empty"));
                    }
                    self.end()?;
                    return Ok(Document { path: self.path.to_owned(), value, root });
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Problem> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(()),
                Event::DocumentEnd => {}
                _ => return Err(self.problem(span, "a second document: one file holds one document")),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Problem> {
        match self.parser.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let marker = error.marker();
                let spot = spot(marker.line(), marker.col());
                Err(Problem::new(self.path, spot, format!("not YAML: {}", error.info())))
            }
            None => Err(Problem::of_file(self.path, "the file ends in the middle")),
        }
    }

    fn problem(&self, span: Span, message: impl Into<String>) -> Problem {
        Problem::new(self.path, spot(span.start.line(), span.start.col()), message)
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Read, Problem> {
        self.count(1, span)?;
        if depth > DEEPEST {
            return Err(self.problem(span, format!("nested deeper than {DEEPEST} levels")));
        }
        let here = spot(span.start.line(), span.start.col());
        let (anchor, read) = match event {
            Event::Scalar(text, _, anchor, Some(tag)) if self.tags == Tags::Kept => {
                let key = Key { text: format!("!{}", tag.suffix()), spot: here };
                let value = Value::Object(Map::from_iter([(key.text.clone(), Value::String(text.into_owned()))]));
                let inner = Node { spot: here, kind: Kind::Scalar };
                (anchor, (Node { spot: here, kind: Kind::Map(vec![(key, inner)]) }, value))
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span)?;
                let value = if style == ScalarStyle::Plain {
                    resolve::plain(&text).map_err(|why| self.problem(span, why))?
                } else {
                    Value::String(text.into_owned())
                };
                (anchor, (Node { spot: here, kind: Kind::Scalar }, value))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span)?;
                (anchor, self.list(here, depth)?)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span)?;
                (anchor, self.map(here, depth)?)
            }
            Event::Alias(anchor) => {
                let Some((node, value)) = self.anchors.get(&anchor).cloned() else {
                    return Err(self.problem(span, "an alias that contains itself"));
                };
                self.count(size(&node), span)?;
                return Ok((node, value));
            }
            _ => return Err(self.problem(span, "a value is missing here")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, read.clone());
        }
        Ok(read)
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Problem> {
        self.nodes += nodes;
        if self.nodes > MOST_NODES {
            return Err(self.problem(span, format!("more than {MOST_NODES} values once the aliases are spelled out")));
        }
        Ok(())
    }

    fn refuse_tag(&self, tagged: bool, span: Span) -> Result<(), Problem> {
        if tagged {
            let problem = self.problem(span, "a tag (`!name`) has no meaning here");
            return Err(problem.help("remove the tag; quote the value if it begins with `!`"));
        }
        Ok(())
    }

    fn list(&mut self, here: Spot, depth: usize) -> Result<Read, Problem> {
        let (mut nodes, mut values) = (Vec::new(), Vec::new());
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((Node { spot: here, kind: Kind::List(nodes) }, Value::Array(values)));
            }
            let (node, value) = self.node(event, span, depth + 1)?;
            nodes.push(node);
            values.push(value);
        }
    }

    fn map(&mut self, here: Spot, depth: usize) -> Result<Read, Problem> {
        let (mut nodes, mut values): (Vec<(Key, Node)>, Map<String, Value>) = (Vec::new(), Map::new());
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, _, _, None) => text.into_owned(),
                _ => return Err(self.problem(span, "a key must be plain text")),
            };
            let key = Key { text: key, spot: spot(span.start.line(), span.start.col()) };
            let (event, value_span) = self.next()?;
            let (node, value) = self.node(event, value_span, depth + 1)?;
            if key.text == "<<" {
                merged.push((key.spot, node, value));
            } else if values.contains_key(&key.text) {
                return Err(self.problem(span, format!("the key `{}` is there twice", key.text)));
            } else {
                values.insert(key.text.clone(), value);
                nodes.push((key, node));
            }
        }
        for (at, node, value) in merged {
            self.merge(at, node, value, &mut nodes, &mut values)?;
        }
        Ok((Node { spot: here, kind: Kind::Map(nodes) }, Value::Object(values)))
    }

    /// `<<: *anchor`: the keys of another mapping, where this one has none of that name.
    fn merge(
        &self,
        at: Spot,
        node: Node,
        value: Value,
        nodes: &mut Vec<(Key, Node)>,
        values: &mut Map<String, Value>,
    ) -> Result<(), Problem> {
        match (node.kind, value) {
            (Kind::Map(entries), Value::Object(mut others)) => {
                for (key, node) in entries {
                    if let (false, Some(value)) = (values.contains_key(&key.text), others.remove(&key.text)) {
                        values.insert(key.text.clone(), value);
                        nodes.push((key, node));
                    }
                }
                Ok(())
            }
            (Kind::List(items), Value::Array(others)) => {
                items.into_iter().zip(others).try_for_each(|(node, value)| self.merge(at, node, value, nodes, values))
            }
            _ => Err(Problem::new(self.path, at, "`<<` takes a mapping, or a list of mappings")),
        }
    }
}

fn size(node: &Node) -> usize {
    match &node.kind {
        Kind::Scalar => 1,
        Kind::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Kind::Map(entries) => 1 + entries.iter().map(|(_, node)| size(node)).sum::<usize>(),
    }
}

fn spot(line: usize, column_from_zero: usize) -> Spot {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Spot { line: number(line.max(1)), column: number(column_from_zero + 1) }
}
