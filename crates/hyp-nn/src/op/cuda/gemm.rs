//! Matrix products on the device, by cuBLAS.
//!
//! With [`Products::Bfloat16`] it is cuBLAS that may round the factors, in `cublasGemmStridedBatchedEx`'s compute type
//! `CUBLAS_COMPUTE_32F_FAST_16BF`: memory holds `f32` before and after.
#![expect(unsafe_code, reason = "cuBLAS takes addresses and sizes")]

use std::ffi::c_void;

use candle_core::cuda_backend::cudarc::cublas::sys::cublasOperation_t::{CUBLAS_OP_N, CUBLAS_OP_T};
use candle_core::cuda_backend::cudarc::cublas::sys::{cublasComputeType_t, cublasGemmAlgo_t, cudaDataType};
use candle_core::cuda_backend::cudarc::cublas::{CudaBlas, Gemm, GemmConfig, StridedBatchedConfig, result};
use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, CudaStream, CudaView, DevicePtr, DevicePtrMut, DeviceRepr, ValidAsZeroBits,
};
use candle_core::cuda_backend::{CudaDType, WrapErr};
use candle_core::{Error, Result};

use super::launch::{Gpu, index};
use crate::device::Products;
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

/// The product of a batch of `f32` matrices whose elements cuBLAS rounds to bfloat16 as it reads them.
///
/// # Safety
/// `T` must be `f32`, the matrices must lie within their memory, and `stream` must be that of `blas`.
unsafe fn rounded<T: DeviceElement>(
    blas: &CudaBlas,
    stream: &CudaStream,
    config: StridedBatchedConfig<T>,
    a: &CudaView<'_, T>,
    b: &CudaView<'_, T>,
    c: &mut CudaSlice<T>,
) -> std::result::Result<(), result::CublasError> {
    const TYPE: cudaDataType = cudaDataType::CUDA_R_32F;
    let StridedBatchedConfig { gemm, batch_size, stride_a, stride_b, stride_c } = config;
    let ((a, _reads_a), (b, _reads_b)) = (a.device_ptr(stream), b.device_ptr(stream));
    let (c, _writes_c) = c.device_ptr_mut(stream);
    // SAFETY: the matrices lie within their memory, as the caller promises; alpha and beta are read from the host's
    // memory before the call returns, which is how Candle's handle is set.
    unsafe {
        result::gemm_strided_batched_ex(
            *blas.handle(),
            gemm.transa,
            gemm.transb,
            gemm.m,
            gemm.n,
            gemm.k,
            std::ptr::from_ref(&gemm.alpha).cast(),
            a as *const c_void,
            TYPE,
            gemm.lda,
            stride_a,
            b as *const c_void,
            TYPE,
            gemm.ldb,
            stride_b,
            std::ptr::from_ref(&gemm.beta).cast(),
            c as *mut c_void,
            TYPE,
            gemm.ldc,
            stride_c,
            batch_size,
            cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_16BF,
            cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
        )
    }
}

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

/// `c = a·b` for each of `batch` matrices, or `c += a·b` if `kept`; `f32` factors are rounded as `made_of` says.
pub(in crate::op) fn products<T: Element>(
    gpu: &Gpu<'_>,
    c: &mut CudaSlice<T>,
    kept: bool,
    a: &Matrix<'_, T>,
    b: &Matrix<'_, T>,
    batch: usize,
    made_of: Products,
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
    let (blas, stream) = (gpu.device().cublas_handle(), gpu.device().cuda_stream());
    // SAFETY: all three lie within their memory, as was just checked; what is not double is `f32`, and the handle of a
    // device works on its stream.
    unsafe {
        match made_of {
            Products::Bfloat16 if !T::DOUBLE => rounded(&blas, &stream, config, &b.data, &a.data, c),
            Products::Bfloat16 | Products::Single => T::multiply(&blas, config, &b.data, &a.data, c),
        }
    }
    .w()
}
