//! Named parameters and buffers of a model, in a fixed order.

use crate::{
    error::{Error, Result},
    init::Init,
};
use candle_core::{DType, Device, Shape, Tensor, Var};
use hyp_math::Curvature;
use std::collections::BTreeMap;

/// Where a parameter lives, which decides how an optimiser may move it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Manifold {
    /// Anywhere in flat space.
    Euclidean,
    /// Each element in a closed interval; an optimiser clamps it there after each step.
    Interval {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// Each row (last dimension) a point of the Poincaré ball of curvature `−c`.
    /// Riemannian optimisers step along geodesics; others step in flat space and project back into the ball.
    Ball {
        /// Curvature parameter: the space has curvature `−c`.
        c: Curvature,
    },
}

/// One trainable parameter.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The variable; gradients refer to it.
    pub var: Var,
    /// Where it lives.
    pub manifold: Manifold,
}

/// All parameters and buffers of one model, ordered by name.
///
/// Trainable parameters are what an optimiser changes; buffers (running statistics) are saved with them but have no
/// gradient. Names follow torchvision: `conv1.weight`, `fc1.bias`, `bn1.running_mean`.
///
/// # Examples
/// ```
/// use hyp_nn::{Init, Manifold, ParameterStore, candle_core::Device};
/// let mut store = ParameterStore::new(0, &Device::Cpu);
/// store.trainable("fc.weight", (2, 3), Init::torch_default(3), Manifold::Euclidean)?;
/// store.trainable("fc.bias", 2, Init::ZEROS, Manifold::Euclidean)?;
/// assert_eq!(store.parameters().map(|(name, _)| name).collect::<Vec<_>>(), ["fc.bias", "fc.weight"]);
/// assert_eq!(store.parameter_count(), 8);
/// # Ok::<(), hyp_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ParameterStore {
    seed: u64,
    blank: bool,
    dtype: DType,
    device: Device,
    trainable: BTreeMap<String, Parameter>,
    buffers: BTreeMap<String, Var>,
}

impl ParameterStore {
    /// An empty store whose parameters will be drawn from `seed` and live on `device`, in `f32`.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self {
            seed,
            blank: false,
            dtype: DType::F32,
            device: device.clone(),
            trainable: BTreeMap::new(),
            buffers: BTreeMap::new(),
        }
    }

    /// An empty store whose parameters start as zeros, because a file will fill them: drawing the first values of a
    /// large network takes seconds.
    pub fn blank(device: &Device) -> Self {
        Self { blank: true, ..Self::new(0, device) }
    }

    /// The same in `f64`, for checks of a whole network against a reference in double precision.
    pub fn in_double(self) -> Self {
        Self { dtype: DType::F64, ..self }
    }

    /// The device of all parameters.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The seed of the first values.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Declares a trainable parameter of the store's precision, `f32` unless it was made [otherwise](Self::in_double).
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`] if the name is taken.
    pub fn trainable(
        &mut self,
        name: &str,
        shape: impl Into<Shape>,
        init: Init,
        manifold: Manifold,
    ) -> Result<Tensor> {
        self.trainable_as(name, shape, init, manifold, self.dtype)
    }

    /// Declares a trainable parameter of the given element type, `f32` or `f64`.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`] if the name is taken.
    pub fn trainable_as(
        &mut self,
        name: &str,
        shape: impl Into<Shape>,
        init: Init,
        manifold: Manifold,
        dtype: DType,
    ) -> Result<Tensor> {
        let var = self.variable(name, shape.into(), init, dtype)?;
        let tensor = var.as_tensor().clone();
        self.trainable.insert(name.to_owned(), Parameter { var, manifold });
        Ok(tensor)
    }

    /// Declares a buffer: saved and loaded like a parameter, never trained.
    ///
    /// # Errors
    /// [`Error::DuplicateParameter`] if the name is taken.
    pub fn buffer(&mut self, name: &str, shape: impl Into<Shape>, init: Init) -> Result<Var> {
        let var = self.variable(name, shape.into(), init, self.dtype)?;
        self.buffers.insert(name.to_owned(), var.clone());
        Ok(var)
    }

    /// Trainable parameters in the order of their names.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Parameter)> {
        self.trainable.iter().map(|(name, parameter)| (name.as_str(), parameter))
    }

    /// Buffers in the order of their names.
    pub fn buffers(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.buffers.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// The trainable parameter called `name`.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.trainable.get(name)
    }

    /// Number of trainable scalars.
    pub fn parameter_count(&self) -> usize {
        self.trainable.values().map(|parameter| parameter.var.elem_count()).sum()
    }

    /// Parameters and buffers by name.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &Var)> {
        let parameters = self.trainable.iter().map(|(name, parameter)| (name, &parameter.var));
        parameters.chain(&self.buffers).map(|(name, var)| (name.as_str(), var))
    }

    /// Copies of all parameters and buffers by name, for saving or for [`ParameterStore::assign`] later.
    ///
    /// # Errors
    /// If the memory of a copy cannot be had.
    pub fn snapshot(&self) -> Result<BTreeMap<String, Tensor>> {
        self.variables().map(|(name, var)| Ok((name.to_owned(), var.copy()?.detach()))).collect()
    }

    /// Sets every parameter and buffer from `tensors`; nothing is changed unless all of them fit.
    ///
    /// Further tensors are ignored, so that a backbone can be filled from a larger file.
    ///
    /// # Errors
    /// A sentence naming the first tensor that is missing or has another shape or element type.
    pub fn assign(&self, tensors: &BTreeMap<String, Tensor>) -> std::result::Result<(), String> {
        for (name, var) in self.variables() {
            let Some(tensor) = tensors.get(name) else {
                return Err(format!("tensor '{name}' is missing: the file belongs to another model"));
            };
            if tensor.shape() != var.shape() || tensor.dtype() != var.dtype() {
                return Err(format!(
                    "tensor '{name}' is {:?} {:?}, the model needs {:?} {:?}: the file belongs to another model",
                    tensor.dims(),
                    tensor.dtype(),
                    var.dims(),
                    var.dtype(),
                ));
            }
        }
        for (name, var) in self.variables() {
            tensors[name]
                .to_device(&self.device)
                .and_then(|tensor| var.set(&tensor))
                .map_err(|error| format!("tensor '{name}': {error}"))?;
        }
        Ok(())
    }

    fn variable(&self, name: &str, shape: Shape, init: Init, dtype: DType) -> Result<Var> {
        if self.trainable.contains_key(name) || self.buffers.contains_key(name) {
            return Err(Error::DuplicateParameter { name: name.to_owned() });
        }
        if self.blank {
            return Ok(Var::zeros(shape, dtype, &self.device)?);
        }
        let values = init.values(self.seed, name, shape.elem_count());
        let tensor = if dtype == DType::F64 {
            Tensor::from_vec(values, shape, &self.device)?
        } else {
            let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
            Tensor::from_vec(values, shape, &self.device)?
        };
        Ok(Var::from_tensor(&tensor)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> ParameterStore {
        let mut store = ParameterStore::new(3, &Device::Cpu);
        store.trainable("w", (2, 2), Init::torch_default(2), Manifold::Euclidean).unwrap();
        store.buffer("mean", 2, Init::ONES).unwrap();
        store
    }

    #[test]
    fn a_name_is_used_once() {
        let mut store = store();
        let error = store.buffer("w", 1, Init::ZEROS).unwrap_err();
        assert_eq!(error.to_string(), "parameter 'w' is declared twice: give each layer its own name");
    }

    #[test]
    fn assign_changes_nothing_unless_everything_fits() {
        let store = store();
        let before = store.parameter("w").unwrap().var.to_vec2::<f32>().unwrap();
        let mut tensors = store.snapshot().unwrap();
        tensors.insert("w".into(), Tensor::zeros((2, 2), DType::F32, &Device::Cpu).unwrap());
        let fitting = tensors.clone();
        tensors.insert("mean".into(), Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap());
        let message = store.assign(&tensors).unwrap_err();
        assert!(message.contains("'mean' is [3]"), "{message}");
        tensors.remove("mean");
        assert!(store.assign(&tensors).unwrap_err().contains("'mean' is missing"));
        assert_eq!(store.parameter("w").unwrap().var.to_vec2::<f32>().unwrap(), before);
        store.assign(&fitting).unwrap();
        assert_eq!(store.parameter("w").unwrap().var.to_vec2::<f32>().unwrap(), [[0.0; 2]; 2]);
    }

    #[test]
    fn buffers_are_not_among_the_parameters() {
        let store = store();
        assert_eq!(store.parameters().map(|(name, _)| name).collect::<Vec<_>>(), ["w"]);
        assert_eq!(store.parameter_count(), 4);
        assert_eq!(store.snapshot().unwrap().len(), 2);
    }
}
