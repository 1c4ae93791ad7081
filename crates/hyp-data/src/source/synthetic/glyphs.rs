//! Invented characters made of strokes.

use super::dataset;
use crate::dataset::Dataset;
use crate::image::Image;
use crate::seed::{Purpose, Random};

/// The side of a stroke glyph.
pub const GLYPH_SIDE: usize = 28;

/// Invented characters, "stroke glyphs": white strokes on black, 28 × 28 grey, `per_class` drawings of each of
/// `classes` characters.
///
/// They stand in for Omniglot where it is not at hand: alike to MNIST's digits in size, stroke width and margin, but
/// no digits (a character may look like one by chance).
/// A character is two to four curved strokes, half of which begin where the one before ends;
/// a drawing turns, scales and shifts it a little, moves every control point, and varies the pen.
///
/// # Panics
/// If a number is 0.
///
/// # Examples
/// ```
/// use hyp_data::source::synthetic;
/// let glyphs = synthetic::stroke_glyphs(5, 20, 0);
/// let picture = glyphs.image(0)?;
/// assert_eq!((glyphs.len(), picture.height(), picture.width(), picture.channels()), (100, 28, 28, 1));
/// # Ok::<(), hyp_data::DataError>(())
/// ```
pub fn stroke_glyphs(classes: usize, per_class: usize, seed: u64) -> Dataset {
    // The stream of drawing number u64::MAX belongs to the character itself.
    let characters: Vec<Vec<Stroke>> = (0..classes)
        .map(|class| character(&mut Random::keyed(Purpose::Synthetic, seed, class as u64, u64::MAX)))
        .collect();
    dataset("stroke-glyph", classes, per_class, |class, number| {
        let mut random = Random::keyed(Purpose::Synthetic, seed, class as u64, number as u64);
        draw(&characters[class], &mut random)
    })
}

type Point = [f64; 2];
/// The four control points of a cubic Bézier curve, in pixels.
type Stroke = [Point; 4];

/// Strokes stay between these coordinates, as MNIST's digits stay within the middle 20 × 20.
const BOX: (f64, f64) = (5.0, 23.0);

fn character(random: &mut Random) -> Vec<Stroke> {
    let inside = |point: Point| point.map(|v| v.clamp(BOX.0, BOX.1));
    let count = 2 + random.below(3);
    let mut strokes: Vec<Stroke> = Vec::with_capacity(count);
    for _ in 0..count {
        let free = [random.between(BOX.0, BOX.1), random.between(BOX.0, BOX.1)];
        let start = match strokes.last() {
            Some(last) if random.unit() < 0.5 => last[3],
            _ => free,
        };
        // Towards the middle rather than into a corner: the angle is drawn about the direction of the centre.
        let centre = (14.0 - start[1]).atan2(14.0 - start[0]);
        let angle = centre + random.between(-1.2, 1.2);
        let length = random.between(9.0, 17.0);
        let (dx, dy) = (length * angle.cos(), length * angle.sin());
        let end = inside([start[0] + dx, start[1] + dy]);
        let mut bend = |at: f64| {
            let aside = random.between(-0.6, 0.6);
            inside([start[0] + at * dx - aside * dy, start[1] + at * dy + aside * dx])
        };
        let (first, second) = (bend(0.3), bend(0.7));
        strokes.push([start, first, second, end]);
    }
    strokes
}

fn draw(strokes: &[Stroke], random: &mut Random) -> Image {
    let (sine, cosine) = random.between(-0.15, 0.15).sin_cos();
    let scale = random.between(0.9, 1.1);
    let shift = [random.between(-1.0, 1.0), random.between(-1.0, 1.0)];
    let half_width = random.between(0.9, 1.5);
    let mut segments = Vec::new();
    for stroke in strokes {
        let moved = stroke.map(|[x, y]| {
            let (x, y) = (x - 14.0 + random.between(-0.7, 0.7), y - 14.0 + random.between(-0.7, 0.7));
            let turned = [cosine * x - sine * y, sine * x + cosine * y];
            [14.0 + scale * turned[0] + shift[0], 14.0 + scale * turned[1] + shift[1]]
        });
        const PIECES: usize = 12;
        let points: Vec<Point> = (0..=PIECES).map(|n| bezier(&moved, n as f64 / PIECES as f64)).collect();
        segments.extend(points.windows(2).map(|pair| [pair[0], pair[1]]));
    }
    let mut data = Vec::with_capacity(GLYPH_SIDE * GLYPH_SIDE);
    for row in 0..GLYPH_SIDE {
        for column in 0..GLYPH_SIDE {
            let pixel = [column as f64 + 0.5, row as f64 + 0.5];
            let squares = segments.iter().map(|segment| squared_distance(pixel, *segment));
            let nearest = squares.fold(f64::INFINITY, f64::min).sqrt();
            // Coverage of the pixel by the pen, to first order: 1 inside, 0 outside, linear over one pixel.
            data.push((255.0 * (half_width + 0.5 - nearest).clamp(0.0, 1.0)).round() as u8);
        }
    }
    Image::new(GLYPH_SIDE, GLYPH_SIDE, 1, data)
}

fn bezier(stroke: &Stroke, t: f64) -> Point {
    let s = 1.0 - t;
    let weights = [s * s * s, 3.0 * s * s * t, 3.0 * s * t * t, t * t * t];
    [0, 1].map(|axis| weights.iter().zip(stroke).map(|(w, point)| w * point[axis]).sum())
}

/// The square of the distance of a point from a segment.
fn squared_distance(point: Point, [from, to]: [Point; 2]) -> f64 {
    let along = [to[0] - from[0], to[1] - from[1]];
    let offset = [point[0] - from[0], point[1] - from[1]];
    let length_squared = along[0] * along[0] + along[1] * along[1];
    let t = if length_squared > 0.0 {
        ((offset[0] * along[0] + offset[1] * along[1]) / length_squared).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let (x, y) = (offset[0] - t * along[0], offset[1] - t * along[1]);
    x * x + y * y
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_every_byte() {
        let bytes = |seed| -> Vec<u8> {
            let glyphs = stroke_glyphs(3, 2, seed);
            (0..6).flat_map(|n| glyphs.image(n).unwrap().into_data()).collect()
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }

    #[test]
    fn glyphs_have_the_ink_and_margin_of_handwriting() {
        let glyphs = stroke_glyphs(50, 4, 0);
        let (mut ink, mut border, mut between) = (0.0, 0.0, 0);
        for n in 0..glyphs.len() {
            let image = glyphs.image(n).unwrap();
            ink += image.data().iter().map(|&v| f64::from(v)).sum::<f64>();
            between += image.data().iter().filter(|&&v| v > 0 && v < 255).count();
            for at in 0..GLYPH_SIDE {
                border += f64::from(image.pixel(0, at)[0]) + f64::from(image.pixel(at, 0)[0]);
            }
        }
        let mean = ink / (glyphs.len() * GLYPH_SIDE * GLYPH_SIDE) as f64 / 255.0;
        // MNIST's mean is 0.13; strokes of a like width and length must come near it.
        assert!((0.08..0.25).contains(&mean), "mean {mean}");
        assert!(border / ink < 0.01, "ink at the border: {}", border / ink);
        assert!(between > 10 * glyphs.len(), "edges are antialiased: {between}");
    }

    #[test]
    fn drawings_of_one_character_are_closer_than_those_of_two() {
        let glyphs = stroke_glyphs(20, 2, 5);
        let image = |n: usize| glyphs.image(n).unwrap().into_data();
        let apart = |a: usize, b: usize| -> f64 {
            image(a).iter().zip(image(b)).map(|(x, y)| f64::from(x.abs_diff(y)).powi(2)).sum()
        };
        let same: f64 = (0..20).map(|k| apart(2 * k, 2 * k + 1)).sum::<f64>() / 20.0;
        let other: f64 = (0..20).map(|k| apart(2 * k, (2 * k + 2) % 40)).sum::<f64>() / 20.0;
        assert!(same < 0.7 * other, "{same} within, {other} between");
    }

    #[test]
    fn the_distance_from_a_segment() {
        assert_eq!(squared_distance([3.0, 4.0], [[0.0, 0.0], [0.0, 0.0]]), 25.0);
        assert_eq!(squared_distance([1.0, 2.0], [[0.0, 0.0], [4.0, 0.0]]), 4.0);
        assert_eq!(squared_distance([7.0, 4.0], [[0.0, 0.0], [4.0, 0.0]]), 25.0);
    }
}
