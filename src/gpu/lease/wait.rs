//! Waiting without looking all the time: the kernel says when a file of the folder is closed, made or removed.

use std::mem::MaybeUninit;
use std::path::Path;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

/// Milliseconds between looks after something has happened. A killed holder's files are reported closed a moment before its
/// locks are gone (`__fput` in the kernel's `fs/file_table.c`), hence the first ones; the last one goes on for ever, since
/// nothing is reported of a network folder's other machines.
const PAUSES: [u64; 4] = [25, 200, 1000, 5000];
/// Milliseconds between looks where the kernel gives us no watch (`fs.inotify.max_user_instances` is reached).
const BLIND: u64 = 200;

/// Wakes a thread that waits.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Rings until the end: whoever waits for it is to stop.
    pub(super) fn ring(&self) {
        // A bell that cannot ring more has rung.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    pub(super) fn has_rung(&self) -> bool {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&Timespec::default())), Ok(1..))
    }
}

/// Looks at a folder.
pub(super) struct Watch {
    inotify: Option<OwnedFd>,
    /// How often nothing has happened since something has.
    quiet: usize,
    /// Keeps processes that began together apart.
    jitter: u64,
}

impl Watch {
    pub(super) fn new(folder: &Path) -> Self {
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ONLYDIR;
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .and_then(|inotify| inotify::add_watch(&inotify, folder, flags).map(|_| inotify));
        let jitter = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id())) % 50;
        Self { inotify: watch.ok(), quiet: 0, jitter }
    }

    /// Waits until something has happened, the bell rings, or it is time to look anyway.
    pub(super) fn wait(&mut self, bell: &Bell, most: Duration) {
        let pause = match self.inotify {
            Some(_) => PAUSES.get(self.quiet).or(PAUSES.last()).copied().unwrap_or(BLIND),
            None => BLIND,
        };
        let pause = Duration::from_millis(pause + self.jitter * pause / 200).min(most);
        let mut fds = vec![PollFd::new(&bell.0, PollFlags::IN)];
        if let Some(inotify) = &self.inotify {
            fds.push(PollFd::new(inotify, PollFlags::IN));
        }
        // An interruption is one more look.
        let _ = poll(&mut fds, timespec(pause).as_ref());
        let happened = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
        drop(fds);
        self.quiet = if happened { 0 } else { self.quiet.saturating_add(1) };
        self.drain();
    }

    /// What has happened is seen by looking; the messages themselves are of no use.
    fn drain(&self) {
        let Some(inotify) = &self.inotify else { return };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        loop {
            match rustix::io::read(inotify, &mut buffer) {
                Ok((read, _)) if !read.is_empty() => {}
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => return,
            }
        }
    }
}

/// Waits for so many milliseconds, in a thread of its own.
pub(super) fn pause(milliseconds: u64) {
    let _ = poll(&mut [], timespec(Duration::from_millis(milliseconds)).as_ref());
}

fn timespec(duration: Duration) -> Option<Timespec> {
    Timespec::try_from(duration).ok()
}
