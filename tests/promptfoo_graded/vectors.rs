//! Types that vectors of an endpoint or a server of the user's judge: `similar`, `answer-relevance`, `webhook`.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn closeness_is_measured_by_the_endpoints_vectors() {
    let table = [
        ("similar", json!({"value": "paris"}), "Paris, Paris", PASSED),
        ("similar", json!({"value": "rome"}), "Paris, Paris", FAILED),
        ("similar", json!({"value": ["rome", "paris"]}), "Paris", PASSED),
        ("similar", json!({"value": ["rome", "paris"], "not": true}), "Paris", FAILED),
        ("similar", json!({"value": "rome", "not": true}), "Paris", PASSED),
        ("similar:dot", json!({"value": "paris", "threshold": 2.0}), "Paris Paris", PASSED),
        ("similar:dot", json!({"value": "paris", "threshold": 2.1}), "Paris Paris", FAILED),
        ("similar:euclidean", json!({"value": "paris paris", "threshold": 1.0}), "Paris", PASSED),
        ("similar:euclidean", json!({"value": "paris paris", "threshold": 0.9}), "Paris", FAILED),
        ("similar:euclidean", json!({"value": "paris paris", "threshold": 0.9, "not": true}), "Paris", PASSED),
    ];
    for (kind, more, output, expected) in table {
        let (judged, bodies) = by(&[], &test(assertion(kind, &more), &json!({})), output).await;
        assert_eq!(judged.status, expected, "{kind} {more}: {}", why(&judged));
        assert!(bodies.iter().all(|body| body["model"] == "vectors"), "{bodies:?}");
    }
    let relevance =
        test(assertion("answer-relevance", &json!({"threshold": 0.8})), &json!({"vars": {"query": "Where is Paris?"}}));
    for (questions, expected) in
        [(r#"["Paris?", "paris", "is it Paris"]"#, PASSED), (r#"["Paris?", "Rome?", "Rome"]"#, FAILED)]
    {
        let said = format!("{{\"questions\": {questions}}}");
        assert_eq!(by(&[&said], &relevance, "In France.").await.0.status, expected, "{questions}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_that_are_none_are_no_pass() {
    for body in [
        r#"{"data": []}"#,
        r#"{"data": [{"embedding": []}]}"#,
        r#"{"data": [{"embedding": [1, null]}]}"#,
        "{}",
        r#"{"data": [{"embedding": [1]}, {"embedding": [1]}]}"#,
    ] {
        let stub = Stub::start(move |_, _| reply(200, "", body)).await.unwrap();
        let judges = BTreeMap::from([("judge".to_owned(), model(&stub.base))]);
        let test = test(assertion("similar", &json!({"value": "x", "not": true})), &json!({}));
        assert_eq!(judged(&test, "a", judges).await.status, Status::Error, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_users_judges_and_its_silence_is_no_pass() {
    let table = [
        (200, r#"{"pass": true}"#, false, PASSED, Some(1.0)),
        (200, r#"{"pass": true, "score": 0.3, "reason": "r"}"#, false, PASSED, Some(0.3)),
        (200, r#"{"pass": false, "score": 0.3}"#, true, PASSED, Some(0.7)),
        (200, r#"{"pass": false}"#, false, FAILED, Some(0.0)),
        (200, r#"{"score": 1}"#, true, Status::Error, None),
        (200, r#"{"pass": "yes"}"#, false, Status::Error, None),
        (200, "fine", false, Status::Error, None),
        (500, r#"{"pass": true}"#, false, Status::Error, None),
        (302, r#"{"pass": true}"#, false, Status::Error, None),
    ];
    for (status, body, not, expected, score) in table {
        let stub = Stub::start(move |_, _| reply(status, "", body)).await.unwrap();
        let more = json!({"value": format!("{}/hook", stub.base), "not": not});
        let test = test(assertion("webhook", &more), &json!({"vars": {"a": 1}}));
        let judged = judged(&test, "out", BTreeMap::new()).await;
        assert_eq!(of(&judged), (expected, score), "{status} {body} {}", why(&judged));
        let sent: Value = serde_json::from_str(stub.bodies().keys().next().unwrap()).unwrap();
        assert_eq!(sent, json!({"output": "out", "context": {"prompt": test.prompt, "vars": {"a": 1}}}));
    }
    for address in ["http://169.254.169.254/latest", "file:///etc/passwd", "not a url"] {
        let test = test(assertion("webhook", &json!({"value": address})), &json!({}));
        assert_eq!(judged(&test, "a", BTreeMap::new()).await.status, Status::Error, "{address}");
    }
}
