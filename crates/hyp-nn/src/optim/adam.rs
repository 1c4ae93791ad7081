//! Adam and `AdamW`, with PyTorch's formulas.

use super::{
    Step, require,
    slot::{Element, Kernel, Moments, PIECE, Slot, run_on_slices},
};
use crate::op::wide;
use candle_core::{Result, Tensor, Var};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Settings of Adam and its relatives.
///
/// $$ m \leftarrow \beta_1 m + (1-\beta_1) g, \quad v \leftarrow \beta_2 v + (1-\beta_2) g^2, \quad
///    \theta \leftarrow \theta - \frac{\eta}{1-\beta_1^t}\,\frac{m}{\sqrt{v/(1-\beta_2^t)} + \epsilon} $$
///
/// **Source.** Kingma and Ba 2015; decoupled decay, Loshchilov and Hutter 2019: `θ ← (1 − η·λ) θ` before the step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamConfig {
    /// Learning rate `η`.
    pub lr: f64,
    /// Decay `β₁` of the first moment.
    pub beta1: f64,
    /// Decay `β₂` of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Weight decay `λ`.
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    /// PyTorch's defaults for Adam: 1e-3, (0.9, 0.999), 1e-8, no decay.
    fn default() -> Self {
        Self { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

impl AdamConfig {
    pub(super) fn validate(&self) -> crate::Result<()> {
        require(self.lr > 0.0 && self.lr.is_finite(), "lr", self.lr, "give a positive number")?;
        require((0.0..1.0).contains(&self.beta1), "beta1", self.beta1, "give a number in [0, 1)")?;
        require((0.0..1.0).contains(&self.beta2), "beta2", self.beta2, "give a number in [0, 1)")?;
        require(self.eps > 0.0, "eps", self.eps, "give a positive number")?;
        require(self.weight_decay >= 0.0, "weight_decay", self.weight_decay, "give zero or a positive number")
    }
}

/// Where weight decay enters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Decay {
    InGradient,
    Decoupled,
}

/// The numbers of one step, computed once in `f64`.
struct Coefficients {
    grad_scale: f64,
    l2: f64,
    shrink: f64,
    one_minus_beta1: f64,
    beta2: f64,
    one_minus_beta2: f64,
    step_size: f64,
    root_correction: f64,
    eps: f64,
}

impl Coefficients {
    fn new(config: &AdamConfig, decay: Decay, steps: u64, step: Step) -> Self {
        let power = i32::try_from(steps).unwrap_or(i32::MAX);
        let in_gradient = decay == Decay::InGradient;
        Self {
            grad_scale: step.grad_scale,
            l2: if in_gradient { config.weight_decay } else { 0.0 },
            shrink: if in_gradient { 1.0 } else { 1.0 - step.rate * config.weight_decay },
            one_minus_beta1: 1.0 - config.beta1,
            beta2: config.beta2,
            one_minus_beta2: 1.0 - config.beta2,
            step_size: step.rate / (1.0 - config.beta1.powi(power)),
            root_correction: (1.0 - config.beta2.powi(power)).sqrt(),
            eps: config.eps,
        }
    }
}

/// One Adam step of one parameter; `slot.steps` already counts it.
pub(super) fn update(
    config: &AdamConfig,
    decay: Decay,
    var: &Var,
    grad: &Tensor,
    slot: &mut Slot,
    step: Step,
) -> Result<()> {
    let coefficients = Coefficients::new(config, decay, slot.steps, step);
    match &mut slot.moments {
        Moments::Host { first, second } => run_on_slices(&coefficients, var, grad, first, second),
        Moments::Device { first, second } => tensor_form(&coefficients, var, grad, first, second),
    }
}

impl Kernel for Coefficients {
    fn run<T: Element>(&self, param: &mut [T], grad: &[T], first: &mut [T], second: &mut [T]) {
        let [scale, l2, shrink] = [self.grad_scale, self.l2, self.shrink].map(T::from_f64);
        let [rise1, keep2, rise2] = [self.one_minus_beta1, self.beta2, self.one_minus_beta2].map(T::from_f64);
        let [step_size, root_correction, eps] =
            [self.step_size, self.root_correction, self.eps].map(T::from_f64);
        let update = |param: &mut [T], grad: &[T], first: &mut [T], second: &mut [T]| {
            wide(
                #[inline(always)]
                || {
                    for (((p, &g), m), v) in param.iter_mut().zip(grad).zip(first).zip(second) {
                        let g = g * scale + l2 * *p;
                        *m += (g - *m) * rise1;
                        *v = *v * keep2 + g * g * rise2;
                        *p = *p * shrink - step_size * (*m / (v.square_root() / root_correction + eps));
                    }
                },
            );
        };
        if param.len() <= PIECE {
            update(param, grad, first, second);
            return;
        }
        let pieces = (param.par_chunks_mut(PIECE), grad.par_chunks(PIECE));
        let moments = (first.par_chunks_mut(PIECE), second.par_chunks_mut(PIECE));
        (pieces.0, pieces.1, moments.0, moments.1)
            .into_par_iter()
            .for_each(|(p, g, m, v)| update(p, g, m, v));
    }
}

/// The same step in tensor operations, for devices other than the CPU.
fn tensor_form(
    k: &Coefficients,
    var: &Var,
    grad: &Tensor,
    first: &mut Tensor,
    second: &mut Tensor,
) -> Result<()> {
    let param = var.as_detached_tensor();
    let mut grad = (grad.detach() * k.grad_scale)?;
    if k.l2 != 0.0 {
        grad = (grad + (&param * k.l2)?)?;
    }
    *first = (&*first + ((&grad - &*first)? * k.one_minus_beta1)?)?;
    *second = ((&*second * k.beta2)? + (grad.sqr()? * k.one_minus_beta2)?)?;
    let denominator = ((second.sqrt()? / k.root_correction)? + k.eps)?;
    var.set(&((param * k.shrink)? - ((&*first / denominator)? * k.step_size)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// The tensor form runs on any device; here both run on the CPU.
    #[test]
    fn fused_and_tensor_forms_agree() {
        let config = AdamConfig { weight_decay: 0.1, ..AdamConfig::default() };
        let count = PIECE + 3; // more than one piece
        let values: Vec<f32> = (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
        let start = Tensor::from_slice(&values, count, &Device::Cpu).unwrap();
        for decay in [Decay::InGradient, Decay::Decoupled] {
            let (fused, composed) = (
                Var::from_tensor(&start.copy().unwrap()).unwrap(),
                Var::from_tensor(&start.copy().unwrap()).unwrap(),
            );
            let mut slot = Slot::zeros(&fused, [count, count]).unwrap();
            let mut first = start.zeros_like().unwrap();
            let mut second = start.zeros_like().unwrap();
            for round in 1..=5 {
                let grad = (start.affine(1.0 / f64::from(round), 0.01)).unwrap();
                let step = Step { rate: 0.01, grad_scale: 0.5 };
                slot.steps += 1;
                update(&config, decay, &fused, &grad, &mut slot, step).unwrap();
                let k = Coefficients::new(&config, decay, slot.steps, step);
                tensor_form(&k, &composed, &grad, &mut first, &mut second).unwrap();
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
