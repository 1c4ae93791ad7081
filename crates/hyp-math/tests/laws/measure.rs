//! How far two results may be apart in the laws, from what rounding does to a stored point.
//!
//! Storing a point p moves it by up to ε‖p‖ per component, and evaluating a formula moves it by a few such steps. In
//! the metric at p that is the distance 2ε‖p‖/(1 − c‖p‖²), [`rounding`]. Möbius translations are isometries, so these
//! distances add up along a chain of operations. A law allows [`STEPS`] times their sum.

use hyp_math::Curvature;
use hyp_math::distance::distance;
use hyp_math::gyro::gap_at;

/// Roundings per operation that the laws allow: a formula of ours has 10 to 20 in sequence.
pub(crate) const STEPS: f64 = 16.0;
pub(crate) const EPS: f64 = f64::EPSILON;

pub(crate) fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

pub(crate) fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

pub(crate) fn minus(x: &[f64]) -> Vec<f64> {
    x.iter().map(|x| -x).collect()
}

pub(crate) fn difference(x: &[f64], y: &[f64]) -> f64 {
    norm(&x.iter().zip(y).map(|(x, y)| x - y).collect::<Vec<_>>())
}

/// The distance by which one rounding of all components moves a point.
pub(crate) fn rounding(points: &[&[f64]], c: Curvature) -> f64 {
    points.iter().map(|p| 2.0 * EPS * norm(p) / gap_at(p, c)).sum()
}

/// d(x, y).
pub(crate) fn apart(x: &[f64], y: &[f64], c: Curvature) -> f64 {
    distance(x, y, c)
}

/// sinh(√c·d)/√c, the factor by which an angle at one point becomes a length at distance d; d if c = 0.
pub(crate) fn spread(d: f64, c: Curvature) -> f64 {
    if c.is_flat() { d } else { (c.sqrt() * d).sinh() / c.sqrt() }
}

/// cosh(√c·d), the factor by which a parallel shift at one point grows at distance d.
pub(crate) fn growth(d: f64, c: Curvature) -> f64 {
    (c.sqrt() * d).cosh()
}

/// Calls an operation that writes a vector.
pub(crate) fn vector(len: usize, f: impl FnOnce(&mut [f64])) -> Vec<f64> {
    let mut out = vec![f64::NAN; len];
    f(&mut out);
    out
}
