//! One mapping of a test, of `defaultTest` or of a scenario, read and checked; and what they become when they are laid over one
//! another, as promptfoo 0.121.20 does it. Kept out: which file they stand in (`tests`).

use crate::eval::suite::Asked;
use serde_json::{Map, Value, json};

use super::asserts::Reader;
use super::keys::{self, Of};
use super::place::At;
use super::programs::{Asks, Programs};
use super::providers::strings;
use crate::document::Problem;
use crate::eval::promptfoo::test::{Code, Grader, Node};
use crate::eval::promptfoo::types::{By, kind_of};

/// A test, or a part of one.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) description: Option<String>,
    pub(super) vars: Map<String, Value>,
    pub(super) nodes: Vec<Node>,
    pub(super) threshold: Option<f64>,
    pub(super) options: Map<String, Value>,
    pub(super) metadata: Map<String, Value>,
    pub(super) prompts: Option<Vec<String>>,
    pub(super) providers: Option<Vec<String>>,
    /// `options.transform`, or its older name.
    pub(super) transform: Option<Code>,
    /// `options.transformVars`, with where it stands.
    pub(super) makes_vars: Option<(Code, At)>,
    /// `assertScoringFunction`.
    pub(super) scoring: Option<Code>,
    /// `options.provider`, with where it stands.
    pub(super) grader: Option<(Value, At)>,
    pub(super) output: Option<Value>,
    pub(super) at: At,
}

impl Part {
    /// Nothing, at a place.
    pub(super) fn empty(at: At) -> Self {
        Self {
            description: None,
            vars: Map::new(),
            nodes: Vec::new(),
            threshold: None,
            options: Map::new(),
            metadata: Map::new(),
            prompts: None,
            providers: None,
            transform: None,
            makes_vars: None,
            scoring: None,
            grader: None,
            output: None,
            at,
        }
    }

    /// `above` laid over it; assertions of both, its own first.
    pub(super) fn under(&self, above: &Part) -> Part {
        let merged = |below: &Map<String, Value>, above: &Map<String, Value>| {
            let mut merged = below.clone();
            merged.extend(above.iter().map(|(key, value)| (key.clone(), value.clone())));
            merged
        };
        let without = above.options.get("disableDefaultAsserts") == Some(&Value::Bool(true));
        let own = if without { &[] } else { self.nodes.as_slice() };
        Part {
            description: above.description.clone().or_else(|| self.description.clone()),
            vars: merged(&self.vars, &above.vars),
            nodes: own.iter().chain(&above.nodes).cloned().collect(),
            threshold: above.threshold.or(self.threshold),
            options: merged(&self.options, &above.options),
            metadata: merged(&self.metadata, &above.metadata),
            prompts: above.prompts.clone().or_else(|| self.prompts.clone()),
            providers: above.providers.clone().or_else(|| self.providers.clone()),
            transform: above.transform.clone().or_else(|| self.transform.clone()),
            makes_vars: above.makes_vars.clone().or_else(|| self.makes_vars.clone()),
            scoring: above.scoring.clone().or_else(|| self.scoring.clone()),
            grader: above.grader.clone().or_else(|| self.grader.clone()),
            output: above.output.clone().or_else(|| self.output.clone()),
            at: above.at.clone(),
        }
    }
}

impl Reader<'_> {
    /// Reads a mapping.
    pub(super) fn part(&mut self, value: &Value, at: &At) -> Option<Part> {
        let Value::Object(fields) = value else {
            self.problems.push(at.problem("a test is a mapping"));
            return None;
        };
        keys::check(Of::Test, fields, at, self.problems);
        // The policy's model answers in the place of every provider.
        if self.asked == Asked::Own && fields.get("provider").is_some_and(|provider| !provider.is_null()) {
            let problem = at.part("/provider").key_problem("a `provider` of one test is not asked here");
            self.problems.push(problem.help("list it under `providers`, and name it in the test's `providers`"));
        }
        let vars = self.vars(fields.get("vars"), &at.part("/vars"));
        if vars.contains_key("assert") {
            let problem =
                at.part("/vars/assert").key_problem("`assert` stands among the vars, where it checks nothing");
            self.problems.push(problem.help("write it beside `vars`"));
        }
        let mut options = self.mapping(fields.get("options"), &at.part("/options"));
        keys::check(Of::Options, &options, &at.part("/options"), self.problems);
        let transform = match options.shift_remove("transform") {
            Some(value) => self.code(Some(&value), &at.part("/options/transform")),
            None => None,
        };
        let older = options.shift_remove("postprocess");
        let transform = match (transform, older) {
            (None, Some(value)) => self.code(Some(&value), &at.part("/options/postprocess")),
            (transform, _) => transform,
        };
        let made = at.part("/options/transformVars");
        let makes_vars = options.shift_remove("transformVars").and_then(|value| self.code(Some(&value), &made));
        let scoring = fields.get("assertScoringFunction");
        let scoring = self.function(scoring, "assertScoringFunction", &at.part("/assertScoringFunction"));
        let grader = options.shift_remove("provider").filter(|value| !value.is_null());
        let grader = grader.map(|value| (value, at.part("/options/provider")));
        if let Some(prompt) = options.get("rubricPrompt").cloned()
            && let Some(loaded) = self.loaded(&prompt, &at.part("/options/rubricPrompt"))
        {
            options.insert("rubricPrompt".to_owned(), loaded);
        }
        let list = |key: &str| fields.get(key).filter(|value| !value.is_null()).map(strings);
        let (prompts, providers) = (list("prompts"), list("providers"));
        for (key, read) in [("prompts", &prompts), ("providers", &providers)] {
            if matches!(read, Some(None)) {
                self.problems
                    .push(at.part(&format!("/{key}")).problem(format!("`{key}` of a test is a list of names")));
            }
        }
        Some(Part {
            description: self.text(fields, "description", at).filter(|text| !text.is_empty()),
            vars,
            nodes: self.nodes(fields.get("assert"), &at.part("/assert")),
            threshold: self.number(fields, "threshold", at),
            options,
            metadata: self.mapping(fields.get("metadata"), &at.part("/metadata")),
            prompts: prompts.flatten(),
            providers: providers.flatten(),
            transform,
            makes_vars: makes_vars.map(|code| (code, made)),
            scoring,
            grader,
            output: fields.get("providerOutput").filter(|value| !value.is_null()).cloned(),
            at: at.clone(),
        })
    }

    fn mapping(&mut self, value: Option<&Value>, at: &At) -> Map<String, Value> {
        match value {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(fields)) => fields.clone(),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                self.problems.push(at.problem("a mapping is expected here"));
                Map::new()
            }
        }
    }

    /// Vars, or a file of them, or several.
    fn vars(&mut self, value: Option<&Value>, at: &At) -> Map<String, Value> {
        let Some(references) = value.filter(|value| !value.is_object()).and_then(strings) else {
            return self.mapping(value, at);
        };
        let mut vars = Map::new();
        for reference in references {
            let path = reference.strip_prefix("file://").unwrap_or(&reference);
            let found = match self.files.find(path) {
                Ok(found) => found,
                Err(why) => {
                    self.problems.push(at.problem(why));
                    continue;
                }
            };
            if found.is_empty() {
                self.problems.push(at.problem(format!("no file of vars is found by `{path}`")));
            }
            for path in found {
                match self.files.value(&path) {
                    Ok(Value::Object(fields)) => vars.extend(fields),
                    Ok(_) => self.problems.push(at.problem(format!("`{path}` holds no mapping of vars"))),
                    Err(why) => self.problems.push(at.problem(why)),
                }
            }
        }
        vars
    }

    /// Names a judge for every assertion that needs a model and has none of its own.
    pub(super) fn name_judges(&mut self, part: &mut Part) {
        let grader = part.grader.clone();
        let mut known: [Option<Option<Grader>>; 2] = [None, None];
        for node in &mut part.nodes {
            let assertions = match node {
                Node::One(assertion) => std::slice::from_mut(assertion.as_mut()),
                Node::Set(set) => set.assertions.as_mut_slice(),
            };
            for assertion in assertions {
                let by = kind_of(assertion.kind).map_or(By::Here, |(kind, _)| kind.by);
                let slot = match by {
                    By::Model => 0,
                    By::Embeddings => 1,
                    By::Here | By::Script | By::Elsewhere(_) | By::Traces => continue,
                };
                if assertion.grader.is_some() {
                    continue;
                }
                let Some(found) = known.get_mut(slot) else { continue };
                if found.is_none() {
                    let named = match &grader {
                        Some((value, at)) => self.grader(value, by, at),
                        None => None,
                    };
                    *found = Some(named.or_else(|| self.judge.map(|judge| Grader { model: judge.into() })));
                }
                assertion.grader = found.clone().flatten();
                if assertion.grader.is_none() && grader.is_none() {
                    let problem = crate::document::Problem::new(
                        part.at.path(),
                        assertion.spot,
                        format!("`{}` needs a model that judges, and none is named", assertion.kind),
                    );
                    self.problems.push(
                        problem.help("set `gate.judge` in the policy, or `defaultTest.options.provider` in the config"),
                    );
                }
            }
        }
    }
}

/// `transformVars`: what a program gives for the vars of a test is laid over them.
pub(super) fn made_vars(part: &mut Part, programs: &Programs) -> Result<(), Problem> {
    let Some((code, at)) = &part.makes_vars else { return Ok(()) };
    let uuid = "00000000-0000-4000-8000-000000000000";
    let given = [("vars", json!(part.vars)), ("context", json!({"prompt": {}, "uuid": uuid}))];
    match programs.ask(code, Asks::Function("get_transform"), &given) {
        Ok(Value::Object(made)) => {
            part.vars.extend(made);
            Ok(())
        }
        Ok(other) => Err(at.problem(format!(
            "`transformVars` gives {}, and no vars",
            other.to_string().chars().take(60).collect::<String>()
        ))),
        Err(why) => Err(at.problem(format!("`transformVars`: {why}"))),
    }
}
