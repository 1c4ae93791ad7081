//! What a trained classifier says of each picture, and how well that tells digits from other pictures.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use hyp_math::stats;
use serde::{Deserialize, Serialize};

use crate::experiment::contract::Metrics;
use crate::workspace;

/// Scores of one set of pictures, one number a picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scores {
    /// Distance of the embedding to the origin of the ball; empty for other geometries.
    pub(crate) distance: Vec<f32>,
    /// Largest class probability.
    pub(crate) p_max: Vec<f32>,
    /// Norm of the network's output before it is mapped.
    pub(crate) pre_map_norm: Vec<f32>,
    /// The class with the largest probability.
    pub(crate) predicted: Vec<u32>,
    /// Share of the embeddings on the ball's margin; absent for other geometries.
    pub(crate) margin_share: Option<f64>,
    /// The embedding scaled to the unit ball, for two dimensions only.
    pub(crate) points: Vec<[f32; 2]>,
}

/// The scores of a trained classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Evaluation {
    /// The digits of the test part.
    pub(crate) inside: Scores,
    /// Their classes.
    pub(crate) labels: Vec<u32>,
    /// Pictures that are no digits.
    pub(crate) outside: Scores,
    /// The same through a second filter.
    pub(crate) outside_other: Option<Scores>,
}

/// Name of the file in a job's folder.
const FILE: &str = "scores.json";

impl Evaluation {
    /// Writes the scores into a job's folder.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string(self).context("invariant: scores are plain data")?;
        workspace::write_atomic(&folder.join(FILE), text.as_bytes())
    }

    /// Reads them back.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        serde_json::from_str(&workspace::read(&path)?).with_context(|| {
            format!("{} is damaged; delete its folder and run again with `--resume`", path.display())
        })
    }

    /// The median distance of the class that is nearest to the origin, and the distances of the digits of all others.
    ///
    /// A class that settles at the centre is as near as what is no digit, however sure the classifier is of it.
    fn nearest_class(&self) -> Result<(f64, Vec<f64>)> {
        let mut classes: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for (label, distance) in self.labels.iter().zip(wide(&self.inside.distance)) {
            classes.entry(*label).or_default().push(distance);
        }
        let mut nearest = (f64::INFINITY, 0);
        for (label, distances) in &classes {
            let median = stats::percentile(distances, 0.5)?;
            if median < nearest.0 {
                nearest = (median, *label);
            }
        }
        classes.remove(&nearest.1);
        Ok((nearest.0, classes.into_values().flatten().collect()))
    }

    /// Every metric of a record.
    pub(crate) fn metrics(&self) -> Result<Metrics> {
        let mut metrics = Metrics::new();
        metrics.insert("test_accuracy".to_owned(), 100.0 * accuracy(&self.inside.predicted, &self.labels));
        type Of = fn(&Scores) -> &[f32];
        let kinds: [(&str, Of); 3] = [
            ("distance_to_origin", |scores| &scores.distance),
            ("p_max", |scores| &scores.p_max),
            ("pre_map_norm", |scores| &scores.pre_map_norm),
        ];
        for (name, of) in kinds {
            let inside = wide(of(&self.inside));
            let outside = wide(of(&self.outside));
            if inside.is_empty() {
                continue;
            }
            // A digit is the positive case: it should lie farther out and be named more surely.
            metrics.insert(format!("ks_{name}"), stats::kolmogorov_smirnov(&inside, &outside)?);
            metrics.insert(format!("auroc_{name}"), 100.0 * stats::auroc(&inside, &outside)?);
            metrics.insert(format!("fpr95_{name}"), 100.0 * stats::fpr_at_95_tpr(&inside, &outside)?);
            if let Some(other) = &self.outside_other {
                let ks = stats::kolmogorov_smirnov(&inside, &wide(of(other)))?;
                metrics.insert(format!("ks_{name}_other_filter"), ks);
            }
        }
        metrics.insert("mean_pre_map_norm".to_owned(), stats::mean(&wide(&self.inside.pre_map_norm))?);
        if let Some(share) = self.inside.margin_share {
            metrics.insert("margin_share".to_owned(), 100.0 * share);
            let median = |scores: &Scores| stats::percentile(&wide(&scores.distance), 0.5);
            metrics.insert("median_distance_in".to_owned(), median(&self.inside)?);
            metrics.insert("median_distance_out".to_owned(), median(&self.outside)?);
            let (nearest, rest) = self.nearest_class()?;
            metrics.insert("median_distance_nearest_class".to_owned(), nearest);
            if !rest.is_empty() {
                let ks = stats::kolmogorov_smirnov(&rest, &wide(&self.outside.distance))?;
                metrics.insert("ks_distance_to_origin_without_nearest_class".to_owned(), ks);
            }
        }
        Ok(metrics)
    }
}

/// Share of right answers.
pub(crate) fn accuracy(predicted: &[u32], labels: &[u32]) -> f64 {
    let right = predicted.iter().zip(labels).filter(|(predicted, label)| predicted == label).count();
    right as f64 / labels.len().max(1) as f64
}

/// The same numbers in double precision.
pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Evaluation, Scores};

    fn scores(distance: &[f32], p_max: &[f32]) -> Scores {
        Scores {
            distance: distance.to_vec(),
            p_max: p_max.to_vec(),
            pre_map_norm: distance.to_vec(),
            predicted: vec![1; p_max.len()],
            margin_share: Some(0.25),
            points: Vec::new(),
        }
    }

    #[test]
    fn metrics_of_a_case_worked_by_hand() {
        let evaluation = Evaluation {
            inside: scores(&[2.0, 3.0, 3.0, 4.0], &[0.9, 0.8, 0.7, 1.0]),
            labels: vec![1, 1, 1, 0],
            outside: scores(&[1.0, 2.5], &[0.9, 0.2]),
            outside_other: None,
        };
        let metrics = evaluation.metrics().unwrap();
        assert_eq!(metrics["test_accuracy"], 75.0);
        assert_eq!(metrics["margin_share"], 25.0);
        // At 2.5: all of those outside, a quarter of those inside.
        assert_eq!(metrics["ks_distance_to_origin"], 0.75);
        // Of eight pairs only (2.0, 2.5) is in the wrong order.
        assert_eq!(metrics["auroc_distance_to_origin"], 87.5);
        assert_eq!(metrics["median_distance_in"], 3.0);
        // Class 1 lies at 2, 3 and 3, class 0 at 4: without class 1 nothing outside is as far.
        assert_eq!(metrics["median_distance_nearest_class"], 3.0);
        assert_eq!(metrics["ks_distance_to_origin_without_nearest_class"], 1.0);
        assert!(!metrics.contains_key("ks_distance_to_origin_other_filter"));
    }

    #[test]
    fn a_flat_classifier_has_no_distance_to_the_origin_of_a_ball() {
        let flat = Scores { distance: Vec::new(), margin_share: None, ..scores(&[2.0, 3.0], &[0.9, 0.8]) };
        let evaluation =
            Evaluation { inside: flat.clone(), labels: vec![1, 1], outside: flat, outside_other: None };
        let metrics = evaluation.metrics().unwrap();
        assert!(!metrics.contains_key("ks_distance_to_origin"));
        assert_eq!(metrics["ks_p_max"], 0.0);
        assert_eq!(metrics["auroc_pre_map_norm"], 50.0);
    }
}
