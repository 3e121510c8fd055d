//! Who is running on this machine, as /proc tells it, and what a server has left behind. Kept out: when it is ended.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// The variable by which everything that a server has started is known, whoever its parent is by then.
pub(super) const MARK: &str = "LLMCI_SERVER";
/// How long killed processes may take to be gone: one that waits for a broken disk or driver does not die.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// One process that is no zombie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Running {
    /// Its id.
    pub(super) id: i32,
    parent: i32,
    group: i32,
    session: i32,
    /// When it began, in the system's ticks: with its id it names one process for ever.
    began: u64,
}

/// Everybody. A process that ends while it is looked at is left out.
fn everybody() -> Vec<Running> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter_map(|id| parse(id, &String::from_utf8_lossy(&std::fs::read(format!("/proc/{id}/stat")).ok()?))).collect()
}

/// The fields behind the name, which may hold anything, brackets too. Source: proc_pid_stat(5).
fn parse(id: i32, stat: &str) -> Option<Running> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let mut number = || fields.next()?.parse().ok();
    let (parent, group, session) = (number()?, number()?, number()?);
    // The 22nd field; the session is the 6th.
    let began = fields.nth(15)?.parse().ok()?;
    let running = Running { id, parent, group, session, began };
    (!matches!(state, "Z" | "X")).then_some(running)
}

/// All that `of` has started and that still runs, at any depth.
pub(super) fn descendants(of: i32) -> Vec<Running> {
    family(&everybody(), |process| process.parent == of)
}

/// Those for whom `first` holds, and all that they have started.
fn family(everybody: &[Running], first: impl Fn(&Running) -> bool) -> Vec<Running> {
    let mut ids: BTreeSet<i32> = everybody.iter().filter(|process| first(process)).map(|process| process.id).collect();
    loop {
        let more: Vec<i32> = everybody
            .iter()
            .filter(|process| !ids.contains(&process.id) && ids.contains(&process.parent))
            .map(|process| process.id)
            .collect();
        if more.is_empty() {
            break;
        }
        ids.extend(more);
    }
    everybody.iter().filter(|process| ids.contains(&process.id)).copied().collect()
}

/// Sends one signal to each. One that is gone by then is what is wanted.
pub(super) fn send(to: &[Running], signal: Signal) {
    for pid in to.iter().filter_map(|process| Pid::from_raw(process.id)) {
        let _ = kill_process(pid, signal);
    }
}

/// Who is left of a server whose supervisor is dead: its session, its group, whoever carries its mark or was seen before, and what they
/// have started.
pub(super) struct Left<'a> {
    /// The supervisor: its id is that of the session. It has to be unreaped, so that nobody else has the id.
    pub(super) supervisor: i32,
    /// The server, once it was started: its id is that of the group.
    pub(super) server: Option<i32>,
    /// The value of [`MARK`].
    pub(super) mark: &'a str,
    /// Those that were seen while it lived.
    pub(super) known: &'a [Running],
}

impl Left<'_> {
    fn look(&self) -> Vec<Running> {
        let ours = i32::try_from(std::process::id()).ok();
        let mark = format!("{MARK}={}", self.mark);
        let mut left = family(&everybody(), |process| {
            let of_server = self.server.is_some_and(|server| process.group == server || process.id == server);
            let known = self.known.iter().any(|known| (known.id, known.began) == (process.id, process.began));
            process.session == self.supervisor || of_server || known || carries(process.id, mark.as_bytes())
        });
        left.retain(|process| Some(process.id) != ours && process.id != self.supervisor);
        left
    }

    /// Kills them all; false where some would not die.
    pub(super) async fn kill(&self) -> bool {
        let killing = async {
            loop {
                let left = self.look();
                if left.is_empty() {
                    break;
                }
                send(&left, Signal::KILL);
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, killing).await.is_ok()
    }
}

fn carries(id: i32, mark: &[u8]) -> bool {
    let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == mark)
}

/// Whether somebody else, whom we can see, listens on a port of this machine: a server that found it taken would end later, and
/// until then the other's answers would be its own. Nobody who cannot be seen (a proxy of containers, say) counts.
pub(super) fn is_taken_by_others(port: u16, supervisor: i32) -> bool {
    let sockets: BTreeSet<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .flat_map(|table| listening(&std::fs::read_to_string(table).unwrap_or_default(), port))
        .collect();
    if sockets.is_empty() {
        return false;
    }
    let ours: BTreeSet<i32> = descendants(supervisor).iter().map(|process| process.id).collect();
    let holders: Vec<i32> = everybody().iter().map(|process| process.id).filter(|id| holds(*id, &sockets)).collect();
    !holders.is_empty() && !holders.iter().any(|id| ours.contains(id))
}

/// The sockets that listen on a port. Source: proc_net_tcp; state 0A is LISTEN.
fn listening(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&suffix) && *fields.get(3)? == "0A";
        listens.then(|| format!("socket:[{}]", fields.get(9).copied().unwrap_or_default()))
    };
    table.lines().skip(1).filter_map(socket).collect()
}

fn holds(id: i32, sockets: &BTreeSet<String>) -> bool {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{id}/fd")) else { return false };
    entries
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .any(|target| target.to_str().is_some_and(|target| sockets.contains(target)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_hides_no_field_and_a_zombie_is_gone() {
        let running = parse(7, "7 (a) Z 1 (b)) S 1 7 5 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9").unwrap();
        assert_eq!(running, Running { id: 7, parent: 1, group: 7, session: 5, began: 4711 });
        assert_eq!(parse(7, "7 (x) Z 1 7 5 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9"), None);
        assert_eq!(parse(7, "nothing"), None);
    }

    #[test]
    fn a_family_is_found_at_any_depth_and_in_any_order() {
        let process = |id, parent| Running { id, parent, group: id, session: id, began: 1 };
        let all = [process(9, 8), process(8, 2), process(2, 1), process(3, 1), process(4, 3)];
        let ids: Vec<i32> = family(&all, |process| process.id == 2).iter().map(|process| process.id).collect();
        assert_eq!(ids, [9, 8, 2]);
    }

    #[test]
    fn a_listener_of_our_own_is_seen_as_somebody_else_by_a_server_that_is_not_its_parent() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        // We are no descendant of ourselves.
        let ours = i32::try_from(std::process::id()).unwrap();
        assert!(is_taken_by_others(port, ours));
        drop(listener);
        assert!(!is_taken_by_others(port, ours));
    }
}
