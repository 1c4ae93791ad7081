//! Gyration: the rotation by which Möbius addition fails to be associative.
//!
//! It turns the plane of u and v. With s = u + v and the antisymmetric A·w = ⟨s, w⟩u − ⟨u, w⟩s,
//! gyr\[u, v\] = I + pA + qA², where p = 2cN/D, q = 2c²/D, N = (a + b + c‖s‖²)/2, D = ab + c‖s‖², and a and b are the
//! gaps of u and v. The textbook form subtracts terms of size 1 to get results of size D when v is close to −u near
//! the boundary; here every term is as small as its result. The derivatives by c are those of p and q alone:
//! dp/dc = 2·cos φ/D with the angle φ of the turn, and dq/dc = 2p/D.

use crate::scalar::{gap, times};
use crate::vector::{map3, sums1, sums2, sums3};
use crate::{Curvature, Real};

/// The rotation gyr\[u, v\] in its plane, from ‖u‖², ⟨u, s⟩, ‖s‖² and the two gaps.
pub(crate) struct Turn {
    c: f64,
    uu: f64,
    us: f64,
    ss: f64,
    gap_u: f64,
    gap_v: f64,
    /// N and D.
    middle: f64,
    denominator: f64,
    p: f64,
    q: f64,
}

impl Turn {
    #[inline(always)]
    pub(crate) fn new(c: Curvature, [uu, us, ss]: [f64; 3], gap_u: f64, gap_v: f64) -> Self {
        let c_square = times(c, ss);
        let c = c.get();
        let (middle, denominator) = (0.5 * (gap_u + gap_v + c_square), gap_u * gap_v + c_square);
        Self {
            c,
            uu,
            us,
            ss,
            gap_u,
            gap_v,
            middle,
            denominator,
            p: 2.0 * c * middle / denominator,
            q: 2.0 * c * c / denominator,
        }
    }

    /// The multiples of u and of s by which gyr\[u, v\]w differs from w, given ⟨u, w⟩ and ⟨s, w⟩.
    #[inline(always)]
    pub(crate) fn shift(&self, uw: f64, sw: f64) -> (f64, f64) {
        let Self { uu, us, ss, p, q, .. } = *self;
        (p * sw + q * (sw * us - uw * ss), -p * uw + q * (uw * us - sw * uu))
    }
}

/// gyr\[u, `sign`·v\]w, `sign` = ±1.
pub(crate) struct Gyration {
    turn: Turn,
    sign: f64,
    uw: f64,
    sw: f64,
}

impl Gyration {
    #[inline(always)]
    pub(crate) fn new<T: Real>(sign: f64, u: &[T], v: &[T], w: &[T], c: Curvature) -> Self {
        let [vv] = sums1(v, |v| [v * v]);
        let [uu, us, ss] = sums2(u, v, |u, v| {
            let s = u + sign * v;
            [u * u, u * s, s * s]
        });
        let [uw, sw] = sums3(u, v, w, |u, v, w| [u * w, (u + sign * v) * w]);
        Self { turn: Turn::new(c, [uu, us, ss], gap(c, uu), gap(c, vv)), sign, uw, sw }
    }

    /// The factor (1 − c‖u‖²)/(1 − c‖v‖²).
    #[inline(always)]
    pub(crate) fn gap_ratio(&self) -> f64 {
        self.turn.gap_u / self.turn.gap_v
    }

    /// `scale`·gyr\[u, v\]w.
    #[inline(always)]
    pub(crate) fn apply<T: Real>(&self, scale: f64, u: &[T], v: &[T], w: &[T], out: &mut [T]) {
        let (along_u, along_s) = self.turn.shift(self.uw, self.sw);
        let sign = self.sign;
        map3(out, u, v, w, |u, v, w| scale * (w + (along_u * u + along_s * (u + sign * v))));
    }

    /// The gradients of `scale`·gyr\[u, v\]w; returns that with respect to c.
    ///
    /// If `by_ratio`, the scale is [`Gyration::gap_ratio`], and is differentiated too.
    #[inline(always)]
    pub(crate) fn vjp<T: Real>(
        &self,
        scale: f64,
        by_ratio: bool,
        [u, v, w, g]: [&[T]; 4],
        [grad_u, grad_v, grad_w]: [&mut [T]; 3],
    ) -> f64 {
        assert_eq!(grad_u.len(), u.len(), "the gradient must have the length of the input");
        assert_eq!(grad_v.len(), v.len(), "the gradient must have the length of the input");
        let Turn { c, uu, us, ss, gap_u, gap_v, middle, denominator, p, q } = self.turn;
        let (sign, uw, sw) = (self.sign, self.uw, self.sw);
        let [ug, sg] = sums3(u, v, g, |u, v, g| [u * g, (u + sign * v) * g]);
        let [wg] = sums2(w, g, |w, g| [w * g]);

        // ⟨g, Aw⟩ and ⟨g, A²w⟩, the gradients of p and of q.
        let once = sw * ug - uw * sg;
        let twice = (sw * us - uw * ss) * ug + (uw * us - sw * uu) * sg;
        // Through A, which depends on u and on s.
        let u_of_g = p * sw + q * (sw * us - uw * ss);
        let u_of_w = -p * sg + q * (sg * us - ug * ss);
        let s_of_g = -p * uw - q * (sw * uu - uw * us);
        let s_of_w = p * ug - q * (sg * uu - ug * us);
        let cross = q * (uw * sg + ug * sw);
        let (u_of_u, s_of_s) = (-2.0 * q * sg * sw, -2.0 * q * uw * ug);
        // Through N and D.
        let direct = 2.0 * c * c * once / denominator;
        let pull = 2.0 * middle * direct / denominator + 2.0 * c * q * twice / denominator;
        // Through the scale.
        let inner = if by_ratio { wg + p * once + q * twice } else { 0.0 };
        let (ratio_u, ratio_v) = (-2.0 * c * inner / gap_u, 2.0 * c * inner / gap_v);

        for ((((grad, u), v), w), g) in grad_u.iter_mut().zip(u).zip(v).zip(w).zip(g) {
            let (u, v, w, g) = (u.to_f64(), sign * v.to_f64(), w.to_f64(), g.to_f64());
            let s = u + v;
            let through_a =
                (u_of_g + s_of_g) * g + (u_of_w + s_of_w) * w + (u_of_u + cross) * u + (cross + s_of_s) * s;
            *grad = T::from_f64(scale * (through_a + direct * v - pull * (s - gap_v * u) + ratio_u * u));
        }
        for ((((grad, u), v), w), g) in grad_v.iter_mut().zip(u).zip(v).zip(w).zip(g) {
            let (u, v, w, g) = (u.to_f64(), sign * v.to_f64(), w.to_f64(), g.to_f64());
            let s = u + v;
            let through_a = s_of_g * g + s_of_w * w + cross * u + s_of_s * s;
            let gradient = through_a + direct * u - pull * (s - gap_u * v) + ratio_v * v;
            *grad = T::from_f64(sign * scale * gradient);
        }
        // The transpose of a rotation is its inverse, in which p changes its sign.
        let (along_u, along_s) = (u_of_w, p * ug + q * (ug * us - sg * uu));
        map3(grad_w, u, v, g, |u, v, g| scale * (g + (along_u * u + along_s * (u + sign * v))));

        let cosine = 1.0 + q * (us * us - uu * ss);
        // ‖v‖²/b − ‖u‖²/a = (‖v‖² − ‖u‖²)/(ab), and ‖v‖² − ‖u‖² = ‖s‖² − 2⟨u, s⟩.
        let by_scale = inner * (ss - 2.0 * us) / (gap_u * gap_v);
        scale * (2.0 / denominator * (cosine * once + p * twice) + by_scale)
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
/// // Right angle: ⟨u, v⟩ = 0, so N = 1, and D = 9/16 + ½ = 17/16; cos φ = (N² − c²‖u‖²‖v‖²)/D = 15/17.
/// gyration(&[0.5, 0.0], &[0.0, 0.5], &[0.0, 1.0], Curvature::ONE, &mut out);
/// assert!((out[0] - 8.0 / 17.0).abs() < 1e-15 && (out[1] - 15.0 / 17.0).abs() < 1e-15);
/// ```
#[inline(always)]
pub fn gyration<T: Real>(u: &[T], v: &[T], w: &[T], c: Curvature, out: &mut [T]) {
    Gyration::new(1.0, u, v, w, c).apply(1.0, u, v, w, out);
}

/// Gradients of [`gyration`] with respect to u, v and w, overwritten; returns the gradient with respect to c.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
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
    Gyration::new(1.0, u, v, w, c).vjp(1.0, false, [u, v, w, grad_out], [grad_u, grad_v, grad_w])
}
