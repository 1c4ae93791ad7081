//! Unidirectional hyperbolic logits over a batch, in O(B·K) memory: one matrix product and one number per class.

use super::{
    check_rows,
    products::{products, products_vjp},
    rows::for_rows,
    side::Side,
};
use crate::{
    Curvature, Real,
    scalar::{asinh, asinhc_slope, sinhc_slope, times},
};

/// [`crate::mlr::mlr_logit_unidirectional`] of every row of `x` for every class.
///
/// **Shapes.** `x`: `[batch, dim]`, `z`: `[classes, dim]`, `r`: `[classes]`, `out`: `[batch, classes]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, batch::mlr_logits_unidirectional};
/// let mut out = [0.0_f64; 2];
/// mlr_logits_unidirectional(&[0.5, 0.0], &[1.0, 0.0, 0.0, 1.0], &[0.0, 0.0], 2, Curvature::ONE, &mut out);
/// assert!((out[0] - 2.0 * 3.0_f64.ln()).abs() < 1e-14);
/// assert_eq!(out[1], 0.0);
/// ```
pub fn mlr_logits_unidirectional<T: Real>(
    x: &[T],
    z: &[T],
    r: &[T],
    dim: usize,
    c: Curvature,
    out: &mut [T],
) {
    let batch = check_rows(x, dim);
    let classes = Classes::new(z, r, dim, c);
    let count = classes.norm.len();
    assert_eq!(out.len(), batch * count, "out is [batch, classes]");
    let side = Side::new(x, dim, c);
    let inner = products(x, z, dim);
    let mut logits = vec![0.0; inner.len()];
    let gaps = &side.gap[..batch];
    for_rows(
        batch,
        [(&inner[..], count), (gaps, 1), (&side.square[..batch], 1)],
        [(&mut logits[..], count)],
        |[inner, gap, square], [logits]| {
            for (k, (logit, inner)) in logits.iter_mut().zip(inner).enumerate() {
                let tau = classes.tau(k, *inner, square[0], gap[0]);
                *logit =
                    2.0 * classes.norm[k] * if c.is_flat() { tau } else { asinh(c.sqrt() * tau) / c.sqrt() };
            }
        },
    );
    for (slot, logit) in out.iter_mut().zip(&logits) {
        *slot = T::from_f64(*logit);
    }
}

/// The gradient of [`mlr_logits_unidirectional`]: overwrites `grad_x`, `grad_z` and `grad_r`, returns the derivative by
/// c.
///
/// **Shapes.** As [`mlr_logits_unidirectional`]; `grad_out`: `[batch, classes]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn mlr_logits_unidirectional_vjp<T: Real>(
    x: &[T],
    z: &[T],
    r: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    grad_x: &mut [T],
    grad_z: &mut [T],
    grad_r: &mut [T],
) -> f64 {
    let batch = check_rows(x, dim);
    let classes = Classes::new(z, r, dim, c);
    let count = classes.norm.len();
    assert_eq!(grad_out.len(), batch * count, "grad_out is [batch, classes]");
    assert_eq!(grad_x.len(), x.len(), "grad_x is shaped as x");
    assert_eq!(grad_z.len(), z.len(), "grad_z is shaped as z");
    assert_eq!(grad_r.len(), r.len(), "grad_r is shaped as r");
    let side = Side::new(x, dim, c);
    let mut weights = products(x, z, dim);
    let (mut own_x, mut own_z, mut by_r) = (vec![0.0; batch], vec![0.0; count], vec![0.0; count]);
    let mut by_c = 0.0;
    // One pass over the pairs; the products over the coordinates, before and after, are what costs.
    for (row, (inner, grads)) in weights.chunks_exact_mut(count).zip(grad_out.chunks_exact(count)).enumerate()
    {
        let (square, gap) = (side.square[row], side.gap[row]);
        let lambda = (1.0 + times(c, square)) / gap;
        for (k, (inner, grad)) in inner.iter_mut().zip(grads).enumerate() {
            let grad = grad.to_f64();
            let (norm, cosh, sinh) = (classes.norm[k], classes.cosh[k], classes.sinh[k]);
            let along = if norm > 0.0 { *inner / norm } else { 0.0 };
            let tau = classes.tau(k, *inner, square, gap);
            let t = c.sqrt() * tau;
            let by_tau = 2.0 * grad / t.hypot(1.0);
            let excess = -2.0 * grad * tau * tau * tau * asinhc_slope(t);
            let across = 2.0 * by_tau * cosh / gap;
            *inner = across;
            own_x[row] += 2.0 * c.get() * by_tau * norm * (tau - sinh) / gap;
            if norm > 0.0 {
                own_z[k] += (2.0 * c.get() * excess + by_tau * tau - across * along) / norm;
            }
            by_r[k] += 2.0 * by_tau * norm * (2.0 * along * times(c, sinh) / gap - lambda * cosh);
            let tau_by_c = (2.0 * along * classes.r[k] * sinh + square * (tau - sinh)) / gap
                - lambda * classes.sinh_by_c[k];
            by_c += norm * (by_tau * tau_by_c - excess);
        }
    }
    products_vjp(x, z, &weights, &own_x, &own_z, dim, grad_x, grad_z);
    for (slot, value) in grad_r.iter_mut().zip(&by_r) {
        *slot = T::from_f64(*value);
    }
    by_c
}

/// What a logit needs of its class.
struct Classes {
    c: f64,
    r: Vec<f64>,
    /// ‖z‖.
    norm: Vec<f64>,
    /// cosh(2√c r).
    cosh: Vec<f64>,
    /// sinh(2√c r)/√c and its derivative by c.
    sinh: Vec<f64>,
    sinh_by_c: Vec<f64>,
}

impl Classes {
    fn new<T: Real>(z: &[T], r: &[T], dim: usize, c: Curvature) -> Self {
        assert_eq!(r.len(), check_rows(z, dim), "there is one offset per class");
        let r: Vec<f64> = r.iter().map(|r| r.to_f64()).collect();
        let angle = |r: f64| 2.0 * c.sqrt() * r;
        Self {
            c: c.get(),
            norm: z.chunks_exact(dim).map(crate::vector::norm).collect(),
            cosh: r.iter().map(|&r| angle(r).cosh()).collect(),
            sinh: r.iter().map(|&r| if c.is_flat() { 2.0 * r } else { angle(r).sinh() / c.sqrt() }).collect(),
            sinh_by_c: r.iter().map(|&r| 8.0 * r * r * r * sinhc_slope(angle(r))).collect(),
            r,
        }
    }

    /// The argument of asinh over √c, of class `k` at a point with `inner` = ⟨x, z⟩.
    #[inline(always)]
    fn tau(&self, k: usize, inner: f64, square: f64, gap: f64) -> f64 {
        let along = if self.norm[k] > 0.0 { inner / self.norm[k] } else { 0.0 };
        (2.0 * along * self.cosh[k] - (1.0 + self.c * square) * self.sinh[k]) / gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlr;
    use crate::testing::{assert_close, ball_points};

    const DIM: usize = 7;
    const CLASSES: usize = 9;
    const BATCH: usize = 5;

    fn case(c: Curvature) -> [Vec<f64>; 4] {
        let mut z: Vec<f64> = ball_points(2, CLASSES, DIM, Curvature::FLAT, 3.0);
        z[..DIM].fill(0.0);
        [
            ball_points(1, BATCH, DIM, c, 0.95),
            z,
            (0..CLASSES).map(|k| 0.2 * k as f64 - 0.7).collect(),
            (0..BATCH * CLASSES).map(|i| ((i * 7) % 11) as f64 - 5.0).collect(),
        ]
    }

    #[test]
    fn batch_equals_the_form_for_one_pair() {
        for curvature in [0.0, 0.03, 1.0] {
            let c = Curvature::new(curvature).unwrap();
            let [x, z, r, grad_out] = case(c);
            let mut out = vec![0.0; BATCH * CLASSES];
            mlr_logits_unidirectional(&x, &z, &r, DIM, c, &mut out);
            let (mut gx, mut gz, mut gr) = (vec![0.0; x.len()], vec![0.0; z.len()], vec![0.0; r.len()]);
            let by_c =
                mlr_logits_unidirectional_vjp(&x, &z, &r, &grad_out, DIM, c, &mut gx, &mut gz, &mut gr);
            let (mut want, mut wx, mut wz) = (vec![0.0; out.len()], vec![0.0; x.len()], vec![0.0; z.len()]);
            let (mut wr, mut want_c) = (vec![0.0; r.len()], 0.0);
            let (mut by_x, mut by_z) = ([0.0; DIM], [0.0; DIM]);
            for b in 0..BATCH {
                for k in 0..CLASSES {
                    let (x, z) = (&x[b * DIM..(b + 1) * DIM], &z[k * DIM..(k + 1) * DIM]);
                    want[b * CLASSES + k] = mlr::mlr_logit_unidirectional(x, z, r[k], c);
                    let grad = grad_out[b * CLASSES + k];
                    let (by_r, one_c) =
                        mlr::mlr_logit_unidirectional_vjp(x, z, r[k], grad, c, &mut by_x, &mut by_z);
                    for j in 0..DIM {
                        wx[b * DIM + j] += by_x[j];
                        wz[k * DIM + j] += by_z[j];
                    }
                    wr[k] += by_r;
                    want_c += one_c;
                }
            }
            // The same formulas, summed in another order.
            assert_close(&out, &want, 1e-13);
            assert_close(&gx, &wx, 1e-13);
            assert_close(&gz, &wz, 1e-13);
            assert_close(&gr, &wr, 1e-13);
            assert_close(&[by_c], &[want_c], 1e-12);
        }
    }
}
