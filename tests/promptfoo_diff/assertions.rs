//! One assertion of every type, with values that an answer meets about as often as not.

use serde_json::{Map, Value, json};

use super::dice::Dice;
use super::texts::{self, Family};

/// Every type that is judged without a model, and needs no trace of an agent.
pub(crate) const KINDS: &[&str] = &[
    "equals",
    "contains",
    "icontains",
    "contains-any",
    "contains-all",
    "icontains-any",
    "icontains-all",
    "starts-with",
    "regex",
    "levenshtein",
    "word-count",
    "is-json",
    "contains-json",
    "is-xml",
    "contains-xml",
    "is-html",
    "contains-html",
    "is-sql",
    "contains-sql",
    "is-valid-function-call",
    "is-valid-openai-function-call",
    "is-valid-openai-tools-call",
    "tool-call-f1",
    "finish-reason",
    "guardrails",
    "rouge-n",
    "bleu",
    "gleu",
    "meteor",
    "latency",
    "cost",
    "perplexity",
    "perplexity-score",
    "is-refusal",
    "javascript",
];

/// A text that the type was made for, or one that it must turn away.
pub(crate) fn family(dice: &mut Dice, kind: &str) -> Family {
    if dice.percent(15) {
        return dice.one(texts::ALL);
    }
    match kind {
        "is-json" => Family::Json,
        "contains-json" => dice.one(&[Family::JsonInProse, Family::Json]),
        "is-xml" => Family::Xml,
        "contains-xml" => dice.one(&[Family::XmlInProse, Family::Xml]),
        "is-html" => Family::Html,
        "contains-html" => dice.one(&[Family::HtmlInProse, Family::Html]),
        "is-sql" => Family::Sql,
        "contains-sql" => dice.one(&[Family::SqlInProse, Family::Sql]),
        "is-valid-function-call" | "is-valid-openai-function-call" | "is-valid-openai-tools-call" | "tool-call-f1" => {
            Family::Tools
        }
        "is-refusal" => dice.one(&[Family::Refusal, Family::Refusal, Family::Prose]),
        "rouge-n" | "bleu" | "gleu" | "meteor" => dice.one(&[Family::Prose, Family::Lines, Family::Unicode]),
        "equals" => dice.one(&[Family::Short, Family::Number, Family::Json, Family::Prose, Family::Unicode]),
        _ => dice.one(&[Family::Prose, Family::Lines, Family::Unicode, Family::Short, Family::Json, Family::Number]),
    }
}

/// One assertion of this type about this text, with the fields that any type takes.
pub(crate) fn assertion(dice: &mut Dice, kind: &'static str, not: bool, output: &str) -> Value {
    let mut fields = Map::new();
    let written = if not { format!("not-{kind}") } else { kind.to_owned() };
    fields.insert("type".to_owned(), written.into());
    let (value, threshold) = value(dice, kind, output);
    if let Some(value) = value {
        fields.insert("value".to_owned(), value);
    }
    if let Some(threshold) = threshold {
        fields.insert("threshold".to_owned(), threshold);
    }
    if dice.percent(30) {
        fields.insert("weight".to_owned(), dice.one(&[json!(0), json!(1), json!(2), json!(0.5), json!(3)]));
    }
    if dice.percent(30) {
        fields.insert("metric".to_owned(), dice.one(&["tone", "fact", "m_{{topic}}", "style/short"]).into());
    }
    if kind == "javascript" && dice.percent(20) {
        fields.insert("config".to_owned(), json!({"limit": 20, "words": ["a", "the"]}));
    }
    if dice.percent(6) {
        let transform = dice.pick(&["output.trim()", "output.toUpperCase()", "output.split(' ')[0]", "output + '!'"]);
        fields.insert("transform".to_owned(), transform.into());
    }
    Value::Object(fields)
}

fn value(dice: &mut Dice, kind: &str, output: &str) -> (Option<Value>, Option<Value>) {
    match kind {
        "equals" => (Some(equals(dice, output)), None),
        "contains" | "icontains" => (Some(part(dice, output)), None),
        "starts-with" => {
            let start: String = output.chars().take(1 + dice.below(8)).collect();
            let text = if dice.percent(60) && !start.trim().is_empty() { start } else { texts::piece(dice, output) };
            (Some(text.into()), None)
        }
        "contains-any" | "contains-all" | "icontains-any" | "icontains-all" => (Some(several(dice, output)), None),
        "regex" => (Some(regex(dice, output).into()), None),
        "levenshtein" => {
            let text = if dice.percent(50) { texts::near(dice, output) } else { output.chars().take(10).collect() };
            (Some(text.into()), some(dice, &[json!(0), json!(1), json!(3), json!(20)]))
        }
        "word-count" => (Some(word_count(dice, output)), None),
        "is-json" | "contains-json" => (dice.percent(60).then(|| schema(dice)), None),
        "is-xml" | "contains-xml" => {
            let value = match dice.below(8) {
                0 => Some(json!("root,root.item")),
                1 => Some(json!(["analysis.classification", "analysis.color"])),
                2 => Some(json!({"requiredElements": ["root.item"]})),
                3 => Some(json!("a")),
                _ => None,
            };
            (value, None)
        }
        "is-sql" | "contains-sql" => (dice.percent(50).then(|| sql(dice)), None),
        "tool-call-f1" => {
            let value = dice.one(&[
                json!("get_weather"),
                json!("get_weather, search"),
                json!(["search"]),
                json!(["get_weather", "search", "other"]),
            ]);
            (Some(value), some(dice, &[json!(0.5), json!(1), json!(0.8)]))
        }
        "finish-reason" => (Some(dice.one(&["stop", "LENGTH", "tool_calls"]).into()), None),
        "rouge-n" | "bleu" | "gleu" => {
            (Some(reference(dice, kind, output)), some(dice, &[json!(0), json!(0.2), json!(0.5), json!(0.9)]))
        }
        "meteor" => (Some(reference(dice, kind, output)), some(dice, &[json!(0.2), json!(0.5), json!(0.9)])),
        // A fast provider and a slow machine: only times that nobody reaches.
        "latency" => (None, Some(json!(600_000))),
        "cost" => (None, Some(dice.one(&[json!(0), json!(0.001)]))),
        "perplexity" | "perplexity-score" => (None, some(dice, &[json!(0.5), json!(10)])),
        "javascript" => (Some(javascript(dice, output).into()), some(dice, &[json!(0.5), json!(0.1), json!(1)])),
        _ => (None, None),
    }
}

fn some(dice: &mut Dice, from: &[Value]) -> Option<Value> {
    dice.percent(40).then(|| dice.one(from))
}

fn equals(dice: &mut Dice, output: &str) -> Value {
    match (serde_json::from_str::<Value>(output), dice.below(5)) {
        (Ok(value), 0 | 1) if !value.is_null() => value,
        (_, 2) => texts::near(dice, output).into(),
        (_, 3) => json!({"name": "Ann", "age": 31}),
        _ => output.into(),
    }
}

fn part(dice: &mut Dice, output: &str) -> Value {
    match dice.below(6) {
        0 => texts::piece(dice, output).to_uppercase().into(),
        1 => dice.one(&[json!("missing text"), json!(42), json!(3.5), json!("Paris")]),
        _ => texts::piece(dice, output).into(),
    }
}

fn several(dice: &mut Dice, output: &str) -> Value {
    let count = 1 + dice.below(3);
    let parts: Vec<Value> = (0..count).map(|_| part(dice, output)).collect();
    if dice.percent(25) {
        let quoted: Vec<String> = parts
            .iter()
            .map(|part| match part.as_str() {
                Some(text) if text.contains([',', '"']) => format!("\"{}\"", text.replace('"', "\"\"")),
                Some(text) => text.to_owned(),
                None => part.to_string(),
            })
            .collect();
        return quoted.join(dice.pick(&[",", ", ", " , "])).into();
    }
    parts.into()
}

fn regex(dice: &mut Dice, output: &str) -> String {
    let fixed = [
        "^[A-Z].*\\.$",
        "\\d{2,}",
        "(\\w+) \\1",
        "^(?!.*sorry).*$",
        "(?<=\\$)\\d+\\.\\d{2}",
        "[",
        "\\bcat\\b|\\bdog\\b",
        "^\\s*\\{[\\s\\S]*\\}\\s*$",
        "(?<year>\\d{4})-(?<month>\\d{2})",
        "[^\\x00-\\x7F]",
        "a{2",
        "\\/",
        "^.{0,20}$",
        "world$",
        "(?:apples|pears)\\s+and",
    ];
    if dice.percent(60) {
        return dice.one(&fixed).to_owned();
    }
    let piece = texts::piece(dice, output);
    let escaped: String = piece
        .chars()
        .map(
            |character| {
                if "\\^$.|?*+()[]{}/-".contains(character) { format!("\\{character}") } else { character.to_string() }
            },
        )
        .collect();
    if dice.percent(50) { format!("^{escaped}") } else { escaped }
}

fn word_count(dice: &mut Dice, output: &str) -> Value {
    let words = output.split_whitespace().count();
    match dice.below(6) {
        0 => json!(words),
        1 => json!(words + 1),
        2 => json!({"min": words.saturating_sub(2), "max": words + 2}),
        3 => json!({"min": words + 1}),
        4 => json!({"max": words}),
        _ => json!(words.to_string()),
    }
}

fn schema(dice: &mut Dice) -> Value {
    match dice.below(7) {
        0 => {
            json!({"type": "object", "required": ["name", "age"], "properties": {"name": {"type": "string"}, "age": {"type": "number"}}})
        }
        1 => json!({"type": "array", "items": {"type": "integer"}, "minItems": 2}),
        2 => {
            json!({"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}, "additionalProperties": false})
        }
        3 => json!({"type": ["object", "array"]}),
        4 => json!({"anyOf": [{"required": ["status"]}, {"type": "array"}]}),
        5 => "type: object\nrequired: [name]\nproperties:\n  name:\n    type: string\n    minLength: 1\n".into(),
        _ => {
            json!({"type": "object", "properties": {"status": {"enum": ["ok", "failed"]}, "name": {"pattern": "^[A-Z]"}}})
        }
    }
}

fn sql(dice: &mut Dice) -> Value {
    dice.one(&[
        json!({"databaseType": "MySQL"}),
        json!({"databaseType": "PostgreSQL"}),
        json!({"databaseType": "Sqlite"}),
        json!({"databaseType": "MySQL", "allowedTables": ["select::null::users"]}),
        json!({"databaseType": "MySQL", "allowedTables": ["(select|update|insert|delete)::null::(users|orders)"]}),
        json!({"databaseType": "MySQL", "allowedColumns": ["select::users::id", "select::users::name", "select::null::age"]}),
    ])
}

fn reference(dice: &mut Dice, kind: &str, output: &str) -> Value {
    let text = match dice.below(5) {
        0 => output.to_owned(),
        1 => texts::near(dice, output),
        2 => texts::prose(dice),
        3 => output.split_whitespace().skip(1).collect::<Vec<_>>().join(" "),
        _ => format!("{output} {}", texts::prose(dice)),
    };
    let text = if text.trim().is_empty() { "reference".to_owned() } else { text };
    if kind != "rouge-n" && dice.percent(25) {
        return json!([text, texts::prose(dice)]);
    }
    text.into()
}

fn javascript(dice: &mut Dice, output: &str) -> String {
    let word: String = texts::piece(dice, output).chars().filter(|character| character.is_alphanumeric()).collect();
    let half = output.encode_utf16().count() / 2;
    let whole = output.encode_utf16().count();
    match dice.below(40) {
        0 => format!("output.includes('{word}')"),
        1 => format!("output.length > {half}"),
        2 => format!("output.length <= {half}"),
        3 => format!("output.length === {whole}"),
        4 => "output.split('\\n').filter(l => l.trim()).length === 3".to_owned(),
        5 => "JSON.parse(output).name === 'Ann'".to_owned(),
        6 => "const obj = JSON.parse(output);\nreturn 'name' in obj && 'age' in obj;".to_owned(),
        7 => "context.vars.out === output".to_owned(),
        8 => "const words = output.split(/\\s+/).filter(Boolean);\nreturn words.length > 5;".to_owned(),
        9 => format!("return {{ pass: output.length > {half}, score: 0.5, reason: 'half' }};\n// two lines"),
        10 => "({ pass: output.length > 10, score: output.length / 100, reason: 'long' })".to_owned(),
        11 => "output.length / 100".to_owned(),
        12 => "Math.min(1, output.length / 50)".to_owned(),
        13 => format!("const n = output.length; n > {half}"),
        14 => "throw new Error('no')".to_owned(),
        15 => "undefinedName > 1".to_owned(),
        16 => "output".to_owned(),
        17 => "0".to_owned(),
        18 => "-0.5".to_owned(),
        19 => "(() => { const s = new Set(output.toLowerCase().split(/\\W+/)); return s.has('the'); })()".to_owned(),
        20 => "context.prompt.length >= output.length".to_owned(),
        21 => "context.test.description.startsWith('t')".to_owned(),
        22 => "(context.config?.limit ?? 5) < output.length".to_owned(),
        23 => "Promise.resolve(output.length > 3)".to_owned(),
        24 => "await output".to_owned(),
        25 => "/\\d+/.test(output)".to_owned(),
        26 => "`${output}!`.endsWith('!')".to_owned(),
        27 => "[...output].length === output.length".to_owned(),
        28 => "let total = 0;\nfor (const c of output) {\n  if (c === 'a') total += 1;\n}\nreturn total;".to_owned(),
        29 => "return { pass: false, score: 0.25, reason: 'never' };\n".to_owned(),
        30 => "({ pass: true, score: 1, reason: 'parts', namedScores: { inner: 0.5, tone: 1 } })".to_owned(),
        31 => "({ pass: true, score: 0.75, reason: 'parts', componentResults: [{ pass: true, score: 1, reason: 'a' }, { pass: false, score: 0.5, reason: 'b' }] })".to_owned(),
        32 => "({ score: 1 })".to_owned(),
        33 => "null".to_owned(),
        34 => "output.at(-1) === '.'".to_owned(),
        35 => "output.normalize('NFC').localeCompare(output) === 0".to_owned(),
        36 => "Object.keys(context.vars).length >= 2 ? 0.9 : 0.1".to_owned(),
        37 => "output.replace(/[aeiou]/gi, '').length < output.length".to_owned(),
        38 => "const s = output; s === 'a;b' || s.length > 2;".to_owned(),
        _ => "typeof output === 'string' && output.trim() === output".to_owned(),
    }
}
