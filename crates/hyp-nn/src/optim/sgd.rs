//! Stochastic gradient descent with momentum, with PyTorch's formulas.

use super::{
    Step, require,
    slot::{Element, Kernel, Moments, PIECE, Slot, run_on_slices},
};
use candle_core::{Result, Tensor, Var};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Settings of stochastic gradient descent.
///
/// $$ g \leftarrow g + \lambda\theta, \quad b \leftarrow \mu b + g \;(b = g \text{ at the first step}), \quad
///    \theta \leftarrow \theta - \eta\,(g + \mu b \text{ with Nesterov's form, else } b) $$
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SgdConfig {
    /// Learning rate `η`.
    pub lr: f64,
    /// Momentum `μ`; 0 keeps no state.
    pub momentum: f64,
    /// Nesterov's form; needs momentum.
    pub nesterov: bool,
    /// Weight decay `λ`, added to the gradient.
    pub weight_decay: f64,
}

impl Default for SgdConfig {
    /// Learning rate 0.1, no momentum, no decay.
    fn default() -> Self {
        Self { lr: 0.1, momentum: 0.0, nesterov: false, weight_decay: 0.0 }
    }
}

impl SgdConfig {
    pub(super) fn validate(&self) -> crate::Result<()> {
        require(self.lr > 0.0 && self.lr.is_finite(), "lr", self.lr, "give a positive number")?;
        require((0.0..1.0).contains(&self.momentum), "momentum", self.momentum, "give a number in [0, 1)")?;
        let nesterov_ok = !self.nesterov || self.momentum > 0.0;
        require(nesterov_ok, "momentum", self.momentum, "nesterov needs a positive momentum")?;
        require(self.weight_decay >= 0.0, "weight_decay", self.weight_decay, "give zero or a positive number")
    }
}

struct Coefficients {
    rate: f64,
    grad_scale: f64,
    l2: f64,
    momentum: f64,
    nesterov: bool,
    first_step: bool,
}

/// One step of one parameter; `slot.steps` already counts it.
pub(super) fn update(
    config: &SgdConfig,
    var: &Var,
    grad: &Tensor,
    slot: &mut Slot,
    step: Step,
) -> Result<()> {
    let coefficients = Coefficients {
        rate: step.rate,
        grad_scale: step.grad_scale,
        l2: config.weight_decay,
        momentum: config.momentum,
        nesterov: config.nesterov,
        first_step: slot.steps == 1,
    };
    match &mut slot.moments {
        Moments::Host { first, second } => run_on_slices(&coefficients, var, grad, first, second),
        Moments::Device { first, .. } => tensor_form(&coefficients, var, grad, first),
    }
}

impl Kernel for Coefficients {
    fn run<T: Element>(&self, param: &mut [T], grad: &[T], first: &mut [T], _second: &mut [T]) {
        let [rate, scale, l2, momentum] =
            [self.rate, self.grad_scale, self.l2, self.momentum].map(T::from_f64);
        if first.is_empty() {
            for (p, &g) in param.iter_mut().zip(grad) {
                *p -= rate * (g * scale + l2 * *p);
            }
            return;
        }
        let keep = if self.first_step { T::from_f64(0.0) } else { momentum };
        let nesterov = self.nesterov;
        let update = |param: &mut [T], grad: &[T], first: &mut [T]| {
            for ((p, &g), b) in param.iter_mut().zip(grad).zip(first) {
                let g = g * scale + l2 * *p;
                *b = keep * *b + g;
                *p -= rate * if nesterov { g + momentum * *b } else { *b };
            }
        };
        if param.len() <= PIECE {
            update(param, grad, first);
            return;
        }
        (param.par_chunks_mut(PIECE), grad.par_chunks(PIECE), first.par_chunks_mut(PIECE))
            .into_par_iter()
            .for_each(|(p, g, b)| update(p, g, b));
    }
}

/// The same step in tensor operations, for devices other than the CPU.
fn tensor_form(k: &Coefficients, var: &Var, grad: &Tensor, first: &mut Tensor) -> Result<()> {
    let param = var.as_detached_tensor();
    let mut grad = (grad.detach() * k.grad_scale)?;
    if k.l2 != 0.0 {
        grad = (grad + (&param * k.l2)?)?;
    }
    if first.elem_count() > 0 {
        *first = if k.first_step { grad.clone() } else { ((&*first * k.momentum)? + &grad)? };
        grad = if k.nesterov { (grad + (&*first * k.momentum)?)? } else { first.clone() };
    }
    var.set(&(param - (grad * k.rate)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn fused_and_tensor_forms_agree() {
        let count = PIECE + 3; // more than one piece
        let values: Vec<f32> = (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
        let start = Tensor::from_slice(&values, count, &Device::Cpu).unwrap();
        for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
            let config = SgdConfig { lr: 0.1, momentum, nesterov, weight_decay: 0.01 };
            let var = || Var::from_tensor(&start.copy().unwrap()).unwrap();
            let (fused, composed) = (var(), var());
            let size = if momentum == 0.0 { 0 } else { count };
            let mut slot = Slot::zeros(&fused, [size, 0]).unwrap();
            let mut first = Tensor::zeros(size, candle_core::DType::F32, &Device::Cpu).unwrap();
            for round in 1..=4 {
                let grad = start.affine(1.0 / f64::from(round), 0.01).unwrap();
                let step = Step { rate: config.lr, grad_scale: 0.5 };
                slot.steps += 1;
                update(&config, &fused, &grad, &mut slot, step).unwrap();
                let k = Coefficients {
                    rate: step.rate,
                    grad_scale: step.grad_scale,
                    l2: config.weight_decay,
                    momentum,
                    nesterov,
                    first_step: round == 1,
                };
                tensor_form(&k, &composed, &grad, &mut first).unwrap();
            }
            let (a, b) = (fused.to_vec1::<f32>().unwrap(), composed.to_vec1::<f32>().unwrap());
            // Same formulas in f32, rounded in another order: a few units in the last place of values up to 1.
            for (a, b) in a.iter().zip(&b) {
                assert!((a - b).abs() <= 1e-6, "{a} vs {b}");
            }
            assert!(a.iter().zip(&values).any(|(a, b)| (a - b).abs() > 0.01));
        }
    }
}
