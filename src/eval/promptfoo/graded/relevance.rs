//! `conversation-relevance` and `answer-relevance`: whether answers are about what was asked.
//! Kept out: how a judge is asked (`asking`), vectors (`similar`).

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::assert::{Given, Graded, Thrown};
use super::asking::{self, Own, VERDICT, sole_object};
use super::custom::Sees;
use super::similar::{cosine, embedding};
use super::{custom, reaches, said, share, without_not};

/// Turns that are looked at together, and the threshold, where nothing is said. Source: promptfoo 0.121.20, external/assertions/deepeval.
const WINDOW: usize = 5;
const CONVERSATION_THRESHOLD: f64 = 0.5;
/// Questions that are made up for an answer. Source: promptfoo 0.121.20, matchers/rag.
const QUESTIONS: usize = 3;
/// `answer-relevance` without a threshold: everything but a negative similarity reaches it.
const ANSWER_THRESHOLD: f64 = 0.0;

const CONVERSATION: &str = "You read a conversation and look at its last reply alone: does it fit what was said before it? A greeting that answers \
a greeting fits. Form: {\"reason\": one sentence, \"relevant\": true or false}.";
const CONVERSATION_REMINDER: &str = "That was not one JSON object of the form {\"reason\": text, \"relevant\": true or false}. Reply with that \
object alone.";
const GUESS: &str = "You read an answer whose question is lost. Write three different questions that it would be a full and direct answer to. Form: \
{\"questions\": [text, text, text]}.";
const GUESS_REMINDER: &str = "That was not one JSON object of the form {\"questions\": [text, text, text]} with three questions. Reply with that \
object alone.";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fits {
    reason: String,
    relevant: bool,
}

/// `conversation-relevance`: the share of windows of the conversation whose last reply fits.
pub(super) async fn conversation(given: &Given<'_>) -> Result<Graded, Thrown> {
    let turns = turns(given)?;
    let window = given.assertion.config.as_ref().and_then(|config| config.get("windowSize")).and_then(Value::as_u64);
    let window = window.and_then(|window| usize::try_from(window).ok()).filter(|window| *window > 0).unwrap_or(WINDOW);
    let (mut fitting, mut against) = (0, Vec::new());
    for end in 1..=turns.len() {
        let shown = turns.get(end.saturating_sub(window)..end).unwrap_or_default();
        let fits = fits(given, shown).await?;
        if fits.relevant {
            fitting += 1;
        } else {
            against.push(fits.reason);
        }
    }
    let score = share(fitting, turns.len());
    let threshold = given.assertion.threshold.unwrap_or(CONVERSATION_THRESHOLD);
    let pass = reaches(score, threshold) != given.not();
    let reason = format!("{fitting} of {} replies fit the conversation. {}", turns.len(), against.join(" "));
    Ok(said(pass, if given.not() { 1.0 - score } else { score }, reason.trim_end().to_owned()))
}

/// What was said and replied: the var `_conversation`, else the prompt and the output.
fn turns(given: &Given<'_>) -> Result<Vec<(String, String)>, Thrown> {
    let text = |turn: &Value, name: &str| match turn.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Null) | None => None,
        Some(value) => Some(value.to_string()),
    };
    match given.frame.test.vars.get("_conversation").and_then(Value::as_array) {
        Some(turns) if !turns.is_empty() => {
            let turns = turns.iter().map(|turn| text(turn, "input").zip(text(turn, "output"))).collect::<Option<_>>();
            turns.ok_or_else(|| Thrown::new("a turn of `_conversation` has no `input` or no `output`"))
        }
        Some(_) | None => Ok(vec![(given.frame.test.prompt.clone(), given.output.text.clone())]),
    }
}

async fn fits(given: &Given<'_>, turns: &[(String, String)]) -> Result<Fits, Thrown> {
    let output = turns.last().map(|(_, output)| output.as_str()).unwrap_or_default();
    match custom::prompt(given) {
        Some(prompt) => {
            let messages: Vec<Value> =
                turns.iter().map(|(input, output)| json!({"input": input, "output": output})).collect();
            let text = custom::rendered(given, prompt, Sees::Vars, vec![("messages", Value::from(messages))])?;
            let read = |reply: &str| {
                let verdict = sole_object(reply, output)?;
                let reason = verdict.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
                match verdict.get("verdict").and_then(Value::as_str) {
                    Some("yes") => Ok(Fits { reason, relevant: true }),
                    Some("no") => Ok(Fits { reason, relevant: false }),
                    Some(_) | None => Err("its `verdict` is neither yes nor no"),
                }
            };
            asking::custom(given, text, read).await
        }
        None => {
            let material: Vec<(&str, &str)> = turns
                .iter()
                .flat_map(|(input, output)| [("user", input.as_str()), ("assistant", output.as_str())])
                .collect();
            let own = Own {
                instructions: CONVERSATION,
                reminder: CONVERSATION_REMINDER,
                criteria: "",
                material: &material,
                max_tokens: VERDICT,
            };
            asking::own(given, own, |_: &Fits| Ok(())).await
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Guessed {
    questions: Vec<String>,
}

/// `answer-relevance`: questions that the answer would answer, and how close they are to the one that was asked.
pub(super) async fn answer(given: &Given<'_>) -> Result<Graded, Thrown> {
    without_not(given)?;
    let asked = given.frame.test.vars.get("query").and_then(Value::as_str).unwrap_or(&given.frame.test.prompt);
    let output = given.output.text.as_str();
    let questions = match custom::prompt(given) {
        Some(prompt) => {
            let text = custom::rendered(given, prompt, Sees::Nothing, vec![("answer", custom::seen(output))])?;
            let mut questions = Vec::with_capacity(QUESTIONS);
            for _ in 0..QUESTIONS {
                let read = |reply: &str| if reply.is_empty() { Err("it is empty") } else { Ok(reply.to_owned()) };
                questions.push(asking::custom(given, text.clone(), read).await?);
            }
            questions
        }
        None => {
            let own = Own {
                instructions: GUESS,
                reminder: GUESS_REMINDER,
                criteria: "",
                material: &[("answer", output)],
                max_tokens: VERDICT,
            };
            let three = |guessed: &Guessed| {
                let good = guessed.questions.len() == QUESTIONS
                    && guessed.questions.iter().all(|question| !question.trim().is_empty());
                if good { Ok(()) } else { Err("it has not three questions") }
            };
            asking::own::<Guessed>(given, own, three).await?.questions
        }
    };
    let wanted = embedding(given, asked).await?;
    let mut sum = 0.0;
    for question in &questions {
        sum += cosine(&wanted, &embedding(given, question).await?)?;
    }
    #[expect(clippy::cast_precision_loss, reason = "three questions")]
    let score = sum / questions.len() as f64;
    let threshold = given.assertion.threshold.unwrap_or(ANSWER_THRESHOLD);
    let reason = format!("the answer is {score:.2} close to what was asked; {threshold} needed");
    Ok(said(reaches(score, threshold), score, reason))
}
