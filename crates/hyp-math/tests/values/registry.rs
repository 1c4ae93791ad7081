//! The operations by the names that the golden files give them.

use hyp_math::{Curvature, Real, batch, distance, gyro, klein, linear, lorentz, maps, midpoint, mlr};

use crate::cases::kernel;

/// `len` numbers written by `write`.
fn filled<T: Real>(len: usize, write: impl FnOnce(&mut [T])) -> Vec<T> {
    let mut out = vec![T::from_f64(f64::NAN); len];
    write(&mut out);
    out
}

/// The weights, or `None` where they are all 1: both ways in are to be tested.
fn weights<T: Real>(weights: &[T]) -> Option<&[T]> {
    weights.iter().any(|w| *w != T::ONE).then_some(weights)
}

/// The operation on its inputs in all its forms, with their names in the table; empty if there is no such operation.
pub(crate) fn forms<T: Real>(
    operation: &str,
    c: Curvature,
    dim: usize,
    inputs: &[Vec<T>],
) -> Vec<(String, Vec<T>)> {
    let i = |n: usize| inputs[n].as_slice();
    let point = |write: &mut dyn FnMut(&mut [T])| filled(dim, write);
    let pairs =
        |write: &mut dyn FnMut(&mut [T])| filled((inputs[0].len() / dim) * (inputs[1].len() / dim), write);
    let value = match operation {
        "conformal_factor" => vec![gyro::conformal_factor(i(0), c)],
        "riemannian_factor" => vec![gyro::riemannian_factor(i(0), c)],
        "mobius_add" => point(&mut |out| gyro::mobius_add(i(0), i(1), c, out)),
        "mobius_sub" => point(&mut |out| gyro::mobius_sub(i(0), i(1), c, out)),
        "mobius_scalar_mul" => point(&mut |out| gyro::mobius_scalar_mul(i(0)[0], i(1), c, out)),
        "mobius_matvec" => filled(i(0).len() / dim, |out| gyro::mobius_matvec(i(0), i(1), c, out)),
        "gyration" => point(&mut |out| gyro::gyration(i(0), i(1), i(2), c, out)),
        "distance" => vec![distance::distance(i(0), i(1), c)],
        "distance_to_origin" => vec![distance::distance_to_origin(i(0), c)],
        "exp_map_zero" => point(&mut |out| maps::exp_map_zero(i(0), c, out)),
        "log_map_zero" => point(&mut |out| maps::log_map_zero(i(0), c, out)),
        "exp_map_at" => point(&mut |out| maps::exp_map_at(i(0), i(1), c, out)),
        "log_map_at" => point(&mut |out| maps::log_map_at(i(0), i(1), c, out)),
        "geodesic" => point(&mut |out| maps::geodesic(i(1), i(2), i(0)[0].to_f64(), c, out)),
        "parallel_transport" => point(&mut |out| maps::parallel_transport(i(0), i(1), i(2), c, out)),
        "project" => point(&mut |out| {
            maps::project(i(1), c, i(0)[0].to_f64(), out);
        }),
        "clip_norm" => point(&mut |out| {
            maps::clip_norm(i(1), i(0)[0].to_f64(), out);
        }),
        "poincare_to_klein" => point(&mut |out| klein::poincare_to_klein(i(0), c, out)),
        "klein_to_poincare" => point(&mut |out| klein::klein_to_poincare(i(0), c, out)),
        "einstein_midpoint" => {
            point(&mut |out| midpoint::einstein_midpoint(i(0), weights(i(1)), dim, c, out))
        }
        "frechet_mean" => point(&mut |out| {
            midpoint::frechet_mean(i(0), weights(i(1)), dim, c, out);
        }),
        "mlr_ganea" => vec![mlr::mlr_logit(i(0), i(1), i(2), c)],
        "mlr_unidirectional" => vec![mlr::mlr_logit_unidirectional(i(0), i(1), i(2)[0], c)],
        "mobius_linear" => filled(i(1).len(), |out| linear::mobius_linear(i(0), i(1), i(2), c, out)),
        "concat" => filled(i(0).len() / i(1).len(), |out| linear::concat(i(0), i(1), i(2), i(3), c, out)),
        "lorentz_from_poincare" => point(&mut |out| lorentz::from_poincare(i(0), c, out)),
        "lorentz_to_poincare" => point(&mut |out| lorentz::to_poincare(i(0), c, out)),
        "lorentz_time" => vec![lorentz::time(i(0), c)],
        "lorentz_inner" => vec![lorentz::inner(i(0), i(1), c)],
        "lorentz_exp_map_zero" => point(&mut |out| lorentz::exp_map_zero(i(0), c, out)),
        "lorentz_log_map_zero" => point(&mut |out| lorentz::log_map_zero(i(0), c, out)),
        "lorentz_distance" => vec![lorentz::distance(i(0), i(1), c)],
        "lorentz_centroid" => point(&mut |out| lorentz::centroid(i(0), weights(i(1)), dim, c, out)),
        _ => vec![],
    };
    let mut forms = vec![];
    if !value.is_empty() {
        forms.push((operation.to_owned(), value));
    }
    // The kernels over rows get the case twice; the last row is judged.
    let twice = |n: usize| [i(n), i(n)].concat();
    let last_row = |width: usize, write: &mut dyn FnMut(&mut [T])| filled(2 * width, write).split_off(width);
    let both = |n: usize| weights(i(n)).map(|w| [w, w].concat());
    let rows = match operation {
        "conformal_factor" => last_row(1, &mut |out| batch::conformal_factor(&twice(0), dim, c, out)),
        "riemannian_factor" => last_row(1, &mut |out| batch::riemannian_factor(&twice(0), dim, c, out)),
        "mobius_add" => last_row(dim, &mut |out| batch::mobius_add(&twice(0), &twice(1), dim, c, out)),
        "mobius_sub" => last_row(dim, &mut |out| batch::mobius_sub(&twice(0), &twice(1), dim, c, out)),
        "mobius_scalar_mul" => {
            last_row(dim, &mut |out| batch::mobius_scalar_mul(i(0)[0], &twice(1), dim, c, out))
        }
        "gyration" => last_row(dim, &mut |out| batch::gyration(&twice(0), &twice(1), &twice(2), dim, c, out)),
        "distance" => last_row(1, &mut |out| batch::distance(&twice(0), &twice(1), dim, c, out)),
        "distance_to_origin" => last_row(1, &mut |out| batch::distance_to_origin(&twice(0), dim, c, out)),
        "exp_map_zero" => last_row(dim, &mut |out| batch::exp_map_zero(&twice(0), dim, c, out)),
        "log_map_zero" => last_row(dim, &mut |out| batch::log_map_zero(&twice(0), dim, c, out)),
        "exp_map_at" => last_row(dim, &mut |out| batch::exp_map_at(&twice(0), &twice(1), dim, c, out)),
        "log_map_at" => last_row(dim, &mut |out| batch::log_map_at(&twice(0), &twice(1), dim, c, out)),
        "geodesic" => last_row(dim, &mut |out| batch::geodesic(&twice(1), &twice(2), &twice(0), dim, c, out)),
        "parallel_transport" => {
            last_row(dim, &mut |out| batch::parallel_transport(&twice(0), &twice(1), &twice(2), dim, c, out))
        }
        "project" => last_row(dim, &mut |out| batch::project(&twice(1), dim, c, i(0)[0].to_f64(), out)),
        "clip_norm" => last_row(dim, &mut |out| batch::clip_norm(&twice(1), dim, i(0)[0].to_f64(), out)),
        "to_ball" => last_row(dim, &mut |out| {
            batch::to_ball(&twice(1), dim, c, Some(i(0)[0].to_f64()), i(0)[1].to_f64(), out);
        }),
        "poincare_to_klein" => last_row(dim, &mut |out| batch::poincare_to_klein(&twice(0), dim, c, out)),
        "klein_to_poincare" => last_row(dim, &mut |out| batch::klein_to_poincare(&twice(0), dim, c, out)),
        "einstein_midpoint" => last_row(dim, &mut |out| {
            batch::einstein_midpoint(&twice(0), both(1).as_deref(), i(1).len(), dim, c, out);
        }),
        "frechet_mean" => last_row(dim, &mut |out| {
            let failed = batch::frechet_mean(&twice(0), both(1).as_deref(), i(1).len(), dim, c, out);
            assert_eq!(failed, 0, "groups that did not converge");
        }),
        "mobius_matvec" => {
            let width = i(0).len() / dim;
            last_row(width, &mut |out| batch::mobius_matvec(i(0), &twice(1), dim, c, out))
        }
        "mobius_linear" => {
            let width = i(1).len();
            last_row(width, &mut |out| batch::mobius_linear(i(0), i(1), &twice(2), dim, c, out))
        }
        "concat" => {
            let (first, second) = (i(1).len(), i(3).len());
            last_row(i(0).len() / first, &mut |out| {
                batch::concat(i(0), &twice(1), first, i(2), &twice(3), second, c, out);
            })
        }
        "lorentz_from_poincare" => {
            last_row(dim, &mut |out| batch::lorentz::from_poincare(&twice(0), dim, c, out))
        }
        "lorentz_to_poincare" => {
            last_row(dim, &mut |out| batch::lorentz::to_poincare(&twice(0), dim, c, out))
        }
        "lorentz_time" => last_row(1, &mut |out| batch::lorentz::time(&twice(0), dim, c, out)),
        "lorentz_inner" => last_row(1, &mut |out| batch::lorentz::inner(&twice(0), &twice(1), dim, c, out)),
        "lorentz_exp_map_zero" => {
            last_row(dim, &mut |out| batch::lorentz::exp_map_zero(&twice(0), dim, c, out))
        }
        "lorentz_log_map_zero" => {
            last_row(dim, &mut |out| batch::lorentz::log_map_zero(&twice(0), dim, c, out))
        }
        "lorentz_distance" => {
            last_row(1, &mut |out| batch::lorentz::distance(&twice(0), &twice(1), dim, c, out))
        }
        "lorentz_centroid" => last_row(dim, &mut |out| {
            batch::lorentz::centroid(&twice(0), both(1).as_deref(), i(1).len(), dim, c, out);
        }),
        "distance_matrix" => pairs(&mut |out| batch::distance_matrix(i(0), i(1), dim, c, out)),
        "mlr_logits" | "mlr_ganea" => pairs(&mut |out| batch::mlr_logits(i(0), i(1), i(2), dim, c, out)),
        "mlr_layer_logits" => pairs(&mut |out| batch::mlr_layer_logits(i(0), i(1), i(2), dim, c, out)),
        "mlr_logits_unidirectional" | "mlr_unidirectional" => {
            pairs(&mut |out| batch::mlr_logits_unidirectional(i(0), i(1), i(2), dim, c, out))
        }
        _ => vec![],
    };
    if !rows.is_empty() {
        forms.push((kernel(operation), rows));
    }
    forms
}

/// Whether the numbers that come out are judged one by one, and not norm-wise as one vector.
pub(crate) fn is_scalar(operation: &str) -> bool {
    const SCALARS: &[&str] = &[
        "conformal_factor",
        "distance",
        "distance_matrix",
        "distance_to_origin",
        "lorentz_distance",
        "lorentz_inner",
        "lorentz_time",
        "mlr_ganea",
        "mlr_layer_logits",
        "mlr_logits",
        "mlr_logits_unidirectional",
        "mlr_unidirectional",
        "riemannian_factor",
    ];
    SCALARS.contains(&operation)
}
