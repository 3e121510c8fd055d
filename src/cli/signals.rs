//! SIGINT and SIGTERM: the first asks the command to stop and keep what it has, the second ends the process at once; a rollout
//! bears a second one, since hosts send both, and it still has the traffic to return.
//! As PID 1 of a container the kernel would ignore both without a handler.

use tokio::signal::unix::{SignalKind, signal};

use crate::commands::{Interrupter, Interruption};

/// How a command stops.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// What is finished is kept; the second signal ends it.
    Keeps,
    /// It has something to undo; the third signal ends it.
    Undoes,
}

/// Installs the handlers on the running runtime.
pub(super) fn install(interrupter: Interrupter, manner: Manner) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        let (words, mut borne) = match manner {
            Manner::Keeps => ("stopping: finished samples are kept; a second signal ends at once", 0_u32),
            Manner::Undoes => ("stopping: the traffic returns to stable first", 1),
        };
        // A notice of the cloud is no signal: the one that follows it must not end what it has begun.
        let mut asked = false;
        loop {
            let code = tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            };
            if asked {
                if borne == 0 {
                    at_once(code);
                }
                borne -= 1;
                continue;
            }
            asked = true;
            tracing::warn!("{words}");
            interrupter.interrupt(Interruption::Signal);
        }
    });
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a second signal means now; the journal is whole at any moment")]
fn at_once(code: i32) {
    std::process::exit(code);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_signal_behind_a_notice_does_not_end_what_the_notice_has_begun() {
        let interrupter = Interrupter::default();
        install(interrupter.clone(), Manner::Keeps).unwrap();
        interrupter.interrupt(Interruption::Notice("the cloud's notice".into()));
        let mut seen = signal(SignalKind::terminate()).unwrap();
        let own = std::process::id().to_string();
        assert!(std::process::Command::new("kill").args(["-s", "TERM", &own]).status().unwrap().success());
        seen.recv().await;
        // The handler's task has been woken by the same signal: it runs now, and a second signal's exit would end this process.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(interrupter.reason(), Some(&Interruption::Notice("the cloud's notice".into())));
    }
}
