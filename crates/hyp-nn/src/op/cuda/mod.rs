//! Operations on CUDA devices: how Candle's tensors meet the kernels in `crates/hyp-nn/kernels`.
//!
//! Each operation has its launches beside its CPU form, in a file `cuda.rs` of its own. One without kernels says so and
//! stops: there is no detour through Candle's own form or through the CPU. What has been run and what has not stands
//! in `docs/gpu.md`.

mod gemm;
mod launch;

use std::sync::Mutex;

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView};
use candle_core::{
    CpuStorage, CudaDevice, CudaStorage, CustomOp1, DType, Device, Error, Layout, Result, Shape, Storage,
    Tensor,
};

pub(super) use gemm::{DeviceElement, Matrix, products};
pub(super) use launch::{
    BALL_BINARY, BALL_PAIRS, BALL_ROWS, BATCH_NORM, CONV, ELEMENTWISE, Each, Gpu, LORENTZ_CENTROID,
    LORENTZ_PAIRS, LOSS, MIDPOINT, MLR, MLR_RAY, POOL, REDUCE, Rows, Tiles, index, indices, launch, submit,
};

use super::kernel::{Element, Kernel};

/// A contiguous tensor on the device.
pub(super) struct DeviceView<'a, T> {
    /// The elements in row-major order.
    pub(super) data: CudaView<'a, T>,
    /// The sizes of the axes.
    pub(super) dims: &'a [usize],
}

impl<T> DeviceView<'_, T> {
    /// The number of elements.
    pub(super) fn count(&self) -> usize {
        self.dims.iter().product()
    }

    /// The length of the last axis, 1 for a scalar.
    pub(super) fn last_dim(&self) -> usize {
        self.dims.last().copied().unwrap_or(1)
    }
}

/// What a backward pass is given.
pub(super) struct Pass<'a, T> {
    pub(super) inputs: &'a [DeviceView<'a, T>],
    pub(super) output: DeviceView<'a, T>,
    pub(super) grad: DeviceView<'a, T>,
    /// Which inputs lead to a variable.
    pub(super) wanted: &'a [bool],
}

/// The result of a forward pass: elements and shape.
pub(super) type DeviceOutput<T> = (CudaSlice<T>, Vec<usize>);

/// Whole numbers in device memory.
pub(super) type Numbers = CudaSlice<u32>;

/// One gradient per input, `None` where none was wanted.
pub(super) type DeviceGradients<T> = Vec<Option<CudaSlice<T>>>;

/// An operation that may have kernels on a CUDA device; those of an empty implementation are errors.
pub(crate) trait CudaKernel: Kernel {
    /// The value; see [`Kernel::forward`].
    fn cuda_forward<T: Element>(&self, _: &Gpu<'_>, _: &[DeviceView<'_, T>]) -> Result<DeviceOutput<T>> {
        Err(missing(self.name()))
    }

    /// The vector–Jacobian products; see [`Kernel::backward`].
    fn cuda_backward<T: Element>(&self, _: &Gpu<'_>, _: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        Err(missing(self.name()))
    }
}

/// Two parts in one memory, one after the other.
pub(super) fn join<T: DeviceElement>(
    gpu: &Gpu<'_>,
    [first, second]: [CudaSlice<T>; 2],
) -> Result<CudaSlice<T>> {
    let mut both = gpu.room(first.len() + second.len())?;
    gpu.0.memcpy_dtod(&first, &mut both.slice_mut(..first.len()))?;
    gpu.0.memcpy_dtod(&second, &mut both.slice_mut(first.len()..))?;
    Ok(both)
}

fn missing(name: &str) -> Error {
    Error::Msg(format!("{name}: no CUDA kernel yet; run this model on the CPU device"))
}

fn unsupported(name: &str, dtype: DType) -> Error {
    Error::Msg(format!("{name}: no kernel for {dtype:?}; convert the tensor to f32 or f64"))
}

/// Runs the forward pass on the device of the first input.
pub(super) fn forward<K: CudaKernel>(
    kernel: &K,
    inputs: &[(&CudaStorage, &Layout)],
) -> Result<(CudaStorage, Shape)> {
    match inputs[0].0.dtype() {
        DType::F32 => forward_as::<f32, K>(kernel, inputs),
        DType::F64 => forward_as::<f64, K>(kernel, inputs),
        other => Err(unsupported(kernel.name(), other)),
    }
}

fn forward_as<T: Element, K: CudaKernel>(
    kernel: &K,
    inputs: &[(&CudaStorage, &Layout)],
) -> Result<(CudaStorage, Shape)> {
    let device = inputs[0].0.device().clone();
    let views = inputs
        .iter()
        .map(|(storage, layout)| view(kernel.name(), storage, layout))
        .collect::<Result<Vec<DeviceView<'_, T>>>>()?;
    let (data, dims) = kernel.cuda_forward(&Gpu(&device), &views)?;
    Ok((CudaStorage::wrap_cuda_slice(data, device), Shape::from(dims)))
}

/// Runs the backward pass on the device of the gradient.
pub(super) fn backward<K: CudaKernel>(
    kernel: &K,
    inputs: &[&Tensor],
    output: &Tensor,
    grad: &Tensor,
) -> Result<Vec<Option<Tensor>>> {
    match grad.dtype() {
        DType::F32 => backward_as::<f32, K>(kernel, inputs, output, grad),
        DType::F64 => backward_as::<f64, K>(kernel, inputs, output, grad),
        other => Err(unsupported(kernel.name(), other)),
    }
}

fn backward_as<T: Element, K: CudaKernel>(
    kernel: &K,
    inputs: &[&Tensor],
    output: &Tensor,
    grad: &Tensor,
) -> Result<Vec<Option<Tensor>>> {
    let (name, device) = (kernel.name(), cuda_device(grad.device())?);
    let wanted: Vec<bool> = inputs.iter().map(|t| t.track_op()).collect();
    let gradients = {
        let locks: Vec<_> = inputs.iter().map(|t| t.storage_and_layout()).collect();
        let views = locks
            .iter()
            .map(|(storage, layout)| device_view(name, storage, layout))
            .collect::<Result<Vec<DeviceView<'_, T>>>>()?;
        let ((output, output_layout), (grad, grad_layout)) =
            (output.storage_and_layout(), grad.storage_and_layout());
        let pass = Pass {
            inputs: &views,
            output: device_view(name, &output, output_layout)?,
            grad: device_view(name, &grad, grad_layout)?,
            wanted: &wanted,
        };
        kernel.cuda_backward(&Gpu(device), &pass)?
    };
    gradients.into_iter().zip(inputs).map(|(g, input)| g.map(|g| tensor(g, input)).transpose()).collect()
}

fn cuda_device(device: &Device) -> Result<&CudaDevice> {
    match device {
        Device::Cuda(device) => Ok(device),
        _ => Err(Error::Msg("a CUDA kernel was given a tensor of another device".into())),
    }
}

fn view<'a, T: Element>(
    name: &str,
    storage: &'a CudaStorage,
    layout: &'a Layout,
) -> Result<DeviceView<'a, T>> {
    let (start, end) = layout
        .contiguous_offsets()
        .ok_or_else(|| Error::Msg(format!("{name}: non-contiguous input; call `contiguous()` on it")))?;
    index(end - start)?;
    Ok(DeviceView { data: storage.as_cuda_slice::<T>()?.slice(start..end), dims: layout.dims() })
}

fn device_view<'a, T: Element>(
    name: &str,
    storage: &'a Storage,
    layout: &'a Layout,
) -> Result<DeviceView<'a, T>> {
    match storage {
        Storage::Cuda(storage) => view(name, storage, layout),
        _ => Err(Error::Msg(format!("{name}: all tensors must be on the same device; move them there"))),
    }
}

/// A tensor of the shape and device of `like` that owns `data`.
///
/// Candle makes tensors of foreign storage only as results of operations, so this is one.
fn tensor<T: Element>(data: CudaSlice<T>, like: &Tensor) -> Result<Tensor> {
    struct Give<T>(Mutex<Option<CudaSlice<T>>>);

    impl<T: Element> CustomOp1 for Give<T> {
        fn name(&self) -> &'static str {
            "gradient"
        }

        fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
            Err(Error::Msg("a gradient on a CUDA device was given a tensor of the CPU".into()))
        }

        fn cuda_fwd(&self, storage: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
            let data = self.0.lock().ok().and_then(|mut data| data.take());
            let data = data.ok_or_else(|| Error::Msg("a gradient was taken twice".into()))?;
            Ok((CudaStorage::wrap_cuda_slice(data, storage.device().clone()), layout.shape().clone()))
        }
    }

    like.apply_op1_no_bwd(&Give(Mutex::new(Some(data))))
}
