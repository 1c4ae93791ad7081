//! The gyrovector operations of the Poincaré ball: addition, subtraction, products, gyration, conformal factor.

mod add;
mod factor;
pub(crate) mod gyration;
mod matvec;
mod scalar_mul;

pub use add::{mobius_add, mobius_add_vjp, mobius_sub, mobius_sub_vjp};
pub use factor::{conformal_factor, conformal_factor_vjp, gap_at, riemannian_factor, riemannian_factor_vjp};
pub use gyration::{gyration, gyration_vjp};
pub use matvec::{mobius_matvec, mobius_matvec_vjp};
pub use scalar_mul::{mobius_scalar_mul, mobius_scalar_mul_vjp};
