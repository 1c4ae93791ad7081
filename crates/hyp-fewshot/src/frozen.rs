//! A geometry on plain numbers: what evaluation and prediction need, without tensors.

use hyp_math::distance::distance_to_origin;
use hyp_math::{Curvature, batch, lorentz};

use crate::geometry::Geometry;

/// A [`Geometry`] with a fixed curvature, on slices of embedded points.
///
/// The same numbers as [`Space`](crate::Space) gives, up to rounding in `f32`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frozen {
    geometry: Geometry,
    c: Curvature,
}

impl Frozen {
    /// The geometry at this curvature, which counts only where the geometry has one.
    pub fn new(geometry: Geometry, c: Curvature) -> Self {
        Self { geometry, c: if geometry.c().is_some() { c } else { Curvature::FLAT } }
    }

    /// The geometry.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The curvature parameter; 0 where there is none.
    pub fn curvature(&self) -> Curvature {
        self.c
    }

    /// The prototype of each group of `shot` consecutive points.
    ///
    /// **Shapes.** `support`: `[way, shot, dim]`, `out`: `[way, dim]`.
    ///
    /// # Panics
    /// If a length does not fit.
    ///
    /// # Examples
    /// ```
    /// use hyp_fewshot::{Flat, Frozen, Geometry};
    /// use hyp_math::Curvature;
    /// let flat = Frozen::new(Geometry::Euclidean { distance: Flat::Squared }, Curvature::FLAT);
    /// let (mut prototypes, mut logits) = ([0.0; 4], [0.0; 2]);
    /// flat.prototypes(&[0.0, 2.0, 0.0, 4.0, 5.0, 0.0, 7.0, 0.0], 2, 2, &mut prototypes);
    /// assert_eq!(prototypes, [0.0, 3.0, 6.0, 0.0]);
    /// flat.logits(&[0.0, 0.0], &prototypes, 2, &mut logits);
    /// assert_eq!(logits, [-9.0, -36.0]);
    /// ```
    pub fn prototypes(&self, support: &[f32], shot: usize, dim: usize, out: &mut [f32]) {
        let average = match self.geometry {
            Geometry::Lorentz { .. } => batch::lorentz::centroid,
            _ => batch::einstein_midpoint,
        };
        average(support, None, shot, dim, self.c, out);
    }

    /// Logits of queries against prototypes, before the temperature.
    ///
    /// **Shapes.** `queries`: `[queries, dim]`, `prototypes`: `[way, dim]`, `out`: `[queries, way]`.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn logits(&self, queries: &[f32], prototypes: &[f32], dim: usize, out: &mut [f32]) {
        match self.geometry {
            Geometry::Cosine { scale } => {
                let way = prototypes.len() / dim;
                for (query, out) in queries.chunks_exact(dim).zip(out.chunks_exact_mut(way)) {
                    for (prototype, out) in prototypes.chunks_exact(dim).zip(out) {
                        *out = (scale * cosine(query, prototype)) as f32;
                    }
                }
            }
            Geometry::Lorentz { .. } => {
                batch::lorentz::distance_matrix(queries, prototypes, dim, self.c, out);
                for value in out.iter_mut() {
                    *value = -*value;
                }
            }
            geometry => {
                batch::distance_matrix(queries, prototypes, dim, self.c, out);
                let squared = geometry.is_squared();
                for value in out {
                    *value = if squared { -0.25 * *value * *value } else { -*value };
                }
            }
        }
    }

    /// The distance of each point to the origin of its space: the confidence of \[HIE\].
    ///
    /// Hyperbolic where there is curvature, else 2‖x‖, its limit for c → 0.
    ///
    /// **Shapes.** `points`: `[rows, dim]`.
    pub fn distance_to_origin(&self, points: &[f32], dim: usize) -> Vec<f64> {
        let origin = vec![0.0_f64; dim];
        let distance = |point: &[f32]| {
            let point: Vec<f64> = point.iter().copied().map(f64::from).collect();
            match self.geometry {
                Geometry::Lorentz { .. } => lorentz::distance(&point, &origin, self.c),
                _ => distance_to_origin(&point, self.c),
            }
        };
        points.chunks_exact(dim).map(distance).collect()
    }

    /// Share of the points that the margin holds, in `[0, 1]`; none where there is no ball.
    ///
    /// A point counts from a millionth inside the margin on, which covers the rounding of `f32`.
    ///
    /// **Shapes.** `points`: `[rows, dim]`.
    pub fn margin_share(&self, points: &[f32], dim: usize) -> Option<f64> {
        let Geometry::Poincare { margin, .. } = self.geometry else { return None };
        if self.c.is_flat() {
            return None;
        }
        let edge = self.c.max_norm(margin) * (1.0 - 1e-6);
        let held = points.chunks_exact(dim).filter(|point| square(point).sqrt() >= edge).count();
        Some(held as f64 / (points.len() / dim).max(1) as f64)
    }
}

fn square(v: &[f32]) -> f64 {
    v.iter().map(|v| f64::from(*v) * f64::from(*v)).sum()
}

/// The cosine of the angle between two vectors; 0 if one of them is 0.
fn cosine(x: &[f32], y: &[f32]) -> f64 {
    let product: f64 = x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
    let norms = (square(x) * square(y)).sqrt();
    if norms == 0.0 { 0.0 } else { product / norms }
}
