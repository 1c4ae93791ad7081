//! Optimisers with state that can be saved, learning-rate schedules and gradient clipping.
//!
//! On the CPU each update is one fused pass over parameter, gradient and moments; elsewhere it is written in tensor
//! operations. Both forms follow PyTorch's formulas, and a test compares them.

mod adam;
mod clip;
mod riemannian;
mod schedule;
mod sgd;
mod slot;

pub use adam::AdamConfig;
pub(crate) use clip::sum_of_squares;
pub use clip::{clip_scale, grad_norm};
pub use schedule::Schedule;
pub use sgd::SgdConfig;

use crate::{
    error::{Error, Result},
    parameter::{Manifold, ParameterStore},
};
use candle_core::{Tensor, backprop::GradStore};
use serde::{Deserialize, Serialize};
use slot::Slot;
use std::collections::BTreeMap;

/// Which optimiser, with its settings.
///
/// # Examples
/// ```
/// use hyp_nn::optim::{AdamConfig, OptimizerConfig};
/// let adam = OptimizerConfig::Adam(AdamConfig { lr: 1e-3, ..AdamConfig::default() });
/// assert_eq!(adam.learning_rate(), 1e-3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OptimizerConfig {
    /// Adam; weight decay is added to the gradient.
    Adam(AdamConfig),
    /// Adam with decoupled weight decay.
    AdamW(AdamConfig),
    /// Stochastic gradient descent.
    Sgd(SgdConfig),
    /// Adam on the manifold for ball parameters, Adam for all others.
    RiemannianAdam(AdamConfig),
    /// Stochastic gradient descent on the manifold for ball parameters, plain for all others.
    RiemannianSgd(SgdConfig),
}

impl OptimizerConfig {
    /// Adam with PyTorch's defaults and the given learning rate.
    pub fn adam(lr: f64) -> Self {
        Self::Adam(AdamConfig { lr, ..AdamConfig::default() })
    }

    /// Plain SGD with the given learning rate.
    pub fn sgd(lr: f64) -> Self {
        Self::Sgd(SgdConfig { lr, ..SgdConfig::default() })
    }

    /// The base learning rate, before any schedule.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::Adam(adam) | Self::AdamW(adam) | Self::RiemannianAdam(adam) => adam.lr,
            Self::Sgd(sgd) | Self::RiemannianSgd(sgd) => sgd.lr,
        }
    }

    /// An optimiser with these settings and empty state.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the first setting out of range.
    pub fn build(self) -> Result<Optimizer> {
        match self {
            Self::Adam(adam) | Self::AdamW(adam) | Self::RiemannianAdam(adam) => adam.validate()?,
            Self::Sgd(sgd) | Self::RiemannianSgd(sgd) => sgd.validate()?,
        }
        Ok(Optimizer { config: self, slots: BTreeMap::new() })
    }
}

/// The two numbers of one step that come from outside the optimiser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Learning rate of this step.
    pub rate: f64,
    /// Factor on every gradient, from [`clip_scale`]; 1 changes nothing.
    pub grad_scale: f64,
}

impl Step {
    /// A step at this learning rate without gradient scaling.
    pub fn at_rate(rate: f64) -> Self {
        Self { rate, grad_scale: 1.0 }
    }
}

/// An optimiser: settings and, per parameter, moments and step count.
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    slots: BTreeMap<String, Slot>,
}

impl Optimizer {
    /// The settings.
    pub fn config(&self) -> OptimizerConfig {
        self.config
    }

    /// Moves every parameter of `store` that has a gradient in `grads`, in the order of the names.
    ///
    /// Parameters without a gradient are left alone, and so is their state.
    ///
    /// # Errors
    /// If a tensor operation fails, for instance because the gradient is of another element type.
    pub fn step(&mut self, store: &ParameterStore, grads: &GradStore, step: Step) -> Result<()> {
        for (name, parameter) in store.parameters() {
            let Some(grad) = grads.get(&parameter.var) else { continue };
            if !self.slots.contains_key(name) {
                let slot =
                    Slot::zeros(&parameter.var, self.moment_shape(&parameter.manifold, &parameter.var))?;
                self.slots.insert(name.to_owned(), slot);
            }
            let slot = self.slots.get_mut(name).expect("invariant: inserted above");
            slot.steps += 1;
            match (&self.config, parameter.manifold) {
                (OptimizerConfig::RiemannianAdam(config), Manifold::Ball { c }) => {
                    riemannian::adam(config, &parameter.var, grad, slot, step, c)?;
                }
                (OptimizerConfig::RiemannianSgd(config), Manifold::Ball { c }) => {
                    riemannian::sgd(config, &parameter.var, grad, slot, step, c)?;
                }
                (OptimizerConfig::Adam(config) | OptimizerConfig::RiemannianAdam(config), _) => {
                    adam::update(config, adam::Decay::InGradient, &parameter.var, grad, slot, step)?;
                }
                (OptimizerConfig::AdamW(config), _) => {
                    adam::update(config, adam::Decay::Decoupled, &parameter.var, grad, slot, step)?;
                }
                (OptimizerConfig::Sgd(config) | OptimizerConfig::RiemannianSgd(config), _) => {
                    sgd::update(config, &parameter.var, grad, slot, step)?;
                }
            }
            riemannian::constrain(&parameter.var, parameter.manifold)?;
        }
        Ok(())
    }

    /// The state as named tensors: `optimizer/first/NAME`, `optimizer/second/NAME`, `optimizer/steps/NAME`.
    ///
    /// # Errors
    /// If a tensor cannot be made.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut state = BTreeMap::new();
        for (name, slot) in &self.slots {
            slot.save(name, &mut state)?;
        }
        Ok(state)
    }

    /// Replaces the state by what [`Optimizer::state`] gave for the same model and settings.
    ///
    /// # Errors
    /// A sentence naming the first tensor that is missing or has the wrong shape.
    pub fn restore(
        &mut self,
        store: &ParameterStore,
        state: &BTreeMap<String, Tensor>,
    ) -> std::result::Result<(), String> {
        let mut slots = BTreeMap::new();
        for (name, parameter) in store.parameters() {
            let shape = self.moment_shape(&parameter.manifold, &parameter.var);
            if let Some(slot) = Slot::load(name, &parameter.var, shape, state)? {
                slots.insert(name.to_owned(), slot);
            }
        }
        self.slots = slots;
        Ok(())
    }

    /// Sizes of the two moments: full, per row (second moment of Riemannian Adam) or absent.
    fn moment_shape(&self, manifold: &Manifold, var: &Tensor) -> [usize; 2] {
        let full = var.elem_count();
        let rows = full / var.dims().last().copied().unwrap_or(1).max(1);
        match self.config {
            OptimizerConfig::Adam(_) | OptimizerConfig::AdamW(_) => [full, full],
            OptimizerConfig::RiemannianAdam(_) => match manifold {
                Manifold::Ball { .. } => [full, rows],
                _ => [full, full],
            },
            OptimizerConfig::Sgd(sgd) | OptimizerConfig::RiemannianSgd(sgd) => {
                [if sgd.momentum == 0.0 { 0 } else { full }, 0]
            }
        }
    }
}

/// A check of one setting.
fn require(ok: bool, setting: &'static str, value: f64, remedy: &'static str) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::Setting { setting, value: value.to_string(), remedy }) }
}
