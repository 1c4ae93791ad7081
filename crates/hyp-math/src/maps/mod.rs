//! Maps between the ball and its tangent spaces, curves and transport, and the two functions that limit norms.

mod exp;
mod exp_vjp;
mod geodesic;
mod limit;
mod log;
mod origin;
mod transport;

pub use exp::{exp_map_at, exp_map_at_vjp};
pub use geodesic::{geodesic, geodesic_vjp};
pub use limit::{clip_norm, clip_norm_vjp, project, project_vjp};
pub use log::{log_map_at, log_map_at_vjp};
pub use origin::{exp_map_zero, exp_map_zero_vjp, log_map_zero, log_map_zero_vjp};
pub use transport::{parallel_transport, parallel_transport_vjp};
