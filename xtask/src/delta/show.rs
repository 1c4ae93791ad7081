//! What was found, in words and as a plot.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use hyp_delta::exact::{Interval, Method, Work};
use hyp_delta::{BallConstant, SampledHyperbolicity, suggested_curvature};

use super::Measured;
use super::controls::{Comparison, UNKNOWN};
use super::outlier::Outlier;
use crate::plot::{Bands, Chart, Lines, Series, save};

/// How a search ended.
pub(super) struct Took {
    pub(super) wall: Duration,
    /// By Ctrl-C.
    pub(super) interrupted: bool,
    /// What δ_rel certainly does not exceed, whatever was seen.
    pub(super) most: f64,
    /// Whether δ is over all base points.
    pub(super) all_bases: bool,
}

/// Prints exact δ, or the interval that the budget left. Of too few points for anything but a tree no more than that.
pub(super) fn exact(interval: &Interval, work: &Work, took: &Took, small: bool) -> Result<()> {
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
    let place = if took.all_bases {
        "over all base points".to_owned()
    } else {
        format!("at base point {}", found.base)
    };
    let seconds = took.wall.as_secs_f64();
    let whole = interval.at_most <= found.delta;
    if whole {
        println!("δ {place} is {}, exact to the last bit", figure(found.delta));
    } else {
        let why = match work.method {
            _ if took.interrupted => "the search was interrupted",
            Method::Streamed => "not all pairs fit in memory, or not in the time",
            Method::OneBase => "no more than δ at one base point, and twice that, fits in memory",
            Method::Part => "the time was over before all distances were computed",
            _ => "the time was over",
        };
        println!("δ {place} lies in [{}, {}]: {why}", figure(found.delta), figure(interval.at_most));
    }
    if small {
        let points =
            if found.points < 4 { found.points.to_string() } else { "three or fewer different".to_owned() };
        println!("  any {points} points lie in a tree; give at least four for a measurement");
        return Ok(());
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
        curvature((relative, relative));
    } else {
        let (least, most) = interval.delta_rel().unwrap_or((0.0, f64::INFINITY));
        let most = most.min(took.most);
        println!("δ_rel in [{}, {}]", four(least), four(most));
        curvature((least, most));
    }
    println!("{seconds:.2} s, {:?}, {} pairs evaluated in f64", work.method, work.refined);
    Ok(())
}

/// All digits of a number, with an exponent where it is very small or large.
fn figure(value: f64) -> String {
    if value == 0.0 || (1e-4..1e6).contains(&value.abs()) { value.to_string() } else { format!("{value:e}") }
}

/// Four places, or three digits and an exponent where four places show nothing or too much.
fn four(value: f64) -> String {
    match value {
        f64::INFINITY => "∞".to_owned(),
        0.0 | 5e-4..1e6 => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    }
}

/// Prints the estimate of a protocol, and on which points the diameters of draws hang.
pub(super) fn sampled(found: &SampledHyperbolicity, interrupted: bool, outliers: &[Outlier]) {
    let protocol = &found.protocol;
    let draws = found.draws.len();
    println!(
        "δ_rel {:.4} ± {:.4}, mean and standard deviation of {draws} draws of {} points, {} replacement, seed {}",
        found.mean,
        found.std,
        protocol.size,
        format!("{:?}", protocol.replacement).to_lowercase(),
        protocol.seed
    );
    if draws < protocol.draws {
        let why = if interrupted { "it was interrupted" } else { "the time was over" };
        println!("  the protocol has {} draws: {why}", protocol.draws);
    }
    println!(
        "  the spread between draws is no error bar: of the whole set, δ over all base points is at least {} (at any one at \
         least half of that) and the diameter at least {}",
        figure(found.delta_at_least),
        figure(found.diameter_at_least)
    );
    curvature((found.mean, found.mean));
    if let Some(first) = outliers.first() {
        println!("in {} of {draws} draws {}", outliers.len(), hangs(first));
    }
}

/// Prints on which point the diameter hangs.
pub(super) fn outlier(found: Option<Outlier>) {
    if let Some(found) = found {
        println!("{}: δ_rel and c say more of that point than of the others", hangs(&found));
    }
}

fn hangs(outlier: &Outlier) -> String {
    let Outlier { point, diameter, without } = *outlier;
    format!(
        "the diameter hangs on point {point}: {} with it, about {} without",
        four(diameter),
        four(without)
    )
}

/// From this c on the data are a tree for all that a ball can tell.
const STEEP: f64 = 1e3;

/// Prints the curvature with both constants, for δ_rel between two bounds.
fn curvature((least, most): (f64, f64)) {
    let of = |constant| {
        let (flat, steep) = (suggested_curvature(most, constant), suggested_curvature(least, constant));
        if least == most { four(flat) } else { format!("in [{}, {}]", four(flat), four(steep)) }
    };
    println!(
        "suggested c {} with the paper's constant 0.144; {} with the consistent one, {:.4}",
        of(BallConstant::Printed),
        of(BallConstant::Consistent),
        BallConstant::Consistent.value()
    );
    if suggested_curvature(most, BallConstant::Printed) >= STEEP {
        println!("  so large a c says no more than that the distances are those of a tree, or nearly");
    }
}

/// Prints the controls, from the most to the least hyperbolic, with the data among them.
pub(super) fn controls(found: &Comparison) {
    let Comparison { points, of: (all, dim), draws, most, .. } = found;
    let space = dim.map_or_else(
        || format!("{points} points"),
        |dim| format!("{points} points, where they have dimensions {dim},"),
    );
    let yours = if points == all { "your data".to_owned() } else { format!("{points} of your {all} points") };
    let means = if *draws > 1 { format!("; means of {draws} draws") } else { String::new() };
    println!("\nδ_rel of {yours} beside spaces of {space} each at one base point, the first{means}");
    if *most > 1.0 {
        println!("(0 for a tree, at most 1, or {most} where the triangle inequality fails):");
    } else {
        println!("(0 for a tree, at most {most}):");
    }
    let mut lines: Vec<(String, f64, String)> =
        found.controls.iter().map(|(name, value)| (four(*value), *value, name.clone())).collect();
    lines.extend(found.yours.map(|(least, most)| {
        let value = if least == most { four(least) } else { format!("[{}, {}]", four(least), four(most)) };
        (value, least, format!("→ {yours}"))
    }));
    lines.sort_by(|a, b| a.1.total_cmp(&b.1));
    for (value, _, name) in lines {
        println!("  {value}  {name}");
    }
    if let Some(words) = meaning(found) {
        println!("{words}");
    }
}

/// By how much of the least of a few draws another draw of the same space may well be below it.
const DRAWN: f64 = 0.9;
/// Where controls without a hierarchy are as near to a tree as this, nothing can be nearer.
const TREE: f64 = 1e-6;

/// What the place of the data among the controls says, or why it says nothing; nothing where there is none.
fn meaning(found: &Comparison) -> Option<String> {
    let ((least, most), flat) = (found.yours?, found.flat.as_ref()?);
    if found.of.1.is_none() {
        return Some(format!(
            "no verdict: distances do not say what dimension their points have, and the {UNKNOWN} of the sphere and the \
             Gaussian are a guess"
        ));
    }
    if let Some(outlier) = &found.outlier {
        return Some(format!(
            "no verdict: {}, so that δ_rel says more of that point than of the others",
            hangs(outlier)
        ));
    }
    if flat.least < TREE {
        return Some(format!(
            "no verdict: {} are as near to a tree as can be, as all points of a line are",
            if found.of.1 == Some(1) { "controls of one dimension" } else { "the controls" }
        ));
    }
    let place = |yours: f64| {
        if yours >= DRAWN * flat.least {
            "no nearer to a tree than"
        } else if yours >= 0.5 * flat.least {
            "nearer to a tree than"
        } else {
            "much nearer to a tree than"
        }
    };
    if place(least) != place(most) {
        return Some(format!(
            "no verdict: between {} and {} there is room for several",
            four(least),
            four(most)
        ));
    }
    let sign = if most >= DRAWN * flat.least { ": this is no sign of one" } else { "" };
    Some(format!("{} {}{sign}", place(least), flat.words))
}

/// Draws δ_rel against the number of points, with what is certain of the whole set.
pub(super) fn plot(found: &Comparison, measured: &Measured, stem: &Path) -> Result<()> {
    let mut levels = match measured {
        Measured::AtBase(interval) => {
            let base = interval.at_least.base;
            of_all(interval, &format!("all points at base point {base}"), found.most)
        }
        Measured::AllBases(interval) => of_all(interval, "all points over all base points", found.most),
        Measured::Sampled(sampled, diameter) => vec![
            (format!("{} draws of {}", sampled.draws.len(), sampled.protocol.size), sampled.mean),
            ("all points over all base points, at least".to_owned(), 2.0 * sampled.delta_at_least / diameter),
        ],
    };
    levels.retain(|(_, level)| level.is_finite());
    levels.extend(found.controls.iter().map(|(name, value)| (name.clone(), *value)));
    let series = Series {
        name: "your data".to_owned(),
        points: found.samples.iter().map(|(size, mean, _)| (*size as f64, *mean)).collect(),
        half_widths: found.samples.iter().map(|(.., std)| *std).collect(),
    };
    let chart = Chart {
        title: format!("δ_rel at one base point, {} samples of each size", found.draws),
        x_label: "points".to_owned(),
        y_label: "δ_rel".to_owned(),
        series: vec![series],
        levels,
    };
    save(&Lines { charts: vec![chart], columns: 1, bands: Bands::Draws }, stem)
}

/// What is certain of all points, as levels of the plot.
fn of_all(interval: &Interval, what: &str, most_of_any: f64) -> Vec<(String, f64)> {
    match interval.delta_rel() {
        Some((least, most)) if least < most => {
            vec![(format!("{what}, at least"), least), (format!("{what}, at most"), most.min(most_of_any))]
        }
        Some((value, _)) => vec![(format!("{what}, exact"), value)],
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::controls::Flat;
    use super::{Comparison, Outlier, figure, four, meaning};

    fn compared(yours: f64, flat: f64) -> Comparison {
        Comparison {
            points: 100,
            of: (100, Some(3)),
            draws: 1,
            controls: Vec::new(),
            flat: Some(Flat { least: flat, words: "the sphere, which has no hierarchy" }),
            samples: vec![(25, 0.9, 0.1), (100, yours, 0.0)],
            yours: Some((yours, yours)),
            outlier: None,
            most: 1.0,
        }
    }

    #[test]
    fn the_controls_without_a_hierarchy_give_the_number_its_meaning() {
        let says = |yours, part: &str| {
            let words = meaning(&compared(yours, 0.2)).unwrap();
            assert!(words.starts_with(part) && words.contains("the sphere"), "{yours} {words}");
        };
        says(0.19, "no nearer to a tree");
        says(0.15, "nearer to a tree");
        says(0.05, "much nearer to a tree");
    }

    #[test]
    fn what_cannot_be_compared_gets_no_verdict() {
        let none = |found: Comparison, part: &str| {
            let words = meaning(&found).unwrap();
            assert!(words.starts_with("no verdict") && words.contains(part), "{words}");
            assert!(!words.contains("nearer"), "{words}");
        };
        none(Comparison { of: (100, None), ..compared(0.05, 0.2) }, "the 3 of the sphere");
        none(Comparison { of: (100, Some(1)), ..compared(0.0, 1e-16) }, "one dimension");
        let outlier = Some(Outlier { point: 77, diameter: 250.0, without: 16.0 });
        none(Comparison { outlier, ..compared(0.02, 0.3) }, "point 77: 250.0000 with it, about 16.0000");
        none(Comparison { yours: Some((0.05, 0.3)), ..compared(0.05, 0.2) }, "between 0.0500 and 0.3000");
        // Bounds that say the same leave no doubt.
        let found = Comparison { yours: Some((0.02, 0.05)), ..compared(0.02, 0.2) };
        assert!(meaning(&found).unwrap().starts_with("much nearer"));
        assert_eq!(meaning(&Comparison { flat: None, ..compared(0.1, 0.2) }), None);
        assert_eq!(meaning(&Comparison { yours: None, ..compared(0.1, 0.2) }), None);
    }

    #[test]
    fn numbers_of_any_size_are_readable() {
        assert_eq!([0.0, 4.0, 0.5, 4e-16, 3e12].map(figure), ["0", "4", "0.5", "4e-16", "3e12"]);
        let four = |value| four(value);
        assert_eq!([0.0, 0.25, 1e-7, 6.1e28].map(four), ["0.0000", "0.2500", "1.00e-7", "6.10e28"]);
        assert_eq!(four(f64::INFINITY), "∞");
    }
}
