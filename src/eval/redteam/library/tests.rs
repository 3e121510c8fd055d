//! What every shipped suite must be like.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::*;
use crate::eval::redteam::Probe;
use crate::eval::redteam::load::Format;
use crate::eval::scorer::{self, Assertion, Scored, Sense};
use crate::eval::{
    Answer, Case, CaseId, Completion, Dialogue, Finish, Generate, Grading, Level, OutputFormat, Prompt, Request, Turn,
};
use crate::gate::safety::{Evidence, Side};
use futures::FutureExt as _;

/// Read once for all tests.
static ALL: LazyLock<Vec<ProbeSuite>> = LazyLock::new(|| {
    SHIPPED
        .iter()
        .map(|suite| {
            let shown: Arc<str> = format!("safety/{}.yaml", suite.name).into();
            parse(suite.text, &shown, &LoadOptions::default()).unwrap_or_else(|problems| {
                let list: Vec<String> =
                    problems.sorted().iter().map(|problem| problem.render(&|text| text.raw().to_owned())).collect();
                panic!("{}", list.join("\n"))
            })
        })
        .collect()
});

fn all() -> &'static [ProbeSuite] {
    &ALL
}

const DETERMINISTIC: &[&str] =
    &["prompt-injection", "canary-leak", "system-prompt", "exfiltration", "unsafe-output", "tool-policy", "jailbreak"];

#[test]
fn every_shipped_suite_can_be_read_under_its_own_name() {
    for (suite, probes) in SHIPPED.iter().zip(all()) {
        assert_eq!(&*probes.name, suite.name);
        let named = shipped(suite.name).unwrap();
        assert_eq!((&*named.shown, &named.digest), (suite.name, &probes.digest));
        assert!(probes.probes.iter().all(|probe| *probe.place.path == *format!("safety/{}.yaml", suite.name)));
        assert!(probes.probes.iter().all(|probe| probe.place.line > 1));
    }
    assert!(shipped("no such suite").is_none());
}

#[test]
fn a_deterministic_suite_is_large_enough_to_certify_one_in_a_thousand() {
    for suite in all().iter().filter(|suite| DETERMINISTIC.contains(&&*suite.name)) {
        assert!(suite.probes.len() >= 3_200, "{} has {}", suite.name, suite.probes.len());
        assert!(suite.probes.iter().all(|probe| probe.evidence == Evidence::Exact), "{}", suite.name);
        assert!(suite.probes.iter().all(|probe| probe.hazard.side == Side::Harm), "{}", suite.name);
        assert!(suite.probes.iter().all(|probe| probe.example_of_harm.is_some()), "{}", suite.name);
    }
    let refusal = shipped("over-refusal").unwrap();
    assert!(refusal.probes.len() >= 150);
}

#[test]
fn no_two_probes_of_a_suite_ask_the_same() {
    for suite in all() {
        let asked: BTreeSet<String> = suite
            .probes
            .iter()
            .map(|probe| serde_json::json!([probe.messages, probe.payload, probe.variants]).to_string())
            .collect();
        assert_eq!(asked.len(), suite.probes.len(), "{}", suite.name);
    }
}

#[test]
fn an_example_of_harm_is_seen_and_a_polite_refusal_is_not() {
    let mut built = BTreeMap::new();
    for suite in all() {
        for probe in &suite.probes {
            let Some(example) = &probe.example_of_harm else { continue };
            assert!(harmful(probe, example, &mut built), "{} {}: {example}", suite.name, probe.id);
            let wanted = probe.hazard.side == Side::Refusal;
            assert_eq!(harmful(probe, "I can't help with that.", &mut built), wanted, "{} {}", suite.name, probe.id);
            let neutral = "Thank you. I have read it and there is nothing unusual in it.";
            assert!(!harmful(probe, neutral, &mut built), "{} {}", suite.name, probe.id);
        }
    }
}

#[test]
fn quoting_the_request_is_no_harm_where_harm_is_something_else() {
    let mut built = BTreeMap::new();
    let quoted = ["prompt-injection", "canary-leak", "system-prompt", "tool-policy", "jailbreak", "secrets"];
    for suite in all().iter().filter(|suite| quoted.contains(&&*suite.name)) {
        for probe in &suite.probes {
            let answer = format!("I will not do this: {}", probe.payload);
            assert!(!harmful(probe, &answer, &mut built), "{} {}", suite.name, probe.id);
        }
    }
}

#[test]
fn an_expansion_is_the_same_byte_for_byte_on_every_machine() {
    let digests: Vec<String> = all()
        .iter()
        .map(|suite| {
            let short: String = suite.digest.hex().chars().take(16).collect();
            format!("{} {} {short}", suite.name, suite.probes.len())
        })
        .collect();
    insta::assert_snapshot!(digests.join("\n"));
}

#[test]
fn groups_hold_shipped_suites_only_and_all_of_them_are_in_all() {
    let names: BTreeSet<&str> = SHIPPED.iter().map(|suite| suite.name).collect();
    assert_eq!(names.len(), SHIPPED.len());
    for (name, suites) in GROUPS {
        assert!(!names.contains(name), "{name} is a suite and a group");
        assert!(suites.iter().all(|suite| names.contains(suite)), "{name}");
    }
    assert_eq!(group("all").unwrap().iter().copied().collect::<BTreeSet<_>>(), names);
    assert_eq!(group("deterministic").unwrap(), DETERMINISTIC);
    assert!(["toxicity", "bias", "jailbreak"].iter().all(|name| names.contains(name)), "the matrix of the guide");
}

#[test]
fn bias_probes_have_variants_and_no_strategy_is_put_on_them() {
    use crate::eval::redteam::Applicable;
    for name in ["bias", "over-refusal"] {
        let suite = shipped(name).unwrap();
        assert!(suite.probes.iter().all(|probe| probe.applicable == Applicable::PlainOnly), "{name}");
    }
    assert!(shipped("bias").unwrap().probes.iter().all(|probe| !probe.variants.is_empty()));
}

#[test]
fn an_answer_that_changes_with_the_group_is_harm_and_one_that_stays_is_not() {
    let mut built = BTreeMap::new();
    let bias = all().iter().find(|suite| &*suite.name == "bias").unwrap();
    for probe in &bias.probes {
        let options = probe.detect[0].value.as_ref().and_then(|value| value["options"].as_array()).unwrap();
        let (first, second) = (options[0].as_str().unwrap(), options[1].as_str().unwrap());
        let turn = |reply: &str| Turn { prompt: "?".into(), reply: reply.into() };
        let mut turns: Vec<Turn> = std::iter::repeat_n(turn(first), 1 + probe.variants.len()).collect();
        assert!(!judged(probe, first, &turns, &mut built), "{}", probe.id);
        turns.pop();
        turns.push(turn(second));
        assert!(judged(probe, second, &turns, &mut built), "{}", probe.id);
    }
}

#[test]
fn the_shipped_texts_are_mild() {
    // The roots of words that have no place in a file that anybody may read; matched at the beginning of a word.
    let harsh = regex::Regex::new(r"(?i)\b(fuck|shit|bitch|cunt|whore|nigg|fagg|retard|rape|nazi|hitler|terroris|suicide bomb|heroin|cocaine|meth\b|anthrax|sarin|ricin|child porn|behead|lynch)").unwrap();
    for suite in SHIPPED {
        let found = harsh.find(suite.text).map(|found| found.as_str());
        assert_eq!(found, None, "{}", suite.name);
    }
}

#[test]
fn the_words_of_formats_lead_back_to_them() {
    for format in Format::ALL {
        assert_eq!(Format::from_word(format.word()), Some(format));
        assert_eq!(serde_json::to_value(format).unwrap(), format.word());
    }
    assert_eq!(Format::from_word("csv"), None);
}

/// Whether any detector of a probe sees harm in an answer. A detector that cannot say counts as harm, as the verdict has it.
fn harmful(probe: &Probe, answer: &str, built: &mut BTreeMap<String, Assertion>) -> bool {
    judged(probe, answer, &[], built)
}

fn judged(probe: &Probe, answer: &str, turns: &[Turn], built: &mut BTreeMap<String, Assertion>) -> bool {
    let answer = Answer::Completion(Completion { text: answer.into(), finish: Finish::Stop, token_log_probs: None });
    let prompt = Prompt::Chat(probe.messages.clone());
    let case = Case {
        id: CaseId::new(&probe.id).unwrap(),
        suite: "s".into(),
        level: Level::Safety,
        tags: Vec::new(),
        cluster: None,
        request: Request::Generate(Generate {
            prompt,
            max_tokens: probe.max_tokens,
            temperature: 0.0,
            seed: None,
            stop: Vec::new(),
            format: OutputFormat::Text,
            logprobs: false,
            told: None,
        }),
        dialogue: Dialogue::Once,
        attack: None,
        expected: None,
        assertions: Vec::new(),
        grading: Grading::Own,
        model: None,
        repeats: 1,
        timeout: std::time::Duration::from_secs(1),
        place: probe.place.clone(),
        prompt_digest: crate::trust::Digest::none(),
        expected_digest: crate::trust::Digest::none(),
    };
    let (judges, cancel) = (scorer::Judges::default(), tokio_util::sync::CancellationToken::new());
    let subject = scorer::Subject {
        case: &case,
        answer: &answer,
        turns,
        latency_ms: None,
        cost_usd: None,
        usage: None,
        cached: false,
        others: None,
        judges: &judges,
        cancel: &cancel,
    };
    probe.detect.iter().any(|spec| {
        let written = serde_json::to_string(spec).unwrap();
        let assertion = built.entry(written).or_insert_with(|| scorer::build(spec).unwrap());
        let outcome = assertion.scorer.score(subject).now_or_never().unwrap();
        match outcome.main {
            Scored::Scored { value, .. } => {
                (value.value() >= assertion.pass_at.value()) == (assertion.sense == Sense::Inverted)
            }
            Scored::Unscored { .. } => true,
        }
    })
}
