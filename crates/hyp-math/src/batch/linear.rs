//! The Möbius matrix–vector product and linear layer over a batch.

use super::{
    check_rows,
    products::{products, products_vjp},
    rows::for_rows,
};
use crate::{
    Curvature, Real, gyro,
    scalar::{artanhc, artanhc_slope, gap, sech_squared, tanhc, tanhc_slope},
    vector::{norm, square},
};

/// [`gyro::mobius_matvec`] of one matrix and every row of `x`.
///
/// **Shapes.** `m`: `[out, dim]` row-major, `x`: `[rows, dim]`, `out`: `[rows, out]`.
/// **Numerics.** M x in `f64`, in one array of the size of `out`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn mobius_matvec<T: Real>(m: &[T], x: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    let images = Images::new(m, x, dim);
    round(&images.scaled(c), out);
}

/// The gradient of [`mobius_matvec`]: overwrites `grad_m` and `grad_x`, returns the derivative by c.
///
/// **Shapes.** As [`mobius_matvec`]; `grad_out`: `[rows, out]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn mobius_matvec_vjp<T: Real>(
    m: &[T],
    x: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    grad_m: &mut [T],
    grad_x: &mut [T],
) -> f64 {
    let mut grads: Vec<f64> = grad_out.iter().map(|g| g.to_f64()).collect();
    Images::new(m, x, dim).vjp(m, x, &mut grads, c, grad_m, grad_x)
}

/// [`crate::linear::mobius_linear`] of one matrix, one bias and every row of `x`.
///
/// **Shapes.** `m`: `[out, dim]` row-major, `b`: `[out]`, `x`: `[rows, dim]`, `out`: `[rows, out]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn mobius_linear<T: Real>(m: &[T], b: &[T], x: &[T], dim: usize, c: Curvature, out: &mut [T]) {
    let images = Images::new(m, x, dim);
    assert_eq!(b.len(), images.width, "the bias has one entry per row of the matrix");
    let b: Vec<f64> = b.iter().map(|b| b.to_f64()).collect();
    let scaled = images.scaled(c);
    let mut moved = vec![0.0; scaled.len()];
    for_rows(images.rows, [(&scaled[..], images.width)], [(&mut moved[..], images.width)], |[y], [out]| {
        gyro::mobius_add(y, &b, c, out);
    });
    round(&moved, out);
}

/// The gradient of [`mobius_linear`]: overwrites `grad_m`, `grad_b` and `grad_x`, returns the derivative by c.
///
/// **Shapes.** As [`mobius_linear`]; `grad_out`: `[rows, out]`.
///
/// # Panics
/// If `dim` is zero or a length does not fit.
pub fn mobius_linear_vjp<T: Real>(
    m: &[T],
    b: &[T],
    x: &[T],
    grad_out: &[T],
    dim: usize,
    c: Curvature,
    grad_m: &mut [T],
    grad_b: &mut [T],
    grad_x: &mut [T],
) -> f64 {
    let images = Images::new(m, x, dim);
    let (rows, width) = (images.rows, images.width);
    assert_eq!(b.len(), width, "the bias has one entry per row of the matrix");
    assert_eq!(grad_b.len(), width, "grad_b is shaped as b");
    assert_eq!(grad_out.len(), rows * width, "grad_out is [rows, out]");
    let b: Vec<f64> = b.iter().map(|b| b.to_f64()).collect();
    let grads: Vec<f64> = grad_out.iter().map(|g| g.to_f64()).collect();
    let scaled = images.scaled(c);
    let (mut by_image, mut by_bias) = (vec![0.0; grads.len()], vec![0.0; grads.len()]);
    let by_c = for_rows(
        rows,
        [(&scaled[..], width), (&grads[..], width)],
        [(&mut by_image[..], width), (&mut by_bias[..], width)],
        |[y, grad], [by_image, by_bias]| gyro::mobius_add_vjp(y, &b, grad, c, by_image, by_bias),
    )
    .one();
    for (column, slot) in grad_b.iter_mut().enumerate() {
        *slot = T::from_f64(by_bias.iter().skip(column).step_by(width).sum());
    }
    by_c + images.vjp(m, x, &mut by_image, c, grad_m, grad_x)
}

/// M x of all rows, with what the scaling onto the ball needs.
pub(super) struct Images {
    /// `[rows, width]`.
    image: Vec<f64>,
    /// ‖x‖² of every row.
    square: Vec<f64>,
    pub(super) rows: usize,
    pub(super) width: usize,
    dim: usize,
}

/// The scaling of one row: out = G·F(c G²‖z‖²)·z with G = artanhc(√c‖x‖), F = tanhc.
struct Scaling {
    ratio: f64,
    radius: f64,
    gap: f64,
    angle: f64,
    length: f64,
}

impl Scaling {
    fn new(image: &[f64], square: f64, c: Curvature) -> Self {
        let (radius, gap, length) = (c.sqrt() * square.sqrt(), gap(c, square), norm(image));
        let ratio = artanhc(radius, gap);
        Self { ratio, radius, gap, angle: c.sqrt() * ratio * length, length }
    }
}

impl Images {
    pub(super) fn new<T: Real>(m: &[T], x: &[T], dim: usize) -> Self {
        let (rows, width) = (check_rows(x, dim), check_rows(m, dim));
        Self {
            image: products(x, m, dim),
            square: x.chunks_exact(dim).map(square).collect(),
            rows,
            width,
            dim,
        }
    }

    /// M ⊗ x of all rows.
    pub(super) fn scaled(&self, c: Curvature) -> Vec<f64> {
        let mut out = vec![0.0; self.image.len()];
        for_rows(
            self.rows,
            [(&self.image[..], self.width), (&self.square[..], 1)],
            [(&mut out[..], self.width)],
            |[image, square], [out]| {
                let scaling = Scaling::new(image, square[0], c);
                let scale = scaling.ratio * tanhc(scaling.angle);
                for (slot, value) in out.iter_mut().zip(image) {
                    *slot = scale * value;
                }
            },
        );
        out
    }

    /// Overwrites `grads`, the gradients by M ⊗ x, with those by M x.
    pub(super) fn vjp<T: Real>(
        &self,
        m: &[T],
        x: &[T],
        grads: &mut [f64],
        c: Curvature,
        grad_m: &mut [T],
        grad_x: &mut [T],
    ) -> f64 {
        assert_eq!(grads.len(), self.image.len(), "grad_out is [rows, out]");
        assert_eq!(grad_m.len(), m.len(), "grad_m is shaped as m");
        assert_eq!(grad_x.len(), x.len(), "grad_x is shaped as x");
        let mut own_x = vec![0.0; self.rows];
        let by_c = for_rows(
            self.rows,
            [(&self.image[..], self.width), (&self.square[..], 1)],
            [(&mut *grads, self.width), (&mut own_x[..], 1)],
            |[image, square], [grad, own]| {
                let scaling = Scaling::new(image, square[0], c);
                let Scaling { ratio, radius, gap, angle, length } = scaling;
                let along: f64 = image.iter().zip(grad.iter()).map(|(z, g)| z * g).sum();
                let slope = tanhc_slope(angle) * ratio * ratio * ratio * along;
                let by_square = along * sech_squared(angle) * artanhc_slope(radius, gap);
                let direct = ratio * tanhc(angle);
                for (grad, image) in grad.iter_mut().zip(image) {
                    *grad = direct * *grad + 2.0 * c.get() * slope * image;
                }
                own[0] = 2.0 * c.get() * by_square;
                slope * length * length + by_square * square[0]
            },
        )
        .one();
        let none = vec![0.0; self.width];
        products_vjp(x, m, grads, &own_x, &none, self.dim, grad_x, grad_m);
        by_c
    }
}

pub(super) fn round<T: Real>(values: &[f64], out: &mut [T]) {
    assert_eq!(out.len(), values.len(), "out is [rows, out]");
    for (slot, value) in out.iter_mut().zip(values) {
        *slot = T::from_f64(*value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear;
    use crate::testing::{assert_close, ball_points};

    #[test]
    fn the_layer_is_the_form_for_one_point_on_every_row() {
        let (rows, dim, width) = (5, 4, 3);
        for curvature in [0.0, 0.1, 1.0] {
            let c = Curvature::new(curvature).unwrap();
            let mut x: Vec<f64> = ball_points(1, rows, dim, c, 0.95);
            x[..dim].fill(0.0);
            let m: Vec<f64> = ball_points(2, width, dim, Curvature::FLAT, 2.0);
            let b: Vec<f64> = ball_points(3, 1, width, c, 0.5);
            let grad_out: Vec<f64> = (0..rows * width).map(|i| (i as f64 * 1.3).sin()).collect();
            let mut out = vec![0.0; rows * width];
            mobius_linear(&m, &b, &x, dim, c, &mut out);
            let (mut gm, mut gb, mut gx) = (vec![0.0; m.len()], vec![0.0; b.len()], vec![0.0; x.len()]);
            let by_c = mobius_linear_vjp(&m, &b, &x, &grad_out, dim, c, &mut gm, &mut gb, &mut gx);
            let mut want = vec![0.0; out.len()];
            let (mut wm, mut wb, mut wx) = (vec![0.0; m.len()], vec![0.0; b.len()], vec![0.0; x.len()]);
            let (mut one_m, mut one_b, mut want_c) = (vec![0.0; m.len()], vec![0.0; b.len()], 0.0);
            for row in 0..rows {
                let (x, wx) = (&x[row * dim..][..dim], &mut wx[row * dim..][..dim]);
                let range = row * width..(row + 1) * width;
                linear::mobius_linear(&m, &b, x, c, &mut want[range.clone()]);
                want_c +=
                    linear::mobius_linear_vjp(&m, &b, x, &grad_out[range], c, &mut one_m, &mut one_b, wx);
                for (total, one) in wm.iter_mut().zip(&one_m).chain(wb.iter_mut().zip(&one_b)) {
                    *total += one;
                }
            }
            // The same formulas, summed in another order.
            assert_close(&out, &want, 1e-14);
            assert_close(&gm, &wm, 1e-13);
            assert_close(&gb, &wb, 1e-13);
            assert_close(&gx, &wx, 1e-13);
            assert_close(&[by_c], &[want_c], 1e-12);
        }
    }
}
