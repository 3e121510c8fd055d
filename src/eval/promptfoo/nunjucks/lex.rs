//! From a template's text to its parts: data, tags, and what stands in tags. White space that a tag takes away (`{%-`, `-%}`) is
//! gone afterwards. Follows the grammar of nunjucks 3.2.4.

use super::TemplateError;
use crate::eval::promptfoo::assert::is_space;

/// A part of a template.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token {
    /// Text between tags.
    Data(String),
    /// `{%`.
    BlockStart,
    /// `%}`.
    BlockEnd,
    /// `{{`.
    VariableStart,
    /// `}}`.
    VariableEnd,
    /// A quoted text.
    Text(String),
    /// A number.
    Number(f64),
    /// A name or a word of the language.
    Name(String),
    /// An operator or a bracket.
    Sign(&'static str),
}

/// Longest first: `===` before `==` before `=`.
const SIGNS: &[&str] = &[
    "===", "!==", "==", "!=", "<=", ">=", "//", "**", "(", ")", "[", "]", "{", "}", "%", "*", "-", "+", "~", "/", "#",
    ",", ":", "|", ".", "<", ">", "=", "!",
];

/// The parts of a template.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, TemplateError> {
    let mut lexer = Lexer { rest: text, found: Vec::new(), trims_next: false };
    while !lexer.rest.is_empty() {
        lexer.data()?;
    }
    Ok(lexer.found)
}

struct Lexer<'a> {
    rest: &'a str,
    found: Vec<Token>,
    trims_next: bool,
}

impl<'a> Lexer<'a> {
    /// Data up to the next tag, and the tag.
    fn data(&mut self) -> Result<(), TemplateError> {
        let (start, opening) = next_opening(self.rest);
        let (data, rest) = self.rest.split_at(start);
        if data.contains("#}") {
            return Err(TemplateError::new("`#}` ends a comment that does not begin"));
        }
        let trims_before = rest.get(2..).is_some_and(|after| after.starts_with('-'));
        self.push_data(data, opening.is_some() && trims_before);
        let Some(opening) = opening else {
            self.rest = "";
            return Ok(());
        };
        let inside = rest.get(2..).unwrap_or_default();
        match opening {
            Opening::Comment => {
                let Some((comment, after)) = inside.split_once("#}") else {
                    return Err(TemplateError::new("a comment is not closed: `#}` is missing"));
                };
                self.trims_next = comment.ends_with('-');
                self.rest = after;
                Ok(())
            }
            Opening::Block => {
                let inside = inside.strip_prefix('-').unwrap_or(inside);
                if let Some((word, after)) = raw_opening(inside) {
                    return self.raw(word, after);
                }
                self.found.push(Token::BlockStart);
                self.rest = inside;
                self.code()
            }
            Opening::Variable => {
                self.found.push(Token::VariableStart);
                self.rest = inside.strip_prefix('-').unwrap_or(inside);
                self.code()
            }
        }
    }

    fn push_data(&mut self, data: &str, trims_end: bool) {
        let data = if std::mem::take(&mut self.trims_next) { data.trim_start_matches(is_space) } else { data };
        let data = if trims_end { data.trim_end_matches(is_space) } else { data };
        if !data.is_empty() {
            self.found.push(Token::Data(data.to_owned()));
        }
    }

    /// What stands between `{% raw %}` and its `{% endraw %}`, as it is; pairs within are counted.
    fn raw(&mut self, word: &str, body: &'a str) -> Result<(), TemplateError> {
        let mut depth = 1_usize;
        let mut from = 0;
        while let Some(at) = body.get(from..).and_then(|rest| rest.find("{%")) {
            let start = from + at;
            let inside = body.get(start + 2..).unwrap_or_default();
            let trimmed = inside.trim_start_matches(['-']).trim_start_matches(is_space);
            let named = trimmed.chars().take_while(char::is_ascii_alphabetic).collect::<String>();
            let after = trimmed.get(named.len()..).unwrap_or_default().trim_start_matches(is_space);
            let closed = after.strip_prefix("%}").or_else(|| after.strip_prefix("-%}"));
            from = start + 2;
            let Some(closed) = closed else { continue };
            if named == word {
                depth += 1;
            } else if named.strip_prefix("end") == Some(word) {
                depth -= 1;
                if depth == 0 {
                    let data = body.get(..start).unwrap_or_default();
                    if !data.is_empty() {
                        self.found.push(Token::Data(data.to_owned()));
                    }
                    self.trims_next = false;
                    self.rest = closed;
                    return Ok(());
                }
            }
        }
        Err(TemplateError::new(format!("`{{% {word} %}}` is not closed: `{{% end{word} %}}` is missing")))
    }

    /// What stands in a tag, up to its end.
    fn code(&mut self) -> Result<(), TemplateError> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\n', '\t', '\r', '\u{a0}']);
            let Some(first) = self.rest.chars().next() else {
                return Err(TemplateError::new("a tag is not closed"));
            };
            for (end, token, trims) in [
                ("%}", Token::BlockEnd, false),
                ("-%}", Token::BlockEnd, true),
                ("}}", Token::VariableEnd, false),
                ("-}}", Token::VariableEnd, true),
            ] {
                if let Some(after) = self.rest.strip_prefix(end) {
                    self.found.push(token);
                    self.trims_next = trims;
                    self.rest = after;
                    return Ok(());
                }
            }
            if first == '"' || first == '\'' {
                self.quoted(first)?;
            } else if self.rest.starts_with("r/") {
                return Err(TemplateError::new("regular expressions in templates are not read here"));
            } else if let Some(sign) = SIGNS.iter().find(|sign| self.rest.starts_with(**sign)) {
                self.found.push(Token::Sign(sign));
                self.rest = self.rest.get(sign.len()..).unwrap_or_default();
            } else {
                self.word()?;
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<(), TemplateError> {
        let mut text = String::new();
        let mut letters = self.rest.char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => match letters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, other)) => text.push(other),
                    None => break,
                },
                _ if letter == quote => {
                    self.rest = self.rest.get(at + letter.len_utf8()..).unwrap_or_default();
                    self.found.push(Token::Text(text));
                    return Ok(());
                }
                _ => text.push(letter),
            }
        }
        Err(TemplateError::new("a quoted text in a tag is not closed"))
    }

    fn word(&mut self) -> Result<(), TemplateError> {
        let ends = |letter: char| {
            matches!(letter, ' ' | '\n' | '\t' | '\r' | '\u{a0}') || "()[]{}%*-+~/#,:|.<>=!".contains(letter)
        };
        let length = self.rest.find(ends).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(length);
        if word.is_empty() {
            return Err(TemplateError::new("something in a tag cannot be read"));
        }
        if !word.bytes().all(|byte| byte.is_ascii_digit()) {
            self.found.push(Token::Name(word.to_owned()));
            self.rest = rest;
            return Ok(());
        }
        let fraction = rest.strip_prefix('.').map(|after| {
            let digits = after.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(after.len());
            after.split_at(digits)
        });
        let (text, rest) = match fraction {
            Some((digits, rest)) => (format!("{word}.{digits}"), rest),
            None => (word.to_owned(), rest),
        };
        self.found.push(Token::Number(text.parse().unwrap_or(f64::NAN)));
        self.rest = rest;
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Opening {
    Block,
    Variable,
    Comment,
}

fn next_opening(text: &str) -> (usize, Option<Opening>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(at) = bytes.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == b'{')) {
        let at = from + at;
        let opening = match bytes.get(at + 1) {
            Some(b'%') => Some(Opening::Block),
            Some(b'{') => Some(Opening::Variable),
            Some(b'#') => Some(Opening::Comment),
            Some(_) | None => None,
        };
        if opening.is_some() {
            return (at, opening);
        }
        from = at + 1;
    }
    (text.len(), None)
}

/// `raw %}` or `verbatim %}`: its word, and what follows.
fn raw_opening(inside: &str) -> Option<(&'static str, &str)> {
    let inside = inside.trim_start_matches(is_space);
    ["raw", "verbatim"].into_iter().find_map(|word| {
        let after = inside.strip_prefix(word)?.trim_start_matches(is_space);
        let after = after.strip_prefix("%}").or_else(|| after.strip_prefix("-%}"))?;
        Some((word, after))
    })
}
