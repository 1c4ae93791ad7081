//! The operations as the released code computes them, for contrast.

use hyp_math::{Curvature, Real, reference};

/// The operation with the epsilons and clamps of the released code; `None` if it has no such operation, or none in flat
/// space, where it divides by √c = 0.
pub(crate) fn released<T: Real>(operation: &str, c: Curvature, inputs: &[Vec<T>]) -> Option<Vec<T>> {
    if c.is_flat() {
        return None;
    }
    let i = |n: usize| inputs[n].as_slice();
    let filled = |len: usize, write: &mut dyn FnMut(&mut [T])| {
        let mut out = vec![T::default(); len];
        write(&mut out);
        out
    };
    Some(match operation {
        "mobius_add" => filled(i(0).len(), &mut |out| reference::mobius_add(i(0), i(1), c, out)),
        "exp_map_zero" => filled(i(0).len(), &mut |out| reference::exp_map_zero(i(0), c, out)),
        "log_map_zero" => filled(i(0).len(), &mut |out| reference::log_map_zero(i(0), c, out)),
        "exp_map_at" => filled(i(0).len(), &mut |out| reference::exp_map_at(i(0), i(1), c, out)),
        "log_map_at" => filled(i(0).len(), &mut |out| reference::log_map_at(i(0), i(1), c, out)),
        "distance" => vec![reference::distance(i(0), i(1), c)],
        "distance_to_origin" => vec![reference::distance_to_origin(i(0), c)],
        "mobius_matvec" => {
            filled(i(0).len() / i(1).len(), &mut |out| reference::mobius_matvec(i(0), i(1), c, out))
        }
        "mlr_ganea" => vec![reference::mlr_logit(i(0), i(1), i(2), c)],
        "einstein_midpoint" if inputs[1].iter().all(|w| *w == T::ONE) => {
            let dim = i(0).len() / i(1).len();
            filled(dim, &mut |out| reference::einstein_midpoint(i(0), dim, c, out))
        }
        _ => return None,
    })
}
