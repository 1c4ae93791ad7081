//! Damage to a picture, in growing amounts, decided by its arguments alone.

use hyp_data::Random;

/// Blurs a square picture with a Gaussian of that standard deviation in pixels; outside it is black.
pub(super) fn blur(picture: &[u8], side: usize, sigma: f64) -> Vec<u8> {
    if sigma <= 0.0 {
        return picture.to_vec();
    }
    let reach = (3.0 * sigma).ceil() as i64;
    let weights: Vec<f64> = (-reach..=reach).map(|at| (-0.5 * (at as f64 / sigma).powi(2)).exp()).collect();
    let total: f64 = weights.iter().sum();
    let pass = |from: &[f64], step: usize, across: usize| -> Vec<f64> {
        let mut to = vec![0.0; from.len()];
        for line in 0..side {
            for at in 0..side as i64 {
                let mut sum = 0.0;
                for (weight, offset) in weights.iter().zip(-reach..) {
                    let place = at + offset;
                    if (0..side as i64).contains(&place) {
                        sum += weight * from[line * across + place as usize * step];
                    }
                }
                to[line * across + at as usize * step] = sum / total;
            }
        }
        to
    };
    let wide: Vec<f64> = picture.iter().map(|byte| f64::from(*byte)).collect();
    let rows = pass(&wide, 1, side);
    pass(&rows, side, 1).iter().map(|value| value.round().clamp(0.0, 255.0) as u8).collect()
}

/// Adds Gaussian noise of that standard deviation, in shares of the full range.
pub(super) fn noise(picture: &[u8], std: f64, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut add = |byte: &u8| {
        // Box and Muller; the sine partner is left unused.
        let (u, v) = (1.0 - random.unit(), random.unit());
        let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
        (f64::from(*byte) + 255.0 * std * normal).round().clamp(0.0, 255.0) as u8
    };
    picture.iter().map(&mut add).collect()
}

/// Blackens a square of that many pixels on a side at a random place inside the picture.
pub(super) fn occlude(picture: &[u8], side: usize, square: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let square = square.min(side);
    let (top, left) = (random.below(side - square + 1), random.below(side - square + 1));
    let mut covered = picture.to_vec();
    for row in top..top + square {
        covered[row * side + left..row * side + left + square].fill(0);
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::{blur, noise, occlude};

    #[test]
    fn a_blurred_point_keeps_its_light_and_spreads_evenly() {
        let mut point = vec![0_u8; 15 * 15];
        point[7 * 15 + 7] = 255;
        let blurred = blur(&point, 15, 1.0);
        let light: i32 = blurred.iter().map(|byte| i32::from(*byte)).sum();
        // Each of 49 pixels was rounded by at most one half.
        assert!((light - 255).abs() <= 25, "{light}");
        assert_eq!(blurred[7 * 15 + 6], blurred[6 * 15 + 7]);
        assert_eq!(blurred[7 * 15 + 6], blurred[7 * 15 + 8]);
        assert_eq!(blurred[7 * 15 + 7], 41, "255 / 2π = 40.6, and a little more for the cut tails");
        assert_eq!(blur(&point, 15, 0.0), point);
    }

    #[test]
    fn noise_has_the_asked_spread() {
        let grey = vec![128_u8; 10_000];
        let noisy = noise(&grey, 0.1, 1);
        let squares: f64 = noisy.iter().map(|byte| (f64::from(*byte) - 128.0).powi(2)).sum();
        let std = (squares / 10_000.0).sqrt();
        // 25.5, with a standard error of 0.7 %; four of them.
        assert!((std - 25.5).abs() < 0.75, "{std}");
        assert_eq!(noise(&grey, 0.1, 1), noisy);
        assert_eq!(noise(&grey, 0.0, 1), grey);
    }

    #[test]
    fn an_occlusion_covers_its_square() {
        let white = vec![255_u8; 28 * 28];
        for seed in 0..20 {
            let grey: u64 = occlude(&white, 28, 7, seed).iter().map(|byte| u64::from(*byte)).sum();
            assert_eq!(grey, 255 * (28 * 28 - 49));
        }
        assert_eq!(occlude(&white, 28, 28, 0), vec![0; 28 * 28]);
    }
}
