//! The gradient of the hyperbolic logits over a batch; the notation is that of the logits.
//!
//! With G the gradient by m, everything is one matrix of weights G and sums over its rows and columns: no array is
//! larger than `[batch, classes]`.

use rayon::prelude::*;

use super::{
    check_rows,
    isa::{Isa, Kernel, LANES, Lanes, Vector},
    lanes::{asinh_excess_by_root, load, scaled, total},
    mlr::{Classes, Constants, Panel},
    panels::{ColumnPanels, RowPanels},
    parallel::tasks_per_thread,
    side::Side,
    tile::single,
    weighted::{Direction, weighted_rows},
};
use crate::{Curvature, Real};

/// Sums over the batch that the gradients of one group of classes need; G is the gradient by m.
#[derive(Clone, Copy, Default)]
pub(super) struct ClassSums<N> {
    /// Σ G.
    weight: N,
    /// Σ G ⟨x − p, a⟩.
    product: N,
    /// Σ G ‖x − p‖².
    square: N,
    /// Σ G m.
    numerator: N,
    /// Σ g τ³ e(√c τ), e the excess of asinh.
    excess: N,
}

impl<V: Vector> ClassSums<V> {
    #[inline(always)]
    fn lanes(self) -> ClassSums<Lanes> {
        ClassSums {
            weight: self.weight.lanes(),
            product: self.product.lanes(),
            square: self.square.lanes(),
            numerator: self.numerator.lanes(),
            excess: self.excess.lanes(),
        }
    }
}

impl ClassSums<Lanes> {
    fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.weight, &other.weight),
            (&mut self.product, &other.product),
            (&mut self.square, &other.square),
            (&mut self.numerator, &other.numerator),
            (&mut self.excess, &other.excess),
        ];
        for (total, part) in pairs {
            for lane in 0..LANES {
                total[lane] += part[lane];
            }
        }
    }
}

/// Writes the gradients and returns the derivative by c, with `p` and the gaps held as functions of c and `p`.
pub(super) fn vjp_on<T: Real, P: Real, A: Real>(
    isa: Isa,
    x: &[T],
    classes: &Classes<P, A>,
    grad_out: &[T],
    c: Curvature,
    grad_x: &mut [T],
    grad_p: &mut [P],
    grad_a: &mut [A],
) -> f64 {
    let count = classes.count;
    assert_eq!(grad_out.len(), check_rows(x, classes.dim) * count, "grad_out is [batch, classes]");
    let [by_c, _] = over_panels(isa, x, classes, c, (grad_x, grad_p, grad_a), |panel, work| {
        let rows = isa.rows_of_two_sums();
        let size = rows * count;
        let grad_out = &grad_out[panel.number * size..grad_out.len().min((panel.number + 1) * size)];
        [isa.run(rows, Backward { panel, grad_out, kept: None, work }), 0.0]
    });
    by_c
}

/// What the points of one panel leave for the gradients.
pub(super) struct Work<'a> {
    /// G of every pair.
    weights: &'a mut [Lanes],
    /// The coefficient of each point in its own gradient.
    own: &'a mut [f64],
    sums: &'a mut [ClassSums<Lanes>],
}

/// Calls `each` with every panel, in parallel, and makes the gradients by x, p and a of what it leaves; returns the sums
/// of the derivatives by c and of the other number that `each` returns, in the order of the panels.
pub(super) fn over_panels<T: Real, P: Real, A: Real>(
    isa: Isa,
    x: &[T],
    classes: &Classes<P, A>,
    c: Curvature,
    (grad_x, grad_p, grad_a): (&mut [T], &mut [P], &mut [A]),
    each: impl Fn(Panel<'_>, Work<'_>) -> [f64; 2] + Sync,
) -> [f64; 2] {
    let (dim, count) = (classes.dim, classes.count);
    let batch = check_rows(x, dim);
    assert_eq!(grad_x.len(), x.len(), "grad_x is shaped as x");
    assert_eq!(grad_p.len(), classes.p.len(), "grad_p is shaped as p");
    assert_eq!(grad_a.len(), classes.a.len(), "grad_a is shaped as a");
    if batch * count == 0 {
        grad_x.fill(T::ZERO);
        grad_p.fill(P::ZERO);
        grad_a.fill(A::ZERO);
        return [0.0; 2];
    }
    let rows = isa.rows_of_two_sums();
    let x_panels = RowPanels::new(x, dim, rows);
    let (p_panels, a_panels) = (RowPanels::new(classes.p, dim, LANES), RowPanels::new(classes.a, dim, LANES));
    let (x_side, constants) = (Side::new(x, dim, c), classes.constants());
    let (row_groups, groups) = (x_panels.len(), p_panels.len());
    let mut weights = vec![[0.0; LANES]; row_groups * groups * rows];
    let mut own = vec![0.0; row_groups * rows];
    let mut sums = vec![ClassSums::<Lanes>::default(); row_groups * groups];
    let panels = weights
        .par_chunks_mut(groups * rows)
        .with_min_len(tasks_per_thread(rows * count * dim))
        .zip(own.par_chunks_mut(rows))
        .zip(sums.par_chunks_mut(groups))
        .enumerate();
    let found: Vec<[f64; 2]> = panels
        .map(|(number, ((weights, own), sums))| {
            let (x, p, a) = (&x_panels, &p_panels, &a_panels);
            let panel = Panel { number, x, p, a, x_side: &x_side, constants: &constants, c, count };
            each(panel, Work { weights, own, sums })
        })
        .collect();
    let (totals, rest) = sums.split_at_mut(groups);
    for panel in rest.chunks_exact(groups) {
        for (total, part) in totals.iter_mut().zip(panel) {
            total.add(part);
        }
    }

    // By x: Σ G (A_p a − 2c⟨p,a⟩ (x − p)) + 2c x Σ G m / A_x; the part along x is in `own`.
    let mut pull = vec![0.0; count * dim];
    for (k, pull) in pull.chunks_exact_mut(dim).enumerate() {
        let (group, lane) = (k / LANES, k % LANES);
        let (gap, along) = (constants.gap[group][lane], constants.along[group][lane]);
        for (j, slot) in pull.iter_mut().enumerate() {
            let (p, a) = (classes.p[k * dim + j].to_f64(), classes.a[k * dim + j].to_f64());
            *slot = gap * a + 2.0 * c.get() * along * p;
        }
    }
    let along = |direction| (isa, rows, direction, &weights[..], groups);
    let x_columns = ColumnPanels::new(x, dim);
    weighted_rows::<T, false>(
        along(Direction::Rows),
        &x_columns,
        &ColumnPanels::new(&pull, dim),
        (&own, 1.0),
        dim,
        grad_x,
    );
    // By p and a: both need V = Σ G (p − x).
    let mut difference = pull;
    let p_columns = ColumnPanels::new(classes.p, dim);
    if single::<T>() {
        let weights: Vec<f64> = totals.iter().flat_map(|sums| sums.weight).collect();
        let to = (&weights[..], -1.0);
        weighted_rows::<f64, false>(
            along(Direction::Columns),
            &p_columns,
            &x_columns,
            to,
            dim,
            &mut difference,
        );
    } else {
        let none = vec![0.0; groups * LANES];
        let to = (&none[..], 1.0);
        weighted_rows::<f64, true>(
            along(Direction::Columns),
            &p_columns,
            &x_columns,
            to,
            dim,
            &mut difference,
        );
    }
    let [mut by_c, other] = [0, 1].map(|of: usize| found.iter().map(|sums| sums[of]).sum::<f64>());
    for (k, difference) in difference.chunks_exact(dim).enumerate() {
        let class = Class::new(&constants, totals, k);
        by_c += class.by_curvature();
        for (j, away) in difference.iter().enumerate() {
            let at = k * dim + j;
            let (p, a) = (classes.p[at].to_f64(), classes.a[at].to_f64());
            grad_p[at] = P::from_f64(class.by_point(c.get(), p, a, *away));
            grad_a[at] = A::from_f64(class.by_normal(c.get(), p, a, *away));
        }
    }
    [by_c, other]
}

/// Constants and sums of one class.
struct Class {
    gap: f64,
    normal: f64,
    inverse: f64,
    along: f64,
    p_square: f64,
    weight: f64,
    product: f64,
    square: f64,
    numerator: f64,
    excess: f64,
}

impl Class {
    fn new(constants: &Constants, totals: &[ClassSums<Lanes>], k: usize) -> Self {
        let (group, lane) = (k / LANES, k % LANES);
        Self {
            gap: constants.gap[group][lane],
            normal: constants.normal[group][lane],
            inverse: constants.inverse[group][lane],
            along: constants.along[group][lane],
            p_square: constants.p_square[group][lane],
            weight: totals[group].weight[lane],
            product: totals[group].product[lane],
            square: totals[group].square[lane],
            numerator: totals[group].numerator[lane],
            excess: totals[group].excess[lane],
        }
    }

    /// One coordinate of the gradient by p: of m, and of A_p in τ.
    fn by_point(&self, c: f64, p: f64, a: f64, away: f64) -> f64 {
        2.0 * c * (p * (self.numerator / self.gap - self.product) - self.along * away)
            - a * (self.gap * self.weight + c * self.square)
    }

    /// One coordinate of the gradient by a: of m, and of ‖a‖ in the factor and in τ.
    fn by_normal(&self, c: f64, p: f64, a: f64, away: f64) -> f64 {
        2.0 * c * self.excess * self.inverse * a - self.gap * away - c * self.square * p
    }

    fn by_curvature(&self) -> f64 {
        self.p_square * (self.numerator / self.gap - self.product)
            - self.along * self.square
            - self.normal * self.excess
    }
}

/// The gradient of one panel.
pub(super) struct Backward<'a, T> {
    pub(super) panel: Panel<'a>,
    /// The gradient by the logits, `[rows, classes]`.
    pub(super) grad_out: &'a [T],
    /// ‖x − p‖² and ⟨x − p, a⟩ of its pairs, where they are known.
    pub(super) kept: Option<(&'a [Lanes], &'a [Lanes])>,
    pub(super) work: Work<'a>,
}

impl<T: Real> Kernel for Backward<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) -> f64 {
        let Panel { number, x_side, constants, count, .. } = self.panel;
        let (c, root) = (self.panel.c.get(), self.panel.c.sqrt());
        let rows = self.grad_out.len() / count;
        let mut by_curvature = 0.0;
        for group in 0..self.panel.p.len() {
            let (squares, products) = match self.kept {
                None => self.panel.sums::<V, T, ROWS>(group),
                Some((squares, products)) => {
                    (squares.as_chunks::<ROWS>().0[group], products.as_chunks::<ROWS>().0[group])
                }
            };
            let first = group * LANES;
            let last = count.min(first + LANES);
            let (gap, along) = (&constants.gap[group], &constants.along[group]);
            let scale = &constants.scale[group];
            let weights = &mut self.work.weights[group * ROWS..(group + 1) * ROWS];
            let (one, zero) = (V::splat(1.0), V::splat(0.0));
            let inverse_gaps = one.over(V::load(gap));
            let mut sum =
                ClassSums { weight: zero, product: zero, square: zero, numerator: zero, excess: zero };
            for row in 0..rows {
                let x_gap = x_side.gap[number * ROWS + row];
                let grad = load(&self.grad_out[row * count + first..row * count + last]);
                let inverse_gap = 1.0 / x_gap;
                let product = V::load(&products[row]);
                let bent = V::splat(-c).times(V::load(&squares[row])).times(V::load(along));
                let m = V::load(gap).mul_add(product, bent);
                let tau = m.times(V::load(scale)).times(V::splat(2.0 * inverse_gap));
                let stretch = V::splat(c).times(tau).mul_add(tau, V::splat(1.0)).root();
                let inverse_stretch = one.over(stretch);
                let by_m = V::splat(4.0 * inverse_gap).times(V::load(&grad)).times(inverse_gaps);
                let weight = by_m.times(inverse_stretch);
                weights[row] = weight.lanes();
                let angle = scaled(tau.lanes(), root);
                let excess = asinh_excess_by_root::<V>(angle, &stretch.lanes(), &inverse_stretch.lanes());
                let cube = tau.times(tau).times(tau);
                let pulled = weight.times(m);
                sum.weight = one.mul_add(weight, sum.weight);
                sum.product = weight.mul_add(product, sum.product);
                sum.square = weight.mul_add(V::load(&squares[row]), sum.square);
                sum.numerator = one.mul_add(pulled, sum.numerator);
                sum.excess = V::load(&grad).times(cube).mul_add(V::load(&excess), sum.excess);
                let own = total(&weight.times(V::load(along)).lanes());
                let moment = total(&pulled.lanes());
                self.work.own[row] += 2.0 * c * (moment * inverse_gap - own);
                by_curvature += moment * x_side.square[number * ROWS + row] * inverse_gap;
            }
            self.work.sums[group] = sum.lanes();
        }
        by_curvature
    }
}
