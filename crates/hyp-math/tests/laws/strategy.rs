//! Random curvatures, points and vectors.
//!
//! A point is drawn by its hyperbolic radius u, as tanh(u)/√c times a direction, and not by its coordinates: drawn by
//! coordinates, points near the boundary, where formulas break, almost never come up.

use hyp_math::Curvature;
use proptest::array;
use proptest::prelude::*;

use crate::measure::{dot, norm};

/// Points and vectors have 1 to this many coordinates: below, at and above one block of eight lanes.
pub(crate) const MAX_DIM: usize = 11;
/// artanh(1 − 1e-7): the largest radius √c·d(x, 0)/2 that [`ball`] draws.
pub(crate) const MAX_RADIUS: f64 = 8.405;

/// c from {0, 1e-5, 1e-2, 1, 10}, or log-uniform between 1e-6 and 100.
pub(crate) fn curvature() -> impl Strategy<Value = Curvature> {
    prop_oneof![
        1 => Just(Curvature::FLAT),
        4 => positive_curvature(),
    ]
}

/// As [`curvature`], without 0.
pub(crate) fn positive_curvature() -> impl Strategy<Value = Curvature> {
    let named = prop::sample::select(vec![1e-5, 1e-2, 1.0, 10.0]);
    let any = (-6.0..2.0_f64).prop_map(|exponent| 10f64.powf(exponent));
    prop_oneof![named, any].prop_map(|c| Curvature::new(c).expect("invariant: the powers above are finite"))
}

/// A radius u in [0, `max`]: mostly moderate, often close to `max`, sometimes down to 1e-15.
fn radius(max: f64) -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..max.min(3.0),
        3 => 0.0..=max,
        1 => (0.9 * max)..=max,
        2 => (-15.0..0.0_f64).prop_map(move |exponent| 10f64.powf(exponent).min(max)),
    ]
}

/// A direction, before it is cut to the dimension: mostly any, sometimes along an axis.
fn direction() -> impl Strategy<Value = [f64; MAX_DIM]> {
    prop_oneof![
        5 => array::uniform::<_, MAX_DIM>(-1.0..1.0_f64),
        1 => (0..MAX_DIM, prop::bool::ANY).prop_map(|(axis, up)| {
            let mut direction = [0.0; MAX_DIM];
            direction[axis] = if up { 1.0 } else { -1.0 };
            direction
        }),
    ]
}

/// `length` times the unit vector along the first `dim` entries (the first axis if they are 0).
fn along(direction: &[f64], dim: usize, length: f64) -> Vec<f64> {
    let cut = &direction[..dim];
    let n = norm(cut);
    if n > 1e-3 {
        cut.iter().map(|x| length * (x / n)).collect()
    } else {
        let mut axis = vec![0.0; dim];
        axis[0] = length;
        axis
    }
}

/// A curvature and N points of its ball, of one dimension, with radii up to [`MAX_RADIUS`].
///
/// In one draw of four the points lie close to the first, from a quarter of its distance to the boundary down to
/// 1e-12 of it. In flat space the radius is the norm.
pub(crate) fn ball<const N: usize>() -> impl Strategy<Value = (Curvature, [Vec<f64>; N])> {
    ball_within(MAX_RADIUS)
}

/// As [`ball`], with radii up to `max_radius`.
pub(crate) fn ball_within<const N: usize>(
    max_radius: f64,
) -> impl Strategy<Value = (Curvature, [Vec<f64>; N])> {
    let points = array::uniform::<_, N>((direction(), radius(max_radius)));
    let closeness = prop_oneof![3 => Just(None), 1 => (-12.0..0.0_f64).prop_map(Some)];
    (curvature(), 1..=MAX_DIM, closeness, points).prop_map(|(c, dim, closeness, drawn)| {
        let scale = if c.is_flat() { 1.0 } else { c.radius() };
        let length = |u: f64| if c.is_flat() { u } else { u.tanh() * scale };
        let mut points = drawn.map(|(direction, u)| along(&direction, dim, length(u)));
        if let (Some(exponent), [first, others @ ..]) = (closeness, points.as_mut_slice()) {
            let reach = 0.25 * 10f64.powf(exponent) * scale * (1.0 - c.get() * dot(first, first));
            for point in others {
                let n = norm(point).max(f64::MIN_POSITIVE);
                for (p, x) in point.iter_mut().zip(first.iter()) {
                    *p = x + reach * (*p / n);
                }
            }
        }
        debug_assert!(
            points.iter().all(|p| c.get() * dot(p, p) < 1.0),
            "invariant: strategies stay inside the ball"
        );
        (c, points)
    })
}

/// N points as [`ball_within`], and one tangent vector of the same dimension with √c·λ‖v‖/2 up to `max_length` at the
/// first point (‖v‖ up to `max_length` if c = 0).
pub(crate) fn ball_and_tangent<const N: usize>(
    max_radius: f64,
    max_length: f64,
) -> impl Strategy<Value = (Curvature, [Vec<f64>; N], Vec<f64>)> {
    (ball_within::<N>(max_radius), direction(), radius(max_length)).prop_map(
        |((c, points), direction, length)| {
            let unit =
                if c.is_flat() { 1.0 } else { c.radius() * (1.0 - c.get() * dot(&points[0], &points[0])) };
            let v = along(&direction, points[0].len(), unit * length);
            (c, points, v)
        },
    )
}
