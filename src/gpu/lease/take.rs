//! Taking devices: draw a ticket, look whose turn it is, wait, look again. A thread of its own does it, since locks have no
//! asynchronous form.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::board::{Board, Devices, draw};
use super::folder::Folder;
use super::queue::lent;
use super::wait::{Bell, Watch};
use super::{Lease, LeaseError, Waiting, Wish, give_way};

/// Between two messages where nothing has changed.
const REMIND: Duration = Duration::from_secs(30);
/// Between two messages in any case.
const CALM: Duration = Duration::from_secs(2);
/// How long the thread may take to end after its time.
const GRACE: Duration = Duration::from_secs(3);

/// Waits for devices and takes them, all or none. `tell` is called while it waits: at once, when the place changes, and every
/// 30 seconds. Whoever drops the future is lent nothing.
pub async fn take(
    folder: &Path,
    wish: Wish,
    patience: Duration,
    cancel: &CancellationToken,
    tell: impl Fn(&Waiting) + Send + 'static,
) -> Result<Lease, LeaseError> {
    let failed = |what: &dyn std::fmt::Display| LeaseError::Folder {
        path: folder.display().to_string(),
        what: what.to_string(),
    };
    let bell = Arc::new(Bell::new().map_err(|error| failed(&error))?);
    let (sender, receiver) = oneshot::channel();
    let (path, heard) = (folder.to_owned(), Arc::clone(&bell));
    let work = move || {
        // Nobody may be there any more: then the lease ends here.
        let _ = sender.send(take_here(&path, &wish, patience, &heard, &tell));
    };
    let thread = std::thread::Builder::new().name("gpu-lease".to_owned());
    thread.spawn(work).map_err(|error| failed(&error))?;
    let _stop = RingAtEnd(Arc::clone(&bell));
    let mut receiver = receiver;
    let last = patience.saturating_add(GRACE);
    tokio::select! {
        biased;
        () = cancel.cancelled() => {
            bell.ring();
            // Its ticket goes with it, where it can be removed at once.
            let _ = tokio::time::timeout(GRACE, receiver).await;
            Err(LeaseError::Cancelled)
        }
        taken = tokio::time::timeout(last, &mut receiver) => match taken {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(failed(&"the thread that waits for devices has ended")),
            Err(_) => Err(LeaseError::Stuck),
        },
    }
}

struct RingAtEnd(Arc<Bell>);

impl Drop for RingAtEnd {
    fn drop(&mut self) {
        self.0.ring();
    }
}

/// A place in the queue, which is left when it goes out of scope.
struct Place {
    name: String,
    file: Option<File>,
    path: std::path::PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        // First the name, then the lock: nobody sees a ticket without a lock.
        let _ = std::fs::remove_file(self.path.join(&self.name));
        self.file = None;
    }
}

/// The same in this thread, until the bell rings.
pub(super) fn take_here(
    path: &Path,
    wish: &Wish,
    patience: Duration,
    bell: &Arc<Bell>,
    tell: &dyn Fn(&Waiting),
) -> Result<Lease, LeaseError> {
    if wish.count == 0 || wish.count as usize > wish.devices.len() {
        return Err(LeaseError::TooFew { wanted: wish.count, fit: wish.devices.len() });
    }
    let began = Instant::now();
    let mut folder = Folder::open(path)?;
    let mut watch = Watch::new(path);
    let mut devices = Devices::default();
    let (name, file) = folder.locked(|folder| draw(folder, wish))?;
    let place = Place { name, file: Some(file), path: path.to_owned() };
    let mut told: Option<(Instant, usize)> = None;
    loop {
        if bell.has_rung() {
            return Err(LeaseError::Cancelled);
        }
        let looked = folder.locked(|folder| look(folder, &mut devices, wish, &place.name))?;
        let mut waiting = match looked {
            Looked::Lent { id, devices, files } => {
                drop(place);
                return Ok(give_way::lease(path, wish, id, devices, files));
            }
            Looked::Waits(waiting) => waiting,
        };
        waiting.waited = began.elapsed();
        let Some(left) = patience.checked_sub(waiting.waited).filter(|left| !left.is_zero()) else {
            return Err(LeaseError::Late(Box::new(waiting)));
        };
        let due = match told {
            None => Duration::ZERO,
            Some((at, place)) => {
                let between = if place == waiting.place { REMIND } else { CALM };
                between.saturating_sub(at.elapsed())
            }
        };
        if due.is_zero() {
            tell(&waiting);
            told = Some((Instant::now(), waiting.place));
        }
        watch.wait(bell, left.min(if due.is_zero() { REMIND } else { due }));
        if !folder.is_there() {
            let gone = std::io::Error::other("it was removed or replaced while we waited");
            return Err(folder.failed("", &gone));
        }
    }
}

/// What one look has shown.
enum Looked {
    Lent { id: String, devices: Vec<String>, files: Vec<File> },
    Waits(Waiting),
}

fn look(folder: &Folder, devices: &mut Devices, wish: &Wish, name: &str) -> Result<Looked, LeaseError> {
    let board = Board::read(folder, devices, &wish.devices)?;
    let place = board.waiting.iter().position(|ticket| ticket.name == name);
    let Some(place) = place else {
        let gone = std::io::Error::other("somebody has removed our ticket while we waited");
        return Err(folder.failed(name, &gone));
    };
    if let Some(wanted) = lent(&board.waiting, &board.free, name)
        && let Some((id, files)) = devices.take(folder, &wanted, wish)?
    {
        return Ok(Looked::Lent { id, devices: wanted, files });
    }
    Ok(Looked::Waits(Waiting {
        place: place + 1,
        of: board.waiting.len(),
        count: wish.count,
        waited: Duration::ZERO,
        held: board.holders(&wish.devices),
    }))
}
