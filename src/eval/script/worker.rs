//! The thread that scripts run on. The engine looks at its clock between the steps of a script, but not within one step of its own: a search
//! for a long text in a longer one is one. So whoever asks waits no longer than that, and leaves such a thread to itself.
//! Kept out: the engine.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use serde_json::Value;

use super::engine::Engine;
use super::{Fault, Form, Returned, ScriptError, TIME_LIMIT};

/// How much later than the engine itself the one who asks gives up.
const GRACE: Duration = Duration::from_millis(250);
/// The stack of a thread: the engine's own limit, and room for what it calls.
const STACK: usize = 4 * super::STACK_LIMIT;
/// Threads that may be left to themselves before no further script is run.
const MOST_LEFT: usize = 8;

static LEFT: AtomicUsize = AtomicUsize::new(0);

/// What a thread says at its end: one that was left to itself, and has come to its end after all, is left no more.
struct Ending {
    left: Arc<AtomicBool>,
    count: &'static AtomicUsize,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.left.load(Ordering::SeqCst) {
            self.count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// What is to be run.
pub(super) struct Job {
    pub source: Arc<str>,
    pub form: Form,
    pub arguments: Vec<(String, Value)>,
}

type Said = Result<Returned, ScriptError>;

/// A thread with an engine.
struct Worker {
    jobs: Sender<Job>,
    said: Receiver<Said>,
    /// Whether nobody waits for it any more.
    left: Arc<AtomicBool>,
}

thread_local! {
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// Runs a script on the thread of whoever asks from this one.
pub(super) fn run(job: Job) -> Said {
    run_counted(job, &LEFT)
}

fn run_counted(job: Job, count: &'static AtomicUsize) -> Said {
    let kept = WORKER.with(|slot| slot.borrow_mut().take());
    let worker = match kept {
        Some(worker) => worker,
        None => Worker::start(count)?,
    };
    let gone = || ScriptError::new(Fault::Engine, "the engine's thread has ended");
    worker.jobs.send(job).map_err(|_| gone())?;
    match worker.said.recv_timeout(TIME_LIMIT + GRACE) {
        Ok(said) => {
            WORKER.with(|slot| *slot.borrow_mut() = Some(worker));
            said
        }
        Err(RecvTimeoutError::Timeout) => {
            // Before its channels are gone, which is what ends it.
            count.fetch_add(1, Ordering::SeqCst);
            worker.left.store(true, Ordering::SeqCst);
            Err(super::late())
        }
        Err(RecvTimeoutError::Disconnected) => Err(gone()),
    }
}

impl Worker {
    fn start(count: &'static AtomicUsize) -> Result<Self, ScriptError> {
        if count.load(Ordering::SeqCst) >= MOST_LEFT {
            let why = format!("{MOST_LEFT} scripts of this run have not ended: no further one is run");
            return Err(ScriptError::new(Fault::Time, why));
        }
        let (jobs, waiting) = channel::<Job>();
        let (say, said) = channel();
        let left = Arc::new(AtomicBool::new(false));
        let ending = Ending { left: Arc::clone(&left), count };
        let work = move || {
            let _ending = ending;
            let mut engine = None;
            while let Ok(job) = waiting.recv() {
                let result = one(&mut engine, &job);
                if say.send(result).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("script".to_owned())
            .stack_size(STACK)
            .spawn(work)
            .map_err(|error| ScriptError::new(Fault::Engine, format!("no thread for scripts starts: {error}")))?;
        Ok(Self { jobs, said, left })
    }
}

fn one(kept: &mut Option<Engine>, job: &Job) -> Said {
    let engine = match kept.take() {
        Some(engine) => engine,
        None => Engine::new()?,
    };
    let result = engine.run(&job.source, &job.form, &job.arguments);
    // An engine that was stopped in the middle of something is not used again.
    if !matches!(&result, Err(ScriptError { fault: Fault::Time | Fault::Memory | Fault::Engine, .. })) {
        *kept = Some(engine);
    }
    result
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_thread_that_ends_late_is_left_no_more() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let job = |source: &str| Job { source: source.into(), form: Form::Body, arguments: Vec::new() };
        // One step of the engine's own, of some seconds: a search in which every place looks right up to its end.
        let search = "const n = 6e4; return 'a'.repeat(2 * n).indexOf('a'.repeat(n) + 'b')";
        let late = run_counted(job(search), &COUNT).unwrap_err();
        assert_eq!((late.fault, COUNT.load(Ordering::SeqCst)), (Fault::Time, 1));
        let until = Instant::now() + Duration::from_secs(120);
        while COUNT.load(Ordering::SeqCst) > 0 {
            assert!(Instant::now() < until, "the thread does not end");
            std::thread::yield_now();
        }
        assert!(run_counted(job("return 1"), &COUNT).is_ok());
    }
}
