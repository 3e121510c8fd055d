//! Hostile text through the real binary, sink by sink, from every place where a user could put it: nothing of it acts, and
//! each stays readable. The corpus is `tests/corpus/hostile.json`, or the file that `LLMCI_HOSTILE_FILE` names.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use regex::Regex;
use serde_json::{Value, json};
use support::hostile::{self, Entry};
use support::stub::{Stub, chat, reply};
use support::{eval_gate, regression_check, root, write};

/// Where a payload is put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Answer,
    CaseId,
    Expected,
    SuiteFile,
    ModelName,
    Branch,
    OutFolder,
    ErrorBody,
    JudgesWords,
}

const EVERYWHERE: [Place; 9] = [
    Place::Answer,
    Place::CaseId,
    Place::Expected,
    Place::SuiteFile,
    Place::ModelName,
    Place::Branch,
    Place::OutFolder,
    Place::ErrorBody,
    Place::JudgesWords,
];

/// Where an entry must be readable afterwards; everywhere else it must only not act.
fn home(entry: &Entry) -> Place {
    match (entry.sink.as_str(), entry.place.as_str()) {
        ("output_file", _) if entry.format != "jsonl" => Place::OutFolder,
        (_, "uri" | "file") if is_file_name(&entry.text()) => Place::SuiteFile,
        (_, "name" | "title" | "cell") => Place::CaseId,
        (_, _) => Place::Answer,
    }
}

/// Whether a suite's file can have the name without leaving the test's own folder.
fn is_file_name(name: &str) -> bool {
    let below = name.trim_start_matches("../").len();
    let up = (name.len() - below) / 3;
    let plain = |part: &str| !part.is_empty() && part != ".." && part.len() < 200;
    up <= UP && !name.contains('\0') && name[name.len() - below..].split('/').all(plain)
}

/// Folders between the run and the test's own folder.
const UP: usize = 4;

/// A folder deep enough for a path that leads up, with the payload in its place; none where that cannot be (a file's name
/// has no slash, a case's id no control character).
fn prepare(folder: &Path, entry: &Entry, place: Place, base: &str) -> Option<Command> {
    let payload = entry.text();
    let named: String = payload.chars().filter(|letter| !letter.is_control()).take(200).collect();
    let is = |wanted: Place| place == wanted;
    let id = if is(Place::CaseId) { named.as_str() } else { "a" };
    let answer = if is(Place::Answer) { payload.as_str() } else { "no" };
    let expected = if is(Place::Expected) { payload.as_str() } else { "one" };
    let suite = match place {
        Place::SuiteFile if !is_file_name(&payload) => return None,
        Place::SuiteFile => format!("{payload}.jsonl"),
        _ => "s.jsonl".to_owned(),
    };
    let model = if is(Place::ModelName) { named.as_str() } else { "t" };
    let out = match place {
        Place::OutFolder if payload.contains(['/', '\0']) || payload.len() > 200 => return None,
        Place::OutFolder => payload.as_str(),
        _ => "llmci-out",
    };
    let case = match place {
        Place::JudgesWords => json!({"id": id, "prompt": "x", "assertions":
            [{"type": "llm-judge", "value": "good", "judge": "j"}, {"type": "equals", "value": "z"}]}),
        _ => json!({"id": id, "prompt": "x", "expected": expected}),
    };
    let head = if is(Place::SuiteFile) { "{\"suite\": {\"name\": \"s\"}}\n" } else { "" };
    write(folder, &suite, &format!("{head}{case}\n"));
    write(folder, "tape.jsonl", &format!("{}\n", json!({"case": id, "text": answer})));
    let remote = json!({"provider": "openai", "base_url": base, "model": "m", "retry": {"attempts": 1}});
    let taped = json!({"provider": "replay", "path": "tape.jsonl"});
    // The gate passes where the log is looked at, so that it holds no annotation of ours.
    let min = if entry.sink == "log" { 0.0 } else { 1.0 };
    let mut models = serde_json::Map::new();
    models.insert(model.to_owned(), if is(Place::ErrorBody) { remote.clone() } else { taped });
    models.insert("j".to_owned(), remote);
    let policy = json!({
        "version": 1,
        "models": models,
        "suites": [suite],
        "gate": {"model": model, "thresholds": [{"metric": "pass_rate", "min": min, "decide_by": "point"}]},
    });
    // JSON is YAML.
    write(folder, "llmci.yaml", &policy.to_string());
    let branch = if is(Place::Branch) { named.as_str() } else { "main" };
    let pull = json!({"number": 7, "title": branch, "head": {"sha": branch, "ref": branch}});
    write(folder, "event.json", &json!({"pull_request": pull, "repository": {"default_branch": "main"}}).to_string());
    let mut command = eval_gate(folder);
    command.args(["--quiet", "--policy-from", "head", &format!("--out={out}")]);
    if entry.sink == "gitlab_note" || entry.format == "dotenv" {
        command.envs([("GITLAB_CI", "true"), ("CI_PROJECT_PATH", "o/r"), ("CI_MERGE_REQUEST_IID", "7")]);
        command.envs([("CI_COMMIT_REF_NAME", branch), ("CI_COMMIT_SHA", branch), ("CI_JOB_URL", branch)]);
    } else {
        command.envs([("GITHUB_ACTIONS", "true"), ("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary")]);
        command.envs([("GITHUB_EVENT_PATH", "event.json"), ("GITHUB_REF_NAME", branch), ("GITHUB_REPOSITORY", branch)]);
        command.envs([("GITHUB_SERVER_URL", "https://git.example"), ("GITHUB_RUN_ID", "1")]);
        command.env("GITHUB_WORKSPACE", folder);
    }
    if let Some(secret) = &entry.secret {
        command.env("OPENAI_API_KEY", secret);
    }
    Some(command)
}

/// The sink as the binary wrote it; none where the run was refused before it wrote anything.
fn surface(folder: &Path, entry: &Entry, place: Place, mut command: Command) -> Option<String> {
    let out = if place == Place::OutFolder { folder.join(entry.text()) } else { folder.join("llmci-out") };
    let output = command.output().unwrap();
    let log = format!("{}{}", String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    // An endpoint's error ends in a verdict, and that in annotations of our own.
    let own = entry.sink != "log" || place == Place::ErrorBody;
    let broken = hostile::commands(&log, !own);
    assert!(broken.is_empty(), "{} {place:?}: the runner would read {broken:?}", entry.id);
    let ours = Regex::new("^::(add-mask::|(error|warning|notice) (file=[^:]*,line=\\d+,)?title=)").unwrap();
    let annotations: String = log.split_inclusive('\n').filter(|line| line.starts_with("::notice ")).collect();
    let log: String = log.split_inclusive('\n').filter(|line| !ours.is_match(line)).collect();
    assert!(output.status.code().is_some_and(|code| code != 70), "{} {place:?}: {log}", entry.id);
    if !out.join("report.json").exists() {
        return (entry.sink == "log").then_some(log);
    }
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    Some(match (entry.sink.as_str(), entry.format.as_str()) {
        ("log", _) => log,
        ("annotation", _) => annotations,
        ("comment", _) => read(&out.join("comment.md")),
        ("summary", _) => read(&folder.join("summary")),
        ("junit", _) => read(&out.join("junit.xml")),
        ("sarif", _) => read(&out.join("report.sarif")),
        ("html", _) => read(&out.join("report.html")),
        ("gitlab_note", _) => read(&out.join("note.md")),
        ("output_file", "dotenv") => read(&out.join("llmci.env")),
        ("output_file", "jsonl") => read(&out.join("samples.jsonl")),
        ("output_file", _) => read(&folder.join("output")),
        (sink, format) => unreachable!("{}: nothing of ours is the sink {sink} {format}", entry.id),
    })
}

/// What a comparison writes in which one case is newly failing, whose id is the payload as it is: samples that were written
/// by another hand may have any id.
fn compared(folder: &Path, entry: &Value) -> BTreeMap<&'static str, String> {
    let repeat = usize::try_from(entry["repeat"].as_u64().unwrap_or(1)).unwrap();
    let payload = entry["payload"].as_str().unwrap().repeat(repeat);
    for (side, passed) in [("base", true), ("cand", false)] {
        let sample = |case: &str| {
            json!({
                "suite": "s", "case": case, "repeat": 0, "level": "evaluation", "tags": [], "prompt_digest": "one",
                "expected_digest": "two", "status": if passed { "passed" } else { "failed" },
                "score": if passed { 1.0 } else { 0.0 }, "assertions": [], "answer": null, "attempts": 1, "cached": false
            })
        };
        let mut lines: String = (0..20).map(|number| format!("{}\n", sample(&number.to_string()))).collect();
        lines.insert_str(0, &format!("{}\n", sample(&payload)));
        write(folder, &format!("{side}/samples.jsonl"), &lines);
    }
    let mut command = regression_check(folder);
    command.args(["--baseline", "base", "--candidate", "cand"]).env("GITHUB_WORKSPACE", folder);
    command.envs([("GITHUB_ACTIONS", "true"), ("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary")]);
    if let Some(secret) = entry["secret"].as_str() {
        command.env("OPENAI_API_KEY", secret);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", support::text(&output));
    let log = String::from_utf8(output.stdout).unwrap();
    // What masks a secret names it, by design; our own annotation of the verdict is a command as well.
    let ours = |line: &&str| {
        !line.starts_with("::add-mask::") && !line.starts_with("::error title=regression-check fail::pass_rate ")
    };
    let log: String = log.split_inclusive('\n').filter(ours).collect();
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let summary = read("summary");
    BTreeMap::from([
        ("log", log),
        ("comment", read("llmci-regression/comment.md")),
        ("summary", summary),
        ("junit", read("llmci-regression/junit.xml")),
        ("sarif", read("llmci-regression/report.sarif")),
        ("html", read("llmci-regression/report.html")),
        ("output_file", read("output")),
    ])
}

#[test]
fn no_entry_of_the_corpus_acts_as_the_id_of_a_newly_failing_case() {
    let corpus: Vec<Value> =
        serde_json::from_slice(&std::fs::read(root().join("tests/corpus/hostile.json")).unwrap()).unwrap();
    let mut broken = Vec::new();
    for entry in &corpus {
        let folder = tempfile::tempdir().unwrap();
        let surfaces = compared(folder.path(), entry);
        let Some(surface) = surfaces.get(entry["sink"].as_str().unwrap()) else { continue };
        for pattern in entry["forbidden_regex"].as_array().into_iter().flatten() {
            if Regex::new(pattern.as_str().unwrap()).unwrap().is_match(surface) {
                broken.push(format!("{} ({}): holds {pattern}", entry["id"], entry["sink"]));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_entry_of_the_corpus_acts_in_any_sink() {
    let file =
        std::env::var_os("LLMCI_HOSTILE_FILE").map_or_else(|| root().join("tests/corpus/hostile.json"), Into::into);
    let corpus: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let entries: Vec<Entry> = corpus.iter().map(Entry::read).collect();
    assert!(!entries.is_empty());
    // Every machine that runs this has two processors.
    let (left, right) = entries.split_at(entries.len() / 2);
    let halves = std::thread::scope(|scope| {
        [scope.spawn(|| broken_of(left)), scope.spawn(|| broken_of(right))].map(|half| half.join().unwrap())
    });
    let broken: Vec<&str> = halves.iter().flat_map(|half| &half.0).map(String::as_str).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    for (at, place) in EVERYWHERE.iter().enumerate() {
        let seen: usize = halves.iter().map(|half| half.1[at]).sum();
        assert!(seen * 5 > entries.len(), "{place:?}: only {seen} of {} runs came as far as a sink", entries.len());
    }
}

/// What is broken, and how many runs reached their sink, place by place.
fn broken_of(entries: &[Entry]) -> (Vec<String>, [usize; EVERYWHERE.len()]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut broken = Vec::new();
    let mut reached = [0; EVERYWHERE.len()];
    for entry in entries {
        let text = entry.text();
        let before: usize = reached.iter().sum();
        for (at, place) in EVERYWHERE.into_iter().enumerate() {
            let text = text.clone();
            let answers = move |_: usize, _: &str| match place {
                Place::JudgesWords => chat(&json!({"reason": text, "score": 0}).to_string()),
                _ => reply(400, "", &json!({"error": {"message": text}}).to_string()),
            };
            let seen = runtime.block_on(async {
                let stub = Stub::start(answers).await.unwrap();
                let base = stub.base.clone();
                let entry = entry.clone();
                // The stub lives on this thread while the binary runs on another.
                tokio::task::spawn_blocking(move || {
                    let top = tempfile::tempdir().unwrap();
                    let folder = top.path().join("a/b/c/d");
                    std::fs::create_dir_all(&folder).unwrap();
                    let command = prepare(&folder, &entry, place, &base)?;
                    surface(&folder, &entry, place, command)
                })
                .await
                .unwrap()
            });
            let at_home = place == home(entry);
            reached[at] += usize::from(seen.is_some());
            match seen {
                Some(surface) => broken.extend(hostile::broken(entry, &format!("{place:?}"), at_home, &surface)),
                None if at_home && entry.payload_fits() => broken.push(format!("{}: no surface", entry.id)),
                None => {}
            }
        }
        if reached.iter().sum::<usize>() == before {
            broken.push(format!("{}: no sink takes it", entry.id));
        }
    }
    (broken, reached)
}

#[test]
fn the_check_of_the_check_sees_what_acts() {
    let entry = Entry::read(&json!({"id": "x", "sink": "comment", "payload": "p", "must_hold": "",
        "forbidden_regex": ["@[a-z]"], "required_regex": ["word"], "max_bytes": 20}));
    let broken = |text: &str| hostile::broken(&entry, "", true, text).len();
    // A mention is found twice: by the pattern, and by the view of the host.
    assert_eq!((broken("a word"), broken("@a word"), broken("nothing"), broken(&"word".repeat(9))), (0, 2, 1, 1));
    assert!(hostile::broken(&entry, "", true, "word\n</details>").len() == 1, "a tag that nothing opened");
    assert!(Regex::new("^::error").unwrap().is_match("::error"));
    for (log, count) in
        [("a\r::error::x", 1), ("\u{3000}::SET-ENV name=x::y", 1), ("x ##[error]y", 1), ("| ::error", 0)]
    {
        assert_eq!(hostile::commands(log, true).len(), count, "{log}");
    }
}

#[test]
fn the_view_of_a_host_sees_what_its_filters_would_find() {
    let acting = |text: &str| !support::rendered::acting(text).is_empty();
    for text in [
        "a @team",
        "&#64;team",
        "see #1",
        "&#35;1",
        "GH-1",
        "!1",
        "~bug",
        "$3",
        "%1",
        "https://x.example",
        "[a](b)",
        "![a](b)",
        "<b>x</b>",
        "/merge",
        "&#47;merge",
        "<code>a&#64;b.example</code>",
        ":tada:",
        "deadbeef",
        "www.x.example",
        "<code>@a</code> @b",
        "# h1",
        "[[x]]",
    ] {
        assert!(acting(text), "{text}");
    }
    for text in
        ["<code>@team #1 &#64;x</code>", "95 % interval, 5 % of n=3", "<https://git.example/o/r/actions/runs/1>"]
    {
        assert_eq!(support::rendered::acting(text), Vec::<String>::new(), "{text}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    #[test]
    fn no_words_of_a_policy_act_wherever_they_stand(text in "[@#!~$%&:/_*`<>|(){}\\[\\]\\\\^+=.,;\"'?a-hGHw0-3é \\n-]{0,30}") {
        let sink = llmci::report::Sink::default();
        let text = llmci::trust::Untrusted::new(text);
        let (words, code, html) = (sink.words(&text, 500), sink.code(&text, 500), sink.html(&text, 500));
        let body = format!(
            "### x. {words}\n\nThe {words}\n\n- x {words} {code}\n\n| x {words} | {code} |\n|---|---|\n\
             | x {words} | y |\n\n<details><summary>x {words}</summary>\n\n<pre>x{html}</pre>\n\n**x {words}**: y\n\n</details>\n\n\
             <sub>x {words} · y</sub>\n"
        );
        let found = support::rendered::acting(&body);
        proptest::prop_assert!(found.is_empty(), "{:?}\n{}", found, body);
    }
}
