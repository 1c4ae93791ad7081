//! Laws of δ: known spaces, invariances, bounds, and equality with slow and obvious forms.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use hyp_delta::space::{
    DiskSampling, EdgeLength, SphereDistance, SpherePart, TreeShape, hyperbolic_disk, sphere, tree,
};
use hyp_delta::{DistanceMatrix, Metric, delta_all_bases, delta_at_base, delta_of_features};
use hyp_math::Curvature;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Every triple at one base point, as the definition reads.
fn slow_at_base(d: &DistanceMatrix, w: usize) -> f64 {
    let n = d.points();
    let product = |x: usize, y: usize| 0.5 * ((d.get(w, x) + d.get(w, y)) - d.get(x, y));
    let mut best: f64 = 0.0;
    for i in 0..n {
        for j in 0..n {
            for k in 0..n {
                best = best.max(product(i, k).min(product(k, j)) - product(i, j));
            }
        }
    }
    best
}

/// The four-point condition over all quadruples, repeated points included.
fn four_point(d: &DistanceMatrix) -> f64 {
    let n = d.points();
    let mut best: f64 = 0.0;
    for x in 0..n {
        for y in x..n {
            for z in y..n {
                for w in z..n {
                    let mut sums =
                        [d.get(x, y) + d.get(z, w), d.get(x, z) + d.get(y, w), d.get(x, w) + d.get(y, z)];
                    sums.sort_by(f64::total_cmp);
                    best = best.max((sums[2] - sums[1]) / 2.0);
                }
            }
        }
    }
    best
}

fn cycle(n: usize) -> DistanceMatrix {
    DistanceMatrix::from_fn(n, |i, j| (j - i).min(n - (j - i)) as f64).unwrap()
}

/// A metric with many ties and coinciding points: shortest paths in a random graph with few edge lengths.
fn tied_metric(n: usize, seed: u64) -> DistanceMatrix {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut d = vec![0.0_f64; n * n];
    for i in 0..n {
        for j in i + 1..n {
            let v = random.random_range(0..8_u32) as f64;
            (d[i * n + j], d[j * n + i]) = (v, v);
        }
    }
    for k in 0..n {
        for i in 0..n {
            for j in 0..n {
                d[i * n + j] = d[i * n + j].min(d[i * n + k] + d[k * n + j]);
            }
        }
    }
    DistanceMatrix::new(n, d).unwrap()
}

/// Random points in a cube: a metric without ties, up to rounding.
fn cloud(n: usize, dim: usize, seed: u64) -> DistanceMatrix {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let points: Vec<f64> = (0..n * dim).map(|_| random.random()).collect();
    DistanceMatrix::from_features(&points, dim, Metric::Euclidean).unwrap()
}

#[test]
fn trees_are_exactly_zero() {
    for seed in 0..20 {
        for shape in [TreeShape::Attachment, TreeShape::Uniform] {
            for lengths in [EdgeLength::Unit, EdgeLength::Random] {
                let space = tree(40 + seed as usize, shape, lengths, seed).unwrap();
                assert_eq!(
                    delta_at_base(&space, seed as usize).delta,
                    0.0,
                    "{shape:?} {lengths:?} seed {seed}"
                );
            }
        }
        let space = tree(30, TreeShape::Attachment, EdgeLength::Random, seed).unwrap();
        assert_eq!(delta_all_bases(&space).delta, 0.0);
    }
}

/// ⌊n/4⌋, and one half less where n leaves 1 on division by 4.
#[test]
fn cycles_have_their_known_delta() {
    for n in 4..60 {
        let want = (n / 4) as f64 - if n % 4 == 1 { 0.5 } else { 0.0 };
        assert_eq!(delta_all_bases(&cycle(n)).delta, want, "cycle of {n}");
    }
}

/// The whole sphere has δ = π/2 (two antipodal pairs at right angles), and no sample exceeds it.
#[test]
fn samples_of_the_sphere_approach_half_pi() {
    let space = sphere(150, SpherePart::Whole, SphereDistance::Geodesic, 2).unwrap();
    let delta = delta_all_bases(&space).delta;
    // A sample of 150 comes within a tenth of the extreme quadruple.
    assert!(delta <= std::f64::consts::FRAC_PI_2 && delta > 0.9 * std::f64::consts::FRAC_PI_2, "{delta}");
}

#[test]
fn the_hyperbolic_plane_stays_below_ln_two() {
    for seed in 0..10 {
        for sampling in [DiskSampling::Euclidean, DiskSampling::Hyperbolic { radius: 8.0 }] {
            let delta = delta_all_bases(&hyperbolic_disk(80, sampling, seed).unwrap()).delta;
            assert!(delta < std::f64::consts::LN_2 && delta > 0.2, "{sampling:?} seed {seed}: {delta}");
        }
    }
    // Ideal points at right angles reach ln 2 in the limit; at radius 12 all but 1e-9 of it.
    let far = |i: usize, j: usize| {
        let half = 0.25 * std::f64::consts::PI * (j - i) as f64;
        2.0 * (12.0_f64.sinh() * half.sin()).asinh()
    };
    let square = delta_all_bases(&DistanceMatrix::from_fn(4, far).unwrap()).delta;
    assert!((square - std::f64::consts::LN_2).abs() < 1e-9, "{square}");
}

#[test]
fn equal_to_every_triple_on_random_matrices_with_ties_and_duplicates() {
    for seed in 0..120_u64 {
        let n = 4 + (seed as usize * 7) % 40;
        for space in [tied_metric(n, seed), cloud(n, 1 + seed as usize % 9, seed)] {
            let base = seed as usize % n;
            assert_eq!(delta_at_base(&space, base).delta, slow_at_base(&space, base), "seed {seed}");
        }
    }
}

/// Matrices that are no metrics at all still give the definition's value.
#[test]
fn equal_to_every_triple_where_the_triangle_inequality_fails() {
    for seed in 0..60_u64 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let n = 4 + seed as usize % 30;
        let values: Vec<f64> = (0..n * n).map(|_| random.random::<f64>().powi(3)).collect();
        let space = DistanceMatrix::from_fn(n, |i, j| values[i * n + j]).unwrap();
        assert_eq!(delta_at_base(&space, 2).delta, slow_at_base(&space, 2), "seed {seed}");
    }
}

#[test]
fn the_four_point_form_is_the_maximum_over_bases() {
    for seed in 0..40_u64 {
        let space = tied_metric(4 + seed as usize % 14, seed);
        // Integers: no rounding anywhere.
        assert_eq!(delta_all_bases(&space).delta, four_point(&space), "seed {seed}");
        let space = cloud(14, 3, seed);
        // Distances up to √3 carry a few roundings of 2e-16 in another order.
        assert!((delta_all_bases(&space).delta - four_point(&space)).abs() < 2e-15, "seed {seed}");
    }
}

/// Two ways to the same distances: polar coordinates, and the Poincaré ball of features, at two curvatures.
#[test]
fn the_disk_of_features_is_the_disk_of_polar_coordinates() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let polar: Vec<(f64, f64)> =
        (0..60).map(|_| (6.0 * random.random::<f64>(), random.random_range(0.0..6.3))).collect();
    let direct = DistanceMatrix::from_fn(60, |i, j| {
        let ((r, a), (s, b)) = (polar[i], polar[j]);
        let (radial, angular) = ((0.5 * (r - s)).sinh(), (0.5 * (a - b)).sin());
        2.0 * (radial * radial + r.sinh() * s.sinh() * angular * angular).sqrt().asinh()
    })
    .unwrap();
    for c in [1.0_f64, 0.25] {
        let points: Vec<f64> = polar
            .iter()
            .flat_map(|(r, a)| [a.cos(), a.sin()].map(|v| v * (0.5 * r).tanh() / c.sqrt()))
            .collect();
        let metric = Metric::Poincare(Curvature::new(c).unwrap());
        let ball = DistanceMatrix::from_features(&points, 2, metric).unwrap();
        let want = delta_at_base(&direct, 0).delta / c.sqrt();
        // At radius 6, 1 − ‖x‖² keeps all but three of its digits.
        assert!((delta_at_base(&ball, 0).delta - want).abs() < 1e-11, "c = {c}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_base_point_is_within_a_factor_two(seed in 0..10_000_u64, n in 4..24_usize, base in 0..4_usize) {
        let space = tied_metric(n, seed);
        let (at_base, all) = (delta_at_base(&space, base).delta, delta_all_bases(&space).delta);
        prop_assert!(at_base <= all && all <= 2.0 * at_base, "{at_base} {all}");
    }

    #[test]
    fn the_order_of_points_does_not_matter(seed in 0..10_000_u64, n in 4..60_usize) {
        let space = cloud(n, 4, seed);
        let mut order: Vec<usize> = (0..n).collect();
        order.rotate_left(seed as usize % n);
        order.swap(0, n / 2);
        let moved = space.submatrix(&order).unwrap();
        for place in [0, n - 1] {
            prop_assert_eq!(delta_at_base(&moved, place).delta, delta_at_base(&space, order[place]).delta);
        }
    }

    /// A power of two scales without rounding.
    #[test]
    fn delta_scales_with_the_distances(seed in 0..10_000_u64, n in 4..60_usize) {
        let space = cloud(n, 4, seed);
        let scaled = DistanceMatrix::from_fn(n, |i, j| 8.0 * space.get(i, j)).unwrap();
        let (a, b) = (delta_at_base(&space, 0), delta_at_base(&scaled, 0));
        prop_assert_eq!(8.0 * a.delta, b.delta);
        prop_assert_eq!(a.delta_rel(), b.delta_rel());
    }

    #[test]
    fn a_subset_has_no_larger_delta(seed in 0..10_000_u64, n in 8..40_usize) {
        let space = cloud(n, 2, seed);
        let half = space.submatrix(&(0..n / 2).collect::<Vec<_>>()).unwrap();
        prop_assert!(delta_at_base(&half, 0).delta <= delta_at_base(&space, 0).delta);
        prop_assert!(delta_all_bases(&half).delta <= delta_all_bases(&space).delta);
    }

    /// Duplicating points changes nothing.
    #[test]
    fn repeated_points_add_nothing(seed in 0..10_000_u64, n in 4..30_usize) {
        let space = cloud(n, 3, seed);
        let twice: Vec<usize> = (0..n).chain(0..n).collect();
        let doubled = space.submatrix(&twice).unwrap();
        prop_assert_eq!(delta_at_base(&doubled, n).delta, delta_at_base(&space, 0).delta);
    }

    /// The relative δ of a metric lies between 0 and 1.
    #[test]
    fn relative_delta_is_at_most_one(seed in 0..10_000_u64, n in 4..24_usize) {
        if let Some(relative) = delta_all_bases(&tied_metric(n, seed)).delta_rel() {
            prop_assert!((0.0..=1.0).contains(&relative), "{relative}");
        }
    }

    /// A rotation with reflections and a shift leaves every distance, up to the rounding of the moved coordinates.
    #[test]
    fn isometric_copies_have_one_delta(seed in 0..10_000_u64, n in 4..50_usize, dim in 1..12_usize) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let points: Vec<f64> = (0..n * dim).map(|_| random.random::<f64>() - 0.5).collect();
        let shift: Vec<f64> = (0..dim).map(|_| random.random()).collect();
        let mut moved = points.clone();
        // Householder's reflections in a few random planes make any orthogonal map.
        for _ in 0..3 {
            let normal: Vec<f64> = (0..dim).map(|_| random.random::<f64>() - 0.5).collect();
            let square: f64 = normal.iter().map(|v| v * v).sum();
            for row in moved.chunks_exact_mut(dim) {
                let along = 2.0 * row.iter().zip(&normal).map(|(x, v)| x * v).sum::<f64>() / square;
                row.iter_mut().zip(&normal).for_each(|(x, v)| *x -= along * v);
            }
        }
        let turned = moved.clone();
        for row in moved.chunks_exact_mut(dim) {
            row.iter_mut().zip(&shift).for_each(|(x, by)| *x += by);
        }
        let ball = Metric::Poincare(Curvature::new(0.2).unwrap());
        for (metric, copy) in [(Metric::Euclidean, &moved), (Metric::Angular, &turned), (ball, &turned)] {
            let of = |rows: &[f64]| delta_of_features(rows, dim, metric, n / 2).unwrap();
            let (here, there) = (of(&points), of(copy));
            // A hundred roundings of coordinates below 4, in each of the six distances of δ.
            let bound = 1e-13 * (1.0 + here.diameter);
            prop_assert!((here.delta - there.delta).abs() <= bound, "{metric:?} {here:?} {there:?}");
            prop_assert!((here.diameter - there.diameter).abs() <= bound);
        }
    }

    /// Whole coordinates in another order, and any coordinates with the other sign, give the same bits.
    #[test]
    fn mirrored_and_reordered_coordinates_change_no_bit(seed in 0..10_000_u64, n in 4..50_usize, dim in 2..40_usize) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let whole: Vec<f64> = (0..n * dim).map(|_| f64::from(random.random_range(-9..=9_i8))).collect();
        let reordered: Vec<f64> = whole.chunks_exact(dim).flat_map(|row| {
            let mut row = row.to_vec();
            row.rotate_left(seed as usize % dim);
            row.swap(0, dim - 1);
            row
        }).collect();
        let of = |rows: &[f64], metric| delta_of_features(rows, dim, metric, n - 1);
        prop_assert_eq!(of(&whole, Metric::Euclidean), of(&reordered, Metric::Euclidean));
        let points: Vec<f64> = whole.iter().map(|v| v / 70.0 + 1e-3 * random.random::<f64>()).collect();
        let mirrored: Vec<f64> =
            points.iter().enumerate().map(|(at, v)| if at % dim % 3 == 0 { -v } else { *v }).collect();
        let ball = Metric::Poincare(Curvature::new(0.9).unwrap());
        for metric in [Metric::Euclidean, Metric::Cosine, Metric::Angular, ball] {
            prop_assert_eq!(of(&points, metric), of(&mirrored, metric), "{:?}", metric);
        }
    }
}
