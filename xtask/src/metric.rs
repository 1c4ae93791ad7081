//! The metrics that records speak of: unit, direction and words, each written once.

use serde::{Deserialize, Serialize};

/// Which way a metric improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// A description, not a score.
    Neither,
}

/// What a metric's name stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    /// The name used in records, configs and `docs/paper`.
    pub(crate) name: &'static str,
    /// Unit of the value.
    pub(crate) unit: &'static str,
    /// Which way it improves.
    pub(crate) direction: Direction,
    /// Digits after the point in tables.
    pub(crate) digits: usize,
    /// The words shown to a reader.
    pub(crate) words: &'static str,
}

const fn metric(
    name: &'static str,
    unit: &'static str,
    direction: Direction,
    digits: usize,
    words: &'static str,
) -> Metric {
    Metric { name, unit, direction, digits, words }
}

use Direction::{Higher, Lower, Neither};

/// Not shown as a row of its own: how many episodes stand behind an accuracy.
pub(crate) const EPISODES: &str = "episodes";

/// Every metric that an experiment may report.
pub(crate) const METRICS: &[Metric] = &[
    metric("delta_rel", "ratio", Neither, 3, "δ_rel at one base point"),
    metric("delta_rel_all_bases", "ratio", Neither, 3, "exact δ_rel over all base points"),
    metric("delta_rel_std", "ratio", Neither, 3, "standard deviation of δ_rel over the draws"),
    metric("delta_rel_exact", "ratio", Neither, 4, "exact δ_rel of the whole set at one base point"),
    metric("points", "points", Neither, 0, "points of the whole set"),
    metric("c_printed", "curvature", Neither, 3, "c by the paper's constant 0.144"),
    metric("c_consistent", "curvature", Neither, 4, "c by the consistent constant 0.0568"),
    metric("c_printed_exact", "curvature", Neither, 3, "c of the whole set, 0.144"),
    metric("c_consistent_exact", "curvature", Neither, 4, "c of the whole set, 0.0568"),
    metric("test_accuracy", "percent", Higher, 2, "test accuracy"),
    metric("validation_accuracy", "percent", Higher, 2, "validation accuracy"),
    metric("ks_distance_to_origin", "distance", Higher, 3, "KS of d(x, 0)"),
    metric("ks_p_max", "distance", Higher, 3, "KS of p_max"),
    metric("ks_pre_map_norm", "distance", Higher, 3, "KS of the pre-map norm"),
    metric("ks_distance_to_origin_other_filter", "distance", Higher, 3, "KS of d(x, 0), other filter"),
    metric("ks_p_max_other_filter", "distance", Higher, 3, "KS of p_max, other filter"),
    metric("ks_pre_map_norm_other_filter", "distance", Higher, 3, "KS of the pre-map norm, other filter"),
    metric("auroc_distance_to_origin", "percent", Higher, 2, "AUROC of d(x, 0)"),
    metric("auroc_p_max", "percent", Higher, 2, "AUROC of p_max"),
    metric("auroc_pre_map_norm", "percent", Higher, 2, "AUROC of the pre-map norm"),
    metric("fpr95_distance_to_origin", "percent", Lower, 2, "FPR at 95 % TPR of d(x, 0)"),
    metric("fpr95_p_max", "percent", Lower, 2, "FPR at 95 % TPR of p_max"),
    metric("fpr95_pre_map_norm", "percent", Lower, 2, "FPR at 95 % TPR of the pre-map norm"),
    metric("margin_share", "percent", Neither, 2, "test embeddings on the ball's margin"),
    metric("clip_share", "percent", Neither, 2, "test features that the clip shortens"),
    metric("median_distance_in", "distance", Neither, 3, "median d(x, 0), in domain"),
    metric("median_distance_out", "distance", Neither, 3, "median d(x, 0), out of domain"),
    metric(
        "median_distance_nearest_class",
        "distance",
        Neither,
        3,
        "median d(x, 0) of the class nearest to the origin",
    ),
    metric(
        "ks_distance_to_origin_without_nearest_class",
        "distance",
        Higher,
        3,
        "KS of d(x, 0), that class left out",
    ),
    metric("mean_pre_map_norm", "norm", Neither, 3, "mean pre-map norm of the test part"),
    metric("train_loss", "nats", Lower, 4, "training loss of the last epoch"),
    metric("distance_to_origin", "distance", Neither, 3, "mean d(x, 0)"),
    metric("p_max", "probability", Neither, 3, "mean p_max"),
    metric("pre_map_norm", "norm", Neither, 3, "mean pre-map norm"),
    metric("accuracy", "percent", Higher, 2, "accuracy"),
    metric("accuracy_interval", "percent", Neither, 2, "half width of the 95 % interval over the episodes"),
    metric("close_calls", "queries", Neither, 0, "queries whose answer is a matter of rounding"),
    metric(
        "differing_answers",
        "queries",
        Neither,
        0,
        "answers that differ where an episode is embedded anew",
    ),
    metric(
        "differing_beyond_rounding",
        "queries",
        Neither,
        0,
        "of these, answers that rounding does not explain",
    ),
    metric("compared_episodes", "episodes", Neither, 0, "episodes that were embedded anew to compare"),
    metric(
        "cached_ratio",
        "ratio",
        Neither,
        0,
        "times as long the test would take with every episode embedded anew",
    ),
    metric("best_epoch", "epochs", Neither, 1, "epoch chosen by validation"),
    metric("train_way", "classes", Neither, 0, "classes of a training episode"),
    metric("c", "curvature", Neither, 4, "curvature parameter after training"),
    metric(EPISODES, "episodes", Neither, 0, "episodes of the test"),
    metric("rank1", "percent", Higher, 1, "rank-1"),
    metric("rank5", "percent", Higher, 1, "rank-5"),
    metric("rank10", "percent", Higher, 1, "rank-10"),
    metric("rank20", "percent", Higher, 1, "rank-20"),
    metric("map", "percent", Higher, 1, "mAP"),
    metric("worst_map", "percent", Higher, 1, "mAP if ties fell out as badly as they can"),
    metric("minp", "percent", Higher, 1, "mINP"),
    metric("reranked_rank1", "percent", Higher, 1, "rank-1 after k-reciprocal re-ranking"),
    metric("reranked_map", "percent", Higher, 1, "mAP after k-reciprocal re-ranking"),
    metric("queries", "queries", Neither, 0, "queries with a match"),
    metric("max_error", "distance", Lower, 3, "largest error of the drawing's identities"),
];

/// The metric of that name.
pub(crate) fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// A value with the digits its metric is shown with.
pub(crate) fn format(name: &str, value: f64) -> String {
    let digits = find(name).map_or(3, |metric| metric.digits);
    if value != 0.0 && value.abs() < 0.5 * 10_f64.powi(-(digits as i32)) {
        return format!("{value:.1e}");
    }
    format!("{value:.digits$}")
}

/// A value of one model as a line for a reader: its words, digits and unit.
pub(crate) fn line(name: &str, value: f64) -> String {
    let Some(metric) = find(name) else { return format!("{name}: {value}") };
    match metric.unit {
        "percent" => format!("{}: {} %", metric.words, format(name, value)),
        // One model has a whole number of them, where a mean of seeds need not.
        "epochs" => format!("{}: {value}", metric.words),
        // From 1e-5 to 1, where digits after the point would hide what training did.
        "curvature" => format!("{}: {value:.4e}", metric.words),
        _ => format!("{}: {}", metric.words, format(name, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::{METRICS, format, line};

    #[test]
    fn a_line_has_words_and_unit() {
        assert_eq!(line("accuracy", 52.427), "accuracy: 52.43 %");
        assert_eq!(line("best_epoch", 17.0), "epoch chosen by validation: 17");
        assert_eq!(line("c", 0.001_002), "curvature parameter after training: 1.0020e-3");
        assert_eq!(line("queries", 120.0), "queries with a match: 120");
        assert_eq!(line("nothing", 1.5), "nothing: 1.5");
    }

    #[test]
    fn names_are_unique() {
        for (at, metric) in METRICS.iter().enumerate() {
            assert!(METRICS[..at].iter().all(|other| other.name != metric.name), "{}", metric.name);
        }
    }

    #[test]
    fn values_keep_their_digits() {
        assert_eq!(format("test_accuracy", 98.765), "98.77");
        assert_eq!(format("delta_rel", 0.0), "0.000");
        assert_eq!(format("max_error", 2.5e-13), "2.5e-13");
    }
}
