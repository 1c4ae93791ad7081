//! An order of the points in which near points stand near each other, so that blocks of rows have something in common.

use super::source::Source;

/// Points of a block; the halves of every split hold whole blocks.
pub(crate) const BLOCK: usize = 64;

/// Splits the points in two by which of two far points is nearer, and the halves again, down to blocks.
///
/// Deterministic; about three distances a point and level.
pub(crate) fn spatial_order(source: &impl Source, points: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points).collect();
    split(source, &mut order);
    order
}

fn split(source: &impl Source, part: &mut [usize]) {
    if part.len() <= BLOCK {
        return;
    }
    let one = furthest(source, part[0], part);
    let other = furthest(source, one, part);
    let mut keyed: Vec<(f64, usize)> =
        part.iter().map(|&p| (source.distance(one, p) - source.distance(other, p), p)).collect();
    let middle = (part.len().div_ceil(BLOCK) / 2) * BLOCK;
    keyed.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    for (to, (_, point)) in part.iter_mut().zip(keyed) {
        *to = point;
    }
    let (left, right) = part.split_at_mut(middle);
    rayon::join(|| split(source, left), || split(source, right));
}

/// The point furthest from a given one; of equals the first.
fn furthest(source: &impl Source, from: usize, part: &[usize]) -> usize {
    let mut best = (-1.0, from);
    for &p in part {
        let d = source.distance(from, p);
        if d > best.0 || (d == best.0 && p < best.1) {
            best = (d, p);
        }
    }
    best.1
}
