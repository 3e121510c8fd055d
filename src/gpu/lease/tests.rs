//! Leases between threads: every thread opens the folder for itself, as a process would.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::take::take_here;
use super::wait::Bell;
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn wish(devices: &[&str], count: u32, priority: u8) -> Wish {
    let devices = devices.iter().map(|device| (*device).to_owned()).collect();
    Wish { devices, count, priority, preemptible: false, holder: "a test".to_owned() }
}

fn lent(folder: &std::path::Path, wish: &Wish, patience: Duration) -> Result<Lease, LeaseError> {
    let bell = Arc::new(Bell::new().unwrap());
    take_here(folder, wish, patience, &bell, &|_| {})
}

fn place() -> (tempfile::TempDir, std::path::PathBuf) {
    let around = tempfile::tempdir().unwrap();
    let path = around.path().join("leases");
    (around, path)
}

#[test]
fn of_a_thousand_races_none_has_two_winners() {
    let (_around, path) = place();
    let inside = AtomicU32::new(0);
    let taken = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..125 {
                    let lease = lent(&path, &wish(&["a"], 1, 5), MINUTE).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two jobs have one device");
                    std::thread::yield_now();
                    assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1, "two jobs have one device");
                    taken.fetch_add(1, Ordering::SeqCst);
                    lease.give_back();
                }
            });
        }
    });
    assert_eq!(taken.into_inner(), 1000);
}

#[test]
fn several_devices_are_taken_together_and_nobody_waits_for_ever() {
    let (_around, path) = place();
    let all = ["a", "b", "c"];
    let inside: [AtomicU32; 3] = Default::default();
    std::thread::scope(|scope| {
        for thread in 0..6_u32 {
            let (path, inside) = (&path, &inside);
            scope.spawn(move || {
                for round in 0..20 {
                    let count = 1 + (thread + round) % 3;
                    let lease = lent(path, &wish(&all, count, 1 + (thread % 10) as u8), MINUTE).unwrap();
                    assert_eq!(lease.devices().len(), count as usize);
                    let held: Vec<&AtomicU32> = all
                        .iter()
                        .zip(inside)
                        .filter(|(name, _)| lease.devices().iter().any(|device| device == *name))
                        .map(|(_, inside)| inside)
                        .collect();
                    for one in &held {
                        assert_eq!(one.fetch_add(1, Ordering::SeqCst), 0);
                    }
                    for one in &held {
                        one.fetch_sub(1, Ordering::SeqCst);
                    }
                    lease.give_back();
                }
            });
        }
    });
}

#[test]
fn whoever_waits_too_long_is_told_who_has_the_device_and_leaves_no_ticket() {
    let (_around, path) = place();
    let _held = lent(&path, &wish(&["GPU-1"], 1, 5), MINUTE).unwrap();
    let late = lent(&path, &wish(&["GPU-1"], 1, 5), Duration::from_millis(50)).unwrap_err().to_string();
    assert!(late.contains("GPU-1 is with a test (pid "), "{late}");
    assert!(late.contains("place 1 of 1"), "{late}");
    let left = std::fs::read_dir(&path)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("ticket-"));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_wish_for_more_than_there_is_does_not_wait() {
    let (_around, path) = place();
    assert!(matches!(lent(&path, &wish(&["a"], 2, 5), MINUTE), Err(LeaseError::TooFew { wanted: 2, fit: 1 })));
}

#[test]
fn tickets_of_dead_jobs_are_removed_and_nonsense_is_passed_over() {
    let (_around, path) = place();
    lent(&path, &wish(&["a"], 1, 5), MINUTE).unwrap().give_back();
    let dead = path.join("ticket-dead");
    let urgent = r#"{"arrival":0,"priority":10,"count":1,"devices":["a"]}"#;
    let write = |path: &std::path::Path, text: &str| {
        use std::io::Write;
        let mut file = std::fs::File::create(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    };
    drop(write(&dead, urgent));
    let nonsense = write(&path.join("ticket-nonsense"), "{]");
    nonsense.lock().unwrap();
    let lease = lent(&path, &wish(&["a"], 1, 1), Duration::from_secs(5)).unwrap();
    assert_eq!(lease.devices(), ["a"]);
    assert!(!dead.exists());
    // The same text in the file of a living job has to be waited for.
    lease.give_back();
    let living = write(&dead, urgent);
    living.lock().unwrap();
    let late = lent(&path, &wish(&["a"], 1, 1), Duration::from_millis(50));
    assert!(matches!(late, Err(LeaseError::Late(waiting)) if waiting.place == 2));
}

#[test]
fn a_lock_file_that_was_removed_is_not_taken_for_the_one_that_is_there() {
    let (_around, path) = place();
    let old = lent(&path, &wish(&["a"], 1, 5), MINUTE).unwrap();
    std::fs::remove_file(path.join("queue.lock")).unwrap();
    assert!(matches!(lent(&path, &wish(&["a"], 1, 5), Duration::from_millis(50)), Err(LeaseError::Late(_))));
    old.give_back();
    assert!(lent(&path, &wish(&["a"], 1, 5), MINUTE).is_ok());
}

#[test]
fn devices_are_lent_in_the_order_of_priority_then_arrival() {
    let (_around, path) = place();
    let first = lent(&path, &wish(&["a"], 1, 5), MINUTE).unwrap();
    let order = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (at, priority) in [3_u8, 9, 3, 10].into_iter().enumerate() {
            let (told, heard) = std::sync::mpsc::channel();
            let (path, order) = (&path, &order);
            scope.spawn(move || {
                let bell = Arc::new(Bell::new().unwrap());
                let tell = move |_: &Waiting| {
                    let _ = told.send(());
                };
                let lease = take_here(path, &wish(&["a"], 1, priority), MINUTE, &bell, &tell).unwrap();
                order.lock().unwrap().push(at);
                lease.give_back();
            });
            // It waits: the next one comes after it.
            heard.recv().unwrap();
        }
        first.give_back();
    });
    assert_eq!(order.into_inner().unwrap(), [3, 1, 0, 2]);
}

#[tokio::test]
async fn a_preemptible_job_is_told_by_a_more_urgent_one_and_by_no_other() {
    let (_around, path) = place();
    let never = CancellationToken::new();
    let preemptible = Wish { preemptible: true, ..wish(&["a"], 1, 3) };
    let lease = take(&path, preemptible, MINUTE, &never, |_| {}).await.unwrap();
    let equal = take(&path, wish(&["a"], 1, 3), Duration::from_millis(300), &never, |_| {}).await;
    assert!(matches!(equal, Err(LeaseError::Late(_))));
    assert!(!lease.wanted_back().is_cancelled());
    let (folder, began) = (path.clone(), Instant::now());
    let urgent =
        tokio::spawn(async move { take(&folder, wish(&["a"], 1, 4), MINUTE, &CancellationToken::new(), |_| {}).await });
    lease.wanted_back().cancelled().await;
    lease.give_back();
    assert_eq!(urgent.await.unwrap().unwrap().devices(), ["a"]);
    assert!(began.elapsed() < Duration::from_secs(20), "it looked too seldom");
}

#[tokio::test]
async fn a_cancelled_job_leaves_the_queue() {
    let (_around, path) = place();
    let never = CancellationToken::new();
    let held = take(&path, wish(&["a"], 1, 5), MINUTE, &never, |_| {}).await.unwrap();
    let cancel = CancellationToken::new();
    let (sender, told) = tokio::sync::oneshot::channel();
    let sender = Mutex::new(Some(sender));
    let (folder, token) = (path.clone(), cancel.clone());
    let waits = tokio::spawn(async move {
        let tell = move |_: &Waiting| {
            let _ = sender.lock().unwrap().take().map(|sender| sender.send(()));
        };
        take(&folder, wish(&["a"], 1, 10), MINUTE, &token, tell).await
    });
    told.await.unwrap();
    cancel.cancel();
    assert!(matches!(waits.await.unwrap(), Err(LeaseError::Cancelled)));
    held.give_back();
    let next = take(&path, wish(&["a"], 1, 1), MINUTE, &never, |_| {}).await.unwrap();
    assert_eq!(next.visible(), "a");
}
