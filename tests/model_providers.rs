//! Models of any form over the wire, and as commands: what is sent, what is read, and what never counts as an answer.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use llmci::eval::model::{Answered, Attempt, ModelError, ModelSpec, Surroundings, build};
use llmci::eval::{Answer, Embed, Generate, OutputFormat, Prompt, Request};
use llmci::trust::Untrusted;
use serde_json::{Value, json};
use support::stub::{Act, Stub, chat, reply};
use tokio_util::sync::CancellationToken;

const KEY: &str = "sk-secret-key-of-the-test";

fn generate(prompt: &str) -> Request {
    Request::Generate(Generate {
        prompt: Prompt::Text(prompt.to_owned()),
        max_tokens: 7,
        temperature: 0.0,
        seed: None,
        stop: Vec::new(),
        format: OutputFormat::Text,
        logprobs: false,
        told: None,
    })
}

async fn ask(spec: Value, request: &Request, patience: Duration) -> Result<Answered, ModelError> {
    let spec: ModelSpec = serde_json::from_value(spec).unwrap();
    let environment = |name: &str| (name == "KEY").then(|| KEY.to_owned());
    let around = Surroundings {
        folder: Path::new("."),
        environment: &environment,
        connections: 4,
        trusted: &[],
        visible_devices: None,
        cancel: None,
    };
    let built = build("m", &spec, &around).unwrap_or_else(|error| panic!("{error}"));
    let (case, cancel) = (Untrusted::new("a"), CancellationToken::new());
    let attempt = Attempt { suite: "s", case: &case, repeat: 0, deadline: Instant::now() + patience, cancel: &cancel };
    built.model.answer(request, attempt).await
}

fn text_of(answered: &Answered) -> &str {
    match &answered.answer {
        Answer::Completion(completion) => completion.text.raw(),
        Answer::LogLikelihoods(_) | Answer::Embedding(_) => panic!("no text"),
    }
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn echo_gives_the_prompt_back() {
    let answered = ask(json!({"provider": "echo"}), &generate("Say \"hi\"\n"), LONG).await.unwrap();
    assert_eq!(text_of(&answered), "Say \"hi\"\n");
    let embed = Request::Embed(Embed { prompt: Prompt::Text("x".to_owned()) });
    assert!(matches!(ask(json!({"provider": "echo"}), &embed, LONG).await, Err(ModelError::Unsupported(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_endpoint_is_asked_in_its_own_form() {
    let stub = Stub::start(|_, _| reply(200, "", r#"{"result": {"text": "fine"}}"#)).await.unwrap();
    let url = format!("{}/ask", stub.base);
    let hostile = "\", \"admin\": true, \"x\": \"\n{{prompt}}";
    let table = [
        (json!({"q": "{{prompt}}", "n": 1}), json!({"q": hostile, "n": 1})),
        (json!("{\"q\": \"{{prompt}}\"}"), json!({"q": hostile})),
        (json!({"m": "{{messages}}"}), json!({"m": [{"role": "user", "content": hostile}]})),
    ];
    for (body, expected) in table {
        let spec = json!({"provider": "http", "url": url, "body": body, "response": "/result/text", "headers": {"x-key": "${KEY}"}});
        let answered = ask(spec, &generate(hostile), LONG).await.unwrap();
        assert_eq!((text_of(&answered), answered.attempts), ("fine", 1));
        let found = stub.bodies().into_keys().any(|sent| serde_json::from_str::<Value>(&sent).unwrap() == expected);
        assert!(found, "{expected}: {:?}", stub.bodies());
    }
    let spec = json!({"provider": "http", "url": url, "method": "GET", "transform": "json.result.text.toUpperCase()"});
    assert_eq!(text_of(&ask(spec, &generate("x"), LONG).await.unwrap()), "FINE");
    assert!(stub.bodies().contains_key(""), "a GET has no body");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_endpoint_does_wrong_is_never_an_answer() {
    let good = r#"{"text": "fine"}"#;
    let table: Vec<(Act, &str, usize)> = vec![
        (reply(500, "", good), "server", 2),
        (reply(400, "", good), "refused", 1),
        (reply(401, "", good), "refused", 1),
        (reply(302, "location: http://169.254.169.254/\r\n", good), "refused", 1),
        (reply(200, "", "<html>"), "malformed", 2),
        (reply(200, "", "{}"), "malformed", 2),
        (Act::Cut(b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n{\"text\"".to_vec()), "unreachable", 2),
        (Act::Silent, "timeout", 1),
    ];
    for (act, kind, requests) in table {
        let shown = format!("{act:?}");
        let stub = Stub::start(move |_, _| act.clone()).await.unwrap();
        let spec = json!({
            "provider": "http", "url": stub.base, "body": {"q": "{{prompt}}"}, "response": "/text", "timeout_seconds": 3,
            "retry": {"attempts": 2, "max_wait_seconds": 0.02},
        });
        let error = ask(spec, &generate("x"), LONG).await.unwrap_err();
        assert_eq!((error.parts().0, stub.asked()), (kind, requests), "{shown}");
    }
}

#[test]
fn an_address_that_nothing_may_be_sent_to_makes_no_model() {
    let environment = |_: &str| None;
    let around = Surroundings {
        folder: Path::new("."),
        environment: &environment,
        connections: 4,
        trusted: &[],
        visible_devices: None,
        cancel: None,
    };
    let of = |more: Value| {
        let mut spec = json!({"provider": "http", "url": "http://localhost"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        build("m", &serde_json::from_value(spec).unwrap(), &around)
    };
    assert!(of(json!({})).is_ok());
    for url in ["http://169.254.169.254/{{prompt}}", "not a url", "http://[::ffff:169.254.169.254]/"] {
        assert!(of(json!({"url": url})).is_err(), "{url}");
    }
    assert!(of(json!({"headers": {"x": "${ABSENT}"}})).is_err(), "a key that is not there");
}

#[test]
fn a_header_is_a_part_of_who_answers_and_a_secrets_value_is_not() {
    let digest = |mut spec: Value, header: &str, key: &'static str| {
        spec.as_object_mut().unwrap().insert("headers".to_owned(), json!({"x-tenant": header}));
        let environment = |_: &str| Some(key.to_owned());
        let around = Surroundings {
            folder: Path::new("."),
            environment: &environment,
            connections: 4,
            trusted: &[],
            visible_devices: None,
            cancel: None,
        };
        let built = build("m", &serde_json::from_value(spec).unwrap(), &around);
        let identity = built.unwrap_or_else(|error| panic!("{error}")).model.identity().clone();
        assert!(identity.cacheable);
        identity.digest
    };
    for spec in [
        json!({"provider": "http", "url": "http://localhost", "body": "{{prompt}}"}),
        json!({"provider": "openai", "base_url": "http://localhost/v1", "model": "m"}),
    ] {
        let of = |header: &str, key: &'static str| digest(spec.clone(), header, key);
        assert_ne!(of("small", "key-of-today"), of("large", "key-of-today"), "{spec}");
        assert_ne!(of("${ONE}", "key-of-today"), of("${OTHER}", "key-of-today"), "{spec}");
        assert_eq!(of("${ONE}", "key-of-today"), of("${ONE}", "key-of-tomorrow"), "{spec}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_a_key_does_not_stand_in_an_error() {
    // The reply repeats the key across the place where it is cut.
    let reply_text = format!("{} {KEY} and more", "word ".repeat(97));
    let stub = Stub::start(move |_, _| reply(400, "", &reply_text)).await.unwrap();
    let specs = [
        json!({"provider": "http", "url": stub.base, "body": "{{prompt}}", "headers": {"x": "${KEY}"}}),
        json!({"provider": "openai", "base_url": stub.base, "model": "m", "api_key_env": "KEY"}),
    ];
    for spec in specs {
        let (_, detail) = ask(spec, &generate("x"), LONG).await.unwrap_err().parts();
        assert!(detail.raw().contains("word") && !detail.raw().contains("sk-"), "{}", detail.raw());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commands_children_end_with_its_deadline() {
    let spec = json!({"provider": "exec", "command": ["sh", "-c", "sleep 600 & sleep 600"], "timeout_seconds": 0.3});
    let began = Instant::now();
    let error = ask(spec, &generate("x"), LONG).await.unwrap_err();
    assert_eq!(error.parts().0, "timeout");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedding_is_read_whole_or_not_at_all() {
    let request = Request::Embed(Embed { prompt: Prompt::Text("Paris".to_owned()) });
    let openai = |base: &str| json!({"provider": "openai", "base_url": base, "model": "m", "retry": {"attempts": 2, "max_wait_seconds": 0.02}});
    let stub =
        Stub::start(|_, _| reply(200, "", r#"{"data": [{"embedding": [0.5, -1]}], "usage": {"prompt_tokens": 3}}"#))
            .await
            .unwrap();
    let answered = ask(openai(&stub.base), &request, LONG).await.unwrap();
    assert_eq!(answered.answer, Answer::Embedding(vec![0.5, -1.0]));
    assert_eq!(answered.usage.unwrap().prompt_tokens, 3);
    let sent: Value = serde_json::from_str(stub.bodies().keys().next().unwrap()).unwrap();
    assert_eq!(sent, json!({"model": "m", "input": "Paris", "encoding_format": "float"}));
    let stub = Stub::start(|_, _| chat("no vector")).await.unwrap();
    assert_eq!(ask(openai(&stub.base), &request, LONG).await.unwrap_err().parts().0, "malformed");
}
