//! From a rule to what Prometheus is asked about one side. Pure.
//! Kept out: PromQL's own grammar (`promql`), what the presets know (`presets`).

use super::presets::{self, How, Known};
use super::promql::{self, Fault, Values};
use crate::deliver::plan::{
    AbsentBad, CountRule, LevelRule, Plan, Preset, QuantileRule, StrategyName, WatchMetric, WatchRule, WorkloadKind,
};

/// Letters of generated names. Source: k8s.io/apimachinery, pkg/util/rand/rand.go: neither vowels nor 0, 1, 3.
const GENERATED: &str = "[bcdfghjklmnpqrstvwxz2456789]";

/// A series that had a sample so many seconds before the window was not born in it, however many scrapes failed in between.
const BEFORE: u64 = 3600;

/// How one side is told from the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SideNames {
    /// The name of the side's own workload.
    pub workload: String,
    /// A regular expression that matches the names of the side's pods, and no others.
    pub pods: String,
}

impl SideNames {
    /// Of a Deployment: `NAME-HASH-xxxxx`. Neither part may hold a dash or a vowel, so that `NAME-canary-HASH-xxxxx` is another's.
    /// A name of more than 46 letters is cut within its pods' names (k8s.io/apiserver, pkg/storage/names/generate.go), and matches none.
    pub fn deployment(name: &str) -> Self {
        let pods = format!("{}-{GENERATED}{{1,10}}-{GENERATED}{{5}}", promql::escape_pattern(name));
        Self { workload: name.to_owned(), pods }
    }
}

/// Names of everything that a query may be asked about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Naming {
    /// The namespace.
    pub namespace: String,
    /// The Service that the users' requests come through.
    pub service: String,
    /// The canary's own Service.
    pub canary_service: String,
    /// Stable, where it runs beside the canary under names of its own.
    pub stable: Option<SideNames>,
    /// The canary.
    pub canary: SideNames,
    /// Whoever served before the rollout began: stable's past.
    pub past: SideNames,
}

impl Naming {
    /// The names that this plan gives: `NAME` and `NAME-canary` (blue-green: `NAME-green`).
    ///
    /// A rolling update, a feature flag, an Argo Rollout and an InferenceService have no pods that the name of a side tells
    /// apart: there is no stable side, unless the caller knows the pods and says so with [`Naming::with`].
    pub fn of(plan: &Plan) -> Self {
        let name = plan.workload.name.as_str();
        let own = SideNames::deployment(name);
        let beside = |suffix: &str| (Some(own.clone()), SideNames::deployment(&format!("{name}-{suffix}")));
        let (stable, canary) = match (plan.workload.kind, plan.strategy) {
            (WorkloadKind::Rollout | WorkloadKind::InferenceService, _)
            | (WorkloadKind::Deployment, StrategyName::Rolling | StrategyName::FeatureFlag) => (None, own.clone()),
            (WorkloadKind::Deployment, StrategyName::Canary | StrategyName::Shadow) => beside("canary"),
            (WorkloadKind::Deployment, StrategyName::BlueGreen) => beside("green"),
        };
        Self {
            namespace: plan.workload.namespace().to_owned(),
            service: plan.workload.service().to_owned(),
            canary_service: format!("{name}-canary"),
            stable,
            canary,
            past: own,
        }
    }

    /// The same with other sides: blue-green from green to blue, a Rollout's pods by their hashes.
    #[must_use]
    pub fn with(self, stable: Option<SideNames>, canary: SideNames) -> Self {
        let past = stable.clone().unwrap_or_else(|| self.past.clone());
        Self { stable, canary, past, ..self }
    }
}

/// Whose numbers are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Whose {
    /// Stable's, now.
    Stable,
    /// The canary's.
    Canary,
    /// Of whoever served before the rollout began.
    Past,
}

/// One query, and the series whose age says whether it is to be believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Ask {
    /// PromQL.
    pub query: String,
    /// Of each group one series at least must be fresh.
    pub fresh: Vec<Vec<String>>,
}

/// What a rule needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    /// For a rate.
    Counts {
        /// Those that went wrong.
        bad: Ask,
        /// All.
        all: Ask,
        /// What no series of `bad` means.
        absent_bad: AbsentBad,
    },
    /// For a quantile.
    Buckets(Ask),
    /// For a level.
    Level(Ask),
    /// For a mean of scores.
    Mean {
        /// The sum of scores.
        sum: Ask,
        /// How many.
        all: Ask,
    },
}

/// Whom is asked about, and how far back.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// Names.
    pub naming: &'a Naming,
    /// The side.
    pub whose: Whose,
    /// Whole seconds.
    pub window: u64,
}

impl Scope<'_> {
    fn values(&self) -> Values<'_> {
        let Naming { namespace, service, stable, canary, past, .. } = self.naming;
        let (side, names) = match self.whose {
            Whose::Stable => ("stable", stable.as_ref().unwrap_or(past)),
            Whose::Past => ("stable", past),
            Whose::Canary => ("canary", canary),
        };
        Values { window: self.window, side, workload: &names.workload, service, namespace, pods: &names.pods }
    }

    /// The value of ingress-nginx' label `canary`, as a pattern inside a string.
    fn upstream(&self) -> String {
        match (self.whose, &self.naming.stable) {
            (Whose::Canary, Some(_)) => {
                let name = format!("{}-{}", self.naming.namespace, self.naming.canary_service);
                // A port has a name or a number, and one version puts a word of its own behind it.
                format!("{}-.+", promql::escape_pattern(&name).replace('\\', "\\\\"))
            }
            // Empty, or `-` where the controller could not say.
            (Whose::Stable | Whose::Past | Whose::Canary, _) => "-?".to_owned(),
        }
    }

    fn selectors(&self, templates: &[&str]) -> Result<Vec<String>, Fault> {
        let upstream = self.upstream();
        templates
            .iter()
            .map(|template| Ok(promql::fill(template, &self.values())?.0.replace("%upstream%", &upstream)))
            .collect()
    }

    /// What a counter gained over the window: its value now without its value then.
    ///
    /// `increase` alone would be wrong twice. It extrapolates to the window's edges, so that two scrapes early in a step are
    /// taken for up to two and a half times the requests that there were; and it begins at a series' first sample, so that what a
    /// new series has counted by then is lost: errors that all fall within one scrape would be none. The canary's series are as
    /// young as it is: one that did not exist when the window began counts from zero. `increase` remains for what restarted
    /// within the window, and for what has ended.
    fn gained(&self, selector: &str) -> String {
        let window = self.window;
        let steady = format!("resets({selector}[{window}s]) == 0");
        let grown = format!("({selector} - {selector} offset {window}s) >= 0 and {steady}");
        let gained = format!("increase({selector}[{window}s])");
        match self.whose {
            Whose::Stable | Whose::Past => format!("({grown}) or {gained}"),
            Whose::Canary => {
                let born =
                    format!("({selector} unless last_over_time({selector}[{BEFORE}s] offset {window}s)) and {steady}");
                format!("({grown}) or ({born}) or {gained}")
            }
        }
    }

    /// The sum over alternatives, of which the first with data counts.
    fn counted(&self, selectors: &[String], sum: &str) -> String {
        let parts: Vec<String> = selectors.iter().map(|selector| format!("{sum}({})", self.gained(selector))).collect();
        parts.join(" or ")
    }

    fn known_count(&self, templates: &[&str], sum: &str) -> Result<Ask, Fault> {
        let selectors = self.selectors(templates)?;
        Ok(Ask { query: self.counted(&selectors, sum), fresh: vec![selectors] })
    }

    /// A count as the user writes it: a counter's selector, or an expression that counts over `{window}` itself.
    fn own_count(&self, query: &str) -> Result<Ask, Fault> {
        let (filled, has) = promql::fill(query, &self.values())?;
        let fresh = promql::selectors(&filled)?.into_iter().map(|selector| vec![selector]).collect();
        match promql::bare(&filled)? {
            Some(selector) => Ok(Ask { query: self.counted(&[selector], "sum"), fresh }),
            None if has.window => Ok(Ask { query: filled, fresh }),
            None => Err(Fault {
                message: "the query counts over another time than the step's".to_owned(),
                help: "write sum(increase(my_total{...}[{window}])), or the counter's selector alone",
            }),
        }
    }

    /// A rate's two counts.
    pub(super) fn rate(
        &self,
        name: &str,
        preset: Option<Preset>,
        queries: (Option<&str>, Option<&str>),
        absent_bad: AbsentBad,
    ) -> Result<Wanted, Fault> {
        match (preset, queries) {
            (Some(preset), (None, None)) => match known(preset, name)? {
                Known::Rate { bad, all } => Ok(Wanted::Counts {
                    bad: self.known_count(bad, "sum")?,
                    all: self.known_count(all, "sum")?,
                    absent_bad: AbsentBad::Zero,
                }),
                Known::Histogram(_) | Known::Level { .. } => Err(other_kind(preset, name)),
            },
            (None, (Some(bad), Some(all))) => {
                Ok(Wanted::Counts { bad: self.own_count(bad)?, all: self.own_count(all)?, absent_bad })
            }
            (None, _) => Err(either("bad` and `all")),
            (Some(_), _) => Err(either("bad` and `all")),
        }
    }

    /// A quantile's buckets.
    pub(super) fn quantile(
        &self,
        name: &str,
        preset: Option<Preset>,
        histogram: Option<&str>,
    ) -> Result<Wanted, Fault> {
        match (preset, histogram) {
            (Some(preset), None) => match known(preset, name)? {
                Known::Histogram(templates) => Ok(Wanted::Buckets(self.known_count(templates, "sum by (le)")?)),
                Known::Rate { .. } | Known::Level { .. } => Err(other_kind(preset, name)),
            },
            (None, Some(histogram)) => {
                let (filled, _) = promql::fill(histogram, &self.values())?;
                let named = |selector: &str| selector.split('{').next().is_some_and(|name| name.ends_with("_bucket"));
                let Some(selector) = promql::bare(&filled)?.filter(|selector| named(selector)) else {
                    return Err(Fault {
                        message: "the histogram is not the selector of its buckets".to_owned(),
                        help: "write my_seconds_bucket{pod=~\"{pods}\"}, without any function",
                    });
                };
                let query = self.counted(std::slice::from_ref(&selector), "sum by (le)");
                Ok(Wanted::Buckets(Ask { query, fresh: vec![vec![selector]] }))
            }
            (None, None) | (Some(_), Some(_)) => Err(either("histogram")),
        }
    }

    /// A level's one number.
    pub(super) fn level(&self, name: &str, preset: Option<Preset>, query: Option<&str>) -> Result<Wanted, Fault> {
        match (preset, query) {
            (Some(preset), None) => match known(preset, name)? {
                Known::Level { how: How::PerSecond, of } => {
                    let Ask { query, fresh } = self.known_count(of, "sum")?;
                    Ok(Wanted::Level(Ask { query: format!("({query}) / {}", self.window.max(1)), fresh }))
                }
                Known::Level { how: How::Max, of } => {
                    let selectors = self.selectors(of)?;
                    let parts: Vec<String> = selectors.iter().map(|selector| format!("max({selector})")).collect();
                    Ok(Wanted::Level(Ask { query: parts.join(" or "), fresh: vec![selectors] }))
                }
                Known::Rate { .. } | Known::Histogram(_) => Err(other_kind(preset, name)),
            },
            (None, Some(query)) => {
                let (filled, _) = promql::fill(query, &self.values())?;
                let fresh = promql::selectors(&filled)?.into_iter().map(|selector| vec![selector]).collect();
                Ok(Wanted::Level(Ask { query: filled, fresh }))
            }
            (None, None) | (Some(_), Some(_)) => Err(either("query")),
        }
    }

    /// What a rule of rates needs.
    pub(super) fn of_rate(&self, rule: &CountRule) -> Result<Wanted, Fault> {
        self.rate(&rule.name, rule.preset, (rule.bad.as_deref(), rule.all.as_deref()), rule.absent_bad)
    }

    /// What a rule of quantiles needs.
    pub(super) fn of_quantile(&self, rule: &QuantileRule) -> Result<Wanted, Fault> {
        self.quantile(&rule.name, rule.preset, rule.histogram.as_deref())
    }

    /// What a rule of levels needs.
    pub(super) fn of_level(&self, rule: &LevelRule) -> Result<Wanted, Fault> {
        self.level(&rule.name, rule.preset, rule.query.as_deref())
    }

    /// What a rule of `watch` needs.
    pub(super) fn of_watch(&self, rule: &WatchRule) -> Result<Wanted, Fault> {
        match &rule.metric {
            WatchMetric::Rate { bad, all, absent_bad } => {
                self.rate(&rule.name, rule.preset, (bad.as_deref(), all.as_deref()), *absent_bad)
            }
            WatchMetric::Quantile { histogram, .. } => self.quantile(&rule.name, rule.preset, histogram.as_deref()),
            WatchMetric::Mean { sum, all } => match rule.preset {
                None => Ok(Wanted::Mean { sum: self.own_count(sum)?, all: self.own_count(all)? }),
                Some(_) => Err(Fault { message: "no preset has scores".to_owned(), help: "leave `preset` out" }),
            },
        }
    }
}

fn either(fields: &str) -> Fault {
    Fault {
        message: format!("a rule has either `preset`, or `{fields}`"),
        help: "name a preset that has queries for the rule's name, or write them yourself",
    }
}

fn known(preset: Preset, name: &str) -> Result<Known, Fault> {
    presets::find(preset, name).ok_or_else(|| {
        let word = presets::word(preset);
        let known = presets::names(preset).join(", ");
        let help = match preset {
            Preset::Vllm | Preset::Sglang | Preset::Dcgm if name.ends_with("error_rate") => {
                "it counts no failed requests: take the error rate from `preset: istio` or `preset: ingress-nginx`, or from queries of your own"
            }
            Preset::Tgi if name.ends_with("ttft") => "TGI does not measure the time to the first token",
            Preset::Istio | Preset::IngressNginx | Preset::Vllm | Preset::Tgi | Preset::Sglang | Preset::Dcgm => {
                "give the rule one of these names, or leave `preset` out and write the query"
            }
        };
        Fault { message: format!("the preset {word} has nothing for {name:?}: it knows {known}"), help }
    })
}

fn other_kind(preset: Preset, name: &str) -> Fault {
    Fault {
        message: format!("{name:?} of the preset {} is of another kind", presets::word(preset)),
        help: "error rates stand under `rates`, latencies under `quantiles`, everything else under `levels`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        serde_json::from_value(serde_json::json!({"version": 1, "workload": {"name": "chat.v2", "namespace": "prod"}}))
            .unwrap()
    }

    #[test]
    fn the_pattern_of_stable_matches_no_canary_and_no_neighbour() {
        let pattern = |name: &str| regex::Regex::new(&format!("^(?:{})$", SideNames::deployment(name).pods)).unwrap();
        let (stable, canary) = (pattern("chat.v2"), pattern("chat.v2-canary"));
        assert!(stable.is_match("chat.v2-7d9c5b8f4-x2x4z") && stable.is_match("chat.v2-b-bbbbb"));
        assert!(canary.is_match("chat.v2-canary-7d9c5b8f4-x2x4z"));
        for other in [
            "chat.v2-canary-7d9c5b8f4-x2x4z",
            "chatxv2-7d9c5b8f4-x2x4z",
            "chat.v2-green-7d9c5b8f4-x2x4z",
            "chat.v2-7d9c5b8f4-x2x4z-1",
            "my-chat.v2-7d9c5b8f4-x2x4z",
            "chat.v2-7d9c5b8f4",
        ] {
            assert!(!stable.is_match(other), "{other}");
        }
        assert!(!canary.is_match("chat.v2-7d9c5b8f4-x2x4z"));
    }

    #[test]
    fn strategies_without_a_second_workload_have_no_stable_side() {
        let mut plan = plan();
        assert_eq!(Naming::of(&plan).canary.workload, "chat.v2-canary");
        plan.strategy = StrategyName::BlueGreen;
        assert_eq!(Naming::of(&plan).canary.workload, "chat.v2-green");
        for (strategy, kind) in [
            (StrategyName::Rolling, WorkloadKind::Deployment),
            (StrategyName::FeatureFlag, WorkloadKind::Deployment),
            (StrategyName::Canary, WorkloadKind::Rollout),
            (StrategyName::Canary, WorkloadKind::InferenceService),
        ] {
            (plan.strategy, plan.workload.kind) = (strategy, kind);
            assert_eq!(Naming::of(&plan).stable, None, "{strategy:?}");
        }
    }

    #[test]
    fn a_counter_of_ones_own_is_counted_over_the_step() {
        let naming = Naming::of(&plan());
        let scope = Scope { naming: &naming, whose: Whose::Stable, window: 60 };
        let ask = scope.own_count("bad_total{ side=\"{side}\" }").unwrap();
        let series = "bad_total{side=\"stable\"}";
        let want = format!(
            "sum((({series} - {series} offset 60s) >= 0 and resets({series}[60s]) == 0) or increase({series}[60s]))"
        );
        assert_eq!(ask.query, want);
        assert_eq!(ask.fresh, [["bad_total{side=\"stable\"}"]]);
        let canary = Scope { whose: Whose::Canary, ..scope };
        assert!(canary.own_count("bad_total{side=\"{side}\"}").unwrap().query.contains("unless"));
        assert_eq!(scope.own_count("sum(increase(a[{window}]))").unwrap().query, "sum(increase(a[60s]))");
        assert!(scope.own_count("sum(increase(a[5m]))").unwrap_err().message.contains("another time"));
    }

    #[test]
    fn the_side_of_a_request_to_ingress_nginx_is_its_upstream() {
        let naming = Naming::of(&plan());
        let scope = |whose| Scope { naming: &naming, whose, window: 60 };
        let query = |whose| match scope(whose).rate(
            "error_rate",
            Some(Preset::IngressNginx),
            (None, None),
            AbsentBad::NoData,
        ) {
            Ok(Wanted::Counts { all, absent_bad: AbsentBad::Zero, .. }) => all.query,
            other => panic!("{other:?}"),
        };
        assert!(query(Whose::Stable).contains(r#"canary=~"-?"}"#));
        assert!(query(Whose::Canary).contains(r#"canary=~"prod-chat\\.v2-canary-.+"}"#));
    }
}
