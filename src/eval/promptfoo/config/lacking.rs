//! What is no error in promptfoo, and surely not what an author wanted: a prompt shows a variable that a test does not give. promptfoo
//! puts nothing there, and asks a question that nobody meant. Kept out: what is an error (`checks`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::prompts::Written;
use super::rows::Rows;
use crate::document::Problem;

/// Notes of one config at most.
const MOST: usize = 50;

#[expect(clippy::expect_used, reason = "written here, and tried by every test")]
static SHOWN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{\{-?\s*([A-Za-z_][A-Za-z0-9_]*)\s*(\|\s*(?:default|d)\b)?").expect("a regular expression")
});
#[expect(clippy::expect_used, reason = "written here, and tried by every test")]
static MADE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{%-?\s*(?:set|for|macro|if|elif)\s+([^%]*)").expect("a regular expression"));

/// The variables that a template shows as they are. What it makes or asks for itself (`set`, `for`, `if`) is its own affair.
fn shown(template: &str) -> Vec<&str> {
    let made: String = MADE.captures_iter(template).filter_map(|found| found.get(1)).map(|part| part.as_str()).fold(
        String::new(),
        |mut all, part| {
            all.push_str(part);
            all.push(' ');
            all
        },
    );
    let is_made =
        |name: &str| made.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).any(|word| word == name);
    let mut names = Vec::new();
    for found in SHOWN.captures_iter(template) {
        let Some(name) = found.get(1).map(|name| name.as_str()) else { continue };
        let known = matches!(name, "env" | "none" | "null" | "true" | "false" | "loop" | "_conversation");
        if !known && found.get(2).is_none() && !is_made(name) && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// What a program shows is its own affair.
fn shown_by(prompt: &Written) -> Vec<&str> {
    if prompt.program.is_some() { Vec::new() } else { shown(&prompt.raw) }
}

/// One note for each prompt and variable, at the first test that lacks it.
pub(super) fn notes(rows: &Rows) -> Vec<Problem> {
    let names: Vec<Vec<&str>> = rows.prompts.iter().map(shown_by).collect();
    let mut lacking: BTreeMap<(usize, &str), Vec<usize>> = BTreeMap::new();
    for (plan, prompt, vars) in rows.pairs() {
        for name in names.get(prompt).into_iter().flatten().filter(|name| !vars.contains_key(**name)) {
            let tests = lacking.entry((prompt, *name)).or_default();
            if tests.last() != Some(&plan) {
                tests.push(plan);
            }
        }
    }
    let note = |((prompt, name), tests): (&(usize, &str), &Vec<usize>)| {
        let (prompt, first) = (rows.prompts.get(*prompt)?, rows.plans.get(*tests.first()?)?);
        let label: String = prompt.label.chars().take(60).collect();
        let more = match tests.len() {
            1 => String::new(),
            count => format!(", and {} more tests do not either", count - 1),
        };
        let message = format!("the prompt `{label}` shows `{name}`, which this test does not give{more}");
        let help = "nothing will stand there: give the variable, or say under `prompts` of the test which prompts are meant for it";
        Some(first.part.at.problem(message).help(help))
    };
    lacking.iter().filter_map(note).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_a_template_makes_or_asks_for_itself_is_not_lacking() {
        let template = "{{ a }} {{b.c}} {{- d | upper }} {{ e | default('x') }} {% if f %}{{ f }}{% endif %} {% for g in h %}{{ g }}{% endfor %} \
                        {% set i = 1 %}{{ i }} {{ env.X }} {{ 'text' }} {{ a }}";
        assert_eq!(shown(template), ["a", "b", "d"]);
    }
}
