//! A preemptible holder looks at the queue while it works, and is told when a more urgent job waits for its devices.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::board::{Board, Devices};
use super::folder::Folder;
use super::queue::giving_way;
use super::wait::{Bell, Watch};
use super::{Lease, LeaseError, Wish};

/// The longest time between two looks; `Watch` looks oftener.
const LOOK: Duration = Duration::from_secs(30);

/// The lease of devices that were just taken, with somebody who looks at the queue where the job is preemptible.
pub(super) fn lease(path: &Path, wish: &Wish, id: String, devices: Vec<String>, files: Vec<File>) -> Lease {
    let wanted = CancellationToken::new();
    let mut watcher = None;
    if wish.preemptible
        && let Ok(bell) = Bell::new()
    {
        let bell = Arc::new(bell);
        let look =
            Look { path: path.to_owned(), id, own: devices.clone(), bell: Arc::clone(&bell), wanted: wanted.clone() };
        let thread = std::thread::Builder::new().name("gpu-lease-watch".to_owned());
        // Without a thread the job is merely not preempted.
        if thread.spawn(move || look.until_wanted()).is_ok() {
            watcher = Some(bell);
        }
    }
    Lease { devices, files, wanted, watcher }
}

struct Look {
    path: PathBuf,
    id: String,
    own: Vec<String>,
    bell: Arc<Bell>,
    wanted: CancellationToken,
}

impl Look {
    /// A folder that cannot be read any more asks for nothing back.
    fn until_wanted(&self) {
        let Ok(mut folder) = Folder::open(&self.path) else { return };
        let mut watch = Watch::new(folder.path());
        let mut devices = Devices::default();
        while !self.bell.has_rung() {
            match folder.locked(|folder| self.is_wanted(folder, &mut devices)) {
                Ok(true) => return self.wanted.cancel(),
                Ok(false) => watch.wait(&self.bell, LOOK),
                Err(_) => return,
            }
        }
    }

    fn is_wanted(&self, folder: &Folder, devices: &mut Devices) -> Result<bool, LeaseError> {
        let board = Board::read(folder, devices, &self.own)?;
        Ok(giving_way(&board.waiting, &board.free, &board.held).contains(&self.id))
    }
}
