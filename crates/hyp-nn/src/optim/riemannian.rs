//! Steps along geodesics for parameters that are points of the ball, and constraints after any step.

use super::{
    AdamConfig, SgdConfig, Step,
    slot::{Element, Kernel, Moments, Slot, host_storage, host_tensor, run_on_slices},
};
use crate::parameter::Manifold;
use candle_core::{DType, Device, Result, Tensor, Var, WithDType};
use hyp_math::{
    Curvature,
    eps::BALL_MARGIN,
    gyro::riemannian_factor,
    maps::{exp_map_at, parallel_transport, project},
};

/// One Riemannian Adam step of one ball parameter.
///
/// $$ g = \tfrac{(1-c\|p\|^2)^2}{4}\nabla, \quad m \leftarrow \beta_1 m + (1-\beta_1) g, \quad
///    v \leftarrow \beta_2 v + (1-\beta_2)\,\lambda_p^2\|g\|^2, \quad
///    p' = \exp_p(-\eta\,\hat m / (\sqrt{\hat v} + \epsilon)), \quad m \leftarrow P_{p \to p'} m $$
///
/// with one `v` per row, as a coordinate of a tangent vector means nothing by itself.
///
/// **Source.** Bécigneul and Ganea 2019, Riemannian Adaptive Optimization Methods.
pub(super) fn adam(
    config: &AdamConfig,
    var: &Var,
    grad: &Tensor,
    slot: &mut Slot,
    step: Step,
    c: Curvature,
) -> Result<()> {
    let power = i32::try_from(slot.steps).unwrap_or(i32::MAX);
    let kernel = RowKernel {
        dim: row_length(var),
        c,
        grad_scale: step.grad_scale,
        weight_decay: config.weight_decay,
        rule: Rule::Adam {
            config: *config,
            step_size: step.rate / (1.0 - config.beta1.powi(power)),
            correction: 1.0 - config.beta2.powi(power),
        },
    };
    run(&kernel, var, grad, slot)
}

/// One Riemannian SGD step of one ball parameter: `p' = exp_p(−η b)`, the momentum `b` carried along to `p'`.
///
/// **Source.** Bonnabel 2013; momentum by parallel transport.
pub(super) fn sgd(
    config: &SgdConfig,
    var: &Var,
    grad: &Tensor,
    slot: &mut Slot,
    step: Step,
    c: Curvature,
) -> Result<()> {
    let kernel = RowKernel {
        dim: row_length(var),
        c,
        grad_scale: step.grad_scale,
        weight_decay: config.weight_decay,
        rule: Rule::Sgd { config: *config, rate: step.rate },
    };
    run(&kernel, var, grad, slot)
}

/// Puts a parameter back where it lives after a step.
pub(super) fn constrain(var: &Var, manifold: Manifold) -> Result<()> {
    match manifold {
        Manifold::Euclidean => Ok(()),
        Manifold::Interval { low, high } => var.set(&var.as_detached_tensor().clamp(low, high)?),
        Manifold::Ball { c } => {
            let (dim, dtype) = (row_length(var), var.dtype());
            let points = var.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
            let mut inside = points.clone();
            let mut moved = false;
            for (point, out) in points.chunks_exact(dim).zip(inside.chunks_exact_mut(dim)) {
                moved |= project(point, c, BALL_MARGIN, out);
            }
            if moved {
                var.set(
                    &Tensor::from_vec(inside, var.dims(), &Device::Cpu)?
                        .to_dtype(dtype)?
                        .to_device(var.device())?,
                )?;
            }
            Ok(())
        }
    }
}

fn row_length(var: &Tensor) -> usize {
    var.dims().last().copied().unwrap_or(1).max(1)
}

enum Rule {
    Adam { config: AdamConfig, step_size: f64, correction: f64 },
    Sgd { config: SgdConfig, rate: f64 },
}

struct RowKernel {
    dim: usize,
    c: Curvature,
    grad_scale: f64,
    weight_decay: f64,
    rule: Rule,
}

/// Runs the kernel on the host; parameters of other devices, few and small, make the journey there and back.
fn run(kernel: &RowKernel, var: &Var, grad: &Tensor, slot: &mut Slot) -> Result<()> {
    match &mut slot.moments {
        Moments::Host { first, second } => run_on_slices(kernel, var, grad, first, second),
        Moments::Device { first, second } => {
            let host = Var::from_tensor(&var.to_device(&Device::Cpu)?)?;
            let (mut host_first, mut host_second) = (host_storage(first)?, host_storage(second)?);
            let grad = grad.to_device(&Device::Cpu)?;
            run_on_slices(kernel, &host, &grad, &mut host_first, &mut host_second)?;
            var.set(&host.to_device(var.device())?)?;
            *first = host_tensor(&host_first)?.reshape(first.shape())?.to_device(var.device())?;
            *second = host_tensor(&host_second)?.reshape(second.shape())?.to_device(var.device())?;
            Ok(())
        }
    }
}

impl Kernel for RowKernel {
    fn run<T: Element>(&self, param: &mut [T], grad: &[T], first: &mut [T], second: &mut [T]) {
        let dim = self.dim;
        let [mut point, mut gradient, mut momentum, mut velocity, mut next] =
            [(); 5].map(|()| vec![0.0; dim]);
        for (row, (p, g)) in param.chunks_exact_mut(dim).zip(grad.chunks_exact(dim)).enumerate() {
            load(p, &mut point);
            let factor = riemannian_factor(&point, self.c);
            for ((out, g), p) in gradient.iter_mut().zip(g).zip(&point) {
                *out = factor * (self.grad_scale * g.to_f64() + self.weight_decay * p);
            }
            let kept = if first.is_empty() { None } else { Some(&mut first[row * dim..][..dim]) };
            if let Some(kept) = &kept {
                load(kept, &mut momentum);
            }
            match &self.rule {
                Rule::Adam { config, step_size, correction } => {
                    // λ²‖g‖² = ‖g‖² / factor, since the factor is λ⁻².
                    let square = gradient.iter().map(|g| g * g).sum::<f64>() / factor;
                    let mean = config.beta2 * second[row].to_f64() + (1.0 - config.beta2) * square;
                    second[row] = T::from_f64(mean);
                    let scale = -step_size / ((mean / correction).sqrt() + config.eps);
                    for ((m, v), g) in momentum.iter_mut().zip(&mut velocity).zip(&gradient) {
                        *m += (1.0 - config.beta1) * (g - *m);
                        *v = scale * *m;
                    }
                }
                Rule::Sgd { config, rate } => {
                    for ((b, v), g) in momentum.iter_mut().zip(&mut velocity).zip(&gradient) {
                        *b = config.momentum * *b + g;
                        *v = -rate * if config.nesterov { g + config.momentum * *b } else { *b };
                    }
                    if kept.is_none() {
                        momentum.fill(0.0);
                    }
                }
            }
            exp_map_at(&point, &velocity, self.c, &mut next);
            // `velocity` has done its work and receives the projected point.
            project(&next, self.c, BALL_MARGIN, &mut velocity);
            store(&velocity, p);
            if let Some(kept) = kept {
                parallel_transport(&point, &velocity, &momentum, self.c, &mut gradient);
                store(&gradient, kept);
            }
        }
    }
}

fn load<T: WithDType>(from: &[T], to: &mut [f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = from.to_f64();
    }
}

fn store<T: WithDType>(from: &[f64], to: &mut [T]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = T::from_f64(*from);
    }
}
