//! As much of PromQL as is needed to fill in placeholders safely and to find the series that a query reads.
//! Kept out: what a query means; Prometheus itself says whether it can read it.

/// What may be filled in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Window,
    Side,
    Workload,
    Service,
    Namespace,
    Pods,
}

const PLACES: [(&str, Place); 6] = [
    ("window", Place::Window),
    ("side", Place::Side),
    ("workload", Place::Workload),
    ("service", Place::Service),
    ("namespace", Place::Namespace),
    ("pods", Place::Pods),
];

/// What is filled in, for one side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    /// Whole seconds.
    pub window: u64,
    /// `stable` or `canary`.
    pub side: &'a str,
    /// The name of the side's own workload.
    pub workload: &'a str,
    /// The Service that the users' requests come through.
    pub service: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// A regular expression of the side's pods.
    pub pods: &'a str,
}

/// What is wrong with a query, and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: &'static str,
}

fn fault(message: impl Into<String>, help: &'static str) -> Fault {
    Fault { message: message.into(), help }
}

const HELP_PLACES: &str = "placeholders are {window}, {side}, {workload}, {service}, {namespace} and {pods}";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token<'a> {
    /// A name: of a metric, a function, a label, or a word of the language.
    Word(&'a str),
    /// A number or a duration.
    Number(&'a str),
    /// A string with its quotes.
    Text(&'a str),
    /// An operator or a bracket.
    Sign(&'a str),
    /// White space or a comment.
    Gap(&'a str),
    /// `{window}` and the like outside of strings.
    Open(Place),
}

impl<'a> Token<'a> {
    fn is(&self, sign: &str) -> bool {
        matches!(self, Token::Sign(found) if *found == sign)
    }

    fn text(&self) -> &'a str {
        match self {
            Token::Word(text) | Token::Number(text) | Token::Text(text) | Token::Sign(text) | Token::Gap(text) => text,
            Token::Open(_) => "",
        }
    }
}

/// Words that are no metric even without a bracket behind them.
const WORDS: [&str; 28] = [
    "and",
    "or",
    "unless",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "offset",
    "bool",
    "atan2",
    "inf",
    "nan",
    "sum",
    "min",
    "max",
    "avg",
    "count",
    "stddev",
    "stdvar",
    "topk",
    "bottomk",
    "quantile",
    "count_values",
    "group",
    "limitk",
    "limit_ratio",
];
/// Words before a list of labels.
const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// The end of the longest beginning whose letters all satisfy `keep`.
fn run(text: &str, keep: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !keep(letter)).unwrap_or(text.len())
}

fn tokens(query: &str) -> Result<Vec<Token<'_>>, Fault> {
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            letter if letter.is_whitespace() => {
                let length = run(rest, char::is_whitespace);
                (Token::Gap(rest.get(..length).unwrap_or_default()), length)
            }
            '#' => {
                let length = run(rest, |letter| letter != '\n');
                (Token::Gap(rest.get(..length).unwrap_or_default()), length)
            }
            '"' | '\'' | '`' => {
                let length = string_end(rest, first)?;
                (Token::Text(rest.get(..length).unwrap_or_default()), length)
            }
            letter if letter.is_ascii_alphabetic() || letter == '_' || letter == ':' => {
                let length = run(rest, |letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':');
                let word = rest.get(..length).unwrap_or_default();
                // A lone colon stands between the two durations of a subquery.
                (if word == ":" { Token::Sign(word) } else { Token::Word(word) }, length)
            }
            letter if letter.is_ascii_digit() || letter == '.' => {
                let mut length = run(rest, |letter| letter.is_ascii_alphanumeric() || letter == '.');
                let exponent =
                    rest.get(..length).is_some_and(|text| text.ends_with(['e', 'E']) && !text.starts_with("0x"));
                if exponent && rest.get(length..).is_some_and(|tail| tail.starts_with(['+', '-'])) {
                    length += 1 + run(rest.get(length + 1..).unwrap_or_default(), |letter| letter.is_ascii_digit());
                }
                (Token::Number(rest.get(..length).unwrap_or_default()), length)
            }
            '{' => match placeholder(rest)? {
                Some((place, length)) => (Token::Open(place), length),
                None => (Token::Sign("{"), 1),
            },
            _ => {
                let two = ["=~", "!~", "!=", "==", ">=", "<="].into_iter().find(|sign| rest.starts_with(sign));
                let sign = match two {
                    Some(sign) => sign,
                    None if "(){}[],+-*/%^=<>@".contains(first) => rest.get(..1).unwrap_or_default(),
                    None => return Err(fault(format!("{first:?} is no part of PromQL"), "")),
                };
                (Token::Sign(sign), sign.len())
            }
        };
        found.push(token);
        rest = rest.get(length..).unwrap_or_default();
    }
    balanced(&found)?;
    Ok(found)
}

/// The length of a string with both quotes.
fn string_end(rest: &str, quote: char) -> Result<usize, Fault> {
    let mut escaped = false;
    for (place, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            letter if letter == quote => return Ok(place + letter.len_utf8()),
            _ => {}
        }
    }
    Err(fault("a string does not end", "close it with the quote that it began with"))
}

/// `{word}` at the beginning of a text: a placeholder, nothing, or a word that is none.
fn placeholder(text: &str) -> Result<Option<(Place, usize)>, Fault> {
    let Some(inner) = text.strip_prefix('{') else { return Ok(None) };
    let length = run(inner, |letter| letter.is_ascii_alphabetic() || letter == '_');
    let word = inner.get(..length).unwrap_or_default();
    if word.is_empty() || !inner.get(length..).is_some_and(|tail| tail.starts_with('}')) {
        return Ok(None);
    }
    match PLACES.iter().find(|(name, _)| *name == word) {
        Some((_, place)) => Ok(Some((*place, length + 2))),
        None => Err(fault(format!("{{{word}}} is no placeholder"), HELP_PLACES)),
    }
}

fn balanced(tokens: &[Token<'_>]) -> Result<(), Fault> {
    let mut open = Vec::new();
    for token in tokens {
        let Token::Sign(sign) = token else { continue };
        match *sign {
            "(" => open.push(")"),
            "[" => open.push("]"),
            "{" => open.push("}"),
            ")" | "]" | "}" if open.pop() != Some(sign) => {
                return Err(fault(format!("a `{sign}` closes nothing"), ""));
            }
            _ => {}
        }
    }
    match open.pop() {
        Some(missing) => Err(fault(format!("a `{missing}` is missing"), "")),
        None => Ok(()),
    }
}

/// Which placeholders a query has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Has {
    /// `{window}`.
    pub window: bool,
    /// One that differs between the sides.
    pub side: bool,
}

/// Fills the placeholders in, each escaped for the place where it stands.
pub(super) fn fill(query: &str, values: &Values<'_>) -> Result<(String, Has), Fault> {
    let (mut filled, mut has, mut operator) = (String::with_capacity(query.len() + 64), Has::default(), "");
    for token in tokens(query)? {
        match token {
            Token::Open(Place::Window) => {
                has.window = true;
                filled.push_str(&format!("{}s", values.window));
            }
            Token::Open(_) => {
                return Err(fault("a placeholder stands outside of quotes", "write it in quotes, but for {window}"));
            }
            Token::Text(text) => filled.push_str(&fill_text(text, operator, values, &mut has)?),
            Token::Word(text) | Token::Number(text) | Token::Sign(text) | Token::Gap(text) => filled.push_str(text),
        }
        match token {
            Token::Gap(_) => {}
            Token::Sign(sign) => operator = sign,
            Token::Word(_) | Token::Number(_) | Token::Text(_) | Token::Open(_) => operator = "",
        }
    }
    Ok((filled, has))
}

fn fill_text(text: &str, operator: &str, values: &Values<'_>, has: &mut Has) -> Result<String, Fault> {
    let pattern = matches!(operator, "=~" | "!~");
    let quote = text.chars().next().unwrap_or('"');
    let (mut filled, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('{') {
        let (before, tail) = rest.split_at(at);
        filled.push_str(before);
        let Some((place, length)) = placeholder(tail)? else {
            filled.push('{');
            rest = tail.get(1..).unwrap_or_default();
            continue;
        };
        let (value, is_pattern) = match place {
            Place::Window => {
                return Err(fault("{window} stands in quotes", "it is a duration: increase(x[{window}])"));
            }
            Place::Side => (values.side, false),
            Place::Workload => (values.workload, false),
            Place::Service => (values.service, false),
            Place::Namespace => (values.namespace, false),
            Place::Pods => (values.pods, true),
        };
        has.side |= matches!(place, Place::Side | Place::Workload | Place::Pods);
        if is_pattern && !pattern {
            return Err(fault("{pods} is a regular expression", "match it with =~, such as pod=~\"{pods}\""));
        }
        let value = if pattern && !is_pattern { escape_pattern(value) } else { value.to_owned() };
        filled.push_str(&escape_text(&value, quote));
        rest = tail.get(length..).unwrap_or_default();
    }
    filled.push_str(rest);
    Ok(filled)
}

/// A text as a regular expression that matches it alone. Source: the syntax of RE2.
pub(super) fn escape_pattern(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 4);
    for letter in text.chars() {
        if r"\.+*?()|[]{}^$".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// A text inside a string of PromQL.
fn escape_text(text: &str, quote: char) -> String {
    let mut escaped = String::with_capacity(text.len() + 4);
    for letter in text.chars() {
        match letter {
            // A raw string has no escapes, and no name of a cluster has a backtick.
            '`' if quote == '`' => {}
            '\\' if quote != '`' => escaped.push_str("\\\\"),
            '\n' if quote != '`' => escaped.push_str("\\n"),
            letter if letter == quote => {
                escaped.push('\\');
                escaped.push(letter);
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// The selectors of a filled query, without their ranges and offsets.
pub(super) fn selectors(query: &str) -> Result<Vec<String>, Fault> {
    let all = tokens(query)?;
    let tokens: Vec<Token<'_>> = all.into_iter().filter(|token| !matches!(token, Token::Gap(_))).collect();
    let mut found: Vec<String> = Vec::new();
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        let next = tokens.get(index + 1);
        let followed = |sign: &str| next.is_some_and(|next| next.is(sign));
        index += 1;
        match token {
            Token::Word(word) if followed("(") => {
                if LISTS.contains(&word.to_lowercase().as_str()) {
                    index = past(&tokens, index, "(", ")");
                }
            }
            Token::Word(word) if WORDS.contains(&word.to_lowercase().as_str()) => {}
            Token::Word(word) => {
                let end = if followed("{") { past(&tokens, index, "{", "}") } else { index };
                let labels: String = tokens.get(index..end).unwrap_or_default().iter().map(Token::text).collect();
                found.push(format!("{word}{labels}"));
                index = end;
            }
            Token::Sign("{") => {
                let end = past(&tokens, index - 1, "{", "}");
                found.push(tokens.get(index - 1..end).unwrap_or_default().iter().map(Token::text).collect());
                index = end;
            }
            Token::Sign("[") => index = past(&tokens, index - 1, "[", "]"),
            // `@ start()`, `@ 123`: what follows is no series.
            Token::Sign("@") => index += 1,
            Token::Sign(_) | Token::Number(_) | Token::Text(_) | Token::Gap(_) | Token::Open(_) => {}
        }
    }
    found.sort();
    found.dedup();
    if found.is_empty() {
        let help = "write a query that reads a metric; a constant would hide that nothing is measured";
        return Err(fault("the query reads no series, so nobody could see that its data is old", help));
    }
    Ok(found)
}

/// The place behind the bracket that closes the one at `from`.
fn past(tokens: &[Token<'_>], from: usize, open: &str, close: &str) -> usize {
    let mut depth = 0_u32;
    for (place, token) in tokens.iter().enumerate().skip(from) {
        if token.is(open) {
            depth += 1;
        } else if token.is(close) {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return place + 1;
            }
        }
    }
    tokens.len()
}

/// The selector that the whole query is, where it is nothing else.
pub(super) fn bare(query: &str) -> Result<Option<String>, Fault> {
    let whole: String =
        tokens(query)?.iter().filter(|token| !matches!(token, Token::Gap(_))).map(Token::text).collect();
    Ok(match selectors(query)?.as_slice() {
        [one] if *one == whole => Some(whole),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALUES: Values<'static> = Values {
        window: 90,
        side: "canary",
        workload: "chat.v2-canary",
        service: "chat.v2",
        namespace: "prod",
        pods: r"chat\.v2-canary-[a-z0-9]{1,10}-[a-z0-9]{5}",
    };

    fn filled(query: &str) -> String {
        fill(query, &VALUES).unwrap().0
    }

    #[test]
    fn each_value_is_escaped_for_the_place_where_it_stands() {
        assert_eq!(filled("sum(increase(x[{window}]))"), "sum(increase(x[90s]))");
        assert_eq!(filled("x{a=\"{workload}\"}"), "x{a=\"chat.v2-canary\"}");
        assert_eq!(filled("x{a=~\"{workload}|b{2,3}\"}"), r#"x{a=~"chat\\.v2-canary|b{2,3}"}"#);
        assert_eq!(filled("x{a=~`{workload}`}"), r"x{a=~`chat\.v2-canary`}");
        assert_eq!(filled("x{p=~'{pods}'}"), r"x{p=~'chat\\.v2-canary-[a-z0-9]{1,10}-[a-z0-9]{5}'}");
        let hostile = Values { workload: "a\"} or vector(0) #\\", ..VALUES };
        assert_eq!(fill("x{a=\"{workload}\"}", &hostile).unwrap().0, r#"x{a="a\"} or vector(0) #\\"}"#);
    }

    #[test]
    fn what_cannot_be_filled_in_is_refused() {
        for (query, part) in [
            ("x{a=\"{sied}\"}", "{sied} is no placeholder"),
            ("x{a=\"{window}\"}", "in quotes"),
            ("x{a={side}}", "outside of quotes"),
            ("x{pod=\"{pods}\"}", "regular expression"),
            ("x{a=\"b}", "does not end"),
            ("sum(x", "missing"),
            ("sum x)", "closes nothing"),
            ("x; y", "no part of PromQL"),
            ("x[{windw}]", "{windw} is no placeholder"),
        ] {
            let fault = fill(query, &VALUES).unwrap_err();
            assert!(fault.message.contains(part), "{query}: {}", fault.message);
        }
    }

    #[test]
    fn the_series_of_a_query_are_found() {
        for (query, want) in [
            ("up", vec!["up"]),
            (
                "sum by (version) (increase(a_total{code=~\"5..\", x!='y'}[5m:1m] offset 3m))",
                vec!["a_total{code=~\"5..\",x!='y'}"],
            ),
            ("sum(a) by (b) / on(c) group_left(d) sum(vllm:e{f=\"g\"})", vec!["a", "vllm:e{f=\"g\"}"]),
            ("{__name__=~\"a|b\"} or vector(0)", vec!["{__name__=~\"a|b\"}"]),
            ("a @ start() > bool 0 # b{c}", vec!["a"]),
            ("histogram_quantile(0.99, sum by (le) (rate(h_bucket[1m]))) * 1e-3 + Inf", vec!["h_bucket"]),
            ("a{b=\"}\"} unless a{b=\"}\"}", vec!["a{b=\"}\"}"]),
        ] {
            assert_eq!(selectors(query).unwrap(), want, "{query}");
        }
        for none in ["vector(0)", "1", "time()", "scalar(vector(1))", ""] {
            assert!(selectors(none).is_err(), "{none}");
        }
    }

    #[test]
    fn a_bare_selector_is_told_from_an_expression() {
        assert_eq!(bare(" a_total{ b = \"c\" } ").unwrap().as_deref(), Some("a_total{b=\"c\"}"));
        for other in ["sum(a)", "a[5m]", "a offset 5m", "a + a", "-a"] {
            assert_eq!(bare(other).unwrap(), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_name_leaves_its_string(name in "\\PC{0,20}", quote in prop::sample::select(vec!['"', '\'']), pattern: bool) {
            let operator = if pattern { "=~" } else { "=" };
            let query = format!("x{{a{operator}{quote}{{workload}}{quote}}}");
            let values = Values { workload: &name, ..VALUES };
            let (filled, _) = fill(&query, &values).unwrap();
            // The same five tokens as before: one selector, whatever the name.
            prop_assert_eq!(bare(&filled).unwrap(), Some(filled));
        }

        #[test]
        fn no_text_makes_the_reader_stumble(query in "\\PC{0,60}") {
            let _ = fill(&query, &VALUES);
            let _ = selectors(&query);
            let _ = bare(&query);
        }
    }
}
