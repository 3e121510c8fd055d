//! What machines cost: a small file of the user, by instance type.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::seen::Node;
use crate::document::{LARGEST_FILE, Problem, Problems, decode, parse_yaml, pointer_part};

/// The file.
#[derive(Clone, PartialEq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Prices {
    /// Such as `USD`; shown behind every amount.
    #[serde(default)]
    pub(super) currency: String,
    /// Prices of whole machines for an hour, by instance type.
    instances: BTreeMap<String, Price>,
}

/// A machine's price for an hour.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Price {
    /// As long as it is wanted.
    on_demand: Option<f64>,
    /// Until the cloud takes it back.
    spot: Option<f64>,
}

impl Prices {
    /// Reads the file; everything that is wrong with it is found at once.
    pub(super) fn load(path: &Path) -> Result<Self, Problems> {
        let shown = path.display().to_string();
        let trouble = |text: String| Problems::from(Problem::of_file(&shown, text));
        let size = std::fs::metadata(path).map_err(|error| trouble(error.to_string()))?.len();
        if size > LARGEST_FILE {
            return Err(trouble(format!("the file has {size} bytes; at most {LARGEST_FILE} are read")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| trouble(error.to_string()))?;
        Self::read(&shown, &text)
    }

    pub(super) fn read(shown: &str, text: &str) -> Result<Self, Problems> {
        let document = parse_yaml(shown, text)?;
        let prices: Prices = decode(&document)?;
        let mut problems = Problems::none();
        let short = prices.currency.chars().count() <= 8 && prices.currency.chars().all(char::is_alphanumeric);
        if !short {
            problems.push(document.problem("/currency", "a currency is a short word, such as USD"));
        }
        for (instance, price) in &prices.instances {
            let pointer = format!("/instances/{}", pointer_part(instance));
            if price.on_demand.is_none() && price.spot.is_none() {
                problems.push(document.problem(&pointer, "no price: give `on_demand`, `spot` or both"));
            }
            for (field, value) in [("on_demand", price.on_demand), ("spot", price.spot)] {
                if value.is_some_and(|value| !(value.is_finite() && value >= 0.0)) {
                    problems.push(document.problem(&format!("{pointer}/{field}"), "a price is 0 or more for an hour"));
                }
            }
        }
        problems.or(prices)
    }

    /// What a node costs in an hour, where that is known.
    pub(super) fn of_node(&self, node: &Node) -> Option<f64> {
        let price = self.instances.get(node.instance.as_ref()?)?;
        if node.spot.is_some() { price.spot } else { price.on_demand }
    }

    /// A GPU's share of it.
    pub(super) fn of_gpu(&self, node: &Node) -> Option<f64> {
        let price = self.of_node(node)?;
        (node.gpus > 0).then(|| price / f64::from(node.gpus))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_of_the_file_is_found_with_its_line() {
        let good =
            "currency: USD\ninstances:\n  p4d.24xlarge: {on_demand: 32.77, spot: 12.5}\n  g5.xlarge: {spot: 0.4}\n";
        let prices = Prices::read("prices.yaml", good).unwrap();
        let node = |instance: &str, spot: bool, gpus: u32| Node {
            instance: Some(instance.into()),
            spot: spot.then(|| ("karpenter.sh/capacity-type".into(), "spot".into())),
            gpus,
            ..Node::default()
        };
        assert_eq!(prices.of_gpu(&node("p4d.24xlarge", false, 8)), Some(32.77 / 8.0));
        assert_eq!(prices.of_node(&node("p4d.24xlarge", true, 8)), Some(12.5));
        assert_eq!(prices.of_node(&node("g5.xlarge", false, 1)), None, "a spot price is no other price");
        assert_eq!(prices.of_node(&node("unknown", false, 1)), None);
        let bad = "currency: \"US dollars, roughly\"\ninstances:\n  a: {on_demand: -1}\n  b: {}\n  c: {spot: 0}\n";
        let found = Prices::read("prices.yaml", bad).unwrap_err().sorted();
        let lines: Vec<String> = found.iter().map(|problem| problem.render(&|text| text.raw().to_owned())).collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        for wanted in ["prices.yaml:1", "prices.yaml:3", "prices.yaml:4"] {
            assert!(lines.iter().any(|line| line.contains(wanted)), "{wanted} in {lines:?}");
        }
        assert!(Prices::read("p", "instances: {a: {on_demand: 1, monthly: 2}}").is_err());
    }
}
