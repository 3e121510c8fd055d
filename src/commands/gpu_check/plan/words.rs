//! The plan for people: comments before the YAML, so that all that is printed can be merged into a job as it is. Names come from the
//! cluster, and go out through the sink.

use serde_json::{Value, json};

use super::patch::yaml;
use super::wait::Basis;
use super::{Fate, Plan, Row};
use crate::report::Sink;

/// Nodes that are shown one by one.
const SHOWN: usize = 30;

/// The plan as text, with the YAML at its end.
pub(super) fn text(plan: &Plan, sink: &Sink) -> String {
    let line = |text: &str| sink.line(&text.into(), 200);
    let mut lines = vec![headline(plan, &line), cost(plan, &line)];
    if plan.ahead > 0 {
        let (count, s) = (plan.ahead, if plan.ahead == 1 { "" } else { "s" });
        lines.push(format!(
            "{count} pod{s} of this priority or a higher one wait{} before it",
            if s.is_empty() { "s" } else { "" }
        ));
    }
    lines.extend(plan.notes.iter().map(|note| line(note)));
    lines.push(String::new());
    lines.extend(plan.rows.iter().take(SHOWN).map(|row| node(row, plan, &line)));
    if plan.rows.len() > SHOWN {
        lines.push(format!("and {} more nodes", plan.rows.len() - SHOWN));
    }
    let mut text: String = lines.iter().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect();
    if let Some(patch) = &plan.patch {
        text.push_str(&yaml(patch));
    }
    text
}

fn headline(plan: &Plan, line: &dyn Fn(&str) -> String) -> String {
    let gpus = format!("{} GPU{}", plan.gpus, if plan.gpus == 1 { "" } else { "s" });
    match &plan.fate {
        Fate::Now(node) => format!("fits now: {gpus} on {}", line(node)),
        Fate::Later { node, seconds, basis } => {
            let place = node.as_ref().map(|node| format!(" on {}", line(node))).unwrap_or_default();
            let from = match basis {
                Basis::Nothing | Basis::Said => "by deadlines and expected times of what runs",
                Basis::Like => "by how long finished pods like those that run took",
                Basis::Unknown => "nothing is known of how long what runs will take",
            };
            format!("waits: {gpus} in about {}{place} ({from})", duration(*seconds))
        }
        Fate::Never => format!("cannot fit: no node of this cluster could ever hold {gpus} for this job"),
    }
}

fn cost(plan: &Plan, line: &dyn Fn(&str) -> String) -> String {
    match (&plan.fate, &plan.price) {
        (Fate::Never, _) => "cost: none".to_owned(),
        (_, None) => "cost: not known (give the price of the instance type with --prices)".to_owned(),
        (_, Some(price)) => {
            let currency = if plan.currency.is_empty() { String::new() } else { format!(" {}", line(&plan.currency)) };
            format!(
                "cost: {} h x {:.2}{currency}/h x {} of {} GPUs = {:.2}{currency}{}",
                plan.hours,
                price.machine,
                plan.gpus,
                price.gpus,
                price.job,
                if price.spot { " (spot)" } else { "" }
            )
        }
    }
}

fn node(row: &Row, plan: &Plan, line: &dyn Fn(&str) -> String) -> String {
    let product = row.product.as_deref().map_or_else(|| "GPU".to_owned(), line);
    let instance = row.instance.as_deref().map(|name| format!(", {}", line(name))).unwrap_or_default();
    let spot = if row.spot { ", spot" } else { "" };
    let price = row.price.map(|price| format!(", {price:.2} {}/h", line(&plan.currency))).unwrap_or_default();
    let why = row.why.as_deref().map(|why| format!(": {}", line(why))).unwrap_or_default();
    format!("{}: {} of {} {product} free{instance}{spot}{price}{why}", line(&row.name), row.free, row.gpus)
}

/// `40 min`, `2 h 10 min`.
fn duration(seconds: i64) -> String {
    let minutes = (seconds.max(0) + 59) / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// The plan for programs.
pub(super) fn value(plan: &Plan) -> Value {
    let (fits, node, wait, basis) = match &plan.fate {
        Fate::Now(node) => ("now", Some(node.as_str()), Some(0), Basis::Nothing),
        Fate::Later { node, seconds, basis } => ("later", node.as_deref(), Some(*seconds), *basis),
        Fate::Never => ("never", None, None, Basis::Nothing),
    };
    let basis = match basis {
        Basis::Nothing => Value::Null,
        Basis::Said => json!("said"),
        Basis::Like => json!("similar"),
        Basis::Unknown => json!("unknown"),
    };
    let rows: Vec<Value> = plan
        .rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name, "product": row.product, "instance_type": row.instance, "spot": row.spot,
                "gpus": row.gpus, "free": row.free, "hourly_price": row.price, "why_not": row.why,
            })
        })
        .collect();
    json!({
        "fits": fits,
        "node": node,
        "wait_seconds": wait,
        "wait_from": basis,
        "pods_ahead": plan.ahead,
        "cost": plan.price.as_ref().map(|price| price.job),
        "currency": plan.currency,
        "notes": plan.notes,
        "nodes": rows,
        "patch": plan.patch,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_never_shown_shorter_than_it_is() {
        for (seconds, words) in
            [(0, "0 min"), (1, "1 min"), (60, "1 min"), (3600, "1 h"), (3601, "1 h 1 min"), (86_400, "24 h")]
        {
            assert_eq!(duration(seconds), words);
        }
    }
}
