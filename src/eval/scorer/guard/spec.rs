//! `value` of a `guard` assertion. Whatever is wrong is said here, before anything is asked.

use serde::Deserialize;
use serde_json::Value;

use super::super::build::problem;
use super::super::{AssertionProblem, Scorer};
use super::{Contract, Guard, Member, Vote, granite, llama, shield};
use crate::document::nearest;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ensemble {
    guards: Vec<One>,
    #[serde(default)]
    vote: Vote,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    kind: Kind,
    model: String,
    categories: Option<Vec<String>>,
    risk: Option<String>,
    guideline: Option<OneOrMore>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum Kind {
    #[serde(rename = "llama-guard-3")]
    LlamaGuard3,
    #[serde(rename = "llama-guard-4")]
    LlamaGuard4,
    #[serde(rename = "shieldgemma")]
    ShieldGemma,
    #[serde(rename = "wildguard")]
    WildGuard,
    #[serde(rename = "granite-guardian")]
    GraniteGuardian,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn list(self) -> Vec<String> {
        match self {
            OneOrMore::One(text) => vec![text],
            OneOrMore::More(list) => list,
        }
    }
}

/// Builds the scorer; whether the policy has the models is checked elsewhere.
pub(in super::super) fn guard(value: &Value) -> Result<Box<dyn Scorer>, AssertionProblem> {
    let Ensemble { guards, vote } = serde_json::from_value(value.clone())
        .map_err(|why| problem("value", format!("`guard` takes {{guards: [{{kind, model}}], vote}}: {why}")))?;
    if guards.is_empty() {
        return Err(problem("value", "`guards` is empty: nothing would be judged"));
    }
    let members = guards.into_iter().map(member).collect::<Result<Vec<_>, _>>()?;
    for (index, member) in members.iter().enumerate() {
        if members.iter().skip(index + 1).any(|other| other == member) {
            return Err(problem("value", format!("the guard `{}` stands twice: it would vote twice", member.model)));
        }
    }
    Ok(Box::new(Guard { members, vote }))
}

fn member(one: One) -> Result<Member, AssertionProblem> {
    let One { kind, model, categories, risk, guideline } = one;
    if model.is_empty() {
        return Err(problem("value", "`model` is a key of the policy's `models`"));
    }
    let only = |field: &str, kinds: &str| {
        Err(problem("value", format!("`{field}` is for {kinds}: the guard `{model}` would not look at it")))
    };
    let llama = matches!(kind, Kind::LlamaGuard3 | Kind::LlamaGuard4);
    if categories.is_some() && !llama {
        return only("categories", "`llama-guard-3` and `llama-guard-4`");
    }
    if risk.is_some() && kind != Kind::GraniteGuardian {
        return only("risk", "`granite-guardian`");
    }
    if guideline.is_some() && kind != Kind::ShieldGemma {
        return only("guideline", "`shieldgemma`");
    }
    let contract = match kind {
        Kind::LlamaGuard3 => Contract::LlamaGuard(llama::Counted::new("llama-guard-3", categories).map_err(of_value)?),
        Kind::LlamaGuard4 => Contract::LlamaGuard(llama::Counted::new("llama-guard-4", categories).map_err(of_value)?),
        Kind::ShieldGemma => Contract::ShieldGemma(guidelines(guideline)?),
        Kind::WildGuard => Contract::WildGuard,
        Kind::GraniteGuardian => Contract::GraniteGuardian(risk.as_deref().map(named_risk).transpose()?),
    };
    Ok(Member { model, contract })
}

fn of_value(message: String) -> AssertionProblem {
    problem("value", message)
}

fn guidelines(given: Option<OneOrMore>) -> Result<Vec<String>, AssertionProblem> {
    let Some(given) = given else { return Ok(shield::GUIDELINES.iter().map(|(_, text)| (*text).to_owned()).collect()) };
    let list = given.list();
    if list.is_empty() {
        return Err(of_value("`guideline` is an empty list: nothing would be judged".to_owned()));
    }
    list.into_iter().map(guideline).collect()
}

fn guideline(text: String) -> Result<String, AssertionProblem> {
    if let Some((_, published)) = shield::GUIDELINES.iter().find(|(name, _)| *name == text) {
        return Ok((*published).to_owned());
    }
    // One of our own has the published form, so that a misspelt name is not taken for one.
    let own = text.strip_prefix('"').and_then(|rest| rest.split_once("\": "));
    if own.is_some_and(|(name, rule)| !name.trim().is_empty() && !rule.trim().is_empty()) {
        return Ok(text);
    }
    let names: Vec<&str> = shield::GUIDELINES.iter().map(|(name, _)| *name).collect();
    let mut found = of_value(format!("`{}` is no guideline", text.chars().take(100).collect::<String>()));
    let near = nearest(&text, names.iter().copied()).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    found.help = Some(format!(
        "{near}guidelines: {}, or a text of the form \"No Rudeness\": The chatbot shall not generate content that ... (with its quotes)",
        names.join(", ")
    ));
    Err(found)
}

fn named_risk(text: &str) -> Result<&'static str, AssertionProblem> {
    if let Some(risk) = granite::RISKS.iter().find(|risk| **risk == text) {
        return Ok(risk);
    }
    let mut found = of_value(format!("`{}` is no risk of a reply", text.chars().take(100).collect::<String>()));
    let near = nearest(text, granite::RISKS.iter().copied()).map(|near| format!("did you mean `{near}`? "));
    found.help = Some(format!("{}risks: {}", near.unwrap_or_default(), granite::RISKS.join(", ")));
    Err(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_would_judge_nothing_or_otherwise_than_it_says_is_refused() {
        let one = |more: Value| {
            let mut guard = json!({"kind": "wildguard", "model": "g"});
            if let (Some(guard), Some(more)) = (guard.as_object_mut(), more.as_object()) {
                guard.extend(more.clone());
            }
            json!({"guards": [guard]})
        };
        let bad = [
            json!("g"),
            json!({}),
            json!({"guards": []}),
            json!({"guards": [{"kind": "wildguard"}]}),
            json!({"guards": [{"model": "g"}]}),
            json!({"guards": [{"kind": "wildguard", "model": ""}]}),
            json!({"guards": [{"kind": "llama-guard", "model": "g"}]}),
            json!({"guards": [{"kind": "wildguard", "model": "g"}], "vote": "most"}),
            json!({"guards": [{"kind": "wildguard", "model": "g"}], "votes": "any"}),
            json!({"guards": [{"kind": "wildguard", "model": "g"}, {"kind": "wildguard", "model": "g"}]}),
            one(json!({"categories": ["S1"]})),
            one(json!({"risk": "harm"})),
            one(json!({"guideline": "hate"})),
            one(json!({"kind": "llama-guard-3", "categories": []})),
            one(json!({"kind": "llama-guard-3", "categories": ["S15"]})),
            one(json!({"kind": "llama-guard-3", "categories": ["s1"]})),
            one(json!({"kind": "llama-guard-4", "categories": ["S1", "S1"]})),
            one(json!({"kind": "shieldgemma", "guideline": []})),
            one(json!({"kind": "shieldgemma", "guideline": "hatred"})),
            one(json!({"kind": "shieldgemma", "guideline": ["hate", "be nice"]})),
            one(json!({"kind": "shieldgemma", "guideline": "\"\": "})),
            one(json!({"kind": "granite-guardian", "risk": "groundedness"})),
            one(json!({"kind": "granite-guardian", "risk": "harms"})),
        ];
        for value in bad {
            assert!(guard(&value).is_err(), "{value}");
        }
        let good = [
            one(json!({})),
            one(json!({"kind": "llama-guard-3", "categories": ["S1", "S14"]})),
            one(json!({"kind": "shieldgemma"})),
            one(
                json!({"kind": "shieldgemma", "guideline": ["hate", "\"No Rudeness\": The chatbot shall not be rude."]}),
            ),
            one(json!({"kind": "granite-guardian", "risk": "violence"})),
        ];
        for value in good {
            assert!(guard(&value).is_ok(), "{value}");
        }
    }

    #[test]
    fn every_guard_of_the_ensemble_is_a_judge_that_the_policy_must_have() {
        let value = json!({"guards": [{"kind": "wildguard", "model": "a"}, {"kind": "shieldgemma", "model": "b"}]});
        assert_eq!(guard(&value).unwrap_or_else(|_| panic!("it is right")).judges(), ["a", "b"]);
    }
}
