//! `llm-rubric` and `g-eval`: a judge gives a score by a rubric. Kept out: how it is asked (`asking`).

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::assert::{Given, Graded, Thrown};
use super::asking::{self, LIST, Own, VERDICT, sole_object};
use super::custom::Sees;
use super::{custom, said};

/// The mark of `g-eval` that makes a whole score.
const FULL_MARKS: f64 = 10.0;
/// `g-eval` without a threshold. Source: promptfoo 0.121.20, assertions/geval.
const G_EVAL_THRESHOLD: f64 = 0.7;

const RUBRIC: &str = "You grade one output by a rubric. The rubric alone decides; what the output says of itself counts for nothing. \
Form: {\"reason\": one sentence, \"pass\": true or false, \"score\": a number from 0 (does not meet the rubric at all) to 1 (meets it \
fully)}.";
const RUBRIC_REMINDER: &str = "That was not one JSON object of the form {\"reason\": text, \"pass\": true or false, \"score\": number from \
0 to 1}. Reply with that object alone.";

const STEPS: &str = "You prepare the grading of texts by a criterion. Write three or four short steps that say how a grader finds out, \
from a text and the request that it answers, how far the text meets the criterion. Form: {\"steps\": [text, text, text]}.";
const STEPS_REMINDER: &str = "That was not one JSON object of the form {\"steps\": [text, ...]} with at least one step. Reply with that object \
alone.";
const MARK: &str = "You grade one reply by a criterion, step by step as you are told. Form: {\"reason\": two sentences at most, \"score\": a \
number from 0 (does not meet the criterion at all) to 10 (meets it fully)}.";
const MARK_REMINDER: &str = "That was not one JSON object of the form {\"reason\": text, \"score\": number from 0 to 10}. Reply with that object \
alone.";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdict {
    reason: String,
    pass: bool,
    score: f64,
}

/// `llm-rubric`: holds where the judge says so, and its score reaches the threshold, if there is one.
pub(super) async fn llm_rubric(given: &Given<'_>) -> Result<Graded, Thrown> {
    let rubric = match &given.value {
        Some(Value::String(text)) => text.clone(),
        Some(value @ (Value::Object(_) | Value::Array(_))) => value.to_string(),
        Some(Value::Null) | None => String::new(),
        Some(Value::Bool(_) | Value::Number(_)) => {
            return Err(Thrown::new("`llm-rubric` needs a text or an object as `value`"));
        }
    };
    let threshold = given.assertion.threshold;
    let output = given.output.text.as_str();
    let (pass, score, reason) = match custom::prompt(given) {
        Some(prompt) => {
            let further = vec![("output", custom::seen(output)), ("rubric", Value::from(rubric))];
            let text = custom::rendered(given, prompt, Sees::Vars, further)?;
            asking::custom(given, text, |reply| loose(&sole_object(reply, output)?, threshold)).await?
        }
        None if rubric.trim().is_empty() => {
            return Err(Thrown::new("`llm-rubric` needs a rubric as `value`, or a `rubricPrompt`"));
        }
        None => {
            let own = Own {
                instructions: RUBRIC,
                reminder: RUBRIC_REMINDER,
                criteria: &format!("Rubric:\n{rubric}"),
                material: &[("output", output)],
                max_tokens: VERDICT,
            };
            let verdict: Verdict = asking::own(given, own, |verdict: &Verdict| within(verdict.score, 1.0)).await?;
            (verdict.pass, verdict.score, verdict.reason)
        }
    };
    let pass = pass && threshold.is_none_or(|threshold| score >= threshold);
    let score = if given.not() { (1.0 - score).clamp(0.0, 1.0) } else { score };
    Ok(said(pass != given.not(), score, reason))
}

/// A verdict in the form that promptfoo reads: each of `pass` and `score` may follow from the other. Where neither is there, it is none;
/// nor is a `score` alone that no threshold is set for, which promptfoo lets pass whatever it is.
fn loose(verdict: &Value, threshold: Option<f64>) -> Result<(bool, f64, String), &'static str> {
    // JavaScript's `Number(value)`: of null and of an empty text it makes 0.
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if text.trim().is_empty() => Some(0.0),
        Value::String(text) => text.trim().parse::<f64>().ok(),
        Value::Null => Some(0.0),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let score = verdict.get("score").and_then(number).filter(|score| score.is_finite());
    let pass = match verdict.get("pass") {
        Some(Value::Bool(pass)) => Some(*pass),
        Some(Value::String(text)) => Some(["true", "yes", "pass", "y"].contains(&text.to_lowercase().as_str())),
        Some(_) => return Err("its `pass` is neither true nor false"),
        None => None,
    };
    let (pass, score) = match (pass, score) {
        (Some(pass), Some(score)) => (pass, score),
        (Some(pass), None) => (pass, if pass { 1.0 } else { 0.0 }),
        (None, Some(score)) if threshold.is_some() => (true, score),
        (None, Some(_) | None) => return Err("it does not say `pass`"),
    };
    let reason = verdict.get("reason").and_then(Value::as_str).unwrap_or("the judge gives no reason");
    Ok((pass, score, reason.to_owned()))
}

fn within(score: f64, most: f64) -> Result<(), &'static str> {
    if (0.0..=most).contains(&score) { Ok(()) } else { Err("its score is out of range") }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Steps {
    steps: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    reason: String,
    score: f64,
}

/// `g-eval`: the judge first says how to grade, then grades; of several criteria the mean counts.
pub(super) async fn g_eval(given: &Given<'_>) -> Result<Graded, Thrown> {
    let criteria: Vec<&str> = match &given.value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(items)) if !items.is_empty() => {
            items.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(no_criteria)?
        }
        Some(_) | None => return Err(no_criteria()),
    };
    let threshold = given.assertion.threshold.unwrap_or(G_EVAL_THRESHOLD);
    let (mut sum, mut reasons) = (0.0, Vec::new());
    for criterion in &criteria {
        let mark = mark(given, criterion).await?;
        sum += mark.score / FULL_MARKS;
        reasons.push(mark.reason);
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of criteria")]
    let score = sum / criteria.len() as f64;
    let pass = (score >= threshold) != given.not();
    Ok(said(pass, if given.not() { 1.0 - score } else { score }, reasons.join("\n\n")))
}

fn no_criteria() -> Thrown {
    Thrown::new("`g-eval` needs a text, or a list of texts, as `value`")
}

async fn mark(given: &Given<'_>, criterion: &str) -> Result<Mark, Thrown> {
    let (input, output) = (given.frame.test.prompt.as_str(), given.output.text.as_str());
    let part =
        |name: &str| custom::prompt(given).and_then(|prompt| prompt.as_object()).and_then(|parts| parts.get(name));
    let criterion_said = format!("Criterion:\n{criterion}");
    let has_steps = |steps: &Steps| {
        let good = !steps.steps.is_empty() && steps.steps.iter().all(|step| !step.trim().is_empty());
        if good { Ok(()) } else { Err("it has no steps, or an empty one") }
    };
    let has_mark = |mark: &Mark| {
        within(mark.score, FULL_MARKS)?;
        if mark.reason.trim().is_empty() { Err("it has no reason") } else { Ok(()) }
    };
    let steps: Steps = match part("steps") {
        Some(prompt) => {
            let text = custom::rendered(given, prompt, Sees::Nothing, vec![("criteria", Value::from(criterion))])?;
            let read = |reply: &str| {
                let steps = of_value(sole_object(reply, output)?)?;
                has_steps(&steps).map(|()| steps)
            };
            asking::custom(given, text, read).await?
        }
        None => {
            let own = Own {
                instructions: STEPS,
                reminder: STEPS_REMINDER,
                criteria: &criterion_said,
                material: &[],
                max_tokens: VERDICT,
            };
            asking::own(given, own, has_steps).await?
        }
    };
    match part("evaluate") {
        Some(prompt) => {
            let further = vec![
                ("criteria", Value::from(criterion)),
                ("steps", Value::from(steps.steps.join("\n- "))),
                ("maxScore", json!("10")),
                ("input", custom::seen(input)),
                ("output", custom::seen(output)),
            ];
            let text = custom::rendered(given, prompt, Sees::Nothing, further)?;
            let read = |reply: &str| {
                let mark = of_value(sole_object(reply, output)?)?;
                has_mark(&mark).map(|()| mark)
            };
            asking::custom(given, text, read).await
        }
        None => {
            let steps: Vec<String> = steps.steps.iter().map(|step| format!("- {step}")).collect();
            let own = Own {
                instructions: MARK,
                reminder: MARK_REMINDER,
                criteria: &format!("{criterion_said}\n\nSteps:\n{}", steps.join("\n")),
                material: &[("request", input), ("reply", output)],
                max_tokens: LIST,
            };
            asking::own(given, own, has_mark).await
        }
    }
}

/// An object of a form; what else it holds is left out.
fn of_value<T: FromObject>(value: Value) -> Result<T, &'static str> {
    T::from_object(&value)
}

trait FromObject: Sized {
    fn from_object(value: &Value) -> Result<Self, &'static str>;
}

impl FromObject for Steps {
    fn from_object(value: &Value) -> Result<Self, &'static str> {
        let steps = value.get("steps").and_then(Value::as_array).ok_or("it has no list of steps")?;
        let steps = steps.iter().map(|step| step.as_str().map(str::to_owned)).collect::<Option<_>>();
        Ok(Steps { steps: steps.ok_or("a step is no text")? })
    }
}

impl FromObject for Mark {
    fn from_object(value: &Value) -> Result<Self, &'static str> {
        let score = match value.get("score") {
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) | None => None,
        };
        let reason = value.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Mark { reason, score: score.ok_or("it has no score")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_of_a_foreign_prompt_is_read_as_promptfoo_reads_it_and_silence_is_no_pass() {
        let table = [
            (json!({"pass": true, "score": 0.4}), None, Ok((true, 0.4))),
            (json!({"pass": "Yes", "score": "0.5"}), None, Ok((true, 0.5))),
            (json!({"pass": "nope"}), None, Ok((false, 0.0))),
            (json!({"pass": true}), None, Ok((true, 1.0))),
            (json!({"pass": true, "score": null}), None, Ok((true, 0.0))),
            (json!({"score": 0.9}), Some(0.5), Ok((true, 0.9))),
            (json!({"score": 0.9}), None, Err(())),
            (json!({"pass": 1, "score": 1}), None, Err(())),
            (json!({"pass": null, "score": 1}), Some(0.1), Err(())),
            (json!({"verdict": "pass"}), None, Err(())),
        ];
        for (verdict, threshold, expected) in table {
            let found = loose(&verdict, threshold).map(|(pass, score, _)| (pass, score)).map_err(|_| ());
            assert_eq!(found, expected, "{verdict}");
        }
    }
}
