//! A canary Ingress of our own beside the user's, which is only read: ingress-nginx gives it the weight that it says.
//! Kept out: every Ingress that is not ours.

use serde_json::{Map, Value, json};

use super::super::plan::NginxSpec;
use super::super::{Percent, Split, Trouble};
use super::Router;
use super::build::RouterNames;
use super::object::{annotation, canonical, foreign, last_writer, list, misfit, pick, read, text};
use super::ours::SPLIT_ANNOTATION;
use crate::cluster::{Cluster, ClusterError, INGRESS, Place};
use crate::trust::Digest;

/// Annotations of a canary (docs/user-guide/nginx-configuration/annotations.md of kubernetes/ingress-nginx 003d71d90): the
/// weight is of 100 where no total is said, a canary inherits what else its main Ingress says, and a rule takes at most one.
const CANARY: &str = "canary";
const WEIGHT: &str = "canary-weight";
/// The way to name a controller before `spec.ingressClassName`.
const CLASS: &str = "kubernetes.io/ingress.class";

/// What is known of the Ingresses, without the cluster.
struct Rules {
    user: Place,
    ours: Place,
    prefix: String,
    stable: String,
    canary: String,
}

impl Rules {
    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    fn is_canary(&self, ingress: &Value) -> bool {
        annotation(ingress, &self.key(CANARY)) == Some("true")
    }

    /// Refuses what a canary cannot stand beside.
    fn check(&self, user: &Value, all: &[Value]) -> Result<Vec<Value>, Trouble> {
        let place = self.user.words();
        let annotations = user.pointer("/metadata/annotations").and_then(Value::as_object);
        let start = self.key(CANARY);
        let mut names = annotations.into_iter().flatten().map(|(name, _)| name);
        if let Some(name) = names.find(|name| **name == start || name.starts_with(&format!("{start}-"))) {
            return Err(misfit(format!("{place} is a canary itself (`{name}`): name the main Ingress")));
        }
        if text(user, "/spec/defaultBackend/service/name") == Some(self.stable.as_str()) {
            let words = "its default backend leads to our Service, and a canary has none: give it a path";
            return Err(misfit(format!("{place}: {words}")));
        }
        let rules = self.rules(user);
        if rules.is_empty() {
            return Err(misfit(format!("{place}: no path leads to the Service `{}`", self.stable)));
        }
        let wanted = paths(&rules);
        let others = all.iter().filter(|other| self.is_canary(other));
        let others = others.filter(|other| text(other, "/metadata/name") != Some(self.ours.name.as_str()));
        for other in others {
            let theirs = paths(list(other, "/spec/rules"));
            if let Some((host, path)) = theirs.iter().find(|path| wanted.contains(path)) {
                let name = text(other, "/metadata/name").unwrap_or_default();
                let words = "is a canary of the same path already, and ingress-nginx takes one";
                return Err(misfit(format!("Ingress {}/{name} {words}: `{host}{path}`", self.user.namespace)));
            }
        }
        Ok(rules)
    }

    /// The user's rules, only the paths that lead to our Service, and these to the canary's.
    fn rules(&self, user: &Value) -> Vec<Value> {
        let led = |rule: &Value| {
            let paths: Vec<Value> = list(rule, "/http/paths")
                .iter()
                .filter(|path| text(path, "/backend/service/name") == Some(self.stable.as_str()))
                .map(|path| {
                    let mut path = path.clone();
                    if let Some(name) = path.pointer_mut("/backend/service/name") {
                        *name = self.canary.as_str().into();
                    }
                    path
                })
                .collect();
            if paths.is_empty() {
                return None;
            }
            let mut rule = pick(rule, &["host"]);
            rule.as_object_mut()?.insert("http".to_owned(), json!({ "paths": paths }));
            Some(rule)
        };
        list(user, "/spec/rules").iter().filter_map(led).collect()
    }

    /// The canary Ingress for this weight.
    fn ingress(&self, user: &Value, all: &[Value], weight: Percent) -> Result<Value, Trouble> {
        let mut spec = pick(user.get("spec").unwrap_or(&Value::Null), &["ingressClassName", "tls"]);
        let rules = self.check(user, all)?;
        if let Some(spec) = spec.as_object_mut() {
            spec.insert("rules".to_owned(), rules.into());
        }
        let mut annotations = Map::new();
        annotations.insert(self.key(CANARY), "true".into());
        annotations.insert(self.key(WEIGHT), weight.get().to_string().into());
        if let Some(class) = annotation(user, CLASS) {
            annotations.insert(CLASS.to_owned(), class.into());
        }
        let digest = digest(&annotations, &spec);
        let mark = json!({"canary": weight, "digest": digest}).to_string();
        annotations.insert(SPLIT_ANNOTATION.to_owned(), mark.into());
        Ok(json!({
            "apiVersion": INGRESS.api_version(),
            "kind": INGRESS.kind,
            "metadata": {
                "name": self.ours.name,
                "namespace": self.ours.namespace,
                "labels": {"llmci.dev/rollout": self.stable, "llmci.dev/track": "canary"},
                "annotations": annotations,
            },
            "spec": spec,
        }))
    }

    /// The weight of the canary Ingress as it is; it must be as we left it.
    fn weight(&self, ours: &Value) -> Result<Percent, Trouble> {
        let place = self.ours.words();
        let who = last_writer(ours).map(|manager| format!(" (last written by {manager})")).unwrap_or_default();
        let Some(mark) = annotation(ours, SPLIT_ANNOTATION) else {
            return Err(foreign(format!("{place} is there, and not by this program{who}")));
        };
        let mark: Value = serde_json::from_str(mark).unwrap_or_default();
        let annotations = ours.pointer("/metadata/annotations").and_then(Value::as_object).cloned();
        let mut annotations = annotations.unwrap_or_default();
        // What other programs note on an object is theirs; what a controller of Ingresses reads is ours.
        annotations.retain(|name, _| name == CLASS || name.starts_with(&format!("{}/", self.prefix)));
        let now = annotations.get(&self.key(WEIGHT)).and_then(Value::as_str).unwrap_or("none").to_owned();
        let spec = ours.get("spec").cloned().unwrap_or_default();
        if text(&mark, "/digest") != Some(digest(&annotations, &spec).as_str()) {
            let left = mark.get("canary").map(Value::to_string).unwrap_or_default();
            return Err(foreign(format!("{place}: a weight of {left} was left; now {now}, or other paths{who}")));
        }
        let weight = now.parse().ok().and_then(Percent::new);
        weight.ok_or_else(|| foreign(format!("{place}: a weight of {now}{who}")))
    }
}

/// Whether an Ingress of ours has no requests, whoever saw to that: the way back is done then.
fn is_back(rules: &Rules, ours: &Value) -> bool {
    let annotations = ours.pointer("/metadata/annotations").and_then(Value::as_object);
    let by_other = format!("{}-by-", rules.key(CANARY));
    let mut names = annotations.into_iter().flatten().map(|(name, _)| name);
    annotation(ours, SPLIT_ANNOTATION).is_some()
        && rules.is_canary(ours)
        && annotation(ours, &rules.key(WEIGHT)) == Some("0")
        && !names.any(|name| name.starts_with(&by_other))
}

fn digest(annotations: &Map<String, Value>, spec: &Value) -> String {
    let whole = json!({"annotations": annotations, "spec": spec});
    Digest::of(canonical(&whole).as_bytes()).to_string()
}

/// Host and path of each path.
fn paths(rules: &[Value]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for rule in rules {
        let host = text(rule, "/host").unwrap_or("*");
        let paths = list(rule, "/http/paths").iter();
        found.extend(paths.map(|path| (host.to_owned(), text(path, "/path").unwrap_or("/").to_owned())));
    }
    found
}

/// The router.
pub(super) struct Nginx {
    cluster: Cluster,
    rules: Rules,
}

impl Nginx {
    pub(super) fn new(cluster: &Cluster, spec: &NginxSpec, names: &RouterNames) -> Self {
        Self { cluster: cluster.clone(), rules: Rules::new(spec, names) }
    }
}

impl Rules {
    fn new(spec: &NginxSpec, names: &RouterNames) -> Self {
        Self {
            user: INGRESS.at(&names.namespace, &spec.ingress),
            ours: INGRESS.at(&names.namespace, &format!("{}-canary", spec.ingress)),
            prefix: spec.annotation_prefix.clone(),
            stable: names.stable_service.clone(),
            canary: names.canary_service.clone(),
        }
    }
}

#[async_trait::async_trait]
impl Router for Nginx {
    fn name(&self) -> String {
        self.rules.ours.words()
    }

    async fn split(&self) -> Result<Split, Trouble> {
        match self.cluster.find(&self.rules.ours).await? {
            Some(ours) => Ok(Split::to_canary(self.rules.weight(&ours)?)),
            None => Ok(Split::STABLE),
        }
    }

    async fn shift(&self, split: Split) -> Result<(), Trouble> {
        if split.mirror != Percent::ZERO {
            return Err(misfit(
                "a canary Ingress mirrors nothing: a shadow needs `traffic.istio` or `traffic.gateway`",
            ));
        }
        let ours = self.cluster.find(&self.rules.ours).await?;
        if split == Split::STABLE && ours.as_ref().is_some_and(|ours| is_back(&self.rules, ours)) {
            return Ok(());
        }
        let now = ours.as_ref().map(|ours| self.rules.weight(ours)).transpose()?;
        if now.unwrap_or(Percent::ZERO) == split.canary {
            return Ok(());
        }
        if split == Split::STABLE {
            // The way back needs nothing of the user's Ingress: it may be gone.
            return self.clear().await;
        }
        let user = read(&self.cluster, &self.rules.user).await?;
        let all = self.cluster.list(INGRESS, &self.rules.user.namespace, None).await?;
        let wanted = self.rules.ingress(&user, &all, split.canary)?;
        let stored = match self.cluster.apply(&self.rules.ours, &wanted).await {
            Ok(stored) => stored,
            // The answer names the manager that owns the field.
            Err(ClusterError::Owned(text)) => {
                return Err(foreign(format!("{}: {}", self.rules.ours.words(), text.raw())));
            }
            Err(error) => return Err(error.into()),
        };
        match self.rules.weight(&stored)? == split.canary {
            true => Ok(()),
            false => Err(foreign(format!("{}: the weight was not stored as it was sent", self.rules.ours.words()))),
        }
    }

    async fn clear(&self) -> Result<(), Trouble> {
        let Some(ours) = self.cluster.find(&self.rules.ours).await? else { return Ok(()) };
        if !is_back(&self.rules, &ours) {
            self.rules.weight(&ours)?;
        }
        Ok(self.cluster.delete(&self.rules.ours).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::words;
    use super::*;

    fn rules() -> Rules {
        let spec = NginxSpec { ingress: "web".into(), annotation_prefix: "nginx.ingress.kubernetes.io".into() };
        Rules::new(&spec, &RouterNames::for_test())
    }

    fn path(path: &str, service: &str) -> Value {
        json!({"path": path, "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"name": "http"}}}})
    }

    fn user() -> Value {
        json!({"metadata": {"name": "web", "namespace": "prod", "annotations": {
                "nginx.ingress.kubernetes.io/proxy-read-timeout": "300", "kubernetes.io/ingress.class": "nginx"}},
            "spec": {"ingressClassName": "nginx", "tls": [{"hosts": ["llm.example.com"], "secretName": "cert"}],
                "rules": [
                    {"host": "llm.example.com", "http": {"paths": [path("/", "llm"), path("/docs", "docs")]}},
                    {"host": "docs.example.com", "http": {"paths": [path("/", "docs")]}},
                    {"http": {"paths": [path("/v1", "llm")]}}]}})
    }

    #[test]
    fn the_canary_has_only_paths_that_lead_to_us() {
        let ours = rules().ingress(&user(), &[], Percent::new(25).unwrap()).unwrap();
        assert_eq!(text(&ours, "/metadata/name"), Some("web-canary"));
        assert_eq!(annotation(&ours, "nginx.ingress.kubernetes.io/canary"), Some("true"));
        assert_eq!(annotation(&ours, "nginx.ingress.kubernetes.io/canary-weight"), Some("25"));
        assert_eq!(annotation(&ours, "nginx.ingress.kubernetes.io/proxy-read-timeout"), None);
        assert_eq!(annotation(&ours, CLASS), Some("nginx"));
        let expected = json!({"ingressClassName": "nginx", "tls": [{"hosts": ["llm.example.com"], "secretName": "cert"}],
            "rules": [{"host": "llm.example.com", "http": {"paths": [path("/", "llm-canary")]}},
                {"http": {"paths": [path("/v1", "llm-canary")]}}]});
        assert_eq!(ours["spec"], expected);
        assert_eq!(rules().weight(&ours).unwrap().get(), 25);
    }

    #[test]
    fn another_prefix_is_used_throughout() {
        let spec = NginxSpec { ingress: "web".into(), annotation_prefix: "edge.corp".into() };
        let rules = Rules::new(&spec, &RouterNames::for_test());
        let ours = rules.ingress(&user(), &[], Percent::ALL).unwrap();
        assert_eq!(annotation(&ours, "edge.corp/canary-weight"), Some("100"));
        assert_eq!(rules.weight(&ours).unwrap(), Percent::ALL);
    }

    #[test]
    fn what_a_canary_cannot_stand_beside_is_refused() {
        let with = |change: &dyn Fn(&mut Value)| {
            let mut user = user();
            change(&mut user);
            user
        };
        let mark = |name: &str| format!("nginx.ingress.kubernetes.io/{name}");
        let other = |host: Option<&str>, name: &str| {
            let mut rule = json!({"http": {"paths": [path("/v1", "beta")]}});
            if let Some(host) = host {
                rule["host"] = host.into();
            }
            json!({"metadata": {"name": name, "annotations": {"nginx.ingress.kubernetes.io/canary": "true"}}, "spec": {"rules": [rule]}})
        };
        let table = [
            (
                with(&|user| user["metadata"]["annotations"][mark("canary")] = "true".into()),
                vec![],
                "is a canary itself",
            ),
            (
                with(&|user| user["metadata"]["annotations"][mark("canary-weight")] = "5".into()),
                vec![],
                "is a canary itself",
            ),
            (with(&|user| user["spec"]["rules"] = json!([])), vec![], "no path leads to the Service `llm`"),
            (
                with(&|user| user["spec"]["defaultBackend"] = json!({"service": {"name": "llm"}})),
                vec![],
                "default backend",
            ),
            (
                user(),
                vec![other(None, "beta")],
                "Ingress prod/beta is a canary of the same path already, and ingress-nginx takes one: `*/v1`",
            ),
            (user(), vec![other(Some("llm.example.com"), "beta"), other(None, "web-canary")], "fine"),
        ];
        for (user, all, expected) in table {
            let found = words(rules().ingress(&user, &all, Percent::ALL));
            assert!(found.contains(expected), "{found}");
        }
    }

    #[test]
    fn an_ingress_that_is_not_as_we_left_it_is_foreign() {
        let ours = rules().ingress(&user(), &[], Percent::new(25).unwrap()).unwrap();
        let weight = "nginx.ingress.kubernetes.io/canary-weight";
        let header = "nginx.ingress.kubernetes.io/canary-by-header";
        let edits: [&dyn Fn(&mut Value); 5] = [
            &|ours| ours["metadata"]["annotations"][weight] = "80".into(),
            &|ours| ours["metadata"]["annotations"][header] = "x".into(),
            &|ours| ours["spec"]["rules"][0]["host"] = "other.example.com".into(),
            &|ours| drop(ours["metadata"]["annotations"].as_object_mut().unwrap().shift_remove(SPLIT_ANNOTATION)),
            &|ours| ours["metadata"]["annotations"][SPLIT_ANNOTATION] = "{".into(),
        ];
        for edit in edits {
            let mut edited = ours.clone();
            edit(&mut edited);
            assert!(words(rules().weight(&edited)).starts_with("foreign: Ingress prod/web-canary"));
        }
        let mut back = ours.clone();
        back["metadata"]["annotations"][weight] = "0".into();
        assert!(is_back(&rules(), &back) && !is_back(&rules(), &ours));
        back["metadata"]["annotations"][header] = "x".into();
        assert!(!is_back(&rules(), &back), "a header still leads there");
        let mut noted = ours;
        noted["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = "x".into();
        assert_eq!(rules().weight(&noted).unwrap().get(), 25);
    }
}
