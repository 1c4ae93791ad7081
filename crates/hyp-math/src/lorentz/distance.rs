//! The distance of two points of the hyperboloid.

use super::length;
use crate::scalar::{asinhc, asinhc_slope, times};
use crate::vector::{dot, map2, square};
use crate::{Curvature, Real};

/// The distance of two points, by their space parts.
///
/// $$ d(x, y) = \frac{2}{\sqrt c}\operatorname{asinh}\frac{\sqrt c\,\|X - Y\|_L}{2}, \qquad
///    \|X - Y\|_L^2 = \|x - y\|^2 - (X_0 - Y_0)^2 $$
///
/// **Source.** `lorentz-distance` of `docs/paper/equations.md`; the same number as [`crate::distance::distance`] of the
/// same points in the ball.
/// **Shapes.** `x`, `y`: `[dim]`.
/// **Domain.** Any space parts; `c = 0` gives `‖x − y‖`.
/// **Numerics.** The difference of squares cancels far from the origin, so ‖X − Y‖_L² is a sum of positive terms: of the
/// differences across and along x + y for points on one side, of squares for opposite ones.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, lorentz};
/// // sinh 9 and sinh 10 along one ray are one apart.
/// let d = lorentz::distance(&[9.0_f64.sinh()], &[10.0_f64.sinh()], Curvature::ONE);
/// assert!((d - 1.0).abs() < 1e-14);
/// ```
pub fn distance<T: Real>(x: &[T], y: &[T], c: Curvature) -> T {
    let pair = Pair::new(x, y, c);
    T::from_f64(pair.chord * asinhc(0.5 * c.sqrt() * pair.chord))
}

/// Gradients of [`distance`] with respect to both space parts, overwritten; returns the gradient with respect to c.
///
/// Zero at coincidence, a subgradient.
///
/// # Panics
/// If the slices differ in length.
pub fn distance_vjp<T: Real>(
    x: &[T],
    y: &[T],
    grad_out: T,
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
) -> f64 {
    let grad = grad_out.to_f64();
    let pair = Pair::new(x, y, c);
    let z = 0.5 * c.sqrt() * pair.chord;
    let by_chord = grad / z.hypot(1.0);
    let scale = if pair.chord > 0.0 { by_chord / pair.chord } else { 0.0 };
    // Half the gradient of the squared chord: (x − y) + x (Y₀ − X₀)/X₀.
    let (tilt_x, tilt_y) = (c.get() * pair.lean / pair.time_x, c.get() * pair.lean / pair.time_y);
    map2(grad_x, x, y, |x, y| scale * ((x - y) - tilt_x * x));
    map2(grad_y, x, y, |x, y| scale * ((y - x) + tilt_y * y));
    // With the space parts held, ‖X − Y‖² changes by −(X₀ − Y₀)²/(c² X₀Y₀), and 2 asinh(√c q/2)/√c by q³/4 times the
    // slope of asinh(z)/z.
    let by_times = -0.5 * scale * pair.times_by_curvature();
    by_times + 0.25 * grad * pair.chord * pair.chord * pair.chord * asinhc_slope(z)
}

/// What the distance of two points needs.
pub(super) struct Pair {
    /// √c X₀ and √c Y₀, 1 in flat space.
    time_x: f64,
    time_y: f64,
    /// (X₀ − Y₀)/√c.
    lean: f64,
    /// ‖X − Y‖_L.
    pub(super) chord: f64,
}

impl Pair {
    pub(super) fn new<T: Real>(x: &[T], y: &[T], c: Curvature) -> Self {
        assert_eq!(x.len(), y.len(), "vectors of one operation must have one length");
        let x: Vec<f64> = x.iter().map(|x| x.to_f64()).collect();
        let y: Vec<f64> = y.iter().map(|y| y.to_f64()).collect();
        let sum: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
        let difference: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x - y).collect();
        let (xx, yy) = (square(&x), square(&y));
        let (time_x, time_y) = ((1.0 + times(c, xx)).sqrt(), (1.0 + times(c, yy)).sqrt());
        let along: f64 = difference.iter().zip(&sum).map(|(d, s)| d * s).sum();
        let lean = along / (time_x + time_y);
        let product: f64 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
        let chord = if c.is_flat() {
            length(square(&difference), &difference)
        } else if product > 0.0 {
            // With ∧ for the area that two vectors span, c(X₀ + Y₀)² − c‖x − y‖² = 2(1 + cX₀Y₀ + c⟨x, y⟩) and
            // ‖X − Y‖² = (‖(x − y) ∧ (x + y)‖² + 4‖x − y‖²/c) / ((X₀ + Y₀)² − ‖x − y‖²): nothing cancels.
            let gap = square(&difference);
            let (area, by) = if gap < xx.min(yy) {
                across(&difference, &sum)
            } else {
                // The same area is that of 2x and y; the shorter vector keeps its digits.
                let (area, by) = if xx < yy { across(&x, &y) } else { across(&y, &x) };
                (4.0 * area, by)
            };
            let half = 1.0 + time_x * time_y + times(c, product);
            (0.5 * area * (times(c, by) / half) + 2.0 * gap / half).sqrt()
        } else {
            // X₀Y₀ − 1/c without its difference, and −⟨x, y⟩ ≥ 0.
            let square = (xx + yy + times(c, xx) * yy) / (1.0 + time_x * time_y) - product;
            (2.0 * square).sqrt()
        };
        Self { time_x, time_y, lean, chord }
    }

    /// −X₀Y₀ + ⟨x, y⟩ = −1/c − ‖X − Y‖_L²/2.
    pub(super) fn inner(&self, c: Curvature) -> f64 {
        -1.0 / c.get() - 0.5 * self.chord * self.chord
    }

    /// (X₀ − Y₀)²/(c² X₀Y₀): how fast c takes from ‖X − Y‖_L² with the space parts held.
    fn times_by_curvature(&self) -> f64 {
        self.lean * self.lean / (self.time_x * self.time_y)
    }

    /// The derivative of c‖X − Y‖_L² by c with the space parts held.
    pub(super) fn chord_square_by_curvature(&self, c: Curvature) -> f64 {
        self.chord * self.chord - c.get() * self.times_by_curvature()
    }
}

/// The square of the part of `v` across `along`, and ‖along‖²; their product is the squared area between the two.
fn across(v: &[f64], along: &[f64]) -> (f64, f64) {
    let (product, by) = (dot(v, along), square(along));
    let part = product / by;
    (v.iter().zip(along).map(|(v, a)| (v - part * a) * (v - part * a)).sum(), by)
}
