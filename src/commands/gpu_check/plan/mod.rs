//! `gpu-check plan`: where in a Kubernetes cluster a job fits, when, for how much, and what to put into its manifest.
//! Scheduling is Kubernetes' work: nothing is written, and nothing is reserved.

mod args;
mod kinds;
mod patch;
mod price;
mod read;
mod seen;
mod suits;
#[cfg(test)]
mod tests;
mod wait;
mod words;

use serde_json::Value;

use super::args::kinds_of;
use crate::cluster::{NODE, POD};
use crate::commands::cluster::{connect, trouble};
use crate::commands::{CommandError, Context, Exit, Outcome};
use crate::trust::Untrusted;
use patch::Home;
use price::Prices;
use seen::{Node, Pod};
use suits::{Job, Suits};
use wait::{Basis, Cluster};

pub use args::{PlanArgs, Spot};

/// Reads the cluster, and says what the job can expect there.
pub async fn run(args: &PlanArgs, context: &Context) -> Result<Outcome, CommandError> {
    let job = job(args)?;
    let prices = match &args.prices {
        Some(path) => Prices::load(path).map_err(|found| CommandError::Problems(found.sorted()))?,
        None => Prices::default(),
    };
    let api = connect(args.kubeconfig.as_deref(), args.kube_context.clone(), context).await?;
    let with_gpus = |object: &Value| Some(read::node(object)).filter(|node| node.gpus > 0 || node.product.is_some());
    let nodes: Vec<Node> = api.everywhere(NODE, with_gpus).await.map_err(|error| trouble(&error))?;
    let pods: Vec<Pod> = api.everywhere(POD, read::pod).await.map_err(|error| trouble(&error))?;
    // The cluster's own clock: the pods' moments are by it.
    let now =
        api.server_time().map_or_else(|| time::OffsetDateTime::now_utc().unix_timestamp(), |millis| millis / 1000);
    let namespace = args.namespace.clone().unwrap_or_else(|| api.namespace().to_owned());
    let home = Home { namespace: Some(&namespace), queue: args.kueue_queue.as_deref() };
    let plan = plan(&job, &Cluster { nodes: &nodes, pods: &pods, now }, &prices, &home);
    let text = if args.json {
        let text = serde_json::to_string_pretty(&words::value(&plan));
        text.map_err(|error| CommandError::Bug(error.to_string()))? + "\n"
    } else {
        words::text(&plan, &context.sink)
    };
    // A plan that cannot come true is something outside that is missing.
    let exit = if plan.fate == Fate::Never { Exit::Environment } else { Exit::Pass };
    Ok(Outcome { exit, report: None, rollout: None, text })
}

/// What the job can expect.
#[derive(Clone, PartialEq, Debug)]
struct Plan {
    gpus: u32,
    hours: f64,
    fate: Fate,
    /// Where the price of the node is known.
    price: Option<Cost>,
    currency: String,
    /// Pods that go first.
    ahead: usize,
    /// What the user should know beside it.
    notes: Vec<String>,
    rows: Vec<Row>,
    /// None where nothing fits.
    patch: Option<Value>,
}

/// Whether it fits.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Fate {
    Now(String),
    Later { node: Option<String>, seconds: i64, basis: Basis },
    Never,
}

/// What it costs.
#[derive(Clone, PartialEq, Debug)]
struct Cost {
    /// The whole machine, for an hour.
    machine: f64,
    /// The machine's GPUs.
    gpus: u32,
    spot: bool,
    /// The job's share of it, for all its hours.
    job: f64,
}

/// One node with GPUs.
#[derive(Clone, PartialEq, Debug)]
struct Row {
    name: String,
    product: Option<String>,
    instance: Option<String>,
    spot: bool,
    gpus: u32,
    free: u32,
    price: Option<f64>,
    /// Why it is none for the job, or not now.
    why: Option<String>,
}

/// The plan itself: pure.
fn plan(job: &Job, cluster: &Cluster<'_>, prices: &Prices, home: &Home<'_>) -> Plan {
    let judged: Vec<(&Node, Suits)> = cluster.nodes.iter().map(|node| (node, job.suits(node, prices))).collect();
    let mut suitable: Vec<&Node> =
        judged.iter().filter(|(_, suits)| *suits == Suits::Yes).map(|(node, _)| *node).collect();
    // The cheapest first; of those the one that is filled best, so that larger jobs find room elsewhere.
    suitable.sort_by(|a, b| {
        let price = |node: &Node| prices.of_gpu(node).unwrap_or(f64::INFINITY);
        price(a).total_cmp(&price(b)).then_with(|| (cluster.free(a), &a.name).cmp(&(cluster.free(b), &b.name)))
    });
    let later: Vec<&Node> =
        judged.iter().filter(|(_, suits)| matches!(suits, Suits::Later(_))).map(|(node, _)| *node).collect();
    let fate = if suitable.is_empty() && later.is_empty() {
        Fate::Never
    } else {
        let start = cluster.start(job.gpus, job.priority, &suitable);
        match start.node {
            Some(node) if start.wait == 0 && start.basis == Basis::Nothing => Fate::Now(node),
            node => Fate::Later { node, seconds: start.wait, basis: start.basis },
        }
    };
    let chosen = match &fate {
        Fate::Now(name) | Fate::Later { node: Some(name), .. } => suitable.iter().find(|node| node.name == *name),
        Fate::Later { node: None, .. } | Fate::Never => None,
    };
    let could: Vec<&Node> = suitable.iter().chain(&later).copied().collect();
    // Where nobody knows which node it will be, the cheapest that it could be is meant.
    let price = chosen.or(could.first()).and_then(|node| cost(job, node, prices));
    let mut notes = Vec::new();
    if suitable.is_empty() && !later.is_empty() {
        notes.push("the nodes that could hold it take no pods at present; nobody can say for how long".to_owned());
    }
    if chosen.is_some_and(|node| node.spot.is_some()) {
        notes.push("the cloud may take a spot machine back: see --preemption-notice and --checkpoint".to_owned());
    }
    if cluster.nodes.is_empty() {
        notes.push("no node offers nvidia.com/gpu: is NVIDIA's device plugin installed?".to_owned());
    }
    let patch = (!could.is_empty()).then(|| patch::patch(job, home, &could, cluster.nodes));
    Plan {
        gpus: job.gpus,
        hours: job.hours,
        fate,
        price,
        currency: prices.currency.clone(),
        ahead: cluster.ahead(job.priority).len(),
        notes,
        rows: judged.iter().map(|(node, suits)| row(job, node, suits, cluster, prices)).collect(),
        patch,
    }
}

fn cost(job: &Job, node: &Node, prices: &Prices) -> Option<Cost> {
    let share = prices.of_gpu(node)? * f64::from(job.gpus);
    Some(Cost { machine: prices.of_node(node)?, gpus: node.gpus, spot: node.spot.is_some(), job: share * job.hours })
}

fn row(job: &Job, node: &Node, suits: &Suits, cluster: &Cluster<'_>, prices: &Prices) -> Row {
    let free = cluster.free(node);
    let why = match suits {
        Suits::Yes if free < job.gpus => Some("in use".to_owned()),
        Suits::Yes => None,
        Suits::Later(why) => Some((*why).to_owned()),
        Suits::Never(why) => Some(why.clone()),
    };
    Row {
        name: node.name.clone(),
        product: node.product.as_ref().map(|(_, name)| name.clone()),
        instance: node.instance.clone(),
        spot: node.spot.is_some(),
        gpus: node.gpus,
        free,
        price: prices.of_node(node),
        why,
    }
}

fn job(args: &PlanArgs) -> Result<Job, CommandError> {
    let refused = |text: String| CommandError::Inputs(Untrusted::new(text));
    let more_than_nothing = |name: &str, value: f64| {
        let good = value.is_finite() && value > 0.0;
        if good { Ok(value) } else { Err(refused(format!("--{name} is more than 0"))) }
    };
    let hours = more_than_nothing("hours", args.hours)?;
    if hours > 8760.0 {
        return Err(refused("--hours is a year (8760) at most".to_owned()));
    }
    Ok(Job {
        gpus: args.gpus,
        kinds: kinds_of(&args.gpu_type)?,
        min_memory_gb: args.min_memory_gb.map(|least| more_than_nothing("min-memory-gb", least)).transpose()?,
        max_price: args.max_price.map(|most| more_than_nothing("max-price", most)).transpose()?,
        spot: args.spot,
        tolerate: args.tolerate.clone(),
        priority: args.priority,
        hours,
    })
}
