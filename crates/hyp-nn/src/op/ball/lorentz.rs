//! The Lorentz model, for points too far out for the ball: stored by their space parts, as in [`hyp_math::lorentz`].

use candle_core::{Result, Tensor};
use hyp_math::{Curvature, Real, lorentz};
use rayon::prelude::*;

use super::BallParameter;
use super::row_kernels::{BinaryOp, UnaryOp, binary, unary};

/// Space parts of points of the ball; see [`lorentz::from_poincare`].
///
/// **Shapes.** `[…, dim]` to the same.
///
/// # Errors
/// If the element type or device has no kernel.
///
/// # Examples
/// ```
/// use hyp_math::Curvature;
/// use hyp_nn::{candle_core::{Device, Tensor}, op};
/// let c = Curvature::new(1.0).unwrap().into();
/// let x = Tensor::new(&[[0.5_f64, 0.0]], &Device::Cpu)?;
/// let s = op::lorentz_from_ball(&x, &c)?;
/// assert!((s.to_vec2::<f64>()?[0][0] - 4.0 / 3.0).abs() < 1e-15); // 2x/(1 − ‖x‖²)
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn lorentz_from_ball(x: &Tensor, c: &BallParameter) -> Result<Tensor> {
    unary(FromBall, x, c)
}

/// Points of the ball from space parts; see [`lorentz::to_poincare`].
///
/// **Shapes.** `[…, dim]` to the same.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn lorentz_to_ball(s: &Tensor, c: &BallParameter) -> Result<Tensor> {
    unary(ToBall, s, c)
}

/// Exponential map at the origin into space parts; see [`lorentz::exp_map_zero`].
///
/// Half the tangent vector's length lands where the ball's map lands: `lorentz_exp_map_zero(2v)` and `exp_map_zero(v)`
/// are the same point.
///
/// **Shapes.** `[…, dim]` to the same.
///
/// # Errors
/// If the element type or device has no kernel.
pub fn lorentz_exp_map_zero(u: &Tensor, c: &BallParameter) -> Result<Tensor> {
    unary(ExpMapZero, u, c)
}

/// Distance of each pair of rows, given by their space parts; see [`lorentz::distance`].
///
/// **Shapes.** `x`: `[…, dim]`; `y`: the same or `[dim]`; result: `[…]`.
///
/// # Errors
/// If the shapes differ, or the element type or device has no kernel.
pub fn lorentz_distance(x: &Tensor, y: &Tensor, c: &BallParameter) -> Result<Tensor> {
    binary(Distance, x, y, c)
}

struct FromBall;

impl UnaryOp for FromBall {
    const NAME: &'static str = "lorentz_from_ball";

    fn value<T: Real>(&self, x: &[T], dim: usize, c: Curvature, out: &mut [T]) {
        x.par_chunks_exact(dim)
            .zip(out.par_chunks_exact_mut(dim))
            .for_each(|(x, out)| lorentz::from_poincare(x, c, out));
    }

    fn gradient<T: Real>(&self, x: &[T], grad: &[T], dim: usize, c: Curvature, gx: &mut [T]) -> f64 {
        in_order(
            x.par_chunks_exact(dim)
                .zip(grad.par_chunks_exact(dim))
                .zip(gx.par_chunks_exact_mut(dim))
                .map(|((x, grad), gx)| lorentz::from_poincare_vjp(x, grad, c, gx)),
        )
    }
}

struct ToBall;

impl UnaryOp for ToBall {
    const NAME: &'static str = "lorentz_to_ball";

    fn value<T: Real>(&self, s: &[T], dim: usize, c: Curvature, out: &mut [T]) {
        s.par_chunks_exact(dim)
            .zip(out.par_chunks_exact_mut(dim))
            .for_each(|(s, out)| lorentz::to_poincare(s, c, out));
    }

    fn gradient<T: Real>(&self, s: &[T], grad: &[T], dim: usize, c: Curvature, gs: &mut [T]) -> f64 {
        in_order(
            s.par_chunks_exact(dim)
                .zip(grad.par_chunks_exact(dim))
                .zip(gs.par_chunks_exact_mut(dim))
                .map(|((s, grad), gs)| lorentz::to_poincare_vjp(s, grad, c, gs)),
        )
    }
}

struct ExpMapZero;

impl UnaryOp for ExpMapZero {
    const NAME: &'static str = "lorentz_exp_map_zero";

    fn value<T: Real>(&self, u: &[T], dim: usize, c: Curvature, out: &mut [T]) {
        u.par_chunks_exact(dim)
            .zip(out.par_chunks_exact_mut(dim))
            .for_each(|(u, out)| lorentz::exp_map_zero(u, c, out));
    }

    fn gradient<T: Real>(&self, u: &[T], grad: &[T], dim: usize, c: Curvature, gu: &mut [T]) -> f64 {
        in_order(
            u.par_chunks_exact(dim)
                .zip(grad.par_chunks_exact(dim))
                .zip(gu.par_chunks_exact_mut(dim))
                .map(|((u, grad), gu)| lorentz::exp_map_zero_vjp(u, grad, c, gu)),
        )
    }
}

struct Distance;

impl BinaryOp for Distance {
    const NAME: &'static str = "lorentz_distance";
    const SCALAR: bool = true;

    fn value<T: Real>(&self, x: &[T], y: &[T], dim: usize, c: Curvature, out: &mut [T]) {
        x.par_chunks_exact(dim)
            .zip(y.par_chunks_exact(dim))
            .zip(out)
            .for_each(|((x, y), out)| *out = lorentz::distance(x, y, c));
    }

    fn gradient<T: Real>(
        &self,
        [x, y]: [&[T]; 2],
        grad: &[T],
        dim: usize,
        c: Curvature,
        [gx, gy]: [&mut [T]; 2],
    ) -> f64 {
        in_order(
            x.par_chunks_exact(dim)
                .zip(y.par_chunks_exact(dim))
                .zip(grad)
                .zip(gx.par_chunks_exact_mut(dim).zip(gy.par_chunks_exact_mut(dim)))
                .map(|(((x, y), g), (gx, gy))| lorentz::distance_vjp(x, y, *g, c, gx, gy)),
        )
    }
}

/// The sum over the rows from the first to the last, whatever the threads.
fn in_order(rows: impl IndexedParallelIterator<Item = f64>) -> f64 {
    rows.collect::<Vec<_>>().iter().sum()
}
