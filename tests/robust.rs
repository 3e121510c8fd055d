//! Files that are cut, bent or made to hurt: they are refused with their place, never believed, and never a crash.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use llmci::document::{Problem, parse_yaml};
use llmci::eval::policy;
use llmci::eval::suite::Suite;
use support::{root, write};

fn first(problems: llmci::document::Problems) -> (u32, u32, String) {
    let problem: Problem = problems.sorted().into_iter().next().unwrap();
    (problem.spot.line, problem.spot.column, problem.message.raw().to_owned())
}

#[test]
fn a_file_cut_at_any_byte_never_crashes_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let policy_text = std::fs::read_to_string(root().join("examples/quickstart/llmci.yaml")).unwrap();
    let suite_text = std::fs::read_to_string(root().join("examples/quickstart/smoke.yaml")).unwrap();
    let lines: String = std::fs::read_to_string(root().join("examples/quickstart/facts.jsonl"))
        .unwrap()
        .lines()
        .take(3)
        .map(|line| format!("{line}\n"))
        .collect();
    let mut refused = 0;
    for (name, text) in [("llmci.yaml", policy_text), ("suite.yaml", suite_text), ("suite.jsonl", lines)] {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            write(folder.path(), name, &text[..end]);
            let path = folder.path().join(name);
            let outcome =
                if name == "llmci.yaml" { policy::load(&path).map(drop) } else { Suite::load(&path, name).map(drop) };
            refused += u32::from(outcome.is_err());
        }
    }
    assert!(refused > 500, "{refused}: most cuts break a file");
}

#[test]
fn a_jsonl_suite_with_a_torn_last_line_is_refused_there() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "s.jsonl",
        "{\"id\": \"a\", \"prompt\": \"x\", \"expected\": \"y\"}\n{\"id\": \"b\", \"prompt\": \"x\", \"exp",
    );
    let (line, _, message) = first(Suite::load(&folder.path().join("s.jsonl"), "s.jsonl").err().unwrap());
    assert_eq!(line, 2);
    assert!(message.contains("not JSON"), "{message}");
}

#[test]
fn every_problem_of_a_jsonl_suite_is_found_at_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let lines = [
        r#"{"suite": {"name": "s", "defaults": {"template": "Q: {{ q }}"}}}"#,
        r#"{"id": "a", "vars": {"q": 1}, "expected": "y"}"#,
        r#"{"id": "a", "vars": {"q": 1}, "expected": "y"}"#,
        r#"{"id": "b", "vars": {"x": 1}, "expected": "y"}"#,
        r#"{"id": "c", "vars": {"q": 1}, "expectd": "y"}"#,
        r#"{"id": "d", "id": "e", "vars": {"q": 1}, "expected": "y"}"#,
        r#"{"id": "f", "vars": {"q": 1}, "repeats": "two", "expected": "y"}"#,
        "",
        r#"{"id": "g", "vars": {"q": 1}}"#,
        r#"{"id": "h", "vars": {"q": 1}, "assertions": [{"type": "choice", "choices": ["a", "b"], "answer": 0}, {"type": "contains", "value": "x"}]}"#,
        r#"{"id": "i", "prompt": "x", "messages": [], "expected": "y"}"#,
        r#"{"id": "j", "vars": {"q": 1}, "expected": "y", "max_tokens": 0, "timeout_seconds": -1}"#,
    ];
    write(folder.path(), "s.jsonl", &lines.join("\n"));
    let problems = Suite::load(&folder.path().join("s.jsonl"), "s.jsonl").err().unwrap().sorted();
    let found: Vec<(u32, String)> =
        problems.iter().map(|problem| (problem.spot.line, problem.message.raw().to_owned())).collect();
    let wanted = [
        (3, "the id `a` is there twice"),
        (4, "not in vars"),
        (5, "unknown key `expectd`"),
        (6, "twice"),
        (7, "wanted a whole number"),
        (9, "nothing judges this case"),
        (10, "has no text for other assertions"),
        (11, "either `prompt` or `messages`"),
        (12, "max_tokens is 1 or more"),
        (12, "more than 0 seconds"),
    ];
    for (line, words) in wanted {
        assert!(found.iter().any(|(at, message)| *at == line && message.contains(words)), "{line} {words}: {found:?}");
    }
    assert_eq!(found.len(), wanted.len(), "{found:?}");
}

#[test]
fn yaml_that_means_something_else_than_it_seems_is_refused() {
    let table = [
        ("a: 1\na: 2\n", (2, 1), "twice"),
        ("a: !function x\n", (1, 4), "tag"),
        ("a: .nan\n", (1, 4), "NaN"),
        ("a: [1, 2\nb: 3\n", (2, 1), "not YAML"),
        ("--- 1\n--- 2\n", (2, 1), "second document"),
        ("", (1, 1), "empty"),
        ("# only a comment\n", (1, 1), "empty"),
        ("? [a]\n: b\n", (1, 3), "plain text"),
    ];
    for (text, (line, _), words) in table {
        let found = first(parse_yaml("f.yaml", text).err().unwrap());
        assert!(found.2.contains(words), "{text:?}: {found:?}");
        assert!(found.0 == line || words == "not YAML" || words == "empty", "{text:?}: {found:?}");
    }
    let deep = format!("a: {}1{}\n", "[".repeat(100), "]".repeat(100));
    assert!(first(parse_yaml("f.yaml", &deep).err().unwrap()).2.contains("nested deeper"));
}

#[test]
fn an_alias_bomb_is_refused_at_once() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let before = format!("*a{}", level - 1);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", ")));
    }
    let began = Instant::now();
    let (_, _, message) = first(parse_yaml("f.yaml", &text).err().unwrap());
    assert!(message.contains("once the aliases are spelled out"), "{message}");
    // Generous for an unoptimised build on a busy machine: without the budget it would never end.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_suite_outside_its_folder_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["../s.jsonl", "/etc/passwd", "file:///etc/passwd"] {
        write(folder.path(), "s.yaml", &format!("name: s\ncases: \"{path}\"\n"));
        let (line, column, message) = first(Suite::load(&folder.path().join("s.yaml"), "s.yaml").err().unwrap());
        assert_eq!((line, column), (2, 8), "{path}: {message}");
    }
}

#[test]
fn a_case_that_changes_under_the_run_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.jsonl");
    write(folder.path(), "s.jsonl", "{\"id\": \"a\", \"prompt\": \"x\", \"expected\": \"y\"}\n");
    let suite = Suite::load(&path, "s.jsonl").unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(suite.case(0).is_ok());
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, b"{\"id\": \"b\"").unwrap();
    assert!(suite.case(0).err().unwrap().message.raw().contains("has changed"));
}

#[test]
fn a_pipe_or_a_device_is_refused_and_never_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.yaml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let lines = folder.path().join("pipe.jsonl");
    std::fs::rename(&pipe, &lines).unwrap();
    assert!(first(Suite::load(&lines, "pipe.jsonl").err().unwrap()).2.contains("regular file"));
    for path in [lines.as_path(), std::path::Path::new("/dev/zero")] {
        assert!(first(policy::load(path).err().unwrap()).2.contains("regular file"), "{}", path.display());
    }
}
