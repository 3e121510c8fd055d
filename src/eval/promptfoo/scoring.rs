//! `assertScoringFunction`: a function of the user's that makes the test's verdict of its named scores, in the place of the weighted mean.
//! Follows promptfoo 0.121.20. Kept out: how the assertions themselves are judged (`assert`, `graded`).

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::assert::{Frame, Graded, judgement};
use super::graded::{Call, result_of};
use super::test::{Assertion, Code, CodeSource, Language, Value as Compared};
use crate::eval::script::{Fault, Form, Returned, Script};
use crate::trust::Untrusted;

/// The name of a function where a reference names none.
const USUAL: &str = "func";
/// How long a function of Python may run, its imports included.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// The result of one assertion, as the function sees it.
pub(super) fn component(assertion: &Assertion, kind: &str, graded: &Graded) -> Value {
    let mut about = Map::new();
    about.insert("type".to_owned(), Value::from(kind));
    if let Compared::Plain(value) = &assertion.value {
        about.insert("value".to_owned(), value.clone());
    }
    if let Some(metric) = &assertion.metric {
        about.insert("metric".to_owned(), Value::from(metric.as_str()));
    }
    if let Some(threshold) = assertion.threshold {
        about.insert("threshold".to_owned(), json!(threshold));
    }
    json!({"pass": graded.pass, "score": graded.score, "reason": graded.reason.raw(), "assertion": about})
}

/// The verdict of the function; of one that throws, or gives no verdict, a failure with score 0.
pub(super) async fn scored(code: &Code, graded: Graded, components: Vec<Value>, frame: &Frame<'_>) -> Graded {
    let scores: Map<String, Value> = graded.named.iter().map(|(name, score, _)| (name.clone(), json!(score))).collect();
    let mut context = Map::new();
    if let Some(threshold) = frame.test.threshold {
        context.insert("threshold".to_owned(), json!(threshold));
    }
    context.insert("componentResults".to_owned(), Value::Array(components));
    let none = json!({"total": 0, "prompt": 0, "completion": 0, "cached": 0, "numRequests": 0});
    context.insert("tokensUsed".to_owned(), none);
    let said = match code.language {
        Language::JavaScript => javascript(code, scores, context),
        Language::Python | Language::Ruby => python(code, scores, context, frame).await,
    };
    let verdict = said.and_then(|value| {
        let verdict = judgement(&value).ok_or("it gives no {pass, score, reason}")?;
        let named =
            if value.get("namedScores").is_some_and(Value::is_object) { verdict.named } else { graded.named.clone() };
        Ok(Graded { named, ..verdict })
    });
    verdict.unwrap_or_else(|why| Graded {
        pass: false,
        score: 0.0,
        reason: Untrusted::new(format!("Scoring function error: {why}")),
        named: graded.named,
    })
}

fn javascript(code: &Code, scores: Map<String, Value>, context: Map<String, Value>) -> Result<Value, String> {
    let CodeSource::File { text, function, .. } = &code.source else {
        return Err("it is a function of a file".to_owned());
    };
    let given = [("namedScores", Value::Object(scores)), ("context", Value::Object(context))];
    let run = |function: Option<String>| Script::new(text.as_str(), Form::Function(function)).run(&given);
    let returned = match (run(function.clone()), function) {
        (Err(error), None) if error.fault == Fault::Export => run(Some(USUAL.to_owned())),
        (returned, _) => returned,
    };
    match returned.map_err(|error| error.text().into_raw())? {
        Returned::Value(value) => Ok(value),
        other => Err(format!("it gives a {}", other.type_of())),
    }
}

async fn python(
    code: &Code,
    scores: Map<String, Value>,
    context: Map<String, Value>,
    frame: &Frame<'_>,
) -> Result<Value, String> {
    let call = Call {
        code,
        inline: None,
        function: USUAL,
        arguments: vec![Value::Object(scores), Value::Object(context)],
        surroundings: &frame.test.surroundings,
        folder: &frame.test.folder,
        deadline: Instant::now() + TIME_LIMIT,
        cancel: frame.subject.cancel,
    };
    result_of(call).await.map_err(|thrown| thrown.0.into_raw())
}
