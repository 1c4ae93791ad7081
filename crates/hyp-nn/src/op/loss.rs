//! Softmax cross-entropy of integer labels, fused.

#[cfg(feature = "cuda")]
mod cuda;

use candle_core::{DType, Error, Result, Tensor};
use rayon::prelude::*;

use super::fresh::fresh;
use super::kernel::{Element, Gradients, Kernel, Output, View, apply1};

/// Mean softmax cross-entropy of `logits` against integer `labels`.
///
/// $$ \frac1B \sum_b \Bigl(\log \sum_k e^{z_{bk}} - z_{b\,y_b}\Bigr) $$
///
/// **Shapes.** `logits`: `[batch, classes]`; `labels`: `[batch]`, `u32`; the result is a scalar.
/// **Numerics.** The largest logit of a row is subtracted first; sums are taken in `f64` and rounded once.
/// The gradient is (softmax − one-hot)/batch. NaN and +∞ logits give NaN.
///
/// # Errors
/// If the shapes disagree, the batch is empty or a label is not below the number of classes.
///
/// # Examples
/// ```
/// use hyp_nn::candle_core::{Device, Tensor};
/// let logits = Tensor::new(&[[1.0_f64, 1.0], [3.0, 3.0]], &Device::Cpu)?;
/// let labels = Tensor::new(&[0_u32, 1], &Device::Cpu)?;
/// let loss = hyp_nn::op::cross_entropy(&logits, &labels)?.to_scalar::<f64>()?;
/// assert!((loss - 2.0_f64.ln()).abs() < 1e-15); // both classes are equally likely
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let (batch, classes) = logits.dims2()?;
    let labels = checked_labels("cross_entropy", labels, batch, classes)?;
    apply1(CrossEntropy { labels }, logits)
}

/// The labels of a batch, one a row and each below the number of classes.
pub(super) fn checked_labels(name: &str, labels: &Tensor, batch: usize, classes: usize) -> Result<Vec<u32>> {
    if labels.dtype() != DType::U32 {
        let got = labels.dtype();
        return Err(Error::Msg(format!("{name}: labels are {got:?}; convert them to u32")));
    }
    let labels = labels.to_vec1::<u32>()?;
    if labels.len() != batch || batch == 0 {
        return Err(Error::Msg(format!(
            "{name}: {batch} rows of logits and {} labels; give one label per row and at least one row",
            labels.len()
        )));
    }
    if let Some(row) = labels.iter().position(|&y| y as usize >= classes) {
        return Err(Error::Msg(format!(
            "{name}: label {} of row {row} is not below the {classes} classes; check the label map",
            labels[row]
        )));
    }
    Ok(labels)
}

/// Logits that one task handles.
const CHUNK: usize = 1 << 13;

struct CrossEntropy {
    labels: Vec<u32>,
}

/// Rows that one task handles.
fn rows_per_task(classes: usize) -> usize {
    (CHUNK / classes.max(1)).max(1)
}

/// The largest entry (NaN if there is one) and the sum of the exponentials relative to it.
fn log_sum_exp<T: Element>(row: &[T]) -> (f64, f64) {
    let largest = row
        .iter()
        .map(|v| v.to_f64())
        .fold(f64::NEG_INFINITY, |m, v| if v > m || v.is_nan() { v } else { m });
    (largest, row.iter().map(|v| (v.to_f64() - largest).exp()).sum())
}

impl Kernel for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let logits = inputs[0];
        let classes = logits.last_dim();
        let rows = logits.data.par_chunks_exact(classes).zip(&self.labels);
        let losses = rows.with_min_len(rows_per_task(classes)).map(|(row, &label)| {
            let (largest, sum) = log_sum_exp(row);
            sum.ln() - (row[label as usize].to_f64() - largest)
        });
        // Added in the order of the rows, whatever the threads.
        let total: f64 = losses.collect::<Vec<_>>().iter().sum();
        Ok((vec![T::from_f64(total / self.labels.len() as f64)], vec![]))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let logits = inputs[0];
        let classes = logits.last_dim();
        let scale = grad.data[0].to_f64() / self.labels.len() as f64;
        let mut out = fresh(logits.data.len());
        let rows = logits.data.par_chunks_exact(classes).zip(out.par_chunks_exact_mut(classes));
        let rows = rows.zip(&self.labels).with_min_len(rows_per_task(classes));
        rows.for_each(|((row, g), &label)| {
            let (largest, sum) = log_sum_exp(row);
            for (k, (v, g)) in row.iter().zip(g).enumerate() {
                let share = (v.to_f64() - largest).exp() / sum;
                // At the label, p − 1 is written as −(the others' share) only when p is close to 1: the plain
                // difference is exact there (Sterbenz), so it is used throughout.
                *g = T::from_f64(scale * (share - f64::from(k == label as usize)));
            }
        });
        Ok(vec![Some(out)])
    }
}
