//! What a cluster's labels leave out of a GPU. Which kind a product is: `gpu::kinds`.

/// GKE's names for GPUs whose size they do not say, in GB. Source: Google Cloud, "GPU machine types".
const SIZES_OF_GKE: [(&str, u64); 3] =
    [("nvidia-tesla-a100", 40), ("nvidia-tesla-v100", 16), ("nvidia-tesla-p100", 16)];

/// The memory of a product of GKE's that has one size there, in bytes.
pub(super) fn memory_of_gke(product: &str) -> Option<u64> {
    SIZES_OF_GKE.iter().find(|(name, _)| *name == product).map(|(_, size)| size * 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::kinds::product_is;

    #[test]
    fn a_name_of_gkes_means_the_size_that_it_has_there() {
        for (input, product, is) in [
            ("v100-16gb", "nvidia-tesla-v100", true),
            ("v100-32gb", "nvidia-tesla-v100", false),
            ("a100-40gb", "nvidia-tesla-a100", true),
            ("a100-80gb", "nvidia-tesla-a100", false),
            ("a100-80gb", "nvidia-a100-80gb", true),
            ("p100", "nvidia-tesla-p100", true),
        ] {
            assert_eq!(product_is(product, memory_of_gke(product), input), is, "{input} {product}");
        }
    }
}
