//! Overlaid histograms, one panel beside the other.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::{COLOURS, FONT, Picture, failed, headed, range_of};

/// Bins of one panel.
const BINS: usize = 60;

/// Histograms that share an axis title.
pub(crate) struct Histograms {
    pub(crate) title: String,
    pub(crate) x_label: String,
    pub(crate) panels: Vec<Panel>,
}

/// One panel: named samples on one axis, each normalised to area one.
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) series: Vec<(String, Vec<f64>)>,
}

impl Picture for Histograms {
    fn size(&self) -> (u32, u32) {
        let columns = self.panels.len().clamp(1, 4) as u32;
        let rows = self.panels.len().div_ceil(4).max(1) as u32;
        (360 * columns, 300 * rows + 40)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<()> {
        area.fill(&WHITE).map_err(failed)?;
        let area = area.titled(&self.title, (FONT, 20)).map_err(failed)?;
        let columns = self.panels.len().clamp(1, 4);
        let parts = area.split_evenly((self.panels.len().div_ceil(4).max(1), columns));
        for (part, panel) in parts.iter().zip(&self.panels) {
            draw_panel(part, panel, &self.x_label)?;
        }
        Ok(())
    }
}

fn draw_panel<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, panel: &Panel, x_label: &str) -> Result<()> {
    let (low, high) = range_of(panel.series.iter().flat_map(|(_, values)| values.iter().copied()));
    let width = (high - low) / BINS as f64;
    let densities: Vec<Vec<f64>> =
        panel.series.iter().map(|(_, values)| density(values, low, width)).collect();
    let top = densities.iter().flatten().copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE) * 1.05;
    // Out of domain is drawn in blue and in domain in red, as in the paper's figure.
    let colours = [COLOURS[3], COLOURS[0], COLOURS[2], COLOURS[1]];
    let named: Vec<(&str, RGBColor)> =
        panel.series.iter().zip(colours).map(|((name, _), colour)| (name.as_str(), colour)).collect();
    let area = headed(area, &panel.title, &named)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(34)
        .y_label_area_size(44)
        .build_cartesian_2d(low..high, 0.0..top)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc(x_label)
        .y_desc("density")
        .x_labels(6)
        .y_labels(5)
        .label_style((FONT, 12))
        .axis_desc_style((FONT, 13))
        .draw()
        .map_err(failed)?;
    for (bars, colour) in densities.iter().zip(colours) {
        let boxes = bars.iter().enumerate().filter(|(_, height)| **height > 0.0).map(|(bin, height)| {
            let left = low + bin as f64 * width;
            Rectangle::new([(left, 0.0), (left + width, *height)], colour.mix(0.5).filled())
        });
        chart.draw_series(boxes).map_err(failed)?;
    }
    Ok(())
}

/// Heights of the bins of a histogram with area one.
fn density(values: &[f64], low: f64, width: f64) -> Vec<f64> {
    let mut counts = vec![0_usize; BINS];
    for value in values.iter().filter(|value| value.is_finite()) {
        counts[(((value - low) / width) as usize).min(BINS - 1)] += 1;
    }
    let total = counts.iter().sum::<usize>().max(1) as f64;
    counts.iter().map(|count| *count as f64 / (total * width)).collect()
}

#[cfg(test)]
mod tests {
    use super::density;

    #[test]
    fn the_area_is_one() {
        let heights = density(&[0.0, 0.5, 0.25, 1.0], 0.0, 1.0 / 60.0);
        assert!((heights.iter().sum::<f64>() / 60.0 - 1.0).abs() < 1e-12);
    }
}
