//! Memory and launches on a device.
//!
//! `unsafe` because no compiler compares the arguments of a launch with the parameters of its kernel: each call names
//! them in the order of the `.cu` file, and the parity tests compare every kernel with the safe CPU form.
#![expect(unsafe_code, reason = "launches of kernels, and memory that they fill")]

use std::sync::Arc;

use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaSlice, CudaStream, CudaView, DevicePtr, DeviceRepr, LaunchArgs, LaunchConfig,
    ValidAsZeroBits,
};
use candle_core::{CudaDevice, Error, Result};

use super::gemm::DeviceElement;
use crate::op::kernel::Element;

/// Threads of a block at most; `BLOCK` of `launch.cuh`.
const BLOCK: u32 = 256;

/// One file of kernels, compiled for each type of element.
pub(in crate::op) struct Module {
    name: &'static str,
    single: &'static str,
    double: &'static str,
}

macro_rules! modules {
    ($($constant:ident: $file:literal),+ $(,)?) => {
        $(pub(in crate::op) const $constant: Module = Module {
            name: concat!("hyp_nn_", $file),
            single: include_str!(concat!(env!("OUT_DIR"), "/", $file, "_f32.ptx")),
            double: include_str!(concat!(env!("OUT_DIR"), "/", $file, "_f64.ptx")),
        };)+
    };
}

modules! {
    BALL_BINARY: "ball_binary",
    BALL_PAIRS: "ball_pairs",
    BALL_ROWS: "ball_rows",
    BATCH_NORM: "batch_norm",
    CONV: "conv",
    ELEMENTWISE: "elementwise",
    LORENTZ_CENTROID: "lorentz_centroid",
    LORENTZ_PAIRS: "lorentz_pairs",
    LOSS: "loss",
    MIDPOINT: "midpoint",
    MLR: "mlr",
    MLR_RAY: "mlr_ray",
    POOL: "pool",
    REDUCE: "reduce",
}

/// A device on which kernels run.
pub(in crate::op) struct Gpu<'a>(pub(super) &'a CudaDevice);

impl Gpu<'_> {
    /// Memory that holds anything; the kernel that receives it must write all of it.
    pub(in crate::op) fn room<T: DeviceRepr>(&self, len: usize) -> Result<CudaSlice<T>> {
        // SAFETY: every type of device memory here is a number, and reading an unwritten one gives some number.
        unsafe { self.0.alloc(len) }
    }

    /// Memory filled with zeros.
    pub(in crate::op) fn zeros<T: DeviceRepr + ValidAsZeroBits>(&self, len: usize) -> Result<CudaSlice<T>> {
        self.0.alloc_zeros(len)
    }

    /// A copy on the device.
    pub(in crate::op) fn upload<T: DeviceRepr + 'static>(&self, host: &[T]) -> Result<CudaSlice<T>> {
        self.0.clone_htod(host)
    }

    /// A copy on the host; waits for the device.
    pub(in crate::op) fn download<T: DeviceRepr>(&self, device: &impl DevicePtr<T>) -> Result<Vec<T>> {
        self.0.clone_dtoh(device)
    }

    /// A copy on the device.
    pub(in crate::op) fn copy<T: Element>(&self, from: &CudaView<'_, T>) -> Result<CudaSlice<T>> {
        let mut to = self.room(from.len())?;
        self.0.memcpy_dtod(from, &mut to)?;
        Ok(to)
    }

    /// The kernel `name` of `module` for elements of type `T`.
    pub(in crate::op) fn kernel<T: DeviceElement>(
        &self,
        module: &Module,
        name: &str,
    ) -> Result<(Arc<CudaStream>, CudaFunction)> {
        let (suffix, ptx) = if T::DOUBLE { ("f64", module.double) } else { ("f32", module.single) };
        let module = format!("{}_{suffix}", module.name);
        let function = self.0.get_or_load_custom_func(&format!("{name}_{suffix}"), &module, ptx)?;
        Ok((self.0.cuda_stream(), function.into_cuda_function()))
    }

    pub(super) fn device(&self) -> &CudaDevice {
        self.0
    }
}

/// One thread for each of so many elements.
pub(in crate::op) struct Each(pub(in crate::op) usize);

/// One block for each of so many rows, of no more threads than a row of this length needs.
pub(in crate::op) struct Rows(pub(in crate::op) usize, pub(in crate::op) usize);

/// One thread for each pair of so many rows and columns, in blocks of 16 × 16.
pub(in crate::op) struct Tiles(pub(in crate::op) usize, pub(in crate::op) usize);

/// How many threads a launch has.
pub(in crate::op) trait Threads {
    fn config(self) -> Result<LaunchConfig>;
}

impl Threads for Each {
    fn config(self) -> Result<LaunchConfig> {
        let count = index(self.0)?.unsigned_abs();
        Ok(config(count.div_ceil(BLOCK), BLOCK))
    }
}

impl Threads for Rows {
    fn config(self) -> Result<LaunchConfig> {
        let threads = self.1.next_power_of_two().clamp(32, BLOCK as usize);
        Ok(config(index(self.0)?.unsigned_abs(), threads as u32))
    }
}

impl Threads for Tiles {
    fn config(self) -> Result<LaunchConfig> {
        let tiles = self.0.div_ceil(16) * self.1.div_ceil(16);
        Ok(config(index(tiles)?.unsigned_abs(), BLOCK))
    }
}

fn config(blocks: u32, threads: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}

/// A count as the kernels take it.
pub(in crate::op) fn index(count: usize) -> Result<i32> {
    // The last block may reach beyond the count by less than its size.
    i32::try_from(count).ok().filter(|count| *count < i32::MAX - BLOCK as i32).ok_or_else(|| {
        Error::Msg(format!("{count} elements are too many for one CUDA kernel; use a smaller batch"))
    })
}

/// Counts as the kernels take them; the layout is that of a structure of as many numbers.
pub(in crate::op) fn indices<const N: usize>(counts: [usize; N]) -> Result<[i32; N]> {
    let mut all = [0; N];
    for (slot, count) in all.iter_mut().zip(counts) {
        *slot = index(count)?;
    }
    Ok(all)
}

/// Submits a launch whose arguments are complete; one without threads does nothing.
pub(in crate::op) fn submit(mut args: LaunchArgs<'_>, threads: impl Threads) -> Result<()> {
    let config = threads.config()?;
    if config.grid_dim.0 == 0 {
        return Ok(());
    }
    // SAFETY: the arguments are those of the kernel, in its order (see the top of this file), and a kernel touches no
    // element beyond the counts that it is given, which are those of its arguments.
    unsafe { args.launch(config) }.w()?;
    Ok(())
}

/// Launches a kernel: `launch!(gpu, MODULE.name::<T>, threads; arguments…)`, each argument a reference.
macro_rules! launch {
    ($gpu:expr, $module:ident.$name:ident::<$T:ty>, $threads:expr; $($argument:expr),+ $(,)?) => {{
        use candle_core::cuda_backend::cudarc::driver::PushKernelArg as _;
        let (stream, function) = $gpu.kernel::<$T>(&$module, stringify!($name))?;
        let mut arguments = stream.launch_builder(&function);
        $(arguments.arg($argument);)+
        $crate::op::cuda::submit(arguments, $threads)
    }};
}

pub(in crate::op) use launch;
