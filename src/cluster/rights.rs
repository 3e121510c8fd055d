//! What the account may do, asked before anything is touched; and the Role that would let it.
//! Kept out: which rights a plan needs (`deliver`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Cluster, ClusterError, Resource};

/// Where reviews are asked: they belong to no namespace and are never stored.
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// One thing that is to be allowed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Right {
    /// Such as `get`, `patch`.
    pub verb: &'static str,
    /// The kind of object.
    pub resource: Resource,
    /// Such as `status`.
    pub subresource: Option<&'static str>,
    /// One object, where a Role may name it. A `create` or `list` never has a name.
    pub name: Option<String>,
}

impl Right {
    /// A right on every object of a kind in the namespace.
    pub fn new(verb: &'static str, resource: Resource) -> Self {
        Self { verb, resource, subresource: None, name: None }
    }

    /// The same on one object.
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// `patch deployments.apps/status`.
    pub fn words(&self) -> String {
        let Resource { group, plural, .. } = self.resource;
        let group = if group.is_empty() { String::new() } else { format!(".{group}") };
        let part = self.subresource.map(|part| format!("/{part}")).unwrap_or_default();
        let name = self.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        format!("{} {plural}{group}{part}{name}", self.verb)
    }

    fn review(&self, namespace: &str) -> Value {
        let mut attributes = json!({
            "namespace": namespace,
            "verb": self.verb,
            "group": self.resource.group,
            "version": self.resource.version,
            "resource": self.resource.plural,
        });
        if let Some(map) = attributes.as_object_mut() {
            map.extend(self.subresource.map(|part| ("subresource".to_owned(), Value::from(part))));
            map.extend(self.name.as_deref().map(|name| ("name".to_owned(), Value::from(name))));
        }
        json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        })
    }
}

/// The `rules:` of a Role that grants these rights, as lines of YAML. Rights on the same kind share a rule.
pub fn role_lines(rights: &[Right]) -> Vec<String> {
    let mut rules: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
    for right in rights {
        let part = right.subresource.map(|part| format!("/{part}")).unwrap_or_default();
        let key = (right.resource.group, format!("{}{part}", right.resource.plural));
        rules.entry(key).or_default().insert(right.verb);
    }
    let mut lines = Vec::new();
    for ((group, resource), verbs) in rules {
        let verbs: Vec<&str> = verbs.into_iter().collect();
        lines.push(format!("- apiGroups: [\"{group}\"]"));
        lines.push(format!("  resources: [\"{resource}\"]"));
        lines.push(format!("  verbs: [\"{}\"]", verbs.join("\", \"")));
    }
    lines
}

impl Cluster {
    /// The rights that the account lacks in a namespace. An answer that is not a plain yes is a no.
    pub async fn missing_rights(&self, namespace: &str, rights: &[Right]) -> Result<Vec<Right>, ClusterError> {
        let mut missing = Vec::new();
        for right in rights {
            // A review is a question in the form of a POST: asking it twice changes nothing.
            let answer = self.question(REVIEWS, &right.review(namespace)).await?;
            if answer.pointer("/status/allowed") != Some(&Value::Bool(true)) {
                missing.push(right.clone());
            }
        }
        Ok(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DEPLOYMENT, ROLLOUT, SERVICE};
    use super::*;

    #[test]
    fn a_role_has_one_rule_for_each_kind_and_every_verb_once() {
        let status = Right { subresource: Some("status"), ..Right::new("patch", ROLLOUT) };
        let rights = [
            Right::new("get", SERVICE),
            Right::new("patch", DEPLOYMENT).named("llm"),
            Right::new("get", DEPLOYMENT),
            Right::new("get", DEPLOYMENT),
            status,
        ];
        let wanted = "- apiGroups: [\"\"]\n  resources: [\"services\"]\n  verbs: [\"get\"]\n\
            - apiGroups: [\"apps\"]\n  resources: [\"deployments\"]\n  verbs: [\"get\", \"patch\"]\n\
            - apiGroups: [\"argoproj.io\"]\n  resources: [\"rollouts/status\"]\n  verbs: [\"patch\"]";
        assert_eq!(role_lines(&rights).join("\n"), wanted);
    }
}
