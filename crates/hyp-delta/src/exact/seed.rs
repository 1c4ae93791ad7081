//! Good triples found quickly: coordinate ascent from many starts. They are the lower bound of every exact search.

use rayon::prelude::*;

use super::best::Found;
use super::levels::Levels;
use super::source::Source;
use crate::maxmin::{Isa, Level};

/// Rounds of an ascent; few starts need half as many.
const ROUNDS: usize = 12;

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

/// From a row: the row it has most in common with, then in turn the best other end and the best middle.
fn ascend_from<T: Level>(levels: &Levels<T>, source: &impl Source, start: usize, isa: Isa) -> Found {
    let mut best = Found { value: 0.0, triple: [usize::MAX; 3] };
    let mut i = start;
    let row = levels.matrix.row(i);
    let Some(mut k) = place_of(row, |v| v == T::largest(isa, row)) else { return best };
    for _ in 0..ROUNDS {
        let Some(j) = best_other_end(levels, i, k, isa) else { return best };
        let (x, y) = (levels.matrix.row(i), levels.matrix.row(j));
        let common = T::most_common(isa, x, y);
        k = (0..x.len()).find(|&k| x[k].min(y[k]) == common).expect("invariant: the maximum is in the rows");
        let triple = [i, k, j].map(|row| levels.order[row]);
        let found = Found::new(source.excess(triple), triple);
        if found.value <= best.value {
            return best;
        }
        best = found;
        i = j;
    }
    best
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

fn place_of<T: Copy>(row: &[T], test: impl Fn(T) -> bool) -> Option<usize> {
    row.iter().position(|&v| test(v))
}
