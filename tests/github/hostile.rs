//! The corpus of hostile texts in what is really sent to GitHub: nothing of them acts, and each stays readable.

use llmci::host::settings::{PublishArgs, When};
use llmci::report::Sink;
use llmci::trust::{Redactor, Secret, Untrusted};
use regex::Regex;
use serde_json::Value;

use super::publisher::{failed, publish_through, run, words};
use super::server::github;
use super::support::root;

#[test]
fn no_entry_of_the_corpus_acts_in_a_comment_or_a_check_as_they_are_sent() {
    let file =
        std::env::var_os("LLMCI_HOSTILE_FILE").map_or_else(|| root().join("tests/corpus/hostile.json"), Into::into);
    let corpus: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut broken = Vec::new();
    let entries: Vec<&Value> = corpus.iter().filter(|entry| entry["sink"] == "comment").collect();
    assert!(entries.len() > 10);
    for (number, entry) in entries.into_iter().enumerate() {
        let name = format!("hostile-{number}");
        let repeat = usize::try_from(entry["repeat"].as_u64().unwrap_or(1)).unwrap();
        let payload = entry["payload"].as_str().unwrap().repeat(repeat);
        let mut report = failed().1.clone();
        let sample = &mut report.failed_samples[0];
        for place in [&mut sample.case, &mut sample.why, &mut sample.prompt, &mut sample.completion] {
            *place = Untrusted::new(payload.as_str());
        }
        report.model.description = Untrusted::new(payload.as_str());
        let redactor = Redactor::new();
        redactor.learn(entry["secret"].as_str().map(Secret::new).as_ref());
        let sink = Sink::new(redactor);
        let args = PublishArgs { comment: When::Always, ..PublishArgs::default() };
        let (published, _) = publish_through(run(&name, 10, args), &report, &sink);
        assert!(published.warnings.is_empty(), "{:?}", words(&published));
        github().with(&name, |repository| {
            let body = repository.comments[0]["body"].as_str().unwrap();
            let closed = repository.asked.iter().find(|asked| asked.body["conclusion"].is_string()).unwrap();
            let shown = |key: &str| closed.body["output"][key].as_str().unwrap_or_default();
            let check = format!("{}\n{}", shown("summary"), shown("text"));
            let markers = body.lines().filter(|line| line.contains("llmci:v1 ")).count();
            assert_eq!(markers, 1, "{body}");
            let (text, _) = body.trim_end().rsplit_once('\n').unwrap();
            for (sink, text) in [("comment", text), ("check", check.as_str())] {
                let patterns = |key: &str| entry[key].as_array().cloned().unwrap_or_default();
                let holds = |pattern: &Value| Regex::new(pattern.as_str().unwrap()).unwrap().is_match(text);
                for pattern in patterns("forbidden_regex").iter().filter(|pattern| holds(pattern)) {
                    broken.push(format!("{} ({sink}): holds {pattern}", entry["id"]));
                }
                for pattern in patterns("required_regex").iter().filter(|pattern| !holds(pattern)) {
                    broken.push(format!("{} ({sink}): lacks {pattern}", entry["id"]));
                }
            }
        });
        assert_eq!(github().violations(&name), Vec::<String>::new());
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
