//! A task's filters: from all answers of one document to what its metrics look at.
//! Source: lm-eval 0.4.13, `lm_eval/filters`. Kept out: metrics (`metric`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::doc::{Doc, FilterStep, Pipeline, RegexStep};
use super::regex::{Pattern, strip};

/// What a pipeline leaves of the answers.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Filtered {
    /// One answer.
    One(String),
    /// A list, where no filter has taken one out of it.
    Many(Vec<String>),
}

/// Runs all filters of a pipeline; an error is one that ends a run of lm-eval.
pub(super) fn filtered(pipeline: &Pipeline, answers: &[&str], doc: &Doc) -> Result<Filtered, String> {
    let mut now = Filtered::Many(answers.iter().map(|answer| (*answer).to_owned()).collect());
    for step in &pipeline.steps {
        // A single text is a list of its letters to a filter that wants a list.
        let list = match now {
            Filtered::Many(list) => list,
            Filtered::One(text) => text.chars().map(String::from).collect(),
        };
        now = apply(step, list, doc)?;
    }
    Ok(now)
}

fn apply(step: &FilterStep, list: Vec<String>, doc: &Doc) -> Result<Filtered, String> {
    let each = |change: &dyn Fn(&str) -> Result<String, String>| {
        list.iter().map(|text| change(text)).collect::<Result<Vec<_>, _>>().map(Filtered::Many)
    };
    match step {
        FilterStep::TakeFirst => {
            list.into_iter().next().map(Filtered::One).ok_or_else(|| "take_first: there is no answer".to_owned())
        }
        FilterStep::TakeFirstK(count) if list.len() < *count => {
            Err(format!("take_first_k: {count} answers are wanted, there are {}", list.len()))
        }
        FilterStep::TakeFirstK(count) => Ok(Filtered::Many(list.into_iter().take(*count).collect())),
        FilterStep::MajorityVote => {
            let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
            list.iter().for_each(|text| *votes.entry(text).or_default() += 1);
            let most = votes.values().copied().max().unwrap_or_default();
            // Of several, the one that came first.
            let winner = list.iter().find(|text| votes.get(text.as_str()) == Some(&most));
            winner
                .map(|text| Filtered::Many(vec![text.clone()]))
                .ok_or_else(|| "majority_vote: there is no answer".to_owned())
        }
        FilterStep::Lowercase => each(&|text| Ok(text.to_lowercase())),
        FilterStep::Uppercase => each(&|text| Ok(text.to_uppercase())),
        FilterStep::RemoveWhitespace => each(&|text| Ok(strip(text).to_owned())),
        FilterStep::Map { mapping, default } => each(&|text| match mapping.get(text).or(default.as_ref()) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => {
                Err("map: the answer has no text to be mapped to".to_owned())
            }
        }),
        FilterStep::Regex(regex) => {
            let pattern = Pattern::new(&regex.pattern)?;
            each(&|text| {
                Ok(match selected(&pattern, regex.group_select, text)? {
                    Selected::Text(text) => strip(&text).to_owned(),
                    Selected::Empty => strip(&regex.fallback).to_owned(),
                    Selected::Nothing => regex.fallback.clone(),
                })
            })
        }
        FilterStep::MultiChoiceRegex { regex, ignore_case, ignore_punctuation, regexes_to_ignore } => {
            let choices = MultiChoice::new(doc, regex, *ignore_case, *ignore_punctuation, regexes_to_ignore)?;
            each(&|text| choices.answer(text))
        }
    }
}

enum Selected {
    Text(String),
    /// A match of several groups, all of them empty.
    Empty,
    /// No match.
    Nothing,
}

fn selected(pattern: &Pattern, select: i64, text: &str) -> Result<Selected, String> {
    let found = pattern.find_all(text)?;
    if found.is_empty() {
        return Ok(Selected::Nothing);
    }
    let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let at = if select < 0 { count.saturating_add(select) } else { select };
    let groups = usize::try_from(at).ok().and_then(|at| found.get(at));
    let groups = groups.ok_or_else(|| format!("regex: group_select {select} of {count} matches"))?;
    match groups.as_slice() {
        [one] => Ok(Selected::Text(one.clone())),
        several => Ok(several
            .iter()
            .find(|group| !group.is_empty())
            .map_or(Selected::Empty, |group| Selected::Text(group.clone()))),
    }
}

/// `multi_choice_regex`, ready for a document.
struct MultiChoice<'a> {
    regex: &'a RegexStep,
    pattern: Pattern,
    ignored: Vec<Pattern>,
    ignore_case: bool,
    ignore_punctuation: bool,
    choices: BTreeMap<String, String>,
    any_choice: Pattern,
    letters: BTreeMap<String, String>,
    any_letter: Pattern,
}

impl<'a> MultiChoice<'a> {
    fn new(
        doc: &Doc,
        regex: &'a RegexStep,
        ignore_case: bool,
        ignore_punctuation: bool,
        regexes_to_ignore: &[String],
    ) -> Result<Self, String> {
        let ignored = regexes_to_ignore.iter().map(|one| Pattern::new(one)).collect::<Result<Vec<_>, _>>()?;
        let choices = doc.row.get("choices").and_then(Value::as_array);
        let choices = choices.ok_or_else(|| "multi_choice_regex: the document has no list `choices`".to_owned())?;
        let nothing = || Pattern::new("$^");
        let mut made = Self {
            regex,
            pattern: Pattern::new(&regex.pattern)?,
            ignored,
            ignore_case,
            ignore_punctuation,
            choices: BTreeMap::new(),
            any_choice: nothing()?,
            letters: BTreeMap::new(),
            any_letter: nothing()?,
        };
        let mut texts = Vec::new();
        let mut letters = Vec::new();
        for (letter, choice) in ('A'..).zip(choices) {
            let choice = choice.as_str().ok_or_else(|| "multi_choice_regex: a choice is no text".to_owned())?;
            let plain = made.plain(strip(choice))?;
            texts.push(fancy_regex::escape(&plain).into_owned());
            made.choices.insert(plain, format!("({letter})"));
            letters.push(fancy_regex::escape(&letter.to_string()).into_owned());
            made.letters.insert(letter.to_string(), format!("({letter})"));
        }
        // The longest first, so that a choice that begins another one does not hide it.
        texts.sort_by_key(|text| std::cmp::Reverse(text.chars().count()));
        made.any_choice = Pattern::new(&texts.join("|"))?;
        made.any_letter = Pattern::new(&format!(":[\\s]*({})", letters.join("|")))?;
        Ok(made)
    }

    fn plain(&self, text: &str) -> Result<String, String> {
        let mut text = text.to_owned();
        for pattern in &self.ignored {
            text = pattern.removed_from(&text)?;
        }
        if self.ignore_case {
            text = text.to_lowercase();
        }
        if self.ignore_punctuation {
            text = Pattern::punctuation()?.removed_from(&text)?;
        }
        Ok(text)
    }

    fn answer(&self, text: &str) -> Result<String, String> {
        let empty = BTreeMap::new();
        let find = |pattern: &Pattern, text: &str, names: &BTreeMap<String, String>| -> Result<String, String> {
            Ok(match selected(pattern, self.regex.group_select, text)? {
                Selected::Text(found) => {
                    let found = strip(&found);
                    names.get(found).cloned().unwrap_or_else(|| found.to_owned())
                }
                Selected::Empty | Selected::Nothing => String::new(),
            })
        };
        let mut found = find(&self.pattern, text, &empty)?;
        if found.is_empty() {
            found = find(&self.any_choice, &self.plain(text)?, &self.choices)?;
        }
        if found.is_empty() {
            found = find(&self.any_letter, text, &self.letters)?;
        }
        Ok(if found.is_empty() { self.regex.fallback.clone() } else { found })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::eval::task::doc::{About, Expected, OutputType, TaskRules};

    fn doc() -> Doc {
        let row = json!({ "choices": ["Guilty", "Guilty of Romance", "No one"] });
        let task = TaskRules {
            name: "task".to_owned(),
            output_type: OutputType::GenerateUntil,
            pipelines: Vec::new(),
            metrics: Vec::new(),
            repeats: 1,
            about: About { alias: "task".to_owned(), version: json!(1), shots: 0, groups: Vec::new() },
        };
        Doc {
            row: row.as_object().unwrap().clone(),
            choices: Vec::new(),
            context: String::new(),
            expected: Expected::None,
            task: Arc::new(task),
        }
    }

    fn regex(pattern: &str, group_select: i64) -> RegexStep {
        RegexStep { pattern: pattern.to_owned(), group_select, fallback: "[invalid]".to_owned() }
    }

    /// Source: lm-eval 0.4.13, `lm_eval.filters`, called with these answers.
    #[test]
    fn answers_are_filtered_as_by_lm_eval() {
        let choices = FilterStep::MultiChoiceRegex {
            regex: regex(r"(\([A-Z]\))", 0),
            ignore_case: true,
            ignore_punctuation: true,
            regexes_to_ignore: Vec::new(),
        };
        let table: [(FilterStep, &[&str], &[&str]); 4] = [
            (
                FilterStep::Regex(regex(r"#### (\-?[0-9\.\,]+)", 0)),
                &["so #### 1,200 x", "none"],
                &["1,200", "[invalid]"],
            ),
            (
                FilterStep::Regex(regex("(-?[$0-9.,]{2,})|(-?[0-9]+)", -1)),
                &["It is $18.50, or 7", " 3 cats"],
                &["7", "3"],
            ),
            (
                choices,
                &["It is (B)", "guilty of romance!", "the answer is: C", "nothing"],
                &["(B)", "(B)", "(C)", "[invalid]"],
            ),
            (FilterStep::MajorityVote, &["a", "b", "b", "a", "c"], &["a"]),
        ];
        for (step, answers, wanted) in table {
            let pipeline = Pipeline { name: "none".to_owned(), steps: vec![step] };
            let wanted = wanted.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(filtered(&pipeline, answers, &doc()), Ok(Filtered::Many(wanted)), "{pipeline:?}");
        }
    }

    #[test]
    fn a_match_that_is_not_there_is_no_answer() {
        let pipeline = Pipeline {
            name: "none".to_owned(),
            steps: vec![FilterStep::Regex(regex("[0-9]", 3)), FilterStep::TakeFirst],
        };
        assert!(filtered(&pipeline, &["1 2"], &doc()).is_err());
    }
}
