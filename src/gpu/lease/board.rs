//! What lies in the folder: who waits, who has what, and what is free. It is only read and changed while the queue is locked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::time::{ClockId, clock_gettime};

use super::folder::{Folder, is_abandoned, lock, text, try_lock, unlock, write};
use super::queue::{Holding, Ticket, in_order};
use super::{Held, LeaseError, Wish};

/// What the names of all tickets begin with.
const TICKET: &str = "ticket-";
/// Characters of a name that another user has given to a job.
const LONGEST_NAME: usize = 200;

/// The state of the folder at one moment.
pub(super) struct Board {
    /// In the order of their turns.
    pub(super) waiting: Vec<Ticket>,
    pub(super) held: Vec<Holding>,
    pub(super) free: BTreeSet<String>,
}

/// Files of devices that stay open while somebody waits: closing one wakes everybody else.
#[derive(Default)]
pub(super) struct Devices(BTreeMap<String, File>);

/// Microseconds since the machine was started: two jobs that arrive in one millisecond have an order too.
pub(super) fn now() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    Duration::try_from(now).map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
}

/// A name's part that no other process has: process ids are no help, since every container's first process is 1.
fn unique() -> String {
    let half = || getrandom::u64().unwrap_or_else(|_| now() ^ (u64::from(std::process::id()) << 32));
    format!("{:016x}{:016x}", half(), half())
}

/// Draws a ticket: its name, and its file, which is locked for as long as it is open. The queue is locked meanwhile, since a
/// ticket that nobody has locked is taken for a dead job's.
pub(super) fn draw(folder: &Folder, wish: &Wish) -> Result<(String, File), LeaseError> {
    let name = format!("{TICKET}{}", unique());
    let file = folder.new_file(&name)?;
    let ticket = Ticket {
        name: name.clone(),
        arrival: now(),
        priority: wish.priority,
        count: wish.count,
        devices: wish.devices.clone(),
        holder: wish.holder.clone(),
        pid: std::process::id(),
    };
    let text = serde_json::to_string(&ticket).unwrap_or_default();
    lock(&file).and_then(|()| write(&file, &text)).map_err(|error| folder.failed(&name, &error))?;
    Ok((name, file))
}

impl Board {
    /// Looks at the folder. `own` are devices to look at beside those that others wait for.
    pub(super) fn read(folder: &Folder, devices: &mut Devices, own: &[String]) -> Result<Self, LeaseError> {
        let mut waiting = Vec::new();
        for name in folder.names(TICKET)? {
            let Some(file) = folder.look(&name) else { continue };
            match is_abandoned(&file) {
                // In a sticky folder only its user may remove it; elsewhere it is passed over.
                Ok(true) => folder.remove(&name),
                Ok(false) => {
                    let ticket = text(&file).ok().and_then(|text| serde_json::from_str::<Ticket>(&text).ok());
                    waiting.extend(ticket.map(|ticket| Ticket { name, holder: short(&ticket.holder), ..ticket }));
                }
                Err(error) => return Err(folder.failed(&name, &error)),
            }
        }
        let waiting = in_order(waiting);
        let wanted: BTreeSet<String> =
            waiting.iter().flat_map(|ticket| ticket.devices.iter()).chain(own).cloned().collect();
        let (mut held, mut free) = (BTreeMap::new(), BTreeSet::new());
        for device in wanted {
            let file = match devices.open(folder, &device) {
                Ok(file) => file,
                Err(error) if own.contains(&device) => return Err(error),
                // What another job waits for, and cannot be opened, is its own trouble.
                Err(_) => continue,
            };
            if try_lock(file).map_err(|error| folder.failed(&device, &error))? {
                unlock(file);
                free.insert(device);
                continue;
            }
            let holding = text(file).ok().and_then(|text| serde_json::from_str::<Holding>(&text).ok());
            if let Some(holding) = holding.filter(|holding| holding.devices.contains(&device)) {
                held.insert(holding.id.clone(), Holding { holder: short(&holding.holder), ..holding });
            }
        }
        Ok(Self { waiting, held: held.into_values().collect(), free })
    }

    /// Who has some of these devices.
    pub(super) fn holders(&self, devices: &[String]) -> Vec<Held> {
        let now = now();
        let of = |device: &String| {
            let holding = self.held.iter().find(|holding| holding.devices.contains(device))?;
            Some(Held {
                device: device.clone(),
                holder: holding.holder.clone(),
                pid: holding.pid,
                since: Duration::from_micros(now.saturating_sub(holding.since)),
            })
        };
        devices.iter().filter_map(of).collect()
    }
}

impl Devices {
    fn open(&mut self, folder: &Folder, device: &str) -> Result<&File, LeaseError> {
        let name = file_name(device);
        let current = self.0.get(device).is_some_and(|file| folder.is_current(&name, file));
        if !current {
            self.0.insert(device.to_owned(), folder.file(&name)?);
        }
        self.0.get(device).ok_or_else(|| folder.failed(&name, &std::io::Error::other("is not open")))
    }

    /// Locks all of these devices, or none: where somebody has one after all.
    pub(super) fn take(
        &mut self,
        folder: &Folder,
        wanted: &[String],
        wish: &Wish,
    ) -> Result<Option<(String, Vec<File>)>, LeaseError> {
        for (at, device) in wanted.iter().enumerate() {
            let file = self.open(folder, device)?;
            if !try_lock(file).map_err(|error| folder.failed(device, &error))? {
                for taken in wanted.iter().take(at) {
                    unlock(self.open(folder, taken)?);
                }
                return Ok(None);
            }
        }
        let holding = Holding {
            id: unique(),
            since: now(),
            priority: wish.priority,
            preemptible: wish.preemptible,
            devices: wanted.to_vec(),
            holder: wish.holder.clone(),
            pid: std::process::id(),
        };
        let text = serde_json::to_string(&holding).unwrap_or_default();
        let mut files = Vec::new();
        for device in wanted {
            let Some(file) = self.0.remove(device) else { continue };
            let name = file_name(device);
            write(&file, &text).map_err(|error| folder.failed(&name, &error))?;
            // A program that outlives us still uses the device: it inherits the lock.
            fcntl_setfd(&file, FdFlags::empty()).map_err(|error| folder.failed(&name, &error.into()))?;
            files.push(file);
        }
        Ok(Some((holding.id, files)))
    }
}

/// The file of a device. UUIDs of drivers have letters, digits, hyphens and, for old MIG instances, slashes.
fn file_name(device: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    format!("gpu-{}.lock", device.chars().take(120).map(plain).collect::<String>())
}

fn short(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}
