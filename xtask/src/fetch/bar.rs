//! What a person sees while files are fetched.

use std::time::Duration;

use hyp_data::fetch::{Event, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const KNOWN: &str = "{msg:24!} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
const UNKNOWN: &str = "{msg:24!} {spinner} {bytes}  {bytes_per_sec}";

/// A bar for each step, and a line for whatever happens in between.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
}

impl Bar {
    pub(super) fn new() -> Self {
        Self { bar: None }
    }

    /// Begins a step of so many bytes, if that is known, of which some are done.
    fn begin(&mut self, what: &str, done: u64, total: Option<u64>) {
        self.clear();
        let bar = match total {
            Some(total) => ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5)),
            None => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5)),
        };
        let form = if total.is_some() { KNOWN } else { UNKNOWN };
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.set_position(done);
        // What was there before is not speed.
        bar.reset_eta();
        self.bar = Some(bar);
    }

    /// Begins to compare a file.
    pub(super) fn checking(&mut self, file: &str, bytes: u64) {
        self.begin(&format!("check {file}"), 0, Some(bytes).filter(|bytes| *bytes > 0));
    }

    /// The present step has come so far.
    pub(super) fn at(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        }
    }

    /// Ends the present step.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// A line of its own.
    fn say(&mut self, text: &str) {
        self.clear();
        println!("{text}");
    }
}

impl Progress for Bar {
    fn note(&mut self, event: Event<'_>) {
        match event {
            Event::Bytes(done) => self.at(done),
            Event::Transfer { file, url, from, total } => {
                let on = if from > 0 { ", going on where it stopped" } else { "" };
                self.say(&format!("{file} from {}{on}", host(url)));
                self.begin(file, from, total);
            }
            Event::Checking { file, bytes } => self.checking(file, bytes),
            Event::Unpacking { file, bytes } => self.begin(&format!("unpack {file}"), 0, Some(bytes)),
            Event::Have { file, how } => self.say(&format!("{file}: {how}")),
            Event::Again { file, why, pause } => {
                let wait = if pause < Duration::from_secs(1) {
                    String::new()
                } else {
                    format!(" in {} s", pause.as_secs())
                };
                self.say(&format!("{file}: {why}; once more{wait}"));
            }
            Event::GaveUp { file, url, why } => self.say(&format!("{file}: {}: {why}", host(url))),
            Event::Waiting { process } => {
                let who = process.map_or("another process".to_owned(), |id| format!("process {id}"));
                self.say(&format!("{who} is fetching into this folder; waiting until it is done"));
            }
            Event::NoLock { why } => {
                self.say(&format!("this file system has no locks ({why}); fetch from one place at a time"));
            }
            _ => {}
        }
    }
}

/// The host of an address, which is what a person wants to know of it.
fn host(url: &str) -> &str {
    url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or(url)
}
