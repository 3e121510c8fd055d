//! The program `llmci-engine` against the engine inside the gate, and programs that are none.
#![cfg(all(feature = "embedded", feature = "programs"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use llmci::eval::model::embedded::{EmbeddedModel, Engine, RemoteError, RemoteModel};
use llmci::eval::model::{self, Attempt, Device, EmbeddedSpec, Model, ModelError, ModelSpec, Surroundings};
use llmci::eval::{Answer, Embed, Generate, OutputFormat, Prompt, RankChoices, Request, Rolling};
use llmci::trust::Untrusted;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const PROGRAM: &str = env!("CARGO_BIN_EXE_llmci-engine");

fn good() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/models/good")
}

fn spec(more: Value) -> EmbeddedSpec {
    let mut spec = json!({"provider": "embedded", "path": good()});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(spec).unwrap()
}

fn started(program: &str, device: Device) -> Result<RemoteModel, RemoteError> {
    let variable = |name: &str| match name {
        "LLMCI_ENGINE" => Some(program.to_owned()),
        other => std::env::var(other).ok(),
    };
    let around = Surroundings {
        folder: Path::new("."),
        environment: &variable,
        connections: 4,
        trusted: &[],
        visible_devices: Some(""),
        cancel: None,
    };
    RemoteModel::start("m", &spec(json!({})), device, &around)
}

async fn asked(model: &dyn Model, request: &Request, patience: Duration) -> Result<Answer, ModelError> {
    let (case, cancel) = (Untrusted::new("c"), CancellationToken::new());
    let deadline = Instant::now() + patience;
    let attempt = Attempt { suite: "s", case: &case, repeat: 0, deadline, cancel: &cancel };
    model.answer(request, attempt).await.map(|answered| answered.answer)
}

fn rank(context: &str) -> Request {
    let continuations = [" Paris", " Berlin", " a longer answer"].map(str::to_owned).to_vec();
    let alone = continuations.clone();
    Request::RankChoices(RankChoices { prompt: Prompt::Text(context.to_owned()), continuations, alone })
}

fn generate(prompt: &str, temperature: f64) -> Request {
    Request::Generate(Generate {
        prompt: Prompt::Text(prompt.to_owned()),
        max_tokens: 20,
        temperature,
        seed: Some(3),
        stop: Vec::new(),
        format: OutputFormat::Text,
        logprobs: true,
        told: None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_answers_to_the_bit_what_the_engine_inside_answers() {
    let inside = EmbeddedModel::new("m", Engine::load(&good(), Device::Cpu).unwrap());
    let outside = started(PROGRAM, Device::Cpu).unwrap();
    assert_eq!(inside.identity().digest, outside.identity().digest);
    let text = Prompt::Text("The sky is blue, and the grass is green.".to_owned());
    let requests = [
        rank("What is the capital of France?"),
        rank("What is the capital of France?\nAnswer: "),
        generate("List exactly 3 colors.\n", 0.0),
        generate("Name a colour \"in quotes\"\u{2028}\n", 0.9),
        Request::Rolling(Rolling { prompt: text.clone() }),
        Request::Embed(Embed { prompt: text }),
    ];
    for request in &requests {
        let wanted = asked(&inside, request, Duration::from_secs(120)).await.unwrap();
        let found = asked(&outside, request, Duration::from_secs(120)).await.unwrap();
        // Equal numbers, to the last bit: the texts of two floats are the same only then.
        assert_eq!(format!("{found:?}"), format!("{wanted:?}"));
    }
    let long = rank(&"word ".repeat(2000));
    let refused = asked(&outside, &long, Duration::from_secs(120)).await;
    assert!(matches!(&refused, Err(ModelError::Unsupported(why)) if why.raw().contains("positions")), "{refused:?}");
}

/// The program, spoken to as the gate speaks to it.
struct Talk {
    child: std::process::Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Talk {
    fn start() -> Self {
        let mut child =
            Command::new(PROGRAM).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn say(&mut self, what: &Value) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{what}").unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"))
    }

    fn load(&mut self, more: &Value) -> Value {
        let version = self.hear()["hello"]["version"].clone();
        let mut load = json!({"version": version, "path": good(), "device": "cpu"});
        load.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.say(&json!({"load": load}));
        self.hear()
    }

    fn code(mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().code()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_give_the_same_likelihoods_and_a_cancelled_request_ends() {
    let inside = EmbeddedModel::new("m", Engine::load(&good(), Device::Cpu).unwrap());
    let mut talk = Talk::start();
    assert!(talk.load(&json!({"batched": true}))["loaded"]["digest"].is_string());
    let examples = "Q: What is one plus one? A: two\nQ: What is red? A: a colour\n";
    let requests: Vec<Request> = (0..12).map(|number| rank(&format!("{examples}Q: {number} or more? A:"))).collect();
    for (id, request) in requests.iter().enumerate() {
        talk.say(&json!({"ask": {"id": id, "request": request}}));
    }
    for _ in &requests {
        let word = talk.hear();
        let id = usize::try_from(word["answered"]["id"].as_u64().unwrap_or_else(|| panic!("{word}"))).unwrap();
        let found = word["answered"]["reply"]["answer"]["log_likelihoods"].as_array().unwrap().clone();
        let wanted = asked(&inside, &requests[id], Duration::from_secs(120)).await.unwrap();
        let Answer::LogLikelihoods(wanted) = wanted else { panic!("{wanted:?}") };
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(&wanted) {
            let sum: f64 = found[0].as_str().unwrap().parse().unwrap();
            assert!((sum - wanted.sum).abs() < 1e-4, "{sum}, alone {}", wanted.sum);
            assert_eq!(
                (found[1].as_u64(), found[2].as_bool()),
                (Some(u64::from(wanted.tokens)), Some(wanted.is_greedy))
            );
        }
    }
    let Request::Generate(mut endless) = generate("x", 1.0) else { panic!("no generation") };
    endless.max_tokens = 100_000;
    // One behind many others is given up at once, and not when its turn comes.
    let many = 200..260;
    for id in many.clone() {
        talk.say(&json!({"ask": {"id": id, "request": Request::Generate(endless.clone())}}));
    }
    talk.say(&json!({"ask": {"id": 90, "request": Request::Generate(endless)}}));
    talk.say(&json!({"cancel": 90}));
    let mut answered = 0;
    let word = loop {
        let word = talk.hear();
        if word["answered"].is_null() {
            break word;
        }
        answered += 1;
    };
    assert_eq!((&word["failed"]["id"], &word["failed"]["kind"]), (&json!(90), &json!("stopped")), "{word}");
    assert!(answered < many.len(), "it came when its turn came");
    assert_eq!(talk.code(), Some(0));
}

#[test]
fn the_program_ends_with_its_input_and_refuses_what_it_cannot_do() {
    assert_eq!(Talk::start().code(), Some(0));
    let mut loaded = Talk::start();
    loaded.load(&json!({}));
    assert_eq!(loaded.code(), Some(0));
    let mut other = Talk::start();
    let word = other.load(&json!({"version": "0.0.1"}));
    assert!(word["refused"]["text"].as_str().unwrap().contains("0.0.1"), "{word}");
    assert_eq!(other.code(), Some(4));
    let mut nowhere = Talk::start();
    let word = nowhere.load(&json!({"path": "/nowhere"}));
    assert_eq!(word["refused"]["kind"], "unusable");
    let mut nonsense = Talk::start();
    nonsense.hear();
    nonsense.say(&json!("nonsense"));
    assert!(nonsense.hear()["refused"]["text"].as_str().unwrap().contains("not understood"));
}

/// A program of the test in the place of the engine.
fn script(folder: &Path, text: &str) -> String {
    let path = folder.join("engine");
    let mut file = std::fs::File::create(&path).unwrap();
    write!(file, "#!/bin/sh\n{text}\n").unwrap();
    drop(file);
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    std::fs::set_permissions(&path, mode).unwrap();
    path.display().to_string()
}

fn hello(version: &str, cuda: bool) -> String {
    let hello = json!({"hello": {"program": "llmci-engine", "version": version, "cuda": cuda}});
    format!("echo '{hello}'")
}

fn refusal(text: &str, device: Device) -> String {
    let folder = tempfile::tempdir().unwrap();
    match started(&script(folder.path(), text), device) {
        Ok(_) => panic!("it was taken for an engine"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_program_that_is_no_engine_of_this_version_is_refused_with_its_reason() {
    let version = env!("CARGO_PKG_VERSION");
    let old = refusal(&format!("{}; cat", hello("9.9.9", true)), Device::Cuda);
    assert!(old.contains("9.9.9") && old.contains("one release"), "{old}");
    let without = refusal(&format!("{}; cat", hello(version, false)), Device::Cuda);
    assert!(without.contains("built without CUDA"), "{without}");
    let missing = refusal("echo 'libcuda.so.1: cannot open shared object file' >&2; exit 127", Device::Cuda);
    assert!(missing.contains("a library that it needs is missing") && missing.contains("libcuda.so.1"), "{missing}");
    let full = json!({"refused": {"kind": "memory", "text": "CUDA_ERROR_OUT_OF_MEMORY"}});
    let full = refusal(&format!("{}; read line; echo '{full}'; exit 4", hello(version, true)), Device::Cuda);
    assert!(full.contains("does not fit into the GPU's memory"), "{full}");
    assert!(refusal("echo hello; cat", Device::Cpu).contains("not understood"), "no JSON");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_costs_a_request_its_deadline_and_ends_with_us() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let digest = "ab".repeat(32);
    let loaded = json!({"loaded": {"digest": digest, "description": "hangs", "chat_form": false, "load_ms": 1.0}});
    let begin = format!("echo $$ > {}; {}", pid.display(), hello(env!("CARGO_PKG_VERSION"), true));
    let text = format!("{begin}; read line; echo '{loaded}'; exec tail -f /dev/null");
    let model = started(&script(folder.path(), &text), Device::Cuda).unwrap();
    assert_eq!(model.identity().digest.hex(), digest);
    let late = asked(&model, &rank("x"), Duration::from_millis(300)).await;
    assert!(matches!(late, Err(ModelError::Timeout(_))), "{late:?}");
    drop(model);
    let pid = std::fs::read_to_string(pid).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "the engine lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_dies_says_how_and_answers_nothing_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let loaded =
        json!({"loaded": {"digest": "cd".repeat(32), "description": "dies", "chat_form": false, "load_ms": 1.0}});
    let begin = hello(env!("CARGO_PKG_VERSION"), true);
    let text = format!("{begin}; read line; echo '{loaded}'; read line; echo 'illegal address' >&2; exit 1");
    let model = started(&script(folder.path(), &text), Device::Cuda).unwrap();
    for _ in 0..2 {
        let dead = asked(&model, &rank("x"), Duration::from_secs(60)).await;
        assert!(matches!(&dead, Err(ModelError::Server(why)) if why.raw().contains("llmci-engine")), "{dead:?}");
    }
}

#[test]
fn a_gpu_that_is_not_there_is_of_the_environment_and_auto_does_without() {
    let around = Surroundings {
        folder: Path::new("."),
        environment: &|_| None,
        connections: 4,
        trusted: &[],
        visible_devices: Some(""),
        cancel: None,
    };
    let built = |more: Value| model::build("m", &ModelSpec::Embedded(spec(more)), &around);
    let Err(error) = built(json!({"device": "cuda"})) else { panic!("there is no GPU") };
    assert!(error.is_of_the_environment() && error.to_string().contains("no GPU"), "{error}");
    let auto = built(json!({"device": "auto", "dtype": "bf16"})).unwrap();
    let described = auto.model.identity().description.raw().to_owned();
    assert!(described.contains("bf16 on cpu"), "{described}");
}
