//! Figure 3: hyperbolic constructions in the disk, drawn from the library's own operations.
//!
//! Every drawing is checked against an identity that its parts must satisfy.

use std::collections::BTreeMap;

use anyhow::Result;
use hyp_math::Curvature;
use hyp_math::distance::distance;
use hyp_math::gyro::{mobius_add, mobius_sub};
use hyp_math::maps::{exp_map_at, exp_map_zero, geodesic};
use hyp_math::midpoint::einstein_midpoint;

use serde::{Deserialize, Serialize};

use super::Environment;
use super::contract::{Experiment, Finished, Job, Metrics, Plots, RowTable, ScaleTable};
use crate::plot::{Curve, Disk, Dots, Mark, save};
use crate::record::{DataFacts, Scale};

type Point = [f64; 2];

/// Points of one curve.
const STEPS: u32 = 200;
/// The colour after the last: black.
const BLACK: usize = usize::MAX;

/// The runner.
pub(crate) struct Constructions;

/// What a scale decides: nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoScale {}

impl ScaleTable for NoScale {
    fn rows(&self) -> Option<&[String]> {
        None
    }

    fn seeds(&self) -> Option<usize> {
        None
    }
}

/// One drawing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DrawingRow {
    id: String,
    drawing: Drawing,
    /// The space has curvature −c; the disk is drawn with radius 1.
    c: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Drawing {
    MobiusSum,
    HyperbolicAverage,
    Geodesics,
    Hyperplanes,
}

impl RowTable for DrawingRow {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Experiment for Constructions {
    type Scale = NoScale;
    type Row = DrawingRow;

    fn prepare(_: &Environment, _: &str, _: Scale, _: &NoScale) -> Result<Self> {
        Ok(Self)
    }

    fn data(&self) -> BTreeMap<String, DataFacts> {
        BTreeMap::new()
    }

    fn job(&self, job: &Job<'_, DrawingRow>) -> Result<Metrics> {
        let (_, error) = construct(job.row)?;
        Ok(Metrics::from([("max_error".to_owned(), error)]))
    }

    fn draw(&self, done: &[Finished<DrawingRow>], plots: &Plots) -> Result<()> {
        for job in done {
            save(&construct(&job.row)?.0, &plots.stem(&job.row.id))?;
        }
        Ok(())
    }
}

/// The drawing, and the largest violation of its identity.
fn construct(row: &DrawingRow) -> Result<(Disk, f64)> {
    let c = Curvature::new(row.c)?;
    let (mut disk, error) = match row.drawing {
        Drawing::MobiusSum => mobius_sum(c),
        Drawing::HyperbolicAverage => hyperbolic_average(c),
        Drawing::Geodesics => geodesics(c),
        Drawing::Hyperplanes => hyperplanes(c),
    };
    disk.in_unit_disk(c);
    Ok((disk, error))
}

/// x ⊕ y and y ⊕ x, and left cancellation: (−x) ⊕ (x ⊕ y) = y.
fn mobius_sum(c: Curvature) -> (Disk, f64) {
    let (x, y) = (from_tangent([0.9, 0.2], c), from_tangent([-0.1, 0.8], c));
    let (xy, yx) = (add(x, y, c), add(y, x, c));
    let mut back = [0.0; 2];
    mobius_sub(&x, &xy, c, &mut back);
    let points = [("x", x), ("y", y), ("x ⊕ y", xy), ("y ⊕ x", yx)];
    let curves =
        points.iter().enumerate().map(|(at, (_, point))| curve("", segment([0.0; 2], *point, c), at));
    let disk = Disk {
        title: "Möbius sum".to_owned(),
        dots: points.iter().enumerate().map(|(at, (_, point))| large(*point, at)).collect(),
        curves: curves.collect(),
        labels: points.iter().map(|(name, point)| (pair(*point), (*name).to_owned())).collect(),
    };
    (disk, gap(back, y))
}

/// The average of five points, and of two points: the middle of the geodesic between them.
fn hyperbolic_average(c: Curvature) -> (Disk, f64) {
    let tangents = [[1.2, 0.3], [0.4, 1.1], [-0.9, 0.8], [-0.5, -1.3], [0.8, -0.6]];
    let points = tangents.map(|tangent| from_tangent(tangent, c));
    let mut average = [0.0; 2];
    einstein_midpoint(&points.concat(), None, 2, c, &mut average);
    let mut middle = [0.0; 2];
    einstein_midpoint(&points[..2].concat(), None, 2, c, &mut middle);
    let along = on_geodesic(points[0], points[1], 0.5, c);
    let mut disk = Disk {
        title: "Hyperbolic average (HypAve)".to_owned(),
        dots: vec![Dots {
            name: "points".to_owned(),
            points: points.map(pair).to_vec(),
            colour: 0,
            mark: Mark::Large,
        }],
        curves: points.iter().map(|point| curve("", segment(*point, average, c), 7)).collect(),
        labels: vec![(pair(average), "HypAve".to_owned())],
    };
    disk.dots.push(large(average, 3));
    (disk, gap(middle, along))
}

/// Geodesics, and distance along them: d(x, γ(t)) = t · d(x, y).
fn geodesics(c: Curvature) -> (Disk, f64) {
    let pairs = [
        ([1.6, 0.1], [-0.2, 1.7]),
        ([-1.8, 0.4], [-0.9, -1.5]),
        ([0.3, -1.9], [1.7, -0.9]),
        ([-1.0, 1.2], [1.1, -1.2]),
        ([0.2, 0.5], [0.9, 0.4]),
    ];
    let mut curves = Vec::new();
    let mut dots = Vec::new();
    let mut error: f64 = 0.0;
    for (at, (from, to)) in pairs.iter().enumerate() {
        let (x, y) = (from_tangent(*from, c), from_tangent(*to, c));
        let whole: f64 = distance(&x, &y, c);
        for step in 0..=STEPS {
            let t = f64::from(step) / f64::from(STEPS);
            let part: f64 = distance(&x, &on_geodesic(x, y, t, c), c);
            error = error.max((part - t * whole).abs());
        }
        curves.push(curve("", segment(x, y, c), at));
        dots.extend([large(x, at), large(y, at)]);
    }
    (Disk { title: "Geodesics".to_owned(), dots, curves, labels: Vec::new() }, error)
}

/// Hyperplanes of the hyperbolic classifier, {x : ⟨(−p) ⊕ x, a⟩ = 0}, as geodesics through p at a right angle to a.
fn hyperplanes(c: Curvature) -> (Disk, f64) {
    let planes: [(Point, Point); 4] = [
        ([0.5, 0.2], [1.0, 0.3]),
        ([-0.6, 0.5], [-0.4, 1.0]),
        ([0.1, -0.9], [0.2, -1.0]),
        ([0.0, 0.1], [0.7, -0.7]),
    ];
    let mut disk =
        Disk { title: "Hyperplanes".to_owned(), dots: Vec::new(), curves: Vec::new(), labels: Vec::new() };
    let mut error: f64 = 0.0;
    for (at, (tangent, normal)) in planes.iter().enumerate() {
        let p = from_tangent(*tangent, c);
        let mut points = Vec::new();
        for step in -100..=100 {
            let t = f64::from(step) / 100.0 * 4.0 / c.sqrt();
            let mut x = [0.0; 2];
            exp_map_at(&p, &[-normal[1] * t, normal[0] * t], c, &mut x);
            let mut seen_from_p = [0.0; 2];
            mobius_sub(&p, &x, c, &mut seen_from_p);
            error = error.max((seen_from_p[0] * normal[0] + seen_from_p[1] * normal[1]).abs());
            points.push(pair(x));
        }
        disk.curves.push(curve("", points, at));
        disk.dots.push(large(p, at));
        let mut tip = [0.0; 2];
        exp_map_at(&p, &normal.map(|part| 0.2 * part), c, &mut tip);
        disk.curves.push(Curve { width: 1, ..curve("", segment(p, tip, c), BLACK) });
        disk.labels.push((pair(p), format!("p{}", at + 1)));
    }
    (disk, error)
}

impl Disk {
    /// Scales the ball of radius 1/√c to the unit disk.
    fn in_unit_disk(&mut self, c: Curvature) {
        let scale = |point: &mut (f64, f64)| *point = (point.0 * c.sqrt(), point.1 * c.sqrt());
        self.dots.iter_mut().flat_map(|dots| &mut dots.points).for_each(scale);
        self.curves.iter_mut().flat_map(|curve| &mut curve.points).for_each(scale);
        self.labels.iter_mut().for_each(|(point, _)| scale(point));
    }
}

fn from_tangent(tangent: Point, c: Curvature) -> Point {
    let mut point = [0.0; 2];
    exp_map_zero(&tangent.map(|part| part / c.sqrt()), c, &mut point);
    point
}

fn add(x: Point, y: Point, c: Curvature) -> Point {
    let mut sum = [0.0; 2];
    mobius_add(&x, &y, c, &mut sum);
    sum
}

fn on_geodesic(x: Point, y: Point, t: f64, c: Curvature) -> Point {
    let mut point = [0.0; 2];
    geodesic(&x, &y, t, c, &mut point);
    point
}

/// Points of the geodesic between two points.
fn segment(x: Point, y: Point, c: Curvature) -> Vec<(f64, f64)> {
    (0..=STEPS).map(|step| pair(on_geodesic(x, y, f64::from(step) / f64::from(STEPS), c))).collect()
}

fn pair(point: Point) -> (f64, f64) {
    (point[0], point[1])
}

fn large(point: Point, colour: usize) -> Dots {
    Dots { name: String::new(), points: vec![pair(point)], colour, mark: Mark::Large }
}

fn curve(name: &str, points: Vec<(f64, f64)>, colour: usize) -> Curve {
    Curve { name: name.to_owned(), points, colour, width: 2 }
}

fn gap(a: Point, b: Point) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

#[cfg(test)]
mod tests {
    use super::{Drawing, DrawingRow, construct};

    #[test]
    fn every_drawing_satisfies_its_identity() {
        for c in [0.1, 1.0, 4.0] {
            for drawing in
                [Drawing::MobiusSum, Drawing::HyperbolicAverage, Drawing::Geodesics, Drawing::Hyperplanes]
            {
                let (disk, error) = construct(&DrawingRow { id: "x".to_owned(), drawing, c }).unwrap();
                // Points reach a radius of 0.999, where a rounding error of 1e-16 is one of 1e-13 in distance.
                assert!(error < 1e-10, "{drawing:?} at c = {c}: {error}");
                let points = disk.dots.iter().flat_map(|dots| &dots.points);
                assert!(
                    points
                        .chain(disk.curves.iter().flat_map(|curve| &curve.points))
                        .all(|(x, y)| x.hypot(*y) < 1.0)
                );
            }
        }
    }
}
