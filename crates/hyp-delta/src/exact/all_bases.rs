//! δ over all base points: bounds in 16 bits leave few triples, and those are evaluated in `f64`.
//!
//! Twice the excess of (i, k, j) at w is d(i, j) + min(d(w, k) − d(i, k) − d(w, j), d(w, k) − d(j, k) − d(w, i)). With
//! s(w, i) the largest d(w, k) − d(i, k) over k, it is at most d(i, j) + min(s(w, i) − d(w, j), s(w, j) − d(w, i)), and
//! with that at most s(w, i) + s(i, w), whatever j is.
//! The four points can change roles, so w may be taken as the first of them.

#![expect(
    unsafe_code,
    reason = "the same safe loops compiled for vector instructions that not every processor has"
)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

use super::quad::{Shown, ascend, best_with};
use super::report::{Go, Status};
use super::spans::Spans;
use crate::distance::DistanceMatrix;
use crate::maxmin::{Isa, Padded, versions};

/// Starts of the ascent.
const STARTS: usize = 256;
/// Base points of one task: the rows of the others come from memory once for all of them.
const GROUP: usize = 16;
/// Other points that are compared with the base points together.
const OTHERS: usize = 2;
/// Numbers of a row that are compared before the next rows are, so that all rows at hand stay in the nearest cache.
const CHUNK: usize = 1024;
/// Distances as 16-bit numbers: sums and differences of three stay within range.
const TOP: f64 = 8191.0;
/// In place of a distance that must not be chosen.
const NEVER: i16 = 12_000;
/// Numbers that one loop handles at once; rows are padded to a multiple of it.
const WIDTH: usize = 32;

/// The best quadruple so far, and the bound below which nothing matters any more.
struct Search<'a> {
    distances: &'a DistanceMatrix,
    /// Distances with a zero diagonal.
    from_base: Padded<i16>,
    /// Distances with a diagonal that no maximum of differences chooses.
    from_end: Padded<i16>,
    /// Bits of the value to reach.
    target: AtomicU64,
    best: Mutex<Shown>,
    /// Triples evaluated in `f64`.
    evaluated: AtomicU64,
    /// 16-bit steps in a distance of 1.
    per_step: f64,
    isa: Isa,
}

impl Search<'_> {
    /// The least bound, in steps, that can belong to a value that matters.
    fn threshold(&self) -> i32 {
        let target = f64::from_bits(self.target.load(Ordering::Relaxed));
        // Four distances are each rounded by half a step at most.
        (2.0 * target * self.per_step * (1.0 - 1e-9) - 2.5).ceil() as i32
    }

    fn offer(&self, shown: Shown) {
        if shown.value >= f64::from_bits(self.target.load(Ordering::Relaxed)) {
            self.target.fetch_max(shown.value.to_bits(), Ordering::Relaxed);
            let mut best = self.best.lock().expect("invariant: no holder of the lock panics");
            *best = best.better(shown);
        }
    }

    fn found(&self) -> Shown {
        *self.best.lock().expect("invariant: no holder of the lock panics")
    }
}

/// How a search over all bases ended.
pub(crate) struct Outcome {
    /// The best quadruple found.
    pub(crate) shown: Shown,
    /// Triples evaluated in `f64`.
    pub(crate) evaluated: u64,
    /// A value that no quadruple exceeds; none where too many triples passed the bounds.
    pub(crate) at_most: Option<f64>,
}

/// The best quadruple of at least four points, whose diameter is no matter of the last bits of doubles and which nothing
/// exceeds `bound`; the best so far if more than `most` triples had to be evaluated in `f64`, or if `go` said so.
pub(crate) fn search(
    distances: &DistanceMatrix,
    diameter: f64,
    (spans, bound): (&Spans, f64),
    most: u64,
    go: Go<'_>,
    isa: Isa,
) -> Outcome {
    let points = distances.points();
    let start = ascend(distances, STARTS.min(8 * points));
    let per_step = TOP / diameter;
    assert!(per_step.is_finite(), "a diameter of {diameter:e} has no steps");
    let steps = |diagonal: i16| {
        let mut matrix = Padded::filled(points, 0_i16);
        let stride = matrix.stride();
        matrix.all_mut().par_chunks_mut(stride).enumerate().for_each(|(i, out)| {
            for (to, d) in out.iter_mut().zip(distances.row(i)) {
                *to = (d * per_step).round() as i16;
            }
            out[i] = diagonal;
        });
        matrix
    };
    // The point i is no middle of itself and j; where the triangle inequality fails, w can be one of i and j.
    let search = Search {
        distances,
        from_base: steps(0),
        from_end: steps(NEVER),
        target: AtomicU64::new(start.value.next_up().to_bits()),
        best: Mutex::new(start),
        evaluated: AtomicU64::new(0),
        per_step,
        isa,
    };
    let groups = points.div_ceil(GROUP);
    let open: Vec<AtomicBool> = (0..groups).map(|_| AtomicBool::new(true)).collect();
    let ceiling = || {
        let first = open.iter().position(|open| open.load(Ordering::Relaxed)).unwrap_or(groups);
        f64::max(search.found().value, spans.ceiling_from(first * GROUP).min(bound))
    };
    let (crowded, out_of_time) = (AtomicBool::new(false), AtomicBool::new(false));
    let closed = AtomicU64::new(0);
    // Asked before each group, and after each pair that took an evaluation: where many do, a group takes long.
    let goes_on = || {
        crowded.fetch_or(search.evaluated.load(Ordering::Relaxed) > most, Ordering::Relaxed);
        if crowded.load(Ordering::Relaxed) || out_of_time.load(Ordering::Relaxed) {
            return false;
        }
        let done = closed.load(Ordering::Relaxed) as f64 / groups as f64;
        let in_time = go(Status { at_least: search.found().value, at_most: ceiling(), done });
        out_of_time.fetch_or(!in_time, Ordering::Relaxed);
        in_time
    };
    (0..groups).into_par_iter().with_max_len(1).for_each_init(
        || Slack::new(search.from_end.stride()),
        |slack, group| {
            if goes_on() && search_group(&search, group * GROUP, slack, &goes_on) {
                open[group].store(false, Ordering::Relaxed);
                closed.fetch_add(1, Ordering::Relaxed);
            }
        },
    );
    // Which triples a crowded search has seen depends on the threads; its start does not.
    let crowded = crowded.into_inner() && !out_of_time.load(Ordering::Relaxed);
    let shown = if crowded { start } else { search.found() };
    Outcome {
        shown,
        evaluated: search.evaluated.load(Ordering::Relaxed),
        at_most: (!crowded).then(|| if out_of_time.into_inner() { ceiling() } else { shown.value }),
    }
}

/// For each base point of a group and each other point, how much further any point is from the one than from the other.
struct Slack {
    /// maxₖ d(w, k) − d(i, k)
    of_base: Vec<Vec<i16>>,
    /// maxₖ d(i, k) − d(w, k)
    of_other: Vec<Vec<i16>>,
}

impl Slack {
    fn new(stride: usize) -> Self {
        let rows = || vec![vec![0; stride]; GROUP];
        Self { of_base: rows(), of_other: rows() }
    }
}

/// All triples whose first point is one of a few; returns whether `goes_on` let it come to its end.
///
/// Twice the excess is at most s(w, i) + s(i, w), which is known once for the pair and rules out nearly all of them.
fn search_group(search: &Search<'_>, first: usize, slack: &mut Slack, goes_on: &dyn Fn() -> bool) -> bool {
    let points = search.distances.points();
    let start = first / WIDTH * WIDTH;
    let end = points.next_multiple_of(WIDTH);
    let bases: [usize; GROUP] = std::array::from_fn(|t| (first + t).min(points - 1));
    for i in (first..points).step_by(OTHERS) {
        let others: [usize; OTHERS] = std::array::from_fn(|u| (i + u).min(points - 1));
        let mut spread = [[Spread::NONE; OTHERS]; GROUP];
        for from in (start..end).step_by(CHUNK) {
            let range = from..(from + CHUNK).min(end);
            let base = |point: usize| &search.from_base.padded_row(point)[range.clone()];
            let end = |point: usize| &search.from_end.padded_row(point)[range.clone()];
            let own = bases.iter().chain(&others).any(|point| range.contains(point));
            compare(
                search.isa,
                &bases.map(base),
                &others.map(base),
                own.then(|| (bases.map(end), others.map(end))),
                &mut spread,
            );
        }
        for (t, spread) in spread.iter().enumerate() {
            for (u, spread) in spread.iter().enumerate() {
                slack.of_base[t][others[u]] = spread.most.iter().copied().fold(i16::MIN, Ord::max);
                slack.of_other[t][others[u]] = -spread.least.iter().copied().fold(i16::MAX, Ord::min);
            }
        }
    }
    for t in 0..GROUP.min(points - first) {
        let w = first + t;
        let own = search.from_end.row(w);
        let (slack, back) = (&slack.of_base[t][..points], &slack.of_other[t][..points]);
        for i in w + 1..points {
            if i32::from(slack[i]) + i32::from(back[i]) >= search.threshold()
                && search_pair(search, (w, i), own, slack)
                && !goes_on()
            {
                return false;
            }
            // Where the triangle inequality fails, i can stand for both ends.
            if i32::from(slack[i]) - i32::from(own[i]) >= search.threshold() {
                search.offer(best_with(search.distances, w, i, i));
                search.evaluated.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    true
}

/// All triples of a base point and one end; returns whether any had to be evaluated.
fn search_pair(search: &Search<'_>, (w, i): (usize, usize), own: &[i16], slack: &[i16]) -> bool {
    let from = i + 1;
    let row = &search.from_end.row(i)[from..];
    let most = largest_bound(search.isa, row, &own[from..], &slack[from..], slack[i], own[i]);
    if i32::from(most) < search.threshold() {
        return false;
    }
    let mut evaluated = 0;
    for (offset, &level) in row.iter().enumerate() {
        let j = from + offset;
        let bound = i32::from(slack[i]) - i32::from(own[j]);
        let bound = bound.min(i32::from(slack[j]) - i32::from(own[i])) + i32::from(level);
        if bound >= search.threshold() {
            search.offer(best_with(search.distances, w, i, j));
            evaluated += 1;
        }
    }
    search.evaluated.fetch_add(evaluated, Ordering::Relaxed);
    evaluated > 0
}

/// The largest and the least differences of two rows so far, in parts.
#[derive(Debug, Clone, Copy)]
struct Spread {
    most: [i16; WIDTH],
    least: [i16; WIDTH],
}

impl Spread {
    const NONE: Self = Self { most: [i16::MIN; WIDTH], least: [i16::MAX; WIDTH] };
}

/// Rows of the base points and of the others in which the distance of a point from itself is never chosen.
type EndRows<'a> = ([&'a [i16]; GROUP], [&'a [i16]; OTHERS]);

versions! {
    /// Takes the differences xₖ − yₖ of each base row x and each other row y into account, whose length is a multiple
    /// of 32 and whose padding counts as a difference of zero.
    ///
    /// One difference serves both ends. Only where the rows hold the points themselves do the two differ: there the row
    /// that is subtracted, or subtracted from, is taken from `ends`.
    fn compare(
        bases: &[&[i16]; GROUP],
        others: &[&[i16]; OTHERS],
        ends: Option<EndRows<'_>>,
        spread: &mut [[Spread; OTHERS]; GROUP]
    ) -> () {
        for t in 0..GROUP {
            for u in 0..OTHERS {
                let Spread { mut most, mut least } = spread[t][u];
                let pairs = bases[t].chunks_exact(WIDTH).zip(others[u].chunks_exact(WIDTH));
                if let Some((end_bases, end_others)) = &ends {
                    let ends = end_bases[t].chunks_exact(WIDTH).zip(end_others[u].chunks_exact(WIDTH));
                    for ((x, y), (end_x, end_y)) in pairs.zip(ends) {
                        for l in 0..WIDTH {
                            most[l] = most[l].max(x[l].wrapping_sub(end_y[l]));
                            least[l] = least[l].min(end_x[l].wrapping_sub(y[l]));
                        }
                    }
                } else {
                    for (x, y) in pairs {
                        for l in 0..WIDTH {
                            let difference = x[l].wrapping_sub(y[l]);
                            most[l] = most[l].max(difference);
                            least[l] = least[l].min(difference);
                        }
                    }
                }
                spread[t][u] = Spread { most, least };
            }
        }
    }
}

versions! {
    /// maxⱼ d(i, j) + min(s(w, i) − d(w, j), s(w, j) − d(w, i)), or the lowest number of empty rows.
    fn largest_bound(row: &[i16], own: &[i16], slack: &[i16], slack_i: i16, own_i: i16) -> i16 {
        let mut most = [i16::MIN; WIDTH];
        let bound = |d: i16, own_j: i16, slack_j: i16| {
            slack_i.saturating_sub(own_j).min(slack_j.saturating_sub(own_i)).saturating_add(d)
        };
        let (rows, owns, slacks) = (row.chunks_exact(WIDTH), own.chunks_exact(WIDTH), slack.chunks_exact(WIDTH));
        let rest = rows.remainder().iter().zip(owns.remainder()).zip(slacks.remainder());
        let rest = rest.map(|((&d, &o), &s)| bound(d, o, s)).fold(i16::MIN, Ord::max);
        for ((d, o), s) in rows.zip(owns).zip(slacks) {
            for l in 0..WIDTH {
                most[l] = most[l].max(bound(d[l], o[l], s[l]));
            }
        }
        most.into_iter().fold(rest, Ord::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_loops_agree_with_iterators_on_every_instruction_set() {
        let mut random = ChaCha8Rng::seed_from_u64(8);
        let mut row = |n: usize| (0..n).map(|_| random.random_range(0..12_000_i16)).collect::<Vec<_>>();
        for count in [32, 64, 160] {
            let rows: Vec<Vec<i16>> = (0..GROUP + OTHERS + 3).map(|_| row(count)).collect();
            let ends: Vec<Vec<i16>> = (0..GROUP + OTHERS).map(|_| row(count)).collect();
            let bases: [&[i16]; GROUP] = std::array::from_fn(|t| &rows[t][..]);
            let others: [&[i16]; OTHERS] = std::array::from_fn(|u| &rows[GROUP + u][..]);
            let end_rows =
                (std::array::from_fn(|t| &ends[t][..]), std::array::from_fn(|u| &ends[GROUP + u][..]));
            for isa in Isa::ALL {
                for ends in [None, Some(end_rows)] {
                    let mut spread = [[Spread::NONE; OTHERS]; GROUP];
                    compare(isa, &bases, &others, ends, &mut spread);
                    for (t, u) in (0..GROUP).flat_map(|t| (0..OTHERS).map(move |u| (t, u))) {
                        let (x, y) = ends.map_or((bases[t], others[u]), |(x, y)| (x[t], y[u]));
                        let most = bases[t].iter().zip(y).map(|(a, b)| a - b).max();
                        let least = x.iter().zip(others[u]).map(|(a, b)| a - b).min();
                        assert_eq!(spread[t][u].most.into_iter().max(), most, "{isa:?} {count}");
                        assert_eq!(spread[t][u].least.into_iter().min(), least, "{isa:?} {count}");
                    }
                }
                let (a, b, c) = (&rows[GROUP + OTHERS], &rows[GROUP + OTHERS + 1], &rows[GROUP + OTHERS + 2]);
                let short = count - 9;
                let got = largest_bound(isa, &a[..short], &b[..short], &c[..short], 500, 300);
                let bound = |j: usize| (500_i16.saturating_sub(b[j])).min(c[j].saturating_sub(300));
                let want = (0..short).map(|j| bound(j).saturating_add(a[j])).max();
                assert_eq!(Some(got), want, "{isa:?} {count}");
            }
        }
    }
}
