//! The spherical counterparts: normalised embeddings and a classifier by cosine.

use crate::{
    error::Result,
    init::Init,
    op,
    parameter::{Manifold, ParameterStore},
};
use candle_core::{D, Tensor};

/// Added to the squared norm, so that a zero row stays zero with a zero gradient; in `f32` it changes no norm above 1e-8.
const SQUARED_NORM_FLOOR: f64 = 1e-24;

/// Rows scaled to unit norm, `x / ‖x‖`; a zero row stays zero.
///
/// **Shapes.** `[…, dim]` to the same.
///
/// # Errors
/// If a tensor operation fails.
///
/// # Examples
/// ```
/// use hyp_nn::{candle_core::{Device, Tensor}, layer::normalise};
/// let x = Tensor::new(&[[3.0_f32, 4.0], [0.0, 0.0]], &Device::Cpu)?;
/// assert_eq!(normalise(&x)?.to_vec2::<f32>()?, [[0.6, 0.8], [0.0, 0.0]]);
/// # Ok::<(), hyp_nn::Error>(())
/// ```
pub fn normalise(x: &Tensor) -> Result<Tensor> {
    Ok(x.broadcast_div(&smooth_norm(x)?)?)
}

/// Norm of each row, with a finite gradient at 0.
pub(super) fn smooth_norm(x: &Tensor) -> Result<Tensor> {
    Ok((x.sqr()?.sum_keepdim(D::Minus1)? + SQUARED_NORM_FLOOR)?.sqrt()?)
}

/// Classifier whose logits are scaled cosines, `s ⟨x/‖x‖, w_k/‖w_k‖⟩`.
///
/// Parameter: `NAME.weight` `[classes, dim]`, PyTorch's default initialisation.
///
/// **Shapes.** input: `[batch, dim]` of unit rows, output: `[batch, classes]`.
#[derive(Clone, Debug)]
pub struct Cosine {
    weight: Tensor,
    scale: f64,
}

impl Cosine {
    /// Declares the parameter in `store`.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`](crate::Error::DuplicateParameter) if the name is taken.
    pub fn new(
        store: &mut ParameterStore,
        name: &str,
        dim: usize,
        classes: usize,
        scale: f64,
    ) -> Result<Self> {
        let init = Init::torch_default(dim);
        let weight = store.trainable(&format!("{name}.weight"), (classes, dim), init, Manifold::Euclidean)?;
        Ok(Self { weight, scale })
    }

    /// The logits of rows that are normalised already.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward(&self, unit_rows: &Tensor) -> Result<Tensor> {
        Ok((op::linear_exact(unit_rows, &normalise(&self.weight)?, None)? * self.scale)?)
    }
}
