//! From `assert:` to assertions whose type is one that is judged here. Kept out: how they judge, and who judges where a model does and
//! none is named (`part`).

use serde_json::{Map, Value as Json};

use super::environment::Environment;
use super::files::{Files, ending};
use super::keys::{self, Of};
use super::place::At;
use super::programs::program;
use super::providers::{self, Keyed};
use crate::document::Problems;
use crate::eval::promptfoo::nunjucks;
use crate::eval::promptfoo::test::{AssertSet, Assertion, Code, CodeSource, Grader, Language, Node, Value};
use crate::eval::promptfoo::types::{By, Kind, kind_of, nearest_kind};
use crate::eval::suite::Asked;

/// Assertions of one test. promptfoo 0.121.20 allows as many.
const MOST: usize = 10_000;

/// What all parts of a config are read with.
pub(super) struct Reader<'a> {
    pub(super) files: &'a Files,
    pub(super) environment: &'a Environment<'a>,
    pub(super) keyed: &'a mut Keyed,
    pub(super) problems: &'a mut Problems,
    /// The policy's judge, which stands in for a grader that cannot be asked.
    pub(super) judge: Option<&'a str>,
    pub(super) asked: Asked,
}

impl Reader<'_> {
    /// The assertions of a list.
    pub(super) fn nodes(&mut self, value: Option<&Json>, at: &At) -> Vec<Node> {
        let items = match value {
            None | Some(Json::Null) => return Vec::new(),
            Some(Json::Array(items)) => items,
            Some(Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_)) => {
                self.problems.push(at.problem("`assert` is a list"));
                return Vec::new();
            }
        };
        if items.len() > MOST {
            self.problems.push(at.problem(format!("more than {MOST} assertions")));
            return Vec::new();
        }
        let items = items.iter().enumerate();
        items.filter_map(|(index, item)| self.node(item, &at.part(&format!("/{index}")))).collect()
    }

    fn node(&mut self, value: &Json, at: &At) -> Option<Node> {
        let Json::Object(fields) = value else {
            self.problems.push(at.problem("an assertion is a mapping with a `type`"));
            return None;
        };
        if fields.get("type").and_then(Json::as_str) != Some("assert-set") {
            return self.assertion(fields, at).map(|assertion| Node::One(Box::new(assertion)));
        }
        keys::check(Of::AssertionSet, fields, at, self.problems);
        let inner = at.part("/assert");
        let list = match fields.get("assert") {
            Some(Json::Array(list)) if !list.is_empty() => list,
            Some(_) | None => {
                self.problems.push(at.problem("an `assert-set` has a list of assertions under `assert`"));
                return None;
            }
        };
        let mut assertions = Vec::new();
        for (index, item) in list.iter().enumerate() {
            let at = inner.part(&format!("/{index}"));
            match item {
                Json::Object(fields) if fields.get("type").is_some_and(|kind| kind == "assert-set") => {
                    self.problems.push(at.problem("an `assert-set` holds no other one"));
                }
                Json::Object(fields) => assertions.extend(self.assertion(fields, &at)),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                    self.problems.push(at.problem("an assertion is a mapping with a `type`"));
                }
            }
        }
        let set = AssertSet {
            assertions,
            threshold: self.number(fields, "threshold", at),
            weight: self.weight(fields, at),
            metric: self.text(fields, "metric", at),
            config: fields.get("config").cloned(),
            spot: at.spot(),
        };
        Some(Node::Set(set))
    }

    fn kind(&mut self, fields: &Map<String, Json>, at: &At) -> Option<(Kind, bool)> {
        let Some(word) = fields.get("type").and_then(Json::as_str) else {
            self.problems.push(at.problem("an assertion has no `type`"));
            return None;
        };
        let at = at.part("/type");
        let Some((kind, not)) = kind_of(word) else {
            let problem = at.problem(format!("unknown assertion type `{word}`"));
            let redteam = word.starts_with("promptfoo:redteam:");
            self.problems.push(match nearest_kind(word) {
                _ if redteam => problem.help("graders of red teaming are safety-gate's: give it this file"),
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help("promptfoo would fail every test with it"),
            });
            return None;
        };
        match kind.by {
            By::Here | By::Script | By::Model | By::Embeddings => return Some((kind, not)),
            By::Elsewhere(whom) => {
                let message = format!("`{word}` needs {whom}, which this gate does not ask");
                self.problems.push(
                    at.problem(message).help("use an `llm-rubric`, or run promptfoo itself: `harness: promptfoo`"),
                );
            }
            By::Traces => {
                let message = format!("`{word}` needs the traces of an agent, which a gate does not have");
                self.problems.push(at.problem(message).help("run promptfoo itself: `harness: promptfoo`"));
            }
        }
        None
    }

    fn assertion(&mut self, fields: &Map<String, Json>, at: &At) -> Option<Assertion> {
        keys::check(Of::Assertion, fields, at, self.problems);
        let (kind, not) = self.kind(fields, at)?;
        let value = self.value(kind, fields.get("value"), &at.part("/value"), at)?;
        let grader = match fields.get("provider") {
            None | Some(Json::Null) => None,
            Some(provider) => self.grader(provider, kind.by, &at.part("/provider")),
        };
        let transform = self.code(fields.get("transform"), &at.part("/transform"));
        let context_transform = self.code(fields.get("contextTransform"), &at.part("/contextTransform"));
        let rubric_prompt = match fields.get("rubricPrompt") {
            Some(prompt) => Some(self.loaded(prompt, &at.part("/rubricPrompt"))?),
            None => None,
        };
        Some(Assertion {
            kind: kind.name,
            not,
            value,
            threshold: self.number(fields, "threshold", at),
            weight: self.weight(fields, at),
            metric: self.text(fields, "metric", at),
            transform,
            context_transform,
            rubric_prompt,
            grader,
            config: fields.get("config").cloned(),
            rest: Map::new(),
            spot: at.spot(),
        })
    }

    fn value(&mut self, kind: Kind, value: Option<&Json>, at: &At, whole: &At) -> Option<Value> {
        let language = match kind.name {
            "python" => Some(Language::Python),
            "ruby" => Some(Language::Ruby),
            "javascript" => Some(Language::JavaScript),
            _ => None,
        };
        let value = match value {
            None | Some(Json::Null) if language.is_some() => {
                self.problems.push(whole.problem(format!("`{}` has no `value`", kind.name)));
                return None;
            }
            None => return Some(Value::None),
            Some(value) => value,
        };
        match (value, language) {
            (Json::String(text), Some(language)) => match self.script(text, at)? {
                Some(code) => Some(Value::Code(code)),
                None if text.starts_with("file://") => {
                    self.problems.push(at.problem(format!("`{text}` is no script that runs here")));
                    None
                }
                None => Some(Value::Code(Code { language, source: CodeSource::Inline(text.clone()) })),
            },
            (Json::String(text), None) if text.starts_with("file://") => match self.script(text, at)? {
                Some(code) => Some(Value::Code(code)),
                None => self.reference(text, at).map(Value::Plain),
            },
            (Json::String(text), _) if text.starts_with("package:") => {
                self.problems.push(at.problem("packages of Node are not loaded here"));
                None
            }
            (Json::String(text), None) => {
                self.check_template(text, at);
                Some(Value::Plain(value.clone()))
            }
            (Json::Array(items), None) => {
                let mut loaded = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let at = at.part(&format!("/{index}"));
                    match item {
                        Json::String(text) if text.starts_with("file://") => loaded.push(self.reference(text, &at)?),
                        Json::String(text) => {
                            self.check_template(text, &at);
                            loaded.push(item.clone());
                        }
                        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                            loaded.push(item.clone());
                        }
                    }
                }
                Some(Value::Plain(Json::Array(loaded)))
            }
            (Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_), Some(_)) => {
                self.problems.push(at.problem(format!("the `value` of `{}` is a text", kind.name)));
                None
            }
            (Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_), None) => Some(Value::Plain(value.clone())),
        }
    }

    fn check_template(&mut self, text: &str, at: &At) {
        if !nunjucks::has_marks(text) {
            return;
        }
        if let Err(error) = nunjucks::Template::read(text) {
            self.problems.push(at.problem(format!("the template cannot be read: {error}")));
        }
    }

    /// A file of text, JSON or YAML in the place of its name. Its own braces are no template.
    fn reference(&mut self, reference: &str, at: &At) -> Option<Json> {
        let path = reference.strip_prefix("file://").unwrap_or(reference);
        let found = match ending(path).as_str() {
            "json" | "yaml" | "yml" => self.files.value(path),
            "txt" => self.files.text(path).map(|text| Json::from(text.trim())),
            other => Err(format!("a `value` is read from .txt, .json and .yaml, not from `.{other}`")),
        };
        match found {
            Ok(value) => Some(guarded(value)),
            Err(why) => {
                self.problems.push(at.problem(why));
                None
            }
        }
    }

    /// A text of a file in the place of its name, at any place of a value.
    pub(super) fn loaded(&mut self, value: &Json, at: &At) -> Option<Json> {
        match value {
            Json::String(text) if text.starts_with("file://") => {
                let path = text.strip_prefix("file://").unwrap_or(text);
                let found = match ending(path).as_str() {
                    "js" | "cjs" | "mjs" | "ts" | "py" => {
                        Err(format!("`{path}`: a prompt that a program makes is not made here"))
                    }
                    _ => self.files.text(path).map(|text| Json::from(&*text)),
                };
                found.map_err(|why| self.problems.push(at.problem(why))).ok()
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) | Json::Object(_) => {
                Some(value.clone())
            }
        }
    }

    /// A script in a file; none where a text names no script. The outer none is a problem that was said.
    #[expect(clippy::option_option, reason = "no script is no problem")]
    fn script(&mut self, text: &str, at: &At) -> Option<Option<Code>> {
        let Some(reference) = text.strip_prefix("file://") else { return Some(None) };
        match program(reference, self.files) {
            Ok(code) => Some(code),
            Err(why) => {
                self.problems.push(at.problem(why));
                None
            }
        }
    }

    /// A transform: JavaScript, or a script in a file.
    pub(super) fn code(&mut self, value: Option<&Json>, at: &At) -> Option<Code> {
        match value {
            None | Some(Json::Null) => None,
            Some(Json::String(text)) => match self.script(text, at)? {
                Some(code) => Some(code),
                None if text.starts_with("file://") || text.starts_with("package:") => {
                    self.problems.push(at.problem(format!("`{text}` is no script that runs here")));
                    None
                }
                None => Some(Code { language: Language::JavaScript, source: CodeSource::Inline(text.clone()) }),
            },
            Some(Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
                self.problems.push(at.problem("a transform is a text"));
                None
            }
        }
    }

    /// A function of a file.
    pub(super) fn function(&mut self, value: Option<&Json>, what: &str, at: &At) -> Option<Code> {
        let text = match value {
            None | Some(Json::Null) => return None,
            Some(Json::String(text)) if text.starts_with("file://") => text,
            Some(Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) | Json::Object(_)) => {
                self.problems.push(at.problem(format!("`{what}` names a function of a file: `file://score.js`")));
                return None;
            }
        };
        match self.script(text, at)? {
            Some(code) if code.language != Language::Ruby => Some(code),
            Some(_) | None => {
                self.problems.push(at.problem(format!("`{text}` is no script of JavaScript or Python")));
                None
            }
        }
    }

    /// The model that a `provider:` of an assertion or of options names for a kind of work.
    pub(super) fn grader(&mut self, value: &Json, by: By, at: &At) -> Option<Grader> {
        let (value, at) = match value {
            Json::Object(fields) if !fields.contains_key("id") => {
                let kinds = ["text", "embedding", "classification", "moderation"];
                if fields.keys().any(|key| kinds.contains(&key.as_str())) {
                    let kind = if by == By::Embeddings { "embedding" } else { "text" };
                    (fields.get(kind)?, at.part(&format!("/{kind}")))
                } else {
                    (value, at.clone())
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) | Json::Object(_) => {
                (value, at.clone())
            }
        };
        let mut found = Vec::new();
        providers::one(value, &at, self.files, self.environment, self.problems, &mut found);
        let provider = found.into_iter().next()?;
        match (provider.reach(self.environment, self.files), self.judge) {
            (Ok(reached), _) => Some(Grader { model: self.keyed.key(&provider, &reached.spec).into() }),
            (Err(_), Some(judge)) => Some(Grader { model: judge.into() }),
            (Err(problem), None) => {
                self.problems.push(problem.help("set `gate.judge` in the policy to ask its model instead"));
                None
            }
        }
    }

    pub(super) fn number(&mut self, fields: &Map<String, Json>, key: &str, at: &At) -> Option<f64> {
        match fields.get(key) {
            None | Some(Json::Null) => None,
            Some(Json::Number(number)) => number.as_f64().filter(|number| number.is_finite()),
            // A number with zeros before it is none to our reader of YAML, and one to promptfoo's.
            Some(Json::String(text)) if text.starts_with('0') && text.contains('.') && text.parse::<f64>().is_ok() => {
                text.parse().ok().filter(|number: &f64| number.is_finite())
            }
            Some(Json::Bool(_) | Json::String(_) | Json::Array(_) | Json::Object(_)) => {
                self.problems.push(at.part(&format!("/{key}")).problem(format!("`{key}` is a number")));
                None
            }
        }
    }

    fn weight(&mut self, fields: &Map<String, Json>, at: &At) -> f64 {
        let weight = self.number(fields, "weight", at).unwrap_or(1.0);
        if weight < 0.0 {
            self.problems.push(at.part("/weight").problem("a weight is 0 or more"));
        }
        weight
    }

    pub(super) fn text(&mut self, fields: &Map<String, Json>, key: &str, at: &At) -> Option<String> {
        match fields.get(key) {
            None | Some(Json::Null) => None,
            Some(Json::String(text)) => Some(text.clone()),
            Some(Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
                self.problems.push(at.part(&format!("/{key}")).problem(format!("`{key}` is a text")));
                None
            }
        }
    }
}

/// Texts of a file are no templates.
fn guarded(value: Json) -> Json {
    let guard = |text: String| {
        if nunjucks::has_marks(&text) && !text.contains("endraw") {
            format!("{{% raw %}}{text}{{% endraw %}}")
        } else {
            text
        }
    };
    match value {
        Json::String(text) => Json::String(guard(text)),
        Json::Array(items) => Json::Array(
            items
                .into_iter()
                .map(|item| match item {
                    Json::String(text) => Json::String(guard(text)),
                    Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => item,
                })
                .collect(),
        ),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => value,
    }
}
