//! Good triples found quickly: coordinate ascent from many starts. They are the lower bound of every exact search.

use rayon::prelude::*;

use super::best::Found;
use super::levels::Levels;
use super::source::Source;
use crate::maxmin::{Isa, Level};

/// Rounds of an ascent; few starts need half as many.
const ROUNDS: usize = 12;

/// Rows of which one is the first other end where the nearest row leads nowhere.
const OPPOSITES: usize = 256;

/// The best triple of ascents from the given rows; the same for the same rows, whatever the threads do.
pub(crate) fn ascend<T: Level>(
    levels: &Levels<T>,
    source: &impl Source,
    starts: &[usize],
    isa: Isa,
) -> Found {
    let nothing = Found { value: 0.0, triple: [usize::MAX; 3] };
    starts.par_iter().map(|&start| ascend_from(levels, source, start, isa)).reduce(|| nothing, Found::better)
}

/// Rows spread evenly over all.
pub(crate) fn spread(points: usize, count: usize) -> Vec<usize> {
    let count = count.min(points);
    (0..count).map(|s| s * points / count).collect()
}

/// From a row: the row it has most in common with, and from there the best other end. Where that leads nowhere, because
/// the first is as good as the row itself, as a point beside it is, a row that is far off and reaches far.
fn ascend_from<T: Level>(levels: &Levels<T>, source: &impl Source, start: usize, isa: Isa) -> Found {
    let row = levels.matrix.row(start);
    let reach = T::largest(isa, row);
    let nearest = row.iter().position(|&v| v == reach);
    let other_end = nearest.and_then(|k| best_other_end(levels, start, k, isa));
    let found = climb(levels, source, (start, other_end), isa);
    if found.value > 0.0 {
        return found;
    }
    climb(levels, source, (start, opposite(levels, start, reach, isa)), isa)
}

/// From two ends, in turn the best middle and the best other end.
fn climb<T: Level>(
    levels: &Levels<T>,
    source: &impl Source,
    (mut i, mut other_end): (usize, Option<usize>),
    isa: Isa,
) -> Found {
    let mut best = Found { value: 0.0, triple: [usize::MAX; 3] };
    for _ in 0..ROUNDS {
        let Some(j) = other_end else { return best };
        let (x, y) = (levels.matrix.row(i), levels.matrix.row(j));
        let common = T::most_common(isa, x, y);
        let k =
            (0..x.len()).find(|&k| x[k].min(y[k]) == common).expect("invariant: the maximum is in the rows");
        let triple = [i, k, j].map(|row| levels.order[row]);
        let found = Found::new(source.excess(triple), triple);
        if found.value <= best.value {
            return best;
        }
        best = found;
        i = j;
        other_end = best_other_end(levels, i, k, isa);
    }
    best
}

/// Of some rows, the one for which the lesser of its largest level and `reach` exceeds its level with row i by most.
fn opposite<T: Level>(levels: &Levels<T>, i: usize, reach: T, isa: Isa) -> Option<usize> {
    let row = levels.matrix.row(i);
    let gain = |j: usize| T::largest(isa, levels.matrix.row(j)).min(reach).number() - row[j].number();
    let some = spread(row.len(), OPPOSITES).into_iter().filter(|&j| j != i);
    some.map(|j| (gain(j), j)).max_by_key(|&(gain, j)| (gain, std::cmp::Reverse(j))).map(|(_, j)| j)
}

/// The row j ≠ i for which min(level ik, level jk) exceeds level ij by most.
fn best_other_end<T: Level>(levels: &Levels<T>, i: usize, k: usize, isa: Isa) -> Option<usize> {
    let (x, y) = (levels.matrix.row(i), levels.matrix.row(k));
    let cap = x[k];
    // The diagonal is at the lowest level and would win, so the row is taken in two parts.
    let before = T::most_gained(isa, cap, &y[..i], &x[..i]);
    let after = T::most_gained(isa, cap, &y[i + 1..], &x[i + 1..]);
    let gain = before.max(after).number();
    let reaches = |j: usize| y[j].min(cap).number() - x[j].number() == gain;
    if gain == 0 { None } else { (0..x.len()).find(|&j| j != i && reaches(j)) }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::levels::Scale;
    use super::super::source::MatrixAtBase;
    use super::super::survey::Survey;
    use super::*;
    use crate::distance::DistanceMatrix;
    use crate::metric::Metric;

    /// A point beside each, too near for the levels to tell from it, takes nothing from what the ascent finds.
    #[test]
    fn doubles_do_not_end_the_ascent() {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let rows: Vec<f64> = (0..300 * 16).map(|_| random.random()).collect();
        let of = |rows: &[f64]| {
            let distances = DistanceMatrix::from_features(rows, 16, Metric::Euclidean).unwrap();
            let source = MatrixAtBase { distances: &distances, base: 0 };
            let survey = Survey::of(&distances, 0);
            let scale = Scale::spread::<u8>(survey.low, survey.high);
            let order = (0..distances.points()).collect();
            let levels = Levels::<u8>::of_matrix(&distances, 0, order, scale, Isa::detect());
            ascend(&levels, &source, &spread(distances.points(), 48), Isa::detect()).value
        };
        let moved: Vec<f64> = rows.iter().map(|v| v + 1e-9).collect();
        let (alone, doubled) = (of(&rows), of(&[rows, moved].concat()));
        assert!(alone > 0.1 && doubled > 0.9 * alone, "{alone} {doubled}");
    }
}
