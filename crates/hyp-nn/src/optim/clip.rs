//! The norm of all gradients together, and clipping by it.

use crate::{error::Result, op::wide, parameter::ParameterStore};
use candle_core::{CpuStorage, DType, Storage, Tensor, backprop::GradStore};

/// Euclidean norm of all gradients of the store's parameters taken as one vector, summed in `f64`.
///
/// Infinite or NaN exactly if a gradient is, so the training loop uses it as its check too.
///
/// # Errors
/// If a tensor operation fails.
pub fn grad_norm(store: &ParameterStore, grads: &GradStore) -> Result<f64> {
    let mut sum = 0.0;
    for (_, parameter) in store.parameters() {
        if let Some(grad) = grads.get(&parameter.var) {
            sum += sum_of_squares(grad)?;
        }
    }
    Ok(sum.sqrt())
}

/// The factor that brings a gradient of norm `norm` down to `max_norm`: `min(1, max_norm / (norm + 1e-6))`.
///
/// **Source.** PyTorch's `clip_grad_norm_`, with its 1e-6.
///
/// # Examples
/// ```
/// use hyp_nn::optim::clip_scale;
/// assert_eq!(clip_scale(0.5, 1.0), 1.0);
/// assert!((clip_scale(4.0, 1.0) - 0.25).abs() < 1e-6);
/// ```
pub fn clip_scale(norm: f64, max_norm: f64) -> f64 {
    (max_norm / (norm + 1e-6)).min(1.0)
}

/// `Σ g²` in `f64`; on the CPU without making a tensor.
pub(crate) fn sum_of_squares(tensor: &Tensor) -> Result<f64> {
    {
        let (storage, layout) = tensor.storage_and_layout();
        if let (Storage::Cpu(storage), Some((start, end))) = (&*storage, layout.contiguous_offsets()) {
            match storage {
                CpuStorage::F32(values) => {
                    return Ok(squares(&values[start..end], |value| f64::from(*value)));
                }
                CpuStorage::F64(values) => return Ok(squares(&values[start..end], |value| *value)),
                _ => {}
            }
        }
    }
    Ok(tensor.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar()?)
}

/// Eight running sums, so that the additions do not wait for one another.
fn squares<T>(values: &[T], widen: impl Fn(&T) -> f64) -> f64 {
    let (blocks, rest) = values.as_chunks::<8>();
    let lanes = wide(
        #[inline(always)]
        || {
            let mut lanes = [0.0_f64; 8];
            for block in blocks {
                for (lane, value) in lanes.iter_mut().zip(block) {
                    let value = widen(value);
                    *lane += value * value;
                }
            }
            lanes
        },
    );
    lanes.iter().sum::<f64>() + rest.iter().map(|value| widen(value) * widen(value)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn strided_and_contiguous_sums_agree() {
        let values: Vec<f32> = (0..30).map(|i| i as f32).collect();
        let tensor = Tensor::from_vec(values, (5, 6), &Device::Cpu).unwrap();
        // Σ i² for i < 30 is 29·30·59/6.
        assert_eq!(sum_of_squares(&tensor).unwrap(), 8555.0);
        assert_eq!(sum_of_squares(&tensor.t().unwrap()).unwrap(), 8555.0);
    }
}
