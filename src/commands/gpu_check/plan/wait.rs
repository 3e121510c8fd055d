//! When the job could begin: pods that run end one after another, pods that wait with the same priority or a higher one go first, and
//! then it is the job's turn. An estimate, and never a promise: the scheduler decides. Pure.

use std::collections::BTreeMap;

use super::seen::{Node, Pod};

/// What a job takes of which nothing is known, in seconds: a day, as the guide has it.
pub(super) const UNKNOWN: i64 = 24 * 3600;

/// What a pod's end is estimated from; the surest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Basis {
    /// Nobody has to go.
    Nothing,
    /// Its own deadline, or what its author expects.
    Said,
    /// The median of finished pods like it.
    Like,
    /// Nothing is known.
    Unknown,
}

/// Where and when the job could begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Start {
    /// The node's name; none where nobody knows.
    pub(super) node: Option<String>,
    /// Seconds from now; 0 for at once.
    pub(super) wait: i64,
    /// The least sure of what that follows from.
    pub(super) basis: Basis,
}

/// What is there, and who.
pub(super) struct Cluster<'a> {
    /// All nodes that pods of others may go to.
    pub(super) nodes: &'a [Node],
    /// All pods that ask for GPUs.
    pub(super) pods: &'a [Pod],
    /// The moment, in seconds since 1970.
    pub(super) now: i64,
}

impl Cluster<'_> {
    /// GPUs of a node that nobody has, at present.
    pub(super) fn free(&self, node: &Node) -> u32 {
        let on_it = self.pods.iter().filter(|pod| pod.runs() && pod.node.as_deref() == Some(node.name.as_str()));
        on_it.fold(node.gpus, |free, pod| free.saturating_sub(pod.gpus))
    }

    /// Pods that wait and go before the job: the most urgent first, then who has waited longest.
    pub(super) fn ahead(&self, priority: i64) -> Vec<&Pod> {
        let waits = |pod: &&Pod| pod.node.is_none() && pod.ended.is_none() && pod.priority >= priority;
        let mut ahead: Vec<&Pod> = self.pods.iter().filter(waits).collect();
        ahead.sort_by(|a, b| (b.priority, a.created, &a.name).cmp(&(a.priority, b.created, &b.name)));
        ahead
    }

    /// When a job of `gpus` GPUs could begin on one of the nodes that suit it, the best of them first.
    pub(super) fn start(&self, gpus: u32, priority: i64, suitable: &[&Node]) -> Start {
        let mut free: BTreeMap<&str, u32> =
            self.nodes.iter().map(|node| (node.name.as_str(), self.free(node))).collect();
        let mut ends: Vec<End<'_>> = self.pods.iter().filter(|pod| pod.runs()).map(|pod| self.end(pod)).collect();
        let mut ahead = self.ahead(priority);
        let (mut now, mut basis) = (0, Basis::Nothing);
        loop {
            ahead.retain(|pod| {
                let Some(node) = self.place(pod, &free) else { return true };
                take(&mut free, &node.name, pod.gpus);
                let (seconds, from) = self.takes(pod);
                ends.push(End { node: &node.name, gpus: pod.gpus, at: now + seconds, basis: from });
                false
            });
            let fits = |node: &&&Node| free.get(node.name.as_str()).is_some_and(|free| *free >= gpus);
            if let Some(node) = suitable.iter().find(fits) {
                return Start { node: Some(node.name.clone()), wait: now, basis };
            }
            ends.sort_by_key(|end| std::cmp::Reverse(end.at));
            let Some(end) = ends.pop() else {
                return Start { node: None, wait: UNKNOWN, basis: Basis::Unknown };
            };
            now = now.max(end.at);
            basis = basis.max(end.basis);
            if let Some(free) = free.get_mut(end.node) {
                *free = free.saturating_add(end.gpus);
            }
        }
    }

    /// Where a pod that waits could go: to the node that it fills best.
    fn place(&self, pod: &Pod, free: &BTreeMap<&str, u32>) -> Option<&Node> {
        let room = |node: &Node| free.get(node.name.as_str()).copied().unwrap_or(0);
        let could = self.nodes.iter().filter(|node| pod.may_go_to(node) && room(node) >= pod.gpus);
        could.min_by_key(|node| (room(node), node.name.as_str()))
    }

    /// When a pod that runs ends.
    fn end<'p>(&self, pod: &'p Pod) -> End<'p> {
        let (takes, basis) = self.takes(pod);
        let runs = (self.now - pod.started.unwrap_or(self.now)).max(0);
        let left = takes - runs;
        let deadline = pod.deadline.map(|deadline| (deadline - runs).max(0));
        let (at, basis) = match (left > 0 && basis != Basis::Unknown, deadline) {
            (true, _) => (left, basis),
            // Nothing is known, or it has taken longer than was expected: only its deadline is left to go by.
            (false, Some(deadline)) => (deadline, Basis::Said),
            (false, None) => (UNKNOWN, Basis::Unknown),
        };
        End { node: pod.node.as_deref().unwrap_or_default(), gpus: pod.gpus, at, basis }
    }

    /// How long a pod takes in all: what its author expects, else the median of those like it, else its deadline. No pod
    /// outlives its deadline.
    fn takes(&self, pod: &Pod) -> (i64, Basis) {
        let most = pod.deadline.unwrap_or(i64::MAX);
        match (pod.expected, self.median(&pod.stem), pod.deadline) {
            (Some(expected), _, _) => (expected.min(most), Basis::Said),
            (None, Some(median), _) => (median.min(most), Basis::Like),
            (None, None, Some(deadline)) => (deadline, Basis::Said),
            (None, None, None) => (UNKNOWN, Basis::Unknown),
        }
    }

    fn median(&self, stem: &str) -> Option<i64> {
        let like = self.pods.iter().filter(|pod| pod.stem == stem && pod.succeeded);
        let mut took: Vec<i64> = like.filter_map(|pod| Some((pod.ended? - pod.started?).max(1))).collect();
        took.sort_unstable();
        // Of an even number the longer one: who waits is not told too little.
        took.get(took.len() / 2).copied()
    }
}

/// An end that is expected.
struct End<'a> {
    node: &'a str,
    gpus: u32,
    /// Seconds from now.
    at: i64,
    basis: Basis,
}

fn take(free: &mut BTreeMap<&str, u32>, node: &str, gpus: u32) {
    if let Some(free) = free.get_mut(node) {
        *free = free.saturating_sub(gpus);
    }
}
