//! The affine map on CUDA devices.

use candle_core::Result;

use super::Linear;
use crate::op::activation::cuda::{add_bias, gated};
use crate::op::cuda::{
    CudaKernel, DeviceGradients, DeviceOutput, DeviceView, Gpu, Matrix, Pass, REDUCE, Rows, indices, launch,
    products,
};
use crate::op::kernel::Element;

impl CudaKernel for Linear {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let (x, weight) = (&inputs[0], &inputs[1]);
        let (out, inner) = (weight.dims[0], weight.dims[1]);
        let rows = x.dims[..x.dims.len() - 1].iter().product::<usize>();
        let mut y = gpu.zeros(rows * out)?;
        if rows * out * inner > 0 {
            let lhs = Matrix::new(x.data.slice(..), rows, inner);
            let rhs = Matrix::new(weight.data.slice(..), out, inner).transposed();
            products(gpu, &mut y, false, &lhs, &rhs, 1, self.products)?;
        }
        add_bias(gpu, &mut y, inputs.get(2).map(|bias| &bias.data), [out, 1], self.rectify)?;
        let mut dims = x.dims.to_vec();
        *dims.last_mut().expect("invariant: checked to have an axis") = out;
        Ok((y, dims))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, output, grad, wanted } = pass;
        let (x, weight) = (&inputs[0], &inputs[1]);
        let (out, inner) = (weight.dims[0], weight.dims[1]);
        let rows = x.dims[..x.dims.len() - 1].iter().product::<usize>();
        let passed =
            if self.rectify { Some(gated(gpu, &grad.data, &output.data, f64::INFINITY)?) } else { None };
        let g = || passed.as_ref().map_or_else(|| grad.data.slice(..), |passed| passed.slice(..));
        let (mut gx, mut gw) = (None, None);
        if wanted[0] {
            let weight = Matrix::new(weight.data.slice(..), out, inner);
            let gx = gx.insert(gpu.zeros(rows * inner)?);
            products(gpu, gx, false, &Matrix::new(g(), rows, out), &weight, 1, self.products)?;
        }
        if wanted[1] {
            let x = Matrix::new(x.data.slice(..), rows, inner);
            let gw = gw.insert(gpu.zeros(out * inner)?);
            products(gpu, gw, false, &Matrix::new(g(), rows, out).transposed(), &x, 1, self.products)?;
        }
        let mut gradients = vec![gx, gw];
        if inputs.len() == 3 {
            let ([height, width], g, mut gb) = (indices([rows, out])?, g(), gpu.room(out)?);
            launch!(gpu, REDUCE.column_sums::<T>, Rows(out, rows); &g, &mut gb, &height, &width)?;
            gradients.push(Some(gb));
        }
        Ok(gradients)
    }
}
