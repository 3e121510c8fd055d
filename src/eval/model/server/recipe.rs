//! The command line of a server: the presets, and what the placeholders stand for. Kept out: starting it.
//!
//! Sources: `vllm serve --help`; SGLang's `docs/advanced_features/server_arguments.md`; text-generation-inference's
//! `docs/source/reference/launcher.md`; llama.cpp's `tools/server/README.md`.

use std::collections::BTreeMap;

use crate::eval::model::{Preset, ServerSpec};

/// Where servers listen: nobody outside of this machine is served.
pub(super) const HOST: &str = "127.0.0.1";

/// What the placeholders stand for.
#[derive(Clone, Copy)]
pub(super) struct Filling<'a> {
    /// Where it listens.
    pub(super) port: u16,
    /// `model` of the policy.
    pub(super) model: &'a str,
    /// How many devices it may use, where that is known.
    pub(super) gpus: Option<usize>,
}

impl ServerSpec {
    /// The command with its placeholders.
    pub(super) fn template(&self) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut command = match self.preset {
            None => self.command.clone(),
            Some(Preset::Vllm) => words(&["vllm", "serve", "{model}", "--host", "{host}", "--port", "{port}"]),
            Some(Preset::Sglang) => words(&[
                "python3",
                "-m",
                "sglang.launch_server",
                "--model-path",
                "{model}",
                "--host",
                "{host}",
                "--port",
                "{port}",
            ]),
            Some(Preset::Tgi) => words(&[
                "text-generation-launcher",
                "--model-id",
                "{model}",
                "--hostname",
                "{host}",
                "--port",
                "{port}",
            ]),
            Some(Preset::LlamaCpp) => {
                words(&["llama-server", "--model", "{model}", "--host", "{host}", "--port", "{port}"])
            }
        };
        let takes_revision = match self.preset {
            Some(Preset::Vllm | Preset::Sglang | Preset::Tgi) => true,
            Some(Preset::LlamaCpp) | None => false,
        };
        if let (true, Some(revision)) = (takes_revision, &self.revision) {
            command.extend(["--revision".to_owned(), revision.clone()]);
        }
        command.extend(self.args.iter().cloned());
        command
    }

    /// Whether a placeholder stands anywhere.
    pub fn names(&self, placeholder: &str) -> bool {
        let needle = format!("{{{placeholder}}}");
        self.template().iter().chain(self.env.values()).any(|text| text.contains(&needle))
    }
}

/// A text with its placeholders filled, each once: what is put in is not looked at again. Braces around anything else are
/// the server's own.
pub(super) fn fill(text: &str, filling: Filling<'_>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let value = after.split_once('}').and_then(|(name, tail)| Some((value(name, filling)?, tail)));
        match value {
            Some((value, tail)) => {
                filled.push_str(&value);
                rest = tail;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

fn value(name: &str, filling: Filling<'_>) -> Option<String> {
    match name {
        "host" => Some(HOST.to_owned()),
        "port" => Some(filling.port.to_string()),
        "model" => Some(filling.model.to_owned()),
        "gpus" => filling.gpus.map(|gpus| gpus.to_string()),
        _ => None,
    }
}

/// The same for every value of an environment.
pub(super) fn fill_all(environment: &BTreeMap<String, String>, filling: Filling<'_>) -> BTreeMap<String, String> {
    environment.iter().map(|(name, value)| (name.clone(), fill(value, filling))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILLING: Filling<'_> = Filling { port: 8123, model: "org/{port}", gpus: Some(2) };

    fn spec(text: &str) -> ServerSpec {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn placeholders_are_filled_once_and_other_braces_stay() {
        let text = "{host}:{port} {model} {gpus} {\"a\": {\"b\": 1}} {other} {";
        assert_eq!(fill(text, FILLING), "127.0.0.1:8123 org/{port} 2 {\"a\": {\"b\": 1}} {other} {");
        assert_eq!(fill("{gpus}", Filling { gpus: None, ..FILLING }), "{gpus}");
        assert_eq!(fill("{{port}}", FILLING), "{8123}");
    }

    #[test]
    fn presets_name_model_address_and_revision_and_then_the_users_arguments() {
        for (preset, program, revision) in [
            ("vllm", "vllm", true),
            ("sglang", "python3", true),
            ("tgi", "text-generation-launcher", true),
            ("llama-cpp", "llama-server", false),
        ] {
            let spec = spec(&format!(
                "{{\"provider\": \"server\", \"preset\": \"{preset}\", \"model\": \"m\", \"revision\": \"r1\", \"args\": [\"--seed\", \"1\"]}}"
            ));
            let command: Vec<String> = spec.template().iter().map(|part| fill(part, FILLING)).collect();
            assert_eq!(command[0], program);
            assert!(command.contains(&"org/{port}".to_owned()) && command.contains(&"8123".to_owned()), "{command:?}");
            assert!(command.contains(&"127.0.0.1".to_owned()));
            assert_eq!(command.windows(2).any(|pair| pair == ["--revision", "r1"]), revision, "{preset}");
            assert_eq!(command[command.len() - 2..], ["--seed", "1"]);
            assert_eq!(spec.ready_path(), "/health");
        }
    }
}
