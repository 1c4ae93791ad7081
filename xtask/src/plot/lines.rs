//! Lines with bands, one chart beside the other.

use std::collections::BTreeSet;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::{COLOURS, FONT, Picture, failed, headed, range_of};

/// Pixels below the charts, for what is said of all of them.
const FOOT: u32 = 22;
/// The grey of named levels.
const GREY: RGBColor = RGBColor(102, 102, 102);

/// What the bands of a picture are.
#[derive(Clone, Copy)]
pub(crate) enum Bands {
    /// 95 % t-intervals over the seeds.
    Seeds,
    /// Standard deviations over the draws of one protocol.
    Draws,
    /// 95 % intervals over the episodes of one evaluation.
    Episodes,
}

impl Bands {
    fn words(self) -> &'static str {
        match self {
            Self::Seeds => "bands: 95 % t-interval over the seeds",
            Self::Episodes => "bands: 95 % interval over the episodes",
            Self::Draws => "bands: one standard deviation over the draws, no interval of the whole",
        }
    }
}

/// Charts of one picture.
pub(crate) struct Lines {
    pub(crate) charts: Vec<Chart>,
    /// What the bands are, if there are any.
    pub(crate) bands: Bands,
    /// Charts beside each other.
    pub(crate) columns: usize,
}

/// One chart.
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x_label: String,
    pub(crate) y_label: String,
    pub(crate) series: Vec<Series>,
    /// Named horizontal lines, such as a printed value.
    pub(crate) levels: Vec<(String, f64)>,
}

/// One line.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Half width of the band at each point, see [`Bands`]; empty without a band.
    pub(crate) half_widths: Vec<f64>,
}

impl Picture for Lines {
    fn size(&self) -> (u32, u32) {
        let (rows, columns) = self.grid();
        (460 * columns as u32, 360 * rows as u32 + FOOT)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<()> {
        area.fill(&WHITE).map_err(failed)?;
        let (charts, foot) = area.split_vertically(area.dim_in_pixel().1 as i32 - FOOT as i32);
        let bands = self.charts.iter().flat_map(|chart| &chart.series).flat_map(|series| &series.half_widths);
        if bands.into_iter().any(|half| *half > 0.0) {
            foot.draw(&Text::new(self.bands.words(), (10, 3), (FONT, 12).into_font())).map_err(failed)?;
        }
        // One colour for one name in all charts.
        let all = self.charts.iter().flat_map(|chart| chart.series.iter().map(|series| series.name.as_str()));
        let names: Vec<&str> = all.collect::<BTreeSet<&str>>().into_iter().collect();
        let parts = charts.split_evenly(self.grid());
        for (part, chart) in parts.iter().zip(&self.charts) {
            draw_chart(part, chart, &names)?;
        }
        Ok(())
    }
}

impl Lines {
    /// Rows and columns of charts.
    fn grid(&self) -> (usize, usize) {
        let columns = self.columns.clamp(1, self.charts.len().max(1));
        (self.charts.len().div_ceil(columns).max(1), columns)
    }
}

/// A tick's number without digits that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

fn draw_chart<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    lines: &Chart,
    names: &[&str],
) -> Result<()> {
    let colour_of = |name: &str| {
        let at = names.iter().position(|known| *known == name).unwrap_or_default();
        COLOURS[at % COLOURS.len()]
    };
    let mut named: Vec<(&str, RGBColor)> =
        lines.series.iter().map(|series| (series.name.as_str(), colour_of(&series.name))).collect();
    // One level needs no colour, and several have those that the lines leave.
    let level_colour = |at: usize| match lines.levels.len() {
        1 => GREY,
        _ => COLOURS[(names.len() + at) % COLOURS.len()],
    };
    named.extend(lines.levels.iter().enumerate().map(|(at, (name, _))| (name.as_str(), level_colour(at))));
    let area = headed(area, &lines.title, &named)?;
    let (left, right) =
        range_of(lines.series.iter().flat_map(|series| series.points.iter().map(|(x, _)| *x)));
    let heights = lines.series.iter().flat_map(|series| {
        series.points.iter().enumerate().flat_map(|(at, (_, y))| {
            let half = series.half_widths.get(at).copied().unwrap_or(0.0);
            [y - half, y + half]
        })
    });
    let (low, high) = range_of(heights.chain(lines.levels.iter().map(|(_, y)| *y)));
    let room = 0.05 * (high - low);
    let mut chart = ChartBuilder::on(&area)
        .margin(10)
        .x_label_area_size(38)
        .y_label_area_size(54)
        .build_cartesian_2d(left..right, (low - room)..(high + room))
        .map_err(failed)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.08))
        .x_desc(&lines.x_label)
        .y_desc(&lines.y_label)
        .x_labels(6)
        .x_label_formatter(&|x| number(*x))
        .y_label_formatter(&|y| number(*y))
        .label_style((FONT, 12))
        .axis_desc_style((FONT, 13))
        .draw()
        .map_err(failed)?;
    for series in &lines.series {
        let colour = colour_of(&series.name);
        if !series.half_widths.is_empty() {
            let bounds = series.points.iter().zip(&series.half_widths);
            let upper = bounds.clone().map(|((x, y), half)| (*x, y + half));
            let lower = bounds.rev().map(|((x, y), half)| (*x, y - half));
            let band: Vec<(f64, f64)> = upper.chain(lower).collect();
            chart
                .draw_series(std::iter::once(Polygon::new(band, colour.mix(0.15).filled())))
                .map_err(failed)?;
        }
        chart
            .draw_series(LineSeries::new(series.points.iter().copied(), colour.stroke_width(2)))
            .map_err(failed)?;
        chart
            .draw_series(series.points.iter().map(|point| Circle::new(*point, 3, colour.filled())))
            .map_err(failed)?;
    }
    for (level_at, (_, level)) in lines.levels.iter().enumerate() {
        let dashes = (0..20).map(|dash| {
            let at = |part: f64| left + (right - left) * (f64::from(dash) + part) / 20.0;
            PathElement::new([(at(0.0), *level), (at(0.6), *level)], level_colour(level_at))
        });
        chart.draw_series(dashes).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn ticks_are_short() {
        assert_eq!([0.0, -0.0, 0.25, 100.0, -1.5].map(number), ["0", "0", "0.25", "100", "-1.5"]);
    }
}
