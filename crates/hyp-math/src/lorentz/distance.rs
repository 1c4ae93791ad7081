//! The distance of two points of the hyperboloid.

use super::{length, time_of};
use crate::scalar::{asinhc, asinhc_slope, times};
use crate::vector::{map2, square};
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
            same_side(&x, &y, &sum, &difference, [xx, yy, product, along], c)
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

/// ‖X − Y‖_L of points with ⟨x, y⟩ > 0, from the parts δ of x − y along x + y and ε across it:
/// (ε² + 4δ²/(c S²)) S²/(S² − δ²) with S = X₀ + Y₀.
fn same_side(
    x: &[f64],
    y: &[f64],
    sum: &[f64],
    difference: &[f64],
    [xx, yy, product, along]: [f64; 4],
    c: Curvature,
) -> f64 {
    let sum_square = square(sum);
    let sum_length = length(sum_square, sum);
    let parallel = along / sum_length;
    let part = along / sum_square;
    let across: f64 = difference.iter().zip(sum).map(|(d, s)| (d - part * s) * (d - part * s)).sum();
    // S − |δ|: the longer point's time less its length, plus the other's time and length, less the bend between them.
    let (long, short) =
        if xx >= yy { (length(xx, x), length(yy, y)) } else { (length(yy, y), length(xx, x)) };
    let (long_time, short_time) = (time_of(c, long * long), time_of(c, short * short));
    let times_sum = long_time + short_time;
    let ratio = parallel / times_sum;
    let numerator = across + 4.0 * ratio * ratio / c.get();
    let bend = 2.0 * (long * short - product).max(0.0) / (long + short + sum_length);
    let rest = 1.0 / (c.get() * (long_time + long)) + short_time + short
        - (long - short) * bend / sum_length;
    let denominator = (rest / times_sum) * (1.0 + parallel.abs() / times_sum);
    (numerator / denominator).sqrt()
}
