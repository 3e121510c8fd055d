//! Recorded completions: for demos, for tests, and to score again without paying twice. The file is either a
//! `samples.jsonl` of an earlier run, or lines of `{"case": id, "text": "..."}`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;

use futures::future::BoxFuture;
use serde::Deserialize;

use super::{Answered, Attempt, Model, ModelError, ModelIdentity};
use crate::document::{Problem, Spot};
use crate::eval::request::{Answer, Completion, Finish, LogLikelihood, Request, Usage};
use crate::trust::{Hasher, Untrusted};

/// A file of recorded answers.
pub struct Replay {
    identity: ModelIdentity,
    file: File,
    places: BTreeMap<Key, (u64, usize)>,
}

/// Suite (empty for any), case and repeat.
type Key = (String, String, u32);

/// One recorded answer, in either form.
#[derive(Deserialize)]
struct Line {
    case: String,
    #[serde(default)]
    suite: Option<String>,
    #[serde(default)]
    repeat: u32,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    log_likelihoods: Option<Vec<LogLikelihood>>,
    #[serde(default)]
    answer: Option<Answer>,
    #[serde(default)]
    usage: Option<Usage>,
}

impl Replay {
    /// Indexes the file; its texts stay on disk.
    pub fn open(name: &str, path: &Path, shown: &str) -> Result<Self, Problem> {
        let unreadable =
            |error: std::io::Error| Problem::of_file(shown, format!("the recording cannot be read: {error}"));
        let file = File::open(path).map_err(unreadable)?;
        let mut reader = BufReader::new(file.try_clone().map_err(unreadable)?);
        let (mut places, mut hasher, mut offset, mut number) = (BTreeMap::new(), Hasher::new(), 0_u64, 0_u32);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let read = reader.read_until(b'\n', &mut bytes).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            number += 1;
            hasher.raw(&bytes);
            let spot = Spot { line: number, column: 1 };
            if !bytes.trim_ascii().is_empty() {
                let line: Line = serde_json::from_slice(&bytes).map_err(|error| {
                    let problem = Problem::new(shown, spot, format!("not a recorded answer: {error}"));
                    problem.help("a line is a sample of samples.jsonl, or {\"case\": id, \"text\": answer}")
                })?;
                let key = (line.suite.unwrap_or_default(), line.case, line.repeat);
                if let Some(id) = places.insert(key.clone(), (offset, read)).map(|_| key.1) {
                    return Err(Problem::new(shown, spot, format!("the answer to the case {id:?} is there twice")));
                }
            }
            offset += read as u64;
        }
        if places.is_empty() {
            return Err(Problem::of_file(shown, "the recording holds no answer"));
        }
        let description = Untrusted::new(format!("{} recorded answers of {shown}", places.len()));
        let identity = ModelIdentity {
            name: name.to_owned(),
            provider: "replay",
            digest: hasher.finish(),
            cacheable: true,
            description,
        };
        Ok(Self { identity, file, places })
    }

    fn find(&self, attempt: &Attempt<'_>) -> Option<(u64, usize)> {
        let key = |suite: &str| (suite.to_owned(), attempt.case.raw().to_owned(), attempt.repeat);
        self.places.get(&key(attempt.suite)).or_else(|| self.places.get(&key(""))).copied()
    }

    fn look(&self, request: &Request, attempt: &Attempt<'_>) -> Result<Answered, ModelError> {
        let missing = || ModelError::Missing(format!("no answer for repeat {} of this case", attempt.repeat).into());
        let (offset, length) = self.find(attempt).ok_or_else(missing)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset).map_err(|error| ModelError::Server(error.to_string().into()))?;
        let line: Line =
            serde_json::from_slice(&bytes).map_err(|error| ModelError::Malformed(error.to_string().into()))?;
        let text = line.text.map(|text| {
            Answer::Completion(Completion { text: text.into(), finish: Finish::Stop, token_log_probs: None })
        });
        let answer = line.answer.or(text).or(line.log_likelihoods.map(Answer::LogLikelihoods)).ok_or_else(missing)?;
        match (request, &answer) {
            (Request::Generate(_), Answer::Completion(_))
            | (Request::RankChoices(_) | Request::Rolling(_), Answer::LogLikelihoods(_))
            | (Request::Embed(_), Answer::Embedding(_)) => {
                Ok(Answered { answer, usage: line.usage, latency_ms: None, ttft_ms: None, attempts: 1 })
            }
            (Request::Generate(_), Answer::LogLikelihoods(_) | Answer::Embedding(_))
            | (Request::RankChoices(_) | Request::Rolling(_), Answer::Completion(_) | Answer::Embedding(_))
            | (Request::Embed(_), Answer::Completion(_) | Answer::LogLikelihoods(_)) => {
                Err(ModelError::Malformed("the recorded answer is of another kind than the case asks for".into()))
            }
        }
    }
}

impl Model for Replay {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn answer<'a>(&'a self, request: &'a Request, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Answered, ModelError>> {
        Box::pin(std::future::ready(self.look(request, &attempt)))
    }
}
