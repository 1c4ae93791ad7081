//! A progress bar of pictures that pass through a network.

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
