//! `python` and `ruby` assertions, by interpreters of this machine.

use super::*;

/// Whether an interpreter is there; where tools must be, its absence is a failure.
pub(crate) fn has(program: &str) -> bool {
    let there =
        std::process::Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        assert_ne!((program, std::env::var("CI").as_deref()), ("python3", Ok("true")), "python3 is missing");
        println!("skipped: {program} is missing");
    }
    there
}

#[tokio::test(flavor = "multi_thread")]
async fn python_judges_in_lines_and_in_files() {
    if !has("python3") {
        return;
    }
    let table: [(Value, &str, Status, Option<f64>); 18] = [
        (json!({"value": "'Paris' in output"}), "It is Paris", PASSED, Some(1.0)),
        (json!({"value": "'Paris' in output"}), "It is Rome", FAILED, Some(0.0)),
        (json!({"value": "'Paris' in output", "not": true}), "It is Rome", PASSED, Some(1.0)),
        (json!({"value": "len(output) / 10"}), "12345", PASSED, Some(0.5)),
        (json!({"value": "0.5", "threshold": 0.6}), "x", FAILED, Some(0.5)),
        (
            json!({"value": "print('noise')\nif output == context['vars']['want']:\n    return {'pass': True, 'score': 0.9, 'reason': 'r'}\nreturn False"}),
            "yes",
            PASSED,
            Some(0.9),
        ),
        (json!({"value": "json.loads(output)['n'] == 3"}), "{\"n\": 3}", PASSED, Some(1.0)),
        (json!({"value": "{'pass_': True, 'score': 0.2, 'reason': ''}", "threshold": 0.5}), "x", FAILED, Some(0.2)),
        (json!({"value": "'true'"}), "x", PASSED, Some(1.0)),
        (json!({"value": "'{\"pass\": true, \"score\": 1, \"reason\": \"r\"}'"}), "x", PASSED, Some(1.0)),
        (json!({"value": "output == '{{want}}'"}), "yes", PASSED, Some(1.0)),
        // What raises, or says nothing, does not hold, also under `not-`.
        (json!({"value": "1 / 0"}), "x", FAILED, Some(0.0)),
        (json!({"value": "1 / 0", "not": true}), "x", FAILED, Some(0.0)),
        (json!({"value": "None", "not": true}), "x", FAILED, Some(0.0)),
        (json!({"value": "float('nan')"}), "x", FAILED, Some(0.0)),
        (json!({"value": "{'pass': True}"}), "x", FAILED, Some(0.0)),
        (json!({"value": "import sys\nsys.exit(0)"}), "x", FAILED, Some(0.0)),
        (json!({"value": "not python"}), "x", FAILED, Some(0.0)),
    ];
    for (more, output, status, score) in table {
        let test = test(assertion("python", &more), &json!({"vars": {"want": "yes"}}));
        let judged = judged(&test, output, BTreeMap::new()).await;
        assert_eq!(of(&judged), (status, score), "{more}: {}", why(&judged));
    }
    // What ends without a result, or is not there, is an error.
    let quiet = test(assertion("python", &json!({"value": "import os\nos._exit(0)", "not": true})), &json!({}));
    assert_eq!(judged(&quiet, "x", BTreeMap::new()).await.status, Status::Error);
    let mut absent = test(assertion("python", &json!({"value": "True"})), &json!({}));
    absent.surroundings = Arc::new(BTreeMap::from([("PROMPTFOO_PYTHON".to_owned(), "/no/such/python".to_owned())]));
    let none = judged(&absent, "x", BTreeMap::new()).await;
    assert!(none.status == Status::Error && why(&none).contains("PROMPTFOO_PYTHON"), "{}", why(&none));
}

#[tokio::test(flavor = "multi_thread")]
async fn python_files_are_called_where_they_stand() {
    if !has("python3") {
        return;
    }
    let folder = std::env::temp_dir().join(format!("llmci-graded-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("beside.py"), "WORD = 'Paris'\n").unwrap();
    // A module of the config's folder that is named as one of Python's own does not take its place.
    std::fs::write(folder.join("json.py"), "raise SystemExit('the wrong json')\n").unwrap();
    let path = folder.join("check.py");
    let text = "import beside\n\ndef get_assert(output, context):\n    return beside.WORD in output\n\nclass Own:\n    @staticmethod\n    async def strict(output, context):\n        return {'pass': output == beside.WORD, 'score': 0.5, 'reason': 'r'}\n";
    for (function, output, expected) in [
        (None, "Paris!", (PASSED, Some(1.0))),
        (Some("Own.strict"), "Paris!", (FAILED, Some(0.5))),
        (Some("Own.strict"), "Paris", (PASSED, Some(0.5))),
        (Some("absent"), "Paris", (FAILED, Some(0.0))),
    ] {
        let mut one = assertion("python", &json!({}));
        let source =
            CodeSource::File { path: path.clone(), text: text.to_owned(), function: function.map(str::to_owned) };
        one.value = AssertValue::Code(Code { language: Language::Python, source });
        let mut test = test(one, &json!({}));
        test.folder = Arc::new(folder.clone());
        let judged = judged(&test, output, BTreeMap::new()).await;
        assert_eq!(of(&judged), expected, "{function:?} {}", why(&judged));
    }
    let _ = std::fs::remove_dir_all(&folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn ruby_judges_where_it_is_there() {
    if !has("ruby") {
        let test = test(assertion("ruby", &json!({"value": "true", "not": true})), &json!({}));
        let judged = judged(&test, "x", BTreeMap::new()).await;
        assert!(judged.status == Status::Error && why(&judged).contains("install it"), "{}", why(&judged));
        return;
    }
    for (more, expected) in [
        (json!({"value": "output.include?('Paris')"}), PASSED),
        (
            json!({"value": "puts 'noise'\nreturn { 'pass' => output.size > 50, 'score' => 0.5, 'reason' => 'r' }"}),
            FAILED,
        ),
        (json!({"value": "raise 'no'", "not": true}), FAILED),
    ] {
        let test = test(assertion("ruby", &more), &json!({}));
        let judged = judged(&test, "It is Paris", BTreeMap::new()).await;
        assert_eq!(judged.status, expected, "{more}: {}", why(&judged));
    }
}
