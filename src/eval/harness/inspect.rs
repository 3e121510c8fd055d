//! Logs of Inspect: a zip with one JSON file for each sample, or one JSON document. Only a log of status `success` is a result:
//! a cancelled one has accuracies too, of the samples that it came to. Epochs are repeats.
//! Source: inspect_ai's documentation, "Log files", and its types (`EvalLog`, `EvalSample`), 0.3.
//! Kept out: how the zip is opened (`archive`).

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::archive::Archive;
use super::expect::{Expect, instant};
use super::lines::held;
use super::recorded::{Cases, Key, Recorded, row};
use super::value::canonical;
use crate::document::{Problem, Problems};
use crate::eval::request::Usage;
use crate::eval::sample::{AssertionScore, Status};
use crate::eval::suite::Suite;
use crate::gate::Score;
use crate::trust::{Digest, Hasher};

/// A sample, read without its messages and events.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Drawn {
    id: Value,
    epoch: Option<u64>,
    input: Value,
    target: Value,
    choices: Value,
    scores: Value,
    error: Value,
    output: Value,
    model_usage: Value,
}

/// What the log says of itself: `header.json`, or the document without its samples.
struct Header<'a> {
    value: &'a Value,
    shown: &'a str,
}

/// Reads a log that is a zip.
pub(super) fn read_zip(path: &Path, shown: &str, expect: &Expect<'_>) -> Result<Vec<Suite>, Problems> {
    let mut archive = Archive::open(path, shown)?;
    let Some(header) = archive.json::<Value>("header.json")? else {
        let help = "run `inspect eval-retry` on it, and give the log of the run that came to its end";
        return Err(Problem::of_file(shown, "the log has no header: its run was interrupted").help(help).into());
    };
    let header = Header { value: &header, shown };
    header.check(path, expect)?;
    let names: Vec<String> = archive.names().filter(|name| name.starts_with("samples/")).map(str::to_owned).collect();
    let mut log = Log::new(&header, expect);
    for name in names {
        let drawn: Option<Drawn> = archive.json(&name)?;
        log.add(&drawn.unwrap_or_default()).map_err(|message| Problem::of_file(shown, format!("{name}: {message}")))?;
    }
    let digest = archive.digest()?;
    log.finish(&header, digest, expect)
}

/// Reads a log that is one document.
pub(super) fn read(path: &Path, shown: &str, expect: &Expect<'_>) -> Result<Vec<Suite>, Problems> {
    let (mut document, digest) = held(path, shown)?;
    let samples = document.get_mut("samples").map(Value::take).unwrap_or_default();
    let header = Header { value: &document, shown };
    header.check(path, expect)?;
    let Value::Array(samples) = samples else {
        let help = "read it with its samples: `inspect log dump`, without --header-only";
        return Err(Problem::of_file(shown, "the log holds no samples").help(help).into());
    };
    let mut log = Log::new(&header, expect);
    for (index, sample) in samples.into_iter().enumerate() {
        let problem = |message: String| Problem::of_file(shown, format!("samples/{index}: {message}"));
        let drawn: Drawn = serde_json::from_value(sample).map_err(|error| problem(error.to_string()))?;
        log.add(&drawn).map_err(problem)?;
    }
    log.finish(&header, digest, expect)
}

impl Header<'_> {
    fn count(&self, pointer: &str) -> Option<u64> {
        self.value.pointer(pointer).and_then(Value::as_u64)
    }

    fn task(&self) -> &str {
        self.value.pointer("/eval/task").and_then(Value::as_str).unwrap_or("inspect")
    }

    fn epochs(&self) -> u64 {
        self.count("/eval/config/epochs").unwrap_or(1).max(1)
    }

    /// Whether the run is one that came to its end over all of its data.
    fn check(&self, path: &Path, expect: &Expect<'_>) -> Result<(), Problem> {
        let problem = |message: String| Problem::of_file(self.shown, message);
        match self.value.get("status").and_then(Value::as_str) {
            Some("success") => {}
            Some(status @ ("started" | "cancelled" | "error")) => {
                let help = "its numbers are of the samples that it came to: run it to its end";
                return Err(problem(format!("the log has the status `{status}`")).help(help));
            }
            Some(_) | None => return Err(problem("the log has no status that is known".to_owned())),
        }
        if self.value.get("invalidated").and_then(Value::as_bool) == Some(true) {
            return Err(problem("the log was invalidated".to_owned()));
        }
        let ended = self.value.pointer("/stats/completed_at").or_else(|| self.value.pointer("/eval/created"));
        expect.fresh(path, self.shown, ended.and_then(Value::as_str).and_then(instant))?;
        if self.is_limited() && !expect.allow_limit {
            let help = "run the whole task, or accept a part of it with `allow_limit: true`";
            return Err(problem(format!("the task `{}` was run with `--limit`", self.task())).help(help));
        }
        Ok(())
    }

    /// Whether a part of the data was left out on purpose.
    fn is_limited(&self) -> bool {
        let pointers = ["/eval/config/limit", "/eval/config/sample_id"];
        pointers.iter().any(|pointer| self.value.pointer(pointer).is_some_and(|limit| !limit.is_null()))
    }

    /// How many samples there must be.
    fn planned(&self, limited: bool) -> Option<u64> {
        let data = || self.count("/eval/dataset/samples").filter(|_| !limited);
        let all = || data().map(|data| data.saturating_mul(self.epochs()));
        self.count("/results/total_samples").max(all())
    }
}

struct Log {
    cases: Cases,
    seen: BTreeSet<String>,
    samples: u64,
    scored: u64,
    decisive: Option<String>,
    task: Digest,
}

impl Log {
    fn new(header: &Header<'_>, expect: &Expect<'_>) -> Self {
        // The first scorer of the log decides; others are metrics of their own.
        let decisive = header.value.pointer("/results/scores/0/scorer").and_then(Value::as_str).map(str::to_owned);
        let version = header.value.pointer("/eval/task_version").map(Value::to_string).unwrap_or_default();
        Self {
            cases: Cases::new(&expect.suite(Some(header.task()), ""), header.shown),
            seen: BTreeSet::new(),
            samples: 0,
            scored: 0,
            decisive,
            task: Digest::of(format!("{}\0{version}", header.task()).as_bytes()),
        }
    }

    fn add(&mut self, drawn: &Drawn) -> Result<(), String> {
        let id = match &drawn.id {
            Value::String(id) => id.clone(),
            Value::Number(id) => id.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                return Err("a sample without `id`".to_owned());
            }
        };
        if !self.seen.insert(format!("{id}\0{}", drawn.epoch.unwrap_or(1))) {
            return Err("this sample is there twice".to_owned());
        }
        self.samples += 1;
        let mut prompt = Hasher::new();
        prompt.part(self.task.hex().as_bytes()).part(canonical(&drawn.input).as_bytes());
        prompt.part(canonical(&drawn.choices).as_bytes());
        let key = Key {
            id: id.clone(),
            cluster: None,
            prompt: prompt.finish(),
            expected: Digest::of(canonical(&drawn.target).as_bytes()),
            shown_prompt: text(&drawn.input),
            line: 1,
        };
        let failed = drawn.error.get("message").and_then(Value::as_str).or_else(|| drawn.error.as_str());
        let (rows, score) = if drawn.error.is_null() { self.scores(&drawn.scores) } else { (Vec::new(), None) };
        self.scored += u64::from(!rows.is_empty());
        let status = match score {
            _ if !drawn.error.is_null() => Status::Error,
            Some(score) if score == Score::ONE => Status::Passed,
            Some(_) => Status::Failed,
            None => Status::Unscored,
        };
        let recorded = Recorded {
            status,
            score,
            rows,
            values: Vec::new(),
            answer: Some(drawn.output.pointer("/choices/0/message/content").map(text).unwrap_or_default()),
            error: failed.map(str::to_owned),
            latency_ms: None,
            cost_usd: None,
            usage: usage(&drawn.model_usage),
        };
        self.cases.add(key, recorded)
    }

    /// The scores of a sample, and the one that decides.
    fn scores(&self, scores: &Value) -> (Vec<AssertionScore>, Option<Score>) {
        let mut rows = Vec::new();
        for (scorer, score) in scores.as_object().into_iter().flatten() {
            let why = score.get("explanation").and_then(Value::as_str).unwrap_or_default();
            let decides = self.decisive.as_ref().map_or(rows.is_empty(), |decisive| decisive == scorer);
            let weight = if decides { 1.0 } else { 0.0 };
            match score.get("value") {
                Some(Value::Object(parts)) => {
                    let named = |(part, value): (&String, &Value)| {
                        row(scorer, Some(&format!("{scorer}.{part}")), weight, share(value), why)
                    };
                    rows.extend(parts.iter().map(named));
                }
                Some(Value::Array(parts)) => {
                    let named = |(part, value): (usize, &Value)| {
                        row(scorer, Some(&format!("{scorer}.{part}")), weight, share(value), why)
                    };
                    rows.extend(parts.iter().enumerate().map(named));
                }
                value => rows.push(row(scorer, Some(scorer), weight, value.and_then(share), why)),
            }
        }
        let decided: Option<Vec<f64>> =
            rows.iter().filter(|row| row.weight > 0.0).map(|row| row.score.map(Score::value)).collect();
        let mean = decided
            .filter(|all| !all.is_empty())
            .map(|all| all.iter().sum::<f64>() / crate::stats::float(all.len() as u64));
        (rows, mean.and_then(|mean| Score::new(mean).ok()))
    }

    fn finish(self, header: &Header<'_>, digest: Digest, expect: &Expect<'_>) -> Result<Vec<Suite>, Problems> {
        let shown = header.shown;
        let Some(planned) = header.planned(header.is_limited() && expect.allow_limit) else {
            return Err(Problem::of_file(shown, "the log does not say how many samples there were").into());
        };
        if planned != self.samples {
            let message = format!("the log holds {} samples of {planned}", self.samples);
            return Err(Problem::of_file(shown, message)
                .help("samples are missing or added: run the task again")
                .into());
        }
        if self.samples > 0 && self.scored == 0 {
            return Err(Problem::of_file(shown, "no sample has a score: `inspect score` was not run").into());
        }
        Ok(vec![self.cases.finish(digest, Vec::new(), Vec::new())?])
    }
}

/// Correct, partially correct, incorrect, no answer; a number or a truth as it is. Anything else is no score.
/// Source: inspect_ai/scorer/_metric.py (`value_to_float`).
fn share(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => match text.as_str() {
            "C" => Some(1.0),
            "P" => Some(0.5),
            "I" | "N" => Some(0.0),
            other => match other.to_ascii_lowercase().as_str() {
                "yes" | "true" => Some(1.0),
                "no" | "false" => Some(0.0),
                number => number.parse().ok().filter(|number: &f64| number.is_finite()),
            },
        },
        Value::Number(number) => number.as_f64(),
        Value::Bool(holds) => Some(f64::from(u8::from(*holds))),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let parts =
                items.iter().map(|item| item.get("content").or_else(|| item.get("text")).map(text).unwrap_or_default());
            parts.collect::<Vec<_>>().join("\n")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

/// Tokens of all models together.
fn usage(models: &Value) -> Option<Usage> {
    let models = models.as_object().filter(|models| !models.is_empty())?;
    let sum = |key: &str| models.values().filter_map(|model| model.get(key)?.as_u64()).fold(0, u64::saturating_add);
    Some(Usage { prompt_tokens: sum("input_tokens"), completion_tokens: sum("output_tokens") })
}
