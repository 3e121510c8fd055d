//! The filters of nunjucks 3.2.4, and promptfoo's own filter `load`. What throws there is an error here.

use serde_json::{Map, Value};

use super::TemplateError;
use super::is::is;
use super::members::{items, joined, member};
use super::sorting::{dictsort, sort};
use super::value::{Js, add, bytes_of, fits, pair};
use crate::eval::promptfoo::assert::{is_space, trimmed};

pub(super) type Filtered<'v> = Result<Js<'v>, TemplateError>;

/// Applies a filter.
pub(super) fn apply<'v>(
    name: &str,
    input: Js<'v>,
    mut listed: Vec<Js<'v>>,
    named: Vec<(String, Js<'v>)>,
) -> Filtered<'v> {
    match name {
        "sort" | "int" => {}
        // Named arguments are one more argument there: an object, which is true.
        _ if !named.is_empty() => {
            let fields = named.iter().map(|(name, value)| (name.clone(), value.clone().into_value()));
            listed.push(Js::owned(Value::Object(fields.collect::<Map<_, _>>())));
        }
        _ => {}
    }
    let argument = |index: usize| listed.get(index).cloned().unwrap_or(Js::Undefined);
    let by_name = |index: usize, name: &str| {
        let named = named.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        listed.get(index).cloned().or(named).unwrap_or(Js::Undefined)
    };
    let (first, second) = (argument(0), argument(1));
    Ok(match name {
        "default" | "d" => {
            let keeps = if second.is_true() { input.is_true() } else { !matches!(input, Js::Undefined) };
            if keeps { input } else { first }
        }
        "dump" => {
            let indent = match first.as_value() {
                Some(Value::Number(_)) => " ".repeat(first.to_number().clamp(0.0, 10.0) as usize),
                Some(Value::String(text)) => text.chars().take(10).collect(),
                Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => String::new(),
            };
            input.json(&indent).map_or(Js::Undefined, Js::text)
        }
        "load" => {
            let text = input.string();
            let value = serde_json::from_str(&text);
            Js::owned(value.map_err(|error| TemplateError::new(format!("`load`: not JSON: {error}")))?)
        }
        "safe" if input.is_nullish() => Js::text(""),
        "string" if input.is_nullish() => return Err(TemplateError::new("`string` of nothing")),
        "safe" | "string" => Js::text(input.string()),
        "escape" | "e" | "forceescape" => {
            Js::text(if input.is_nullish() { String::new() } else { escaped(&input.string()) })
        }
        "abs" => Js::number(input.to_number().abs()),
        "round" => round(&input, &first, &second),
        "int" => {
            let radix = by_name(1, "base");
            let radix = if matches!(radix, Js::Undefined) { 10.0 } else { radix.to_number() };
            parse_int(&input.string(), radix as u32).map_or(by_name(0, "default"), Js::number)
        }
        "float" => parse_float(&input.string()).map_or(first, Js::number),
        "length" => match input.as_value() {
            Some(Value::Object(fields)) => Js::number(fields.len() as f64),
            None if matches!(input, Js::Strange(_)) => Js::Undefined,
            Some(Value::Null | Value::Bool(false)) | None => Js::number(0.0),
            Some(Value::Bool(true) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                member(input, &Js::text("length"))
            }
        },
        "first" | "last" if input.is_nullish() => {
            return Err(TemplateError::new(format!("`{name}` of nothing")));
        }
        "first" => member(input, &Js::number(0.0)),
        "last" => {
            let length = member(input.clone(), &Js::text("length")).to_number();
            member(input, &Js::number(length - 1.0))
        }
        "join" => {
            let list = list_of(&input, name)?;
            let list: Vec<Value> = match second.is_true() {
                true => attributes(list, &second, name)?.into_iter().map(Js::into_value).collect(),
                false => list.into_iter().map(Js::into_value).collect(),
            };
            Js::text(joined(&list, &if first.is_true() { first.string() } else { String::new() })?)
        }
        "reverse" => match input.as_str() {
            Some(text) => Js::text(text.chars().rev().collect::<String>()),
            // What is no list has no items.
            None => values(list_of(&input, name).unwrap_or_default().into_iter().rev()),
        },
        "list" => match input.as_value() {
            Some(Value::Object(fields)) => values(fields.iter().map(|(key, value)| pair(key, value.clone()))),
            Some(Value::String(text)) => values(text.chars().map(|letter| Js::text(letter.to_string()))),
            Some(Value::Array(_)) => input,
            Some(Value::Null | Value::Bool(_) | Value::Number(_)) | None => {
                return Err(TemplateError::new("`list` of what is no list"));
            }
        },
        "batch" => {
            let size = first.to_number();
            if !(1.0..=1e6).contains(&size) {
                return Err(TemplateError::new("`batch` takes the size of a batch"));
            }
            fits((size as usize).saturating_mul(second.as_value().map_or(0, bytes_of)))?;
            let list: Vec<Value> = list_of(&input, name)?.into_iter().map(Js::into_value).collect();
            let rows = list.chunks(size as usize).map(|chunk| {
                let mut row = chunk.to_vec();
                while second.is_true() && row.len() < size as usize {
                    row.push(second.clone().into_value());
                }
                Value::Array(row)
            });
            Js::owned(Value::Array(rows.collect()))
        }
        "slice" => slice(&input, &first, &second)?,
        "sum" => {
            let start = if matches!(second, Js::Undefined) { Js::number(0.0) } else { second };
            let list = list_of(&input, name)?;
            let list = if first.is_true() { attributes(list, &first, name)? } else { list };
            add(&start, &list.into_iter().fold(Js::number(0.0), |sum, item| add(&sum, &item)))
        }
        "sort" => {
            let (reverse, exact, attribute) =
                (by_name(0, "reverse"), by_name(1, "case_sensitive"), by_name(2, "attribute"));
            let list = list_of(&input, name)?;
            if attribute.is_true() {
                list.iter().try_for_each(|item| something(item, name))?;
            }
            sort(list, reverse.is_true(), exact.is_true(), &attribute)
        }
        "dictsort" => dictsort(&input, first.is_true(), &second)?,
        "groupby" => {
            let mut groups: Map<String, Value> = Map::new();
            for item in list_of(&input, name)? {
                something(&item, name)?;
                let key = path(item.clone(), &first.string()).string();
                match groups.entry(key).or_insert_with(|| Value::Array(Vec::new())) {
                    Value::Array(group) => group.push(item.into_value()),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {}
                }
            }
            Js::owned(Value::Object(groups))
        }
        "select" | "reject" => {
            let word = if matches!(first, Js::Undefined) { "truthy".to_owned() } else { first.string() };
            let mut kept = Vec::new();
            for item in list_of(&input, name)? {
                if is(&word, &item, &second)? == (name == "select") {
                    kept.push(item);
                }
            }
            values(kept.into_iter())
        }
        "selectattr" | "rejectattr" => {
            let list = list_of(&input, name)?;
            list.iter().try_for_each(|item| something(item, name))?;
            let keeps = |item: &Js<'v>| member(item.clone(), &first).is_true() == (name == "selectattr");
            values(list.into_iter().filter(keeps))
        }
        "urlencode" => match input.as_value() {
            Some(Value::Object(fields)) => {
                let field = |(key, value): (&String, &Value)| {
                    format!("{}={}", percent(key), percent(&Js::owned(value.clone()).string()))
                };
                Js::text(fields.iter().map(field).collect::<Vec<_>>().join("&"))
            }
            Some(Value::String(text)) => Js::text(percent(text)),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | None => {
                return Err(TemplateError::new("`urlencode` takes a text or an object"));
            }
        },
        "random" => {
            return Err(TemplateError::new("`random` is left to chance: a gate needs the same cases at every run"));
        }
        "replace" => replace(input, &first, &second, &argument(2))?,
        _ => return of_text(name, &input, &first, &second, &argument(2)),
    })
}

/// Filters of texts. Null, undefined and false are the empty text; anything else that is none is an error.
fn of_text<'v>(name: &str, input: &Js<'v>, first: &Js<'v>, second: &Js<'v>, third: &Js<'v>) -> Filtered<'v> {
    const NAMES: [&str; 12] = [
        "upper",
        "lower",
        "capitalize",
        "title",
        "center",
        "indent",
        "trim",
        "nl2br",
        "striptags",
        "truncate",
        "wordcount",
        "urlize",
    ];
    if !NAMES.contains(&name) {
        return Err(TemplateError::new(format!("the filter `{name}` is not there")));
    }
    let text = match input.as_value() {
        Some(Value::String(text)) => text.as_str(),
        Some(Value::Null) if name != "trim" => "",
        Some(Value::Bool(false)) if !matches!(name, "trim" | "nl2br") => "",
        None if matches!(input, Js::Undefined) && name != "trim" => "",
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) | None => {
            return Err(TemplateError::new(format!("`{name}` of what is no text")));
        }
    };
    let number = |argument: &Js<'_>, otherwise: f64| if argument.is_true() { argument.to_number() } else { otherwise };
    let length = text.encode_utf16().count();
    Ok(match name {
        "upper" => Js::text(text.to_uppercase()),
        "lower" => Js::text(text.to_lowercase()),
        "capitalize" => Js::text(capitalised(text)),
        "title" => Js::text(text.split(' ').map(capitalised).collect::<Vec<_>>().join(" ")),
        "trim" => Js::text(trimmed(text)),
        "nl2br" => Js::text(text.replace("\r\n", "\n").replace('\n', "<br />\n")),
        "center" => {
            let width = number(first, 80.0).clamp(0.0, 1e5);
            let spaces = (width - length as f64).max(0.0);
            let (before, after) = ((spaces / 2.0 - spaces % 2.0).ceil().max(0.0), (spaces / 2.0).ceil());
            Js::text(format!("{}{text}{}", " ".repeat(before as usize), " ".repeat(after as usize)))
        }
        "indent" => {
            let space = " ".repeat(number(first, 4.0).clamp(0.0, 1000.0) as usize);
            let line = |(index, line): (usize, &str)| {
                if index == 0 && !second.is_true() { line.to_owned() } else { format!("{space}{line}") }
            };
            if text.is_empty() {
                return Ok(Js::text(""));
            }
            fits(text.len().saturating_add(text.matches('\n').count().saturating_mul(space.len())))?;
            Js::text(text.split('\n').enumerate().map(line).collect::<Vec<_>>().join("\n"))
        }
        "striptags" => Js::text(without_tags(text, first.is_true())),
        "truncate" => {
            let most = number(first, 255.0).clamp(0.0, 1e9) as usize;
            if length <= most {
                return Ok(Js::text(text));
            }
            let units: Vec<u16> = text.encode_utf16().collect();
            let space = units.iter().take(most + 1).rposition(|unit| *unit == u16::from(b' '));
            let end = if second.is_true() { most } else { space.unwrap_or(most) };
            let kept = units.get(..end).map(String::from_utf16_lossy).unwrap_or_default();
            Js::text(kept + &if third.is_nullish() { "...".to_owned() } else { third.string() })
        }
        "wordcount" => {
            let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let count = text.split(|letter| !word(letter)).filter(|word| !word.is_empty()).count();
            if count == 0 { Js::owned(Value::Null) } else { Js::number(count as f64) }
        }
        _ => return Err(TemplateError::new(format!("the filter `{name}` is not done here"))),
    })
}

pub(super) fn values<'v>(list: impl Iterator<Item = Js<'v>>) -> Js<'v> {
    Js::owned(Value::Array(list.map(Js::into_value).collect()))
}

fn list_of<'v>(input: &Js<'v>, name: &str) -> Result<Vec<Js<'v>>, TemplateError> {
    match input {
        Js::Plain(value) if value.is_array() => Ok(items(value)),
        // A text has letters, and not all methods of a list.
        Js::Plain(value)
            if value.is_string() && matches!(name, "batch" | "groupby" | "reverse" | "select" | "reject" | "sort") =>
        {
            Ok(items(value))
        }
        Js::Undefined | Js::Strange(_) | Js::Plain(_) | Js::Function(_) => {
            Err(TemplateError::new(format!("`{name}` of what is no list")))
        }
    }
}

/// Null and undefined have no members.
fn something(item: &Js<'_>, name: &str) -> Result<(), TemplateError> {
    if item.is_nullish() { Err(TemplateError::new(format!("`{name}` of a member of nothing"))) } else { Ok(()) }
}

fn attributes<'v>(list: Vec<Js<'v>>, key: &Js<'v>, name: &str) -> Result<Vec<Js<'v>>, TemplateError> {
    let attribute = |item: Js<'v>| something(&item, name).map(|()| member(item, key));
    list.into_iter().map(attribute).collect()
}

pub(super) fn path<'v>(item: Js<'v>, path: &str) -> Js<'v> {
    path.split('.').fold(item, |item, part| member(item, &Js::text(part)))
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    first + &letters.as_str().to_lowercase()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' => out.push_str("&#92;"),
            _ => out.push(letter),
        }
    }
    out
}

/// JavaScript's `encodeURIComponent`.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn round<'v>(input: &Js<'v>, precision: &Js<'v>, method: &Js<'v>) -> Js<'v> {
    let factor = 10_f64.powf(if precision.is_true() { precision.to_number() } else { 0.0 });
    let scaled = input.to_number() * factor;
    let rounded = match method.as_str() {
        Some("ceil") => scaled.ceil(),
        Some("floor") => scaled.floor(),
        // JavaScript rounds halves up, also below zero.
        Some(_) | None => (scaled + 0.5).floor(),
    };
    Js::number(rounded / factor)
}

fn parse_int(text: &str, radix: u32) -> Option<f64> {
    let text = text.trim_start_matches(is_space);
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let text = if radix == 16 { text.trim_start_matches("0x").trim_start_matches("0X") } else { text };
    if !(2..=36).contains(&radix) {
        return None;
    }
    let digits = text.chars().map_while(|letter| letter.to_digit(radix));
    let mut value = None;
    for digit in digits {
        value = Some(value.unwrap_or(0.0) * f64::from(radix) + f64::from(digit));
    }
    value.map(|value: f64| sign * value)
}

/// JavaScript's `parseFloat`: the longest beginning that is a number.
fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim_start_matches(is_space);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    if unsigned.starts_with("Infinity") {
        return Some(sign * f64::INFINITY);
    }
    let digits = |from: &str| from.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(unsigned);
    let after = unsigned.get(whole..).unwrap_or_default();
    let fraction = after.strip_prefix('.').map_or(0, digits);
    if whole + fraction == 0 {
        return None;
    }
    let mut end = whole + if after.starts_with('.') { fraction + 1 } else { 0 };
    if let Some(exponent) = unsigned.get(end..).and_then(|rest| rest.strip_prefix(['e', 'E'])) {
        let plain = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if digits(plain) > 0 {
            end += 1 + (exponent.len() - plain.len()) + digits(plain);
        }
    }
    unsigned.get(..end)?.parse().ok().map(|number: f64| sign * number)
}

fn slice<'v>(input: &Js<'v>, count: &Js<'v>, filler: &Js<'v>) -> Filtered<'v> {
    let count = count.to_number();
    if !(1.0..=1e5).contains(&count) {
        return Err(TemplateError::new("`slice` takes a number of slices"));
    }
    let count = count as usize;
    fits(count.saturating_mul(filler.as_value().map_or(0, bytes_of)))?;
    // A text is cut into texts, and a list into lists.
    let (units, list): (Vec<u16>, Vec<Value>) = match input.as_str() {
        Some(text) => (text.encode_utf16().collect(), Vec::new()),
        None => (Vec::new(), list_of(input, "slice")?.into_iter().map(Js::into_value).collect()),
    };
    let whole = units.len().max(list.len());
    let (length, extra) = (whole / count, whole % count);
    let mut slices = Vec::new();
    let mut start = 0;
    for index in 0..count {
        let end = start + length + usize::from(index < extra);
        let fills = filler.is_true() && index >= extra;
        slices.push(if input.as_str().is_some() {
            if fills {
                return Err(TemplateError::new("`slice` fills up no text"));
            }
            Value::from(units.get(start..end).map(String::from_utf16_lossy).unwrap_or_default())
        } else {
            let mut part = list.get(start..end).unwrap_or_default().to_vec();
            part.extend(fills.then(|| filler.clone().into_value()));
            Value::Array(part)
        });
        start = end;
    }
    Ok(Js::owned(Value::Array(slices)))
}

fn replace<'v>(input: Js<'v>, old: &Js<'v>, new: &Js<'v>, most: &Js<'v>) -> Filtered<'v> {
    let text_of = |value: &Js<'_>| match value.as_value() {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(_)) => Some(value.string()),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => None,
    };
    let (Some(text), Some(old)) = (text_of(&input), text_of(old)) else { return Ok(input) };
    let new = new.string();
    let places = if old.is_empty() { text.len() + 2 } else { text.matches(&old).count() };
    fits(text.len().saturating_add(places.saturating_mul(new.len())))?;
    let most = if matches!(most, Js::Undefined) { -1.0 } else { most.to_number() };
    if old.is_empty() {
        let letters = text.chars().map(|letter| letter.to_string()).collect::<Vec<_>>();
        return Ok(Js::text(format!("{new}{}{new}", letters.join(&new))));
    }
    Ok(Js::text(if most < 0.0 { text.replace(&old, &new) } else { text.replacen(&old, &new, most as usize) }))
}

fn without_tags(text: &str, keeps_lines: bool) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        let end = if let Some(comment) = after.strip_prefix("!--") {
            comment.split_once("-->").map(|(_, after)| after)
        } else {
            let name = after.strip_prefix('/').unwrap_or(after);
            let is_tag = name.starts_with(|first: char| first.is_ascii_alphabetic());
            if is_tag { name.split_once('>').map(|(_, after)| after) } else { None }
        };
        match end {
            Some(after) => rest = after,
            None => {
                out.push('<');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    let plain = trimmed(&out);
    if !keeps_lines {
        let mut spaced = String::new();
        for letter in plain.chars() {
            match (is_space(letter), spaced.ends_with(' ')) {
                (true, true) => {}
                (true, false) => spaced.push(' '),
                (false, _) => spaced.push(letter),
            }
        }
        return spaced;
    }
    let line = |line: &str| line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let lines = plain.replace("\r\n", "\n").split('\n').map(line).collect::<Vec<_>>().join("\n");
    let mut shortened = lines;
    while shortened.contains("\n\n\n") {
        shortened = shortened.replace("\n\n\n", "\n\n");
    }
    shortened
}
