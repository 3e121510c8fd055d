//! One entry of the hostile corpus, and what is wrong with a sink that holds it: by its regular expressions, and by
//! parsers, since expressions are necessary and not enough.

use regex::Regex;
use serde_json::Value;

/// One entry.
#[derive(Clone, Default)]
pub struct Entry {
    pub id: String,
    pub sink: String,
    pub place: String,
    pub format: String,
    pub parse: String,
    pub secret: Option<String>,
    payload: String,
    repeat: usize,
    most: Option<usize>,
    forbidden: Vec<Regex>,
    required: Vec<Regex>,
}

impl Entry {
    /// Reads an entry, and refuses one that says too little.
    pub fn read(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let patterns = |key: &str| -> Vec<Regex> {
            value[key]
                .as_array()
                .unwrap()
                .iter()
                .map(|pattern| Regex::new(pattern.as_str().unwrap()).unwrap())
                .collect()
        };
        let number = |key: &str| value[key].as_u64().map(|number| usize::try_from(number).unwrap());
        assert!(value["id"].is_string() && value["payload"].is_string() && value["sink"].is_string(), "{value}");
        Self {
            id: text("id"),
            sink: text("sink"),
            place: text("place"),
            format: text("format"),
            parse: text("parse"),
            secret: value["secret"].as_str().map(str::to_owned),
            payload: text("payload"),
            repeat: number("repeat").unwrap_or(1),
            most: number("max_bytes"),
            forbidden: patterns("forbidden_regex"),
            required: patterns("required_regex"),
        }
    }

    /// The payload in its whole length.
    pub fn text(&self) -> String {
        self.payload.repeat(self.repeat)
    }

    /// Whether the payload can be the name of a folder at all.
    pub fn payload_fits(&self) -> bool {
        self.sink != "output_file" || !self.text().contains(['/', '\0'])
    }
}

/// What is wrong with a surface. Where the payload is at home it must be readable too.
pub fn broken(entry: &Entry, place: &str, at_home: bool, surface: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let mut say = |what: String| broken.push(format!("{} ({} {place}): {what}", entry.id, entry.sink));
    // A case's id is the name of its test case: there an escaped payload belongs.
    let named = |pattern: &&Regex| place == "CaseId" && pattern.as_str().starts_with("<testcase[^>]*");
    for pattern in entry.forbidden.iter().filter(|pattern| pattern.is_match(surface) && !named(pattern)) {
        let found = pattern.find(surface).map(|found| found.as_str().to_owned()).unwrap_or_default();
        say(format!("holds {pattern}: {found:?}"));
    }
    // A value that a dotenv reader would expand is left out, and there is no CSV of ours for it to be readable in.
    let left_out = ["dotenv", "csv"].contains(&entry.format.as_str());
    if at_home && !left_out {
        entry
            .required
            .iter()
            .filter(|pattern| !pattern.is_match(surface))
            .for_each(|pattern| say(format!("lacks {pattern}")));
    }
    if entry.most.is_some_and(|most| surface.len() > most) {
        say(format!("{} bytes", surface.len()));
    }
    if surface.contains('\r') {
        say("holds a carriage return".to_owned());
    }
    match entry.sink.as_str() {
        "comment" | "summary" | "gitlab_note" => {
            open_tags(surface).into_iter().for_each(&mut say);
            super::rendered::acting(surface).into_iter().for_each(&mut say);
        }
        "junit" => not_xml(surface).into_iter().for_each(&mut say),
        "sarif" => {
            if let Err(error) = serde_json::from_str::<Value>(surface) {
                say(format!("no JSON: {error}"));
            }
        }
        "output_file" if entry.parse == "jsonl" => {
            for line in surface.lines() {
                if let Err(error) = serde_json::from_str::<Value>(line) {
                    say(format!("no JSON: {error}"));
                }
            }
        }
        _ => {}
    }
    broken
}

/// Every tag is one of ours, and closed in order.
pub fn open_tags(surface: &str) -> Vec<String> {
    let tag = Regex::new(r"<(/?)([A-Za-z][A-Za-z0-9]*)[^<>]*>").unwrap();
    let mut open = Vec::new();
    let mut broken = Vec::new();
    for found in tag.captures_iter(surface).filter(|found| !found[2].eq_ignore_ascii_case("https")) {
        let name = found[2].to_owned();
        if !["details", "summary", "code", "pre", "sub"].contains(&name.as_str()) {
            broken.push(format!("the tag {name}"));
        }
        if found[1].is_empty() {
            open.push(name);
        } else if open.pop().as_deref() != Some(name.as_str()) {
            broken.push(format!("</{name}> closes nothing"));
        }
    }
    broken.extend(open.into_iter().map(|name| format!("<{name}> stays open")));
    broken
}

/// Well-formed as far as tags go, and only elements and entities that a report has.
fn not_xml(surface: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let part = Regex::new(r#"<(/?)([A-Za-z?!][\w-]*)((?:\s+[\w-]+="[^"<]*")*)\s*([/?]?)>"#).unwrap();
    let mut open: Vec<String> = Vec::new();
    let mut end = 0;
    for found in part.captures_iter(surface) {
        let whole = found.get(0).unwrap();
        if surface[end..whole.start()].contains('<') {
            broken.push(format!("a lone < before {}", whole.as_str()));
        }
        end = whole.end();
        let name = found[2].to_owned();
        if name.starts_with('?') {
            continue;
        }
        let known = ["testsuites", "testsuite", "testcase", "failure", "error", "skipped"];
        if !known.contains(&name.as_str()) {
            broken.push(format!("the element {name}"));
        }
        if &found[1] == "/" {
            if open.pop().as_deref() != Some(name.as_str()) {
                broken.push(format!("</{name}> closes nothing"));
            }
        } else if found[4].is_empty() {
            open.push(name);
        }
    }
    broken.extend(open.into_iter().map(|name| format!("<{name}> stays open")));
    let entity = Regex::new(r"&(lt|gt|amp|quot|apos|#\d+|#x[0-9A-Fa-f]+);").unwrap();
    if entity.replace_all(surface, "").contains('&') {
        broken.push("an entity of its own".to_owned());
    }
    broken
}

/// Commands that GitHub's runner would read in a log, but ours. A port of `ActionCommand.cs` (`TryParseV2`, `TryParse`) and
/// of the line reader, which ends a line at a lone carriage return too.
pub fn commands(log: &str, strict: bool) -> Vec<String> {
    let known = [
        "add-mask",
        "add-matcher",
        "add-path",
        "debug",
        "echo",
        "endgroup",
        "error",
        "group",
        "notice",
        "remove-matcher",
        "save-state",
        "set-env",
        "set-output",
        "stop-commands",
        "warning",
    ];
    let mut found = Vec::new();
    let mut stopped: Option<String> = None;
    for line in log.replace("\r\n", "\n").split(['\n', '\r']) {
        if line.to_ascii_lowercase().contains("##[") {
            found.push(line.to_owned());
        }
        let Some(rest) = line.trim_start().strip_prefix("::") else { continue };
        let Some((head, data)) = rest.split_once("::") else { continue };
        let name = head.split(' ').next().unwrap_or_default().to_ascii_lowercase();
        match &stopped {
            // Two streams, read one after the other here.
            Some(token) if head == token => stopped = None,
            Some(_) => found.push(line.to_owned()),
            None if name == "stop-commands" && data.len() == 32 => stopped = Some(data.to_owned()),
            None if !known.contains(&name.as_str()) => {}
            None if name == "add-mask" => {}
            None if !strict && ["error", "warning", "notice"].contains(&name.as_str()) => {}
            None => found.push(line.to_owned()),
        }
    }
    if stopped.is_some() {
        found.push("commands stay stopped".to_owned());
    }
    found
}
