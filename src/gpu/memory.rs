//! The most memory of some devices that was in use. NVML is asked in a process of our own, which looks again and again until
//! nobody wants to know it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::child::{self, Kept};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// The child's work, by the first of its arguments.
pub(super) const WORK: &str = "memory";

/// A watch that ends when this goes out of scope.
pub struct MemoryWatch {
    most: Arc<AtomicU64>,
    _child: Kept,
}

impl MemoryWatch {
    /// Watches devices by their UUIDs, as `nvidia-smi -L` shows them. None for no device, where the process cannot be started, and
    /// for programs that only link this library.
    pub fn start(uuids: &[String]) -> Option<Self> {
        if uuids.is_empty() || !child::is_ours() {
            return None;
        }
        let arguments: Vec<String> = std::iter::once(WORK.to_owned()).chain(uuids.iter().cloned()).collect();
        let (child, answers) = child::start(&arguments).ok()?;
        let most = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&most);
        let listener = std::thread::Builder::new().name(WORK.to_owned()).spawn(move || {
            for bytes in answers.iter().filter_map(|answer| answer.parse().ok()) {
                seen.fetch_max(bytes, Ordering::Relaxed);
            }
        });
        listener.ok().map(|_| Self { most, _child: child })
    }

    /// Bytes of all devices together; none where NVML never said it of each of them.
    pub fn bytes(&self) -> Option<u64> {
        Some(self.most.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }
}

/// The child's part.
pub(super) fn work(uuids: &[String], say: &mut dyn FnMut(serde_json::Result<String>)) {
    super::nvml::each_used_memory(uuids, LOOK, &mut |bytes| say(serde_json::to_string(&bytes)));
}
