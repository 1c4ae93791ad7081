//! Laws that tie the models together: Poincaré, Klein and Lorentz give one geometry, averages and logits move with it.

use crate::measure::{EPS, STEPS, apart, difference, dot, growth, norm, rounding, vector};
use crate::strategy::{ball, ball_within, positive_curvature};
use hyp_math::gyro::{gap_at, mobius_add, mobius_sub};
use hyp_math::maps::geodesic;
use hyp_math::midpoint::{einstein_midpoint, frechet_mean};
use hyp_math::mlr::{mlr_logit, mlr_logit_unidirectional};
use hyp_math::{Curvature, klein, lorentz};
use proptest::prelude::*;

fn to_lorentz(x: &[f64], c: Curvature) -> Vec<f64> {
    vector(x.len(), |out| lorentz::from_poincare(x, c, out))
}

fn add(x: &[f64], y: &[f64], c: Curvature) -> Vec<f64> {
    vector(x.len(), |out| mobius_add(x, y, c, out))
}

fn midpoint(points: &[Vec<f64>], weights: &[f64], c: Curvature) -> Vec<f64> {
    let dim = points[0].len();
    vector(dim, |out| einstein_midpoint(&points.concat(), Some(weights), dim, c, out))
}

fn frechet(points: &[Vec<f64>], weights: &[f64], c: Curvature) -> Vec<f64> {
    let dim = points[0].len();
    vector(dim, |out| {
        let report = frechet_mean(&points.concat(), Some(weights), dim, c, out);
        assert!(report.converged, "{report:?}");
    })
}

/// By how much the midpoint m moves when every point moves by a rounding: a shift at distance d grows by cosh(√c d) on
/// its way to m, and m is rounded itself.
fn slack(points: &[Vec<f64>], m: &[f64], c: Curvature) -> f64 {
    let shifts: f64 = points.iter().map(|x| rounding(&[x], c) * growth(apart(m, x, c), c)).sum();
    STEPS * (shifts + rounding(&[m], c))
}

/// Turns the first two coordinates by an angle.
fn turned(x: &[f64], angle: f64) -> Vec<f64> {
    let mut y = x.to_vec();
    if let [a, b, ..] = y.as_mut_slice() {
        (*a, *b) = (angle.cos() * *a - angle.sin() * *b, angle.sin() * *a + angle.cos() * *b);
    }
    y
}

proptest! {
    /// Klein and back. Near the boundary the Klein gap is the square of the Poincaré one, so ε there is ε/gap here.
    #[test]
    fn klein_and_poincare_are_inverse((c, [x]) in ball_within::<1>(7.0)) {
        let k = vector(x.len(), |out| klein::poincare_to_klein(&x, c, out));
        let back = vector(x.len(), |out| klein::klein_to_poincare(&k, c, out));
        prop_assert!(difference(&back, &x) <= STEPS * EPS * norm(&x) / gap_at(&x, c), "{back:?} vs {x:?}");
    }

    /// Lorentz and back: the way out stretches by 1/gap, the way back contracts by it.
    #[test]
    fn lorentz_and_poincare_are_inverse((c, [x]) in ball::<1>()) {
        let back = vector(x.len(), |out| lorentz::to_poincare(&to_lorentz(&x, c), c, out));
        prop_assert!(difference(&back, &x) <= STEPS * EPS * norm(&x), "{back:?} vs {x:?}");
    }

    /// The distance on the hyperboloid is the distance in the ball.
    #[test]
    fn lorentz_distance_is_the_ball_distance((c, [x, y]) in ball::<2>()) {
        let (want, got) = (apart(&x, &y, c), lorentz::distance(&to_lorentz(&x, c), &to_lorentz(&y, c), c));
        prop_assert!(
            (got - want).abs() <= STEPS * (rounding(&[&x, &y], c) + EPS * want),
            "{got} vs {want}"
        );
    }

    /// Minkowski's product of two points is −cosh(√c d)/c.
    #[test]
    fn minkowski_product_is_the_hyperbolic_cosine(
        (c, [x, y]) in ball_within::<2>(4.0).prop_filter("the hyperboloid needs c > 0", |(c, _)| !c.is_flat())
    ) {
        let (s, t) = (to_lorentz(&x, c), to_lorentz(&y, c));
        let want = -growth(apart(&x, &y, c), c) / c.get();
        let got = lorentz::inner(&s, &t, c);
        // The product subtracts numbers of the size of the product of the times, and its factors carry ε/gap each.
        let size = lorentz::time(&s, c) * lorentz::time(&t, c);
        let gaps = 1.0 / gap_at(&x, c) + 1.0 / gap_at(&y, c);
        prop_assert!((got - want).abs() <= STEPS * EPS * size * gaps, "{got} vs {want}");
    }

    /// Exponential and logarithmic map at the Lorentz origin are inverse, and the logarithm is as long as the distance.
    #[test]
    fn lorentz_logarithm_has_the_length_of_the_distance((c, [x]) in ball::<1>()) {
        let s = to_lorentz(&x, c);
        let u = vector(s.len(), |out| lorentz::log_map_zero(&s, c, out));
        let zero = vec![0.0; s.len()];
        let want = lorentz::distance(&s, &zero, c);
        prop_assert!((norm(&u) - want).abs() <= STEPS * EPS * want, "{} vs {want}", norm(&u));
        let back = vector(s.len(), |out| lorentz::exp_map_zero(&u, c, out));
        // exp multiplies a relative error by √c‖u‖ at most.
        prop_assert!(difference(&back, &s) <= STEPS * EPS * norm(&s) * (1.0 + c.sqrt() * want));
    }

    /// The Einstein midpoint is the Lorentz centroid.
    #[test]
    fn einstein_midpoint_is_the_lorentz_centroid((c, points) in ball_within::<3>(6.0), w in 0.1..10.0_f64) {
        let weights = [1.0, w, 0.5];
        let m = midpoint(&points, &weights, c);
        let space: Vec<f64> = points.iter().flat_map(|x| to_lorentz(x, c)).collect();
        let s = vector(m.len(), |out| lorentz::centroid(&space, Some(&weights), m.len(), c, out));
        let want = vector(m.len(), |out| lorentz::to_poincare(&s, c, out));
        prop_assert!(apart(&m, &want, c) <= slack(&points, &m, c), "{m:?} vs {want:?}");
    }

    /// z ⊕ midpoint(xᵢ) = midpoint(z ⊕ xᵢ), for both averages: the weights are moved with the points.
    #[test]
    fn averages_commute_with_translations((c, [z, x, y, w]) in ball_within::<4>(2.5), weight in 0.1..10.0_f64) {
        let weights = [1.0, weight, 2.0];
        let points = [x, y, w];
        let moved: Vec<Vec<f64>> = points.iter().map(|x| add(&z, x, c)).collect();
        for average in [midpoint, frechet] {
            let (before, after) = (add(&z, &average(&points, &weights, c), c), average(&moved, &weights, c));
            let slack = slack(&moved, &after, c) + slack(&points, &before, c) + STEPS * rounding(&[&z], c);
            prop_assert!(apart(&before, &after, c) <= slack, "{before:?} vs {after:?}");
        }
    }

    /// Both averages turn with the points.
    #[test]
    fn averages_commute_with_rotations((c, points) in ball_within::<3>(4.0), angle in -3.0..3.0_f64) {
        let weights = [1.0, 3.0, 0.2];
        let around: Vec<Vec<f64>> = points.iter().map(|x| turned(x, angle)).collect();
        for average in [midpoint, frechet] {
            let (before, after) = (turned(&average(&points, &weights, c), angle), average(&around, &weights, c));
            prop_assert!(apart(&before, &after, c) <= 2.0 * slack(&points, &after, c), "{before:?} vs {after:?}");
        }
    }

    /// Of two points of equal weight, both averages are the middle of the geodesic.
    #[test]
    fn averages_of_two_points_are_the_middle_of_the_geodesic((c, points) in ball_within::<2>(4.0)) {
        let want = vector(points[0].len(), |out| geodesic(&points[0], &points[1], 0.5, c, out));
        for average in [midpoint, frechet] {
            let m = average(&points, &[1.0, 1.0], c);
            prop_assert!(apart(&m, &want, c) <= slack(&points, &want, c), "{m:?} vs {want:?}");
        }
    }

    /// The logit is the formula with Möbius subtraction written out, as far as that can be computed.
    #[test]
    fn logit_is_its_definition((c, [x, p]) in ball_within::<2>(2.5), scale in 0.01..100.0_f64) {
        prop_assume!(!c.is_flat());
        let a: Vec<f64> = (0..x.len()).map(|i| scale * (i as f64 * 1.7 + 0.3).cos()).collect();
        let z = vector(x.len(), |out| mobius_sub(&p, &x, c, out));
        let gap = gap_at(&z, c);
        let sine = 2.0 * c.sqrt() * dot(&z, &a) / (gap * norm(&a));
        let want = 2.0 * norm(&a) / c.sqrt() * sine.asinh();
        // The rounding of z, ε/gap, as a change of the logit: 2‖a‖ times the distance that z moves.
        let slack = STEPS * (2.0 * norm(&a) * rounding(&[&z, &x, &p], c) + EPS * want.abs());
        let got = mlr_logit(&x, &p, &a, c);
        prop_assert!((got - want).abs() <= slack, "{got} vs {want}");
    }

    /// Points moved along the hyperplane's own translation keep their logit: the logit of x at p is that of (−p) ⊕ x at 0.
    #[test]
    fn logit_is_the_one_at_the_origin_after_translation((c, [x, p]) in ball_within::<2>(2.5)) {
        let a: Vec<f64> = (0..x.len()).map(|i| (i as f64 + 0.4).sin()).collect();
        let z = vector(x.len(), |out| mobius_sub(&p, &x, c, out));
        let zero = vec![0.0; x.len()];
        let (got, want) = (mlr_logit(&x, &p, &a, c), mlr_logit(&z, &zero, &a, c));
        let slack = STEPS * (2.0 * norm(&a) * rounding(&[&z, &x, &p], c) + EPS * want.abs());
        prop_assert!((got - want).abs() <= slack, "{got} vs {want}");
    }

    /// As c → 0 the logits tend to 4⟨a, x − p⟩ and 4(⟨x, a⟩ − ‖a‖ r), with an error of order c.
    #[test]
    fn logits_tend_to_the_affine_form(
        (_, [x, p]) in ball_within::<2>(3.0).prop_filter("points of flat space", |(c, _)| c.is_flat()),
        r in -1.0..1.0_f64,
    ) {
        let a: Vec<f64> = (0..x.len()).map(|i| (i as f64 * 2.3 + 1.0).sin()).collect();
        let difference: Vec<f64> = x.iter().zip(&p).map(|(x, p)| x - p).collect();
        let (affine, offset) = (4.0 * dot(&a, &difference), 4.0 * (dot(&x, &a) - norm(&a) * r));
        for exponent in [6, 8, 10] {
            let c = Curvature::new(10_f64.powi(-exponent)).unwrap();
            // The first correction is at most c·‖a‖ times third powers of the radii, here up to 3 each.
            let slack = 500.0 * c.get() * norm(&a) + STEPS * EPS * 30.0 * norm(&a);
            prop_assert!((mlr_logit(&x, &p, &a, c) - affine).abs() <= slack);
            prop_assert!((mlr_logit_unidirectional(&x, &a, r, c) - offset).abs() <= slack);
        }
        let flat = Curvature::FLAT;
        prop_assert!((mlr_logit(&x, &p, &a, flat) - affine).abs() <= STEPS * EPS * 30.0 * norm(&a));
        prop_assert!((mlr_logit_unidirectional(&x, &a, r, flat) - offset).abs() <= STEPS * EPS * 30.0 * norm(&a));
    }

    /// A point far out keeps its distance from the origin in Lorentz coordinates, where the ball has run out of numbers.
    #[test]
    fn lorentz_reaches_beyond_the_ball(c in positive_curvature(), angle in 1.0..300.0_f64) {
        let u = [angle / c.sqrt(), 0.0];
        let s = vector(2, |out| lorentz::exp_map_zero(&u, c, out));
        let d = lorentz::distance(&s, &[0.0, 0.0], c);
        prop_assert!((d - u[0]).abs() <= STEPS * EPS * u[0], "{d} vs {}", u[0]);
    }
}
