//! Devices lent to one job at a time: advisory locks in a folder that all jobs of a machine share.
//!
//! # How it works
//!
//! - `queue.lock` guards everything that is decided: it is held for a moment at a time, and never while somebody waits.
//! - `gpu-<uuid>.lock` is locked for as long as a device is lent; its text says to whom.
//! - `ticket-<random>` is one waiting job, which keeps its own file locked. A ticket that nobody has locked is a dead job's.
//!
//! All locks are `flock(2)`: they belong to an open file, so they end with the processes that have it open, however those end.
//! (Locks of `fcntl` belong to a process and are lost when any thread closes any copy of the file.) Devices are only taken
//! while `queue.lock` is held, all of them or none, so that two jobs can neither have the same device nor wait for each other.
//!
//! The files of lent devices are inherited by the programs that the holder starts. When the holder is killed and a program of
//! its own lives on, the device is still in use, and is lent to nobody before that program is gone too.

mod board;
mod folder;
mod give_way;
mod queue;
mod shared;
mod take;
#[cfg(test)]
mod tests;
mod wait;

use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use queue::AGING;
pub use shared::private_to_container;
pub use take::take;
use wait::Bell;

/// The least and the most urgent priority.
pub const PRIORITIES: std::ops::RangeInclusive<u8> = 1..=10;

/// What a job wants to be lent.
#[derive(Clone, Debug)]
pub struct Wish {
    /// UUIDs of the devices that suffice, the best one first.
    pub devices: Vec<String>,
    /// How many of them.
    pub count: u32,
    /// 1 to 10; 10 is the most urgent.
    pub priority: u8,
    /// Whether the job gives way to a more urgent one.
    pub preemptible: bool,
    /// Who it is, for those who wait. Every user of the machine can read it.
    pub holder: String,
}

/// Devices that are ours. They are given back when it goes out of scope and no program that was started meanwhile lives.
#[derive(Debug)]
pub struct Lease {
    devices: Vec<String>,
    files: Vec<File>,
    wanted: CancellationToken,
    watcher: Option<Arc<Bell>>,
}

impl Lease {
    /// The UUIDs, in the order of the wish.
    pub fn devices(&self) -> &[String] {
        &self.devices
    }

    /// The value of `CUDA_VISIBLE_DEVICES` for programs that use them.
    pub fn visible(&self) -> String {
        self.devices.join(",")
    }

    /// Set when a more urgent job waits for these devices; never without `preemptible`.
    pub fn wanted_back(&self) -> CancellationToken {
        self.wanted.clone()
    }

    /// Gives them back at once, whatever was started meanwhile.
    pub fn give_back(self) {
        for file in &self.files {
            // What cannot be unlocked is unlocked by being closed.
            let _ = rustix::fs::flock(file, rustix::fs::FlockOperation::Unlock);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(bell) = &self.watcher {
            bell.ring();
        }
    }
}

/// A device that somebody else has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Its UUID.
    pub device: String,
    /// Who has it, as the holder says.
    pub holder: String,
    /// The holder's process id, in the holder's own container.
    pub pid: u32,
    /// For how long.
    pub since: Duration,
}

/// Where a waiting job stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// 1 for the next one.
    pub place: usize,
    /// How many wait.
    pub of: usize,
    /// Devices that are wanted.
    pub count: u32,
    /// For how long it has waited.
    pub waited: Duration,
    /// Who has the devices that would do.
    pub held: Vec<Held>,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, of, count, waited, held } = self;
        let devices = if *count == 1 { "a GPU".to_owned() } else { format!("{count} GPUs") };
        write!(f, "waiting for {devices}: place {place} of {of}, for {}", span(*waited))?;
        for Held { device, holder, pid, since } in held {
            write!(f, "; {device} is with {holder} (pid {pid}) for {}", span(*since))?;
        }
        Ok(())
    }
}

fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Why nothing was lent.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The folder or a file in it.
    #[error("the folder of GPU leases {path}: {what}")]
    Folder {
        /// As it was named.
        path: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// The wish can never be granted.
    #[error("{wanted} GPUs are wanted, and {fit} would do")]
    TooFew {
        /// Wanted.
        wanted: u32,
        /// On this machine.
        fit: usize,
    },
    /// Others had the devices for too long.
    #[error("no GPU was free in time: {0}")]
    Late(Box<Waiting>),
    /// Somebody holds the queue itself and does not let go of it: a stopped process.
    #[error("the queue of GPU leases does not move: a stopped process may hold queue.lock (see it with `lslocks`)")]
    Stuck,
    /// Cancelled from outside.
    #[error("cancelled while waiting for a GPU")]
    Cancelled,
}
