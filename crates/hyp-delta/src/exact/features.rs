//! Levels of features without a distance matrix: distances by a blocked matrix product in `f32`, with a proven bound
//! on their error; pairs for which the bound is too wide, and all that matters in the end, in `f64`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::Diameter;
use super::levels::{Levels, Scale};
use super::prepared::{Prepared, UNIT};
use super::reading::Reading;
use super::source::Source;
use super::turn::{Others, Turn, Turns};
use crate::distance::mirror;
use crate::gromov::gromov_product;
use crate::maxmin::{Isa, Level, Padded};
use crate::metric::{Metric, Rows};

/// Columns that are multiplied at a time, so that the products are still in cache when they become levels.
const COLUMNS: usize = 512;

/// Rows that one task multiplies with all columns to their right: many, because each task brings the columns into the
/// order of the product anew, but few enough that all threads have tasks to the end.
fn rows_at_once(points: usize) -> usize {
    (points / (8 * rayon::current_num_threads())).next_multiple_of(64).clamp(128, 512)
}

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
    /// `f32` cannot tell enough of them apart.
    Unsure,
    /// The search was told to stop.
    Stopped,
}

/// Levels of T, and the exact diameter with its first pair; `goes_on` is told the share that is done.
pub(crate) fn levels_of<T: Level + Turns>(
    source: &RowsAtBase<'_>,
    order: Vec<usize>,
    goes_on: &(dyn Fn(f64) -> bool + Sync),
    isa: Isa,
) -> Result<(Levels<T>, Diameter), Unmade> {
    let rows = source.rows;
    let prepared = Prepared::new(rows, &order).ok_or(Unmade::Unsure)?;
    let points = order.len();
    let high = source.base_distances.iter().copied().fold(0.0, f64::max);
    // Products of a metric are not negative. 1 − cos is none, and at most 2.
    let low = if rows.metric() == Metric::Cosine { -1.0 } else { 0.0 };
    let mut scale = Scale::spread::<T>(low, high);
    let reading = Reading::of(rows, &order, &prepared, high).ok_or(Unmade::Unsure)?;
    // Half the error of the distance, and the `f32` roundings of a level and its parts.
    scale.slack = 0.5 * reading.error / scale.step + 0.01 + 8.0 * UNIT * f64::from(T::TOP);
    if scale.slack.is_nan() || scale.slack > f64::from(T::TOP) / 256.0 {
        return Err(Unmade::Unsure);
    }
    let half_levels = 0.5 / scale.step;
    let base: Vec<f32> =
        order.iter().map(|&p| ((source.base_distances[p] - low) * half_levels) as f32).collect();
    let mut matrix = Padded::filled(points, T::nearest(0.0));
    let stride = matrix.stride();
    let (stopped, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    let pairs = points * (points + 1) / 2;
    let rows_at_once = rows_at_once(points);
    let others = Others { norms: &prepared.norms, base: &base, own: &reading.own };
    let far: Vec<f64> = matrix
        .all_mut()
        .par_chunks_mut(rows_at_once * stride)
        .enumerate()
        .map_init(
            || vec![0.0_f32; rows_at_once * COLUMNS],
            |products, (task, out)| {
                let first = task * rows_at_once;
                let last = (first + rows_at_once).min(points);
                let mut far = vec![0.0_f64; last - first];
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
                            shape: reading.shape,
                            norm: prepared.norms[i],
                            base: base[i],
                            weight: (reading.length * half_levels) as f32,
                            share: prepared.share() as f32,
                            allowed: reading.allowed as f32,
                            own: reading.own(i),
                        };
                        let row = &mut out[offset * stride..][start..end];
                        let others = others.part(start..end);
                        let (most, unsure) = T::turn(isa, turn, line, others, row);
                        far[offset] = far[offset].max(f64::from(most) * reading.length + reading.error);
                        if unsure {
                            let exact =
                                sharpen(source, &order, &scale, turn, (line, others), (i, start), row);
                            far[offset] = far[offset].max(exact);
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
    let diameter = diameter(&levels, source, &far);
    Ok((levels, diameter))
}

/// By how much of the range of all levels the finest go beyond it on either side, so that rounding stays within.
const BEYOND: f64 = 1e-8;
/// Rows that are compared with a block of columns while it is in cache, and numbers in such a block.
const FEW_ROWS: usize = 16;
const BLOCK_VALUES: usize = 32_768;

/// Finer levels of the same rows from exact products, for survivors that are many; nothing where `goes_on`, which
/// is told the share that is done, says so.
pub(crate) fn finest_of<T: Level>(
    source: &RowsAtBase<'_>,
    levels: &Levels<u16>,
    goes_on: &(dyn Fn(f64) -> bool + Sync),
    isa: Isa,
) -> Option<Levels<T>> {
    let order = levels.order.clone();
    let (points, low) = (order.len(), levels.scale.low);
    let range = levels.scale.step * f64::from(u16::TOP);
    let scale = Scale::spread::<T>(low - BEYOND * range, low + (1.0 + BEYOND) * range);
    let rows = source.rows.subset(&order);
    let base: Vec<f64> = order.iter().map(|&p| source.base_distances[p]).collect();
    let mut matrix = Padded::filled(points, T::nearest(0.0));
    let stride = matrix.stride();
    let columns = (BLOCK_VALUES / rows.dim()).max(1);
    let (stopped, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    matrix.all_mut().par_chunks_mut(FEW_ROWS * stride).enumerate().for_each_init(
        || vec![0.0; columns],
        |distances, (group, out)| {
            let first = group * FEW_ROWS;
            let done = seen.load(Ordering::Relaxed) as f64 / (points * points / 2) as f64;
            if stopped.load(Ordering::Relaxed) || !goes_on(done.min(1.0)) {
                stopped.store(true, Ordering::Relaxed);
                return;
            }
            for start in (first..points).step_by(columns) {
                let end = (start + columns).min(points);
                for (i, line) in (first..).zip(out.chunks_exact_mut(stride)) {
                    let start = start.max(i + 1);
                    if start < end {
                        let distances = &mut distances[..end - start];
                        rows.distances(isa, i, start, distances);
                        let (from_base, per_step) = (&base[start..end], 1.0 / scale.step);
                        T::levels(
                            isa,
                            base[i],
                            from_base,
                            distances,
                            scale.low,
                            per_step,
                            &mut line[start..end],
                        );
                        seen.fetch_add(end - start, Ordering::Relaxed);
                    }
                }
            }
        },
    );
    if stopped.into_inner() {
        return None;
    }
    mirror(matrix.all_mut(), stride, 0);
    Some(Levels { matrix, scale, order })
}

/// Replaces the levels of one row whose distances are too uncertain by those of exact products; returns the largest of
/// those distances.
fn sharpen<T: Level>(
    source: &RowsAtBase<'_>,
    order: &[usize],
    scale: &Scale,
    turn: Turn,
    (products, others): (&[f32], Others<'_>),
    (i, start): (usize, usize),
    out: &mut [T],
) -> f64 {
    let mut most = 0.0;
    for (offset, &product) in products.iter().enumerate() {
        if turn.is_unsure(product, &others, offset) && start + offset != i {
            let (one, other) = (order[i], order[start + offset]);
            let distance = source.distance(one, other);
            most = f64::max(most, distance);
            let exact = gromov_product(source.base_distance(one), source.base_distance(other), distance);
            out[offset] = T::nearest(((exact - scale.low) / scale.step).clamp(0.0, f64::from(T::TOP)));
        }
    }
    most
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
    use hyp_math::Curvature;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Finest levels are those of exact products, whatever the metric, and stop when they are told to.
    #[test]
    fn finest_levels_are_of_exact_products() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let ball = Metric::Poincare(Curvature::new(1.0).unwrap());
        for (metric, size) in
            [(Metric::Euclidean, 9.0), (Metric::Cosine, 1.0), (Metric::Angular, 1.0), (ball, 1.0)]
        {
            let features = rows_for(metric, 150, 5, size, &mut random);
            let rows = Rows::new(&features, 5, metric).unwrap();
            let source = RowsAtBase::new(&rows, 7);
            let order: Vec<usize> = (0..150).rev().collect();
            let (levels, _) = levels_of::<u16>(&source, order.clone(), &|_| true, Isa::detect()).unwrap();
            let finest = finest_of::<i32>(&source, &levels, &|_| true, Isa::detect()).unwrap();
            for (i, j) in (0..150).flat_map(|i| (0..150).map(move |j| (i, j))) {
                let exact = (source.product(order[i], order[j]) - finest.scale.low) / finest.scale.step;
                let level = if i == j { 0.0 } else { exact };
                assert!(
                    (f64::from(finest.matrix.row(i)[j]) - level).abs() <= 0.5 + 1e-6,
                    "{metric:?} {i} {j}"
                );
            }
            assert!(finest_of::<i32>(&source, &levels, &|_| false, Isa::detect()).is_none());
        }
    }

    /// Rows for a metric; those of the ball of up to `size` of its radius, and up to its edge in all but a millionth.
    fn rows_for(metric: Metric, n: usize, dim: usize, size: f64, random: &mut ChaCha8Rng) -> Vec<f32> {
        let mut row = || -> Vec<f64> {
            let x: Vec<f64> = (0..dim).map(|_| random.random_range(-1.0..1.0)).collect();
            match metric {
                Metric::Poincare(c) if !c.is_flat() => {
                    let norm = x.iter().map(|v| v * v).sum::<f64>().sqrt();
                    let to = size * c.radius() * (1.0 - 10_f64.powf(random.random_range(-6.0..0.0)));
                    x.iter().map(|v| v / norm * to).collect()
                }
                Metric::Angular => x,
                _ => x.iter().map(|v| size * (0.5 + 0.5 * v) + 3.0).collect(),
            }
        };
        (0..n).flat_map(|_| row()).map(|v| v as f32).collect()
    }

    /// Every level within its slack of the exact product, with near, coinciding and opposite points among others.
    #[test]
    fn levels_are_within_their_slack() {
        let mut random = ChaCha8Rng::seed_from_u64(9);
        let ball = |c| Metric::Poincare(Curvature::new(c).unwrap());
        for (n, dim, metric, size) in [
            (300, 40, Metric::Euclidean, 20.0),
            (150, 7, Metric::Cosine, 20.0),
            (65, 300, Metric::Euclidean, 20.0),
            (200, 30, Metric::Angular, 1.0),
            // From the whole ball to a small part of it, and the flat one.
            (300, 40, ball(1.0), 1.0),
            (300, 40, ball(2.0), 1e-3),
            (150, 300, ball(1e-9), 0.1),
            (150, 30, ball(0.0), 5.0),
        ] {
            let mut features = rows_for(metric, n, dim, size, &mut random);
            for near in 0..n / 4 {
                let other = n - 1 - near;
                for k in 0..dim {
                    let by = match near % 4 {
                        0 => 1.0,
                        1 if metric == Metric::Angular => -1.0,
                        _ => 1.0 - 1e-5 * (k % 3) as f32,
                    };
                    features[other * dim + k] = by * features[near * dim + k];
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
