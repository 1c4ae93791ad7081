//! Max and average pooling with any kernel, stride and padding.

#[cfg(feature = "cuda")]
pub(super) mod cuda;

use std::sync::OnceLock;

use candle_core::{Error, Result, Tensor};
use rayon::prelude::*;

use super::fresh::{fresh, fresh_positions};
use super::kernel::{Element, Gradients, Kernel, Output, View, apply1};
use super::wide::wide;

/// The window of a pooling: sizes in (height, width) order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolOptions {
    /// The size of the window.
    pub kernel: [usize; 2],
    /// The step from one window to the next.
    pub stride: [usize; 2],
    /// Rows above and below, columns left and right; at most half the kernel.
    pub padding: [usize; 2],
}

impl PoolOptions {
    /// Square windows that touch without overlap: kernel = stride = `size`, no padding.
    pub const fn square(size: usize) -> Self {
        Self { kernel: [size; 2], stride: [size; 2], padding: [0; 2] }
    }

    /// The size of the pooled plane: floor((n + 2·padding − kernel)/stride) + 1 on each axis.
    ///
    /// # Errors
    /// If a kernel or stride is 0, the padding is above half the kernel, or the window does not fit the plane.
    pub fn output_size(&self, height: usize, width: usize) -> Result<[usize; 2]> {
        let mut size = [0; 2];
        for (axis, n) in [height, width].into_iter().enumerate() {
            let (k, s, p) = (self.kernel[axis], self.stride[axis], self.padding[axis]);
            if n == 0 || k == 0 || s == 0 || 2 * p > k || n + 2 * p < k {
                return Err(Error::Msg(format!(
                    "pooling: {self:?} on a plane of {height}×{width}; plane, kernel and stride must be positive, \
                     the padding at most half the kernel, and the window no larger than the padded plane"
                )));
            }
            size[axis] = (n + 2 * p - k) / s + 1;
        }
        Ok(size)
    }

    /// The part of the plane that window number `i` of an axis of length `n` covers.
    fn span(&self, axis: usize, i: usize, n: usize) -> std::ops::Range<usize> {
        let start = i * self.stride[axis];
        let p = self.padding[axis];
        start.saturating_sub(p)..(start + self.kernel[axis] - p).min(n)
    }
}

/// Max pooling of the last two axes.
///
/// **Shapes.** `x`: `[batch, channels, height, width]`; the result: `[batch, channels, ⌊(height + 2p − k)/s⌋ + 1, …]`.
/// **Numerics.** Padding never wins. The gradient goes to the maximum alone, to the first one (row by row) of
/// several equal ones, as in PyTorch. NaN wins over every number, so it is never hidden.
///
/// # Errors
/// If `x` has not four axes or the window does not fit.
///
/// # Examples
/// ```
/// use hyp_nn::{candle_core::{Device, Tensor}, op::{max_pool2d, PoolOptions}};
/// let x = Tensor::new(&[[[[1.0_f32, 2.0], [4.0, 3.0]]]], &Device::Cpu)?;
/// let y = max_pool2d(&x, &PoolOptions::square(2))?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [4.0]);
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub fn max_pool2d(x: &Tensor, options: &PoolOptions) -> Result<Tensor> {
    x.dims4()?;
    apply1(MaxPool::new(options), x)
}

/// Average pooling of the last two axes; padding counts as zeros, so that every window divides by its full size.
///
/// **Shapes.** As [`max_pool2d`].
///
/// # Errors
/// If `x` has not four axes or the window does not fit.
pub fn avg_pool2d(x: &Tensor, options: &PoolOptions) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    let out = options.output_size(height, width)?;
    let windows = |axis: usize, n: usize| (0..out[axis]).map(|i| options.span(axis, i, n)).collect();
    let divisor = Divisor::Fixed(options.kernel[0] * options.kernel[1]);
    apply1(AvgPool { rows: windows(0, height), columns: windows(1, width), divisor }, x)
}

/// Average pooling to a plane of the given size, whatever the size of `x`: window `i` of `m` covers
/// ⌊i·n/m⌋ … ⌈(i+1)·n/m⌉ of an axis of length `n`, as in PyTorch.
///
/// **Shapes.** `x`: `[batch, channels, height, width]`; the result: `[batch, channels, size[0], size[1]]`.
///
/// # Errors
/// If `x` has not four axes or a size is 0.
pub fn adaptive_avg_pool2d(x: &Tensor, size: [usize; 2]) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    if size.contains(&0) || height == 0 || width == 0 {
        return Err(Error::Msg(format!(
            "adaptive_avg_pool2d: from {height}×{width} to {size:?}; every size must be positive"
        )));
    }
    let windows = |n: usize, m: usize| (0..m).map(|i| i * n / m..((i + 1) * n).div_ceil(m)).collect();
    apply1(
        AvgPool {
            rows: windows(height, size[0]),
            columns: windows(width, size[1]),
            divisor: Divisor::Window,
        },
        x,
    )
}

/// Pools one plane; `winners` receives the offset of each maximum in the plane.
#[inline(always)]
pub(crate) fn max_pool_plane<T: Element>(
    plane: &[T],
    width: usize,
    options: &PoolOptions,
    out_width: usize,
    out: &mut [T],
    winners: &mut [u32],
) {
    let height = plane.len() / width;
    let touching_pairs = *options == PoolOptions::square(2);
    for (oy, (values, firsts)) in
        out.chunks_exact_mut(out_width).zip(winners.chunks_exact_mut(out_width)).enumerate()
    {
        if touching_pairs {
            let top = 2 * oy * width;
            let (upper, lower) = plane[top..top + 2 * width].split_at(width);
            pool_pairs(upper, lower, top as u32, values, firsts);
            continue;
        }
        let rows = options.span(0, oy, height);
        firsts.fill(u32::MAX);
        for y in rows {
            let row = &plane[y * width..(y + 1) * width];
            for tap in 0..options.kernel[1] {
                pool_tap(row, (y * width) as u32, tap, options, values, firsts);
            }
        }
    }
}

/// Lets one tap of a row take part in the windows along it; a window that has seen none has `u32::MAX` as its first.
#[inline(always)]
fn pool_tap<T: Element>(
    row: &[T],
    before: u32,
    tap: usize,
    options: &PoolOptions,
    values: &mut [T],
    firsts: &mut [u32],
) {
    let (stride, padding) = (options.stride[1], options.padding[1]);
    // The windows in which the tap lies within the row.
    let start = padding.saturating_sub(tap).div_ceil(stride);
    let end = (row.len() + padding).saturating_sub(tap).div_ceil(stride).min(values.len());
    if start >= end {
        return;
    }
    let at = start * stride + tap - padding;
    let (values, firsts) = (&mut values[start..end], &mut firsts[start..end]);
    let mut take = |n: usize, v: T| {
        let (best, first) = (values[n], firsts[n]);
        let wins = first == u32::MAX || v > best || (is_nan(v) && !is_nan(best));
        values[n] = if wins { v } else { best };
        firsts[n] = if wins { before + (at + n * stride) as u32 } else { first };
    };
    let (count, row) = (end - start, &row[at..]);
    if stride == 2 {
        // Pairs, of which the compiler makes vectors.
        let (pairs, rest) = row[..row.len().min(2 * count)].as_chunks::<2>();
        for (n, pair) in pairs.iter().enumerate() {
            take(n, pair[0]);
        }
        if let Some(last) = rest.first() {
            take(pairs.len(), *last);
        }
    } else {
        for (n, v) in row.iter().step_by(stride).take(count).enumerate() {
            take(n, *v);
        }
    }
}

#[expect(clippy::eq_op, reason = "NaN is the one value that differs from itself")]
#[inline(always)]
fn is_nan<T: PartialEq>(v: T) -> bool {
    v != v
}

/// The 2×2 windows of two rows, in runs of eight that the compiler turns into vector instructions.
#[inline(always)]
fn pool_pairs<T: Element>(upper: &[T], lower: &[T], top: u32, values: &mut [T], firsts: &mut [u32]) {
    let width = upper.len() as u32;
    let (whole, rest) = (values.len() / 8, values.len() % 8);
    pool_runs::<T, 8>(upper, lower, top, width, &mut values[..8 * whole], &mut firsts[..8 * whole]);
    let (upper, lower) = (&upper[16 * whole..], &lower[16 * whole..]);
    let (values, firsts) = (&mut values[8 * whole..], &mut firsts[8 * whole..]);
    let top = top + 16 * whole as u32;
    let four = rest / 4 * 4;
    pool_runs::<T, 4>(upper, lower, top, width, &mut values[..four], &mut firsts[..four]);
    pool_runs::<T, 1>(
        &upper[2 * four..],
        &lower[2 * four..],
        top + 2 * four as u32,
        width,
        &mut values[four..],
        &mut firsts[four..],
    );
}

/// `N` windows at a time; the number of windows is a multiple of `N`.
#[inline(always)]
fn pool_runs<T: Element, const N: usize>(
    upper: &[T],
    lower: &[T],
    top: u32,
    width: u32,
    values: &mut [T],
    firsts: &mut [u32],
) {
    let sources = upper.chunks_exact(2 * N).zip(lower.chunks_exact(2 * N));
    let targets = values.as_chunks_mut::<N>().0.iter_mut().zip(firsts.as_chunks_mut::<N>().0);
    for (n, ((upper, lower), (value, first))) in sources.zip(targets).enumerate() {
        let left = top + (2 * N * n) as u32;
        // Corners of the windows, one array each, so that every following line is one vector instruction.
        let mut corners = [[T::zero(); N]; 4];
        let mut at = [[0; N]; 4];
        for i in 0..N {
            corners[0][i] = upper[2 * i];
            corners[1][i] = upper[2 * i + 1];
            corners[2][i] = lower[2 * i];
            corners[3][i] = lower[2 * i + 1];
            at[0][i] = left + 2 * i as u32;
            at[1][i] = at[0][i] + 1;
            at[2][i] = at[0][i] + width;
            at[3][i] = at[2][i] + 1;
        }
        let above = larger((corners[0], at[0]), (corners[1], at[1]));
        let below = larger((corners[2], at[2]), (corners[3], at[3]));
        (*value, *first) = larger(above, below);
    }
}

/// The larger of two values in each place, and where it stands, without a branch.
#[inline(always)]
fn larger<T: Element, const N: usize>(a: ([T; N], [u32; N]), b: ([T; N], [u32; N])) -> ([T; N], [u32; N]) {
    let (mut values, mut at) = (b.0, b.1);
    for i in 0..N {
        // Equal values keep the first. A comparison with NaN is false, so a NaN on the right is taken.
        let keep = (a.0[i] >= b.0[i]) | is_nan(a.0[i]);
        values[i] = if keep { a.0[i] } else { values[i] };
        at[i] = if keep { a.1[i] } else { at[i] };
    }
    (values, at)
}

struct MaxPool {
    options: PoolOptions,
    winners: OnceLock<Vec<u32>>,
    #[cfg(feature = "cuda")]
    cuda_winners: OnceLock<super::cuda::Numbers>,
}

impl MaxPool {
    fn new(options: &PoolOptions) -> Self {
        Self {
            options: *options,
            winners: OnceLock::new(),
            #[cfg(feature = "cuda")]
            cuda_winners: OnceLock::new(),
        }
    }
}

impl Kernel for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let x = inputs[0];
        let [batch, channels, height, width] = x.dims[..] else { unreachable!("checked by max_pool2d") };
        let [out_h, out_w] = self.options.output_size(height, width)?;
        let mut y = fresh(batch * channels * out_h * out_w);
        let mut winners = fresh_positions(y.len());
        y.par_chunks_mut(out_h * out_w)
            .zip(winners.par_chunks_mut(out_h * out_w))
            .zip(x.data.par_chunks(height * width))
            .for_each(|((y, winners), x)| {
                wide(
                    #[inline(always)]
                    || max_pool_plane(x, width, &self.options, out_w, y, winners),
                );
            });
        self.winners.get_or_init(|| winners);
        Ok((y, vec![batch, channels, out_h, out_w]))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        output: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let x = inputs[0];
        let plane: usize = x.dims[2..].iter().product();
        let pooled: usize = output.dims[2..].iter().product();
        let winners = self.winners.get().expect("invariant: forward ran before backward");
        let mut gx = vec![T::zero(); x.data.len()];
        gx.par_chunks_mut(plane).zip(winners.par_chunks(pooled)).zip(grad.data.par_chunks(pooled)).for_each(
            |((gx, winners), grad)| {
                for (at, g) in winners.iter().zip(grad) {
                    gx[*at as usize] += *g;
                }
            },
        );
        Ok(vec![Some(gx)])
    }
}

/// By what a window's sum is divided.
enum Divisor {
    /// The same number everywhere.
    Fixed(usize),
    /// The number of elements in the window.
    Window,
}

struct AvgPool {
    rows: Vec<std::ops::Range<usize>>,
    columns: Vec<std::ops::Range<usize>>,
    divisor: Divisor,
}

impl AvgPool {
    /// 1/divisor of the window, in `f64`.
    fn share(&self, rows: &std::ops::Range<usize>, columns: &std::ops::Range<usize>) -> f64 {
        let divisor = match self.divisor {
            Divisor::Fixed(n) => n,
            Divisor::Window => rows.len() * columns.len(),
        };
        1.0 / divisor as f64
    }
}

impl Kernel for AvgPool {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn forward<T: Element>(&self, inputs: &[View<'_, T>]) -> Result<Output<T>> {
        let x = inputs[0];
        let [batch, channels, height, width] = x.dims[..] else { unreachable!("checked by avg_pool2d") };
        let (out_h, out_w) = (self.rows.len(), self.columns.len());
        let mut y = fresh(batch * channels * out_h * out_w);
        y.par_chunks_mut(out_h * out_w).zip(x.data.par_chunks(height * width)).for_each(|(y, x)| {
            for (y, rows) in y.chunks_exact_mut(out_w).zip(&self.rows) {
                for (y, columns) in y.iter_mut().zip(&self.columns) {
                    let sum: f64 = rows
                        .clone()
                        .flat_map(|r| &x[r * width + columns.start..r * width + columns.end])
                        .map(|v| v.to_f64())
                        .sum();
                    *y = T::from_f64(sum * self.share(rows, columns));
                }
            }
        });
        Ok((y, vec![batch, channels, out_h, out_w]))
    }

    fn backward<T: Element>(
        &self,
        inputs: &[View<'_, T>],
        output: View<'_, T>,
        grad: View<'_, T>,
        _: &[bool],
    ) -> Result<Gradients<T>> {
        let x = inputs[0];
        let (plane, width) = (x.dims[2] * x.dims[3], x.dims[3]);
        let pooled: usize = output.dims[2..].iter().product();
        let mut gx = vec![T::zero(); x.data.len()];
        gx.par_chunks_mut(plane).zip(grad.data.par_chunks(pooled)).for_each(|(gx, grad)| {
            for (grad, rows) in grad.chunks_exact(self.columns.len()).zip(&self.rows) {
                for (g, columns) in grad.iter().zip(&self.columns) {
                    let share = T::from_f64(g.to_f64() * self.share(rows, columns));
                    for r in rows.clone() {
                        for v in &mut gx[r * width + columns.start..r * width + columns.end] {
                            *v += share;
                        }
                    }
                }
            }
        });
        Ok(vec![Some(gx)])
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    /// The largest value of a window and the first place of it, row by row; NaN is larger than every number.
    fn window(plane: &[f32], width: usize, rows: Range<usize>, columns: Range<usize>) -> (f32, u32) {
        let mut best: Option<(f32, u32)> = None;
        for at in rows.flat_map(|y| columns.clone().map(move |x| y * width + x)) {
            let v = plane[at];
            if best.is_none_or(|(b, _)| v > b || (v.is_nan() && !b.is_nan())) {
                best = Some((v, at as u32));
            }
        }
        best.expect("no window lies in the padding alone")
    }

    /// Values and winners of every window, with many equal numbers and some NaN.
    #[test]
    fn windows_of_any_kind_have_their_first_largest_value() {
        let mut tried = 0;
        for (height, width) in [(1, 1), (2, 5), (5, 4), (4, 17), (3, 20), (7, 33)] {
            let number = |i: usize| if i % 13 == 9 { f32::NAN } else { ((i * 7 + i / 5) % 4) as f32 };
            let plane: Vec<f32> = (0..height * width).map(number).collect();
            for (kernel, stride) in (1..=5).flat_map(|k| (1..=3).map(move |s| (k, s))) {
                for padding in 0..=kernel / 2 {
                    let options =
                        PoolOptions { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2] };
                    let Ok(size) = options.output_size(height, width) else { continue };
                    let mut values = vec![-1.0; size[0] * size[1]];
                    let mut winners = vec![7; values.len()];
                    max_pool_plane(&plane, width, &options, size[1], &mut values, &mut winners);
                    for (n, got) in values.into_iter().zip(winners).enumerate() {
                        let rows = options.span(0, n / size[1], height);
                        let want = window(&plane, width, rows, options.span(1, n % size[1], width));
                        let same = got.0 == want.0 || (got.0.is_nan() && want.0.is_nan());
                        assert!(
                            same && got.1 == want.1,
                            "{got:?} {want:?}: {n} of {height} × {width}, {options:?}"
                        );
                    }
                    tried += 1;
                }
            }
        }
        assert!(tried > 100, "{tried}");
    }
}
