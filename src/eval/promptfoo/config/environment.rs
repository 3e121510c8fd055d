//! What `env` shows in templates: the config's own `env:`, then the process's variables, but no secret ever. Kept out: templates.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::Value;

use super::place::At;
use crate::document::{Problem, Problems};
use crate::eval::process;

/// Words in names of variables that hold secrets.
const SECRET: &[&str] = &["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "AUTH", "COOKIE", "PRIVATE"];

/// Where interpreters of scripts are.
const INTERPRETERS: [&str; 5] = ["PROMPTFOO_PYTHON", "PROMPTFOO_RUBY", "PYENV_ROOT", "GEM_HOME", "GEM_PATH"];

#[expect(clippy::expect_used, reason = "written here, and tried by every test")]
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"\benv\s*(?:\.\s*(\w+)|\[\s*(?:'(\w+)'|"(\w+)")\s*\])"#).expect("a regular expression")
});
/// A whole tag that prints something of `env`, as promptfoo 0.121.20 replaces it when it reads a config.
#[expect(clippy::expect_used, reason = "written here, and tried by every test")]
static TAG: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{\{(?:[^}]|\}[^}])*\}\}").expect("a regular expression"));

/// Variables that templates may show.
pub(super) struct Environment<'a> {
    own: BTreeMap<String, String>,
    process: &'a dyn Fn(&str) -> Option<String>,
}

/// The same, where they stand for themselves between other characters: `PAT` is no part of `PATH`.
const SECRET_ALONE: &[&str] = &["PASS", "PASSPHRASE", "PAT", "DSN", "PWD", "CREDS", "WEBHOOK"];

/// Whether a variable's name says that it holds a secret.
pub(super) fn looks_secret(name: &str) -> bool {
    let name = name.to_uppercase();
    let alone = |part: &str| SECRET_ALONE.contains(&part);
    SECRET.iter().any(|word| name.contains(word))
        || (!matches!(&*name, "PWD" | "OLDPWD") && name.split(|letter: char| !letter.is_alphanumeric()).any(alone))
}

/// Whether a value may show a password or a token, as the address of a database does: an address in it has something before an `@`.
/// A password may hold any letter but white space, so what looks like a path may still be a part of it.
fn holds_password(value: &str) -> bool {
    value.match_indices("://").any(|(at, mark)| {
        let rest = value.get(at + mark.len()..).unwrap_or_default();
        let address = rest.split(char::is_whitespace).next().unwrap_or_default();
        address.rsplit_once('@').is_some_and(|(user, _)| !user.is_empty())
    })
}

/// The names behind `env.` in a text.
pub(super) fn names(text: &str) -> impl Iterator<Item = &str> {
    REFERENCE
        .captures_iter(text)
        .filter_map(|found| [1, 2, 3].into_iter().find_map(|group| found.get(group)).map(|name| name.as_str()))
}

impl<'a> Environment<'a> {
    /// With the config's `env:`.
    pub(super) fn read(
        value: Option<&Value>,
        at: &At,
        process: &'a dyn Fn(&str) -> Option<String>,
        problems: &mut Problems,
    ) -> Self {
        let mut own = BTreeMap::new();
        match value {
            None | Some(Value::Null) => {}
            Some(Value::Object(fields)) => {
                for (name, value) in fields {
                    let at = at.part(&format!("/{}", crate::document::pointer_part(name)));
                    let text = match value {
                        Value::String(text) => text.clone(),
                        Value::Number(_) | Value::Bool(_) => value.to_string(),
                        Value::Null => continue,
                        Value::Array(_) | Value::Object(_) => {
                            problems.push(at.problem("a variable of `env` is a text, a number or a boolean"));
                            continue;
                        }
                    };
                    if looks_secret(name) && !text.is_empty() && !text.contains("{{") {
                        problems.push(
                            at.problem(format!("`{name}` looks like a secret, and stands in the config"))
                                .help(format!("take it out, and set `{name}` in the environment")),
                        );
                        continue;
                    }
                    let only_process = Environment { own: BTreeMap::new(), process };
                    own.insert(name.clone(), only_process.shown_in(&text));
                }
            }
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                problems.push(at.problem("`env` is a mapping of names to texts"));
            }
        }
        Self { own, process }
    }

    /// A variable that is no secret.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        if looks_secret(name) {
            return None;
        }
        self.own.get(name).cloned().or_else(|| (self.process)(name)).filter(|value| !holds_password(value))
    }

    /// Whether a variable is a secret, by its name or by what is in it.
    fn hides(&self, name: &str) -> bool {
        let value = || self.own.get(name).cloned().or_else(|| (self.process)(name));
        looks_secret(name) || value().is_some_and(|value| holds_password(&value))
    }

    /// Whether a variable is set, be it a secret.
    pub(super) fn has(&self, name: &str) -> bool {
        self.own.contains_key(name) || (self.process)(name).is_some_and(|value| !value.is_empty())
    }

    /// A text with every tag that prints a known variable replaced.
    pub(super) fn shown_in(&self, text: &str) -> String {
        if !text.contains("env") {
            return text.to_owned();
        }
        let replaced = TAG.replace_all(text, |found: &regex::Captures<'_>| {
            let tag = found.get(0).map(|tag| tag.as_str()).unwrap_or_default();
            let Some(name) = names(tag).next() else { return tag.to_owned() };
            // A tag with a secret stays, for the check that refuses it.
            if names(tag).any(|name| self.hides(name)) || (self.get(name).is_none() && !tag.contains('|')) {
                return tag.to_owned();
            }
            let vars = serde_json::Map::new();
            super::super::nunjucks::render(tag, &vars, &self.of(tag)).unwrap_or_else(|_| tag.to_owned())
        });
        replaced.into_owned()
    }

    /// The variables that a text names and that are set.
    pub(super) fn of(&self, text: &str) -> BTreeMap<String, String> {
        names(text).filter_map(|name| Some((name.to_owned(), self.get(name)?))).collect()
    }

    /// What scripts in other languages find: the few variables that every program needs, where their interpreters are, and the config's
    /// own `env:`. Everything else of the job, such as its keys, is not theirs.
    pub(super) fn surroundings(&self) -> BTreeMap<String, String> {
        let mut found = process::environment(self.process);
        found.extend(INTERPRETERS.iter().filter_map(|name| Some(((*name).to_owned(), (self.process)(name)?))));
        let own = self.own.iter().filter(|(name, _)| !looks_secret(name));
        found.extend(own.map(|(name, value)| (name.clone(), value.clone())));
        found
    }

    /// A problem where a text names a secret, in whose place nothing would be sent.
    pub(super) fn no_secret_in(&self, text: &str, at: &At) -> Result<(), Problem> {
        names(text).find(|name| self.hides(name)).map_or(Ok(()), |name| Err(secret(name, at)))
    }

    /// The variables that texts of the config name; a secret among them is a problem.
    pub(super) fn shared(&self, texts: &[(&str, At)], problems: &mut Problems) -> Arc<BTreeMap<String, String>> {
        let mut all = BTreeMap::new();
        for (text, at) in texts {
            self.no_secret_in(text, at).err().into_iter().for_each(|problem| problems.push(problem));
            all.extend(self.of(text));
        }
        Arc::new(all)
    }
}

fn secret(name: &str, at: &At) -> Problem {
    at.problem(format!("`env.{name}` would put a secret into a prompt, a test, an address or a body")).help(
        "give the value another way, such as a header of the provider; variables whose name says KEY, TOKEN, SECRET, PASSWORD or AUTH, or that hold an address with a user or a password, are never shown",
    )
}

/// Every text in a value, at any depth, replaced.
pub(super) fn replace_texts(value: &Value, replace: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(replace(text)),
        Value::Array(items) => Value::Array(items.iter().map(|item| replace_texts(item, replace)).collect()),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), replace_texts(value, replace))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_secret_by_its_name_or_its_value_is_never_shown() {
        let process = |name: &str| match name {
            "CITY" => Some("Ulm".to_owned()),
            "SITE" => Some("https://host.example/a?b=c".to_owned()),
            "TEAM" => Some("team@host.example".to_owned()),
            "DATABASE_URL" => Some("postgres://me:hunter2@db/x".to_owned()),
            "SLASHED_URL" => Some("postgres://me:hun/ter#2@db/x".to_owned()),
            "SECOND_URL" => Some("http://a.example,amqp://me:hunter2@queue".to_owned()),
            "LISTED" => Some("http://a.example http://me:hunter2@b.example".to_owned()),
            "REPOSITORY" => Some("https://ghp_hunter2@git.example/x".to_owned()),
            "GH_PAT" | "DB_PASS" | "SENTRY_DSN" | "OPENAI_API_KEY" => Some("hidden".to_owned()),
            "PATH" | "COMPASS" | "PWD" => Some("shown".to_owned()),
            _ => None,
        };
        let own = BTreeMap::from([("OWN_URL".to_owned(), "redis://:hunter2@cache".to_owned())]);
        let environment = Environment { own, process: &process };
        let at = At::root(&std::sync::Arc::new(crate::document::parse_yaml("c.yaml", "a: 1").unwrap()));
        for (name, shown) in [
            ("CITY", true),
            ("SITE", true),
            ("PATH", true),
            ("COMPASS", true),
            ("PWD", true),
            ("TEAM", true),
            ("DATABASE_URL", false),
            ("SLASHED_URL", false),
            ("SECOND_URL", false),
            ("LISTED", false),
            ("REPOSITORY", false),
            ("OWN_URL", false),
            ("GH_PAT", false),
            ("DB_PASS", false),
            ("SENTRY_DSN", false),
            ("OPENAI_API_KEY", false),
        ] {
            let text = format!("{{{{ env.{name} }}}}");
            assert_eq!(environment.get(name).is_some(), shown, "{name}");
            assert_eq!(environment.shown_in(&text) != text, shown, "{name}");
            let filtered = format!("{{{{ env.{name} | upper }}}}");
            assert_eq!(environment.shown_in(&filtered) != filtered, shown, "{name}");
            let mut problems = Problems::none();
            environment.shared(&[(&text, at.clone())], &mut problems);
            assert_eq!(problems.is_empty(), shown, "{name}");
        }
    }

    #[test]
    fn scripts_find_what_is_listed_and_the_configs_own_variables_alone() {
        let process = |name: &str| match name {
            "PATH" | "PROMPTFOO_PYTHON" | "DATABASE_URL" | "OPENAI_API_KEY" | "CITY" => {
                Some(format!("of the job: {name}"))
            }
            _ => None,
        };
        let own = BTreeMap::from([("TOWN".to_owned(), "Ulm".to_owned()), ("MY_TOKEN".to_owned(), "x".to_owned())]);
        let environment = Environment { own, process: &process };
        let found: Vec<String> = environment.surroundings().into_keys().collect();
        assert_eq!(found, ["PATH", "PROMPTFOO_PYTHON", "TOWN"]);
    }
}
