//! The bridge between slice kernels and Candle's custom operations: types, layouts and gradients are handled here once.

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, DType, Error, Layout, MetalStorage, Result,
    Shape, Storage, Tensor, Var, WithDType,
};

use super::cuda::{self, CudaKernel, DeviceElement};
use crate::tape;

/// A scalar type for which the operations have kernels: `f32` or `f64`.
///
/// `hyp_math::Real` is kept beside this trait, not above it: both have `to_f64` and `from_f64`.
pub trait Element: WithDType + DeviceElement {
    /// The same type as `hyp-math` knows it.
    type Real: hyp_math::Real;
    /// A slice as `hyp-math` takes it.
    fn real(slice: &[Self]) -> &[Self::Real];
    /// A mutable slice as `hyp-math` takes it.
    fn real_mut(slice: &mut [Self]) -> &mut [Self::Real];
    /// The slice itself if its elements are `f32`, for kernels that exist for this type alone.
    fn single(slice: &[Self]) -> Option<&[f32]>;
    /// The same of a mutable slice.
    fn single_mut(slice: &mut [Self]) -> Option<&mut [f32]>;
}

impl Element for f32 {
    type Real = f32;
    fn real(slice: &[f32]) -> &[f32] {
        slice
    }
    fn real_mut(slice: &mut [f32]) -> &mut [f32] {
        slice
    }
    fn single(slice: &[f32]) -> Option<&[f32]> {
        Some(slice)
    }
    fn single_mut(slice: &mut [f32]) -> Option<&mut [f32]> {
        Some(slice)
    }
}

impl Element for f64 {
    type Real = f64;
    fn real(slice: &[f64]) -> &[f64] {
        slice
    }
    fn real_mut(slice: &mut [f64]) -> &mut [f64] {
        slice
    }
    fn single(_: &[f64]) -> Option<&[f32]> {
        None
    }
    fn single_mut(_: &mut [f64]) -> Option<&mut [f32]> {
        None
    }
}

/// A contiguous tensor as a kernel sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a, T> {
    /// The elements in row-major order.
    pub(crate) data: &'a [T],
    /// The sizes of the axes.
    pub(crate) dims: &'a [usize],
}

impl<T> View<'_, T> {
    /// The length of the last axis, 1 for a scalar.
    pub(crate) fn last_dim(&self) -> usize {
        self.dims.last().copied().unwrap_or(1)
    }
}

/// The result of a forward kernel: elements and shape.
pub(crate) type Output<T> = (Vec<T>, Vec<usize>);

/// One gradient per input, `None` where none was wanted.
pub(crate) type Gradients<T> = Vec<Option<Vec<T>>>;

/// A differentiable operation of one to three inputs, written on slices.
///
/// `wanted[i]` tells a backward kernel whether input `i` leads to a variable; Candle itself asks for the gradient
/// of every input, constants included.
pub(crate) trait Kernel: Send + Sync + 'static {
    /// The name shown in error messages.
    fn name(&self) -> &'static str;

    /// The value.
    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>>;

    /// The vector–Jacobian products.
    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        output: View<'_, T>,
        grad: View<'_, T>,
        wanted: &[bool],
    ) -> Result<Gradients<T>>;
}

/// Applies a kernel of one input.
pub(crate) fn apply1<K: CudaKernel>(kernel: K, x: &Tensor) -> Result<Tensor> {
    let x = x.contiguous()?;
    if is_recorded(&[&x]) {
        return Adapter(kernel).record(vec![x]);
    }
    x.apply_op1(Adapter(kernel))
}

/// Applies a kernel of two inputs.
pub(crate) fn apply2<K: CudaKernel>(kernel: K, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let (x, y) = (x.contiguous()?, y.contiguous()?);
    if is_recorded(&[&x, &y]) {
        return Adapter(kernel).record(vec![x, y]);
    }
    x.apply_op2(&y, Adapter(kernel))
}

/// Applies a kernel of three inputs.
pub(crate) fn apply3<K: CudaKernel>(kernel: K, x: &Tensor, y: &Tensor, z: &Tensor) -> Result<Tensor> {
    let (x, y, z) = (x.contiguous()?, y.contiguous()?, z.contiguous()?);
    if is_recorded(&[&x, &y, &z]) {
        return Adapter(kernel).record(vec![x, y, z]);
    }
    x.apply_op3(&y, &z, Adapter(kernel))
}

/// Whether an operation goes to a [`Tape`](tape::Tape) and not to Candle's graph.
fn is_recorded(inputs: &[&Tensor]) -> bool {
    tape::records()
        && inputs.iter().all(|input| input.device().is_cpu())
        && inputs.iter().any(|input| input.track_op())
}

struct Adapter<K>(K);

impl<K: CudaKernel> Adapter<K> {
    fn forward(&self, inputs: &[(&CpuStorage, &Layout)]) -> Result<(CpuStorage, Shape)> {
        match inputs[0].0.dtype() {
            DType::F32 => self.forward_as::<f32>(inputs),
            DType::F64 => self.forward_as::<f64>(inputs),
            other => Err(self.unsupported(other)),
        }
    }

    /// Runs the kernel and adds it to what this thread records.
    fn record(self, inputs: Vec<Tensor>) -> Result<Tensor> {
        let output = match inputs[0].dtype() {
            DType::F32 => self.variable::<f32>(&inputs)?,
            DType::F64 => self.variable::<f64>(&inputs)?,
            other => return Err(self.unsupported(other)),
        };
        tape::record(self, inputs, &output);
        Ok(output)
    }

    /// The value, as a variable.
    fn variable<T: Element>(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let locks: Vec<_> = inputs.iter().map(|t| t.storage_and_layout()).collect();
        let views = locks
            .iter()
            .map(|(storage, layout)| host_view(self.0.name(), storage, layout))
            .collect::<Result<Vec<View<'_, T>>>>()?;
        let (data, dims) = {
            let _aside = tape::aside();
            self.0.forward(&views)?
        };
        Ok(Var::from_vec(data, dims, inputs[0].device())?.into_inner())
    }

    fn forward_as<T: Element>(&self, inputs: &[(&CpuStorage, &Layout)]) -> Result<(CpuStorage, Shape)> {
        let views = inputs
            .iter()
            .map(|(storage, layout)| view(self.0.name(), storage, layout))
            .collect::<Result<Vec<View<'_, T>>>>()?;
        let (data, dims) = self.0.forward(&views)?;
        Ok((T::to_cpu_storage_owned(data), Shape::from(dims)))
    }

    fn backward(&self, inputs: &[&Tensor], output: &Tensor, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let grad = grad.contiguous()?;
        if grad.device().is_cuda() {
            return cuda::backward(&self.0, inputs, output, &grad);
        }
        match grad.dtype() {
            DType::F32 => self.backward_as::<f32>(inputs, output, &grad),
            DType::F64 => self.backward_as::<f64>(inputs, output, &grad),
            other => Err(self.unsupported(other)),
        }
    }

    fn backward_as<T: Element>(
        &self,
        inputs: &[&Tensor],
        output: &Tensor,
        grad: &Tensor,
    ) -> Result<Vec<Option<Tensor>>> {
        let wanted: Vec<bool> = inputs.iter().map(|t| t.track_op()).collect();
        let name = self.0.name();
        let locks: Vec<_> = inputs.iter().map(|t| t.storage_and_layout()).collect();
        let views = locks
            .iter()
            .map(|(storage, layout)| host_view(name, storage, layout))
            .collect::<Result<Vec<View<'_, T>>>>()?;
        let (output_storage, output_layout) = output.storage_and_layout();
        let (grad_storage, grad_layout) = grad.storage_and_layout();
        let gradients = self.0.backward(
            &views,
            host_view(name, &output_storage, output_layout)?,
            host_view(name, &grad_storage, grad_layout)?,
            &wanted,
        )?;
        gradients
            .into_iter()
            .zip(inputs)
            .map(|(g, t)| g.map(|data| Tensor::from_vec(data, t.shape(), t.device())).transpose())
            .collect()
    }

    fn unsupported(&self, dtype: DType) -> Error {
        Error::Msg(format!("{}: no kernel for {dtype:?}; convert the tensor to f32 or f64", self.0.name()))
    }

    /// The refusal to run where there is no kernel of ours: never a silent detour through a wrong one.
    fn no_device<S>(&self, device: &str) -> Result<S> {
        let name = self.0.name();
        Err(Error::Msg(format!("{name}: no {device} kernel yet; run this model on the CPU device")))
    }
}

impl<K: CudaKernel> tape::Backward for Adapter<K> {
    fn gradients(&self, inputs: &[&Tensor], output: &Tensor, grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
        self.backward(inputs, output, grad)
    }
}

fn view<'a, T: Element>(name: &str, storage: &'a CpuStorage, layout: &'a Layout) -> Result<View<'a, T>> {
    let data = T::cpu_storage_as_slice(storage)?;
    let (start, end) = layout
        .contiguous_offsets()
        .ok_or_else(|| Error::Msg(format!("{name}: non-contiguous input; call `contiguous()` on it")))?;
    Ok(View { data: &data[start..end], dims: layout.dims() })
}

fn host_view<'a, T: Element>(name: &str, storage: &'a Storage, layout: &'a Layout) -> Result<View<'a, T>> {
    match storage {
        Storage::Cpu(storage) => view(name, storage, layout),
        _ => Err(Error::Msg(format!(
            "{name}: no kernel for this device yet; run this model on the CPU device"
        ))),
    }
}

impl<K: CudaKernel> CustomOp1 for Adapter<K> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward(&[(s, l)])
    }

    fn cuda_fwd(&self, s: &CudaStorage, l: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::forward(&self.0, &[(s, l)])
    }

    fn metal_fwd(&self, _: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        self.no_device("Metal")
    }

    fn bwd(&self, x: &Tensor, output: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let mut gradients = self.backward(&[x], output, grad)?.into_iter();
        Ok(gradients.next().flatten())
    }
}

impl<K: CudaKernel> CustomOp2 for Adapter<K> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward(&[(s1, l1), (s2, l2)])
    }

    fn cuda_fwd(
        &self,
        s1: &CudaStorage,
        l1: &Layout,
        s2: &CudaStorage,
        l2: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        cuda::forward(&self.0, &[(s1, l1), (s2, l2)])
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        self.no_device("Metal")
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        output: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut gradients = self.backward(&[x, y], output, grad)?.into_iter();
        Ok((gradients.next().flatten(), gradients.next().flatten()))
    }
}

impl<K: CudaKernel> CustomOp3 for Adapter<K> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward(&[(s1, l1), (s2, l2), (s3, l3)])
    }

    fn cuda_fwd(
        &self,
        s1: &CudaStorage,
        l1: &Layout,
        s2: &CudaStorage,
        l2: &Layout,
        s3: &CudaStorage,
        l3: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        cuda::forward(&self.0, &[(s1, l1), (s2, l2), (s3, l3)])
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        self.no_device("Metal")
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        z: &Tensor,
        output: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut gradients = self.backward(&[x, y, z], output, grad)?.into_iter();
        Ok((gradients.next().flatten(), gradients.next().flatten(), gradients.next().flatten()))
    }
}
