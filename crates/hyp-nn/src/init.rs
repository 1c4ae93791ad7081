//! First values of parameters, from a seed and the parameter's name.
//!
//! Each parameter has a generator of its own, seeded by `seed ⊕ hash(name)`.
//! So the values depend neither on the order in which layers are built nor on what else the model contains, and two
//! models that share a layer's name and shape start with the same layer.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A distribution to draw first values from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All equal to this value.
    Constant(f64),
    /// Uniform on `[-bound, bound)`.
    Uniform {
        /// The bound.
        bound: f64,
    },
    /// Normal with mean 0.
    Normal {
        /// Standard deviation.
        std: f64,
    },
}

impl Init {
    /// All zero.
    pub const ZEROS: Self = Self::Constant(0.0);
    /// All one.
    pub const ONES: Self = Self::Constant(1.0);

    /// PyTorch's default for weights and biases of linear and convolutional layers.
    ///
    /// $$ U\left(-\tfrac{1}{\sqrt{f}}, \tfrac{1}{\sqrt{f}}\right), \quad f = \text{fan-in} $$
    ///
    /// This is `kaiming_uniform_(a = √5)`: gain `√(2/(1+5))`, bound `√3·gain/√f = 1/√f`.
    /// The fan-in is the number of inputs that one output sums over.
    ///
    /// # Examples
    /// ```
    /// use hyp_nn::init::Init;
    /// assert_eq!(Init::torch_default(25), Init::Uniform { bound: 0.2 });
    /// ```
    pub fn torch_default(fan_in: usize) -> Self {
        Self::Uniform { bound: 1.0 / (fan_in.max(1) as f64).sqrt() }
    }

    /// `count` values for the parameter called `name`.
    ///
    /// # Examples
    /// ```
    /// use hyp_nn::init::Init;
    /// let draw = |seed, name| Init::torch_default(4).values(seed, name, 3);
    /// assert_eq!(draw(1, "fc1.weight"), draw(1, "fc1.weight"));
    /// assert_ne!(draw(1, "fc1.weight"), draw(2, "fc1.weight"));
    /// assert_ne!(draw(1, "fc1.weight"), draw(1, "fc2.weight"));
    /// assert!(draw(1, "fc1.weight").iter().all(|v| v.abs() <= 0.5));
    /// ```
    pub fn values(self, seed: u64, name: &str, count: usize) -> Vec<f64> {
        match self {
            Self::Constant(value) => vec![value; count],
            Self::Uniform { bound } => {
                let mut rng = generator(seed, name);
                (0..count).map(|_| bound * (2.0 * unit(&mut rng) - 1.0)).collect()
            }
            Self::Normal { std } => {
                let mut rng = generator(seed, name);
                (0..count).map(|_| std * normal(&mut rng)).collect()
            }
        }
    }
}

/// The generator of the parameter (or any other consumer of randomness) called `name` under `seed`.
///
/// The hash is 64-bit FNV-1a, which is the same on every platform and in every version of this crate.
pub fn generator(seed: u64, name: &str) -> ChaCha8Rng {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    ChaCha8Rng::seed_from_u64(seed ^ hash)
}

/// Uniform on `[0, 1)` with 53 random bits.
fn unit(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Standard normal by Box and Muller's transform; the second value of the pair is not used.
fn normal(rng: &mut impl Rng) -> f64 {
    let (radius, angle) = (1.0 - unit(rng), unit(rng));
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_fills_its_interval_evenly() {
        let values = Init::Uniform { bound: 0.5 }.values(7, "w", 40_000);
        let mean = values.iter().sum::<f64>() / 4e4;
        let variance = values.iter().map(|v| v * v).sum::<f64>() / 4e4;
        // Standard errors: 0.289/200 = 1.4e-3 of the mean, 3.7e-4 of the mean square 1/12; four of each.
        assert!(mean.abs() < 6e-3, "{mean}");
        assert!((variance - 1.0 / 12.0).abs() < 1.5e-3, "{variance}");
        assert!(values.iter().all(|v| (-0.5..0.5).contains(v)));
    }

    #[test]
    fn normal_has_its_standard_deviation_and_tails() {
        let values = Init::Normal { std: 2.0 }.values(7, "w", 40_000);
        let mean = values.iter().sum::<f64>() / 4e4;
        let variance = values.iter().map(|v| v * v).sum::<f64>() / 4e4;
        // Standard errors: 2/200 = 0.01 and 4·√2/200 = 0.028; four of each.
        assert!(mean.abs() < 0.04, "{mean}");
        assert!((variance - 4.0).abs() < 0.12, "{variance}");
        let beyond_two_sigma = values.iter().filter(|v| v.abs() > 4.0).count() as f64 / 4e4;
        assert!((beyond_two_sigma - 0.0455).abs() < 0.0042, "{beyond_two_sigma}");
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // FNV-1a of "a" is af63dc4c8601ec8c (its published test vector).
        let mut expected = ChaCha8Rng::seed_from_u64(5 ^ 0xaf63_dc4c_8601_ec8c);
        assert_eq!(generator(5, "a").next_u64(), expected.next_u64());
    }
}
