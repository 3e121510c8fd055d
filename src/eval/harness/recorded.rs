//! Samples that another tool has drawn and judged, put together as a suite: its cases carry their samples, and nobody is asked.
//! Kept out: how each tool writes them (`lm_eval`, `samples`, `inspect`, `deepeval`, `openai_evals`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::value::{Ids, name};
use crate::document::{Problem, Spot};
use crate::eval::dialogue::Dialogue;
use crate::eval::request::{Answer, Completion, Finish, Generate, OutputFormat, Prompt, Request, Usage};
use crate::eval::run::cluster_number;
use crate::eval::sample::{AssertionScore, Sample, SampleError, SampleValue, Status};
use crate::eval::suite::{CaseHead, CaseSource, Made, Suite};
use crate::eval::{Case, CaseId, Grading, Level, Place};
use crate::gate::{Declared, MetricName, Score};
use crate::trust::{Digest, Untrusted};

/// Letters of a prompt or an answer that are kept: enough for a report, and a file of any size fits.
const KEPT: usize = 1000;

/// One sample of another tool.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    /// How it ended.
    pub(super) status: Status,
    /// 0 to 1; none where the tool has none.
    pub(super) score: Option<Score>,
    /// What each assertion or metric said.
    pub(super) rows: Vec<AssertionScore>,
    /// Its parts of metrics that are no shares.
    pub(super) values: Vec<SampleValue>,
    /// What the model said.
    pub(super) answer: Option<String>,
    /// Why it said nothing.
    pub(super) error: Option<String>,
    /// Milliseconds.
    pub(super) latency_ms: Option<f64>,
    /// USD.
    pub(super) cost_usd: Option<f64>,
    /// Tokens.
    pub(super) usage: Option<Usage>,
}

/// What makes samples the same case.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// The tool's own name of it, in any letters.
    pub(super) id: String,
    /// The group that it belongs to.
    pub(super) cluster: Option<String>,
    /// What the model was asked: pairs the case with itself in another run.
    pub(super) prompt: Digest,
    /// What was expected of it.
    pub(super) expected: Digest,
    /// For people.
    pub(super) shown_prompt: String,
    /// 1-based.
    pub(super) line: u32,
}

struct RecordedCase {
    id: CaseId,
    key: Key,
    samples: Vec<Sample>,
}

/// The samples of one suite, as they come.
pub(super) struct Cases {
    suite: Arc<str>,
    shown: Arc<str>,
    numbers: BTreeMap<String, usize>,
    ids: Ids,
    cases: Vec<RecordedCase>,
}

impl Cases {
    /// None yet. The suite's name is put in the letters of a name.
    pub(super) fn new(suite: &str, shown: &str) -> Self {
        let (numbers, cases) = (BTreeMap::new(), Vec::new());
        Self { suite: name(suite).into(), shown: shown.into(), numbers, ids: Ids::default(), cases }
    }

    /// Adds a sample; those with one id are repeats of one case.
    pub(super) fn add(&mut self, key: Key, recorded: Recorded) -> Result<(), String> {
        let number = match self.numbers.get(&key.id) {
            Some(number) => *number,
            None => {
                let id = self.ids.take(name(&key.id));
                let id = CaseId::new(&id).map_err(str::to_owned)?;
                self.numbers.insert(key.id.clone(), self.cases.len());
                let key = Key { shown_prompt: cut(&key.shown_prompt), ..key };
                self.cases.push(RecordedCase { id, key, samples: Vec::new() });
                self.cases.len() - 1
            }
        };
        let case = self.cases.get_mut(number).ok_or("a case is lost")?;
        let repeat = u32::try_from(case.samples.len()).unwrap_or(u32::MAX);
        let sample = sample(&self.suite, case, repeat, recorded);
        case.samples.push(sample);
        Ok(())
    }

    /// The suite; without a case it is a problem.
    pub(super) fn finish(self, digest: Digest, declared: Vec<Declared>, notes: Vec<Problem>) -> Result<Suite, Problem> {
        let Self { suite, shown, cases, .. } = self;
        if cases.is_empty() {
            let help = "nothing was tested, so nothing is shown: look into the tool's own output";
            return Err(Problem::of_file(&shown, "the results hold no sample").help(help));
        }
        let tags: Arc<[String]> = Vec::new().into();
        let head = |case: &RecordedCase| CaseHead {
            level: Level::Evaluation,
            tags: Arc::clone(&tags),
            repeats: u32::try_from(case.samples.len()).unwrap_or(u32::MAX),
            cluster: case.key.cluster.as_deref().map(cluster_number),
        };
        let heads = cases.iter().map(head).collect();
        let source = Box::new(Source { suite: Arc::clone(&suite), shown: Arc::clone(&shown), cases });
        let (judges, models) = (BTreeMap::new(), BTreeMap::new());
        Ok(Suite::recorded(Made { name: suite, shown, digest, heads, judges, models, declared, notes, source }))
    }
}

fn sample(suite: &str, case: &RecordedCase, repeat: u32, recorded: Recorded) -> Sample {
    let Recorded { status, score, rows, values, answer, error, latency_ms, cost_usd, usage } = recorded;
    let completion =
        |text: String| Completion { text: Untrusted::new(cut(&text)), finish: Finish::Other, token_log_probs: None };
    let error = match status {
        Status::Error => Some(error.unwrap_or_else(|| "the other tool has no answer".to_owned())),
        Status::Passed | Status::Failed | Status::Unscored => None,
    };
    Sample {
        suite: suite.to_owned(),
        case: case.id.clone(),
        repeat,
        level: Level::Evaluation,
        tags: Vec::new(),
        cluster: case.key.cluster.clone(),
        prompt_digest: case.key.prompt.clone(),
        expected_digest: case.key.expected.clone(),
        status,
        score,
        assertions: rows,
        values,
        answer: answer.filter(|_| error.is_none()).map(|text| Answer::Completion(completion(text))),
        error: error.map(|text| SampleError { kind: "recorded".to_owned(), message: Untrusted::new(cut(&text)) }),
        usage,
        latency_ms,
        ttft_ms: None,
        cost_usd,
        attempts: 0,
        cached: false,
        attack: None,
        turns: Vec::new(),
        answer_digest: None,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(KEPT).collect()
}

/// One row of a sample; a number that is no score is none, with the reason.
pub(super) fn row(assertion: &str, metric: Option<&str>, weight: f64, value: Option<f64>, why: &str) -> AssertionScore {
    AssertionScore {
        assertion: name(assertion),
        metric: metric.and_then(MetricName::of_text),
        weight: if weight.is_finite() { weight.max(0.0) } else { 0.0 },
        score: value.and_then(|value| Score::new(value).ok()),
        why: Untrusted::new(cut(why)),
    }
}

struct Source {
    suite: Arc<str>,
    shown: Arc<str>,
    cases: Vec<RecordedCase>,
}

impl CaseSource for Source {
    fn case(&self, index: usize) -> Result<Case, Problem> {
        let gone = || Problem::of_file(&self.shown, format!("the results have no case number {index}"));
        let case = self.cases.get(index).ok_or_else(gone)?;
        let request = Request::Generate(Generate {
            prompt: Prompt::Text(case.key.shown_prompt.clone()),
            max_tokens: 1,
            temperature: 0.0,
            seed: None,
            stop: Vec::new(),
            format: OutputFormat::Text,
            logprobs: false,
            told: None,
        });
        Ok(Case {
            id: case.id.clone(),
            suite: Arc::clone(&self.suite),
            level: Level::Evaluation,
            tags: Vec::new(),
            cluster: case.key.cluster.clone(),
            request,
            dialogue: Dialogue::Once,
            attack: None,
            expected: None,
            assertions: Vec::new(),
            grading: Grading::Recorded(case.samples.clone()),
            model: None,
            repeats: u32::try_from(case.samples.len()).unwrap_or(u32::MAX),
            timeout: Duration::from_secs(1),
            place: Place { path: Arc::clone(&self.shown), line: case.key.line, column: 1 },
            prompt_digest: case.key.prompt.clone(),
            expected_digest: case.key.expected.clone(),
        })
    }
}

/// A problem at a line.
pub(super) fn at(shown: &str, line: u32, message: impl Into<String>) -> Problem {
    Problem::new(shown, Spot { line, column: 1 }, message)
}
