//! The driver of every row-wise operation: the same function on each row, shared out among threads.

use super::isa::{Plain, widest};
use crate::Real;

/// Numbers read and written by one task: large enough to be worth a thread, and the same on every machine, because
/// the sums returned by the rows are folded block by block.
const GRAIN: usize = 1 << 15;

/// A matrix read row by row, and the width of its rows.
pub(super) type Input<'a, T> = (&'a [T], usize);

/// A matrix written row by row, and the width of its rows.
pub(super) type Output<'a, T> = (&'a mut [T], usize);

/// What the rows add up to: nothing much, or the derivatives by one or two numbers that all rows share.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Total(f64, f64);

impl std::ops::Add for Total {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }
}

impl From<()> for Total {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<f64> for Total {
    fn from(value: f64) -> Self {
        Self(value, 0.0)
    }
}

impl From<(f64, f64)> for Total {
    fn from((first, second): (f64, f64)) -> Self {
        Self(first, second)
    }
}

impl Total {
    /// The first sum.
    pub(super) fn one(self) -> f64 {
        self.0
    }

    /// Both sums.
    pub(super) fn both(self) -> (f64, f64) {
        (self.0, self.1)
    }
}

/// What is done with one row of all inputs and outputs.
pub(super) trait RowOp<T, const I: usize, const O: usize>: Sync {
    /// Whether blocks of rows are compiled for the widest registers; only of use where `row` and all that takes its
    /// time are inlined always.
    const WIDE: bool = true;
    /// Reads its row of each input and writes its row of each output; what it returns is summed.
    fn row(&self, inputs: [&[T]; I], outputs: [&mut [T]; O]) -> impl Into<Total>;
}

/// A closure, which cannot be inlined always.
struct Closure<F>(F);

impl<T, R: Into<Total>, F, const I: usize, const O: usize> RowOp<T, I, O> for Closure<F>
where
    F: Fn([&[T]; I], [&mut [T]; O]) -> R + Sync,
{
    const WIDE: bool = false;

    fn row(&self, inputs: [&[T]; I], outputs: [&mut [T]; O]) -> impl Into<Total> {
        (self.0)(inputs, outputs)
    }
}

/// Calls `f` with row `i` of all inputs and outputs, for all `rows`, and returns the sum of what it returns.
///
/// # Panics
/// If a length is not `rows` times its width.
pub(super) fn for_rows<T: Real, R: Into<Total>, const I: usize, const O: usize>(
    rows: usize,
    inputs: [Input<T>; I],
    outputs: [Output<T>; O],
    f: impl Fn([&[T]; I], [&mut [T]; O]) -> R + Sync,
) -> Total {
    over_rows(rows, inputs, outputs, &Closure(f))
}

/// [`for_rows`] of an operation that is no closure.
///
/// # Panics
/// If a length is not `rows` times its width.
pub(super) fn over_rows<T: Real, const I: usize, const O: usize>(
    rows: usize,
    inputs: [Input<T>; I],
    outputs: [Output<T>; O],
    op: &impl RowOp<T, I, O>,
) -> Total {
    for (data, width) in &inputs {
        assert_eq!(data.len(), rows * width, "an input has one row of its width per row");
    }
    for (data, width) in &outputs {
        assert_eq!(data.len(), rows * width, "an output has one row of its width per row");
    }
    let width: usize = inputs.iter().map(|i| i.1).chain(outputs.iter().map(|o| o.1)).sum();
    split(rows, (GRAIN / width.max(1)).max(1), inputs, outputs, op)
}

/// Halves the rows at a multiple of `block` until one block is left.
fn split<T: Real, const I: usize, const O: usize>(
    rows: usize,
    block: usize,
    inputs: [Input<T>; I],
    outputs: [Output<T>; O],
    op: &impl RowOp<T, I, O>,
) -> Total {
    if rows <= block {
        return Block { rows, inputs, outputs, op }.sum();
    }
    let middle = rows.div_ceil(block).div_ceil(2) * block;
    let halves = inputs.map(|(data, width)| {
        let (first, second) = data.split_at(middle * width);
        ((first, width), (second, width))
    });
    let mut parts = outputs.map(|(data, width)| {
        let (first, second) = data.split_at_mut(middle * width);
        (Some((first, width)), Some((second, width)))
    });
    let first = parts.each_mut().map(|part| part.0.take().expect("invariant: taken once"));
    let second = parts.each_mut().map(|part| part.1.take().expect("invariant: taken once"));
    let (low, high) = rayon::join(
        || split(middle, block, halves.map(|half| half.0), first, op),
        || split(rows - middle, block, halves.map(|half| half.1), second, op),
    );
    low + high
}

/// Rows that one thread treats one after the other.
struct Block<'a, T, P, const I: usize, const O: usize> {
    rows: usize,
    inputs: [Input<'a, T>; I],
    outputs: [Output<'a, T>; O],
    op: &'a P,
}

impl<T: Real, P: RowOp<T, I, O>, const I: usize, const O: usize> Block<'_, T, P, I, O> {
    fn sum(self) -> Total {
        if P::WIDE { widest(self) } else { self.run() }
    }
}

impl<T: Real, P: RowOp<T, I, O>, const I: usize, const O: usize> Plain for Block<'_, T, P, I, O> {
    type Output = Total;

    #[inline(always)]
    fn run(mut self) -> Total {
        let mut sum = Total::default();
        for row in 0..self.rows {
            let read = self.inputs.map(|(data, width)| &data[row * width..(row + 1) * width]);
            let write =
                self.outputs.each_mut().map(|(data, width)| &mut data[row * *width..(row + 1) * *width]);
            sum = sum + self.op.row(read, write).into();
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_visited_once_whatever_the_number_of_rows() {
        for rows in [0, 1, 7, GRAIN / 3, GRAIN / 3 + 1, GRAIN * 2 + 5] {
            let x: Vec<f64> = (0..rows).map(|i| i as f64).collect();
            let (mut doubled, mut pairs) = (vec![0.0; rows], vec![0.0; 2 * rows]);
            let sum = for_rows(rows, [(&x, 1)], [(&mut doubled, 1), (&mut pairs, 2)], |[x], [d, p]| {
                d[0] += 2.0 * x[0];
                p.copy_from_slice(&[x[0], -x[0]]);
                x[0]
            });
            assert!(doubled.iter().enumerate().all(|(i, &d)| d == 2.0 * i as f64), "{rows} rows");
            assert!(pairs.chunks(2).enumerate().all(|(i, p)| p == [i as f64, -(i as f64)]), "{rows} rows");
            assert_eq!(sum.one(), (0..rows).sum::<usize>() as f64, "{rows} rows");
        }
    }
}
