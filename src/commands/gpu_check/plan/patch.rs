//! What a job's manifest needs to be put there: a part of a `Job`, to be merged into one. Every value comes from labels and taints,
//! whose form the API server has checked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::args::Spot;
use super::read::{EXPECTED, GPU};
use super::seen::{Node, Taint};
use super::suits::Job;

/// The label by which Kueue knows a job.
const QUEUE: &str = "kueue.x-k8s.io/queue-name";
/// The label of a machine's type.
const INSTANCE: &str = "node.kubernetes.io/instance-type";

/// Where the job goes besides its GPUs.
pub(super) struct Home<'a> {
    pub(super) namespace: Option<&'a str>,
    pub(super) queue: Option<&'a str>,
}

/// The part of a `Job`. `suitable` are the nodes that could hold it, at least one; `all` are those of the cluster.
pub(super) fn patch(job: &Job, home: &Home<'_>, suitable: &[&Node], all: &[Node]) -> Value {
    let mut metadata = Map::new();
    if let Some(namespace) = home.namespace {
        metadata.insert("namespace".into(), json!(namespace));
    }
    if let Some(queue) = home.queue {
        metadata.insert("labels".into(), json!({ QUEUE: queue }));
    }
    let count = json!({ GPU: job.gpus.to_string() });
    let mut spec = Map::new();
    match terms(job, suitable, all).as_slice() {
        [] => {}
        [one] if one.values().all(|choice| matches!(choice, Choice::In(values) if values.len() == 1)) => {
            let first = |choice: &Choice| choice.values().into_iter().next().cloned().unwrap_or_default();
            let pairs: BTreeMap<&str, String> = one.iter().map(|(key, choice)| (key.as_str(), first(choice))).collect();
            if !pairs.is_empty() {
                spec.insert("nodeSelector".into(), json!(pairs));
            }
        }
        several => {
            let terms: Vec<Value> = several.iter().map(expressions).collect();
            let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
            spec.insert("affinity".into(), json!({ "nodeAffinity": required }));
        }
    }
    let tolerations = tolerations(job, suitable);
    if !tolerations.is_empty() {
        spec.insert("tolerations".into(), Value::Array(tolerations));
    }
    // The name of the job's own container goes here.
    let resources = json!({"requests": count, "limits": count});
    spec.insert("containers".into(), json!([{"name": "main", "resources": resources}]));
    let expected = json!({ "annotations": { EXPECTED: job.hours.to_string() } });
    let mut whole = Map::new();
    whole.insert("apiVersion".into(), json!("batch/v1"));
    whole.insert("kind".into(), json!("Job"));
    if !metadata.is_empty() {
        whole.insert("metadata".into(), Value::Object(metadata));
    }
    whole.insert("spec".into(), json!({"template": {"metadata": expected, "spec": spec}}));
    Value::Object(whole)
}

/// A condition on one label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Choice {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
}

impl Choice {
    fn values(&self) -> Vec<&String> {
        match self {
            Choice::In(values) | Choice::NotIn(values) => values.iter().collect(),
        }
    }
}

type Term = BTreeMap<String, Choice>;

/// Conditions of which one must hold. They let the job go to suitable nodes, and keep it from those that do not suit it as far as
/// labels can tell; how many GPUs a node has is the scheduler's to see.
fn terms(job: &Job, suitable: &[&Node], all: &[Node]) -> Vec<Term> {
    // A share of a GPU is offered under the same name as a whole one.
    let parts = all.iter().any(|node| node.parts.is_some() && node.gpus > 0);
    let by_product = parts || !job.kinds.is_empty() || job.min_memory_gb.is_some();
    // A price is that of one kind of machine, bought in one way.
    let by_price = job.max_price.is_some();
    let spots: BTreeSet<&(String, String)> = all.iter().filter_map(|node| node.spot.as_ref()).collect();
    let mut groups: BTreeMap<Group<'_>, Term> = BTreeMap::new();
    for node in suitable {
        let product = node.product.as_ref().filter(|_| by_product);
        let spot = node.spot.as_ref().filter(|_| job.spot == Spot::Only || by_price);
        let instance = node.instance.as_deref().filter(|_| by_price);
        let term = groups.entry((product.map(|(key, _)| key.as_str()), spot, instance)).or_default();
        let mut add = |key: &str, value: &str| {
            let choice = term.entry(key.to_owned()).or_insert_with(|| Choice::In(BTreeSet::new()));
            if let Choice::In(values) = choice {
                values.insert(value.to_owned());
            }
        };
        if let Some((key, value)) = product {
            add(key, value);
        }
        if let Some((key, value)) = spot {
            add(key, value);
        }
        if let Some(instance) = instance {
            add(INSTANCE, instance);
        }
        if job.spot == Spot::Never || (by_price && node.spot.is_none()) {
            for (key, value) in &spots {
                let choice = term.entry(key.clone()).or_insert_with(|| Choice::NotIn(BTreeSet::new()));
                if let Choice::NotIn(values) = choice {
                    values.insert(value.clone());
                }
            }
        }
    }
    let terms: Vec<Term> = groups.into_values().collect();
    // One empty condition lets everything through, as none does.
    if terms.iter().any(BTreeMap::is_empty) { Vec::new() } else { terms }
}

/// Nodes that one condition describes: the label of the product, the label of a spot machine, and the type of the machine.
type Group<'a> = (Option<&'a str>, Option<&'a (String, String)>, Option<&'a str>);

fn expressions(term: &Term) -> Value {
    let all: Vec<Value> = term
        .iter()
        .map(|(key, choice)| {
            let operator = match choice {
                Choice::In(_) => "In",
                Choice::NotIn(_) => "NotIn",
            };
            json!({"key": key, "operator": operator, "values": choice.values()})
        })
        .collect();
    json!({ "matchExpressions": all })
}

/// What the pod tolerates: the taints of nodes that suit it, but not those of a node's passing states.
fn tolerations(job: &Job, suitable: &[&Node]) -> Vec<Value> {
    let taints: BTreeSet<&Taint> =
        suitable.iter().flat_map(|node| &node.taints).filter(|taint| taint.repels() && job.tolerates(taint)).collect();
    let one = |taint: &Taint| {
        if taint.value.is_empty() {
            json!({"key": taint.key, "operator": "Exists", "effect": taint.effect})
        } else {
            json!({"key": taint.key, "operator": "Equal", "value": taint.value, "effect": taint.effect})
        }
    };
    taints.into_iter().map(one).collect()
}

/// JSON as YAML in blocks; texts in double quotes, whose form is one of both languages.
pub(super) fn yaml(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                text.push_str(&format!("{indent}{}:", name(key)));
                inside(value, depth + 1, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut block = String::new();
                write(item, depth + 1, &mut block);
                // The dash takes the place of the first line's last two spaces.
                let rest = block.get(indent.len() + 2..).unwrap_or_default();
                text.push_str(&format!("{indent}- {rest}"));
            }
        }
        scalar => text.push_str(&format!("{indent}{scalar}\n")),
    }
}

fn inside(value: &Value, depth: usize, text: &mut String) {
    let empty = value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
    match value {
        Value::Object(_) | Value::Array(_) if !empty => {
            text.push('\n');
            write(value, depth, text);
        }
        other => text.push_str(&format!(" {other}\n")),
    }
}

/// A key as YAML; the plain ones bare.
fn name(key: &str) -> String {
    let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte))
        && key.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if plain { key.to_owned() } else { Value::from(key).to_string() }
}
