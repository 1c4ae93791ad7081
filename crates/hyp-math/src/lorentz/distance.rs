//! The distance of two points of the hyperboloid, and Minkowski's product.

use crate::scalar::{asinhc, asinhc_slope, times};
use crate::vector::{map2, norm_of_sum, sums2};
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
#[inline(always)]
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
#[inline(always)]
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
    let (tilt_x, tilt_y) = pair.tilts(c);
    map2(grad_x, x, y, |x, y| scale * ((x - y) - tilt_x * x));
    map2(grad_y, x, y, |x, y| scale * ((y - x) + tilt_y * y));
    // With the space parts held, ‖X − Y‖² changes by −(X₀ − Y₀)²/(c² X₀Y₀), and 2 asinh(√c q/2)/√c by q³/4 times the
    // slope of asinh(z)/z.
    let by_times = -0.5 * scale * pair.times_by_curvature();
    by_times + 0.25 * grad * pair.chord * pair.chord * pair.chord * asinhc_slope(z)
}

/// Minkowski's product −X₀Y₀ + ⟨x, y⟩ of two points by their space parts; at most −1/c.
///
/// **Source.** Nickel and Kiela 2018; `lorentz-inner` of `docs/paper/equations.md`.
/// **Shapes.** `x`, `y`: `[dim]`.
/// **Domain.** `c > 0`; for c = 0 it is −∞.
/// **Numerics.** As −1/c − ‖X − Y‖_L²/2, which does not cancel; but for close points the −1/c is all that is seen, so call
/// [`distance`] for distances.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, lorentz};
/// // Opposite points at distance ln 3 from the origin: −(5/3)² − (4/3)².
/// let product = lorentz::inner(&[4.0_f64 / 3.0], &[-4.0 / 3.0], Curvature::ONE);
/// assert!((product + 41.0 / 9.0).abs() < 1e-14);
/// ```
#[inline(always)]
pub fn inner<T: Real>(x: &[T], y: &[T], c: Curvature) -> T {
    let chord = Pair::new(x, y, c).chord;
    T::from_f64(-1.0 / c.get() - 0.5 * chord * chord)
}

/// Gradients of [`inner`] with respect to both space parts, overwritten; returns the gradient with respect to c.
///
/// **Domain.** For c = 0 the gradients by the points are those of −‖x − y‖²/2, their limit, and that by c is 0.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub fn inner_vjp<T: Real>(
    x: &[T],
    y: &[T],
    grad_out: T,
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
) -> f64 {
    let grad = grad_out.to_f64();
    let pair = Pair::new(x, y, c);
    let (tilt_x, tilt_y) = pair.tilts(c);
    map2(grad_x, x, y, |x, y| grad * (tilt_x * x - (x - y)));
    map2(grad_y, x, y, |x, y| -grad * (tilt_y * y - (x - y)));
    if c.is_flat() {
        return 0.0;
    }
    grad * (1.0 / (c.get() * c.get()) + 0.5 * pair.times_by_curvature())
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
        let [xx, yy, product, gap, along] =
            sums2(x, y, |x, y| [x * x, y * y, x * y, (x - y) * (x - y), (x - y) * (x + y)]);
        let (time_x, time_y) = ((1.0 + times(c, xx)).sqrt(), (1.0 + times(c, yy)).sqrt());
        let lean = along / (time_x + time_y);
        let chord = if c.is_flat() {
            norm_of_sum(gap, -1.0, x, y)
        } else if product > 0.0 {
            // With ∧ for the area that two vectors span, c(X₀ + Y₀)² − c‖x − y‖² = 2(1 + cX₀Y₀ + c⟨x, y⟩) and
            // ‖X − Y‖² = (‖(x − y) ∧ (x + y)‖² + 4‖x − y‖²/c) / ((X₀ + Y₀)² − ‖x − y‖²): nothing cancels.
            let (area, by) = if gap < xx.min(yy) {
                across(x, y, |x, y| (x - y, x + y))
            } else {
                // The same area is that of 2x and y; the shorter vector keeps its digits.
                let (area, by) =
                    if xx < yy { across(x, y, |x, y| (x, y)) } else { across(x, y, |x, y| (y, x)) };
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

    /// (X₀ − Y₀)/X₀ and (X₀ − Y₀)/Y₀: half the gradient of ‖X − Y‖_L² is (x − y) − x·(the first) by x, and
    /// (y − x) + y·(the second) by y.
    fn tilts(&self, c: Curvature) -> (f64, f64) {
        (c.get() * self.lean / self.time_x, c.get() * self.lean / self.time_y)
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

/// The square of the part of `v` across `w`, and ‖w‖²; their product is the squared area between the two, which `vectors`
/// makes of `x` and `y`.
fn across<T: Real>(x: &[T], y: &[T], vectors: impl Fn(f64, f64) -> (f64, f64)) -> (f64, f64) {
    let [product, by] = sums2(x, y, |x, y| {
        let (v, w) = vectors(x, y);
        [v * w, w * w]
    });
    let part = product / by;
    let [square] = sums2(x, y, |x, y| {
        let (v, w) = vectors(x, y);
        [(v - part * w) * (v - part * w)]
    });
    (square, by)
}
