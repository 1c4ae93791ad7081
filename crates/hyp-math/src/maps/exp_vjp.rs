//! The differential of the exponential map, in one form for short steps near the origin and one for all others.

use super::exp::Landing;
use crate::gyro::gyration::Turn;
use crate::scalar::{gap, sech_squared, tanhc, tanhc_slope};
use crate::vector::{root, sums2, sums3};
use crate::{Curvature, Real};

/// Through y = tanh(τ)v/(√c‖v‖) and x ⊕ y.
pub(super) fn near<T: Real>(
    x: &[T],
    v: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_x: &mut [T],
    grad_v: &mut [T],
) -> f64 {
    let [xx, vv] = sums2(x, v, |x, v| [x * x, v * v]);
    let norm_v = root(vv, || v.iter().map(|v| v.to_f64()));
    let gap_x = gap(c, xx);
    let tau = c.sqrt() * norm_v / gap_x;
    let (value, slope, gap_y) = (tanhc(tau), tanhc_slope(tau), sech_squared(tau));
    // y = f·v, s = x + y; the rest as in Möbius addition.
    let f = value / gap_x;
    let [ww, wv] = sums2(x, v, |x, v| {
        let w = x + f * v;
        [w * w, w * v]
    });
    let [g_w, g_x, g_v] = sums3(x, v, grad_out, |x, v, g| [g * (x + f * v), g * x, g * v]);
    let c_square = c.get() * ww;
    let d = gap_x * gap_y + c_square;
    let g_d = -(gap_x * g_w + c_square * g_x) / (d * d);
    let mut g_gap_x = g_w / d + g_d * gap_y;
    let g_gap_y = g_d * gap_x;
    let g_c_square = g_x / d + g_d;

    let direct_w = gap_x / d;
    let along_w = 2.0 * c.get() * g_c_square;
    // With y as a function of f alone: gap_y = 1 − c·f²‖v‖².
    let y_along_v = -2.0 * c.get() * g_gap_y * f;
    let gy_v = direct_w * g_v + along_w * wv + y_along_v * vv;
    // f = F(c‖v‖²/gap²)/gap, whose derivative with respect to the gap is −1/(gap·cosh τ)².
    g_gap_x -= gy_v * gap_y / (gap_x * gap_x);
    let inv_cube = 1.0 / (gap_x * gap_x * gap_x);
    let v_from_f = 2.0 * c.get() * slope * inv_cube * gy_v;
    let (direct_x, along_x) = (c_square / d, -2.0 * c.get() * g_gap_x);
    for (((grad, x), v), g) in grad_x.iter_mut().zip(x).zip(v).zip(grad_out) {
        let (x, v, g) = (x.to_f64(), v.to_f64(), g.to_f64());
        *grad = T::from_f64((direct_w + direct_x) * g + along_w * (x + f * v) + along_x * x);
    }
    for (((grad, x), v), g) in grad_v.iter_mut().zip(x).zip(v).zip(grad_out) {
        let (x, v, g) = (x.to_f64(), v.to_f64(), g.to_f64());
        let gy = direct_w * g + along_w * (x + f * v) + y_along_v * v;
        *grad = T::from_f64(f * gy + v_from_f * v);
    }
    g_c_square * ww - g_gap_x * xx - g_gap_y * f * f * vv + gy_v * slope * inv_cube * vv
}

/// By Jacobi fields: h, the gradient carried back to x by the rotation of the transport, splits into parts along and
/// across v; across, a change of v is stretched by sinh(2τ)/(2τ) and a parallel shift of x by cosh(2τ). Moving x with
/// the coordinates of v held fixed turns v, by the Christoffel symbols of the conformal metric.
pub(super) fn far<T: Real>(
    landing: &Landing,
    x: &[T],
    v: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_x: &mut [T],
    grad_v: &mut [T],
) -> f64 {
    let Landing { xx, norm_v, gap, ratio, across, across_x, unit_v, .. } = *landing;
    // The rotation of the transport back: gyr[−x, y], with s = y − x.
    let [xs, ss] = sums2(x, v, |x, v| {
        let s = landing.at(x, v) - x;
        [x * s, s * s]
    });
    let [xg, sg] = sums3(x, v, grad_out, |x, v, g| [x * g, (landing.at(x, v) - x) * g]);
    let turn = Turn::new(c, [xx, -xs, ss], gap, gap * ratio);
    let (along_u, along_s) = turn.shift(-xg, sg);
    let back = |x: f64, v: f64, g: f64| g - along_u * x + along_s * (landing.at(x, v) - x);

    let [hv] = sums3(x, v, grad_out, |x, v, g| [back(x, v, g) * (unit_v * v)]);
    let [hx] = sums3(x, v, grad_out, |x, v, g| [(back(x, v, g) - hv * (unit_v * v)) * x]);
    let lambda = 2.0 * c.get() / gap;
    let (x_of_x, x_of_v) = (lambda * ratio * hv * norm_v, ratio * hv - lambda * across * hx * norm_v);
    let [mut by_x, mut by_v] = [0.0; 2];
    for (((grad, x), v), g) in grad_x.iter_mut().zip(x).zip(v).zip(grad_out) {
        let (x, v, g) = (x.to_f64(), v.to_f64(), g.to_f64());
        let unit = unit_v * v;
        let gradient = x_of_x * x + x_of_v * unit + across_x * (back(x, v, g) - hv * unit);
        by_x += gradient * x;
        *grad = T::from_f64(gradient);
    }
    for (((grad, x), v), g) in grad_v.iter_mut().zip(x).zip(v).zip(grad_out) {
        let (x, v, g) = (x.to_f64(), v.to_f64(), g.to_f64());
        let unit = unit_v * v;
        let gradient = ratio * hv * unit + across * (back(x, v, g) - hv * unit);
        by_v += gradient * v;
        *grad = T::from_f64(gradient);
    }
    // √c·exp depends on √c·x and √c·v alone.
    let g_out = xg + sg;
    (by_x + by_v - g_out) / (2.0 * c.get())
}
