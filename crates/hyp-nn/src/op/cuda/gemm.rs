//! Matrix products on the device, by cuBLAS.
#![expect(unsafe_code, reason = "cuBLAS takes addresses and sizes")]

use candle_core::cuda_backend::cudarc::cublas::sys::cublasOperation_t::{CUBLAS_OP_N, CUBLAS_OP_T};
use candle_core::cuda_backend::cudarc::cublas::{CudaBlas, Gemm, GemmConfig, StridedBatchedConfig, result};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView, DeviceRepr, ValidAsZeroBits};
use candle_core::cuda_backend::{CudaDType, WrapErr};
use candle_core::{Error, Result};

use super::launch::{Gpu, index};
use crate::op::kernel::Element;

/// An element type of device memory, with kernels and matrix products of its own.
pub trait DeviceElement: CudaDType + DeviceRepr + ValidAsZeroBits {
    /// Whether it is `f64`, rather than `f32`.
    const DOUBLE: bool;

    /// cuBLAS's product of a batch of matrices.
    ///
    /// # Safety
    /// The matrices must lie within their memory.
    ///
    /// # Errors
    /// If cuBLAS refuses.
    unsafe fn multiply(
        blas: &CudaBlas,
        config: StridedBatchedConfig<Self>,
        a: &CudaView<'_, Self>,
        b: &CudaView<'_, Self>,
        c: &mut CudaSlice<Self>,
    ) -> std::result::Result<(), result::CublasError>;
}

macro_rules! device_element {
    ($type:ty, double: $double:literal) => {
        impl DeviceElement for $type {
            const DOUBLE: bool = $double;

            unsafe fn multiply(
                blas: &CudaBlas,
                config: StridedBatchedConfig<Self>,
                a: &CudaView<'_, Self>,
                b: &CudaView<'_, Self>,
                c: &mut CudaSlice<Self>,
            ) -> std::result::Result<(), result::CublasError> {
                // SAFETY: as promised by the caller.
                unsafe { blas.gemm_strided_batched(config, a, b, c) }
            }
        }
    };
}

device_element!(f32, double: false);
device_element!(f64, double: true);

/// Row-major matrices of one size, one after the other in memory.
pub(in crate::op) struct Matrix<'a, T> {
    data: CudaView<'a, T>,
    rows: usize,
    cols: usize,
    transposed: bool,
}

impl<'a, T> Matrix<'a, T> {
    /// Stored as `rows` × `cols`.
    pub(in crate::op) fn new(data: CudaView<'a, T>, rows: usize, cols: usize) -> Self {
        Self { data, rows, cols, transposed: false }
    }

    /// The same memory read as the transposed matrix.
    pub(in crate::op) fn transposed(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    /// Height and width as read.
    fn size(&self) -> [usize; 2] {
        if self.transposed { [self.cols, self.rows] } else { [self.rows, self.cols] }
    }
}

/// `c = a·b` for each of `batch` matrices, or `c += a·b` if `kept`.
pub(in crate::op) fn products<T: Element>(
    gpu: &Gpu<'_>,
    c: &mut CudaSlice<T>,
    kept: bool,
    a: &Matrix<'_, T>,
    b: &Matrix<'_, T>,
    batch: usize,
) -> Result<()> {
    let ([m, k], [b_height, n]) = (a.size(), b.size());
    let fits = b_height == k
        && a.data.len() >= batch * m * k
        && b.data.len() >= batch * k * n
        && c.len() >= batch * m * n;
    if !fits {
        return Err(Error::Msg(format!("matrix product: {batch} of {m}×{k} and {b_height}×{n} do not fit")));
    }
    let operation = |matrix: &Matrix<'_, T>| if matrix.transposed { CUBLAS_OP_T } else { CUBLAS_OP_N };
    // cuBLAS reads columns where we write rows: it sees every matrix transposed, and (a·b)ᵀ = bᵀ·aᵀ.
    let gemm = GemmConfig {
        transa: operation(b),
        transb: operation(a),
        m: index(n)?,
        n: index(m)?,
        k: index(k)?,
        alpha: T::one(),
        lda: index(b.cols)?,
        ldb: index(a.cols)?,
        beta: if kept { T::one() } else { T::zero() },
        ldc: index(n)?,
    };
    let config = StridedBatchedConfig {
        gemm,
        batch_size: index(batch)?,
        stride_a: (k * n) as i64,
        stride_b: (m * k) as i64,
        stride_c: (m * n) as i64,
    };
    // SAFETY: all three lie within their memory, as was just checked.
    unsafe { T::multiply(&gpu.device().cublas_handle(), config, &b.data, &a.data, c) }.w()
}
