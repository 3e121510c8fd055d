//! The program `llmci-engine`: the engine in a process of its own, asked over its input and answering over its output. A process of
//! its own because a build with CUDA does not even start on a machine without a driver.
//!
//! It ends with its input: whoever started it is gone then.

mod batches;
pub(super) mod protocol;
mod requests;

use std::io::{BufRead, BufReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Engine, EngineError};
use crate::eval::request::Request;
use protocol::{FromEngine, Kind, Load, NAME, ToEngine, VERSION};
use requests::Live;

/// The longest line that is read, in bytes.
const LONGEST_LINE: u64 = 256 << 20;
/// What a person who starts it is told.
const HELP: &str = "The embedded engine of llmci in a process of its own. The gates start it for models with `device: cuda`; it is \
                    asked in JSON lines over its input. See docs/how-to/cuda.md.\n";

/// A request that waits.
struct Asked {
    id: u64,
    request: Request,
    at: Instant,
}

/// Runs the program.
pub fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("--version" | "-V") => {
            let with = if cfg!(feature = "cuda") { "with CUDA" } else { "without CUDA" };
            say_plainly(&format!("{NAME} {VERSION} {with}\n"));
            return ExitCode::SUCCESS;
        }
        Some("--help" | "-h") => {
            say_plainly(HELP);
            return ExitCode::SUCCESS;
        }
        Some(_) => return ExitCode::from(2),
    }
    say(&FromEngine::Hello { program: NAME.to_owned(), version: VERSION.to_owned(), cuda: cfg!(feature = "cuda") });
    let mut lines = BufReader::new(std::io::stdin());
    let load = match next(&mut lines) {
        Some(Ok(ToEngine::Load(load))) => load,
        Some(Ok(ToEngine::Ask { .. } | ToEngine::Cancel(_))) => {
            return refused(Kind::Compute, "the first line loads a model");
        }
        Some(Err(why)) => return refused(Kind::Compute, &why),
        None => return ExitCode::SUCCESS,
    };
    if load.version != VERSION {
        return refused(
            Kind::Compute,
            &format!("this is {NAME} {VERSION}, and it was asked by llmci {}", load.version),
        );
    }
    let began = Instant::now();
    let loaded = catch_unwind(AssertUnwindSafe(|| Engine::load_as(load.path.as_ref(), load.device, load.dtype)));
    let engine = match loaded.unwrap_or_else(|_| Err(EngineError::Compute("loading the model panicked".to_owned()))) {
        Ok(engine) => engine,
        Err(error) => {
            let (kind, text) = in_words(error);
            return refused(kind, &text);
        }
    };
    say(&FromEngine::Loaded {
        digest: engine.digest().hex().to_owned(),
        description: engine.description().to_owned(),
        chat_form: engine.has_chat_form(),
        load_ms: began.elapsed().as_secs_f64() * 1e3,
    });
    serve(engine, &load, lines)
}

/// Reads requests until the input ends.
fn serve(engine: Engine, load: &Load, mut lines: impl BufRead) -> ExitCode {
    let (engine, live) = (Arc::new(engine), Arc::new(Live::default()));
    let (sender, receiver) = channel::<Asked>();
    let receiver = Arc::new(Mutex::new(receiver));
    let batches = load.limits(engine.is_on_gpu()).map(|limits| {
        let (sender, receiver) = channel();
        let (engine, live) = (Arc::clone(&engine), Arc::clone(&live));
        std::thread::spawn(move || batches::work(&engine, limits, &live, &receiver));
        sender
    });
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(16);
    for _ in 0..workers {
        let (engine, live, receiver) = (Arc::clone(&engine), Arc::clone(&live), Arc::clone(&receiver));
        let batches: Option<Sender<batches::Prepared>> = batches.clone();
        std::thread::spawn(move || {
            while let Some(asked) = waiting(&receiver) {
                let id = asked.id;
                let worked = AssertUnwindSafe(|| requests::work(&engine, &live, asked, batches.as_ref()));
                if catch_unwind(worked).is_err() {
                    live.end(
                        id,
                        FromEngine::Failed { id, kind: Kind::Compute, text: "the engine panicked".to_owned() },
                    );
                }
            }
        });
    }
    loop {
        match next(&mut lines) {
            Some(Ok(ToEngine::Ask { id, request })) => {
                live.queue(id);
                if sender.send(Asked { id, request, at: Instant::now() }).is_err() {
                    return refused(Kind::Compute, "the engine's threads have ended");
                }
            }
            Some(Ok(ToEngine::Cancel(id))) => live.cancel(id),
            Some(Ok(ToEngine::Load(_))) => return refused(Kind::Compute, "a model is loaded already"),
            Some(Err(why)) => return refused(Kind::Compute, &why),
            // Whatever is being computed is for nobody.
            None => return ExitCode::SUCCESS,
        }
    }
}

fn waiting(receiver: &Mutex<Receiver<Asked>>) -> Option<Asked> {
    receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// The next line; `None` at the end of the input.
fn next(lines: &mut impl BufRead) -> Option<Result<ToEngine, String>> {
    let mut line = Vec::new();
    match lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(
            serde_json::from_slice(&line).map_err(|error| format!("a line of the input is not understood: {error}")),
        ),
    }
}

fn in_words(error: EngineError) -> (Kind, String) {
    match error {
        EngineError::Unsuitable(why) => (Kind::Unsuitable, why.into_raw()),
        EngineError::File { .. } | EngineError::Unusable { .. } => (Kind::Unusable, error.to_string()),
        EngineError::Memory(_) => (Kind::Memory, error.to_string()),
        EngineError::Compute(what) => (Kind::Compute, what),
        EngineError::Stopped => (Kind::Stopped, String::new()),
    }
}

fn refused(kind: Kind, text: &str) -> ExitCode {
    say(&FromEngine::Refused { kind, text: text.to_owned() });
    ExitCode::from(4)
}

/// Writes one line. Where nobody reads any more, nobody is left to work for.
fn say(what: &FromEngine) {
    let Ok(mut line) = serde_json::to_string(what) else { return };
    line.push('\n');
    say_plainly(&line);
}

#[expect(clippy::disallowed_methods, reason = "any thread may find that nobody reads")]
fn say_plainly(text: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}
