//! By what a gallery is ranked.

use std::borrow::Cow;

use hyp_math::{Curvature, batch::distance_matrix};
use rayon::prelude::*;

use crate::{Error, Result, Set};

/// How far two embedded pictures are apart.
#[derive(Clone, Copy, Debug)]
pub enum Metric {
    /// ‖x − y‖.
    Euclidean,
    /// 1 − ⟨x, y⟩/(‖x‖‖y‖).
    Cosine,
    /// The distance of the Poincaré ball of curvature −c.
    Hyperbolic(Curvature),
}

/// Two sets in the form in which one kernel compares them, whatever the metric.
///
/// The kernel is the hyperbolic one. At c = 0 it gives `2‖x − y‖`, of which the Euclidean distance is a half; of
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
    pub(crate) fn block(&self, queries: std::ops::Range<usize>, out: &mut [f32]) {
        let rows = &self.query[queries.start * self.dim..queries.end * self.dim];
        let c = match self.metric {
            Metric::Hyperbolic(c) => c,
            _ => Curvature::FLAT,
        };
        distance_matrix(rows, &self.gallery, self.dim, c, out);
        match self.metric {
            Metric::Hyperbolic(_) => {}
            Metric::Euclidean => out.par_iter_mut().for_each(|d| *d *= 0.5),
            Metric::Cosine => out.par_iter_mut().for_each(|d| *d = *d * *d * 0.125),
        }
    }
}

fn prepared<'a>(set: &Set<'a>, metric: Metric) -> Result<Cow<'a, [f32]>> {
    let rows = || set.features().chunks_exact(set.dim());
    let outside = |entry, reason| Err(Error::Outside { set: set.name(), entry, reason });
    match metric {
        Metric::Euclidean => Ok(Cow::Borrowed(set.features())),
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
