//! How far a run is: a bar on a terminal, a quiet line now and then in a CI log, or nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle as BarStyle};
use tokio::task::JoinHandle;

use super::collect::Counter;

/// How often a log gets a line.
const LINE_EVERY: Duration = Duration::from_secs(15);
/// How often the bar is drawn.
const BAR_EVERY: Duration = Duration::from_millis(150);

/// Where progress is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProgressStyle {
    /// A bar on stderr, with rate and remaining time.
    Bar,
    /// A line now and then.
    Lines,
    /// Nothing.
    Quiet,
}

/// The display of a run that is under way.
pub struct Progress {
    counter: Arc<Counter>,
    bar: Option<ProgressBar>,
    ticker: Option<JoinHandle<()>>,
}

impl Progress {
    /// Starts to show `done` of `total` samples.
    pub(super) fn start(style: ProgressStyle, total: usize, done: usize) -> Self {
        let counter = Arc::new(Counter::default());
        let view =
            View { counter: Arc::clone(&counter), total: total as u64, done: done as u64, began: Instant::now() };
        match style {
            ProgressStyle::Quiet => Self { counter, bar: None, ticker: None },
            ProgressStyle::Lines => {
                Self { counter, bar: None, ticker: Some(tokio::spawn(async move { view.lines().await })) }
            }
            ProgressStyle::Bar => {
                let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
                let template = "{bar:30} {pos}/{len} samples, {per_sec}, {eta} left{msg}";
                if let Ok(style) = BarStyle::with_template(template) {
                    bar.set_style(style);
                }
                bar.set_position(done as u64);
                bar.reset_eta();
                let shown = bar.clone();
                let ticker = tokio::spawn(async move { view.bar(&shown).await });
                Self { counter, bar: Some(bar), ticker: Some(ticker) }
            }
        }
    }

    /// The counters that the writer turns.
    pub(super) fn counter(&self) -> Arc<Counter> {
        Arc::clone(&self.counter)
    }

    /// Takes the display away.
    pub(super) fn finish(self) {
        if let Some(ticker) = self.ticker {
            ticker.abort();
        }
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

struct View {
    counter: Arc<Counter>,
    total: u64,
    done: u64,
    began: Instant,
}

impl View {
    async fn bar(&self, bar: &ProgressBar) {
        let mut ticks = tokio::time::interval(BAR_EVERY);
        loop {
            ticks.tick().await;
            bar.set_position(self.done + self.counter.finished.load(Ordering::Relaxed));
            match self.counter.errors.load(Ordering::Relaxed) {
                0 => {}
                errors => bar.set_message(format!(", {errors} errors")),
            }
        }
    }

    async fn lines(&self) {
        let mut ticks = tokio::time::interval(LINE_EVERY);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            tracing::info!("{}", self.line());
        }
    }

    fn line(&self) -> String {
        let fresh = self.counter.finished.load(Ordering::Relaxed);
        let errors = self.counter.errors.load(Ordering::Relaxed);
        let seconds = self.began.elapsed().as_secs_f64();
        line(fresh, self.done, self.total, errors, seconds)
    }
}

#[expect(clippy::cast_precision_loss, reason = "sample counts are far below 2^53")]
fn line(fresh: u64, done: u64, total: u64, errors: u64, seconds: f64) -> String {
    let rate = fresh as f64 / seconds.max(1e-9);
    let left = total.saturating_sub(done + fresh) as f64;
    let remaining = if fresh == 0 { "unknown".to_owned() } else { format!("{:.0} s", left / rate) };
    format!("{}/{total} samples, {errors} errors, {rate:.1}/s, remaining {remaining}", done + fresh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_still() {
        assert_eq!(line(50, 50, 200, 2, 10.0), "100/200 samples, 2 errors, 5.0/s, remaining 20 s");
        assert_eq!(line(0, 0, 200, 0, 10.0), "0/200 samples, 0 errors, 0.0/s, remaining unknown");
    }
}
