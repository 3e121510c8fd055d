//! lm-eval's own form of results, so that what reads its `results_*.json` reads ours.
//! Source: lm-eval 0.4.13, `evaluator_utils.py`, `api/group.py`, `api/metrics.py`. Kept out: who writes the file (`commands`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::doc::{Group, MetricSpec, OutputType, TaskRules, metric_key};
use crate::document::Problem;
use crate::eval::case::Grading;
use crate::eval::run::{Names, Plan, Row};
use crate::eval::suite::{Form, Suite};
use crate::stats::{float, mean};

/// A task, and the samples that were drawn of it.
pub struct Evaluated<'a> {
    /// Its rules.
    pub rules: &'a TaskRules,
    /// Its samples, in the order of its documents.
    pub rows: Vec<&'a Row>,
    /// Documents that it has, whether they were asked or not.
    pub documents: u64,
}

/// A metric of a task or a group behind one filter.
struct Number {
    metric: String,
    filter: String,
    value: f64,
    /// lm-eval's standard error; none where it says "N/A".
    error: Option<f64>,
}

/// The numbers of a task.
struct Measured<'a> {
    rules: &'a TaskRules,
    size: u64,
    numbers: Vec<Number>,
}

/// The document of a run: of all its suites that are tasks of lm-eval.
///
/// # Errors
///
/// The data of a task that has changed since it was read.
pub fn of_run(suites: &[Suite], plan: &Plan, rows: &[Option<Row>], names: &Names) -> Result<Value, Problem> {
    let mut tasks = Vec::new();
    for (number, suite) in suites.iter().enumerate().filter(|(_, suite)| suite.form() == Form::Task) {
        let Grading::Task(doc) = suite.case(0)?.grading else { continue };
        let own = plan.slots().iter().zip(rows).filter(|(slot, _)| usize::from(slot.suite) == number);
        let mut own: Vec<(u32, &Row)> = own.filter_map(|(slot, row)| Some((slot.case, row.as_ref()?))).collect();
        own.sort_by_key(|(case, _)| *case);
        let own: Vec<&Row> = own.into_iter().map(|(_, row)| row).collect();
        tasks.push((Arc::clone(&doc.task), suite.heads().len() as u64, own));
    }
    let evaluated =
        tasks.iter().map(|(rules, documents, rows)| Evaluated { rules, rows: rows.clone(), documents: *documents });
    Ok(results(&evaluated.collect::<Vec<_>>(), names))
}

/// The document. A metric that one of the task's samples has no part of is left out of it, and so is a group's: lm-eval has no
/// word for a sample that is missing. Nothing of a model, of an address or of a document's text is in it.
pub fn results(tasks: &[Evaluated<'_>], names: &Names) -> Value {
    let measured: Vec<Measured<'_>> = tasks.iter().map(|task| measured(task, names)).collect();
    let (mut results, mut pooled, mut children) = (Map::new(), Map::new(), Map::new());
    let (mut configs, mut versions, mut shots) = (Map::new(), Map::new(), Map::new());
    let (mut better, mut counts) = (Map::new(), Map::new());
    for (task, measured) in tasks.iter().zip(&measured) {
        let TaskRules { name, about, metrics, .. } = task.rules;
        results.insert(name.clone(), Value::Object(entry(name, &about.alias, Some(measured.size), &measured.numbers)));
        configs.insert(name.clone(), config(task.rules));
        versions.insert(name.clone(), about.version.clone());
        shots.insert(name.clone(), about.shots.into());
        let each = metrics.iter().map(|metric| (metric.name.clone(), json!(metric.higher_is_better)));
        better.insert(name.clone(), Value::Object(each.collect()));
        counts.insert(name.clone(), json!({ "original": task.documents, "effective": measured.size }));
    }
    for group in groups(tasks) {
        let members: Vec<&Measured<'_>> =
            measured.iter().filter(|task| task.rules.about.groups.iter().any(|own| own.name == group.name)).collect();
        let of_group = pool(&group, &members);
        let is_pooled = !group.pooled.is_empty();
        let size = is_pooled.then(|| members.iter().map(|task| task.size).sum());
        let mut numbers = entry(&group.name, &group.alias, size, &of_group);
        if !of_group.is_empty() {
            let sizes = of_group.iter().map(|number| {
                let size: u64 = members.iter().filter(|task| task.find(number).is_some()).map(|task| task.size).sum();
                (format!("{},{}", number.metric, number.filter), Value::from(size))
            });
            numbers.insert("sample_count".to_owned(), Value::Object(sizes.collect()));
        }
        if is_pooled {
            pooled.insert(group.name.clone(), Value::Object(numbers.clone()));
        }
        results.insert(group.name.clone(), Value::Object(numbers));
        let names = children_of(&group.name, tasks);
        versions.insert(group.name.clone(), group.version.as_str().into());
        let mut of_children = names.iter().filter_map(|name| shots.get(name).cloned());
        if let Some(first) = of_children.next()
            && of_children.all(|other| other == first)
        {
            shots.insert(group.name.clone(), first);
        }
        let directions = directions(names.iter().filter_map(|name| better.get(name)?.as_object()));
        better.insert(group.name.clone(), Value::Object(directions));
        children.insert(group.name.clone(), json!(names));
    }
    let mut document = Map::new();
    document.insert("results".to_owned(), Value::Object(results));
    if !pooled.is_empty() {
        document.insert("groups".to_owned(), Value::Object(pooled));
    }
    let rest = [
        ("group_subtasks", children),
        ("configs", configs),
        ("versions", versions),
        ("n-shot", shots),
        ("higher_is_better", better),
        ("n-samples", counts),
    ];
    document.extend(rest.map(|(key, part)| (key.to_owned(), Value::Object(part))));
    Value::Object(document)
}

fn entry(name: &str, alias: &str, size: Option<u64>, numbers: &[Number]) -> Map<String, Value> {
    let mut entry = Map::new();
    entry.insert("name".to_owned(), name.into());
    entry.insert("alias".to_owned(), alias.into());
    if let Some(size) = size {
        entry.insert("sample_len".to_owned(), size.into());
    }
    for Number { metric, filter, value, error } in numbers {
        entry.insert(format!("{metric},{filter}"), json!(value));
        let error = error.map_or_else(|| json!("N/A"), |error| json!(error));
        entry.insert(format!("{metric}_stderr,{filter}"), error);
    }
    entry
}

impl Measured<'_> {
    fn find(&self, like: &Number) -> Option<&Number> {
        self.numbers.iter().find(|own| own.metric == like.metric && own.filter == like.filter)
    }

    /// Whether the task has the metric behind the filter, measured or not.
    fn declares(&self, metric: &str, filter: &str) -> bool {
        self.rules.metrics.iter().any(|own| own.name == metric)
            && self.rules.pipelines.iter().any(|own| own.name == filter)
    }
}

fn measured<'a>(task: &Evaluated<'a>, names: &Names) -> Measured<'a> {
    let mut numbers = Vec::new();
    for pipeline in &task.rules.pipelines {
        for metric in &task.rules.metrics {
            if let Some((value, error)) = number(task, metric, &pipeline.name, names) {
                let (metric, filter) = (metric.name.clone(), pipeline.name.clone());
                numbers.push(Number { metric, filter, value, error });
            }
        }
    }
    Measured { rules: task.rules, size: task.rows.len() as u64, numbers }
}

/// A metric over all samples; none where one of them has no part of it.
fn number(task: &Evaluated<'_>, metric: &MetricSpec, filter: &str, names: &Names) -> Option<(f64, Option<f64>)> {
    let own = names.find(&metric_key(&metric.name, filter).ok()?)?;
    let first = task.rows.iter().flat_map(|row| row.values.iter()).find(|(number, _)| *number == own);
    let Some(aggregate) = first.map(|(_, parts)| parts.aggregate) else {
        let share = |row: &&Row| row.named.iter().find(|(number, _)| *number == own)?.1;
        let shares = task.rows.iter().map(share).collect::<Option<Vec<f64>>>().filter(|shares| !shares.is_empty())?;
        let value = shares.iter().sum::<f64>() / float(shares.len() as u64);
        let error = if metric.aggregation == "mean" { mean(&shares) } else { None };
        return Some((value, error.filter(|_| shares.len() > 1).map(|mean| mean.standard_error)));
    };
    let part = |row: &&'_ Row| row.values.iter().find(|(number, _)| *number == own).map(|(_, parts)| parts.clone());
    let parts = task.rows.iter().map(part).collect::<Option<Vec<_>>>()?;
    if parts.iter().any(|part| part.aggregate != aggregate) {
        return None;
    }
    let parts: Vec<&[f64]> = parts.iter().map(|part| &*part.parts).collect();
    let value = aggregate.combine(&parts)?;
    // A Brier score is a mean here; lm-eval has no standard error of it.
    let error = if metric.aggregation == "brier_score" { None } else { aggregate.stderr(&parts) };
    Some((value, error))
}

/// The groups of all tasks, the innermost first.
fn groups(tasks: &[Evaluated<'_>]) -> Vec<Arc<Group>> {
    let mut found: Vec<Arc<Group>> = Vec::new();
    let depth = |group: &Arc<Group>| {
        let places = tasks.iter().filter_map(|task| task.rules.about.groups.iter().position(|own| own == group));
        places.max().unwrap_or(0)
    };
    for group in tasks.iter().flat_map(|task| &task.rules.about.groups) {
        if !found.iter().any(|other| other.name == group.name) {
            found.push(Arc::clone(group));
        }
    }
    found.sort_by_key(|group| std::cmp::Reverse(depth(group)));
    found
}

/// What a group lists: groups and tasks.
fn children_of(group: &str, tasks: &[Evaluated<'_>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for task in tasks {
        let groups = &task.rules.about.groups;
        let Some(at) = groups.iter().position(|own| own.name == group) else { continue };
        let name = groups.get(at + 1).map_or(&task.rules.name, |child| &child.name);
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// A group's metrics: means over its tasks, each weighted by its samples.
fn pool(group: &Group, members: &[&Measured<'_>]) -> Vec<Number> {
    let mut numbers = Vec::new();
    for (metric, filters) in &group.pooled {
        let filters = filters.clone().unwrap_or_else(|| {
            let all = members.iter().flat_map(|task| &task.rules.pipelines).map(|pipeline| (pipeline.name.clone(), ()));
            all.collect::<BTreeMap<_, _>>().into_keys().collect()
        });
        for filter in filters {
            let with: Vec<&&Measured<'_>> = members.iter().filter(|task| task.declares(metric, &filter)).collect();
            let mut number = Number { metric: metric.clone(), filter, value: 0.0, error: None };
            let each = with.iter().map(|task| Some((task.find(&number)?, float(task.size))));
            let Some(each) = each.collect::<Option<Vec<_>>>().filter(|each| !each.is_empty()) else { continue };
            let size: f64 = each.iter().map(|(_, size)| size).sum();
            let value = each.iter().map(|(own, size)| own.value * size).sum::<f64>() / size;
            // The variance within the tasks, pooled: each has one degree of freedom less than it has samples.
            let squares = each.iter().map(|(own, size)| Some((size - 1.0) * own.error?.powi(2) * size));
            let error = squares.sum::<Option<f64>>().map(|sum| (sum / (size - float(each.len() as u64)) / size).sqrt());
            (number.value, number.error) = (value, error.filter(|error| error.is_finite()));
            if value.is_finite() {
                numbers.push(number);
            }
        }
    }
    numbers
}

/// Which way is better for a group's metrics: null where its members do not agree.
fn directions<'a>(members: impl Iterator<Item = &'a Map<String, Value>>) -> Map<String, Value> {
    let mut all = Map::new();
    for (metric, better) in members.flatten() {
        let known = all.entry(metric.clone()).or_insert_with(|| better.clone());
        if known != better {
            *known = Value::Null;
        }
    }
    all
}

fn config(rules: &TaskRules) -> Value {
    let output_type = match rules.output_type {
        OutputType::MultipleChoice => "multiple_choice",
        OutputType::LogLikelihood => "loglikelihood",
        OutputType::LogLikelihoodRolling => "loglikelihood_rolling",
        OutputType::GenerateUntil => "generate_until",
    };
    let metric = |metric: &MetricSpec| {
        let mut fields = metric.options.clone();
        fields.insert("metric".to_owned(), metric.name.as_str().into());
        fields.insert("aggregation".to_owned(), metric.aggregation.as_str().into());
        fields.insert("higher_is_better".to_owned(), json!(metric.higher_is_better));
        Value::Object(fields)
    };
    json!({
        "task": rules.name,
        "task_alias": rules.about.alias,
        "output_type": output_type,
        "num_fewshot": rules.about.shots,
        "repeats": rules.repeats,
        "metric_list": rules.metrics.iter().map(metric).collect::<Vec<_>>(),
        "filter_list": rules.pipelines.iter().map(|own| json!({ "name": own.name })).collect::<Vec<_>>(),
        "metadata": { "version": rules.about.version },
    })
}

#[cfg(test)]
mod tests;
