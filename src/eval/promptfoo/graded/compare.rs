//! `select-best`: the answers of all rows of one test are held against each other, once for all of them.
//! Kept out: where the other rows' answers come from (`eval::run`).

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::assert::{Given, Graded, Thrown};
use super::asking::{self, Own, VERDICT};
use super::custom::Sees;
use super::{custom, said, text_value};
use crate::eval::request::Answer;

const BEST: &str = "You choose the one of several outputs that meets a criterion best. Each is named by its number. Form: {\"reason\": one \
sentence, \"best\": its number}.";
const BEST_REMINDER: &str = "That was not one JSON object of the form {\"reason\": text, \"best\": number of an output that is there}. Reply with \
that object alone.";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Best {
    reason: String,
    best: usize,
}

/// `select-best`: holds for the row whose answer is chosen. Every row's answer counts as its model gave it: rows of one test that have a
/// transform are not compared.
pub(super) async fn select_best(given: &Given<'_>) -> Result<Graded, Thrown> {
    let criterion = text_value(given)?;
    let test = given.frame.test;
    let missing = || Thrown::new("`select-best` compares the rows of a test, and this one stands alone");
    let compared = test.compared.as_ref().ok_or_else(missing)?;
    let others = given.frame.subject.others.ok_or_else(missing)?;
    if compared.rows.len() < 2 {
        return Err(Thrown::new("`select-best` needs at least two prompts or providers to choose from"));
    }
    if given.not() || !test.transforms.is_empty() || given.assertion.transform.is_some() {
        return Err(Thrown::new("`select-best` is not judged with `not-` or over transformed outputs"));
    }
    let key = format!(
        "select-best {:?} {}:{} {criterion}",
        compared.rows, given.assertion.spot.line, given.assertion.spot.column
    );
    let chosen = others.once(&key, async {
        let mut outputs = Vec::with_capacity(compared.rows.len());
        for row in compared.rows.iter() {
            match others.answer(*row).await? {
                Answer::Completion(completion) => outputs.push(completion.text.into_raw()),
                Answer::LogLikelihoods(_) | Answer::Embedding(_) => return Err("an answer is no text".into()),
            }
        }
        best(given, criterion, &outputs).await.map(|best| json!([best.best, best.reason])).map_err(|Thrown(why)| why)
    });
    let chosen = chosen.await.map_err(Thrown)?;
    let row = chosen.get(0).and_then(Value::as_u64).and_then(|best| usize::try_from(best).ok());
    let won = row.and_then(|row| compared.rows.get(row)) == Some(&compared.row);
    let reason = chosen.get(1).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(said(won, if won { 1.0 } else { 0.0 }, reason))
}

async fn best(given: &Given<'_>, criterion: &str, outputs: &[String]) -> Result<Best, Thrown> {
    let all = outputs.len();
    let there = |best: &Best| if best.best < all { Ok(()) } else { Err("it names an output that is not there") };
    match custom::prompt(given) {
        Some(prompt) => {
            let seen: Vec<Value> = outputs.iter().map(|output| custom::seen(output)).collect();
            let further = vec![("criteria", Value::from(criterion)), ("outputs", Value::from(seen))];
            let text = custom::rendered(given, prompt, Sees::Vars, further)?;
            // A prompt in promptfoo's form asks for the number alone.
            let read = |reply: &str| {
                let best = reply.parse().map_err(|_| "it is no number alone")?;
                let best = Best { best, reason: format!("chosen by: {criterion}") };
                there(&best).map(|()| best)
            };
            asking::custom(given, text, read).await
        }
        None => {
            let names: Vec<String> = (0..all).map(|number| format!("output {number}")).collect();
            let material: Vec<(&str, &str)> =
                names.iter().map(String::as_str).zip(outputs.iter().map(String::as_str)).collect();
            let own = Own {
                instructions: BEST,
                reminder: BEST_REMINDER,
                criteria: &format!("Criterion:\n{criterion}"),
                material: &material,
                max_tokens: VERDICT,
            };
            asking::own(given, own, there).await
        }
    }
}
