//! Which tensor broke first.

use super::task::Task;
use crate::{
    error::{Error, Result},
    optim::{grad_norm, sum_of_squares},
};
use candle_core::{Tensor, backprop::GradStore};

/// What is known when a loss or gradient is not finite.
pub(super) struct Failure<'a> {
    pub(super) step: u64,
    pub(super) epoch: usize,
    pub(super) loss: f64,
    pub(super) grads: Option<&'a GradStore>,
}

/// The error for this batch: looks through parameters and buffers by name, then activations in the order in which they
/// are computed, then gradients by name.
pub(super) fn explain<T: Task>(task: &mut T, batch: &T::Batch, failure: &Failure<'_>) -> Error {
    let diagnosis = task.diagnose(batch).unwrap_or_default();
    let store = task.parameters();
    let broken = |tensor: &Tensor| !sum_of_squares(tensor).is_ok_and(f64::is_finite);
    let parameters =
        store.parameters().map(|(name, parameter)| ("parameter", name, parameter.var.as_tensor()));
    let buffers = store.buffers().map(|(name, var)| ("buffer", name, var.as_tensor()));
    let activations =
        diagnosis.activations.iter().map(|(name, tensor)| ("activation", name.as_str(), tensor));
    let gradients = store.parameters().filter_map(|(name, parameter)| {
        failure.grads?.get(&parameter.var).map(|grad| ("gradient of", name, grad))
    });
    let first = parameters
        .chain(buffers)
        .chain(activations)
        .chain(gradients)
        .find(|(_, _, tensor)| broken(tensor))
        .map_or_else(|| "loss".to_owned(), |(kind, name, _)| format!("{kind} '{name}'"));
    Error::NonFinite {
        step: failure.step,
        epoch: failure.epoch,
        loss: failure.loss,
        tensor: first,
        margin_share: diagnosis.margin_share,
    }
}

/// The gradients and their norm, or the error that names the first one that is not finite.
pub(super) fn checked_norm<T: Task>(
    task: &mut T,
    batch: &T::Batch,
    failure: &Failure<'_>,
    grads: &GradStore,
) -> Result<f64> {
    let norm = grad_norm(task.parameters(), grads)?;
    if norm.is_finite() {
        return Ok(norm);
    }
    Err(explain(task, batch, &Failure { grads: Some(grads), ..*failure }))
}
