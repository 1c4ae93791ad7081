//! How the inner products of prepared rows are read as distances: the shape, its unit, and what it may be off by.

use super::prepared::{Prepared, UNIT};
use super::shape::Shape;
use crate::metric::{Metric, Rows};

/// How many times the error of far points near points may have before they are computed in `f64`.
const PATIENCE: f64 = 16.0;
/// Units of the last place by which the arithmetic of a shape may move a distance.
const ROUNDINGS: f64 = 16.0;
/// What is known of rows stays within these, so that products of two neither vanish nor overflow.
const RANGE: std::ops::RangeInclusive<f64> = 1e-15..=1e15;

/// How products become distances.
pub(crate) struct Reading {
    pub(crate) shape: Shape,
    /// The distance that the shape counts as 1.
    pub(crate) length: f64,
    /// What the shape needs to know of each row; empty where it needs nothing, or the same of all.
    pub(crate) own: Vec<f32>,
    /// What it needs to know of all.
    pub(crate) common: f32,
    /// The largest error of a distance before it is computed in `f64`, as the shape counts it.
    pub(crate) allowed: f64,
    /// What a distance is off by at most.
    pub(crate) error: f64,
}

impl Reading {
    /// The reading of rows in the given order, of which none is further than `high` from the base point; nothing where
    /// `f32` cannot do it.
    pub(crate) fn of(rows: &Rows, order: &[usize], prepared: &Prepared, high: f64) -> Option<Self> {
        let (unit, share) = (prepared.unit, prepared.share());
        let reach = (2.0 * prepared.largest_norm).sqrt();
        // No two points of a metric space are further apart than this.
        let rounded = ROUNDINGS * UNIT * 2.0 * high;
        let as_root = |length: f64| {
            let allowed = PATIENCE * share * reach;
            Self {
                shape: Shape::Root,
                length,
                own: Vec::new(),
                common: 0.0,
                allowed,
                error: (1.02 * allowed + 8.0 * UNIT * reach) * length,
            }
        };
        Some(match rows.metric() {
            Metric::Euclidean => as_root(unit),
            Metric::Poincare(c) if c.is_flat() => as_root(2.0 * unit),
            Metric::Cosine => Self {
                shape: Shape::Half,
                length: 0.5 * unit.powi(2),
                own: Vec::new(),
                common: 0.0,
                allowed: f64::from(f32::MAX),
                error: (share + 8.0 * UNIT) * (reach * unit).powi(2),
            },
            Metric::Angular => {
                let allowed = PATIENCE * share * reach * unit;
                Self {
                    shape: Shape::Angle,
                    length: 1.0,
                    own: Vec::new(),
                    common: unit.powi(-2) as f32,
                    allowed,
                    error: 1.53 * allowed + rounded,
                }
            }
            Metric::Poincare(c) => {
                let scale = c.sqrt() * unit;
                let known: Vec<f64> = order.iter().map(|&i| (rows.gap(i) / scale).sqrt()).collect();
                let least = known.iter().copied().fold(f64::INFINITY, f64::min);
                let allowed = PATIENCE * share * (reach / least.powi(2)).min(1.0);
                let length = 2.0 / c.sqrt();
                Self {
                    shape: Shape::Ball,
                    length,
                    own: known
                        .iter()
                        .all(|v| RANGE.contains(v))
                        .then(|| known.iter().map(|&v| v as f32).collect())?,
                    common: 0.0,
                    allowed,
                    error: 1.53 * allowed * length + rounded,
                }
            }
        })
        // What is said of steadiness holds for errors up to a half of it.
        .filter(|reading| reading.allowed <= 0.5 || matches!(reading.shape, Shape::Root | Shape::Half))
    }

    /// What is known of a row.
    pub(crate) fn own(&self, row: usize) -> f32 {
        self.own.get(row).copied().unwrap_or(self.common)
    }
}
