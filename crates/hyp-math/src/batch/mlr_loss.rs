//! The cross-entropy of the hyperbolic logits with its gradients, in one pass over the pairs.
//!
//! Logits and their gradient separately compute the two sums of every pair twice; here a panel of points keeps them from
//! its logits to its gradients.

use super::{
    check_rows,
    isa::{Isa, Kernel, LANES, Lanes, Vector},
    mlr::{Classes, Panel},
    mlr_gradient::{Backward, Work, over_panels},
    side::Side,
    softmax::loss_and_gradient,
};
use crate::{Curvature, Real};

/// Loss, and its derivative by c.
pub type LossAndCurvature = (f64, f64);

/// The mean softmax cross-entropy of [`super::mlr_logits`] against `labels`, and its gradients.
///
/// $$ \frac1B \sum_b \Bigl(\log \sum_k e^{\ell_k(x_b)} - \ell_{y_b}(x_b)\Bigr) $$
///
/// Overwrites `grad_x`, `grad_p` and `grad_a`; returns the loss and its derivative by c.
///
/// **Source.** \[HIE\] appendix A with the loss of its Sec. 4.
/// **Shapes.** As [`super::mlr_logits`]; `labels`: `[batch]`.
/// **Domain.** As [`super::mlr_logits`]. An empty batch has the loss 0.
/// **Numerics.** Logits stay in `f64`; the largest of a row is subtracted first. NaN and +∞ logits give NaN.
///
/// # Panics
/// If `dim` is zero, a length does not fit, or a label is not below the number of classes.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, batch::mlr_cross_entropy};
/// // A point on both hyperplanes: both logits are 0, and both classes are equally likely.
/// let (mut gx, mut gp, mut ga) = ([1.0_f64; 2], [1.0; 4], [1.0; 4]);
/// let normals = [1.0, 0.0, 0.0, 1.0];
/// let c = Curvature::new(1.0)?;
/// let (loss, _) = mlr_cross_entropy(&[0.0; 2], &[0.0; 4], &normals, &[0], 2, c, &mut gx, &mut gp, &mut ga);
/// assert!((loss - 2.0_f64.ln()).abs() < 1e-15);
/// assert_eq!(gx, [-2.0, 2.0]); // a logit is 4⟨a, x⟩ there
/// # Ok::<(), hyp_math::InvalidCurvature>(())
/// ```
pub fn mlr_cross_entropy<T: Real>(
    x: &[T],
    p: &[T],
    a: &[T],
    labels: &[u32],
    dim: usize,
    c: Curvature,
    grad_x: &mut [T],
    grad_p: &mut [T],
    grad_a: &mut [T],
) -> LossAndCurvature {
    let gaps = Side::new(p, dim, c).gap;
    loss_on(Isa::detect(), x, &Classes::new(p, a, &gaps, dim), labels, c, (grad_x, grad_p, grad_a))
}

/// The loss and its derivative by c, with `p` and the gaps held as functions of c and `p`.
pub(super) fn loss_on<T: Real, P: Real, A: Real>(
    isa: Isa,
    x: &[T],
    classes: &Classes<P, A>,
    labels: &[u32],
    c: Curvature,
    gradients: (&mut [T], &mut [P], &mut [A]),
) -> LossAndCurvature {
    let batch = check_rows(x, classes.dim);
    assert_eq!(labels.len(), batch, "there is one label a row");
    assert!(
        labels.iter().all(|&label| (label as usize) < classes.count),
        "labels are below the number of classes"
    );
    let rows = isa.rows_of_two_sums();
    let [by_c, loss] = over_panels(isa, x, classes, c, gradients, |panel, work| {
        let labels = &labels[panel.number * rows..batch.min((panel.number + 1) * rows)];
        isa.run(
            rows,
            Loss::<T> { panel, labels, share: 1.0 / batch as f64, work, of: std::marker::PhantomData },
        )
    });
    (loss, by_c)
}

/// The part of the loss that the points of one panel have, and what they leave for the gradients.
struct Loss<'a, T> {
    panel: Panel<'a>,
    labels: &'a [u32],
    /// One over the size of the batch.
    share: f64,
    work: Work<'a>,
    of: std::marker::PhantomData<T>,
}

impl<T: Real> Kernel for Loss<'_, T> {
    /// The derivative by c, and the loss.
    type Output = [f64; 2];

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) -> [f64; 2] {
        let Panel { number, count, c, .. } = self.panel;
        let groups = self.panel.p.len();
        let mut kept = [vec![[0.0; LANES]; groups * ROWS], vec![[0.0; LANES]; groups * ROWS]];
        let mut logits = vec![0.0; self.labels.len() * count];
        for group in 0..groups {
            let (squares, products) = self.panel.sums::<V, T, ROWS>(group);
            let first = group * LANES;
            let last = count.min(first + LANES);
            for row in 0..self.labels.len() {
                let pair = (&squares[row], &products[row]);
                let x_gap = self.panel.x_side.gap[number * ROWS + row];
                let values: Lanes = self.panel.constants.logits::<V>(group, pair, x_gap, c);
                logits[row * count + first..row * count + last].copy_from_slice(&values[..last - first]);
            }
            for (kept, tile) in kept.iter_mut().zip([&squares, &products]) {
                kept[group * ROWS..(group + 1) * ROWS].copy_from_slice(tile);
            }
        }
        let mut loss = 0.0;
        for (row, &label) in logits.chunks_exact_mut(count).zip(self.labels) {
            loss += self.share * loss_and_gradient(row, label as usize, self.share);
        }
        let kept = Some((&kept[0][..], &kept[1][..]));
        let backward = Backward { panel: self.panel, grad_out: &logits[..], kept, work: self.work };
        [backward.run::<V, ROWS>(), loss]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{
        mlr_layer_cross_entropy, mlr_layer_logits, mlr_layer_logits_vjp, mlr_logits, mlr_logits_vjp,
    };
    use crate::testing::{assert_close, ball_points};

    /// The loss and its gradients are those of the logits followed by the softmax cross-entropy, for both kinds of
    /// parameters and an odd number of rows and classes.
    #[test]
    fn loss_and_gradients_are_those_of_the_composition() {
        let (batch, classes, dim) = (11, 13, 7);
        for curvature in [0.0, 1e-5, 0.7, 1.0] {
            let c = Curvature::new(curvature).unwrap();
            let x: Vec<f64> = ball_points(1, batch, dim, c, 0.95);
            let p: Vec<f64> = ball_points(2, classes, dim, c, 0.9);
            let mut a: Vec<f64> = ball_points(3, classes, dim, Curvature::FLAT, 3.0);
            a[..dim].fill(0.0);
            let labels: Vec<u32> = (0..batch as u32).map(|at| at * 5 % classes as u32).collect();
            for layer in [false, true] {
                let mut logits = vec![0.0; batch * classes];
                let value = if layer { mlr_layer_logits } else { mlr_logits };
                value(&x, &p, &a, dim, c, &mut logits);
                let share = 1.0 / batch as f64;
                let rows = logits.chunks_exact_mut(classes).zip(&labels);
                let want: f64 = rows.map(|(row, &y)| share * loss_and_gradient(row, y as usize, share)).sum();
                let [mut gx, mut gp, mut ga] = [&x, &p, &a].map(|of| vec![0.0; of.len()]);
                let vjp = if layer { mlr_layer_logits_vjp } else { mlr_logits_vjp };
                let want_c = vjp(&x, &p, &a, &logits, dim, c, &mut gx, &mut gp, &mut ga);
                let [mut hx, mut hp, mut ha] = [&x, &p, &a].map(|of| vec![0.0; of.len()]);
                let fused = if layer { mlr_layer_cross_entropy } else { mlr_cross_entropy };
                let (loss, by_c) = fused(&x, &p, &a, &labels, dim, c, &mut hx, &mut hp, &mut ha);
                assert_close(&[loss, by_c], &[want, want_c], 1e-13);
                assert_close(&hx, &gx, 1e-13);
                assert_close(&hp, &gp, 1e-13);
                assert_close(&ha, &ga, 1e-13);
            }
        }
    }

    /// Every instruction set and `f32` give what `f64` in portable numbers gives, on a last panel that is not full.
    #[test]
    fn every_instruction_set_and_element_type_agrees() {
        let (batch, classes, dim) = (11, 13, 19);
        let c = Curvature::new(0.7).unwrap();
        let narrow = |seed, rows, c, radius| -> Vec<f32> { ball_points(seed, rows, dim, c, radius) };
        let [x, p] = [(1, batch), (2, classes)].map(|(seed, rows)| narrow(seed, rows, c, 0.9));
        let a = narrow(3, classes, Curvature::FLAT, 3.0);
        let labels: Vec<u32> = (0..batch as u32).map(|at| at * 5 % classes as u32).collect();
        let wide = |of: &[f32]| of.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
        let (x64, p64, a64) = (wide(&x), wide(&p), wide(&a));
        let gaps = Side::new(&p64, dim, c).gap;
        let of_double = |isa| {
            let [mut gx, mut gp, mut ga] = [&x64, &p64, &a64].map(|of| vec![0.0_f64; of.len()]);
            let all = Classes::new(&p64, &a64, &gaps, dim);
            let (loss, by_c) = loss_on(isa, &x64, &all, &labels, c, (&mut gx, &mut gp, &mut ga));
            [vec![loss, by_c], gx, gp, ga]
        };
        let of_single = |isa| {
            let [mut gx, mut gp, mut ga] = [&x, &p, &a].map(|of| vec![0.0_f32; of.len()]);
            let all = Classes::new(&p, &a, &gaps, dim);
            let (loss, by_c) = loss_on(isa, &x, &all, &labels, c, (&mut gx, &mut gp, &mut ga));
            [vec![loss, by_c], wide(&gx), wide(&gp), wide(&ga)]
        };
        let want = of_double(Isa::Portable);
        for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
            for ((double, single), want) in of_double(isa).iter().zip(&of_single(isa)).zip(&want) {
                // Sums of 19 terms in another order, and one rounding to `f32`.
                assert_close(double, want, 1e-13);
                assert_close(single, want, 1e-6);
            }
        }
    }

    #[test]
    fn what_is_not_a_number_is_no_loss() {
        let (mut gx, mut gp, mut ga) = ([0.0; 2], [0.0; 4], [0.0; 4]);
        let a = [1.0, 0.0, 0.0, 1.0];
        let x = [f64::NAN, 0.1];
        let (loss, _) =
            mlr_cross_entropy(&x, &[0.0; 4], &a, &[1], 2, Curvature::ONE, &mut gx, &mut gp, &mut ga);
        assert!(loss.is_nan() && gx.iter().all(|g| g.is_nan()));
        let (loss, _) =
            mlr_cross_entropy::<f64>(&[], &[0.0; 4], &a, &[], 2, Curvature::ONE, &mut [], &mut gp, &mut ga);
        assert_eq!((loss, gp, ga), (0.0, [0.0; 4], [0.0; 4]));
    }
}
