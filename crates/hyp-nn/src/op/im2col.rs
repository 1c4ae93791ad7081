//! Unfolding the windows of a convolution into the columns of a matrix, and folding back.

use std::ops::Range;

use candle_core::{Error, Result};

use super::kernel::Element;
use super::wide::wide;

/// Zeros around an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns on the left.
    pub left: usize,
    /// Columns on the right.
    pub right: usize,
}

impl Padding {
    /// `rows` above and below, `columns` on either side.
    pub const fn symmetric(rows: usize, columns: usize) -> Self {
        Self { top: rows, bottom: rows, left: columns, right: columns }
    }
}

/// How a convolution walks over its image: sizes in (height, width) order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConvOptions {
    /// The step from one window to the next.
    pub stride: [usize; 2],
    /// Zeros around the image.
    pub padding: Padding,
    /// The distance of neighbouring taps.
    pub dilation: [usize; 2],
    /// Into how many independent groups the channels are cut.
    pub groups: usize,
}

impl Default for ConvOptions {
    fn default() -> Self {
        Self { stride: [1; 2], padding: Padding::default(), dilation: [1; 2], groups: 1 }
    }
}

impl ConvOptions {
    /// The same stride on both axes and the same padding on all sides.
    pub fn new(stride: usize, padding: usize) -> Self {
        Self { stride: [stride; 2], padding: Padding::symmetric(padding, padding), ..Self::default() }
    }
}

/// The sizes of one convolution, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) filters: usize,
    pub(crate) kernel: [usize; 2],
    pub(crate) out: [usize; 2],
    pub(crate) options: ConvOptions,
}

impl Plan {
    /// The sizes for an image batch `x` and a weight of the given shapes.
    pub(crate) fn new(x: &[usize], weight: &[usize], options: &ConvOptions) -> Result<Self> {
        let refuse = |why: &str| {
            Err(Error::Msg(format!("conv2d: input {x:?}, weight {weight:?}, {options:?}: {why}")))
        };
        let (&[batch, channels, height, width], &[filters, per_group, k_h, k_w]) = (x, weight) else {
            return refuse(
                "both must have four axes: [batch, channels, height, width] and [out, in, height, width]",
            );
        };
        let ConvOptions { stride, padding, dilation, groups } = *options;
        if groups == 0 || stride.contains(&0) || dilation.contains(&0) || k_h == 0 || k_w == 0 {
            return refuse("groups, strides, dilations and kernel sizes must be positive");
        }
        if channels != per_group * groups || !filters.is_multiple_of(groups) {
            return refuse(
                "the input must have groups × weight.dim(1) channels, and the groups divide the filters",
            );
        }
        let size = |n: usize, before: usize, after: usize, k: usize, axis: usize| {
            let reach = dilation[axis] * (k - 1) + 1;
            (n + before + after).checked_sub(reach).map(|rest| rest / stride[axis] + 1)
        };
        let (Some(out_h), Some(out_w)) = (
            size(height, padding.top, padding.bottom, k_h, 0),
            size(width, padding.left, padding.right, k_w, 1),
        ) else {
            return refuse("the kernel is larger than the padded image");
        };
        let (kernel, out) = ([k_h, k_w], [out_h, out_w]);
        Ok(Self { batch, channels, height, width, filters, kernel, out, options: *options })
    }

    /// Elements of one image.
    pub(crate) fn image(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Elements of one plane of the result.
    pub(crate) fn out_plane(&self) -> usize {
        self.out[0] * self.out[1]
    }

    /// Rows of the unfolded matrix: channel × kernel row × kernel column.
    pub(crate) fn rows(&self) -> usize {
        self.channels * self.kernel[0] * self.kernel[1]
    }

    /// Whether an unfolded image is the image itself.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == [1; 2] && self.options.stride == [1; 2] && self.options.padding == Padding::default()
    }

    /// The output positions of an axis whose tap falls inside the image, and the input position of the first.
    fn inside(&self, axis: usize, tap: usize) -> (Range<usize>, usize) {
        let (n, before) = match axis {
            0 => (self.height, self.options.padding.top),
            _ => (self.width, self.options.padding.left),
        };
        let (stride, offset) = (self.options.stride[axis], tap * self.options.dilation[axis]);
        let first = before.saturating_sub(offset).div_ceil(stride);
        let end = if n + before > offset { (n + before - offset - 1) / stride + 1 } else { 0 };
        let end = end.min(self.out[axis]);
        if first >= end { (0..0, 0) } else { (first..end, first * stride + offset - before) }
    }

    /// Calls `visit(row, channel, rows inside, first input row, columns inside, first input column)` per tap.
    #[inline(always)]
    fn for_each_tap(&self, mut visit: impl FnMut(usize, usize, &Tap)) {
        let mut row = 0;
        for channel in 0..self.channels {
            for ky in 0..self.kernel[0] {
                let (ys, iy) = self.inside(0, ky);
                for kx in 0..self.kernel[1] {
                    let (xs, ix) = self.inside(1, kx);
                    visit(row, channel, &Tap { ys: ys.clone(), iy, xs, ix });
                    row += 1;
                }
            }
        }
    }
}

/// Where one tap of the kernel falls inside the image.
struct Tap {
    ys: Range<usize>,
    iy: usize,
    xs: Range<usize>,
    ix: usize,
}

/// Unfolds some images into a matrix of [`Plan::rows`] rows and image × output position columns.
pub(crate) fn unfold<T: Element>(plan: &Plan, images: &[T], matrix: &mut [T]) {
    wide(
        #[inline(always)]
        || unfold_lines(plan, images, matrix),
    );
}

#[inline(always)]
fn unfold_lines<T: Element>(plan: &Plan, images: &[T], matrix: &mut [T]) {
    let (size, plane, width) = (plan.image(), plan.height * plan.width, plan.width);
    let (out_plane, out_w) = (plan.out_plane(), plan.out[1]);
    let columns = images.len() / size * out_plane;
    let [stride_y, stride_x] = plan.options.stride;
    plan.for_each_tap(|row, channel, tap| {
        let row = &mut matrix[row * columns..(row + 1) * columns];
        if tap.ys.len() < plan.out[0] || tap.xs.len() < out_w {
            row.fill(T::zero());
        }
        for (image, row) in images.chunks_exact(size).zip(row.chunks_exact_mut(out_plane)) {
            let source = &image[channel * plane..(channel + 1) * plane];
            let lines = row.chunks_exact_mut(out_w).skip(tap.ys.start).take(tap.ys.len());
            for (i, line) in lines.enumerate() {
                let source = &source[(tap.iy + i * stride_y) * width + tap.ix..];
                let line = &mut line[tap.xs.clone()];
                if stride_x == 1 {
                    copy(&source[..line.len()], line);
                } else {
                    for (v, s) in line.iter_mut().zip(source.iter().step_by(stride_x)) {
                        *v = *s;
                    }
                }
            }
        }
    });
}

/// Adds each element of an unfolded matrix to the pixel that it came from.
pub(crate) fn fold_add<T: Element>(plan: &Plan, matrix: &[T], images: &mut [T]) {
    wide(
        #[inline(always)]
        || fold_lines(plan, matrix, images),
    );
}

#[inline(always)]
fn fold_lines<T: Element>(plan: &Plan, matrix: &[T], images: &mut [T]) {
    let (size, plane, width) = (plan.image(), plan.height * plan.width, plan.width);
    let (out_plane, out_w) = (plan.out_plane(), plan.out[1]);
    let columns = images.len() / size * out_plane;
    let [stride_y, stride_x] = plan.options.stride;
    plan.for_each_tap(|row, channel, tap| {
        let row = &matrix[row * columns..(row + 1) * columns];
        for (image, row) in images.chunks_exact_mut(size).zip(row.chunks_exact(out_plane)) {
            let target = &mut image[channel * plane..(channel + 1) * plane];
            let lines = row.chunks_exact(out_w).skip(tap.ys.start).take(tap.ys.len());
            for (i, line) in lines.enumerate() {
                let target = &mut target[(tap.iy + i * stride_y) * width + tap.ix..];
                let line = &line[tap.xs.clone()];
                if stride_x == 1 {
                    add(line, &mut target[..line.len()]);
                } else {
                    for (v, t) in line.iter().zip(target.iter_mut().step_by(stride_x)) {
                        *t += *v;
                    }
                }
            }
        }
    });
}

/// Copies a line, in runs of eight when it is short: a call of `memcpy` costs more than such a line.
#[inline(always)]
fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    if from.len() > 32 {
        to.copy_from_slice(from);
        return;
    }
    let (from_runs, from_rest) = from.as_chunks::<8>();
    let (to_runs, to_rest) = to.as_chunks_mut::<8>();
    for (t, f) in to_runs.iter_mut().zip(from_runs) {
        *t = *f;
    }
    for (t, f) in to_rest.iter_mut().zip(from_rest) {
        *t = *f;
    }
}

/// Adds a line to another, in runs of eight.
#[inline(always)]
fn add<T: Element>(from: &[T], to: &mut [T]) {
    let (from_runs, from_rest) = from.as_chunks::<8>();
    let (to_runs, to_rest) = to.as_chunks_mut::<8>();
    for (t, f) in to_runs.iter_mut().zip(from_runs) {
        for i in 0..8 {
            t[i] += f[i];
        }
    }
    for (t, f) in to_rest.iter_mut().zip(from_rest) {
        *t += *f;
    }
}
