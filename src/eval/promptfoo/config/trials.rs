//! Whole configs: rows against those of the real tool, and what is refused.
//!
//! `frozen/*/rows.jsonl` is what promptfoo 0.121.20 gives for the config beside it (`eval -c promptfooconfig.yaml -o out.json`, an echo
//! provider): for each row its prompt (what echo answered), provider, assertions and whether it passed. The configs are ours.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::load;
use crate::document::Problems;
use crate::eval::case::{Case, Grading};
use crate::eval::promptfoo::{Node, Test, Value as Compared, judge};
use crate::eval::request::{Answer, Completion, Finish, Prompt, Request};
use crate::eval::sample::Status;
use crate::eval::scorer::{Judges, Subject};
use crate::eval::suite::{Around, Asked, Suite};
use crate::trust::Untrusted;

fn around(asked: Asked) -> Around<'static> {
    let environment: &'static dyn Fn(&str) -> Option<String> = &|name| match name {
        "TOWN" => Some("Ulm".to_owned()),
        "OPENAI_API_KEY" | "MY_TOKEN" => Some("sk-very-secret".to_owned()),
        _ => None,
    };
    Around { environment, asked, judge: None, working: None, chat: None }
}

#[expect(clippy::disallowed_methods, reason = "a file of the test")]
fn put(path: PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn written(text: &str, others: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in others.iter().chain([&("config.yaml", text)]) {
        put(folder.path().join(name), text);
    }
    let path = folder.path().join("config.yaml");
    (folder, path)
}

fn said(problems: Problems) -> String {
    let lines = problems.sorted().into_iter().map(|problem| problem.render(&|text| text.raw().to_owned()));
    lines.collect::<Vec<_>>().join("\n")
}

fn loaded(text: &str, others: &[(&str, &str)], around: Around<'_>) -> Result<Vec<Case>, String> {
    let (_folder, path) = written(text, others);
    let suite = load(&path, "config.yaml", around).map_err(said)?;
    Ok(cases(&suite))
}

fn cases(suite: &Suite) -> Vec<Case> {
    (0..suite.heads().len()).map(|index| suite.case(index).unwrap()).collect()
}

fn test(case: &Case) -> &Test {
    match &case.grading {
        Grading::Promptfoo(test) => test,
        _ => panic!("no test of promptfoo"),
    }
}

fn prompt(case: &Case) -> String {
    match case.request.prompt() {
        Prompt::Text(text) => text.clone(),
        Prompt::Written(written) => written.text.clone(),
        Prompt::Chat(_) => panic!("a chat of ours"),
    }
}

async fn passes(case: &Case) -> bool {
    let answer = Answer::Completion(Completion {
        text: Untrusted::new(prompt(case)),
        finish: Finish::Stop,
        token_log_probs: None,
    });
    let (judges, cancel) = (Judges::default(), CancellationToken::new());
    let subject = Subject {
        case,
        answer: &answer,
        turns: &[],
        latency_ms: Some(1.0),
        cost_usd: None,
        usage: None,
        cached: false,
        judges: &judges,
        others: None,
        cancel: &cancel,
    };
    judge(test(case), subject).await.status == Status::Passed
}

#[tokio::test]
async fn rows_are_those_of_the_real_tool() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/eval/promptfoo/config/frozen");
    let mut wrong = Vec::new();
    let mut seen = 0;
    let mut configs: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    configs.sort();
    for config in configs {
        let name = config.file_name().unwrap().to_string_lossy().into_owned();
        let suite = match load(&config.join("promptfooconfig.yaml"), &name, around(Asked::Own)) {
            Ok(suite) => suite,
            Err(problems) => {
                wrong.push(format!("{name}: {}", said(problems)));
                continue;
            }
        };
        let rows = std::fs::read_to_string(config.join("rows.jsonl")).unwrap();
        let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        // Repeats are rows there, and samples of one case here.
        let ours: Vec<Case> = cases(&suite);
        let expected: u32 = ours.iter().map(|case| case.repeats).sum();
        if expected as usize != rows.len() {
            wrong.push(format!("{name}: {} rows, and not {}", expected, rows.len()));
            continue;
        }
        let spread = spread(&ours);
        for (row, case) in rows.iter().zip(spread) {
            seen += 1;
            let test = test(case);
            let at = format!("{name} {}/{} {}", row["test"], row["column"], case.id.text().raw());
            let label = test.provider.1.as_deref().unwrap_or(&test.provider.0);
            let mut differs = |what: &str, ours: String, theirs: String| {
                if ours != theirs {
                    wrong.push(format!("{at}: {what}\n   theirs {theirs}\n   ours   {ours}"));
                }
            };
            differs("prompt", format!("{:?}", prompt(case)), format!("{:?}", row["prompt"].as_str().unwrap()));
            differs("provider", label.to_owned(), row["provider"].as_str().unwrap().to_owned());
            differs("threshold", format!("{:?}", test.threshold), format!("{:?}", row["threshold"].as_f64()));
            differs("assertions", assertions(test), theirs(&row["asserts"]));
            differs("passes", passes(case).await.to_string(), row["success"].to_string());
        }
    }
    assert!(seen > 60, "{seen}");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// The rows in promptfoo's order: all cases of a test, once for each repeat.
fn spread(cases: &[Case]) -> Vec<&Case> {
    let mut rows = Vec::new();
    let mut rest = cases;
    while let Some(first) = rest.first() {
        let length = rest.iter().take_while(|case| case.cluster == first.cluster).count();
        let (group, others) = rest.split_at(length);
        (0..first.repeats).for_each(|_| rows.extend(group));
        rest = others;
    }
    rows
}

fn plain(value: &Value) -> String {
    crate::eval::promptfoo::assert::json_of(value)
}

fn assertions(test: &Test) -> String {
    let one = |node: &Node| match node {
        Node::One(one) => {
            let value = match &one.value {
                Compared::None => String::new(),
                Compared::Plain(value) => plain(value),
                Compared::Code(_) => "code".to_owned(),
            };
            format!("{}{} {value} {:?} {:?}", if one.not { "not-" } else { "" }, one.kind, one.threshold, one.metric)
        }
        Node::Set(_) => "set".to_owned(),
    };
    test.assertions.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn theirs(list: &Value) -> String {
    let one = |one: &Value| {
        let value = one.get("value").map(plain).unwrap_or_default();
        let metric = one.get("metric").and_then(Value::as_str).map(str::to_owned).filter(|metric| !metric.is_empty());
        format!(
            "{} {value} {:?} {:?}",
            one["type"].as_str().unwrap(),
            one.get("threshold").and_then(Value::as_f64),
            metric
        )
    };
    list.as_array().unwrap().iter().map(one).collect::<Vec<_>>().join("; ")
}

const ONE_TEST: &str = "tests: [{vars: {x: a}, assert: [{type: contains, value: a}]}]\n";

#[test]
fn what_is_no_error_in_promptfoo_either_is_noted_with_its_line() {
    let top = |line: &str| format!("prompts: [\"{{{{x}}}}\"]\nproviders: [echo]\n{ONE_TEST}{line}\n");
    let table = [
        (top("redteam: {plugins: [x]}"), (4, "`redteam` is not done here")),
        (top("derivedMetrics: [{name: a, value: b}]"), (4, "`derivedMetrics` is not done here")),
        (top("colour: red"), (4, "unknown key `colour`")),
        ("prompts: [x]\nproviders: [echo]\ntests: [{vars: {a: b}}]\n".to_owned(), (1, "nothing can pass")),
        (
            "prompts: [x]\nproviders: [echo]\ntests:\n- {vars: {a: b}}\n- {assert: [{type: is-json}]}\n".to_owned(),
            (1, "1 tests have no assertion"),
        ),
        (
            "prompts: [\"{{y}}\"]\nproviders: [echo]\ntests:\n- {assert: [{type: is-json}]}\n".to_owned(),
            (4, "shows `y`, which this test does not give"),
        ),
    ];
    for (config, (line, want)) in table {
        let (_folder, path) = written(&config, &[]);
        let suite = super::load(&path, "config.yaml", around(Asked::Own)).unwrap();
        let found = suite.notes().iter().any(|note| note.spot.line == line && note.message.raw().contains(want));
        assert!(found, "{config}: {:?}", suite.notes());
    }
}

#[test]
fn what_a_gate_cannot_do_is_refused_with_its_line() {
    let assert = |assertion: &str| {
        format!(
            "prompts: [\"{{{{x}}}}\"]\nproviders: [echo]\ntests:\n  - vars: {{x: a}}\n    assert:\n      - {assertion}\n"
        )
    };
    let top = |line: &str| format!("prompts: [\"{{{{x}}}}\"]\nproviders: [echo]\n{ONE_TEST}{line}\n");
    let provider = |provider: &str| format!("prompts: [\"{{{{x}}}}\"]\nproviders:\n  - {provider}\n{ONE_TEST}");
    let table: &[(String, &str)] = &[
        (top("test: []"), "config.yaml:4:1: unknown key `test`\n  help: did you mean `tests`?"),
        (top("extensions: [\"file://x.js\"]"), "config.yaml:4:1: `extensions` is not done here"),
        (top("commandLineOptions: {filterFirstN: 1}"), "`filterFirstN` is not done here"),
        (top("evaluateOptions: {repeats: 2}"), "did you mean `repeat`?"),
        (top("defaultTest: {asserts: []}"), "did you mean `assert`?"),
        (assert("{type: contain, value: a}"), "config.yaml:6:16: unknown assertion type `contain`\n  help: did you mean `contains`?"),
        (assert("{type: contains, valeu: a}"), "did you mean `value`?"),
        (assert("{type: moderation}"), "config.yaml:6:16: `moderation` needs a moderation service"),
        (assert("{type: \"trajectory:tool-used\", value: x}"), "needs the traces of an agent"),
        (assert("{type: llm-rubric, value: polite}"), "config.yaml:6:9: `llm-rubric` needs a model that judges, and none is named\n  help: set `gate.judge`"),
        (assert("{type: contains, value: \"{{ x\"}"), "the template cannot be read"),
        (assert("{type: contains, value: \"file://../../../etc/passwd.txt\"}"), "cannot be read"),
        (assert("{type: contains, value: \"file:///etc/passwd.txt\"}"), "give a path relative to the config"),
        (assert("{type: javascript, value: \"file://not_there.js\"}"), "`not_there.js` cannot be read"),
        (assert("{type: javascript}"), "`javascript` has no `value`"),
        (assert("{type: contains, value: a, weight: -1}"), "a weight is 0 or more"),
        (assert("{type: contains, value: a, threshold: high}"), "`threshold` is a number"),
        (assert("{type: contains, value: \"{{ env.MY_TOKEN }}\"}"), "`env.MY_TOKEN` would put a secret"),
        (assert("{type: assert-set, assert: [{type: assert-set, assert: []}]}"), "holds no other one"),
        (provider("bedrock:x"), "config.yaml:3:5: the provider `bedrock:x` cannot be asked here\n  help: set `gate.model`"),
        (provider("opnai:x"), "did you mean `openai`?"),
        (provider("{id: \"openai:gpt-4o\", config: {apiKey: sk-123}}"), "an API key stands in the config"),
        (provider("{id: \"openai:gpt-4o\", config: {temprature: 0}}"), "did you mean `temperature`?"),
        (provider("{id: \"openai:gpt-4o\", config: {tools: [{type: function}]}}"), "calls of tools"),
        (provider("{id: \"http://{{ x }}/y\", config: {body: a}}"), "the host of a provider is written out"),
        (provider("{id: \"http://h/x\", config: {body: \"{{ prompt }} {{ env.OPENAI_API_KEY }}\"}}"), "config.yaml:3:39: `env.OPENAI_API_KEY` would put a secret"),
        (provider("{id: \"http://h/{{ prompt }}?k={{ env.OPENAI_API_KEY | upper }}\"}"), "`env.OPENAI_API_KEY` would put a secret"),
        (provider("{id: http, config: {url: \"http://h/{{ env.MY_TOKEN }}\", body: {a: [\"{{prompt}}\"]}}}"), "`env.MY_TOKEN` would put a secret"),
        (provider("{id: \"openai:gpt-4o\", config: {passthrough: {user: \"{{ env.MY_TOKEN }}\"}}}"), "`env.MY_TOKEN` would put a secret"),
        (provider("{id: \"openai:gpt-4o\", config: {headers: {A: \"{{ env.MY_TOKEN | upper }}\"}}}"), "only variables of the environment are put into a header"),
        (provider("{id: \"http://h/x\", config: {body: a, headers: {A: \"{{ x }}\"}}}"), "only variables of the environment are put into a header"),
        (format!("providers: [echo]\n{ONE_TEST}"), "the config has no `prompts`"),
        (format!("prompts: [\"{{{{x | nofilter}}}}\"]\nproviders: [echo]\n{ONE_TEST}"), "the filter `nofilter` is not there"),
        (format!("prompts: [\"file://a.ts\"]\nproviders: [echo]\n{ONE_TEST}"), "TypeScript is not run here"),
        (format!("prompts: [\"file://a.sh\"]\nproviders: [echo]\n{ONE_TEST}"), "a prompt that a command prints is not made here"),
        (format!("prompts: [\"{{{{ _conversation }}}}\"]\nproviders: [echo]\n{ONE_TEST}"), "quotes earlier answers"),
        (format!("prompts: [x]\nproviders: [echo]\nenv: {{A_TOKEN: abc}}\n{ONE_TEST}"), "`A_TOKEN` looks like a secret"),
        ("prompts: [x]\nproviders: [echo]\ntests: file://none.csv\n".to_owned(), "`none.csv` cannot be read"),
        ("prompts: [x]\nproviders: [echo]\ntests: \"https://docs.google.com/x\"\n".to_owned(), "are not fetched"),
        ("prompts: [x]\nproviders: [echo]\ntests: [{vars: {assert: []}, assert: [{type: is-json}]}]\n".to_owned(), "stands among the vars"),
        ("prompts: [x]\nproviders: [echo]\ntests: [{prompts: [nope], assert: [{type: is-json}]}]\n".to_owned(), "no prompt has the label or id `nope`"),
        ("prompts: [x]\nproviders: [echo]\ntests: [{assert: [{$ref: \"#/none\"}]}]\n".to_owned(), "names no part of this file"),
        ("prompts: [x]\nproviders: [echo]\nassertionTemplates: {a: {$ref: \"#/assertionTemplates/a\"}}\ntests: [{assert: [{type: is-json}]}]\n".to_owned(), "without end"),
    ];
    let mut wrong = Vec::new();
    for (config, want) in table {
        match loaded(config, &[], around(Asked::Own)) {
            Err(text) if text.contains(want) => {}
            other => wrong.push(format!("{config}\n  want {want}\n  got  {:?}", other.map(|cases| cases.len()))),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_program_that_gives_nothing_is_refused_with_its_name_and_line() {
    let files = [
        ("five.js", "module.exports = () => 5"),
        ("no.js", "module.exports = () => ({ error: 'no' })"),
        ("empty.js", "module.exports = () => ({ output: '' })"),
        ("fs.js", "const fs = require('fs');\nmodule.exports = () => ''"),
        ("raises.py", "import sys\ndef generate_tests():\n    raise ValueError('x')\n"),
        ("one.py", "def generate_tests():\n    return 1\n"),
        ("forever.js", "module.exports = () => { while (true) {} }"),
    ];
    let with = |prompt: &str, test: &str, top: &str| {
        format!("prompts: [\"{prompt}\"]\nproviders: [echo]\ntests:\n  - {test}\n{top}\n")
    };
    let plain = "{vars: {x: a}, assert: [{type: is-json}]}";
    let table = [
        (with("file://five.js", plain, ""), "config.yaml:4:5: the program of the prompt gives 5"),
        (with("file://forever.js", plain, ""), "config.yaml:4:5: `forever.js`: the script ran for more than"),
        (
            with("{{x}}", "{vars: {x: file://no.js}, assert: [{type: is-json}]}", ""),
            "config.yaml:4:5: `no.js` says: no",
        ),
        (with("{{x}}", "{vars: {x: file://empty.js}, assert: [{type: is-json}]}", ""), "`empty.js` gives no `output`"),
        (with("{{x}}", "file://fs.js", ""), "config.yaml:4:5: `fs.js`: line 1: Error: Cannot find module 'fs'"),
        (with("{{x}}", "file://raises.py", ""), "config.yaml:4:5: `raises.py`: line 3: ValueError: x"),
        (with("{{x}}", "file://one.py", ""), "config.yaml:4:5: `one.py` gives no list of tests"),
        (with("{{x}}", "file://gone.py", ""), "`gone.py` cannot be read"),
        (
            with("{{x}}", "{vars: {x: a}, options: {transformVars: 'null'}}", ""),
            "config.yaml:4:45: `transformVars` gives null",
        ),
        (
            with("{{x}}", plain, "nunjucksFilters: {f: raises.py}"),
            "config.yaml:5:22: the filter `f` is a file of JavaScript",
        ),
        (with("{{x | f}}", plain, "nunjucksFilters: {f: fs.js}"), "the filter `f`: `fs.js`: line 1"),
        (with("{{x}}", "{vars: {x: a}, assertScoringFunction: score}", ""), "names a function of a file"),
    ];
    for (config, want) in table {
        let got = loaded(&config, &files, around(Asked::Own)).map(|cases| cases.len());
        assert!(got.as_ref().is_err_and(|text| text.contains(want)), "{config}  want {want}\n  got  {got:?}");
    }
}

#[test]
fn a_python_that_is_not_there_is_named() {
    let config = "prompts: [\"{{x}}\"]\nproviders: [echo]\ntests: file://t.py\n";
    let around = Around {
        environment: &|name| (name == "PROMPTFOO_PYTHON").then(|| "/no/python".to_owned()),
        ..around(Asked::Own)
    };
    let text = loaded(config, &[("t.py", "")], around).map(|cases| cases.len()).unwrap_err();
    assert!(
        text.contains("config.yaml:3:8: `t.py`: the suite has scripts of Python, and /no/python cannot be started"),
        "{text}"
    );
}

#[test]
fn what_a_program_says_is_the_same_whenever_a_row_is_made() {
    let config =
        "prompts: [\"file://p.py:p\"]\nproviders: [echo]\ntests: [{vars: {x: a}, assert: [{type: is-json}]}]\n";
    let files = [("p.py", "import os\ndef p(context):\n    return os.urandom(8).hex()\n")];
    let (_folder, path) = written(config, &files);
    let suite = load(&path, "c", around(Asked::Own)).map_err(said).unwrap();
    let first = prompt(&suite.case(0).unwrap());
    assert_eq!(prompt(&suite.case(0).unwrap()), first);
}

#[test]
fn the_policy_s_model_stands_in_for_all_providers() {
    let config = "prompts: [\"a {{x}}\", \"b {{x}}\"]\nproviders: [\"bedrock:x\", {id: \"openai:gpt-4o\", config: {apiKey: sk-1}}]\n\
                  tests: [{vars: {x: 1}, providers: [\"bedrock:x\"], assert: [{type: contains, value: a}]}]\n";
    let cases = loaded(config, &[], around(Asked::Policy)).unwrap();
    assert_eq!(cases.iter().map(prompt).collect::<Vec<_>>(), ["a 1", "b 1"]);
    assert!(cases.iter().all(|case| case.model.is_none()));
    assert_eq!(
        cases.iter().map(|case| case.id.text().raw()).collect::<Vec<_>>(),
        ["test-1 | a {{x}}", "test-1 | b {{x}}"]
    );
}

#[test]
fn a_judge_is_the_assertion_s_own_else_the_config_s_else_the_policy_s() {
    let config = "prompts: [p]\nproviders: [echo]\n\
                  tests:\n  - assert: [{type: llm-rubric, value: a, provider: \"openai:gpt-4o\"}, {type: llm-rubric, value: b}]\n  \
                  - options: {provider: {text: {id: \"openai:gpt-4.1\", label: strict}, embedding: \"openai:embedding:e\"}}\n    \
                  assert: [{type: llm-rubric, value: c}, {type: similar, value: d}]\n";
    let (_folder, path) = written(config, &[]);
    let with_judge = Around { judge: Some("policy-judge"), ..around(Asked::Own) };
    let suite = load(&path, "c", with_judge).map_err(said).unwrap();
    let graders: Vec<String> = cases(&suite)
        .iter()
        .flat_map(|case| test(case).assertions.clone())
        .map(|node| match node {
            Node::One(one) => one.grader.unwrap().model.to_string(),
            Node::Set(_) => String::new(),
        })
        .collect();
    assert_eq!(graders, ["openai:gpt-4o", "policy-judge", "strict", "openai:embedding:e"]);
    assert_eq!(suite.judges().keys().collect::<Vec<_>>(), ["policy-judge"]);
    let models: Vec<&str> = suite.models().keys().map(String::as_str).collect();
    assert_eq!(models, ["echo", "openai:embedding:e", "openai:gpt-4o", "strict"]);
}

/// `context.vars` of a script in promptfoo 0.121.20: files read, the last line break gone, names of vars replaced, other tags not.
#[test]
fn assertions_see_vars_as_the_real_tool_shows_them() {
    let config = "prompts: [\"{{a}}\"]\nproviders: [echo]\ntests:\n  - vars: {name: Ann, a: \"I {{ name }} {{ name | upper }}\", f: \"file://t.txt\", q: \"x\\n\"}\n    assert: [{type: is-json}]\n";
    let cases = loaded(config, &[("t.txt", "\n hi \n")], around(Asked::Own)).unwrap();
    let want = r#"{"name":"Ann","a":"I Ann {{ name | upper }}","f":"hi","q":"x"}"#;
    assert_eq!(plain(&Value::Object(test(&cases[0]).vars.clone())), want);
    assert_eq!(prompt(&cases[0]), "I Ann ANN");
}

#[test]
fn requests_have_the_settings_of_provider_prompt_and_test() {
    let config = "prompts: [{raw: p, label: p, config: {seed: 7}}]\n\
                  providers: [{id: \"openai:chat:m\", config: {temperature: 0.5, max_tokens: 9, stop: [x], apiBaseUrl: \"http://127.0.0.1:9/v1\"}}]\n\
                  tests: [{options: {temperature: 1}, assert: [{type: is-json}]}]\nevaluateOptions: {timeoutMs: 1500}\n";
    let cases = loaded(config, &[], around(Asked::Own)).unwrap();
    let Request::Generate(generate) = &cases[0].request else { panic!() };
    assert_eq!((generate.temperature, generate.max_tokens, generate.seed), (1.0, 9, Some(7)));
    assert_eq!(generate.stop, ["x"]);
    assert_eq!(cases[0].timeout.as_millis(), 1500);
}

#[test]
fn a_chat_as_text_is_a_chat() {
    let config = "prompts: ['[{\"role\": \"user\", \"content\": \"{{x}}\"}]', \"- role: user\\n  content: {{x}}\\n\", '{\"a\": 1}']\n\
                  providers: [echo]\ntests: [{vars: {x: \"a \\\"b\\\"\"}, assert: [{type: is-json}]}]\n";
    let cases = loaded(config, &[], around(Asked::Own)).unwrap();
    let chats = cases.iter().map(|case| match case.request.prompt() {
        Prompt::Written(written) => written.messages[0]["content"].as_str().unwrap().to_owned(),
        Prompt::Text(text) => format!("text {text}"),
        Prompt::Chat(_) => String::new(),
    });
    assert_eq!(chats.collect::<Vec<_>>(), ["a \"b\"", "a \"b\"", "text {\n  \"a\": 1\n}"]);
}

#[test]
fn ids_are_unique_and_places_are_lines() {
    let config = "prompts: [\"{{x}}\", \"{{x}}!\"]\nproviders: [echo]\ntests:\n  - description: same\n    vars: {x: [a, b]}\n    assert: [{type: is-json}]\n  \
                  - description: same\n    vars: {x: c}\n  - vars: {x: d}\n";
    let cases = loaded(config, &[], around(Asked::Own)).unwrap();
    let ids: Vec<&str> = cases.iter().map(|case| case.id.text().raw()).collect();
    assert_eq!(ids[0], "same (test-1) #1 | {{x}}");
    assert_eq!(ids[7], "test-3 | {{x}}!");
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), ids.len());
    assert_eq!(cases.iter().map(|case| case.place.line).collect::<Vec<_>>(), [4, 4, 4, 4, 7, 7, 9, 9]);
}

#[test]
fn no_secret_reaches_a_prompt() {
    let config = "prompts: [\"{{ env.OPENAI_API_KEY }} {{x}}\"]\nproviders: [echo]\ntests: [{vars: {x: a}, assert: [{type: is-json}]}]\n";
    let text = loaded(config, &[], around(Asked::Own)).map(|cases| cases.len()).unwrap_err();
    assert!(text.contains("would put a secret"), "{text}");
    assert!(!text.contains("sk-very-secret"));
    let hidden = "prompts: [\"{% for k, v in env %}{{ v }}{% endfor %}{{ env | dump }}{{x}}\"]\nproviders: [echo]\ntests: [{vars: {x: a}, assert: [{type: is-json}]}]\n";
    let cases = loaded(hidden, &[], around(Asked::Own)).unwrap();
    assert_eq!(prompt(&cases[0]), "{}a");
}

#[test]
fn files_of_another_checkout_are_not_read() {
    let outside = tempfile::tempdir().unwrap();
    put(outside.path().join("secret.txt"), "secret");
    let (folder, path) =
        written("prompts: [\"file://link.txt\"]\nproviders: [echo]\ntests: [{assert: [{type: is-json}]}]\n", &[]);
    std::os::unix::fs::symlink(outside.path().join("secret.txt"), folder.path().join("link.txt")).unwrap();
    let text = said(load(&path, "c.yaml", around(Asked::Own)).map(|_| ()).unwrap_err());
    assert!(text.contains("outside of the config's checkout"), "{text}");
}

#[test]
fn ten_thousand_tests_are_read_quickly() {
    let mut config = "prompts: [\"Say {{x}} in {{ lang | upper }}\"]\nproviders: [echo]\ndefaultTest: {vars: {lang: de}, assert: [{type: contains, value: \"{{x}}\"}]}\ntests:\n".to_owned();
    for number in 0..10_000 {
        config.push_str(&format!("  - vars: {{x: word{number}}}\n    assert: [{{type: icontains, value: word}}]\n"));
    }
    let (_folder, path) = written(&config, &[]);
    let begin = std::time::Instant::now();
    let suite = load(&path, "c", around(Asked::Own)).map_err(said).unwrap();
    let took = begin.elapsed();
    println!("10,000 tests in {took:?}");
    assert_eq!(suite.heads().len(), 10_000);
    // This build is not optimised, and the machine may be busy: only what grows faster than the number of tests is meant.
    assert!(took.as_secs() < 60, "{took:?}");
}

#[test]
fn a_digest_changes_with_every_file_that_a_config_names() {
    let config = "prompts: [\"file://p.txt\"]\nproviders: [echo]\ntests: [{vars: {a: \"file://v.txt\"}, assert: [{type: is-json}]}]\n";
    let digest = |prompt: &str, var: &str| {
        let (_folder, path) = written(config, &[("p.txt", prompt), ("v.txt", var)]);
        load(&path, "c", around(Asked::Own)).map_err(said).unwrap().digest().clone()
    };
    assert_eq!(digest("p {{a}}", "v"), digest("p {{a}}", "v"));
    assert_ne!(digest("p {{a}}", "v"), digest("q {{a}}", "v"));
    assert_ne!(digest("p {{a}}", "v"), digest("p {{a}}", "w"));
}

#[test]
fn tests_of_a_config_that_has_moved_are_the_same_tests() {
    let config = "prompts: [x]\nproviders: [{id: echo, transform: \"file://sub/a.js\"}]\ntests:\n- options: {transform: \"file://sub/a.js\"}\n  \
                  assertScoringFunction: \"file://sub/s.js\"\n  assert:\n  - {type: javascript, value: \"file://sub/a.js\", transform: \"file://sub/a.js\"}\n";
    let digest = |scoring: &str| {
        let files = [("sub/a.js", "module.exports = () => true"), ("sub/s.js", scoring)];
        loaded(config, &files, around(Asked::Own)).unwrap().remove(0).expected_digest
    };
    let one = "module.exports = () => ({pass: true, score: 1, reason: ''})";
    assert_eq!(digest(one), digest(one), "each lies in a folder of its own");
    assert_ne!(digest(one), digest("module.exports = () => 1"));
}
