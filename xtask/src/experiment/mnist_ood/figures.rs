//! Plots of trained classifiers: distributions of scores, the disk, and metrics against c or the dimension.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use hyp_nn::Geometry;

use super::config::OodRow;
use super::scores::{Evaluation, Scores, wide};
use crate::experiment::contract::{Finished, Plots};
use crate::experiment::tally::line;
use crate::plot::{Bands, Chart, Disk, Dots, Histograms, Lines, Mark, Panel, Series, save};

/// Pictures of each kind shown in the disk; more would hide each other.
const SHOWN: usize = 1500;

/// Metrics against the dimension, and against c where a row's geometry varies it.
pub(crate) fn overview(done: &[Finished<OodRow>], plots: &Plots) -> Result<()> {
    let by_c = done.iter().any(|job| c_of(job) != done.first().and_then(c_of));
    let in_ball = done.iter().all(|job| c_of(job).is_some());
    let (x_label, name): (&str, fn(&OodRow) -> String) = if by_c && in_ball {
        ("log10 c", by_dim_and_clip)
    } else {
        ("log2 of the dimension n", |row| row.geometry.name().to_owned())
    };
    let x = |job: &Finished<OodRow>| match c_of(job) {
        Some(c) if x_label == "log10 c" => c.log10(),
        _ => (job.row.dim as f64).log2(),
    };
    let wanted = [
        ("ks_distance_to_origin", "KS of d(x, 0)"),
        ("ks_p_max", "KS of p_max"),
        ("ks_pre_map_norm", "KS of the pre-map norm"),
        ("test_accuracy", "test accuracy, percent"),
        ("validation_accuracy", "validation accuracy, percent"),
        ("margin_share", "embeddings on the margin, percent"),
    ];
    let mut charts = Vec::new();
    for (metric, y_label) in wanted {
        let mut lines: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
        for job in done {
            if let Some(value) = job.metrics.get(metric) {
                // Keys are whole numbers, so that equal abscissae of different seeds are one point.
                lines.entry(name(&job.row)).or_default().push(((x(job) * 1e6).round() as i64, *value));
            }
        }
        let series: Vec<Series> = lines
            .into_iter()
            .map(|(name, points)| line(name, points.into_iter(), |x| x as f64 / 1e6))
            .collect();
        if !series.is_empty() {
            charts.push(Chart {
                title: y_label.to_owned(),
                x_label: x_label.to_owned(),
                y_label: y_label.to_owned(),
                series,
                levels: Vec::new(),
            });
        }
    }
    save(&Lines { charts, columns: 3, bands: Bands::Seeds }, &plots.stem(""))
}

/// `n = 16, clip 2.3`: what one line over c has in common.
fn by_dim_and_clip(row: &OodRow) -> String {
    match row.geometry {
        Geometry::Poincare { clip: Some(clip), .. } => format!("n = {}, clip {clip}", row.dim),
        _ => format!("n = {}", row.dim),
    }
}

fn c_of(job: &Finished<OodRow>) -> Option<f64> {
    match job.row.geometry {
        Geometry::Poincare { c, .. } => Some(c),
        _ => None,
    }
}

/// Distributions of d(x, 0), one panel for each job.
pub(crate) fn histograms(jobs: &[(String, Evaluation)], names: (&str, &str), stem: &Path) -> Result<()> {
    let panels = jobs.iter().map(|(title, evaluation)| Panel {
        title: title.clone(),
        series: vec![
            (names.0.to_owned(), wide(&evaluation.inside.distance)),
            (names.1.to_owned(), wide(&evaluation.outside.distance)),
        ],
    });
    let picture = Histograms {
        title: "Hyperbolic distance to the origin".to_owned(),
        x_label: "d(x, 0)".to_owned(),
        panels: panels.collect(),
    };
    save(&picture, stem)
}

/// The two-dimensional embeddings: dots by class, crosses for what is no digit.
pub(crate) fn disk(evaluation: &Evaluation, names: (&str, &str), title: &str, stem: &Path) -> Result<()> {
    let every = |count: usize| count.div_ceil(SHOWN).max(1);
    let places = |scores: &Scores, keep: &dyn Fn(usize) -> bool| -> Vec<(f64, f64)> {
        let step = every(scores.points.len());
        let kept = scores.points.iter().enumerate().step_by(step).filter(|(at, _)| keep(*at));
        kept.map(|(_, [x, y])| (f64::from(*x), f64::from(*y))).collect()
    };
    let mut dots = vec![Dots {
        name: names.1.to_owned(),
        points: places(&evaluation.outside, &|_| true),
        colour: usize::MAX,
        mark: Mark::Cross,
    }];
    for class in 0..10_u32 {
        dots.push(Dots {
            name: format!("{class} ({})", names.0),
            points: places(&evaluation.inside, &|at| evaluation.labels[at] == class),
            colour: class as usize,
            mark: Mark::Dot,
        });
    }
    save(&Disk { title: title.to_owned(), dots, curves: Vec::new(), labels: Vec::new() }, stem)
}
