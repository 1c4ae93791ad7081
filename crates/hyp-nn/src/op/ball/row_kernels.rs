//! The kernels of the row-wise operations: how each reaches its function in `hyp_math::batch`.

#[cfg(feature = "cuda")]
pub(super) mod cuda;

use candle_core::{Error, Result, Tensor};
use hyp_math::{Curvature, Real, batch};

#[cfg(feature = "cuda")]
use self::cuda::{OnCuda, OnPairs, Radial};
use super::{BallParameter, with_curvature};
use crate::op::fresh::fresh;
use crate::op::kernel::{Element, Gradients, Kernel, Output, View, apply1, apply2, apply3};

/// An operation on one matrix of points.
pub(super) trait UnaryOp: Send + Sync + 'static {
    const NAME: &'static str;
    /// Whether a row of the result is one number.
    const SCALAR: bool = false;
    fn value<T: Real>(&self, x: &[T], dim: usize, c: Curvature, out: &mut [T]);
    fn gradient<T: Real>(&self, x: &[T], grad: &[T], dim: usize, c: Curvature, gx: &mut [T]) -> f64;
    /// How it runs on a device, for rows of length `dim`.
    #[cfg(feature = "cuda")]
    fn on_cuda<T: Real>(&self, c: Curvature, dim: usize) -> OnCuda;
}

/// An operation on two matrices of as many points.
pub(super) trait BinaryOp: Send + Sync + 'static {
    const NAME: &'static str;
    /// Whether a row of the result is one number.
    const SCALAR: bool = false;
    fn value<T: Real>(&self, x: &[T], y: &[T], dim: usize, c: Curvature, out: &mut [T]);
    fn gradient<T: Real>(
        &self,
        operands: [&[T]; 2],
        grad: &[T],
        dim: usize,
        c: Curvature,
        gradients: [&mut [T]; 2],
    ) -> f64;
    /// The operation on a device.
    #[cfg(feature = "cuda")]
    const ON_CUDA: OnPairs;
}

struct Unary<O> {
    op: O,
    c: Curvature,
}

struct Binary<O> {
    op: O,
    c: Curvature,
}

fn refuse_empty(name: &str, x: &Tensor) -> Result<()> {
    if x.rank() == 0 || x.dims().last() == Some(&0) {
        let got = x.dims();
        return Err(Error::Msg(format!("{name}: operand {got:?}; its last axis must hold coordinates")));
    }
    Ok(())
}

pub(super) fn unary<O: UnaryOp>(op: O, x: &Tensor, c: &BallParameter) -> Result<Tensor> {
    refuse_empty(O::NAME, x)?;
    let kernel = Unary { op, c: c.value };
    match &c.tensor {
        None => apply1(kernel, x),
        Some(tensor) => apply2(kernel, x, tensor),
    }
}

pub(super) fn binary<O: BinaryOp>(op: O, x: &Tensor, y: &Tensor, c: &BallParameter) -> Result<Tensor> {
    refuse_empty(O::NAME, x)?;
    let y = if y.rank() == 1 && x.rank() > 1 { y.broadcast_as(x.shape()).ok() } else { Some(y.clone()) };
    let Some(y) = y.filter(|y| y.dims() == x.dims()) else {
        let (name, x) = (O::NAME, x.dims());
        return Err(Error::Msg(format!(
            "{name}: the second operand must be {x:?} as the first, or one point"
        )));
    };
    let kernel = Binary { op, c: c.value };
    match &c.tensor {
        None => apply2(kernel, x, &y),
        Some(tensor) => apply3(kernel, x, &y, tensor),
    }
}

/// The shape of a result whose rows are points, or numbers.
fn result_shape(dims: &[usize], scalar: bool) -> Vec<usize> {
    dims[..dims.len() - usize::from(scalar)].to_vec()
}

impl<O: UnaryOp> Kernel for Unary<O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let x = inputs[0];
        let shape = result_shape(x.dims, O::SCALAR);
        let mut out = fresh(shape.iter().product());
        self.op.value(T::real(x.data), x.last_dim(), self.c, T::real_mut(&mut out));
        Ok((out, shape))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let x = inputs[0];
        let mut gx = fresh(x.data.len());
        let (points, g, into) = (T::real(x.data), T::real(grad.data), T::real_mut(&mut gx));
        let by_c = self.op.gradient(points, g, x.last_dim(), self.c, into);
        Ok(with_curvature(vec![Some(gx)], inputs.len(), by_c))
    }
}

impl<O: BinaryOp> Kernel for Binary<O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let (x, y) = (inputs[0], inputs[1]);
        let shape = result_shape(x.dims, O::SCALAR);
        let mut out = fresh(shape.iter().product());
        self.op.value(T::real(x.data), T::real(y.data), x.last_dim(), self.c, T::real_mut(&mut out));
        Ok((out, shape))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let operands = [T::real(inputs[0].data), T::real(inputs[1].data)];
        let [mut gx, mut gy] = [0, 1].map(|i: usize| fresh(inputs[i].data.len()));
        let into = [T::real_mut(&mut gx), T::real_mut(&mut gy)];
        let by_c = self.op.gradient(operands, T::real(grad.data), inputs[0].last_dim(), self.c, into);
        Ok(with_curvature(vec![Some(gx), Some(gy)], inputs.len(), by_c))
    }
}

/// Defines an operation by its function in `hyp_math::batch` and that one's gradient.
macro_rules! unary_op {
    ($op:ident, $name:literal, $value:path, $vjp:path, scalar: $scalar:literal, cuda: $cuda:expr) => {
        pub(super) struct $op;

        impl UnaryOp for $op {
            const NAME: &'static str = $name;
            const SCALAR: bool = $scalar;

            fn value<T: Real>(&self, x: &[T], dim: usize, c: Curvature, out: &mut [T]) {
                $value(x, dim, c, out);
            }

            fn gradient<T: Real>(&self, x: &[T], grad: &[T], dim: usize, c: Curvature, gx: &mut [T]) -> f64 {
                $vjp(x, grad, dim, c, gx)
            }

            #[cfg(feature = "cuda")]
            fn on_cuda<T: Real>(&self, _: Curvature, _: usize) -> OnCuda {
                $cuda
            }
        }
    };
}

/// As `unary_op`, with two operands.
macro_rules! binary_op {
    ($op:ident, $name:literal, $value:path, $vjp:path, scalar: $scalar:literal, cuda: $cuda:expr) => {
        pub(super) struct $op;

        impl BinaryOp for $op {
            const NAME: &'static str = $name;
            const SCALAR: bool = $scalar;

            fn value<T: Real>(&self, x: &[T], y: &[T], dim: usize, c: Curvature, out: &mut [T]) {
                $value(x, y, dim, c, out);
            }

            fn gradient<T: Real>(
                &self,
                [x, y]: [&[T]; 2],
                grad: &[T],
                dim: usize,
                c: Curvature,
                [gx, gy]: [&mut [T]; 2],
            ) -> f64 {
                $vjp(x, y, grad, dim, c, gx, gy)
            }

            #[cfg(feature = "cuda")]
            const ON_CUDA: OnPairs = $cuda;
        }
    };
}

pub(super) use {binary_op, unary_op};

unary_op!(
    LogMapZero, "from_ball", batch::log_map_zero, batch::log_map_zero_vjp,
    scalar: false, cuda: Radial::LogZero.plain()
);
unary_op!(
    ExpMapZero, "exp_map_zero", batch::exp_map_zero, batch::exp_map_zero_vjp,
    scalar: false, cuda: Radial::ExpZero.plain()
);
unary_op!(
    DistanceToOrigin, "distance_to_origin", batch::distance_to_origin, batch::distance_to_origin_vjp,
    scalar: true, cuda: OnCuda::ToOrigin
);
binary_op!(
    MobiusAdd, "mobius_add", batch::mobius_add, batch::mobius_add_vjp,
    scalar: false, cuda: OnPairs::MobiusAdd
);
binary_op!(
    MobiusSub, "mobius_sub", batch::mobius_sub, batch::mobius_sub_vjp,
    scalar: false, cuda: OnPairs::MobiusSub
);
binary_op!(
    ExpMapAt, "exp_map_at", batch::exp_map_at, batch::exp_map_at_vjp,
    scalar: false, cuda: OnPairs::ExpAt
);
binary_op!(
    LogMapAt, "log_map_at", batch::log_map_at, batch::log_map_at_vjp,
    scalar: false, cuda: OnPairs::LogAt
);
binary_op!(
    Distance, "distance", batch::distance, batch::distance_vjp, scalar: true, cuda: OnPairs::Distance
);

pub(super) struct ToBall {
    pub(super) clip: Option<f64>,
    pub(super) margin: f64,
}

impl UnaryOp for ToBall {
    const NAME: &'static str = "to_ball";

    fn value<T: Real>(&self, x: &[T], dim: usize, c: Curvature, out: &mut [T]) {
        batch::to_ball(x, dim, c, self.clip, self.margin, out);
    }

    fn gradient<T: Real>(&self, x: &[T], grad: &[T], dim: usize, c: Curvature, gx: &mut [T]) -> f64 {
        batch::to_ball_vjp(x, grad, dim, c, self.clip, self.margin, gx)
    }

    #[cfg(feature = "cuda")]
    fn on_cuda<T: Real>(&self, c: Curvature, _: usize) -> OnCuda {
        let largest = if self.margin > 0.0 { c.max_norm(self.margin) } else { f64::INFINITY };
        OnCuda::Radial(Radial::ToBall, [self.clip.unwrap_or(f64::INFINITY), largest])
    }
}

pub(super) struct Project {
    pub(super) margin: f64,
}

impl UnaryOp for Project {
    const NAME: &'static str = "project";

    fn value<T: Real>(&self, x: &[T], dim: usize, c: Curvature, out: &mut [T]) {
        batch::project(x, dim, c, self.margin, out);
    }

    fn gradient<T: Real>(&self, x: &[T], grad: &[T], dim: usize, c: Curvature, gx: &mut [T]) -> f64 {
        batch::project_vjp(x, grad, dim, c, self.margin, gx)
    }

    #[cfg(feature = "cuda")]
    fn on_cuda<T: Real>(&self, c: Curvature, dim: usize) -> OnCuda {
        cuda::project::<T>(c, self.margin, dim)
    }
}

pub(super) struct MobiusScalarMul {
    pub(super) r: f64,
}

impl UnaryOp for MobiusScalarMul {
    const NAME: &'static str = "mobius_scalar_mul";

    fn value<T: Real>(&self, x: &[T], dim: usize, c: Curvature, out: &mut [T]) {
        batch::mobius_scalar_mul(T::from_f64(self.r), x, dim, c, out);
    }

    fn gradient<T: Real>(&self, x: &[T], grad: &[T], dim: usize, c: Curvature, gx: &mut [T]) -> f64 {
        batch::mobius_scalar_mul_vjp(T::from_f64(self.r), x, grad, dim, c, gx).1
    }

    #[cfg(feature = "cuda")]
    fn on_cuda<T: Real>(&self, _: Curvature, _: usize) -> OnCuda {
        OnCuda::Radial(Radial::ScalarMul, [T::from_f64(self.r).to_f64(), 0.0])
    }
}

pub(super) struct RiemannianGradient;

impl UnaryOp for RiemannianGradient {
    const NAME: &'static str = "riemannian_gradient";

    fn value<T: Real>(&self, x: &[T], _: usize, _: Curvature, out: &mut [T]) {
        out.copy_from_slice(x);
    }

    fn gradient<T: Real>(&self, x: &[T], grad: &[T], dim: usize, c: Curvature, gx: &mut [T]) -> f64 {
        batch::riemannian_scale(x, grad, dim, c, gx);
        0.0
    }

    #[cfg(feature = "cuda")]
    fn on_cuda<T: Real>(&self, _: Curvature, _: usize) -> OnCuda {
        OnCuda::Riemannian
    }
}
