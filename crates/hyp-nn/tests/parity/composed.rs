//! The operations of the ball written in Candle's primitives from the printed formulas: slow, large in memory,
//! inaccurate near the boundary, and obvious.

use hyp_nn::candle_core::{D, Result, Tensor};

/// The squared norm of each row, as a column.
fn square(x: &Tensor) -> Result<Tensor> {
    x.sqr()?.sum_keepdim(D::Minus1)
}

fn norm(x: &Tensor) -> Result<Tensor> {
    square(x)?.sqrt()
}

fn artanh(x: &Tensor) -> Result<Tensor> {
    ((1.0 + x)? / (1.0 - x)?)?.log()? * 0.5
}

fn arsinh(x: &Tensor) -> Result<Tensor> {
    (x + (x.sqr()? + 1.0)?.sqrt()?)?.log()
}

pub(crate) fn exp_map_zero(v: &Tensor, c: f64) -> Result<Tensor> {
    let r = (norm(v)? * c.sqrt())?;
    v.broadcast_mul(&(r.tanh()? / r)?)
}

pub(crate) fn from_ball(x: &Tensor, c: f64) -> Result<Tensor> {
    let r = (norm(x)? * c.sqrt())?;
    x.broadcast_mul(&(artanh(&r)? / r)?)
}

pub(crate) fn project(x: &Tensor, c: f64, margin: f64) -> Result<Tensor> {
    let limit = (1.0 - margin) / c.sqrt();
    x.broadcast_mul(&(limit / norm(x)?)?.minimum(1.0)?)
}

pub(crate) fn to_ball(x: &Tensor, c: f64, clip: Option<f64>, margin: f64) -> Result<Tensor> {
    let clipped = match clip {
        None => x.clone(),
        Some(radius) => x.broadcast_mul(&(radius / norm(x)?)?.minimum(1.0)?)?,
    };
    project(&exp_map_zero(&clipped, c)?, c, margin)
}

pub(crate) fn mobius_add(x: &Tensor, y: &Tensor, c: f64) -> Result<Tensor> {
    let (xx, yy) = (square(x)?, square(y)?);
    let xy = x.broadcast_mul(y)?.sum_keepdim(D::Minus1)?;
    let of_x = (xy.affine(2.0 * c, 1.0)?.broadcast_add(&(&yy * c)?))?;
    let of_y = xx.affine(-c, 1.0)?;
    let below = xy.affine(2.0 * c, 1.0)?.broadcast_add(&xx.broadcast_mul(&yy)?.affine(c * c, 0.0)?)?;
    (x.broadcast_mul(&of_x)? + y.broadcast_mul(&of_y)?)?.broadcast_div(&below)
}

pub(crate) fn mobius_sub(x: &Tensor, y: &Tensor, c: f64) -> Result<Tensor> {
    mobius_add(&x.neg()?, y, c)
}

pub(crate) fn mobius_scalar_mul(r: f64, x: &Tensor, c: f64) -> Result<Tensor> {
    exp_map_zero(&(from_ball(x, c)? * r)?, c)
}

pub(crate) fn distance(x: &Tensor, y: &Tensor, c: f64) -> Result<Tensor> {
    let gap = norm(&mobius_sub(x, y, c)?)?;
    (artanh(&(gap * c.sqrt())?)? * (2.0 / c.sqrt()))?.squeeze(D::Minus1)
}

pub(crate) fn distance_to_origin(x: &Tensor, c: f64) -> Result<Tensor> {
    distance(&x.zeros_like()?, x, c)
}

pub(crate) fn distance_matrix(x: &Tensor, y: &Tensor, c: f64) -> Result<Tensor> {
    let shape = (x.dim(0)?, y.dim(0)?, x.dim(1)?);
    distance(&x.unsqueeze(1)?.broadcast_as(shape)?, &y.unsqueeze(0)?.broadcast_as(shape)?, c)
}

fn conformal_factor(x: &Tensor, c: f64) -> Result<Tensor> {
    2.0 / square(x)?.affine(-c, 1.0)?
}

pub(crate) fn exp_map_at(x: &Tensor, v: &Tensor, c: f64) -> Result<Tensor> {
    let n = norm(v)?;
    let t = ((conformal_factor(x, c)? * &n)? * (0.5 * c.sqrt()))?.tanh()?;
    mobius_add(x, &v.broadcast_mul(&(t / (n * c.sqrt())?)?)?, c)
}

pub(crate) fn log_map_at(x: &Tensor, y: &Tensor, c: f64) -> Result<Tensor> {
    let gap = mobius_sub(x, y, c)?;
    let n = norm(&gap)?;
    let length = ((artanh(&(&n * c.sqrt())?)? * (2.0 / c.sqrt()))? / conformal_factor(x, c)?)?;
    gap.broadcast_mul(&(length / n)?)
}

/// The printed form with the normal at `p`, which is the transported `(1 − c‖p‖²) a`.
pub(crate) fn mlr_logits(x: &Tensor, p: &Tensor, a: &Tensor, c: f64) -> Result<Tensor> {
    let a = &a.broadcast_mul(&square(p)?.affine(-c, 1.0)?)?;
    let shape = (x.dim(0)?, p.dim(0)?, x.dim(1)?);
    let z = mobius_sub(&p.unsqueeze(0)?.broadcast_as(shape)?, &x.unsqueeze(1)?.broadcast_as(shape)?, c)?;
    let za = z.broadcast_mul(a)?.sum(D::Minus1)?;
    let a_norm = norm(a)?.t()?;
    let below = square(&z)?.squeeze(D::Minus1)?.affine(-c, 1.0)?.broadcast_mul(&a_norm)?;
    let scale = (conformal_factor(p, c)?.t()? * a_norm)?;
    (arsinh(&((za / below)? * (2.0 * c.sqrt()))?)?.broadcast_mul(&scale))? / c.sqrt()
}

pub(crate) fn mlr_layer_logits(x: &Tensor, p_raw: &Tensor, a: &Tensor, c: f64) -> Result<Tensor> {
    mlr_logits(x, &exp_map_zero(p_raw, c)?, a, c)
}

/// Shimizu et al. 2021: 2‖z‖/√c · asinh(λ⟨√c x, z/‖z‖⟩ cosh(2√c r) − (λ − 1) sinh(2√c r)), λ = 2/(1 − c‖x‖²).
pub(crate) fn mlr_logits_unidirectional(x: &Tensor, z: &Tensor, r: &Tensor, c: f64) -> Result<Tensor> {
    let s = c.sqrt();
    let factor = conformal_factor(x, c)?;
    let (grown, shrunk) = ((r * (2.0 * s))?.exp()?, (r * (-2.0 * s))?.exp()?);
    let (cosh, sinh) = (((&grown + &shrunk)? * 0.5)?, ((&grown - &shrunk)? * 0.5)?);
    let z_norm = norm(z)?;
    let along = (x.matmul(&z.broadcast_div(&z_norm)?.t()?)? * s)?;
    let first = along.broadcast_mul(&factor)?.broadcast_mul(&cosh)?;
    let second = (&factor - 1.0)?.broadcast_mul(&sinh.unsqueeze(0)?)?;
    arsinh(&(first - second)?)?.broadcast_mul(&(z_norm.t()? * (2.0 / s))?)
}

pub(crate) fn lorentz_from_ball(x: &Tensor, c: f64) -> Result<Tensor> {
    x.broadcast_mul(&conformal_factor(x, c)?)
}

/// By way of the Klein model: the mean weighted by the Lorentz factors.
pub(crate) fn einstein_midpoint(points: &Tensor, weights: Option<&Tensor>, c: f64) -> Result<Tensor> {
    let klein = points.broadcast_div(&((square(points)? * c)? + 1.0)?)?.affine(2.0, 0.0)?;
    let mut factor = square(&klein)?.affine(-c, 1.0)?.sqrt()?.recip()?;
    if let Some(weights) = weights {
        factor = (factor * weights.unsqueeze(D::Minus1)?)?;
    }
    let mean = klein.broadcast_mul(&factor)?.sum(1)?.broadcast_div(&factor.sum(1)?)?;
    let below = (square(&mean)?.affine(-c, 1.0)?.sqrt()? + 1.0)?;
    mean.broadcast_div(&below)
}

pub(crate) fn mobius_linear(x: &Tensor, weight: &Tensor, bias: &Tensor, c: f64) -> Result<Tensor> {
    // The printed matrix–vector product: tanh(‖Mx‖/‖x‖ · artanh(√c‖x‖)) Mx/(√c‖Mx‖).
    let mx = x.matmul(&weight.t()?)?;
    let (n, m) = (norm(x)?, norm(&mx)?);
    let t = ((&m / &n)? * artanh(&(n * c.sqrt())?)?)?.tanh()?;
    let y = mx.broadcast_mul(&(t / (m * c.sqrt())?)?)?;
    mobius_add(&y, &bias.broadcast_as(y.shape())?, c)
}
