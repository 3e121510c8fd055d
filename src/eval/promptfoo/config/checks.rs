//! What only the whole config shows: references that name nothing, rows that cannot be made, who judges.
//! Kept out: how the parts are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Map;

use super::MOST_PROBLEMS;
use super::part::Part;
use super::place::At;
use super::prompts::Written;
use super::providers::{self, Keyed, Provider};
use super::rows::{Plan, Rows};
use crate::document::{self, Problems};
use crate::eval::model::{EchoSpec, EchoWord, ModelSpec};
use crate::eval::promptfoo::Node;
use crate::eval::run::cluster_number;
use crate::eval::suite::{CaseHead, CaseSource};

/// Names of prompts and providers in tests that name nothing.
pub(super) fn check_references(parts: &[Part], providers: &[Provider], prompts: &[Written], problems: &mut Problems) {
    let is_prompt = |reference: &String| {
        prompts.iter().any(|prompt| {
            providers::named(&prompt.label, reference)
                || prompt.id.as_deref().is_some_and(|id| providers::named(id, reference))
        })
    };
    let is_provider = |reference: &String| providers.iter().any(|provider| provider.is_named(reference));
    for part in parts {
        for reference in part.prompts.iter().flatten().filter(|reference| !is_prompt(reference)) {
            problems.push(part.at.part("/prompts").problem(format!("no prompt has the label or id `{reference}`")));
        }
        for reference in part.providers.iter().flatten().filter(|reference| !is_provider(reference)) {
            problems.push(part.at.part("/providers").problem(format!("no provider has the label or id `{reference}`")));
        }
    }
    for provider in providers {
        for reference in provider.prompts.iter().flatten().filter(|reference| !is_prompt(reference)) {
            problems.push(provider.at.part("/prompts").problem(format!("no prompt has the label or id `{reference}`")));
        }
    }
}

/// The key of the model that answers with a test's own `providerOutput`.
pub(super) fn echo_key(plans: &[Plan], keyed: &mut Keyed, root: &At) -> Arc<str> {
    let spec = ModelSpec::Echo(EchoSpec { provider: EchoWord::Echo });
    let provider = Provider {
        id: "echo".to_owned(),
        label: None,
        config: Map::new(),
        prompts: None,
        transform: None,
        at: root.clone(),
    };
    if plans.iter().any(|plan| plan.part.output.is_some()) { keyed.key(&provider, &spec).into() } else { "echo".into() }
}

/// Makes every case once: what cannot be rendered is said now.
pub(super) fn check(rows: &Rows, problems: &mut Problems) -> Vec<CaseHead> {
    let no_tags: Arc<[String]> = Vec::new().into();
    let mut heads = Vec::with_capacity(rows.len());
    for index in 0..rows.len() {
        match rows.case(index) {
            Ok(case) => heads.push(CaseHead {
                level: case.level,
                tags: Arc::clone(&no_tags),
                repeats: case.repeats,
                cluster: case.cluster.as_deref().map(cluster_number),
            }),
            Err(problem) => {
                problems.push(problem);
                if problems.len() > MOST_PROBLEMS {
                    break;
                }
            }
        }
    }
    heads
}

/// The policy's judge, where an assertion asks it.
pub(super) fn judges(rows: &Rows, judge: Option<&str>) -> BTreeMap<String, document::Spot> {
    let mut found = BTreeMap::new();
    let Some(judge) = judge else { return found };
    for plan in &rows.plans {
        for node in &plan.part.nodes {
            let assertions = match node {
                Node::One(assertion) => std::slice::from_ref(assertion.as_ref()),
                Node::Set(set) => set.assertions.as_slice(),
            };
            let asks = |grader: &crate::eval::promptfoo::Grader| &*grader.model == judge;
            if let Some(first) = assertions.iter().find(|one| one.grader.as_ref().is_some_and(asks)) {
                found.insert(judge.to_owned(), first.spot);
                return found;
            }
        }
    }
    found
}
