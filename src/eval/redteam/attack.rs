//! One attack: a probe, dressed up by strategies with a seed, and the case that it becomes. What it is called says
//! everything that is needed to make it again.

use std::sync::Arc;
use std::time::Duration;

use super::probe::{Applicable, PAYLOAD, Probe};
use super::strategy::{Family, Stack};
use crate::document::{Problem, Spot};
use crate::eval::case::{Case, CaseId, Grading, Level};
use crate::eval::dialogue::{Adaptive, Dialogue};
use crate::eval::request::{ChatMessage, Generate, OutputFormat, Prompt, Request, Role};
use crate::eval::sample::AttackInfo;
use crate::eval::scorer;
use crate::trust::{Digest, Hasher};

/// One attack.
#[derive(Clone)]
pub struct Attack {
    /// What is looked for.
    pub probe: Arc<Probe>,
    /// What is done to the payload.
    pub stack: Arc<Stack>,
    /// Of everything random in it.
    pub seed: u64,
}

/// What attacks share.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// The model that leads attacks that need one: a key of the policy's models.
    pub attacker: Option<String>,
    /// Requests to the model under test that such an attack may take.
    pub attacker_budget: u32,
    /// For one request, retries included.
    pub timeout: Duration,
}

/// Where an attack comes from, as it stands in commands: `suite/probe/strategies/seed`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttackName {
    /// The suite's name.
    pub suite: String,
    /// The probe's id.
    pub probe: String,
    /// The strategies, joined by `+`.
    pub strategy: String,
    /// The seed.
    pub seed: u64,
}

impl AttackName {
    /// Reads `suite/probe/strategies/seed`.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let [suite, probe, strategy, seed] = parts.as_slice() else { return None };
        let seed = seed.parse().ok()?;
        let whole = !suite.is_empty() && !probe.is_empty();
        whole.then(|| Self {
            suite: (*suite).to_owned(),
            probe: (*probe).to_owned(),
            strategy: (*strategy).to_owned(),
            seed,
        })
    }
}

impl std::fmt::Display for AttackName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/{}", self.suite, self.probe, self.strategy, self.seed)
    }
}

impl Attack {
    /// The seed of a probe's attack by a stack of strategies, in a run with a seed: the same wherever else the probe is drawn.
    pub fn seed(run: u64, suite: &str, probe: &str, stack: &str) -> u64 {
        let mut hasher = Hasher::new();
        hasher.part(b"llmci-attack-1").part(&run.to_le_bytes());
        hasher.part(suite.as_bytes()).part(probe.as_bytes()).part(stack.as_bytes());
        // 53 bits: the number goes through JSON.
        let digits = hasher.finish();
        digits.hex().get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0) >> 11
    }

    /// What it is called within its suite; the id of its case.
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.probe.id, self.stack.name(), self.seed)
    }

    /// What it attacks, and how.
    pub fn info(&self) -> AttackInfo {
        AttackInfo {
            hazard: self.probe.hazard.id.to_owned(),
            severity: self.probe.severity,
            probe: self.probe.id.clone(),
            strategy: self.stack.name(),
            seed: self.seed,
        }
    }

    /// The case that asks it.
    pub fn case(&self, suite: &Arc<str>, settings: &Settings) -> Result<Case, Problem> {
        let probe = &*self.probe;
        let fault = |what: String| {
            let spot = Spot { line: probe.place.line, column: probe.place.column };
            Problem::new(&probe.place.path, spot, what)
        };
        let attacked = self.stack.apply(&probe.payload, self.seed);
        let mut turns = attacked.turns.into_iter();
        let first = turns.next().unwrap_or_default();
        let turns: Vec<String> = turns.chain(probe.turns.iter().cloned()).collect();
        let dialogue = match (attacked.adaptive, &settings.attacker) {
            (Some(_), None) => return Err(fault("the strategy is led by another model, and none is named".to_owned())),
            (Some(method), Some(attacker)) => Dialogue::Adaptive(Adaptive {
                method,
                attacker: attacker.clone(),
                goal: probe.goal.clone().unwrap_or_else(|| probe.payload.clone()),
                budget: settings.attacker_budget,
            }),
            (None, _) if !probe.variants.is_empty() => {
                Dialogue::Variants(probe.variants.iter().map(|variant| prompt(probe, variant)).collect())
            }
            (None, _) if turns.is_empty() => Dialogue::Once,
            (None, _) => Dialogue::Script(turns),
        };
        let request = Request::Generate(Generate {
            prompt: prompt(probe, &first),
            max_tokens: probe.max_tokens,
            temperature: 0.0,
            seed: None,
            stop: Vec::new(),
            format: OutputFormat::Text,
            logprobs: false,
            told: None,
        });
        // A judge is told what the attack is after, and need not read it out of what a strategy has made of it.
        let plain = probe.goal.as_ref().unwrap_or(&probe.payload);
        let build = |spec| scorer::build(&scorer::about(spec, plain)).map_err(|problem| fault(problem.message));
        let built = probe.detect.iter().map(build);
        let assertions = built.collect::<Result<Vec<_>, _>>()?;
        let mut asked = Hasher::new();
        asked.part(&serde_json::to_vec(&request).unwrap_or_default()).part(format!("{dialogue:?}").as_bytes());
        let strategy = self.stack.name();
        Ok(Case {
            id: CaseId::new(&self.id()).map_err(|why| fault(why.to_owned()))?,
            suite: Arc::clone(suite),
            level: Level::Safety,
            tags: vec![probe.hazard.id.to_owned(), probe.severity.word().to_owned(), strategy],
            cluster: Some(probe.group.clone()),
            request,
            dialogue,
            attack: Some(Arc::new(self.info())),
            expected: None,
            assertions,
            grading: Grading::Own,
            model: None,
            repeats: 1,
            timeout: settings.timeout,
            place: probe.place.clone(),
            prompt_digest: asked.finish(),
            expected_digest: Digest::of(&serde_json::to_vec(&probe.detect).unwrap_or_default()),
        })
    }
}

/// The probe's conversation with a text in the payload's place, put in once.
fn prompt(probe: &Probe, payload: &str) -> Prompt {
    let filled = |message: &ChatMessage| {
        let content = match message.content.split_once(PAYLOAD) {
            Some((before, after)) => format!("{before}{payload}{after}"),
            None => message.content.clone(),
        };
        ChatMessage { role: message.role, content }
    };
    let messages: Vec<ChatMessage> = probe.messages.iter().map(filled).collect();
    match messages.as_slice() {
        [only] if only.role == Role::User => Prompt::Text(only.content.clone()),
        _ => Prompt::Chat(messages),
    }
}

/// Whether a strategy can be put on a probe: a conversation by script, and wordings that are compared, are asked as they are.
pub fn takes(probe: &Probe, stack: &Stack) -> bool {
    let bound = probe.applicable == Applicable::PlainOnly || !probe.variants.is_empty() || !probe.turns.is_empty();
    stack.family() == Family::Plain || !bound
}
