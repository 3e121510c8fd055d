//! The embedded engine against the transformers library: recorded log-likelihoods and greedy generations
//! (`tests/reference/make_reference.py` records them), and models that must be refused.
#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use llmci::eval::model::embedded::{Engine, EngineError, GenerateRequest};
use llmci::eval::model::{Device, Dtype};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

struct Agreement {
    likelihoods: usize,
    generations: usize,
}

/// Every recorded request, with the agreement that is asked: 1e-4 in each log-likelihood, every token of a generation.
fn agrees(reference: &str) -> Agreement {
    let text = std::fs::read_to_string(root().join("tests/reference").join(reference)).unwrap();
    let reference: Value = serde_json::from_str(&text).unwrap();
    let engine = Engine::load(&root().join(reference["model"].as_str().unwrap()), Device::Cpu).unwrap();
    let mut go = || ControlFlow::Continue(());
    let likelihoods = reference["likelihoods"].as_array().unwrap();
    for case in likelihoods {
        let continuation = case["continuation"].as_str().unwrap().to_owned();
        let got = engine.likelihoods(case["context"].as_str().unwrap(), &[continuation], &mut go).unwrap();
        let want = case["sum"].as_f64().unwrap();
        assert!((got[0].sum - want).abs() <= 1e-4, "got {}, want {want}: {case}", got[0].sum);
        assert_eq!(Some(got[0].is_greedy), case["is_greedy"].as_bool(), "{case}");
        let each = case["token_log_probs"].as_array().unwrap();
        assert_eq!(got[0].token_log_probs.len(), each.len(), "{case}");
    }
    let generations = reference["generations"].as_array().unwrap();
    for case in generations {
        let request = GenerateRequest {
            prompt: case["prompt"].as_str().unwrap(),
            max_tokens: u32::try_from(case["max_tokens"].as_u64().unwrap()).unwrap(),
            temperature: 0.0,
            seed: 0,
            stop: &[],
        };
        let got = engine.generate(&request, &mut go).unwrap();
        let want: Vec<u64> = case["tokens"].as_array().unwrap().iter().map(|token| token.as_u64().unwrap()).collect();
        let tokens: Vec<u64> = got.tokens.iter().copied().map(u64::from).collect();
        assert_eq!(tokens, want, "{case}");
        assert_eq!(got.text, case["text"].as_str().unwrap(), "{case}");
    }
    Agreement { likelihoods: likelihoods.len(), generations: generations.len() }
}

#[test]
fn the_quickstart_models_agree_with_transformers() {
    let (good, worse) = (agrees("quickstart_good.json"), agrees("quickstart_worse.json"));
    assert!(good.likelihoods + worse.likelihoods >= 200);
    assert!(good.generations + worse.generations >= 100);
}

#[test]
fn qwen2_with_biases_and_untied_head_agrees_with_transformers() {
    assert!(agrees("tiny_qwen2.json").likelihoods >= 30);
}

#[test]
fn a_sharded_llama_with_scaled_frequencies_agrees_with_transformers() {
    assert!(agrees("tiny_llama_sharded.json").likelihoods >= 30);
}

#[test]
fn gguf_files_agree_with_transformers() {
    assert!(agrees("tiny-llama-f16.json").likelihoods >= 20);
    assert!(agrees("tiny-llama-q8.json").likelihoods >= 20);
}

#[test]
fn choices_together_are_as_likely_as_each_alone() {
    let engine = Engine::load(&root().join("examples/quickstart/models/good"), Device::Cpu).unwrap();
    let choices: Vec<String> = ["Paris", "Berlin", "a much longer wrong answer", "P"].map(str::to_owned).to_vec();
    let mut go = || ControlFlow::Continue(());
    let context = "What is the capital of France?\n";
    let together = engine.likelihoods(context, &choices, &mut go).unwrap();
    for (choice, shared) in choices.iter().zip(&together) {
        let alone = engine.likelihoods(context, std::slice::from_ref(choice), &mut go).unwrap();
        assert!((alone[0].sum - shared.sum).abs() < 1e-5, "{choice}: {} against {}", alone[0].sum, shared.sum);
    }
}

#[test]
fn an_answer_ends_before_its_stop_text_and_at_its_limit() {
    let engine = Engine::load(&root().join("examples/quickstart/models/good"), Device::Cpu).unwrap();
    let mut go = || ControlFlow::Continue(());
    let request = |stop, max_tokens| GenerateRequest {
        prompt: "List exactly 3 colors. Output only the color names, one per line.\n",
        max_tokens,
        temperature: 0.0,
        seed: 0,
        stop,
    };
    let whole = engine.generate(&request(&[], 50), &mut go).unwrap();
    assert_eq!(whole.text.lines().count(), 3, "{}", whole.text);
    let stop = ["\n".to_owned()];
    let first = engine.generate(&request(&stop, 50), &mut go).unwrap();
    assert_eq!(first.text, whole.text.lines().next().unwrap());
    assert_eq!(engine.generate(&request(&[], 1), &mut go).unwrap().tokens.len(), 1);
}

#[test]
fn a_request_stops_when_it_is_told_to() {
    let engine = Engine::load(&root().join("examples/quickstart/models/good"), Device::Cpu).unwrap();
    let request = GenerateRequest { prompt: "x", max_tokens: 100, temperature: 1.0, seed: 1, stop: &[] };
    let mut left = 3;
    let mut stop_soon = || {
        left -= 1;
        if left < 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    assert!(matches!(engine.generate(&request, &mut stop_soon), Err(EngineError::Stopped)));
}

/// The model is published in f16: in that type nothing is rounded, and bf16 has three digits less.
#[test]
fn weights_are_rounded_to_the_type_that_is_asked_for() {
    let path = root().join("examples/quickstart/models/good");
    let mut go = || ControlFlow::Continue(());
    let mut sums = |dtype| {
        let engine = Engine::load_as(&path, Device::Cpu, dtype).unwrap();
        let continuations = [" Paris", " 3 colors, one per line"].map(str::to_owned);
        let found = engine.likelihoods("What is the capital of France?", &continuations, &mut go).unwrap();
        (found.iter().map(|one| one.sum).collect::<Vec<f64>>(), engine.digest().clone())
    };
    let (plain, narrow, short) = (sums(Dtype::F32), sums(Dtype::F16), sums(Dtype::Bf16));
    assert_eq!(plain.0, narrow.0);
    let apart: Vec<f64> = plain.0.iter().zip(&short.0).map(|(one, other)| (one - other).abs()).collect();
    assert!(apart.iter().all(|apart| *apart > 0.0 && *apart < 1.0), "{apart:?}");
    assert!(plain.1 != narrow.1 && plain.1 != short.1 && narrow.1 != short.1);
}

/// A copy of the good model with one file replaced.
fn spoiled(folder: &Path, file: &str, bytes: Option<&[u8]>) -> PathBuf {
    let copy = folder.join("model");
    std::fs::create_dir_all(&copy).unwrap();
    for entry in std::fs::read_dir(root().join("examples/quickstart/models/good")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    match bytes {
        Some(bytes) => std::fs::File::create(copy.join(file))
            .and_then(|mut file| std::io::Write::write_all(&mut file, bytes))
            .unwrap(),
        None => std::fs::remove_file(copy.join(file)).unwrap(),
    }
    copy
}

fn refusal(file: &str, bytes: Option<&[u8]>) -> String {
    let folder = tempfile::tempdir().unwrap();
    match Engine::load(&spoiled(folder.path(), file, bytes), Device::Cpu) {
        Ok(_) => panic!("a model with a spoiled {file} was loaded"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_model_that_is_not_whole_is_refused_with_its_reason() {
    let whole = std::fs::read(root().join("examples/quickstart/models/good/model.safetensors")).unwrap();
    assert!(refusal("model.safetensors", None).contains("no weights"));
    assert!(refusal("tokenizer.json", None).contains("tokenizer.json"));
    assert!(refusal("config.json", None).contains("config.json"));
    assert!(refusal("model.safetensors", Some(&whole[..whole.len() - 1])).contains("cut short"));
    assert!(refusal("model.safetensors", Some(&u64::MAX.to_le_bytes())).contains("header"));
    assert!(refusal("model.safetensors", Some(b"abc")).contains("shorter"));
    let overlap = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#;
    let mut bytes = (overlap.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(overlap);
    bytes.extend_from_slice(&[0; 6]);
    assert!(refusal("model.safetensors", Some(&bytes)).contains("overlap"));
    let config = std::fs::read_to_string(root().join("examples/quickstart/models/good/config.json")).unwrap();
    let other = config.replace("\"model_type\": \"llama\"", "\"model_type\": \"mamba\"");
    assert!(refusal("config.json", Some(other.as_bytes())).contains("llama, mistral and qwen2"));
    let wrong = config.replace("\"hidden_size\": 128", "\"hidden_size\": 64");
    assert!(refusal("config.json", Some(wrong.as_bytes())).contains("shape"));
}

#[test]
fn pickled_weights_are_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let copy = spoiled(folder.path(), "model.safetensors", None);
    std::fs::File::create(copy.join("pytorch_model.bin")).unwrap();
    let error = Engine::load(&copy, Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("convert them to safetensors"), "{error}");
}

#[test]
fn a_context_longer_than_the_model_is_an_error_and_not_a_cut() {
    let engine = Engine::load(&root().join("examples/quickstart/models/good"), Device::Cpu).unwrap();
    let prompt = "word ".repeat(400);
    let mut go = || ControlFlow::Continue(());
    let request = GenerateRequest { prompt: &prompt, max_tokens: 1, temperature: 0.0, seed: 0, stop: &[] };
    assert!(matches!(engine.generate(&request, &mut go), Err(EngineError::Unsuitable(_))));
    assert!(engine.likelihoods(&prompt, &["x".to_owned()], &mut go).is_err());
}
