//! Batches against each request alone, whose log-likelihoods are those of transformers (`tests/embedded.rs`).

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use super::super::{Engine, Likelihood};
use super::*;
use crate::eval::model::Device;

/// Grouped queries with tied embeddings; as many key heads as heads; biases and a head of its own; scaled frequencies and shards.
const MODELS: [&str; 4] = [
    "examples/quickstart/models/good",
    "examples/quickstart/models/worse",
    "tests/fixtures/models/tiny-qwen2",
    "tests/fixtures/models/tiny-llama-sharded",
];

fn engine(path: &str) -> Engine {
    Engine::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path), Device::Cpu).unwrap()
}

struct Question {
    context: String,
    choices: Vec<String>,
}

/// Questions of two tasks with their examples before them, and some without any.
fn questions() -> Vec<Question> {
    let animals = "Q: Which animal barks? A: a dog\nQ: Which animal says miau? A: a cat\n".repeat(2);
    let sums = "one plus one is two. two plus two is four. three plus one is four. ".to_owned();
    let texts = [
        "What is the capital of France?",
        "Which animal has a trunk, and large ears?",
        "Is it cold in winter",
        "5 + 5 =",
    ];
    let choices = [
        vec![" Paris", " Berlin", " a much longer answer that is not right", " P"],
        vec![" an elephant", " a dog"],
        vec![" yes", " no"],
        vec!["10"],
    ];
    let mut questions = Vec::new();
    for examples in [animals.as_str(), sums.as_str(), ""] {
        for (text, choices) in texts.iter().zip(&choices) {
            for end in ["\nA:", " ", "\n\n"] {
                let choices = choices.iter().map(|choice| (*choice).to_owned()).collect();
                questions.push(Question { context: format!("{examples}{text}{end}"), choices });
            }
        }
    }
    questions.push(Question { context: String::new(), choices: vec!["A sentence.".to_owned(), "Another".to_owned()] });
    questions
}

fn alone(engine: &Engine, questions: &[Question]) -> Vec<Vec<Likelihood>> {
    let mut go = || ControlFlow::Continue(());
    questions.iter().map(|asked| engine.likelihoods(&asked.context, &asked.choices, &mut go).unwrap()).collect()
}

fn batched(engine: &Engine, batcher: &mut Batcher<'_>, questions: &[Question]) -> Vec<Vec<Likelihood>> {
    for (id, asked) in questions.iter().enumerate() {
        batcher.add(id as u64, Task::new(engine, &asked.context, &asked.choices).unwrap());
    }
    worked_off(batcher).into_values().collect()
}

fn worked_off(batcher: &mut Batcher<'_>) -> BTreeMap<u64, Vec<Likelihood>> {
    let mut done = BTreeMap::new();
    while !batcher.is_empty() {
        done.extend(batcher.step().into_iter().map(|done| (done.id, done.likelihoods.unwrap())));
    }
    done
}

fn assert_alike(found: &[Vec<Likelihood>], wanted: &[Vec<Likelihood>], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (found, wanted) in found.iter().flatten().zip(wanted.iter().flatten()) {
        assert_eq!(found.is_greedy, wanted.is_greedy, "{what}");
        assert_eq!(found.token_log_probs.len(), wanted.token_log_probs.len(), "{what}");
        for (found, wanted) in found.token_log_probs.iter().zip(&wanted.token_log_probs) {
            assert!((found - wanted).abs() < 1e-4, "{what}: {found}, alone {wanted}");
        }
    }
}

#[test]
fn a_batch_gives_what_each_request_alone_gives() {
    let questions = questions();
    for model in MODELS {
        let engine = engine(model);
        let wanted = alone(&engine, &questions);
        for tokens in [1, 100, 700, 1 << 20] {
            let mut batcher = Batcher::new(&engine, BatchLimits { tokens, ..BatchLimits::CPU });
            let found = batched(&engine, &mut batcher, &questions);
            assert_alike(&found, &wanted, &format!("{model}, {tokens} tokens"));
            // A second time with every context known.
            let before = batcher.counts();
            assert_alike(
                &batched(&engine, &mut batcher, &questions),
                &wanted,
                &format!("{model}, {tokens} tokens, again"),
            );
            let counts = batcher.counts();
            assert!(counts.context_tokens <= before.context_tokens * 2 && counts.spared_tokens > before.spared_tokens);
            if tokens == 1 << 20 {
                assert!(before.batches <= 6, "{before:?}");
            }
        }
    }
}

#[test]
fn requests_one_after_another_find_the_context_that_they_share() {
    let engine = engine(MODELS[0]);
    let questions = questions();
    let wanted = alone(&engine, &questions);
    let mut batcher = Batcher::new(&engine, BatchLimits::CPU);
    let mut found = Vec::new();
    for (id, asked) in questions.iter().enumerate() {
        batcher.add(id as u64, Task::new(&engine, &asked.context, &asked.choices).unwrap());
        found.extend(worked_off(&mut batcher).into_values());
    }
    assert_alike(&found, &wanted, "one after another");
    let counts = batcher.counts();
    // Without it each row would compute the examples anew.
    assert!(counts.spared_tokens > 5 * counts.context_tokens, "{counts:?}");
}

#[test]
fn without_room_for_contexts_the_numbers_are_the_same() {
    let engine = engine(MODELS[2]);
    let questions = questions();
    let wanted = alone(&engine, &questions);
    let mut batcher = Batcher::new(&engine, BatchLimits { cache_bytes: 0, ..BatchLimits::CPU });
    assert_alike(&batched(&engine, &mut batcher, &questions), &wanted, "without room");
}

#[test]
fn what_does_not_fit_is_refused_and_what_is_forgotten_is_not_computed() {
    let engine = engine(MODELS[0]);
    let mut batcher = Batcher::new(&engine, BatchLimits::CPU);
    let long = "word and word ".repeat(200);
    assert!(matches!(Task::new(&engine, &long, &["x".to_owned()]), Err(EngineError::Unsuitable(_))));
    assert!(matches!(Task::new(&engine, "a", &[String::new()]), Err(EngineError::Unsuitable(_))));
    batcher.add(3, Task::new(&engine, "a context", &[" b".to_owned()]).unwrap());
    batcher.forget(3);
    assert!(batcher.is_empty());
    assert!(batcher.step().is_empty());
}
