//! The vector–Jacobian products by the names of the golden files.

use hyp_math::{Curvature, Real, batch, distance, gyro, klein, linear, lorentz, maps, midpoint, mlr};

use crate::cases::kernel;

/// Name, gradient for each input (empty if the operation has none for it), gradient for c.
pub(crate) type Product<T> = (String, Vec<Vec<T>>, Option<f64>);

/// The operations whose first input holds settings, for which there is no gradient.
const SETTINGS_FIRST: &[&str] = &["clip_norm", "project", "to_ball"];

/// Where the value is a cone in a row of an input, as ‖a‖·asinh(⟨·, a⟩/‖a‖) is in a at 0: it has no gradient there.
pub(crate) fn is_cone(operation: &str, input: usize, row: &[f64]) -> bool {
    let cone = match operation {
        "mlr_ganea" | "mlr_logits" | "mlr_layer_logits" => input == 2,
        "mlr_unidirectional" | "mlr_logits_unidirectional" => input == 1,
        _ => false,
    };
    cone && row.iter().all(|v| *v == 0.0)
}

/// Whether an input holds the weights of a mean.
pub(crate) fn is_weights(operation: &str, input: usize) -> bool {
    input == 1 && ["einstein_midpoint", "frechet_mean", "lorentz_centroid"].contains(&operation)
}

/// The products of an operation, in all their forms.
pub(crate) fn products<T: Real>(
    operation: &str,
    c: Curvature,
    dim: usize,
    inputs: &[Vec<T>],
    g: &[T],
) -> Vec<Product<T>> {
    let mut forms = vec![];
    if let Some((gradients, by_c)) = single(operation, c, dim, inputs, g) {
        forms.push((operation.to_owned(), gradients, by_c));
    }
    if let Some((gradients, by_c)) = pairwise(operation, c, dim, inputs, g) {
        forms.push((kernel(operation), gradients, by_c));
    }
    // Kernels over rows get the case twice; the last row is judged, and half of what is summed over the rows.
    let twice: Vec<Vec<T>> = inputs.iter().map(|v| [v.as_slice(), v].concat()).collect();
    if let Some((mut gradients, by_c)) = row_wise(operation, c, dim, inputs, &twice, &[g, g].concat()) {
        for (gradient, input) in gradients.iter_mut().zip(inputs).filter(|(g, i)| g.len() == 2 * i.len()) {
            *gradient = gradient.split_off(input.len());
        }
        forms.push((kernel(operation), gradients, by_c.map(|v| v / 2.0)));
    }
    for (_, gradients, _) in &mut forms {
        if SETTINGS_FIRST.contains(&operation) {
            gradients[0].clear();
        }
    }
    forms
}

type Gradients<T> = (Vec<Vec<T>>, Option<f64>);

/// Room for the gradients of the inputs; NaN shows what a product forgot to overwrite.
fn room<T: Real>(inputs: &[Vec<T>]) -> Vec<Vec<T>> {
    inputs.iter().map(|v| vec![T::from_f64(f64::NAN); v.len()]).collect()
}

/// The first four vectors; empty ones where there are fewer.
fn four<T>(grads: &mut [Vec<T>]) -> [&mut [T]; 4] {
    let mut parts = grads.iter_mut().map(Vec::as_mut_slice);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

fn single<T: Real>(
    operation: &str,
    c: Curvature,
    dim: usize,
    inputs: &[Vec<T>],
    g: &[T],
) -> Option<Gradients<T>> {
    let i = |n: usize| inputs[n].as_slice();
    let mut grads = room(inputs);
    let [a, b, d, e] = four(&mut grads);
    let by_c = match operation {
        "conformal_factor" => gyro::conformal_factor_vjp(i(0), g[0], c, a),
        "riemannian_factor" => gyro::riemannian_factor_vjp(i(0), g[0], c, a),
        "mobius_add" => gyro::mobius_add_vjp(i(0), i(1), g, c, a, b),
        "mobius_sub" => gyro::mobius_sub_vjp(i(0), i(1), g, c, a, b),
        "mobius_scalar_mul" => {
            let (by_r, by_c) = gyro::mobius_scalar_mul_vjp(i(0)[0], i(1), g, c, b);
            a[0] = T::from_f64(by_r);
            by_c
        }
        "mobius_matvec" => gyro::mobius_matvec_vjp(i(0), i(1), g, c, a, b),
        "gyration" => gyro::gyration_vjp(i(0), i(1), i(2), g, c, a, b, d),
        "distance" => distance::distance_vjp(i(0), i(1), g[0], c, a, b),
        "distance_to_origin" => distance::distance_to_origin_vjp(i(0), g[0], c, a),
        "exp_map_zero" => maps::exp_map_zero_vjp(i(0), g, c, a),
        "log_map_zero" => maps::log_map_zero_vjp(i(0), g, c, a),
        "exp_map_at" => maps::exp_map_at_vjp(i(0), i(1), g, c, a, b),
        "log_map_at" => maps::log_map_at_vjp(i(0), i(1), g, c, a, b),
        "geodesic" => {
            let (by_t, by_c) = maps::geodesic_vjp(i(1), i(2), i(0)[0].to_f64(), g, c, b, d);
            a[0] = T::from_f64(by_t);
            by_c
        }
        "parallel_transport" => maps::parallel_transport_vjp(i(0), i(1), i(2), g, c, a, b, d),
        "project" => maps::project_vjp(i(1), g, c, i(0)[0].to_f64(), b),
        "clip_norm" => {
            maps::clip_norm_vjp(i(1), g, i(0)[0].to_f64(), b);
            return Some((grads, None));
        }
        "poincare_to_klein" => klein::poincare_to_klein_vjp(i(0), g, c, a),
        "klein_to_poincare" => klein::klein_to_poincare_vjp(i(0), g, c, a),
        "einstein_midpoint" => midpoint::einstein_midpoint_vjp(i(0), Some(i(1)), g, dim, c, a, Some(b)),
        "frechet_mean" => midpoint::frechet_mean_vjp(i(0), Some(i(1)), g, dim, c, a, Some(b)),
        "mlr_ganea" => mlr::mlr_logit_vjp(i(0), i(1), i(2), g[0], c, a, b, d),
        "mlr_unidirectional" => {
            let (by_r, by_c) = mlr::mlr_logit_unidirectional_vjp(i(0), i(1), i(2)[0], g[0], c, a, b);
            d[0] = T::from_f64(by_r);
            by_c
        }
        "mobius_linear" => linear::mobius_linear_vjp(i(0), i(1), i(2), g, c, a, b, d),
        "concat" => linear::concat_vjp(i(0), i(1), i(2), i(3), g, c, a, b, d, e),
        "lorentz_from_poincare" => lorentz::from_poincare_vjp(i(0), g, c, a),
        "lorentz_to_poincare" => lorentz::to_poincare_vjp(i(0), g, c, a),
        "lorentz_time" => lorentz::time_vjp(i(0), g[0], c, a),
        "lorentz_inner" => lorentz::inner_vjp(i(0), i(1), g[0], c, a, b),
        "lorentz_exp_map_zero" => lorentz::exp_map_zero_vjp(i(0), g, c, a),
        "lorentz_log_map_zero" => lorentz::log_map_zero_vjp(i(0), g, c, a),
        "lorentz_distance" => lorentz::distance_vjp(i(0), i(1), g[0], c, a, b),
        "lorentz_centroid" => lorentz::centroid_vjp(i(0), Some(i(1)), g, dim, c, a, Some(b)),
        _ => return None,
    };
    Some((grads, Some(by_c)))
}

fn pairwise<T: Real>(
    operation: &str,
    c: Curvature,
    dim: usize,
    inputs: &[Vec<T>],
    g: &[T],
) -> Option<Gradients<T>> {
    let i = |n: usize| inputs[n].as_slice();
    let mut grads = room(inputs);
    let [a, b, d, _] = four(&mut grads);
    let by_c = match operation {
        "distance_matrix" => batch::distance_matrix_vjp(i(0), i(1), g, dim, c, a, b),
        "mlr_logits" | "mlr_ganea" => batch::mlr_logits_vjp(i(0), i(1), i(2), g, dim, c, a, b, d),
        "mlr_layer_logits" => batch::mlr_layer_logits_vjp(i(0), i(1), i(2), g, dim, c, a, b, d),
        "mlr_logits_unidirectional" | "mlr_unidirectional" => {
            batch::mlr_logits_unidirectional_vjp(i(0), i(1), i(2), g, dim, c, a, b, d)
        }
        _ => return None,
    };
    Some((grads, Some(by_c)))
}

/// Halves the sum over two equal rows that stands in the first half, and moves it to the second.
fn share<T: Real>(gradient: &mut [T]) {
    let (sum, row) = gradient.split_at_mut(gradient.len() / 2);
    for (row, sum) in row.iter_mut().zip(sum) {
        *row = T::from_f64(sum.to_f64() / 2.0);
    }
}

fn row_wise<T: Real>(
    operation: &str,
    c: Curvature,
    dim: usize,
    inputs: &[Vec<T>],
    twice: &[Vec<T>],
    g: &[T],
) -> Option<Gradients<T>> {
    let i = |n: usize| twice[n].as_slice();
    let setting = |j: usize| inputs[0][j].to_f64();
    let mut grads = room(twice);
    let [a, b, d, e] = four(&mut grads);
    let by_c = match operation {
        "conformal_factor" => batch::conformal_factor_vjp(i(0), g, dim, c, a),
        "riemannian_factor" => batch::riemannian_factor_vjp(i(0), g, dim, c, a),
        "mobius_add" => batch::mobius_add_vjp(i(0), i(1), g, dim, c, a, b),
        "mobius_sub" => batch::mobius_sub_vjp(i(0), i(1), g, dim, c, a, b),
        "mobius_scalar_mul" => {
            let (by_r, by_c) = batch::mobius_scalar_mul_vjp(inputs[0][0], i(1), g, dim, c, b);
            a[1] = T::from_f64(by_r / 2.0);
            by_c
        }
        "gyration" => batch::gyration_vjp(i(0), i(1), i(2), g, dim, c, a, b, d),
        "distance" => batch::distance_vjp(i(0), i(1), g, dim, c, a, b),
        "distance_to_origin" => batch::distance_to_origin_vjp(i(0), g, dim, c, a),
        "exp_map_zero" => batch::exp_map_zero_vjp(i(0), g, dim, c, a),
        "log_map_zero" => batch::log_map_zero_vjp(i(0), g, dim, c, a),
        "exp_map_at" => batch::exp_map_at_vjp(i(0), i(1), g, dim, c, a, b),
        "log_map_at" => batch::log_map_at_vjp(i(0), i(1), g, dim, c, a, b),
        "geodesic" => batch::geodesic_vjp(i(1), i(2), i(0), g, dim, c, b, d, a),
        "parallel_transport" => batch::parallel_transport_vjp(i(0), i(1), i(2), g, dim, c, a, b, d),
        "project" => batch::project_vjp(i(1), g, dim, c, setting(0), b),
        "clip_norm" => {
            batch::clip_norm_vjp(i(1), g, dim, setting(0), b);
            return Some((grads, None));
        }
        "to_ball" => batch::to_ball_vjp(i(1), g, dim, c, Some(setting(0)), setting(1), b),
        "poincare_to_klein" => batch::poincare_to_klein_vjp(i(0), g, dim, c, a),
        "klein_to_poincare" => batch::klein_to_poincare_vjp(i(0), g, dim, c, a),
        "einstein_midpoint" => {
            let shots = inputs[1].len();
            batch::einstein_midpoint_vjp(i(0), Some(i(1)), g, shots, dim, c, a, Some(b))
        }
        "frechet_mean" => {
            let shots = inputs[1].len();
            batch::frechet_mean_vjp(i(0), Some(i(1)), g, shots, dim, c, a, Some(b))
        }
        "lorentz_from_poincare" => batch::lorentz::from_poincare_vjp(i(0), g, dim, c, a),
        "lorentz_to_poincare" => batch::lorentz::to_poincare_vjp(i(0), g, dim, c, a),
        "lorentz_time" => batch::lorentz::time_vjp(i(0), g, dim, c, a),
        "lorentz_inner" => batch::lorentz::inner_vjp(i(0), i(1), g, dim, c, a, b),
        "lorentz_exp_map_zero" => batch::lorentz::exp_map_zero_vjp(i(0), g, dim, c, a),
        "lorentz_log_map_zero" => batch::lorentz::log_map_zero_vjp(i(0), g, dim, c, a),
        "lorentz_distance" => batch::lorentz::distance_vjp(i(0), i(1), g, dim, c, a, b),
        "lorentz_centroid" => {
            let shots = inputs[1].len();
            batch::lorentz::centroid_vjp(i(0), Some(i(1)), g, shots, dim, c, a, Some(b))
        }
        // The parameters are shared by the rows, so their gradients are sums, and there is one row for each.
        "mobius_matvec" => {
            let by_c = batch::mobius_matvec_vjp(&inputs[0], i(1), g, dim, c, &mut a[..inputs[0].len()], b);
            share(a);
            by_c
        }
        "mobius_linear" => {
            let (m, bias) = (&inputs[0], &inputs[1]);
            let (by_m, by_b) = (&mut a[..m.len()], &mut b[..bias.len()]);
            let by_c = batch::mobius_linear_vjp(m, bias, i(2), g, dim, c, by_m, by_b, d);
            share(a);
            share(b);
            by_c
        }
        "concat" => {
            let (m1, m2) = (&inputs[0], &inputs[2]);
            let (dim1, dim2) = (inputs[1].len(), inputs[3].len());
            let (by_m1, by_m2) = (&mut a[..m1.len()], &mut d[..m2.len()]);
            let by_c = batch::concat_vjp(m1, i(1), dim1, m2, i(3), dim2, g, c, by_m1, b, by_m2, e);
            share(a);
            share(d);
            by_c
        }
        _ => return None,
    };
    Some((grads, Some(by_c)))
}
