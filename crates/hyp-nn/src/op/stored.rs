//! An image stored with its padding, in which every tap of a convolution is an offset.
//!
//! In an image that is stored with its padding, rows `w` apart, the tap (c, u, v) of output position (i, j) stands at
//! `offset(c, u, v) + i·w + j`. For a run of positions every tap is therefore a run of memory.
//! The positions between the end of one output row and the start of the next belong to no result.
//! With stride s the image is stored as s² images of every s-th row and column, in which neighbours are neighbours.

use super::im2col::{ConvOptions, Padding, Plan};
use super::kernel::Element;

/// How the images of one convolution are stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    channels: usize,
    /// Height and width of a channel of the image.
    image: [usize; 2],
    /// Height and width of a map.
    out: [usize; 2],
    stride: [usize; 2],
    padding: Padding,
    /// Height and width of a stored plane.
    size: [usize; 2],
    /// Where each tap of the weight starts, `[channel][ky][kx]`.
    offsets: Vec<u32>,
}

impl Stored {
    /// The storage of `channels` of the channels of a convolution's image, if offsets in it fit 32 bits.
    pub(super) fn new(plan: &Plan, channels: usize) -> Option<Self> {
        let ConvOptions { stride, padding, dilation, .. } = plan.options;
        let needed = |axis: usize| {
            let padded = (plan.out[axis].checked_sub(1)?) * stride[axis]
                + (plan.kernel[axis] - 1) * dilation[axis]
                + 1;
            Some(padded.div_ceil(stride[axis]))
        };
        let size = [needed(0)?, needed(1)?];
        let mut offsets = Vec::with_capacity(channels * plan.kernel[0] * plan.kernel[1]);
        for channel in 0..channels {
            for ky in 0..plan.kernel[0] {
                for kx in 0..plan.kernel[1] {
                    let (y, x) = (ky * dilation[0], kx * dilation[1]);
                    let phase = (channel * stride[0] + y % stride[0]) * stride[1] + x % stride[1];
                    let at = (phase * size[0] + y / stride[0]) * size[1] + x / stride[1];
                    offsets.push(u32::try_from(at).ok()?);
                }
            }
        }
        let image = [plan.height, plan.width];
        Some(Self { channels, image, out: plan.out, stride, padding, size, offsets })
    }

    /// The convolution that gives the gradient of the input of a convolution with stride 1: that of the gradient with
    /// the weight turned about.
    pub(super) fn turned(plan: &Plan) -> Option<Plan> {
        let ConvOptions { stride, padding, dilation, groups } = plan.options;
        if stride != [1; 2] {
            return None;
        }
        let reach = |axis: usize| (plan.kernel[axis] - 1) * dilation[axis];
        let padding = Padding {
            top: reach(0).checked_sub(padding.top)?,
            bottom: reach(0).checked_sub(padding.bottom)?,
            left: reach(1).checked_sub(padding.left)?,
            right: reach(1).checked_sub(padding.right)?,
        };
        Some(Plan {
            batch: plan.batch,
            channels: plan.filters,
            height: plan.out[0],
            width: plan.out[1],
            filters: plan.channels,
            kernel: plan.kernel,
            out: [plan.height, plan.width],
            options: ConvOptions { stride, padding, dilation, groups },
        })
    }

    pub(super) fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    /// Elements from the start of one output row to the next.
    pub(super) fn row(&self) -> usize {
        self.size[1]
    }

    /// From the first to the last output position, those between rows included.
    pub(super) fn positions(&self) -> usize {
        (self.out[0] - 1) * self.row() + self.out[1]
    }

    /// Elements of a stored image.
    pub(super) fn len(&self) -> usize {
        self.channels * self.stride[0] * self.stride[1] * self.size[0] * self.size[1]
    }

    /// Stores an image whose channels start `channel_step` elements apart.
    #[inline(always)]
    pub(super) fn store<T: Element>(&self, image: &[T], channel_step: usize, stored: &mut [T]) {
        if self.padding != Padding::default() || self.stride != [1; 2] {
            stored.fill(T::zero());
        }
        let [height, width] = self.image;
        for channel in 0..self.channels {
            let lines = &image[channel * channel_step..channel * channel_step + height * width];
            for (line, row) in lines.chunks_exact(width).zip(self.rows(channel)) {
                let Some(row) = row else { continue };
                if self.stride[1] == 1 {
                    let target = stored[row + self.padding.left..row + self.row()].iter_mut();
                    target.zip(line).for_each(|(t, v)| *t = *v);
                    continue;
                }
                for (phase, first) in self.phases() {
                    let from = (first + self.padding.left) / self.stride[1];
                    if from > self.row() {
                        continue;
                    }
                    let target = stored[row..][phase * self.plane()..][from..self.row()].iter_mut();
                    let line = line.iter().skip(first).step_by(self.stride[1]);
                    target.zip(line).for_each(|(t, v)| *t = *v);
                }
            }
        }
    }

    /// Adds a stored gradient to the gradient of the image, the inverse way of [`Stored::store`].
    #[inline(always)]
    pub(super) fn add_back<T: Element>(&self, stored: &[T], image: &mut [T], channel_step: usize) {
        let [height, width] = self.image;
        for channel in 0..self.channels {
            let lines = &mut image[channel * channel_step..channel * channel_step + height * width];
            for (line, row) in lines.chunks_exact_mut(width).zip(self.rows(channel)) {
                let Some(row) = row else { continue };
                for (phase, first) in self.phases() {
                    let from = (first + self.padding.left) / self.stride[1];
                    if from > self.row() {
                        continue;
                    }
                    let source = &stored[row..][phase * self.plane()..][from..self.row()];
                    let line = line.iter_mut().skip(first).step_by(self.stride[1]);
                    line.zip(source).for_each(|(t, v)| *t += *v);
                }
            }
        }
    }

    /// Elements of a stored plane.
    fn plane(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Where each row of a channel of the image is stored, in the plane of its vertical phase and horizontal phase 0;
    /// `None` if no tap reaches it.
    ///
    /// Counted, not divided: the maps of late layers have rows shorter than a division takes.
    #[inline(always)]
    fn rows(&self, channel: usize) -> impl Iterator<Item = Option<usize>> {
        let [stride_y, stride_x] = self.stride;
        let (mut phase, mut at) = (self.padding.top % stride_y, self.padding.top / stride_y);
        std::iter::repeat_with(move || {
            let plane = (channel * stride_y + phase) * stride_x;
            let row = (at < self.size[0]).then(|| plane * self.plane() + at * self.size[1]);
            phase += 1;
            if phase == stride_y {
                (phase, at) = (0, at + 1);
            }
            row
        })
    }

    /// The horizontal phases, each with the first column of the image that belongs to it.
    #[inline(always)]
    fn phases(&self) -> impl Iterator<Item = (usize, usize)> {
        let stride = self.stride[1];
        let shift = if stride == 1 { 0 } else { self.padding.left % stride };
        (0..stride)
            .map(move |phase| (phase, if phase < shift { phase + stride - shift } else { phase - shift }))
    }
}
