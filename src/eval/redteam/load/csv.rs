//! Comma-separated values, read strictly: a quote that is never closed would swallow the rows behind it in silence, so it is an
//! error here. Source of the form: RFC 4180.

/// One row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    /// 1-based line of the file on which it begins.
    pub(super) line: usize,
    pub(super) fields: Vec<String>,
}

/// What is wrong with a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Broken {
    pub(super) line: usize,
    pub(super) message: &'static str,
}

/// The rows of a text. Empty lines are none; the reading goes on behind a broken row where its end is known.
pub(super) struct Rows<'a> {
    rest: &'a str,
    line: usize,
}

/// A column's name without its case and the space around it.
pub(super) fn folded(name: &str) -> String {
    name.trim().to_ascii_lowercase()
}

impl<'a> Rows<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1 }
    }

    /// Takes what stands before the next of some characters, which are all ASCII; that character is left.
    fn until(&mut self, ends: &[char]) -> &'a str {
        let (taken, rest) = match self.rest.find(ends) {
            Some(end) => self.rest.split_at_checked(end).unwrap_or((self.rest, "")),
            None => (self.rest, ""),
        };
        self.rest = rest;
        taken
    }

    fn eat(&mut self, wanted: &str) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn eat_line_end(&mut self) -> bool {
        let ended = self.eat("\r\n") || self.eat("\n");
        self.line += usize::from(ended);
        ended
    }

    fn quoted(&mut self) -> Option<String> {
        let mut field = String::new();
        loop {
            let part = self.until(&['"']);
            self.line += part.matches('\n').count();
            field.push_str(part);
            if !self.eat("\"") {
                return None;
            }
            if !self.eat("\"") {
                return Some(field);
            }
            field.push('"');
        }
    }

    fn plain(&mut self) -> String {
        let mut field = self.until(&[',', '\n']).to_owned();
        if self.rest.starts_with('\n') && field.ends_with('\r') {
            field.pop();
        }
        field
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.eat_line_end() {}
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            let field = if self.eat("\"") {
                let Some(field) = self.quoted() else {
                    return Some(Err(Broken { line, message: "a quote is never closed" }));
                };
                if !(self.rest.is_empty() || self.rest.starts_with([',', '\n']) || self.rest.starts_with("\r\n")) {
                    self.until(&['\n']);
                    return Some(Err(Broken { line, message: "text behind a closing quote" }));
                }
                field
            } else {
                self.plain()
            };
            fields.push(field);
            if !self.eat(",") {
                self.eat_line_end();
                return Some(Ok(Row { line, fields }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Read = Result<(usize, Vec<String>), (usize, &'static str)>;

    fn rows(text: &str) -> Vec<Read> {
        Rows::new(text).map(|row| row.map(|row| (row.line, row.fields)).map_err(|it| (it.line, it.message))).collect()
    }

    fn row(line: usize, fields: &[&str]) -> Read {
        Ok((line, fields.iter().map(|field| (*field).to_owned()).collect()))
    }

    #[test]
    fn quoted_newlines_commas_and_quotes_stay_in_their_field_and_lines_are_counted() {
        let text = "a,b\r\n\"x\ny\",\"1, \"\"2\"\"\"\r\n\r\n,\nlast,";
        assert_eq!(
            rows(text),
            [row(1, &["a", "b"]), row(2, &["x\ny", "1, \"2\""]), row(5, &["", ""]), row(6, &["last", ""])]
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_is_an_error_at_the_row_that_opened_it() {
        assert_eq!(rows("a\n\"b\nc\nd\n"), [row(1, &["a"]), Err((2, "a quote is never closed"))]);
    }

    #[test]
    fn text_behind_a_closing_quote_breaks_its_row_and_no_other() {
        assert_eq!(rows("\"a\"b,c\nd,e"), [Err((1, "text behind a closing quote")), row(2, &["d", "e"])]);
    }

    proptest! {
        #[test]
        fn what_is_written_with_quotes_is_read_back(table in proptest::collection::vec(
            proptest::collection::vec("[a-c,\"\n\r é]{0,8}", 2..4), 1..6)) {
            let quote = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let text: Vec<String> =
                table.iter().map(|row| row.iter().map(quote).collect::<Vec<_>>().join(",")).collect();
            let back: Vec<Vec<String>> =
                Rows::new(&text.join("\r\n")).map(|row| row.map(|row| row.fields).unwrap_or_default()).collect();
            prop_assert_eq!(back, table);
        }
    }
}
