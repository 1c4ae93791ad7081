//! The batched forms against the forms for one point: the same bits where the same code runs, and the same sums.

use hyp_math::{Curvature, Real, batch, distance, gyro, maps, midpoint, mlr};

const DIM: usize = 19;

/// Pseudo-random points of the ball with radii up to `reach` of its own, from a fixed sequence.
fn points<T: Real>(seed: u64, rows: usize, c: Curvature, reach: f64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let unit = if c.is_flat() { 1.0 } else { c.radius() };
    let mut out = Vec::new();
    for _ in 0..rows {
        let direction: Vec<f64> = (0..DIM).map(|_| uniform() - 0.5).collect();
        let norm = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
        let radius = unit * reach * uniform();
        out.extend(direction.iter().map(|v| T::from_f64(v / norm * radius)));
    }
    out
}

fn curvatures() -> [Curvature; 3] {
    [0.0, 0.02, 1.0].map(|c| Curvature::new(c).expect("invariant: finite and not negative"))
}

/// Row `index` of a matrix.
fn row<T>(matrix: &[T], index: usize) -> &[T] {
    &matrix[index * DIM..(index + 1) * DIM]
}

type Pair<T> = fn(&[T], &[T], Curvature, &mut [T]);
type PairVjp<T> = fn(&[T], &[T], &[T], Curvature, &mut [T], &mut [T]) -> f64;
type BatchPair<T> = fn(&[T], &[T], usize, Curvature, &mut [T]);
type BatchPairVjp<T> = fn(&[T], &[T], &[T], usize, Curvature, &mut [T], &mut [T]) -> f64;
type Single<T> = fn(&[T], Curvature, &mut [T]);
type SingleVjp<T> = fn(&[T], &[T], Curvature, &mut [T]) -> f64;
type BatchSingle<T> = fn(&[T], usize, Curvature, &mut [T]);
type BatchSingleVjp<T> = fn(&[T], &[T], usize, Curvature, &mut [T]) -> f64;

/// So many rows that the driver splits them among tasks, at an odd place.
const ROWS: usize = 2003;

fn pairs_run_the_same_code<T: Real>(
    name: &str,
    (one, one_vjp): (Pair<T>, PairVjp<T>),
    (all, all_vjp): (BatchPair<T>, BatchPairVjp<T>),
) {
    for c in curvatures() {
        let (x, y) = (points::<T>(1, ROWS, c, 0.9), points::<T>(2, ROWS, c, 0.9));
        let grads = points::<T>(3, ROWS, Curvature::FLAT, 1.0);
        let (mut got, mut want) = (vec![T::ZERO; x.len()], vec![T::ZERO; DIM]);
        all(&x, &y, DIM, c, &mut got);
        let (mut gx, mut gy) = (got.clone(), got.clone());
        let by_c = all_vjp(&x, &y, &grads, DIM, c, &mut gx, &mut gy);
        let (mut wx, mut wy, mut want_c, mut size) = (want.clone(), want.clone(), 0.0, 0.0);
        for i in 0..ROWS {
            one(row(&x, i), row(&y, i), c, &mut want);
            assert_eq!(row(&got, i), want, "{name}, row {i}");
            let one_c = one_vjp(row(&x, i), row(&y, i), row(&grads, i), c, &mut wx, &mut wy);
            assert_eq!((row(&gx, i), row(&gy, i)), (&wx[..], &wy[..]), "gradient of {name}, row {i}");
            want_c += one_c;
            size += one_c.abs();
        }
        // Only the order of the sum over the rows differs.
        assert!((by_c - want_c).abs() <= 1e-13 * size, "{name} by c: {by_c} vs {want_c}");
    }
}

fn singles_run_the_same_code<T: Real>(
    name: &str,
    (one, one_vjp): (Single<T>, SingleVjp<T>),
    (all, all_vjp): (BatchSingle<T>, BatchSingleVjp<T>),
) {
    for c in curvatures() {
        let x = points::<T>(1, ROWS, c, 0.9);
        let grads = points::<T>(3, ROWS, Curvature::FLAT, 1.0);
        let (mut got, mut want) = (vec![T::ZERO; x.len()], vec![T::ZERO; DIM]);
        all(&x, DIM, c, &mut got);
        let mut gx = got.clone();
        let by_c = all_vjp(&x, &grads, DIM, c, &mut gx);
        let (mut wx, mut want_c, mut size) = (want.clone(), 0.0, 0.0);
        for i in 0..ROWS {
            one(row(&x, i), c, &mut want);
            assert_eq!(row(&got, i), want, "{name}, row {i}");
            let one_c = one_vjp(row(&x, i), row(&grads, i), c, &mut wx);
            assert_eq!(row(&gx, i), wx, "gradient of {name}, row {i}");
            want_c += one_c;
            size += one_c.abs();
        }
        assert!((by_c - want_c).abs() <= 1e-13 * size, "{name} by c: {by_c} vs {want_c}");
    }
}

#[test]
fn rows_give_the_bits_of_one_point() {
    fn both<T: Real>() {
        pairs_run_the_same_code::<T>(
            "mobius_add",
            (gyro::mobius_add, gyro::mobius_add_vjp),
            (batch::mobius_add, batch::mobius_add_vjp),
        );
        pairs_run_the_same_code::<T>(
            "mobius_sub",
            (gyro::mobius_sub, gyro::mobius_sub_vjp),
            (batch::mobius_sub, batch::mobius_sub_vjp),
        );
        pairs_run_the_same_code::<T>(
            "exp_map_at",
            (maps::exp_map_at, maps::exp_map_at_vjp),
            (batch::exp_map_at, batch::exp_map_at_vjp),
        );
        pairs_run_the_same_code::<T>(
            "log_map_at",
            (maps::log_map_at, maps::log_map_at_vjp),
            (batch::log_map_at, batch::log_map_at_vjp),
        );
        singles_run_the_same_code::<T>(
            "exp_map_zero",
            (maps::exp_map_zero, maps::exp_map_zero_vjp),
            (batch::exp_map_zero, batch::exp_map_zero_vjp),
        );
        singles_run_the_same_code::<T>(
            "log_map_zero",
            (maps::log_map_zero, maps::log_map_zero_vjp),
            (batch::log_map_zero, batch::log_map_zero_vjp),
        );
    }
    both::<f32>();
    both::<f64>();
}

/// Asserts that entries agree to `tolerance` of the largest one.
fn assert_close<T: Real>(got: &[T], want: &[T], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(0.0_f64, |s, v| s.max(v.to_f64().abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (got.to_f64() - want.to_f64()).abs();
        assert!(error <= tolerance * scale, "{what}, entry {i}: {got} is not {want}");
    }
}

#[test]
fn distance_matrix_is_the_distance_of_every_pair() {
    fn check<T: Real>() {
        let (batch_size, count) = (37, 45);
        for c in curvatures() {
            let (x, mut y) = (points::<T>(1, batch_size, c, 0.99), points::<T>(2, count, c, 0.99));
            // One pair coincides, one is a single rounding apart.
            y[..DIM].copy_from_slice(&x[..DIM]);
            y[DIM..2 * DIM].copy_from_slice(&x[DIM..2 * DIM]);
            y[DIM] = T::from_f64(y[DIM].to_f64() * (1.0 + T::EPS));
            let grads: Vec<T> =
                (0..batch_size * count).map(|i| T::from_f64(((i * 5) % 13) as f64 - 6.0)).collect();
            let mut got = vec![T::ZERO; grads.len()];
            batch::distance_matrix(&x, &y, DIM, c, &mut got);
            let (mut gx, mut gy) = (vec![T::ZERO; x.len()], vec![T::ZERO; y.len()]);
            let by_c = batch::distance_matrix_vjp(&x, &y, &grads, DIM, c, &mut gx, &mut gy);
            let (mut wx, mut wy) = (vec![0.0; x.len()], vec![0.0; y.len()]);
            let (mut one_x, mut one_y) = (vec![T::ZERO; DIM], vec![T::ZERO; DIM]);
            let mut want_c = 0.0;
            for b in 0..batch_size {
                for k in 0..count {
                    let want = distance::distance(row(&x, b), row(&y, k), c).to_f64();
                    let error = (got[b * count + k].to_f64() - want).abs();
                    // Sums of 19 squares in two orders, and one rounding each.
                    assert!(error <= (T::EPS + 1e-14) * want, "pair {b}, {k}: {error:e} of {want}");
                    let grad = grads[b * count + k];
                    want_c += distance::distance_vjp(row(&x, b), row(&y, k), grad, c, &mut one_x, &mut one_y);
                    for j in 0..DIM {
                        wx[b * DIM + j] += one_x[j].to_f64();
                        wy[k * DIM + j] += one_y[j].to_f64();
                    }
                }
            }
            let round = |v: Vec<f64>| v.into_iter().map(T::from_f64).collect::<Vec<T>>();
            // The single gradients are rounded to T before they are summed here.
            assert_close(&gx, &round(wx), 8.0 * T::EPS + 1e-12, "x");
            assert_close(&gy, &round(wy), 8.0 * T::EPS + 1e-12, "y");
            assert!((by_c - want_c).abs() <= 1e-10 * (1.0 + want_c.abs()), "by c: {by_c} vs {want_c}");
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn logits_are_those_of_every_pair() {
    fn check<T: Real>() {
        let (batch_size, count) = (21, 13);
        for c in curvatures() {
            let (x, p) = (points::<T>(1, batch_size, c, 0.99), points::<T>(2, count, c, 0.99));
            let mut a = points::<T>(3, count, Curvature::FLAT, 5.0);
            a[..DIM].fill(T::ZERO);
            let grads: Vec<T> =
                (0..batch_size * count).map(|i| T::from_f64(((i * 5) % 13) as f64 - 6.0)).collect();
            let mut got = vec![T::ZERO; grads.len()];
            batch::mlr_logits(&x, &p, &a, DIM, c, &mut got);
            let (mut gx, mut gp, mut ga) =
                (vec![T::ZERO; x.len()], vec![T::ZERO; p.len()], vec![T::ZERO; a.len()]);
            let by_c = batch::mlr_logits_vjp(&x, &p, &a, &grads, DIM, c, &mut gx, &mut gp, &mut ga);
            let (mut want, mut want_c) = (vec![T::ZERO; grads.len()], 0.0);
            let (mut wx, mut wp, mut wa) = (vec![0.0; x.len()], vec![0.0; p.len()], vec![0.0; a.len()]);
            let mut one = [(); 3].map(|()| vec![T::ZERO; DIM]);
            for b in 0..batch_size {
                for k in 0..count {
                    let (x, p, a) = (row(&x, b), row(&p, k), row(&a, k));
                    want[b * count + k] = mlr::mlr_logit(x, p, a, c);
                    let [ox, op, oa] = &mut one;
                    want_c += mlr::mlr_logit_vjp(x, p, a, grads[b * count + k], c, ox, op, oa);
                    for j in 0..DIM {
                        wx[b * DIM + j] += one[0][j].to_f64();
                        wp[k * DIM + j] += one[1][j].to_f64();
                        wa[k * DIM + j] += one[2][j].to_f64();
                    }
                }
            }
            let round = |v: Vec<f64>| v.into_iter().map(T::from_f64).collect::<Vec<T>>();
            assert_close(&got, &want, T::EPS + 1e-13, "logits");
            // The single gradients are rounded to T before they are summed here.
            assert_close(&gx, &round(wx), 8.0 * T::EPS + 1e-12, "x");
            assert_close(&gp, &round(wp), 8.0 * T::EPS + 1e-12, "p");
            assert_close(&ga, &round(wa), 8.0 * T::EPS + 1e-12, "a");
            assert!((by_c - want_c).abs() <= 1e-10 * (1.0 + want_c.abs()), "by c: {by_c} vs {want_c}");
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn layer_logits_are_those_of_the_mapped_points() {
    for c in curvatures() {
        let (x, raw) = (points::<f64>(1, 8, c, 0.95), points::<f64>(2, 5, Curvature::FLAT, 0.8));
        let a = points::<f64>(3, 5, Curvature::FLAT, 2.0);
        let grads: Vec<f64> = (0..40).map(|i| (i as f64).sin()).collect();
        let mut p = vec![0.0; raw.len()];
        batch::exp_map_zero(&raw, DIM, c, &mut p);
        let (mut got, mut want) = (vec![0.0; 40], vec![0.0; 40]);
        batch::mlr_layer_logits(&x, &raw, &a, DIM, c, &mut got);
        batch::mlr_logits(&x, &p, &a, DIM, c, &mut want);
        // p is rounded once more on the way.
        assert_close(&got, &want, 1e-13, "logits");
        let grad = || vec![0.0; raw.len()];
        let (mut gx, mut graw, mut ga) = (vec![0.0; x.len()], grad(), grad());
        let by_c = batch::mlr_layer_logits_vjp(&x, &raw, &a, &grads, DIM, c, &mut gx, &mut graw, &mut ga);
        let (mut wx, mut wp, mut wa, mut wraw) = (vec![0.0; x.len()], grad(), grad(), grad());
        let mut want_c = batch::mlr_logits_vjp(&x, &p, &a, &grads, DIM, c, &mut wx, &mut wp, &mut wa);
        want_c += batch::exp_map_zero_vjp(&raw, &wp, DIM, c, &mut wraw);
        assert_close(&gx, &wx, 1e-13, "x");
        assert_close(&graw, &wraw, 1e-12, "p_raw");
        assert_close(&ga, &wa, 1e-13, "a");
        assert!((by_c - want_c).abs() <= 1e-12 * (1.0 + want_c.abs()), "by c: {by_c} vs {want_c}");
    }
}

#[test]
fn to_ball_is_clip_then_exp_then_project() {
    for c in curvatures() {
        let x = points::<f64>(1, 50, Curvature::FLAT, 8.0);
        let grads = points::<f64>(2, 50, Curvature::FLAT, 1.0);
        for (clip, margin) in [(2.0, 1e-3), (f64::INFINITY, 0.3), (1.0, 0.0)] {
            let (mut got, mut gx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            batch::to_ball(&x, DIM, c, Some(clip), margin, &mut got);
            let by_c = batch::to_ball_vjp(&x, &grads, DIM, c, Some(clip), margin, &mut gx);
            let (mut clipped, mut mapped, mut want) = (vec![0.0; DIM], vec![0.0; DIM], vec![0.0; DIM]);
            let (mut by_mapped, mut by_clipped, mut wx) = (want.clone(), want.clone(), want.clone());
            let mut want_c = 0.0;
            for i in 0..50 {
                maps::clip_norm(row(&x, i), clip, &mut clipped);
                maps::exp_map_zero(&clipped, c, &mut mapped);
                maps::project(&mapped, c, margin, &mut want);
                // Three stages with a norm and a rounding each, against one.
                assert_close(row(&got, i), &want, 16.0 * f64::EPSILON, "to_ball");
                want_c += maps::project_vjp(&mapped, row(&grads, i), c, margin, &mut by_mapped);
                want_c += maps::exp_map_zero_vjp(&clipped, &by_mapped, c, &mut by_clipped);
                maps::clip_norm_vjp(row(&x, i), &by_clipped, clip, &mut wx);
                assert_close(row(&gx, i), &wx, 1e-13, "gradient of to_ball");
            }
            assert!((by_c - want_c).abs() <= 1e-12 * (1.0 + want_c.abs()), "by c: {by_c} vs {want_c}");
        }
    }
}

#[test]
fn midpoints_of_groups_are_midpoints() {
    let (groups, shots) = (7, 5);
    for c in curvatures() {
        let x = points::<f32>(1, groups * shots, c, 0.9);
        let weights: Vec<f32> = (0..groups * shots).map(|i| 0.5 + (i % 4) as f32).collect();
        let grads = points::<f32>(2, groups, Curvature::FLAT, 1.0);
        for weighted in [false, true] {
            let given = weighted.then_some(&weights[..]);
            let mut got = vec![0.0; groups * DIM];
            batch::einstein_midpoint(&x, given, shots, DIM, c, &mut got);
            let (mut gx, mut gw) = (vec![0.0; x.len()], vec![0.0; weights.len()]);
            let wanted = weighted.then_some(&mut gw[..]);
            let by_c = batch::einstein_midpoint_vjp(&x, given, &grads, shots, DIM, c, &mut gx, wanted);
            let mut want_c = 0.0;
            for g in 0..groups {
                let set = &x[g * shots * DIM..(g + 1) * shots * DIM];
                let own = &weights[g * shots..(g + 1) * shots];
                let own = weighted.then_some(own);
                let (mut want, mut wx, mut ww) = (vec![0.0; DIM], vec![0.0; set.len()], vec![0.0; shots]);
                midpoint::einstein_midpoint(set, own, DIM, c, &mut want);
                assert_eq!(row(&got, g), want);
                want_c += midpoint::einstein_midpoint_vjp(
                    set,
                    own,
                    row(&grads, g),
                    DIM,
                    c,
                    &mut wx,
                    weighted.then_some(&mut ww[..]),
                );
                assert_eq!(&gx[g * shots * DIM..(g + 1) * shots * DIM], wx);
                if weighted {
                    assert_eq!(&gw[g * shots..(g + 1) * shots], ww);
                }
            }
            assert!((by_c - want_c).abs() <= 1e-12 * (1.0 + want_c.abs()), "by c: {by_c} vs {want_c}");
        }
    }
}

#[test]
fn shared_points_are_repeated_ones() {
    let rows = 11;
    for c in curvatures() {
        let (base, x) = (points::<f64>(4, 1, c, 0.6), points::<f64>(1, rows, c, 0.7));
        let grads = points::<f64>(2, rows, Curvature::FLAT, 1.0);
        let repeated = base.repeat(rows);
        type Shared = fn(&[f64], &[f64], Curvature, &mut [f64]);
        type SharedVjp = fn(&[f64], &[f64], &[f64], Curvature, &mut [f64], &mut [f64]) -> f64;
        type Case = (Shared, SharedVjp, BatchPair<f64>, BatchPairVjp<f64>, bool);
        let cases: [Case; 3] = [
            (
                batch::exp_map_shared,
                batch::exp_map_shared_vjp,
                batch::exp_map_at,
                batch::exp_map_at_vjp,
                true,
            ),
            (
                batch::log_map_shared,
                batch::log_map_shared_vjp,
                batch::log_map_at,
                batch::log_map_at_vjp,
                true,
            ),
            (
                batch::mobius_add_shared,
                batch::mobius_add_shared_vjp,
                batch::mobius_add,
                batch::mobius_add_vjp,
                false,
            ),
        ];
        for (shared, shared_vjp, all, all_vjp, base_first) in cases {
            let (left, right) = if base_first { (&repeated, &x) } else { (&x, &repeated) };
            let (mut got, mut want) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            shared(&base, &x, c, &mut got);
            all(left, right, DIM, c, &mut want);
            assert_eq!(got, want);
            let (mut gbase, mut gx) = (vec![0.0; DIM], vec![0.0; x.len()]);
            let by_c = shared_vjp(&base, &x, &grads, c, &mut gbase, &mut gx);
            let (mut gl, mut gr) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            assert_eq!(by_c, all_vjp(left, right, &grads, DIM, c, &mut gl, &mut gr));
            let (by_base, by_x) = if base_first { (gl, gr) } else { (gr, gl) };
            assert_eq!(gx, by_x);
            let sum: Vec<f64> = (0..DIM).map(|j| by_base.iter().skip(j).step_by(DIM).sum()).collect();
            assert_close(&gbase, &sum, 1e-14, "shared point");
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let c = Curvature::ONE;
    let (x, y) = (points::<f32>(1, 300, c, 0.95), points::<f32>(2, 200, c, 0.95));
    let grads: Vec<f32> = (0..300 * 200).map(|i| ((i * 5) % 13) as f32 - 6.0).collect();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut out = vec![0.0; grads.len()];
            batch::distance_matrix(&x, &y, DIM, c, &mut out);
            let (mut gx, mut gy) = (vec![0.0; x.len()], vec![0.0; y.len()]);
            let by_c = batch::distance_matrix_vjp(&x, &y, &grads, DIM, c, &mut gx, &mut gy);
            let (mut lx, mut lp, mut la) = (vec![0.0; x.len()], vec![0.0; y.len()], vec![0.0; y.len()]);
            let logits_by_c = batch::mlr_logits_vjp(&x, &y, &y, &grads, DIM, c, &mut lx, &mut lp, &mut la);
            (out, gx, gy, by_c, lx, lp, la, logits_by_c)
        })
    };
    let want = run(1);
    for threads in [2, 3, 7] {
        assert!(run(threads) == want, "{threads} threads");
    }
}

#[test]
fn empty_batches_are_no_work() {
    let c = Curvature::ONE;
    let y = points::<f64>(1, 3, c, 0.5);
    let mut grad_y = vec![1.0; y.len()];
    batch::distance_matrix(&[], &y, DIM, c, &mut []);
    assert_eq!(batch::distance_matrix_vjp(&[], &y, &[], DIM, c, &mut [], &mut grad_y), 0.0);
    assert!(grad_y.iter().all(|&g| g == 0.0));
    let mut grad_a = vec![1.0; y.len()];
    grad_y.fill(1.0);
    assert_eq!(batch::mlr_logits_vjp(&[], &y, &y, &[], DIM, c, &mut [], &mut grad_y, &mut grad_a), 0.0);
    assert!(grad_y.iter().chain(&grad_a).all(|&g| g == 0.0));
    batch::mobius_add::<f64>(&[], &[], DIM, c, &mut []);
    batch::einstein_midpoint::<f64>(&[], None, 5, DIM, c, &mut []);
}
