//! `assertScoringFunction`: a function of the user's that makes the test's verdict of its named scores, in the place of the weighted mean.
//! Follows promptfoo 0.121.20. Kept out: how the assertions themselves are judged (`assert`, `graded`).

use serde_json::{Map, Value, json};

use super::assert::{Frame, Graded, Thrown, judgement};
use super::graded::{Call, TIME_LIMIT, outcome_of};
use super::test::{Assertion, Code, CodeSource, Language, Value as Compared};
use crate::eval::script::{Fault, Form, Returned, Script};
use crate::trust::Untrusted;

/// The name of a function where a reference names none.
const USUAL: &str = "func";

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

/// The verdict of the function; of one that throws, or gives no verdict, a failure with score 0. One that came to no end has said
/// nothing of the answer: that is an error.
pub(super) async fn scored(
    code: &Code,
    graded: Graded,
    components: Vec<Value>,
    frame: &Frame<'_>,
) -> Result<Graded, Thrown> {
    let scores: Map<String, Value> = graded.named.iter().map(|(name, score, _)| (name.clone(), json!(score))).collect();
    let mut context = Map::new();
    if let Some(threshold) = frame.test.threshold {
        context.insert("threshold".to_owned(), json!(threshold));
    }
    context.insert("componentResults".to_owned(), Value::Array(components));
    let none = json!({"total": 0, "prompt": 0, "completion": 0, "cached": 0, "numRequests": 0});
    context.insert("tokensUsed".to_owned(), none);
    let said = match code.language {
        Language::JavaScript => javascript(code, scores, context)?,
        Language::Python | Language::Ruby => python(code, scores, context, frame).await?,
    };
    let verdict = said.and_then(|value| {
        let verdict = judgement(&value).ok_or("it gives no {pass, score, reason}")?;
        let named =
            if value.get("namedScores").is_some_and(Value::is_object) { verdict.named } else { graded.named.clone() };
        Ok(Graded { named, ..verdict })
    });
    Ok(verdict.unwrap_or_else(|why: String| Graded {
        pass: false,
        score: 0.0,
        reason: Untrusted::new(format!("Scoring function error: {why}")),
        named: graded.named,
    }))
}

/// What a function gives, or why it gives nothing; an error where it could not be run to its end.
type Outcome = Result<Result<Value, String>, Thrown>;

fn javascript(code: &Code, scores: Map<String, Value>, context: Map<String, Value>) -> Outcome {
    let CodeSource::File { text, function, .. } = &code.source else {
        return Ok(Err("it is a function of a file".to_owned()));
    };
    let given = [("namedScores", Value::Object(scores)), ("context", Value::Object(context))];
    let run = |function: Option<String>| Script::new(text.as_str(), Form::Function(function)).run(&given);
    let returned = match (run(function.clone()), function) {
        (Err(error), None) if error.fault == Fault::Export => run(Some(USUAL.to_owned())),
        (returned, _) => returned,
    };
    match returned {
        Ok(Returned::Value(value)) => Ok(Ok(value)),
        Ok(other) => Ok(Err(format!("it gives a {}", other.type_of()))),
        Err(error) => match error.fault {
            Fault::Thrown | Fault::Pending | Fault::Export | Fault::Result => Ok(Err(error.text().into_raw())),
            Fault::Time | Fault::Memory | Fault::Engine => Err(failed(&error.text())),
        },
    }
}

fn failed(why: &Untrusted) -> Thrown {
    Thrown::new(format!("the scoring function: {}", why.raw()))
}

async fn python(code: &Code, scores: Map<String, Value>, context: Map<String, Value>, frame: &Frame<'_>) -> Outcome {
    let call = Call {
        code,
        inline: None,
        function: USUAL,
        arguments: vec![Value::Object(scores), Value::Object(context)],
        surroundings: &frame.test.surroundings,
        folder: &frame.test.folder,
        limit: TIME_LIMIT,
        cancel: frame.subject.cancel,
    };
    outcome_of(call).await.map_err(|Thrown(why)| failed(&why))
}
