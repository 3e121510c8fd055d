//! SIGINT and SIGTERM: the first asks the command to stop and keep what it has, the second ends the process at once; a rollout
//! bears a second one, since hosts send both, and it still has the traffic to return.
//! As PID 1 of a container the kernel would ignore both without a handler.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How a command stops.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// What is finished is kept; the second signal ends it.
    Keeps,
    /// It has something to undo; the third signal ends it.
    Undoes,
    /// A command that it has started gets every signal, and decides when all ends.
    Forwards,
}

/// Installs the handlers on the running runtime.
pub(super) fn install(cancel: CancellationToken, manner: Manner) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        let (words, mut borne) = match manner {
            Manner::Keeps => ("stopping: finished samples are kept; a second signal ends at once", 0_u32),
            Manner::Undoes => ("stopping: the traffic returns to stable first", 1),
            Manner::Forwards => ("the command gets this signal, and every one that follows", u32::MAX),
        };
        loop {
            let code = tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            };
            if cancel.is_cancelled() {
                if borne == 0 {
                    at_once(code);
                }
                borne -= 1;
                continue;
            }
            tracing::warn!("{words}");
            cancel.cancel();
        }
    });
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a second signal means now; the journal is whole at any moment")]
fn at_once(code: i32) {
    std::process::exit(code);
}
