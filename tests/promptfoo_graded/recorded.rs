//! Verdicts of the real promptfoo, recorded, against ours.

use super::scripts::has;
use super::*;

/// A recorded verdict of promptfoo 0.121.20 (`tests/promptfoo_graded/record.py` records them).
#[derive(serde::Deserialize)]
struct Recorded {
    assertion: Value,
    vars: Value,
    options: Value,
    output: String,
    promptfoo: Option<Graded>,
}

#[derive(serde::Deserialize)]
struct Graded {
    pass: bool,
    score: Option<f64>,
}

const KINDS: [&str; 13] = [
    "llm-rubric",
    "g-eval",
    "factuality",
    "model-graded-factuality",
    "model-graded-closedqa",
    "context-recall",
    "context-relevance",
    "context-faithfulness",
    "conversation-relevance",
    "similar",
    "similar:cosine",
    "similar:dot",
    "similar:euclidean",
];

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_are_those_that_promptfoo_gives_or_none() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promptfoo_graded/recorded.jsonl"))
            .unwrap();
    let stub = Stub::start(|_, body| {
        let body: Value = serde_json::from_str(body).unwrap();
        match body.get("input") {
            Some(input) => embedded(input.as_str().unwrap()),
            None => chat(body["messages"][0]["content"].as_str().unwrap().split_once("SAY:").unwrap().1),
        }
    })
    .await
    .unwrap();
    let judge = model(&stub.base);
    let python = has("python3");
    let (mut same, mut none, mut wrong) = (0, Vec::new(), Vec::new());
    for line in text.lines() {
        let recorded: Recorded = serde_json::from_str(line).unwrap();
        let written = recorded.assertion["type"].as_str().unwrap();
        let (not, kind) = written.strip_prefix("not-").map_or((false, written), |kind| (true, kind));
        let kind = KINDS.into_iter().chain(["python"]).find(|known| *known == kind).unwrap();
        if kind == "python" && !python {
            continue;
        }
        let mut more = recorded.assertion.clone();
        more["not"] = json!(not);
        let test = test(assertion(kind, &more), &json!({"vars": recorded.vars, "options": recorded.options}));
        let judges = BTreeMap::from([("judge".to_owned(), Arc::clone(&judge))]);
        let ours = judged(&test, &recorded.output, judges).await;
        let theirs = recorded.promptfoo;
        match ours.status {
            // No verdict of ours is safe where theirs does not hold; where theirs does, it has to be a difference that is meant.
            Status::Error => none.push((theirs.is_some_and(|theirs| theirs.pass), line.to_owned(), why(&ours))),
            status @ (Status::Passed | Status::Failed) => {
                let score = ours.score.map(|score| score.value()).unwrap_or(f64::NAN);
                let close = theirs
                    .as_ref()
                    .and_then(|theirs| theirs.score)
                    .is_some_and(|theirs| (theirs.clamp(0.0, 1.0) - score).abs() < 1e-9);
                let agrees = theirs.is_some_and(|theirs| theirs.pass == (status == Status::Passed));
                if agrees && close {
                    same += 1
                } else {
                    wrong.push(format!("{line}\n   ours: {status:?} {score} {}", why(&ours)))
                }
            }
            Status::Unscored => wrong.push(format!("{line}: unscored")),
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    // Where promptfoo passes and we give no verdict: a verdict without `pass`, one of several objects, `pass` of null, and a recall
    // without any statement.
    let passing: Vec<&String> = none.iter().filter(|(pass, ..)| *pass).map(|(_, line, _)| line).collect();
    println!("{same} verdicts agree, {} are none, {} of them pass in promptfoo", none.len(), passing.len());
    assert!(same >= 280 && passing.len() <= 12, "{passing:#?}");
}
