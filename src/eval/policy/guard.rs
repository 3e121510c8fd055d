//! A policy as a pull request may use it: its base's, made stricter where the pull request says so. Pure.
//! Kept out: how the base's policy is read (`commands::base`).

mod safety;
#[cfg(test)]
mod tests;

use super::{Policy, SUITES_OWN};
use crate::eval::model::{ModelSpec, OpenAiSpec};
use crate::gate::compare::RegressionRule;
use crate::gate::{OnInconclusive, OnPartial, Preflight, Threshold};
use crate::report::{ChangeKind, GateChange};

/// The policy that judges, and every change that the pull request makes to it.
#[derive(Clone, PartialEq, Debug)]
pub struct Guarded {
    /// What judges.
    pub policy: Policy,
    /// In the order of the policy.
    pub changes: Vec<GateChange>,
    /// Whether another model is judged than the base would judge, because the pull request says so.
    pub other_model: bool,
}

/// Why a pull request's policy is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RefusedModel {
    /// It would send requests to a host that the base does not know.
    #[error("the pull request points the model `{model}` at {host}, which the base's policy does not know")]
    Host {
        /// Its key.
        model: String,
        /// Where it would send requests.
        host: String,
    },
    /// It would start a command, or send a request of any form, that the base does not know.
    #[error(
        "the pull request adds or changes the model `{model}` of `provider: {provider}`, which only the base's policy may do"
    )]
    Provider {
        /// Its key.
        model: String,
        /// `exec`, `server` or `http`.
        provider: &'static str,
    },
}

impl RefusedModel {
    /// What to do.
    pub fn help(&self) -> &'static str {
        match self {
            RefusedModel::Host { .. } => "add the host to `trusted_hosts` of the base's policy",
            RefusedModel::Provider { .. } => "merge the model first",
        }
    }
}

/// Holds a pull request's policy against its base's. What makes it stricter counts; what loosens it does not; what is
/// neither (the model under test, how fast it is asked) is the pull request's own business, and is listed. `given` is the model
/// that the command line evaluates, where it names one; all others may be judges, which the pull request does not choose.
pub fn guard(base: &Policy, head: &Policy, given: Option<&str>) -> Result<Guarded, RefusedModel> {
    let mut log = Log(Vec::new());
    let mut policy = base.clone();
    thresholds(&mut policy, head, &mut log);
    gate(&mut policy, head, &mut log);
    regression(&mut policy, head, &mut log);
    safety::guard(&mut policy, head, &mut log);
    run(&mut policy, head, &mut log);
    lists(&mut policy, head, &mut log);
    // Of the models that the base has, only the one that it evaluates itself may be another version: a pull request that
    // evaluates the base's judge would else also choose the judge.
    let tested = given.map(str::to_owned).or_else(|| base.gate.model.clone());
    let tested = tested.or_else(|| (head.models.len() == 1).then(|| head.models.keys().next().cloned()).flatten());
    models(&mut policy, (base, head), tested.as_deref(), &mut log)?;
    let swapped = evaluated(&mut policy, (base, head), &mut log);
    let other_kind = tested.as_deref().is_some_and(|name| another_kind(name, base, &policy));
    Ok(Guarded { policy, changes: log.0, other_model: (swapped && given.is_none()) || other_kind })
}

/// Which model is judged: another one may be the very change under test, or a way around it. True where it is another one.
fn evaluated(policy: &mut Policy, (base, head): (&Policy, &Policy), log: &mut Log) -> bool {
    let Some(model) = head.gate.model.as_ref().filter(|_| head.gate.model != base.gate.model) else {
        if base.gate.model.is_some() && head.gate.model.is_none() {
            log.loosened("gate.model", "it is gone");
        }
        return false;
    };
    // What stood for this one all the time is no other one.
    let by_default = base.gate.model.is_none()
        && match base.models.keys().collect::<Vec<_>>().as_slice() {
            [] => model == SUITES_OWN,
            [only] => *only == model,
            [_, _, ..] => false,
        };
    if by_default {
        log.add(ChangeKind::Other, "gate.model", "named as it was before".to_owned());
    } else if model != SUITES_OWN && !policy.models.contains_key(model) {
        log.loosened("gate.model", "a model that the base does not have");
        return false;
    } else {
        log.add(ChangeKind::Loosened, "gate.model", "another model is evaluated, as the pull request asks".to_owned());
    }
    policy.gate.model = Some(model.clone());
    !by_default
}

/// Whether a model of this name is none of its kind any more: recorded answers in the place of an endpoint are no other version of it.
fn another_kind(name: &str, base: &Policy, policy: &Policy) -> bool {
    let kind = |policy: &Policy| policy.models.get(name).map(std::mem::discriminant);
    base.models.contains_key(name) && kind(base) != kind(policy)
}

struct Log(Vec<GateChange>);

impl Log {
    fn add(&mut self, kind: ChangeKind, place: impl Into<String>, what: String) {
        self.0.push(GateChange { kind, place: place.into().into(), what: what.into() });
    }

    fn loosened(&mut self, place: impl Into<String>, what: &str) {
        self.add(ChangeKind::Loosened, place, format!("{what}; the base's rule holds"));
    }
}

/// What makes two thresholds the same rule.
fn same_rule(one: &Threshold, other: &Threshold) -> bool {
    let key = |rule: &Threshold| {
        (rule.metric.clone(), rule.level.clone(), rule.tags.clone(), rule.suite.clone(), rule.min.is_some())
    };
    key(one) == key(other) && one.decide_by == other.decide_by && one.direction == other.direction
}

fn named(rule: &Threshold) -> String {
    let scope = [rule.suite.as_ref(), rule.level.as_ref()].into_iter().flatten().cloned().collect::<Vec<_>>();
    let scope = if scope.is_empty() { String::new() } else { format!(" [{}]", scope.join(" ")) };
    format!("gate.thresholds {}{scope}", rule.metric)
}

/// Whether a rule that is not decided lets through: then a higher confidence, by which less fails, is no stricter one.
fn undecided_passes(policy: &Policy) -> bool {
    policy.gate.on_inconclusive == OnInconclusive::Pass
}

fn thresholds(policy: &mut Policy, head: &Policy, log: &mut Log) {
    let mut matched = vec![false; head.gate.thresholds.len()];
    let open = undecided_passes(policy);
    for rule in &mut policy.gate.thresholds {
        let place = named(rule);
        let found = head.gate.thresholds.iter().zip(&mut matched).find(|(one, taken)| !**taken && same_rule(rule, one));
        let Some((theirs, taken)) = found else {
            log.loosened(place, "the rule is gone");
            continue;
        };
        *taken = true;
        let mut stricter = false;
        let (mut looser, before) = (Vec::new(), rule.clone());
        let mut bound = |name: &str, ours: &mut Option<f64>, theirs: Option<f64>, higher_is_stricter: bool| {
            let (Some(base), Some(head)) = (*ours, theirs) else { return };
            if head == base {
            } else if (head > base) == higher_is_stricter {
                *ours = Some(head);
                stricter = true;
            } else {
                looser.push(format!("{name} {base} -> {head}"));
            }
        };
        bound("min", &mut rule.min, theirs.min, true);
        bound("max", &mut rule.max, theirs.max, false);
        let mut confidence = Some(rule.confidence);
        if !open {
            bound("confidence", &mut confidence, Some(theirs.confidence), true);
        } else if theirs.confidence != rule.confidence {
            looser.push(format!("confidence {} -> {}", rule.confidence, theirs.confidence));
        }
        rule.confidence = confidence.unwrap_or(rule.confidence);
        match (before.required, theirs.required) {
            (false, true) => {
                rule.required = true;
                stricter = true;
            }
            (true, false) => looser.push("not required any more".to_owned()),
            (true, true) | (false, false) => {}
        }
        if stricter {
            log.add(ChangeKind::Tightened, place.clone(), "stricter".to_owned());
        }
        if !looser.is_empty() {
            log.loosened(place, &looser.join(", "));
        }
    }
    for (rule, _) in head.gate.thresholds.iter().zip(matched).filter(|(_, taken)| !taken) {
        log.add(ChangeKind::Tightened, named(rule), "a new rule".to_owned());
        // It weighs on no other rule: among many new ones a failure of an old one would not stand.
        policy.gate.thresholds.push(Threshold { alone: true, ..rule.clone() });
    }
}

fn gate(policy: &mut Policy, head: &Policy, log: &mut Log) {
    let (ours, theirs) = (&mut policy.gate, &head.gate);
    if theirs.error_budget < ours.error_budget {
        log.add(
            ChangeKind::Tightened,
            "gate.error_budget",
            format!("{} -> {}", ours.error_budget, theirs.error_budget),
        );
        ours.error_budget = theirs.error_budget;
    } else if theirs.error_budget != ours.error_budget {
        log.loosened("gate.error_budget", &format!("{} -> {}", ours.error_budget, theirs.error_budget));
    }
    match (ours.on_inconclusive, theirs.on_inconclusive) {
        (one, other) if one == other => {}
        (OnInconclusive::Pass, stricter) => {
            ours.on_inconclusive = stricter;
            log.add(ChangeKind::Tightened, "gate.on_inconclusive", "stricter".to_owned());
        }
        (OnInconclusive::Block | OnInconclusive::Fail, _) => log.loosened("gate.on_inconclusive", "changed"),
    }
    match (ours.on_partial, theirs.on_partial) {
        (OnPartial::Pass, OnPartial::Block) => {
            ours.on_partial = OnPartial::Block;
            log.add(ChangeKind::Tightened, "gate.on_partial", "stricter".to_owned());
        }
        (OnPartial::Block, OnPartial::Pass) => log.loosened("gate.on_partial", "changed"),
        (OnPartial::Block, OnPartial::Block) | (OnPartial::Pass, OnPartial::Pass) => {}
    }
    match (ours.preflight, theirs.preflight) {
        (Preflight::Warn, Preflight::Stop) => {
            ours.preflight = Preflight::Stop;
            log.add(ChangeKind::Tightened, "gate.preflight", "stricter".to_owned());
        }
        (Preflight::Stop, Preflight::Warn) => log.loosened("gate.preflight", "changed"),
        (Preflight::Stop, Preflight::Stop) | (Preflight::Warn, Preflight::Warn) => {}
    }
    if theirs.judge != ours.judge {
        log.loosened("gate.judge", "another judge");
    }
    if theirs.on_suite_change != ours.on_suite_change {
        log.loosened("gate.on_suite_change", "changed");
    }
}

fn regression(policy: &mut Policy, head: &Policy, log: &mut Log) {
    let open = undecided_passes(policy);
    let (ours, theirs) = (&mut policy.regression, &head.regression);
    if theirs.baseline != ours.baseline || theirs.anchor != ours.anchor {
        log.loosened("regression", "another baseline or anchor");
    }
    if theirs.coverage > ours.coverage && theirs.coverage <= 1.0 {
        ours.coverage = theirs.coverage;
        log.add(ChangeKind::Tightened, "regression.coverage", "stricter".to_owned());
    } else if theirs.coverage != ours.coverage {
        log.loosened("regression.coverage", "less");
    }
    let same = |one: &RegressionRule, other: &RegressionRule| {
        one.metric == other.metric && one.level == other.level && one.tags == other.tags && one.suite == other.suite
    };
    for rule in &mut ours.rules {
        let place = format!("regression.rules {}", rule.metric);
        match theirs.rules.iter().find(|one| same(rule, one)) {
            None => log.loosened(place, "the rule is gone"),
            Some(head) if head == rule => {}
            Some(head) => {
                let less =
                    |one: Option<f64>, other: Option<f64>| one.zip(other).is_none_or(|(one, other)| one <= other);
                let stricter = head.margin <= rule.margin
                    && less(head.cumulative_margin, rule.cumulative_margin)
                    && head.cumulative_margin.is_some() >= rule.cumulative_margin.is_some()
                    && (head.confidence == rule.confidence || (head.confidence > rule.confidence && !open))
                    && head.tolerance <= rule.tolerance
                    && head.required >= rule.required
                    && (head.direction, head.fail_when, head.mode) == (rule.direction, rule.fail_when, rule.mode);
                if stricter {
                    *rule = head.clone();
                    log.add(ChangeKind::Tightened, place, "stricter".to_owned());
                } else {
                    log.loosened(place, "changed");
                }
            }
        }
    }
    for rule in theirs.rules.iter().filter(|one| !ours.rules.iter().any(|rule| same(rule, one))) {
        let what = "a new rule, which holds from the merge on".to_owned();
        log.add(ChangeKind::Other, format!("regression.rules {}", rule.metric), what);
    }
}

fn run(policy: &mut Policy, head: &Policy, log: &mut Log) {
    let (ours, theirs) = (&mut policy.run, &head.run);
    // How fast, and how long: what is cut off by it is an error, never a pass.
    ours.concurrency = theirs.concurrency;
    ours.deadline_minutes = theirs.deadline_minutes;
    let changed = [
        ("run.seed", theirs.seed != ours.seed),
        ("run.cache", theirs.cache != ours.cache),
        ("run.verdicts", theirs.verdicts != ours.verdicts),
        ("run.checkpoint", theirs.checkpoint != ours.checkpoint),
        ("run.early_stop", theirs.early_stop != ours.early_stop),
    ];
    for (place, _) in changed.into_iter().filter(|(_, changed)| *changed) {
        log.loosened(place, "changed");
    }
}

fn lists(policy: &mut Policy, head: &Policy, log: &mut Log) {
    for gone in policy.suites.iter().filter(|suite| !head.suites.contains(suite)) {
        log.loosened(format!("suites {gone}"), "the suite is gone");
    }
    for new in head.suites.iter().filter(|suite| !policy.suites.contains(suite)).cloned().collect::<Vec<_>>() {
        log.add(ChangeKind::Other, format!("suites {new}"), "a new suite".to_owned());
        policy.suites.push(new);
    }
    if let (Some(ours), theirs) = (&mut policy.gate.suites, &head.gate.suites) {
        let all = theirs.as_ref().unwrap_or(&head.suites);
        if ours.iter().any(|suite| !all.contains(suite)) {
            log.loosened("gate.suites", "fewer suites");
        }
        let more: Vec<String> = all.iter().filter(|suite| !ours.contains(suite)).cloned().collect();
        ours.extend(more);
    }
    // Another form of the questions is what is tested, as another prompt is.
    if head.lm_eval != policy.lm_eval {
        log.add(ChangeKind::Other, "lm_eval", "tasks are put to the model in another form".to_owned());
        policy.lm_eval = head.lm_eval.clone();
    }
    // A program that is started, and files that are believed, are the base's to choose.
    if head.results != policy.results {
        log.loosened("results", "changed");
    }
    if head.trusted_hosts.iter().any(|host| !policy.trusted_hosts.contains(host)) {
        log.loosened("trusted_hosts", "more hosts");
    }
}

/// The host and port of an endpoint, in lower case.
fn host_of(spec: &OpenAiSpec) -> Option<String> {
    let url = reqwest::Url::parse(&spec.base_url).ok()?;
    let port = url.port_or_known_default()?;
    Some(format!("{}:{port}", url.host_str()?.to_lowercase()))
}

fn models(
    policy: &mut Policy,
    (base, head): (&Policy, &Policy),
    tested: Option<&str>,
    log: &mut Log,
) -> Result<(), RefusedModel> {
    let endpoints = || {
        base.models.values().filter_map(|model| match model {
            ModelSpec::Openai(spec) => Some(spec),
            ModelSpec::Embedded(_)
            | ModelSpec::Replay(_)
            | ModelSpec::Echo(_)
            | ModelSpec::Http(_)
            | ModelSpec::Exec(_)
            | ModelSpec::Server(_) => None,
        })
    };
    for (name, theirs) in &head.models {
        let ours = base.models.get(name);
        if ours == Some(theirs) {
            continue;
        }
        let place = format!("models.{name}");
        if ours.is_some() && tested != Some(name.as_str()) {
            log.loosened(place, "changed, though it is not the model under test");
            continue;
        }
        // A policy without models asks the models that its suites name. One more model there, or one that has their word for its name,
        // would stand in the place of all of them.
        let owns = base.models.is_empty() && base.gate.model.as_ref().is_none_or(|model| model == SUITES_OWN);
        if ours.is_none() && (owns || name == SUITES_OWN) {
            log.loosened(place, "a new model, which would answer in the place of those that the suites name");
            continue;
        }
        let refused = |provider| Err(RefusedModel::Provider { model: name.clone(), provider });
        match theirs {
            ModelSpec::Http(_) => return refused("http"),
            ModelSpec::Exec(_) => return refused("exec"),
            ModelSpec::Server(_) => return refused("server"),
            ModelSpec::Openai(_) | ModelSpec::Embedded(_) | ModelSpec::Replay(_) | ModelSpec::Echo(_) => {}
        }
        if let ModelSpec::Openai(spec) = theirs {
            let host = host_of(spec).unwrap_or_default();
            let known = endpoints().filter(|known| host_of(known).as_deref() == Some(host.as_str()));
            let listed = base.trusted_hosts.iter().any(|trusted| is_host(trusted, &host));
            // A key, a header or a certificate goes only where the base sends it already.
            let secretless = spec.api_key_env.is_none() && spec.headers.is_empty() && spec.ca_file.is_none();
            let sends = |known: &&OpenAiSpec| {
                known.api_key_env == spec.api_key_env && known.headers == spec.headers && known.ca_file == spec.ca_file
            };
            let trusted = known.clone().any(|known| sends(&known)) || (secretless && (listed || known.count() > 0));
            if !trusted {
                return Err(RefusedModel::Host { model: name.clone(), host });
            }
        }
        let (kind, what) = match ours {
            None => (ChangeKind::Other, "a new model"),
            Some(ours) if std::mem::discriminant(ours) == std::mem::discriminant(theirs) => {
                (ChangeKind::Other, "changed")
            }
            Some(_) => (ChangeKind::Loosened, "of another provider, as the pull request asks"),
        };
        log.add(kind, place, what.to_owned());
        policy.models.insert(name.clone(), theirs.clone());
    }
    for gone in base.models.keys().filter(|name| !head.models.contains_key(*name)) {
        log.add(ChangeKind::Other, format!("models.{gone}"), "the model is gone; the base's is kept".to_owned());
    }
    Ok(())
}

/// `host` or `host:port` of the list against `host:port`.
fn is_host(trusted: &str, host: &str) -> bool {
    let trusted = trusted.to_lowercase();
    trusted == host || host.rsplit_once(':').is_some_and(|(name, _)| name == trusted)
}
