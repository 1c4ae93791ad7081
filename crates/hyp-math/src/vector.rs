//! Sums over slices in `f64`, in eight lanes, and elementwise maps that round once.
//!
//! The lanes let the compiler vectorise. They and the halving of blocks cut the rounding error of a sum of n terms to
//! n/64 + 12 steps.

use crate::Real;
use crate::eps::{SAFE_SQUARE_MAX, SAFE_SQUARE_MIN};

const LANES: usize = 8;

/// Terms written down before they are added.
const BLOCK: usize = 64;

/// K sums over one slice at once.
#[inline(always)]
pub(crate) fn sums1<T: Real, const K: usize>(x: &[T], f: impl Fn(f64) -> [f64; K]) -> [f64; K] {
    let (x_blocks, x) = x.as_chunks::<BLOCK>();
    let mut of_blocks = [0.0; K];
    if !x_blocks.is_empty() {
        let mut blocks = Blocks::new();
        for x in x_blocks {
            blocks.add(|i| f(x[i].to_f64()));
        }
        of_blocks = fold(blocks.lanes);
    }
    let mut lanes = [[0.0; LANES]; K];
    let (x_lanes, x) = x.as_chunks::<LANES>();
    for x in x_lanes {
        for l in 0..LANES {
            add(&mut lanes, l, f(x[l].to_f64()));
        }
    }
    for l in 0..x.len() {
        add(&mut lanes, l, f(x[l].to_f64()));
    }
    plus(of_blocks, fold(lanes))
}

/// K sums over two slices of one length at once.
#[inline(always)]
pub(crate) fn sums2<X: Real, Y: Real, const K: usize>(
    x: &[X],
    y: &[Y],
    f: impl Fn(f64, f64) -> [f64; K],
) -> [f64; K] {
    assert_eq!(x.len(), y.len(), "vectors of one operation must have one length");
    let (x_blocks, x) = x.as_chunks::<BLOCK>();
    let (y_blocks, y) = y.as_chunks::<BLOCK>();
    let mut of_blocks = [0.0; K];
    if !x_blocks.is_empty() {
        let mut blocks = Blocks::new();
        for (x, y) in x_blocks.iter().zip(y_blocks) {
            blocks.add(|i| f(x[i].to_f64(), y[i].to_f64()));
        }
        of_blocks = fold(blocks.lanes);
    }
    let mut lanes = [[0.0; LANES]; K];
    let (x_lanes, x) = x.as_chunks::<LANES>();
    let (y_lanes, y) = y.as_chunks::<LANES>();
    for (x, y) in x_lanes.iter().zip(y_lanes) {
        for l in 0..LANES {
            add(&mut lanes, l, f(x[l].to_f64(), y[l].to_f64()));
        }
    }
    for l in 0..x.len() {
        add(&mut lanes, l, f(x[l].to_f64(), y[l].to_f64()));
    }
    plus(of_blocks, fold(lanes))
}

/// K sums over three slices of one length at once.
#[inline(always)]
pub(crate) fn sums3<X: Real, Y: Real, Z: Real, const K: usize>(
    x: &[X],
    y: &[Y],
    z: &[Z],
    f: impl Fn(f64, f64, f64) -> [f64; K],
) -> [f64; K] {
    assert_eq!(x.len(), y.len(), "vectors of one operation must have one length");
    assert_eq!(x.len(), z.len(), "vectors of one operation must have one length");
    let (x_blocks, x) = x.as_chunks::<BLOCK>();
    let (y_blocks, y) = y.as_chunks::<BLOCK>();
    let (z_blocks, z) = z.as_chunks::<BLOCK>();
    let mut of_blocks = [0.0; K];
    if !x_blocks.is_empty() {
        let mut blocks = Blocks::new();
        for ((x, y), z) in x_blocks.iter().zip(y_blocks).zip(z_blocks) {
            blocks.add(|i| f(x[i].to_f64(), y[i].to_f64(), z[i].to_f64()));
        }
        of_blocks = fold(blocks.lanes);
    }
    let mut lanes = [[0.0; LANES]; K];
    let (x_lanes, x) = x.as_chunks::<LANES>();
    let (y_lanes, y) = y.as_chunks::<LANES>();
    let (z_lanes, z) = z.as_chunks::<LANES>();
    for ((x, y), z) in x_lanes.iter().zip(y_lanes).zip(z_lanes) {
        for l in 0..LANES {
            add(&mut lanes, l, f(x[l].to_f64(), y[l].to_f64(), z[l].to_f64()));
        }
    }
    for l in 0..x.len() {
        add(&mut lanes, l, f(x[l].to_f64(), y[l].to_f64(), z[l].to_f64()));
    }
    plus(of_blocks, fold(lanes))
}

/// K sums over blocks.
///
/// The terms of a block are written down first, in a loop over places that compilers put into vectors of any width, and
/// then halved, in the same way, until one vector is left: sums that are kept in registers from the start are arranged
/// two at a time.
struct Blocks<const K: usize> {
    terms: [[f64; BLOCK]; K],
    lanes: [[f64; LANES]; K],
}

impl<const K: usize> Blocks<K> {
    #[inline(always)]
    fn new() -> Self {
        Self { terms: [[0.0; BLOCK]; K], lanes: [[0.0; LANES]; K] }
    }

    #[inline(always)]
    fn add(&mut self, term: impl Fn(usize) -> [f64; K]) {
        for i in 0..BLOCK {
            let term = term(i);
            for k in 0..K {
                self.terms[k][i] = term[k];
            }
        }
        for (terms, lanes) in self.terms.iter_mut().zip(&mut self.lanes) {
            halve::<{ BLOCK / 2 }>(terms);
            halve::<{ BLOCK / 4 }>(terms);
            halve::<{ BLOCK / 8 }>(terms);
            for l in 0..LANES {
                lanes[l] += terms[l];
            }
        }
    }
}

#[inline(always)]
fn add<const K: usize>(lanes: &mut [[f64; LANES]; K], l: usize, terms: [f64; K]) {
    for k in 0..K {
        lanes[k][l] += terms[k];
    }
}

#[inline(always)]
fn fold<const K: usize>(lanes: [[f64; LANES]; K]) -> [f64; K] {
    lanes.map(|s| ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7])))
}

#[inline(always)]
fn plus<const K: usize>(mut a: [f64; K], b: [f64; K]) -> [f64; K] {
    for k in 0..K {
        a[k] += b[k];
    }
    a
}

/// Adds the second half of twice `HALF` terms to the first.
#[inline(always)]
fn halve<const HALF: usize>(terms: &mut [f64; BLOCK]) {
    let (first, second) = terms.split_at_mut(HALF);
    for i in 0..HALF {
        first[i] += second[i];
    }
}

/// ⟨x, y⟩.
#[inline(always)]
pub(crate) fn dot<T: Real>(x: &[T], y: &[T]) -> f64 {
    let [sum] = sums2(x, y, |x, y| [x * y]);
    sum
}

/// ‖x‖².
#[inline(always)]
pub(crate) fn square<T: Real>(x: &[T]) -> f64 {
    let [sum] = sums1(x, |x| [x * x]);
    sum
}

/// ‖x‖, right to a few roundings for every finite x: a vector of tiny or huge numbers is scaled first.
#[inline(always)]
pub(crate) fn norm<T: Real>(x: &[T]) -> f64 {
    root(square(x), || x.iter().map(|x| x.to_f64()))
}

/// ‖sx + y‖ for s = ±1, from its square where that is safe.
#[inline(always)]
pub(crate) fn norm_of_sum<T: Real>(square: f64, s: f64, x: &[T], y: &[T]) -> f64 {
    root(square, || x.iter().zip(y).map(move |(x, y)| s * x.to_f64() + y.to_f64()))
}

/// √`square`, or the norm of the scaled vector if the square has left the safe range.
#[inline(always)]
pub(crate) fn root<I: Iterator<Item = f64>>(square: f64, components: impl Fn() -> I) -> f64 {
    if (SAFE_SQUARE_MIN..=SAFE_SQUARE_MAX).contains(&square) {
        square.sqrt()
    } else {
        scaled_norm(components)
    }
}

#[cold]
fn scaled_norm<I: Iterator<Item = f64>>(components: impl Fn() -> I) -> f64 {
    // `f64::max` would drop a NaN, and the norm must not.
    let mut largest = 0.0_f64;
    for x in components() {
        let a = x.abs();
        if a > largest || a.is_nan() {
            largest = a;
        }
        if largest.is_nan() {
            break;
        }
    }
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    let sum: f64 = components().map(|x| (x / largest) * (x / largest)).sum();
    largest * sum.sqrt()
}

/// outᵢ = f(xᵢ).
#[inline(always)]
pub(crate) fn map1<T: Real, X: Real>(out: &mut [T], x: &[X], f: impl Fn(f64) -> f64) {
    assert_eq!(out.len(), x.len(), "the output must have the length of the input");
    for (o, x) in out.iter_mut().zip(x) {
        *o = T::from_f64(f(x.to_f64()));
    }
}

/// outᵢ = f(xᵢ, yᵢ).
#[inline(always)]
pub(crate) fn map2<T: Real>(out: &mut [T], x: &[T], y: &[T], f: impl Fn(f64, f64) -> f64) {
    assert_eq!(out.len(), x.len(), "the output must have the length of the input");
    assert_eq!(out.len(), y.len(), "the output must have the length of the input");
    for ((o, x), y) in out.iter_mut().zip(x).zip(y) {
        *o = T::from_f64(f(x.to_f64(), y.to_f64()));
    }
}

/// outᵢ = f(xᵢ, yᵢ, zᵢ).
#[inline(always)]
pub(crate) fn map3<T: Real, Z: Real>(
    out: &mut [T],
    x: &[T],
    y: &[T],
    z: &[Z],
    f: impl Fn(f64, f64, f64) -> f64,
) {
    assert_eq!(out.len(), x.len(), "the output must have the length of the input");
    assert_eq!(out.len(), y.len(), "the output must have the length of the input");
    assert_eq!(out.len(), z.len(), "the output must have the length of the input");
    for (((o, x), y), z) in out.iter_mut().zip(x).zip(y).zip(z) {
        *o = T::from_f64(f(x.to_f64(), y.to_f64(), z.to_f64()));
    }
}

/// (outᵢ, moreᵢ) = f(xᵢ, yᵢ): two outputs for one conversion of the inputs.
#[inline(always)]
pub(crate) fn map2_twice<T: Real>(
    out: &mut [T],
    more: &mut [T],
    x: &[T],
    y: &[T],
    f: impl Fn(f64, f64) -> (f64, f64),
) {
    assert_eq!(out.len(), x.len(), "the output must have the length of the input");
    assert_eq!(more.len(), x.len(), "the output must have the length of the input");
    assert_eq!(x.len(), y.len(), "vectors of one operation must have one length");
    for ((out, more), (x, y)) in out.iter_mut().zip(more).zip(x.iter().zip(y)) {
        let (first, second) = f(x.to_f64(), y.to_f64());
        (*out, *more) = (T::from_f64(first), T::from_f64(second));
    }
}

/// (outᵢ, moreᵢ) = f(xᵢ, yᵢ, zᵢ).
#[inline(always)]
pub(crate) fn map3_twice<T: Real>(
    out: &mut [T],
    more: &mut [T],
    x: &[T],
    y: &[T],
    z: &[T],
    f: impl Fn(f64, f64, f64) -> (f64, f64),
) {
    assert_eq!(out.len(), x.len(), "the output must have the length of the input");
    assert_eq!(more.len(), x.len(), "the output must have the length of the input");
    assert_eq!(x.len(), y.len(), "vectors of one operation must have one length");
    assert_eq!(x.len(), z.len(), "vectors of one operation must have one length");
    for ((out, more), ((x, y), z)) in out.iter_mut().zip(more).zip(x.iter().zip(y).zip(z)) {
        let (first, second) = f(x.to_f64(), y.to_f64(), z.to_f64());
        (*out, *more) = (T::from_f64(first), T::from_f64(second));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_every_length() {
        for n in 0..40_usize {
            let x: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let ones = vec![1.0_f32; n];
            let want = (n * n.saturating_sub(1) / 2) as f64;
            assert_eq!(dot(&x, &ones), want);
            assert_eq!(sums1(&x, |x| [x, 2.0 * x]), [want, 2.0 * want]);
            assert_eq!(sums3(&x, &ones, &ones, |x, y, z| [x * y + z]), [want + n as f64]);
        }
    }

    #[test]
    fn norms_of_tiny_and_huge_vectors() {
        for scale in [1e-300_f64, 1e-200, 1e-150, 1.0, 1e150, 1e300] {
            let got = norm(&[3.0 * scale, 4.0 * scale]);
            // Three roundings: two quotients and the product with the scale.
            assert!((got / (5.0 * scale) - 1.0).abs() < 1e-15, "{got}");
        }
        assert_eq!(norm::<f64>(&[]), 0.0);
        assert_eq!(norm(&[0.0, -0.0]), 0.0);
        assert_eq!(norm(&[1.0, f64::INFINITY]), f64::INFINITY);
        assert!(norm(&[f64::NAN, 1e200]).is_nan());
        assert!(norm(&[1e200, f64::NAN]).is_nan());
    }
}
