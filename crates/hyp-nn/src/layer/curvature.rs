//! A curvature parameter, fixed or trained.

use crate::{
    error::{Error, Result},
    init::Init,
    op,
    parameter::{Manifold, ParameterStore},
};
use candle_core::{DType, Tensor};
use hyp_math::Curvature;

/// How far a trained curvature may leave its first value, either way.
pub const CURVATURE_RANGE: f64 = 10.0;

/// The curvature parameter `c` of a layer.
///
/// A trained one is learnt as `log c` in `f64`, and the optimiser keeps it within a factor [`CURVATURE_RANGE`] of its
/// first value: learnt directly in `f32` it drifts and ends in NaN.
#[derive(Clone, Debug)]
pub enum BallCurvature {
    /// Given once.
    Fixed(Curvature),
    /// Trained.
    Trained {
        /// `log c`, a scalar in `f64`.
        log_c: Tensor,
    },
}

impl BallCurvature {
    /// A curvature parameter with first value `c`; if it is trained, declares `NAME.log_c` in `store`.
    ///
    /// # Errors
    /// [`Error::Setting`] unless `c` is finite and not negative, and positive if it is trained.
    pub fn new(store: &mut ParameterStore, name: &str, c: f64, trained: bool) -> Result<Self> {
        let refuse = |remedy| Error::Setting { setting: "c", value: c.to_string(), remedy };
        let fixed = Curvature::new(c).map_err(|_| refuse("give zero or a positive number"))?;
        if !trained {
            return Ok(Self::Fixed(fixed));
        }
        if fixed.is_flat() {
            return Err(refuse("a trained curvature needs a positive first value"));
        }
        let (log_c, reach) = (c.ln(), CURVATURE_RANGE.ln());
        let range = Manifold::Interval { low: log_c - reach, high: log_c + reach };
        let log_c =
            store.trainable_as(&format!("{name}.log_c"), (), Init::Constant(log_c), range, DType::F64)?;
        Ok(Self::Trained { log_c })
    }

    /// Its present value.
    ///
    /// # Errors
    /// If it cannot be read from its device, or has become infinite or NaN.
    pub fn value(&self) -> Result<Curvature> {
        match self {
            Self::Fixed(c) => Ok(*c),
            Self::Trained { log_c } => {
                let c = log_c.to_scalar::<f64>()?.exp();
                Curvature::new(c).map_err(|_| Error::Setting {
                    setting: "trained c",
                    value: c.to_string(),
                    remedy: "lower the learning rate",
                })
            }
        }
    }
}

impl BallCurvature {
    /// What an operation on tensors of the element type of `like` needs.
    ///
    /// # Errors
    /// As [`BallCurvature::value`].
    pub fn operand(&self, like: &Tensor) -> Result<op::BallParameter> {
        let value = self.value()?;
        let grad = match self {
            Self::Fixed(_) => None,
            Self::Trained { log_c } => Some(log_c.exp()?.to_dtype(like.dtype())?),
        };
        Ok(op::BallParameter::new(value, grad))
    }
}
