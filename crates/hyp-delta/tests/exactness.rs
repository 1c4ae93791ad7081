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
    let methods = check(&DistanceMatrix::from_features(&line, 1, Metric::Euclidean).unwrap(), 7, "line");
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
