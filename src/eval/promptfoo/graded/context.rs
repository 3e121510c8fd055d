//! `context-recall`, `context-relevance` and `context-faithfulness`: an answer, the context that it was given, and how they fit.
//! Kept out: how a judge is asked (`asking`).

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::assert::{self, Given, Graded, Thrown};
use super::asking::{self, LIST, Own};
use super::custom::Sees;
use super::{custom, reaches, said, share, text_value, without_not};

/// The threshold of all three without one of the assertion's own: everything reaches it. Source: promptfoo 0.121.20, assertions/context*.
const THRESHOLD: f64 = 0.0;

const RECALL: &str = "You check a context against facts that should stand in it. Split the expected text into its single statements, and say of \
each whether the context supports it. Form: {\"statements\": [{\"statement\": text, \"attributed\": true or false}, ...]}, at least one.";
const RECALL_REMINDER: &str = "That was not one JSON object of the form {\"statements\": [{\"statement\": text, \"attributed\": true or false}, ...]} \
with at least one statement. Reply with that object alone.";
const RELEVANCE: &str = "You say which numbered parts of a context are needed to answer a question. Name no part that only shares words with the \
question. Form: {\"relevant\": [number, ...]}, empty where no part helps.";
const RELEVANCE_REMINDER: &str = "That was not one JSON object of the form {\"relevant\": [number, ...]} with numbers of parts that are there. Reply \
with that object alone.";
const CLAIMS: &str = "You split a reply to a question into the single statements that it makes. Each is one full sentence that can be understood \
alone, with names in the place of pronouns. Form: {\"statements\": [text, ...]}, empty where the reply states nothing.";
const CLAIMS_REMINDER: &str =
    "That was not one JSON object of the form {\"statements\": [text, ...]}. Reply with that object alone.";
const SUPPORT: &str = "You say of each numbered statement whether it follows from a context. What is true but does not stand in the context does not \
follow from it. Form: {\"verdicts\": [true or false, ...]}, one for each statement, in their order.";
const SUPPORT_REMINDER: &str = "That was not one JSON object of the form {\"verdicts\": [true or false, ...]} with one verdict for each statement. \
Reply with that object alone.";

/// A context: a text, or the chunks that a search has found.
enum Context {
    Text(String),
    Chunks(Vec<String>),
}

impl Context {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) if !text.is_empty() => Some(Context::Text(text.clone())),
            Value::Array(items) if !items.is_empty() => {
                let chunk = |item: &Value| item.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
                items.iter().map(chunk).collect::<Option<_>>().map(Context::Chunks)
            }
            Value::String(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                None
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Context::Text(text) => text.clone(),
            Context::Chunks(chunks) => chunks.join("\n\n"),
        }
    }

    /// What is counted: the chunks; else the lines, where there are several; else the sentences.
    fn units(&self) -> Vec<String> {
        match self {
            Context::Chunks(chunks) => chunks.iter().filter(|chunk| !chunk.trim().is_empty()).cloned().collect(),
            Context::Text(text) => sentences(text),
        }
    }
}

/// Lines, where there are several; else sentences. A number of a list alone is none. Source: promptfoo 0.121.20, matchers/shared.
fn sentences(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.split('\n').filter(|line| !line.trim().is_empty()).collect();
    let parts: Vec<String> = if lines.len() > 1 { lines.into_iter().map(str::to_owned).collect() } else { split(text) };
    let is_number = |part: &str| {
        let digits = part.trim_end_matches(['.', ')']);
        part.len() == digits.len() + 1 && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty() && !is_number(part));
    parts.map(str::to_owned).collect()
}

/// Cuts behind `.`, `!` and `?` where white space follows.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut ended) = (Vec::new(), String::new(), false);
    for letter in text.chars() {
        if ended && letter.is_whitespace() {
            parts.push(std::mem::take(&mut part));
        }
        ended = matches!(letter, '.' | '!' | '?');
        part.push(letter);
    }
    parts.push(part);
    parts
}

/// What `contextTransform` gives, else the var `context`, else `otherwise`.
async fn context(given: &Given<'_>, otherwise: Option<&str>) -> Result<Context, Thrown> {
    let value = match &given.assertion.context_transform {
        Some(code) => {
            let provided = assert::Output::new(given.frame.provider_output.clone());
            Some(assert::transformed(code, &provided, given.frame).await?.value)
        }
        None => match given.frame.test.vars.get("context") {
            Some(value) if !is_nothing(value) => Some(value.clone()),
            Some(_) | None => otherwise.map(Value::from),
        },
    };
    value.as_ref().and_then(Context::of).ok_or_else(|| {
        Thrown::new(format!(
            "`{}` needs a context: a var `context` (a text, or a list of texts), or a `contextTransform` that gives one",
            given.assertion.kind
        ))
    })
}

fn is_nothing(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || value.as_str() == Some("") || value.as_f64() == Some(0.0)
}

fn question<'a>(given: &Given<'a>) -> Result<&'a str, Thrown> {
    let query = given.frame.test.vars.get("query").and_then(Value::as_str);
    query.ok_or_else(|| Thrown::new(format!("`{}` needs a var `query` that holds the question", given.assertion.kind)))
}

fn concluded(given: &Given<'_>, score: f64, counted: &str) -> Graded {
    let threshold = given.assertion.threshold.unwrap_or(THRESHOLD);
    said(reaches(score, threshold), score, format!("{counted}; {score:.2} of {threshold} needed"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recalled {
    statements: Vec<Attributed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attributed {
    #[serde(rename = "statement")]
    _statement: String,
    attributed: bool,
}

/// `context-recall`: the share of what is expected that stands in the context.
pub(super) async fn recall(given: &Given<'_>) -> Result<Graded, Thrown> {
    without_not(given)?;
    let expected = text_value(given)?;
    let context = context(given, Some(&given.frame.test.prompt)).await?.text();
    let (found, all) = match custom::prompt(given) {
        Some(prompt) => {
            let further = vec![("context", Value::from(context)), ("groundTruth", Value::from(expected))];
            let text = custom::rendered(given, prompt, Sees::Vars, further)?;
            asking::custom(given, text, marked).await?
        }
        None => {
            let own = Own {
                instructions: RECALL,
                reminder: RECALL_REMINDER,
                criteria: "",
                material: &[("context", &context), ("expected", expected)],
                max_tokens: LIST,
            };
            let some =
                |recalled: &Recalled| if recalled.statements.is_empty() { Err("it has no statement") } else { Ok(()) };
            let recalled: Recalled = asking::own(given, own, some).await?;
            let found = recalled.statements.iter().filter(|statement| statement.attributed).count();
            (found, recalled.statements.len())
        }
    };
    Ok(concluded(given, share(found, all), &format!("{found} of {all} statements stand in the context")))
}

/// Lines that end in a mark, as promptfoo's own prompt asks for them.
fn marked(reply: &str) -> Result<(usize, usize), &'static str> {
    let (mut found, mut all) = (0, 0);
    for line in reply.lines().map(str::to_lowercase) {
        let not = line.contains("[not attributed]");
        if not || line.contains("[attributed]") {
            all += 1;
            found += usize::from(!not);
        }
    }
    if all == 0 { Err("no line is marked as attributed or not") } else { Ok((found, all)) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Relevant {
    relevant: BTreeSet<usize>,
}

/// `context-relevance`: the share of the context that the question needs.
pub(super) async fn relevance(given: &Given<'_>) -> Result<Graded, Thrown> {
    without_not(given)?;
    let question = question(given)?;
    let context = context(given, None).await?;
    let units = context.units();
    let all = units.len();
    if all == 0 {
        return Err(Thrown::new("`context-relevance`: the context has no sentence"));
    }
    let found = match custom::prompt(given) {
        Some(prompt) => {
            let further = vec![("context", Value::from(context.text())), ("query", Value::from(question))];
            let text = custom::rendered(given, prompt, Sees::Nothing, further)?;
            asking::custom(given, text, |reply| extracted(reply, &context)).await?.min(all)
        }
        None => {
            let numbered = numbered(&units);
            let own = Own {
                instructions: RELEVANCE,
                reminder: RELEVANCE_REMINDER,
                criteria: "",
                material: &[("question", question), ("context", &numbered)],
                max_tokens: LIST,
            };
            let there = |relevant: &Relevant| {
                let there = relevant.relevant.iter().all(|number| (1..=all).contains(number));
                if there { Ok(()) } else { Err("it names a part that is not there") }
            };
            let relevant: Relevant = asking::own(given, own, there).await?;
            relevant.relevant.len()
        }
    };
    Ok(concluded(given, share(found, all), &format!("{found} of {all} parts of the context are needed")))
}

/// Sentences that a judge has copied out of the context, as promptfoo's own prompt asks for them.
fn extracted(reply: &str, context: &Context) -> Result<usize, &'static str> {
    if reply.is_empty() {
        return Err("it is empty");
    }
    if reply.contains("Insufficient Information") {
        return Ok(0);
    }
    let lines = |text: &str| text.split('\n').filter(|line| !line.trim().is_empty()).count();
    let by_lines = match context {
        Context::Chunks(_) => true,
        Context::Text(text) => lines(text) > 1,
    };
    let parts: BTreeSet<String> = if by_lines {
        reply.split('\n').filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    } else {
        sentences(reply).into_iter().collect()
    };
    Ok(parts.len())
}

fn numbered(parts: &[String]) -> String {
    parts.iter().enumerate().map(|(index, part)| format!("{}. {part}", index + 1)).collect::<Vec<_>>().join("\n")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    statements: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdicts {
    verdicts: Vec<bool>,
}

/// `context-faithfulness`: the share of the answer's statements that follow from the context.
pub(super) async fn faithfulness(given: &Given<'_>) -> Result<Graded, Thrown> {
    without_not(given)?;
    let question = question(given)?;
    let context = context(given, None).await?.text();
    let output = given.output.text.as_str();
    let (found, all) = match custom::prompt(given) {
        Some(Value::Array(prompts)) => two_prompts(given, prompts, question, &context).await?,
        Some(_) => return Err(Thrown::new("`context-faithfulness` takes a list of two prompts as `rubricPrompt`")),
        None => {
            let own = Own {
                instructions: CLAIMS,
                reminder: CLAIMS_REMINDER,
                criteria: "",
                material: &[("question", question), ("reply", output)],
                max_tokens: LIST,
            };
            let Claims { statements } = asking::own(given, own, |_: &Claims| Ok(())).await?;
            let all = statements.len();
            if all == 0 {
                (0, 0)
            } else {
                let numbered = numbered(&statements);
                let own = Own {
                    instructions: SUPPORT,
                    reminder: SUPPORT_REMINDER,
                    criteria: "",
                    material: &[("context", &context), ("statements", &numbered)],
                    max_tokens: LIST,
                };
                let each = |verdicts: &Verdicts| {
                    if verdicts.verdicts.len() == all {
                        Ok(())
                    } else {
                        Err("it has not one verdict for each statement")
                    }
                };
                let Verdicts { verdicts } = asking::own(given, own, each).await?;
                (verdicts.iter().filter(|verdict| **verdict).count(), all)
            }
        }
    };
    Ok(concluded(given, share(found, all), &format!("{found} of {all} statements follow from the context")))
}

/// The config's own two prompts: one that splits, line by line, and one that gives verdicts in promptfoo's words.
async fn two_prompts(
    given: &Given<'_>,
    prompts: &[Value],
    question: &str,
    context: &str,
) -> Result<(usize, usize), Thrown> {
    let prompt = |index: usize| {
        let prompt = prompts.get(index).map(|prompt| prompt.get("content").unwrap_or(prompt));
        prompt.ok_or_else(|| Thrown::new("`context-faithfulness` takes a list of two prompts as `rubricPrompt`"))
    };
    let further = vec![("question", Value::from(question)), ("answer", custom::seen(&given.output.text))];
    let text = custom::rendered(given, prompt(0)?, Sees::Vars, further)?;
    let lines = |reply: &str| {
        let lines: Vec<String> = reply.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
        if lines.is_empty() { Err("it has no statement") } else { Ok(lines) }
    };
    let statements = asking::custom(given, text, lines).await?;
    let all = statements.len();
    let further = vec![("context", Value::from(context)), ("statements", json!(statements))];
    let text = custom::rendered(given, prompt(1)?, Sees::Vars, further)?;
    let supported = asking::custom(given, text, |reply| verdicts(reply, all)).await?;
    Ok((supported, all))
}

/// Verdicts after a closing line, or beside each statement. Source of the two forms: promptfoo 0.121.20, matchers/rag.
fn verdicts(reply: &str, all: usize) -> Result<usize, &'static str> {
    const LAST: &str = "final verdict for each statement in order:";
    let reply = reply.to_lowercase();
    let (yes, no) = match reply.split_once(LAST) {
        Some((_, said)) => {
            let (yes, no): (Vec<&str>, Vec<&str>) =
                said.split('.').filter(|part| !part.trim().is_empty()).partition(|part| part.contains("yes"));
            (yes.len(), no.len())
        }
        None => (reply.matches("verdict: yes").count(), reply.matches("verdict: no").count()),
    };
    if yes + no == 0 {
        return Err("it gives no verdict");
    }
    // What has no verdict is not supported.
    Ok(all.saturating_sub(no + all.saturating_sub(yes + no)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_counted_as_promptfoo_counts_it() {
        let table: [(&str, &[&str]); 6] = [
            ("One. Two! Three? Four", &["One.", "Two!", "Three?", "Four"]),
            ("1. Paris is big. 2. Rome is old.", &["Paris is big.", "Rome is old."]),
            ("first line. still first\nsecond line", &["first line. still first", "second line"]),
            ("\nA prose. Of two.\n", &["A prose.", "Of two."]),
            ("3.14 is pi", &["3.14 is pi"]),
            ("   ", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(sentences(text), expected, "{text}");
        }
    }

    #[test]
    fn marks_and_verdicts_of_promptfoos_prompts_are_read() {
        assert_eq!(marked("1. A. [Attributed]\n2. B. [Not Attributed]\nwell"), Ok((1, 2)));
        assert!(marked("All is well").is_err());
        assert_eq!(verdicts("Final verdict for each statement in order: No. Yes. Yes.", 3), Ok(2));
        assert_eq!(verdicts("1. verdict: yes\n2. verdict: no", 3), Ok(1));
        assert_eq!(verdicts("final verdict for each statement in order: yes.", 2), Ok(1));
        assert!(verdicts("they are all fine", 2).is_err());
    }
}
