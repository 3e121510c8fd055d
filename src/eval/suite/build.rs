//! From a case as written to a case that can be asked: templates rendered, defaults filled in, assertions built.

use std::sync::Arc;
use std::time::Duration;

use super::spec::{CaseSpec, Defaults};
use super::template::Templates;
use crate::document::Spot;
use crate::eval::case::{Case, CaseId, Grading, Place};
use crate::eval::dialogue::Dialogue;
use crate::eval::request::{ChatMessage, Generate, Prompt, RankChoices, Request, Role};
use crate::eval::scorer::{self, Assertion, AssertionSpec, ChoiceSpec};
use crate::trust::{Digest, Hasher};

/// Where an assertion stands that the expected value implies.
const IMPLIED: &str = "/expected";
const MAX_TOKENS: u32 = 100;
const TIMEOUT_SECONDS: f64 = 30.0;
/// The longest that one request may take, in seconds.
const LONGEST_TIMEOUT: f64 = 86_400.0;
/// The most samples of one case.
const MOST_REPEATS: u32 = 10_000;

/// What a case is built for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// To see whether it can be: digests are left out.
    Check,
    /// To be asked.
    Draw,
}

/// What the cases of a suite share.
pub(super) struct Frame<'a> {
    pub(super) suite: &'a Arc<str>,
    pub(super) path: &'a Arc<str>,
    pub(super) defaults: &'a Defaults,
}

/// Something wrong with a case: at a field of it, as the rest of a JSON pointer.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) field: String,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

fn fault(field: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault { field: field.into(), message: message.into(), help: None }
}

/// Builds one case, or says everything that is wrong with it.
pub(super) fn case(spec: &CaseSpec, spot: Spot, frame: &Frame<'_>, purpose: Purpose) -> Result<Case, Vec<Fault>> {
    let defaults = frame.defaults;
    let templates = Templates::new(&spec.vars, spec.expected.as_ref());
    let mut faults = Vec::new();

    let id = CaseId::new(&spec.id).map_err(|why| faults.push(fault("/id", why))).ok();
    let prompt = prompt(spec, defaults, &templates).map_err(|found| faults.push(found)).ok();
    let (assertions, choices, expected_digest) = assertions(spec, defaults, &templates, purpose, &mut faults);
    let numbers = numbers(spec, defaults, &mut faults);
    for tag in defaults.tags.iter().chain(&spec.tags) {
        if tag.is_empty() || tag.chars().any(|c| c.is_control() || c == ',') {
            faults.push(fault("/tags", "a tag is text without commas and control characters"));
        }
    }
    let request = prompt.map(|prompt| request(prompt, choices, spec, defaults, &numbers));
    let (Some(id), Some(request), true) = (id, request, faults.is_empty()) else { return Err(faults) };

    let mut tags = defaults.tags.clone();
    tags.extend(spec.tags.iter().filter(|tag| !defaults.tags.contains(tag)).cloned());
    let prompt_digest = digest_of(&request, purpose);
    let mut request = request;
    if let Request::Generate(generate) = &mut request {
        generate.seed = spec.seed.or(defaults.seed);
    }
    Ok(Case {
        id,
        suite: Arc::clone(frame.suite),
        level: spec.level.or(defaults.level).unwrap_or_default(),
        tags,
        cluster: spec.cluster.clone().or_else(|| defaults.cluster.clone()),
        request,
        dialogue: Dialogue::Once,
        attack: None,
        expected: spec.expected.clone(),
        assertions,
        grading: Grading::Own,
        model: None,
        repeats: numbers.repeats,
        timeout: numbers.timeout,
        place: Place { path: Arc::clone(frame.path), line: spot.line, column: spot.column },
        prompt_digest,
        expected_digest,
    })
}

struct Numbers {
    max_tokens: u32,
    temperature: f64,
    timeout: Duration,
    repeats: u32,
}

fn numbers(spec: &CaseSpec, defaults: &Defaults, faults: &mut Vec<Fault>) -> Numbers {
    let max_tokens = spec.max_tokens.or(defaults.max_tokens).unwrap_or(MAX_TOKENS);
    if max_tokens == 0 {
        faults.push(fault("/max_tokens", "max_tokens is 1 or more"));
    }
    let temperature = spec.temperature.or(defaults.temperature).unwrap_or(0.0);
    if !(0.0..=100.0).contains(&temperature) {
        faults.push(fault("/temperature", "the temperature is 0 to 100"));
    }
    let seconds = spec.timeout_seconds.or(defaults.timeout_seconds).unwrap_or(TIMEOUT_SECONDS);
    let in_range = seconds > 0.0 && seconds <= LONGEST_TIMEOUT;
    if !in_range {
        faults.push(fault("/timeout_seconds", "the timeout is more than 0 seconds, and at most a day"));
    }
    let repeats = spec.repeats.or(defaults.repeats).unwrap_or(1);
    if !(1..=MOST_REPEATS).contains(&repeats) {
        faults.push(fault("/repeats", format!("repeats are 1 to {MOST_REPEATS}")));
    }
    let timeout = Duration::from_secs_f64(if in_range { seconds } else { TIMEOUT_SECONDS });
    Numbers { max_tokens, temperature, timeout, repeats }
}

fn prompt(spec: &CaseSpec, defaults: &Defaults, templates: &Templates<'_>) -> Result<Prompt, Fault> {
    let render = |field: &str, text: &str| templates.render(text).map_err(|why| fault(field, why));
    match (&spec.prompt, &spec.messages) {
        (Some(_), Some(_)) => Err(fault("/messages", "a case has either `prompt` or `messages`, not both")),
        (None, Some(messages)) if messages.is_empty() => Err(fault("/messages", "a chat has at least one message")),
        (None, Some(messages)) => {
            let render = |(index, message): (usize, &ChatMessage)| {
                let content = render(&format!("/messages/{index}/content"), &message.content)?;
                Ok(ChatMessage { role: message.role, content })
            };
            Ok(Prompt::Chat(messages.iter().enumerate().map(render).collect::<Result<_, _>>()?))
        }
        (given, None) => {
            let Some(text) = given.as_ref().or(defaults.template.as_ref()) else {
                return Err(fault(
                    "",
                    "the case has neither `prompt` nor `messages`, and the suite no `defaults.template`",
                ));
            };
            let text = render("/prompt", text)?;
            match &defaults.system {
                None => Ok(Prompt::Text(text)),
                Some(system) => {
                    let system = ChatMessage { role: Role::System, content: render("", system)? };
                    Ok(Prompt::Chat(vec![system, ChatMessage { role: Role::User, content: text }]))
                }
            }
        }
    }
}

fn request(
    prompt: Prompt,
    choices: Option<ChoiceSpec>,
    spec: &CaseSpec,
    defaults: &Defaults,
    numbers: &Numbers,
) -> Request {
    match choices {
        Some(ChoiceSpec { choices, delimiter }) => {
            let continuations = choices.into_iter().map(|choice| format!("{delimiter}{choice}")).collect();
            Request::RankChoices(RankChoices { prompt, continuations, alone: Vec::new() })
        }
        None => Request::Generate(Generate {
            prompt,
            max_tokens: numbers.max_tokens,
            temperature: numbers.temperature,
            seed: None,
            stop: spec.stop.clone().unwrap_or_else(|| defaults.stop.clone()),
            format: spec.format.or(defaults.format).unwrap_or_default(),
            logprobs: false,
            told: None,
        }),
    }
}

fn assertions(
    spec: &CaseSpec,
    defaults: &Defaults,
    templates: &Templates<'_>,
    purpose: Purpose,
    faults: &mut Vec<Fault>,
) -> (Vec<Assertion>, Option<ChoiceSpec>, Digest) {
    let shared = defaults.assertions.iter().map(|assertion| (String::new(), assertion));
    let own = spec.assertions.iter().enumerate().map(|(index, assertion)| (format!("/assertions/{index}"), assertion));
    let implied = implied(spec, defaults);
    let implied = implied.iter().map(|assertion| (IMPLIED.to_owned(), assertion));
    let (mut built, mut choices, mut hasher) = (Vec::new(), None, Hasher::new());
    let mut digest = |part: &dyn Fn() -> Vec<u8>| {
        if purpose == Purpose::Draw {
            hasher.part(&part());
        }
    };
    digest(&|| serde_json::to_vec(&spec.expected).unwrap_or_default());
    for (at, assertion) in shared.chain(own).chain(implied) {
        // The expected value is no template: braces in it are text.
        let rendered = if at == IMPLIED { Ok(assertion.clone()) } else { render(assertion, templates) };
        let rendered = match rendered {
            Ok(rendered) => rendered,
            Err((field, why)) => {
                faults.push(fault(format!("{at}/{field}"), why));
                continue;
            }
        };
        digest(&|| serde_json::to_vec(&rendered).unwrap_or_default());
        match scorer::build(&rendered).and_then(|assertion| Ok((assertion, scorer::choices(&rendered)?))) {
            Ok((assertion, choice)) => {
                if choice.is_some() && choices.is_some() {
                    faults.push(fault(at, "a case has at most one `choice` assertion"));
                } else if choice.is_some() {
                    choices = choice;
                }
                built.push(assertion);
            }
            Err(problem) => {
                let mut found = fault(format!("{at}/{}", problem.field), problem.message);
                found.help = problem.help;
                faults.push(found);
            }
        }
    }
    if choices.is_some()
        && built.iter().any(|assertion| assertion.kind != "choice" && scorer::needs_text(assertion.kind))
    {
        let message = "a `choice` case is scored by log-likelihood and has no text for other assertions: make it a case of its own";
        faults.push(fault("/assertions", message));
    }
    if built.is_empty() && faults.is_empty() {
        let mut found = fault("", "nothing judges this case: it has neither `assertions` nor a text as `expected`");
        found.help = Some("add `expected: ...` or an assertion such as `{type: icontains, value: ...}`".to_owned());
        faults.push(found);
    } else if !built.is_empty() && built.iter().all(|assertion| assertion.weight <= 0.0) {
        faults.push(fault("/assertions", "every assertion has weight 0: nothing would judge this case"));
    }
    let digest = match purpose {
        Purpose::Draw => hasher.finish(),
        Purpose::Check => Digest::none(),
    };
    (built, choices, digest)
}

/// A case with an expected text and no assertion is compared with it.
fn implied(spec: &CaseSpec, defaults: &Defaults) -> Option<AssertionSpec> {
    let bare = spec.assertions.is_empty() && defaults.assertions.is_empty();
    let expected = spec.expected.as_ref().filter(|value| !value.is_null())?;
    bare.then(|| AssertionSpec::new("equals", expected.clone()))
}

fn render(assertion: &AssertionSpec, templates: &Templates<'_>) -> Result<AssertionSpec, (&'static str, String)> {
    let mut rendered = assertion.clone();
    // A schema is data, not text: its braces stay as they are.
    if let Some(value) = &assertion.value
        && !matches!(assertion.kind.as_str(), "is-json" | "contains-json")
    {
        rendered.value = Some(templates.render_value(value).map_err(|why| ("value", why))?);
    }
    if let Some(choices) = &assertion.choices {
        let all: Result<Vec<_>, _> = choices.iter().map(|choice| templates.render(choice)).collect();
        rendered.choices = Some(all.map_err(|why| ("choices", why))?);
    }
    if let Some(answer) = &assertion.answer {
        rendered.answer = Some(templates.render_value(answer).map_err(|why| ("answer", why))?);
    }
    Ok(rendered)
}

fn digest_of(request: &Request, purpose: Purpose) -> Digest {
    match purpose {
        Purpose::Draw => Digest::of(&serde_json::to_vec(request).unwrap_or_default()),
        Purpose::Check => Digest::none(),
    }
}
