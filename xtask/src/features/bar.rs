//! A progress bar of pictures that pass through a network, and Ctrl-C on their way.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar of so many pictures, of which some were done earlier.
pub(crate) fn bar(what: &str, pictures: usize, done: usize, shown: bool) -> ProgressBar {
    let target = if shown { ProgressDrawTarget::stderr_with_hz(2) } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(pictures as u64), target);
    let form = "{msg} {bar:30} {pos}/{len} pictures  {per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar.set_position(done as u64);
    // What an earlier run did is not speed.
    bar.reset_eta();
    bar
}

/// What is told how many pictures are done: shows a bar, anew for each pass over them, and breaks where the run is to stop.
pub(crate) fn watch(
    what: &'static str,
    pictures: usize,
    is_shown: bool,
    stop: &Arc<AtomicBool>,
) -> impl FnMut(usize) -> ControlFlow<()> + Send + use<> {
    let stop = Arc::clone(stop);
    let mut pass = None;
    move |done| {
        let shown = pass.get_or_insert_with(|| bar(what, pictures, 0, is_shown));
        shown.set_position(done as u64);
        let is_stopped = stop.load(Ordering::SeqCst);
        if is_stopped || done >= pictures {
            shown.finish_and_clear();
            pass = None;
        }
        if is_stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
