//! From features to the ball in one pass: clip the norm, exponential map at the origin, project.

use super::{
    check_rows,
    rows::{RowOp, Total, over_rows},
};
use crate::{
    Curvature, Real,
    scalar::{tanhc, tanhc_slope},
    vector::{dot, map1, map2, norm},
};

/// Maps every row of `x` into the ball: clips its norm, applies the exponential map at 0, and projects.
///
/// $$ y = \pi\big(\exp_0(\min(1, r/\|x\|)\,x)\big), \qquad
///    \|y\| = \min\Big(\frac{\tanh(\sqrt c \min(\|x\|, r))}{\sqrt c},\; \frac{1-\text{margin}}{\sqrt c}\Big) $$
///
/// **Source.** \[HIE\] Sec. 4, equations `exp-map-zero` and `project` of `docs/paper/equations.md`; the clipping of
/// features by a radius `r` is of Guo et al. 2022.
/// **Shapes.** `x`, `out`: `[rows, dim]`.
/// **Domain.** Any features; `clip` is a positive radius or `None`; `0 ≤ margin < 1`, the paper's is
/// [`crate::eps::BALL_MARGIN`]. Without clip or margin, rows with √c‖x‖ above 9 (`f32`) or 19 (`f64`) round to the
/// boundary. `c = 0` gives the clipped row itself.
/// **Numerics.** One factor per row, smooth in ‖x‖²; the row 0 stays 0.
///
/// # Panics
/// If `dim` is zero, a length does not fit, or `clip` or `margin` is outside its domain.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, batch::to_ball};
/// let mut out = [0.0_f64; 4];
/// to_ball(&[3.0_f64.ln() / 2.0, 0.0, 0.0, -50.0], 2, Curvature::new(1.0)?, None, 1e-3, &mut out);
/// assert!((out[0] - 0.5).abs() < 1e-15); // tanh(½ ln 3) = ½
/// assert!((out[3] + 0.999).abs() < 1e-15); // held at the margin
/// # Ok::<(), hyp_math::InvalidCurvature>(())
/// ```
pub fn to_ball<T: Real>(x: &[T], dim: usize, c: Curvature, clip: Option<f64>, margin: f64, out: &mut [T]) {
    let limits = Limits::new(c, clip, margin);
    over_rows(check_rows(x, dim), [(x, dim)], [(out, dim)], &Value(limits));
}

/// The gradient of [`to_ball`]: overwrites `grad_x`, returns the derivative by c.
///
/// A clipped or projected row keeps its norm, so only the part of the gradient across the row passes.
///
/// **Shapes.** `x`, `grad_out`, `grad_x`: `[rows, dim]`.
///
/// # Panics
/// As [`to_ball`].
pub fn to_ball_vjp<T: Real>(
    x: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    clip: Option<f64>,
    margin: f64,
    grad_x: &mut [T],
) -> f64 {
    let limits = Limits::new(c, clip, margin);
    over_rows(check_rows(x, dim), [(x, dim), (grad_out, dim)], [(grad_x, dim)], &Gradient(limits)).one()
}

/// A row, mapped.
struct Value(Limits);

impl<T: Real> RowOp<T, 1, 1> for Value {
    #[inline(always)]
    fn row(&self, [x]: [&[T]; 1], [out]: [&mut [T]; 1]) -> impl Into<Total> {
        let factor = self.0.factor(norm(x)).value;
        map1(out, x, |x| factor * x);
    }
}

/// The gradient by a row.
struct Gradient(Limits);

impl<T: Real> RowOp<T, 2, 1> for Gradient {
    #[inline(always)]
    fn row(&self, [x, grad_out]: [&[T]; 2], [grad_x]: [&mut [T]; 1]) -> impl Into<Total> {
        let factor = self.0.factor(norm(x));
        let along = dot(x, grad_out);
        map2(grad_x, x, grad_out, |x, grad| factor.value * grad + factor.by_half_square * along * x);
        along * factor.by_curvature
    }
}

/// The norms at which rows are held.
struct Limits {
    c: Curvature,
    clip: f64,
    largest: f64,
    margin: f64,
}

/// The factor of one row and its derivatives.
struct Factor {
    value: f64,
    /// By ‖x‖²/2: what multiplies ⟨x, grad⟩ x.
    by_half_square: f64,
    by_curvature: f64,
}

impl Limits {
    fn new(c: Curvature, clip: Option<f64>, margin: f64) -> Self {
        let clip = clip.unwrap_or(f64::INFINITY);
        assert!(clip > 0.0, "features are clipped to a positive norm, got {clip}");
        assert!((0.0..1.0).contains(&margin), "a ball margin lies in [0, 1), got {margin}");
        let largest = if margin > 0.0 { c.max_norm(margin) } else { f64::INFINITY };
        Self { c, clip, largest, margin }
    }

    fn factor(&self, norm: f64) -> Factor {
        let clipped = norm > self.clip;
        let kept = if clipped { self.clip } else { norm };
        let t = self.c.sqrt() * kept;
        let ratio = tanhc(t);
        if kept * ratio > self.largest {
            let value = self.largest / norm;
            debug_assert!(self.margin > 0.0);
            return Factor {
                value,
                by_half_square: -value / (norm * norm),
                by_curvature: -0.5 * value / self.c.get(),
            };
        }
        let slope = tanhc_slope(t);
        let by_curvature = slope * kept * kept;
        if clipped {
            let shrink = self.clip / norm;
            let value = shrink * ratio;
            return Factor {
                value,
                by_half_square: -value / (norm * norm),
                by_curvature: shrink * by_curvature,
            };
        }
        Factor { value: ratio, by_half_square: 2.0 * self.c.get() * slope, by_curvature }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, ball_points, difference_by_curvature, differences};

    /// Rows in every branch: small, large, clipped, projected, zero.
    fn rows() -> (Vec<f64>, Curvature, usize) {
        let dim = 3;
        let mut x: Vec<f64> = ball_points(5, 6, dim, Curvature::FLAT, 6.0);
        x.extend([0.0; 3]);
        x.extend([1e-9, -2e-9, 1e-9]);
        (x, Curvature::new(0.6).unwrap(), dim)
    }

    #[test]
    fn gradients_are_central_differences_in_every_branch() {
        let (x, c, dim) = rows();
        let grad_out: Vec<f64> = (0..x.len()).map(|i| (i as f64 * 1.7).sin()).collect();
        for (clip, margin) in
            [(None, 0.0), (None, 0.1), (Some(1.5), 0.0), (Some(1.5), 0.3), (Some(1.5), 1e-3)]
        {
            let loss = |x: &[f64], c: Curvature| {
                let mut out = vec![0.0; x.len()];
                to_ball(x, dim, c, clip, margin, &mut out);
                dot(&out, &grad_out)
            };
            let mut grad = vec![0.0; x.len()];
            let by_c = to_ball_vjp(&x, &grad_out, dim, c, clip, margin, &mut grad);
            // Central differences leave step² plus rounding/step, about 1e-9 here.
            assert_close(&grad, &differences(&x, |x| loss(x, c)), 1e-8);
            let want = difference_by_curvature(0.6, |c| loss(&x, c));
            assert!(
                (by_c - want).abs() < 1e-8 * (1.0 + want.abs()),
                "{clip:?} {margin}: {by_c} is not {want}"
            );
        }
    }

    #[test]
    fn flat_space_only_clips() {
        let x = [3.0_f32, 4.0, 0.3, 0.4];
        let mut out = [0.0; 4];
        to_ball(&x, 2, Curvature::FLAT, Some(1.0), 1e-3, &mut out);
        assert_close(&out, &[0.6, 0.8, 0.3, 0.4], 1e-7);
        let mut grad = [0.0; 4];
        let by_c = to_ball_vjp(&x, &[0.6, 0.8, 1.0, 1.0], 2, Curvature::FLAT, Some(1.0), 1e-3, &mut grad);
        // The first gradient points along its clipped row and vanishes; the second row is the identity.
        assert_close(&grad, &[0.0, 0.0, 1.0, 1.0], 1e-7);
        assert!(by_c.is_finite());
    }

    #[test]
    fn a_held_row_lies_on_the_margin() {
        let c = Curvature::new(0.01).unwrap();
        let mut out = [0.0_f32; 2];
        to_ball(&[300.0, 400.0], 2, c, None, 1e-3, &mut out);
        assert_close(&out, &[0.6 * 9.99, 0.8 * 9.99], 1e-6);
    }
}
