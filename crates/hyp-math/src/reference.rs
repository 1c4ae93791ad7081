//! Parity mode: the operations with the epsilons and clamps of the paper's released code, for comparison with it alone.
//!
//! Nothing else in the workspace uses these numbers; they are kept in [`crate::eps::released`], and their effect is large
//! near the boundary: distances are short by 2 % at radius 0.99 and by 38 % at 0.999 for points 0.01 rad apart, none
//! exceeds 12.2/√c, and arsinh ends at −11.5. The arithmetic is `f64`, so what is reproduced is the formulas, not the
//! rounding of `f32`. All of it divides by √c: curvature 0 is refused.

use crate::eps::released::{ARSINH_MIN, ARTANH_MARGIN, BALL_MARGIN, DENOMINATOR, NORM_MIN, TANH_LIMIT};
use crate::vector::{dot, map1, map2, norm, square, sums2};
use crate::{Curvature, Real};

/// tanh of the argument clamped into ±15.
pub fn tanh(x: f64) -> f64 {
    x.clamp(-TANH_LIMIT, TANH_LIMIT).tanh()
}

/// artanh of the argument clamped into ±(1 − 1e-5).
pub fn artanh(x: f64) -> f64 {
    let x = x.clamp(ARTANH_MARGIN - 1.0, 1.0 - ARTANH_MARGIN);
    0.5 * ((1.0 + x).ln() - (1.0 - x).ln())
}

/// The logarithm of x + √(1 + x²), clamped from below at 1e-5: −11.51 for every large negative argument.
pub fn arsinh(x: f64) -> f64 {
    (x + (1.0 + x * x).sqrt()).max(ARSINH_MIN).ln()
}

/// [`crate::gyro::mobius_add`] with 1e-5 added to the denominator.
///
/// # Panics
/// If the slices differ in length or c is 0.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, reference};
/// let mut out = [0.0_f64; 1];
/// reference::mobius_add(&[0.5], &[0.5], Curvature::ONE, &mut out);
/// assert!((out[0] - 1.25 / 1.56251).abs() < 1e-15); // and not 0.8
/// ```
pub fn mobius_add<T: Real>(x: &[T], y: &[T], c: Curvature, out: &mut [T]) {
    let sum = Sum::new(x, y, 1.0, c);
    map2(out, x, y, |x, y| (sum.of_x * x + sum.of_y * y) / sum.denominator);
}

/// [`crate::maps::exp_map_zero`] with the norm clamped from below and tanh clamped; it does not project.
///
/// # Panics
/// If the slices differ in length or c is 0.
pub fn exp_map_zero<T: Real>(v: &[T], c: Curvature, out: &mut [T]) {
    let t = root(c) * norm(v).max(NORM_MIN);
    let scale = tanh(t) / t;
    map1(out, v, |v| scale * v);
}

/// [`crate::maps::log_map_zero`] with the norm clamped from below and artanh clamped.
///
/// # Panics
/// If the slices differ in length or c is 0.
pub fn log_map_zero<T: Real>(y: &[T], c: Curvature, out: &mut [T]) {
    let t = root(c) * norm(y).max(NORM_MIN);
    let scale = artanh(t) / t;
    map1(out, y, |y| scale * y);
}

/// [`crate::maps::exp_map_at`] on the released functions.
///
/// # Panics
/// If the slices differ in length or c is 0.
pub fn exp_map_at<T: Real>(x: &[T], v: &[T], c: Curvature, out: &mut [T]) {
    let (root, length) = (root(c), norm(v).max(NORM_MIN));
    let factor = 2.0 / (1.0 - c.get() * square(x));
    let scale = tanh(0.5 * root * factor * length) / (root * length);
    let step: Vec<f64> = v.iter().map(|v| scale * v.to_f64()).collect();
    add_wide(&widened(x), &step, c, out);
}

/// [`crate::maps::log_map_at`] on the released functions; `0/0` where x = y.
///
/// # Panics
/// If the slices differ in length or c is 0.
pub fn log_map_at<T: Real>(x: &[T], y: &[T], c: Curvature, out: &mut [T]) {
    let root = root(c);
    let between = between(x, y, c);
    let length = norm(&between);
    let factor = 2.0 / (1.0 - c.get() * square(x));
    let scale = 2.0 / (root * factor) * artanh(root * length) / length;
    round(&between, scale, out);
}

/// [`crate::maps::project`] with the released margin of 1e-3 and clamped norm.
///
/// # Panics
/// If the slices differ in length or c is 0.
pub fn project<T: Real>(x: &[T], c: Curvature, out: &mut [T]) {
    let length = norm(x).max(NORM_MIN);
    let largest = (1.0 - BALL_MARGIN) / root(c);
    let scale = if length > largest { largest / length } else { 1.0 };
    map1(out, x, |x| scale * x);
}

/// The released layer from features to the ball: [`exp_map_zero`], then [`project`].
///
/// # Panics
/// If the slices differ in length or c is 0.
pub fn to_ball<T: Real>(x: &[T], c: Curvature, out: &mut [T]) {
    let mut image = vec![0.0; x.len()];
    exp_map_zero(&widened(x), c, &mut image);
    let mut projected = vec![0.0; x.len()];
    project(&image, c, &mut projected);
    round(&projected, 1.0, out);
}

/// [`crate::distance::distance`] as (2/√c) artanh(√c‖(−x) ⊕ y‖) on the released functions; at most 12.2/√c.
///
/// # Panics
/// If the slices differ in length or c is 0.
pub fn distance<T: Real>(x: &[T], y: &[T], c: Curvature) -> T {
    let root = root(c);
    T::from_f64(2.0 / root * artanh(root * norm(&between(x, y, c))))
}

/// Gradients of [`distance`] with respect to x and y, overwritten.
///
/// A clamped artanh passes the gradient on with its slope at the clamp; where x = y the gradient is 0.
///
/// # Panics
/// If the slices differ in length or c is 0.
pub fn distance_vjp<T: Real>(
    x: &[T],
    y: &[T],
    grad_out: T,
    c: Curvature,
    grad_x: &mut [T],
    grad_y: &mut [T],
) {
    let root = root(c);
    let sum = Sum::new(x, y, -1.0, c);
    let between = between(x, y, c);
    let length = norm(&between);
    if length == 0.0 {
        grad_x.fill(T::ZERO);
        grad_y.fill(T::ZERO);
        return;
    }
    let clamped = (root * length).min(1.0 - ARTANH_MARGIN);
    // By the vector (−x) ⊕ y = numerator/denominator, then by the three products it is made of.
    let scale = 2.0 * grad_out.to_f64() / ((1.0 - clamped * clamped) * length * sum.denominator);
    let [along_x, along_y] = {
        let mut sums = [0.0; 2];
        for ((b, x), y) in between.iter().zip(x).zip(y) {
            sums[0] -= b * x.to_f64();
            sums[1] += b * y.to_f64();
        }
        sums
    };
    let c = c.get();
    let along_between = length * length;
    let by_product = 2.0 * c * (along_x - along_between);
    let by_xx = -c * along_y - c * c * sum.yy * along_between;
    let by_yy = c * along_x - c * c * sum.xx * along_between;
    // x enters negated: −x is the left operand.
    for (((slot, b), x), y) in grad_x.iter_mut().zip(&between).zip(x).zip(y) {
        let value = sum.of_x * b + by_product * y.to_f64() - 2.0 * by_xx * x.to_f64();
        *slot = T::from_f64(-scale * value);
    }
    for (((slot, b), x), y) in grad_y.iter_mut().zip(&between).zip(x).zip(y) {
        let value = sum.of_y * b - by_product * x.to_f64() + 2.0 * by_yy * y.to_f64();
        *slot = T::from_f64(scale * value);
    }
}

/// [`crate::distance::distance_to_origin`] with artanh clamped; at most 12.2/√c.
///
/// # Panics
/// If c is 0.
pub fn distance_to_origin<T: Real>(x: &[T], c: Curvature) -> T {
    let root = root(c);
    T::from_f64(2.0 / root * artanh(root * norm(x)))
}

/// [`crate::gyro::mobius_matvec`] on the released functions, projected as there.
///
/// # Panics
/// If the lengths do not fit or c is 0.
pub fn mobius_matvec<T: Real>(m: &[T], x: &[T], c: Curvature, out: &mut [T]) {
    assert_eq!(m.len(), out.len() * x.len(), "the matrix must be [out, in], row by row");
    let root = root(c);
    let image: Vec<f64> = (0..out.len()).map(|i| dot(&m[i * x.len()..(i + 1) * x.len()], x)).collect();
    let (length, image_length) = (norm(x).max(NORM_MIN), norm(&image));
    let scale = if image_length == 0.0 {
        0.0
    } else {
        tanh(image_length / length * artanh(root * length)) / (image_length * root)
    };
    let moved: Vec<f64> = image.iter().map(|y| scale * y).collect();
    let mut projected = vec![0.0; out.len()];
    project(&moved, c, &mut projected);
    round(&projected, 1.0, out);
}

/// [`crate::mlr::mlr_logit`] on the released functions, with the same parameters; `0/0` where a = 0.
///
/// # Panics
/// If the slices differ in length or c is 0.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, mlr::mlr_logit, reference};
/// let (x, p, a) = ([-0.99999_f64, 0.0], [0.0, 0.0], [0.5, 0.0]);
/// // asinh(−2·10⁵) is −12.2, and the released form stops at ln 10⁻⁵.
/// assert!((mlr_logit(&x, &p, &a, Curvature::ONE) + 12.2).abs() < 0.01);
/// assert!((reference::mlr_logit(&x, &p, &a, Curvature::ONE) + 11.5129).abs() < 1e-4);
/// ```
pub fn mlr_logit<T: Real>(x: &[T], p: &[T], a: &[T], c: Curvature) -> T {
    let root = root(c);
    let gap = 1.0 - c.get() * square(p);
    let between = between(p, x, c);
    let along: f64 = between.iter().zip(a).map(|(z, a)| z * gap * a.to_f64()).sum();
    let normal = gap * norm(a);
    let argument = 2.0 * root * along / (normal * (1.0 - c.get() * square(&between)));
    T::from_f64(2.0 / gap * normal / root * arsinh(argument))
}

/// [`crate::midpoint::einstein_midpoint`] of equal weights, through the Klein model as in the released code.
///
/// # Panics
/// If a length does not fit, there is no point, or c is 0.
pub fn einstein_midpoint<T: Real>(points: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    assert!(dim > 0 && !points.is_empty(), "a midpoint needs at least one point");
    assert_eq!(points.len() % dim, 0, "the length of a matrix is a multiple of its number of columns");
    let _ = root(c);
    let mut mean = vec![0.0; dim];
    let mut total = 0.0;
    for x in points.chunks_exact(dim) {
        let scale = 2.0 / (1.0 + c.get() * square(x));
        let klein: Vec<f64> = x.iter().map(|x| scale * x.to_f64()).collect();
        let weight = 1.0 / (1.0 - c.get() * square(&klein)).sqrt();
        total += weight;
        for (slot, k) in mean.iter_mut().zip(&klein) {
            *slot += weight * k;
        }
    }
    for slot in &mut mean {
        *slot /= total;
    }
    round(&mean, 1.0 / (1.0 + (1.0 - c.get() * square(&mean)).sqrt()), out);
}

/// Coefficients of (s·x) ⊕ y.
struct Sum {
    of_x: f64,
    of_y: f64,
    denominator: f64,
    xx: f64,
    yy: f64,
}

impl Sum {
    fn new<T: Real>(x: &[T], y: &[T], sign: f64, c: Curvature) -> Self {
        let _ = root(c);
        let c = c.get();
        let [xx, yy, xy] = sums2(x, y, |x, y| [x * x, y * y, sign * x * y]);
        Self {
            of_x: 1.0 + 2.0 * c * xy + c * yy,
            of_y: 1.0 - c * xx,
            denominator: 1.0 + 2.0 * c * xy + c * c * xx * yy + DENOMINATOR,
            xx,
            yy,
        }
    }
}

/// (−x) ⊕ y in `f64`.
fn between<T: Real>(x: &[T], y: &[T], c: Curvature) -> Vec<f64> {
    let sum = Sum::new(x, y, -1.0, c);
    x.iter().zip(y).map(|(x, y)| (sum.of_y * y.to_f64() - sum.of_x * x.to_f64()) / sum.denominator).collect()
}

fn add_wide<T: Real>(x: &[f64], y: &[f64], c: Curvature, out: &mut [T]) {
    let mut sum = vec![0.0; x.len()];
    mobius_add(x, y, c, &mut sum);
    round(&sum, 1.0, out);
}

fn widened<T: Real>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}

fn round<T: Real>(values: &[f64], scale: f64, out: &mut [T]) {
    assert_eq!(out.len(), values.len(), "the output must have the length of the result");
    for (slot, value) in out.iter_mut().zip(values) {
        *slot = T::from_f64(scale * value);
    }
}

fn root(c: Curvature) -> f64 {
    assert!(
        !c.is_flat(),
        "the released code divides by √c; use the operations without its epsilons for c = 0"
    );
    c.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, ball_points, differences};
    use crate::{distance as plain, midpoint, mlr};

    #[test]
    fn far_from_the_boundary_the_epsilons_are_small() {
        let c = Curvature::new(0.5).unwrap();
        let x: Vec<f64> = ball_points(1, 1, 4, c, 0.5);
        let y: Vec<f64> = ball_points(2, 1, 4, c, 0.5);
        let (got, want) = (distance(&x, &y, c), plain::distance(&x, &y, c));
        assert!((got - want).abs() < 1e-4 && got < want, "{got} and {want}");
        let a = [1.0, -2.0, 0.5, 0.0];
        let (got, want) = (mlr_logit(&x, &y, &a, c), mlr::mlr_logit(&x, &y, &a, c));
        assert!((got - want).abs() < 1e-3, "{got} and {want}");
        let points = [x, y].concat();
        let (mut got, mut want) = ([0.0; 4], [0.0; 4]);
        einstein_midpoint(&points, 4, c, &mut got);
        midpoint::einstein_midpoint(&points, None, 4, c, &mut want);
        // No epsilon here, only another order of operations.
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-14));
    }

    #[test]
    fn the_known_faults_are_reproduced() {
        // Two points at radius 0.999, 0.01 rad apart: short by 38 %.
        let (x, y) = ([0.999_f64, 0.0], [0.999 * 0.01_f64.cos(), 0.999 * 0.01_f64.sin()]);
        let ratio = distance(&x, &y, Curvature::ONE) / plain::distance(&x, &y, Curvature::ONE);
        assert!((ratio - 0.62).abs() < 0.01, "{ratio}");
        // No distance beyond 2 artanh(1 − 1e-5).
        let far = distance(&[0.9999999_f64, 0.0], &[-0.9999999, 0.0], Curvature::ONE);
        assert!((far - 12.206).abs() < 1e-3, "{far}");
        assert!((distance_to_origin(&[0.9999999_f64], Curvature::ONE) - 12.206).abs() < 1e-3);
        assert!((arsinh(-1e6) + 11.5129).abs() < 1e-4); // asinh(-1e6) is -14.5
    }

    #[test]
    fn exp_and_log_are_inverse_up_to_the_epsilon() {
        let c = Curvature::ONE;
        let (x, v) = ([0.3_f64, -0.2], [0.4, 0.1]);
        let (mut y, mut back) = ([0.0_f64; 2], [0.0_f64; 2]);
        exp_map_at(&x, &v, c, &mut y);
        log_map_at(&x, &y, c, &mut back);
        assert!(back.iter().zip(v).all(|(b, v)| (b - v).abs() < 1e-4), "{back:?}");
        exp_map_zero(&v, c, &mut y);
        log_map_zero(&y, c, &mut back);
        assert!(back.iter().zip(v).all(|(b, v)| (b - v).abs() < 1e-14), "{back:?}");
        to_ball(&[30.0, 40.0], c, &mut y);
        assert!((norm(&y) - 0.999).abs() < 1e-15);
        let mut out = [0.0_f64; 2];
        mobius_matvec(&[2.0, 0.0, 0.0, 2.0], &[0.5, 0.0], c, &mut out);
        assert!((out[0] - 0.8).abs() < 1e-15 && out[1] == 0.0);
    }

    #[test]
    fn the_distance_has_the_gradient_of_central_differences() {
        let c = Curvature::new(0.8).unwrap();
        let x: Vec<f64> = ball_points(1, 1, 3, c, 0.8);
        let y: Vec<f64> = ball_points(2, 1, 3, c, 0.8);
        let (mut gx, mut gy) = ([0.0; 3], [0.0; 3]);
        distance_vjp(&x, &y, 1.0, c, &mut gx, &mut gy);
        // step² and rounding/step, about 1e-10 each.
        assert_close(&gx, &differences(&x, |x| distance(x, &y, c)), 1e-8);
        assert_close(&gy, &differences(&y, |y| distance(&x, y, c)), 1e-8);
    }
}
