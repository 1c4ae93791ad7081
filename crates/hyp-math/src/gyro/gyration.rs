//! Gyration: the rotation by which Möbius addition fails to be associative.
//!
//! With s = u + v, the gaps a and b of u and v, and D = ab + c‖s‖²,
//! gyr\[u, v\]w = w + (2c/D)·(E·u + K·s), where E = b⟨s, w⟩ + c⟨v, w⟩‖s‖² and K = a⟨v, w⟩ − ⟨s, w⟩.
//! The textbook form subtracts terms of size 1 to get results of size D when v is close to −u near the boundary;
//! here every term is as small as its result.

use crate::scalar::{gap, times};
use crate::vector::{map3, sums1, sums3};
use crate::{Curvature, Real};

/// The numbers that gyr\[u, `s`·v\]w needs, s = ±1.
pub(crate) struct Gyration {
    c: Curvature,
    s: f64,
    squares: [f64; 2],
    pub(crate) gap_u: f64,
    pub(crate) gap_v: f64,
    square: f64,
    sum_w: f64,
    v_w: f64,
    along_u: f64,
    along_sum: f64,
    denominator: f64,
}

/// What flows back through a gyration, before it is spread over the components.
pub(crate) struct Adjoint {
    /// ⟨g, gyr\[u, v\]w⟩.
    pub(crate) inner: f64,
    direct_u: f64,
    direct_sum: f64,
    w_from_sum: f64,
    w_from_v: f64,
    square: f64,
    pub(crate) gap_u: f64,
    pub(crate) gap_v: f64,
    c: f64,
}

impl Gyration {
    #[inline(always)]
    pub(crate) fn new<T: Real>(s: f64, u: &[T], v: &[T], w: &[T], c: Curvature) -> Self {
        let [uu] = sums1(u, |u| [u * u]);
        let [vv, square, sum_w, v_w] = sums3(u, v, w, |u, v, w| {
            let v = s * v;
            let sum = u + v;
            [v * v, sum * sum, sum * w, v * w]
        });
        let (gap_u, gap_v, c_square) = (gap(c, uu), gap(c, vv), times(c, square));
        Self {
            c,
            s,
            squares: [uu, vv],
            gap_u,
            gap_v,
            square,
            sum_w,
            v_w,
            along_u: gap_v * sum_w + c_square * v_w,
            along_sum: gap_u * v_w - sum_w,
            denominator: gap_u * gap_v + c_square,
        }
    }

    /// `scale`·gyr\[u, v\]w.
    #[inline(always)]
    pub(crate) fn apply<T: Real>(&self, scale: f64, u: &[T], v: &[T], w: &[T], out: &mut [T]) {
        let k = 2.0 * self.c.get() / self.denominator;
        let (along_u, along_sum, s) = (k * self.along_u, k * self.along_sum, self.s);
        map3(out, u, v, w, |u, v, w| scale * (w + (along_u * u + along_sum * (u + s * v))));
    }

    /// The adjoint for a gradient `g` of gyr\[u, v\]w.
    #[inline(always)]
    pub(crate) fn adjoint<T: Real>(&self, u: &[T], v: &[T], w: &[T], g: &[T]) -> Adjoint {
        let s = self.s;
        let [g_u, g_sum] = sums3(u, v, g, |u, v, g| [g * u, g * (u + s * v)]);
        let [g_w] = crate::vector::sums2(w, g, |w, g| [w * g]);
        let c = self.c.get();
        let k = 2.0 * c / self.denominator;
        let bracket = self.along_u * g_u + self.along_sum * g_sum;
        let (g_along_u, g_along_sum) = (k * g_u, k * g_sum);
        let g_denominator = -k / self.denominator * bracket;
        Adjoint {
            inner: g_w + k * bracket,
            direct_u: k * self.along_u,
            direct_sum: k * self.along_sum,
            w_from_sum: g_along_u * self.gap_v - g_along_sum,
            w_from_v: g_along_u * c * self.square + g_along_sum * self.gap_u,
            square: c * (g_along_u * self.v_w + g_denominator),
            gap_u: g_along_sum * self.v_w + g_denominator * self.gap_v,
            gap_v: g_along_u * self.sum_w + g_denominator * self.gap_u,
            c: 2.0 / self.denominator * bracket
                + g_along_u * self.v_w * self.square
                + g_denominator * self.square,
        }
    }

    /// Spreads `scale` times the adjoint over the gradients; returns the gradient with respect to c.
    #[inline(always)]
    pub(crate) fn spread<T: Real>(
        &self,
        adjoint: &Adjoint,
        scale: f64,
        [u, v, w, g]: [&[T]; 4],
        grad_u: &mut [T],
        grad_v: &mut [T],
        grad_w: &mut [T],
    ) -> f64 {
        let Adjoint { direct_u, direct_sum, w_from_sum, w_from_v, square, gap_u, gap_v, .. } = *adjoint;
        let (s, c) = (self.s, self.c.get());
        // Through s = u + v.
        let sum = |g: f64, u: f64, v: f64| direct_sum * g + 2.0 * square * (u + s * v);
        for ((((grad, u), v), w), g) in grad_u.iter_mut().zip(u).zip(v).zip(w).zip(g) {
            let (u, v, w, g) = (u.to_f64(), v.to_f64(), w.to_f64(), g.to_f64());
            *grad = T::from_f64(scale * (sum(g, u, v) + w_from_sum * w + direct_u * g - 2.0 * c * gap_u * u));
        }
        for ((((grad, u), v), w), g) in grad_v.iter_mut().zip(u).zip(v).zip(w).zip(g) {
            let (u, v, w, g) = (u.to_f64(), v.to_f64(), w.to_f64(), g.to_f64());
            let gradient = sum(g, u, v) + (w_from_sum + w_from_v) * w - 2.0 * c * gap_v * s * v;
            *grad = T::from_f64(s * scale * gradient);
        }
        map3(grad_w, u, v, g, |u, v, g| scale * (g + w_from_sum * (u + s * v) + w_from_v * s * v));
        scale * (adjoint.c - gap_u * self.squares[0] - gap_v * self.squares[1])
    }
}

/// Gyration $\mathrm{gyr}[u, v]w = -(u \oplus v) \oplus (u \oplus (v \oplus w))$, a rotation of w.
///
/// $$ u \oplus (v \oplus w) = (u \oplus v) \oplus \mathrm{gyr}[u, v]w $$
///
/// **Source.** Ungar 2005, Analytic Hyperbolic Geometry; parallel transport in \[HIE\]'s reference Ganea et al. 2018.
///
/// **Shapes.** `u`, `v`, `w`, `out`: `[dim]`.
/// **Domain.** `c‖u‖² < 1`, `c‖v‖² < 1`; w is any vector, since the map is linear in it. `c = 0` gives `w`.
/// **Numerics.** The closed form at the head of this file; no cancellation for v close to −u.
///
/// # Panics
/// If the slices differ in length.
///
/// # Examples
/// ```
/// use hyp_math::{Curvature, gyro::gyration};
/// let mut out = [0.0_f64; 2];
/// // On one line nothing turns.
/// gyration(&[0.5, 0.0], &[0.3, 0.0], &[1.0, 2.0], Curvature::ONE, &mut out);
/// assert!((out[0] - 1.0).abs() < 1e-15 && (out[1] - 2.0).abs() < 1e-15);
/// // Right angle: E = ¾·½ + ½·½ = 5/8, K = ¾·½ − ½ = −1/8, D = 9/16 + ½ = 17/16.
/// gyration(&[0.5, 0.0], &[0.0, 0.5], &[0.0, 1.0], Curvature::ONE, &mut out);
/// assert!((out[0] - 8.0 / 17.0).abs() < 1e-15 && (out[1] - 15.0 / 17.0).abs() < 1e-15);
/// ```
pub fn gyration<T: Real>(u: &[T], v: &[T], w: &[T], c: Curvature, out: &mut [T]) {
    Gyration::new(1.0, u, v, w, c).apply(1.0, u, v, w, out);
}

/// Gradients of [`gyration`] with respect to u, v and w, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the slices differ in length.
pub fn gyration_vjp<T: Real>(
    u: &[T],
    v: &[T],
    w: &[T],
    grad_out: &[T],
    c: Curvature,
    grad_u: &mut [T],
    grad_v: &mut [T],
    grad_w: &mut [T],
) -> f64 {
    assert_eq!(grad_u.len(), u.len(), "the gradient must have the length of the input");
    assert_eq!(grad_v.len(), v.len(), "the gradient must have the length of the input");
    let gyration = Gyration::new(1.0, u, v, w, c);
    let adjoint = gyration.adjoint(u, v, w, grad_out);
    gyration.spread(&adjoint, 1.0, [u, v, w, grad_out], grad_u, grad_v, grad_w)
}
