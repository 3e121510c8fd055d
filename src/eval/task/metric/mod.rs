//! What one document gives to each metric of its task.
//! Source: lm-eval 0.4.13, `ConfigurableTask.process_results` and `lm_eval/api/metrics.py`. Kept out: filters (`filter`), how the
//! parts of all documents become a value (`gate::Aggregate`).

mod overlap;
pub(super) mod rouge;

use serde_json::Value;

use super::doc::{Doc, Expected, MetricSpec, OutputType};
use super::filter::Filtered;
use super::regex::Pattern;
use crate::eval::request::LogLikelihood;
use crate::gate::Aggregate;

/// A document's part of one metric.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Part {
    /// 0 to 1; the metric is the mean over all documents.
    Share(f64),
    /// In the form that the aggregate asks for.
    Of(Aggregate, Vec<f64>),
    /// The metric says nothing: `bypass`, or one that lm-eval leaves out for this kind of task.
    Nothing,
}

/// The part of a generated answer.
pub(super) fn of_text(doc: &Doc, metric: &MetricSpec, said: &Filtered) -> Result<Part, String> {
    let golds: Vec<&str> = match &doc.expected {
        Expected::Text(text) => vec![text],
        Expected::Texts(texts) => texts.iter().map(String::as_str).collect(),
        Expected::Choice(at) => {
            vec![doc.choices.get(*at).ok_or_else(|| format!("there is no choice {at}"))?]
        }
        Expected::Choices(_) | Expected::None => return Err("the document has no text as its gold answer".to_owned()),
    };
    let several = matches!(doc.expected, Expected::Texts(_));
    let one = || match said {
        Filtered::One(text) if !several => Ok(text.as_str()),
        Filtered::Many(texts) if !several && texts.len() == 1 => Ok(texts.first().map_or("", String::as_str)),
        Filtered::One(_) | Filtered::Many(_) => Err(format!("{}: one answer and one gold answer", metric.name)),
    };
    let overlap = |aggregate, parts: &dyn Fn(&str, &[&str]) -> Vec<f64>| Ok(Part::Of(aggregate, parts(one()?, &golds)));
    match metric.name.as_str() {
        "exact_match" => {
            let share = exact_match(metric, said, &golds)?;
            let share = if several { f64::from(u8::from(share > 0.0)) } else { share };
            averaged(metric, share)
        }
        "bleu" => overlap(Aggregate::Bleu, &overlap::bleu),
        "chrf" => overlap(Aggregate::Chrf, &|said, golds| overlap::chrf(said, golds, 0)),
        "chrf++" => overlap(Aggregate::Chrf, &|said, golds| overlap::chrf(said, golds, 2)),
        kind if kind.starts_with("rouge") => {
            averaged(metric, rouge::rouge(kind, one()?, golds.first().copied().unwrap_or_default())?)
        }
        "bypass" => Ok(Part::Nothing),
        other => Err(format!("{other} is not computed for generated text")),
    }
}

/// The parts of a metric of how much of a text its reference holds; none for other metrics.
pub(crate) fn overlap(metric: &str, said: &str, gold: &str) -> Option<(Aggregate, Vec<f64>)> {
    match metric {
        "bleu" => Some((Aggregate::Bleu, overlap::bleu(said, &[gold]))),
        "chrf" => Some((Aggregate::Chrf, overlap::chrf(said, &[gold], 0))),
        "chrf++" => Some((Aggregate::Chrf, overlap::chrf(said, &[gold], 2))),
        _ => None,
    }
}

fn exact_match(metric: &MetricSpec, said: &Filtered, golds: &[&str]) -> Result<f64, String> {
    let truth = |key: &str| metric.options.get(key).and_then(Value::as_bool).unwrap_or(false);
    let ignored = match metric.options.get("regexes_to_ignore") {
        Some(Value::Array(patterns)) => {
            let each = patterns.iter().map(|one| Pattern::new(one.as_str().ok_or("a pattern is a text")?));
            each.collect::<Result<Vec<_>, String>>()?
        }
        Some(Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            return Err("`regexes_to_ignore` is a list of patterns".to_owned());
        }
        Some(Value::Null) | None => Vec::new(),
    };
    let (case, punctuation, numbers) = (truth("ignore_case"), truth("ignore_punctuation"), truth("ignore_numbers"));
    let plain = |text: &str| -> Result<String, String> {
        let mut text = text.to_owned();
        for pattern in &ignored {
            text = pattern.removed_from(&text)?;
        }
        if case {
            text = text.to_lowercase();
        }
        let dropped = |c: &char| (punctuation && c.is_ascii_punctuation()) || (numbers && c.is_ascii_digit());
        Ok(text.chars().filter(|c| !dropped(c)).collect())
    };
    let said: Vec<String> = match said {
        Filtered::One(text) => vec![plain(text)?],
        Filtered::Many(texts) if !ignored.is_empty() => {
            return Err(format!("exact_match: {} answers are left, and patterns want one", texts.len()));
        }
        Filtered::Many(texts) => texts.iter().map(|text| plain(text)).collect::<Result<_, _>>()?,
    };
    let golds = golds.iter().map(|text| plain(text)).collect::<Result<Vec<_>, _>>()?;
    let pairs = said.len().saturating_mul(golds.len());
    let same = said.iter().flat_map(|said| golds.iter().filter(move |gold| *gold == said)).count();
    if pairs == 0 {
        return Err("exact_match: there is nothing to compare".to_owned());
    }
    Ok(crate::stats::float(same as u64) / crate::stats::float(pairs as u64))
}

/// A share under the aggregation that the task names.
fn averaged(metric: &MetricSpec, share: f64) -> Result<Part, String> {
    match metric.aggregation.as_str() {
        "mean" | "nanmean" => Ok(Part::Share(share)),
        "median" => Ok(Part::Of(Aggregate::Median, vec![share])),
        other => Err(format!("{} does not go with the aggregation {other}", metric.name)),
    }
}

/// The part of log-likelihoods.
pub(super) fn of_likelihoods(doc: &Doc, metric: &MetricSpec, all: &[LogLikelihood]) -> Result<Part, String> {
    match doc.task.output_type {
        OutputType::LogLikelihood => {
            let first = all.first().ok_or("there is no log-likelihood")?;
            match metric.name.as_str() {
                "perplexity" => Ok(Part::Of(Aggregate::Perplexity, vec![first.sum])),
                "acc" => averaged(metric, f64::from(u8::from(first.is_greedy))),
                _ => Ok(Part::Nothing),
            }
        }
        OutputType::LogLikelihoodRolling => {
            let first = all.first().ok_or("there is no log-likelihood")?;
            let Expected::Text(text) = &doc.expected else { return Err("the document is no text".to_owned()) };
            let bytes = crate::stats::float(text.len() as u64);
            match metric.name.as_str() {
                "word_perplexity" => Ok(Part::Of(Aggregate::WeightedPerplexity, vec![first.sum, words(text)])),
                "byte_perplexity" => Ok(Part::Of(Aggregate::WeightedPerplexity, vec![first.sum, bytes])),
                "bits_per_byte" => Ok(Part::Of(Aggregate::BitsPerByte, vec![first.sum, bytes])),
                _ => Ok(Part::Nothing),
            }
        }
        OutputType::MultipleChoice => choice(doc, metric, all),
        OutputType::GenerateUntil => Err("a text was asked for, and log-likelihoods came back".to_owned()),
    }
}

/// `len(re.split(r"\s+", text))`: one more than there are runs of white space.
fn words(text: &str) -> f64 {
    let mut runs = 0_u64;
    let mut before = false;
    for letter in text.chars() {
        let space = letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter);
        runs += u64::from(space && !before);
        before = space;
    }
    crate::stats::float(runs + 1)
}

fn choice(doc: &Doc, metric: &MetricSpec, all: &[LogLikelihood]) -> Result<Part, String> {
    let count = doc.choices.len();
    let own = all.get(..count).ok_or("there are fewer log-likelihoods than choices")?;
    if all.iter().any(|one| one.sum.is_nan()) {
        return Err("a log-likelihood is no number".to_owned());
    }
    let sums: Vec<f64> = own.iter().map(|one| one.sum).collect();
    let by = |length: &dyn Fn(&String) -> usize| -> usize {
        let lengths = doc.choices.iter().map(|choice| crate::stats::float(length(choice) as u64));
        first_of_most(&sums.iter().zip(lengths).map(|(sum, length)| sum / length).collect::<Vec<_>>())
    };
    // A gold answer that is none of the choices is wrong whatever is said.
    let golds: Vec<Option<usize>> = match &doc.expected {
        Expected::Choice(at) => vec![Some(*at).filter(|at| *at < count)],
        Expected::Choices(all) => all.iter().map(|at| Some(*at).filter(|at| *at < count)).collect(),
        Expected::Text(text) => vec![doc.choices.iter().position(|choice| choice == text)],
        Expected::Texts(_) => return Err("the gold answers are texts, and indices are wanted".to_owned()),
        Expected::None => vec![None],
    };
    let right = |said: usize| averaged(metric, f64::from(u8::from(golds.contains(&Some(said)))));
    let only = || match golds.as_slice() {
        [gold] if !matches!(doc.expected, Expected::Choices(_)) => Ok(*gold),
        _ => Err(format!("{} wants one gold answer", metric.name)),
    };
    let said = first_of_most(&sums);
    match metric.name.as_str() {
        "acc" => right(said),
        "acc_norm" => right(by(&|choice| choice.chars().count())),
        "acc_bytes" => right(by(&String::len)),
        "acc_mutual_info" => {
            let alone = all.get(count..2 * count).ok_or("the choices were not asked about alone")?;
            let gain: Vec<f64> = sums.iter().zip(alone).map(|(sum, alone)| sum - alone.sum).collect();
            only()?;
            right(first_of_most(&gain))
        }
        "exact_match" => {
            let greedy = |gold: &Option<usize>| gold.and_then(|at| own.get(at)).is_some_and(|one| one.is_greedy);
            averaged(metric, f64::from(u8::from(golds.iter().any(greedy))))
        }
        "f1" | "mcc" => {
            let index = |at: usize| crate::stats::float(at as u64);
            // lm-eval's class of a gold answer that is none of the choices.
            let parts = vec![only()?.map_or(-100.0, index), index(said)];
            Ok(Part::Of(if metric.name == "f1" { Aggregate::F1 } else { Aggregate::Mcc }, parts))
        }
        "brier_score" => {
            let gold = only()?.ok_or("brier_score: the gold answer is none of the choices")?;
            let most = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = sums.iter().map(|sum| (sum - most).exp()).collect();
            let total: f64 = weights.iter().sum();
            let distance = |(at, weight): (usize, &f64)| (weight / total - f64::from(u8::from(at == gold))).powi(2);
            Ok(Part::Of(Aggregate::Mean, vec![weights.iter().enumerate().map(distance).sum()]))
        }
        _ => Ok(Part::Nothing),
    }
}

/// The index of the largest value, the first of equals.
fn first_of_most(values: &[f64]) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (at, value) in values.iter().enumerate() {
        if *value > best.1 {
            best = (at, *value);
        }
    }
    best.0
}
