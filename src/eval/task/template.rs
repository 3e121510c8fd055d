//! lm-eval's templates: Jinja over a row, printed as Python prints. Source: lm-eval 0.4.13, `utils.apply_template`: undefined
//! variables are errors, a last line break is kept, `regex_replace` is a filter of its own.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value as Item, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior};
use serde_json::{Map, Value};

use super::jinja;
use super::regex::{is_space, strip};

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
        jinja::add(&mut environment);
        environment.set_formatter(|out, _, value| {
            if value.is_undefined() {
                return Err(Error::new(ErrorKind::UndefinedError, "a value is not defined"));
            }
            let text = jinja::printed(value)?;
            out.write_str(&text).map_err(|_| Error::new(ErrorKind::WriteFailure, "the text cannot be written"))
        });
        Self { environment }
    }

    /// The text with every expression replaced.
    pub(super) fn render(&self, template: &str, row: &Map<String, Value>) -> Result<String, String> {
        if !["{{", "{%", "{#"].iter().any(|mark| template.contains(mark)) {
            return Ok(template.to_owned());
        }
        let mut written = Bounded(Vec::new());
        let template =
            self.environment.template_from_named_str("template", template).map_err(|error| explain(&error))?;
        let rendered = template.render_captured_to(Serde(row), &mut written).map(|_| ());
        if written.0.len() > LONGEST {
            return Err(format!("the template makes more than {LONGEST} bytes"));
        }
        rendered.map_err(|error| explain(&error))?;
        String::from_utf8(written.0).map_err(|_| "the template makes no text".to_owned())
    }
}

/// What a template writes, until it is too long.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let room = (LONGEST + 1).saturating_sub(self.0.len());
        self.0.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        if room > bytes.len() { Ok(bytes.len()) } else { Err(std::io::Error::other("the text is too long")) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
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
        ("strip", []) => strip(text).into(),
        ("lstrip", []) => text.trim_start_matches(is_space).into(),
        ("rstrip", []) => text.trim_end_matches(is_space).into(),
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
        ("split", []) if given.is_empty() => {
            text.split(is_space).filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>().into()
        }
        ("split", [by]) if !by.is_empty() => match given.get(1) {
            None => text.split(by).map(str::to_owned).collect::<Vec<_>>().into(),
            Some(most) => text
                .splitn(usize::try_from(most.clone()).ok()?.checked_add(1)?, by)
                .map(str::to_owned)
                .collect::<Vec<_>>()
                .into(),
        },
        ("splitlines", []) => lines(text).into(),
        ("startswith", [part]) => text.starts_with(part).into(),
        ("endswith", [part]) => text.ends_with(part).into(),
        // Which other letters Python counts as digits is not known here.
        ("isdigit", []) if text.chars().all(|c| c.is_ascii() || !c.is_numeric()) => {
            (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).into()
        }
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

/// `str.splitlines()`.
fn lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text;
    let is_break = |c: char| {
        matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
    };
    while !rest.is_empty() {
        let (line, more) = rest.split_once(is_break).unwrap_or((rest, ""));
        lines.push(line.to_owned());
        // A carriage return and a line feed are one break.
        let pair = rest.get(line.len()..).is_some_and(|tail| tail.starts_with("\r\n"));
        rest = if pair { more.strip_prefix('\n').unwrap_or(more) } else { more };
    }
    lines
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
            "none": null, "key": "B", "d": {"b": [1, 2.5], "a": "é<&'😀"}, "mixed": [true, 1.0, "a", null],
            "breaks": "a\rb\u{b}c\u{2028}d\r\n", "spaces": "\u{1c}x\u{1f} ", "x": "x\n"});
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

    /// Source: lm-eval 0.4.13, `utils.apply_template`, with Jinja 3.1.
    #[test]
    fn filters_and_methods_are_those_of_python() {
        let table = [
            ("{{d|tojson}}", r#"{"a": "\u00e9\u003c\u0026\u0027\ud83d\ude00", "b": [1, 2.5]}"#),
            ("{{mixed|join(',')}} {{mixed|join}}", "True,1.0,a,None True1.0aNone"),
            ("{{breaks.splitlines()}}", "['a', 'b', 'c', 'd']"),
            ("{{spaces.strip()|length}} {{spaces.split()}}", "1 ['x']"),
            ("{{x|regex_replace('x$', 'y')}}", "y\n"),
            ("{{'a{'|regex_replace('a{', 'b')}}", "b"),
            ("{{'ab cd-ef'|title}} {{[3, 1, 2]|sort}}", "Ab Cd-Ef [1, 2, 3]"),
            ("{{2.5|round}} {{4/2}} {{7//2}} {{'3'|int}}", "2.0 2.0 3 3"),
            ("{{mixed|map('string')|join('|')}} {{t|string ~ 'a'}}", "True|1.0|a|None Truea"),
            ("{{mixed[0:2]}} {{'abc'[::-1]}} {{[1, 2]|list + [3]}}", "[True, 1.0] cba [1, 2, 3]"),
            ("{{t|lower}} {{t|upper}} {{'7'.isdigit()}} {{'x'.isdigit()}}", "true TRUE True False"),
            ("{{t ~ ''}} {{1.0 ~ '-' ~ none}}", "True 1.0-None"),
            ("{{d.a|e}}", "é&lt;&amp;&#39;😀"),
        ];
        let wrong: Vec<String> = table
            .iter()
            .filter(|(template, text)| rendered(template).as_deref() != Ok(*text))
            .map(|(template, text)| format!("{template}: {text:?} is {:?}", rendered(template)))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(rendered("{{ '½'.isdigit() }}").is_err());
    }

    #[test]
    fn what_the_row_does_not_have_is_an_error() {
        for template in ["{{nobody}}", "{{choices.nobody}}", "{{ q.encode() }}"] {
            assert!(rendered(template).is_err(), "{template}");
        }
    }
}
