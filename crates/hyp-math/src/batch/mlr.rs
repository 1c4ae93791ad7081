//! Hyperbolic multinomial logistic regression over a batch, in O(B·K) memory: the form of Ganea et al.
//!
//! With A = 1 − c‖·‖², N = A_p (x − p) − c‖x − p‖² p and m = ⟨N, a⟩, one logit is
//! (2‖a‖/√c)·asinh(√c τ), τ = 2m / (A_p A_x ‖a‖): Möbius subtraction without its denominator, which cancels.
//! A pair of point and class needs two sums over the coordinates, ‖x − p‖² and ⟨x − p, a⟩.

use rayon::prelude::*;

use super::{
    check_rows,
    isa::{Isa, Kernel, LANES, Lanes, Vector},
    lanes::{asinh, mul_add, scaled, store},
    mlr_gradient::vjp_on,
    panels::RowPanels,
    parallel::tasks_per_thread,
    side::Side,
    tile::{single, squares_and_products, squares_and_products_for_single},
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
/// **Numerics.** No division by the denominator of the subtraction, sums in `f64`; see the module. For `f32`, both sums
/// come from products in `f64` where these lose less than 1e-7 of them, and from differences elsewhere.
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
    pub(super) p: &'a [P],
    pub(super) a: &'a [A],
    gap: &'a [f64],
    pub(super) dim: usize,
    pub(super) count: usize,
}

impl<'a, P: Real, A: Real> Classes<'a, P, A> {
    /// `gap` has at least one entry per class; the caller may know it better than from `p`.
    pub(super) fn new(p: &'a [P], a: &'a [A], gap: &'a [f64], dim: usize) -> Self {
        let count = check_rows(p, dim);
        assert_eq!(a.len(), p.len(), "a is shaped as p");
        Self { p, a, gap, dim, count }
    }

    /// The numbers of every class, in groups of [`LANES`].
    pub(super) fn constants(&self) -> Constants {
        let groups = self.count.div_ceil(LANES);
        let mut all = Constants { gap: vec![[1.0; LANES]; groups], ..Constants::default() };
        for field in [&mut all.normal, &mut all.along, &mut all.p_square, &mut all.inverse, &mut all.scale] {
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
            let inverse = if normal > 0.0 { 1.0 / normal } else { 0.0 };
            all.inverse[group][lane] = inverse;
            all.scale[group][lane] = inverse / self.gap[k];
        }
        all
    }
}

/// Per class, in groups of [`LANES`].
#[derive(Default)]
pub(super) struct Constants {
    /// 1 − c‖p‖².
    pub(super) gap: Vec<Lanes>,
    /// ‖a‖.
    pub(super) normal: Vec<Lanes>,
    /// 1/‖a‖, or 0 if a = 0.
    pub(super) inverse: Vec<Lanes>,
    /// 1/(A_p ‖a‖), or 0 if a = 0.
    pub(super) scale: Vec<Lanes>,
    /// ⟨p, a⟩.
    pub(super) along: Vec<Lanes>,
    /// ‖p‖².
    pub(super) p_square: Vec<Lanes>,
}

impl Constants {
    /// ‖x − p‖² and ⟨x − p, a⟩ of a tile, by the cheaper form where the result is rounded to `f32`.
    #[inline(always)]
    pub(super) fn sums<V: Vector, T: Real, const ROWS: usize>(
        &self,
        group: usize,
        x: &[[f64; ROWS]],
        x_squares: &[f64],
        p: &[Lanes],
        a: &[Lanes],
    ) -> ([Lanes; ROWS], [Lanes; ROWS]) {
        if single::<T>() {
            let class = (&self.p_square[group], &self.along[group], &self.normal[group]);
            squares_and_products_for_single::<V, ROWS>(x, p, a, x_squares, class)
        } else {
            squares_and_products::<V, ROWS>(x, p, a)
        }
    }

    /// The logits of one point for a group of classes, from ‖x − p‖², ⟨x − p, a⟩ and 1 − c‖x‖².
    #[inline(always)]
    pub(super) fn logits<V: Vector>(
        &self,
        group: usize,
        (squares, products): (&Lanes, &Lanes),
        x_gap: f64,
        c: Curvature,
    ) -> Lanes {
        let root = c.sqrt();
        let (gap, along) = (&self.gap[group], &self.along[group]);
        let (normal, inverse) = (&self.normal[group], &self.scale[group]);
        let mut angle = [0.0; LANES];
        for lane in 0..LANES {
            let m = numerator::<V>(c.get(), products[lane], squares[lane], gap[lane], along[lane]);
            angle[lane] = m * inverse[lane] * (2.0 / x_gap);
        }
        let arc =
            if root > 0.0 { scaled(asinh::<V>(scaled(angle, root)), 2.0 / root) } else { scaled(angle, 2.0) };
        let mut logit = [0.0; LANES];
        for lane in 0..LANES {
            logit[lane] = normal[lane] * arc[lane];
        }
        logit
    }
}

/// Points of the batch that are treated together, and all classes.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    pub(super) number: usize,
    pub(super) x: &'a RowPanels,
    pub(super) p: &'a RowPanels,
    pub(super) a: &'a RowPanels,
    pub(super) x_side: &'a Side,
    pub(super) constants: &'a Constants,
    pub(super) c: Curvature,
    pub(super) count: usize,
}

impl Panel<'_> {
    /// ‖x − p‖² and ⟨x − p, a⟩ of the points and a group of classes.
    #[inline(always)]
    pub(super) fn sums<V: Vector, T: Real, const ROWS: usize>(
        &self,
        group: usize,
    ) -> ([Lanes; ROWS], [Lanes; ROWS]) {
        let (p, a) = (self.p.group::<LANES>(group), self.a.group::<LANES>(group));
        let x_squares = &self.x_side.square[self.number * ROWS..];
        self.constants.sums::<V, T, ROWS>(group, self.x.group::<ROWS>(self.number), x_squares, p, a)
    }
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
        .enumerate()
        .for_each(|(number, out)| {
            let (x, p, a) = (&x_panels, &p_panels, &a_panels);
            let (x_side, constants) = (&x_side, &constants);
            let panel = Panel { number, x, p, a, x_side, constants, c, count: classes.count };
            isa.run(rows, Forward { panel, out });
        });
}

struct Forward<'a, T> {
    panel: Panel<'a>,
    out: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        let Panel { number, x_side, constants, c, count, .. } = self.panel;
        let rows = self.out.len() / count;
        for group in 0..self.panel.p.len() {
            let (squares, products) = self.panel.sums::<V, T, ROWS>(group);
            let first = group * LANES;
            let last = count.min(first + LANES);
            for row in 0..rows {
                let pair = (&squares[row], &products[row]);
                let logit = constants.logits::<V>(group, pair, x_side.gap[number * ROWS + row], c);
                store(&logit, &mut self.out[row * count + first..row * count + last]);
            }
        }
    }
}

/// ⟨N, a⟩ from ⟨x − p, a⟩ and ‖x − p‖².
#[inline(always)]
pub(super) fn numerator<V: Vector>(c: f64, product: f64, square: f64, gap: f64, along: f64) -> f64 {
    mul_add::<V>(gap, product, -(c * square * along))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{mlr_layer_logits, mlr_layer_logits_vjp};
    use crate::testing::{assert_close, ball_points, difference_by_curvature, differences};

    const DIM: usize = 11;
    const BATCH: usize = 5;
    const CLASSES: usize = 10;

    #[derive(Clone)]
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
            let case = case(c);
            let (mut gx, mut gp, mut ga) =
                (vec![0.0; case.x.len()], vec![0.0; case.p.len()], vec![0.0; case.a.len()]);
            let vjp = if layer { mlr_layer_logits_vjp } else { mlr_logits_vjp };
            let by_c = vjp(&case.x, &case.p, &case.a, &case.grad_out, DIM, c, &mut gx, &mut gp, &mut ga);
            let check = |field: fn(&mut Case) -> &mut Vec<f64>, got: &[f64], skip: usize| {
                let want = differences(&field(&mut case.clone()).clone(), |values| {
                    let mut moved = case.clone();
                    field(&mut moved).copy_from_slice(values);
                    loss(&moved, c, layer)
                });
                // Points at 0.95 of the radius curve strongly: step² times third derivatives of about 1e4.
                assert_close(&got[skip..], &want[skip..], 3e-7);
            };
            check(|case| &mut case.x, &gx, 0);
            check(|case| &mut case.p, &gp, 0);
            // The first normal is 0, where the logit has a kink: only finite there.
            check(|case| &mut case.a, &ga, DIM);
            assert!(ga.iter().all(|g| g.is_finite()));
            let want = difference_by_curvature(curvature, |c| loss(&case, c, layer));
            // One-sided at c = 0.
            let tolerance = if c.is_flat() { 1e-5 } else { 1e-6 };
            assert!((by_c - want).abs() < tolerance * (1.0 + want.abs()), "by c: {by_c} is not {want}");
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
