//! `report.html`: one static page that does nothing, and says everything without colour.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use regex::Regex;
use serde_json::json;
use support::{eval_gate, write};

const ATTACKS: [&str; 8] = [
    "<script>alert(1)</script>",
    "\" onmouseover=alert(1) x=\"",
    "'><img src=x onerror=alert(1)>",
    "</pre></details></main></body><h1>pass</h1>",
    "<!--",
    "]]><style>*{display:none}</style>",
    "{{7*7}} ${7*7} &lt;b&gt; &#60;b&#62;",
    "javascript:alert(1)",
];

fn page() -> String {
    let folder = tempfile::tempdir().unwrap();
    let lines = |make: &dyn Fn(&str) -> serde_json::Value| -> String {
        ATTACKS.iter().map(|attack| format!("{}\n", make(attack))).collect()
    };
    let cases = lines(&|attack| json!({"id": attack, "prompt": attack, "expected": format!("{attack}!")}));
    write(folder.path(), "s.jsonl", &format!("{{\"suite\": {{\"name\": \"s\"}}}}\n{cases}"));
    write(folder.path(), "tape.jsonl", &lines(&|attack| json!({"case": attack, "text": attack})));
    let policy = json!({"version": 1, "models": {"<i>m</i>": {"provider": "replay", "path": "tape.jsonl"}},
        "suites": ["s.jsonl"], "gate": {"thresholds": [{"metric": "pass_rate", "min": 0.9, "decide_by": "point"}]}});
    write(folder.path(), "llmci.yaml", &policy.to_string());
    let output = eval_gate(folder.path()).args(["--quiet"]).output().unwrap();
    assert_eq!(support::code(&output), 1, "{}", support::text(&output));
    std::fs::read_to_string(folder.path().join("llmci-out/report.html")).unwrap()
}

/// The page of a gate, and that of a report on attacks whose every name is an attack on the page.
fn pages() -> [String; 2] {
    let names = ATTACKS.concat();
    [page(), llmci::report::html(&support::safety::hostile(&names, &names), &llmci::report::Sink::default())]
}

#[test]
fn nothing_is_loaded_or_run_and_the_policy_of_the_page_forbids_it_too() {
    pages().iter().for_each(|page| does_nothing(page));
}

fn does_nothing(page: &str) {
    let csp = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">";
    let head = page.find(csp).unwrap();
    assert!(
        head < page.find("<title>").unwrap() && head < page.find("<style>").unwrap(),
        "before anything that it rules"
    );
    for pattern in [
        "(?i)<(script|iframe|object|embed|link|img|svg|base|form|a)[\\s>/]",
        "(?i)\\s(src|href|on[a-z]+)\\s*=",
        "(?i)url\\(|@import",
    ] {
        assert!(!Regex::new(pattern).unwrap().is_match(page), "{pattern}");
    }
    assert_eq!(page.matches("<style").count(), 1);
    assert!(!page.contains("<!--"));
}

#[test]
fn every_element_is_one_of_ours_and_is_closed_in_order() {
    pages().iter().for_each(|page| is_of_ours(page));
}

fn is_of_ours(page: &str) {
    let own = [
        "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "div", "table", "thead", "tbody",
        "tr", "th", "td", "ul", "li", "strong", "code", "pre", "details", "summary", "dl", "dt", "dd",
    ];
    let mut open = Vec::new();
    let mut elements = 0;
    for part in Regex::new("<(/?)([a-z][a-z0-9]*)([^<>]*)>").unwrap().captures_iter(page) {
        let name = part[2].to_owned();
        assert!(own.contains(&name.as_str()), "{name}");
        elements += 1;
        match (&part[1], name.as_str()) {
            (_, "meta") => {}
            ("", _) => open.push(name),
            _ => assert_eq!(open.pop(), Some(name)),
        }
    }
    assert!(open.is_empty() && elements > 100, "{open:?}");
    // Whatever is not an element holds no sign of one.
    assert_eq!(page.matches('<').count(), elements + 1, "all but the doctype");
}

#[test]
fn the_verdict_and_every_answer_are_there_in_words() {
    let page = page();
    assert!(page.contains("<h1 class=fail>eval&#45;gate&#58; fail&#46; pass&#95;rate"), "{page}");
    assert!(page.contains(">FAIL</td>"), "a word, not a colour");
    assert_eq!(page.matches("<details>").count(), ATTACKS.len());
    assert!(page.contains("&#60;script&#62;alert&#40;1&#41;"));
}
