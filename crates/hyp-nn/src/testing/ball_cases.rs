//! The operations of the ball and of the hyperboloid that have kernels on CUDA devices.

use candle_core::{Result, Tensor};
use hyp_math::Curvature;

use super::cases::Case;
use crate::op::{self, BallParameter};

/// The curvature of most cases.
pub(super) const CURVATURE: f64 = 0.6;

/// The ball with the last input as its trained curvature.
fn ball(inputs: &[Tensor]) -> Result<BallParameter> {
    ball_of(CURVATURE, inputs)
}

/// The same with a curvature of another size; the value of the input is not read.
fn ball_of(c: f64, inputs: &[Tensor]) -> Result<BallParameter> {
    let value = Curvature::new(c).map_err(candle_core::Error::wrap)?;
    Ok(BallParameter::new(value, inputs.last().cloned()))
}

/// A curvature so small that nothing but the terms of first order in it is left.
const TINY: f64 = 1e-9;

/// Every case.
pub(super) fn cases() -> Vec<Case> {
    let mut all = rows();
    all.extend(pairs());
    all.extend(maps_at_points());
    all.extend(hyperboloid());
    all.extend(centroids());
    all
}

/// Coordinates of points: five of at most 0.5 in the ball of radius 1.29.
const POINTS: &[usize] = &[6, 5];

fn rows() -> Vec<Case> {
    vec![
        Case::new("to_ball", &[POINTS], 0.9, |t| op::to_ball(&t[0], &ball(t)?, None, 1e-3)).curved(),
        Case::new("to_ball clipped", &[POINTS], 3.0, |t| op::to_ball(&t[0], &ball(t)?, Some(2.0), 1e-3))
            .curved(),
        Case::new("to_ball held by the margin", &[POINTS], 3.0, |t| op::to_ball(&t[0], &ball(t)?, None, 0.1))
            .curved(),
        Case::new("exp_map_zero", &[POINTS], 0.9, |t| op::exp_map_zero(&t[0], &ball(t)?)).curved(),
        Case::new("from_ball", &[POINTS], 0.5, |t| op::from_ball(&t[0], &ball(t)?)).curved(),
        Case::new("project", &[POINTS], 0.9, |t| op::project(&t[0], &ball(t)?, 0.2)).curved(),
        Case::new("mobius_scalar_mul", &[POINTS], 0.5, |t| op::mobius_scalar_mul(1.7, &t[0], &ball(t)?))
            .curved(),
        Case::new("distance_to_origin", &[POINTS], 0.5, |t| op::distance_to_origin(&t[0], &ball(t)?))
            .curved(),
        Case::new("riemannian_gradient", &[POINTS], 0.5, |t| {
            let c = Curvature::new(CURVATURE).map_err(candle_core::Error::wrap)?;
            op::riemannian_gradient(&t[0], c)
        }),
        Case::new("lorentz_from_ball", &[POINTS], 0.5, |t| op::lorentz_from_ball(&t[0], &ball(t)?)).curved(),
        Case::new("lorentz_to_ball", &[POINTS], 2.0, |t| op::lorentz_to_ball(&t[0], &ball(t)?)).curved(),
        Case::new("lorentz_exp_map_zero", &[POINTS], 0.9, |t| op::lorentz_exp_map_zero(&t[0], &ball(t)?))
            .curved(),
        Case::new("mobius_add", &[POINTS, POINTS], 0.5, |t| op::mobius_add(&t[0], &t[1], &ball(t)?)).curved(),
        Case::new("mobius_sub", &[POINTS, POINTS], 0.5, |t| op::mobius_sub(&t[0], &t[1], &ball(t)?)).curved(),
        Case::new("distance", &[POINTS, POINTS], 0.5, |t| op::distance(&t[0], &t[1], &ball(t)?)).curved(),
        Case::new("log_map_at", &[POINTS, POINTS], 0.5, |t| op::log_map_at(&t[0], &t[1], &ball(t)?)).curved(),
        Case::new("mobius_linear", &[POINTS, &[4, 5], &[4]], 0.5, |t| {
            op::mobius_linear(&t[0], &t[1], Some(&t[2]), &ball(t)?)
        })
        .curved(),
    ]
}

fn pairs() -> Vec<Case> {
    const MANY: &[usize] = &[19, 21];
    const FEW: &[usize] = &[18, 21];
    vec![
        Case::new("distance_matrix", &[MANY, FEW], 0.25, |t| op::distance_matrix(&t[0], &t[1], &ball(t)?))
            .curved(),
        Case::new("distance_matrix, fixed curvature", &[MANY, FEW], 0.25, |t| {
            let c = Curvature::new(CURVATURE).map_err(candle_core::Error::wrap)?;
            op::distance_matrix(&t[0], &t[1], &c.into())
        }),
        Case::new("distance_cross_entropy", &[MANY, FEW], 0.25, |t| {
            op::distance_cross_entropy(&t[0], &t[1], &labels(t)?, &ball(t)?, 0.5)
        })
        .curved(),
        Case::new("mlr_logits", &[MANY, FEW, FEW], 0.25, |t| op::mlr_logits(&t[0], &t[1], &t[2], &ball(t)?))
            .curved(),
        Case::new("mlr_layer_logits", &[MANY, FEW, FEW], 0.25, |t| {
            op::mlr_layer_logits(&t[0], &t[1], &t[2], &ball(t)?)
        })
        .curved(),
        Case::new("mlr_layer_logits, fixed curvature", &[MANY, FEW, FEW], 0.25, |t| {
            let c = Curvature::new(CURVATURE).map_err(candle_core::Error::wrap)?;
            op::mlr_layer_logits(&t[0], &t[1], &t[2], &c.into())
        }),
        Case::new("mlr_cross_entropy", &[MANY, FEW, FEW], 0.25, |t| {
            op::mlr_cross_entropy(&t[0], &t[1], &t[2], &labels(t)?, &ball(t)?)
        })
        .curved(),
        Case::new("mlr_layer_cross_entropy", &[MANY, FEW, FEW], 0.25, |t| {
            op::mlr_layer_cross_entropy(&t[0], &t[1], &t[2], &labels(t)?, &ball(t)?)
        })
        .curved(),
        Case::new("mlr_logits_unidirectional", &[MANY, FEW, &[18]], 0.25, |t| {
            op::mlr_logits_unidirectional(&t[0], &t[1], &t[2], &ball(t)?)
        })
        .curved(),
        Case::new("einstein_midpoint", &[&[4, 5, 21]], 0.25, |t| {
            op::einstein_midpoint(&t[0], None, &ball(t)?)
        })
        .curved(),
        Case::new("einstein_midpoint of many points", &[&[2, 70, 5]], 0.5, |t| {
            op::einstein_midpoint(&t[0], None, &ball(t)?)
        })
        .curved(),
        Case::new("einstein_midpoint, weighted", &[&[4, 5, 3], &[4, 5]], 0.4, |t| {
            op::einstein_midpoint(&t[0], Some(&t[1].sqr()?), &ball(t)?)
        })
        .curved(),
    ]
}

/// A class of the 18 for each of the 19 rows.
fn labels(t: &[Tensor]) -> Result<Tensor> {
    let labels: Vec<u32> = (0..19).map(|at| at * 7 % 18).collect();
    Tensor::from_vec(labels, 19, t[0].device())
}

/// Short steps are differentiated in another form than long ones, and the value has one form outwards and one inwards.
fn maps_at_points() -> Vec<Case> {
    const INPUTS: &[&[usize]] = &[POINTS, POINTS];
    vec![
        Case::new("exp_map_at", INPUTS, 0.5, |t| op::exp_map_at(&t[0], &t[1], &ball(t)?)).curved(),
        Case::new("exp_map_at, short steps", INPUTS, 0.15, |t| op::exp_map_at(&t[0], &t[1], &ball(t)?))
            .curved(),
        Case::new("exp_map_at, far inwards", INPUTS, 0.5, |t| {
            op::exp_map_at(&t[0], &(&t[1] - (&t[0] * 3.0)?)?, &ball(t)?)
        })
        .curved(),
        Case::new("exp_map_at, no velocity", INPUTS, 0.5, |t| op::exp_map_at(&t[0], &t[1], &ball(t)?))
            .still()
            .curved(),
        Case::new("exp_map_at, tiny curvature", INPUTS, 0.9, |t| {
            op::exp_map_at(&t[0], &t[1], &ball_of(TINY, t)?)
        })
        .curved(),
        Case::new("exp_map_at, flat", INPUTS, 0.9, |t| op::exp_map_at(&t[0], &t[1], &ball_of(0.0, t)?))
            .curved(),
    ]
}

/// Space parts of points on one side and on opposite sides, close ones, and equal ones.
fn hyperboloid() -> Vec<Case> {
    const ROWS: &[&[usize]] = &[POINTS, POINTS];
    const ALL: &[&[usize]] = &[&[19, 21], &[18, 21]];
    vec![
        Case::new("lorentz_distance", ROWS, 2.0, |t| op::lorentz_distance(&t[0], &t[1], &ball(t)?)).curved(),
        Case::new("lorentz_distance of close points", ROWS, 2.0, |t| {
            op::lorentz_distance(&t[0], &t[1], &ball(t)?)
        })
        .beside(1e-3)
        .curved(),
        Case::new("lorentz_distance of equal points", ROWS, 2.0, |t| {
            op::lorentz_distance(&t[0], &t[1], &ball(t)?)
        })
        .beside(0.0)
        .curved(),
        Case::new("lorentz_distance, tiny curvature", ROWS, 2.0, |t| {
            op::lorentz_distance(&t[0], &t[1], &ball_of(TINY, t)?)
        })
        .curved(),
        Case::new("lorentz_distance, flat", ROWS, 2.0, |t| {
            op::lorentz_distance(&t[0], &t[1], &ball_of(0.0, t)?)
        })
        .curved(),
        Case::new("lorentz_distance_matrix", ALL, 1.0, |t| {
            op::lorentz_distance_matrix(&t[0], &t[1], &ball(t)?)
        })
        .curved(),
        Case::new("lorentz_distance_matrix, fixed curvature", ALL, 1.0, |t| {
            let c = Curvature::new(CURVATURE).map_err(candle_core::Error::wrap)?;
            op::lorentz_distance_matrix(&t[0], &t[1], &c.into())
        }),
        Case::new("lorentz_distance_matrix of a set with itself", &[&[19, 21], &[19, 21]], 1.0, |t| {
            op::lorentz_distance_matrix(&t[0], &t[1], &ball(t)?)
        })
        .beside(0.0)
        .curved(),
        Case::new("lorentz_distance_matrix, flat", ALL, 1.0, |t| {
            op::lorentz_distance_matrix(&t[0], &t[1], &ball_of(0.0, t)?)
        })
        .curved(),
    ]
}

fn centroids() -> Vec<Case> {
    const FEW: &[&[usize]] = &[&[4, 5, 21]];
    vec![
        Case::new("lorentz_centroid", FEW, 1.0, |t| op::lorentz_centroid(&t[0], &ball(t)?)).curved(),
        Case::new("lorentz_centroid of many points", &[&[2, 70, 5]], 1.0, |t| {
            op::lorentz_centroid(&t[0], &ball(t)?)
        })
        .curved(),
        Case::new("lorentz_centroid, fixed curvature", FEW, 1.0, |t| {
            let c = Curvature::new(CURVATURE).map_err(candle_core::Error::wrap)?;
            op::lorentz_centroid(&t[0], &c.into())
        }),
        Case::new("lorentz_centroid, tiny curvature", FEW, 1.0, |t| {
            op::lorentz_centroid(&t[0], &ball_of(TINY, t)?)
        })
        .curved(),
        Case::new("lorentz_centroid, flat", FEW, 1.0, |t| op::lorentz_centroid(&t[0], &ball_of(0.0, t)?))
            .curved(),
    ]
}
