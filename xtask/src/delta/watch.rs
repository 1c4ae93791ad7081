//! A bar that shows the interval closing, and the clock that ends a search.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hyp_delta::exact::Status;
use indicatif::{ProgressBar, ProgressStyle};

/// Watches one search, and what is compared with it.
pub(super) struct Watch<'a> {
    start: Instant,
    budget: Option<Duration>,
    /// Set by Ctrl-C.
    stop: &'a AtomicBool,
    bar: ProgressBar,
}

/// Before this the bar stays away.
const QUIET: Duration = Duration::from_secs(2);
const STEPS: u64 = 1000;

impl<'a> Watch<'a> {
    pub(super) fn new(budget: Option<Duration>, stop: &'a AtomicBool) -> Self {
        let bar = ProgressBar::new(STEPS);
        let style = ProgressStyle::with_template("[{elapsed}] {bar:30} {percent} % {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { start: Instant::now(), budget, stop, bar }
    }

    /// Shows where the search is; false when the time is over, or when it was interrupted.
    pub(super) fn goes_on(&self, status: Status) -> bool {
        if self.start.elapsed() > QUIET {
            self.bar.set_position((status.done * STEPS as f64) as u64);
            self.bar.set_message(match status.at_most {
                most if most.is_finite() => format!("δ in [{:.5}, {most:.5}]", status.at_least),
                _ => format!("δ at least {:.5}", status.at_least),
            });
        }
        !self.is_over()
    }

    /// Shows how many draws are done of how many; false when the time is over, or when it was interrupted.
    pub(super) fn goes_on_after(&self, done: usize, draws: usize) -> bool {
        if self.start.elapsed() > QUIET {
            self.bar.set_position(done as u64 * STEPS / draws as u64);
            self.bar.set_message(format!("draw {} of {draws}", done + 1));
        }
        !self.is_over()
    }

    /// Whether the time is over, or Ctrl-C was pressed.
    pub(super) fn is_over(&self) -> bool {
        self.budget.is_some_and(|budget| self.start.elapsed() >= budget) || self.is_interrupted()
    }

    /// Whether Ctrl-C was pressed.
    pub(super) fn is_interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Takes the bar away and says how long it was.
    pub(super) fn finish(&self) -> Duration {
        self.bar.finish_and_clear();
        self.start.elapsed()
    }
}
