//! Gradients without the sums that Candle makes of each of them and zeros.

use std::cell::RefCell;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp1, DType, Error, Layout, Result, Shape, Tensor};

thread_local! {
    /// What this thread has recorded; `None` while it records nothing.
    static RECORDS: RefCell<Option<Vec<Record>>> = const { RefCell::new(None) };
}

/// The vector–Jacobian products of an operation.
pub(crate) trait Backward: Send + Sync {
    /// One gradient per input, `None` where the input leads to no variable.
    fn gradients(&self, inputs: &[&Tensor], output: &Tensor, grad: &Tensor) -> Result<Vec<Option<Tensor>>>;
}

struct Record {
    operation: Box<dyn Backward>,
    inputs: Vec<Tensor>,
    output: Tensor,
}

/// The operations of this crate that a piece of work called, in their order, with what their gradients need.
///
/// Candle's own backward pass makes a tensor of zeros for every gradient and adds the gradient to it, which costs more
/// time than many an operation. Between [`Tape::record`] and [`Tape::gradients`] the operations of
/// [`op`](crate::op) are not nodes of Candle's graph: their results are variables, as far as Candle sees, and their
/// gradients are handed on as they are. What Candle's own operations do between them is differentiated by Candle.
///
/// **Restrictions.** `backward()` of Candle, called within the recorded work, ends at the last recorded operation. No
/// gradient of later work goes back through what the work leaves behind. Operations on a CUDA device remain nodes of
/// Candle's graph, and so do those that other threads call. Where Candle's own operations make the input of many recorded
/// ones, each in turn, Candle goes through all that lies before them once for each.
///
/// # Examples
/// ```
/// use hyp_nn::candle_core::{Device, Result, Tensor, Var};
/// use hyp_nn::{op, tape::Tape};
/// let x = Var::from_tensor(&Tensor::new(&[3.0_f64, 4.0], &Device::Cpu)?)?;
/// let (loss, tape) = Tape::record(|| op::norm(&(x.as_tensor() * 2.0)?));
/// let gradients = tape.gradients(&loss?)?;
/// assert_eq!(gradients.get(&x).unwrap().to_vec1::<f64>()?, [1.2, 1.6]);
/// # Ok::<(), hyp_nn::candle_core::Error>(())
/// ```
pub struct Tape {
    records: Vec<Record>,
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tape").field("operations", &self.records.len()).finish()
    }
}

/// Puts back what was recorded before, should the work panic too.
#[must_use]
pub(crate) struct Restore(Option<Vec<Record>>);

impl Drop for Restore {
    fn drop(&mut self) {
        RECORDS.set(self.0.take());
    }
}

impl Tape {
    /// Does some work and records its operations; a recording within it is one of its own.
    pub fn record<R>(work: impl FnOnce() -> R) -> (R, Self) {
        let before = Restore(RECORDS.replace(Some(Vec::new())));
        let result = work();
        let records = RECORDS.take().unwrap_or_default();
        drop(before);
        (result, Self { records })
    }

    /// The gradient of `value`, a result of the recorded work, by every variable that leads to it, as `backward()` of
    /// Candle gives it, but for the order of the sum where a value is used three times or more: of several elements, that
    /// of their sum.
    ///
    /// What an operation kept is freed as soon as its gradients are known.
    ///
    /// # Errors
    /// If an operation has no gradient.
    pub fn gradients(self, value: &Tensor) -> Result<GradStore> {
        self.walk(value.backward()?)
    }

    /// The gradient of Σ `above` · `value`, the product of `above` with the Jacobian matrix.
    ///
    /// **Shapes.** `above`: that of `value`, and its element type.
    ///
    /// # Errors
    /// If shapes or element types differ, or an operation has no gradient.
    pub fn gradients_from(self, value: &Tensor, above: &Tensor) -> Result<GradStore> {
        let (got, want) = ((above.dims(), above.dtype()), (value.dims(), value.dtype()));
        if got != want {
            return Err(Error::Msg(format!("gradients_from: a gradient of {got:?}; it must be of {want:?}")));
        }
        let above = above.detach();
        let gradients = if value.is_variable() {
            let mut gradients = GradStore::default();
            gradients.insert(value, above);
            gradients
        } else if value.device().is_cpu() {
            value.apply_op1(Seed(above))?.backward()?
        } else {
            (value * above)?.sum_all()?.backward()?
        };
        self.walk(gradients)
    }

    /// Hands the gradients of the last results on to the first inputs.
    fn walk(mut self, mut gradients: GradStore) -> Result<GradStore> {
        while let Some(Record { operation, inputs, output }) = self.records.pop() {
            let Some(gradient) = gradients.remove(&output) else { continue };
            let inputs_of: Vec<&Tensor> = inputs.iter().collect();
            let by_input = {
                let _aside = aside();
                operation.gradients(&inputs_of, &output, &gradient.detach())?
            };
            for (input, gradient) in inputs.iter().zip(by_input) {
                let Some(gradient) = gradient.filter(|_| input.track_op()) else { continue };
                if input.is_variable() {
                    let sum = match gradients.remove(input) {
                        Some(before) => before.add(&gradient)?.detach(),
                        None => gradient,
                    };
                    gradients.insert(input, sum);
                } else {
                    gradients.extend(input.apply_op1(Seed(gradient))?.backward()?)?;
                }
            }
        }
        Ok(gradients)
    }
}

/// Records nothing on this thread until the guard is dropped: while an operation waits for other threads, its own may
/// be given work of somebody else, which does not belong to the recording.
pub(crate) fn aside() -> Restore {
    Restore(RECORDS.take())
}

/// Whether this thread records.
pub(crate) fn records() -> bool {
    RECORDS.with_borrow(Option::is_some)
}

/// Adds an operation to what this thread records.
pub(crate) fn record(operation: impl Backward + 'static, inputs: Vec<Tensor>, output: &Tensor) {
    let record = Record { operation: Box::new(operation), inputs, output: output.clone() };
    RECORDS.with_borrow_mut(|records| records.as_mut().expect("invariant: asked before").push(record));
}

/// A number whose gradient by its input is the given one.
struct Seed(Tensor);

impl CustomOp1 for Seed {
    fn name(&self) -> &'static str {
        "seed"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let zero = match self.0.dtype() {
            DType::F32 => CpuStorage::F32(vec![0.0]),
            DType::F64 => CpuStorage::F64(vec![0.0]),
            other => {
                return Err(Error::Msg(format!(
                    "no gradient of {other:?}; convert the tensor to f32 or f64"
                )));
            }
        };
        Ok((zero, Shape::from(())))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;
    use crate::op;

    fn variable(values: &[f64]) -> Var {
        Var::from_tensor(&Tensor::new(values, &Device::Cpu).unwrap()).unwrap()
    }

    fn numbers(gradients: &GradStore, of: &Var) -> Vec<f64> {
        gradients.get(of).expect("a gradient").to_vec1().unwrap()
    }

    /// Own operations and Candle's in turn, an intermediate value that is used three times, and a constant.
    fn work(x: &Var, y: &Var) -> Result<Tensor> {
        let a = op::asinh(x)?;
        let b = op::relu(&((&a * y.as_tensor())? + &a)?)?;
        let c = op::log1p(&b.sqr()?)?;
        let constant = op::asinh(&Tensor::new(&[0.5, 2.0, 1.0], &Device::Cpu)?)?;
        op::sum(&(Tensor::cat(&[&c, &a], 0)? * Tensor::cat(&[&constant, &b], 0)?)?)
    }

    #[test]
    fn gradients_are_those_of_candle() {
        let (x, y) = (variable(&[0.3, -1.2, 2.0]), variable(&[1.5, 0.7, -3.0]));
        let (loss, tape) = Tape::record(|| work(&x, &y).unwrap());
        let want = work(&x, &y).unwrap().backward().unwrap();
        let got = tape.gradients(&loss).unwrap();
        for of in [&x, &y] {
            assert_eq!(numbers(&got, of), numbers(&want, of));
        }
    }

    #[test]
    fn what_leads_nowhere_has_no_gradient_and_a_single_operation_has_one() {
        let (x, y) = (variable(&[2.0]), variable(&[3.0]));
        let (value, tape) = Tape::record(|| {
            op::asinh(&y).unwrap();
            op::log1p(&x).unwrap()
        });
        let got = tape.gradients(&value).unwrap();
        assert_eq!(numbers(&got, &x), [1.0 / 3.0]);
        assert!(got.get(&y).is_none());
    }

    #[test]
    fn a_gradient_from_above_is_multiplied_with_the_jacobian() {
        let (x, y) = (variable(&[0.3, -1.2, 2.0]), variable(&[1.5, 0.7, -3.0]));
        let above = Tensor::new(&[1.0, -2.0, 0.5], &Device::Cpu).unwrap();
        for last_is_own in [true, false] {
            let value = || -> Result<Tensor> {
                let z = (op::asinh(&x)? * y.as_tensor())?;
                if last_is_own { op::log1p(&z.sqr()?) } else { Ok(z) }
            };
            let want = op::sum(&(value().unwrap() * &above).unwrap()).unwrap().backward().unwrap();
            let (value, tape) = Tape::record(value);
            let got = tape.gradients_from(&value.unwrap(), &above).unwrap();
            for of in [&x, &y] {
                assert_eq!(numbers(&got, of), numbers(&want, of));
            }
        }
        let (value, tape) = Tape::record(|| op::asinh(&x).unwrap());
        assert!(tape.gradients_from(&value, &Tensor::ones(2, DType::F64, &Device::Cpu).unwrap()).is_err());
    }

    #[test]
    fn recordings_are_nested_and_end_with_a_panic() {
        let x = variable(&[1.0]);
        let (value, tape) = Tape::record(|| {
            let (inner, own) = Tape::record(|| op::asinh(&x).unwrap());
            assert_eq!(own.gradients(&inner).unwrap().get(&x).unwrap().elem_count(), 1);
            assert!(std::panic::catch_unwind(|| Tape::record(|| panic!("in the work"))).is_err());
            assert!(records());
            op::asinh(&x).unwrap()
        });
        assert!(!records());
        let got = numbers(&tape.gradients(&value).unwrap(), &x);
        assert!((got[0] - 0.5_f64.sqrt()).abs() < 1e-15, "{got:?}");
    }
}
