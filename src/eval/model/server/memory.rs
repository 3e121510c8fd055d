//! The most memory of a server's devices that was in use. Kept out: how a device is asked, and how often (`gpu`).

#[cfg(feature = "programs")]
use crate::gpu::MemoryWatch;

/// A watch that ends when this goes out of scope.
pub(super) struct Peak {
    #[cfg(feature = "programs")]
    watch: Option<MemoryWatch>,
}

impl Peak {
    /// Watches the devices that are named by their UUID. Numbers say nothing of which device is meant, and nobody is watched by them.
    #[cfg(feature = "programs")]
    pub(super) fn watch(visible: Option<&str>) -> Self {
        let names = visible.unwrap_or_default().split(',').map(str::trim);
        let devices: Vec<String> =
            names.filter(|name| name.starts_with("GPU-") || name.starts_with("MIG-")).map(str::to_owned).collect();
        Self { watch: MemoryWatch::start(&devices) }
    }

    #[cfg(not(feature = "programs"))]
    pub(super) fn watch(_: Option<&str>) -> Self {
        Self {}
    }

    /// Bytes; none where no device was watched, or none could be asked.
    pub(super) fn bytes(&self) -> Option<u64> {
        #[cfg(feature = "programs")]
        return self.watch.as_ref()?.bytes();
        #[cfg(not(feature = "programs"))]
        None
    }
}
