//! Parquet without Arrow: rows as JSON. Types that a template could not print as Python prints them are refused.

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row as Record};
use serde_json::{Number, Value};

use super::{MOST_ROWS, Row};

/// Reads all rows of a file.
pub(super) fn read(bytes: Vec<u8>, rows: &mut Vec<Row>) -> Result<(), String> {
    let wrong = |error: parquet::errors::ParquetError| format!("not Parquet: {error}");
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).map_err(wrong)?;
    for record in reader.get_row_iter(None).map_err(wrong)? {
        rows.push(row(&record.map_err(wrong)?)?);
        if rows.len() > MOST_ROWS {
            return Err(format!("more than {MOST_ROWS} rows"));
        }
    }
    Ok(())
}

fn row(record: &Record) -> Result<Row, String> {
    record.get_column_iter().map(|(name, field)| Ok((name.clone(), value(field)?))).collect()
}

fn value(field: &Field) -> Result<Value, String> {
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
        Field::Str(text) => Value::from(text.as_str()),
        Field::Group(record) => Value::Object(row(record)?),
        Field::ListInternal(list) => Value::Array(list.elements().iter().map(value).collect::<Result<_, _>>()?),
        Field::MapInternal(map) => {
            let pair = |(key, item): &(Field, Field)| Ok(Value::Array(vec![value(key)?, value(item)?]));
            Value::Array(map.entries().iter().map(pair).collect::<Result<_, String>>()?)
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
