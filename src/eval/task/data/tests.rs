//! Each form of file gives the rows that `datasets` gives.

use serde_json::json;

use super::*;
use crate::document::Spot;

fn entry(value: Value) -> Entry {
    let spot = Spot { line: 3, column: 1 };
    Entry { value, path: "task.yaml".into(), spot, key_spot: spot, tag: None }
}

fn rows(form: &str, file: &str, content: &str) -> Result<Value, Problem> {
    let folder = tempfile::tempdir().unwrap();
    crate::store::file::write_atomically(&folder.path().join(file), content.as_bytes()).unwrap();
    let arguments = entry(json!({"data_files": {"test": file}}));
    let mut data = Data::new(&entry(json!(form)), None, Some(&arguments), [Path::new(""), folder.path()])?;
    let split = data.split("test", &entry(json!("test")), &mut Hasher::new())?;
    Ok(json!(split.rows.iter().cloned().map(Value::Object).collect::<Vec<_>>()))
}

#[test]
fn json_lines_and_lists_are_rows_with_one_type_a_column() {
    let unified =
        json!([{"a": 1.0, "b": null}, {"a": 2.5, "b": {"c": "x", "d": null}}, {"a": null, "b": {"c": null, "d": "y"}}]);
    let lines = "{\"a\": 1}\n{\"a\": 2.5, \"b\": {\"c\": \"x\"}}\n{\"b\": {\"d\": \"y\"}}\n";
    assert_eq!(rows("json", "x.jsonl", lines).unwrap(), unified);
    let list = format!("[{}]", lines.trim().replace('\n', ","));
    assert_eq!(rows("json", "x.json", &list).unwrap(), unified);
}

#[test]
fn csv_has_the_types_of_its_columns() {
    let found = rows("csv", "x.csv", "id,x,ok,name\n1,1,True,a\n2,,False,\"b, c\"\n").unwrap();
    let wanted =
        json!([{"id": 1, "x": 1.0, "ok": true, "name": "a"}, {"id": 2, "x": null, "ok": false, "name": "b, c"}]);
    assert_eq!(found, wanted);
    // Nothing becomes another number, or nothing.
    let found = rows("csv", "x.csv", "n,x\n12345678901234567890,inf\n7,1\n").unwrap();
    assert_eq!(found, json!([{"n": "12345678901234567890", "x": "inf"}, {"n": "7", "x": "1"}]));
}

#[test]
fn text_is_a_row_a_line() {
    assert_eq!(rows("text", "x.txt", "one\n\ntwo").unwrap(), json!([{"text": "one"}, {"text": ""}, {"text": "two"}]));
}

#[test]
fn what_is_no_local_file_is_refused_with_its_line() {
    let problem = rows("EleutherAI/hendrycks_math", "x.jsonl", "{}").unwrap_err();
    assert_eq!(problem.spot.line, 3);
    assert!(problem.help.unwrap().raw().contains("harness: lm_eval"));
    assert!(rows("json", "x.jsonl", "{\"a\": 1}\nnot json\n").is_err());
    assert!(rows("json", "x.jsonl", "").is_err());
    assert!(rows("json", "x.jsonl", "{\"a\": 1}\n{\"a\": \"x\"}\n").is_err());
}

#[test]
fn a_table_has_an_end_in_every_direction() {
    let wide: Row = (0..10_001).map(|number| (format!("k{number}"), Value::from(1))).collect();
    let problem = rows("json", "x.jsonl", &Value::Object(wide).to_string()).unwrap_err();
    assert!(problem.message.raw().contains("10000 different fields"), "{}", problem.message.raw());
    // Each row has a field of its own: together they would have the square.
    let mut rows: Vec<Row> =
        (0..10).map(|number| Row::from_iter([("m".to_owned(), json!({format!("k{number}"): 1}))])).collect();
    assert!(unify::unify(&mut rows.clone(), 89).unwrap_err().contains("too many rows lack fields"));
    assert_eq!(unify::unify(&mut rows, 90), Ok(vec!["m".to_owned()]));
}

#[test]
fn a_name_of_a_file_that_is_no_text_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    crate::store::file::write_atomically(&folder.path().join("a.jsonl"), b"{\"a\": 1}\n").unwrap();
    let made = |names: Value| {
        let arguments = entry(json!({"data_files": {"test": names}}));
        Data::new(&entry(json!("json")), None, Some(&arguments), [Path::new(""), folder.path()]).is_ok()
    };
    assert!(made(json!(["a.jsonl"])) && !made(json!(["a.jsonl", 5])) && !made(json!([])));
}
