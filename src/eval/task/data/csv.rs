//! CSV with the types of its columns. Source: pandas 2 `read_csv` as `datasets` calls it: a column is whole numbers, numbers, truth
//! values or texts, and the words for nothing are nothing.

use serde_json::{Number, Value};

use super::Row;

/// What pandas takes as nothing. Source: pandas 2, `na_values` of `read_csv`.
const NOTHING: &[&str] = &[
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
];

/// Reads a file with a line of names.
pub(super) fn read(bytes: &[u8], delimiter: Option<&str>, rows: &mut Vec<Row>) -> Result<(), String> {
    let delimiter = match delimiter.map(str::as_bytes) {
        None => b',',
        Some([one]) => *one,
        Some(_) => return Err("the delimiter is one character".to_owned()),
    };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(false).from_reader(bytes);
    let wrong = |error: csv::Error| format!("not CSV: {error}");
    let names: Vec<String> =
        reader.headers().map_err(wrong)?.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
    let records = reader.records().collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    let kinds: Vec<Kind> =
        (0..names.len()).map(|column| kind(records.iter().filter_map(|record| record.get(column)))).collect();
    for record in &records {
        let cells = names.iter().zip(&kinds).zip(record);
        rows.push(cells.map(|((name, kind), cell)| (name.clone(), value(*kind, cell))).collect());
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Float,
    Truth,
    Text,
}

fn kind<'a>(cells: impl Iterator<Item = &'a str> + Clone) -> Kind {
    let there = || cells.clone().filter(|cell| !NOTHING.contains(cell));
    let has_nothing = cells.clone().any(|cell| NOTHING.contains(&cell));
    if there().next().is_none() {
        // A column of nothing is one of floats in pandas; each of its cells is nothing either way.
        Kind::Float
    } else if there().all(|cell| truth(cell).is_some()) && !has_nothing {
        Kind::Truth
    } else if !has_nothing && there().all(|cell| cell.trim().parse::<i64>().is_ok()) {
        Kind::Whole
    } else if there().all(|cell| is_float(cell.trim())) {
        Kind::Float
    } else {
        Kind::Text
    }
}

/// A whole number beyond 64 bits is a text: as a float it would be another number.
fn is_float(cell: &str) -> bool {
    let is_whole = cell.trim_start_matches(['-', '+']).bytes().all(|byte| byte.is_ascii_digit());
    cell.parse::<f64>().is_ok_and(f64::is_finite) && !(is_whole && cell.parse::<i64>().is_err())
}

fn truth(cell: &str) -> Option<bool> {
    match cell {
        "True" | "TRUE" | "true" => Some(true),
        "False" | "FALSE" | "false" => Some(false),
        _ => None,
    }
}

fn value(kind: Kind, cell: &str) -> Value {
    if NOTHING.contains(&cell) {
        return Value::Null;
    }
    match kind {
        Kind::Whole => cell.trim().parse::<i64>().map_or(Value::Null, Value::from),
        Kind::Float => cell.trim().parse().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number),
        Kind::Truth => truth(cell).map_or(Value::Null, Value::Bool),
        Kind::Text => Value::from(cell),
    }
}
