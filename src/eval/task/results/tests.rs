//! What is left out where a sample is missing, and what a group's numbers are. Numbers of whole runs are held against lm-eval itself
//! in `tests/lm_eval_diff.rs`.

use serde_json::{Value, json};

use super::super::doc::{About, Group, MetricSpec, OutputType, Pipeline, TaskRules};
use super::{Evaluated, results};
use crate::eval::run::{Names, Row};
use crate::eval::sample::Status;
use crate::gate::{MetricName, Score};

fn rules(name: &str, groups: &[std::sync::Arc<Group>]) -> TaskRules {
    let metric = MetricSpec {
        name: "acc".to_owned(),
        aggregation: "mean".to_owned(),
        higher_is_better: Some(true),
        options: serde_json::Map::new(),
    };
    TaskRules {
        name: name.to_owned(),
        output_type: OutputType::MultipleChoice,
        pipelines: vec![Pipeline { name: "none".to_owned(), steps: Vec::new() }],
        metrics: vec![metric],
        repeats: 1,
        about: About { alias: name.to_owned(), version: json!(1), shots: 0, groups: groups.to_vec() },
    }
}

fn rows(names: &mut Names, scores: &[Option<f64>]) -> Vec<Row> {
    let acc = MetricName::new("acc").unwrap();
    let row = |(slot, score): (usize, &Option<f64>)| {
        let score = score.map(|value| Score::new(value).unwrap());
        Row {
            slot: u32::try_from(slot).unwrap(),
            status: if score.is_some() { Status::Passed } else { Status::Error },
            score: score.map(Score::value),
            latency_ms: None,
            ttft_ms: None,
            cost_usd: None,
            prompt_tokens: None,
            completion_tokens: None,
            cluster: None,
            cached: false,
            named: names.means([(Some(&acc), score)].into_iter()),
            values: Box::default(),
        }
    };
    scores.iter().enumerate().map(row).collect()
}

fn school() -> Vec<std::sync::Arc<Group>> {
    let pooled = vec![("acc".to_owned(), None)];
    vec![Group { name: "school".to_owned(), alias: "School".to_owned(), version: "N/A".to_owned(), pooled }.into()]
}

fn document(scores: [&[Option<f64>]; 2]) -> Value {
    let mut names = Names::default();
    let (one, two) = (rules("one", &school()), rules("two", &school()));
    let (first, second) = (rows(&mut names, scores[0]), rows(&mut names, scores[1]));
    let evaluated = [
        Evaluated { rules: &one, rows: first.iter().collect(), documents: 9 },
        Evaluated { rules: &two, rows: second.iter().collect(), documents: 9 },
    ];
    results(&evaluated, &names)
}

#[test]
fn a_groups_mean_and_error_are_pooled_by_size() {
    let found = document([&[Some(1.0), Some(0.0)], &[Some(1.0), Some(1.0), Some(1.0), Some(0.0)]]);
    let group = &found["groups"]["school"];
    assert_eq!(group["acc,none"], json!(4.0 / 6.0));
    // lm-eval 0.4.13, `pooled_sample_stderr([0.5, 0.25], [2, 4])`.
    let error = group["acc_stderr,none"].as_f64().unwrap();
    assert!((error - 0.228_217_732_293_819_2).abs() < 1e-12, "{error}");
    assert_eq!((&group["sample_len"], &group["sample_count"]), (&json!(6), &json!({"acc,none": 6})));
    assert_eq!(found["group_subtasks"], json!({"school": ["one", "two"]}));
    assert_eq!(found["n-samples"]["one"], json!({"original": 9, "effective": 2}));
}

#[test]
fn a_sample_without_a_number_takes_the_metric_out_of_its_task_and_its_group() {
    let found = document([&[Some(1.0), None], &[Some(1.0), Some(1.0)]]);
    assert_eq!(found["results"]["one"].get("acc,none"), None);
    assert_eq!(found["results"]["two"]["acc,none"], json!(1.0));
    assert_eq!(found["groups"]["school"].get("acc,none"), None);
}

#[test]
fn one_sample_has_no_standard_error_and_none_no_number() {
    let found = document([&[Some(1.0)], &[]]);
    assert_eq!(
        (&found["results"]["one"]["acc,none"], &found["results"]["one"]["acc_stderr,none"]),
        (&json!(1.0), &json!("N/A"))
    );
    assert_eq!(found["results"]["two"].get("acc,none"), None);
}
