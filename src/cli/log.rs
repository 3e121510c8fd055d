//! The program's own log on stderr. An event may quote a server's error, so each is one line that went through the sink.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::commands::Environment;
use crate::host::print_error;
use crate::report::Sink;
use crate::trust::Untrusted;

/// Characters of one event.
const LONGEST: usize = 4000;

/// Starts logging, as RUST_LOG says; in detail where the runner is asked to debug.
pub(super) fn start(environment: &Environment, sink: &Sink) {
    let debug = environment.get("RUNNER_DEBUG") == Some("1");
    let default = if debug { "llmci=debug" } else { "llmci=info" };
    let filter = environment.get("RUST_LOG").map_or_else(|| EnvFilter::new(default), EnvFilter::new);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines(sink.clone()));
    // A second subscriber in one process is refused; the first one stays.
    let _ = lines.with_target(false).without_time().with_ansi(false).try_init();
}

/// Makes a line of every event.
struct Lines(Sink);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { sink: &self.0, text: Vec::new() }
    }
}

/// One event, which is printed when it is whole.
struct Line<'a> {
    sink: &'a Sink,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            print_error(&format!("{}\n", line(&self.text, self.sink)));
        }
    }
}

fn line(event: &[u8], sink: &Sink) -> String {
    let text = String::from_utf8_lossy(event);
    sink.line(&Untrusted::new(text.trim_end()), LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_it_quotes() {
        let shown = line(b" WARN the cache said: x\n::error::y\r##[z]\x1b[2J\n", &Sink::default());
        assert_eq!(shown, " WARN the cache said: x\\n:\\:error:\\:y\\n##\\[z][U+001B][2J");
    }
}
