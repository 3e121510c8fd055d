//! Input that is wrong: an error or an open verdict, never a pass, never a panic.

use serde_json::{Value, json};

use crate::samples::{check, folder, lines, policy, run, sample};
use crate::support::write;

/// Candidate files that are refused, with what is said about them.
fn refused() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let text = lines(&run(0, 200));
    let edit = |from: &str, to: &str| text.replacen(from, to, 1).into_bytes();
    let mut twice = run(0, 200);
    twice.push(sample("c7", true));
    let mut prompts = run(0, 200);
    prompts.push(sample("c7", true));
    prompts[200]["repeat"] = json!(1);
    prompts[200]["prompt_digest"] = json!("sha256:other");
    let cut = text.trim_end().strip_suffix("false}").unwrap().as_bytes().to_vec();
    let mut bytes = text.clone().into_bytes();
    let place = bytes.windows(4).position(|window| window == b"\"c0\"").unwrap();
    bytes[place + 1] = 0xff;
    vec![
        ("NaN", edit("\"score\":1.0", "\"score\":NaN"), "samples.jsonl:1"),
        ("infinity", edit("\"score\":1.0", "\"score\":Infinity"), "samples.jsonl:1"),
        ("too large a number", edit("\"score\":1.0", "\"score\":1e999"), "samples.jsonl:1"),
        ("a score above 1", edit("\"score\":1.0", "\"score\":1.5"), "a score is a finite number from 0 to 1"),
        ("a negative score", edit("\"score\":1.0", "\"score\":-0.5"), "a score is a finite number from 0 to 1"),
        ("a score that is text", edit("\"score\":1.0", "\"score\":\"1\""), "samples.jsonl:1"),
        ("passed without a score", edit("\"score\":1.0", "\"score\":null"), "has no score"),
        ("a negative time", edit("\"latency_ms\":12.5", "\"latency_ms\":-1"), "negative or no number"),
        ("an endless time", edit("\"latency_ms\":12.5", "\"latency_ms\":1e999"), "samples.jsonl:1"),
        ("an unknown status", edit("\"status\":\"passed\"", "\"status\":\"great\""), "samples.jsonl:1"),
        ("tags that are no list", edit("\"tags\":[\"t\"]", "\"tags\":{}"), "samples.jsonl:1"),
        (
            "a doubled id",
            lines(&twice).into_bytes(),
            "samples.jsonl:201:1: this sample (suite, case and repeat) is there twice",
        ),
        ("two prompts of one case", lines(&prompts).into_bytes(), "have not the same prompt"),
        ("an empty file", Vec::new(), "there is no sample in it"),
        ("blank lines", b"\n \n\n".to_vec(), "there is no sample in it"),
        ("a cut last line", cut, "samples.jsonl:200"),
        ("a byte that is no text", bytes, "samples.jsonl:1"),
        ("another file", b"PK\x03\x04\x00\x00".to_vec(), "samples.jsonl:1"),
        ("a list", b"[1, 2]\n".to_vec(), "samples.jsonl:1"),
        ("deep nesting", [vec![b'['; 100_000], vec![b']'; 100_000]].concat(), "samples.jsonl:1"),
    ]
}

#[test]
fn a_file_of_samples_that_is_wrong_is_refused_at_its_line_and_touches_nothing() {
    for side in ["cand", "base"] {
        for (name, bytes, words) in refused() {
            let folder = folder(&run(0, 200), &run(0, 200));
            write(folder.path(), "llmci-regression/report.json", "{\"verdict\": \"what was there\"}");
            let path = folder.path().join(side).join("samples.jsonl");
            std::fs::File::create(path).and_then(|mut file| std::io::Write::write_all(&mut file, &bytes)).unwrap();
            let found = check(folder.path(), &[]);
            assert_eq!(found.code, 2, "{side}, {name}: {}", found.text);
            assert!(found.text.contains(words) && found.text.contains(side), "{name}: {}", found.text);
            assert!(!found.text.contains("panicked"), "{name}: {}", found.text);
            assert_eq!(found.report["verdict"], "what was there", "{name}");
            assert!(!folder.path().join(".llmci").exists(), "{name}: no verdict is kept");
        }
    }
}

#[test]
fn an_earlier_verdict_is_gone_before_a_new_one_is_there() {
    let folder = folder(&run(0, 200), &run(100, 200));
    write(folder.path(), "llmci-regression/report.json", "{\"verdict\": \"pass\"}");
    write(folder.path(), "llmci-regression/report.md", "passed");
    assert_eq!(check(folder.path(), &[]).report["verdict"], "fail");
    let markdown = std::fs::read_to_string(folder.path().join("llmci-regression/report.md")).unwrap();
    assert!(!markdown.contains("passed"), "{markdown}");
}

#[test]
fn a_rule_that_is_wrong_is_refused_at_its_place() {
    for (rule, words) in [
        ("{metric: style}", "its direction is not known"),
        ("{metric: pass_rate, direction: lower}", "the direction of pass_rate is the opposite"),
        ("{metric: latency_p95_ms}", "compare `latency_mean_ms` instead"),
        ("{metric: pass_rate, margin: 0}", "the margin is more than 0"),
        ("{metric: pass_rate, margin: -0.1}", "the margin is more than 0"),
        ("{metric: pass_rate, margin: 1}", "the margin is more than 0"),
        ("{metric: pass_rate, margin: .nan}", "llmci.yaml:4"),
        ("{metric: pass_rate, confidence: 1}", "the confidence is more than 0.5"),
        ("{metric: pass_rate, confidence: 0.5}", "the confidence is more than 0.5"),
        ("{metric: pass_rate, tolerance: 0}", "the tolerance is more than 0"),
        ("{metric: pass_rate, level: smok}", "no level `smok`"),
        ("{metric: pass_rate, margn: 0.1}", "did you mean `margin`?"),
        ("{metric: '', direction: higher}", "llmci.yaml:4"),
    ] {
        let folder = folder(&run(0, 200), &run(0, 200));
        let rules = policy(folder.path(), &format!("  rules:\n    - {rule}\n"));
        let found = check(folder.path(), &rules);
        assert_eq!(found.code, 2, "{rule}: {}", found.text);
        assert!(found.text.contains(words) && found.text.contains("llmci.yaml:4"), "{rule}: {}", found.text);
        assert!(!folder.path().join("llmci-regression").exists(), "{rule}");
    }
}

#[test]
fn a_metric_that_no_sample_has_is_an_error() {
    let folder = folder(&run(0, 200), &run(0, 200));
    let rules =
        policy(folder.path(), "  rules:\n    - {metric: style, direction: higher}\n    - {metric: pass_rate}\n");
    let found = check(folder.path(), &rules);
    assert_eq!((found.code, &found.report["verdict"]), (4, &json!("error")), "{}", found.text);
    assert!(found.reason().starts_with("style could not be compared"), "{}", found.reason());
}

#[test]
fn a_required_metric_that_one_side_lacks_is_no_pass() {
    let scored = |name: Option<&str>| {
        let mut samples = run(0, 200);
        for sample in &mut samples {
            sample["assertions"][0]["metric"] = json!(name);
        }
        samples
    };
    for (baseline, candidate) in [(Some("style"), None), (None, Some("style")), (Some("style"), Some("Style"))] {
        let folder = folder(&scored(baseline), &scored(candidate));
        let rules = policy(folder.path(), "  rules:\n    - {metric: style, direction: higher}\n");
        let found = check(folder.path(), &rules);
        assert_eq!(found.code, 3, "{baseline:?} {candidate:?}: {}", found.text);
        assert!(found.text.contains("have it only on one side"), "{}", found.text);
    }
}

#[test]
fn everything_missing_on_one_side_is_an_error() {
    let mut dead = run(0, 200);
    for sample in &mut dead {
        (sample["status"], sample["score"], sample["answer"]) = (json!("error"), Value::Null, Value::Null);
        sample["assertions"] = json!([]);
    }
    for (baseline, candidate) in [(run(0, 200), dead.clone()), (dead.clone(), run(0, 200)), (dead.clone(), dead)] {
        let found = check(folder(&baseline, &candidate).path(), &[]);
        assert_eq!((found.code, &found.report["verdict"]), (4, &json!("error")), "{}", found.text);
    }
}

#[test]
fn a_report_of_another_form_is_refused() {
    for report in ["", "{}", "[]", "{\"schema_version\": 99}", "not json"] {
        let folder = folder(&run(0, 200), &run(0, 200));
        write(folder.path(), "cand/report.json", report);
        let found = check(folder.path(), &[]);
        assert_eq!(found.code, 2, "{report}: {}", found.text);
        assert!(found.text.contains("not a report of this version"), "{}", found.text);
    }
}

#[test]
fn ids_that_would_act_in_a_sink_do_not() {
    let ids = [
        "\n::error::owned",
        "\r::set-env name=X::y",
        "\u{1b}[31mred\u{7}",
        "</code><script>x</script>",
        "| a | b |\n\n# heading",
        "@everyone #1 [x](http://x)",
        "\u{202e}evil",
        "",
        "a\u{0}b",
    ];
    let side = |passed: bool| {
        let mut samples = run(0, 200);
        samples.extend(ids.iter().map(|id| sample(id, passed)));
        samples
    };
    let folder = folder(&side(true), &side(false));
    let variables = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", "summary"), ("GITHUB_OUTPUT", "output")];
    let found = crate::samples::check_with(folder.path(), &["--baseline", "base", "--candidate", "cand"], &variables);
    assert_eq!(found.code, 1, "{}", found.text);
    assert_eq!(found.report["comparison"]["newly_failing_count"], ids.len());
    for line in found.text.split(['\n', '\r']).map(str::trim_start) {
        assert!(!line.starts_with("::error::owned") && !line.starts_with("::set-env"), "{line}");
    }
    for bad in ['\u{1b}', '\u{7}', '\u{0}', '\u{202e}'] {
        assert!(!found.text.contains(bad), "{bad:?}");
    }
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    for markdown in [read("summary"), read("llmci-regression/report.md")] {
        for bad in ["<script>", "\n# heading", "@everyone", "](http", "\u{202e}", "\u{1b}"] {
            assert!(!markdown.contains(bad), "{bad:?}: {markdown}");
        }
    }
    assert!(!read("llmci-regression/junit.xml").contains("<script>"));
}
