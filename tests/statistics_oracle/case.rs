//! One case of a reference file: what goes in, and what must come out, each number of which is looked at exactly once.

use std::panic::{AssertUnwindSafe, catch_unwind};

use llmci::stats::{Alpha, Count, float};
use serde_json::{Map, Value};

/// Compares everything that one case of a group expects.
pub type Check = fn(&mut Case);

/// How far a number may be off.
#[derive(Clone, Copy)]
pub struct Tolerance {
    pub absolute: f64,
    pub relative: f64,
}

/// One case.
pub struct Case {
    input: Value,
    expected: Map<String, Value>,
    tolerance: Tolerance,
    note: String,
    problems: Vec<String>,
}

/// What we say.
#[derive(Debug)]
pub enum Got {
    Number(f64),
    Whole(i64),
    Word(&'static str),
    Flag(bool),
    Nothing,
    List(Vec<Got>),
    Fields(Vec<(&'static str, f64)>),
}

impl From<f64> for Got {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<i64> for Got {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}

impl From<u64> for Got {
    fn from(number: u64) -> Self {
        Self::Whole(number.try_into().unwrap())
    }
}

impl From<&'static str> for Got {
    fn from(word: &'static str) -> Self {
        Self::Word(word)
    }
}

impl From<bool> for Got {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl<T: Into<Got>> From<Option<T>> for Got {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}

impl<T: Into<Got>> From<Vec<T>> for Got {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

fn wanted(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("inf") => Some(f64::INFINITY),
        Some("-inf") => Some(f64::NEG_INFINITY),
        Some(_) => None,
        None => value.as_f64(),
    }
}

fn agrees(got: &Got, want: &Value, tolerance: Tolerance) -> bool {
    let near = |got: f64, want: &Value| {
        wanted(want).is_some_and(|want| {
            got == want
                || (got - want).abs() <= tolerance.absolute + tolerance.relative * want.abs() && want.is_finite()
        })
    };
    match got {
        Got::Number(got) => near(*got, want),
        Got::Whole(got) => want.as_i64() == Some(*got),
        Got::Word(got) => want.as_str() == Some(got),
        Got::Flag(got) => want.as_bool() == Some(*got),
        Got::Nothing => want.is_null(),
        Got::List(got) => want.as_array().is_some_and(|want| {
            got.len() == want.len() && got.iter().zip(want).all(|(got, want)| agrees(got, want, tolerance))
        }),
        Got::Fields(got) => want.as_object().is_some_and(|want| {
            got.len() == want.len() && got.iter().all(|(key, got)| want.get(*key).is_some_and(|want| near(*got, want)))
        }),
    }
}

impl Case {
    /// Takes `key` out of what is expected, and compares it.
    pub fn is(&mut self, key: &str, got: impl Into<Got>) {
        self.is_within(key, got, self.tolerance);
    }

    /// The same with a tolerance that only the group's note gives.
    pub fn is_within(&mut self, key: &str, got: impl Into<Got>, tolerance: Tolerance) {
        let got = got.into();
        match self.expected.remove(key) {
            None => self.problems.push(format!("{key} is not in the file")),
            Some(want) if agrees(&got, &want, tolerance) => {}
            Some(want) => self.problems.push(format!("{key}: got {got:?}, want {want}")),
        }
    }

    /// Whether `key` is still expected.
    pub fn expects(&self, key: &str) -> bool {
        self.expected.contains_key(key)
    }

    /// A number that is expected, without taking it out.
    pub fn expected_number(&self, key: &str) -> f64 {
        self.expected[key].as_f64().unwrap()
    }

    /// Takes a number out that says how to compare.
    pub fn take(&mut self, key: &str) -> f64 {
        self.expected.remove(key).unwrap().as_f64().unwrap()
    }

    /// What goes in.
    pub fn input(&self, key: &str) -> &Value {
        self.input.get(key).unwrap()
    }

    pub fn number(&self, key: &str) -> f64 {
        self.input(key).as_f64().unwrap()
    }

    pub fn whole(&self, key: &str) -> u64 {
        self.input(key).as_u64().unwrap()
    }

    pub fn numbers(&self, key: &str) -> Vec<f64> {
        numbers(self.input(key))
    }

    pub fn alpha(&self) -> Alpha {
        Alpha::new(self.number("alpha")).unwrap()
    }

    /// The error of a two-sided interval of the confidence `conf`.
    pub fn confidence(&self) -> Alpha {
        Alpha::new(1.0 - self.number("conf")).unwrap()
    }

    /// `k` of `n`.
    pub fn count(&self) -> Count {
        Count::new(self.whole("k"), self.whole("n")).unwrap()
    }

    /// Widens the relative tolerance for large shapes, where the group's note allows it.
    pub fn allow_for_large(&mut self, keys: &[&str]) {
        if self.note.contains("rel 1e-7") && keys.iter().any(|key| self.number(key) >= 1e5) {
            self.tolerance.relative = 1e-7;
        }
    }
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

pub fn length(values: &[f64]) -> f64 {
    float(values.len() as u64)
}

/// What is wrong with the cases of a group.
pub fn problems_of(name: &str, group: &Value, check: Check) -> Vec<String> {
    let cases = group["cases"].as_array().unwrap();
    if cases.is_empty() {
        return vec![format!("{name}: no case")];
    }
    let tolerance = |key: &str| group["tol"][key].as_f64().unwrap_or(0.0);
    let problems = cases.iter().enumerate().flat_map(|(index, case)| {
        let mut case = Case {
            input: case["in"].clone(),
            expected: case["out"].as_object().unwrap().clone(),
            tolerance: Tolerance { absolute: tolerance("abs"), relative: tolerance("rel") },
            note: group["tol"]["note"].as_str().unwrap_or_default().to_owned(),
            problems: Vec::new(),
        };
        // One case that panics must not hide the others.
        if catch_unwind(AssertUnwindSafe(|| check(&mut case))).is_err() {
            case.problems.push("the check panicked".to_owned());
        } else {
            let forgotten = case.expected.keys().map(|key| format!("nobody looked at {key}"));
            case.problems.extend(forgotten);
        }
        let input: String = case.input.to_string().chars().take(200).collect();
        case.problems.into_iter().map(move |problem| format!("{name}[{index}]: {problem}, in {input}"))
    });
    problems.collect()
}
