//! Every margin, threshold and tolerance of the crate, each with its reason and with what others use.

/// Relative margin that the layers keep from the boundary after the exponential map.
///
/// Ours: 1e-3, as \[HIE\] Sec. 4 prescribes ("clipping by norm") and as the released code does.
/// Others: geoopt 4e-3 in `f32` and 1e-5 in `f64`. It caps d(x, 0) at 7.60/√c. Only
/// [`crate::maps::project`] applies a margin, and only the one it is given.
pub const BALL_MARGIN: f64 = 1e-3;

/// Below this value of t² the slopes of tanh(t)/t and its like are summed as series in t².
///
/// The direct form subtracts two numbers that agree up to t²/3, and loses a factor 3/t² of the precision; at
/// 0.04 that is 75 roundings (2e-14), while the first term left out of the series is below 1e-16.
/// Others: geoopt switches at t = 1e-3 or clamps t at 1e-15; the released code clamps the norm at 1e-5.
pub const SERIES_BELOW: f64 = 0.04;

/// A sum of squares outside `[SAFE_SQUARE_MIN, SAFE_SQUARE_MAX]` is recomputed on a scaled vector.
///
/// Below it, terms near 1e-308 have lost digits to gradual underflow; above it, the next term may overflow.
/// Others (geoopt, the released code): no scaling, so norms below 1e-154 become 0.
pub const SAFE_SQUARE_MIN: f64 = 1e-280;
/// The other end of [`SAFE_SQUARE_MIN`].
pub const SAFE_SQUARE_MAX: f64 = 1e280;

/// c‖x‖² + τ² up to which the exponential map at x, with τ = √c·λ‖v‖/2, is differentiated through Möbius addition.
///
/// Below it that form loses less than a digit, and holds at v = 0 and c = 0; the form by Jacobi fields, used above it,
/// divides by c to get the gradient with respect to c, and so loses 1/0.25 of the precision at this value.
/// Others differentiate the printed formula everywhere, which loses all digits near the boundary.
pub const EXP_NEAR: f64 = 0.25;

/// What the released code of the paper adds or clamps, kept for [`crate::reference`] alone.
///
/// The rest of the crate has none of these: the denominator's 1e-5 shortens d by 38 % at radius 0.999, and the
/// clamp of artanh caps every distance at 12.2/√c.
pub mod released {
    /// Added to the denominator of Möbius addition.
    pub const DENOMINATOR: f64 = 1e-5;
    /// artanh clamps its argument into [−1 + this, 1 − this].
    pub const ARTANH_MARGIN: f64 = 1e-5;
    /// tanh clamps its argument into [−this, this].
    pub const TANH_LIMIT: f64 = 15.0;
    /// The logarithm within arsinh is clamped from below at this value.
    pub const ARSINH_MIN: f64 = 1e-5;
    /// Norms are clamped from below at this value before dividing by them.
    pub const NORM_MIN: f64 = 1e-5;
    /// The ball margin of `project`, the same as [`super::BALL_MARGIN`].
    pub const BALL_MARGIN: f64 = super::BALL_MARGIN;
}
