//! Reads HTML as far as is needed to say which text stands in no element: the parts of the standard's parsing rules (WHATWG HTML,
//! 13.2) that move text from one element to another. Kept out: what follows from it (`html`).

/// What is seen in a text.
#[derive(Default)]
pub(super) struct Found {
    /// A `<body>` stands in the text itself.
    pub body: bool,
    /// Text that is not white space would stand in the body itself.
    pub bare_text: bool,
    /// An element that HTML knows, or one of somebody's own (its name has a hyphen).
    pub element: bool,
}

/// Elements that count as HTML; `html`, `head` and `body` count where they are written.
const KNOWN: &str = " title base link meta style article section nav aside h1 h2 h3 h4 h5 h6 header footer address p hr pre blockquote ol ul li dl dt dd \
    figure figcaption main div a em strong small s cite q dfn abbr ruby rt rp data time code var samp kbd sub sup i b u mark bdi bdo span br wbr \
    img iframe embed object param picture source video audio track map area svg math script noscript canvas ins del table caption colgroup col \
    tbody thead tfoot tr td th form label input button select datalist optgroup option textarea output progress meter fieldset legend details \
    summary dialog menu slot template ";
/// Elements without an end.
const VOID: &str =
    " area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr ";
/// Elements whose content is text to their own end tag.
const RAW: &str = " script style textarea title iframe noembed noframes noscript xmp ";
/// Elements that end an open paragraph.
const BLOCK: &str = " address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header \
    hgroup hr li dd dt listing main menu nav ol p plaintext pre search section summary ul xmp ";
/// Elements that are opened again for text that follows when something around them has ended.
const FORMATTING: &str = " a b big code em font i nobr s small strike strong tt u ";
/// Elements that stand in tables only.
const OF_TABLES: &str = " caption col colgroup tbody td tfoot th thead tr ";
/// Elements in one another that are told apart, as in browsers: what is deeper counts as text of the deepest.
const DEEPEST: usize = 512;
/// Where text in a table has no place, and is put before it.
const WITHOUT_TEXT: &str = " table tbody tfoot thead tr ";

fn is(list: &str, name: &str) -> bool {
    !name.contains(' ') && list.contains(&format!(" {name} "))
}

/// Reads a text.
pub(super) fn read(text: &str) -> Found {
    let mut reader =
        Reader { text, at: 0, open: Vec::new(), formatting: Vec::new(), found: Found::default(), doctype: false };
    while reader.step() {}
    reader.found
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    open: Vec<String>,
    formatting: Vec<String>,
    found: Found,
    doctype: bool,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// One tag, comment or run of text; false at the end.
    fn step(&mut self) -> bool {
        let rest = self.rest();
        if rest.is_empty() {
            return false;
        }
        if let Some(after) = rest.strip_prefix("<!--") {
            self.skip_comment(after);
        } else if rest.starts_with("<!") || rest.starts_with("<?") {
            self.doctype |= rest.get(2..9).is_some_and(|word| word.eq_ignore_ascii_case("doctype"));
            self.at += rest.find('>').map_or(rest.len(), |end| end + 1);
        } else if let Some(named) = rest.strip_prefix("</").filter(|named| begins_name(named)) {
            let (name, _, length) = tag(named);
            if let Some(length) = length {
                self.end_tag(&name);
                self.at += 2 + length;
            } else {
                self.at = self.text.len();
            }
        } else if rest.starts_with("</") && rest.len() > 2 {
            self.at += rest.find('>').map_or(rest.len(), |end| end + 1);
        } else if let Some(named) = rest.strip_prefix('<').filter(|named| begins_name(named)) {
            let (name, alone, length) = tag(named);
            // A tag that the end of the text cuts off is dropped.
            match length {
                Some(length) => {
                    self.at += 1 + length;
                    self.start_tag(name, alone);
                }
                None => self.at = self.text.len(),
            }
        } else {
            let end = rest.get(1..).and_then(|after| after.find('<')).map_or(rest.len(), |end| end + 1);
            self.words(rest.get(..end).unwrap_or_default());
            self.at += end;
        }
        true
    }

    fn skip_comment(&mut self, after: &str) {
        let inner = if after.starts_with('>') {
            1
        } else if after.starts_with("->") {
            2
        } else {
            after.find("-->").map_or(after.len(), |end| end + 3)
        };
        self.at += 4 + inner;
    }

    fn words(&mut self, words: &str) {
        let plain = words.replace("&nbsp;", " ");
        if super::given::trimmed(&plain).is_empty() {
            return;
        }
        let in_table = self
            .open
            .iter()
            .rposition(|name| name == "table")
            .filter(|_| self.open.last().is_some_and(|name| is(WITHOUT_TEXT, name)));
        let around = match in_table {
            Some(before) => before,
            None => self.open.len(),
        };
        if around == 0 && self.formatting.is_empty() {
            self.found.bare_text = true;
        }
    }

    fn start_tag(&mut self, name: String, alone: bool) {
        if matches!(name.as_str(), "html" | "head" | "body") {
            // Text before it has opened a body already, which is then not this one.
            self.found.body |= name == "body" && !self.found.bare_text;
            // Counted where it is written; nothing is inside of it that would not be in the body.
            self.found.element = true;
            return;
        }
        if is(OF_TABLES, &name) && !self.is_open("table") && !self.is_open("template") || name == "frame" {
            return;
        }
        self.found.element |= is(KNOWN, &name) || name.contains('-') || name == "image";
        let in_foreign = self.is_open("svg") || self.is_open("math");
        if is(BLOCK, &name) || (name == "table" && self.doctype) {
            self.close("p");
        }
        if let Some(same) =
            ["li", "option", "optgroup", "a", "button", "td", "th", "tr"].into_iter().find(|same| *same == name)
        {
            self.close_item(same);
        }
        if matches!(name.as_str(), "dd" | "dt") {
            self.close_item("dd");
            self.close_item("dt");
        }
        if is(VOID, &name) || name == "image" || (alone && (in_foreign || matches!(name.as_str(), "svg" | "math"))) {
            return;
        }
        if is(RAW, &name) && !in_foreign {
            self.skip_raw(&name);
            return;
        }
        if is(FORMATTING, &name) && !in_foreign && self.formatting.len() < DEEPEST {
            self.formatting.push(name.clone());
        }
        if self.open.len() < DEEPEST {
            self.open.push(name);
        }
    }

    fn end_tag(&mut self, name: &str) {
        if let Some(at) = self.formatting.iter().rposition(|open| open == name) {
            self.formatting.remove(at);
        }
        // An end without a start makes an empty paragraph or a line break, once there is anything before it.
        let begun = self.found.bare_text || self.found.element;
        self.found.element |= begun && matches!(name, "p" | "br");
        let heading = |name: &str| matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6");
        let same = |open: &String| open == name || (heading(name) && heading(open));
        match self.open.iter().rposition(same) {
            // What stands in it stays open: only its own effect ends.
            Some(at) if is(FORMATTING, name) => {
                self.open.remove(at);
            }
            Some(at) => self.open.truncate(at),
            None => {}
        }
    }

    fn is_open(&self, name: &str) -> bool {
        self.open.iter().any(|open| open == name)
    }

    fn close(&mut self, name: &str) {
        if let Some(at) = self.open.iter().rposition(|open| open == name) {
            // A paragraph within a table, a button or an object does not reach out of it.
            let closed_off = |open: &String| {
                matches!(open.as_str(), "table" | "td" | "th" | "button" | "object" | "template" | "svg" | "math")
            };
            if !self.open.iter().skip(at).any(closed_off) {
                self.open.truncate(at);
            }
        }
    }

    /// An item ends the one before it in the same list, table or link.
    fn close_item(&mut self, name: &str) {
        let Some(at) = self.open.iter().rposition(|open| open == name) else { return };
        let inner = |open: &String| {
            matches!(open.as_str(), "ul" | "ol" | "menu" | "dl" | "table" | "template" | "select" | "div" | "section")
        };
        let crosses = self.open.iter().skip(at).any(inner);
        if name == "a" || !crosses {
            self.formatting.retain(|open| name != "a" || open != "a");
            self.open.truncate(at);
        }
    }

    fn skip_raw(&mut self, name: &str) {
        let rest = self.rest();
        let begins = |start: usize| {
            let named = rest.get(start + 2..start + 2 + name.len());
            named.is_some_and(|named| named.eq_ignore_ascii_case(name))
        };
        let end = rest.match_indices("</").map(|(start, _)| start).find(|start| begins(*start)).map(|start| {
            start + rest.get(start..).and_then(|tag| tag.find('>')).map_or(rest.len() - start, |end| end + 1)
        });
        self.at += end.unwrap_or(rest.len());
    }
}

fn begins_name(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic())
}

/// A tag's name in small letters, whether it ends in `/>`, and its length with the `>`; without one, none.
fn tag(named: &str) -> (String, bool, Option<usize>) {
    let end =
        named.find(|letter: char| letter.is_ascii_whitespace() || matches!(letter, '/' | '>')).unwrap_or(named.len());
    let name = named.get(..end).unwrap_or_default().to_ascii_lowercase();
    let (mut quote, mut before, mut value) = (None, ' ', false);
    for (at, letter) in named.char_indices().skip_while(|(at, _)| *at < end) {
        match (letter, quote) {
            // A quote opens a value only right after its `=`.
            ('"' | '\'', None) if value => quote = Some(letter),
            (mark, Some(open)) if mark == open => {
                quote = None;
                value = false;
            }
            ('>', None) => return (name, before == '/', Some(at + 1)),
            ('=', None) => value = true,
            (letter, None) if !letter.is_ascii_whitespace() => value = false,
            _ => {}
        }
        before = letter;
    }
    (name, false, None)
}
