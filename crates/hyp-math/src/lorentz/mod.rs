//! The Lorentz (hyperboloid) model: the same space without a boundary, for points far from the origin.
//!
//! **Signs.** Minkowski's product is ⟨X, Y⟩ = −X₀Y₀ + Σᵢ XᵢYᵢ, signature (−, +, …, +); points have ⟨X, X⟩ = −1/c and
//! X₀ > 0, and the space has curvature −c as everywhere in this crate.
//!
//! **Storage.** A point is stored by its space part `s ∈ Rᵈ` alone; the time part √(1/c + ‖s‖²) is recomputed where it
//! is needed, so a stored point lies on the hyperboloid by construction (a stored time in `f32` has ⟨X, X⟩ off by 1e-3
//! at ‖s‖ = 100). To hand points to a search engine, append [`time`]. For c = 0 the hyperboloid is at infinite time and
//! its space part is all of Euclidean space: [`from_poincare`] is then the factor 2 that the metric of the ball has.

mod centroid;
mod convert;
mod distance;

pub use centroid::{centroid, centroid_vjp};
pub use convert::{
    exp_map_zero, exp_map_zero_vjp, from_poincare, from_poincare_vjp, log_map_zero, log_map_zero_vjp, time,
    time_vjp, to_poincare, to_poincare_vjp,
};
pub use distance::{distance, distance_vjp, inner, inner_vjp};

use crate::Curvature;

/// √(1/c + ‖s‖²) from ‖s‖²; infinite for c = 0.
fn time_of(c: Curvature, square: f64) -> f64 {
    (1.0 / c.get() + square).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ball_points, differences};
    use crate::vector::dot;

    fn assert_near(got: &[f64], want: &[f64], what: &str) {
        for (got, want) in got.iter().zip(want) {
            // step² times third derivatives of order one, plus rounding/step.
            assert!((got - want).abs() < 1e-8 * (1.0 + want.abs()), "{what}: {got} is not {want}");
        }
    }

    type Map = fn(&[f64], Curvature, &mut [f64]);
    type MapVjp = fn(&[f64], &[f64], Curvature, &mut [f64]) -> f64;

    #[test]
    fn maps_have_the_gradients_of_central_differences() {
        let c = Curvature::new(0.6).unwrap();
        let x: Vec<f64> = ball_points(1, 1, 3, c, 0.9);
        let g = [0.7, -0.2, 1.1];
        let maps: [(&str, Map, MapVjp); 4] = [
            ("from_poincare", from_poincare, from_poincare_vjp),
            ("to_poincare", to_poincare, to_poincare_vjp),
            ("exp_map_zero", exp_map_zero, exp_map_zero_vjp),
            ("log_map_zero", log_map_zero, log_map_zero_vjp),
        ];
        for (name, map, vjp) in maps {
            let loss = |x: &[f64], c: Curvature| {
                let mut out = [0.0; 3];
                map(x, c, &mut out);
                dot(&out, &g)
            };
            let mut grad = [0.0; 3];
            let by_c = vjp(&x, &g, c, &mut grad);
            assert_near(&grad, &differences(&x, |x| loss(x, c)), name);
            let at = |c: &[f64]| loss(&x, Curvature::new(c[0]).unwrap());
            assert_near(&[by_c], &differences(&[0.6], at), name);
        }
        let mut grad = [0.0; 3];
        let by_c = time_vjp(&x, 2.0, c, &mut grad);
        assert_near(&grad, &differences(&x, |x| 2.0 * time(x, c)), "time");
        assert_near(
            &[by_c],
            &differences(&[0.6], |c| 2.0 * time(&x, Curvature::new(c[0]).unwrap())),
            "time by c",
        );
    }

    #[test]
    fn distance_and_centroid_have_the_gradients_of_central_differences() {
        for curvature in [0.0, 0.6] {
            let c = Curvature::new(curvature).unwrap();
            let points: Vec<f64> = ball_points(4, 3, 3, Curvature::FLAT, 2.0);
            let (x, y) = (&points[..3], &points[3..6]);
            let (mut gx, mut gy) = ([0.0; 3], [0.0; 3]);
            let by_c = distance_vjp(x, y, 1.0, c, &mut gx, &mut gy);
            assert_near(&gx, &differences(x, |x| distance(x, y, c)), "x");
            assert_near(&gy, &differences(y, |y| distance(x, y, c)), "y");
            let inner_by_c = inner_vjp(x, y, 1.0, c, &mut gx, &mut gy);
            if curvature > 0.0 {
                assert_near(&gx, &differences(x, |x| inner(x, y, c)), "x of the product");
                assert_near(&gy, &differences(y, |y| inner(x, y, c)), "y of the product");
                let at = |c: &[f64]| inner(x, y, Curvature::new(c[0]).unwrap());
                assert_near(&[inner_by_c], &differences(&[curvature], at), "product by c");
            }
            let weights = [1.0, 2.0, 0.3];
            let g = [0.7, -0.2, 1.1];
            let loss = |points: &[f64], weights: &[f64], c: Curvature| {
                let mut out = [0.0; 3];
                centroid(points, Some(weights), 3, c, &mut out);
                dot(&out, &g)
            };
            let (mut gp, mut gw) = ([0.0; 9], [0.0; 3]);
            let centroid_by_c = centroid_vjp(&points, Some(&weights), &g, 3, c, &mut gp, Some(&mut gw));
            assert_near(&gp, &differences(&points, |p| loss(p, &weights, c)), "points");
            assert_near(&gw, &differences(&weights, |w| loss(&points, w, c)), "weights");
            if curvature > 0.0 {
                let curved = |c: &[f64]| Curvature::new(c[0]).unwrap();
                assert_near(&[by_c], &differences(&[0.6], |c| distance(x, y, curved(c))), "distance by c");
                let at = |c: &[f64]| loss(&points, &weights, curved(c));
                assert_near(&[centroid_by_c], &differences(&[0.6], at), "centroid by c");
            }
        }
    }

    #[test]
    fn sums_over_pairs_and_over_points_agree() {
        let c = Curvature::ONE;
        let points: Vec<f64> = ball_points(7, 40, 4, Curvature::FLAT, 3.0);
        let twice = [&points[..], &points[..]].concat();
        let g = [1.0, -1.0, 0.5, 0.2];
        let (mut few, mut many) = ([0.0; 4], [0.0; 4]);
        centroid(&points, None, 4, c, &mut few);
        centroid(&twice, None, 4, c, &mut many);
        assert_near(&few, &many, "centroid");
        let (mut grad_few, mut grad_many) = (vec![0.0; 160], vec![0.0; 320]);
        let by_c = centroid_vjp(&points, None, &g, 4, c, &mut grad_few, None);
        let by_c_many = centroid_vjp(&twice, None, &g, 4, c, &mut grad_many, None);
        assert_near(&[by_c], &[by_c_many], "by c");
        // Each of two equal points has half the influence.
        let halves: Vec<f64> = grad_few.iter().map(|g| 0.5 * g).collect();
        assert_near(&grad_many[..160], &halves, "points");
    }

    #[test]
    fn coincident_points_have_distance_and_gradient_zero() {
        let x = [3.0_f64, -4.0];
        let (mut gx, mut gy) = ([1.0; 2], [1.0; 2]);
        assert_eq!(distance(&x, &x, Curvature::ONE), 0.0);
        distance_vjp(&x, &x, 1.0, Curvature::ONE, &mut gx, &mut gy);
        assert_eq!((gx, gy), ([0.0; 2], [0.0; 2]));
        assert_eq!(distance(&[0.0; 2], &[0.0; 2], Curvature::ONE), 0.0);
    }
}
