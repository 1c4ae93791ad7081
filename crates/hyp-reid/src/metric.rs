//! By what a gallery is ranked.

use std::borrow::Cow;
use std::ops::Range;

use hyp_math::{Curvature, batch, distance::distance, lorentz};
use rayon::prelude::*;

use crate::{Error, Result, Set};

/// How far two embedded pictures are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// ‖x − y‖.
    Euclidean,
    /// 1 − ⟨x, y⟩/(‖x‖‖y‖).
    Cosine,
    /// The distance of the Poincaré ball of curvature −c.
    Hyperbolic(Curvature),
    /// The same distance of points of the hyperboloid, given by their space parts.
    Lorentz(Curvature),
}

/// Two sets in the form in which one kernel compares them, whatever the metric.
///
/// The kernel is the hyperbolic one, for space parts that of the hyperboloid. At c = 0 it gives `2‖x − y‖`, of which the Euclidean distance is a half; of
/// directions of length 1 it also gives the cosine distance, which is `‖x − y‖²/2`, without the cancellation of
/// `1 − ⟨x, y⟩` between near neighbours.
pub(crate) struct Compared<'a> {
    query: Cow<'a, [f32]>,
    gallery: Cow<'a, [f32]>,
    dim: usize,
    metric: Metric,
}

impl<'a> Compared<'a> {
    pub(crate) fn new(query: &Set<'a>, gallery: &Set<'a>, metric: Metric) -> Result<Self> {
        if query.dim() != gallery.dim() {
            return Err(Error::Dimensions { query: query.dim(), gallery: gallery.dim() });
        }
        Ok(Self {
            query: prepared(query, metric)?,
            gallery: prepared(gallery, metric)?,
            dim: query.dim(),
            metric,
        })
    }

    /// Distances of some queries to the whole gallery.
    pub(crate) fn block(&self, queries: Range<usize>, out: &mut [f32]) {
        let rows = &self.query[queries.start * self.dim..queries.end * self.dim];
        let c = self.metric.curvature();
        match self.metric {
            Metric::Lorentz(_) => batch::lorentz::distance_matrix(rows, &self.gallery, self.dim, c, out),
            _ => batch::distance_matrix(rows, &self.gallery, self.dim, c, out),
        }
        if matches!(self.metric, Metric::Euclidean | Metric::Cosine) {
            out.par_iter_mut().for_each(|d| *d = self.metric.of_kernel(f64::from(*d)) as f32);
        }
    }

    /// The distance of one query to one entry of the gallery.
    pub(crate) fn pair(&self, query: usize, entry: usize) -> f64 {
        let row = |all: &[f32], at: usize| -> Vec<f64> {
            all[at * self.dim..(at + 1) * self.dim].iter().map(|v| f64::from(*v)).collect()
        };
        let (x, y) = (row(&self.query, query), row(&self.gallery, entry));
        let c = self.metric.curvature();
        match self.metric {
            Metric::Lorentz(_) => lorentz::distance(&x, &y, c),
            metric => metric.of_kernel(distance(&x, &y, c)),
        }
    }
}

impl Metric {
    /// The curvature parameter; 0 where there is none.
    pub fn curvature(self) -> Curvature {
        match self {
            Self::Hyperbolic(c) | Self::Lorentz(c) => c,
            Self::Euclidean | Self::Cosine => Curvature::FLAT,
        }
    }

    /// The distance, from what the kernel says of two prepared points.
    fn of_kernel(self, distance: f64) -> f64 {
        match self {
            Self::Hyperbolic(_) | Self::Lorentz(_) => distance,
            Self::Euclidean => distance / 2.0,
            Self::Cosine => distance * distance / 8.0,
        }
    }
}

fn prepared<'a>(set: &Set<'a>, metric: Metric) -> Result<Cow<'a, [f32]>> {
    let rows = || set.features().chunks_exact(set.dim());
    let outside = |entry, reason| Err(Error::Outside { set: set.name(), entry, reason });
    match metric {
        Metric::Euclidean | Metric::Lorentz(_) => Ok(Cow::Borrowed(set.features())),
        Metric::Hyperbolic(c) => match rows().position(|x| c.get() * squared_norm(x) >= 1.0) {
            Some(entry) => {
                outside(entry, "does not lie in the ball of this curvature; use the c it was trained with")
            }
            None => Ok(Cow::Borrowed(set.features())),
        },
        Metric::Cosine => match rows().position(|x| squared_norm(x) == 0.0) {
            Some(entry) => outside(entry, "is zero and has no direction; leave it out or use another metric"),
            None => Ok(Cow::Owned(
                rows()
                    .flat_map(|x| {
                        let norm = squared_norm(x).sqrt();
                        x.iter().map(move |v| (f64::from(*v) / norm) as f32)
                    })
                    .collect(),
            )),
        },
    }
}

fn squared_norm(x: &[f32]) -> f64 {
    x.iter().map(|v| f64::from(*v) * f64::from(*v)).sum()
}
