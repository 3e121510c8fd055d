//! Nodes and pods as the planner needs them. What a node does not say is `None`. Plain data, no cluster.
//! Kept out: how they are read from the API's JSON (`read`).

use std::collections::BTreeMap;

/// A node.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) taints: Vec<Taint>,
    /// Whole GPUs that pods may have (`nvidia.com/gpu`).
    pub(super) gpus: u32,
    /// What the device plugin hands out instead of whole GPUs, in words.
    pub(super) parts: Option<&'static str>,
    /// The label and value that name the GPU.
    pub(super) product: Option<(String, String)>,
    /// Memory of each GPU in bytes, where a label says it.
    pub(super) memory_bytes: Option<u64>,
    /// Such as `p4d.24xlarge`.
    pub(super) instance: Option<String>,
    /// The label that says that the cloud may take it back.
    pub(super) spot: Option<(String, String)>,
    pub(super) ready: bool,
    pub(super) cordoned: bool,
}

/// A taint of a node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Taint {
    pub(super) key: String,
    pub(super) value: String,
    /// `NoSchedule`, `NoExecute` or `PreferNoSchedule`.
    pub(super) effect: String,
}

/// A toleration of a pod. Absent fields match everything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Toleration {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    pub(super) exists: bool,
    pub(super) effect: Option<String>,
}

/// One condition on a node's labels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Expression {
    pub(super) key: String,
    pub(super) operator: String,
    pub(super) values: Vec<String>,
}

/// A pod that asks for GPUs.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) gpus: u32,
    pub(super) priority: i64,
    /// Seconds since 1970.
    pub(super) created: i64,
    /// The node that it is on; none where it waits.
    pub(super) node: Option<String>,
    /// Which pods are like it: namespace, and the owner's name without what differs from run to run.
    pub(super) stem: String,
    /// When it began, in seconds since 1970.
    pub(super) started: Option<i64>,
    /// When it ended; none for one that has not.
    pub(super) ended: Option<i64>,
    /// Whether it ended well.
    pub(super) succeeded: bool,
    /// Seconds that its author expects it to take.
    pub(super) expected: Option<i64>,
    /// Seconds after which it is ended.
    pub(super) deadline: Option<i64>,
    pub(super) tolerations: Vec<Toleration>,
    /// All of `nodeSelector`.
    pub(super) selector: BTreeMap<String, String>,
    /// One of them must hold, where there are any: `requiredDuringSchedulingIgnoredDuringExecution`.
    pub(super) terms: Vec<Vec<Expression>>,
}

impl Taint {
    /// Whether it keeps pods away.
    pub(super) fn repels(&self) -> bool {
        matches!(self.effect.as_str(), "NoSchedule" | "NoExecute")
    }

    /// Whether it comes and goes with the node's state: a job is not to tolerate it, and waits until it is gone.
    /// Source: Kubernetes, "Well-Known Labels, Annotations and Taints".
    pub(super) fn passes(&self) -> bool {
        self.key.starts_with("node.kubernetes.io/") || self.key.starts_with("node.cloudprovider.kubernetes.io/")
    }
}

impl Toleration {
    pub(super) fn takes(&self, taint: &Taint) -> bool {
        let key = self.key.as_ref().map_or(self.exists, |key| *key == taint.key);
        let value = self.exists || self.value.as_deref().unwrap_or_default() == taint.value;
        key && value && self.effect.as_ref().is_none_or(|effect| *effect == taint.effect)
    }
}

impl Expression {
    /// Source: Kubernetes, `component-helpers/scheduling/corev1/nodeaffinity`.
    pub(super) fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let found = labels.get(&self.key);
        let number = |text: Option<&String>| text.and_then(|text| text.parse::<i64>().ok());
        let (left, right) = (number(found), number(self.values.first()));
        match self.operator.as_str() {
            "In" => found.is_some_and(|value| self.values.contains(value)),
            "NotIn" => found.is_none_or(|value| !self.values.contains(value)),
            "Exists" => found.is_some(),
            "DoesNotExist" => found.is_none(),
            "Gt" => left.zip(right).is_some_and(|(left, right)| left > right),
            "Lt" => left.zip(right).is_some_and(|(left, right)| left < right),
            _ => false,
        }
    }
}

impl Pod {
    /// Whether the scheduler could put it on a node that is empty.
    pub(super) fn may_go_to(&self, node: &Node) -> bool {
        let tolerated = |taint: &Taint| self.tolerations.iter().any(|one| one.takes(taint));
        node.ready
            && !node.cordoned
            && node.gpus >= self.gpus
            && node.taints.iter().filter(|taint| taint.repels()).all(tolerated)
            && self.selector.iter().all(|(key, value)| node.labels.get(key) == Some(value))
            && (self.terms.is_empty() || self.terms.iter().any(|term| term.iter().all(|one| one.holds(&node.labels))))
    }

    /// Whether it holds GPUs of its node.
    pub(super) fn runs(&self) -> bool {
        self.node.is_some() && self.ended.is_none()
    }
}
