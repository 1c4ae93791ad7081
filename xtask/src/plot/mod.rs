//! Plots as SVG and PNG: a thin layer over plotters with one look.

mod disk;
mod histogram;
mod lines;
mod ranks;
mod sheet;

use std::path::Path;
use std::sync::Once;

use anyhow::{Context, Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::workspace;

pub(crate) use disk::{Curve, Disk, Dots, Mark};
pub(crate) use histogram::{Histograms, Panel};
pub(crate) use lines::{Bands, Chart, Lines, Series};
pub(crate) use ranks::{RankSheet, Tile, Verdict};
pub(crate) use sheet::ContactSheet;

/// The one font; embedded, so that a plot looks the same on every machine.
const FONT: &str = "sans-serif";

/// Ten colours that stay apart for most readers with a colour-vision deficiency.
pub(crate) const COLOURS: [RGBColor; 10] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(127, 127, 127),
    RGBColor(188, 189, 34),
    RGBColor(23, 190, 207),
];

/// Something that can be drawn on any backend.
pub(crate) trait Picture {
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32);

    /// Draws on the whole area.
    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<()>;
}

/// The error of any backend as one of ours.
fn failed<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> anyhow::Error {
    anyhow!("the plot cannot be drawn: {error}")
}

/// Draws a title and named colours above a chart, where they cover nothing, and gives the area that is left below.
fn headed<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    title: &str,
    names: &[(&str, RGBColor)],
) -> Result<DrawingArea<DB, Shift>> {
    const LEFT: i32 = 54;
    const TITLE: i32 = 28;
    const LINE: i32 = 16;
    let style = TextStyle::from((FONT, 12).into_font());
    let width = area.dim_in_pixel().0 as i32;
    let (mut x, mut y) = (LEFT, TITLE);
    let mut places = Vec::new();
    for (name, colour) in names {
        let needed = 34 + area.estimate_text_size(name, &style).map_err(failed)?.0 as i32;
        if x > LEFT && x + needed > width {
            (x, y) = (LEFT, y + LINE);
        }
        places.push(((x, y), *name, *colour));
        x += needed;
    }
    let head = if places.is_empty() { TITLE } else { y + LINE };
    let (top, body) = area.split_vertically(head);
    top.draw(&Text::new(title.to_owned(), (LEFT, 8), (FONT, 16).into_font())).map_err(failed)?;
    for ((x, y), name, colour) in places {
        top.draw(&Rectangle::new([(x, y + 3), (x + 14, y + 9)], colour.filled())).map_err(failed)?;
        top.draw(&Text::new(name.to_owned(), (x + 19, y), style.clone())).map_err(failed)?;
    }
    Ok(body)
}

/// Makes the font known to plotters.
fn prepare() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let font = epaint_default_fonts::UBUNTU_LIGHT;
        assert!(
            register_font(FONT, FontStyle::Normal, font).is_ok(),
            "invariant: the embedded font is whole"
        );
    });
}

/// Writes `<stem>.svg` and `<stem>.png`.
pub(crate) fn save(picture: &impl Picture, stem: &Path) -> Result<()> {
    save_svg(picture, &stem.with_added_extension("svg"))?;
    save_png(picture, &stem.with_added_extension("png"))
}

/// Writes the picture as SVG.
pub(crate) fn save_svg(picture: &impl Picture, path: &Path) -> Result<()> {
    prepare();
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, picture.size()).into_drawing_area();
        picture.draw(&area)?;
        area.present().map_err(failed)?;
    }
    workspace::write_atomic(path, text.as_bytes())
}

/// Writes the picture as PNG.
pub(crate) fn save_png(picture: &impl Picture, path: &Path) -> Result<()> {
    prepare();
    let (width, height) = picture.size();
    let mut pixels = vec![255_u8; width as usize * height as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        picture.draw(&area)?;
        area.present().map_err(failed)?;
    }
    write_rgb(pixels, (width, height), path)
}

fn write_rgb(pixels: Vec<u8>, (width, height): (u32, u32), path: &Path) -> Result<()> {
    let image = image::RgbImage::from_raw(width, height, pixels).context("invariant: three bytes a pixel")?;
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).context("the plot cannot be encoded as PNG")?;
    workspace::write_atomic(path, bytes.get_ref())
}

/// The smallest and largest finite value, or `0..1` when there is none; never an empty range.
fn range_of(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    if low == high { (low - 0.5, high + 0.5) } else { (low, high) }
}

#[cfg(test)]
mod tests {
    use super::{
        Bands, Chart, ContactSheet, Curve, Disk, Dots, Histograms, Lines, Mark, Panel, Series, save, save_png,
    };

    #[test]
    fn every_kind_of_plot_is_written_twice() {
        let folder = tempfile::tempdir().unwrap();
        let values: Vec<f64> = (0..100).map(|i| f64::from(i) / 10.0).collect();
        let panel = Panel {
            title: "n = 2".to_owned(),
            series: vec![("in".to_owned(), values.clone()), ("out".to_owned(), vec![3.0])],
        };
        let histograms = Histograms { title: "t".to_owned(), x_label: "d".to_owned(), panels: vec![panel] };
        save(&histograms, &folder.path().join("a.histogram")).unwrap();
        let series = Series {
            name: "s".to_owned(),
            points: vec![(1.0, 2.0), (2.0, 3.0)],
            half_widths: vec![0.1, 0.2],
        };
        let chart = Chart {
            title: "t".to_owned(),
            x_label: "x".to_owned(),
            y_label: "y".to_owned(),
            series: vec![series],
            levels: vec![("paper".to_owned(), 2.5)],
        };
        save(&Lines { charts: vec![chart], columns: 3, bands: Bands::Seeds }, &folder.path().join("a.lines"))
            .unwrap();
        let dots = Dots { name: "0".to_owned(), points: vec![(0.1, 0.2)], colour: 0, mark: Mark::Cross };
        let curve =
            Curve { name: "geodesic".to_owned(), points: vec![(0.0, 0.0), (0.5, 0.5)], colour: 1, width: 2 };
        let disk = Disk { title: "t".to_owned(), dots: vec![dots], curves: vec![curve], labels: vec![] };
        save(&disk, &folder.path().join("a.disk")).unwrap();
        for name in ["a.histogram", "a.lines", "a.disk"] {
            let svg = std::fs::read_to_string(folder.path().join(format!("{name}.svg"))).unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{name}");
            let png = image::open(folder.path().join(format!("{name}.png"))).unwrap().to_rgb8();
            assert!(png.pixels().any(|pixel| pixel.0 != [255; 3]), "{name} is blank");
        }
        let digit = vec![200_u8; 28 * 28];
        let sheet =
            ContactSheet { title: "t".to_owned(), side: 28, rows: vec![("far".to_owned(), vec![digit; 3])] };
        save_png(&sheet, &folder.path().join("a.sheet.png")).unwrap();
    }
}
