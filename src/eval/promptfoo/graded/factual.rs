//! `factuality` and `model-graded-closedqa`: an output held against an expert's answer, and against a criterion.
//! Kept out: how a judge is asked (`asking`).

use serde::Deserialize;
use serde_json::Value;

use super::super::assert::{Given, Graded, Thrown};
use super::asking::{self, Own, VERDICT, sole_object};
use super::custom::Sees;
use super::{custom, said, text_value, without_not};

const FACTUALITY: &str = "You compare the facts of a reply with those of an expert's answer to the same request. Style, grammar and \
punctuation do not count. Choose the one category that fits: A - all that the reply says stands in the expert's answer, which says more; B - the \
reply says all that the expert's answer says, and more, without contradiction; C - both say the same; D - they contradict each other; E - they \
differ in ways that do not matter to the facts. Form: {\"reason\": one sentence, \"category\": \"A\", \"B\", \"C\", \"D\" or \"E\"}.";
const FACTUALITY_REMINDER: &str = "That was not one JSON object of the form {\"reason\": text, \"category\": \"A\" to \"E\"}. Reply with that object \
alone.";
const CLOSED_QA: &str = "You say whether a reply to a request meets a criterion. Nothing but the criterion counts. Form: {\"reason\": one \
sentence, \"meets\": true or false}.";
const CLOSED_QA_REMINDER: &str = "That was not one JSON object of the form {\"reason\": text, \"meets\": true or false}. Reply with that object \
alone.";

/// How a reply's facts relate to an expert's. Source of the categories: OpenAI's evals, `fact`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
enum Category {
    /// A part of the expert's, and consistent.
    A,
    /// More than the expert's, and consistent.
    B,
    /// The same.
    C,
    /// A contradiction.
    D,
    /// Differences that do not matter.
    E,
}

impl Category {
    fn of(letter: &str) -> Option<Self> {
        match letter.trim().to_ascii_uppercase().as_str() {
            "A" => Some(Category::A),
            "B" => Some(Category::B),
            "C" => Some(Category::C),
            "D" => Some(Category::D),
            "E" => Some(Category::E),
            _ => None,
        }
    }

    /// Its key under `options.factuality`, and its score without one.
    fn score(self) -> (&'static str, f64) {
        match self {
            Category::A => ("subset", 1.0),
            Category::B => ("superset", 1.0),
            Category::C => ("agree", 1.0),
            Category::D => ("disagree", 0.0),
            Category::E => ("differButFactual", 1.0),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Compared {
    reason: String,
    category: Category,
}

/// `factuality`: holds where the score of the judge's category is above 0.
pub(super) async fn factuality(given: &Given<'_>) -> Result<Graded, Thrown> {
    without_not(given)?;
    let expected = text_value(given)?;
    let (input, output) = (given.frame.test.prompt.as_str(), given.output.text.as_str());
    let Compared { category, reason } = match custom::prompt(given) {
        Some(prompt) => {
            let further = vec![
                ("input", Value::from(input)),
                ("ideal", Value::from(expected)),
                ("completion", custom::seen(output)),
            ];
            let text = custom::rendered(given, prompt, Sees::Vars, further)?;
            asking::custom(given, text, |reply| compared(reply, output)).await?
        }
        None => {
            let own = Own {
                instructions: FACTUALITY,
                reminder: FACTUALITY_REMINDER,
                criteria: "",
                material: &[("request", input), ("expert's answer", expected), ("reply", output)],
                max_tokens: VERDICT,
            };
            asking::own(given, own, |_: &Compared| Ok(())).await?
        }
    };
    let (key, usual) = category.score();
    let score = match given.frame.test.options.get("factuality").and_then(|scores| scores.get(key)) {
        None | Some(Value::Null) => usual,
        Some(value) => value.as_f64().ok_or_else(|| Thrown::new(format!("`options.factuality.{key}` is no number")))?,
    };
    Ok(said(score > 0.0, score, format!("category {category:?} ({key}): {reason}")))
}

/// The category in a reply to a prompt that is not ours: an object, or `(A) ...` as the prompts of OpenAI's evals ask for it.
fn compared(reply: &str, output: &str) -> Result<Compared, &'static str> {
    if let Ok(value) = sole_object(reply, output) {
        let category = value.get("category").and_then(Value::as_str).and_then(Category::of);
        let reason = value.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
        return Ok(Compared { category: category.ok_or("its category is none of A to E")?, reason });
    }
    let (letter, rest) = reply.strip_prefix('(').unwrap_or(reply).split_once(')').ok_or("it names no category")?;
    let category = Category::of(letter).ok_or("it names no category")?;
    Ok(Compared { category, reason: rest.trim().to_owned() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Met {
    reason: String,
    meets: bool,
}

/// `model-graded-closedqa`: the criterion is met or not.
pub(super) async fn closed_qa(given: &Given<'_>) -> Result<Graded, Thrown> {
    without_not(given)?;
    let criterion = text_value(given)?;
    let (input, output) = (given.frame.test.prompt.as_str(), given.output.text.as_str());
    let Met { meets, reason } = match custom::prompt(given) {
        Some(prompt) => {
            let further = vec![
                ("input", Value::from(input)),
                ("criteria", Value::from(criterion)),
                ("completion", custom::seen(output)),
            ];
            let text = custom::rendered(given, prompt, Sees::Vars, further)?;
            let read = |reply: &str| match reply.chars().last() {
                Some('Y') => Ok(Met { meets: true, reason: reply.to_owned() }),
                Some('N') => Ok(Met { meets: false, reason: reply.to_owned() }),
                Some(_) | None => Err("it ends neither in Y nor in N"),
            };
            asking::custom(given, text, read).await?
        }
        None => {
            let own = Own {
                instructions: CLOSED_QA,
                reminder: CLOSED_QA_REMINDER,
                criteria: &format!("Criterion:\n{criterion}"),
                material: &[("request", input), ("reply", output)],
                max_tokens: VERDICT,
            };
            asking::own(given, own, |_: &Met| Ok(())).await?
        }
    };
    Ok(said(meets, if meets { 1.0 } else { 0.0 }, reason))
}
