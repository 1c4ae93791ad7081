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
            let reach = dilation[axis].checked_mul(k - 1)?.checked_add(1)?;
            let padded = n.checked_add(before)?.checked_add(after)?;
            padded.checked_sub(reach).map(|rest| rest / stride[axis] + 1)
        };
        let (Some(out_h), Some(out_w)) = (
            size(height, padding.top, padding.bottom, k_h, 0),
            size(width, padding.left, padding.right, k_w, 1),
        ) else {
            return refuse("the kernel is larger than the padded image, or that is beyond counting");
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

    /// Calls `visit(row, channel, tap)` for each row of the unfolded matrix that belongs to one of some channels; rows are
    /// counted from the first of them.
    #[inline(always)]
    fn for_each_tap(&self, channels: Range<usize>, mut visit: impl FnMut(usize, usize, &Tap)) {
        // Found once and not per channel: the divisions would cost as much as copying a short line.
        let taps: Vec<Tap> = (0..self.kernel[0])
            .flat_map(|ky| (0..self.kernel[1]).map(move |kx| (ky, kx)))
            .map(|(ky, kx)| {
                let ((ys, iy), (xs, ix)) = (self.inside(0, ky), self.inside(1, kx));
                Tap { ys, iy, xs, ix }
            })
            .collect();
        let mut row = 0;
        for channel in channels {
            for tap in &taps {
                visit(row, channel, tap);
                row += 1;
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
    unfold_channels(plan, images, 0..plan.channels, matrix);
}

/// The rows of that matrix that belong to some of the channels.
pub(crate) fn unfold_channels<T: Element>(
    plan: &Plan,
    images: &[T],
    channels: Range<usize>,
    matrix: &mut [T],
) {
    wide(
        #[inline(always)]
        || unfold_lines(plan, images, channels, matrix),
    );
}

#[inline(always)]
fn unfold_lines<T: Element>(plan: &Plan, images: &[T], channels: Range<usize>, matrix: &mut [T]) {
    let (size, plane, width) = (plan.image(), plan.height * plan.width, plan.width);
    let (out_plane, out_w) = (plan.out_plane(), plan.out[1]);
    let columns = images.len() / size * out_plane;
    let [stride_y, stride_x] = plan.options.stride;
    plan.for_each_tap(
        channels,
        #[inline(always)]
        |row, channel, tap| {
            let row = &mut matrix[row * columns..(row + 1) * columns];
            if tap.ys.len() < plan.out[0] || tap.xs.len() < out_w {
                row.fill(T::zero());
            }
            if tap.ys.is_empty() || tap.xs.is_empty() {
                return;
            }
            let first = tap.ys.start * out_w + tap.xs.start;
            for (image, row) in images.chunks_exact(size).zip(row.chunks_exact_mut(out_plane)) {
                let source = &image[channel * plane + tap.iy * width + tap.ix..(channel + 1) * plane];
                let row = &mut row[first..];
                if stride_x == 1 {
                    copy_lines(source, stride_y * width, row, out_w, tap.xs.len(), tap.ys.len());
                    continue;
                }
                let lines = source.chunks(stride_y * width).zip(row.chunks_mut(out_w)).take(tap.ys.len());
                for (source, line) in lines {
                    for (v, s) in line[..tap.xs.len()].iter_mut().zip(source.iter().step_by(stride_x)) {
                        *v = *s;
                    }
                }
            }
        },
    );
}

/// Adds each element of an unfolded matrix to the pixel that it came from.
///
/// Rows of the matrix start `columns` elements apart, which may be more than these images have.
pub(crate) fn fold_add<T: Element>(plan: &Plan, matrix: &[T], columns: usize, images: &mut [T]) {
    wide(
        #[inline(always)]
        || fold_lines(plan, matrix, columns, images),
    );
}

#[inline(always)]
fn fold_lines<T: Element>(plan: &Plan, matrix: &[T], columns: usize, images: &mut [T]) {
    let (size, plane, width) = (plan.image(), plan.height * plan.width, plan.width);
    let (out_plane, out_w) = (plan.out_plane(), plan.out[1]);
    let used = images.len() / size * out_plane;
    let [stride_y, stride_x] = plan.options.stride;
    plan.for_each_tap(
        0..plan.channels,
        #[inline(always)]
        |row, channel, tap| {
            let row = &matrix[row * columns..row * columns + used];
            if tap.ys.is_empty() || tap.xs.is_empty() {
                return;
            }
            let first = tap.ys.start * out_w + tap.xs.start;
            for (image, row) in images.chunks_exact_mut(size).zip(row.chunks_exact(out_plane)) {
                let target = &mut image[channel * plane + tap.iy * width + tap.ix..(channel + 1) * plane];
                let row = &row[first..];
                if stride_x == 1 {
                    add_lines(row, out_w, target, stride_y * width, tap.xs.len(), tap.ys.len());
                    continue;
                }
                let lines = row.chunks(out_w).zip(target.chunks_mut(stride_y * width)).take(tap.ys.len());
                for (line, target) in lines {
                    for (v, t) in line[..tap.xs.len()].iter().zip(target.iter_mut().step_by(stride_x)) {
                        *t += *v;
                    }
                }
            }
        },
    );
}

/// Copies the first `length` elements of each of some lines, by vectors: a call of `memcpy` costs more than a short
/// line. The lines of either side are `step` elements apart.
#[inline(always)]
fn copy_lines<T: Element>(
    from: &[T],
    from_step: usize,
    to: &mut [T],
    to_step: usize,
    length: usize,
    lines: usize,
) {
    let pairs = (0..lines).map(|line| (line * from_step, line * to_step));
    match length {
        64.. => {
            for (f, t) in pairs {
                to[t..t + length].copy_from_slice(&from[f..f + length]);
            }
        }
        16 => pairs.for_each(|(f, t)| copy_run::<T, 16>(&from[f..], &mut to[t..])),
        17.. => {
            for (f, t) in pairs {
                copy_by::<T, 16>(&from[f..f + length], &mut to[t..t + length]);
            }
        }
        8 => pairs.for_each(|(f, t)| copy_run::<T, 8>(&from[f..], &mut to[t..])),
        9.. => {
            for (f, t) in pairs {
                copy_by::<T, 8>(&from[f..f + length], &mut to[t..t + length]);
            }
        }
        4.. => {
            for (f, t) in pairs {
                copy_by::<T, 4>(&from[f..f + length], &mut to[t..t + length]);
            }
        }
        _ => {
            for (f, t) in pairs {
                for (t, f) in to[t..t + length].iter_mut().zip(&from[f..f + length]) {
                    *t = *f;
                }
            }
        }
    }
}

/// Copies a line of just `N` elements.
#[inline(always)]
fn copy_run<T: Element, const N: usize>(from: &[T], to: &mut [T]) {
    let (Some(t), Some(f)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) else {
        unreachable!("lines lie within their slices")
    };
    *t = *f;
}

/// Copies a line of at least `N` elements by runs of `N`; the last run may repeat a part of the one before.
#[inline(always)]
fn copy_by<T: Element, const N: usize>(from: &[T], to: &mut [T]) {
    for (t, f) in to.as_chunks_mut::<N>().0.iter_mut().zip(from.as_chunks::<N>().0) {
        *t = *f;
    }
    if let (Some(t), Some(f)) = (to.last_chunk_mut::<N>(), from.last_chunk::<N>()) {
        *t = *f;
    }
}

/// Adds the first `length` elements of each of some lines to another line, by vectors.
#[inline(always)]
fn add_lines<T: Element>(
    from: &[T],
    from_step: usize,
    to: &mut [T],
    to_step: usize,
    length: usize,
    lines: usize,
) {
    let pairs = (0..lines).map(|line| (line * from_step, line * to_step));
    match length {
        16.. => {
            for (f, t) in pairs {
                add_by::<T, 16>(&from[f..f + length], &mut to[t..t + length]);
            }
        }
        8 => {
            for (f, t) in pairs {
                add_run::<T, 8>(&from[f..], &mut to[t..]);
            }
        }
        9.. => {
            for (f, t) in pairs {
                add_by::<T, 8>(&from[f..f + length], &mut to[t..t + length]);
            }
        }
        4.. => {
            for (f, t) in pairs {
                add_by::<T, 4>(&from[f..f + length], &mut to[t..t + length]);
            }
        }
        _ => {
            for (f, t) in pairs {
                for (t, f) in to[t..t + length].iter_mut().zip(&from[f..f + length]) {
                    *t += *f;
                }
            }
        }
    }
}

/// Adds a line of just `N` elements.
#[inline(always)]
fn add_run<T: Element, const N: usize>(from: &[T], to: &mut [T]) {
    let (Some(t), Some(f)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) else {
        unreachable!("lines lie within their slices")
    };
    let mut sum = *t;
    for i in 0..N {
        sum[i] += f[i];
    }
    *t = sum;
}

/// Adds a line of at least `N` elements by runs of `N`; the last run adds zero where the one before has been.
/// The sums are made beside the lines, because the compiler cannot know that these do not overlap.
#[inline(always)]
fn add_by<T: Element, const N: usize>(from: &[T], to: &mut [T]) {
    let (from_runs, rest) = from.as_chunks::<N>();
    for (t, f) in to.as_chunks_mut::<N>().0.iter_mut().zip(from_runs) {
        let mut sum = *t;
        for i in 0..N {
            sum[i] += f[i];
        }
        *t = sum;
    }
    let done = N - rest.len();
    if let (false, Some(t), Some(f)) = (rest.is_empty(), to.last_chunk_mut::<N>(), from.last_chunk::<N>()) {
        let (mut sum, more) = (*t, *f);
        for i in 0..N {
            sum[i] += if i < done { T::zero() } else { more[i] };
        }
        *t = sum;
    }
}
