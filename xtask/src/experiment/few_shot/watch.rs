//! What is seen of pictures on their way through a network, and how Ctrl-C ends it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use hyp_data::Loader;
use hyp_fewshot::{Embeddings, Error, embed};

use super::model::Model;
use crate::experiment::contract::Interrupted;
use crate::features::bar;

/// A bar of the pictures that are embedded, drawn anew for each pass over them; breaks where the run is to stop.
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
        let stopped = stop.load(Ordering::SeqCst);
        if stopped || done >= pictures {
            shown.finish_and_clear();
            pass = None;
        }
        if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The pictures of a loader embedded under such a watch.
pub(crate) fn embedded(
    model: &Model,
    loader: &Loader,
    watch: impl FnMut(usize) -> ControlFlow<()>,
) -> Result<Embeddings> {
    embed(model, loader, watch).map_err(|error| match error {
        Error::Interrupted => Interrupted.into(),
        other => other.into(),
    })
}
