//! The fast searches give the bits of the definition, on every instruction set and for data made to trip them.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use hyp_delta::exact::{Limits, Method, delta_at_base_on, delta_of_features_within};
use hyp_delta::gromov::gromov_matrix;
use hyp_delta::maxmin::{Isa, largest_excess};
use hyp_delta::space::{
    DiskSampling, EdgeLength, SphereDistance, SpherePart, TreeShape, hyperbolic_disk, sphere, tree,
};
use hyp_delta::{DistanceMatrix, Metric};
use hyp_math::Curvature;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn gaussian(n: usize, dim: usize, seed: u64) -> DistanceMatrix {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
    let points: Vec<f64> = (0..n * dim).map(|_| normal()).collect();
    DistanceMatrix::from_features(&points, dim, Metric::Euclidean).unwrap()
}

/// Value and witness against the definition, on every instruction set.
fn check(space: &DistanceMatrix, base: usize, name: &str) -> Vec<Method> {
    let products = gromov_matrix(space, base);
    let want = largest_excess(&products, space.points()).value.max(0.0);
    let n = space.points();
    let mut methods = Vec::new();
    let mut witnesses = Vec::new();
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let (got, work) = delta_at_base_on(space, base, isa);
        assert_eq!(
            got.delta.to_bits(),
            want.to_bits(),
            "{name} on {isa:?}: {} for {want}, {work:?}",
            got.delta
        );
        assert_eq!((got.diameter, got.diameter_pair), space.diameter(), "{name}");
        match got.witness {
            Some([i, k, j]) => {
                let value = products[i * n + k].min(products[k * n + j]) - products[i * n + j];
                assert_eq!(value, want, "{name} on {isa:?}: witness");
            }
            None => assert_eq!(want, 0.0, "{name}"),
        }
        methods.push(work.method);
        witnesses.push(got.witness);
    }
    assert!(witnesses.windows(2).all(|w| w[0] == w[1]), "{name}: {witnesses:?}");
    methods
}

/// Hundreds of small spaces of all kinds, n up to 300.
#[test]
fn small_spaces_of_all_kinds() {
    for seed in 0..60_u64 {
        let n = 4 + (seed as usize * 37) % 297;
        let base = seed as usize % n;
        check(&gaussian(n, 1 + seed as usize % 20, seed), base, &format!("gaussian {seed}"));
        let disk = hyperbolic_disk(n, DiskSampling::Hyperbolic { radius: 6.0 }, seed).unwrap();
        check(&disk, base, &format!("disk {seed}"));
        let half = sphere(n, SpherePart::UpperHalf, SphereDistance::Geodesic, seed).unwrap();
        check(&half, base, &format!("half sphere {seed}"));
        let branches = tree(n, TreeShape::Uniform, EdgeLength::Random, seed).unwrap();
        check(&branches, base, &format!("tree {seed}"));
    }
}

/// Few different distances, so that thousands of triples have the maximum; and matrices that are no metrics.
#[test]
fn ties_duplicates_and_failing_triangles() {
    for seed in 0..60_u64 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let n = 4 + (seed as usize * 53) % 200;
        let base = random.random_range(0..n);
        let whole: Vec<f64> = (0..n * n).map(|_| f64::from(random.random_range(1..4_u8))).collect();
        let ties = DistanceMatrix::from_fn(n, |i, j| whole[i * n + j]).unwrap();
        check(&ties, base, &format!("ties {seed}"));
        let third = DistanceMatrix::from_fn(n, |i, j| whole[i * n + j] / 3.0).unwrap();
        check(&third, base, &format!("ties of thirds {seed}"));
        let cubes =
            DistanceMatrix::from_fn(n, |i, j| (whole[i * n + j] * 0.3 + 0.001 * (i % 7) as f64).powi(5))
                .unwrap();
        check(&cubes, base, &format!("no metric {seed}"));
        let few: Vec<usize> = (0..n).map(|_| random.random_range(0..n.div_ceil(3))).collect();
        check(&gaussian(n, 3, seed).submatrix(&few).unwrap(), base, &format!("duplicates {seed}"));
    }
}

/// Spaces whose δ is rounding and nothing else: no filter helps, and the definition itself has to be evaluated.
#[test]
fn delta_of_rounding_alone() {
    let line: Vec<f64> = (0..120).map(|i| (f64::from(i) * 0.7).sin()).collect();
    check(&DistanceMatrix::from_features(&line, 1, Metric::Euclidean).unwrap(), 7, "line");
    // Thirds of whole lengths are rounded, and bounds do not end the search of so many branches.
    let branches = tree(120, TreeShape::Uniform, EdgeLength::Random, 4).unwrap();
    let thirds = DistanceMatrix::from_fn(120, |i, j| branches.get(i, j) / 3.0).unwrap();
    let methods = check(&thirds, 7, "thirds");
    assert!(methods.contains(&Method::Plain), "{methods:?}");
    let equidistant = DistanceMatrix::from_fn(50, |_, _| 0.1).unwrap();
    check(&equidistant, 3, "equidistant");
    check(&DistanceMatrix::new(9, vec![0.0; 81]).unwrap(), 3, "one place");
}

/// Distances over many orders of magnitude leave few levels for the small ones.
#[test]
fn wide_ranges() {
    for seed in 0..20_u64 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let points: Vec<f64> = (0..400).map(|_| (random.random::<f64>() * 40.0 - 30.0).exp()).collect();
        check(
            &DistanceMatrix::from_features(&points, 2, Metric::Euclidean).unwrap(),
            0,
            &format!("wide {seed}"),
        );
    }
    let methods = check(&gaussian(300, 30, 1), 0, "gaussian");
    assert!(methods.iter().all(|&m| m == Method::Dense { bits: 8 }), "{methods:?}");
}

/// The ball of which the furthest row is at the edge, but for a share of its squared radius.
fn ball_of<T: Copy + Into<f64>>(rows: &[T], dim: usize, margin: f64) -> Metric {
    let square = |row: &[T]| row.iter().map(|&v| v.into().powi(2)).sum::<f64>();
    let furthest = rows.chunks(dim).map(square).fold(0.0, f64::max);
    Metric::Poincare(Curvature::new((1.0 - margin) / furthest).unwrap())
}

/// Features without a matrix give what features through a matrix give, in every part of the result.
#[test]
fn features_without_a_matrix() {
    use hyp_delta::exact::delta_of_features_on;
    for seed in 0..40_u64 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let n = 4 + (seed as usize * 37) % 260;
        let dim = 1 + (seed as usize * 11) % 90;
        let mut rows: Vec<f32> =
            (0..n * dim).map(|_| random.random::<f32>() * 4.0 + 10.0 * (seed % 3) as f32).collect();
        if seed % 4 == 0 {
            // Coinciding and nearly coinciding points.
            for k in 0..dim * (n / 3) {
                rows[k] = rows[k + dim * (n / 2)] + if seed % 8 == 0 { 0.0 } else { 1e-5 };
            }
        }
        for metric in [Metric::Euclidean, Metric::Cosine, Metric::Angular, ball_of(&rows, dim, 1e-4)] {
            let matrix = DistanceMatrix::from_features(&rows, dim, metric).unwrap();
            for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
                let (want, _) = delta_at_base_on(&matrix, n / 2, isa);
                let (got, work) = delta_of_features_on(&rows, dim, metric, n / 2, isa).unwrap();
                assert_eq!(
                    got.delta.to_bits(),
                    want.delta.to_bits(),
                    "seed {seed} {metric:?} {isa:?} {work:?}"
                );
                assert_eq!(
                    (got.diameter, got.diameter_pair),
                    (want.diameter, want.diameter_pair),
                    "seed {seed}"
                );
            }
        }
    }
}

/// All base points at once against one base point after the other, to the bit.
#[test]
fn all_bases_at_once() {
    use hyp_delta::exact::delta_all_bases_on;
    let mut methods = Vec::new();
    for seed in 0..16_u64 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let n = 4 + (seed as usize * 29) % 70;
        let whole: Vec<f64> = (0..n * n).map(|_| f64::from(random.random_range(1..5_u8))).collect();
        let disk = hyperbolic_disk(n, DiskSampling::Hyperbolic { radius: 5.0 }, seed).unwrap();
        let spaces = [
            ("gaussian", gaussian(n, 1 + seed as usize % 40, seed)),
            ("disk", disk),
            ("ties", DistanceMatrix::from_fn(n, |i, j| whole[i * n + j]).unwrap()),
            ("no metric", DistanceMatrix::from_fn(n, |i, j| (whole[i * n + j] / 3.0).powi(6)).unwrap()),
            ("tree", tree(n, TreeShape::Uniform, EdgeLength::Random, seed).unwrap()),
        ];
        for (name, space) in spaces {
            let want =
                (0..n).map(|base| largest_excess(&gromov_matrix(&space, base), n).value).fold(0.0, f64::max);
            for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
                let (got, work) = delta_all_bases_on(&space, isa);
                assert_eq!(
                    got.delta.to_bits(),
                    want.to_bits(),
                    "{name} {seed} {isa:?}: {} for {want}",
                    got.delta
                );
                if let Some([i, k, j]) = got.witness {
                    let at =
                        |x, y| 0.5 * ((space.get(got.base, x) + space.get(got.base, y)) - space.get(x, y));
                    assert_eq!(at(i, k).min(at(k, j)) - at(i, j), want, "{name} {seed}: witness");
                }
                methods.push(work.method);
            }
        }
    }
    assert!(methods.contains(&Method::Triples) && methods.contains(&Method::EachBase));
}

/// Enough points for the pruned search to be chosen, against the definition.
#[test]
fn many_points() {
    use hyp_delta::exact::delta_of_features_on;
    let (n, dim, clusters) = (2010, 24, 12);
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let centres: Vec<f64> = (0..clusters * dim).map(|_| 3.0 * random.random::<f64>()).collect();
    let rows: Vec<f64> = (0..n * dim)
        .map(|v| centres[(v / dim) % clusters * dim + v % dim] + random.random::<f64>())
        .collect();
    let matrix = DistanceMatrix::from_features(&rows, dim, Metric::Euclidean).unwrap();
    let want = largest_excess(&gromov_matrix(&matrix, 11), n).value;
    let (result, work) = delta_at_base_on(&matrix, 11, Isa::detect());
    assert_eq!((result.delta, work.method), (want, Method::Pruned));
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let (got, work) = delta_of_features_on(&rows, dim, Metric::Euclidean, 11, isa).unwrap();
        assert_eq!((got, work.method), (result.clone(), Method::Pruned), "{isa:?}");
    }
    // Of no metric is the matrix needed: three bytes for each pair do for levels, where distances take eight.
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Angular, ball_of(&rows, dim, 1e-9)] {
        let matrix = DistanceMatrix::from_features(&rows, dim, metric).unwrap();
        let (want, _) = delta_at_base_on(&matrix, 11, Isa::detect());
        let limits = Limits::NONE.memory(3.0 * (n * n) as f64);
        let (got, _) = delta_of_features_within(&rows, dim, metric, 11, limits, Isa::detect()).unwrap();
        assert_eq!((got.at_least, got.at_most), (want.clone(), want.delta), "{metric:?}");
    }
}

/// Where very many pairs come within a rounding of δ, features tell them apart by finer levels, as a matrix does.
#[test]
fn crowds_of_features_are_thinned_before_they_are_evaluated() {
    use hyp_delta::exact::delta_of_features_on;
    let (n, radius) = (2100, 10.0_f64);
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let rows: Vec<f64> = (0..n)
        .flat_map(|_| {
            let distance = (1.0 + random.random::<f64>() * (radius.cosh() - 1.0)).acosh();
            let (norm, angle) = ((0.5 * distance).tanh(), std::f64::consts::TAU * random.random::<f64>());
            [norm * angle.cos(), norm * angle.sin()]
        })
        .collect();
    let metric = Metric::Poincare(Curvature::ONE);
    let (want, _) =
        delta_at_base_on(&DistanceMatrix::from_features(&rows, 2, metric).unwrap(), 0, Isa::detect());
    let (got, work) = delta_of_features_on(&rows, 2, metric, 0, Isa::detect()).unwrap();
    assert_eq!(got, want);
    assert!(work.refined < 10 * n as u64, "{work:?}");
}

/// Each row twice costs what it costs once, at a base point and over all, of features and of a matrix: no search falls
/// back to the definition, and none looks at the doubles.
#[test]
fn rows_that_come_twice_cost_what_they_cost_once() {
    use hyp_delta::exact::{delta_all_bases_of_features_within, delta_all_bases_on, delta_of_features_on};
    let (n, dim) = (300, 64);
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut normal = || (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
    let rows: Vec<f64> = (0..n * dim).map(|_| normal()).collect();
    let twice = [&rows[..], &rows[..]].concat();
    let isa = Isa::detect();
    for metric in [Metric::Euclidean, Metric::Cosine, Metric::Angular, ball_of(&rows, dim, 1e-3)] {
        let (once, cheap) = delta_of_features_on(&rows, dim, metric, 7, isa).unwrap();
        let (found, work) = delta_of_features_on(&twice, dim, metric, n + 7, isa).unwrap();
        assert_eq!((found.delta.to_bits(), found.points), (once.delta.to_bits(), 2 * n), "{metric:?}");
        assert_eq!((found.diameter, found.diameter_pair), (once.diameter, once.diameter_pair));
        assert_eq!((found.base, found.witness), (n + 7, once.witness), "{metric:?}");
        assert_eq!(work.method, cheap.method, "{metric:?}");
        let matrix = DistanceMatrix::from_features(&twice, dim, metric).unwrap();
        let methods = check(&matrix, n + 7, "twice");
        assert!(!methods.contains(&Method::Plain), "{metric:?} {methods:?}");
        let once = DistanceMatrix::from_features(&rows, dim, metric).unwrap();
        let (all, cheap) = delta_all_bases_on(&once, isa);
        let (found, work) = delta_all_bases_on(&matrix, isa);
        assert_eq!((found.delta.to_bits(), work.method), (all.delta.to_bits(), cheap.method), "{metric:?}");
        let (interval, work) =
            delta_all_bases_of_features_within(&twice, dim, metric, Limits::NONE, isa).unwrap();
        assert_eq!((interval.at_least, work.method), (found, cheap.method), "{metric:?}");
    }
    // Nearly the same rows are not the same, and are no reason to fall back either.
    let near: Vec<f64> = rows.iter().map(|v| v * (1.0 + 1e-9)).collect();
    let beside = DistanceMatrix::from_features(&[rows, near].concat(), dim, Metric::Euclidean).unwrap();
    let methods = check(&beside, 3, "nearly twice");
    assert!(!methods.contains(&Method::Plain), "{methods:?}");
}

/// Few points many times: what is left when the doubles are gone is no space of four points.
#[test]
fn few_points_many_times() {
    for distinct in 1..6_usize {
        let space = gaussian(distinct, 3, 5);
        let many: Vec<usize> = (0..90).map(|i| i * 7 % 90 * distinct / 90).collect();
        check(&space.submatrix(&many).unwrap(), 88, &format!("{distinct} points"));
    }
    // Three points for which the triangle inequality fails have an excess as soon as they are four.
    let far = DistanceMatrix::from_fn(3, |i, j| if (i, j) == (0, 1) { 9.0 } else { 1.0 }).unwrap();
    check(&far.submatrix(&[0, 1, 2, 2, 1, 0, 2]).unwrap(), 4, "no triangle");
}

/// Draws with replacement have doubles in every draw.
#[test]
fn draws_with_replacement_are_searched_without_their_doubles() {
    use hyp_delta::exact::delta_of_features_on;
    use hyp_delta::{Protocol, Replacement, sample::estimate_features};
    let (n, dim) = (200, 16);
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let rows: Vec<f32> = (0..n * dim).map(|_| random.random()).collect();
    let protocol = Protocol { draws: 3, size: 400, replacement: Replacement::With, seed: 9 };
    let found = estimate_features(&rows, dim, Metric::Euclidean, &protocol).unwrap();
    for (draw, chosen) in found.draws.iter().zip(protocol.indices(n).unwrap()) {
        let drawn: Vec<f32> =
            chosen.iter().flat_map(|&p| rows[p * dim..(p + 1) * dim].iter().copied()).collect();
        let matrix = DistanceMatrix::from_features(&drawn, dim, Metric::Euclidean).unwrap();
        let want = largest_excess(&gromov_matrix(&matrix, 0), chosen.len()).value;
        assert_eq!((draw.delta, draw.base, draw.points), (want, chosen[0], 400));
        let (_, work) = delta_of_features_on(&drawn, dim, Metric::Euclidean, 0, Isa::detect()).unwrap();
        assert_ne!(work.method, Method::Plain);
    }
}

/// Diameters near the smallest doubles, down to those that have but a few bits: no step has a reciprocal there.
#[test]
fn distances_near_the_smallest_doubles() {
    use hyp_delta::exact::delta_all_bases_on;
    for (seed, size) in [1e-270, 1e-290, 1e-305, 1e-308, 1e-315, 1e-320].into_iter().enumerate() {
        let mut random = ChaCha8Rng::seed_from_u64(seed as u64);
        let n = 40;
        let values: Vec<f64> = (0..n * n).map(|_| (0.5 + 0.5 * random.random::<f64>()) * size).collect();
        let space = DistanceMatrix::from_fn(n, |i, j| values[i * n + j]).unwrap();
        let mut want: f64 = 0.0;
        for base in 0..n {
            check(&space, base, &format!("{size:e}"));
            want = want.max(largest_excess(&gromov_matrix(&space, base), n).value);
        }
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let (found, work) = delta_all_bases_on(&space, isa);
            assert_eq!(found.delta.to_bits(), want.to_bits(), "{size:e} {isa:?} {work:?}");
        }
        let rows: Vec<f64> = values.iter().take(n * 3).copied().collect();
        let matrix = DistanceMatrix::from_features(&rows, 3, Metric::Euclidean).unwrap();
        let found = hyp_delta::delta_of_features(&rows, 3, Metric::Euclidean, 5).unwrap();
        let want = largest_excess(&gromov_matrix(&matrix, 5), n).value;
        assert_eq!(found.delta.to_bits(), want.to_bits(), "features of {size:e}");
    }
}

/// The same over all base points, where the first quadruples that are found are not the best: on several spaces.
#[test]
fn all_bases_near_the_smallest_doubles() {
    use hyp_delta::exact::delta_all_bases_on;
    for size in [1e-305, 1e-308, 1e-320] {
        for seed in 0..6 {
            let (n, mut random) = (120, ChaCha8Rng::seed_from_u64(seed));
            let values: Vec<f64> = (0..n * n).map(|_| (0.5 + 0.5 * random.random::<f64>()) * size).collect();
            let space = DistanceMatrix::from_fn(n, |i, j| values[i * n + j]).unwrap();
            let at = |base| largest_excess(&gromov_matrix(&space, base), n).value;
            let want = (0..n).map(at).fold(0.0, f64::max);
            let (found, work) = delta_all_bases_on(&space, Isa::detect());
            assert_eq!(found.delta.to_bits(), want.to_bits(), "{size:e} {seed} {work:?}");
        }
    }
}

/// Where what δ over all base points needs does not fit, it lies between δ at one base point and twice that.
#[test]
fn all_bases_in_little_memory_have_an_interval() {
    use hyp_delta::exact::{delta_all_bases_of_features_within, delta_all_bases_within};
    let (n, dim) = (240, 8);
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let rows: Vec<f64> = (0..n * dim).map(|_| random.random()).collect();
    let pairs = (n * n) as f64;
    for metric in [Metric::Euclidean, Metric::Cosine] {
        let matrix = DistanceMatrix::from_features(&rows, dim, metric).unwrap();
        let (exact, _) = delta_all_bases_within(&matrix, Limits::NONE, Isa::detect());
        let at_base = delta_at_base_on(&matrix, 0, Isa::detect()).0.delta;
        for bytes in [0.5, 3.0, 9.0, 12.0] {
            let limits = Limits::NONE.memory(bytes * pairs);
            let (found, work) =
                delta_all_bases_of_features_within(&rows, dim, metric, limits, Isa::detect()).unwrap();
            assert!(
                found.at_least.delta <= exact.at_most && exact.at_most <= found.at_most,
                "{bytes} {found:?}"
            );
            assert_eq!(work.method, Method::OneBase, "{bytes}");
            if bytes > 2.5 {
                assert_eq!(found.at_least.delta, at_base);
                assert!(found.at_most <= 2.0 * at_base + 1e-12, "{found:?}");
            }
        }
        let limits = Limits::NONE.memory(13.0 * pairs);
        let (found, _) =
            delta_all_bases_of_features_within(&rows, dim, metric, limits, Isa::detect()).unwrap();
        assert_eq!(found, exact);
        let (found, work) = delta_all_bases_within(&matrix, Limits::NONE.memory(2.5 * pairs), Isa::detect());
        assert!(work.method == Method::OneBase && found.at_most <= 2.0 * at_base + 1e-12, "{found:?}");
        assert!(found.at_least.delta <= exact.at_most && exact.at_most <= found.at_most, "{found:?}");
    }
}
