//! lm-eval's templates: Jinja over a row, printed as Python prints. Source: lm-eval 0.4.13, `utils.apply_template`: undefined
//! variables are errors, a last line break is kept, `regex_replace` is a filter of its own.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value as Item, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior};
use serde_json::{Map, Value};

use super::python;

/// Steps that one template may take.
const FUEL: u64 = 500_000;
/// The longest text that a template may make, in bytes.
const LONGEST: usize = 8 * 1024 * 1024;

/// Renders templates over rows.
pub(super) struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    pub(super) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
            environment.set_syntax(syntax);
        }
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(method);
        environment.add_filter("regex_replace", regex_replace);
        environment.add_filter("string", |value: &Item| printed(value));
        environment.set_formatter(|out, _, value| {
            if value.is_undefined() {
                return Err(Error::new(ErrorKind::UndefinedError, "a value is not defined"));
            }
            let text = printed(value)?;
            out.write_str(&text).map_err(|_| Error::new(ErrorKind::WriteFailure, "the text cannot be written"))
        });
        Self { environment }
    }

    /// The text with every expression replaced.
    pub(super) fn render(&self, template: &str, row: &Map<String, Value>) -> Result<String, String> {
        if !["{{", "{%", "{#"].iter().any(|mark| template.contains(mark)) {
            return Ok(template.to_owned());
        }
        let rendered =
            self.environment.render_named_str("template", template, Serde(row)).map_err(|error| explain(&error))?;
        if rendered.len() > LONGEST {
            return Err(format!("the template makes {} bytes; at most {LONGEST} are taken", rendered.len()));
        }
        Ok(rendered)
    }
}

fn explain(error: &Error) -> String {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let line = error.line().map(|line| format!(" (line {line} of the template)")).unwrap_or_default();
    match error.kind() {
        ErrorKind::UndefinedError => format!("the template uses a value that the row does not have{detail}{line}"),
        ErrorKind::OutOfFuel => format!("the template does not end within {FUEL} steps"),
        kind => format!("the template cannot be rendered: {kind}{detail}{line}"),
    }
}

/// A value as Python prints it.
fn printed(value: &Item) -> Result<String, Error> {
    value.as_str().map_or_else(|| json(value).map(|value| python::text(&value)), |text| Ok(text.to_owned()))
}

fn json(value: &Item) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

fn regex_replace(text: &str, pattern: &str, replacement: &str, count: Option<usize>) -> Result<String, Error> {
    let wrong = |why: String| Error::new(ErrorKind::InvalidOperation, why);
    let regex = fancy_regex::RegexBuilder::new(pattern).backtrack_limit(1_000_000).build();
    let regex = regex.map_err(|error| wrong(format!("regex_replace: {error}")))?;
    let expand = |found: &fancy_regex::Captures<'_, str>| expanded(replacement, found);
    regex
        .try_replacen(text, count.unwrap_or(0), expand)
        .map(std::borrow::Cow::into_owned)
        .map_err(|error| wrong(format!("regex_replace: {error}")))
}

/// Python's form of a replacement: `\1`, `\g<1>`, `\g<name>`, `\n`.
fn expanded(replacement: &str, found: &fancy_regex::Captures<'_, str>) -> String {
    let mut out = String::new();
    let mut rest = replacement;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let named = after.strip_prefix("g<").and_then(|after| after.split_once('>'));
        rest = if let Some((name, tail)) = named {
            let group = name.parse().map_or_else(|_| found.name(name), |index| found.get(index));
            out.push_str(group.map_or("", |group| group.as_str()));
            tail
        } else if digits > 0 {
            let (index, tail) = after.split_at(digits.min(2));
            out.push_str(index.parse().ok().and_then(|index| found.get(index)).map_or("", |group| group.as_str()));
            tail
        } else {
            let mut chars = after.chars();
            match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('\\') | None => out.push('\\'),
                Some(other) => out.extend(['\\', other]),
            }
            chars.as_str()
        };
    }
    out.push_str(rest);
    out
}

/// The methods of Python's texts, lists and mappings that templates call.
fn method(_: &mut State<'_, '_>, value: &Item, name: &str, given: &[Item]) -> Result<Item, Error> {
    let unknown = || Error::new(ErrorKind::UnknownMethod, format!("`{name}` is not supported; run lm_eval itself"));
    match (value.as_str(), value.kind()) {
        (Some(between), _) if name == "join" && given.len() == 1 => {
            let items = given.iter().map(Item::try_iter).next().ok_or_else(unknown)??;
            let texts: Option<Vec<String>> = items.map(|item| item.as_str().map(str::to_owned)).collect();
            texts.map(|texts| texts.join(between).into()).ok_or_else(unknown)
        }
        (Some(text), _) => of_text(text, name, given).ok_or_else(unknown),
        (None, ValueKind::Seq) => {
            let items: Vec<Item> = value.try_iter()?.collect();
            match (name, given) {
                ("index", [wanted]) => items.iter().position(|item| item == wanted).map(Item::from).ok_or_else(|| {
                    Error::new(ErrorKind::InvalidOperation, "`index`: the list does not have this value")
                }),
                ("count", [wanted]) => Ok(items.iter().filter(|item| *item == wanted).count().into()),
                (_, _) => Err(unknown()),
            }
        }
        (None, ValueKind::Map) => match (name, given) {
            ("keys", []) => Ok(value.try_iter()?.collect::<Vec<_>>().into()),
            ("values", []) => {
                value.try_iter()?.map(|key| value.get_item(&key)).collect::<Result<Vec<_>, _>>().map(Item::from)
            }
            ("items", []) => {
                let pairs = value.try_iter()?.map(|key| Ok(Item::from(vec![key.clone(), value.get_item(&key)?])));
                pairs.collect::<Result<Vec<_>, Error>>().map(Item::from)
            }
            ("get", [key]) | ("get", [key, _]) => {
                let found = value.get_item(key)?;
                let default = given.get(1).cloned().unwrap_or_else(|| Item::from(()));
                Ok(if found.is_undefined() { default } else { found })
            }
            (_, _) => Err(unknown()),
        },
        (None, _) => Err(unknown()),
    }
}

fn of_text(text: &str, name: &str, given: &[Item]) -> Option<Item> {
    let arguments: Vec<&str> = given.iter().map_while(Item::as_str).collect();
    if arguments.len() != given.len() && name != "replace" && name != "split" {
        return None;
    }
    Some(match (name, arguments.as_slice()) {
        ("strip", []) => text.trim().into(),
        ("lstrip", []) => text.trim_start().into(),
        ("rstrip", []) => text.trim_end().into(),
        ("strip", [set]) => text.trim_matches(|c| set.contains(c)).into(),
        ("lstrip", [set]) => text.trim_start_matches(|c| set.contains(c)).into(),
        ("rstrip", [set]) => text.trim_end_matches(|c| set.contains(c)).into(),
        ("upper", []) => text.to_uppercase().into(),
        ("lower", []) => text.to_lowercase().into(),
        ("title", []) => titled(text).into(),
        ("capitalize", []) => {
            let mut chars = text.chars();
            let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
            format!("{first}{}", chars.as_str().to_lowercase()).into()
        }
        ("replace", [from, to]) => match given.get(2) {
            None => text.replace(from, to).into(),
            Some(count) => text.replacen(from, to, usize::try_from(count.clone()).ok()?).into(),
        },
        ("split", []) if given.is_empty() => text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().into(),
        ("split", [by]) if !by.is_empty() => match given.get(1) {
            None => text.split(by).map(str::to_owned).collect::<Vec<_>>().into(),
            Some(most) => text
                .splitn(usize::try_from(most.clone()).ok()?.checked_add(1)?, by)
                .map(str::to_owned)
                .collect::<Vec<_>>()
                .into(),
        },
        ("splitlines", []) => text.lines().map(str::to_owned).collect::<Vec<_>>().into(),
        ("startswith", [part]) => text.starts_with(part).into(),
        ("endswith", [part]) => text.ends_with(part).into(),
        ("isdigit", []) => (!text.is_empty() && text.chars().all(char::is_numeric)).into(),
        ("count", [part]) if !part.is_empty() => text.matches(part).count().into(),
        ("find", [part]) => {
            let before = text.find(part).and_then(|at| text.get(..at));
            before.map_or(Item::from(-1), |before| before.chars().count().into())
        }
        ("index", [part]) => text.get(..text.find(part)?)?.chars().count().into(),
        ("removeprefix", [part]) => text.strip_prefix(part).unwrap_or(text).into(),
        ("removesuffix", [part]) => text.strip_suffix(part).unwrap_or(text).into(),
        (_, _) => return None,
    })
}

/// Every letter behind something that is none is large, every other small.
fn titled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphabetic();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(template: &str) -> Result<String, String> {
        let row = json!({"q": "What's up?\n", "choices": {"text": ["it's", "b"], "label": ["A", "B"]}, "n": 1.0, "t": true,
            "none": null, "key": "B"});
        let Value::Object(row) = row else { return Err("no row".to_owned()) };
        Templates::new().render(template, &row)
    }

    #[test]
    fn values_are_printed_as_python_prints_them() {
        let table = [
            ("Q: {{q}}\n", "Q: What's up?\n\n"),
            ("{{choices.text}}", "[\"it's\", 'b']"),
            ("{{choices.label.index(key)}} {{n}} {{t}} {{none}}", "1 1.0 True None"),
            ("{{q.strip()|upper}} {{ ['a', 'b'][1] }}", "WHAT'S UP? b"),
            ("{{ 'a-b'|regex_replace('(a)-(b)', '\\\\2\\\\g<1>') }}", "ba"),
            ("{{ ', '.join(choices.text) }} {{ t|string }}", "it's, b True"),
            ("{{ 'new york'.title() }} {{ 'a,b'.split(',')|length }}", "New York 2"),
        ];
        for (template, text) in table {
            assert_eq!(rendered(template).as_deref(), Ok(text), "{template}");
        }
    }

    #[test]
    fn what_the_row_does_not_have_is_an_error() {
        for template in ["{{nobody}}", "{{choices.nobody}}", "{{ q.encode() }}"] {
            assert!(rendered(template).is_err(), "{template}");
        }
    }
}
