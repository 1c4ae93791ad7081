//! A sheet of small grey pictures in named rows.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::{FONT, Picture, failed};

/// Pixels between two pictures.
const GAP: i32 = 2;
/// Pixels left of the pictures, for the names of the rows.
const MARGIN: i32 = 150;
/// Pixels above the pictures, for the title.
const HEAD: i32 = 36;

/// Rows of square grey pictures. Meant for digits and drawings, never for photographs of people.
pub(crate) struct ContactSheet {
    pub(crate) title: String,
    /// Pixels on a side of each picture.
    pub(crate) side: usize,
    /// Name of each row with its pictures, row-major grey values.
    pub(crate) rows: Vec<(String, Vec<Vec<u8>>)>,
}

impl Picture for ContactSheet {
    fn size(&self) -> (u32, u32) {
        let columns = self.rows.iter().map(|(_, pictures)| pictures.len()).max().unwrap_or(1);
        let step = self.side as i32 + GAP;
        ((MARGIN + columns as i32 * step + GAP) as u32, (HEAD + self.rows.len() as i32 * step + GAP) as u32)
    }

    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Result<()> {
        area.fill(&WHITE).map_err(failed)?;
        area.draw(&Text::new(self.title.clone(), (8, 8), (FONT, 18).into_font())).map_err(failed)?;
        let step = self.side as i32 + GAP;
        for (row, (name, pictures)) in self.rows.iter().enumerate() {
            let top = HEAD + row as i32 * step;
            let middle = top + self.side as i32 / 2 - 7;
            area.draw(&Text::new(name.clone(), (8, middle), (FONT, 14).into_font())).map_err(failed)?;
            for (column, picture) in pictures.iter().enumerate() {
                assert_eq!(picture.len(), self.side * self.side, "a picture has side × side grey values");
                let left = MARGIN + column as i32 * step;
                for (at, value) in picture.iter().enumerate() {
                    let x = left + (at % self.side) as i32;
                    let y = top + (at / self.side) as i32;
                    area.draw_pixel((x, y), &RGBColor(*value, *value, *value)).map_err(failed)?;
                }
            }
        }
        Ok(())
    }
}
