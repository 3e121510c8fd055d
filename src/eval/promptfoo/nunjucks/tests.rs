//! `frozen/rendered.jsonl`: what the real nunjucks 3.2.4 gives for our own templates when it is set up as promptfoo 0.121.20 sets it
//! up; the first line has the vars, `error` says that it throws. The templates are ours.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Template, json_indented, render};

/// Templates whose output here is another one than there.
fn differing(lines: &str) -> (usize, Vec<String>) {
    let mut lines = lines.lines();
    let head: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let vars = head["vars"].as_object().unwrap();
    let environment = BTreeMap::from([("HOME_TOWN".to_owned(), "Ulm".to_owned())]);
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in lines {
        let row: Value = serde_json::from_str(line).unwrap();
        let template = row["template"].as_str().unwrap();
        let ours = render(template, vars, &environment);
        let want = row["output"].as_str();
        // We refuse what is left to chance.
        if template.contains("random") {
            assert!(ours.is_err());
            continue;
        }
        count += 1;
        if ours.as_deref().ok() != want {
            wrong.push(format!("{template}\n  theirs {want:?}\n  ours   {ours:?}"));
        }
    }
    (count, wrong)
}

#[test]
fn templates_render_as_the_real_nunjucks_renders_them() {
    // The second file has templates that a program of ours made up from a seed.
    for (lines, most) in [(include_str!("frozen/rendered.jsonl"), 90), (include_str!("frozen/generated.jsonl"), 700)] {
        let (count, wrong) = differing(lines);
        assert!(count > most);
        assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    }
}

#[test]
fn hostile_templates_end() {
    let vars = Map::new();
    let environment = BTreeMap::new();
    let deep = format!("{}1{}", "{{ ".to_owned() + &"(".repeat(5000), ")".repeat(5000) + " }}");
    let loops = "{% for a in range(99999) %}".repeat(5) + "x" + &"{% endfor %}".repeat(5);
    let endless = "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}";
    let nested = "{% if 1 %}".repeat(3000) + &"{% endif %}".repeat(3000);
    let doubled =
        |step: &str| format!("{{% set a = 'xxxxxxxxxx' %}}{{% for i in range(60) %}}{step}{{% endfor %}}{{{{ a }}}}");
    let nots = format!("{{{{ {} 1 }}}}", "not ".repeat(5000));
    let signs = format!("{{{{ {}1 }}}}", "-".repeat(5000));
    for template in [
        deep.as_str(),
        &loops,
        endless,
        &nested,
        &nots,
        &signs,
        "{{ 'x'.repeat(1000000000) }}",
        "{{ range(1000000000000) }}",
        &doubled("{% set a = a ~ a %}"),
        &doubled("{% set a = [a, a] %}"),
        &doubled("{% set a = a.replaceAll('x', a) %}"),
        &doubled("{% set a = a | replace('x', a) %}"),
        &doubled("{% set a = (a | list | join(a)) %}"),
        &doubled("{% set a = ([a] | batch(900000, a)) %}"),
    ] {
        assert!(render(template, &vars, &environment).is_err(), "{}", template.chars().take(60).collect::<String>());
    }
}

#[test]
fn lists_without_an_order_are_sorted_without_a_panic() {
    let items: Vec<Value> = (0..500_u64)
        .map(|index| match index % 3 {
            0 => Value::from(index * 7919 % 501),
            1 => Value::from(format!("w{}", index * 31 % 97)),
            _ => Value::Null,
        })
        .collect();
    let vars = Map::from_iter([("l".to_owned(), Value::Array(items))]);
    let sorted = render("{{ l | sort | length }}", &vars, &BTreeMap::new());
    assert_eq!(sorted.as_deref(), Ok("500"));
}

#[test]
fn a_template_reads_no_file() {
    for template in ["{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}"] {
        assert!(Template::read(template).is_err(), "{template}");
    }
}

#[test]
fn json_is_indented_as_javascript_does() {
    let value = json!({"a": [1.0, {"b": []}], "c": {}, "d": "x\n"});
    let want = "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n  \"c\": {},\n  \"d\": \"x\\n\"\n}";
    assert_eq!(json_indented(&value, "  "), want);
    assert_eq!(json_indented(&value, ""), "{\"a\":[1,{\"b\":[]}],\"c\":{},\"d\":\"x\\n\"}");
}
