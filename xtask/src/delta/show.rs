//! What was found, in words and as a plot.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use hyp_delta::exact::{Interval, Method, Work};
use hyp_delta::{BallConstant, SampledHyperbolicity, suggested_curvature};

use super::Measured;
use super::controls::{Comparison, DRAWS};
use crate::plot::{Bands, Chart, Lines, Series, save};

/// Prints exact δ, or the interval that the budget left.
pub(super) fn exact(interval: &Interval, work: &Work, all_bases: bool, wall: Duration) -> Result<()> {
    let found = &interval.at_least;
    let Some(relative) = found.delta_rel() else {
        bail!(
            "all {} points coincide, so there is no diameter to compare δ with; give distinct points",
            found.points
        );
    };
    let place =
        if all_bases { "over all base points".to_owned() } else { format!("at base point {}", found.base) };
    let seconds = wall.as_secs_f64();
    if interval.at_most == f64::INFINITY {
        println!("δ {place} is at least {}: the time was over before every pair was seen", found.delta);
    } else if interval.at_most > found.delta {
        let why =
            if work.method == Method::Streamed { "not all pairs fit in memory" } else { "the time was over" };
        println!("δ {place} lies in [{}, {}]: {why}", found.delta, interval.at_most);
    } else {
        println!("δ {place} is {}, exact to the last bit", found.delta);
    }
    if found.points < 4 {
        println!("  any {} points lie in a tree; give at least four for a measurement", found.points);
    }
    if let Some([i, k, j]) = found.witness {
        println!("  shown by the points {}, {i}, {k} and {j}", found.base);
    }
    let (a, b) = found.diameter_pair;
    println!("diameter {}, between the points {a} and {b}", found.diameter);
    if interval.at_most == f64::INFINITY {
        println!("δ_rel of the part that was seen {relative:.4}");
    } else if interval.at_most > found.delta {
        let most = 2.0 * interval.at_most / found.diameter;
        println!("δ_rel in [{relative:.4}, {most:.4}]");
    } else {
        println!("δ_rel {relative:.4}");
    }
    curvature(relative);
    println!("{seconds:.2} s, {:?}, {} pairs evaluated in f64", work.method, work.refined);
    Ok(())
}

/// Prints the estimate of a protocol.
pub(super) fn sampled(found: &SampledHyperbolicity) {
    let protocol = &found.protocol;
    println!(
        "δ_rel {:.4} ± {:.4}, mean and standard deviation of {} draws of {} points, {} replacement, seed {}",
        found.mean,
        found.std,
        protocol.draws,
        protocol.size,
        format!("{:?}", protocol.replacement).to_lowercase(),
        protocol.seed
    );
    println!(
        "  the spread between draws is no error bar: of the whole set, δ is at least {} and the diameter at least {}",
        found.delta_at_least, found.diameter_at_least
    );
    curvature(found.mean);
}

/// Prints the curvature with both constants.
fn curvature(relative: f64) {
    let of = |constant| suggested_curvature(relative, constant);
    println!(
        "suggested c {:.4} with the paper's constant 0.144; {:.4} with the consistent one, {:.4}",
        of(BallConstant::Printed),
        of(BallConstant::Consistent),
        BallConstant::Consistent.value()
    );
}

/// Prints the controls, from the most to the least hyperbolic, with the data among them.
pub(super) fn controls(found: &Comparison) {
    println!("\nδ_rel beside spaces of {} points (0 for a tree, at most 1):", found.points);
    let mut lines = found.controls.clone();
    if let Some((_, mean, _)) = found.samples.iter().find(|(size, ..)| *size == found.points) {
        lines.push(("→ your data".to_owned(), *mean));
    }
    lines.sort_by(|a, b| a.1.total_cmp(&b.1));
    for (name, value) in lines {
        println!("  {value:.4}  {name}");
    }
}

/// Draws δ_rel against the number of points, with what is certain of the whole set.
pub(super) fn plot(found: &Comparison, measured: &Measured, stem: &Path) -> Result<()> {
    let mut levels = match measured {
        Measured::Exact(interval) => {
            let whole = &interval.at_least;
            let relative = |delta: f64| 2.0 * delta / whole.diameter;
            if interval.at_most.is_infinite() {
                // The diameter is that of the pairs seen so far, so the ratio bounds nothing.
                Vec::new()
            } else if interval.at_most > whole.delta {
                vec![
                    ("all points, at least".to_owned(), relative(whole.delta)),
                    ("all points, at most".to_owned(), relative(interval.at_most)),
                ]
            } else {
                vec![(format!("all {} points, exact", whole.points), relative(whole.delta))]
            }
        }
        Measured::Sampled(sampled) => {
            vec![(format!("{} draws of {}", sampled.protocol.draws, sampled.protocol.size), sampled.mean)]
        }
    };
    levels.retain(|(_, level)| level.is_finite());
    levels.extend(found.controls.iter().map(|(name, value)| (name.clone(), *value)));
    let series = Series {
        name: "your data".to_owned(),
        points: found.samples.iter().map(|(size, mean, _)| (*size as f64, *mean)).collect(),
        half_widths: found.samples.iter().map(|(.., std)| *std).collect(),
    };
    let chart = Chart {
        title: format!("δ_rel of samples, {DRAWS} draws each"),
        x_label: "points".to_owned(),
        y_label: "δ_rel".to_owned(),
        series: vec![series],
        levels,
    };
    save(&Lines { charts: vec![chart], columns: 1, bands: Bands::Draws }, stem)
}
