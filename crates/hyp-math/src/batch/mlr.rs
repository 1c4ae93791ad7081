//! Hyperbolic multinomial logistic regression over a batch, in O(B·K) memory: the form of Ganea et al.
//!
//! With A = 1 − c‖·‖², N = A_p (x − p) − c‖x − p‖² p and m = ⟨N, a⟩, one logit is
//! (2‖a‖/√c)·asinh(√c τ), τ = 2m / (A_p A_x ‖a‖): Möbius subtraction without its denominator, which cancels.
//! A pair of point and class needs two sums over the coordinates, ‖x − p‖² and ⟨x − p, a⟩.

use rayon::prelude::*;

use super::{
    check_rows,
    isa::{Isa, Kernel, LANES, Lanes, Vector},
    lanes::{asinh, asinh_excess, load, mul_add, scaled, store},
    panels::{ColumnPanels, RowPanels},
    parallel::tasks_per_thread,
    side::Side,
    tile::squares_and_products,
    weighted::{Direction, weighted_rows},
};
use crate::{Curvature, Real};

/// The logit of every row of `x` for every class, written to `out`.
///
/// $$ \ell_k(x) = \frac{2\|a_k\|}{\sqrt c}\,\operatorname{asinh}
///    \frac{2\sqrt c\,\langle (-p_k)\oplus x,\, a_k\rangle}{(1 - c\|(-p_k)\oplus x\|^2)\,\|a_k\|} $$
///
/// `a` is the normal at the origin; its parallel transport to `p` is `(1 − c‖p‖²) a`, the normal there. The factor
/// λ_p of the formula for a normal at `p` is absorbed in this way, as in the released layer.
///
/// **Source.** \[HIE\] appendix A, equation `mlr-logits` of `docs/paper/equations.md`.
/// **Shapes.** `x`: `[batch, dim]`, `p`, `a`: `[classes, dim]`, `out`: `[batch, classes]`.
/// **Domain.** `x`, `p` in the ball, `a` any vector; `a = 0` gives 0; `c = 0` gives `4⟨a, x − p⟩`.
/// **Numerics.** No division by the denominator of the subtraction, sums in `f64`; see the module.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, batch::mlr_logits};
/// let mut out = [0.0_f64; 2];
/// let normals = [1.0, 0.0, 0.0, 1.0];
/// mlr_logits(&[0.5, 0.0], &[0.0; 4], &normals, 2, Curvature::new(1.0)?, &mut out);
/// // Twice the signed distance to the hyperplane: d(x, 0) = ln 3 along the first normal, 0 along the second.
/// assert!((out[0] - 2.0 * 3.0_f64.ln()).abs() < 1e-14);
/// assert_eq!(out[1], 0.0);
/// # Ok::<(), hyp_math::InvalidCurvature>(())
/// ```
pub fn mlr_logits<T: Real>(x: &[T], p: &[T], a: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    let gaps = Side::new(p, dim, c).gap;
    logits_on(Isa::detect(), x, &Classes::new(p, a, &gaps, dim), c, out);
}

/// The gradient of [`mlr_logits`]: overwrites `grad_x`, `grad_p` and `grad_a`, returns the derivative by c.
///
/// **Shapes.** As [`mlr_logits`]; `grad_out`: `[batch, classes]`.
/// **Numerics.** At `a = 0`, where the logit has a kink, the gradient by `a` is that of the limit c → 0.
/// Memory: one `[batch, classes]` array of `f64`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn mlr_logits_vjp<T: Real>(
    x: &[T],
    p: &[T],
    a: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    grad_x: &mut [T],
    grad_p: &mut [T],
    grad_a: &mut [T],
) -> f64 {
    let gaps = Side::new(p, dim, c).gap;
    vjp_on(Isa::detect(), x, &Classes::new(p, a, &gaps, dim), grad_out, c, grad_x, grad_p, grad_a)
}

/// Points and normals of the classes, with their conformal gaps 1 − c‖p‖².
pub(super) struct Classes<'a, P, A> {
    p: &'a [P],
    a: &'a [A],
    gap: &'a [f64],
    dim: usize,
    count: usize,
}

impl<'a, P: Real, A: Real> Classes<'a, P, A> {
    /// `gap` has at least one entry per class; the caller may know it better than from `p`.
    pub(super) fn new(p: &'a [P], a: &'a [A], gap: &'a [f64], dim: usize) -> Self {
        let count = check_rows(p, dim);
        assert_eq!(a.len(), p.len(), "a is shaped as p");
        Self { p, a, gap, dim, count }
    }

    fn constants(&self) -> Constants {
        let groups = self.count.div_ceil(LANES);
        let mut all = Constants { gap: vec![[1.0; LANES]; groups], ..Constants::default() };
        for field in [&mut all.normal, &mut all.along, &mut all.p_square, &mut all.inverse] {
            field.resize(groups, [0.0; LANES]);
        }
        for (k, (p, a)) in self.p.chunks_exact(self.dim).zip(self.a.chunks_exact(self.dim)).enumerate() {
            let (group, lane) = (k / LANES, k % LANES);
            let (mut p_square, mut a_square, mut along) = (0.0, 0.0, 0.0);
            for (p, a) in p.iter().zip(a) {
                let (p, a) = (p.to_f64(), a.to_f64());
                p_square += p * p;
                a_square += a * a;
                along += p * a;
            }
            let normal = f64::sqrt(a_square);
            all.gap[group][lane] = self.gap[k];
            all.p_square[group][lane] = p_square;
            all.normal[group][lane] = normal;
            all.along[group][lane] = along;
            all.inverse[group][lane] = if normal > 0.0 { 1.0 / normal } else { 0.0 };
        }
        all
    }
}

/// Per class, in groups of [`LANES`].
#[derive(Default)]
struct Constants {
    /// 1 − c‖p‖².
    gap: Vec<Lanes>,
    /// ‖a‖.
    normal: Vec<Lanes>,
    /// 1/‖a‖, or 0 if a = 0.
    inverse: Vec<Lanes>,
    /// ⟨p, a⟩.
    along: Vec<Lanes>,
    /// ‖p‖².
    p_square: Vec<Lanes>,
}

/// Writes the logits.
pub(super) fn logits_on<T: Real, P: Real, A: Real>(
    isa: Isa,
    x: &[T],
    classes: &Classes<P, A>,
    c: Curvature,
    out: &mut [T],
) {
    let dim = classes.dim;
    let batch = check_rows(x, dim);
    assert_eq!(out.len(), batch * classes.count, "out is [batch, classes]");
    if out.is_empty() {
        return;
    }
    let rows = isa.rows_of_two_sums();
    let x_panels = RowPanels::new(x, dim, rows);
    let (p_panels, a_panels) = (RowPanels::new(classes.p, dim, LANES), RowPanels::new(classes.a, dim, LANES));
    let (x_side, constants) = (Side::new(x, dim, c), classes.constants());
    out.par_chunks_mut(rows * classes.count)
        .with_min_len(tasks_per_thread(rows * classes.count * dim))
        .zip(x_side.gap.par_chunks(rows))
        .enumerate()
        .for_each(|(panel, (out, x_gap))| {
            let kernel = Forward {
                x: &x_panels,
                panel,
                p: &p_panels,
                a: &a_panels,
                x_gap,
                constants: &constants,
                c,
                count: classes.count,
                out,
            };
            isa.run(rows, kernel);
        });
}

struct Forward<'a, T> {
    x: &'a RowPanels,
    panel: usize,
    p: &'a RowPanels,
    a: &'a RowPanels,
    x_gap: &'a [f64],
    constants: &'a Constants,
    c: Curvature,
    count: usize,
    out: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        let (c, root) = (self.c.get(), self.c.sqrt());
        let x = self.x.group::<ROWS>(self.panel);
        let rows = self.out.len() / self.count;
        for group in 0..self.p.len() {
            let (p, a) = (self.p.group::<LANES>(group), self.a.group::<LANES>(group));
            let (squares, products) = squares_and_products::<V, ROWS>(x, p, a);
            let first = group * LANES;
            let last = self.count.min(first + LANES);
            let (gap, along) = (&self.constants.gap[group], &self.constants.along[group]);
            let (normal, inverse) = (&self.constants.normal[group], &self.constants.inverse[group]);
            for row in 0..rows {
                let x_gap = self.x_gap[row];
                let mut angle = [0.0; LANES];
                for lane in 0..LANES {
                    let m =
                        numerator::<V>(c, products[row][lane], squares[row][lane], gap[lane], along[lane]);
                    angle[lane] = 2.0 * m * inverse[lane] / (gap[lane] * x_gap);
                }
                let arc = if root > 0.0 {
                    scaled(asinh::<V>(scaled(angle, root)), 2.0 / root)
                } else {
                    scaled(angle, 2.0)
                };
                let mut logit = [0.0; LANES];
                for lane in 0..LANES {
                    logit[lane] = normal[lane] * arc[lane];
                }
                store(&logit, &mut self.out[row * self.count + first..row * self.count + last]);
            }
        }
    }
}

/// ⟨N, a⟩ from ⟨x − p, a⟩ and ‖x − p‖².
#[inline(always)]
fn numerator<V: Vector>(c: f64, product: f64, square: f64, gap: f64, along: f64) -> f64 {
    mul_add::<V>(gap, product, -(c * square * along))
}

/// Sums over the batch that the gradients of one group of classes need; G is the gradient by m.
#[derive(Clone, Copy, Default)]
struct ClassSums {
    /// Σ G.
    weight: Lanes,
    /// Σ G ⟨x − p, a⟩.
    product: Lanes,
    /// Σ G ‖x − p‖².
    square: Lanes,
    /// Σ G m.
    numerator: Lanes,
    /// Σ g τ³ e(√c τ), e the excess of asinh.
    excess: Lanes,
}

impl ClassSums {
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
    let (dim, count) = (classes.dim, classes.count);
    let batch = check_rows(x, dim);
    assert_eq!(grad_out.len(), batch * count, "grad_out is [batch, classes]");
    assert_eq!(grad_x.len(), x.len(), "grad_x is shaped as x");
    assert_eq!(grad_p.len(), classes.p.len(), "grad_p is shaped as p");
    assert_eq!(grad_a.len(), classes.a.len(), "grad_a is shaped as a");
    if grad_out.is_empty() {
        grad_x.fill(T::ZERO);
        grad_p.fill(P::ZERO);
        grad_a.fill(A::ZERO);
        return 0.0;
    }
    let rows = isa.rows_of_two_sums();
    let x_panels = RowPanels::new(x, dim, rows);
    let (p_panels, a_panels) = (RowPanels::new(classes.p, dim, LANES), RowPanels::new(classes.a, dim, LANES));
    let (x_side, constants) = (Side::new(x, dim, c), classes.constants());
    let (row_groups, groups) = (x_panels.len(), p_panels.len());
    let mut weights = vec![[0.0; LANES]; row_groups * groups * rows];
    let mut own = vec![0.0; row_groups * rows];
    let mut sums = vec![ClassSums::default(); row_groups * groups];
    let by_curvature: Vec<f64> = weights
        .par_chunks_mut(groups * rows)
        .with_min_len(tasks_per_thread(rows * count * dim))
        .zip(own.par_chunks_mut(rows))
        .zip(sums.par_chunks_mut(groups))
        .zip(grad_out.par_chunks(rows * count))
        .enumerate()
        .map(|(panel, (((weights, own), sums), grad_out))| {
            let kernel = Weights {
                x: &x_panels,
                panel,
                p: &p_panels,
                a: &a_panels,
                x_side: &x_side,
                constants: &constants,
                c,
                count,
                grad_out,
                weights,
                own,
                sums,
            };
            isa.run(rows, kernel)
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
        &own,
        dim,
        grad_x,
    );
    // By p and a: both need V = Σ G (p − x).
    let mut difference = pull;
    let none = vec![0.0; groups * LANES];
    weighted_rows::<f64, true>(
        along(Direction::Columns),
        &ColumnPanels::new(classes.p, dim),
        &x_columns,
        &none,
        dim,
        &mut difference,
    );
    let mut by_c = by_curvature.iter().sum::<f64>();
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
    by_c
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
    fn new(constants: &Constants, totals: &[ClassSums], k: usize) -> Self {
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

struct Weights<'a, T> {
    x: &'a RowPanels,
    panel: usize,
    p: &'a RowPanels,
    a: &'a RowPanels,
    x_side: &'a Side,
    constants: &'a Constants,
    c: Curvature,
    count: usize,
    grad_out: &'a [T],
    weights: &'a mut [Lanes],
    own: &'a mut [f64],
    sums: &'a mut [ClassSums],
}

impl<T: Real> Kernel for Weights<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) -> f64 {
        let (c, root) = (self.c.get(), self.c.sqrt());
        let x = self.x.group::<ROWS>(self.panel);
        let rows = self.grad_out.len() / self.count;
        let mut by_curvature = 0.0;
        for group in 0..self.p.len() {
            let (p, a) = (self.p.group::<LANES>(group), self.a.group::<LANES>(group));
            let (squares, products) = squares_and_products::<V, ROWS>(x, p, a);
            let first = group * LANES;
            let last = self.count.min(first + LANES);
            let (gap, along) = (&self.constants.gap[group], &self.constants.along[group]);
            let inverse = &self.constants.inverse[group];
            let weights = &mut self.weights[group * ROWS..(group + 1) * ROWS];
            let sums = &mut self.sums[group];
            for row in 0..rows {
                let x_gap = self.x_side.gap[self.panel * ROWS + row];
                let grad = load(&self.grad_out[row * self.count + first..row * self.count + last]);
                let (mut m, mut tau, mut weight) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
                for lane in 0..LANES {
                    let (product, square) = (products[row][lane], squares[row][lane]);
                    m[lane] = numerator::<V>(c, product, square, gap[lane], along[lane]);
                    let scale = 1.0 / (gap[lane] * x_gap);
                    tau[lane] = 2.0 * m[lane] * inverse[lane] * scale;
                    let slope = 1.0 / mul_add::<V>(c * tau[lane], tau[lane], 1.0).sqrt();
                    weight[lane] = 4.0 * grad[lane] * slope * scale;
                    weights[row][lane] = weight[lane];
                }
                let angle = scaled(tau, root);
                let excess = asinh_excess::<V>(angle, asinh::<V>(angle));
                let (mut own, mut moment) = (0.0, 0.0);
                for lane in 0..LANES {
                    let w = weight[lane];
                    let wm = w * m[lane];
                    sums.weight[lane] += w;
                    sums.product[lane] += w * products[row][lane];
                    sums.square[lane] += w * squares[row][lane];
                    sums.numerator[lane] += wm;
                    sums.excess[lane] += grad[lane] * tau[lane] * tau[lane] * tau[lane] * excess[lane];
                    own -= w * along[lane];
                    moment += wm;
                }
                self.own[row] += 2.0 * c * (own + moment / x_gap);
                by_curvature += moment * self.x_side.square[self.panel * ROWS + row] / x_gap;
            }
        }
        by_curvature
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{
        mlr_layer_logits, mlr_layer_logits_vjp,
        testing::{assert_close, ball_points},
    };

    const DIM: usize = 11;
    const BATCH: usize = 5;
    const CLASSES: usize = 10;

    struct Case {
        x: Vec<f64>,
        p: Vec<f64>,
        a: Vec<f64>,
        grad_out: Vec<f64>,
    }

    fn case(c: Curvature) -> Case {
        let mut a: Vec<f64> = ball_points(3, CLASSES, DIM, Curvature::FLAT, 4.0);
        a[..DIM].fill(0.0);
        Case {
            x: ball_points(1, BATCH, DIM, c, 0.95),
            p: ball_points(2, CLASSES, DIM, c, 0.95),
            a,
            grad_out: (0..BATCH * CLASSES).map(|i| ((i * 7) % 11) as f64 - 5.0).collect(),
        }
    }

    fn loss(case: &Case, c: Curvature, layer: bool) -> f64 {
        let mut out = vec![0.0; BATCH * CLASSES];
        let logits = if layer { mlr_layer_logits } else { mlr_logits };
        logits(&case.x, &case.p, &case.a, DIM, c, &mut out);
        out.iter().zip(&case.grad_out).map(|(l, g)| l * g).sum()
    }

    #[test]
    fn every_instruction_set_gives_the_portable_result() {
        let c = Curvature::new(0.7).unwrap();
        let Case { x, p, a, grad_out } = case(c);
        let gap = Side::new(&p, DIM, c).gap;
        let classes = Classes::new(&p, &a, &gap, DIM);
        let run = |isa| {
            let mut out = vec![0.0; BATCH * CLASSES];
            logits_on(isa, &x, &classes, c, &mut out);
            let (mut gx, mut gp, mut ga) = (vec![0.0; x.len()], vec![0.0; p.len()], vec![0.0; a.len()]);
            let by_c = vjp_on(isa, &x, &classes, &grad_out, c, &mut gx, &mut gp, &mut ga);
            [out, gx, gp, ga, vec![by_c]]
        };
        let want = run(Isa::Portable);
        for isa in [Isa::Avx2, Isa::Avx512] {
            for (got, want) in run(isa).iter().zip(&want) {
                // Sums of 11 terms in another order.
                assert_close(got, want, 1e-13);
            }
        }
    }

    #[test]
    fn gradients_are_central_differences() {
        for (curvature, layer) in
            [(1.0, false), (1.0, true), (0.05, false), (0.05, true), (0.0, false), (0.0, true)]
        {
            let c = Curvature::new(curvature).unwrap();
            let mut case = case(c);
            let (mut gx, mut gp, mut ga) =
                (vec![0.0; case.x.len()], vec![0.0; case.p.len()], vec![0.0; case.a.len()]);
            let vjp = if layer { mlr_layer_logits_vjp } else { mlr_logits_vjp };
            let by_c = vjp(&case.x, &case.p, &case.a, &case.grad_out, DIM, c, &mut gx, &mut gp, &mut ga);
            let step = 1e-6;
            let mut check = |field: fn(&mut Case) -> &mut Vec<f64>, got: &[f64], skip: usize| {
                let mut want = got.to_vec();
                for i in skip..got.len() {
                    let value = field(&mut case)[i];
                    field(&mut case)[i] = value + step;
                    let above = loss(&case, c, layer);
                    field(&mut case)[i] = value - step;
                    let below = loss(&case, c, layer);
                    field(&mut case)[i] = value;
                    want[i] = (above - below) / (2.0 * step);
                }
                // Points at 0.95 of the radius curve strongly: step² times third derivatives of about 1e4.
                assert_close(got, &want, 3e-7);
            };
            check(|case| &mut case.x, &gx, 0);
            check(|case| &mut case.p, &gp, 0);
            // The first normal is 0, where the logit has a kink: only finite there.
            check(|case| &mut case.a, &ga, DIM);
            assert!(ga.iter().all(|g| g.is_finite()));
            if curvature > 0.0 {
                let at = |c: f64| loss(&case, Curvature::new(c).unwrap(), layer);
                let want = (at(curvature + step) - at(curvature - step)) / (2.0 * step);
                assert!((by_c - want).abs() < 1e-6 * (1.0 + want.abs()), "by c: {by_c} is not {want}");
            } else {
                // One-sided at the end of the domain, second order.
                let at = |c: f64| loss(&case, Curvature::new(c).unwrap(), layer);
                let h = 1e-5;
                let want = (4.0 * at(h) - 3.0 * at(0.0) - at(2.0 * h)) / (2.0 * h);
                assert!((by_c - want).abs() < 1e-5 * (1.0 + want.abs()), "by c at 0: {by_c} is not {want}");
            }
        }
    }

    #[test]
    fn flat_space_gives_four_times_the_affine_form() {
        let case = case(Curvature::FLAT);
        let mut out = vec![0.0; BATCH * CLASSES];
        mlr_logits(&case.x, &case.p, &case.a, DIM, Curvature::FLAT, &mut out);
        for b in 0..BATCH {
            for k in 0..CLASSES {
                let want: f64 = (0..DIM)
                    .map(|j| 4.0 * case.a[k * DIM + j] * (case.x[b * DIM + j] - case.p[k * DIM + j]))
                    .sum();
                // Sums of 11 terms of size 1.
                assert!((out[b * CLASSES + k] - want).abs() < 1e-13);
            }
        }
    }
}
