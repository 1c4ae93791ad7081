//! Running a model over data in batches, and accuracy.

use crate::error::Result;
use candle_core::{DType, Tensor};

/// Runs `model` over the rows of `input` in batches and gathers its output as plain numbers, row after row.
///
/// Gives the numbers and the length of one row.
///
/// **Shapes.** `input`: `[rows, …]`; what `model` returns: `[batch, …]`; result: `rows × row length`.
///
/// # Errors
/// Those of `model`.
///
/// # Examples
/// ```
/// use hyp_nn::{candle_core::{Device, Tensor}, train::in_batches};
/// let input = Tensor::new(&[[1.0_f32, 2.0], [3.0, 4.0], [5.0, 6.0]], &Device::Cpu)?;
/// let (sums, width) = in_batches(&input, 2, |rows| Ok(rows.sum_keepdim(1)?))?;
/// assert_eq!((sums.as_slice(), width), ([3.0, 7.0, 11.0].as_slice(), 1));
/// # Ok::<(), hyp_nn::Error>(())
/// ```
pub fn in_batches(
    input: &Tensor,
    batch: usize,
    mut model: impl FnMut(&Tensor) -> Result<Tensor>,
) -> Result<(Vec<f32>, usize)> {
    let rows = input.dim(0)?;
    let mut gathered = Vec::new();
    let mut start = 0;
    while start < rows {
        let count = batch.max(1).min(rows - start);
        let output = model(&input.narrow(0, start, count)?)?;
        gathered.extend(output.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?);
        start += count;
    }
    let width = gathered.len().checked_div(rows).unwrap_or(0);
    Ok((gathered, width))
}

/// Share of rows whose largest score is at the label, in `[0, 1]`; of equal scores the first counts.
///
/// # Panics
/// If `scores` is not `labels.len()` rows of `classes` numbers, or there are no rows.
///
/// # Examples
/// ```
/// assert_eq!(hyp_nn::train::accuracy(&[0.1, 0.9, 0.8, 0.2], 2, &[1, 1]), 0.5);
/// ```
pub fn accuracy(scores: &[f32], classes: usize, labels: &[u32]) -> f64 {
    assert_eq!(scores.len(), classes * labels.len(), "one row of scores per label");
    assert!(!labels.is_empty(), "at least one row");
    let correct = scores.chunks_exact(classes).zip(labels).filter(|(row, label)| {
        let best =
            row.iter().enumerate().fold(0, |best, (i, score)| if *score > row[best] { i } else { best });
        best == **label as usize
    });
    correct.count() as f64 / labels.len() as f64
}
