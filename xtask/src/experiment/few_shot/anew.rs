//! A test from embeddings that were made once, beside one that embeds every episode anew.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Result;
use hyp_data::sample::EpisodeList;
use hyp_fewshot::{EpisodeSource, differing};
use hyp_nn::candle_core::Device;

use super::model::{Model, Tested};
use super::pictures::Pictures;
use crate::experiment::contract::{Interrupted, Metrics};

/// One episode in so many is embedded anew: 200 of the 10,000 of a test, which the rest is judged by.
const ONE_IN: usize = 50;

/// How many of the episodes of a test are embedded anew.
pub(super) fn compared(all: usize) -> usize {
    (all / ONE_IN).max(1)
}

/// Embeds the first episodes of a test anew, counts the answers that differ, and says how much longer all would take.
pub(super) fn compare(
    model: &Model,
    pictures: &Pictures,
    episodes: &EpisodeList,
    tested: &Tested,
    device: &Device,
    stop: &AtomicBool,
) -> Result<Metrics> {
    let all = episodes.episodes().len();
    let few = episodes.first(compared(all));
    let count = few.episodes().len();
    let loader = pictures.test_episodes(few.clone());
    let stopped = || stop.load(Ordering::SeqCst);
    let source = EpisodeSource::new(&loader, few.shape(), 0, device).take_while(|_| !stopped());
    let start = Instant::now();
    let found = differing(model, source, &tested.embeddings, few.episodes());
    if stopped() {
        return Err(Interrupted.into());
    }
    let found = found?;
    let seconds = start.elapsed().as_secs_f64();
    let whole = seconds / count as f64 * all as f64;
    Ok(Metrics::from([
        ("compared_episodes".to_owned(), count as f64),
        ("differing_answers".to_owned(), found.answers as f64),
        ("differing_beyond_rounding".to_owned(), found.beyond_rounding as f64),
        ("cached_ratio".to_owned(), whole / tested.seconds),
    ]))
}
