//! Convolution on CUDA devices: unfolded windows and matrix products, a share of the batch at a time.

use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView};
use candle_core::{Error, Result};

use super::{Conv, Epilogue};
use crate::device;
use crate::op::activation::cuda::{add_bias, gated, rectified_to};
use crate::op::batch_norm::cuda::narrow;
use crate::op::cuda::{
    CONV, CudaKernel, DeviceGradients, DeviceOutput, DeviceView, Each, Gpu, Matrix, Pass, REDUCE, Rows,
    index, indices, launch, products,
};
use crate::op::kernel::Element;
use crate::op::pool::cuda::Planes;

/// Elements of an unfolded matrix at most, unless one image has more.
const UNFOLDED: usize = 1 << 26;

impl Conv {
    /// Images that are unfolded together.
    fn cuda_chunk(&self) -> usize {
        (UNFOLDED / (self.plan.rows() * self.plan.out_plane()).max(1)).clamp(1, self.plan.batch.max(1))
    }

    /// Start and number of the images of each share of the batch.
    fn shares(&self) -> impl Iterator<Item = (usize, usize)> {
        let (chunk, batch) = (self.cuda_chunk(), self.plan.batch);
        (0..batch).step_by(chunk).map(move |first| (first, chunk.min(batch - first)))
    }

    fn shape(&self, images: usize) -> Result<[i32; 15]> {
        let plan = &self.plan;
        let options = &plan.options;
        indices([
            images,
            plan.channels,
            plan.height,
            plan.width,
            plan.filters,
            plan.kernel[0],
            plan.kernel[1],
            plan.out[0],
            plan.out[1],
            options.stride[0],
            options.stride[1],
            options.padding.top,
            options.padding.left,
            options.dilation[0],
            options.dilation[1],
        ])
    }

    /// Rows of the unfolded matrix and filters of one group.
    fn group(&self) -> [usize; 2] {
        let groups = self.plan.options.groups;
        [self.plan.rows() / groups, self.plan.filters / groups]
    }

    /// Some images `x` as the unfolded matrix.
    fn unfolded<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        x: &CudaView<'_, T>,
        images: usize,
    ) -> Result<CudaSlice<T>> {
        let count = self.plan.rows() * images * self.plan.out_plane();
        let (mut columns, shape) = (gpu.room(count)?, self.shape(images)?);
        launch!(gpu, CONV.unfold::<T>, Each(count); x, &mut columns, &shape)?;
        Ok(columns)
    }

    /// The convolved maps `[image][filter][position]`, with bias and rectifier if asked.
    pub(in crate::op) fn cuda_maps<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        [x, weight]: [&CudaView<'_, T>; 2],
        bias: Option<&CudaView<'_, T>>,
        rectify: bool,
    ) -> Result<CudaSlice<T>> {
        let (plan, [rows, filters]) = (&self.plan, self.group());
        let (image, result) = (plan.image(), plan.filters * plan.out_plane());
        if plan.batch * result == 0 || image == 0 {
            let plan = format!("{plan:?}");
            return Err(Error::Msg(format!(
                "conv2d: empty tensors, {plan}; give at least one image and filter"
            )));
        }
        let mut y = gpu.room(plan.batch * result)?;
        for (first, images) in self.shares() {
            let columns = images * plan.out_plane();
            let unfolded = self.unfolded(gpu, &x.slice(first * image..(first + images) * image), images)?;
            let mut maps = gpu.room(images * result)?;
            let lhs = Matrix::new(weight.slice(..), filters, rows);
            let rhs = Matrix::new(unfolded.as_view(), rows, columns);
            products(gpu, &mut maps, false, &lhs, &rhs, plan.options.groups, device::products())?;
            let mut part = y.slice_mut(first * result..(first + images) * result);
            let [height, filters, plane] = indices([images, plan.filters, plan.out_plane()])?;
            let (biased, rectified) = (i32::from(bias.is_some()), i32::from(rectify));
            let (threads, bias) = (Each(images * result), bias.unwrap_or(weight));
            launch!(
                gpu, CONV.from_products::<T>, threads;
                &maps, bias, &mut part, &height, &filters, &plane, &biased, &rectified
            )?;
        }
        Ok(y)
    }

    /// The gradients by input and weight where they are wanted, and by the bias, from that of the maps
    /// `[image][filter][position]`.
    pub(in crate::op) fn cuda_gradients<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        [x, weight]: [&CudaView<'_, T>; 2],
        grad: &CudaView<'_, T>,
        wanted: [bool; 3],
    ) -> Result<[Option<CudaSlice<T>>; 3]> {
        let (plan, [rows, filters]) = (&self.plan, self.group());
        let (image, result, groups) = (plan.image(), plan.filters * plan.out_plane(), plan.options.groups);
        let mut gx = if wanted[0] { Some(gpu.room(plan.batch * image)?) } else { None };
        let mut gw = if wanted[1] { Some(gpu.zeros(plan.filters * rows)?) } else { None };
        let mut gb = gpu.zeros::<f64>(plan.filters)?;
        for (first, images) in self.shares() {
            let columns = images * plan.out_plane();
            let (from, to) = (first * image, (first + images) * image);
            let part = grad.slice(first * result..(first + images) * result);
            let mut maps = gpu.room(images * result)?;
            let [height, width, plane] = indices([images, plan.filters, plan.out_plane()])?;
            launch!(
                gpu, CONV.to_products::<T>, Each(images * result);
                &part, &mut maps, &height, &width, &plane
            )?;
            if wanted[2] {
                let width = index(columns)?;
                launch!(gpu, REDUCE.add_row_sums::<T>, Rows(plan.filters, columns); &maps, &mut gb, &width)?;
            }
            let maps = || Matrix::new(maps.as_view(), filters, columns);
            if let Some(gw) = &mut gw {
                let unfolded = self.unfolded(gpu, &x.slice(from..to), images)?;
                let unfolded = Matrix::new(unfolded.as_view(), rows, columns).transposed();
                products(gpu, gw, true, &maps(), &unfolded, groups, device::products())?;
            }
            if let Some(gx) = &mut gx {
                let mut unfolded = gpu.room(plan.rows() * columns)?;
                let weight = Matrix::new(weight.slice(..), filters, rows).transposed();
                products(gpu, &mut unfolded, false, &weight, &maps(), groups, device::products())?;
                let (mut part, shape) = (gx.slice_mut(from..to), self.shape(images)?);
                launch!(gpu, CONV.fold::<T>, Each(images * image); &unfolded, &mut part, &shape)?;
            }
        }
        let gb = if wanted[2] { Some(narrow(gpu, &gb)?) } else { None };
        Ok([gx, gw, gb])
    }

    /// The pooling of the maps, if there is one.
    pub(in crate::op) fn cuda_planes(&self) -> Result<Option<Planes>> {
        let plan = &self.plan;
        let Epilogue::ReluMaxPool(options) = self.epilogue else { return Ok(None) };
        let count = plan.batch * plan.filters;
        Ok(Some(Planes { count, size: plan.out, out: self.result_size()?, options }))
    }

    /// Brings maps with bias and epilogue to the result, keeping where pooled maxima stand.
    pub(in crate::op) fn cuda_finish<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        maps: CudaSlice<T>,
        bias: Option<&CudaView<'_, T>>,
    ) -> Result<CudaSlice<T>> {
        let mut y = maps;
        if let Some(planes) = self.cuda_planes()? {
            let (pooled, winners) = planes.max(gpu, &y.as_view())?;
            self.cuda_winners.get_or_init(|| winners);
            y = pooled;
        }
        let [height, width] = self.result_size()?;
        let rectify = matches!(self.epilogue, Epilogue::Relu | Epilogue::ReluMaxPool(_));
        add_bias(gpu, &mut y, bias, [self.plan.filters, height * width], rectify)?;
        if self.epilogue == Epilogue::Relu6 {
            return rectified_to(gpu, &y.as_view(), self.epilogue.most());
        }
        Ok(y)
    }

    /// The gradient of the maps from that of the result, back through the epilogue; `None` if it is the same.
    pub(in crate::op) fn cuda_unfinish<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        grad: &DeviceView<'_, T>,
        output: &DeviceView<'_, T>,
    ) -> Result<Option<CudaSlice<T>>> {
        if self.epilogue == Epilogue::None {
            return Ok(None);
        }
        let passed = gated(gpu, &grad.data, &output.data, self.epilogue.most())?;
        let Some(planes) = self.cuda_planes()? else { return Ok(Some(passed)) };
        let winners = self.cuda_winners.get().expect("invariant: forward ran before backward");
        Ok(Some(planes.max_backward(gpu, &passed.as_view(), winners)?))
    }
}

impl CudaKernel for Conv {
    fn cuda_forward<T: Element>(
        &self,
        gpu: &Gpu<'_>,
        inputs: &[DeviceView<'_, T>],
    ) -> Result<DeviceOutput<T>> {
        let (operands, bias) = ([&inputs[0].data, &inputs[1].data], inputs.get(2).map(|bias| &bias.data));
        let size = self.result_size()?;
        let y = match self.epilogue {
            Epilogue::None => self.cuda_maps(gpu, operands, bias, false)?,
            Epilogue::Relu => self.cuda_maps(gpu, operands, bias, true)?,
            Epilogue::Relu6 | Epilogue::ReluMaxPool(_) => {
                let maps = self.cuda_maps(gpu, operands, None, false)?;
                self.cuda_finish(gpu, maps, bias)?
            }
        };
        Ok((y, vec![self.plan.batch, self.plan.filters, size[0], size[1]]))
    }

    fn cuda_backward<T: Element>(&self, gpu: &Gpu<'_>, pass: &Pass<'_, T>) -> Result<DeviceGradients<T>> {
        let Pass { inputs, output, grad, wanted } = pass;
        let operands = [&inputs[0].data, &inputs[1].data];
        let wanted = [wanted[0], wanted[1], wanted.get(2) == Some(&true)];
        let [gx, gw, gb] = match self.cuda_unfinish(gpu, grad, output)? {
            Some(maps) => self.cuda_gradients(gpu, operands, &maps.as_view(), wanted)?,
            None => self.cuda_gradients(gpu, operands, &grad.data, wanted)?,
        };
        let mut gradients = vec![gx, gw];
        if inputs.len() == 3 {
            gradients.push(gb);
        }
        Ok(gradients)
    }
}
