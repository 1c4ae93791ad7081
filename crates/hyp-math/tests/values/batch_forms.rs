//! The batched forms against the forms for one point: the same bits where the same code runs, and the same sums.

use hyp_math::{Curvature, Real, batch, distance, gyro, klein, linear, lorentz, maps, midpoint, mlr};

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

/// So many rows that the driver splits them among tasks, at an odd place.
const ROWS: usize = 2003;

/// Asserts that the rows of a batched operation with `I` inputs, and of its gradients, have the bits of the form for one
/// point, and that the derivative by c is their sum. `width` is that of a row of the result.
fn rows_run_the_same_code<T: Real, const I: usize>(
    (name, width): (&str, usize),
    one: impl Fn([&[T]; I], Curvature, &mut [T]),
    one_vjp: impl Fn([&[T]; I], &[T], Curvature, [&mut [T]; I]) -> f64,
    all: impl Fn([&[T]; I], Curvature, &mut [T]),
    all_vjp: impl Fn([&[T]; I], &[T], Curvature, [&mut [T]; I]) -> f64,
) {
    for c in curvatures() {
        let inputs: [Vec<T>; I] = std::array::from_fn(|n| points(n as u64 + 1, ROWS, c, 0.9));
        let inputs = inputs.each_ref().map(Vec::as_slice);
        let grads = &points::<T>(9, ROWS, Curvature::FLAT, 1.0)[..ROWS * width];
        let mut got = vec![T::ZERO; ROWS * width];
        all(inputs, c, &mut got);
        let mut by_inputs = inputs.map(<[T]>::to_vec);
        let by_c = all_vjp(inputs, grads, c, by_inputs.each_mut().map(Vec::as_mut_slice));
        let (mut want, mut want_c, mut size) = (vec![T::ZERO; width], 0.0, 0.0);
        let mut want_by = [(); I].map(|()| vec![T::ZERO; DIM]);
        for i in 0..ROWS {
            let own = inputs.map(|input| row(input, i));
            let range = i * width..(i + 1) * width;
            one(own, c, &mut want);
            assert_eq!(got[range.clone()], want, "{name}, row {i}");
            let one_c = one_vjp(own, &grads[range], c, want_by.each_mut().map(Vec::as_mut_slice));
            for (got, want) in by_inputs.iter().zip(&want_by) {
                assert_eq!(row(got, i), want, "gradient of {name}, row {i}");
            }
            want_c += one_c;
            size += one_c.abs();
        }
        // Only the order of the sum over the rows differs.
        assert!((by_c - want_c).abs() <= 1e-13 * size, "{name} by c: {by_c} vs {want_c}");
    }
}

/// Compares an operation of one module with its namesake of another, by the names of its inputs and of their gradients.
macro_rules! same {
    ($one:ident $all:ident $op:ident $vjp:ident [$($x:ident $g:ident),+] -> point) => {
        rows_run_the_same_code::<T, _>(
            (stringify!($op), DIM),
            |[$($x),+], c, out| _ = $one::$op($($x,)+ c, out),
            |[$($x),+], grad, c, [$($g),+]| $one::$vjp($($x,)+ grad, c, $($g),+),
            |[$($x),+], c, out| $all::$op($($x,)+ DIM, c, out),
            |[$($x),+], grad, c, [$($g),+]| $all::$vjp($($x,)+ grad, DIM, c, $($g),+),
        )
    };
    ($one:ident $all:ident $op:ident $vjp:ident [$($x:ident $g:ident),+] -> number) => {
        rows_run_the_same_code::<T, _>(
            (stringify!($op), 1),
            |[$($x),+], c, out| out[0] = $one::$op($($x,)+ c),
            |[$($x),+], grad, c, [$($g),+]| $one::$vjp($($x,)+ grad[0], c, $($g),+),
            |[$($x),+], c, out| $all::$op($($x,)+ DIM, c, out),
            |[$($x),+], grad, c, [$($g),+]| $all::$vjp($($x,)+ grad, DIM, c, $($g),+),
        )
    };
}

fn every_operation<T: Real>() {
    use hyp_math::batch::lorentz as rows;
    same!(gyro batch conformal_factor conformal_factor_vjp [x gx] -> number);
    same!(gyro batch riemannian_factor riemannian_factor_vjp [x gx] -> number);
    same!(gyro batch mobius_add mobius_add_vjp [x gx, y gy] -> point);
    same!(gyro batch mobius_sub mobius_sub_vjp [x gx, y gy] -> point);
    same!(gyro batch gyration gyration_vjp [u gu, v gv, w gw] -> point);
    same!(distance batch distance distance_vjp [x gx, y gy] -> number);
    same!(distance batch distance_to_origin distance_to_origin_vjp [x gx] -> number);
    same!(maps batch exp_map_zero exp_map_zero_vjp [v gv] -> point);
    same!(maps batch log_map_zero log_map_zero_vjp [y gy] -> point);
    same!(maps batch exp_map_at exp_map_at_vjp [x gx, v gv] -> point);
    same!(maps batch log_map_at log_map_at_vjp [x gx, y gy] -> point);
    same!(maps batch parallel_transport parallel_transport_vjp [x gx, y gy, v gv] -> point);
    same!(klein batch poincare_to_klein poincare_to_klein_vjp [x gx] -> point);
    same!(klein batch klein_to_poincare klein_to_poincare_vjp [k gk] -> point);
    same!(lorentz rows from_poincare from_poincare_vjp [x gx] -> point);
    same!(lorentz rows to_poincare to_poincare_vjp [s gs] -> point);
    same!(lorentz rows exp_map_zero exp_map_zero_vjp [u gu] -> point);
    same!(lorentz rows log_map_zero log_map_zero_vjp [s gs] -> point);
    same!(lorentz rows time time_vjp [s gs] -> number);
    same!(lorentz rows inner inner_vjp [x gx, y gy] -> number);
    same!(lorentz rows distance distance_vjp [x gx, y gy] -> number);
    settings::<T>();
}

/// The operations with a setting or a number beside the points.
fn settings<T: Real>() {
    let (r, margin) = (T::from_f64(-0.7), 0.4);
    rows_run_the_same_code::<T, 1>(
        ("mobius_scalar_mul", DIM),
        |[x], c, out| gyro::mobius_scalar_mul(r, x, c, out),
        |[x], grad, c, [gx]| gyro::mobius_scalar_mul_vjp(r, x, grad, c, gx).1,
        |[x], c, out| batch::mobius_scalar_mul(r, x, DIM, c, out),
        |[x], grad, c, [gx]| batch::mobius_scalar_mul_vjp(r, x, grad, DIM, c, gx).1,
    );
    rows_run_the_same_code::<T, 1>(
        ("project", DIM),
        |[x], c, out| _ = maps::project(x, c, margin, out),
        |[x], grad, c, [gx]| maps::project_vjp(x, grad, c, margin, gx),
        |[x], c, out| batch::project(x, DIM, c, margin, out),
        |[x], grad, c, [gx]| batch::project_vjp(x, grad, DIM, c, margin, gx),
    );
    rows_run_the_same_code::<T, 1>(
        ("clip_norm", DIM),
        |[v], _, out| _ = maps::clip_norm(v, 0.5, out),
        |[v], grad, _, [gv]| {
            maps::clip_norm_vjp(v, grad, 0.5, gv);
            0.0
        },
        |[v], _, out| batch::clip_norm(v, DIM, 0.5, out),
        |[v], grad, _, [gv]| {
            batch::clip_norm_vjp(v, grad, DIM, 0.5, gv);
            0.0
        },
    );
    // Every row at a time of its own, which its first point decides.
    let time = |x: &[T]| x[0].to_f64().abs().fract();
    let times = |x: &[T]| x.chunks_exact(DIM).map(|x| T::from_f64(time(x))).collect::<Vec<T>>();
    rows_run_the_same_code::<T, 2>(
        ("geodesic", DIM),
        |[x, y], c, out| maps::geodesic(x, y, time(x), c, out),
        |[x, y], grad, c, [gx, gy]| maps::geodesic_vjp(x, y, time(x), grad, c, gx, gy).1,
        |[x, y], c, out| batch::geodesic(x, y, &times(x), DIM, c, out),
        |[x, y], grad, c, [gx, gy]| {
            let mut by_t = vec![T::ZERO; ROWS];
            let by_c = batch::geodesic_vjp(x, y, &times(x), grad, DIM, c, gx, gy, &mut by_t);
            let (mut one_x, mut one_y) = (vec![T::ZERO; DIM], vec![T::ZERO; DIM]);
            for (i, by_t) in by_t.into_iter().enumerate() {
                let (x, y, grad) = (row(x, i), row(y, i), row(grad, i));
                let (want, _) = maps::geodesic_vjp(x, y, time(x), grad, c, &mut one_x, &mut one_y);
                assert_eq!(by_t, T::from_f64(want), "gradient of geodesic by time, row {i}");
            }
            by_c
        },
    );
}

#[test]
fn rows_give_the_bits_of_one_point() {
    every_operation::<f32>();
    every_operation::<f64>();
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

type Mean<'a> = &'a dyn Fn(&[f32], Option<&[f32]>, Curvature, &mut [f32]);
type MeanVjp<'a> =
    &'a dyn Fn(&[f32], Option<&[f32]>, &[f32], Curvature, &mut [f32], Option<&mut [f32]>) -> f64;

#[test]
fn averages_of_groups_are_averages() {
    const SHOTS: usize = 5;
    let means: [(&str, Mean, MeanVjp, Mean, MeanVjp); 3] = [
        (
            "einstein_midpoint",
            &|x, w, c, out| midpoint::einstein_midpoint(x, w, DIM, c, out),
            &|x, w, g, c, gx, gw| midpoint::einstein_midpoint_vjp(x, w, g, DIM, c, gx, gw),
            &|x, w, c, out| batch::einstein_midpoint(x, w, SHOTS, DIM, c, out),
            &|x, w, g, c, gx, gw| batch::einstein_midpoint_vjp(x, w, g, SHOTS, DIM, c, gx, gw),
        ),
        (
            "frechet_mean",
            &|x, w, c, out| assert!(midpoint::frechet_mean(x, w, DIM, c, out).converged),
            &|x, w, g, c, gx, gw| midpoint::frechet_mean_vjp(x, w, g, DIM, c, gx, gw),
            &|x, w, c, out| assert_eq!(batch::frechet_mean(x, w, SHOTS, DIM, c, out), 0),
            &|x, w, g, c, gx, gw| batch::frechet_mean_vjp(x, w, g, SHOTS, DIM, c, gx, gw),
        ),
        (
            "lorentz centroid",
            &|x, w, c, out| lorentz::centroid(x, w, DIM, c, out),
            &|x, w, g, c, gx, gw| lorentz::centroid_vjp(x, w, g, DIM, c, gx, gw),
            &|x, w, c, out| batch::lorentz::centroid(x, w, SHOTS, DIM, c, out),
            &|x, w, g, c, gx, gw| batch::lorentz::centroid_vjp(x, w, g, SHOTS, DIM, c, gx, gw),
        ),
    ];
    for (name, one, one_vjp, all, all_vjp) in means {
        groups_are_one_by_one::<SHOTS>(name, (one, one_vjp), (all, all_vjp));
    }
}

fn groups_are_one_by_one<const SHOTS: usize>(
    name: &str,
    (one, one_vjp): (Mean, MeanVjp),
    (all, all_vjp): (Mean, MeanVjp),
) {
    // More than one task's worth of numbers.
    let groups = 407;
    for (c, weighted) in curvatures().into_iter().flat_map(|c| [(c, false), (c, true)]) {
        let x = points::<f32>(1, groups * SHOTS, c, 0.9);
        let weights: Vec<f32> = (0..groups * SHOTS).map(|i| 0.5 + (i % 4) as f32).collect();
        let grads = points::<f32>(2, groups, Curvature::FLAT, 1.0);
        let given = weighted.then_some(&weights[..]);
        let mut got = vec![0.0; groups * DIM];
        all(&x, given, c, &mut got);
        let (mut gx, mut gw) = (vec![0.0; x.len()], vec![0.0; weights.len()]);
        let by_c = all_vjp(&x, given, &grads, c, &mut gx, weighted.then_some(&mut gw[..]));
        let (mut want, mut wx, mut ww) = (vec![0.0; DIM], vec![0.0; SHOTS * DIM], vec![0.0; SHOTS]);
        let (mut want_c, mut size) = (0.0, 0.0);
        for g in 0..groups {
            let (set, own) = (g * SHOTS * DIM..(g + 1) * SHOTS * DIM, g * SHOTS..(g + 1) * SHOTS);
            let own_weights = weighted.then_some(&weights[own.clone()]);
            one(&x[set.clone()], own_weights, c, &mut want);
            assert_eq!(row(&got, g), want, "{name}, group {g}");
            let wanted = weighted.then_some(&mut ww[..]);
            let one_c = one_vjp(&x[set.clone()], own_weights, row(&grads, g), c, &mut wx, wanted);
            assert_eq!(gx[set], wx, "gradient of {name}, group {g}");
            if weighted {
                assert_eq!(gw[own], ww, "gradient of {name} by the weights, group {g}");
            }
            want_c += one_c;
            size += one_c.abs();
        }
        // Only the order of the sum over the groups differs.
        assert!((by_c - want_c).abs() <= 1e-13 * size, "{name} by c: {by_c} vs {want_c}");
    }
}

#[test]
fn concatenations_of_rows_are_concatenations() {
    fn check<T: Real>(tolerance: f64) {
        let (rows, width) = (23, 5);
        for c in curvatures() {
            let (x1, x2) = (points::<T>(1, rows, c, 0.95), points::<T>(2, rows, c, 0.95));
            let [m1, m2] = [3, 4].map(|seed| points::<T>(seed, width, Curvature::FLAT, 2.0));
            let grads = &points::<T>(5, rows, Curvature::FLAT, 1.0)[..rows * width];
            let (mut got, mut want) = (vec![T::ZERO; rows * width], vec![T::ZERO; rows * width]);
            batch::concat(&m1, &x1, DIM, &m2, &x2, DIM, c, &mut got);
            let room = |like: &[T]| vec![T::ZERO; like.len()];
            let (mut gm1, mut gx1, mut gm2, mut gx2) = (room(&m1), room(&x1), room(&m2), room(&x2));
            let by_c = batch::concat_vjp(
                &m1, &x1, DIM, &m2, &x2, DIM, grads, c, &mut gm1, &mut gx1, &mut gm2, &mut gx2,
            );
            let (mut wm1, mut wm2) = (vec![0.0; m1.len()], vec![0.0; m2.len()]);
            let (mut one1, mut one2, mut want_c) = (room(&m1), room(&m2), 0.0);
            let (mut wx1, mut wx2) = (room(&x1), room(&x2));
            for i in 0..rows {
                let (out, own) = (i * width..(i + 1) * width, i * DIM..(i + 1) * DIM);
                linear::concat(&m1, row(&x1, i), &m2, row(&x2, i), c, &mut want[out.clone()]);
                want_c += linear::concat_vjp(
                    &m1,
                    row(&x1, i),
                    &m2,
                    row(&x2, i),
                    &grads[out],
                    c,
                    &mut one1,
                    &mut wx1[own.clone()],
                    &mut one2,
                    &mut wx2[own],
                );
                for (sum, one) in wm1.iter_mut().zip(&one1).chain(wm2.iter_mut().zip(&one2)) {
                    *sum += one.to_f64();
                }
            }
            let round = |v: Vec<f64>| v.into_iter().map(T::from_f64).collect::<Vec<T>>();
            // The same formulas, summed in another order; the single gradients are rounded to T before they are summed.
            assert_close(&got, &want, tolerance, "concat");
            assert_close(&gx1, &wx1, tolerance, "x1");
            assert_close(&gx2, &wx2, tolerance, "x2");
            assert_close(&gm1, &round(wm1), 8.0 * tolerance, "m1");
            assert_close(&gm2, &round(wm2), 8.0 * tolerance, "m2");
            assert!((by_c - want_c).abs() <= 1e-11 * (1.0 + want_c.abs()), "by c: {by_c} vs {want_c}");
        }
    }
    check::<f32>(<f32 as Real>::EPS);
    check::<f64>(1e-12);
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
        type Pair = fn(&[f64], &[f64], usize, Curvature, &mut [f64]);
        type PairVjp = fn(&[f64], &[f64], &[f64], usize, Curvature, &mut [f64], &mut [f64]) -> f64;
        type Case = (Shared, SharedVjp, Pair, PairVjp, bool);
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
    let labels: Vec<u32> = (0..300).map(|i| i * 7 % 200).collect();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut out = vec![0.0; grads.len()];
            batch::distance_matrix(&x, &y, DIM, c, &mut out);
            let (mut gx, mut gy) = (vec![0.0; x.len()], vec![0.0; y.len()]);
            let by_c = batch::distance_matrix_vjp(&x, &y, &grads, DIM, c, &mut gx, &mut gy);
            let (mut lx, mut lp, mut la) = (vec![0.0; x.len()], vec![0.0; y.len()], vec![0.0; y.len()]);
            let logits_by_c = batch::mlr_logits_vjp(&x, &y, &y, &grads, DIM, c, &mut lx, &mut lp, &mut la);
            let matrices = (out, gx, gy, by_c, lx, lp, la, logits_by_c);
            let [mut gx, mut gy, mut lp, mut la] = [&x, &y, &y, &y].map(|of| vec![0.0; of.len()]);
            let distances = batch::distance_cross_entropy(&x, &y, &labels, DIM, c, 1.0, &mut gx, &mut gy);
            let mut lx = vec![0.0; x.len()];
            let logits = batch::mlr_cross_entropy(&x, &y, &y, &labels, DIM, c, &mut lx, &mut lp, &mut la);
            (matrices, distances, gx, gy, logits, lx, lp, la)
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
