//! Levels of features without a distance matrix: distances by a blocked matrix product in `f32`, with a proven bound
//! on their error; pairs for which the bound is too wide, and all that matters in the end, in `f64`.

#![expect(unsafe_code, reason = "the matrix product takes pointers")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::Diameter;
use super::levels::{Levels, Scale};
use super::source::Source;
use super::turn::{Shape, Turn, Turns};
use crate::distance::mirror;
use crate::maxmin::{Isa, Level, Padded};
use crate::metric::{Metric, Rows};

/// Rows that one task multiplies with all columns to their right.
const ROWS: usize = 128;
/// Columns that are multiplied at a time, so that the products are still in cache when they become levels.
const COLUMNS: usize = 512;
/// How many times the error of far points near points may have before they are computed in `f64`.
const PATIENCE: f64 = 16.0;
/// Half the distance between 1 and the next float: the relative error of one operation.
const UNIT: f64 = 1.0 / 16_777_216.0;

/// Rows of features seen from a base point; distances are computed when asked for.
pub(crate) struct RowsAtBase<'a> {
    pub(crate) rows: &'a Rows,
    pub(crate) base_distances: Vec<f64>,
}

impl<'a> RowsAtBase<'a> {
    pub(crate) fn new(rows: &'a Rows, base: usize) -> Self {
        Self { rows, base_distances: (0..rows.points()).map(|i| rows.distance(base, i)).collect() }
    }
}

impl Source for RowsAtBase<'_> {
    fn distance(&self, i: usize, j: usize) -> f64 {
        self.rows.distance(i, j)
    }

    fn base_distance(&self, i: usize) -> f64 {
        self.base_distances[i]
    }

    fn distances(&self, isa: Isa, i: usize, first: usize, out: &mut [f64]) {
        self.rows.distances(isa, i, first, out);
    }
}

/// Why there are no levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmade {
    /// `f32` cannot tell enough of them apart, or the metric is not one of those it is used for.
    Unsure,
    /// The search was told to stop.
    Stopped,
}

/// Rows in `f32`, around their mean and scaled so that nothing overflows or vanishes.
struct Prepared {
    values: Vec<f32>,
    dim: usize,
    /// Squared norms.
    norms: Vec<f32>,
    /// Original length of a scaled unit.
    unit: f64,
    largest_norm: f64,
}

impl Prepared {
    /// Nothing if all points coincide.
    fn new(rows: &Rows, order: &[usize]) -> Option<Self> {
        let dim = rows.dim();
        let mut mean = vec![0.0; dim];
        for i in 0..rows.points() {
            for (m, v) in mean.iter_mut().zip(rows.row(i)) {
                *m += v / rows.points() as f64;
            }
        }
        let far = |&i: &usize| rows.row(i).iter().zip(&mean).map(|(v, m)| (v - m).abs()).fold(0.0, f64::max);
        let largest = order.par_iter().map(far).reduce(|| 0.0, f64::max);
        if largest == 0.0 {
            return None;
        }
        let scale = (-largest.log2().floor()).exp2();
        let mut values = vec![0.0_f32; order.len() * dim];
        values.par_chunks_mut(dim).zip(order).for_each(|(out, &i)| {
            for ((to, v), m) in out.iter_mut().zip(rows.row(i)).zip(&mean) {
                *to = ((v - m) * scale) as f32;
            }
        });
        let norm = |row: &[f32]| row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
        let exact: Vec<f64> = values.par_chunks(dim).map(norm).collect();
        let largest_norm = exact.iter().copied().fold(0.0, f64::max);
        let norms = exact.into_iter().map(|v| v as f32).collect();
        Some(Self { values, dim, norms, unit: 1.0 / scale, largest_norm })
    }

    /// Bound on the relative error of ‖x‖² + ‖y‖² − 2⟨x, y⟩, relative to ‖x‖² + ‖y‖².
    ///
    /// A sum of `dim` products in any order is off by dim · u · ‖x‖‖y‖ at most, to first order; the few other
    /// roundings and the second order fit in the margins.
    fn share(&self) -> f64 {
        1.05 * (self.dim as f64 + 8.0) * UNIT
    }

    /// Writes the inner products of some rows with some columns, row by row.
    fn multiply(&self, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>, out: &mut [f32]) {
        let dim = self.dim;
        let (left, right) = (
            &self.values[rows.start * dim..rows.end * dim],
            &self.values[columns.start * dim..columns.end * dim],
        );
        let (height, width) = (rows.len(), columns.len());
        assert!(out.len() >= height * width, "no room for the products");
        let (row, one) = (dim as isize, 1);
        // SAFETY: `left` and `right` hold `height` and `width` rows of `dim` floats and `out`, which is not shared,
        // has room for `height` rows of `width`; the strides say so, the right side being read as its transpose.
        unsafe {
            gemm::gemm(
                height,
                width,
                dim,
                out.as_mut_ptr(),
                one,
                width as isize,
                false,
                left.as_ptr(),
                one,
                row,
                right.as_ptr(),
                row,
                one,
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
}

/// Levels of T, and the exact diameter with its first pair; `goes_on` is told the share that is done.
pub(crate) fn levels_of<T: Level + Turns>(
    source: &RowsAtBase<'_>,
    order: Vec<usize>,
    goes_on: &(dyn Fn(f64) -> bool + Sync),
    isa: Isa,
) -> Result<(Levels<T>, Diameter), Unmade> {
    let rows = source.rows;
    let shape = match rows.metric() {
        Metric::Euclidean => Shape::Root,
        Metric::Cosine => Shape::Half,
        _ => return Err(Unmade::Unsure),
    };
    let prepared = Prepared::new(rows, &order).ok_or(Unmade::Unsure)?;
    let points = order.len();
    let high = source.base_distances.iter().copied().fold(0.0, f64::max);
    // Products of a metric are not negative. 1 − cos is none, and at most 2.
    let low = if shape == Shape::Half { -1.0 } else { 0.0 };
    let mut scale = Scale::spread::<T>(low, high);
    let reach = (2.0 * prepared.largest_norm).sqrt();
    let (allowed, error, weight) = match shape {
        Shape::Root => {
            let allowed = PATIENCE * prepared.share() * reach;
            (allowed, (1.02 * allowed + 8.0 * UNIT * reach) * prepared.unit, prepared.unit)
        }
        Shape::Half => {
            let of_square = (prepared.share() + 8.0 * UNIT) * reach * reach;
            (f64::from(f32::MAX), of_square * prepared.unit.powi(2), 0.5 * prepared.unit.powi(2))
        }
    };
    // Half the error of the distance, and the `f32` roundings of a level and its parts.
    scale.slack = 0.5 * error / scale.step + 0.01 + 8.0 * UNIT * f64::from(T::TOP);
    if scale.slack > f64::from(T::TOP) / 256.0 {
        return Err(Unmade::Unsure);
    }
    let half_levels = 0.5 / scale.step;
    let base: Vec<f32> =
        order.iter().map(|&p| ((source.base_distances[p] - low) * half_levels) as f32).collect();
    let mut matrix = Padded::filled(points, T::nearest(0.0));
    let stride = matrix.stride();
    let (stopped, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    let pairs = points * (points + 1) / 2;
    let far: Vec<f32> = matrix
        .all_mut()
        .par_chunks_mut(ROWS * stride)
        .enumerate()
        .map_init(
            || vec![0.0_f32; ROWS * COLUMNS],
            |products, (task, out)| {
                let first = task * ROWS;
                let last = (first + ROWS).min(points);
                let mut far = vec![0.0_f32; last - first];
                let done = seen.load(Ordering::Relaxed) as f64 / pairs as f64;
                if stopped.load(Ordering::Relaxed) || !goes_on(done) {
                    stopped.store(true, Ordering::Relaxed);
                    return far;
                }
                for start in (first..points).step_by(COLUMNS) {
                    let end = (start + COLUMNS).min(points);
                    prepared.multiply(first..last, start..end, products);
                    for (offset, line) in products.chunks_exact(end - start).take(last - first).enumerate() {
                        let i = first + offset;
                        let turn = Turn {
                            shape,
                            norm: prepared.norms[i],
                            base: base[i],
                            weight: (weight * half_levels) as f32,
                            share: prepared.share() as f32,
                            allowed: allowed as f32,
                        };
                        let row = &mut out[offset * stride..][start..end];
                        let norms = &prepared.norms[start..end];
                        let (most, unsure) = T::turn(isa, turn, line, norms, &base[start..end], row);
                        far[offset] = far[offset].max(most);
                        if unsure {
                            sharpen(source, &order, &scale, turn, (line, norms), (i, start), row);
                        }
                        if (start..end).contains(&i) {
                            row[i - start] = T::nearest(0.0);
                        }
                    }
                }
                seen.fetch_add((first..last).map(|i| points - i).sum(), Ordering::Relaxed);
                far
            },
        )
        .flatten_iter()
        .collect();
    if stopped.into_inner() {
        return Err(Unmade::Stopped);
    }
    mirror(matrix.all_mut(), stride, 0);
    let levels = Levels { matrix, scale, order };
    let bounds: Vec<f64> = far
        .into_iter()
        .map(|square| match shape {
            Shape::Root => f64::from(square).sqrt() * prepared.unit + error,
            Shape::Half => 0.5 * f64::from(square) * prepared.unit.powi(2) + error,
        })
        .collect();
    let diameter = diameter(&levels, source, &bounds);
    Ok((levels, diameter))
}

/// Replaces the levels of one row whose distances are too uncertain by those of exact products.
fn sharpen<T: Level>(
    source: &RowsAtBase<'_>,
    order: &[usize],
    scale: &Scale,
    turn: Turn,
    (products, norms): (&[f32], &[f32]),
    (i, start): (usize, usize),
    out: &mut [T],
) {
    for (offset, (&product, &norm)) in products.iter().zip(norms).enumerate() {
        if turn.is_unsure(product, norm) && start + offset != i {
            let exact = source.product(order[i], order[start + offset]);
            out[offset] = T::nearest(((exact - scale.low) / scale.step).clamp(0.0, f64::from(T::TOP)));
        }
    }
}

/// The exact diameter and its first pair, from bounds on the furthest distance to the right of each row.
fn diameter<T: Level>(levels: &Levels<T>, source: &RowsAtBase<'_>, bounds: &[f64]) -> Diameter {
    let Levels { matrix, scale, order } = levels;
    let points = order.len();
    let wide = 2.0 * scale.step * (0.6 + scale.slack);
    // The level of a pair gives its distance within `wide`.
    let about = |i: usize, j: usize, level: T| {
        let product = scale.low + scale.step * level.number() as f64;
        source.base_distance(order[i]) + source.base_distance(order[j]) - 2.0 * product
    };
    let mut rows: Vec<usize> = (0..points).collect();
    rows.sort_unstable_by(|&a, &b| bounds[b].total_cmp(&bounds[a]).then(a.cmp(&b)));
    let mut best = (0.0, (0, 0));
    for i in rows {
        if bounds[i] < best.0 {
            break;
        }
        let row = &matrix.row(i)[i + 1..];
        let furthest = row.iter().zip(i + 1..).map(|(&level, j)| about(i, j, level)).fold(0.0, f64::max);
        let mut least = f64::max(best.0, furthest - wide) - wide;
        for (&level, j) in row.iter().zip(i + 1..) {
            if about(i, j, level) < least {
                continue;
            }
            let pair = (order[i].min(order[j]), order[i].max(order[j]));
            let d = source.distance(pair.0, pair.1);
            if d > best.0 || (d == best.0 && d > 0.0 && pair < best.1) {
                best = (d, pair);
                least = least.max(d - wide);
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Every level within its slack of the exact product, with near and coinciding points among far ones.
    #[test]
    fn levels_are_within_their_slack() {
        let mut random = ChaCha8Rng::seed_from_u64(9);
        for (n, dim, metric) in
            [(300, 40, Metric::Euclidean), (150, 7, Metric::Cosine), (65, 300, Metric::Euclidean)]
        {
            let mut features: Vec<f32> = (0..n * dim).map(|_| random.random::<f32>() * 20.0 + 3.0).collect();
            for near in 0..n / 4 {
                for k in 0..dim {
                    let moved = features[near * dim + k] + if near % 3 == 0 { 0.0 } else { 1e-4 * k as f32 };
                    features[(n - 1 - near) * dim + k] = moved;
                }
            }
            let rows = Rows::new(&features, dim, metric).unwrap();
            let source = RowsAtBase::new(&rows, 5);
            let order: Vec<usize> = (0..n).rev().collect();
            for isa in Isa::ALL {
                let (levels, diameter) = levels_of::<u16>(&source, order.clone(), &|_| true, isa).unwrap();
                let want = crate::DistanceMatrix::from_rows(&rows).unwrap();
                assert_eq!(diameter, want.diameter());
                let Scale { low, step, slack, .. } = levels.scale;
                for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).filter(|(i, j)| i != j) {
                    let exact = (source.product(order[i], order[j]) - low) / step;
                    let got = f64::from(levels.matrix.row(i)[j]);
                    assert!(
                        (exact - got).abs() <= 0.5 + slack,
                        "{metric:?} {isa:?} ({i}, {j}): {exact} {got} ± {slack}"
                    );
                }
                assert!((0..n).all(|i| levels.matrix.row(i)[i] == 0));
            }
        }
    }
}
