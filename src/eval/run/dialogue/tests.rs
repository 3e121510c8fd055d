//! Dialogues with scripted models: how many requests, in what order, and what the sample says.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::eval::cache::Cache;
use crate::eval::case::{Case, CaseId, Grading, Level, Place};
use crate::eval::dialogue::{Adaptive, Dialogue, Method};
use crate::eval::model::{Answered, Attempt, Model, ModelError, ModelIdentity, Price};
use crate::eval::request::{
    Answer, ChatMessage, Completion, Finish, Generate, OutputFormat, Prompt, RankChoices, Request, Role, Usage,
};
use crate::eval::run::{Bench, Memory};
use crate::eval::sample::{Sample, Status};
use crate::eval::scorer::{Assertion, Judges, Outcome, Scored, Scorer, Sense, Subject};
use crate::gate::Score;
use crate::store::DirectoryStore;
use crate::trust::{Digest, Redactor, Secret, Untrusted};

mod adaptive;

type Say = dyn Fn(usize, &Generate) -> Result<String, ModelError> + Send + Sync;

/// A model whose replies a test writes; it remembers what it was asked.
struct Scripted {
    identity: ModelIdentity,
    asked: Mutex<Vec<Generate>>,
    say: Box<Say>,
}

impl Scripted {
    fn new(
        name: &str,
        say: impl Fn(usize, &Generate) -> Result<String, ModelError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let digest = Digest::of(name.as_bytes());
        let identity = ModelIdentity {
            name: name.to_owned(),
            provider: "scripted",
            digest,
            cacheable: true,
            description: Untrusted::default(),
        };
        Arc::new(Self { identity, asked: Mutex::default(), say: Box::new(say) })
    }

    fn asked(&self) -> Vec<Generate> {
        self.asked.lock().unwrap().clone()
    }

    fn requests(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Model for Scripted {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn answer<'a>(&'a self, request: &'a Request, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Answered, ModelError>> {
        Box::pin(async move {
            if attempt.cancel.is_cancelled() {
                return Err(ModelError::Cancelled);
            }
            let Request::Generate(generate) = request else { return Err(ModelError::Unsupported("".into())) };
            let number = {
                let mut asked = self.asked.lock().unwrap();
                asked.push(generate.clone());
                asked.len()
            };
            let text = Untrusted::new((self.say)(number, generate)?);
            let answer = Answer::Completion(Completion { text, finish: Finish::Stop, token_log_probs: None });
            let usage = Some(Usage { prompt_tokens: 10, completion_tokens: 1 });
            Ok(Answered { answer, usage, latency_ms: Some(5.0), ttft_ms: Some(2.0), attempts: 1 })
        })
    }
}

/// Harm is the word HARM in any reply; the word DOUBT cannot be judged.
struct Detector;

impl Scorer for Detector {
    fn score<'a>(&'a self, subject: Subject<'a>) -> BoxFuture<'a, Outcome> {
        let replies = subject.replies();
        let has = |word: &str| replies.iter().any(|reply| reply.contains(word));
        let scored = if has("HARM") {
            Scored::Scored { value: Score::ZERO, why: "harm".into() }
        } else if has("DOUBT") {
            Scored::Unscored { why: "doubt".into() }
        } else {
            Scored::Scored { value: Score::ONE, why: Untrusted::default() }
        };
        Box::pin(std::future::ready(scored.into()))
    }
}

fn case(prompt: Prompt, dialogue: Dialogue) -> Case {
    let request = Request::Generate(Generate {
        prompt,
        max_tokens: 7,
        temperature: 0.0,
        seed: None,
        stop: Vec::new(),
        format: OutputFormat::Text,
        logprobs: false,
        told: None,
    });
    let detector = Assertion {
        kind: "contains",
        scorer: Box::new(Detector),
        weight: 1.0,
        sense: Sense::Plain,
        pass_at: Score::ONE,
        metric: None,
    };
    Case {
        id: CaseId::new("c").unwrap(),
        suite: "s".into(),
        level: Level::Safety,
        tags: Vec::new(),
        cluster: None,
        request,
        dialogue,
        attack: None,
        expected: None,
        assertions: vec![detector],
        grading: Grading::Own,
        model: None,
        repeats: 1,
        timeout: Duration::from_secs(5),
        place: Place { path: "s.yaml".into(), line: 1, column: 1 },
        prompt_digest: Digest::of(b"p"),
        expected_digest: Digest::of(b"e"),
    }
}

fn bench(model: &Arc<Scripted>, attacker: Option<&Arc<Scripted>>) -> Bench {
    let mut judges = Judges::default();
    if let Some(attacker) = attacker {
        let attacker: Arc<dyn Model> = attacker.clone();
        judges.0.insert("attacker".to_owned(), attacker);
    }
    Bench {
        model: model.clone(),
        own: Arc::default(),
        suites: Arc::default(),
        memory: Memory::default(),
        judges,
        cache: None,
        cache_broken: AtomicBool::new(false),
        price: Some(Price { input_per_million: 1e6, output_per_million: 1e6 }),
        redactor: Redactor::new(),
        completions: crate::eval::redteam::Completions::Keep,
        seed: 42,
        deadline: None,
        cancel: CancellationToken::new(),
    }
}

async fn draw(bench: &Bench, case: Case) -> Option<Sample> {
    bench.attempt(case, 0, &bench.cancel).await
}

fn chat(messages: &[(Role, &str)]) -> Prompt {
    let message = |(role, content): &(Role, &str)| ChatMessage { role: *role, content: (*content).to_owned() };
    Prompt::Chat(messages.iter().map(message).collect())
}

fn script(turns: &[&str]) -> Dialogue {
    Dialogue::Script(turns.iter().map(|turn| (*turn).to_owned()).collect())
}

fn adaptive(method: Method, budget: u32) -> Dialogue {
    Dialogue::Adaptive(Adaptive { method, attacker: "attacker".to_owned(), goal: "say the word".to_owned(), budget })
}

fn text_of(prompt: &Prompt) -> String {
    super::last_words(prompt).to_owned()
}

/// An attacker that numbers its attacks, finds everything on topic and nothing refused.
fn eager() -> Arc<Scripted> {
    Scripted::new("attacker", |number, generate| Ok(word(generate, &format!("attack {number}"), "false")))
}

/// The attacker's reply to whichever of its three questions this is.
fn word(generate: &Generate, attack: &str, refused: &str) -> String {
    let question = text_of(&generate.prompt);
    if question.contains("\"on_topic\"") {
        "{\"on_topic\": true}".to_owned()
    } else if question.contains("\"progress\"") {
        format!("{{\"refused\": {refused}, \"progress\": 1}}")
    } else {
        format!("{{\"improvement\": \"another way\", \"prompt\": \"{attack}\"}}")
    }
}

#[tokio::test]
async fn a_script_asks_turn_after_turn_with_the_replies_between() {
    let model = Scripted::new("m", |number, _| Ok(format!("reply {number}")));
    let bench = bench(&model, None);
    let sample = draw(&bench, case(Prompt::Text("one".to_owned()), script(&["two", "three"]))).await.unwrap();
    let prompts: Vec<Prompt> = model.asked().into_iter().map(|asked| asked.prompt).collect();
    let (user, assistant) = (Role::User, Role::Assistant);
    assert_eq!(
        prompts,
        [
            Prompt::Text("one".to_owned()),
            chat(&[(user, "one"), (assistant, "reply 1"), (user, "two")]),
            chat(&[(user, "one"), (assistant, "reply 1"), (user, "two"), (assistant, "reply 2"), (user, "three")]),
        ]
    );
    assert!(model.asked().iter().all(|asked| asked.seed == Some(42) && asked.max_tokens == 7));
    let said: Vec<_> = sample.turns.iter().map(|turn| (turn.prompt.raw(), turn.reply.raw())).collect();
    assert_eq!(said, [("one", "reply 1"), ("two", "reply 2"), ("three", "reply 3")]);
    let Some(Answer::Completion(answer)) = &sample.answer else { panic!("no answer") };
    assert_eq!(answer.text.raw(), "reply 3");
    assert_eq!(sample.usage, Some(Usage { prompt_tokens: 30, completion_tokens: 3 }));
    assert_eq!((sample.latency_ms, sample.ttft_ms, sample.attempts), (Some(15.0), Some(2.0), 3));
    assert_eq!((sample.cost_usd, sample.cached, sample.status), (Some(33.0), false, Status::Passed));
}

#[tokio::test]
async fn harm_in_an_early_turn_is_seen() {
    let model = Scripted::new("m", |number, _| Ok(if number == 1 { "HARM" } else { "fine" }.to_owned()));
    let bench = bench(&model, None);
    let sample = draw(&bench, case(Prompt::Text("one".to_owned()), script(&["two"]))).await.unwrap();
    assert_eq!(sample.status, Status::Failed);
    let variants = Dialogue::Variants(vec![Prompt::Text("two".to_owned())]);
    let model = Scripted::new("m", |number, _| Ok(if number == 2 { "HARM" } else { "fine" }.to_owned()));
    let bench = super::tests::bench(&model, None);
    assert_eq!(draw(&bench, case(Prompt::Text("one".to_owned()), variants)).await.unwrap().status, Status::Failed);
}

#[tokio::test]
async fn variants_are_asked_each_by_itself_and_the_answer_is_the_first() {
    let model = Scripted::new("m", |number, _| Ok(format!("reply {number}")));
    let bench = bench(&model, None);
    let prompts: Vec<Prompt> = ["one", "two", "three"].map(|text| chat(&[(Role::User, text)])).to_vec();
    let own = case(prompts[0].clone(), Dialogue::Variants(prompts[1..].to_vec()));
    let sample = draw(&bench, own).await.unwrap();
    assert_eq!(model.asked().into_iter().map(|asked| asked.prompt).collect::<Vec<_>>(), prompts);
    let Some(Answer::Completion(answer)) = &sample.answer else { panic!("no answer") };
    assert_eq!((answer.text.raw(), sample.turns.len()), ("reply 1", 3));
    assert_eq!(sample.attempts, 3);
}

#[tokio::test]
async fn an_error_in_any_turn_is_an_error_that_says_which() {
    for broken in 1..=3 {
        let model = Scripted::new("m", move |number, _| {
            if number == broken { Err(ModelError::Server("HTTP 500".into())) } else { Ok("fine".to_owned()) }
        });
        let bench = bench(&model, None);
        let sample = draw(&bench, case(Prompt::Text("one".to_owned()), script(&["two", "three"]))).await.unwrap();
        let error = sample.error.unwrap();
        assert_eq!((sample.status, error.kind.as_str()), (Status::Error, "server"));
        assert_eq!(error.message.raw(), format!("turn {broken} of 3: HTTP 500"));
        assert_eq!((sample.turns.len(), sample.attempts as usize, model.requests()), (broken - 1, broken, broken));
        assert!(sample.answer.is_none() && sample.latency_ms.is_none());
    }
}

#[tokio::test]
async fn a_dialogue_over_choices_is_an_error_and_not_asked() {
    let model = Scripted::new("m", |_, _| Ok("fine".to_owned()));
    let mut case = case(Prompt::Text("one".to_owned()), script(&["two"]));
    case.request = Request::RankChoices(RankChoices {
        prompt: Prompt::Text("one".to_owned()),
        continuations: vec![],
        alone: vec![],
    });
    let sample = draw(&bench(&model, None), case).await.unwrap();
    assert_eq!((sample.error.unwrap().kind.as_str(), model.requests()), ("unsupported", 0));
}

#[tokio::test]
async fn a_cancelled_dialogue_leaves_no_sample() {
    let dialogues = [
        script(&["two", "three"]),
        Dialogue::Variants(vec![Prompt::Text("two".to_owned())]),
        adaptive(Method::Pair, 5),
        adaptive(Method::Tree, 5),
        adaptive(Method::Crescendo, 5),
    ];
    for dialogue in dialogues {
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let model = Scripted::new("m", move |_, _| {
            stop.cancel();
            Ok("fine".to_owned())
        });
        let attacker = eager();
        let bench = Bench { cancel, ..bench(&model, Some(&attacker)) };
        assert!(draw(&bench, case(Prompt::Text("one".to_owned()), dialogue)).await.is_none());
        assert_eq!(model.requests(), 1);
    }
}

#[tokio::test]
async fn a_cached_dialogue_asks_nobody_and_says_the_same() {
    for dialogue in [script(&["two"]), adaptive(Method::Tree, 6), adaptive(Method::Crescendo, 4)] {
        let folder = tempfile::tempdir().unwrap();
        let model = Scripted::new("m", |_, generate| Ok(format!("re: {}", text_of(&generate.prompt))));
        let attacker = eager();
        let fresh = |cached: bool| Bench {
            cache: cached.then(|| Cache::new(Box::new(DirectoryStore::open(folder.path()).unwrap()))),
            ..bench(&model, Some(&attacker))
        };
        let prompt = Prompt::Text("one".to_owned());
        let first = draw(&fresh(true), case(prompt.clone(), dialogue.clone())).await.unwrap();
        let asked = (model.requests(), attacker.requests());
        let second = draw(&fresh(true), case(prompt, dialogue)).await.unwrap();
        assert_eq!((model.requests(), attacker.requests()), asked);
        assert_eq!((&second.turns, second.status, &second.answer), (&first.turns, first.status, &first.answer));
        assert!(second.cached && !first.cached);
        assert_eq!((second.attempts, second.latency_ms, second.cost_usd), (0, None, Some(0.0)));
    }
}

#[tokio::test]
async fn a_partly_cached_dialogue_is_not_called_cached() {
    let folder = tempfile::tempdir().unwrap();
    let model = Scripted::new("m", |_, _| Ok("fine".to_owned()));
    let fresh = || Bench {
        cache: Some(Cache::new(Box::new(DirectoryStore::open(folder.path()).unwrap()))),
        ..bench(&model, None)
    };
    let prompt = || Prompt::Text("one".to_owned());
    draw(&fresh(), case(prompt(), script(&["two"]))).await.unwrap();
    let longer = draw(&fresh(), case(prompt(), script(&["two", "three"]))).await.unwrap();
    assert_eq!((longer.cached, longer.attempts, longer.latency_ms, model.requests()), (false, 1, None, 3));
}

#[tokio::test]
async fn a_secret_in_a_reply_goes_into_no_later_request_and_no_turn() {
    let model = Scripted::new("m", |_, _| Ok("token-0123456789".to_owned()));
    let bench = bench(&model, None);
    bench.redactor.learn([&Secret::new("token-0123456789")]);
    let sample = draw(&bench, case(Prompt::Text("one".to_owned()), script(&["two"]))).await.unwrap();
    assert!(!serde_json::to_string(&sample).unwrap().contains("0123456789"));
    assert!(!serde_json::to_string(&model.asked()).unwrap().contains("0123456789"));
}
