//! What a label calls a GPU, and what a user calls it. Sources: the products that NVIDIA's GPU feature discovery writes (the driver's
//! name with hyphens), and the accelerators of GKE.

/// Models, and the memory in GB of those that are sold with one size only.
const MODELS: [(&str, Option<u32>); 18] = [
    ("b300", None),
    ("b200", None),
    ("gh200", None),
    ("h200", Some(141)),
    ("h100", None),
    ("h20", None),
    ("a100", None),
    ("a40", Some(48)),
    ("a30", Some(24)),
    ("a10g", Some(24)),
    ("a10", Some(24)),
    ("a16", Some(16)),
    ("l40s", Some(48)),
    ("l40", Some(48)),
    ("l4", Some(24)),
    ("v100", None),
    ("t4", Some(16)),
    ("p100", None),
];
/// GKE's names for GPUs whose size they do not say. Source: Google Cloud, "GPU machine types".
const SIZES_OF_GKE: [(&str, u32); 3] =
    [("nvidia-tesla-a100", 40), ("nvidia-tesla-v100", 16), ("nvidia-tesla-p100", 16)];
/// How far the memory that a driver shows may be from what a card is sold with: a T4 of 16 GB shows 15 GiB.
const NEAR: f64 = 0.12;
/// Bytes of a GiB.
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// A kind of GPU as a user names it, such as `a100-80gb` or `h200`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct GpuKind {
    model: &'static str,
    memory_gb: Option<u32>,
}

impl GpuKind {
    /// Reads `MODEL` or `MODEL-MEMORYgb`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_lowercase();
        let (model, memory) = match lower.split_once('-') {
            Some((model, memory)) => {
                let memory = memory.strip_suffix("gb").and_then(|digits| digits.parse::<u32>().ok());
                (model, Some(memory.ok_or_else(|| unknown(text))?))
            }
            None => (lower.as_str(), None),
        };
        let (model, _) = MODELS.iter().find(|(known, _)| *known == model).ok_or_else(|| unknown(text))?;
        Ok(Self { model, memory_gb: memory })
    }

    /// Whether a GPU is of this kind: its product by the node's label, and the memory that it shows.
    pub(super) fn is(&self, product: &str, memory_bytes: Option<u64>) -> bool {
        if model_of(product) != Some(self.model) {
            return false;
        }
        let Some(wanted) = self.memory_gb.map(f64::from) else { return true };
        match (memory_bytes, named_gb(product)) {
            (Some(bytes), _) => (crate::stats::float(bytes) / GIB / wanted - 1.0).abs() <= NEAR,
            (None, Some(named)) => named == self.memory_gb.unwrap_or_default(),
            (None, None) => false,
        }
    }
}

fn unknown(text: &str) -> String {
    let models: Vec<&str> = MODELS.iter().map(|(model, _)| *model).collect();
    format!(
        "{text:?} is no kind of GPU: give MODEL or MODEL-MEMORYgb, such as a100-80gb (models: {})",
        models.join(", ")
    )
}

fn model_of(product: &str) -> Option<&'static str> {
    let product = product.to_lowercase();
    let mut words = product.split(['-', '_', ' ']);
    words.find_map(|word| MODELS.iter().find(|(model, _)| *model == word).map(|(model, _)| *model))
}

/// The memory that a product's name says, or that all of its model have.
pub(super) fn named_gb(product: &str) -> Option<u32> {
    let lower = product.to_lowercase();
    let said = lower.split(['-', '_', ' ']).find_map(|word| word.strip_suffix("gb")?.parse::<u32>().ok());
    let of_gke = SIZES_OF_GKE.iter().find(|(name, _)| *name == lower).map(|(_, size)| *size);
    let of_model = model_of(product).and_then(|model| MODELS.iter().find(|(known, _)| *known == model)?.1);
    said.or(of_gke).or(of_model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_as_clusters_name_them_are_the_kinds_that_users_mean() {
        let mib = |count: u64| Some(count * 1024 * 1024);
        for (kind, product, memory, is) in [
            ("a100-80gb", "NVIDIA-A100-SXM4-80GB", mib(81920), true),
            ("a100-40gb", "NVIDIA-A100-SXM4-80GB", mib(81920), false),
            ("a100-40gb", "NVIDIA-A100-SXM4-40GB", mib(40537), true),
            ("a100", "NVIDIA-A100-PCIE-40GB", mib(40960), true),
            ("a100-80gb", "NVIDIA-A100-80GB-PCIe", mib(81251), true),
            ("h100-80gb", "NVIDIA-H100-80GB-HBM3", mib(81559), true),
            ("h100-80gb", "NVIDIA-H100-PCIe", mib(81559), true),
            ("h100-80gb", "NVIDIA-H100-NVL", mib(95830), false),
            ("h100-80gb", "nvidia-h100-80gb", None, true),
            ("h100-80gb", "nvidia-h100-mega-80gb", None, true),
            ("h200", "NVIDIA-H200", mib(143_771), true),
            ("h100", "NVIDIA-H200", mib(143_771), false),
            ("v100-32gb", "Tesla-V100-SXM2-32GB", mib(32768), true),
            ("v100-16gb", "nvidia-tesla-v100", None, true),
            ("t4-16gb", "Tesla-T4", mib(15360), true),
            ("a100-40gb", "nvidia-tesla-a100", None, true),
            ("a100-80gb", "nvidia-a100-80gb", None, true),
            ("l4", "NVIDIA-L40S", mib(46068), false),
            ("l40s", "NVIDIA-L40S", mib(46068), true),
            ("a10", "NVIDIA-A10G", mib(23028), false),
            ("h100-80gb", "NVIDIA-H100-PCIe", None, false),
        ] {
            assert_eq!(GpuKind::read(kind).unwrap().is(product, memory), is, "{kind} {product}");
        }
        for bad in ["", "rtx", "a100-80", "a100-big", "80gb"] {
            assert!(GpuKind::read(bad).is_err(), "{bad}");
        }
    }
}
