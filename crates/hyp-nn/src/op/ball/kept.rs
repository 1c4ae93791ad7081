//! Gradients that an operation computes with its value.

use std::any::Any;
use std::sync::{Mutex, PoisonError};

use candle_core::{Error, Result, Tensor};

use super::BallParameter;
use crate::op::kernel::Element;

/// Whether the gradients are to come with the value: where the points, the first operand, are on the CPU, and an operand
/// or c is trained.
pub(super) fn come_with_the_value(operands: &[&Tensor], c: &BallParameter) -> bool {
    operands[0].device().is_cpu() && operands.iter().copied().chain(&c.tensor).any(Tensor::track_op)
}

/// The gradients of a scalar, from its value on.
#[derive(Default)]
pub(super) struct Kept(Mutex<Option<Box<dyn Any + Send>>>);

/// The gradients by the operands and by c.
struct Gradients<T, const OPERANDS: usize>([Vec<T>; OPERANDS], f64);

impl Kept {
    /// Keeps the gradients by the operands and by c.
    pub(super) fn keep<T: Element, const OPERANDS: usize>(&self, gradients: [Vec<T>; OPERANDS], by_c: f64) {
        let gradients = Gradients(gradients, by_c);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(gradients));
    }

    /// The gradients times `grad`, that of the scalar.
    pub(super) fn times<T: Element, const OPERANDS: usize>(
        &self,
        name: &str,
        grad: T,
    ) -> Result<([Vec<T>; OPERANDS], f64)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Gradients(gradients, by_c)) =
            kept.as_ref().and_then(|kept| kept.downcast_ref::<Gradients<T, OPERANDS>>())
        else {
            return Err(Error::Msg(format!("{name}: a gradient of another element type than the value")));
        };
        let factor = grad.to_f64();
        let scaled = |of: &Vec<T>| of.iter().map(|g| T::from_f64(factor * g.to_f64())).collect();
        Ok((gradients.each_ref().map(scaled), factor * by_c))
    }
}
