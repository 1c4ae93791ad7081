//! Row-wise operations of the ball on CUDA devices, one block of threads for each row.

use candle_core::Result;
use hyp_math::{Curvature, Real};

use super::{Binary, BinaryOp, Unary, UnaryOp, result_shape};
use crate::op::cuda::{
    BALL_BINARY, BALL_ROWS, CudaKernel, DeviceGradients, DeviceOutput, DeviceView, Gpu, Pass, Rows, index,
    launch,
};
use crate::op::kernel::Element;
use crate::op::reduce::cuda::with_curvature;

/// How a unary operation runs on a device.
#[derive(Clone, Copy)]
pub(in crate::op::ball) enum OnCuda {
    /// As a map along the ray of each row, with the two numbers that the kernel takes.
    Radial(Radial, [f64; 2]),
    /// The distance to the origin.
    ToOrigin,
    /// The identity with a scaled gradient.
    Riemannian,
}

/// The maps of `Radial` in `crates/hyp-nn/kernels/ball_rows.cu`.
#[derive(Clone, Copy)]
pub(in crate::op::ball) enum Radial {
    ToBall,
    Project,
    ExpZero,
    LogZero,
    ScalarMul,
    FromBallLorentz,
    ToBallLorentz,
    ExpZeroLorentz,
}

impl Radial {
    /// A map that takes no number.
    pub(in crate::op::ball) fn plain(self) -> OnCuda {
        OnCuda::Radial(self, [0.0; 2])
    }
}

/// What a projection takes: the largest norm, and the share by which it stays below, as `hyp_math::maps::project` has it.
pub(in crate::op::ball) fn project<T: Real>(c: Curvature, margin: f64, dim: usize) -> OnCuda {
    let slack = T::EPS + (4.0 + dim as f64 / 16.0) * f64::EPSILON;
    OnCuda::Radial(Radial::Project, [c.max_norm(margin), slack])
}

impl<O: UnaryOp> CudaKernel for Unary<O> {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let (x, dim, c) = (&inputs[0], inputs[0].last_dim(), self.c.get());
        let (rows, width, shape) = (x.count() / dim, index(dim)?, result_shape(x.dims, O::SCALAR));
        let threads = Rows(rows, dim);
        let out = match self.op.on_cuda::<T::Real>(self.c, dim) {
            OnCuda::Riemannian => gpu.copy(&x.data)?,
            OnCuda::Radial(kind, [first, second]) => {
                let (mut out, numbers, kind) = (gpu.room(rows * dim)?, [c, first, second], kind as i32);
                launch!(gpu, BALL_ROWS.radial::<T>, threads; &x.data, &mut out, &width, &kind, &numbers)?;
                out
            }
            OnCuda::ToOrigin => {
                let mut out = gpu.room(rows)?;
                launch!(gpu, BALL_ROWS.to_origin::<T>, threads; &x.data, &mut out, &width, &c)?;
                out
            }
        };
        Ok((out, shape))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, .. } = pass;
        let (x, dim, c) = (&inputs[0].data, inputs[0].last_dim(), self.c.get());
        let (rows, width, grad) = (inputs[0].count() / dim, index(dim)?, &grad.data);
        let (mut gx, mut by_c) = (gpu.room(rows * dim)?, gpu.zeros::<f64>(rows)?);
        let threads = Rows(rows, dim);
        match self.op.on_cuda::<T::Real>(self.c, dim) {
            OnCuda::Riemannian => {
                launch!(gpu, BALL_ROWS.riemannian::<T>, threads; x, grad, &mut gx, &width, &c)?;
            }
            OnCuda::Radial(kind, [first, second]) => {
                let (numbers, kind) = ([c, first, second], kind as i32);
                launch!(
                    gpu, BALL_ROWS.radial_backward::<T>, threads;
                    x, grad, &mut gx, &mut by_c, &width, &kind, &numbers
                )?;
            }
            OnCuda::ToOrigin => {
                launch!(
                    gpu, BALL_ROWS.to_origin_backward::<T>, threads; x, grad, &mut gx, &mut by_c, &width, &c
                )?;
            }
        }
        with_curvature(gpu, pass, vec![Some(gx)], &by_c)
    }
}

/// The operations of `Binary` in `crates/hyp-nn/kernels/ball_binary.cu`.
#[derive(Clone, Copy)]
pub(in crate::op::ball) enum OnPairs {
    MobiusAdd,
    MobiusSub,
    Distance,
    LogAt,
    ExpAt,
    LorentzDistance,
}

impl<O: BinaryOp> CudaKernel for Binary<O> {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let kind = O::ON_CUDA as i32;
        let (x, y, dim, c) = (&inputs[0], &inputs[1].data, inputs[0].last_dim(), self.c.get());
        let (shape, width, rows) = (result_shape(x.dims, O::SCALAR), index(dim)?, x.count() / dim);
        let mut out = gpu.room(shape.iter().product())?;
        let threads = Rows(rows, dim);
        launch!(gpu, BALL_BINARY.binary::<T>, threads; &x.data, y, &mut out, &width, &kind, &c)?;
        Ok((out, shape))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, grad, .. } = pass;
        let kind = O::ON_CUDA as i32;
        let (x, y, dim, c) = (&inputs[0].data, &inputs[1].data, inputs[0].last_dim(), self.c.get());
        let (count, width) = (inputs[0].count(), index(dim)?);
        let (mut gx, mut gy, mut by_c) = (gpu.room(count)?, gpu.room(count)?, gpu.room::<f64>(count / dim)?);
        launch!(
            gpu, BALL_BINARY.binary_backward::<T>, Rows(count / dim, dim);
            x, y, &grad.data, &mut gx, &mut gy, &mut by_c, &width, &kind, &c
        )?;
        with_curvature(gpu, pass, vec![Some(gx), Some(gy)], &by_c)
    }
}
