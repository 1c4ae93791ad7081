//! From the outcomes of the seeds to the rows of a record.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use hyp_math::stats;

use super::outcome::Outcome;
use crate::metric;
use crate::plot::Series;
use crate::record::{Ours, Row, Run, Verdict};

/// The record's rows for one row of the config: one for each metric that every seed has.
///
/// The runs of each outcome are added to `runs` unless they stand there already.
pub(crate) fn rows(
    id: &str,
    seeds: &[u64],
    outcomes: &[Outcome],
    not_comparable: Option<&String>,
    runs: &mut Vec<Run>,
) -> Result<Vec<Row>> {
    let mut used = Vec::new();
    for of_outcome in outcomes.iter().flat_map(|outcome| &outcome.runs) {
        let at = runs.iter().position(|run| run == of_outcome).unwrap_or_else(|| {
            runs.push(of_outcome.clone());
            runs.len() - 1
        });
        if !used.contains(&at) {
            used.push(at);
        }
    }
    let mut rows = Vec::new();
    let episodes = outcomes[0].metrics.get(metric::EPISODES).map(|count| *count as usize);
    for metric in metric::METRICS.iter().filter(|metric| metric.name != metric::EPISODES) {
        let values: Option<Vec<f64>> =
            outcomes.iter().map(|outcome| outcome.metrics.get(metric.name).copied()).collect();
        let Some(per_seed) = values else {
            continue;
        };
        rows.push(Row {
            id: id.to_owned(),
            metric: metric.name.to_owned(),
            unit: metric.unit.to_owned(),
            direction: metric.direction,
            ours: Ours {
                episodes: episodes.filter(|_| metric.name == "accuracy"),
                ..Ours::over_seeds(per_seed, seeds).with_context(|| format!("row {id}, {}", metric.name))?
            },
            paper: None,
            delta: None,
            verdict: Verdict::NotRun,
            reason: None,
            not_comparable: not_comparable.cloned(),
            config_sha256: outcomes[0].config_sha256.clone(),
            runs: used.clone(),
            wall_s: outcomes.iter().map(|outcome| outcome.wall_s).sum(),
        });
    }
    Ok(rows)
}

/// Mean and half width of the 95 % t-interval (0 for one value) of the values of each key, for plots.
fn means<K: Ord>(values: impl Iterator<Item = (K, f64)>) -> BTreeMap<K, (f64, f64)> {
    let mut groups: BTreeMap<K, Vec<f64>> = BTreeMap::new();
    for (key, value) in values {
        groups.entry(key).or_default().push(value);
    }
    let summary = |values: Vec<f64>| {
        let half_width = stats::t_interval(&values).map_or(0.0, |interval| interval.half_width);
        (stats::mean(&values).unwrap_or(f64::NAN), half_width)
    };
    groups.into_iter().map(|(key, values)| (key, summary(values))).collect()
}

/// The line of a plot through the means of the values of each key, with their intervals; `x` is where a key stands.
pub(crate) fn line<K: Ord + Copy>(
    name: String,
    values: impl Iterator<Item = (K, f64)>,
    x: impl Fn(K) -> f64,
) -> Series {
    let found = means(values);
    Series {
        name,
        points: found.iter().map(|(key, (mean, _))| (x(*key), *mean)).collect(),
        half_widths: found.values().map(|(_, half)| *half).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::means;
    use crate::record::Ours;

    #[test]
    fn one_seed_has_no_interval() {
        let ours = Ours::over_seeds(vec![3.0], &[7]).unwrap();
        assert_eq!((ours.mean, ours.std, ours.ci95, ours.seeds), (3.0, None, None, vec![7]));
    }

    #[test]
    fn two_seeds_have_student_s_interval() {
        let ours = Ours::over_seeds(vec![1.0, 3.0], &[0, 1]).unwrap();
        // Standard deviation √2, standard error 1, and t = 12.7062 with one degree of freedom.
        assert!((ours.ci95.unwrap() - 12.7062).abs() < 1e-4);
        let of_plots = means([(1, 1.0), (1, 3.0), (2, 5.0)].into_iter());
        assert_eq!(of_plots[&2], (5.0, 0.0));
        assert!((of_plots[&1].1 - 12.7062).abs() < 1e-4, "the band of a plot is the interval of the record");
    }
}
