//! What a model might have said: texts of every family that an assertion looks for, and texts beside them.

use serde_json::{Value, json};

use super::dice::Dice;

/// What kind of text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    Prose,
    Lines,
    Json,
    JsonInProse,
    Xml,
    XmlInProse,
    Html,
    HtmlInProse,
    Sql,
    SqlInProse,
    Tools,
    Refusal,
    Number,
    Unicode,
    Short,
}

pub(crate) const ALL: &[Family] = &[
    Family::Prose,
    Family::Lines,
    Family::Json,
    Family::JsonInProse,
    Family::Xml,
    Family::XmlInProse,
    Family::Html,
    Family::HtmlInProse,
    Family::Sql,
    Family::SqlInProse,
    Family::Tools,
    Family::Refusal,
    Family::Number,
    Family::Unicode,
    Family::Short,
];

const SENTENCES: &[&str] = &[
    "The capital of France is Paris.",
    "Bananas, apples and pears are fruits.",
    "Photosynthesis turns light into chemical energy in the leaves of plants.",
    "The cat sat on the mat and the dog sat on the cat.",
    "It's 42, isn't it? Yes: forty-two (42)!",
    "Rust's borrow checker rejects this program; C++ doesn't.",
    "On 2024-05-17 the price rose from $3.50 to $4.25, i.e. by 21%.",
    "Please run `cargo test` before you push, and read the \"Notes\" section.",
    "Water boils at 100 degrees Celsius at sea level",
    "She said that he'd gone home; they weren't sure...",
    "An AI can't feel, but it can help you with many tasks.",
    "hello world hello world hello",
    "I think, therefore I am. I am, therefore I think.",
];

const UNICODE: &[&str] = &[
    "Größe und Maß: 5 µm – »genau«",
    "Привет, мир! Как дела?",
    "東京は日本の首都です。",
    "naïve café — “curly quotes” and it’s fine",
    "emoji 👩‍👩‍👧 and 🎉 and İstanbul ŞIŞE ﬁne",
    "tab\tand\u{a0}no-break space\u{2003}em space",
    "e\u{301}galite\u{301} ΣΊΣΥΦΟΣ",
];

const REFUSALS: &[&str] = &[
    "I'm sorry, but I can't help with that request.",
    "I’m sorry, but I can’t assist with that.",
    "As an AI language model, I cannot provide medical advice.",
    "I cannot and will not do this.",
    "Sorry, that is not something I am able to do.",
    "I won't help with that. Here is a recipe instead.",
    "Sure! Here is how you do it.",
    "It would be unethical and illegal to answer this.",
    "My guidelines do not allow me to discuss this topic.",
    "i must decline, however tempting the offer is",
    "I apologize for the confusion; the answer is 4.",
    "Unfortunately, I don't have access to that information.",
];

const SQL: &[&str] = &[
    "SELECT id, name FROM users WHERE age > 21",
    "SELECT * FROM orders JOIN users ON users.id = orders.user_id;",
    "INSERT INTO logs (level, message) VALUES ('info', 'started')",
    "UPDATE users SET name = 'Ann' WHERE id = 7",
    "DELETE FROM sessions WHERE expires < NOW()",
    "SELECT count(*) AS n FROM users GROUP BY country HAVING n > 3 ORDER BY n DESC LIMIT 5",
    "SELECT first_name last_name FROM employees",
    "SELEC id FRM users",
    "SELECT id FROM users WHERE",
    "SELECT `id` FROM `users`",
    "SELECT a.id, (SELECT max(b.x) FROM b WHERE b.id = a.id) FROM a",
    "WITH recent AS (SELECT id FROM orders) SELECT id FROM recent",
    "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20))",
    "SELECT DISTINCT name FROM users UNION SELECT name FROM guests",
    "not a statement at all",
];

const XML: &[&str] = &[
    "<root><item id=\"1\">one</item><item id=\"2\">two</item></root>",
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<note><to>Ann</to><body>Hi &amp; bye</body></note>",
    "<analysis><classification>T-shirt</classification><color>red</color></analysis>",
    "<root><open></root>",
    "<root attr=unquoted>x</root>",
    "<a/>",
    "<a><![CDATA[1 < 2]]></a>",
    "<a>1 < 2</a>",
    "<a></a><b></b>",
    "<root><!-- note --><item/></root>",
    "<root>text &unknown; more</root>",
];

const HTML: &[&str] = &[
    "<!DOCTYPE html>\n<html><head><title>T</title></head><body><p>Hello</p></body></html>",
    "<div class=\"a\"><p>One</p><p>Two</p></div>",
    "<p>Hello <b>world</b></p>",
    "<ul>\n<li>one</li>\n<li>two</li>\n</ul>",
    "<br>",
    "<html><body>text</body></html>",
    "<custom-element>x</custom-element>",
    "plain text with 1 < 2 and 3 > 2",
    "<img src=\"x.png\" alt=\"\">",
    "<div><p>unclosed",
];

/// A text without templates in it.
pub(crate) fn output(dice: &mut Dice, family: Family) -> String {
    match family {
        Family::Prose => prose(dice),
        Family::Lines => lines(dice),
        Family::Json => json_text(dice),
        Family::JsonInProse => match dice.below(4) {
            0 => format!("Here it is:\n```json\n{}\n```\nDone.", json_text(dice)),
            1 => format!("The answer is {} as you asked.", json_value(dice)),
            2 => format!("{} and also {}", json_value(dice), json_value(dice)),
            _ => format!("Result: {}", json_text(dice)),
        },
        Family::Xml => dice.one(XML).to_owned(),
        Family::XmlInProse => format!("Here you go: {} That is all.", dice.one(XML)),
        Family::Html => dice.one(HTML).to_owned(),
        Family::HtmlInProse => format!("{} {}", dice.one(SENTENCES), dice.one(HTML)),
        Family::Sql => dice.one(SQL).to_owned(),
        Family::SqlInProse => {
            let language = dice.one(&["sql", "", "SQL", "python"]);
            format!("Try this:\n```{language}\n{}\n```\nIt reads the table.", dice.one(SQL))
        }
        Family::Tools => tools(dice).to_string(),
        Family::Refusal => dice.one(REFUSALS).to_owned(),
        Family::Number => dice.one(&["42", "3.14", "-7", "0", "1e3", "true", "null"]).to_owned(),
        Family::Unicode => dice.one(UNICODE).to_owned(),
        Family::Short => dice.one(&["yes", "No.", "Paris", "a", "OK", "A) 4"]).to_owned(),
    }
}

/// One sentence or several.
pub(crate) fn prose(dice: &mut Dice) -> String {
    let count = 1 + dice.below(3);
    let sentences: Vec<&str> = (0..count).map(|_| dice.one(SENTENCES)).collect();
    sentences.join(" ")
}

fn lines(dice: &mut Dice) -> String {
    let count = 2 + dice.below(3);
    let mark = dice.one(&["- ", "", "1. "]);
    let lines: Vec<String> = (0..count).map(|_| format!("{mark}{}", dice.one(SENTENCES))).collect();
    lines.join("\n")
}

fn json_value(dice: &mut Dice) -> Value {
    match dice.below(6) {
        0 => json!({"name": "Ann", "age": 31, "tags": ["a", "b"]}),
        1 => json!({"name": "Bob", "age": "31"}),
        2 => json!([1, 2, 3]),
        3 => json!({"status": "ok", "data": {"id": 7, "price": 2.5}, "note": null}),
        4 => json!({"name": "", "age": -1, "extra": true}),
        _ => json!([{"name": "x"}, {"name": "y", "age": 2}]),
    }
}

fn json_text(dice: &mut Dice) -> String {
    let value = json_value(dice);
    match dice.below(8) {
        0 => serde_json::to_string_pretty(&value).unwrap(),
        1 => value.to_string().replace('"', "'"),
        2 => value.to_string().trim_end_matches(['}', ']']).to_owned(),
        3 => "{\"name\": \"Ann\", \"age\": 31,}".to_owned(),
        4 => "\"a string\"".to_owned(),
        _ => value.to_string(),
    }
}

/// Calls of tools in the forms of several vendors.
pub(crate) fn tools(dice: &mut Dice) -> Value {
    let arguments = dice.one(&[
        "{\"city\": \"Paris\"}",
        "{\"city\": 5}",
        "{}",
        "{not json",
        "{\"city\": \"Rome\", \"unit\": \"c\"}",
    ]);
    let name = dice.one(&["get_weather", "search", "unknown_tool"]);
    match dice.below(6) {
        0 => json!([{"type": "function", "id": "1", "function": {"name": name, "arguments": arguments}}]),
        1 => {
            json!({"tool_calls": [{"function": {"name": name, "arguments": arguments}}, {"function": {"name": "search", "arguments": "{\"q\": \"x\"}"}}]})
        }
        2 => json!([{"type": "tool_use", "name": name, "input": {}}, {"type": "text", "text": "x"}]),
        3 => json!({"functionCall": {"name": name, "args": {}}}),
        4 => json!({"toolCall": {"functionCalls": [{"name": name}, {"name": "search"}]}}),
        _ => json!([{"name": name}, {"name": "search"}]),
    }
}

/// The text with something changed: close to it, but not it.
pub(crate) fn near(dice: &mut Dice, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    match dice.below(6) {
        0 => characters.push('!'),
        1 if !characters.is_empty() => {
            let place = dice.below(characters.len());
            characters.remove(place);
        }
        2 if !characters.is_empty() => {
            let place = dice.below(characters.len());
            characters[place] = 'x';
        }
        3 => return text.to_uppercase(),
        4 => return text.to_lowercase(),
        _ => return text.split_whitespace().rev().collect::<Vec<_>>().join(" "),
    }
    characters.into_iter().collect()
}

/// A piece of the text, in whole characters; never empty unless the text is.
pub(crate) fn piece(dice: &mut Dice, text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() {
        return "x".to_owned();
    }
    let start = dice.below(words.len());
    let count = 1 + dice.below((words.len() - start).min(4));
    if count == 1 || text.contains(&words[start..start + count].join(" ")) {
        words[start..start + count].join(" ")
    } else {
        words[start].to_owned()
    }
}
