//! Distances, exponential and logarithmic maps, geodesics, transport and projection on random points up to the boundary.

use crate::measure::{EPS, STEPS, apart, difference, dot, growth, norm, rounding, spread, vector};
use crate::strategy::{ball, ball_and_tangent, ball_within};
use hyp_math::Curvature;
use hyp_math::distance::distance_to_origin;
use hyp_math::gyro::{conformal_factor, gap_at, mobius_add, mobius_scalar_mul, mobius_sub};
use hyp_math::maps::{
    clip_norm, exp_map_at, exp_map_zero, geodesic, log_map_at, log_map_zero, parallel_transport, project,
};
use proptest::prelude::*;

fn exp(x: &[f64], v: &[f64], c: Curvature) -> Vec<f64> {
    vector(x.len(), |out| exp_map_at(x, v, c, out))
}

fn log(x: &[f64], y: &[f64], c: Curvature) -> Vec<f64> {
    vector(x.len(), |out| log_map_at(x, y, c, out))
}

fn point(x: &[f64], y: &[f64], t: f64, c: Curvature) -> Vec<f64> {
    vector(x.len(), |out| geodesic(x, y, t, c, out))
}

fn transport(x: &[f64], y: &[f64], v: &[f64], c: Curvature) -> Vec<f64> {
    vector(x.len(), |out| parallel_transport(x, y, v, c, out))
}

/// The length of a tangent vector in the metric at x.
fn length(x: &[f64], v: &[f64], c: Curvature) -> f64 {
    conformal_factor(x, c) * norm(v)
}

/// How far exp_x(v) may be from its place, when v has length d: shifts of x grow, angles of v spread, and the length
/// itself is rounded.
fn reach(x: &[f64], d: f64, c: Curvature) -> f64 {
    rounding(&[x], c) * (growth(d, c) + c.sqrt() * d) + EPS * (spread(d, c) + d)
}

proptest! {
    /// d(x, y) = d(y, x) to the last bit, d(x, x) = 0, d(x, y) > 0 for different points.
    #[test]
    fn distance_is_symmetric_and_definite((c, [x, y]) in ball::<2>()) {
        prop_assert_eq!(apart(&x, &y, c), apart(&y, &x, c));
        prop_assert_eq!(apart(&x, &x, c), 0.0);
        prop_assert_eq!(apart(&x, &y, c) > 0.0, x != y);
    }

    /// d(x, z) ≤ d(x, y) + d(y, z).
    #[test]
    fn triangle_inequality((c, [x, y, z]) in ball::<3>()) {
        let (direct, around) = (apart(&x, &z, c), apart(&x, &y, c) + apart(&y, &z, c));
        let allowed = STEPS * (rounding(&[&x, &y, &z], c) + EPS * around);
        prop_assert!(direct <= around + allowed, "{direct} > {around}");
    }

    /// The distance is (2/√c)·artanh(√c‖(−x) ⊕ y‖), and that to the origin is the one at y = 0.
    #[test]
    fn distance_is_that_of_the_difference((c, [x, y]) in ball_within::<2>(4.0)) {
        let u = vector(x.len(), |out| mobius_sub(&x, &y, c, out));
        let (got, want) = (apart(&x, &y, c), distance_to_origin(&u, c));
        let allowed = STEPS * (rounding(&[&x, &y, &u], c) + EPS * got);
        prop_assert!((got - want).abs() <= allowed, "{got} vs {want}");
        let zero = vec![0.0; x.len()];
        let (got, want) = (apart(&x, &zero, c), distance_to_origin(&x, c));
        prop_assert!((got - want).abs() <= STEPS * (rounding(&[&x], c) + EPS * got), "{got} vs {want}");
    }

    /// d(a ⊕ x, a ⊕ y) = d(x, y).
    #[test]
    fn translation_is_an_isometry((c, [a, x, y]) in ball_within::<3>(4.0)) {
        let moved = [&x, &y].map(|p| vector(p.len(), |out| mobius_add(&a, p, c, out)));
        let (got, want) = (apart(&moved[0], &moved[1], c), apart(&x, &y, c));
        let allowed = STEPS * (rounding(&[&a, &x, &y, &moved[0], &moved[1]], c) + EPS * want);
        prop_assert!((got - want).abs() <= allowed, "{got} vs {want} ± {allowed}");
    }

    /// exp_x(log_x(y)) = y, and ‖log_x(y)‖ in the metric of x is d(x, y).
    #[test]
    fn exponential_inverts_logarithm((c, [x, y]) in ball_within::<2>(4.0)) {
        let v = log(&x, &y, c);
        let d = apart(&x, &y, c);
        let allowed = STEPS * (rounding(&[&x, &y], c) + EPS * d);
        prop_assert!((length(&x, &v, c) - d).abs() <= allowed, "{} vs {d}", length(&x, &v, c));
        let back = exp(&x, &v, c);
        let allowed = STEPS * (rounding(&[&y], c) + reach(&x, d, c));
        prop_assert!(apart(&back, &y, c) <= allowed, "{} > {allowed}", apart(&back, &y, c));
    }

    /// log_x(exp_x(v)) = v.
    #[test]
    fn logarithm_inverts_exponential((c, [x], v) in ball_and_tangent::<1>(4.0, 4.0)) {
        let y = exp(&x, &v, c);
        let back = log(&x, &y, c);
        // log is 1-Lipschitz from y to the tangent space of x; angles at x suffer from shifts of x.
        let d = length(&x, &v, c);
        let allowed = STEPS * (rounding(&[&y, &x], c) + c.sqrt() * rounding(&[&x], c) * d + EPS * d);
        let off = length(&x, &back.iter().zip(&v).map(|(a, b)| a - b).collect::<Vec<_>>(), c);
        prop_assert!(off <= allowed, "{off} > {allowed}");
    }

    /// At the origin: the maps of any point agree with those at 0, they are inverse, and d(exp₀(v), 0) = 2‖v‖.
    #[test]
    fn maps_at_the_origin((c, [y], v) in ball_and_tangent::<1>(8.4, 6.0)) {
        let zero = vec![0.0; y.len()];
        let (at, straight) = (log(&zero, &y, c), vector(y.len(), |out| log_map_zero(&y, c, out)));
        let d = distance_to_origin(&y, c);
        prop_assert!(2.0 * difference(&at, &straight) <= STEPS * (rounding(&[&y], c) + EPS * d));
        let back = vector(y.len(), |out| exp_map_zero(&straight, c, out));
        prop_assert!(apart(&back, &y, c) <= STEPS * (rounding(&[&y], c) + EPS * d));
        // v was drawn for y: at the origin it is within reach all the more.
        let (at, straight) = (exp(&zero, &v, c), vector(y.len(), |out| exp_map_zero(&v, c, out)));
        let d = 2.0 * norm(&v);
        let allowed = STEPS * (rounding(&[&at], c) + EPS * d);
        prop_assert!(apart(&at, &straight, c) <= allowed);
        prop_assert!((distance_to_origin(&straight, c) - d).abs() <= allowed);
    }

    /// exp_x(v) is the definition, x ⊕ exp₀(λv/2).
    #[test]
    fn exponential_map_is_its_definition((c, [x], v) in ball_and_tangent::<1>(4.0, 4.0)) {
        let half = 0.5 * conformal_factor(&x, c);
        let scaled: Vec<f64> = v.iter().map(|v| half * v).collect();
        let y = vector(v.len(), |out| exp_map_zero(&scaled, c, out));
        let want = vector(v.len(), |out| mobius_add(&x, &y, c, out));
        let got = exp(&x, &v, c);
        let allowed = STEPS * (rounding(&[&y, &got, &x], c) + reach(&x, length(&x, &v, c), c));
        prop_assert!(apart(&got, &want, c) <= allowed, "{} > {allowed}", apart(&got, &want, c));
    }

    /// Constant speed, d(γ(s), γ(t)) = |s − t|·d(x, y), with both ends met, as far out as points are drawn.
    #[test]
    fn geodesic_has_constant_speed((c, [x, y]) in ball::<2>(), s in 0.0..=1.0_f64, t in 0.0..=1.0_f64) {
        let (from, to) = (point(&x, &y, s, c), point(&x, &y, t, c));
        let d = apart(&x, &y, c);
        let allowed = STEPS * (rounding(&[&x, &y, &from, &to], c) + EPS * d);
        for (got, want) in [
            (apart(&from, &to, c), (s - t).abs() * d),
            (apart(&x, &to, c), t * d),
            (apart(&to, &y, c), (1.0 - t) * d),
        ] {
            prop_assert!((got - want).abs() <= allowed, "{got} vs {want} ± {allowed}");
        }
        // A quotient, a product and a quotient.
        prop_assert!(difference(&point(&x, &y, 0.0, c), &x) <= 4.0 * EPS * norm(&x));
        prop_assert!(difference(&point(&x, &y, 1.0, c), &y) <= 4.0 * EPS * norm(&y));
    }

    /// γ(t) is the definition x ⊕ (t ⊗ ((−x) ⊕ y)), beyond the ends too.
    #[test]
    fn geodesic_is_its_definition((c, [x, y]) in ball_within::<2>(2.5), t in -0.5..1.5_f64) {
        let u = vector(x.len(), |out| mobius_sub(&x, &y, c, out));
        let part = vector(x.len(), |out| mobius_scalar_mul(t, &u, c, out));
        let want = vector(x.len(), |out| mobius_add(&x, &part, c, out));
        let got = point(&x, &y, t, c);
        // Beyond an end by half the length, shifts of both ends grow.
        let far = growth(1.5 * apart(&x, &y, c), c);
        let allowed = STEPS * (rounding(&[&u, &part, &got], c) + (rounding(&[&x, &y], c) + EPS * apart(&x, &y, c)) * far);
        prop_assert!(apart(&got, &want, c) <= allowed, "{} > {allowed}", apart(&got, &want, c));
    }

    /// Transport keeps inner products, comes back, and turns the velocity at one end into that at the other.
    #[test]
    fn transport_is_an_isometry((c, [x, y, w], v) in ball_and_tangent::<3>(7.0, 3.0)) {
        let (pv, pw) = (transport(&x, &y, &v, c), transport(&x, &y, &w, c));
        let (at_x, at_y) = (conformal_factor(&x, c), conformal_factor(&y, c));
        let angle = EPS + c.sqrt() * rounding(&[&x, &y], c);
        let (got, want) = (at_y * dot(&pv, &pw) * at_y, at_x * dot(&v, &w) * at_x);
        let size = at_x * norm(&v) * norm(&w) * at_x;
        prop_assert!((got - want).abs() <= STEPS * angle * size, "{got} vs {want}, size {size}");
        let back = transport(&y, &x, &pv, c);
        prop_assert!(difference(&back, &v) <= STEPS * angle * norm(&v), "{back:?} vs {v:?}");
        let (there, here) = (transport(&x, &y, &log(&x, &y, c), c), log(&y, &x, c));
        let off = there.iter().zip(&here).map(|(a, b)| (a + b).powi(2)).sum::<f64>().sqrt();
        // Near-coincident points: the difference itself is rounded in neither map.
        prop_assert!(off <= STEPS * angle * norm(&here), "{there:?} vs minus {here:?}");
    }

    /// A projected point is within the margin, stays on its ray, and is not moved twice; one inside keeps its bits.
    #[test]
    fn projection_moves_once((c, [x]) in ball::<1>(), blow in 0.5..2.0_f64, margin in 0.0..0.5_f64) {
        let x: Vec<f64> = x.iter().map(|x| blow * x).collect();
        let mut once = vec![0.0; x.len()];
        let moved = project(&x, c, margin, &mut once);
        let limit = c.max_norm(margin);
        // The norm here is summed in another order.
        prop_assert!(norm(&once) <= limit * (1.0 + 4.0 * EPS));
        prop_assert_eq!(moved, once != x);
        let mut twice = vec![0.0; x.len()];
        prop_assert!(!project(&once, c, margin, &mut twice));
        prop_assert_eq!(&twice, &once);
        if moved {
            let scale = limit / norm(&x);
            let want: Vec<f64> = x.iter().map(|x| scale * x).collect();
            // The projection aims up to 6 units inside, for dimensions up to 11.
            prop_assert!(difference(&once, &want) <= 12.0 * EPS * limit);
        }
        // In f32 as well, where the margin may be below one rounding.
        let narrow: Vec<f32> = x.iter().map(|x| *x as f32).collect();
        let (mut once, mut twice) = (vec![0.0_f32; x.len()], vec![0.0_f32; x.len()]);
        project(&narrow, c, margin * 1e-7, &mut once);
        prop_assert!(c.is_flat() || gap_at(&once, c) > 0.0);
        prop_assert!(!project(&once, c, margin * 1e-7, &mut twice));
    }

    /// Clipping shortens to the norm given, once.
    #[test]
    fn clipping_limits_the_norm((_, [v]) in ball::<1>(), max_norm in 0.0..3.0_f64) {
        let (mut once, mut twice) = (vec![0.0; v.len()], vec![0.0; v.len()]);
        clip_norm(&v, max_norm, &mut once);
        // As for the projection.
        prop_assert!((norm(&once) - norm(&v).min(max_norm)).abs() <= 12.0 * EPS * max_norm);
        prop_assert!(!clip_norm(&once, max_norm, &mut twice));
    }

    /// For c → 0 every map tends to its flat limit, with an error of order c.
    #[test]
    fn small_curvature_is_nearly_flat((_, [x, y, v]) in ball_within::<3>(0.9), t in 0.0..=1.0_f64) {
        let bound = |x: &[f64]| { let n = norm(x).max(1.0); x.iter().map(|x| x / n).collect::<Vec<_>>() };
        let (x, y, v) = (bound(&x), bound(&y), bound(&v));
        let (small, flat) = (Curvature::new(1e-9).unwrap(), Curvature::FLAT);
        // First-order terms: c times products of three norms of at most 2.
        let allowed = 32e-9;
        prop_assert!((apart(&x, &y, small) - apart(&x, &y, flat)).abs() <= allowed);
        prop_assert!((distance_to_origin(&x, small) - 2.0 * norm(&x)).abs() <= allowed);
        prop_assert!(difference(&exp(&x, &v, small), &exp(&x, &v, flat)) <= allowed);
        prop_assert!(difference(&log(&x, &y, small), &log(&x, &y, flat)) <= allowed);
        prop_assert!(difference(&point(&x, &y, t, small), &point(&x, &y, t, flat)) <= allowed);
        prop_assert!(difference(&transport(&x, &y, &v, small), &v) <= allowed);
        // The flat forms themselves.
        let sum: Vec<f64> = x.iter().zip(&v).map(|(x, v)| x + v).collect();
        prop_assert_eq!(exp(&x, &v, flat), sum);
        let minus: Vec<f64> = x.iter().zip(&y).map(|(x, y)| y - x).collect();
        prop_assert_eq!(log(&x, &y, flat), minus.clone());
        prop_assert!((apart(&x, &y, flat) - 2.0 * norm(&minus)).abs() <= 4.0 * EPS * norm(&minus));
        prop_assert_eq!(transport(&x, &y, &v, flat), v);
    }
}
