//! Queries with what was found for them, nearest first, framed by whether it is right.

use anyhow::Result;
use hyp_data::transform::{Filter, Step, Transform};
use hyp_data::{Image, Random};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::{COLOURS, FONT, Picture, failed};

/// Pixels of the longer side of a picture.
const SIDE: usize = 144;
/// Pixels of a frame, and between a picture and its frame.
const FRAME: i32 = 3;
const INSET: i32 = FRAME + 1;
/// Pixels between two frames.
const GAP: i32 = 8;
/// Pixels between the query and what was found.
const AFTER_QUERY: i32 = 20;
/// Pixels above the rows, and below each picture for two lines.
const HEAD: i32 = 36;
const LINE: i32 = 13;

/// What is known of a picture in a ranking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is what was asked with.
    Asked,
    /// It is of the identity or class that was asked for: a whole frame.
    Right,
    /// It is of another: a frame of dashes.
    Wrong,
    /// One of the two is not known: a thin frame.
    Unknown,
}

/// One picture.
pub(crate) struct Tile {
    pub(crate) image: Image,
    pub(crate) verdict: Verdict,
    /// Two lines.
    pub(crate) caption: [String; 2],
}

/// Rows of pictures, each of a query and what was found. May show people: for run folders, never for the repository.
pub(crate) struct RankSheet {
    title: String,
    rows: Vec<Vec<Tile>>,
    /// Width and height of the place of each picture.
    place: (usize, usize),
}

impl RankSheet {
    /// Scales every picture into a place of the first one's proportions.
    pub(crate) fn new(title: String, rows: Vec<Vec<Tile>>) -> Result<Self> {
        let first = rows.first().and_then(|row| row.first());
        let (width, height) = first.map_or((1, 1), |tile| (tile.image.width(), tile.image.height()));
        let longer = width.max(height);
        let side = |part: usize| (SIDE * part / longer).clamp(SIDE / 3, SIDE);
        let place = (side(width), side(height));
        let scaled = |tile: Tile| Ok(Tile { image: fitted(tile.image, place)?, ..tile });
        let rows = rows
            .into_iter()
            .map(|row| row.into_iter().map(scaled).collect::<Result<Vec<Tile>>>())
            .collect::<Result<_>>()?;
        Ok(Self { title, rows, place })
    }

    /// Pixels from one picture to the next, and from one row to the next.
    fn steps(&self) -> (i32, i32) {
        let (width, height) = (self.place.0 as i32, self.place.1 as i32);
        (width + 2 * INSET + GAP, height + 2 * INSET + 3 + 2 * LINE + GAP)
    }
}

/// The picture as large as its place allows.
fn fitted(image: Image, (width, height): (usize, usize)) -> Result<Image> {
    let scale = (width as f64 / image.width() as f64).min(height as f64 / image.height() as f64);
    let side = |part: usize, most: usize| ((part as f64 * scale).round() as usize).clamp(1, most);
    let (height, width) = (side(image.height(), height), side(image.width(), width));
    let resize = Transform::new([Step::Resize { height, width, filter: Filter::Bilinear }]);
    Ok(resize.apply(image, &mut Random::new(0))?)
}

impl Picture for RankSheet {
    fn size(&self) -> (u32, u32) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(1) as i32;
        let (across, down) = self.steps();
        (
            (2 * GAP + columns * across + AFTER_QUERY) as u32,
            (HEAD + self.rows.len() as i32 * down + GAP) as u32,
        )
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<()> {
        area.fill(&WHITE).map_err(failed)?;
        area.draw(&Text::new(self.title.clone(), (GAP, 8), (FONT, 16).into_font())).map_err(failed)?;
        let (across, down) = self.steps();
        for (row, tiles) in self.rows.iter().enumerate() {
            for (column, tile) in tiles.iter().enumerate() {
                let apart = if column > 0 { AFTER_QUERY } else { 0 };
                let left = GAP + column as i32 * across + apart;
                draw_tile(area, tile, (left, HEAD + row as i32 * down), self.place)?;
            }
        }
        Ok(())
    }
}

fn draw_tile<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    tile: &Tile,
    (left, top): (i32, i32),
    (width, height): (usize, usize),
) -> Result<()> {
    let (right, bottom) = (left + width as i32 + 2 * INSET, top + height as i32 + 2 * INSET);
    let (colour, frame, dashed) = match tile.verdict {
        Verdict::Asked => (BLACK, FRAME, false),
        Verdict::Right => (COLOURS[2], FRAME, false),
        Verdict::Wrong => (COLOURS[3], FRAME, true),
        Verdict::Unknown => (COLOURS[7], 1, false),
    };
    for y in top..bottom {
        for x in left..right {
            let depth = (x - left).min(right - 1 - x).min(y - top).min(bottom - 1 - y);
            // Dashes tell wrong from right without colours.
            if depth < frame && !(dashed && (x - left + y - top) % 12 >= 8) {
                area.draw_pixel((x, y), &colour).map_err(failed)?;
            }
        }
    }
    let image = &tile.image;
    let at = (
        left + INSET + (width - image.width()) as i32 / 2,
        top + INSET + (height - image.height()) as i32 / 2,
    );
    for y in 0..image.height() {
        for x in 0..image.width() {
            let pixel = image.pixel(y, x);
            let [red, green, blue] =
                if let [red, green, blue] = pixel { [*red, *green, *blue] } else { [pixel[0]; 3] };
            area.draw_pixel((at.0 + x as i32, at.1 + y as i32), &RGBColor(red, green, blue))
                .map_err(failed)?;
        }
    }
    let style = TextStyle::from((FONT, 11).into_font());
    for (line, text) in tile.caption.iter().enumerate() {
        let mut text = text.clone();
        // A long name keeps its end, where most names differ.
        while area.estimate_text_size(&text, &style).map_err(failed)?.0 as i32 > right - left + GAP / 2 {
            text = format!("…{}", text.chars().skip(2).collect::<String>());
        }
        let y = bottom + 3 + line as i32 * LINE;
        area.draw(&Text::new(text, (left, y), style.clone())).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{RankSheet, Tile, Verdict};
    use crate::plot::{Picture as _, save_png};

    #[test]
    fn frames_tell_right_from_wrong_and_pictures_keep_their_proportions() {
        let folder = tempfile::tempdir().unwrap();
        let tile = |height, width, verdict, name: &str| Tile {
            image: hyp_data::Image::filled(height, width, &[10, 20, 200]),
            verdict,
            caption: [name.to_owned(), "0.5".to_owned()],
        };
        let rows = vec![
            vec![
                tile(128, 64, Verdict::Asked, "a/very/long/name/of/a/picture/0001_c1s1_000001_00.jpg"),
                tile(128, 64, Verdict::Right, "b"),
                tile(10, 400, Verdict::Wrong, "c"),
            ],
            vec![tile(128, 64, Verdict::Asked, ""), tile(64, 64, Verdict::Unknown, "d")],
        ];
        let sheet = RankSheet::new("found".to_owned(), rows).unwrap();
        assert_eq!(sheet.place, (72, 144));
        assert_eq!((sheet.rows[0][2].image.height(), sheet.rows[0][2].image.width()), (2, 72));
        let path = folder.path().join("ranks.png");
        save_png(&sheet, &path).unwrap();
        let drawn = image::open(path).unwrap().to_rgb8();
        assert_eq!(drawn.dimensions(), sheet.size());
        let count = |colour: [u8; 3]| drawn.pixels().filter(|pixel| pixel.0 == colour).count();
        let (right, wrong) = (count([44, 160, 44]), count([214, 39, 40]));
        assert!(right > 0 && wrong > 0 && right > wrong, "a dashed frame is thinner: {right} and {wrong}");
        assert!(count([10, 20, 200]) >= 3 * 72 * 144, "three whole pictures");
        let empty = RankSheet::new(String::new(), Vec::new()).unwrap();
        save_png(&empty, &folder.path().join("none.png")).unwrap();
    }
}
