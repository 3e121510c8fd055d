//! What a task asks is byte for byte what lm-eval 0.4.13 asks: `tests/lm_eval_requests/record.py` has recorded it.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;

use llmci::eval::suite::{Around, Asked, Suite, load};
use llmci::eval::task::TaskChat;
use llmci::eval::{Prompt, Request};
use serde_json::{Value, json};
use support::{code, eval_gate, root, text, write};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lm_eval_requests")
}

/// `TASK@FORM`, or a task as it is put to a model where nobody says anything.
fn suites(name: &str) -> Vec<Suite> {
    let (name, form) = name.split_once('@').unwrap_or((name, ""));
    let chat = TaskChat {
        apply_chat_template: form.starts_with("chat"),
        system_instruction: form.ends_with("system").then(|| "Be brief.".to_owned()),
        fewshot_as_multiturn: form == "chat_turns",
    };
    let path = folder().join("tasks").join(format!("{name}.yaml"));
    let around = Around { environment: &|_| None, asked: Asked::Policy, judge: None, working: None, chat: Some(&chat) };
    load(&path, name, around).unwrap_or_else(|problems| {
        let problems = problems.sorted().into_iter().map(|problem| problem.render(&|text| text.raw().to_owned()));
        panic!("{name}: {}", problems.collect::<Vec<_>>().join("\n"))
    })
}

/// The requests of a case in the form of the recording.
fn asked(document: usize, request: &Request) -> Vec<Value> {
    let text = match request.prompt() {
        Prompt::Text(text) => text.clone(),
        // The recording's template writes the messages down.
        Prompt::Chat(messages) => serde_json::to_string(messages).unwrap(),
        Prompt::Written(_) => panic!("no chat of a suite's own"),
    };
    match request {
        Request::RankChoices(rank) => {
            let with = rank.continuations.iter().map(|choice| json!([document, "loglikelihood", [text, choice]]));
            let alone = rank.alone.iter().map(|choice| json!([document, "loglikelihood", ["", choice]]));
            with.chain(alone).collect()
        }
        Request::Rolling(_) => vec![json!([document, "loglikelihood_rolling", [text]])],
        Request::Generate(generate) => {
            let options = json!({"until": generate.stop, "max_gen_toks": generate.max_tokens, "temperature": generate.temperature});
            vec![json!([document, "generate_until", [text, options]])]
        }
        Request::Embed(_) => panic!("no embedding"),
    }
}

/// The recorded options without what follows from the others.
fn comparable(mut row: Value) -> Value {
    if let Some(options) = row.pointer_mut("/2/1").and_then(Value::as_object_mut) {
        options.remove("do_sample");
        options.entry("temperature").or_insert(json!(0.0));
    }
    row
}

#[test]
fn every_request_of_every_task_is_the_one_that_lm_eval_makes() {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let expected: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    assert!(expected.len() >= 50);
    for (name, rows) in expected {
        let [suite] = &suites(&name)[..] else { panic!("one suite") };
        let mut found = Vec::new();
        for index in 0..suite.heads().len() {
            let case = suite.case(index).unwrap_or_else(|problem| panic!("{problem:?}"));
            assert_eq!(case.id.text().raw(), index.to_string());
            found.extend(asked(index, &case.request));
        }
        let rows: Vec<Value> = rows.as_array().unwrap().iter().cloned().map(comparable).collect();
        assert_eq!(found.len(), rows.len(), "{name}");
        for (found, wanted) in found.iter().zip(&rows) {
            assert_eq!(found, wanted, "{name}");
        }
    }
}

/// lm-eval ends in an error there, and a form of our own would be one that the model never saw.
#[test]
fn a_model_without_a_chat_template_is_asked_no_chats() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    std::fs::create_dir_all(&model).unwrap();
    for file in
        ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    {
        std::os::unix::fs::symlink(root().join("examples/quickstart/models/good").join(file), model.join(file))
            .unwrap();
    }
    let task = "task: sums\ndataset_path: json\ndataset_kwargs: {data_files: rows.jsonl}\ntest_split: train\noutput_type: multiple_choice\n\
                doc_to_text: \"{{q}}\"\ndoc_to_choice: [a, b]\ndoc_to_target: 0\n";
    write(folder.path(), "task.yaml", task);
    write(folder.path(), "rows.jsonl", "{\"q\": \"x\"}\n{\"q\": \"y\"}\n");
    let policy = "version: 1\nmodels: {m: {provider: embedded, path: model, device: cpu}}\nsuites: [task.yaml]\n\
                  lm_eval: {apply_chat_template: true}\ngate: {thresholds: [{metric: acc, min: 0, decide_by: point}]}\n";
    write(folder.path(), "llmci.yaml", policy);
    let refused = eval_gate(folder.path()).output().unwrap();
    assert_eq!(code(&refused), 2, "{}", text(&refused));
    assert!(text(&refused).contains("the model m has no chat template"), "{}", text(&refused));
    write(&model, "chat_template.jinja", "Question: {{ messages[0].content }}?");
    let asked = eval_gate(folder.path()).output().unwrap();
    assert_eq!(code(&asked), 0, "{}", text(&asked));
}
