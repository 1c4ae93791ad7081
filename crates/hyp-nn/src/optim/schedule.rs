//! Learning rate as a function of the epoch.

use serde::{Deserialize, Serialize};

/// A learning-rate schedule: a pure function of the epoch, so nothing of it needs to be saved.
///
/// # Examples
/// ```
/// use hyp_nn::optim::Schedule;
/// let halve = Schedule::Step { every_epochs: 80, gamma: 0.5 };
/// assert_eq!(halve.rate(0.005, 79), 0.005);
/// assert_eq!(halve.rate(0.005, 80), 0.0025);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// The base rate throughout.
    #[default]
    Constant,
    /// Multiplied by `gamma` after every `every_epochs` epochs: `η γ^⌊epoch/every⌋`, epochs counted from 0.
    ///
    /// The released code calls `step()` at the start of each epoch; with the PyTorch of its time that decays here, after
    /// a full `every_epochs` epochs, and with later versions one epoch early.
    Step {
        /// Epochs between decays.
        every_epochs: usize,
        /// Factor of each decay.
        gamma: f64,
    },
    /// Multiplied by `gamma` at each milestone: epochs `0 … m−1` come before milestone `m`.
    MultiStep {
        /// Epochs at whose start the rate decays.
        milestones: Vec<usize>,
        /// Factor of each decay.
        gamma: f64,
    },
    /// Half a cosine from the base rate down to `floor` times the base rate over `epochs` epochs, then level.
    Cosine {
        /// Length of the descent.
        epochs: usize,
        /// Final share of the base rate.
        #[serde(default)]
        floor: f64,
    },
}

impl Schedule {
    /// The learning rate during `epoch` (from 0) when the base rate is `base`.
    pub fn rate(&self, base: f64, epoch: usize) -> f64 {
        let decays = |count: usize, gamma: f64| base * gamma.powi(i32::try_from(count).unwrap_or(i32::MAX));
        match self {
            Self::Constant => base,
            Self::Step { every_epochs, gamma } => decays(epoch / (*every_epochs).max(1), *gamma),
            Self::MultiStep { milestones, gamma } => {
                decays(milestones.iter().filter(|&&milestone| milestone <= epoch).count(), *gamma)
            }
            Self::Cosine { epochs, floor } => {
                let progress = (epoch as f64 / (*epochs).max(1) as f64).min(1.0);
                let share = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
                base * (floor + (1.0 - floor) * share)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn re_identification_schedule_decays_at_200_and_270() {
        let schedule = Schedule::MultiStep { milestones: vec![200, 270], gamma: 0.5 };
        let rates = [0, 199, 200, 269, 270, 299].map(|epoch| schedule.rate(8.0, epoch));
        assert_eq!(rates, [8.0, 8.0, 4.0, 4.0, 2.0, 2.0]);
    }

    #[test]
    fn cosine_passes_its_known_points() {
        let schedule = Schedule::Cosine { epochs: 4, floor: 0.0 };
        let half_root = 0.5_f64.sqrt();
        let expected = [1.0, f64::midpoint(1.0, half_root), 0.5, f64::midpoint(1.0, -half_root), 0.0, 0.0];
        for (epoch, expected) in expected.into_iter().enumerate() {
            // cos is accurate to a few units in the last place.
            assert!((schedule.rate(1.0, epoch) - expected).abs() < 1e-15, "epoch {epoch}");
        }
        assert!((Schedule::Cosine { epochs: 4, floor: 0.1 }.rate(2.0, 9) - 0.2).abs() < 1e-15);
    }

    #[test]
    fn written_as_in_a_configuration_file() {
        let schedule: Schedule =
            serde_json::from_str(r#"{"kind": "step", "every_epochs": 80, "gamma": 0.5}"#).unwrap();
        assert_eq!(schedule, Schedule::Step { every_epochs: 80, gamma: 0.5 });
        assert!(serde_json::from_str::<Schedule>(r#"{"kind": "step", "every": 80, "gamma": 0.5}"#).is_err());
    }
}
