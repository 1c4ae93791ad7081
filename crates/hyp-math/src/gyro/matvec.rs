//! Möbius matrix–vector product.

use crate::scalar::{artanhc, artanhc_slope, gap, sech_squared, tanhc, tanhc_slope};
use crate::vector::{dot, root, square};
use crate::{Curvature, Real};

fn products<T: Real>(m: &[T], x: &[T], rows: usize) -> Vec<f64> {
    assert_eq!(m.len(), rows * x.len(), "the matrix must be [out, in], row by row");
    (0..rows).map(|i| dot(&m[i * x.len()..(i + 1) * x.len()], x)).collect()
}

/// Möbius matrix–vector product $M \otimes_c x$, that is exp₀(M·log₀(x)).
///
/// $$ M \otimes_c x = \frac{1}{\sqrt c}\tanh\Bigl(\frac{\|Mx\|}{\|x\|}\,\mathrm{artanh}(\sqrt c\|x\|)\Bigr)
///    \frac{Mx}{\|Mx\|} $$
///
/// **Source.** \[HIE\] Appendix A (recalled; the definition is that of Ganea et al. 2018, Hyperbolic Neural Networks).
///
/// **Shapes.** `m`: `[out, in]` row-major, `x`: `[in]`, `out`: `[out]`.
/// **Domain.** `c‖x‖² < 1`, any finite matrix. `c = 0` gives `Mx`; `Mx = 0` gives 0.
/// **Numerics.** tanhc(√c‖t‖)·t with t = artanhc(√c‖x‖)·Mx, so that neither norm divides. Makes one vector of length
/// `out`, so that Mx is not rounded to `T`.
///
/// # Panics
/// If the lengths do not fit.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, gyro::mobius_matvec};
/// let mut out = [0.0_f64; 2];
/// // Twice a rotation by a right angle: the distance from the origin doubles.
/// mobius_matvec(&[0.0, -2.0, 2.0, 0.0], &[0.5, 0.0], Curvature::ONE, &mut out);
/// assert!(out[0].abs() < 1e-15 && (out[1] - 0.8).abs() < 1e-15);
/// ```
pub fn mobius_matvec<T: Real>(m: &[T], x: &[T], c: Curvature, out: &mut [T]) {
    let image = products(m, x, out.len());
    let sum = square(x);
    let rho = c.sqrt() * root(sum, || x.iter().map(|x| x.to_f64()));
    let ratio = artanhc(rho, gap(c, sum));
    let t = c.sqrt() * ratio * root(square(&image), || image.iter().copied());
    let scale = ratio * tanhc(t);
    for (out, value) in out.iter_mut().zip(&image) {
        *out = T::from_f64(scale * value);
    }
}

/// Gradients of [`mobius_matvec`] with respect to M and x, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the lengths do not fit.
pub fn mobius_matvec_vjp<T: Real>(
    m: &[T],
    x: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_m: &mut [T],
    grad_x: &mut [T],
) -> f64 {
    assert_eq!(grad_m.len(), m.len(), "the gradient must have the shape of the matrix");
    assert_eq!(grad_x.len(), x.len(), "the gradient must have the length of the vector");
    let image = products(m, x, grad_out.len());
    let sum = square(x);
    let gap = gap(c, sum);
    let rho = c.sqrt() * root(sum, || x.iter().map(|x| x.to_f64()));
    let ratio = artanhc(rho, gap);
    let norm = root(square(&image), || image.iter().copied());
    let t = c.sqrt() * ratio * norm;
    let (value, slope) = (tanhc(t), tanhc_slope(t));
    let g_image: f64 = grad_out.iter().zip(&image).map(|(g, y)| g.to_f64() * y).sum();

    // out = G·F(cG²‖Mx‖²)·Mx, where G = artanhc depends on c‖x‖².
    let direct = ratio * value;
    let along_image = 2.0 * c.get() * slope * ratio * ratio * ratio * g_image;
    let g_ratio = g_image * sech_squared(t);
    let g_square = g_ratio * artanhc_slope(rho, gap);
    let g_rows: Vec<f64> =
        grad_out.iter().zip(&image).map(|(g, y)| direct * g.to_f64() + along_image * y).collect();

    for (row, g) in grad_m.chunks_exact_mut(x.len().max(1)).zip(&g_rows) {
        for (grad, x) in row.iter_mut().zip(x) {
            *grad = T::from_f64(g * x.to_f64());
        }
    }
    let mut sums: Vec<f64> = x.iter().map(|x| 2.0 * c.get() * g_square * x.to_f64()).collect();
    for (row, g) in m.chunks_exact(x.len().max(1)).zip(&g_rows) {
        for (sum, m) in sums.iter_mut().zip(row) {
            *sum += g * m.to_f64();
        }
    }
    for (grad, sum) in grad_x.iter_mut().zip(&sums) {
        *grad = T::from_f64(*sum);
    }
    g_square * sum + g_image * slope * ratio * ratio * ratio * norm * norm
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix with a zero image has a gradient: that of the exponential map at 0, which is the identity there.
    #[test]
    fn zero_image_has_finite_gradients() {
        let (mut out, mut grad_m, mut grad_x) = ([1.0_f64; 2], [0.0; 4], [0.0; 2]);
        mobius_matvec(&[0.0; 4], &[0.5, 0.0], Curvature::ONE, &mut out);
        assert_eq!(out, [0.0, 0.0]);
        let grad_c =
            mobius_matvec_vjp(&[0.0; 4], &[0.5, 0.0], &[1.0, 0.0], Curvature::ONE, &mut grad_m, &mut grad_x);
        // artanhc(1/2)·1·x = artanh(1/2) = ln(3)/2 in the first entry.
        assert!((grad_m[0] - 0.5 * 3_f64.ln()).abs() < 1e-15);
        assert_eq!((&grad_m[1..], grad_x, grad_c), ([0.0; 3].as_slice(), [0.0; 2], 0.0));
    }

    #[test]
    fn flat_space_multiplies() {
        let mut out = [0.0_f32; 1];
        mobius_matvec(&[2.0, 3.0], &[10.0, 100.0], Curvature::FLAT, &mut out);
        assert_eq!(out, [320.0]);
    }
}
