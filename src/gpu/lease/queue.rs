//! Who is next, and who gives way: pure rules, which every process works out for itself from what lies in the folder.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// So much waiting weighs as much as one step of priority. The most urgent job overtakes the least urgent one by at most nine
/// times this, so that nobody waits for ever.
pub const AGING: Duration = Duration::from_secs(600);

/// One job that waits.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Ticket {
    /// The name of its file.
    #[serde(skip)]
    pub(super) name: String,
    /// Microseconds since the machine was started: the same clock for all jobs, which nobody sets.
    pub(super) arrival: u64,
    pub(super) priority: u8,
    pub(super) count: u32,
    /// Those that suffice, the best one first.
    pub(super) devices: Vec<String>,
    #[serde(default)]
    pub(super) holder: String,
    #[serde(default)]
    pub(super) pid: u32,
}

/// One job that has devices.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Holding {
    /// No other job has it.
    pub(super) id: String,
    /// As in [`Ticket::arrival`], when it was lent.
    pub(super) since: u64,
    pub(super) priority: u8,
    pub(super) preemptible: bool,
    pub(super) devices: Vec<String>,
    #[serde(default)]
    pub(super) holder: String,
    #[serde(default)]
    pub(super) pid: u32,
}

impl Ticket {
    /// The smaller, the earlier its turn. Waiting counts continuously, so two jobs never change places while they wait.
    fn turn(&self) -> i128 {
        let step = i128::from(AGING.as_secs()) * 1_000_000;
        i128::from(self.arrival) - i128::from(self.priority.min(10)) * step
    }

    /// Whether its devices could ever be enough.
    fn is_possible(&self) -> bool {
        let different: BTreeSet<&String> = self.devices.iter().collect();
        self.count > 0 && self.count as usize <= different.len()
    }
}

/// The tickets in the order of their turns; what can never be granted stands in nobody's way.
pub(super) fn in_order(mut tickets: Vec<Ticket>) -> Vec<Ticket> {
    tickets.retain(Ticket::is_possible);
    for ticket in &mut tickets {
        let mut seen = BTreeSet::new();
        ticket.devices.retain(|device| seen.insert(device.clone()));
    }
    tickets.sort_by(|left, right| left.turn().cmp(&right.turn()).then_with(|| left.name.cmp(&right.name)));
    tickets
}

/// The devices that a job may take now; none where it has to wait. What an earlier job could use is kept for it, even while
/// that is not enough for it: how long jobs take is not known, so a later one that slips in could make it wait for ever.
pub(super) fn lent(tickets: &[Ticket], free: &BTreeSet<String>, name: &str) -> Option<Vec<String>> {
    let mut free = free.clone();
    for ticket in tickets {
        let mut fitting: Vec<String> = ticket.devices.iter().filter(|device| free.contains(*device)).cloned().collect();
        let enough = fitting.len() >= ticket.count as usize;
        if enough {
            fitting.truncate(ticket.count as usize);
        }
        if ticket.name == name {
            return enough.then_some(fitting);
        }
        for device in &fitting {
            free.remove(device);
        }
    }
    None
}

/// The jobs that give way: preemptible ones of a lower priority than a job that waits, where their devices are what that job
/// lacks, the least urgent and then the youngest first. Nobody gives way where it would not be enough, and they give way to one
/// job at a time: whoever is served first may choose other devices than we would for it.
pub(super) fn giving_way(tickets: &[Ticket], free: &BTreeSet<String>, held: &[Holding]) -> BTreeSet<String> {
    let mut order: Vec<&Holding> = held.iter().filter(|holding| holding.preemptible).collect();
    order.sort_by(|left, right| (left.priority, right.since, &left.id).cmp(&(right.priority, left.since, &right.id)));
    let mut free = free.clone();
    // What an earlier job could use is kept for it: to clear it for a later one would be in vain.
    let mut kept: BTreeSet<&String> = BTreeSet::new();
    for ticket in tickets {
        let enough = ticket.count as usize;
        let fits = |device: &&String| ticket.devices.contains(device) && !kept.contains(device);
        let fitting: Vec<String> =
            ticket.devices.iter().filter(|device| free.contains(*device)).filter(fits).cloned().collect();
        if fitting.len() >= enough {
            for device in fitting.iter().take(enough) {
                free.remove(device);
            }
            continue;
        }
        let mut there = fitting.len();
        let mut chosen = BTreeSet::new();
        for holding in order.iter().filter(|holding| holding.priority < ticket.priority) {
            let usable = holding.devices.iter().filter(fits).count();
            if there < enough && usable > 0 {
                there += usable;
                chosen.insert(holding.id.clone());
            }
        }
        if there >= enough {
            return chosen;
        }
        kept.extend(&ticket.devices);
    }
    BTreeSet::new()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ticket(name: &str, minutes: u64, priority: u8, count: u32, devices: &[&str]) -> Ticket {
        Ticket {
            name: name.to_owned(),
            arrival: minutes * 60_000_000,
            priority,
            count,
            devices: set(devices).into_iter().collect(),
            holder: String::new(),
            pid: 0,
        }
    }

    fn holding(id: &str, since: u64, priority: u8, devices: &[&str]) -> Holding {
        Holding {
            id: id.to_owned(),
            since,
            priority,
            preemptible: true,
            devices: set(devices).into_iter().collect(),
            holder: String::new(),
            pid: 0,
        }
    }

    fn set(devices: &[&str]) -> BTreeSet<String> {
        devices.iter().map(|device| (*device).to_owned()).collect()
    }

    fn names(tickets: Vec<Ticket>) -> Vec<String> {
        in_order(tickets).into_iter().map(|ticket| ticket.name).collect()
    }

    #[test]
    fn the_urgent_come_first_then_those_who_came_first() {
        let waiting =
            vec![ticket("late", 2, 5, 1, &["a"]), ticket("early", 1, 5, 1, &["a"]), ticket("urgent", 3, 10, 1, &["a"])];
        assert_eq!(names(waiting), ["urgent", "early", "late"]);
    }

    #[test]
    fn the_least_urgent_job_is_overtaken_for_ninety_minutes_and_no_longer() {
        let patient = ticket("patient", 0, 1, 1, &["a"]);
        let after = |minutes| names(vec![patient.clone(), ticket("urgent", minutes, 10, 1, &["a"])]);
        assert_eq!(after(89), ["urgent", "patient"]);
        assert_eq!(after(91), ["patient", "urgent"]);
    }

    #[test]
    fn one_who_needs_two_is_not_overtaken_by_those_who_need_one() {
        let waiting = in_order(vec![ticket("two", 1, 5, 2, &["a", "b"]), ticket("one", 2, 5, 1, &["a", "b"])]);
        assert_eq!(lent(&waiting, &set(&["a"]), "one"), None);
        assert_eq!(lent(&waiting, &set(&["a"]), "two"), None);
        assert_eq!(lent(&waiting, &set(&["a", "b"]), "two").map(|devices| devices.len()), Some(2));
        assert_eq!(lent(&waiting, &set(&["a", "b"]), "one"), None);
    }

    #[test]
    fn one_who_needs_another_kind_of_device_is_not_kept_waiting() {
        let waiting = in_order(vec![ticket("large", 1, 5, 1, &["h100"]), ticket("any", 2, 5, 1, &["h100", "t4"])]);
        assert_eq!(lent(&waiting, &set(&["t4"]), "any"), Some(vec!["t4".to_owned()]));
        assert_eq!(lent(&waiting, &set(&["h100"]), "any"), None);
    }

    #[test]
    fn a_wish_that_can_never_be_granted_stands_in_nobodys_way() {
        let waiting = in_order(vec![
            ticket("never", 1, 10, 9, &["a"]),
            ticket("nothing", 1, 10, 0, &["a"]),
            ticket("one", 2, 5, 1, &["a"]),
        ]);
        assert_eq!(lent(&waiting, &set(&["a"]), "one"), Some(vec!["a".to_owned()]));
    }

    #[test]
    fn the_least_urgent_and_youngest_gives_way_and_only_to_a_more_urgent_one() {
        let held = [holding("old", 1, 3, &["a"]), holding("young", 2, 3, &["b"]), holding("equal", 3, 5, &["c"])];
        let waits = |priority, count| in_order(vec![ticket("w", 9, priority, count, &["a", "b", "c"])]);
        assert_eq!(giving_way(&waits(5, 1), &set(&[]), &held), set(&["young"]));
        assert_eq!(giving_way(&waits(5, 2), &set(&[]), &held), set(&["young", "old"]));
        // Three cannot be had: two that gave way would have done so in vain.
        assert_eq!(giving_way(&waits(5, 3), &set(&[]), &held), set(&[]));
        assert_eq!(giving_way(&waits(3, 1), &set(&[]), &held), set(&[]));
        assert_eq!(giving_way(&waits(5, 1), &set(&["c"]), &held), set(&[]));
    }

    #[test]
    fn what_one_gives_back_serves_all_whom_it_can_serve() {
        let held = [holding("both", 2, 1, &["a", "b"]), holding("other", 1, 1, &["c"])];
        let waiting = in_order(vec![ticket("x", 8, 9, 1, &["a", "b"]), ticket("y", 9, 9, 1, &["a", "b", "c"])]);
        assert_eq!(giving_way(&waiting, &set(&[]), &held), set(&["both"]));
    }

    fn tickets() -> impl Strategy<Value = Vec<Ticket>> {
        let devices = proptest::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4);
        let one = (0_u64..200, 1_u8..=10, 0_u32..4, devices);
        proptest::collection::vec(one, 0..8).prop_map(|all| {
            let named = all.into_iter().enumerate();
            named.map(|(at, (m, p, c, d))| ticket(&format!("t{at}"), m, p, c, &d)).collect()
        })
    }

    proptest! {
        #[test]
        fn nobody_is_lent_what_another_is_lent(waiting in tickets(), free in proptest::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4)) {
            let (waiting, free) = (in_order(waiting), set(&free));
            let mut seen = BTreeSet::new();
            for ticket in &waiting {
                let Some(devices) = lent(&waiting, &free, &ticket.name) else { continue };
                prop_assert_eq!(devices.len(), ticket.count as usize);
                for device in devices {
                    prop_assert!(free.contains(&device) && ticket.devices.contains(&device));
                    prop_assert!(seen.insert(device));
                }
            }
        }

        #[test]
        fn the_first_is_served_as_soon_as_its_devices_are_free(waiting in tickets()) {
            let waiting = in_order(waiting);
            if let Some(first) = waiting.first() {
                let free: BTreeSet<String> = first.devices.iter().cloned().collect();
                prop_assert!(lent(&waiting, &free, &first.name).is_some());
            }
        }

        #[test]
        fn whoever_gives_way_is_less_urgent_than_somebody_who_is_then_served(waiting in tickets(), priorities in proptest::collection::vec(1_u8..=10, 4)) {
            let waiting = in_order(waiting);
            let held: Vec<Holding> =
                ["a", "b", "c", "d"].iter().zip(&priorities).map(|(device, priority)| holding(device, 1, *priority, &[device])).collect();
            let given = giving_way(&waiting, &set(&[]), &held);
            // Each of these jobs has the one device that it is named after.
            let served = waiting.iter().filter(|ticket| lent(&waiting, &given, &ticket.name).is_some());
            let most = served.map(|ticket| ticket.priority).max();
            for holding in held.iter().filter(|holding| given.contains(&holding.id)) {
                prop_assert!(most.is_some_and(|most| holding.priority < most));
            }
        }
    }
}
