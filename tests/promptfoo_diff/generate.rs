//! From a seed to a config with its files, over everything that a config may say about tests.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::assertions::{self, KINDS};
use super::dice::Dice;
use super::{differences, templates, texts, yaml};

/// A config, and the files that lie beside it.
#[derive(Clone)]
pub(crate) struct Generated {
    /// What stands in `promptfooconfig.yaml`.
    pub(crate) config: Value,
    /// All files by name, the config among them.
    pub(crate) files: BTreeMap<String, String>,
}

impl Generated {
    /// The same with another config.
    pub(crate) fn with(&self, config: Value) -> Self {
        let mut files = self.files.clone();
        files.insert(CONFIG.to_owned(), yaml::document(&mut Dice::new(1, 1), &config));
        Self { config, files }
    }
}

/// The config's name.
pub(crate) const CONFIG: &str = "promptfooconfig.yaml";

/// The config of a number under a seed. Every type comes first in a test again and again, plain and inverted.
pub(crate) fn generate(seed: u64, number: usize) -> Generated {
    let mut dice = Dice::new(seed, number as u64);
    let mut files = BTreeMap::new();
    let kind = KINDS[number % KINDS.len()];
    let not = number / KINDS.len() % 2 == 1;
    let count = 2 + dice.below(3);
    let tests: Vec<Value> = (0..count).map(|place| test(&mut dice, kind, not, place, &mut files)).collect();
    let mut config = Map::new();
    config.insert("description".to_owned(), format!("generated {number}").into());
    config.insert("prompts".to_owned(), prompts(&mut dice, &mut files));
    config.insert("providers".to_owned(), if of_tools(kind) { with_tools() } else { providers(&mut dice) });
    if dice.percent(40) {
        config.insert("defaultTest".to_owned(), default_test(&mut dice));
    }
    place_tests(&mut dice, tests, &mut config, &mut files);
    let config = Value::Object(config);
    files.insert(CONFIG.to_owned(), yaml::document(&mut dice, &config));
    Generated { config, files }
}

fn prompts(dice: &mut Dice, files: &mut BTreeMap<String, String>) -> Value {
    match dice.below(18) {
        0 => json!(["{{out}}", "Say: {{out}}"]),
        1 => json!(["{{ out | upper }}"]),
        2 => {
            json!([{"raw": "{{out}}", "label": "plain"}, {"raw": "{{ out | trim | replace('a', 'b') }}", "label": "replaced"}])
        }
        3 => {
            files.insert("prompts/all.txt".to_owned(), "{{out}}\n---\nTopic {{topic}}: {{out}}\n".to_owned());
            json!(["file://prompts/all.txt"])
        }
        4 => {
            let chat = "[\n  {\"role\": \"system\", \"content\": \"Talk about {{topic}}.\"},\n  {\"role\": \"user\", \"content\": \"{{out}}\"}\n]\n";
            files.insert("prompts/chat.json".to_owned(), chat.to_owned());
            json!("file://prompts/chat.json")
        }
        5 => json!(["{% if topic == 'food' %}{{out}}{% else %}{{ out | lower }}{% endif %}"]),
        6 => json!(["{% for word in out.split(' ') %}{{ word }}{% if not loop.last %} {% endif %}{% endfor %}"]),
        7 => {
            files.insert("prompts/a.md".to_owned(), "# {{topic}}\n\n{{out}}\n".to_owned());
            files.insert("prompts/b.md".to_owned(), "{{out}}".to_owned());
            json!(["file://prompts/*.md"])
        }
        8 => json!(["[{\"role\": \"user\", \"content\": \"{{out}}\"}]"]),
        9 => json!(["{{ missing | default(out) }}", "{{ out | length }} {{out}}"]),
        10 | 11 => (0..2).map(|_| templates::prompt(dice)).collect(),
        _ => json!(["{{out}}"]),
    }
}

fn providers(dice: &mut Dice) -> Value {
    match dice.below(8) {
        0 => json!("echo"),
        1 => {
            json!([{"id": "echo", "label": "one"}, {"id": "echo", "label": "two", "transform": "output.trim() + '.'"}])
        }
        2 => with_tools(),
        3 => json!([{"echo": {"label": "mapped"}}]),
        _ => json!(["echo"]),
    }
}

fn of_tools(kind: &str) -> bool {
    kind.starts_with("is-valid-") || kind == "tool-call-f1"
}

fn with_tools() -> Value {
    let weather = json!({"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties":
        {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}}, "required": ["city"]}}});
    json!([{"id": "echo", "config": {"tools": [weather, {"type": "function", "function": {"name": "search"}}]}}])
}

fn default_test(dice: &mut Dice) -> Value {
    let mut fields = Map::new();
    if dice.percent(60) {
        fields.insert("vars".to_owned(), json!({"topic": "food", "shared": "from the default"}));
    }
    if dice.percent(50) {
        fields.insert(
            "assert".to_owned(),
            json!([dice.one(&[
                json!({"type": "javascript", "value": "output.length > 0", "metric": "any"}),
                json!({"type": "not-contains", "value": "As an AI", "weight": 2}),
                json!({"type": "not-is-refusal"}),
                json!({"type": "icontains", "value": "{{topic}}", "weight": 0, "metric": "on_topic"}),
            ])]),
        );
    }
    if dice.percent(20) {
        fields.insert("threshold".to_owned(), dice.one(&[json!(0.5), json!(0.75)]));
    }
    if dice.percent(15) {
        fields.insert("options".to_owned(), json!({"transform": "output.replace(/\\s+$/, '')"}));
    }
    if dice.percent(20) {
        fields.insert("metadata".to_owned(), json!({"team": "a"}));
    }
    Value::Object(fields)
}

fn drawn(dice: &mut Dice, kind: &'static str, not: bool, output: &str) -> Value {
    for _ in 0..50 {
        let assertion = assertions::assertion(dice, kind, not, output);
        if differences::of(&assertion, output).is_none() {
            return assertion;
        }
    }
    json!({"type": "contains", "value": "x"})
}

fn any(dice: &mut Dice, output: &str) -> Value {
    // Types that make an error of every row would hide what stands beside them.
    let quiet: Vec<&'static str> = KINDS.iter().filter(|kind| !kind.starts_with("perplexity")).copied().collect();
    let kind = dice.one(&quiet);
    let not = dice.percent(25);
    drawn(dice, kind, not, output)
}

fn test(dice: &mut Dice, kind: &'static str, not: bool, place: usize, files: &mut BTreeMap<String, String>) -> Value {
    let family = assertions::family(dice, kind);
    let output = texts::output(dice, family);
    let topic = dice.one(&["food", "travel", "code"]);
    let mut vars = Map::new();
    vars.insert("out".to_owned(), output.clone().into());
    vars.insert("topic".to_owned(), topic.into());
    let others = json!({"count": 1 + place, "shout": "Go  on!", "numbers": [3, 1, 2], "about": {"name": "Ann", "age": 31}, "yes": true, "no": false, "nothing": null});
    vars.extend(others.as_object().unwrap().clone());
    let mut asserts = vec![drawn(dice, kind, not, &output)];
    for _ in 0..dice.below(4) {
        asserts.push(any(dice, &output));
    }
    if dice.percent(20) {
        let children: Vec<Value> = (0..1 + dice.below(3)).map(|_| any(dice, &output)).collect();
        let mut set =
            Map::from_iter([("type".to_owned(), json!("assert-set")), ("assert".to_owned(), children.into())]);
        if dice.percent(50) {
            set.insert("threshold".to_owned(), dice.one(&[json!(0.5), json!(0.34), json!(1)]));
        }
        if dice.percent(40) {
            set.insert("weight".to_owned(), dice.one(&[json!(2), json!(0.5), json!(0)]));
        }
        if dice.percent(40) {
            set.insert("metric".to_owned(), dice.one(&["tone", "set"]).into());
        }
        asserts.insert(dice.below(asserts.len() + 1), Value::Object(set));
    }
    into_vars(dice, &mut asserts, &mut vars);
    references(dice, &mut asserts, &output, files);
    if dice.percent(12) {
        vars.insert("out".to_owned(), json!([output, texts::prose(dice)]));
    } else if dice.percent(6) {
        files.insert(format!("vars/{place}.txt"), format!("{output}\n"));
        vars.insert("out".to_owned(), format!("file://vars/{place}.txt").into());
    } else if dice.percent(6) {
        vars.insert("inner".to_owned(), output.into());
        vars.insert("out".to_owned(), "{{inner}}".into());
    }
    let mut test = Map::new();
    test.insert("description".to_owned(), format!("t{place}").into());
    test.insert("vars".to_owned(), Value::Object(vars));
    test.insert("assert".to_owned(), asserts.into());
    if dice.percent(25) {
        test.insert("threshold".to_owned(), dice.one(&[json!(0), json!(0.25), json!(0.5), json!(0.6667), json!(1)]));
    }
    if dice.percent(10) {
        test.insert("metadata".to_owned(), json!({"team": "b", "number": place}));
    }
    if of_tools(kind) && dice.percent(60) {
        test.insert("options".to_owned(), json!({"transform": "JSON.parse(output)"}));
    } else {
        options(dice, &mut test);
    }
    Value::Object(test)
}

fn options(dice: &mut Dice, test: &mut Map<String, Value>) {
    let options = match dice.below(20) {
        0 => json!({"transform": "output.toUpperCase()"}),
        1 => json!({"transform": "JSON.parse(output)"}),
        2 => json!({"transform": "const parts = output.split(' ');\nreturn parts.slice(0, 3).join(' ');\n"}),
        3 => json!({"disableDefaultAsserts": true}),
        4 => json!({"prefix": "Q: ", "suffix": " (end)"}),
        6 => json!({"transform": "output.length"}),
        7 => json!({"repeat": 2}),
        _ => return,
    };
    test.insert("options".to_owned(), options);
}

/// Puts texts of values into vars, and templates in their place.
fn into_vars(dice: &mut Dice, asserts: &mut [Value], vars: &mut Map<String, Value>) {
    for assertion in asserts {
        let plain = assertion["type"].as_str().is_some_and(|kind| {
            let kind = kind.trim_start_matches("not-");
            ["equals", "contains", "icontains", "starts-with", "levenshtein", "bleu", "gleu", "rouge-n"].contains(&kind)
        });
        if !plain || !dice.percent(25) {
            continue;
        }
        let Some(text) = assertion["value"].as_str().map(str::to_owned) else { continue };
        if text.contains('{') || text.ends_with('\n') || text.starts_with("file:") {
            continue;
        }
        let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(place, _)| place);
        let (before, want) = text.split_at(middle);
        if before.trim() != before && dice.percent(50) {
            continue;
        }
        assertion["value"] = format!("{before}{}", dice.pick(&["{{want}}", "{{ want }}", "{{ want | safe }}"])).into();
        vars.insert("want".to_owned(), want.into());
        return;
    }
}

/// Puts values into files.
fn references(dice: &mut Dice, asserts: &mut [Value], output: &str, files: &mut BTreeMap<String, String>) {
    for assertion in asserts {
        let kind = assertion["type"].as_str().unwrap_or_default().trim_start_matches("not-").to_owned();
        if !dice.percent(12) {
            continue;
        }
        let number = files.len();
        match (kind.as_str(), &assertion["value"]) {
            ("is-json" | "contains-json", Value::Object(schema)) => {
                let name = format!("schema{number}.json");
                files.insert(name.clone(), Value::Object(schema.clone()).to_string());
                assertion["value"] = format!("file://{name}").into();
            }
            ("contains" | "icontains" | "equals" | "starts-with", Value::String(text)) if !text.is_empty() => {
                let name = format!("value{number}.txt");
                files.insert(name.clone(), text.clone());
                assertion["value"] = format!("file://{name}").into();
            }
            ("javascript", _) => {
                let half = output.len() / 2;
                let (name, text, function) = match dice.below(3) {
                    0 => (format!("check{number}.js"), format!("module.exports = (output, context) => output.length > {half};\n"), ""),
                    1 => (
                        format!("check{number}.cjs"),
                        "module.exports = { graded: (output, context) => ({ pass: output.length > 5, score: 0.8, reason: context.vars.topic }) };\n".to_owned(),
                        ":graded",
                    ),
                    _ => (format!("check{number}.mjs"), "export default (output) => output.includes(' ') ? 1 : 0.25;\n".to_owned(), ""),
                };
                files.insert(name.clone(), text);
                assertion["value"] = format!("file://{name}{function}").into();
            }
            _ => {}
        }
    }
}

/// Writes the tests where a config may have them: in itself, in JSON lines, in YAML, in CSV, in scenarios.
fn place_tests(
    dice: &mut Dice,
    tests: Vec<Value>,
    config: &mut Map<String, Value>,
    files: &mut BTreeMap<String, String>,
) {
    match dice.below(12) {
        0 => {
            let lines: String = tests.iter().map(|test| format!("{test}\n")).collect();
            files.insert("tests.jsonl".to_owned(), lines);
            config.insert("tests".to_owned(), "file://tests.jsonl".into());
        }
        1 => {
            let text = yaml::document(dice, &Value::from(tests));
            files.insert("more/tests.yaml".to_owned(), text);
            config.insert(
                "tests".to_owned(),
                dice.one(&[json!("file://more/tests.yaml"), json!(["file://more/tests.yaml"])]),
            );
        }
        2 | 3 => {
            files.insert("tests.csv".to_owned(), csv(dice, &tests));
            config.insert("tests".to_owned(), "file://tests.csv".into());
        }
        4 => {
            let data = json!([{"vars": {"topic": "food"}}, {"vars": {"topic": "night"}, "threshold": 0.4}]);
            let tests: Vec<Value> = tests
                .into_iter()
                .map(|mut test| {
                    test["vars"].as_object_mut().unwrap().remove("topic");
                    test
                })
                .collect();
            config.insert("scenarios".to_owned(), json!([{"config": data, "tests": tests}]));
        }
        _ => {
            config.insert("tests".to_owned(), tests.into());
        }
    }
}

/// Rows with `__expected` columns; assertions that a cell cannot say become others that it can.
fn csv(dice: &mut Dice, tests: &[Value]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(["out", "topic", "__expected", "__expected2", "__description", "__threshold", "__metric"])
        .unwrap();
    for test in tests {
        let output = test["vars"]["out"].as_str().unwrap_or("several words here").to_owned();
        let output = if output.contains("{{") || output.starts_with("file:") { "a text".to_owned() } else { output };
        let cells = [cell(dice, &output), if dice.percent(50) { cell(dice, &output) } else { String::new() }];
        let threshold = if dice.percent(30) { "0.5" } else { "" };
        let metric = if dice.percent(30) { "csv" } else { "" };
        let topic = dice.one(&["food", "travel"]);
        let description = test["description"].as_str().unwrap();
        writer
            .write_record([
                output.as_str(),
                topic,
                cells[0].as_str(),
                cells[1].as_str(),
                description,
                threshold,
                metric,
            ])
            .unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

fn cell(dice: &mut Dice, output: &str) -> String {
    let piece = texts::piece(dice, output).replace([',', '"'], "");
    match dice.below(16) {
        0 => output.to_owned(),
        1 => format!("contains: {piece}"),
        2 => format!("icontains:{}", piece.to_uppercase()),
        3 => format!("not-contains: {piece}"),
        4 => format!("contains-any: missing, {piece}"),
        5 => format!("contains-all: {piece}, {piece}"),
        6 => format!("starts-with: {piece}"),
        7 => "regex: ^[A-Z]".to_owned(),
        8 => "javascript: output.length > 10".to_owned(),
        9 => "fn: output.length < 30".to_owned(),
        10 => format!("eval: output.includes('{}')", piece.replace(['\'', '\\', '\n'], "")),
        11 => "is-json".to_owned(),
        12 => format!("levenshtein(3): {piece}"),
        13 => format!("rouge-n(0.3): {output}"),
        14 => format!("equals: {output}"),
        _ => "not-is-json".to_owned(),
    }
}
