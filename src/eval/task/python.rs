//! Values as Python writes them (`str`, `repr`) and reads them (`ast.literal_eval`): lm-eval's templates print lists and read
//! them back. Source: Python's language reference, literals and `repr`.

use serde_json::{Map, Number, Value};

/// The deepest nesting of a literal.
const DEEPEST: usize = 32;

/// A value as `str()` writes it: a text as it is.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => repr(value),
    }
}

/// A value as `repr()` writes it.
pub(super) fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => match (number.is_f64(), number.as_f64()) {
            (true, Some(float)) => self::float(float),
            (_, _) => number.to_string(),
        },
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{}: {}", quoted(key), repr(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A float: the shortest digits that read back the same, with an exponent of two digits where it has one.
pub(super) fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    let text = format!("{value:?}");
    match text.split_once('e') {
        None => text,
        Some((digits, exponent)) => {
            let (sign, number) = exponent.strip_prefix('-').map_or(('+', exponent), |number| ('-', number));
            format!("{digits}e{sign}{number:0>2}")
        }
    }
}

/// A text in quotes: single ones, unless it has some and no double ones.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                out.push_str(&match code {
                    0..=0xff => format!("\\x{code:02x}"),
                    0x100..=0xffff => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                });
            }
        }
    }
    out.push(quote);
    out
}

/// Python prints what is no control, format, private or separating character.
fn is_printable(c: char) -> bool {
    let hidden = matches!(u32::from(c),
        0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f
        | 0xe000..=0xf8ff | 0xfeff | 0xfff9..=0xfffb | 0xe0001..=0xe007f | 0xf_0000..=0x10_ffff);
    c == ' ' || !(hidden || c.is_control() || c.is_whitespace())
}

/// Reads a literal: texts, numbers, True, False, None, lists, tuples, mappings. None for anything else.
pub(super) fn literal(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text.trim() };
    let value = reader.value(0)?;
    reader.space();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
    }

    fn take(&mut self, word: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        self.space();
        match self.rest.chars().next()? {
            '[' => self.items('[', ']', depth).map(|(items, _)| Value::Array(items)),
            '(' => {
                let (mut items, comma) = self.items('(', ')', depth)?;
                // Parentheses around one value are no tuple.
                if items.len() == 1 && !comma { items.pop() } else { Some(Value::Array(items)) }
            }
            '{' => self.mapping(depth),
            '\'' | '"' | 'r' | 'u' | 'b' => {
                let mut all = self.string()?;
                // Texts beside each other are one.
                loop {
                    self.space();
                    if !self.rest.starts_with(['\'', '"']) {
                        return Some(Value::String(all));
                    }
                    all.push_str(&self.string()?);
                }
            }
            _ => self.word(),
        }
    }

    fn items(&mut self, open: char, close: char, depth: usize) -> Option<(Vec<Value>, bool)> {
        self.rest = self.rest.strip_prefix(open)?;
        let (mut items, mut comma) = (Vec::new(), false);
        loop {
            self.space();
            if let Some(rest) = self.rest.strip_prefix(close) {
                self.rest = rest;
                return Some((items, comma));
            }
            if !items.is_empty() && !comma {
                return None;
            }
            items.push(self.value(depth + 1)?);
            comma = self.take(",");
        }
    }

    fn mapping(&mut self, depth: usize) -> Option<Value> {
        self.rest = self.rest.strip_prefix('{')?;
        let mut entries = Map::new();
        loop {
            if self.take("}") {
                return Some(Value::Object(entries));
            }
            let key = self.value(depth + 1)?;
            if !self.take(":") {
                return None;
            }
            let value = self.value(depth + 1)?;
            entries.insert(text(&key), value);
            if !self.take(",") {
                return self.take("}").then_some(Value::Object(entries));
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let raw = match self.rest.strip_prefix(['r', 'R']) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => {
                self.rest = self.rest.strip_prefix(['u', 'U']).unwrap_or(self.rest);
                false
            }
        };
        let quote = ["'''", "\"\"\"", "'", "\""].into_iter().find(|quote| self.rest.starts_with(quote))?;
        self.rest = self.rest.get(quote.len()..)?;
        let mut out = String::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix(quote) {
                self.rest = rest;
                return Some(out);
            }
            let mut chars = self.rest.chars();
            let c = chars.next()?;
            self.rest = chars.as_str();
            match c {
                '\n' if quote.len() == 1 => return None,
                '\\' if raw => {
                    out.push('\\');
                    let mut chars = self.rest.chars();
                    out.push(chars.next()?);
                    self.rest = chars.as_str();
                }
                '\\' => self.escape(&mut out)?,
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Option<()> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        match c {
            '\n' => {}
            '\\' | '\'' | '"' => out.push(c),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'v' => out.push('\u{b}'),
            'x' => out.push(self.code(2)?),
            'u' => out.push(self.code(4)?),
            'U' => out.push(self.code(8)?),
            '0'..='7' => {
                let more = self.rest.chars().take(2).take_while(|c| ('0'..='7').contains(c)).count();
                let digits = format!("{c}{}", self.rest.get(..more)?);
                self.rest = self.rest.get(more..)?;
                out.push(char::from_u32(u32::from_str_radix(&digits, 8).ok()?)?);
            }
            'N' => return None,
            c => out.extend(['\\', c]),
        }
        Some(())
    }

    fn code(&mut self, digits: usize) -> Option<char> {
        let code = u32::from_str_radix(self.rest.get(..digits)?, 16).ok()?;
        self.rest = self.rest.get(digits..)?;
        char::from_u32(code)
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find([',', ']', ')', '}', ':', ' ', '\n', '\t']).unwrap_or(self.rest.len());
        let word = self.rest.get(..end)?;
        self.rest = self.rest.get(end..)?;
        match word {
            "None" => return Some(Value::Null),
            "True" => return Some(Value::Bool(true)),
            "False" => return Some(Value::Bool(false)),
            _ => {}
        }
        let digits = word.trim_start_matches(['-', '+']);
        let is_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        // A number does not begin with further zeros.
        let zeros = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || zeros && digits.bytes().any(|byte| byte != b'0') {
            return None;
        }
        let word = word.replace('_', "");
        // A whole number of any length is one in Python, and here only up to 64 bits: a float would be another text.
        if word.trim_start_matches(['-', '+']).bytes().all(|byte| byte.is_ascii_digit()) && word.parse::<i64>().is_err()
        {
            return None;
        }
        word.parse::<i64>().map(Value::from).ok().or_else(|| Some(Value::Number(Number::from_f64(word.parse().ok()?)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_written_as_python_writes_them() {
        let table = [
            (json!(["it's", "a \"b\"", "both ' \"", "x\ny\\"]), r#"["it's", 'a "b"', 'both \' "', 'x\ny\\']"#),
            (json!({"a": [1, 1.0, true, null]}), "{'a': [1, 1.0, True, None]}"),
            (
                json!([1e16, 0.00001, 0.0001, 1.5e300, "é\u{a0}\u{200b}"]),
                "[1e+16, 1e-05, 0.0001, 1.5e+300, 'é\\xa0\\u200b']",
            ),
        ];
        for (value, written) in table {
            assert_eq!(text(&value), written);
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        for value in
            [json!(["it's", "a \"b\"", "x\ny\\ é\u{a0}"]), json!([1, -2.5, true, null, []]), json!({"a": {"b": "c"}})]
        {
            assert_eq!(literal(&repr(&value)), Some(value));
        }
        assert_eq!(literal("('a', 'b' 'c',)"), Some(json!(["a", "bc"])));
        assert_eq!(literal("(3)"), Some(json!(3)));
    }

    #[test]
    fn what_is_no_literal_is_none() {
        for text in [
            "",
            "[a]",
            "['a' 1]",
            "[1",
            "1 2",
            "__import__('os')",
            "['a'] + ['b']",
            "012",
            "'\\N{DASH}'",
            "[12345678901234567890]",
        ] {
            assert_eq!(literal(text), None, "{text}");
        }
    }
}
