//! Every gradient is finite, in both scalar types, for norms from 0 and 1e-15 to the boundary and for coincident points.
//!
//! All operations but the Fréchet mean, which iterates; its gradients are among those of `values/gradients.rs`.

use crate::strategy::{ball, ball_and_tangent};
use hyp_math::distance::{distance_to_origin_vjp, distance_vjp};
use hyp_math::gyro::{
    conformal_factor_vjp, gap_at, gyration_vjp, mobius_add_vjp, mobius_matvec_vjp, mobius_scalar_mul_vjp,
    mobius_sub_vjp, riemannian_factor_vjp,
};
use hyp_math::maps::{
    clip_norm_vjp, exp_map_at_vjp, exp_map_zero_vjp, geodesic_vjp, log_map_at_vjp, log_map_zero_vjp,
    parallel_transport_vjp, project, project_vjp,
};
use hyp_math::{Curvature, Real, klein, linear, lorentz, midpoint, mlr};
use proptest::prelude::*;

/// All gradients of all operations for two points and a vector, the third slice doubling as the output's gradient.
fn gradients<T: Real>(
    x: &[T],
    y: &[T],
    v: &[T],
    g: &[T],
    t: f64,
    c: Curvature,
) -> Vec<(&'static str, Vec<f64>)> {
    let n = x.len();
    let (mut a, mut b, mut d) = (vec![T::ZERO; n], vec![T::ZERO; n], vec![T::ZERO; n]);
    let mut all = Vec::new();
    macro_rules! record {
        ($name:literal, [$($grad:expr),*], $rest:expr) => {{
            let rest: Vec<f64> = $rest;
            let mut values = rest;
            $(values.extend($grad.iter().map(|v| v.to_f64()));)*
            all.push(($name, values));
        }};
    }
    let grad_c = conformal_factor_vjp(x, T::ONE, c, &mut a);
    record!("conformal_factor", [a], vec![grad_c]);
    let grad_c = riemannian_factor_vjp(x, T::ONE, c, &mut a);
    record!("riemannian_factor", [a], vec![grad_c]);
    let grad_c = mobius_add_vjp(x, y, g, c, &mut a, &mut b);
    record!("mobius_add", [a, b], vec![grad_c]);
    let grad_c = mobius_sub_vjp(x, y, g, c, &mut a, &mut b);
    record!("mobius_sub", [a, b], vec![grad_c]);
    let (grad_r, grad_c) = mobius_scalar_mul_vjp(T::from_f64(t), x, g, c, &mut a);
    record!("mobius_scalar_mul", [a], vec![grad_r, grad_c]);
    let matrix: Vec<T> = (0..n).flat_map(|_| v.iter().copied()).collect();
    let mut grad_m = vec![T::ZERO; n * n];
    let grad_c = mobius_matvec_vjp(&matrix, x, g, c, &mut grad_m, &mut a);
    record!("mobius_matvec", [a, grad_m], vec![grad_c]);
    let grad_c = gyration_vjp(x, y, v, g, c, &mut a, &mut b, &mut d);
    record!("gyration", [a, b, d], vec![grad_c]);
    let grad_c = distance_vjp(x, y, T::ONE, c, &mut a, &mut b);
    record!("distance", [a, b], vec![grad_c]);
    let grad_c = distance_to_origin_vjp(x, T::ONE, c, &mut a);
    record!("distance_to_origin", [a], vec![grad_c]);
    let grad_c = exp_map_zero_vjp(v, g, c, &mut a);
    record!("exp_map_zero", [a], vec![grad_c]);
    let grad_c = log_map_zero_vjp(x, g, c, &mut a);
    record!("log_map_zero", [a], vec![grad_c]);
    let grad_c = exp_map_at_vjp(x, v, g, c, &mut a, &mut b);
    record!("exp_map_at", [a, b], vec![grad_c]);
    let grad_c = log_map_at_vjp(x, y, g, c, &mut a, &mut b);
    record!("log_map_at", [a, b], vec![grad_c]);
    let (grad_t, grad_c) = geodesic_vjp(x, y, t.abs().min(1.0), g, c, &mut a, &mut b);
    record!("geodesic", [a, b], vec![grad_t, grad_c]);
    let grad_c = parallel_transport_vjp(x, y, v, g, c, &mut a, &mut b, &mut d);
    record!("parallel_transport", [a, b, d], vec![grad_c]);
    let grad_c = project_vjp(x, g, c, 1e-3, &mut a);
    record!("project", [a], vec![grad_c]);
    clip_norm_vjp(v, g, 1.0, &mut a);
    record!("clip_norm", [a], vec![]);
    let grad_c = klein::poincare_to_klein_vjp(x, g, c, &mut a);
    record!("poincare_to_klein", [a], vec![grad_c]);
    let grad_c = klein::klein_to_poincare_vjp(x, g, c, &mut a);
    record!("klein_to_poincare", [a], vec![grad_c]);
    let (pair, weights) = ([x, y].concat(), [T::ONE, T::from_f64(1e-3)]);
    let (mut both, mut by_weights) = (vec![T::ZERO; 2 * n], vec![T::ZERO; 2]);
    let wanted = Some(&mut by_weights[..]);
    let grad_c = midpoint::einstein_midpoint_vjp(&pair, Some(&weights), g, n, c, &mut both, wanted);
    record!("einstein_midpoint", [both, by_weights], vec![grad_c]);
    let grad_c = mlr::mlr_logit_vjp(x, y, v, T::ONE, c, &mut a, &mut b, &mut d);
    record!("mlr_logit", [a, b, d], vec![grad_c]);
    let (grad_r, grad_c) = mlr::mlr_logit_unidirectional_vjp(x, v, T::from_f64(t), T::ONE, c, &mut a, &mut b);
    record!("mlr_logit_unidirectional", [a, b], vec![grad_r, grad_c]);
    let grad_c = linear::mobius_linear_vjp(&matrix, y, x, g, c, &mut grad_m, &mut a, &mut b);
    record!("mobius_linear", [a, b, grad_m], vec![grad_c]);
    let grad_c = lorentz::from_poincare_vjp(x, g, c, &mut a);
    record!("lorentz::from_poincare", [a], vec![grad_c]);
    let (mut space_x, mut space_y) = (vec![T::ZERO; n], vec![T::ZERO; n]);
    lorentz::from_poincare(x, c, &mut space_x);
    lorentz::from_poincare(y, c, &mut space_y);
    let grad_c = lorentz::to_poincare_vjp(&space_x, g, c, &mut a);
    record!("lorentz::to_poincare", [a], vec![grad_c]);
    let grad_c = lorentz::exp_map_zero_vjp(v, g, c, &mut a);
    record!("lorentz::exp_map_zero", [a], vec![grad_c]);
    let grad_c = lorentz::log_map_zero_vjp(&space_x, g, c, &mut a);
    record!("lorentz::log_map_zero", [a], vec![grad_c]);
    let grad_c = lorentz::time_vjp(&space_x, T::ONE, c, &mut a);
    record!("lorentz::time", [a], vec![grad_c]);
    let grad_c = lorentz::inner_vjp(&space_x, &space_y, T::ONE, c, &mut a, &mut b);
    record!("lorentz::inner", [a, b], vec![grad_c]);
    let grad_c = lorentz::distance_vjp(&space_x, &space_y, T::ONE, c, &mut a, &mut b);
    record!("lorentz::distance", [a, b], vec![grad_c]);
    let pair = [space_x, space_y].concat();
    let wanted = Some(&mut by_weights[..]);
    let grad_c = lorentz::centroid_vjp(&pair, Some(&weights), g, n, c, &mut both, wanted);
    record!("lorentz::centroid", [both, by_weights], vec![grad_c]);
    all
}

/// The points in `f32`, moved inside where rounding has put them on the boundary.
fn narrow(x: &[f64], c: Curvature) -> Vec<f32> {
    let x: Vec<f32> = x.iter().map(|x| *x as f32).collect();
    let mut out = vec![0.0; x.len()];
    project(&x, c, 1e-7, &mut out);
    assert!(gap_at(&out, c) > 0.0);
    out
}

fn not_finite(all: &[(&'static str, Vec<f64>)]) -> Vec<&'static str> {
    all.iter().filter(|(_, values)| values.iter().any(|v| !v.is_finite())).map(|(name, _)| *name).collect()
}

proptest! {
    #[test]
    fn at_random_points((c, [x, y, g], v) in ball_and_tangent::<3>(8.4, 8.4), t in -3.0..3.0_f64) {
        prop_assert_eq!(not_finite(&gradients(&x, &y, &v, &g, t, c)), Vec::<&str>::new());
        let v: Vec<f32> = v.iter().map(|v| *v as f32).collect();
        let (x, y, g) = (narrow(&x, c), narrow(&y, c), narrow(&g, c));
        prop_assert_eq!(not_finite(&gradients(&x, &y, &v, &g, t, c)), Vec::<&str>::new());
    }

    /// x = y, x = −y, v = 0, y = 0 and x = 0.
    #[test]
    fn at_special_points((c, [x, g]) in ball::<2>(), t in -3.0..3.0_f64) {
        let zero = vec![0.0; x.len()];
        let minus: Vec<f64> = x.iter().map(|x| -x).collect();
        for (x, y, v) in [
            (&x, &x, &zero), (&x, &minus, &x), (&x, &zero, &minus), (&zero, &x, &zero), (&zero, &zero, &zero),
            (&zero, &zero, &x),
        ] {
            prop_assert_eq!(not_finite(&gradients(x, y, v, &g, t, c)), Vec::<&str>::new());
            let v: Vec<f32> = v.iter().map(|v| *v as f32).collect();
            let (x, y, g) = (narrow(x, c), narrow(y, c), narrow(&g, c));
            prop_assert_eq!(not_finite(&gradients(&x, &y, &v, &g, t, c)), Vec::<&str>::new());
        }
    }
}
