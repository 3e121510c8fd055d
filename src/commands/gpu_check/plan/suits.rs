//! Which nodes could hold the job, now or once others have gone. Pure.

use super::args::Spot;
use super::price::Prices;
use super::seen::{Node, Taint};
use crate::gpu::kinds::{product_is, product_memory_gb};

/// What the job needs of a node.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) gpus: u32,
    /// As `--gpu-type` names them; empty for any.
    pub(super) kinds: Vec<String>,
    /// Memory of each GPU in GB of 10^9 bytes at least.
    pub(super) min_memory_gb: Option<f64>,
    /// For one GPU and hour, at most.
    pub(super) max_price: Option<f64>,
    pub(super) spot: Spot,
    /// Further keys of taints that it may tolerate.
    pub(super) tolerate: Vec<String>,
    pub(super) priority: i64,
    pub(super) hours: f64,
}

/// Whether a node is one for the job.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Suits {
    Yes,
    /// It would be, and takes no pods at present: why.
    Later(&'static str),
    /// It is none: why.
    Never(String),
}

/// Keys of taints that stand on GPU and spot nodes and mean nothing else. Sources: NVIDIA's GPU operator and GKE (`nvidia.com/gpu`), AKS
/// (`sku=gpu`, `kubernetes.azure.com/scalesetpriority=spot`), GKE's spot and preemptible node pools.
const OF_GPU_NODES: [(&str, Option<&str>); 6] = [
    ("nvidia.com/gpu", None),
    ("sku", Some("gpu")),
    ("kubernetes.azure.com/scalesetpriority", Some("spot")),
    ("cloud.google.com/gke-spot", Some("true")),
    ("cloud.google.com/gke-preemptible", Some("true")),
    ("cloud.google.com/gke-accelerator", None),
];

impl Job {
    /// Whether the job's pod tolerates a taint.
    pub(super) fn tolerates(&self, taint: &Taint) -> bool {
        let known =
            |(key, value): &(&str, Option<&str>)| *key == taint.key && value.is_none_or(|value| value == taint.value);
        OF_GPU_NODES.iter().any(known) || self.tolerate.contains(&taint.key)
    }

    /// Whether a node could hold it when nobody else was there.
    pub(super) fn suits(&self, node: &Node, prices: &Prices) -> Suits {
        let never = |why: String| Suits::Never(why);
        if let Some(why) = node.parts {
            return never(why.to_owned());
        }
        let product = node.product.as_ref().map(|(_, name)| name.as_str());
        if !self.kinds.is_empty() {
            let Some(product) = product else { return never("no label says what its GPUs are".to_owned()) };
            if !self.kinds.iter().any(|kind| product_is(product, node.memory_bytes, kind)) {
                return never("another kind of GPU".to_owned());
            }
        }
        if let Some(least) = self.min_memory_gb {
            match product_memory_gb(product.unwrap_or_default(), node.memory_bytes) {
                None => return never("no label says how much memory its GPUs have".to_owned()),
                Some(gb) if gb < least => return never("its GPUs have too little memory".to_owned()),
                Some(_) => {}
            }
        }
        match (self.spot, &node.spot) {
            (Spot::Never, Some(_)) => return never("a spot machine".to_owned()),
            (Spot::Only, None) => return never("no spot machine".to_owned()),
            (Spot::Allow, _) | (Spot::Only, Some(_)) | (Spot::Never, None) => {}
        }
        // Without any GPU in `allocatable` a node may be starting: its device plugin has not spoken yet.
        if node.gpus < self.gpus && (node.ready || node.gpus > 0) {
            return never(format!("it has {} GPU{}", node.gpus, if node.gpus == 1 { "" } else { "s" }));
        }
        if let Some(most) = self.max_price {
            match prices.of_gpu(node) {
                None => return never("its price is not known".to_owned()),
                Some(price) if price > most => return never("it costs more than --max-price".to_owned()),
                Some(_) => {}
            }
        }
        let repels = node.taints.iter().filter(|taint| taint.repels() && !self.tolerates(taint));
        if let Some(taint) = repels.clone().find(|taint| !taint.passes()) {
            return never(format!("its taint {} keeps the job away (--tolerate {})", taint.key, taint.key));
        }
        if node.cordoned {
            return Suits::Later("cordoned");
        }
        if !node.ready {
            return Suits::Later("not ready");
        }
        if repels.count() > 0 {
            return Suits::Later("in a state that keeps pods away");
        }
        Suits::Yes
    }
}
