//! Results of other tools as suites: each trap of their forms is a test.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use super::{Expect, read_results};
use crate::eval::Grading;
use crate::eval::sample::{Sample, Status};
use crate::eval::suite::Suite;

#[expect(clippy::disallowed_methods, reason = "a file of the test")]
fn put(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
    std::fs::write(folder.join(name), text).unwrap();
}

fn read(path: &Path, expect: &Expect<'_>) -> Result<Vec<Suite>, String> {
    let said = |problems: crate::document::Problems| {
        let all: Vec<String> = problems.sorted().iter().map(|problem| problem.message.raw().to_owned()).collect();
        all.join("; ")
    };
    read_results(path, &path.display().to_string(), expect).map_err(said)
}

fn one(name: &str, text: impl AsRef<[u8]>, expect: &Expect<'_>) -> Result<Vec<Suite>, String> {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), name, text);
    read(&folder.path().join(name), expect)
}

fn samples(suites: &[Suite]) -> Vec<Sample> {
    let cases = suites.iter().flat_map(|suite| (0..suite.heads().len()).map(|index| suite.case(index).unwrap()));
    cases
        .flat_map(|case| match case.grading {
            Grading::Recorded(samples) => samples,
            Grading::Own | Grading::Promptfoo(_) | Grading::Task(_) => panic!("not recorded"),
        })
        .collect()
}

fn metric(sample: &Sample, name: &str) -> Option<f64> {
    let row = sample.assertions.iter().find(|row| row.metric.as_ref().is_some_and(|metric| metric.as_str() == name));
    row.unwrap().score.map(crate::gate::Score::value)
}

// promptfoo

fn pf_row(test: u64, passes: bool) -> Value {
    json!({
        "id": format!("row-{test}"), "success": passes, "score": u8::from(passes), "failureReason": u8::from(!passes),
        "error": if passes { Value::Null } else { json!("Expected output to contain x") },
        "gradingResult": {"pass": passes, "score": u8::from(passes), "reason": "", "componentResults": [
            {"pass": passes, "score": u8::from(passes), "reason": "r", "assertion": {"type": "contains", "value": "x"}}]},
        "testIdx": test, "promptIdx": 0, "prompt": {"raw": format!("say {test}"), "label": "p"},
        "provider": {"id": "echo", "label": ""}, "vars": {"n": test},
        "testCase": {"vars": {"n": test}, "assert": [{"type": "contains", "value": "x"}]},
        "response": {"output": "x"}, "latencyMs": 5, "namedScores": {},
    })
}

fn pf(rows: &[Value], (successes, failures, errors): (u64, u64, u64)) -> String {
    json!({"evalId": "e", "results": {"version": 3, "timestamp": "2026-11-23T19:39:06.140Z", "prompts": [], "results": rows,
        "stats": {"successes": successes, "failures": failures, "errors": errors}}, "config": {}})
    .to_string()
}

fn statuses(suites: &[Suite]) -> Vec<Status> {
    samples(suites).iter().map(|sample| sample.status).collect()
}

#[test]
fn eight_failing_tests_of_promptfoo_are_eight_failures() {
    let rows: Vec<Value> = (0..8).map(|test| pf_row(test, false)).collect();
    let suites = one("r.json", pf(&rows, (0, 8, 0)), &Expect::default()).unwrap();
    assert_eq!(statuses(&suites), [Status::Failed; 8]);
}

#[test]
fn only_failure_reason_2_is_an_error() {
    let mut broken = pf_row(1, false);
    broken["failureReason"] = json!(2);
    broken["gradingResult"] = Value::Null;
    let suites =
        one("r.json", pf(&[pf_row(0, false), broken, pf_row(2, true)], (1, 1, 1)), &Expect::default()).unwrap();
    let found = samples(&suites);
    let error = found.iter().find(|sample| sample.status == Status::Error).unwrap();
    assert!(error.error.is_some() && error.answer.is_none());
    assert_eq!(found.iter().filter(|sample| sample.status == Status::Failed).count(), 1);
}

#[test]
fn rows_that_are_not_what_the_file_counts_are_no_results() {
    let rows = [pf_row(0, true), pf_row(1, true)];
    for stats in [(3, 0, 0), (1, 1, 0), (1, 0, 0), (2, 0, 1)] {
        let said = one("r.json", pf(&rows, stats), &Expect::default()).err().unwrap();
        assert!(said.contains("counts"), "{stats:?}: {said}");
    }
    assert!(one("r.json", pf(&rows, (2, 0, 0)), &Expect::default()).is_ok());
}

#[test]
fn no_test_no_assertion_and_a_row_twice_are_no_results() {
    assert!(one("r.json", pf(&[], (0, 0, 0)), &Expect::default()).err().unwrap().contains("no test"));
    let mut bare = pf_row(0, true);
    bare["gradingResult"] = json!({"pass": true, "score": 1, "reason": "No assertions"});
    assert!(one("r.json", pf(&[bare], (1, 0, 0)), &Expect::default()).err().unwrap().contains("nothing was tested"));
    let twice = pf(&[pf_row(0, true), pf_row(0, true)], (2, 0, 0));
    assert!(one("r.json", twice, &Expect::default()).err().unwrap().contains("twice"));
    let mut contrary = pf_row(0, true);
    contrary["gradingResult"]["pass"] = json!(false);
    assert!(one("r.json", pf(&[contrary], (1, 0, 0)), &Expect::default()).is_err());
}

#[test]
fn repeats_are_one_case_and_two_providers_two_suites() {
    let (mut again, mut other) = (pf_row(0, false), pf_row(0, true));
    again["id"] = json!("again");
    again["testIdx"] = json!(7);
    let suites = one("r.json", pf(&[pf_row(0, true), again], (1, 1, 0)), &Expect::default()).unwrap();
    assert_eq!(suites[0].heads().iter().map(|head| head.repeats).collect::<Vec<_>>(), [2]);
    other["id"] = json!("other");
    other["provider"] = json!({"id": "openai:x", "label": "B"});
    let suites = one("r.json", pf(&[pf_row(0, true), other], (2, 0, 0)), &Expect::default()).unwrap();
    assert_eq!(suites.iter().map(|suite| suite.name().to_string()).collect::<Vec<_>>(), ["r.B", "r.echo"]);
}

#[test]
fn the_children_of_an_assert_set_count_once() {
    let child = json!({"pass": true, "score": 1, "reason": "c", "assertion": {"type": "contains", "value": "x", "metric": "m"}});
    let set =
        json!({"pass": true, "score": 1, "reason": "s", "componentResults": [child], "metadata": {"assertionSet": {}}});
    let mut row = pf_row(0, true);
    row["gradingResult"]["componentResults"] = json!([set, child]);
    row["namedScores"] = json!({"m": 1});
    let found = samples(&one("r.json", pf(&[row], (1, 0, 0)), &Expect::default()).unwrap());
    assert_eq!(found[0].assertions.iter().filter(|row| row.weight > 0.0).count(), 1);
    assert_eq!(metric(&found[0], "m"), Some(1.0));
}

#[test]
fn rows_alone_are_believed_only_with_their_number() {
    let rows = format!("{}\n{}\n", pf_row(0, true), pf_row(1, true));
    assert!(one("r.jsonl", &rows, &Expect::default()).err().unwrap().contains("all"));
    let wants = |samples| Expect { samples: Some(samples), ..Expect::default() };
    assert!(one("r.jsonl", &rows, &wants(3)).err().unwrap().contains("expects 3"));
    assert_eq!(one("r.jsonl", &rows, &wants(2)).unwrap().len(), 1);
}

#[test]
fn the_oldest_generation_is_read_too() {
    let row = |passes: bool| {
        json!({"prompt": {"raw": "a", "display": "a"}, "vars": {"n": passes}, "success": passes,
        "response": {"output": "x"}, "gradingResult": {"pass": passes, "score": 0.5, "reason": "r"}})
    };
    let text = json!({"version": 1, "results": [row(true), row(false)], "stats": {"successes": 1, "failures": 1}});
    let mut found =
        statuses(&one("r.json", text.to_string(), &Expect { name: Some("old"), ..Expect::default() }).unwrap());
    found.sort_by_key(|status| *status == Status::Failed);
    assert_eq!(found, [Status::Passed, Status::Failed]);
}

// lm-eval

fn lm(limit: u64, acc: f64) -> Value {
    json!({"results": {"t": {"name": "t", "alias": "t", "sample_len": 2, "acc,none": acc, "acc_stderr,none": "N/A",
            "acc,strict": acc, "acc_stderr,strict": 0.5}},
        "higher_is_better": {"t": {"acc": true}}, "versions": {"t": 1.0}, "n-shot": {"t": 0},
        "n-samples": {"t": {"original": limit, "effective": 2}}, "config": {"limit": null}, "date": 1_795_462_646.0})
}

fn lm_rows(values: [&str; 4]) -> String {
    let row = |(index, value): (usize, &str)| {
        let (doc, filter) = (index / 2, if index % 2 == 0 { "none" } else { "strict" });
        format!(
            "{{\"doc_id\": {doc}, \"doc\": {{}}, \"target\": \"1\", \"arguments\": {{\"a\": [\"Q\"]}}, \"resps\": [[\"x\"]], \
             \"filter\": \"{filter}\", \"metrics\": [\"acc\"], \"doc_hash\": \"d{doc}\", \"prompt_hash\": \"p\", \
             \"target_hash\": \"t\", \"acc\": {value}}}\n"
        )
    };
    values.into_iter().enumerate().map(row).collect()
}

fn lm_read(document: &Value, rows: Option<&str>, expect: &Expect<'_>) -> Result<Vec<Suite>, String> {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "results_2026.json", document.to_string());
    if let Some(rows) = rows {
        put(folder.path(), "samples_t_2026.jsonl", rows);
    }
    read(folder.path(), expect)
}

#[test]
fn filters_are_metrics_of_one_sample_and_sample_len_is_none() {
    let suites = lm_read(&lm(2, 0.5), Some(&lm_rows(["1.0", "1.0", "\"0.0\"", "0"])), &Expect::default()).unwrap();
    let found = samples(&suites);
    assert_eq!((suites[0].name().to_string(), found.len()), ("t".to_owned(), 2));
    assert_eq!((metric(&found[0], "acc"), metric(&found[0], "acc.strict")), (Some(1.0), Some(1.0)));
    assert_eq!((found[0].status, found[1].status), (Status::Passed, Status::Failed));
    let names = found[0].assertions.iter().filter_map(|row| row.metric.as_ref()).map(|name| name.as_str().to_owned());
    assert_eq!(names.collect::<Vec<_>>(), ["acc", "acc.strict"]);
    let declared: Vec<&str> = suites[0].declared().iter().map(|one| one.name.as_str()).collect();
    assert_eq!(declared, ["acc", "acc.strict"]);
}

#[test]
fn a_score_that_is_no_number_is_unscored() {
    for value in ["NaN", "Infinity", "\"N/A\"", "null", "\"nan\""] {
        let suites = lm_read(&lm(2, 0.5), Some(&lm_rows([value, "1.0", "0.5", "0.0"])), &Expect::default()).unwrap();
        let found = samples(&suites);
        assert_eq!((found[0].status, found[0].score), (Status::Unscored, None), "{value}");
    }
}

#[test]
fn a_limited_run_is_refused_unless_the_policy_takes_it() {
    let rows = lm_rows(["1.0", "1.0", "0.0", "0.0"]);
    assert!(lm_read(&lm(10, 0.5), Some(&rows), &Expect::default()).err().unwrap().contains("--limit"));
    let takes = Expect { allow_limit: true, ..Expect::default() };
    assert!(lm_read(&lm(10, 0.5), Some(&rows), &takes).is_ok());
    let mut old = lm(2, 0.5);
    old["n-samples"] = Value::Null;
    old["config"]["limit"] = json!(5);
    assert!(lm_read(&old, Some(&rows), &Expect::default()).err().unwrap().contains("--limit"));
}

#[test]
fn samples_that_are_fewer_doubled_or_of_another_run_are_refused() {
    let rows = lm_rows(["1.0", "1.0", "0.0", "0.0"]);
    let half: String = rows.lines().take(2).map(|line| format!("{line}\n")).collect();
    assert!(lm_read(&lm(2, 0.5), Some(&half), &Expect::default()).err().unwrap().contains("1 documents"));
    let doubled = format!("{rows}{rows}");
    assert!(lm_read(&lm(2, 0.5), Some(&doubled), &Expect::default()).err().unwrap().contains("twice"));
    assert!(lm_read(&lm(2, 0.9), Some(&rows), &Expect::default()).err().unwrap().contains("mean"));
    let alone = lm_read(&lm(2, 0.5), None, &Expect::default()).unwrap();
    assert_eq!((samples(&alone)[0].score, alone[0].samples(), alone[0].notes().len()), (None, 2, 1));
    let cut = &rows[..rows.len() - 20];
    assert!(lm_read(&lm(2, 0.5), Some(cut), &Expect::default()).is_err());
}

#[test]
fn a_missing_task_an_empty_folder_and_no_file_are_no_pass() {
    let rows = lm_rows(["1.0", "1.0", "0.0", "0.0"]);
    let tasks = ["t".to_owned(), "u".to_owned()];
    let wants = Expect { tasks: &tasks, ..Expect::default() };
    assert!(lm_read(&lm(2, 0.5), Some(&rows), &wants).err().unwrap().contains("`u`"));
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("gone.json"), folder.path().join("*.json")] {
        assert!(read(&path, &Expect::default()).err().unwrap().contains("no results"));
    }
    assert!(one("r.json", "", &Expect::default()).err().unwrap().contains("empty"));
    assert!(one("r.json", "{}", &Expect::default()).err().unwrap().contains("no tool"));
}

#[test]
fn stale_results_and_two_of_one_task_are_refused() {
    let rows = lm_rows(["1.0", "1.0", "0.0", "0.0"]);
    let soon = Expect { not_before: Some(SystemTime::now() + Duration::from_secs(60)), ..Expect::default() };
    assert!(lm_read(&lm(2, 0.5), Some(&rows), &soon).err().unwrap().contains("older"));
    // The file is new, and what it says of itself is not.
    let mut old = lm(2, 0.5);
    old["date"] = json!(1.0);
    let now = Expect { not_before: Some(SystemTime::now()), ..Expect::default() };
    assert!(lm_read(&old, Some(&rows), &now).err().unwrap().contains("older"));
    let folder = tempfile::tempdir().unwrap();
    for stamp in ["1", "2"] {
        put(folder.path(), &format!("results_{stamp}.json"), lm(2, 0.5).to_string());
        put(folder.path(), &format!("samples_t_{stamp}.jsonl"), &rows);
    }
    assert!(read(folder.path(), &Expect::default()).err().unwrap().contains("too"));
}

#[test]
fn perplexities_are_values_of_all_samples_together() {
    let document = json!({"results": {"t": {"sample_len": 1, "word_perplexity,none": 7.389_056_098_930_65, "word_perplexity_stderr,none": "N/A"}},
        "higher_is_better": {"t": {"word_perplexity": false}}, "versions": {}, "n-samples": {"t": {"original": 1, "effective": 1}}});
    let row = json!({"doc_id": 0, "doc": {}, "target": "", "resps": [["-3"]], "filter": "none", "metrics": ["word_perplexity"],
        "word_perplexity": [-6.0, 3]});
    let suites = lm_read(&document, Some(&format!("{row}\n")), &Expect::default()).unwrap();
    let found = samples(&suites);
    assert_eq!(found[0].values[0].parts, [-6.0, 3.0]);
    assert_eq!(suites[0].declared()[0].direction, crate::gate::Direction::Lower);
}

#[test]
fn a_sample_without_a_number_stays_missing_from_a_metric_without_end() {
    let document = json!({"results": {"t": {"sample_len": 3, "rouge1,none": 47.0, "loose,none": 0.5}}, "configs": {}, "versions": {},
        "n-samples": {"t": {"original": 3, "effective": 3}}});
    let row = |doc: u64, rouge: &str, metrics: &str| {
        format!(
            "{{\"doc_id\": {doc}, \"resps\": [[\"x\"]], \"filter\": \"none\", \"metrics\": {metrics}, \"rouge1\": {rouge}, \"loose\": 1.0}}\n"
        )
    };
    let both = "[\"rouge1\", \"loose\"]";
    let rows = [row(0, "47.0", both), row(1, "NaN", both), row(2, "48.0", "[\"rouge1\"]")].concat();
    let found = samples(&lm_read(&document, Some(&rows), &Expect::default()).unwrap());
    assert_eq!((found[0].values[0].parts.as_slice(), metric(&found[0], "loose")), (&[47.0][..], Some(1.0)));
    // Both are seen as missing: the number that is none, and the metric that a document lacks.
    assert_eq!(metric(&found[1], "rouge1"), None);
    assert_eq!(metric(&found[2], "loose"), None);
}

#[test]
fn results_of_groups_alone_or_without_any_count_are_none() {
    let groups = json!({"results": {"g": {"acc,none": 1}}, "groups": {"g": {}}, "configs": {}, "versions": {}});
    assert!(lm_read(&groups, None, &Expect::default()).err().unwrap().contains("no task"));
    let mut gone = lm(2, 0.5);
    gone["n-samples"]["u"] = json!({"original": 2, "effective": 2});
    let rows = lm_rows(["1.0", "1.0", "0.0", "0.0"]);
    assert!(lm_read(&gone, Some(&rows), &Expect::default()).err().unwrap().contains("`u` was run and has no results"));
    let mut uncounted = lm(2, 0.5);
    uncounted["n-samples"] = Value::Null;
    uncounted["results"]["t"].as_object_mut().unwrap().remove("sample_len");
    assert!(lm_read(&uncounted, Some(&rows), &Expect::default()).err().unwrap().contains("how many documents"));
    let said = Expect { samples: Some(2), ..Expect::default() };
    assert!(lm_read(&uncounted, Some(&rows), &said).is_ok());
}

#[test]
fn what_cannot_be_looked_into_is_no_fewer_results() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "results_2026.json", lm(2, 0.5).to_string());
    put(folder.path(), "samples_t_2026.jsonl", lm_rows(["1.0", "1.0", "0.0", "0.0"]));
    std::fs::create_dir_all(folder.path().join("1/2/3/4/5")).unwrap();
    assert!(read(folder.path(), &Expect::default()).err().unwrap().contains("deeper"));
}

// Inspect

fn log(status: &str, samples: usize) -> Value {
    let sample = |id: usize| {
        json!({"id": id, "epoch": 1, "input": "Q", "target": "A", "scores": {"match": {"value": "C"}},
        "output": {"choices": [{"message": {"content": "A"}}]}})
    };
    json!({"version": 2, "status": status, "eval": {"task": "pop", "dataset": {"samples": 2}, "config": {}},
        "results": {"total_samples": 2, "completed_samples": 2, "scores": [{"scorer": "match", "metrics": {}}]},
        "samples": (0..samples).map(sample).collect::<Vec<_>>()})
}

#[test]
fn only_a_log_that_succeeded_is_a_result() {
    assert_eq!(
        statuses(&one("l.json", log("success", 2).to_string(), &Expect::default()).unwrap()),
        [Status::Passed; 2]
    );
    for status in ["cancelled", "error", "started", "new"] {
        assert!(one("l.json", log(status, 2).to_string(), &Expect::default()).err().unwrap().contains("status"));
    }
    assert!(one("l.json", log("success", 1).to_string(), &Expect::default()).err().unwrap().contains("1 samples of 2"));
    let mut limited = log("success", 2);
    limited["eval"]["config"]["limit"] = json!(2);
    assert!(one("l.json", limited.to_string(), &Expect::default()).err().unwrap().contains("--limit"));
}

#[test]
fn a_value_of_inspect_is_a_share_or_unscored() {
    for (value, want) in [
        (json!("C"), Some(1.0)),
        (json!("P"), Some(0.5)),
        (json!("I"), Some(0.0)),
        (json!("N"), Some(0.0)),
        (json!(0.25), Some(0.25)),
        (json!(true), Some(1.0)),
        (json!({"a": 1, "b": 0}), Some(0.5)),
        (json!("?"), None),
        (json!(7), None),
    ] {
        let mut log = log("success", 2);
        log["samples"][0]["scores"]["match"]["value"] = value.clone();
        let found = samples(&one("l.json", log.to_string(), &Expect::default()).unwrap());
        assert_eq!(found[0].score.map(crate::gate::Score::value), want, "{value}");
    }
    let mut failed = log("success", 2);
    failed["samples"][0]["error"] = json!({"message": "boom"});
    assert_eq!(statuses(&one("l.json", failed.to_string(), &Expect::default()).unwrap())[0], Status::Error);
}

fn zipped(entries: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut zip = zip::ZipWriter::new(&mut bytes);
    for (name, text) in entries {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(text).unwrap();
    }
    zip.finish().unwrap();
    bytes.into_inner()
}

fn entries() -> Vec<(&'static str, Vec<u8>)> {
    let mut header = log("success", 2);
    let samples = header["samples"].take();
    let text = |value: &Value| value.to_string().into_bytes();
    vec![
        ("header.json", text(&header)),
        ("samples/0_epoch_1.json", text(&samples[0])),
        ("samples/1_epoch_1.json", text(&samples[1])),
    ]
}

#[test]
fn a_zip_is_read_in_both_packings() {
    for method in [zip::CompressionMethod::Deflated, zip::CompressionMethod::Zstd] {
        let suites = one("l.eval", zipped(&entries(), method), &Expect::default()).unwrap();
        assert_eq!(statuses(&suites), [Status::Passed; 2], "{method:?}");
    }
}

#[test]
fn a_zip_that_is_interrupted_a_bomb_or_leads_out_is_refused() {
    let pack = |entries: &[(&str, Vec<u8>)]| zipped(entries, zip::CompressionMethod::Deflated);
    let refused = |bytes: Vec<u8>| one("l.eval", bytes, &Expect::default()).err().unwrap();
    assert!(refused(pack(&[("_journal/start.json", b"{}".to_vec())])).contains("interrupted"));
    assert!(refused(pack(&entries()[..2])).contains("1 samples of 2"));
    let mut out = entries();
    out.push(("../../evil.json", b"{}".to_vec()));
    assert!(refused(pack(&out)).contains("leads out"));
    let mut bomb = entries();
    bomb.push(("samples/2_epoch_1.json", vec![b' '; 32 << 20]));
    assert!(refused(pack(&bomb)).contains("too large"));
    // One name in place of another of the same length: the reader of the format keeps one of the two.
    let mut twice = entries();
    twice.push(("samples/2_epoch_1.json", twice[2].1.clone()));
    let mut bytes = pack(&twice);
    let (from, to) = (b"samples/2_epoch_1.json", b"samples/1_epoch_1.json");
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    assert!(refused(bytes).contains("there twice"));
    let whole = pack(&entries());
    assert!(refused(whole[..whole.len() / 2].to_vec()).contains("no whole archive"));
}

// deepeval, OpenAI evals, garak

#[test]
fn a_metric_of_deepeval_that_broke_is_an_error_and_counts_must_agree() {
    let test = |success: Value, error: Value| {
        json!({"name": "t", "input": format!("{success}{error}"), "success": success, "actualOutput": "a",
        "metricsData": [{"name": "Answer Relevancy", "success": success, "score": 0.7, "error": error}]})
    };
    let run = |passed: u64| {
        let tests =
            [test(json!(true), Value::Null), test(json!(false), Value::Null), test(json!(false), json!("no judge"))];
        json!({"testRunData": {"testCases": tests, "testPassed": passed, "testFailed": 2}}).to_string()
    };
    let suites = one("d.json", run(1), &Expect::default()).unwrap();
    assert_eq!(statuses(&suites), [Status::Passed, Status::Failed, Status::Error]);
    assert_eq!(metric(&samples(&suites)[0], "Answer_Relevancy"), Some(0.7));
    assert!(one("d.json", run(2), &Expect::default()).err().unwrap().contains("counts"));
}

#[test]
fn a_log_of_openai_evals_without_its_report_crashed() {
    let line = |id: &str, correct: bool| json!({"run_id": "r", "event_id": 0, "sample_id": id, "type": "match", "data": {"correct": correct, "expected": "a"}});
    let spec = json!({"spec": {"eval_name": "e.v0", "run_config": {"max_samples": null}}});
    let whole = format!("{spec}\n{}\n{}\n", line("a", true), line("b", false));
    assert!(one("e.jsonl", &whole, &Expect::default()).err().unwrap().contains("final_report"));
    let report = |accuracy: f64| json!({"final_report": {"accuracy": accuracy}, "run_id": "r"});
    let suites = one("e.jsonl", format!("{whole}{}\n", report(0.5)), &Expect::default()).unwrap();
    assert_eq!(statuses(&suites), [Status::Passed, Status::Failed]);
    assert!(
        one("e.jsonl", format!("{whole}{}\n", report(0.9)), &Expect::default()).err().unwrap().contains("accuracy")
    );
}

#[test]
fn no_metric_of_openai_evals_but_a_match_says_that_a_sample_passed() {
    let lines = [
        json!({"spec": {"run_config": {"max_samples": null}}}),
        json!({"sample_id": "a", "type": "metrics", "data": {"char_error": 1, "score": 0}}),
        json!({"final_report": {"score": 0}}),
    ];
    let text = lines.map(|line| format!("{line}\n")).concat();
    assert!(one("e.jsonl", &text, &Expect::default()).err().unwrap().contains("how many samples"));
    let said = Expect { samples: Some(1), ..Expect::default() };
    let suites = one("e.jsonl", &text, &said).unwrap();
    assert_eq!(statuses(&suites), [Status::Unscored]);
    assert_eq!(metric(&samples(&suites)[0], "char_error"), Some(1.0));
}

#[test]
fn a_report_of_garak_is_sent_to_the_safety_gate() {
    let said = one("g.jsonl", "{\"entry_type\": \"init\"}\n", &Expect::default()).err().unwrap();
    assert!(said.contains("attacks"), "{said}");
}
