//! SIGINT and SIGTERM: the first asks the command to stop and keep what it has, the second ends the process at once.
//! As PID 1 of a container the kernel would ignore both without a handler.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Installs the handlers on the running runtime.
pub(super) fn install(cancel: CancellationToken) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            let code = tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            };
            if cancel.is_cancelled() {
                at_once(code);
            }
            tracing::warn!("stopping: finished samples are kept; a second signal ends at once");
            cancel.cancel();
        }
    });
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a second signal means now; the journal is whole at any moment")]
fn at_once(code: i32) {
    std::process::exit(code);
}
