//! Points and curves in the Poincaré disk.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::{COLOURS, FONT, Picture, failed};

/// The unit disk with what lies in it.
pub(crate) struct Disk {
    pub(crate) title: String,
    pub(crate) dots: Vec<Dots>,
    pub(crate) curves: Vec<Curve>,
    /// Words at a point.
    pub(crate) labels: Vec<((f64, f64), String)>,
}

/// Points of one kind.
pub(crate) struct Dots {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Index into the colours; black beyond them.
    pub(crate) colour: usize,
    pub(crate) mark: Mark,
}

/// How a point is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Dot,
    Cross,
    Large,
}

/// A curve given by its points.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Index into the colours; black beyond them.
    pub(crate) colour: usize,
    pub(crate) width: u32,
}

fn colour(index: usize) -> RGBColor {
    COLOURS.get(index).copied().unwrap_or(BLACK)
}

impl Picture for Disk {
    fn size(&self) -> (u32, u32) {
        (760, 700)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<()> {
        area.fill(&WHITE).map_err(failed)?;
        let area = area.titled(&self.title, (FONT, 18)).map_err(failed)?;
        let (width, height) = area.dim_in_pixel();
        // One unit is as long across as it is up; the names stand in the room left on the right.
        let across = 1.05 * f64::from(width) / f64::from(height);
        let mut chart = ChartBuilder::on(&area)
            .build_cartesian_2d(-1.05..(2.0 * across - 1.05), -1.05..1.05)
            .map_err(failed)?;
        let rim = (0..=360).map(|degree| {
            let angle = f64::from(degree).to_radians();
            (angle.cos(), angle.sin())
        });
        chart.draw_series(LineSeries::new(rim, BLACK.stroke_width(1))).map_err(failed)?;
        for dots in &self.dots {
            let colour = colour(dots.colour);
            let marks = dots.points.iter().map(|point| mark(*point, dots.mark, colour));
            let series = chart.draw_series(marks).map_err(failed)?;
            if !dots.name.is_empty() {
                let kind = dots.mark;
                series.label(&dots.name).legend(move |(x, y)| mark((x + 5, y), kind, colour));
            }
        }
        for curve in &self.curves {
            let colour = colour(curve.colour);
            let width = curve.width;
            let line = LineSeries::new(curve.points.iter().copied(), colour.stroke_width(width));
            let series = chart.draw_series(line).map_err(failed)?;
            if !curve.name.is_empty() {
                series.label(&curve.name).legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 12, y)], colour.stroke_width(width))
                });
            }
        }
        let words = self.labels.iter().map(|(point, text)| {
            EmptyElement::at(*point) + Text::new(text.clone(), (7, -16), (FONT, 15).into_font())
        });
        chart.draw_series(words).map_err(failed)?;
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .label_font((FONT, 13))
            .draw()
            .map_err(failed)
    }
}

/// One mark, the same in the drawing and in the list of names.
fn mark<C: Copy + 'static, DB: DrawingBackend>(
    point: C,
    kind: Mark,
    colour: RGBColor,
) -> DynElement<'static, DB, C> {
    match kind {
        Mark::Dot => Circle::new(point, 2, colour.mix(0.6).filled()).into_dyn(),
        Mark::Large => Circle::new(point, 5, colour.filled()).into_dyn(),
        Mark::Cross => Cross::new(point, 2, colour.mix(0.6)).into_dyn(),
    }
}
