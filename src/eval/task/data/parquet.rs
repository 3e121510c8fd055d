//! Parquet without Arrow: rows as JSON. Types that a template could not print as Python prints them are refused.

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row as Record};
use serde_json::{Number, Value};

use super::{MOST_ROWS, MOST_TEXT, Row};

/// Reads all rows of a file.
pub(super) fn read(bytes: Vec<u8>, rows: &mut Vec<Row>) -> Result<(), String> {
    let wrong = |error: parquet::errors::ParquetError| format!("not Parquet: {error}");
    let mut left = MOST_TEXT;
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).map_err(wrong)?;
    for record in reader.get_row_iter(None).map_err(wrong)? {
        rows.push(row(&record.map_err(wrong)?, &mut left)?);
        if rows.len() > MOST_ROWS {
            return Err(format!("more than {MOST_ROWS} rows"));
        }
    }
    Ok(())
}

/// `left` is how much text there may still be: a text that is packed once can stand in every row.
fn row(record: &Record, left: &mut usize) -> Result<Row, String> {
    record.get_column_iter().map(|(name, field)| Ok((name.clone(), value(field, left)?))).collect()
}

fn value(field: &Field, left: &mut usize) -> Result<Value, String> {
    let float = |float: f64| Number::from_f64(float).map(Value::Number).ok_or("a number that is not finite".to_owned());
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(truth) => Value::Bool(*truth),
        Field::Byte(number) => Value::from(*number),
        Field::Short(number) => Value::from(*number),
        Field::Int(number) => Value::from(*number),
        Field::Long(number) => Value::from(*number),
        Field::UByte(number) => Value::from(*number),
        Field::UShort(number) => Value::from(*number),
        Field::UInt(number) => Value::from(*number),
        Field::ULong(number) => Value::from(*number),
        Field::Float16(number) => float(f64::from(f32::from(*number)))?,
        Field::Float(number) => float(f64::from(*number))?,
        Field::Double(number) => float(*number)?,
        Field::Str(text) => {
            let rest = left.checked_sub(text.len());
            *left = rest.ok_or_else(|| format!("more than {MOST_TEXT} bytes of text"))?;
            Value::from(text.as_str())
        }
        Field::Group(record) => Value::Object(row(record, left)?),
        Field::ListInternal(list) => {
            let mut items = Vec::with_capacity(list.len());
            for item in list.elements() {
                items.push(value(item, left)?);
            }
            Value::Array(items)
        }
        Field::MapInternal(map) => {
            let mut pairs = Vec::with_capacity(map.len());
            for (key, item) in map.entries() {
                pairs.push(Value::Array(vec![value(key, left)?, value(item, left)?]));
            }
            Value::Array(pairs)
        }
        Field::Decimal(_)
        | Field::Bytes(_)
        | Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_) => {
            return Err("a column of dates, decimals or bytes; convert it to text".to_owned());
        }
    })
}
