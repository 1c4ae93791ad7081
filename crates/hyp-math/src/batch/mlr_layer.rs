//! The hyperbolic logits in the parameters that a layer trains: both unconstrained vectors.

use super::{
    check_rows,
    isa::Isa,
    mlr::{Classes, logits_on},
    mlr_gradient::vjp_on,
    mlr_loss::{LossAndCurvature, loss_on},
};
use crate::{
    Curvature, Real,
    scalar::{sech_squared, tanhc, tanhc_slope},
    vector::{dot, norm},
};

/// [`super::mlr_logits`] at the points `p = exp₀(p_raw)`.
///
/// **Source.** The released layer: `p` by the exponential map at every forward pass, the normal scaled by
/// `1 − c‖p‖²`; equation `mlr-logits` of `docs/paper/equations.md`.
/// **Shapes.** `x`: `[batch, dim]`, `p_raw`, `a_raw`: `[classes, dim]`, `out`: `[batch, classes]`.
/// **Domain.** `x` in the ball, any `p_raw` and `a_raw`.
/// **Numerics.** `p` stays in `f64` and `1 − c‖p‖² = sech²(√c‖p_raw‖)` is not subtracted, so a `p` that would round
/// to the boundary is no special case.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, batch::mlr_layer_logits};
/// let mut out = [1.0_f64];
/// // A point on the hyperplane through p = exp₀(p_raw): its logit is zero.
/// let x = [0.25_f64.tanh(), 0.0];
/// mlr_layer_logits(&x, &[0.25, 0.0], &[3.0, -1.0], 2, Curvature::new(1.0)?, &mut out);
/// assert!(out[0].abs() < 1e-15);
/// # Ok::<(), hyp_math::InvalidCurvature>(())
/// ```
pub fn mlr_layer_logits<T: Real>(x: &[T], p_raw: &[T], a_raw: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    let points = Points::new(p_raw, dim, c);
    logits_on(Isa::detect(), x, &Classes::new(&points.p, a_raw, &points.gap, dim), c, out);
}

/// The gradient of [`mlr_layer_logits`]: overwrites the three gradients, returns the derivative by c.
///
/// **Shapes.** As [`mlr_layer_logits`]; `grad_out`: `[batch, classes]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn mlr_layer_logits_vjp<T: Real>(
    x: &[T],
    p_raw: &[T],
    a_raw: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    grad_x: &mut [T],
    grad_p_raw: &mut [T],
    grad_a_raw: &mut [T],
) -> f64 {
    through_points(p_raw, dim, c, grad_p_raw, |points, grad_p| {
        let classes = Classes::new(&points.p, a_raw, &points.gap, dim);
        (vjp_on(Isa::detect(), x, &classes, grad_out, c, grad_x, grad_p, grad_a_raw), 0.0)
    })
    .0
}

/// The mean softmax cross-entropy of [`mlr_layer_logits`] against `labels`, and its gradients, as
/// [`super::mlr_cross_entropy`].
///
/// **Shapes.** As [`mlr_layer_logits`]; `labels`: `[batch]`.
///
/// # Panics
/// If `dim` is zero, a length does not fit, or a label is not below the number of classes.
pub fn mlr_layer_cross_entropy<T: Real>(
    x: &[T],
    p_raw: &[T],
    a_raw: &[T],
    labels: &[u32],
    dim: usize,
    c: Curvature,
    grad_x: &mut [T],
    grad_p_raw: &mut [T],
    grad_a_raw: &mut [T],
) -> LossAndCurvature {
    let (by_c, loss) = through_points(p_raw, dim, c, grad_p_raw, |points, grad_p| {
        let classes = Classes::new(&points.p, a_raw, &points.gap, dim);
        let (loss, by_c) = loss_on(Isa::detect(), x, &classes, labels, c, (grad_x, grad_p, grad_a_raw));
        (by_c, loss)
    });
    (loss, by_c)
}

/// The gradient by the unconstrained parameters of the points, of what `at_points` writes by the points and says
/// by c; the other number is passed on.
fn through_points<T: Real>(
    p_raw: &[T],
    dim: usize,
    c: Curvature,
    grad_p_raw: &mut [T],
    at_points: impl FnOnce(&Points, &mut [f64]) -> (f64, f64),
) -> (f64, f64) {
    assert_eq!(grad_p_raw.len(), p_raw.len(), "grad_p_raw is shaped as p_raw");
    let points = Points::new(p_raw, dim, c);
    let mut grad_p = vec![0.0_f64; p_raw.len()];
    let (mut by_c, other) = at_points(&points, &mut grad_p);
    for ((raw, grad), out) in
        p_raw.chunks_exact(dim).zip(grad_p.chunks_exact(dim)).zip(grad_p_raw.chunks_exact_mut(dim))
    {
        let size = norm(raw);
        let t = c.sqrt() * size;
        let (factor, slope) = (tanhc(t), tanhc_slope(t));
        let along: f64 = raw.iter().zip(grad).map(|(raw, grad)| raw.to_f64() * grad).sum();
        for ((out, raw), grad) in out.iter_mut().zip(raw).zip(grad) {
            *out = T::from_f64(factor * grad + 2.0 * c.get() * slope * along * raw.to_f64());
        }
        by_c += along * slope * size * size;
    }
    (by_c, other)
}

/// The points of the classes in `f64`, with 1 − c‖p‖².
struct Points {
    p: Vec<f64>,
    gap: Vec<f64>,
}

impl Points {
    fn new<T: Real>(raw: &[T], dim: usize, c: Curvature) -> Self {
        check_rows(raw, dim);
        let mut points = Self { p: Vec::with_capacity(raw.len()), gap: Vec::with_capacity(raw.len() / dim) };
        for row in raw.chunks_exact(dim) {
            let t = c.sqrt() * dot(row, row).sqrt();
            let factor = tanhc(t);
            points.p.extend(row.iter().map(|v| factor * v.to_f64()));
            points.gap.push(sech_squared(t));
        }
        points
    }
}
