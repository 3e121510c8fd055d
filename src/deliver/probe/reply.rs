//! What Prometheus answers, read strictly: what is not exactly the expected form is no data. Pure.

use serde::Deserialize;

use super::NoData;

/// Letters of a server's own explanation that are passed on.
const LONGEST: usize = 160;

/// The envelope of every answer. Source: Prometheus' documentation, "HTTP API", format overview; read at version 2.42.
#[derive(Deserialize)]
struct Envelope {
    status: String,
    data: Option<Data>,
    #[serde(rename = "errorType")]
    error_type: Option<String>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
    // `infos` (since 3.0) are remarks on style, such as a name that does not look like a counter's: they are let be.
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", tag = "resultType", content = "result")]
enum Data {
    Vector(Vec<Series>),
    Scalar((f64, String)),
    Matrix(Vec<serde::de::IgnoredAny>),
    String(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: std::collections::BTreeMap<String, String>,
    // A native histogram has `histogram` instead.
    value: Option<(f64, String)>,
}

/// Reads an answer whose HTTP status is known.
fn read(status: u16, body: &[u8]) -> Result<Data, NoData> {
    let unreachable = |text: String| NoData::Unreachable(text);
    let envelope: Option<Envelope> = serde_json::from_slice(body).ok();
    if !(200..300).contains(&status) {
        let said = envelope.as_ref().and_then(explanation).unwrap_or_default();
        return Err(unreachable(format!("Prometheus answered with status {status}{said}")));
    }
    let Some(envelope) = envelope else {
        return Err(unreachable("Prometheus' answer is not of its form: is the address right?".to_owned()));
    };
    if envelope.status != "success" {
        let said = explanation(&envelope).unwrap_or_default();
        return Err(unreachable(format!("Prometheus could not answer{said}")));
    }
    if !envelope.warnings.is_empty() {
        return Err(unreachable("Prometheus answered with a warning: its data may be partial".to_owned()));
    }
    envelope.data.ok_or_else(|| unreachable("Prometheus' answer holds no data".to_owned()))
}

/// Prometheus' own words, cut to letters that mean nothing to any sink.
fn explanation(envelope: &Envelope) -> Option<String> {
    let text = envelope.error.as_ref().or(envelope.error_type.as_ref())?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || " .,:()".contains(letter);
    let cut: String = text.chars().take(LONGEST).map(|letter| if plain(letter) { letter } else { ' ' }).collect();
    Some(format!(": {}", cut.split_whitespace().collect::<Vec<_>>().join(" ")))
}

fn number(text: &str) -> Result<f64, NoData> {
    text.parse::<f64>().ok().filter(|value| value.is_finite()).ok_or(NoData::NotANumber)
}

/// One number: exactly one series, or a scalar where one is asked for.
pub(super) fn one(status: u16, body: &[u8]) -> Result<f64, NoData> {
    match read(status, body)? {
        Data::Vector(series) => match series.as_slice() {
            [] => Err(NoData::Absent),
            [one] => number(&one.value.as_ref().ok_or(NoData::NotANumber)?.1),
            several => Err(NoData::Ambiguous(several.len() as u64)),
        },
        Data::Scalar(_) | Data::String(_) => Err(NoData::Ambiguous(0)),
        Data::Matrix(several) => Err(NoData::Ambiguous(several.len() as u64)),
    }
}

/// The server's own time, as the scalar `time()` gives it.
pub(super) fn clock(status: u16, body: &[u8]) -> Result<f64, NoData> {
    match read(status, body)? {
        Data::Scalar((_, value)) => number(&value),
        Data::Vector(_) | Data::Matrix(_) | Data::String(_) => {
            Err(NoData::Unreachable("Prometheus does not say what time it is".to_owned()))
        }
    }
}

/// Cumulative counts by their upper bound, growing; the last is infinite.
pub(super) fn by_bound(status: u16, body: &[u8]) -> Result<Vec<(f64, f64)>, NoData> {
    let series = match read(status, body)? {
        Data::Vector(series) => series,
        Data::Scalar(_) | Data::String(_) => return Err(NoData::Ambiguous(0)),
        Data::Matrix(several) => return Err(NoData::Ambiguous(several.len() as u64)),
    };
    if series.is_empty() {
        return Err(NoData::Absent);
    }
    let several = series.len() as u64;
    let mut bounds: Vec<(f64, f64)> = Vec::with_capacity(series.len());
    for Series { metric, value } in series {
        // A series without a bound, or with labels beside it, is no bucket of one histogram.
        let bound = metric.get("le").filter(|_| metric.len() == 1).ok_or(NoData::Ambiguous(several))?;
        let bound = bound.parse::<f64>().ok().filter(|bound| !bound.is_nan()).ok_or(NoData::NotANumber)?;
        bounds.push((bound, number(&value.ok_or(NoData::NotANumber)?.1)?));
    }
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    // "1" and "1.0" are one bound in two spellings, from two versions of a client: their requests are added.
    let mut merged: Vec<(f64, f64)> = Vec::with_capacity(bounds.len());
    for (bound, count) in bounds {
        match merged.last_mut() {
            Some(last) if last.0 == bound => last.1 += count,
            Some(_) | None => merged.push((bound, count)),
        }
    }
    match merged.last() {
        Some((bound, _)) if *bound == f64::INFINITY => Ok(merged),
        // Without the last bucket nobody knows how many requests there were.
        Some(_) | None => Err(NoData::Absent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(series: &str) -> Vec<u8> {
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{series}]}}}}"#).into_bytes()
    }

    fn unreachable<T: std::fmt::Debug>(result: Result<T, NoData>) -> String {
        match result {
            Err(NoData::Unreachable(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_one_finite_number_is_a_number() {
        let one_of = |series: &str| one(200, &vector(series));
        assert_eq!(one_of(r#"{"metric":{},"value":[1,"2.5"]}"#), Ok(2.5));
        assert_eq!(one_of(""), Err(NoData::Absent));
        for no in ["NaN", "+Inf", "-Inf", "", "x"] {
            assert_eq!(one_of(&format!(r#"{{"metric":{{}},"value":[1,"{no}"]}}"#)), Err(NoData::NotANumber), "{no}");
        }
        assert_eq!(one_of(r#"{"metric":{},"histogram":[1,{}]}"#), Err(NoData::NotANumber));
        let two = r#"{"metric":{"a":"1"},"value":[1,"2"]},{"metric":{"a":"2"},"value":[1,"2"]}"#;
        assert_eq!(one_of(two), Err(NoData::Ambiguous(2)));
        for (kind, result, count) in
            [("scalar", r#"[1,"2"]"#, 0), ("matrix", r#"[{"metric":{},"values":[]}]"#, 1), ("string", r#"[1,"x"]"#, 0)]
        {
            let body = format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#);
            assert_eq!(one(200, body.as_bytes()), Err(NoData::Ambiguous(count)), "{kind}");
        }
    }

    #[test]
    fn an_error_a_warning_or_half_an_answer_is_no_data() {
        let whole = vector(r#"{"metric":{},"value":[1,"2"]}"#);
        assert!(unreachable(one(503, &whole)).contains("status 503"));
        assert!(unreachable(one(302, b"")).contains("status 302"));
        for broken in [&b""[..], b"<html>", b"{}", b"[]", whole.get(..whole.len() / 2).unwrap()] {
            assert!(unreachable(one(200, broken)).contains("not of its form"));
        }
        let error = br#"{"status":"error","errorType":"bad_data","error":"1:3: parse <b>error</b> `x` http://u:p@h/"}"#;
        let said = unreachable(one(200, error));
        assert!(said.contains("parse b error") && !said.contains(['<', '`', '/', '@']), "{said}");
        let warned = br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2"]}]},"warnings":["a store is down"]}"#;
        assert!(unreachable(one(200, warned)).contains("warning"));
        let noted = br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2"]}]},"infos":["no counter"]}"#;
        assert_eq!(one(200, noted), Ok(2.0));
        assert!(unreachable(one(200, br#"{"status":"success"}"#)).contains("no data"));
    }

    #[test]
    fn buckets_need_their_bounds_and_the_last_one() {
        let bucket = |le: &str, count: &str| format!(r#"{{"metric":{{"le":"{le}"}},"value":[1,"{count}"]}}"#);
        let read = |parts: &[String]| by_bound(200, &vector(&parts.join(",")));
        let good = [bucket("+Inf", "9"), bucket("0.5", "3"), bucket("1", "4"), bucket("1.0", "1")];
        assert_eq!(read(&good), Ok(vec![(0.5, 3.0), (1.0, 5.0), (f64::INFINITY, 9.0)]));
        assert_eq!(read(&[]), Err(NoData::Absent));
        assert_eq!(read(&[bucket("1", "3")]), Err(NoData::Absent));
        assert_eq!(read(&[bucket("+Inf", "NaN")]), Err(NoData::NotANumber));
        assert_eq!(read(&[bucket("x", "1")]), Err(NoData::NotANumber));
        let labelled = r#"{"metric":{"le":"+Inf","pod":"a"},"value":[1,"1"]}"#.to_owned();
        assert_eq!(read(&[labelled]), Err(NoData::Ambiguous(1)));
    }

    #[test]
    fn the_time_is_a_scalar() {
        assert_eq!(clock(200, br#"{"status":"success","data":{"resultType":"scalar","result":[7.5,"7.5"]}}"#), Ok(7.5));
        assert!(clock(200, &vector(r#"{"metric":{},"value":[1,"2"]}"#)).is_err());
    }
}
