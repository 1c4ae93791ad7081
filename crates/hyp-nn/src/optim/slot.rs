//! The state of one parameter, and access to parameter, gradient and moments as plain slices on the CPU.

use candle_core::{CpuStorage, DType, Device, InplaceOp2, Layout, Result, Tensor, Var, WithDType, bail};
use std::{cell::RefCell, collections::BTreeMap, ops::Range};

/// Slices longer than this are updated in parallel, in pieces of this many elements.
pub(super) const PIECE: usize = 16 * 1024;

/// Element types of parameters, with what the update formulas need.
pub(super) trait Element:
    WithDType + std::ops::Neg<Output = Self> + std::ops::SubAssign + std::ops::AddAssign
{
    fn square_root(self) -> Self;
    fn slice_mut(storage: &mut CpuStorage) -> &mut [Self];
}

impl Element for f32 {
    fn square_root(self) -> Self {
        self.sqrt()
    }
    fn slice_mut(storage: &mut CpuStorage) -> &mut [Self] {
        match storage {
            CpuStorage::F32(values) => values,
            _ => unreachable!("invariant: moments have the parameter's element type"),
        }
    }
}

impl Element for f64 {
    fn square_root(self) -> Self {
        self.sqrt()
    }
    fn slice_mut(storage: &mut CpuStorage) -> &mut [Self] {
        match storage {
            CpuStorage::F64(values) => values,
            _ => unreachable!("invariant: moments have the parameter's element type"),
        }
    }
}

/// Moments, on the host for CPU parameters and as tensors elsewhere.
#[derive(Debug)]
pub(super) enum Moments {
    Host { first: CpuStorage, second: CpuStorage },
    Device { first: Tensor, second: Tensor },
}

/// Moments and step count of one parameter.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) steps: u64,
    pub(super) moments: Moments,
}

impl Slot {
    /// Zero moments of the given sizes (0 = absent) for `var`.
    pub(super) fn zeros(var: &Var, sizes: [usize; 2]) -> Result<Self> {
        let moments = if var.device().is_cpu() {
            let [first, second] = sizes.map(|size| match var.dtype() {
                DType::F64 => CpuStorage::F64(vec![0.0; size]),
                _ => CpuStorage::F32(vec![0.0; size]),
            });
            Moments::Host { first, second }
        } else {
            let zeros = |size: usize| Tensor::zeros(shape_of(var, size), var.dtype(), var.device());
            Moments::Device { first: zeros(sizes[0])?, second: zeros(sizes[1])? }
        };
        Ok(Self { steps: 0, moments })
    }

    /// Adds this slot's tensors to `state`.
    pub(super) fn save(&self, name: &str, state: &mut BTreeMap<String, Tensor>) -> Result<()> {
        let (first, second) = match &self.moments {
            Moments::Host { first, second } => (host_tensor(first)?, host_tensor(second)?),
            Moments::Device { first, second } => (first.flatten_all()?, second.flatten_all()?),
        };
        for (kind, tensor) in [("first", first), ("second", second)] {
            if tensor.elem_count() > 0 {
                state.insert(format!("optimizer/{kind}/{name}"), tensor);
            }
        }
        let steps = i64::try_from(self.steps).expect("invariant: fewer than 2^63 steps");
        state.insert(format!("optimizer/steps/{name}"), Tensor::from_slice(&[steps], 1, &Device::Cpu)?);
        Ok(())
    }

    /// The slot of `name` in `state`, `None` if that parameter had not been stepped yet.
    pub(super) fn load(
        name: &str,
        var: &Var,
        sizes: [usize; 2],
        state: &BTreeMap<String, Tensor>,
    ) -> std::result::Result<Option<Self>, String> {
        let Some(steps) = state.get(&format!("optimizer/steps/{name}")) else { return Ok(None) };
        let read = |kind: &str, size: usize| -> std::result::Result<Tensor, String> {
            if size == 0 {
                return Tensor::zeros(0, var.dtype(), &Device::Cpu).map_err(|error| error.to_string());
            }
            let key = format!("optimizer/{kind}/{name}");
            match state.get(&key) {
                Some(tensor) if tensor.elem_count() == size && tensor.dtype() == var.dtype() => {
                    Ok(tensor.clone())
                }
                Some(tensor) => {
                    Err(format!("tensor '{key}' has {} elements, not {size}", tensor.elem_count()))
                }
                None => Err(format!("tensor '{key}' is missing: it was saved with another optimiser")),
            }
        };
        let (first, second) = (read("first", sizes[0])?, read("second", sizes[1])?);
        let build = || -> Result<Self> {
            let steps = steps.to_vec1::<i64>()?[0].unsigned_abs();
            let moments = if var.device().is_cpu() {
                Moments::Host { first: host_storage(&first)?, second: host_storage(&second)? }
            } else {
                let place = |tensor: &Tensor| {
                    tensor.reshape(shape_of(var, tensor.elem_count()))?.to_device(var.device())
                };
                Moments::Device { first: place(&first)?, second: place(&second)? }
            };
            Ok(Self { steps, moments })
        };
        build().map(Some).map_err(|error| format!("optimiser state of '{name}': {error}"))
    }
}

/// A full moment has the shape of its parameter; others are flat.
fn shape_of(var: &Var, size: usize) -> Vec<usize> {
    if size == var.elem_count() { var.dims().to_vec() } else { vec![size] }
}

pub(super) fn host_tensor(storage: &CpuStorage) -> Result<Tensor> {
    match storage {
        CpuStorage::F64(values) => Tensor::from_slice(values, values.len(), &Device::Cpu),
        CpuStorage::F32(values) => Tensor::from_slice(values, values.len(), &Device::Cpu),
        _ => bail!("moments are f32 or f64"),
    }
}

pub(super) fn host_storage(tensor: &Tensor) -> Result<CpuStorage> {
    Ok(match tensor.dtype() {
        DType::F64 => CpuStorage::F64(tensor.flatten_all()?.to_vec1()?),
        _ => CpuStorage::F32(tensor.flatten_all()?.to_vec1()?),
    })
}

/// An update written once for both element types.
pub(super) trait Kernel {
    /// Updates `param` and the moments from `grad`; all full-size slices have one length.
    fn run<T: Element>(&self, param: &mut [T], grad: &[T], first: &mut [T], second: &mut [T]);
}

/// Runs `kernel` in place on a CPU parameter.
pub(super) fn run_on_slices<K: Kernel>(
    kernel: &K,
    var: &Var,
    grad: &Tensor,
    first: &mut CpuStorage,
    second: &mut CpuStorage,
) -> Result<()> {
    let grad = grad.contiguous()?;
    var.inplace_op2(&grad, &InPlace { kernel, moments: RefCell::new((first, second)) })
}

struct InPlace<'a, K> {
    kernel: &'a K,
    moments: RefCell<(&'a mut CpuStorage, &'a mut CpuStorage)>,
}

impl<K: Kernel> InplaceOp2 for InPlace<'_, K> {
    fn name(&self) -> &'static str {
        "optimiser-step"
    }

    fn cpu_fwd(
        &self,
        dst: &mut CpuStorage,
        dst_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<()> {
        let (to, from) = (range(dst_layout)?, range(grad_layout)?);
        if to.len() != from.len() {
            bail!("a gradient of {} elements for a parameter of {}", from.len(), to.len());
        }
        let mut moments = self.moments.borrow_mut();
        let (first, second) = &mut *moments;
        match (dst, grad) {
            (CpuStorage::F32(param), CpuStorage::F32(grad)) => {
                self.kernel.run(&mut param[to], &grad[from], f32::slice_mut(first), f32::slice_mut(second));
            }
            (CpuStorage::F64(param), CpuStorage::F64(grad)) => {
                self.kernel.run(&mut param[to], &grad[from], f64::slice_mut(first), f64::slice_mut(second));
            }
            (dst, _) => bail!(
                "parameter and gradient must both be f32 or f64, the parameter is {:?}",
                storage_type(dst)
            ),
        }
        Ok(())
    }
}

fn range(layout: &Layout) -> Result<Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => bail!("optimisers need contiguous tensors"),
    }
}

fn storage_type(storage: &CpuStorage) -> DType {
    use candle_core::backend::BackendStorage;
    storage.dtype()
}
