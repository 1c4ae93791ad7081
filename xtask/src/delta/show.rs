//! What was found, in words and as a plot.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use hyp_delta::exact::{Interval, Method, Work};
use hyp_delta::{BallConstant, SampledHyperbolicity, suggested_curvature};

use super::Measured;
use super::controls::Comparison;
use crate::plot::{Bands, Chart, Lines, Series, save};

/// How a search ended.
pub(super) struct Took {
    pub(super) wall: Duration,
    /// By Ctrl-C.
    pub(super) interrupted: bool,
    /// What δ_rel certainly does not exceed, whatever was seen.
    pub(super) most: f64,
}

/// Prints exact δ, or the interval that the budget left.
pub(super) fn exact(interval: &Interval, work: &Work, all_bases: bool, took: Took) -> Result<()> {
    let found = &interval.at_least;
    let Some(relative) = found.delta_rel() else {
        if found.points == 1 {
            bail!("one point has no distances; give at least four");
        }
        bail!(
            "all {} points coincide, so there is no diameter to compare δ with; give distinct points",
            found.points
        );
    };
    let place =
        if all_bases { "over all base points".to_owned() } else { format!("at base point {}", found.base) };
    let seconds = took.wall.as_secs_f64();
    let whole = interval.at_most <= found.delta;
    if whole {
        println!("δ {place} is {}, exact to the last bit", figure(found.delta));
    } else {
        let why = match work.method {
            _ if took.interrupted => "the search was interrupted",
            Method::Streamed => "not all pairs fit in memory, or not in the time",
            Method::Part => "the time was over before all distances were computed",
            _ => "the time was over",
        };
        println!("δ {place} lies in [{}, {}]: {why}", figure(found.delta), figure(interval.at_most));
    }
    if found.points < 4 {
        println!("  any {} points lie in a tree; give at least four for a measurement", found.points);
    }
    if let Some([i, k, j]) = found.witness {
        println!("  shown by the points {}, {i}, {k} and {j}", found.base);
    }
    let (a, b) = found.diameter_pair;
    let diameter = figure(found.diameter);
    if interval.diameter_at_most > found.diameter {
        println!(
            "diameter at least {diameter}, between the points {a} and {b}, and at most {}",
            figure(interval.diameter_at_most)
        );
    } else {
        println!("diameter {diameter}, between the points {a} and {b}");
    }
    if whole {
        println!("δ_rel {}", four(relative));
    } else {
        let (least, most) = interval.delta_rel().unwrap_or((0.0, f64::INFINITY));
        println!("δ_rel in [{}, {}]", four(least), four(most.min(took.most)));
    }
    curvature(relative);
    println!("{seconds:.2} s, {:?}, {} pairs evaluated in f64", work.method, work.refined);
    Ok(())
}

/// All digits of a number, with an exponent where it is very small or large.
fn figure(value: f64) -> String {
    if value == 0.0 || (1e-3..1e9).contains(&value.abs()) { value.to_string() } else { format!("{value:e}") }
}

/// Four places, or three digits and an exponent where four places show nothing or too much.
fn four(value: f64) -> String {
    match value {
        f64::INFINITY => "∞".to_owned(),
        0.0 | 5e-4..1e6 => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    }
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
        figure(found.delta_at_least),
        figure(found.diameter_at_least)
    );
    curvature(found.mean);
}

/// From this c on the data are a tree for all that a ball can tell.
const STEEP: f64 = 1e3;

/// Prints the curvature with both constants.
fn curvature(relative: f64) {
    let of = |constant| suggested_curvature(relative, constant);
    let printed = of(BallConstant::Printed);
    println!(
        "suggested c {} with the paper's constant 0.144; {} with the consistent one, {:.4}",
        four(printed),
        four(of(BallConstant::Consistent)),
        BallConstant::Consistent.value()
    );
    if printed >= STEEP {
        println!("  so large a c says no more than that the distances are those of a tree, or nearly");
    }
}

/// Prints the controls, from the most to the least hyperbolic, with the data among them.
pub(super) fn controls(found: &Comparison) {
    let Comparison { points, of: (all, dim), draws, .. } = found;
    let space = dim.map_or_else(
        || format!("{points} points"),
        |dim| format!("{points} points, where they have dimensions {dim},"),
    );
    let yours = if points == all { "your data".to_owned() } else { format!("{points} of your {all} points") };
    let means = if *draws > 1 { format!("; means of {draws} draws") } else { String::new() };
    println!("\nδ_rel of {yours} beside spaces of {space} each at one base point, the first{means}");
    println!("(0 for a tree, at most 1):");
    let mut lines = found.controls.clone();
    lines.extend(found.samples.last().map(|(_, mean, _)| (format!("→ {yours}"), *mean)));
    lines.sort_by(|a, b| a.1.total_cmp(&b.1));
    for (name, value) in lines {
        println!("  {value:.4}  {name}");
    }
    if let Some(words) = meaning(found) {
        println!("{words}");
    }
}

/// By how much of the least of a few draws another draw of the same space may well be below it.
const DRAWN: f64 = 0.9;

/// What the place of the data among the controls says; nothing where there is no control without a hierarchy.
fn meaning(found: &Comparison) -> Option<&'static str> {
    let (_, yours, _) = found.samples.last()?;
    let flat = found.flat?;
    Some(if *yours >= DRAWN * flat {
        "no nearer to a tree than the sphere or the Gaussian, which have no hierarchy: this is no sign of one"
    } else if *yours >= 0.5 * flat {
        "nearer to a tree than the sphere and the Gaussian, which have no hierarchy"
    } else {
        "much nearer to a tree than the sphere and the Gaussian, which have no hierarchy"
    })
}

/// Draws δ_rel against the number of points, with what is certain of the whole set.
pub(super) fn plot(found: &Comparison, measured: &Measured, stem: &Path) -> Result<()> {
    let mut levels = match measured {
        Measured::Exact(interval) => {
            let whole = &interval.at_least;
            match interval.delta_rel() {
                Some((least, most)) if least < most => {
                    vec![
                        ("all points, at least".to_owned(), least),
                        ("all points, at most".to_owned(), most.min(1.0)),
                    ]
                }
                Some((value, _)) => vec![(format!("all {} points, exact", whole.points), value)],
                None => Vec::new(),
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
        title: format!("δ_rel of samples, {} drawn of each size", found.draws),
        x_label: "points".to_owned(),
        y_label: "δ_rel".to_owned(),
        series: vec![series],
        levels,
    };
    save(&Lines { charts: vec![chart], columns: 1, bands: Bands::Draws }, stem)
}

#[cfg(test)]
mod tests {
    use super::{Comparison, figure, four, meaning};

    #[test]
    fn the_controls_without_a_hierarchy_give_the_number_its_meaning() {
        let of = |yours: f64, flat| {
            let found = Comparison {
                points: 100,
                of: (100, Some(3)),
                draws: 1,
                controls: Vec::new(),
                flat,
                samples: vec![(25, 0.9, 0.1), (100, yours, 0.0)],
            };
            meaning(&found)
        };
        let says = |yours, part: &str| assert!(of(yours, Some(0.2)).unwrap().starts_with(part), "{yours}");
        says(0.19, "no nearer to a tree");
        says(0.15, "nearer to a tree");
        says(0.05, "much nearer to a tree");
        assert_eq!(of(0.1, None), None);
    }

    #[test]
    fn numbers_of_any_size_are_readable() {
        assert_eq!([0.0, 4.0, 0.5, 4e-16, 3e12].map(figure), ["0", "4", "0.5", "4e-16", "3e12"]);
        let four = |value| four(value);
        assert_eq!([0.0, 0.25, 1e-7, 6.1e28].map(four), ["0.0000", "0.2500", "1.00e-7", "6.10e28"]);
        assert_eq!(four(f64::INFINITY), "∞");
    }
}
