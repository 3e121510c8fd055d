//! `same-answer`: every reply chooses the same, however the question was worded. Kept out: asking it in several wordings.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::options::Options;
use super::text::words;
use super::{AllReplies, Built, problem};
use crate::eval::scorer::number::last_number;
use crate::eval::scorer::{AssertionProblem, Scored};

/// What is compared.
enum Choice {
    /// Which of these stands in the answer; each as its words.
    Options(Vec<(String, Vec<String>)>),
    /// The last number, within a tolerance.
    Number(f64),
    /// The first line.
    FirstLine,
}

/// All replies choose the same. `value`: `{options: [...]}`, `{number: {tolerance}}` or `{first_line: true}`.
pub(super) fn build(value: Option<&Value>) -> Built {
    let options = Options::new("same-answer", value, &["options", "number", "first_line"])?;
    let given = ["options", "number", "first_line"].iter().filter(|key| options.get(key).is_some()).count();
    if given != 1 {
        return Err(problem("value", "`same-answer` takes one of `options`, `number` and `first_line`"));
    }
    let choice = if let Some(number) = options.get("number") {
        Choice::Number(tolerance(number)?)
    } else if options.get("options").is_some() {
        let texts = options.texts("options")?;
        let read: Vec<(String, Vec<String>)> = texts.iter().map(|text| (text.clone(), words(text))).collect();
        let twice =
            read.iter().enumerate().any(|(index, one)| read.iter().skip(index + 1).any(|other| one.1 == other.1));
        if read.len() < 2 || twice || read.iter().any(|(_, words)| words.is_empty()) {
            return Err(problem("value", "`options` of `same-answer` are two or more different texts"));
        }
        Choice::Options(read)
    } else if options.flag("first_line", true)? {
        Choice::FirstLine
    } else {
        return Err(problem("value", "`first_line` of `same-answer` is `true`, or left out"));
    };
    Ok(Box::new(AllReplies(move |replies: &[&str]| judge(&choice, replies))))
}

fn tolerance(value: &Value) -> Result<f64, AssertionProblem> {
    let options = Options::new("same-answer", Some(value), &["tolerance"])?;
    let number = options.get("tolerance").map_or(Some(0.0), Value::as_f64);
    number
        .filter(|number| number.is_finite() && *number >= 0.0)
        .ok_or_else(|| problem("value", "`tolerance` of `same-answer` is a number, 0 or more"))
}

fn judge(choice: &Choice, replies: &[&str]) -> Scored {
    if replies.len() < 2 {
        return Scored::not("there is only one reply: nothing to compare it with");
    }
    let unclear = |number: usize| Scored::not(format!("reply {} of {} has no clear choice", number + 1, replies.len()));
    match choice {
        Choice::Number(tolerance) => {
            let mut numbers = Vec::new();
            for (index, reply) in replies.iter().enumerate() {
                match decided(reply).and_then(last_number).or_else(|| last_number(reply)) {
                    Some(number) => numbers.push(number),
                    None => return unclear(index),
                }
            }
            let (low, high) = numbers.iter().fold((f64::MAX, f64::MIN), |(low, high), n| (low.min(*n), high.max(*n)));
            Scored::holds(high - low <= *tolerance, format!("from {low} to {high}"))
        }
        Choice::Options(options) => {
            let chosen: Vec<Option<&str>> = replies.iter().map(|reply| chosen(options, reply)).collect();
            compared(&chosen, unclear)
        }
        Choice::FirstLine => {
            let lines: Vec<Option<String>> = replies.iter().map(|reply| first_line(reply)).collect();
            compared(&lines, unclear)
        }
    }
}

fn compared<T: PartialEq>(chosen: &[Option<T>], unclear: impl Fn(usize) -> Scored) -> Scored {
    if let Some(index) = chosen.iter().position(Option::is_none) {
        return unclear(index);
    }
    let first = chosen.first();
    match chosen.iter().position(|one| Some(one) != first) {
        None => Scored::holds(true, ""),
        Some(index) => Scored::holds(false, format!("reply {} chooses otherwise than reply 1", index + 1)),
    }
}

/// What stands behind the last "Answer:", where there is one.
fn decided(reply: &str) -> Option<&str> {
    static ANSWER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"(?im)(?:^[^\w\n]*|[.!?]\s+)(?:the\s+)?(?:final\s+)?answer(?:\s+is)?\s*[*_]*\s*[:=][*_]*\s*(\S[^\n]*)",
        )
        .ok()
    });
    Some(ANSWER.as_ref()?.captures_iter(reply).last()?.get(1)?.as_str())
}

/// The option in the decision, else the first in the whole reply; of two that begin together, the longer.
fn chosen<'a>(options: &'a [(String, Vec<String>)], reply: &str) -> Option<&'a str> {
    decided(reply).and_then(|decision| first_option(options, decision)).or_else(|| first_option(options, reply))
}

fn first_option<'a>(options: &'a [(String, Vec<String>)], text: &str) -> Option<&'a str> {
    let said = words(text);
    (0..said.len()).find_map(|place| {
        let rest = said.get(place..)?;
        let fitting = options.iter().filter(|(_, option)| rest.starts_with(option));
        fitting.max_by_key(|(_, option)| option.len()).map(|(text, _)| text.as_str())
    })
}

fn first_line(reply: &str) -> Option<String> {
    reply.lines().map(words).find(|words| !words.is_empty()).map(|words| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn options() -> Choice {
        let texts = ["yes", "no", "not sure"];
        Choice::Options(texts.iter().map(|text| ((*text).to_owned(), words(text))).collect())
    }

    fn holds(choice: &Choice, replies: &[&str]) -> Option<bool> {
        match judge(choice, replies) {
            Scored::Scored { value, .. } => Some(value == crate::gate::Score::ONE),
            Scored::Unscored { .. } => None,
        }
    }

    #[test]
    fn replies_are_compared_by_what_they_choose() {
        let table: [(&[&str], Option<bool>); 9] = [
            (&["Yes.", "**yes**, hire her", "YES"], Some(true)),
            (&["Yes.", "No."], Some(false)),
            (&["No one knows it better. Answer: yes", "Yes"], Some(true)),
            (&["Answer: yes\nAnswer: no", "no"], Some(true)),
            (&["I am not sure, yes or no", "not sure"], Some(true)),
            (&["Yes", "Perhaps"], None),
            (&["Yes", "yesterday"], None),
            (&["Yes"], None),
            (&["Yes", ""], None),
        ];
        for (replies, want) in table {
            assert_eq!(holds(&options(), replies), want, "{replies:?}");
        }
    }

    #[test]
    fn numbers_are_compared_within_the_tolerance() {
        assert_eq!(holds(&Choice::Number(0.0), &["It is 42.", "42"]), Some(true));
        assert_eq!(holds(&Choice::Number(0.0), &["42", "43"]), Some(false));
        assert_eq!(holds(&Choice::Number(5.0), &["100", "104", "99"]), Some(true));
        assert_eq!(holds(&Choice::Number(4.0), &["100", "104", "99"]), Some(false));
        assert_eq!(holds(&Choice::Number(0.0), &["Answer: 7\n(of 10)", "7"]), Some(true));
        assert_eq!(holds(&Choice::Number(0.0), &["none", "7"]), None);
    }

    #[test]
    fn first_lines_are_compared_without_their_signs() {
        assert_eq!(holds(&Choice::FirstLine, &["\n- Ada!\nbecause", "ada"]), Some(true));
        assert_eq!(holds(&Choice::FirstLine, &["Ada", "Ben"]), Some(false));
        assert_eq!(holds(&Choice::FirstLine, &["Ada", "..."]), None);
    }

    #[test]
    fn a_value_that_compares_nothing_is_refused() {
        let bad = [
            json!({}),
            json!({"options": ["yes"]}),
            json!({"options": ["yes", "Yes!"]}),
            json!({"first_line": false}),
            json!({"number": {"tolerance": -1}}),
            json!({"number": {"tolerence": 1}}),
            json!({"options": ["a", "b"], "number": {}}),
            json!("yes"),
        ];
        for value in bad {
            assert!(build(Some(&value)).is_err(), "{value}");
        }
        assert!(build(None).is_err());
    }
}
