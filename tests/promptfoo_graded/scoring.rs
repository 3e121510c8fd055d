//! `assertScoringFunction`: what throws is a failure, as in promptfoo; what could not be run to its end has said nothing.

use super::scripts::has;
use super::*;

/// A test whose only assertion holds, with a scoring function in a file.
fn scored_by(language: Language, text: &str) -> Test {
    let path = PathBuf::from(if language == Language::Python { "score.py" } else { "score.js" });
    let source = CodeSource::File { path, text: text.to_owned(), function: None };
    let test = test(assertion("contains", &json!({"value": "Paris"})), &json!({}));
    Test { scoring: Some(Code { language, source }), ..test }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scoring_function_that_comes_to_no_end_is_an_error_and_no_failure() {
    let table = [
        ("module.exports = () => ({pass: true, score: 0.5, reason: 'r'})", (PASSED, Some(0.5))),
        ("module.exports = () => { throw new Error('no') }", (FAILED, Some(0.0))),
        ("module.exports = () => 'no verdict'", (FAILED, Some(0.0))),
        ("module.exports = () => { for (;;) {} }", (Status::Error, None)),
        (
            "module.exports = () => { const all = []; for (;;) all.push('x'.repeat(1 << 20).split('')) }",
            (Status::Error, None),
        ),
    ];
    for (text, wanted) in table {
        let judged = judged(&scored_by(Language::JavaScript, text), "Paris", BTreeMap::new()).await;
        assert_eq!(of(&judged), wanted, "{text}: {}", why(&judged));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scoring_function_whose_interpreter_is_cut_off_or_missing_is_an_error() {
    let holds = "def func(scores, context):\n    return {'pass': True, 'score': 0.5, 'reason': 'r'}\n";
    let mut absent = scored_by(Language::Python, holds);
    absent.surroundings = Arc::new(BTreeMap::from([("PROMPTFOO_PYTHON".to_owned(), "/no/such/python".to_owned())]));
    let none = judged(&absent, "Paris", BTreeMap::new()).await;
    assert_eq!(of(&none), (Status::Error, None), "{}", why(&none));
    assert!(why(&none).contains("the scoring function: ") && why(&none).contains("PROMPTFOO_PYTHON"), "{}", why(&none));
    if !has("python3") {
        return;
    }
    let table = [
        (holds, (PASSED, Some(0.5))),
        ("def func(scores, context):\n    raise ValueError('no')\n", (FAILED, Some(0.0))),
        ("import os\ndef func(scores, context):\n    os._exit(0)\n", (Status::Error, None)),
    ];
    for (text, wanted) in table {
        let judged = judged(&scored_by(Language::Python, text), "Paris", BTreeMap::new()).await;
        assert_eq!(of(&judged), wanted, "{text}: {}", why(&judged));
    }
    let cancel = CancellationToken::new();
    cancel.cancel();
    let cut = judged_until(&scored_by(Language::Python, holds), "Paris", BTreeMap::new(), &cancel).await;
    assert_eq!(of(&cut), (Status::Error, None), "{}", why(&cut));
}
