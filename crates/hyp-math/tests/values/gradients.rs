//! Every vector–Jacobian product against central differences, on the inputs of the golden cases.
//!
//! The differences are taken in 160-digit arithmetic with relative steps of 1e-35 (`golden/make_golden.py`), because in
//! `f64` they say nothing just where gradients are hard: 1e-7 from the boundary, and between points 1e-12 apart.
//! The inputs visit radii from 1e-15 to 1 − 1e-7, the origin, near-coincident, coincident and antipodal pairs, and
//! c ∈ {0, 1e-5, 1e-2, 1, 10}.

use std::collections::{BTreeMap, BTreeSet};

use hyp_math::{Real, batch};

use crate::cases::{self, Case, Stored};
use crate::products::{self, Product};

/// Both scalar types, relative and norm-wise for each row of each input: gradients leave through the f32 interface of
/// the layers, so they have its bar; in f64 they are far better wherever the case is not badly conditioned.
const BAR: f64 = 1e-5;
/// A gradient by c, or by the weights of a mean, is a sum of terms that may cancel altogether. It is judged against
/// itself or against the loss over the parameter, whichever is larger (c is learned by its logarithm), and may be off by
/// [`BAR`] and so many roundings of that, amplified by its own condition number: the derivative of what is conditioned
/// like κ may be conditioned like κ².
const PARAMETER_ULPS: f64 = 16.0;
/// Below this share of the largest gradient in a case, a gradient counts as zero: a geodesic at t = 1 does not depend on
/// x at all.
const NOTHING: f64 = 1e-9;

/// The cotangent of the golden gradients: fixed numbers of either sign, magnitudes in [0.5, 1.5).
fn cotangent<T: Real>(len: usize) -> Vec<T> {
    let mut state = 0x9e37_79b9_u32;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let magnitude = 0.5 + f64::from(state >> 9) / f64::from(1_u32 << 23);
            T::from_f64(if state & 0x80 == 0 { magnitude } else { -magnitude })
        })
        .collect()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// Largest relative error over the rows of one gradient, each row norm-wise; up to `nothing` there is none.
/// Not finite if anything in the gradient is.
fn worst_row(got: &[f64], want: &[f64], width: usize, nothing: f64, skip: impl Fn(usize) -> bool) -> f64 {
    let rows = got.chunks(width.max(1)).zip(want.chunks(width.max(1))).enumerate();
    rows.filter(|(row, _)| !skip(*row))
        .map(|(_, (got, want))| {
            let off = norm(got.iter().zip(want).map(|(g, w)| g - w));
            if off <= nothing { 0.0 } else { off / norm(want.iter().copied()) }
        })
        .fold(0.0, |worst: f64, e| if e.is_nan() { f64::INFINITY } else { worst.max(e) })
}

/// Σ |gᵢ fᵢ|, the size of the loss whose gradient is judged.
fn size_of_loss(case: &Case) -> f64 {
    let values = case.expected();
    values.iter().zip(cotangent::<f64>(values.len())).map(|(v, g)| (v.0 * g).abs()).sum()
}

/// Error of a gradient by a parameter, relative to itself and to `natural`, beyond what conditioning allows.
fn error_by_parameter(case: &Case, got: &[f64], want: &[f64], natural: f64) -> f64 {
    let kappa = case.condition().into_iter().fold(0.0, f64::max);
    let size = norm(want.iter().copied()).max(natural);
    let off = norm(got.iter().zip(want).map(|(g, w)| g - w));
    let beyond = (off - PARAMETER_ULPS * f64::EPSILON * (1.0 + kappa) * (1.0 + kappa) * size).max(0.0);
    if off.is_nan() {
        f64::INFINITY
    } else if beyond == 0.0 {
        0.0
    } else {
        beyond / size
    }
}

/// The loss over c; over 1/‖x‖² for c = 0.
fn loss_over_curvature(case: &Case, inputs: &[Vec<f64>]) -> f64 {
    let c = case.curvature.get();
    size_of_loss(case) * if c > 0.0 { 1.0 / c } else { inputs.iter().flatten().map(|v| v * v).sum() }
}

fn products_of<T: Stored>(case: &Case, inputs: &[Vec<T>], outputs: usize) -> Vec<Product<T>> {
    products::products(&case.operation, case.curvature, case.dim, inputs, &cotangent(outputs))
}

/// In `f64`, every gradient is that of central differences.
#[test]
fn gradients_are_those_of_central_differences() {
    let mut worst = BTreeMap::<String, (f64, String)>::new();
    for case in cases::load().iter().filter(|case| case.bits == 64) {
        let inputs: Vec<Vec<f64>> = case.inputs();
        let want = case.gradient();
        for (form, gradients, grad_c) in products_of(case, &inputs, case.expected().len()) {
            let mut see = |what: &str, error: f64| {
                let seen = worst.entry(form.clone()).or_default();
                if error > seen.0 {
                    *seen = (error, format!("{what} of {}", case.show()));
                }
            };
            let largest = want[..want.len() - 1].iter().fold(0.0, |most: f64, g| most.max(g.abs()));
            let mut at = 0;
            for (n, (input, gradient)) in inputs.iter().zip(&gradients).enumerate() {
                let want = &want[at..at + input.len()];
                at += input.len();
                // A matrix of rows, or something else that is one row.
                let width = if input.len() % case.dim == 0 { case.dim } else { input.len() };
                let cone = |row: usize| {
                    products::is_cone(&case.operation, n, &input[row * width..(row + 1) * width])
                };
                let error = if products::is_weights(&case.operation, n) {
                    let natural = size_of_loss(case) / norm(input.iter().copied());
                    error_by_parameter(case, gradient, want, natural)
                } else if gradient.is_empty() {
                    continue;
                } else {
                    worst_row(gradient, want, width, NOTHING * largest, cone)
                };
                see(&format!("input {n}"), error);
            }
            if let Some(grad_c) = grad_c {
                let natural = loss_over_curvature(case, &inputs);
                let error = error_by_parameter(case, &[grad_c], &want[at..], natural);
                see("c", error);
            }
        }
    }
    let wrong: Vec<String> = worst
        .iter()
        .filter(|(_, (error, _))| *error > BAR)
        .map(|(form, (error, case))| format!("{form}: {error:.1e} for {case}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Every operation has a gradient, and so has its batched form.
    let without: BTreeSet<String> = cases::load()
        .into_iter()
        .map(|case| cases::kernel(&case.operation))
        .filter(|form| !worst.contains_key(form))
        .collect();
    assert!(without.is_empty(), "no gradient of {without:?}");
}

/// Gradients are finite for every input of either scalar type, and `f32` gives what `f64` gives on the same bits.
#[test]
fn gradients_are_finite_and_alike_in_both_scalar_types() {
    let mut wrong = Vec::new();
    for case in cases::load() {
        let wide_inputs = case.widened();
        let outputs = case.expected().len();
        let oracle = products_of(&case, &wide_inputs, outputs);
        for (form, gradients, grad_c) in &oracle {
            if !gradients.iter().flatten().chain(grad_c).all(|v| v.is_finite()) {
                wrong.push(format!("{form}: not finite at {}", case.show()));
            }
        }
        if case.bits != 32 {
            continue;
        }
        for ((form, wide, wide_c), (_, narrow, narrow_c)) in
            oracle.iter().zip(products_of::<f32>(&case, &case.inputs(), outputs))
        {
            let nothing = NOTHING * wide.iter().flatten().fold(0.0, |most: f64, g| most.max(g.abs()));
            for (wide, narrow) in wide.iter().zip(&narrow) {
                let narrow: Vec<f64> = narrow.iter().map(|v| f64::from(*v)).collect();
                let error = worst_row(&narrow, wide, wide.len(), nothing, |_| false);
                if error > BAR {
                    wrong.push(format!("{form}: f32 is off by {error:.1e} at {}", case.show()));
                }
            }
            if let (Some(by_c), Some(narrow)) = (wide_c, narrow_c)
                && error_by_parameter(&case, &[narrow], &[*by_c], loss_over_curvature(&case, &wide_inputs))
                    > BAR
            {
                wrong.push(format!("{form}: f32 gives {narrow:e} for c, f64 {by_c:e} at {}", case.show()));
            }
        }
    }
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The released layers scale the gradient that reaches a point of the ball by (1 − c‖y‖²)²/4. So scaled, the gradient of
/// the map into the ball is its plain gradient (by central differences, like all others) times that factor.
#[test]
fn the_riemannian_gradient_is_the_composed_one_times_the_factor() {
    let mut compared = 0;
    for case in cases::load().iter().filter(|case| case.bits == 64 && case.operation == "to_ball") {
        let (inputs, dim, c) = (case.inputs::<f64>(), case.dim, case.curvature);
        let (settings, x) = (&inputs[0], &inputs[1]);
        let (mut y, mut scaled, mut got) = (vec![0.0; dim], vec![0.0; dim], vec![0.0; dim]);
        batch::to_ball(x, dim, c, Some(settings[0]), settings[1], &mut y);
        let gap = 1.0 - c.get() * y.iter().map(|v| v * v).sum::<f64>();
        // Without a margin, points beyond √c‖x‖ = 9 are next to the boundary, where the rounded y does not know its gap.
        if gap < 1e-7 {
            continue;
        }
        batch::riemannian_scale(&y, &cotangent(dim), dim, c, &mut scaled);
        batch::to_ball_vjp(x, &scaled, dim, c, Some(settings[0]), settings[1], &mut got);
        let factor = 0.25 * gap * gap;
        let want: Vec<f64> = case.gradient()[2..2 + dim].iter().map(|g| g * factor).collect();
        assert!(
            worst_row(&got, &want, dim, 0.0, |_| false) <= BAR,
            "{got:?}, not {want:?}, for {}",
            case.show()
        );
        compared += 1;
    }
    assert!(compared > 100, "{compared} cases");
}
