//! The algebra of Möbius addition, gyration and the two Möbius products, on random points up to the boundary.

use crate::measure::{EPS, STEPS, apart, difference, dot, growth, minus, norm, rounding, spread, vector};
use crate::strategy::{ball, ball_within};
use hyp_math::Curvature;
use hyp_math::distance::distance_to_origin;
use hyp_math::gyro::{
    conformal_factor, gap_at, gyration, gyration_vjp, mobius_add, mobius_matvec, mobius_scalar_mul,
    mobius_sub, riemannian_factor,
};
use hyp_math::maps::{exp_map_zero, log_map_zero};
use proptest::prelude::*;

fn add(x: &[f64], y: &[f64], c: Curvature) -> Vec<f64> {
    vector(x.len(), |out| mobius_add(x, y, c, out))
}

fn gyr(u: &[f64], v: &[f64], w: &[f64], c: Curvature) -> Vec<f64> {
    vector(w.len(), |out| gyration(u, v, w, c, out))
}

fn times(r: f64, x: &[f64], c: Curvature) -> Vec<f64> {
    vector(x.len(), |out| mobius_scalar_mul(r, x, c, out))
}

fn apply(m: &[f64], x: &[f64], c: Curvature) -> Vec<f64> {
    vector(m.len() / x.len(), |out| mobius_matvec(m, x, c, out))
}

/// The error of an angle of gyr\[x, y\]: a gyration turns by √c times a shift of its points, at most.
fn angle(x: &[f64], y: &[f64], c: Curvature) -> f64 {
    EPS + c.sqrt() * rounding(&[x, y], c)
}

proptest! {
    /// 0 ⊕ x = x ⊕ 0 = x, and (−x) ⊕ x = 0.
    #[test]
    fn origin_is_neutral_and_opposites_cancel((c, [x]) in ball::<1>()) {
        let zero = vec![0.0; x.len()];
        for sum in [add(&zero, &x, c), add(&x, &zero, c)] {
            // A sum of two positive multiples of x and a quotient: four roundings, whatever the gap.
            prop_assert!(difference(&sum, &x) <= 4.0 * EPS * norm(&x), "{sum:?} vs {x:?}");
        }
        prop_assert_eq!(add(&minus(&x), &x, c), zero.clone());
        prop_assert_eq!(vector(x.len(), |out| mobius_sub(&x, &x, c, out)), zero);
    }

    /// mobius_sub is addition of the opposite, to the last bit.
    #[test]
    fn subtraction_adds_the_opposite((c, [x, y]) in ball::<2>()) {
        prop_assert_eq!(vector(x.len(), |out| mobius_sub(&x, &y, c, out)), add(&minus(&x), &y, c));
    }

    /// (−x) ⊕ (x ⊕ y) = y.
    #[test]
    fn left_cancellation((c, [x, y]) in ball_within::<2>(7.0)) {
        let sum = add(&x, &y, c);
        let back = add(&minus(&x), &sum, c);
        let allowed = STEPS * rounding(&[&x, &y, &sum], c);
        prop_assert!(apart(&back, &y, c) <= allowed, "{} > {allowed}", apart(&back, &y, c));
    }

    /// The gap of a sum: 1 − c‖x ⊕ y‖² = (1 − c‖x‖²)(1 − c‖y‖²)/D.
    #[test]
    fn gap_of_a_sum((c, [x, y]) in ball_within::<2>(7.0)) {
        let sum = add(&x, &y, c);
        let s: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
        let product = gap_at(&x, c) * gap_at(&y, c);
        let want = product / (product + c.get() * dot(&s, &s));
        // A gap changes by the factor exp(√c·shift) at most when its point is shifted.
        let allowed = STEPS * (EPS + c.sqrt() * rounding(&[&x, &y, &sum], c));
        prop_assert!((gap_at(&sum, c) / want - 1.0).abs() <= allowed, "{} vs {want}", gap_at(&sum, c));
    }

    /// x ⊕ y = gyr[x, y](y ⊕ x).
    #[test]
    fn gyrocommutativity((c, [x, y]) in ball_within::<2>(7.0)) {
        let (left, right) = (add(&x, &y, c), add(&y, &x, c));
        let turned = gyr(&x, &y, &right, c);
        // As vectors: both sums are shifted by the roundings, and the second is turned by an angle of its own.
        let shift = rounding(&[&x, &y], c);
        let allowed = STEPS * (0.5 * gap_at(&left, c) * shift + angle(&x, &y, c) * norm(&left));
        prop_assert!(difference(&left, &turned) <= allowed, "{} > {allowed}", difference(&left, &turned));
    }

    /// x ⊕ (y ⊕ z) = (x ⊕ y) ⊕ gyr[x, y]z.
    #[test]
    fn gyroassociativity((c, [x, y, z]) in ball_within::<3>(4.0)) {
        let (xy, yz) = (add(&x, &y, c), add(&y, &z, c));
        let left = add(&x, &yz, c);
        let turned = gyr(&x, &y, &z, c);
        let right = add(&xy, &turned, c);
        // A wrong angle at the origin is a length at the distance of z.
        let from_angle = angle(&x, &y, c) * spread(distance_to_origin(&z, c), c);
        let allowed = STEPS * (rounding(&[&x, &y, &z, &xy, &yz, &left], c) + from_angle);
        prop_assert!(apart(&left, &right, c) <= allowed, "{} > {allowed}", apart(&left, &right, c));
    }

    /// gyr[x, y] is the definition −(x ⊕ y) ⊕ (x ⊕ (y ⊕ z)).
    #[test]
    fn gyration_is_its_definition((c, [x, y, z]) in ball_within::<3>(2.5)) {
        let (xy, yz) = (add(&x, &y, c), add(&y, &z, c));
        let xyz = add(&x, &yz, c);
        let want = add(&minus(&xy), &xyz, c);
        let got = gyr(&x, &y, &z, c);
        // A shift of x ⊕ y shears what is translated by it.
        let sheared = rounding(&[&x, &y, &xy], c) * growth(distance_to_origin(&z, c), c);
        let allowed = STEPS * (rounding(&[&z, &yz, &xyz], c) + sheared);
        prop_assert!(apart(&got, &want, c) <= allowed, "{} > {allowed}", apart(&got, &want, c));
    }

    /// gyr[x, y] keeps inner products, gyr[y, x] undoes it, and its transpose is its inverse (so the gradient, too).
    #[test]
    fn gyration_is_a_rotation((c, [x, y, v, w]) in ball_within::<4>(7.0)) {
        let (gv, gw) = (gyr(&x, &y, &v, c), gyr(&x, &y, &w, c));
        let allowed = STEPS * angle(&x, &y, c);
        prop_assert!((dot(&gv, &gw) - dot(&v, &w)).abs() <= allowed * norm(&v) * norm(&w));
        let back = gyr(&y, &x, &gv, c);
        prop_assert!(difference(&back, &v) <= allowed * norm(&v), "{back:?} vs {v:?}");
        let dim = x.len();
        let (mut gx, mut gy, mut transposed) = (vec![0.0; dim], vec![0.0; dim], vec![0.0; dim]);
        gyration_vjp(&x, &y, &v, &w, c, &mut gx, &mut gy, &mut transposed);
        prop_assert!(difference(&transposed, &gyr(&y, &x, &w, c)) <= allowed * norm(&w));
    }

    /// (r + s) ⊗ x = r ⊗ x ⊕ s ⊗ x, and 1 ⊗ x = x.
    #[test]
    fn scalar_distributivity((c, [x]) in ball_within::<1>(5.0), r in -1.5..1.5_f64, s in -1.5..1.5_f64) {
        let (left, rx, sx) = (times(r + s, &x, c), times(r, &x, c), times(s, &x, c));
        let right = add(&rx, &sx, c);
        // The rounding of r + s, and of artanh, moves along the line by that share of the distance.
        let along = EPS * distance_to_origin(&x, c) * (1.0 + r.abs() + s.abs());
        let scaled = (1.0 + r.abs() + s.abs()) * rounding(&[&x], c);
        let allowed = STEPS * (rounding(&[&rx, &sx, &left], c) + scaled + along);
        prop_assert!(apart(&left, &right, c) <= allowed, "{} > {allowed}", apart(&left, &right, c));
        let same = times(1.0, &x, c);
        prop_assert!(apart(&same, &x, c) <= STEPS * (rounding(&[&x], c) + along));
    }

    /// (r·s) ⊗ x = r ⊗ (s ⊗ x), and the distance from the origin is multiplied.
    #[test]
    fn scalar_associativity((c, [x]) in ball_within::<1>(4.0), r in -1.4..1.4_f64, s in -1.4..1.4_f64) {
        let sx = times(s, &x, c);
        let (left, right) = (times(r * s, &x, c), times(r, &sx, c));
        let along = EPS * distance_to_origin(&x, c) * (1.0 + (r * s).abs());
        let allowed = STEPS
            * (rounding(&[&left], c) + r.abs() * rounding(&[&sx], c) + (r * s).abs() * rounding(&[&x], c) + along);
        prop_assert!(apart(&left, &right, c) <= allowed, "{} > {allowed}", apart(&left, &right, c));
        let (got, want) = (distance_to_origin(&left, c), (r * s).abs() * distance_to_origin(&x, c));
        prop_assert!((got - want).abs() <= allowed, "{got} vs {want}");
    }

    /// A multiple of the identity multiplies as a scalar; M ⊗ x is exp₀(M·log₀ x).
    #[test]
    fn matrix_product_extends_the_scalar_product(
        (c, [x, a, b]) in ball_within::<3>(5.0),
        r in -1.5..1.5_f64,
    ) {
        let dim = x.len();
        let mut identity = vec![0.0; dim * dim];
        identity.iter_mut().step_by(dim + 1).for_each(|m| *m = r);
        let (left, right) = (apply(&identity, &x, c), times(r, &x, c));
        let scale = STEPS * (1.0 + r.abs());
        let allowed = scale * (rounding(&[&left, &x], c) + EPS * distance_to_origin(&x, c));
        prop_assert!(apart(&left, &right, c) <= allowed, "{left:?} vs {right:?}");

        // Two rows, of norm at most 1 so that the image is no nearer to the boundary than x.
        let rows: Vec<f64> = [&a, &b].iter().flat_map(|row| {
            let n = norm(row).max(1e-300) * 2f64.sqrt();
            row.iter().map(move |m| m / n).collect::<Vec<f64>>()
        }).collect();
        let tangent = vector(dim, |out| log_map_zero(&x, c, out));
        let image: Vec<f64> = rows.chunks(dim).map(|row| dot(row, &tangent)).collect();
        let want = vector(2, |out| exp_map_zero(&image, c, out));
        let got = apply(&rows, &x, c);
        // Rounding errors of the dot products count against ‖x‖, not against the image, which may be shorter.
        let size = norm(&tangent);
        let allowed = STEPS * (rounding(&[&got], c) + 2.0 * EPS * size + rounding(&[&x], c));
        prop_assert!(apart(&got, &want, c) <= allowed * growth(2.0 * size, c), "{got:?} vs {want:?}");
    }

    /// The Riemannian factor is 1/λ², and λ(1 − c‖x‖²) = 2.
    #[test]
    fn factors_agree((c, [x]) in ball::<1>()) {
        let (lambda, factor) = (conformal_factor(&x, c), riemannian_factor(&x, c));
        // A quotient, a square and a product, each of one rounding.
        prop_assert!((lambda * lambda * factor - 1.0).abs() <= 4.0 * EPS);
        prop_assert!((lambda * gap_at(&x, c) - 2.0).abs() <= 4.0 * EPS);
    }

    /// For c → 0 every operation tends to its flat limit, with an error of order c.
    #[test]
    fn small_curvature_is_nearly_flat((_, [x, y, w]) in ball_within::<3>(0.9), r in -2.0..2.0_f64) {
        // Radii are drawn for some other c: brought back to norm at most 1 here.
        let bound = |x: &[f64]| { let n = norm(x).max(1.0); x.iter().map(|x| x / n).collect::<Vec<_>>() };
        let (x, y, w) = (bound(&x), bound(&y), bound(&w));
        let (small, flat) = (Curvature::new(1e-9).unwrap(), Curvature::FLAT);
        // The first-order terms are c times at most 2·(‖x‖ + ‖y‖)²·… ≤ 16 for norms and factors of at most 2.
        let allowed = 32e-9;
        prop_assert!(difference(&add(&x, &y, small), &add(&x, &y, flat)) <= allowed);
        prop_assert!(difference(&gyr(&x, &y, &w, small), &gyr(&x, &y, &w, flat)) <= allowed);
        prop_assert!(difference(&times(r, &x, small), &times(r, &x, flat)) <= allowed);
        prop_assert!(difference(&apply(&w, &x, small), &apply(&w, &x, flat)) <= allowed);
        prop_assert!((conformal_factor(&x, small) - 2.0).abs() <= allowed);
        prop_assert!((riemannian_factor(&x, small) - 0.25).abs() <= allowed);
        // And the flat forms are the plain ones, to the last bit where there is one rounding only.
        let sum: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
        prop_assert_eq!(add(&x, &y, flat), sum);
        prop_assert_eq!(gyr(&x, &y, &w, flat), w);
        prop_assert_eq!(times(r, &x, flat), x.iter().map(|x| r * x).collect::<Vec<_>>());
    }
}
