//! The most memory of a server's devices that was in use, by a look each second. Kept out: how a device is asked (`gpu`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// A watch that ends when this goes out of scope.
pub(super) struct Peak {
    most: Arc<AtomicU64>,
    watch: Option<JoinHandle<()>>,
}

impl Peak {
    /// Watches the devices that are named by their UUID. Numbers say nothing of which device is meant, and nobody is watched by them.
    pub(super) fn watch(visible: Option<&str>) -> Self {
        let names = visible.unwrap_or_default().split(',').map(str::trim);
        let devices: Vec<String> =
            names.filter(|name| name.starts_with("GPU-") || name.starts_with("MIG-")).map(str::to_owned).collect();
        let most = Arc::new(AtomicU64::new(0));
        if devices.is_empty() {
            return Self { most, watch: None };
        }
        let (devices, seen) = (Arc::new(devices), Arc::clone(&most));
        let watch = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(LOOK);
            loop {
                ticks.tick().await;
                let devices = Arc::clone(&devices);
                // A driver takes its time.
                let used = tokio::task::spawn_blocking(move || used(&devices)).await;
                if let Ok(Some(used)) = used {
                    seen.fetch_max(used, Ordering::Relaxed);
                }
            }
        });
        Self { most, watch: Some(watch) }
    }

    /// Bytes; none where no device was watched, or none could be asked.
    pub(super) fn bytes(&self) -> Option<u64> {
        Some(self.most.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }
}

impl Drop for Peak {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
    }
}

/// The sum over all devices; none where one of them does not say.
#[cfg(feature = "programs")]
fn used(devices: &[String]) -> Option<u64> {
    devices.iter().map(|device| crate::gpu::used_memory(device)).sum()
}

#[cfg(not(feature = "programs"))]
fn used(_: &[String]) -> Option<u64> {
    None
}
