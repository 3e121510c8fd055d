//! A command of this machine as a model: it is given the prompt as an argument, and its output is the answer. The form of the
//! arguments is that of promptfoo 0.121.20's `exec:` provider: prompt, options, context.
//! Kept out: how a program is run and ended (`eval::process`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use regex::Regex;
use serde_json::{Value, json};

use super::echo::{plain_text, text_only};
use super::openai::{OpenAiError, Surroundings, filled};
use super::{Answered, Attempt, ExecSpec, Model, ModelError, ModelIdentity};
use crate::eval::process::{self, ProcessError, Program};
use crate::eval::request::{Answer, Completion, Finish, Generate, Request, Told};
use crate::trust::{Digest, Hasher, Redactor, Secret, Untrusted};

/// The longest text that the system takes as one argument, in bytes. Source: execve(2), MAX_ARG_STRLEN.
const LONGEST_ARGUMENT: usize = 128 * 1024 - 1;
/// Colours and cursor movements of a terminal. Source: ECMA-48, control sequences.
const TERMINAL: &str = r"\x1b(?:[@-Z\\-_]|\[[0-?]*[ -/]*[@-~])";

/// A command.
pub(super) struct Exec {
    identity: ModelIdentity,
    command: Vec<String>,
    options: String,
    folder: PathBuf,
    environment: BTreeMap<String, String>,
    timeout: Option<Duration>,
    redactor: Redactor,
    terminal: Regex,
}

impl Exec {
    /// Reads the variables that it is given. The secrets found on the way are handed out, to be masked.
    pub(super) fn new(
        name: &str,
        spec: &ExecSpec,
        around: &Surroundings<'_>,
    ) -> Result<(Self, Vec<Secret>), OpenAiError> {
        let mut secrets = Vec::new();
        let mut environment = process::environment(around.environment);
        if let Some(devices) = around.visible_devices {
            environment.insert("CUDA_VISIBLE_DEVICES".to_owned(), devices.to_owned());
        }
        for (variable, template) in &spec.env {
            environment.insert(variable.clone(), filled(template, around, &mut secrets)?);
        }
        let folder = spec.folder.as_ref().map_or_else(|| around.folder.to_owned(), |folder| around.folder.join(folder));
        // An empty path is no folder to a program that is started.
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let redactor = Redactor::new();
        redactor.learn(&secrets);
        let exec = Self {
            identity: identity(name, spec, &folder),
            command: spec.command.clone(),
            options: spec.options.as_ref().map_or_else(|| "{}".to_owned(), Value::to_string),
            folder,
            environment,
            timeout: spec.timeout_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            redactor,
            terminal: Regex::new(TERMINAL).map_err(|_| OpenAiError::Header("terminal".to_owned()))?,
        };
        Ok((exec, secrets))
    }

    async fn ask(&self, request: &Generate, attempt: &Attempt<'_>) -> Result<Answered, ModelError> {
        let prompt = plain_text(&request.prompt);
        let context = match request.told.as_deref() {
            Some(Told::Command(context)) => {
                let mut context = context.clone();
                context.insert("repeatIndex".to_owned(), Value::from(attempt.repeat));
                Value::Object(context)
            }
            Some(Told::Endpoint { .. }) | None => {
                json!({"vars": {}, "prompt": {"raw": prompt, "label": ""}, "repeatIndex": attempt.repeat})
            }
        };
        let mut command = self.command.clone();
        command.extend([prompt, self.options.clone(), context.to_string()]);
        if let Some(long) = command.iter().map(String::len).find(|length| *length > LONGEST_ARGUMENT) {
            let text = format!("the prompt makes an argument of {long} bytes; a program takes {LONGEST_ARGUMENT}");
            return Err(ModelError::Unsupported(text.into()));
        }
        let began = Instant::now();
        let deadline = self.timeout.map_or(attempt.deadline, |timeout| attempt.deadline.min(began + timeout));
        let written = process::run(Program {
            command: &command,
            folder: &self.folder,
            environment: &self.environment,
            input: Vec::new(),
            deadline,
            cancel: attempt.cancel,
        })
        .await
        .map_err(|error| self.error(error))?;
        let latency_ms = began.elapsed().as_secs_f64() * 1e3;
        let text = String::from_utf8(written.output)
            .map_err(|_| ModelError::Malformed("the command's output is not UTF-8".into()))?;
        let text = self.terminal.replace_all(text.trim(), "").into_owned();
        if text.is_empty() {
            let said = self.redactor.redact(written.errors.raw());
            return Err(ModelError::Malformed(Untrusted::new(format!("the command wrote nothing: {said}"))));
        }
        let answer = Answer::Completion(Completion { text: text.into(), finish: Finish::Stop, token_log_probs: None });
        Ok(Answered { answer, usage: None, latency_ms: Some(latency_ms), ttft_ms: None, attempts: 1 })
    }

    fn error(&self, error: ProcessError) -> ModelError {
        let text = |said: String| Untrusted::new(self.redactor.redact(&said));
        match error {
            ProcessError::Cancelled => ModelError::Cancelled,
            ProcessError::Late => ModelError::Timeout("the command was not done at the deadline".into()),
            ProcessError::Start(_) => {
                ModelError::Refused(text(format!("{}: {error}", self.command.first().map_or("", String::as_str))))
            }
            ProcessError::Failed { status, errors } => {
                ModelError::Server(text(format!("the command ended with {status}: {}", errors.raw())))
            }
            ProcessError::Pipe(_) | ProcessError::TooMuch => {
                ModelError::Malformed(text(format!("the command: {error}")))
            }
        }
    }
}

impl Model for Exec {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn answer<'a>(&'a self, request: &'a Request, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Answered, ModelError>> {
        Box::pin(async move {
            match request {
                Request::Generate(generate) => self.ask(generate, &attempt).await,
                Request::RankChoices(_) | Request::Rolling(_) | Request::Embed(_) => Err(text_only("exec")),
            }
        })
    }
}

/// Files that are arguments of their own are part of it: a script that changes is another model. What such a file imports, or what is
/// named inside of an argument, is not seen, so that answers are kept only of a command whose `revision` says which version runs.
fn identity(name: &str, spec: &ExecSpec, folder: &std::path::Path) -> ModelIdentity {
    let mut hasher = Hasher::new();
    hasher.part(b"exec-1").part(&serde_json::to_vec(spec).unwrap_or_default());
    for part in &spec.command {
        if let Ok(bytes) = std::fs::read(folder.join(part)) {
            hasher.part(Digest::of(&bytes).hex().as_bytes());
        }
    }
    let description = Untrusted::new(format!("the command {}", spec.command.join(" ")));
    let cacheable = spec.revision.as_ref().is_some_and(|revision| !revision.trim().is_empty());
    ModelIdentity { name: name.to_owned(), provider: "exec", digest: hasher.finish(), cacheable, description }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::eval::request::{OutputFormat, Prompt};

    const KEY: &str = "sk-a-long-secret-value";

    fn variable(name: &str) -> Option<String> {
        match name {
            "PATH" => Some("/usr/bin:/bin".to_owned()),
            "KEY" | "OTHER_KEY" => Some(KEY.to_owned()),
            _ => None,
        }
    }

    async fn asked(spec: Value, prompt: &str) -> Result<String, ModelError> {
        let spec: ExecSpec = serde_json::from_value(spec).unwrap();
        let folder = PathBuf::from("/");
        let around = Surroundings {
            folder: &folder,
            environment: &variable,
            connections: 1,
            trusted: &[],
            visible_devices: None,
            cancel: None,
        };
        let (model, _) = Exec::new("m", &spec, &around).unwrap();
        let request = Request::Generate(Generate {
            prompt: Prompt::Text(prompt.to_owned()),
            max_tokens: 10,
            temperature: 0.0,
            seed: None,
            stop: Vec::new(),
            format: OutputFormat::Text,
            logprobs: false,
            told: None,
        });
        let (case, cancel) = (Untrusted::new("c"), CancellationToken::new());
        let deadline = Instant::now() + Duration::from_secs(60);
        let attempt = Attempt { suite: "s", case: &case, repeat: 0, deadline, cancel: &cancel };
        match model.answer(&request, attempt).await?.answer {
            Answer::Completion(completion) => Ok(completion.text.raw().to_owned()),
            Answer::LogLikelihoods(_) | Answer::Embedding(_) => panic!("no text"),
        }
    }

    fn shell(script: &str) -> Value {
        json!({"provider": "exec", "command": ["sh", "-c", script, "sh"], "env": {"SECRET": "${KEY}"}, "options": {"a": 1}})
    }

    #[tokio::test]
    async fn a_prompt_is_one_argument_and_no_shell_reads_it() {
        let prompt = "$(touch /tmp/never); `id` \"quoted\" 'and' -n";
        assert_eq!(asked(shell("printf '%s' \"$1\""), prompt).await.unwrap(), prompt);
        assert_eq!(asked(shell("printf '%s' \"$2\""), prompt).await.unwrap(), "{\"a\":1}");
        let context: Value = serde_json::from_str(&asked(shell("printf '%s' \"$3\""), prompt).await.unwrap()).unwrap();
        assert_eq!(context["prompt"]["raw"], prompt);
    }

    #[tokio::test]
    async fn a_bad_end_is_an_error_that_shows_no_secret() {
        let failed = asked(shell("echo answer; echo \"key $SECRET\" >&2; exit 1"), "x").await;
        let Err(ModelError::Server(text)) = failed else { panic!("{failed:?}") };
        assert!(text.raw().contains("key ***") && !text.raw().contains(KEY), "{}", text.raw());
        assert!(matches!(asked(shell("echo only an error >&2"), "x").await, Err(ModelError::Malformed(_))));
        let absent = json!({"provider": "exec", "command": ["/no/such/program"]});
        assert!(matches!(asked(absent, "x").await, Err(ModelError::Refused(_))));
    }

    #[tokio::test]
    async fn keys_that_it_was_not_given_are_not_there() {
        let seen = asked(shell("echo \"[$OTHER_KEY$KEY][$SECRET]\""), "x").await.unwrap();
        assert_eq!(seen, format!("[][{KEY}]"));
    }

    #[tokio::test]
    async fn its_own_timeout_ends_it() {
        let mut spec = shell("sleep 600");
        spec["timeout_seconds"] = json!(0.2);
        assert!(matches!(asked(spec, "x").await, Err(ModelError::Timeout(_))));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a file of the test")]
    fn a_script_that_changes_is_another_model() {
        let folder = std::env::temp_dir().join(format!("llmci-exec-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let spec: ExecSpec = serde_json::from_value(json!({"provider": "exec", "command": ["sh", "bot.sh"]})).unwrap();
        std::fs::write(folder.join("bot.sh"), "echo 1").unwrap();
        let before = identity("m", &spec, &folder).digest;
        assert_eq!(before, identity("m", &spec, &folder).digest);
        assert!(!identity("m", &spec, &folder).cacheable, "what the script uses is not in the digest");
        let with_revision = ExecSpec { revision: Some("3".to_owned()), ..spec.clone() };
        assert!(identity("m", &with_revision, &folder).cacheable);
        std::fs::write(folder.join("bot.sh"), "echo 2").unwrap();
        assert_ne!(before, identity("m", &spec, &folder).digest);
        let _ = std::fs::remove_dir_all(&folder);
    }
}
